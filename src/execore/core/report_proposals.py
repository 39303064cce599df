"""What the venue's reports would do to an order. Reports are facts: none is refused."""

from decimal import Decimal
from typing import Final

from execore.core.order_facts import NEVER_THERE, never_there
from execore.core.proposals import (
    NOTHING_NEW,
    Instead,
    Proposal,
    after_reductions,
    answer_request,
    is_before_reopening,
    is_count,
    is_over,
    is_partial,
    overfill_alert,
    query,
    was_ended,
)
from execore.core.request_proposals import Proposer
from execore.core.transition_table import OrderInput, Reaction
from execore.core.unknown_outcomes import copy_refused
from execore.model import effects, events, reports, requests
from execore.model.errors import InvariantViolation
from execore.model.lots import part_of
from execore.model.money import EXACT, ZERO, canonical, text_of
from execore.model.orders import Order, PendingReplace
from execore.model.vocabulary import OrderState, RestatementReason, Side, TimeInForce

_UNDISCLOSED: Final = Side.UNDISCLOSED
_REVIVABLE: Final = NEVER_THERE | {OrderState.FILLED, OrderState.CANCELLED}
_NO_END: Final = NEVER_THERE | {OrderState.REJECTED, OrderState.FILLED}
"""Closed from these, an end is news: the order was there after all, or does not rest if a fill is undone."""
_RENEWAL: Final = RestatementReason.RENEWAL
_OVER_ALREADY: Final = Instead(Reaction.IGNORE, "over_already", "it is over and closed")
_REOPENED_SINCE: Final = Instead(Reaction.IGNORE, "reopened_since", "the venue said later that it rests")


def _acknowledge(order: Order, report: reports.AcknowledgeReport) -> Proposal | Instead:
    # The terms of an order of ours are what we asked for: a venue repeats them, also when they are old.
    is_new = report.ts_ns >= max(order.terms_ts_ns, order.ended_ts_ns)
    if report.leaves is not None and is_new and (report.owned or order.inferred or order.external):
        return _acknowledge_terms(order, report, report.leaves)
    if report.quantity is not None and order.inferred and is_new and report.quantity > order.filled:
        return _acknowledge_terms(order, report, EXACT.subtract(report.quantity, order.filled))
    learns_id = bool(report.venue_order_id) and not order.venue_order_id
    if order.acknowledged and not (learns_id or order.known_by_copy):
        return NOTHING_NEW
    unsent = order.cancelled and never_there(order)
    ended = is_over(order) and not (order.failed or order.denied or unsent)
    if order.closed_from is OrderState.REJECTED:
        return Instead(Reaction.PARK, "acknowledge_on_rejected", "it was rejected: a person decides")
    if ended and not learns_id:  # a late fill may come under the id that is learnt
        return Instead(Reaction.IGNORE, "late_acknowledgement", "the order is over; this is old news")
    event = events.OrderAcknowledged(order.client_order_id, report.venue_order_id)
    revives = unsent or order.closed_from in NEVER_THERE
    return Proposal((event,), _reopening_alert(order) if revives else ())


def _acknowledge_terms(
    order: Order, report: reports.AcknowledgeReport, leaves: Decimal
) -> Proposal | Instead:
    """An acknowledgement that tells what rests: it ends guessing about the order's quantity."""
    quantity = _total(order.filled, leaves, report.cumulative_quantity)
    quantity = after_reductions(order, quantity, report.ts_ns)
    price = order.price if report.price is None else report.price
    reopened = was_ended(order)
    same_terms = (quantity, price) == (order.quantity, order.price) and not order.inferred and not reopened
    if same_terms and order.acknowledged and not (order.external and report.owned):
        return NOTHING_NEW
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
        report.execution_id or provisional_id(order, report),
        report.execution_scope if report.execution_id else order.client_order_id,
        report.venue_order_id,
        report.fee,
        report.fee_currency,
        not order.inferred and is_over(order),  # what is known by executions alone was never told an end
        disputed,
        not report.execution_id,
        order.request.position_side if report.position_side is None else report.position_side,
        report.settlement_date,
        report.lots or part_of(order.request.lots, order.filled, quantity),
    )
    told: tuple[events.AnyOrderEvent, ...] = (event,)
    if undisclosed and side is not _UNDISCLOSED:
        told = (disclosing(order, side), event)
    return Proposal(told, _fill_alerts(order, event), expected=order.inferred)


