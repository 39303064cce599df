"""How an event changes an order: the fold. Nothing is decided here, and nothing can be refused."""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from execore.core.doubt_facts import DOUBTS
from execore.core.term_facts import TERMS, without_requests
from execore.model import events
from execore.model.ending import Ending
from execore.model.money import EXACT, canonical
from execore.model.orders import Order, PendingReplace
from execore.model.vocabulary import OrderState, Side

NEVER_THERE: Final = frozenset({OrderState.FAILED, OrderState.DENIED})
"""Ends that the venue had no part in, and disproves by any sign that it knows the order."""


def never_there(order: Order) -> bool:
    """Whether the venue cannot have had the order, as far as we know: not sent, and not heard of."""
    return not (order.submitted or order.acknowledged)


def create(event: events.OrderCreated | events.OrderAdopted, ts_ns: int) -> Order:
    """The order that ``event`` brings into being, at ``ts_ns`` (integer nanoseconds UTC)."""
    request = event.order
    known_end = event.ends_ts_ns if isinstance(event, events.OrderCreated) else None
    ends_ts_ns = request.expire_ts_ns if known_end is None else known_end
    order = Order(
        request=request,
        quantity=request.quantity,
        price=request.price,
        stop_price=request.stop_price,
        ending=None if ends_ts_ns is None else Ending(ends_ts_ns),
        created_ts_ns=ts_ns,
        updated_ts_ns=ts_ns,
    )
    if isinstance(event, events.OrderCreated):
        return order
    return replace(
        order,
        venue_order_id=event.venue_order_id,
        submitted=True,
        acknowledged=True,
        external=event.external,
        inferred=event.inferred,
        terms_ts_ns=0 if event.inferred else ts_ns,
    )


def evolve(order: Order, event: events.OrderEvent, ts_ns: int) -> Order:
    """The order after ``event``, which happened at ``ts_ns`` (integer nanoseconds UTC).

    Raises:
        KeyError: ``event`` is not one that changes an existing order.
    """
    return _EVOLVERS[type(event)](order, event, ts_ns)


def _held(order: Order, event: events.OrderHeld, ts_ns: int) -> Order:
    return replace(order, held=True, reason=event.reason, updated_ts_ns=ts_ns)


def _denied(order: Order, event: events.OrderDenied, ts_ns: int) -> Order:
    return replace(order, denied=True, held=False, reason=event.reason, updated_ts_ns=ts_ns)


def _submitted(order: Order, event: events.OrderSubmitted, ts_ns: int) -> Order:
    return replace(order, submitted=True, held=False, updated_ts_ns=ts_ns)


def _failed(order: Order, event: events.OrderFailed, ts_ns: int) -> Order:
    return replace(order, failed=True, held=False, reason=event.reason, updated_ts_ns=ts_ns)


def _acknowledged(order: Order, event: events.OrderAcknowledged, ts_ns: int) -> Order:
    return replace(
        order,
        request=order.request if event.side is None else replace(order.request, side=event.side),
        acknowledged=True,
        closed_from=None if order.closed_from in NEVER_THERE or never_there(order) else order.closed_from,
        failed=False,
        denied=False,
        held=False,
        cancelled=order.cancelled and not never_there(order),
        external=order.external and not event.owned,
        known_by_copy=event.by_copy,
        venue_order_id=order.venue_order_id or event.venue_order_id,
        updated_ts_ns=ts_ns,
    )


def _filled(order: Order, event: events.FillBooked, ts_ns: int) -> Order:
    filled = EXACT.add(order.filled, event.quantity)
    grows = order.inferred and filled > order.quantity
    return replace(
        order,
        filled=filled,
        notional=EXACT.fma(event.quantity, event.price, order.notional),
        quantity=canonical(filled) if grows else order.quantity,
        acknowledged=True,
        known_by_copy=False,
        held=False,
        cancelled=order.cancelled and not never_there(order),
        venue_order_id=order.venue_order_id or event.venue_order_id,
        fill_after_terminal=order.fill_after_terminal or event.late,
        conflict=order.conflict or event.disputed,
        provisional=EXACT.add(order.provisional, event.quantity) if event.cumulative else order.provisional,
        closed_from=None,
        counted_ts_ns=max(order.counted_ts_ns, ts_ns),
        updated_ts_ns=ts_ns,
    )


