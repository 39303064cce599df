"""One book, one input: the step that everything runs, in simulation, paper and live.

``step(state, cause)`` decides, folds its own events into ``state``, and answers with events and effects. It
is pure in what matters: no clock, no I/O, no randomness. The state belongs to the caller, who throws it away
when the events could not be made durable, and rebuilds it with ``BookState.apply`` alone.
"""

from collections.abc import Callable
from typing import Any, Final

from execore.core.book_state import BookState
from execore.core.chart_of_accounts import is_ambiguous
from execore.core.decisions import decide, id_in_use
from execore.core.entry_intake import book_entry, choose_lots, is_booked
from execore.core.group_keeping import (
    cancel_group,
    instrument_of,
    release_group,
    review_group,
    submit_group,
    tend,
)
from execore.core.order_facts import create
from execore.core.order_ledger import History
from execore.core.order_state_machine import resubmission
from execore.core.report_intake import take_report
from execore.core.request_proposals import asked_terms
from execore.core.strict_reports import check_report
from execore.core.transitions import transition
from execore.core.validation import validate_order, validate_terms
from execore.model import events, group_requests, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import DuplicateClientOrderId, InvalidInput
from execore.model.ids import check_id
from execore.model.money import exactly
from execore.model.orders import Order, disclosed
from execore.model.vocabulary import CostMethod, PositionMode, TimeInForce


@exactly
def step(
    state: BookState, cause: requests.Input, *, now_ns: int | None = None, tends_groups: bool = True
) -> Answer:
    """Take one input: decide, fold the events into ``state``, answer.

    An error leaves ``state`` as it was.

    Args:
        now_ns: the time by our own clock, integer nanoseconds UTC; that of ``cause`` if not given.
        tends_groups: whether groups do what this makes necessary; else they do once they are reviewed.

    Raises:
        InvalidInput and its children: a request that is not acceptable. Reports never raise.
    """
    if isinstance(cause, reports.Report):
        answer = take_report(state, cause)
    else:
        answer = state.fold(_REQUESTS[type(cause)](state, cause), cause.ts_ns)
    if not (tends_groups and state.groups.places):
        return answer
    return tend(state, cause, answer, _ask, cause.ts_ns if now_ns is None else now_ns)


def open_book(
    book: str,
    cost_method: CostMethod,
    ts_ns: int,
    history: History | None = None,
    position_mode: PositionMode = PositionMode.NETTING,
) -> tuple[BookState, events.BookOpened]:
    """A new book's state and its first event, which ``state`` has folded already."""
    state, event = BookState(history), events.BookOpened(check_id(book, "book"), cost_method, position_mode)
    state.apply(event, ts_ns)
    return state, event


@exactly
def check_input(state: BookState, cause: requests.Input) -> None:
    """Make sure that an input of a history is acceptable, changing nothing.

    Raises:
        InvalidInput and its children: it is not. So does a report that would be parked of a venue.
    """
    if isinstance(cause, reports.Report):
        check_report(state, cause)
    else:
        _REQUESTS[type(cause)](state, cause)


# --- requests --------------------------------------------------------------------------------------------


def _ask(state: BookState, cause: requests.Input) -> Answer:
    """Take a request that a group makes: the ids of its orders are kept for it."""
    decided = _create(state, cause, cause.ends_ts_ns) if isinstance(cause, requests.SubmitOrder) else None
    return state.fold(decided or _REQUESTS[type(cause)](state, cause), cause.ts_ns)


def _submit(state: BookState, cause: requests.SubmitOrder) -> Answer:
    request = cause.order
    check_id(request.client_order_id, "client_order_id")
    disclosed(request.side)
    existing = state.orders.find(request.client_order_id)
    if existing is not None:
        return resubmission(existing, request)
    if state.groups.of_order(request.client_order_id) is not None:
        raise DuplicateClientOrderId(
            "client_order_id", f"{request.client_order_id} is kept for an order of a group", "Use a new one"
        )
    return _create(state, cause, _end_of(state, cause))


def _create(state: BookState, cause: requests.SubmitOrder, ends_ts_ns: int | None) -> Answer:
    request = cause.order
    validate_order(request, instrument_of(state, request.symbol))
    state.positions.check_lots(request.symbol, request.position_side, request.lots)
    created = events.OrderCreated(request.client_order_id, request, ends_ts_ns)
    release = requests.ReleaseOrder(
        ts_ns=cause.ts_ns, client_order_id=request.client_order_id, verdict=cause.verdict
    )
    decided = transition(create(created, cause.ts_ns), release)
    return Answer(decided.outcome, decided.order, (created, *decided.events), decided.effects)


