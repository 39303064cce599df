"""How new terms change an order: amends, restatements, cancels of a part. A part of the fold."""

from collections.abc import Callable, Collection
from typing import Any, Final

from msgspec.structs import replace

from execore.model import events
from execore.model.money import EXACT, MAXIMUM_INTEGER_DIGITS, canonical
from execore.model.orders import Order, OrderRequest
from execore.model.vocabulary import OrderType, RestatementReason

_CORPORATE_ACTION: Final = RestatementReason.CORPORATE_ACTION


def without_requests(order: Order, request_ids: Collection[str]) -> dict[str, Any]:
    """The fields that change when requests are answered."""
    return {
        "pending_cancels": tuple(key for key in order.pending_cancels if key not in request_ids),
        "pending_replaces": tuple(p for p in order.pending_replaces if p.request_id not in request_ids),
        "unknown_requests": tuple(key for key in order.unknown_requests if key not in request_ids),
        "confirmed_requests": tuple(key for key in order.confirmed_requests if key not in request_ids),
    }


def _in_force(order: Order, ts_ns: int) -> dict[str, Any]:
    """What no longer holds of an order that rests after all, and since when."""
    return {
        "cancelled": False,
        "expired": False,
        "rejected": False,
        "done_for_day": False,
        "closed_from": None,
        "reopened_ts_ns": max(order.reopened_ts_ns, ts_ns),
    }


def _amended(order: Order, event: events.OrderAmended, ts_ns: int) -> Order:
    changes = without_requests(order, (event.request_id,)) if event.request_id else {}
    if event.overtaken:
        named = order.venue_order_id or event.venue_order_id
        return replace(order, venue_order_id=named, updated_ts_ns=ts_ns, **changes)
    if event.reopened:
        changes |= _in_force(order, ts_ns) | {"done_for_day": order.done_for_day and not order.day_is_over}
    if event.reduced:
        part = canonical(EXACT.subtract(order.quantity, event.quantity))
        changes["reductions"] = (*order.reductions, (ts_ns, part))
    adds_to_terms = event.reduced or event.partial  # the rest of the terms is as old as it was
    return replace(
        order,
        request=_learnt(order.request, event) if order.inferred else order.request,
        quantity=event.quantity,
        price=event.price,
        stop_price=event.stop_price,
        acknowledged=True,
        known_by_copy=False,
        inferred=False,
        failed=False,
        denied=False,
        held=False,
        suspended=order.suspended and event.reduced,
        amended_by="" if event.reduced else event.request_id,
        terms_ts_ns=order.terms_ts_ns if adds_to_terms else max(order.terms_ts_ns, ts_ns),
        venue_order_id=event.venue_order_id or order.venue_order_id,  # some venues give a new one
        updated_ts_ns=ts_ns,
        **changes,
    )


def _restated(order: Order, event: events.OrderRestated, ts_ns: int) -> Order:
    changes = _in_force(order, ts_ns) if event.reopened else {"done_for_day": order.day_is_over}
    filled = EXACT.add(order.filled, event.adjusted)
    if event.restatement is _CORPORATE_ACTION:
        restatements = (*order.restatements, (ts_ns, filled))
        changes = changes | {"restatements": restatements, "counted_ts_ns": max(order.counted_ts_ns, ts_ns)}
    return replace(
        order,
        request=_learnt(order.request, event) if order.inferred else order.request,
        quantity=event.quantity,
        price=event.price,
        stop_price=event.stop_price,
        filled=filled,
        adjusted=EXACT.add(order.adjusted, event.adjusted),
        acknowledged=True,
        known_by_copy=False,
        inferred=False,
        failed=False,
        denied=False,
        held=False,
        suspended=False,
        amended_by="",
        terms_ts_ns=order.terms_ts_ns if event.partial else max(order.terms_ts_ns, ts_ns),
        reason=event.reason or order.reason,
        venue_order_id=event.venue_order_id or order.venue_order_id,
        updated_ts_ns=ts_ns,
        **changes,
    )


def _learnt(request: OrderRequest, event: events.OrderAmended | events.OrderRestated) -> OrderRequest:
    """What an order known by executions alone turns out to have asked for, once somebody says its terms."""
    order_type = OrderType.MARKET if event.price is None else OrderType.LIMIT
    quantity = event.quantity or request.quantity  # nothing at all may be left of it
    if quantity.adjusted() >= MAXIMUM_INTEGER_DIGITS:
        return request  # more than any order may ask for: what it asked for stays unknown
    return replace(request, quantity=quantity, order_type=order_type, price=event.price)


TERMS: Final[dict[type[events.Event], Callable[[Order, Any, int], Order]]] = {
    events.OrderAmended: _amended,
    events.OrderRestated: _restated,
}
"""What each of these events makes of an order."""
