"""What a group needs next: one action at a time, from its facts and its orders as they are.

Theory: each leg should have a certain quantity working, its target. What the legs of a one-cancels-other
group or a bracket trade, none of them need trade any more, so all have the same target: what is to be traded
(for a bracket, what the parent filled) less what the legs traded together. Every action brings the orders
nearer to the targets or notes why that cannot be, so to ask again until there is no action always ends.
Nothing here remembers: it can be asked at any time, and after a restart.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from execore.core.validation import validate_terms
from execore.model import requests
from execore.model.errors import InvalidInput
from execore.model.group_events import GroupBreached, GroupImpaired
from execore.model.groups import FindOrder, Group, GroupKind, Impairment, Trouble
from execore.model.instruments import Instrument
from execore.model.money import ZERO, canonical, exactly, text_of
from execore.model.orders import Order, OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import OrderState, RiskDecision

Action = requests.SubmitOrder | requests.CancelOrder | requests.AmendOrder | GroupImpaired | GroupBreached
"""A request to make, or a fact to record and to alert."""

_FILLED: Final = OrderState.FILLED


class _Leg(msgspec.Struct, frozen=True, gc=False):
    """A leg as it is: its number, the orders created for it, and what it should have working."""

    number: int
    orders: list[Order]
    target: Decimal

    @property
    def working(self) -> list[Order]:
        """Its orders that can trade, or might, and that nobody is cancelling; oldest first."""
        return [order for order in self.orders if order.is_open and not order.pending_cancels]

    @property
    def ending(self) -> list[Order]:
        """Its orders that can still trade until their cancel is confirmed."""
        return [order for order in self.orders if order.is_open and order.pending_cancels]


@exactly
def next_action(group: Group, find: FindOrder, instrument: Instrument, ts_ns: int) -> Action | None:
    """What must be done next for reality to come nearer to what the group wants; None if nothing can be.

    What makes the position worse comes first: cancels and reductions before anything is sent.

    Args:
        find: the group's orders as they are.
        instrument: of all its orders.
        ts_ns: the time to put on a request, integer nanoseconds UTC.
    """
    if group.decision is not RiskDecision.ALLOW:
        return None
    return next(_actions(group, find, instrument, ts_ns), None)


def _actions(group: Group, find: FindOrder, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """What could be done, the most urgent first. Only the first is good: it changes the facts of the rest."""
    parent = None if group.parent is None else find(group.parent.client_order_id)
    excess, wanted = _progress(group, parent, find)
    if excess != group.excess:
        yield GroupBreached(group.group_id, canonical(excess))
    legs = [
        _Leg(number, _orders_of(group, number, find), ZERO if group.cancel_requested else target)
        for number, target in enumerate(wanted)
    ]
    for leg in legs:
        yield from _reductions(group, leg, instrument, ts_ns)
    yield from _parent_actions(group, parent, ts_ns)
    for leg in legs:
        yield from _growth(group, leg, instrument, ts_ns)
    yield from _unprotected(group, parent, legs, wanted)


# --- how much ------------------------------------------------------------------------------------------


def _orders_of(group: Group, leg: int, find: FindOrder) -> list[Order]:
    found = (find(key) for key in group.leg_orders[leg])
    return [order for order in found if order is not None]


def _progress(group: Group, parent: Order | None, find: FindOrder) -> tuple[Decimal, list[Decimal]]:
    """How much too much the legs traded, and what each should have working if nobody cancels the group."""
    entered = group.quantity if group.parent is None else _filled(() if parent is None else (parent,))
    limit = min(entered, group.quantity)  # what risk has seen of each leg, and no more
    traded = [_filled(_orders_of(group, leg, find)) for leg in range(len(group.legs))]
    if group.kind is not GroupKind.ONE_TRIGGERS_OTHER:
        traded = [sum(traded, ZERO)] * len(traded)
        return max(ZERO, traded[0] - entered), [max(ZERO, limit - done) for done in traded]
    return max(max(ZERO, done - entered) for done in traded), [max(ZERO, limit - done) for done in traded]


def _filled(orders: Iterable[Order]) -> Decimal:
    return sum((order.filled for order in orders), ZERO)


def _asked_leaves(order: Order) -> Decimal:
    """What would rest of an order if the last amend asked for came true."""
    total = order.pending_replaces[-1].quantity if order.pending_replaces else order.quantity
    return max(ZERO, total - order.filled)


def _worst_leaves(order: Order) -> Decimal:
    """The most that an order might still trade, whatever becomes of its amends."""
    totals = (order.quantity, *(pending.quantity for pending in order.pending_replaces))
    return max(ZERO, max(totals) - order.filled)


# --- smaller -------------------------------------------------------------------------------------------


def _reductions(group: Group, leg: _Leg, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """The oldest orders keep what they have, as far as the target reaches."""
    left = leg.target
    for order in leg.working:
        keep = min(left, _asked_leaves(order))
        left -= keep
        if not keep:
            yield from _cancel(group, order, ts_ns)
        elif keep < _asked_leaves(order) and order.acknowledged:  # else an amend has to wait
            yield from _reduce(group, order, keep, instrument, ts_ns)


def _reduce(
    group: Group, order: Order, keep: Decimal, instrument: Instrument, ts_ns: int
) -> Iterator[Action]:
    if _is_noted(group, Trouble.RESIZE_FAILED, order.client_order_id):
        yield from _cancel(group, order, ts_ns)  # what is left to trade is sent anew once it is gone
    else:
        yield _amend(group, order, order.filled + keep, instrument, ts_ns)


def _cancel(group: Group, order: Order, ts_ns: int) -> Iterator[Action]:
    """Cancel an order, once for each reason: one that came to nothing is for a person to look at."""
    key = order.client_order_id
    if order.pending_cancels:
        return
    if (key, ZERO) not in group.asked:
        yield requests.CancelOrder(ts_ns=ts_ns, client_order_id=key, request_id=group.next_request_id)
    elif not _is_noted(group, Trouble.CANCEL_FAILED, key):
        reason = f"its cancel came to nothing, and {text_of(_worst_leaves(order))} can still trade"
        yield GroupImpaired(group.group_id, Trouble.CANCEL_FAILED, key, reason)


def _amend(group: Group, order: Order, total: Decimal, instrument: Instrument, ts_ns: int) -> Action:
    """Ask for another total, with the prices that were asked for last; or note that this came to nothing."""
    key, total = order.client_order_id, canonical(total)
    terms = order.pending_replaces[-1] if order.pending_replaces else order
    misfit = _misfit(total, terms.price, terms.stop_price, instrument)
    if misfit or (key, total) in group.asked:
        reason = f"a total of {text_of(total)} is wanted: {misfit or 'the amend came to nothing'}"
        return GroupImpaired(group.group_id, Trouble.RESIZE_FAILED, key, reason)
    return requests.AmendOrder(
        ts_ns=ts_ns,
        client_order_id=key,
        request_id=group.next_request_id,
        quantity=total,
        price=terms.price,
        stop_price=terms.stop_price,
    )


# --- larger --------------------------------------------------------------------------------------------


def _parent_actions(group: Group, parent: Order | None, ts_ns: int) -> Iterator[Action]:
    if group.parent is None:
        return
    if parent is None:
        if not group.cancel_requested:
            yield _send(group, group.parent, ts_ns)
    elif group.cancel_requested and parent.is_open:
        yield from _cancel(group, parent, ts_ns)
    elif parent.filled > group.quantity and not _is_noted(group, Trouble.CAPPED, parent.client_order_id):
        reason = f"it filled {text_of(parent.filled)}; the legs follow up to {text_of(group.quantity)}"
        yield GroupImpaired(group.group_id, Trouble.CAPPED, parent.client_order_id, reason)


def _growth(group: Group, leg: _Leg, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """Bring a leg up to its target: by its newest order, or by another one."""
    working, ending = leg.working, leg.ending
    missing = leg.target - sum(map(_asked_leaves, working), ZERO) - sum(map(_worst_leaves, ending), ZERO)
    if missing <= ZERO:
        return
    lost = _lost(group, leg)
    if lost is not None:
        if not _is_noted(group, Trouble.LEG_LOST, lost.client_order_id):
            reason = f"it is {lost.state}, and {text_of(missing)} of its leg is wanted and not working"
            yield GroupImpaired(group.group_id, Trouble.LEG_LOST, lost.client_order_id, reason)
        return
    newest = working[-1] if working else None
    if newest is not None and not _is_noted(group, Trouble.RESIZE_FAILED, newest.client_order_id):
        if newest.acknowledged:
            yield _amend(group, newest, newest.filled + _asked_leaves(newest) + missing, instrument, ts_ns)
            return
        if not newest.outcome_unknown:
            return  # the venue is about to answer, and then it can be amended
    yield from _another(group, leg, instrument, ts_ns)


def _another(group: Group, leg: _Leg, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """Send another order for what can be missing of a leg at best, so that it is never worked twice."""
    quantity = leg.target - sum(map(_worst_leaves, leg.working + leg.ending), ZERO)
    if quantity <= ZERO:
        return
    template, key = group.legs[leg.number], group.next_order_id(leg.number)
    request = replace(template, client_order_id=key, quantity=canonical(quantity))
    misfit = _misfit(request.quantity, request.price, request.stop_price, instrument)
    if not misfit:
        yield _send(group, request, ts_ns)
    elif not _is_noted(group, Trouble.LEG_UNFIT, key):
        yield GroupImpaired(group.group_id, Trouble.LEG_UNFIT, key, f"it cannot be sent: {misfit}")


def _lost(group: Group, leg: _Leg) -> Order | None:
    """The order by whose end the leg ended: neither by a fill nor by our doing."""
    for order in leg.orders:
        ended = not order.is_open and order.outcome is not _FILLED
        if ended and order.client_order_id not in group.replaceable:
            return order
    return None


def _unprotected(
    group: Group, parent: Order | None, legs: list[_Leg], wanted: list[Decimal]
) -> Iterator[Action]:
    """A cancelled group that leaves quantity open: what its legs were for is now nobody's duty."""
    if not group.cancel_requested or parent is None or not any(wanted):
        return
    key = parent.client_order_id
    if parent.is_open or any(leg.working or leg.ending for leg in legs):
        return
    if not _is_noted(group, Trouble.UNPROTECTED, key):
        reason = f"its group was cancelled, and {text_of(max(wanted))} of what it filled is open"
        yield GroupImpaired(group.group_id, Trouble.UNPROTECTED, key, reason)


# --- how -----------------------------------------------------------------------------------------------


def _send(group: Group, request: OrderRequest, ts_ns: int) -> requests.SubmitOrder:
    """Risk allowed every order of the group at its whole quantity, and this is not more."""
    verdict = RiskResult(RiskDecision.ALLOW, group.reason, group.rule)
    return requests.SubmitOrder(ts_ns=ts_ns, order=request, verdict=verdict)


def _is_noted(group: Group, trouble: Trouble, client_order_id: str) -> bool:
    return Impairment(trouble, client_order_id) in group.impairments


def _misfit(
    quantity: Decimal, price: Decimal | None, stop_price: Decimal | None, instrument: Instrument
) -> str:
    """Why the instrument does not let anybody order that; empty if it does."""
    try:
        validate_terms(quantity, price, stop_price, instrument)
    except InvalidInput as error:
        return str(error)
    return ""
