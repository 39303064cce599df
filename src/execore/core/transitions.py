"""One order, one input: what is decided. Pure; the engine, the state machine and replay all come here.

``transition`` looks the pair up in the table, lets a guard look at the content, and answers with events, the
order they make of it, and effects. Each input type has one ``_propose`` function and one row of the table.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.core.order_facts import NEVER_THERE
from execore.core.transition_table import RULES, OrderInput, Reaction, Rule, allowed_requests
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome, Refusal
from execore.model.money import EXACT, canonical, text_of
from execore.model.orders import Order, PendingReplace
from execore.model.vocabulary import OrderState, RiskDecision, Side

_LIVE: Final = (
    OrderState.SUBMITTED,
    OrderState.UNKNOWN,
    OrderState.ACKNOWLEDGED,
    OrderState.PARTIALLY_FILLED,
)
_OVER: Final = frozenset(OrderState) - {OrderState.CREATED, OrderState.FILLED, *_LIVE}
_REVIVABLE: Final = NEVER_THERE | {OrderState.FILLED}  # closed from these, new terms mean that it rests


class Execution(msgspec.Struct, frozen=True, gc=False):
    """What was booked under an execution key: enough to tell a duplicate from a conflict."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


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


_OUTCOMES: Final = {
    Reaction.ALREADY_DONE: Outcome.ALREADY_DONE,
    Reaction.IGNORE: Outcome.IGNORED,
    Reaction.PARK: Outcome.PARKED,
    Reaction.REFUSE: Outcome.REFUSED,
}
_UNDISCLOSED: Final = Side.UNDISCLOSED
_APPLIED: Final = Outcome.APPLIED  # reading a member off its enum class costs 0.1 µs, every time
_NOTHING_NEW: Final = Instead(Reaction.ALREADY_DONE, "nothing_new", "it says what is known already")


def transition(order: Order, cause: requests.Input) -> Answer:
    """Decide what ``cause`` does to ``order``.

    Returns an answer whose ``order`` is ``order``: folding the events into it is the ledger's work.
    Duplicate executions are not known here: ask ``judge_execution`` first.

    Raises:
        KeyError: ``cause`` is not an input of an existing order.
    """
    order_input, propose = _input_of(cause)
    rule = RULES[order_input][order.state]
    if rule.applies:
        proposal = propose(order, cause)
        if isinstance(proposal, Instead):
            return unapplied(order, cause, order_input, proposal)
        return _apply(order, cause, rule, proposal)
    return unapplied(order, cause, order_input, Instead(rule.reaction, rule.code, rule.why))


def judge_execution(order: Order, report: reports.FillReport, booked: Execution | None) -> Answer | None:
    """The answer to an execution whose key was ``booked`` before: done, or a conflict. None if new."""
    if booked is None:
        return None
    side = report.side or _UNDISCLOSED
    if side is _UNDISCLOSED or (booked.side is _UNDISCLOSED and order.side in (side, _UNDISCLOSED)):
        side = booked.side  # silence contradicts nothing, whoever kept it
    symbol = report.symbol or booked.symbol
    quantity = report.quantity
    if order.by_cumulative and report.cumulative_quantity is not None:
        quantity = min(quantity, booked.quantity)  # of what was in a total already, only the rest was booked
    told = Execution(order.client_order_id, symbol, side, quantity, report.price)
    if told == booked and order.side is _UNDISCLOSED and report.side is not None:
        return Answer(_APPLIED, order, (_disclosing(order, report.side),))  # old news, but for the side
    if told == booked:
        verdict = Instead(Reaction.ALREADY_DONE, "duplicate_execution", "this execution is booked already")
    else:
        field = next(
            name for name in Execution.__struct_fields__ if getattr(told, name) != getattr(booked, name)
        )
        verdict = Instead(
            Reaction.PARK,
            "execution_conflict",
            f"execution {report.execution_id} is booked with {field} {_shown(getattr(booked, field))}, "
            f"not {_shown(getattr(told, field))}",
        )
    return unapplied(order, report, OrderInput.FILL, verdict)


