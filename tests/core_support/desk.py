"""A book to play with: every input goes through the real ``step``, and what must hold is checked after."""

from decimal import Decimal
from typing import Any, Final

from execore.core.book_state import BookState
from execore.core.engine import open_book, step
from execore.core.invariants import check
from execore.model import events, reports, requests
from execore.model.answers import Answer
from execore.model.effects import Alert
from execore.model.instruments import Instrument
from execore.model.orders import Order, OrderRequest
from execore.model.requests import Input, RiskResult
from execore.model.vocabulary import CostMethod, InstrumentKind, RiskDecision

BITCOIN: Final = Instrument(
    symbol="BTC-USD", currency="USD", base_currency="BTC", quantity_step=Decimal("0.001")
)
FUTURE: Final = Instrument(
    symbol="ESZ5",
    currency="USD",
    kind=InstrumentKind.LINEAR,
    multiplier=Decimal(50),
    tick_size=Decimal("0.25"),
)
ALLOW: Final = RiskResult(RiskDecision.ALLOW)
BLOCK: Final = RiskResult(RiskDecision.BLOCK, "too big", "size")
PAUSE: Final = RiskResult(RiskDecision.PAUSE, "ask a person", "size")


class Desk:
    """One book with a spot and a linear instrument. Orders are called ``o1`` unless said otherwise."""

    def __init__(self) -> None:
        self.state, opened = open_book("desk", CostMethod.AVERAGE, 0)
        self.events: list[events.AnyEvent] = [opened]
        self.times = [0]
        for instrument in (BITCOIN, FUTURE):
            self.take(requests.DefineInstrument(ts_ns=0, instrument=instrument))

    def take(self, cause: Input) -> Answer:
        """Step one input, note its events, and check that the books still hold."""
        answer = step(self.state, cause)
        self.events += answer.events
        self.times += [cause.ts_ns] * len(answer.events)
        check(self.state)
        return answer

    # --- our side ---

    def submit(self, key: str = "o1", *, verdict: RiskResult = ALLOW, **terms: Any) -> Answer:
        """Submit an order to buy one bitcoin at 100, unless ``terms`` say otherwise."""
        return self.take(requests.SubmitOrder(ts_ns=0, order=order_request(key, **terms), verdict=verdict))

    def ask(self, request: type[Input], key: str = "o1", **fields: Any) -> Answer:
        """Step a request or a finding about one order."""
        return self.take(request(ts_ns=0, client_order_id=key, **fields))  # type: ignore[call-arg]

    def ask_cancel(self, request_id: str = "c1") -> Answer:
        return self.ask(requests.CancelOrder, request_id=request_id)

    def ask_amend(self, request_id: str = "a1", **terms: Any) -> Answer:
        return self.ask(requests.AmendOrder, request_id=request_id, **terms)

    # --- the venue's side ---

    def tell(self, report: type[reports.Report], key: str = "o1", **fields: Any) -> Answer:
        """Step a report that names an order by our id; by the venue's alone where ``key`` is empty."""
        named: dict[str, Any] = {"ts_ns": 0, "client_order_id": key, "symbol": "BTC-USD"}
        return self.take(report(**(named | fields)))

    def acknowledge(self, key: str = "o1", venue_order_id: str = "V1", **fields: Any) -> Answer:
        return self.tell(reports.AcknowledgeReport, key, venue_order_id=venue_order_id, **fields)

    def fill(
        self, execution_id: str, quantity: Any, price: Any = "100", key: str = "o1", **fields: Any
    ) -> Answer:
        return self.tell(
            reports.FillReport, key, execution_id=execution_id, quantity=quantity, price=price, **fields
        )

    # --- looking ---

    @property
    def order(self) -> Order:
        return self.state.orders.get("o1")

    @property
    def held(self) -> Decimal:
        """Bitcoin held."""
        return self.state.positions.position("BTC-USD").quantity

    def only_order(self) -> Order:
        (order,) = self.state.orders
        return order

    def replayed(self) -> BookState:
        """A book made from the events alone."""
        state = BookState()
        for event, ts_ns in zip(self.events, self.times, strict=True):
            state.apply(event, ts_ns)
        return state


def live_desk(**terms: Any) -> Desk:
    """A desk whose order ``o1`` is acknowledged as ``V1``."""
    desk = Desk()
    desk.submit(**terms)
    desk.acknowledge()
    return desk


def order_request(key: str = "o1", **terms: Any) -> OrderRequest:
    defaults = {"symbol": "BTC-USD", "side": "buy", "quantity": "1", "price": "100"}
    return OrderRequest(**({"client_order_id": key} | defaults | terms))


def alert_codes(answer: Answer) -> list[str]:
    return [effect.code for effect in answer.effects if isinstance(effect, Alert)]


def event_names(answer: Answer) -> list[str]:
    return [type(event).__name__ for event in answer.events]


def assert_shows(order: Order | None, **expected: object) -> None:
    """The order's attributes are these."""
    assert {name: getattr(order, name) for name in expected} == expected


def assert_replays(desk: Desk) -> None:
    """The events alone give the same book."""
    replayed = desk.replayed()
    assert replayed.orders.to_dict() == desk.state.orders.to_dict()
    assert list(replayed.orders) == list(desk.state.orders)
    assert replayed.positions.to_dict() == desk.state.positions.to_dict()
    assert replayed.parked == desk.state.parked
