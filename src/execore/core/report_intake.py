"""Reports of the venue, whoever they are about: found, adopted, re-owned, decided, or parked."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.decisions import merged, take
from execore.core.entry_intake import take_entry
from execore.core.instrument_rules import is_possible_price
from execore.core.proposals import is_over, takeover_alerts
from execore.core.settlement import settlement_date
from execore.core.trade_changes import wait_for_execution
from execore.model import effects, events, reports
from execore.model.answers import Answer, Outcome
from execore.model.ids import external_order_id, is_id
from execore.model.money import canonical, text_of
from execore.model.orders import Order, OrderRequest
from execore.model.vocabulary import OrderType, Side, TimeInForce

_UNDISCLOSED: Final = Side.UNDISCLOSED
REPLIES: Final = frozenset(
    {
        reports.CancelReport,
        reports.AmendReport,
        reports.CancelRejectReport,
        reports.AmendRejectReport,
        reports.PendingReport,
    }
)
"""Reports that answer a request: found by its id before anything else (FIX 4.4 Vol 4)."""

TRADE_CHANGES: Final = frozenset({reports.TradeCancelReport, reports.TradeCorrectReport, reports.FeeReport})
_PRICED: Final = frozenset({reports.FillReport, reports.TradeCorrectReport})


def take_report(state: BookState, report: Any) -> Answer:
    """Decide what a report does, and fold it. It never raises: what fits nothing is parked."""
    if type(report) is reports.EntryReport:
        return take_entry(state, report)
    order = state.orders.find(report.client_order_id, report.symbol, report.venue_order_id)
    if type(report) in REPLIES and report.request_id:
        asked = state.orders.find(report.request_id)
        if asked is not None and order not in (None, asked):
            return state.fold(_park(state, report, order), report.ts_ns)
        order = asked or order
    other = None
    if order is not None and report.venue_order_id not in ("", order.venue_order_id):
        other = _same_venue_id(state, order, report)
    if type(report) in TRADE_CHANGES:
        owner = state.orders.by_execution_id(report.execution_ref_id, report.execution_scope)
        if owner is None or owner is not other or not owner.external:
            return _take(state, owner or order, report)  # else the report ties the two together
    if order is None or other is None:
        return _take(state, order, report)
    if not other.external:
        answer = _take(state, order, report)
        return replace(answer, effects=(*answer.effects, *_shared_id_alerts(order, other, report)))
    reowned = state.with_strategies(_reowning(order, other, report))
    owner = state.apply(reowned, report.ts_ns)
    answer = take_report(state, report)
    alerts = () if owner is None else takeover_alerts(owner, reowned)
    alerts += _lost_request_alerts(other, state.orders.find(order.client_order_id))
    return replace(
        answer,
        outcome=Outcome.APPLIED,
        events=(reowned, *answer.events),
        effects=alerts + answer.effects,
        refusal=None,
    )


def _take(state: BookState, order: Order | None, report: Any) -> Answer:
    if order is not None:
        is_unreadable = type(report) is reports.UnreadableReport
        if is_unreadable or (type(report) in _PRICED and not _is_bookable(state, report, order)):
            return state.fold(_park(state, report, order), report.ts_ns)
        if type(report) is reports.FillReport and not report.settlement_date:
            report = _dated(state, order, report)
        return take(state.orders, order, report, state.fold)
    adopt = _ADOPTERS.get(type(report))
    adopted = None if adopt is None else adopt(state, report)
    if adopted is None:
        return state.fold(_unmatched(state, report), report.ts_ns)
    if adopted.client_order_id in state.orders:  # adopted before, from a report that named as little
        return _take(state, state.orders.get(adopted.client_order_id), report)
    alerts = _adoption_alert(adopted) if adopted.external else ()
    birth = state.fold(Answer(Outcome.APPLIED, events=(adopted,), effects=alerts), report.ts_ns)
    if type(report) is not reports.FillReport and not report.cumulative_quantity:
        return birth
    taken = take(state.orders, state.orders.get(adopted.client_order_id), report, state.fold)
    return merged([birth, taken], taken)


def _is_bookable(state: BookState, report: Any, order: Order | None) -> bool:
    """Whether the books can take an execution: its instrument is defined, and can have that price."""
    instrument = state.positions.instrument(report.symbol or ("" if order is None else order.symbol))
    return instrument is not None and is_possible_price(instrument, report.price)


def _dated(state: BookState, order: Order, report: reports.FillReport) -> reports.FillReport:
    """The execution with its settlement date, where it settles later and the venue did not say when."""
    instrument = state.positions.instrument(report.symbol or order.symbol)
    if instrument is None or not instrument.settlement_days:
        return report
    return replace(report, settlement_date=settlement_date(instrument, report.ts_ns))


def _unmatched(state: BookState, report: Any) -> Answer:
    """A report of an order that nobody knows: what speaks of a request or a status hurts nobody."""
    if type(report) in TRADE_CHANGES:
        return wait_for_execution(state.orders.executions, None, report)
    if type(report) is reports.StatusReport:
        return Answer(Outcome.IGNORED, effects=_unknown_fills(report))
    return _park(state, report)


def _unknown_fills(report: reports.StatusReport) -> tuple[effects.Effect, ...]:
    """What to tell of an answer about an order nobody knows: that it traded, if it did."""
    if not report.cumulative_quantity:
        return ()
    named = report.client_order_id or report.venue_order_id or "unnamed"
    message = f"the venue counts {text_of(report.cumulative_quantity)} filled of order {named}: we know none"
    return (effects.Alert("executions_missing", message),)


def _same_venue_id(state: BookState, order: Order, report: reports.Report) -> Order | None:
    """Another order under the venue id that the report gives to ``order``, if there is one."""
    other = state.orders.by_venue_order_id(report.venue_order_id, order.symbol)
    return None if other is order else other


def _shared_id_alerts(order: Order, other: Order, report: reports.Report) -> tuple[effects.Effect, ...]:
    """One venue id for two of our orders: a report that names it alone is the newer one's from now on."""
    if not other.is_open:
        return ()  # a venue may begin its numbers anew
    key = order.client_order_id
    message = (
        f"the venue gives order {key} the id {report.venue_order_id}, which order {other.client_order_id} "
        "has, and both are live"
    )
    return (effects.Alert("venue_order_id_conflict", message, key),)