def provisional_id(order: Order, report: reports.FillReport) -> str:
    """The name of what is known by a total alone: from what was filled to what is, at this report."""
    total = text_of(report.cumulative_quantity or report.quantity)
    return f"total-{text_of(order.filled)}-{total}-{report.ts_ns}"


def _new_quantity(order: Order, report: reports.FillReport) -> Decimal | Instead:
    """How much of an execution is not booked yet: all of it, unless only a total is known."""
    if report.execution_id:
        return report.quantity
    if report.cumulative_quantity is None:
        return Instead(Reaction.PARK, "no_execution_id", "neither an execution id nor a cumulative quantity")
    new = canonical(EXACT.subtract(report.cumulative_quantity, order.filled))
    if new <= 0:
        return Instead(Reaction.ALREADY_DONE, "duplicate_execution", "that total is booked already")
    return new


def disclosing(order: Order, side: Side) -> events.OrderAcknowledged:
    """The fact that an order's side, unknown so far, is this one."""
    return events.OrderAcknowledged(order.client_order_id, order.venue_order_id, side=side)


def _fill_alerts(order: Order, event: events.FillBooked) -> tuple[effects.Effect, ...]:
    overfilled = EXACT.add(order.filled, event.quantity) > order.quantity and not order.inferred
    if not overfilled and not event.disputed:
        return ()
    alerts: list[effects.Effect] = []
    if overfilled:
        alerts.append(overfill_alert(order))
    if event.disputed:
        message = f"execution {event.execution_id} is {event.side} {event.symbol}, its order is not"
        alerts.append(effects.Alert("disputed_execution", message, order.client_order_id))
    return tuple(alerts)


def _cancelled(order: Order, report: reports.CancelReport) -> Proposal | Instead:
    if is_before_reopening(order, report.ts_ns):
        return _REOPENED_SINCE
    if order.closed_from is not None and order.closed_from not in _NO_END:
        return _OVER_ALREADY
    if order.cancelled and not (order.pending_cancels or never_there(order)):
        return NOTHING_NEW
    if order.state is OrderState.EXPIRED and not order.pending_cancels:
        return Instead(Reaction.IGNORE, "expired_before", "it is over already, and nobody asked for it")
    open_quantity = order.leaves
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
            reduced=True,
        )
        return Proposal((amended,))
    return Proposal((events.OrderCancelled(order.client_order_id, report.reason, report.venue_order_id),))


def _duplicate_rejected(order: Order, report: reports.RejectReport) -> Proposal | Instead:
    if order.doubled and order.copy_refused:
        if order.resends == 1:  # both sendings are answered: one refused, the other a copy of it
            rejected = events.OrderRejected(order.client_order_id, order.reason, report.venue_order_id)
            return Proposal((rejected,))
        if order.state is OrderState.UNKNOWN:
            return Instead(Reaction.IGNORE, "copy_of_refused", "it may be a copy of the one that was refused")
    # It exists, and may have traded or ended since: the venue says what became of it when asked.
    event = events.OrderAcknowledged(order.client_order_id, report.venue_order_id, by_copy=True)
    return Proposal((event,), (query(order),))


def _rejected(order: Order, report: reports.RejectReport) -> Proposal | Instead:
    names_order = report.venue_order_id != "" and report.venue_order_id == order.venue_order_id
    both_answered = order.known_by_copy and order.resends == 1  # one is the copy of the other, refused now
    if order.doubled and not names_order and not both_answered:
        return copy_refused(order, report)
    if is_before_reopening(order, report.ts_ns):
        return _REOPENED_SINCE
    if order.filled:
        code = f"rejected_on_{order.state.lower()}"
        return Instead(
            Reaction.PARK, code, "a rejected order does not trade: the fills stand, a person decides"
        )
    return Proposal((events.OrderRejected(order.client_order_id, report.reason, report.venue_order_id),))


def _expired(order: Order, report: reports.ExpireReport) -> Proposal | Instead:
    if is_before_reopening(order, report.ts_ns):
        return _REOPENED_SINCE
    if order.closed_from is not None and order.closed_from not in _NO_END:
        return _OVER_ALREADY
    if order.expired:
        return NOTHING_NEW
    if order.state is OrderState.CANCELLED and not never_there(order):
        return Instead(Reaction.IGNORE, "cancelled_before", "it is over already")
    return Proposal((events.OrderExpired(order.client_order_id, report.reason, report.venue_order_id),))


