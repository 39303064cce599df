"""The paper exchange's own books: its orders, what is displayed, and the rules that compare them."""

from decimal import Decimal
from typing import Final

import msgspec

from execore.core.validation import validate_terms
from execore.model.errors import InvalidInput
from execore.model.instruments import Instrument
from execore.model.money import EXACT, ZERO, Number, canonical, to_decimal
from execore.model.orders import OrderRequest
from execore.model.reports import FillReport, VenueReport
from execore.model.vocabulary import OrderState, Side

OPPOSITE: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class PaperOrder(msgspec.Struct, kw_only=True):
    """An order in the exchange's own books. It belongs to the exchange: read it, leave it as it is.

    Attributes:
        request: what was submitted.
        venue_order_id: ``P1``, ``P2`` … in order of acceptance; empty for an order that was refused.
        quantity, price, stop_price: the terms in force.
        filled: cumulative quantity executed.
        rank: its place in time priority; a new one when an amend loses the old.
        ends_ns: when its time in force is over, integer nanoseconds UTC, or None.
        waiting: a stop that has not been triggered.
        resting: it has met the market on arrival, and makes the price from now on.
        ended: how it ended other than by filling, or None.
        history: the reports that tell it from the beginning; of accepted amends only the last.
    """

    request: OrderRequest
    quantity: Decimal
    venue_order_id: str = ""
    price: Decimal | None = None
    stop_price: Decimal | None = None
    filled: Decimal = ZERO
    rank: int = 0
    ends_ns: int | None = None
    waiting: bool = False
    resting: bool = False
    ended: OrderState | None = None
    history: list[VenueReport] = msgspec.field(default_factory=list)

    @property
    def state(self) -> OrderState:
        """What became of it so far."""
        if self.filled >= self.quantity:
            return OrderState.FILLED
        if self.ended is not None:
            return self.ended
        return OrderState.PARTIALLY_FILLED if self.filled else OrderState.ACKNOWLEDGED

    @property
    def leaves(self) -> Decimal:
        """Quantity that can still trade."""
        is_over = self.ended is not None
        return ZERO if is_over else canonical(EXACT.subtract(self.quantity, self.filled))

    @property
    def executions(self) -> tuple[FillReport, ...]:
        """Its executions, oldest first."""
        return tuple(report for report in self.history if type(report) is FillReport)


class PaperMarket:
    """The best quote of one instrument, and how much of it nobody has taken yet."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.price: dict[Side, Decimal] = {}
        self.size: dict[Side, Decimal] = {Side.BUY: ZERO, Side.SELL: ZERO}

    def show(self, side: Side, price: Number, size: Number) -> None:
        """Replace what is displayed on one side; ``Side.BUY`` is the bid."""
        self.price[side] = to_decimal(price, "price")
        self.size[side] = to_decimal(size, "size")

    def displayed(self, side: Side) -> Decimal | None:
        """The price shown on one side, or None while nothing is shown there."""
        return self.price[side] if self.size[side] else None

    def takeable(self, order: PaperOrder) -> Decimal:
        """How much of the order could trade at once with what is displayed."""
        other = OPPOSITE[order.request.side]
        price = self.displayed(other)
        return ZERO if price is None or not accepts(order, price) else min(order.leaves, self.size[other])


def accepts(order: PaperOrder, price: Decimal) -> bool:
    """Whether the order's limit allows ``price``."""
    if order.price is None:
        return True
    return price <= order.price if order.request.side is Side.BUY else price >= order.price


def triggers(order: PaperOrder, price: Decimal) -> bool:
    """Whether a waiting stop is set off by ``price``."""
    assert order.stop_price is not None
    return price >= order.stop_price if order.request.side is Side.BUY else price <= order.stop_price


def priority(order: PaperOrder) -> tuple[Decimal, int]:
    """Sorts orders of one side into price-time priority; without a limit first."""
    if order.price is None:
        return Decimal("-Infinity"), order.rank
    return (-order.price if order.request.side is Side.BUY else order.price), order.rank


def misfit(
    quantity: Decimal, price: Decimal | None, stop_price: Decimal | None, instrument: Instrument
) -> str:
    """Why the exchange does not take these terms for the instrument; empty if it does."""
    try:
        validate_terms(quantity, price, stop_price, instrument)
    except InvalidInput as error:
        return str(error)
    return ""
