"""One input, one order, and what is known of the others: their executions, and the ids of their requests.

``take`` is what the engine and the building blocks call. It knows an execution that was booked before, one
that was known by a total alone, the execution that a bust refers to, a request id that was used; and it takes
a report that says several things apart, in the order in which they are true.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec.structs import replace

from execore.core.executions import Execution, Executions
from execore.core.order_ids import OrderIds
from execore.core.proposals import NOTHING_NEW, Instead, is_count, was_ended
from execore.core.report_proposals import disclosing
from execore.core.request_proposals import asked_terms
from execore.core.totals import (
    counts_less,
    decide_total,
    disagreement,
    gap_alerts,
    missing,
    replace_provisional,
    replacements,
)
from execore.core.trade_changes import change_trade, names_another
from execore.core.transition_table import OrderInput, Reaction
from execore.core.transitions import transition, unapplied
from execore.model import events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.money import EXACT, ZERO, text_of
from execore.model.orders import Order, PendingReplace
from execore.model.vocabulary import Side

_UNDISCLOSED: Final = Side.UNDISCLOSED
_IDENTITY: Final = ("client_order_id", "symbol", "side", "quantity", "price")
"""What makes an execution the same one when it comes again; a fee may become known later."""


class Known(Protocol):
    """What a decision may ask of the book's orders."""

    ids: OrderIds
    executions: Executions

    def get(self, client_order_id: str) -> Order:
        """The order of this id."""
        ...

    def find(self, client_order_id: str, symbol: str = "", venue_order_id: str = "") -> Order | None:
        """The order that a report names; None if it is not known."""
        ...

    def execution(self, execution_id: str, execution_scope: str = "") -> Execution | None:
        """What was booked under this execution id."""
        ...

    def by_venue_order_id(self, venue_order_id: str, symbol: str = "") -> Order | None:
        """The order of this venue id."""
        ...

    def owner_of_id(self, request_id: str) -> str | None:
        """The order that this id stands for, or for a request of which; None if it is free."""
        ...


def take(known: Known, order: Order, report: Any, fold: Callable[[Answer, int], Answer]) -> Answer:
    """Decide what a report does to ``order``, and fold it.

    Args:
        fold: applies an answer's events at a time (integer nanoseconds UTC) and returns the answer after it.
    """
    key = order.request.client_order_id
    if report.client_order_id != key:
        report = addressed(known, order, report)
    parts = None
    if type(report) is not reports.FillReport or report.remainder_cancelled or known.executions.early:
        parts = _apart(known, order, report)
    if parts is None:
        return fold(decide(known, order, report), report.ts_ns)
    answers = [fold(decide(known, known.get(key), part), report.ts_ns) for part in parts]
    if counts_less(known.executions, order, report):
        answers.append(fold(disagreement(known.get(key), report), report.ts_ns))
    return merged(answers, answers[parts.index(report)])


def merged(answers: list[Answer], main: Answer) -> Answer:
    """Several answers as one: everything that happened, and what became of the report itself."""
    applied = any(answer.outcome is Outcome.APPLIED for answer in answers)
    return Answer(
        Outcome.APPLIED if applied else main.outcome,
        answers[-1].order,
        tuple(event for answer in answers for event in answer.events),
        tuple(effect for answer in answers for effect in answer.effects),
        None if applied else main.refusal,
    )


def decide(known: Known, order: Order, cause: requests.Input) -> Answer:
    """Decide what one input does to ``order``, without folding anything.

    Raises:
        KeyError: ``cause`` is not an input of an existing order.
    """
    decider = _DECIDERS.get(type(cause))
    return transition(order, cause) if decider is None else decider(known, order, cause)


# --- requests ----------------------------------------------------------------------------------------------


def _decide_request(known: Known, order: Order, cause: requests.CancelOrder | requests.AmendOrder) -> Answer:
    """A request's id is its own, among all orders and requests of the book (FIX ClOrdID)."""
    owner = known.owner_of_id(cause.request_id)
    if owner is None:
        return transition(order, cause)
    if owner != order.client_order_id or not _is_pending(order, cause):
        return id_in_use(order, cause)
    verdict = Instead(Reaction.ALREADY_DONE, "request_pending", "this request is on its way already")
    return unapplied(order, cause, _input_of(cause), verdict)