def _amended(order: Order, report: reports.AmendReport) -> Proposal | Instead:
    if report.request_id == order.amended_by and _says_leaves_alone(report):
        return NOTHING_NEW  # said before, and what was filled since is not what rests
    asked = next((p for p in order.pending_replaces if p.request_id == report.request_id), None)
    quantity = _amended_quantity(order, report, asked)
    base = order if asked is None else asked  # what a confirmation does not repeat is as it was asked for
    price = base.price if report.price is None else report.price
    stop_price = base.stop_price if report.stop_price is None else report.stop_price
    over = was_ended(order)
    revived = _is_revivable(order) and quantity > order.filled
    reopened = over and (bool(report.leaves) or revived) and report.ts_ns >= order.ended_ts_ns
    answers = report.request_id in order.pending_request_ids
    same_terms = (quantity, price, stop_price) == (order.quantity, order.price, order.stop_price)
    new_id = report.venue_order_id not in ("", order.venue_order_id)
    if same_terms and order.acknowledged and not (answers or reopened or order.inferred or new_id):
        return NOTHING_NEW
    amended = events.OrderAmended(
        order.client_order_id,
        quantity,
        price,
        stop_price,
        report.request_id,
        report.venue_order_id,
        report.reason,
        reopened,
        partial=asked is None and report.quantity is None and report.leaves is None,
    )
    return Proposal((amended,), expected=answers and not reopened)


def _says_leaves_alone(report: reports.AmendReport) -> bool:
    return bool(report.request_id) and report.leaves is not None and report.cumulative_quantity is None


def _amended_quantity(order: Order, report: reports.AmendReport, asked: PendingReplace | None) -> Decimal:
    """The new total. A venue's amend to less than what is filled means: stop here (FIX 4.4 Vol 4, C.3.c)."""
    if report.leaves is not None:
        quantity = _total(order.filled, report.leaves, report.cumulative_quantity)
    elif report.quantity is not None:
        quantity = canonical(max(report.quantity, order.filled))
    elif asked is not None:
        quantity = canonical(max(asked.quantity, order.filled))
    else:
        return order.quantity
    return after_reductions(order, quantity, report.ts_ns)


def _is_revivable(order: Order) -> bool:
    """Closed, and not as the venue ended it: then new terms mean that it rests."""
    return order.closed_from in _REVIVABLE and not (order.cancelled or order.expired or order.day_is_over)


def _total(filled: Decimal, leaves: Decimal, cumulative: Decimal | None) -> Decimal:
    """The total of what rests and what was filled when the venue counted; later fills are in our count."""
    return canonical(EXACT.add(filled if cumulative is None else cumulative, leaves))


def _reopening_alert(order: Order) -> tuple[effects.Effect, ...]:
    message = f"order {order.client_order_id} was {order.state} and rests at the venue after all"
    return (effects.Alert("reopened", message, order.client_order_id),)


def _request_rejected(
    order: Order, report: reports.CancelRejectReport | reports.AmendRejectReport
) -> Proposal | Instead:
    if report.duplicate_request_id:
        return Instead(Reaction.IGNORE, "duplicate_refused", "it is about a copy of the request")
    proposal = answer_request(order, report.request_id, report.reason)
    if isinstance(proposal, Instead) or not (report.order_not_open and order.is_open):
        return proposal
    return Proposal(proposal.facts, (query(order),))


def _pending(order: Order, report: reports.PendingReport) -> Proposal | Instead:
    if report.request_id not in order.pending_request_ids:
        return Instead(Reaction.IGNORE, "no_such_request", f"no request {report.request_id} is pending")
    confirmed = report.request_id in order.confirmed_requests
    if confirmed and report.request_id not in order.unknown_requests:
        return NOTHING_NEW
    return Proposal((events.RequestPending(order.client_order_id, report.request_id),))


def _done_for_day(order: Order, report: reports.DoneForDayReport) -> Proposal | Instead:
    if order.done_for_day:
        return NOTHING_NEW
    if order.request.time_in_force is TimeInForce.DAY and is_before_reopening(order, report.ts_ns):
        return _REOPENED_SINCE
    told = (order.client_order_id, report.reason, report.venue_order_id)
    return Proposal((events.OrderDoneForDay(*told),))


def _suspended(order: Order, report: reports.SuspendReport) -> Proposal | Instead:
    if order.suspended:
        return NOTHING_NEW
    told = (order.client_order_id, report.reason, report.venue_order_id)
    return Proposal((events.OrderSuspended(*told),))


