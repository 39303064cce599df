"""One book, one input: the step that everything runs, in simulation, paper and live.

``step(state, cause)`` decides, folds its own events into ``state``, and answers with events and effects. It
is pure in what matters: no clock, no I/O, no randomness. The state belongs to the caller, who throws it away
when the events could not be made durable, and rebuilds it with ``BookState.apply`` alone.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from execore.core.order_facts import create
from execore.core.order_ledger import History, OrderLedger
from execore.core.order_state_machine import resubmission
from execore.core.position_ledger import PositionLedger
from execore.core.transitions import is_over, judge_execution, takeover_alerts, transition
from execore.core.validation import validate_order, validate_terms
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import DuplicateClientOrderId, InvalidInput, UnknownInstrument
from execore.model.ids import check_id, external_order_id, is_id
from execore.model.instruments import Instrument
from execore.model.money import canonical, exactly, text_of
from execore.model.orders import Order, OrderRequest, disclosed
from execore.model.vocabulary import CostMethod, OrderType, Side, TimeInForce

_UNDISCLOSED: Final = Side.UNDISCLOSED
_DISCLOSING: Final = frozenset({events.OrderAcknowledged, events.OrderReowned})


class BookState:
    """All that one book knows, as a fold of its events.

    Attributes:
        book: its name, empty until it was opened.
        orders, positions: the two ledgers; a fill enters both or neither.
        transfers: cash transfers booked, by their ids.
        parked: how many reports are open breaks.
    """

    def __init__(self, history: History | None = None) -> None:
        self.book = ""
        self.orders = OrderLedger(history)
        self.positions = PositionLedger()
        self.transfers: dict[str, events.CashTransferred] = {}
        self.parked = 0

    def apply(self, event: events.AnyEvent, ts_ns: int) -> Order | None:
        """Fold one event that happened at ``ts_ns`` (integer nanoseconds UTC); return its order after it.

        Raises:
            UnknownOrder, UnknownInstrument: the event does not follow from those before it.
        """
        if type(event) is events.FillBooked:
            return self._apply_fill(event, ts_ns)
        if isinstance(event, events.OrderEvent):
            order = self.orders.apply(event, ts_ns)
            if type(event) in _DISCLOSING and order is not None:
                self._disclose(event, order)
            self.parked += type(event) is events.ReportParked
            return order
        if isinstance(event, events.BookOpened):
            self.book = event.book
            self.positions = PositionLedger(event.cost_method)
        else:
            self.positions.apply(event)
            if isinstance(event, events.CashTransferred):
                self.transfers[event.transfer_id] = event
        return None

    def _apply_fill(self, event: events.FillBooked, ts_ns: int) -> Order | None:
        if event.side is _UNDISCLOSED:
            self.positions.suspend(event)
            return self.orders.apply(event, ts_ns)
        effect = self.positions.plan_fill(event)  # may raise, and then neither ledger has changed
        order = self.orders.apply(event, ts_ns)
        self.positions.post(effect)
        return order

    def _disclose(self, event: events.AnyOrderEvent, order: Order) -> None:
        """Fills whose side nobody knew can be booked once their order, or its owner, has one."""
        owner = order.client_order_id
        if isinstance(event, events.OrderReowned):
            self.positions.reown_suspended(event.external_order_id, owner)
        if order.side is not _UNDISCLOSED:
            self.positions.disclose(owner, order.side)


@exactly
def step(state: BookState, cause: requests.Input) -> Answer:
    """Take one input: decide, fold the events into ``state``, answer.

    An error leaves ``state`` as it was.

    Raises:
        InvalidInput and its children: a request that is not acceptable. Reports never raise.
    """
    if not isinstance(cause, reports.Report):
        return _folded(state, _REQUESTS[type(cause)](state, cause), cause.ts_ns)
    order = state.orders.find(cause.client_order_id, cause.symbol, cause.venue_order_id)
    reowned = None if order is None else _reowning(state, order, cause)
    if reowned is None:
        return _folded(state, _take_report(state, order, cause), cause.ts_ns)
    owner = state.apply(reowned, cause.ts_ns)
    answer = step(state, cause)
    alerts = () if owner is None else takeover_alerts(owner, reowned)
    return replace(answer, events=(reowned, *answer.events), effects=alerts + answer.effects)


def _folded(state: BookState, answer: Answer, ts_ns: int) -> Answer:
    """Fold what was decided; the answer then carries the order as it is afterwards."""
    if not answer.events:
        return answer
    order = None
    for event in answer.events:
        order = state.apply(event, ts_ns)
    return replace(answer, order=order)


def open_book(
    book: str, cost_method: CostMethod, ts_ns: int, history: History | None = None
) -> tuple[BookState, events.BookOpened]:
    """A new book's state and its first event, which ``state`` has folded already."""
    state, event = BookState(history), events.BookOpened(check_id(book, "book"), cost_method)
    state.apply(event, ts_ns)
    return state, event