def id_in_use(order: Order, cause: requests.CancelOrder | requests.AmendOrder) -> Answer:
    """The answer to a request whose id stands for something else."""
    message = f"the id {cause.request_id} is in use; give a new one"
    return unapplied(
        order, cause, _input_of(cause), Instead(Reaction.REFUSE, "duplicate_request_id", message)
    )


def _input_of(cause: requests.CancelOrder | requests.AmendOrder) -> OrderInput:
    is_cancel = isinstance(cause, requests.CancelOrder)
    return OrderInput.CANCEL_REQUEST if is_cancel else OrderInput.AMEND_REQUEST


def _is_pending(order: Order, cause: requests.CancelOrder | requests.AmendOrder) -> bool:
    """Whether the very same request was made before, and is not answered."""
    if isinstance(cause, requests.CancelOrder):
        return cause.request_id in order.pending_cancels
    before: list[PendingReplace] = []
    for pending in order.pending_replaces:
        if pending.request_id == cause.request_id:
            asked = asked_terms(replace(order, pending_replaces=tuple(before)), cause)
            return asked == (pending.quantity, pending.price, pending.stop_price)
        before.append(pending)
    return False


# --- reports -----------------------------------------------------------------------------------------------


def addressed(known: Known, order: Order, report: Any) -> Any:
    """The report with the request that it names by our id for the order: some venues put it there."""
    named = report.client_order_id
    if not known.ids.is_request(named):
        return report
    is_current = named == known.ids.current_id(order.client_order_id)
    if (
        is_current
        and known.ids.was_accepted(order.client_order_id, named)
        and named not in order.pending_request_ids
    ):
        return report  # after an amend its id stands for the order itself (FIX ClOrdID)
    if type(report) is reports.RejectReport:  # it refuses the request, and never the order
        is_cancel = named in order.pending_cancels
        kind = reports.CancelRejectReport if is_cancel else reports.AmendRejectReport
        told = {field: getattr(report, field) for field in reports.Report.__struct_fields__}
        return kind(**told, request_id=named)
    return replace(report, request_id=named) if getattr(report, "request_id", None) == "" else report


def _apart(known: Known, order: Order, report: Any) -> list[Any] | None:
    """What a report says beside the one thing that it is about; None if it says nothing else."""
    kind = type(report)
    if kind is reports.FillReport:
        early = known.executions.released_by(report)
        return [report, *early, *([_remainder(report)] if report.remainder_cancelled else ())]
    if kind is reports.TradeCorrectReport and report.execution_id:
        early = known.executions.released_by(report)
        return [report, *early] if early else None
    if report.cumulative_quantity is None:
        return None
    lacking = missing(known.executions, order, report)
    if lacking is None:
        return [report] if counts_less(known.executions, order, report) else None
    return [lacking, report]


def _remainder(report: reports.FillReport) -> reports.CancelReport:
    told = {field: getattr(report, field) for field in reports.Report.__struct_fields__}
    return reports.CancelReport(**(told | {"cumulative_quantity": None, "average_price": None}))


def _decide_fill(known: Known, order: Order, report: reports.FillReport) -> Answer:
    if not report.execution_id:
        return decide_total(known.executions, order, report)
    booked = known.execution(report.execution_id, report.execution_scope)
    if booked is not None:
        return judge_execution(order, report, booked)
    if order.provisional:
        answer = replace_provisional(known.executions, order, report)
    else:
        answer = transition(order, report)
    if report.cumulative_quantity is None:
        return answer
    return replace(answer, effects=answer.effects + gap_alerts(known.executions, order, report))