def _stopped(order: Order, report: reports.StopReport) -> Proposal | Instead:
    if order.stopped_at == (report.quantity, report.price):
        return NOTHING_NEW
    terms = (report.quantity, report.price, report.reason, report.venue_order_id)
    return Proposal((events.OrderStopped(order.client_order_id, *terms),))


def _triggered(order: Order, report: reports.TriggerReport) -> Proposal | Instead:
    if order.triggered and not order.suspended:
        return NOTHING_NEW
    told = (order.client_order_id, report.reason, report.venue_order_id)
    return Proposal((events.OrderTriggered(*told),))


def _restated(order: Order, report: reports.RestateReport) -> Proposal | Instead:
    adjusted = _adjustment(order, report)
    filled = EXACT.add(order.filled, adjusted)
    quantity = _restated_quantity(order, report, filled)
    price = order.price if report.price is None else report.price
    stop_price = order.stop_price if report.stop_price is None else report.stop_price
    over = was_ended(order)
    renewed = report.restatement is _RENEWAL and not order.cancelled
    rests = bool(report.leaves) or renewed or _is_revivable(order)
    reopened = over and rests and quantity > filled and report.ts_ns >= order.ended_ts_ns
    same_terms = (quantity, price, stop_price) == (order.quantity, order.price, order.stop_price)
    new_id = report.venue_order_id not in ("", order.venue_order_id)
    resting = new_id or (order.done_for_day and not order.day_is_over) or order.suspended
    counts = is_count(report)  # the first of its time and count: told again it never comes here
    if same_terms and order.acknowledged and not (counts or reopened or resting or order.inferred):
        return NOTHING_NEW
    event = events.OrderRestated(
        order.client_order_id,
        quantity,
        price,
        stop_price,
        report.restatement,
        report.venue_order_id,
        report.reason,
        adjusted,
        reopened,
        is_partial(order, report),
    )
    return Proposal((event,), _reopening_alert(order) if reopened and not order.done_for_day else ())


def _restated_quantity(order: Order, report: reports.RestateReport, filled: Decimal) -> Decimal:
    if report.leaves is not None:
        quantity = _total(filled, report.leaves, report.cumulative_quantity)
    elif report.quantity is not None:
        quantity = canonical(max(report.quantity, filled))
    else:
        return order.quantity
    return after_reductions(order, quantity, report.ts_ns)


def _adjustment(order: Order, report: reports.RestateReport) -> Decimal:
    """How much more is filled after a corporate action than before, with no trade (FIX 4.4 Vol 4, H.1.b)."""
    counted = report.cumulative_quantity
    if counted is None or not is_count(report):
        return ZERO
    return canonical(EXACT.subtract(counted, order.filled))


def _status(order: Order, report: reports.StatusReport) -> Instead:
    raise InvariantViolation("an order status is never applied", "Report this as a bug in execore")


DUPLICATE_REJECTED: Final = (OrderInput.DUPLICATE_REJECTED, _duplicate_rejected)
"""The row for a reject that speaks of a copy of the order."""

REJECTED: Final = (OrderInput.REJECTED, _rejected)
"""The row for one that speaks of the order."""

REPORT_INPUTS: Final[dict[type[requests.Input], tuple[OrderInput, Proposer]]] = {
    reports.AcknowledgeReport: (OrderInput.ACKNOWLEDGE, _acknowledge),
    reports.FillReport: (OrderInput.FILL, _fill),
    reports.CancelReport: (OrderInput.CANCELLED, _cancelled),
    reports.ExpireReport: (OrderInput.EXPIRED, _expired),
    reports.AmendReport: (OrderInput.AMENDED, _amended),
    reports.CancelRejectReport: (OrderInput.CANCEL_REJECTED, _request_rejected),
    reports.AmendRejectReport: (OrderInput.AMEND_REJECTED, _request_rejected),
    reports.PendingReport: (OrderInput.PENDING, _pending),
    reports.DoneForDayReport: (OrderInput.DONE_FOR_DAY, _done_for_day),
    reports.SuspendReport: (OrderInput.SUSPENDED, _suspended),
    reports.StopReport: (OrderInput.STOPPED, _stopped),
    reports.TriggerReport: (OrderInput.TRIGGERED, _triggered),
    reports.RestateReport: (OrderInput.RESTATED, _restated),
    reports.StatusReport: (OrderInput.STATUS, _status),
}
"""The row of the table for each report, and what it would do."""