# --- requests --------------------------------------------------------------------------------------------


def _submit(state: BookState, cause: requests.SubmitOrder) -> Answer:
    request = cause.order
    check_id(request.client_order_id, "client_order_id")
    disclosed(request.side)
    existing = state.orders.find(request.client_order_id)
    if existing is not None:
        return resubmission(existing, request)
    validate_order(request, _instrument(state, request.symbol))
    created = events.OrderCreated(request.client_order_id, request)
    release = requests.ReleaseOrder(
        ts_ns=cause.ts_ns, client_order_id=request.client_order_id, verdict=cause.verdict
    )
    decided = transition(create(created, cause.ts_ns), release)
    return Answer(decided.outcome, decided.order, (created, *decided.events), decided.effects)


def _amend(state: BookState, cause: requests.AmendOrder) -> Answer:
    order = state.orders.get(cause.client_order_id)
    check_id(cause.request_id, "request_id")
    instrument = _instrument(state, order.symbol)
    quantity = order.quantity if cause.quantity is None else cause.quantity
    validate_terms(quantity, cause.price, cause.stop_price, instrument)
    return transition(order, cause)


def _cancel(state: BookState, cause: requests.CancelOrder) -> Answer:
    check_id(cause.request_id, "request_id")
    return _order_input(state, cause)


def _order_input(state: BookState, cause: requests.OrderInput) -> Answer:
    return transition(state.orders.get(cause.client_order_id), cause)


_FIXED_TERMS: Final = ("unit", "currency", "kind", "multiplier")
"""What the books are counted in: to change it would change what is booked already."""


def _define_instrument(state: BookState, cause: requests.DefineInstrument) -> Answer:
    known = state.positions.instrument(cause.instrument.symbol)
    if known == cause.instrument:
        return Answer(Outcome.ALREADY_DONE)
    changed = next(
        (f for f in _FIXED_TERMS if known is not None and getattr(known, f) != getattr(cause.instrument, f)),
        None,
    )
    if changed is not None:
        raise InvalidInput(
            changed,
            f"{cause.instrument.symbol} is defined with {getattr(known, changed)}, and booked so",
            "Define another symbol; only tick, step and limits can change",
        )
    return Answer(Outcome.APPLIED, events=(events.InstrumentDefined(cause.instrument),))


def _transfer(state: BookState, cause: requests.TransferCash) -> Answer:
    event = events.CashTransferred(
        check_id(cause.transfer_id, "transfer_id"), check_id(cause.currency, "currency"), cause.amount
    )
    booked = state.transfers.get(cause.transfer_id)
    if booked is None:
        return Answer(Outcome.APPLIED, events=(event,))
    if booked != event:
        raise DuplicateClientOrderId(
            "transfer_id", f"{cause.transfer_id} is booked as {text_of(booked.amount)} {booked.currency}"
        )
    return Answer(Outcome.ALREADY_DONE)


def _instrument(state: BookState, symbol: str) -> Instrument:
    instrument = state.positions.instrument(symbol)
    if instrument is None:
        raise UnknownInstrument("symbol", f"{symbol!r} is not defined in this book", "Define it first")
    return instrument


_REQUESTS: Final[dict[type[requests.Input], Callable[[BookState, Any], Answer]]] = {
    requests.SubmitOrder: _submit,
    requests.ReleaseOrder: _order_input,
    requests.CancelOrder: _cancel,
    requests.AmendOrder: _amend,
    requests.CloseOrder: _order_input,
    requests.SubmitNotSent: _order_input,
    requests.SubmitOutcomeUnknown: _order_input,
    requests.RequestNotSent: _order_input,
    requests.RequestOutcomeUnknown: _order_input,
    requests.DefineInstrument: _define_instrument,
    requests.TransferCash: _transfer,
}


# --- reports ---------------------------------------------------------------------------------------------


def _take_report(state: BookState, order: Order | None, report: Any) -> Answer:
    is_fill = type(report) is reports.FillReport
    if order is not None:
        if type(report) is reports.UnreadableReport:
            return _park(state, report, order)
        return _take_fill(state, order, report) if is_fill else transition(order, report)
    adopt = _ADOPTERS.get(type(report))
    adopted = None if adopt is None else adopt(state, report)
    if adopted is None:
        return _park(state, report)
    if adopted.client_order_id in state.orders:  # adopted before, from a report that named as little
        return _take_report(state, state.orders.get(adopted.client_order_id), report)
    order = create(adopted, report.ts_ns)
    answer = _take_fill(state, order, report) if is_fill else Answer(Outcome.APPLIED)
    alerts = _adoption_alert(adopted) if adopted.external else ()
    return replace(answer, events=(adopted, *answer.events), effects=alerts + answer.effects)


