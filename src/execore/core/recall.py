"""What an input needs of the past that memory has let go of: asked before it is stepped.

Theory: whatever a step looks up, it looks up by an id that the input names, by one that follows from these,
or by one that a report names which waits for the input. So those ids that memory does not have are all that
need be looked for in the journal; what is not found there never was. More than a step needs does no harm.

Ids that we derive ourselves (a group's later orders and requests, a cancel at an order's end) are not looked
for: nobody else makes them. An order that is found can make another id worth asking for, so the shell asks
again until nothing new is found: ``runtime.archive`` does.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.position_changes import changes_past, is_extension
from execore.core.report_intake import REPLIES, TRADE_CHANGES, external_id
from execore.core.trade_changes import trade_of
from execore.model import group_requests, reports, requests
from execore.model.keys import Key, KeyKind, execution_key
from execore.model.orders import Order

_ORDER: Final = KeyKind.ORDER
_VENUE_ORDER: Final = KeyKind.VENUE_ORDER
_EXECUTION: Final = KeyKind.EXECUTION
_ADOPTING: Final = frozenset({reports.FillReport, reports.AcknowledgeReport})
_FILL: Final = reports.FillReport
_ENTRY_REPORT: Final = reports.EntryReport


def needs(state: BookState, cause: requests.Input) -> list[Key]:
    """The ids that ``cause`` makes a step look up, and that memory does not have.

    Total: it takes any input, and never raises. Some of the keys stand for nothing, as an id that is new.
    """
    keys: list[Key] = []
    if isinstance(cause, reports.Report):
        kind = type(cause)
        if kind is _ENTRY_REPORT:
            _entry(state, cause.entry.entry_id, keys)  # type: ignore[attr-defined]
            return keys
        _names(state, cause, kind, keys)
        if kind is _FILL or kind in TRADE_CHANGES:
            _executions(state, cause, kind, keys)
    elif isinstance(cause, group_requests.SubmitGroup):
        for request in cause.legs if cause.parent is None else (cause.parent, *cause.legs):
            _our_id(state, request.client_order_id, keys)
    elif isinstance(cause, requests.SubmitOrder):
        _our_id(state, cause.order.client_order_id, keys)
    elif isinstance(cause, requests.BookEntry):
        _entry(state, cause.entry.entry_id, keys)
    elif isinstance(cause, requests.TransferCash):
        _entry(state, cause.transfer_id, keys)
    elif isinstance(cause, requests.ChooseLots):
        _execution(state, cause.execution_scope, cause.execution_id, keys)
    else:
        order = _our_id(state, getattr(cause, "client_order_id", ""), keys)
        _our_id(state, getattr(cause, "request_id", ""), keys)
        if order is not None:
            _venue_id(state, getattr(cause, "venue_order_id", ""), order.symbol, keys)
    return keys


def needs_past(state: BookState, cause: requests.Input) -> tuple[str, ...]:
    """The instruments of which a step of ``cause`` wants all that ever moved their units.

    To be asked right before the step, and after what ``needs`` asks for was recalled. What the step before
    made must be in what is handed in as ``BookState.past``.
    """
    if state.is_whole:
        return ()
    kind = type(cause)
    symbols: dict[str, None] = {}
    if kind is _FILL:
        if not state.orders.executions.are_settled:
            _past_of_fill(state, cause, symbols)
    elif kind in TRADE_CHANGES or kind is requests.ChooseLots:
        _past_of_change(state, cause, symbols)
    if isinstance(cause, reports.Report) and cause.venue_order_id:
        _past_of_reowning(state, cause, symbols)
    return tuple(dict.fromkeys(one for symbol in symbols for one in state.positions.linked(symbol)))


def _past_of_fill(state: BookState, report: Any, symbols: dict[str, None]) -> None:
    executions = state.orders.executions
    named = state.orders.find(report.client_order_id, report.symbol, report.venue_order_id)
    if named is None:  # known by an id that follows from how the venue names it, or not at all
        named = state.orders.find(external_id(state, report))
    if executions.early and report.execution_id and executions.released_by(report):
        symbols[report.symbol or (named.symbol if named is not None else "")] = None
    if named is not None:
        symbols |= dict.fromkeys(_replaced(state, named, report))


def _past_of_change(state: BookState, cause: Any, symbols: dict[str, None]) -> None:
    executions = state.orders.executions
    named_id = cause.execution_id if isinstance(cause, requests.ChooseLots) else cause.execution_ref_id
    root = executions.root(execution_key(cause.execution_scope, named_id))
    execution = None if root is None else executions.standing(root)
    if execution is None:
        return
    if isinstance(cause, reports.FeeReport):
        now = replace(trade_of(execution), fee=cause.fee, fee_currency=cause.fee_currency)
        if not changes_past(state.positions.holdings, trade_of(execution), now):
            return
    symbols[execution.symbol] = None
    if isinstance(cause, reports.TradeCorrectReport):
        owner = state.orders.by_execution_id(named_id, cause.execution_scope)
        named = state.orders.find(cause.client_order_id, cause.symbol, cause.venue_order_id)
        for order in (named, owner):
            if order is not None:
                symbols |= dict.fromkeys(_replaced(state, order, cause))


def _past_of_reowning(state: BookState, report: Any, symbols: dict[str, None]) -> None:
    """What is tied to another order may become another strategy's: what each holds is worked out anew."""
    order = state.orders.find(report.client_order_id)
    if order is None or report.venue_order_id == order.venue_order_id:
        return
    other = state.orders.by_venue_order_id(report.venue_order_id, order.symbol)
    if other is None or other is order or other.request.strategy == order.request.strategy:
        return
    symbols |= dict.fromkeys(state.orders.executions.booked_of(other.client_order_id).values())