def _shown(value: Decimal | str) -> str:
    return text_of(value) if isinstance(value, Decimal) else value


def unapplied(order: Order, cause: requests.Input, order_input: OrderInput, verdict: Instead) -> Answer:
    """The answer when ``cause`` is not applied; a parked report is still recorded and alerted."""
    asked = order_input.replace("_", " ")
    refusal = Refusal(
        verdict.code,
        f"{asked} on order {order.client_order_id} in {order.state}: {verdict.message}",
        order_input,
        order.state,
        order.client_order_id,
        allowed_requests(order.state) if verdict.reaction is Reaction.REFUSE else (),
    )
    outcome = _OUTCOMES[verdict.reaction]
    if verdict.reaction is not Reaction.PARK:
        return Answer(outcome, order, refusal=refusal)
    alert = effects.Alert(refusal.code, refusal.message, order.client_order_id)
    if not isinstance(cause, reports.VenueReport):
        return Answer(outcome, order, effects=(alert,), refusal=refusal)
    parked = events.ReportParked(order.client_order_id, refusal.code, refusal.message, cause)
    return Answer(outcome, order, (parked,), (alert,), refusal)


def _apply(order: Order, cause: requests.Input, rule: Rule, proposal: Proposal) -> Answer:
    todo = proposal.todo
    if rule.alerts and not proposal.expected and not todo:
        message = f"{rule.input} on order {order.client_order_id} in {order.state}: {rule.why}"
        todo = (*todo, effects.Alert(rule.code, message, order.client_order_id))
    return Answer(_APPLIED, order, proposal.facts, todo)


# --- our requests and the shell's findings -----------------------------------------------------------


def _submit(order: Order, cause: requests.ReleaseOrder) -> Proposal:
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
    if cause.request_id in order.pending_request_ids:
        return _duplicate_request(cause.request_id)
    if order.state is OrderState.CREATED:
        return Proposal((events.OrderCancelled(order.client_order_id, "cancelled before it was sent"),))
    send = effects.SendCancel(order.client_order_id, order.venue_order_id, order.symbol, cause.request_id)
    return Proposal((events.CancelRequested(order.client_order_id, cause.request_id),), (send,))


def _request_amend(order: Order, cause: requests.AmendOrder) -> Proposal | Instead:
    if cause.request_id in order.pending_request_ids:
        return _duplicate_request(cause.request_id)
    if order.pending_cancels:
        return Instead(Reaction.REFUSE, "cancel_pending", "a cancel is pending; wait for its outcome")
    quantity = order.quantity if cause.quantity is None else cause.quantity
    price = order.price if cause.price is None else cause.price
    stop_price = order.stop_price if cause.stop_price is None else cause.stop_price
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


def _duplicate_request(request_id: str) -> Instead:
    return Instead(
        Reaction.REFUSE, "duplicate_request_id", f"request id {request_id} is in use; give a new one"
    )


def _close(order: Order, cause: requests.CloseOrder) -> Proposal | Instead:
    if order.pending_request_ids:
        return Instead(
            Reaction.REFUSE, "request_pending", "a request is not answered yet; wait for its outcome"
        )
    return Proposal((events.OrderClosed(order.client_order_id),))


def _not_sent(order: Order, cause: requests.SubmitNotSent) -> Proposal:
    return Proposal((events.OrderFailed(order.client_order_id, cause.reason),))


def _outcome_unknown(order: Order, cause: requests.SubmitOutcomeUnknown) -> Proposal:
    return Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), (_query(order),))


def _request_not_sent(order: Order, cause: requests.RequestNotSent) -> Proposal | Instead:
    return _answer_request(order, cause.request_id, cause.reason)


def _request_unknown(order: Order, cause: requests.RequestOutcomeUnknown) -> Proposal | Instead:
    if cause.request_id not in order.pending_request_ids or cause.request_id in order.unknown_requests:
        return _NOTHING_NEW
    event = events.RequestUnanswered(order.client_order_id, cause.request_id, cause.reason)
    return Proposal((event,), (_query(order),))


