"""What an input would do to an order: the words that the deciding modules share."""

from typing import Final

import msgspec

from execore.core.transition_table import Reaction
from execore.model import effects, events, reports
from execore.model.money import text_of
from execore.model.orders import Order
from execore.model.vocabulary import OrderState

_LIVE: Final = (
    OrderState.SUBMITTED,
    OrderState.UNKNOWN,
    OrderState.ACKNOWLEDGED,
    OrderState.PARTIALLY_FILLED,
)
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