def _end_of(state: BookState, cause: requests.SubmitOrder) -> int | None:
    """When a day order ends. One that nobody gave an end trades in the day that runs."""
    running = state.day_ends_ts_ns
    if cause.ends_ts_ns is not None or cause.order.time_in_force is not TimeInForce.DAY:
        return cause.ends_ts_ns
    return running if running is not None and cause.ts_ns < running else None


def _amend(state: BookState, cause: requests.AmendOrder) -> Answer:
    order = state.orders.get(cause.client_order_id)
    check_id(cause.request_id, "request_id")
    instrument = instrument_of(state, order.symbol)
    validate_terms(*asked_terms(order, cause), instrument)  # an amend restates the whole order
    return _decide_request(state, order, cause)


def _cancel(state: BookState, cause: requests.CancelOrder) -> Answer:
    check_id(cause.request_id, "request_id")
    return _decide_request(state, state.orders.get(cause.client_order_id), cause)


def _decide_request(
    state: BookState, order: Order, cause: requests.CancelOrder | requests.AmendOrder
) -> Answer:
    """Ids are unique over requests and orders, those included that a group keeps for its orders."""
    if state.groups.of_order(cause.request_id) is not None:
        return id_in_use(order, cause)
    return decide(state.orders, order, cause)


def _resolve(state: BookState, cause: requests.ResolveOrder) -> Answer:
    order = state.orders.get(cause.client_order_id)
    named = cause.venue_order_id
    owner = state.orders.by_venue_order_id(named, order.symbol) if named else None
    if owner is not None and owner is not order:
        what = f"{named!r:.60} is the venue's id of order {owner.client_order_id}"
        raise InvalidInput("venue_order_id", what, "Leave it out: reports that name both tie them together")
    return decide(state.orders, order, cause)


def _order_input(state: BookState, cause: requests.OrderInput) -> Answer:
    return decide(state.orders, state.orders.get(cause.client_order_id), cause)


_FIXED_TERMS: Final = ("unit", "currency", "kind", "settles_in")
"""What the books are counted in: to change it would change what is booked already."""


def _define_instrument(state: BookState, cause: requests.DefineInstrument) -> Answer:
    if is_ambiguous(cause.instrument.symbol):
        what = f"{cause.instrument.symbol!r:.60} could be taken for a position side, or for a strategy's"
        raise InvalidInput("symbol", what, "Choose another name for it in this book")
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
            "Define another symbol; what the books are counted in cannot change",
        )
    return Answer(Outcome.APPLIED, events=(events.InstrumentDefined(cause.instrument),))


def _transfer(state: BookState, cause: requests.TransferCash) -> Answer:
    event = events.CashTransferred(
        check_id(cause.transfer_id, "transfer_id"),
        check_id(cause.currency, "currency"),
        cause.amount,
        cause.counterparty,
    )
    if is_booked(state, cause.transfer_id, event):
        return Answer(Outcome.ALREADY_DONE)
    return Answer(Outcome.APPLIED, events=(event,))


def _set_mark(state: BookState, cause: requests.SetMark) -> Answer:
    instrument_of(state, cause.symbol)
    return Answer(Outcome.APPLIED, events=(events.MarkSet(cause.symbol, cause.price),))


def _set_rate(state: BookState, cause: requests.SetRate) -> Answer:
    return Answer(Outcome.APPLIED, events=(events.RateSet(cause.base, cause.quote, cause.rate),))


def _start_day(state: BookState, cause: requests.StartDay) -> Answer:
    corrected = cause.corrects == state.trade_date > cause.trade_date
    if cause.trade_date <= state.trade_date and not corrected:  # a clock that jumped back starts no day
        return Answer(Outcome.ALREADY_DONE)
    opens_ts_ns = cause.ts_ns if cause.opens_ts_ns is None else cause.opens_ts_ns
    resumed = [
        event
        for order in state.orders.done_for_day(opens_ts_ns)
        for event in decide(state.orders, order, cause).events
    ]
    return Answer(Outcome.APPLIED, events=(events.DayStarted(cause.trade_date, cause.ends_ts_ns), *resumed))


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
    requests.OrderNotFound: _order_input,
    requests.RetryCancel: _order_input,
    requests.ResolveOrder: _resolve,
    requests.ExpiryDue: _order_input,
    requests.StartDay: _start_day,
    requests.DefineInstrument: _define_instrument,
    requests.TransferCash: _transfer,
    requests.BookEntry: book_entry,
    requests.ChooseLots: choose_lots,
    requests.SetMark: _set_mark,
    requests.SetRate: _set_rate,
    group_requests.SubmitGroup: submit_group,
    group_requests.ReleaseGroup: release_group,
    group_requests.CancelGroup: cancel_group,
    group_requests.ReviewGroup: review_group,
}