def _query(order: Order) -> effects.QueryOrder:
    return effects.QueryOrder(order.client_order_id, order.venue_order_id, order.symbol)


def _answer_request(order: Order, request_id: str, reason: str) -> Proposal | Instead:
    """A request came to nothing. It is found by its own id, and says nothing about the order."""
    if request_id in order.pending_cancels:
        return Proposal((events.CancelRejected(order.client_order_id, request_id, reason),))
    if request_id in order.pending_request_ids:
        return Proposal((events.AmendRejected(order.client_order_id, request_id, reason),))
    return Instead(Reaction.IGNORE, "no_such_request", f"no request {request_id} is pending")


# --- the venue's reports -------------------------------------------------------------------------------


def _acknowledge(order: Order, report: reports.AcknowledgeReport) -> Proposal | Instead:
    if report.leaves is not None:
        return _acknowledge_terms(order, report, report.leaves)
    learns_id = bool(report.venue_order_id) and not order.venue_order_id
    if order.acknowledged and not learns_id:
        return _NOTHING_NEW
    is_over = order.state in _OVER and not (order.failed or order.denied)
    if is_over and (order.rejected or not learns_id):  # a late fill may come under the id that is learnt
        return Instead(Reaction.IGNORE, "late_acknowledgement", "the order is over; this is old news")
    event = events.OrderAcknowledged(order.client_order_id, report.venue_order_id)
    return Proposal((event,), _reopening_alert(order) if order.closed_from in NEVER_THERE else ())


def _acknowledge_terms(
    order: Order, report: reports.AcknowledgeReport, leaves: Decimal
) -> Proposal | Instead:
    """An acknowledgement that tells what rests: it ends guessing about the order's quantity."""
    quantity = canonical(EXACT.add(order.filled, leaves))
    price = order.price if report.price is None else report.price
    reopened = order.state in _OVER or order.cancelled or order.expired
    same_terms = (quantity, price) == (order.quantity, order.price) and not order.inferred and not reopened
    if same_terms and order.acknowledged and not (order.external and report.owned):
        return _NOTHING_NEW
    learnt_side = report.side if order.side is _UNDISCLOSED else None
    acknowledged = events.OrderAcknowledged(
        order.client_order_id, report.venue_order_id, owned=report.owned, side=learnt_side
    )
    if same_terms:
        return Proposal((acknowledged,))
    amended = events.OrderAmended(
        order.client_order_id,
        quantity,
        price,
        order.stop_price,
        reason="acknowledged terms",
        reopened=reopened,
    )
    return Proposal((acknowledged, amended), _reopening_alert(order) if reopened else ())


def _fill(order: Order, report: reports.FillReport) -> Proposal | Instead:
    quantity = _new_quantity(order, report)
    if isinstance(quantity, Instead):
        return quantity
    side = order.side if report.side is None else report.side
    symbol = report.symbol or order.symbol
    undisclosed = order.side is _UNDISCLOSED
    disputed = (side is not order.side and not undisclosed) or symbol != order.symbol
    event = events.FillBooked(
        order.client_order_id,
        symbol,
        side,
        quantity,
        report.price,
        report.execution_id or f"cumulative-{text_of(report.cumulative_quantity or quantity)}",
        report.execution_scope if report.execution_id else order.client_order_id,
        report.venue_order_id,
        report.fee,
        report.fee_currency,
        is_over(order),
        disputed,
        not report.execution_id,
    )
    told = (event,) if not undisclosed or side is _UNDISCLOSED else (_disclosing(order, side), event)
    return Proposal(told, _fill_alerts(order, event), expected=order.inferred)


