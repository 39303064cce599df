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
from execore.model.groups import FindOrder, Group, GroupKind, Trouble
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
        """Its orders that can trade, or might, and that nobody asked to cancel; oldest first."""
        return [order for order in self.orders if order.is_open and not order.pending_cancels]

    @property
    def ending(self) -> list[Order]:
        """Its orders that can still trade until their cancel is confirmed, if that ever arrived."""
        return [order for order in self.orders if order.is_open and order.pending_cancels]

    @property
    def reviving(self) -> list[Order]:
        """Its filled orders that an amend on its way would open again."""
        return [order for order in self.orders if order.state is _FILLED and _worst_leaves(order)]

    @property
    def growing(self) -> Order | None:
        """The order to amend if more is wanted: one of which an amend is in doubt, else the newest."""
        live = self.reviving + self.working
        doubtful = [order for order in live if _sure_leaves(order) < _possible_leaves(order)]
        return next(reversed(doubtful or live), None)


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
    parent = group.parent_order(find)
    excess, wanted = _progress(group, parent, find)
    if excess != group.excess:
        yield GroupBreached(group.group_id, canonical(excess))
    legs = [
        _Leg(number, group.orders_of(number, find), ZERO if group.is_ending else target)
        for number, target in enumerate(wanted)
    ]
    for leg in legs:
        yield from _refusals(group, leg)
        yield from _reductions(group, leg, instrument, ts_ns)
    yield from _parent_actions(group, parent, find, instrument, ts_ns)
    for leg in legs:
        yield from _growth(group, leg, find, instrument, ts_ns)
    yield from _unprotected(group, parent, legs, wanted)


# --- how much ------------------------------------------------------------------------------------------


def _progress(group: Group, parent: Order | None, find: FindOrder) -> tuple[Decimal, list[Decimal]]:
    """How much too much the legs traded, and what each should have working if nobody cancels the group."""
    entered = group.quantity if group.parent is None else _filled(() if parent is None else (parent,))
    limit = min(entered, group.quantity)  # what risk has seen of each leg, and no more
    traded = [_filled(group.orders_of(leg, find)) for leg in range(len(group.legs))]
    if group.kind is not GroupKind.ONE_TRIGGERS_OTHER:
        traded = [sum(traded, ZERO)] * len(traded)
        return max(ZERO, traded[0] - entered), [max(ZERO, limit - done) for done in traded]
    return max(max(ZERO, done - entered) for done in traded), [max(ZERO, limit - done) for done in traded]


def _filled(orders: Iterable[Order]) -> Decimal:
    return sum((order.filled for order in orders), ZERO)


def _totals(order: Order) -> list[Decimal]:
    """What its quantity can be once the amends on their way came true: several if some are in doubt.

    An amend whose outcome nobody knows may have come true or not; a later one settles what went before it.
    """
    found: list[Decimal] = []
    for pending in reversed(order.pending_replaces):
        found.append(pending.quantity)
        if pending.request_id not in order.unknown_requests:
            return found
    return [*found, order.quantity]


def _sure_leaves(order: Order) -> Decimal:
    """What rests of an order at least, if the amends on their way come true: what it protects."""
    return max(ZERO, min(_totals(order)) - order.filled)


def _possible_leaves(order: Order) -> Decimal:
    """What rests of an order at most, if the amends on their way come true."""
    return max(ZERO, max(_totals(order)) - order.filled)


def _worst_leaves(order: Order) -> Decimal:
    """The most that an order might still trade, whatever becomes of its amends."""
    totals = (order.quantity, *(pending.quantity for pending in order.pending_replaces))
    return max(ZERO, max(totals) - order.filled)


# --- smaller -------------------------------------------------------------------------------------------


def _refusals(group: Group, leg: _Leg) -> Iterator[Action]:
    """An amend of ours was refused, though a newer one may be on its way: this order is not to be amended."""
    for order in leg.working:
        key = order.client_order_id
        if key in group.refused and not _is_noted(group, Trouble.RESIZE_FAILED, key):
            why = f"an amend came to nothing: {order.reason or 'no reason given'}"
            yield GroupImpaired(group.group_id, Trouble.RESIZE_FAILED, key, why)