def judge_execution(order: Order, report: reports.FillReport, booked: Execution) -> Answer:
    """The answer to an execution whose key was ``booked`` before: done, or a conflict."""
    side = report.side or _UNDISCLOSED
    if side is _UNDISCLOSED or (booked.side is _UNDISCLOSED and order.side in (side, _UNDISCLOSED)):
        side = booked.side  # silence contradicts nothing, whoever kept it
    symbol = report.symbol or booked.symbol
    told = dict(
        zip(_IDENTITY, (order.client_order_id, symbol, side, report.quantity, report.price), strict=True)
    )
    differs = next((name for name in _IDENTITY if told[name] != getattr(booked, name)), None)
    if differs is None and order.side is _UNDISCLOSED and report.side is not None:
        return Answer(Outcome.APPLIED, order, (disclosing(order, report.side),))  # old news, but for the side
    if differs is None:
        verdict = Instead(Reaction.ALREADY_DONE, "duplicate_execution", "this execution is booked already")
    else:
        verdict = Instead(
            Reaction.PARK,
            "execution_conflict",
            f"execution {report.execution_id} is booked with {differs} {_shown(getattr(booked, differs))}, "
            f"not {_shown(told[differs])}",
        )
    return unapplied(order, report, OrderInput.FILL, verdict)


def _shown(value: object) -> str:
    return text_of(value) if isinstance(value, Decimal) else str(value)


def _decide_acknowledged(known: Known, order: Order, report: reports.AcknowledgeReport) -> Answer:
    if not (order.venue_order_id or order.rejected):
        return transition(order, report)  # the usual one: the first
    named = report.venue_order_id
    is_old = named in ("", order.venue_order_id)
    if named and not is_old and order.venue_order_id:
        if known.by_venue_order_id(named, order.symbol) is not order:
            why = f"the venue knows it as {order.venue_order_id} and acknowledges it as {named}: two orders?"
            verdict = Instead(Reaction.PARK, "second_venue_order_id", why)
            return unapplied(order, report, OrderInput.ACKNOWLEDGE, verdict)
        is_old = True
    was_told = order.acknowledged and not order.known_by_copy
    if is_old and order.rejected and was_told and report.leaves is None:
        # An acknowledgement from before the order was rejected says nothing of what came after.
        return unapplied(order, report, OrderInput.ACKNOWLEDGE, NOTHING_NEW)
    return transition(order, report)


def _decide_amended(known: Known, order: Order, report: reports.AmendReport) -> Answer:
    """An answer to an amend says it once: what comes again is old, unless it is the last and says more."""
    key, report = report.request_id, _without_old_id(known, order, report)
    if key and key not in order.pending_request_ids and known.ids.was_accepted(order.client_order_id, key):
        terms = (report.quantity, report.price, report.stop_price)
        in_force = (order.quantity, order.price, order.stop_price)
        differs = any(told not in (None, ours) for told, ours in zip(terms, in_force, strict=True))
        differs |= report.venue_order_id not in ("", order.venue_order_id)
        if key != order.amended_by or was_ended(order) or not differs:
            verdict = Instead(Reaction.ALREADY_DONE, "amended_since", "it was said before, and it is done")
            return unapplied(order, report, OrderInput.AMENDED, verdict)
    if _is_overtaken(known, order, report):
        return _overtaken(order, report, OrderInput.AMENDED, _new_id(known, order, report))
    return transition(order, report)


def _is_overtaken(known: Known, order: Order, report: reports.AmendReport) -> bool:
    """Whether the terms in force are newer: by the venue's time, or by the order of our requests."""
    if report.ts_ns != order.terms_ts_ns:
        return report.ts_ns < order.terms_ts_ns
    return known.ids.asked_before(order.client_order_id, report.request_id, order.amended_by)


def _overtaken(
    order: Order, report: reports.AmendReport | reports.CancelReport, order_input: OrderInput, new_id: str
) -> Answer:
    """Old terms are no terms; what they answer is answered, and an id they bring stands for the order."""
    named = report.request_id
    if named not in order.pending_request_ids and not new_id:
        verdict = Instead(Reaction.IGNORE, "overtaken", "newer terms are in force")
        return unapplied(order, report, order_input, verdict)
    return Answer(Outcome.APPLIED, order, (_nothing_but_ids(order, named, new_id, report.reason),))


def _nothing_but_ids(order: Order, request_id: str, new_id: str, reason: str) -> events.OrderAmended:
    in_force = (order.quantity, order.price, order.stop_price)
    key = order.client_order_id
    return events.OrderAmended(key, *in_force, request_id, new_id, reason, overtaken=True)