def _reowned(order: Order, event: events.OrderReowned, ts_ns: int) -> Order:
    filled = EXACT.add(order.filled, event.filled)
    grows = order.inferred and filled > order.quantity
    return replace(
        order,
        filled=filled,
        notional=EXACT.add(order.notional, event.notional),
        provisional=EXACT.add(order.provisional, event.provisional),
        adjusted=EXACT.add(order.adjusted, event.adjusted),
        restatements=order.restatements + event.restatements,
        counted_ts_ns=max(order.counted_ts_ns, ts_ns if event.filled else 0),
        cancelled=order.cancelled or event.cancelled,
        expired=order.expired or event.expired,
        quantity=canonical(filled) if grows else order.quantity,
        acknowledged=True,
        known_by_copy=False,
        held=False,
        closed_from=None,
        fill_after_terminal=order.fill_after_terminal or event.late,
        conflict=order.conflict or event.disputed,
        venue_order_id=order.venue_order_id or event.venue_order_id,
        updated_ts_ns=ts_ns,
    )


def is_of_other_side(order: Order, side: Side) -> bool:
    """Whether an execution contradicts the side of its order; silence of either contradicts nothing."""
    return side is not order.side and Side.UNDISCLOSED not in (side, order.side)


def _as_it_was(order: Order, event: events.TradeRestated, ts_ns: int) -> Order:
    return replace(order, updated_ts_ns=ts_ns)


def _trade_changed(order: Order, event: events.TradeCancelled | events.TradeCorrected, ts_ns: int) -> Order:
    now = event.now if isinstance(event, events.TradeCorrected) else None
    was = event.was
    filled = EXACT.subtract(order.filled, was.quantity)
    notional = EXACT.subtract(order.notional, EXACT.multiply(was.quantity, was.price))
    gone = was.quantity
    if now is not None:
        filled = EXACT.add(filled, now.quantity)
        notional = EXACT.fma(now.quantity, now.price, notional)
        gone = EXACT.subtract(gone, now.quantity)
    return replace(
        order,
        filled=filled,
        notional=notional,
        quantity=canonical(filled) if order.inferred else order.quantity,
        provisional=EXACT.subtract(order.provisional, gone) if event.replaced else order.provisional,
        conflict=order.conflict or (now is not None and is_of_other_side(order, now.side)),
        closed_from=None,
        counted_ts_ns=max(order.counted_ts_ns, ts_ns),
        updated_ts_ns=ts_ns,
    )


def _cancel_requested(order: Order, event: events.CancelRequested, ts_ns: int) -> Order:
    ending = order.ending
    if ending is not None:
        ending = replace(ending, cancels=ending.cancels + event.for_expiry, asked_ts_ns=ts_ns)
    return replace(
        order,
        pending_cancels=(*order.pending_cancels, event.request_id),
        refused_cancel="",
        ending=ending,
        updated_ts_ns=ts_ns,
    )


def _amend_requested(order: Order, event: events.AmendRequested, ts_ns: int) -> Order:
    pending = PendingReplace(event.request_id, event.quantity, event.price, event.stop_price)
    return replace(order, pending_replaces=(*order.pending_replaces, pending), updated_ts_ns=ts_ns)


def _cancel_rejected(order: Order, event: events.CancelRejected, ts_ns: int) -> Order:
    # Refused before the venue knew the order, so it is asked for again once it does.
    refused = order.refused_cancel if order.acknowledged or event.not_sent else event.request_id
    return _amend_rejected(replace(order, refused_cancel=refused), event, ts_ns)


def _amend_rejected(order: Order, event: events.CancelRejected | events.AmendRejected, ts_ns: int) -> Order:
    answered = without_requests(order, (event.request_id,))
    return replace(order, reason=event.reason, updated_ts_ns=ts_ns, **answered)


def _request_unanswered(order: Order, event: events.RequestUnanswered, ts_ns: int) -> Order:
    return replace(order, unknown_requests=(*order.unknown_requests, event.request_id), updated_ts_ns=ts_ns)


def _cancel_resent(order: Order, event: events.CancelResent | events.RequestPending, ts_ns: int) -> Order:
    unknown = tuple(key for key in order.unknown_requests if key != event.request_id)
    return replace(order, unknown_requests=unknown, updated_ts_ns=ts_ns)


def _request_pending(order: Order, event: events.RequestPending, ts_ns: int) -> Order:
    confirmed = tuple(dict.fromkeys((*order.confirmed_requests, event.request_id)))
    return replace(_cancel_resent(order, event, ts_ns), confirmed_requests=confirmed)


def _cancelled(order: Order, event: events.OrderCancelled, ts_ns: int) -> Order:
    return replace(
        order,
        cancelled=True,
        acknowledged=order.acknowledged or (not order.submitted and not event.unsent),  # it had it after all
        held=False,
        suspended=False,
        stopped_at=None,
        reason=event.reason,
        venue_order_id=order.venue_order_id or event.venue_order_id,
        ended_ts_ns=order.ended_ts_ns if event.unsent else max(order.ended_ts_ns, ts_ns),
        updated_ts_ns=ts_ns,
        **without_requests(order, order.pending_cancels),
    )