# --- ids ---------------------------------------------------------------------------------------------------


def _our_id(state: BookState, client_order_id: str, keys: list[Key]) -> Order | None:
    """The order of an id of ours, or of a request's; where memory has none, it is asked for."""
    if not client_order_id:
        return None
    order = state.orders.find(client_order_id)
    if order is None:
        keys.append(Key(_ORDER, client_order_id))
    return order


def _venue_id(state: BookState, venue_order_id: str, symbol: str, keys: list[Key]) -> Order | None:
    if not venue_order_id:
        return None
    order = state.orders.by_venue_order_id(venue_order_id, symbol)
    if order is None:
        keys.append(Key(_VENUE_ORDER, venue_order_id, symbol))
    return order


def _names(state: BookState, report: Any, kind: type, keys: list[Key]) -> None:
    """Whom a report is about, as ``report_intake`` finds that out."""
    order = _our_id(state, report.client_order_id, keys)
    venue_order_id = report.venue_order_id
    if order is None and venue_order_id:
        order = _by_venue_alone(state, venue_order_id, report.symbol, keys)
    if kind in REPLIES and report.request_id:
        order = _our_id(state, report.request_id, keys) or order
    if order is not None:
        if venue_order_id and venue_order_id != order.venue_order_id:
            _venue_id(state, venue_order_id, order.symbol, keys)
    elif kind in _ADOPTING:
        adopted = external_id(state, report)
        if adopted != report.client_order_id:
            _our_id(state, adopted, keys)


def _by_venue_alone(state: BookState, venue_order_id: str, symbol: str, keys: list[Key]) -> Order | None:
    """Without a symbol, a report may mean an order in any instrument of the book."""
    if symbol:
        return _venue_id(state, venue_order_id, symbol, keys)
    for instrument in state.positions.instruments():
        _venue_id(state, venue_order_id, instrument.symbol, keys)
    return state.orders.by_venue_order_id(venue_order_id)


# --- executions --------------------------------------------------------------------------------------------


def _executions(state: BookState, report: Any, kind: type, keys: list[Key]) -> None:
    """What a report says of executions, and what waits for that."""
    executions = state.orders.executions
    if report.execution_id:
        _execution(state, report.execution_scope, report.execution_id, keys)
    if kind is not _FILL:
        _execution(state, report.execution_scope, report.execution_ref_id, keys)
    if executions.early and report.execution_id and kind is not reports.TradeCancelReport:
        for change in executions.released_by(report):
            _names(state, change, type(change), keys)
            if change.execution_id:
                _execution(state, change.execution_scope, change.execution_id, keys)


def _entry(state: BookState, entry_id: str, keys: list[Key]) -> None:
    if entry_id not in state.entries:
        keys.append(Key(KeyKind.ENTRY, entry_id))


def _execution(state: BookState, scope: str, execution_id: str, keys: list[Key]) -> None:
    key = execution_key(scope, execution_id)
    if key not in state.orders.executions:
        keys.append(Key(_EXECUTION, key))


def _replaced(state: BookState, order: Order, report: Any) -> Iterator[str]:
    """The instruments of what is known by totals alone and may give way to ``report``, the hard way."""
    other = None
    if report.venue_order_id not in ("", order.venue_order_id):
        other = state.orders.by_venue_order_id(report.venue_order_id, order.symbol)
    is_tied = other is not None and other is not order  # it may be taken over, and more than it with it
    for each in (order, other) if is_tied else (order,):
        if each is None or not each.provisional:
            continue
        for key, execution in state.orders.executions.provisional(each.client_order_id):
            shrinks = not execution.fee and is_extension(state.positions.holdings, execution.symbol, key)
            if is_tied or not shrinks:
                yield execution.symbol
