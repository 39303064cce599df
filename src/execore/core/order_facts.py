"""How an event changes an order: the fold. Nothing is decided here, and nothing can be refused."""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from execore.model import events
from execore.model.money import EXACT, canonical
from execore.model.orders import Order, OrderRequest, PendingReplace
from execore.model.vocabulary import OrderState, OrderType

NEVER_THERE: Final = frozenset({OrderState.FAILED, OrderState.DENIED})
"""Ends that the venue had no part in, and disproves by any sign that it knows the order."""


def create(event: events.OrderCreated | events.OrderAdopted, ts_ns: int) -> Order:
    """The order that ``event`` brings into being, at ``ts_ns`` (integer nanoseconds UTC)."""
    request = event.order
    order = Order(
        request=request,
        quantity=request.quantity,
        price=request.price,
        stop_price=request.stop_price,
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


def _outcome_unknown(order: Order, event: events.OrderOutcomeUnknown, ts_ns: int) -> Order:
    return replace(order, outcome_unknown=True, reason=event.reason, updated_ts_ns=ts_ns)


def _failed(order: Order, event: events.OrderFailed, ts_ns: int) -> Order:
    return replace(order, failed=True, reason=event.reason, updated_ts_ns=ts_ns)


def _acknowledged(order: Order, event: events.OrderAcknowledged, ts_ns: int) -> Order:
    return replace(
        order,
        request=order.request if event.side is None else replace(order.request, side=event.side),
        acknowledged=True,
        closed_from=None if order.closed_from in NEVER_THERE else order.closed_from,
        failed=False,
        denied=False,
        external=order.external and not event.owned,
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
        venue_order_id=order.venue_order_id or event.venue_order_id,
        fill_after_terminal=order.fill_after_terminal or event.late,
        conflict=order.conflict or event.disputed,
        by_cumulative=order.by_cumulative or event.cumulative,
        closed_from=None,
        updated_ts_ns=ts_ns,
    )


def _reowned(order: Order, event: events.OrderReowned, ts_ns: int) -> Order:
    filled = EXACT.add(order.filled, event.filled)
    grows = order.inferred and filled > order.quantity
    return replace(
        order,
        filled=filled,
        notional=EXACT.add(order.notional, event.notional),
        quantity=canonical(filled) if grows else order.quantity,
        acknowledged=True,
        closed_from=None,
        fill_after_terminal=order.fill_after_terminal or event.late,
        conflict=order.conflict or event.disputed,
        venue_order_id=order.venue_order_id or event.venue_order_id,
        updated_ts_ns=ts_ns,
    )


def _cancel_requested(order: Order, event: events.CancelRequested, ts_ns: int) -> Order:
    return replace(order, pending_cancels=(*order.pending_cancels, event.request_id), updated_ts_ns=ts_ns)


def _amend_requested(order: Order, event: events.AmendRequested, ts_ns: int) -> Order:
    pending = PendingReplace(event.request_id, event.quantity, event.price, event.stop_price)
    return replace(order, pending_replaces=(*order.pending_replaces, pending), updated_ts_ns=ts_ns)


def _without_request(order: Order, request_id: str) -> dict[str, Any]:
    """The fields that change when a request is answered."""
    return {
        "pending_cancels": tuple(key for key in order.pending_cancels if key != request_id),
        "pending_replaces": tuple(p for p in order.pending_replaces if p.request_id != request_id),
        "unknown_requests": tuple(key for key in order.unknown_requests if key != request_id),
    }


def _request_rejected(order: Order, event: events.CancelRejected | events.AmendRejected, ts_ns: int) -> Order:
    return replace(
        order, reason=event.reason, updated_ts_ns=ts_ns, **_without_request(order, event.request_id)
    )


def _request_unanswered(order: Order, event: events.RequestUnanswered, ts_ns: int) -> Order:
    return replace(order, unknown_requests=(*order.unknown_requests, event.request_id), updated_ts_ns=ts_ns)


def _amended(order: Order, event: events.OrderAmended, ts_ns: int) -> Order:
    changes = _without_request(order, event.request_id) if event.request_id else {}
    if event.reopened:
        changes |= {"cancelled": False, "expired": False, "rejected": False, "closed_from": None}
    return replace(
        order,
        request=_learnt(order.request, event) if order.inferred else order.request,
        quantity=event.quantity,
        price=event.price,
        stop_price=event.stop_price,
        acknowledged=True,
        inferred=False,
        failed=False,
        denied=False,
        venue_order_id=order.venue_order_id or event.venue_order_id,
        updated_ts_ns=ts_ns,
        **changes,
    )


def _learnt(request: OrderRequest, event: events.OrderAmended) -> OrderRequest:
    """What an order known by executions alone turns out to have asked for, once somebody says its terms."""
    order_type = OrderType.MARKET if event.price is None else OrderType.LIMIT
    return replace(request, quantity=event.quantity, order_type=order_type, price=event.price)


def _ended(fact: str) -> Callable[[Order, Any, int], Order]:
    """An end that the venue reports: the fact, and no request can be pending after it."""

    def evolve_end(
        order: Order,
        event: events.OrderCancelled | events.OrderRejected | events.OrderExpired,
        ts_ns: int,
    ) -> Order:
        return replace(
            order,
            venue_order_id=order.venue_order_id or event.venue_order_id,
            held=False,
            reason=event.reason,
            pending_cancels=(),
            pending_replaces=(),
            unknown_requests=(),
            updated_ts_ns=ts_ns,
            **{fact: True},
        )

    return evolve_end


def _closed(order: Order, event: events.OrderClosed, ts_ns: int) -> Order:
    return replace(order, closed_from=order.outcome, updated_ts_ns=ts_ns)


def _parked(order: Order, event: events.ReportParked, ts_ns: int) -> Order:
    return replace(order, conflict=True, updated_ts_ns=ts_ns)


_EVOLVERS: Final[dict[type[events.Event], Callable[[Order, Any, int], Order]]] = {
    events.OrderHeld: _held,
    events.OrderDenied: _denied,
    events.OrderSubmitted: _submitted,
    events.OrderOutcomeUnknown: _outcome_unknown,
    events.OrderFailed: _failed,
    events.OrderAcknowledged: _acknowledged,
    events.FillBooked: _filled,
    events.OrderReowned: _reowned,
    events.CancelRequested: _cancel_requested,
    events.CancelRejected: _request_rejected,
    events.AmendRequested: _amend_requested,
    events.AmendRejected: _request_rejected,
    events.OrderAmended: _amended,
    events.RequestUnanswered: _request_unanswered,
    events.OrderCancelled: _ended("cancelled"),
    events.OrderRejected: _ended("rejected"),
    events.OrderExpired: _ended("expired"),
    events.OrderClosed: _closed,
    events.ReportParked: _parked,
}