def _ended(fact: str) -> Callable[[Order, Any, int], Order]:
    """An end that the venue reports. Requests still on their way are answered by replies of their own."""

    def evolve_end(order: Order, event: events.OrderRejected | events.OrderExpired, ts_ns: int) -> Order:
        return replace(
            order,
            venue_order_id=order.venue_order_id or event.venue_order_id,
            held=False,
            suspended=False,
            stopped_at=None,
            reason=event.reason,
            ended_ts_ns=max(order.ended_ts_ns, ts_ns),
            updated_ts_ns=ts_ns,
            **{fact: True},
        )

    return evolve_end


def _expired(order: Order, event: events.OrderExpired, ts_ns: int) -> Order:
    ended = _expire(order, event, ts_ns)
    if not event.by_our_clock or order.ending is None:
        return ended
    at_ns = max(order.ended_ts_ns, order.ending.ends_ts_ns)  # by the venue's clock, whatever ours says
    return replace(ended, ending=replace(order.ending, by_clock=True), ended_ts_ns=at_ns)


_expire: Final = _ended("expired")


def _said(**facts: bool) -> Callable[[Order, Any, int], Order]:
    """What a venue says of an order that it has: so it is acknowledged, whatever we thought."""

    def evolve_said(order: Order, event: Any, ts_ns: int) -> Order:
        return replace(
            order,
            acknowledged=True,
            known_by_copy=False,
            failed=False,
            denied=False,
            held=False,
            reason=event.reason or order.reason,
            venue_order_id=order.venue_order_id or event.venue_order_id,
            updated_ts_ns=ts_ns,
            **facts,
        )

    return evolve_said


def _stopped(order: Order, event: events.OrderStopped, ts_ns: int) -> Order:
    return replace(_said()(order, event, ts_ns), stopped_at=(event.quantity, event.price))


def _done_for_day(order: Order, event: events.OrderDoneForDay, ts_ns: int) -> Order:
    done = _said(done_for_day=True)(order, event, ts_ns)
    return replace(done, ended_ts_ns=max(done.ended_ts_ns, ts_ns)) if done.day_is_over else done


def _overdue(order: Order, event: events.ExpiryOverdue, ts_ns: int) -> Order:
    ending = None if order.ending is None else replace(order.ending, overdue=True)
    return replace(order, ending=ending, updated_ts_ns=ts_ns)


def _resumed(order: Order, event: events.OrderResumed, ts_ns: int) -> Order:
    return replace(order, done_for_day=False, updated_ts_ns=ts_ns)


def _closed(order: Order, event: events.OrderClosed, ts_ns: int) -> Order:
    unanswered = without_requests(order, order.pending_request_ids)
    return replace(order, closed_from=order.outcome, updated_ts_ns=ts_ns, **unanswered)


def _parked(order: Order, event: events.ReportParked, ts_ns: int) -> Order:
    return replace(order, conflict=order.conflict or not event.waits_for, updated_ts_ns=ts_ns)


_EVOLVERS: Final[dict[type[events.Event], Callable[[Order, Any, int], Order]]] = {
    events.OrderHeld: _held,
    events.OrderDenied: _denied,
    events.OrderSubmitted: _submitted,
    events.OrderFailed: _failed,
    events.OrderAcknowledged: _acknowledged,
    events.FillBooked: _filled,
    events.OrderReowned: _reowned,
    events.TradeCancelled: _trade_changed,
    events.TradeCorrected: _trade_changed,
    events.TradeRestated: _as_it_was,
    events.CancelRequested: _cancel_requested,
    events.CancelRejected: _cancel_rejected,
    events.AmendRequested: _amend_requested,
    events.AmendRejected: _amend_rejected,
    events.RequestUnanswered: _request_unanswered,
    events.CancelResent: _cancel_resent,
    events.RequestPending: _request_pending,
    events.OrderDoneForDay: _done_for_day,
    events.OrderSuspended: _said(suspended=True),
    events.OrderStopped: _stopped,
    events.OrderTriggered: _said(triggered=True, suspended=False),
    events.OrderCancelled: _cancelled,
    events.OrderRejected: _ended("rejected"),
    events.OrderExpired: _expired,
    events.ExpiryOverdue: _overdue,
    events.OrderResumed: _resumed,
    events.OrderClosed: _closed,
    events.ReportParked: _parked,
    **DOUBTS,
    **TERMS,
}
