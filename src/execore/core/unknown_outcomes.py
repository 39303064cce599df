"""UNKNOWN and how it ends: by proof of absence, by sending again, by repeating a cancel, by a person.

An order is sent again only under the same id, and only where that cannot make a second order: the venue was
proven not to have it, or it certainly refuses the copy. In the second case a plain refusal may be the copy's,
and says nothing of the order.
"""

from typing import Final

from execore.core.proposals import NOTHING_NEW, Instead, Proposal, answer_request, query
from execore.core.request_proposals import Proposer
from execore.core.transition_table import OrderInput, Reaction
from execore.model import effects, events, reports, requests
from execore.model.orders import Order
from execore.model.vocabulary import OrderState, Resolution

_MS: Final = 1_000_000
_NO_PROOF: Final = Instead(Reaction.IGNORE, "no_proof_yet", "not found, which is no proof of absence yet")


def _not_found(order: Order, cause: requests.OrderNotFound) -> Proposal | Instead:
    proven = cause.complete and cause.waited_ns >= cause.visibility_lag_ns
    if (proven or cause.duplicates_refused) and _may_resend(order, cause):
        resent = events.OrderResent(order.client_order_id, in_doubt=not proven)
        return Proposal((resent,), (effects.SendOrder(order.request),))
    if not proven:
        return _NO_PROOF
    key = order.client_order_id
    where = "among open orders, closed ones and executions"
    if cause.refused or order.copy_refused:
        where = "but for what the venue refused"
    waited_ms, lag_ms = (ns // _MS for ns in (cause.waited_ns, cause.visibility_lag_ns))
    reason = f"absent {where}: asked {waited_ms} ms after it was sent, of a visibility lag of {lag_ms} ms"
    alert = effects.Alert("order_absent", f"order {key} is not at the venue: {reason}", key)
    return _absent(order, reason, alert)


def _may_resend(order: Order, cause: requests.OrderNotFound) -> bool:
    """Whether the order is still wanted: not refused, its time not up, and nobody asked for a cancel."""
    if not cause.resend or cause.refused or order.copy_refused:
        return False
    if order.pending_cancels or order.refused_cancel:
        return False
    return order.ending is None or cause.ts_ns < order.ending.ends_ts_ns


def _absent(order: Order, reason: str, *todo: effects.Effect) -> Proposal:
    """The order is over, as the venue never had it; so are cancels of it, until it turns up after all."""
    key = order.client_order_id
    answered = (
        events.CancelRejected(key, request_id, "the venue does not have the order")
        for request_id in order.pending_cancels
    )
    return Proposal((*answered, events.OrderFailed(key, reason)), todo)


def copy_refused(order: Order, report: reports.RejectReport) -> Proposal | Instead:
    """A refusal that may be of either sending: what became of the other is asked."""
    if order.copy_refused:
        return NOTHING_NEW
    refused = events.CopyRefused(order.client_order_id, report.reason)
    return Proposal((refused,), (query(order),) if order.is_open else (), expected=True)


def _retry_cancel(order: Order, cause: requests.RetryCancel) -> Proposal | Instead:
    if cause.request_id not in order.pending_cancels:
        return Instead(Reaction.IGNORE, "no_such_request", f"no cancel {cause.request_id} is pending")
    if cause.request_id not in order.unknown_requests:
        return Instead(Reaction.ALREADY_DONE, "cancel_pending", "it is on its way")
    send = effects.SendCancel(order.client_order_id, order.venue_order_id, order.symbol, cause.request_id)
    return Proposal((events.CancelResent(order.client_order_id, cause.request_id),), (send,))


def _resolve(order: Order, cause: requests.ResolveOrder) -> Proposal | Instead:
    key = order.client_order_id
    told: Proposal | Instead
    if cause.request_id:
        if cause.request_id not in order.unknown_requests:
            why = f"no request {cause.request_id} of unknown outcome is pending"
            return Instead(Reaction.REFUSE, "request_not_unknown", why)
        told = answer_request(order, cause.request_id, cause.reason)
    elif order.state is not OrderState.UNKNOWN:
        return _known(order, cause)
    elif cause.resolution is Resolution.ABSENT:
        told = _absent(order, cause.reason)
    else:
        told = Proposal((events.OrderAcknowledged(key, cause.venue_order_id),), (query(order),))
    if isinstance(told, Instead):
        return told
    said = events.OrderResolved(key, cause.resolution, cause.reason, cause.request_id)
    return Proposal((said, *told.facts), told.todo)


def _known(order: Order, cause: requests.ResolveOrder) -> Instead:
    """The answer to an operator who speaks of an order whose outcome is known."""
    is_absent = cause.resolution is Resolution.ABSENT
    if order.state is OrderState.FAILED if is_absent else order.acknowledged and order.is_open:
        return Instead(Reaction.ALREADY_DONE, "nothing_new", "that is known already")
    requests_told = f", only of {', '.join(order.unknown_requests)}" if order.unknown_requests else ""
    return Instead(Reaction.REFUSE, "outcome_known", f"the order's outcome is not unknown{requests_told}")


UNKNOWN_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Proposer]]] = {
    requests.OrderNotFound: (OrderInput.NOT_FOUND, _not_found),
    requests.RetryCancel: (OrderInput.RETRY_CANCEL, _retry_cancel),
    requests.ResolveOrder: (OrderInput.RESOLVE, _resolve),
}
"""The row of the table for each input about what is unknown, and what it would do."""