def _lost_request_alerts(external: Order, owner: Order | None) -> tuple[effects.Effect, ...]:
    """What was asked of an order that is another's now may come to nothing, and nobody would ask again."""
    if owner is None or not owner.is_open or not external.pending_request_ids:
        return ()
    key, asked = owner.client_order_id, ", ".join(external.pending_request_ids)
    message = (
        f"order {key} is what was known as {external.client_order_id}, of which {asked} was asked and not "
        "answered: ask it of the order, if it is still wanted"
    )
    return (effects.Alert("request_not_taken_over", message, key),)


def _reowning(order: Order, other: Order, report: reports.Report) -> events.OrderReowned:
    """The report ties ``order`` to a venue id under which executions were booked to an external order."""
    other_side = other.side is not order.side and _UNDISCLOSED not in (other.side, order.side)
    return events.OrderReowned(
        order.client_order_id,
        other.client_order_id,
        report.venue_order_id,
        canonical(other.filled),
        canonical(other.notional),
        late=bool(other.filled) and is_over(order),
        disputed=other.conflict or other_side,
        provisional=other.provisional,
        adjusted=other.adjusted,
        cancelled=other.cancelled,
        expired=other.expired,
        restatements=other.restatements,
        side=order.side,
    )


def _adopt_execution(state: BookState, report: reports.FillReport) -> events.OrderAdopted | None:
    """An order known by executions alone: its quantity is what they filled. None if it cannot be booked."""
    if not _is_bookable(state, report, None):
        return None
    if not report.execution_id and not report.cumulative_quantity:
        return None
    if report.execution_id and state.orders.execution(report.execution_id, report.execution_scope):
        return None
    side = Side.UNDISCLOSED if report.side is None else report.side
    request = _adopted_request(state, report, side, report.quantity, OrderType.MARKET)
    return events.OrderAdopted(request.client_order_id, request, report.venue_order_id, inferred=True)


def _adopt_acknowledged(state: BookState, report: reports.AcknowledgeReport) -> events.OrderAdopted | None:
    """An order whose terms the venue tells: a drop copy's own order, or somebody else's doing."""
    quantity = report.quantity if report.leaves is None else report.leaves
    if state.positions.instrument(report.symbol) is None or quantity is None:
        return None
    side = Side.UNDISCLOSED if report.side is None else report.side
    order_type = OrderType.MARKET if report.price is None else OrderType.LIMIT
    request = _adopted_request(state, report, side, quantity, order_type, report.price)
    return events.OrderAdopted(
        request.client_order_id, request, report.venue_order_id, external=not report.owned
    )


def external_id(state: BookState, report: reports.Report) -> str:
    """The id by which an order is known that nobody told this book of before the report."""
    # An order that was not sent by us may carry an id that could never be one of ours.
    if is_id(report.client_order_id):
        return report.client_order_id
    named = report.venue_order_id or report.client_order_id or f"cause-{report.input_id}"
    return external_order_id(state.book, report.symbol, named)


def _adopted_request(
    state: BookState,
    report: reports.VenueReport,
    side: Side,
    quantity: Decimal,
    order_type: OrderType,
    price: Decimal | None = None,
) -> OrderRequest:
    return OrderRequest(
        client_order_id=external_id(state, report),
        symbol=report.symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        price=price,
        time_in_force=TimeInForce.GTC,
        strategy=getattr(report, "strategy", ""),
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
    elif type(report) in _PRICED and not _is_bookable(state, report, order):
        code, why = "impossible_price", f"nothing trades in {report.symbol} at {text_of(report.price)}"
    else:
        code, why = "unmatched_report", "it matches no order of this book"
    reason = f"report on {named} was parked: {why}"
    key = "" if order is None else order.client_order_id
    alert = effects.Alert(code, reason, key)
    return Answer(Outcome.PARKED, order, (events.ReportParked(key, code, reason, report),), (alert,))