def _new_quantity(order: Order, report: reports.FillReport) -> Decimal | Instead:
    """How much of an execution is not booked yet: all of it, unless a cumulative quantity says otherwise."""
    cumulative = report.cumulative_quantity
    if cumulative is None and not report.execution_id:
        return Instead(Reaction.PARK, "no_execution_id", "neither an execution id nor a cumulative quantity")
    if cumulative is None or (report.execution_id and not order.by_cumulative):
        return report.quantity
    new = canonical(EXACT.subtract(cumulative, order.filled))
    if new <= 0:
        return Instead(
            Reaction.ALREADY_DONE, "duplicate_execution", "the cumulative quantity is booked already"
        )
    return min(new, report.quantity) if report.execution_id else new


def _disclosing(order: Order, side: Side) -> events.OrderAcknowledged:
    """The fact that an order's side, unknown so far, is this one."""
    return events.OrderAcknowledged(order.client_order_id, order.venue_order_id, side=side)


def _fill_alerts(order: Order, event: events.FillBooked) -> tuple[effects.Effect, ...]:
    overfilled = EXACT.add(order.filled, event.quantity) > order.quantity and not order.inferred
    if not overfilled and not event.disputed:
        return ()
    alerts: list[effects.Effect] = []
    if overfilled:
        alerts.append(_overfill_alert(order))
    if event.disputed:
        message = f"execution {event.execution_id} is {event.side} {event.symbol}, its order is not"
        alerts.append(effects.Alert("disputed_execution", message, order.client_order_id))
    return tuple(alerts)


def is_over(order: Order) -> bool:
    """Whether a fill now would come after the order's end; after its last fill it would overfill instead."""
    return order.state in _OVER


def takeover_alerts(owner: Order, event: events.OrderReowned) -> tuple[effects.Effect, ...]:
    """What to tell about an order that took the executions of an external one over."""
    key = owner.client_order_id
    alerts: list[effects.Effect] = []
    if owner.filled > owner.quantity:
        alerts.append(_overfill_alert(owner))
    if event.late:
        message = f"order {key} was over when it took {text_of(event.filled)} over from the venue's reports"
        alerts.append(effects.Alert("fill_after_terminal", message, key))
    if event.disputed:
        message = f"order {key} took executions over that are not of its side, or were disputed before"
        alerts.append(effects.Alert("disputed_execution", message, key))
    return tuple(alerts)


def _overfill_alert(order: Order) -> effects.Alert:
    message = f"order {order.client_order_id} is filled beyond its quantity of {text_of(order.quantity)}"
    return effects.Alert("overfilled", message, order.client_order_id)


def _cancelled(order: Order, report: reports.CancelReport) -> Proposal | Instead:
    open_quantity = order.leaves
    if not open_quantity and not order.pending_cancels and order.state is OrderState.FILLED:
        return Instead(Reaction.IGNORE, "nothing_left", "everything was filled; nothing was left to cancel")
    part = report.cancelled_quantity
    if part is not None and part < open_quantity:
        amended = events.OrderAmended(
            order.client_order_id,
            canonical(EXACT.subtract(order.quantity, part)),
            order.price,
            order.stop_price,
            report.request_id,
            report.venue_order_id,
            "part of the quantity was cancelled",
        )
        return Proposal((amended,))
    return Proposal((events.OrderCancelled(order.client_order_id, report.reason, report.venue_order_id),))


def _duplicate_rejected(order: Order, report: reports.RejectReport) -> Proposal:
    return Proposal((events.OrderAcknowledged(order.client_order_id, report.venue_order_id),))


def _rejected(order: Order, report: reports.RejectReport) -> Proposal:
    return Proposal((events.OrderRejected(order.client_order_id, report.reason, report.venue_order_id),))


def _expired(order: Order, report: reports.ExpireReport) -> Proposal:
    return Proposal((events.OrderExpired(order.client_order_id, report.reason, report.venue_order_id),))