def _new_id(known: Known, order: Order, report: Any) -> str:
    """The venue's id in a report of an order that has a newer one, if nothing is known by it yet."""
    named: str = report.venue_order_id
    return "" if known.by_venue_order_id(named, order.symbol) else named


def _decide_restated(known: Known, order: Order, report: reports.RestateReport) -> Answer:
    report = _without_old_id(known, order, report)
    verdict = _judge_count(order, report)
    if verdict is not None:
        return unapplied(order, report, OrderInput.RESTATED, verdict)
    if report.ts_ns >= order.terms_ts_ns:
        return transition(order, report)
    new_id = _new_id(known, order, report)
    no_terms = {"quantity": None, "leaves": None, "price": None, "stop_price": None}
    answer = transition(order, replace(report, venue_order_id="", **no_terms))
    if not new_id:
        return answer
    named = _nothing_but_ids(order, "", new_id, "")
    return replace(answer, outcome=Outcome.APPLIED, events=(named, *answer.events), refusal=None)


def _judge_count(order: Order, report: reports.RestateReport) -> Instead | None:
    """Whether a corporate action was told before, or its count is older than what was counted since."""
    if not is_count(report):
        return None
    if (report.ts_ns, report.cumulative_quantity) in order.restatements:
        return Instead(Reaction.ALREADY_DONE, "restated_before", "this corporate action was told before")
    if report.ts_ns < order.counted_ts_ns:
        why = "executions, or another corporate action, are newer than what it counts: a person decides"
        return Instead(Reaction.PARK, "counted_since", why)
    return None


def _without_old_id(known: Known, order: Order, report: Any) -> Any:
    """A venue id that the order had before another is no news: messages go to the newest."""
    named = report.venue_order_id
    if named in ("", order.venue_order_id) or known.by_venue_order_id(named, order.symbol) is not order:
        return report
    return replace(report, venue_order_id="")


def _decide_cancelled(known: Known, order: Order, report: reports.CancelReport) -> Answer:
    """What took part of the order out takes it out once, and is part of the terms that came after it."""
    part = report.cancelled_quantity
    if part is None:
        return transition(order, report)
    named = report.request_id
    answered = known.ids.was_reduced(order.client_order_id, named)
    is_told_again = (report.ts_ns, part) in order.reductions and (answered or not named)
    if is_told_again or (answered and part < order.leaves):
        verdict = Instead(Reaction.ALREADY_DONE, "reduced_before", "this cancel was told before")
        return unapplied(order, report, OrderInput.CANCELLED, verdict)
    if part < order.leaves and report.ts_ns < order.terms_ts_ns:
        return _overtaken(order, report, OrderInput.CANCELLED, "")
    return transition(order, report)


def _decide_trade_change(known: Known, order: Order, report: Any) -> Answer:
    named = known.find(report.client_order_id, report.symbol, report.venue_order_id)
    if named is not None and named.client_order_id != order.client_order_id:
        return names_another(order, report)
    answer = change_trade(known.executions, order, report)
    event = answer.events[0] if answer.events else None
    if not order.provisional or not isinstance(event, events.TradeCorrected):
        return answer
    grown = max(EXACT.subtract(event.now.quantity, event.was.quantity), ZERO)  # a total may have counted it
    replaced = replacements(known.executions, order, min(grown, order.provisional))
    return replace(answer, events=(*replaced, *answer.events))


_DECIDERS: Final[dict[type[requests.Input], Callable[[Known, Order, Any], Answer]]] = {
    requests.CancelOrder: _decide_request,
    requests.AmendOrder: _decide_request,
    reports.FillReport: _decide_fill,
    reports.AcknowledgeReport: _decide_acknowledged,
    reports.CancelReport: _decide_cancelled,
    reports.AmendReport: _decide_amended,
    reports.RestateReport: _decide_restated,
    reports.TradeCancelReport: _decide_trade_change,
    reports.TradeCorrectReport: _decide_trade_change,
    reports.FeeReport: _decide_trade_change,
}