def _reductions(group: Group, leg: _Leg, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """The oldest orders keep what they have, as far as the target reaches."""
    left = leg.target
    for order in leg.working:
        possible = _possible_leaves(order)
        keep = min(left, possible)
        left -= keep
        if not keep or (keep < possible and order.state is OrderState.UNKNOWN):
            yield from _cancel(group, order, ts_ns)
        elif keep < possible and order.acknowledged:  # else an amend has to wait
            yield from _reduce(group, order, keep, instrument, ts_ns)
    for order in leg.ending:
        if order.client_order_id in group.replaceable or _worst_leaves(order) > left:
            yield from _cancel(group, order, ts_ns)
        left -= _worst_leaves(order)


def _reduce(
    group: Group, order: Order, keep: Decimal, instrument: Instrument, ts_ns: int
) -> Iterator[Action]:
    if _is_noted(group, Trouble.RESIZE_FAILED, order.client_order_id):
        yield from _cancel(group, order, ts_ns)  # what is left to trade is sent anew once it is gone
    else:
        yield from _amend(group, order, order.filled + keep, instrument, ts_ns)


def _cancel(group: Group, order: Order, ts_ns: int) -> Iterator[Action]:
    """Cancel an order, once for each reason: one that came to nothing is for a person to look at."""
    key = order.client_order_id
    if any(request_id not in order.unknown_requests for request_id in order.pending_cancels):
        return  # one is on its way; of one whose outcome is unknown nobody can say that
    if (key, ZERO) not in group.asked:
        yield requests.CancelOrder(ts_ns=ts_ns, client_order_id=key, request_id=group.next_request_id)
    elif not _is_noted(group, Trouble.CANCEL_FAILED, key):
        became = (
            "nobody knows what became of its cancel"
            if order.pending_cancels
            else "its cancel came to nothing"
        )
        reason = f"{became}, and {text_of(_worst_leaves(order))} can still trade"
        yield GroupImpaired(group.group_id, Trouble.CANCEL_FAILED, key, reason)


def _amend(
    group: Group, order: Order, total: Decimal, instrument: Instrument, ts_ns: int
) -> Iterator[Action]:
    """Ask for another total, with the prices that were asked for last; or note that this came to nothing."""
    key, total = order.client_order_id, canonical(total)
    terms = order.pending_replaces[-1] if order.pending_replaces else order
    misfit = _misfit(total, terms.price, terms.stop_price, instrument)
    if not misfit and (key, total) not in group.asked:
        yield requests.AmendOrder(
            ts_ns=ts_ns,
            client_order_id=key,
            request_id=group.next_request_id,
            quantity=total,
            price=terms.price,
            stop_price=terms.stop_price,
        )
    elif not _is_noted(group, Trouble.RESIZE_FAILED, key):
        reason = f"a total of {text_of(total)} is wanted: {misfit or 'it was asked for, and is not in force'}"
        yield GroupImpaired(group.group_id, Trouble.RESIZE_FAILED, key, reason)


# --- larger --------------------------------------------------------------------------------------------


def _parent_actions(
    group: Group, parent: Order | None, find: FindOrder, instrument: Instrument, ts_ns: int
) -> Iterator[Action]:
    if group.parent is None:
        return
    if parent is None:
        if not group.is_ending:
            yield from _send(group, group.parent, find, instrument, ts_ns)
    elif group.is_ending and parent.is_open:
        yield from _cancel(group, parent, ts_ns)
    elif parent.filled > group.quantity:
        reason = f"it filled {text_of(parent.filled)}; the legs follow up to {text_of(group.quantity)}"
        beyond = parent.filled - group.quantity
        yield from _impaired(group, Trouble.CAPPED, parent.client_order_id, reason, beyond)


def _growth(group: Group, leg: _Leg, find: FindOrder, instrument: Instrument, ts_ns: int) -> Iterator[Action]:
    """Bring a leg up to its target: by one of its orders, or by another one."""
    growing, live = leg.growing, leg.reviving + leg.working
    room = leg.target - sum(map(_worst_leaves, leg.ending), ZERO)
    room -= sum((_possible_leaves(order) for order in live if order is not growing), ZERO)
    missing = room if growing is None else room - _sure_leaves(growing)
    if missing <= ZERO:
        return
    lost = _lost(group, leg)
    if lost is not None:
        reason = f"it is {lost.state}, and {text_of(missing)} of its leg is wanted and not working"
        yield from _impaired(group, Trouble.LEG_LOST, lost.client_order_id, reason, missing)
        return
    if growing is not None and not growing.acknowledged and not growing.outcome_unknown:
        return  # the venue is about to answer, and then it can be amended
    failed = growing is None or _is_noted(group, Trouble.RESIZE_FAILED, growing.client_order_id)
    if growing is not None and growing.acknowledged and not failed:
        yield from _amend(group, growing, growing.filled + room, instrument, ts_ns)
    worst = sum(map(_worst_leaves, live + leg.ending), ZERO)
    if worst < leg.target:  # so that it is never worked twice
        key = group.next_order_id(leg.number)
        quantity = canonical(leg.target - worst)
        another = replace(group.legs[leg.number], client_order_id=key, quantity=quantity)
        yield from _send(group, another, find, instrument, ts_ns)


def _lost(group: Group, leg: _Leg) -> Order | None:
    """The order by whose end the leg ended: neither by a fill of what was asked nor by our doing."""
    for order in leg.orders:
        if order.is_open or order.client_order_id in group.replaceable:
            continue
        if order.outcome is not _FILLED or order.quantity < group.agreed_total(order):
            return order
    return None


def _unprotected(
    group: Group, parent: Order | None, legs: list[_Leg], wanted: list[Decimal]
) -> Iterator[Action]:
    """A cancelled group that leaves quantity open: what its legs were for is now nobody's duty."""
    if not group.cancel_requested or parent is None or not any(wanted):
        return
    if parent.is_open or any(leg.working or leg.ending for leg in legs):
        return
    reason = f"its group was cancelled, and {text_of(max(wanted))} of what it filled is open"
    yield from _impaired(group, Trouble.UNPROTECTED, parent.client_order_id, reason, max(wanted))


# --- how -----------------------------------------------------------------------------------------------


def _send(
    group: Group, request: OrderRequest, find: FindOrder, instrument: Instrument, ts_ns: int
) -> Iterator[Action]:
    """Risk allowed every order of the group at its whole quantity, and this is not more."""
    key = request.client_order_id
    misfit = _misfit(request.quantity, request.price, request.stop_price, instrument)
    if find(key) is not None:
        misfit = "its id is taken by something that is not of this group"
    if misfit:
        reason = f"it cannot be sent: {misfit}"
        yield from _impaired(group, Trouble.LEG_UNFIT, key, reason, request.quantity)
    else:
        verdict = RiskResult(RiskDecision.ALLOW, group.reason, group.rule)
        yield requests.SubmitOrder(ts_ns=ts_ns, order=request, verdict=verdict)


def _impaired(group: Group, trouble: Trouble, key: str, reason: str, quantity: Decimal) -> Iterator[Action]:
    """Note a trouble of this size, if it was not noted before, or was smaller then."""
    if not _is_noted(group, trouble, key, quantity):
        yield GroupImpaired(group.group_id, trouble, key, reason, canonical(quantity))


def _is_noted(group: Group, trouble: Trouble, client_order_id: str, quantity: Decimal = ZERO) -> bool:
    return any(
        noted.trouble is trouble and noted.client_order_id == client_order_id and noted.quantity >= quantity
        for noted in group.impairments
    )


def _misfit(
    quantity: Decimal, price: Decimal | None, stop_price: Decimal | None, instrument: Instrument
) -> str:
    """Why the instrument does not let anybody order that; empty if it does."""
    try:
        validate_terms(quantity, price, stop_price, instrument)
    except InvalidInput as error:
        return str(error)
    return ""