def _amended(order: Order, report: reports.AmendReport) -> Proposal | Instead:
    asked = next((p for p in order.pending_replaces if p.request_id == report.request_id), None)
    quantity = _amended_quantity(order, report, asked)
    base = order if asked is None else asked  # what a confirmation does not repeat is as it was asked for
    price = base.price if report.price is None else report.price
    stop_price = base.stop_price if report.stop_price is None else report.stop_price
    over = order.state in _OVER or order.cancelled or order.expired  # a late fill can end it FILLED
    revived = order.closed_from in _REVIVABLE and quantity > order.filled
    reopened = over and (report.leaves is not None or revived)
    answers = report.request_id in order.pending_request_ids
    same_terms = (quantity, price, stop_price) == (order.quantity, order.price, order.stop_price)
    if same_terms and order.acknowledged and not (answers or reopened or order.inferred):
        return _NOTHING_NEW
    amended = events.OrderAmended(
        order.client_order_id,
        quantity,
        price,
        stop_price,
        report.request_id,
        report.venue_order_id,
        report.reason,
        reopened,
    )
    return Proposal((amended,))


def _amended_quantity(order: Order, report: reports.AmendReport, asked: PendingReplace | None) -> Decimal:
    """The new total. A venue's amend to less than what is filled means: stop here (FIX 4.4 Vol 4, C.3.c)."""
    if report.leaves is not None:
        return canonical(EXACT.add(order.filled, report.leaves))
    quantity = report.quantity
    if quantity is None:
        if asked is None:
            return order.quantity
        quantity = asked.quantity
    return canonical(max(quantity, order.filled))


def _reopening_alert(order: Order) -> tuple[effects.Effect, ...]:
    message = f"order {order.client_order_id} was {order.state} and rests at the venue after all"
    return (effects.Alert("reopened", message, order.client_order_id),)


def _cancel_rejected(order: Order, report: reports.CancelRejectReport) -> Proposal | Instead:
    return _answer_request(order, report.request_id, report.reason)


_RISK_INPUTS: Final[dict[RiskDecision, tuple[OrderInput, Callable[[Order, Any], Proposal | Instead]]]] = {
    RiskDecision.ALLOW: (OrderInput.SUBMIT, _submit),
    RiskDecision.BLOCK: (OrderInput.DENY, _deny),
    RiskDecision.PAUSE: (OrderInput.HOLD, _hold),
}

_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Callable[[Order, Any], Proposal | Instead]]]] = {
    requests.CancelOrder: (OrderInput.CANCEL_REQUEST, _request_cancel),
    requests.AmendOrder: (OrderInput.AMEND_REQUEST, _request_amend),
    requests.CloseOrder: (OrderInput.CLOSE, _close),
    requests.SubmitNotSent: (OrderInput.NOT_SENT, _not_sent),
    requests.SubmitOutcomeUnknown: (OrderInput.OUTCOME_UNKNOWN, _outcome_unknown),
    requests.RequestNotSent: (OrderInput.REQUEST_NOT_SENT, _request_not_sent),
    requests.RequestOutcomeUnknown: (OrderInput.REQUEST_UNKNOWN, _request_unknown),
    reports.AcknowledgeReport: (OrderInput.ACKNOWLEDGE, _acknowledge),
    reports.FillReport: (OrderInput.FILL, _fill),
    reports.CancelReport: (OrderInput.CANCELLED, _cancelled),
    reports.RejectReport: (OrderInput.REJECTED, _rejected),
    reports.ExpireReport: (OrderInput.EXPIRED, _expired),
    reports.AmendReport: (OrderInput.AMENDED, _amended),
    reports.CancelRejectReport: (OrderInput.CANCEL_REJECTED, _cancel_rejected),
    reports.AmendRejectReport: (OrderInput.AMEND_REJECTED, _cancel_rejected),
}


def _input_of(cause: requests.Input) -> tuple[OrderInput, Callable[[Order, Any], Proposal | Instead]]:
    """The table row for ``cause``; a risk verdict is three rows by its decision, a reject two."""
    if type(cause) is requests.ReleaseOrder:
        return _RISK_INPUTS[cause.verdict.decision]
    if type(cause) is reports.RejectReport and cause.duplicate_client_order_id:
        return OrderInput.DUPLICATE_REJECTED, _duplicate_rejected
    return _INPUTS[type(cause)]