def _take_fill(state: BookState, order: Order, report: reports.FillReport) -> Answer:
    if state.positions.instrument(report.symbol or order.symbol) is None:
        return _park(state, report, order)
    booked = state.orders.execution(report.execution_id, report.execution_scope)
    return judge_execution(order, report, booked) or transition(order, report)


def _reowning(state: BookState, order: Order, report: reports.Report) -> events.OrderReowned | None:
    """If the report ties ``order`` to a venue id under which executions were booked to an external order."""
    if not report.venue_order_id or report.venue_order_id == order.venue_order_id:
        return None
    other = state.orders.by_venue_order_id(report.venue_order_id, order.symbol)
    if other is None or other is order or not other.external:
        return None
    other_side = other.side is not order.side and _UNDISCLOSED not in (other.side, order.side)
    return events.OrderReowned(
        order.client_order_id,
        other.client_order_id,
        report.venue_order_id,
        canonical(other.filled),
        canonical(other.notional),
        late=bool(other.filled) and is_over(order),
        disputed=other.conflict or other_side,
    )


def _adopt_execution(state: BookState, report: reports.FillReport) -> events.OrderAdopted | None:
    """An order known by executions alone: its quantity is what they filled. None if it cannot be booked."""
    if state.positions.instrument(report.symbol) is None:
        return None
    if not report.execution_id and report.cumulative_quantity is None:
        return None
    if state.orders.execution(report.execution_id, report.execution_scope) is not None:
        return None
    side = Side.UNDISCLOSED if report.side is None else report.side
    request = _adopted_request(state, report, side, report.quantity, OrderType.MARKET)
    return events.OrderAdopted(request.client_order_id, request, report.venue_order_id, inferred=True)


def _adopt_acknowledged(state: BookState, report: reports.AcknowledgeReport) -> events.OrderAdopted | None:
    """An order whose terms the venue tells: a drop copy's own order, or somebody else's doing."""
    if state.positions.instrument(report.symbol) is None or report.leaves is None:
        return None
    side = Side.UNDISCLOSED if report.side is None else report.side
    order_type = OrderType.MARKET if report.price is None else OrderType.LIMIT
    request = _adopted_request(state, report, side, report.leaves, order_type, report.price)
    return events.OrderAdopted(
        request.client_order_id, request, report.venue_order_id, external=not report.owned
    )


def _adopted_request(
    state: BookState,
    report: reports.VenueReport,
    side: Side,
    quantity: Decimal,
    order_type: OrderType,
    price: Decimal | None = None,
) -> OrderRequest:
    # An order that was not sent by us may carry an id that could never be one of ours.
    client_order_id = report.client_order_id if is_id(report.client_order_id) else ""
    named = report.venue_order_id or report.client_order_id or f"cause-{report.input_id}"
    return OrderRequest(
        client_order_id=client_order_id or external_order_id(state.book, report.symbol, named),
        symbol=report.symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=price,
        time_in_force=TimeInForce.GTC,
    )


_ADOPTERS: Final[dict[type[reports.Report], Callable[[BookState, Any], events.OrderAdopted | None]]] = {
    reports.FillReport: _adopt_execution,
    reports.AcknowledgeReport: _adopt_acknowledged,
}


def _adoption_alert(adopted: events.OrderAdopted) -> tuple[effects.Effect, ...]:
    message = f"the venue reports order {adopted.venue_order_id}, which this book did not send"
    return (effects.Alert("external_order", message, adopted.client_order_id),)


def _park(state: BookState, report: Any, order: Order | None = None) -> Answer:
    """Keep a report that can be tied to no order, or to no instrument, as an open break; shout about it."""
    named = report.client_order_id or report.venue_order_id or "no order"
    if type(report) is reports.UnreadableReport:
        code, why = "unreadable_report", "its adapter could not make sense of it"
    elif state.positions.instrument(report.symbol) is None and (report.symbol or order is None):
        code, why = "unknown_instrument", f"its symbol {report.symbol!r} is not defined in this book"
    else:
        code, why = "unmatched_report", "it matches no order of this book"
    reason = f"report on {named} was parked: {why}"
    key = "" if order is None else order.client_order_id
    alert = effects.Alert(code, reason, key)
    return Answer(Outcome.PARKED, order, (events.ReportParked(key, code, reason, report),), (alert,))
