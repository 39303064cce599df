"""What our own requests, and what the shell learnt of its sending, would do to an order."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from execore.core.proposals import NOTHING_NEW, Instead, Proposal, answer_request, query, was_ended
from execore.core.transition_table import OrderInput, Reaction
from execore.model import effects, events, requests
from execore.model.money import text_of
from execore.model.orders import Order
from execore.model.vocabulary import OrderState, RiskDecision

Proposer = Callable[[Order, Any], Proposal | Instead]


def deny_ended(order: Order) -> Proposal:
    """Never sent, and its time is up: it is not sent any more."""
    reason = "its time in force ended before it was sent"
    return Proposal((events.OrderDenied(order.client_order_id, reason, "expiry"),))


def _submit(order: Order, cause: requests.ReleaseOrder) -> Proposal:
    if order.ending is not None and order.ending.ends_ts_ns <= cause.ts_ns:
        return deny_ended(order)
    event = events.OrderSubmitted(order.client_order_id, cause.verdict.rule)
    return Proposal((event,), (effects.SendOrder(order.request),))


def _hold(order: Order, cause: requests.ReleaseOrder) -> Proposal | Instead:
    if order.held:
        return Instead(Reaction.ALREADY_DONE, "already_held", "it is held already")
    verdict = cause.verdict
    alert = effects.Alert(
        "order_held", f"order {order.client_order_id} is held: {verdict.reason}", order.client_order_id
    )
    return Proposal((events.OrderHeld(order.client_order_id, verdict.reason, verdict.rule),), (alert,))


def _deny(order: Order, cause: requests.ReleaseOrder) -> Proposal:
    return Proposal((events.OrderDenied(order.client_order_id, cause.verdict.reason, cause.verdict.rule),))


def _request_cancel(order: Order, cause: requests.CancelOrder) -> Proposal | Instead:
    if any(key not in order.unknown_requests for key in order.pending_cancels):
        # One whose outcome is unknown may never have arrived: cancelling again does no harm.
        return Instead(Reaction.ALREADY_DONE, "cancel_pending", "a cancel is pending already")
    if order.state is OrderState.CREATED:
        why = "cancelled before it was sent"
        return Proposal((events.OrderCancelled(order.client_order_id, why, unsent=True),))
    send = effects.SendCancel(order.client_order_id, order.venue_order_id, order.symbol, cause.request_id)
    return Proposal((events.CancelRequested(order.client_order_id, cause.request_id),), (send,))


def asked_terms(order: Order, cause: requests.AmendOrder) -> tuple[Decimal, Decimal | None, Decimal | None]:
    """The complete quantity, price and stop price that an amend asks for.

    What it leaves out is as the last amend on its way has it, else as it is in force: a sender chains on what
    he sent last (FIX 4.4 Vol 4).
    """
    base = order.pending_replaces[-1] if order.pending_replaces else order
    return (
        base.quantity if cause.quantity is None else cause.quantity,
        base.price if cause.price is None else cause.price,
        base.stop_price if cause.stop_price is None else cause.stop_price,
    )


def _request_amend(order: Order, cause: requests.AmendOrder) -> Proposal | Instead:
    if order.pending_cancels:
        return Instead(Reaction.REFUSE, "cancel_pending", "a cancel is pending; wait for its outcome")
    if was_ended(order):
        return Instead(Reaction.REFUSE, "order_over", "the venue ended it; create a new one")
    quantity, price, stop_price = asked_terms(order, cause)
    if quantity <= order.filled:
        message = (
            f"{text_of(order.filled)} is filled, so a total of {text_of(quantity)} leaves nothing; use cancel"
        )
        return Instead(Reaction.REFUSE, "amend_below_filled", message)
    if (price is None) is not (order.price is None) or (stop_price is None) is not (order.stop_price is None):
        return Instead(
            Reaction.REFUSE, "amend_changes_type", f"a {order.request.order_type} order has no such price"
        )
    same_terms = (quantity, price, stop_price) == (order.quantity, order.price, order.stop_price)
    if same_terms and not order.pending_replaces:  # else it takes back what may still come true
        return Instead(Reaction.ALREADY_DONE, "nothing_new", "these are the terms in force")
    terms = (cause.request_id, quantity, price, stop_price)
    send = effects.SendAmend(order.client_order_id, order.venue_order_id, order.symbol, *terms)
    return Proposal((events.AmendRequested(order.client_order_id, *terms),), (send,))


def _close(order: Order, cause: requests.CloseOrder) -> Proposal | Instead:
    if any(key not in order.unknown_requests for key in order.pending_request_ids):
        return Instead(
            Reaction.REFUSE, "request_pending", "a request is not answered yet; wait for its outcome"
        )
    return Proposal((events.OrderClosed(order.client_order_id),))


def _not_sent(order: Order, cause: requests.SubmitNotSent) -> Proposal | Instead:
    if not order.doubled:
        return Proposal((events.OrderFailed(order.client_order_id, cause.reason),))
    if order.state is OrderState.UNKNOWN:
        return Instead(Reaction.IGNORE, "another_sending", "an earlier sending of it may have arrived")
    reason = f"sending it again came to nothing: {cause.reason}"
    return Proposal((events.OrderOutcomeUnknown(order.client_order_id, reason),), (query(order),))


def _outcome_unknown(order: Order, cause: requests.SubmitOutcomeUnknown) -> Proposal:
    return Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), (query(order),))


def _request_not_sent(order: Order, cause: requests.RequestNotSent) -> Proposal | Instead:
    return answer_request(order, cause.request_id, cause.reason, not_sent=True)


def _request_unknown(order: Order, cause: requests.RequestOutcomeUnknown) -> Proposal | Instead:
    if cause.request_id not in order.pending_request_ids or cause.request_id in order.unknown_requests:
        return NOTHING_NEW
    event = events.RequestUnanswered(order.client_order_id, cause.request_id, cause.reason)
    return Proposal((event,), (query(order),))


RISK_INPUTS: Final[dict[RiskDecision, tuple[OrderInput, Proposer]]] = {
    RiskDecision.ALLOW: (OrderInput.SUBMIT, _submit),
    RiskDecision.BLOCK: (OrderInput.DENY, _deny),
    RiskDecision.PAUSE: (OrderInput.HOLD, _hold),
}
"""A risk verdict is three rows of the table, by its decision."""

REQUEST_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Proposer]]] = {
    requests.CancelOrder: (OrderInput.CANCEL_REQUEST, _request_cancel),
    requests.AmendOrder: (OrderInput.AMEND_REQUEST, _request_amend),
    requests.CloseOrder: (OrderInput.CLOSE, _close),
    requests.SubmitNotSent: (OrderInput.NOT_SENT, _not_sent),
    requests.SubmitOutcomeUnknown: (OrderInput.OUTCOME_UNKNOWN, _outcome_unknown),
    requests.RequestNotSent: (OrderInput.REQUEST_NOT_SENT, _request_not_sent),
    requests.RequestOutcomeUnknown: (OrderInput.REQUEST_UNKNOWN, _request_unknown),
}
"""The row of the table for each input of ours, and what it would do."""
