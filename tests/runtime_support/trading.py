"""What the runtime's tests trade with: an instrument, a clock, and a venue that does as the test says."""

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.reports import VenueReport
from execore.venues.paper import PaperVenue
from execore.venues.protocol import Capabilities, QueryAnswer

START_NS = 1_700_000_000_000_000_000
BITCOIN = Instrument(
    symbol="BTC-USD",
    currency="USD",
    base_currency="BTC",
    tick_size=Decimal("0.5"),
    quantity_step=Decimal("0.001"),
)
Message = SendOrder | SendCancel | SendAmend | QueryOrder


def order(number: int = 1, **terms: Any) -> OrderRequest:
    """The ``number``-th order: buy one bitcoin at 100, unless ``terms`` say otherwise."""
    defaults = {"symbol": "BTC-USD", "side": "buy", "quantity": "1", "price": "100"}
    return OrderRequest(**(defaults | {"client_order_id": f"order-{number}"} | terms))


def ticking() -> Callable[[], int]:
    """A clock that is a millisecond later each time it is asked."""
    ticks: Iterator[int] = count(START_NS, 1_000_000)
    return lambda: next(ticks)


def paper_venue() -> PaperVenue:
    """A paper venue where one bitcoin is bid at 99 and five are offered at 101."""
    venue = PaperVenue("paper", [BITCOIN], start_ts_ns=START_NS, maker_fee_bps=-1, taker_fee_bps=5)
    venue.on_quote("BTC-USD", 99, 1, 101, 5, START_NS)
    return venue


class ScriptedVenue:
    """Notes every message and answers none, unless told to: a ``Venue``.

    Attributes:
        sent: every message handed over, in order.
        failing: what a call of that name (``submit``, ``cancel``, ``amend``, ``query``, ``take_reports``,
            ``mass_status``) raises.
        watching: called with each message before anything else is done with it.
        reports: handed out one at a time, as a slow venue would; each again until it is confirmed.
        mass: what a mass status adds to them.
        found: what a query answers.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failing: dict[str, Exception] = {}
        self.watching: Callable[[Message], None] = lambda message: None
        self.reports: deque[VenueReport] = deque()
        self.mass: list[VenueReport] = []
        self._told = False
        self.found = QueryAnswer.NOT_FOUND

    @property
    def capabilities(self) -> Capabilities:
        """Those of the paper venue; nothing here depends on them."""
        return paper_venue().capabilities

    def submit(self, message: SendOrder) -> None:
        """Note it."""
        self._take("submit", message)

    def cancel(self, message: SendCancel) -> None:
        """Note it."""
        self._take("cancel", message)

    def amend(self, message: SendAmend) -> None:
        """Note it."""
        self._take("amend", message)

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Note it, and answer as told."""
        self._take("query", message)
        return self.found

    def take_reports(self) -> list[VenueReport]:
        """The first report that is not confirmed, if there is one."""
        if "take_reports" in self.failing:
            raise self.failing["take_reports"]
        self._told = bool(self.reports)
        return [self.reports[0]] if self.reports else []

    def confirm_reports(self) -> None:
        """Go on to the next report."""
        if self._told:
            self.reports.popleft()
        self._told = False

    def mass_status(self, since_ts_ns: int) -> None:
        """Report what was told to be."""
        if "mass_status" in self.failing:
            raise self.failing["mass_status"]
        self.reports.extend(self.mass)

    def kinds(self) -> list[str]:
        """The types of what was sent, in order."""
        return [type(message).__name__ for message in self.sent]

    def _take(self, call: str, message: Message) -> None:
        self.watching(message)
        self.sent.append(message)
        if call in self.failing:
            raise self.failing[call]
