"""What an input would do to an order: the words that the deciding modules share."""

from decimal import Decimal
from typing import Final

import msgspec

from execore.core.transition_table import Reaction
from execore.model import effects, events, reports
from execore.model.money import EXACT, canonical, text_of
from execore.model.orders import Order
from execore.model.vocabulary import OrderState, RestatementReason

_LIVE: Final = (
    OrderState.SUBMITTED,
    OrderState.UNKNOWN,
    OrderState.ACKNOWLEDGED,
    OrderState.PARTIALLY_FILLED,
)
_CORPORATE_ACTION: Final = RestatementReason.CORPORATE_ACTION
_OVER: Final = frozenset(OrderState) - {OrderState.CREATED, OrderState.FILLED, *_LIVE}


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """What an input would do: the facts it makes, and what the shell must do about them.

    ``expected``: the input is normal for this order, so the table cell's alert is not called for.
    """

    facts: tuple[events.AnyOrderEvent, ...]
    todo: tuple[effects.Effect, ...] = ()
    expected: bool = False


class Instead(msgspec.Struct, frozen=True, gc=False):
    """A guard's answer: the input's content asks for another reaction than the table cell's."""

    reaction: Reaction
    code: str
    message: str


NOTHING_NEW: Final = Instead(Reaction.ALREADY_DONE, "nothing_new", "it says what is known already")


def is_over(order: Order) -> bool:
    """Whether a fill now would come after the order's end; after its last fill it would overfill instead."""
    return order.state in _OVER


def was_ended(order: Order) -> bool:
    """Whether the venue said that nothing rests, even if everything was filled before or after."""
    return is_over(order) or order.cancelled or order.expired or order.day_is_over


def is_partial(order: Order, report: reports.RestateReport) -> bool:
    """Whether a report leaves terms out: what it does not say may be older than it, or newer."""
    tells_quantity = report.quantity is not None or report.leaves is not None
    return not tells_quantity or (report.price is None and order.price is not None)


def is_count(report: reports.RestateReport) -> bool:
    """Whether a restatement says how much is filled now, with no trade: a corporate action may."""
    return report.restatement is _CORPORATE_ACTION and report.cumulative_quantity is not None


def is_before_reopening(order: Order, ts_ns: int) -> bool:
    """Whether the venue said later than ``ts_ns`` that the order, which had ended, rests."""
    return ts_ns < order.reopened_ts_ns


def after_reductions(order: Order, quantity: Decimal, ts_ns: int) -> Decimal:
    """What is left of a total told at ``ts_ns`` after the cancels of a part that came later at the venue.

    Where nothing at all would be left, the two contradict each other, and the order keeps what was told.
    """
    left = quantity
    for at_ns, part in order.reductions:
        if at_ns > ts_ns:
            left = EXACT.subtract(left, part)
    return quantity if left is quantity else canonical(max(left, order.filled)) or quantity


def overfill_alert(order: Order) -> effects.Alert:
    message = f"order {order.client_order_id} is filled beyond its quantity of {text_of(order.quantity)}"
    return effects.Alert("overfilled", message, order.client_order_id)


def query(order: Order) -> effects.QueryOrder:
    """Ask the venue what it knows of this order."""
    return effects.QueryOrder(order.client_order_id, order.venue_order_id, order.symbol)


def answer_request(
    order: Order, request_id: str, reason: str, *, not_sent: bool = False
) -> Proposal | Instead:
    """A request came to nothing. It is found by its own id alone, and says nothing about the order."""
    if request_id in order.pending_cancels:
        return Proposal((events.CancelRejected(order.client_order_id, request_id, reason, not_sent),))
    if request_id in order.pending_request_ids:
        return Proposal((events.AmendRejected(order.client_order_id, request_id, reason),))
    return Instead(Reaction.IGNORE, "no_such_request", f"no request {request_id} is pending")


def status_alerts(order: Order, report: reports.StatusReport) -> tuple[effects.Effect, ...]:
    """What a person should know of an order status: that the venue counts more than was reported to us."""
    counted = report.cumulative_quantity
    if counted is None or counted <= order.filled:
        return ()  # it may be old: what we have booked is not undone by an answer
    return executions_missing(order, counted, order.filled)


def executions_missing(order: Order, counted: Decimal, have: Decimal) -> tuple[effects.Effect, ...]:
    """What to tell when the venue counts more than was reported: lost, or still on its way."""
    key = order.client_order_id
    message = (
        f"the venue counts {text_of(counted)} filled of order {key}, of which {text_of(have)} was reported: "
        "executions are missing"
    )
    return (effects.Alert("executions_missing", message, key),)


def takeover_alerts(owner: Order, event: events.OrderReowned) -> tuple[effects.Effect, ...]:
    """What to tell about an order that took the executions of an external one over."""
    key = owner.client_order_id
    alerts: list[effects.Effect] = []
    if owner.filled > owner.quantity:
        alerts.append(overfill_alert(owner))
    if event.late:
        message = f"order {key} was over when it took {text_of(event.filled)} over from the venue's reports"
        alerts.append(effects.Alert("fill_after_terminal", message, key))
    if event.disputed:
        message = f"order {key} took executions over that are not of its side, or were disputed before"
        alerts.append(effects.Alert("disputed_execution", message, key))
    return tuple(alerts)
