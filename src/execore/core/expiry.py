"""The end of orders by our own clock, and the beginning of a trading day: what is due when, and what then.

Venues may say nothing at the close: FIX leaves it open whether done for day and expiry are reported (4.4
Vol 4). So silence needs a rule, and the rule is the venue's declaration. Our clock alone never ends an order
that was sent, unless the venue declares that it is silent: the order is asked after once, and a person is
told. What comes later all the same, a fill or a sign that the order rests, is booked as any report is.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from execore.core.proposals import NOTHING_NEW, Instead, Proposal, query
from execore.core.request_proposals import Proposer, deny_ended
from execore.core.transition_table import OrderInput, Reaction
from execore.model import effects, events, requests
from execore.model.ending import SECOND_NS, Ending
from execore.model.ids import derived_id
from execore.model.orders import Order
from execore.model.vocabulary import Expiry, OrderState, TimeInForce

_NOTHING_DUE: Final = Instead(Reaction.ALREADY_DONE, "nothing_due", "nothing is due at this time")


class ExpiryRules(msgspec.Struct, frozen=True):
    """How a venue ends orders by time.

    Attributes:
        day, good_till_date: who ends orders of that time in force, and whether the venue says so.
        lateness_ns: how long after the end the venue's word of it may take, its clock's error included.
    """

    day: Expiry = Expiry.REPORTED
    good_till_date: Expiry = Expiry.REPORTED
    lateness_ns: int = 0

    def of(self, order: Order) -> Expiry:
        """The rule for this order."""
        return self.day if order.request.time_in_force is TimeInForce.DAY else self.good_till_date


def due_ns(order: Order, expiry: Expiry, lateness_ns: int) -> int | None:
    """When something is to be done about the order's end, integer ns UTC; None if nothing is left to do."""
    ending = order.ending
    if ending is None or not order.is_open:
        return None
    if order.state is OrderState.CREATED:
        return ending.ends_ts_ns
    cancel_ns = _cancel_due_ns(order, ending) if expiry is Expiry.OURS else None
    if ending.by_clock if _may_conclude(order, expiry) else ending.overdue:
        return cancel_ns
    told_ns = ending.ends_ts_ns + lateness_ns
    if order.pending_cancels:  # its answer may take as long
        told_ns = max(told_ns, ending.asked_ts_ns + lateness_ns)
    return told_ns if cancel_ns is None else min(cancel_ns, told_ns)


def due(orders: Iterable[Order], rules: ExpiryRules, ts_ns: int) -> list[requests.ExpiryDue]:
    """An input for each order about whose end something is to be done at ``ts_ns``."""
    found = []
    for order in orders:
        if order.ending is None or order.ending.ends_ts_ns > ts_ns:
            continue  # nothing is due before the end, and to know more costs more
        expiry = rules.of(order)
        at_ns = due_ns(order, expiry, rules.lateness_ns)
        if at_ns is not None and at_ns <= ts_ns:
            found.append(
                requests.ExpiryDue(
                    ts_ns=ts_ns,
                    client_order_id=order.client_order_id,
                    expiry=expiry,
                    lateness_ns=rules.lateness_ns,
                )
            )
    return found


def next_due_ns(orders: Iterable[Order], rules: ExpiryRules) -> int | None:
    """When to look again, integer ns UTC; None if no order has an end to wait for."""
    found: int | None = None
    for order in orders:
        expiry = rules.of(order)
        patience = rules.lateness_ns if order.submitted and expiry is not Expiry.OURS else 0
        if order.ending is None or (found is not None and order.ending.ends_ts_ns + patience >= found):
            continue  # nothing is due before that, and to know more costs more
        at_ns = due_ns(order, expiry, rules.lateness_ns)
        if at_ns is not None:
            found = at_ns if found is None else min(found, at_ns)
    return found


def _expiry_due(order: Order, cause: requests.ExpiryDue) -> Proposal | Instead:
    at_ns = due_ns(order, cause.expiry, cause.lateness_ns)
    ending = order.ending
    if ending is None or at_ns is None or cause.ts_ns < at_ns:
        return _NOTHING_DUE
    if order.state is OrderState.CREATED:
        return deny_ended(order)
    cancel_ns = _cancel_due_ns(order, ending) if cause.expiry is Expiry.OURS else None
    if cancel_ns is not None and cancel_ns <= cause.ts_ns:
        return _cancel(order, ending)
    return _conclude(order) if _may_conclude(order, cause.expiry) else _overdue(order, ending)


def _may_conclude(order: Order, expiry: Expiry) -> bool:
    """Whether silence is an end: the venue declares it, and knows this order."""
    return expiry is Expiry.SILENT and order.acknowledged


def _cancel_due_ns(order: Order, ending: Ending) -> int | None:
    """When to ask for the next cancel of an order that the venue does not end; None while one is on its way.

    What came to nothing is tried again, each time after twice as long: nobody else will end the order. The
    wait counts from the last cancel by our own clock; what else happens to the order is no reason to wait.
    """
    if any(key not in order.unknown_requests for key in order.pending_cancels):
        return None
    if not ending.cancels:
        return ending.ends_ts_ns
    return max(ending.ends_ts_ns, ending.asked_ts_ns) + (1 << ending.cancels) * SECOND_NS


def _cancel(order: Order, ending: Ending) -> Proposal:
    key = order.client_order_id
    request_id = derived_id("expiry cancel", key, str(ending.cancels + 1))
    send = effects.SendCancel(key, order.venue_order_id, order.symbol, request_id)
    return Proposal((events.CancelRequested(key, request_id, for_expiry=True),), (send,))


def _conclude(order: Order) -> Proposal:
    reason = "our clock: its time is up, and the venue declares that it says nothing of that"
    return Proposal((events.OrderExpired(order.client_order_id, reason, by_our_clock=True),))


def _overdue(order: Order, ending: Ending) -> Proposal:
    key = order.client_order_id
    message = f"order {key} should have ended at {ending.ends_ts_ns}, and the venue has not said that it has"
    alert = effects.Alert("expiry_overdue", message, key)
    return Proposal((events.ExpiryOverdue(key),), (query(order), alert))


def _day_started(order: Order, cause: requests.StartDay) -> Proposal | Instead:
    if not order.done_for_day or order.request.time_in_force is TimeInForce.DAY:
        return NOTHING_NEW
    return Proposal((events.OrderResumed(order.client_order_id),))


CLOCK_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Proposer]]] = {
    requests.ExpiryDue: (OrderInput.EXPIRY_DUE, _expiry_due),
    requests.StartDay: (OrderInput.DAY_STARTED, _day_started),
}
"""The row of the table for what our clock and calendar say, and what it would do."""
