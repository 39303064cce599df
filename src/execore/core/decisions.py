"""One input, one order, and what is known of the others: their executions, and the ids of their requests.

``take`` is what the engine and the building blocks call. It knows an execution that was booked before, one
that was known by a total alone, the execution that a bust refers to, a request id that was used; and it takes
a report that says several things apart, in the order in which they are true.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, Protocol

from msgspec.structs import replace

from execore.core.executions import Execution, Executions, execution_key, split_key
from execore.core.order_facts import evolve
from execore.core.proposals import NOTHING_NEW, Instead
from execore.core.report_proposals import disclosing, executions_missing
from execore.core.request_proposals import asked_terms
from execore.core.trade_changes import change_trade, names_another, trade_of
from execore.core.transition_table import OrderInput, Reaction
from execore.core.transitions import transition, unapplied
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.money import BASIS_QUANTUM, EXACT, ZERO, canonical, divide, text_of
from execore.model.orders import Order
from execore.model.vocabulary import RestatementReason, Side

_UNDISCLOSED: Final = Side.UNDISCLOSED
_IDENTITY: Final = ("client_order_id", "symbol", "side", "quantity", "price")
"""What makes an execution the same one when it comes again; a fee may become known later."""

_COUNTS_OTHERWISE: Final = frozenset(
    {reports.FillReport, reports.StatusReport, reports.TradeCancelReport, reports.TradeCorrectReport}
)
"""Reports whose total is no news of executions that we lack."""

_ENDS: Final = frozenset({reports.CancelReport, reports.ExpireReport, reports.DoneForDayReport})
"""Reports whose total is the last."""


class Known(Protocol):
    """What a decision may ask of the book's orders."""

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

    def is_request(self, request_id: str) -> bool:
        """Whether a cancel or an amend has this id."""
        ...

    def was_accepted(self, request_id: str) -> bool:
        """Whether an amend of this id gave its order terms before."""
        ...

    def current_id(self, client_order_id: str) -> str:
        """The id by which the venue knows the order: its own, or that of the last amend it accepted."""
        ...

    def was_reduced(self, request_id: str) -> bool:
        """Whether a cancel of this id took part of its order out before."""
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
    if _counts_less(known, order, report):
        answers.append(fold(_disagreement(known.get(key), report), report.ts_ns))
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
    order_input = OrderInput.AMEND_REQUEST
    if isinstance(cause, requests.CancelOrder):
        order_input = OrderInput.CANCEL_REQUEST
    if owner == order.client_order_id and _is_pending(order, cause):
        verdict = Instead(Reaction.ALREADY_DONE, "request_pending", "this request is on its way already")
    else:
        message = f"the id {cause.request_id} is in use; give a new one"
        verdict = Instead(Reaction.REFUSE, "duplicate_request_id", message)
    return unapplied(order, cause, order_input, verdict)


def _is_pending(order: Order, cause: requests.CancelOrder | requests.AmendOrder) -> bool:
    """Whether the very same request was made before, and is not answered."""
    if isinstance(cause, requests.CancelOrder):
        return cause.request_id in order.pending_cancels
    pending = next((p for p in order.pending_replaces if p.request_id == cause.request_id), None)
    return pending is not None and asked_terms(order, cause) == (
        pending.quantity,
        pending.price,
        pending.stop_price,
    )


# --- reports -----------------------------------------------------------------------------------------------


def addressed(known: Known, order: Order, report: Any) -> Any:
    """The report with the request that it names by our id for the order: some venues put it there."""
    named = report.client_order_id
    if not known.is_request(named):
        return report
    is_current = named == known.current_id(order.client_order_id)
    names_order = type(report) is reports.RejectReport or is_current
    if names_order and known.was_accepted(named) and named not in order.pending_request_ids:
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
        early = _early(known.executions, report)
        return [report, *early, *([_remainder(report)] if report.remainder_cancelled else ())]
    if kind is reports.TradeCorrectReport and report.execution_id:
        early = _early(known.executions, report)
        return [report, *early] if early else None
    if report.cumulative_quantity is None:
        return None
    missing = _missing(known, order, report)
    if missing is None:
        return [report] if _counts_less(known, order, report) else None
    return [missing, report]


def _early(executions: Executions, report: Any) -> list[reports.Report]:
    """What waited for this execution or correction, and what waited for that in turn."""
    found: list[reports.Report] = []
    for change in executions.waiting(execution_key(report.execution_scope, report.execution_id)):
        found.append(change)
        if isinstance(change, reports.TradeCorrectReport) and change.execution_id:
            found += _early(executions, change)
    return found


def _remainder(report: reports.FillReport) -> reports.CancelReport:
    told = {field: getattr(report, field) for field in reports.Report.__struct_fields__}
    return reports.CancelReport(**(told | {"cumulative_quantity": None, "average_price": None}))


def _counts_less(known: Known, order: Order, report: Any) -> bool:
    """Whether a report that ends an open order counts less than was executed: we cannot both be right."""
    return (
        type(report) in _ENDS
        and report.cumulative_quantity is not None
        and report.cumulative_quantity < order.filled
        and order.is_open
        and not _is_recounted(known, order)
    )


def _is_recounted(known: Known, order: Order) -> bool:
    """Whether executions were undone or restated, which the venue may not have counted in yet."""
    return bool(order.adjusted) or known.executions.has_changes(order.client_order_id)


def _disagreement(order: Order, report: Any) -> Answer:
    told = text_of(report.cumulative_quantity)
    ours = text_of(order.filled)
    message = f"order {order.client_order_id} ended with {told} filled by the venue's count, {ours} by ours"
    parked = events.ReportParked(order.client_order_id, "total_below_ours", message, report)
    alert = effects.Alert("total_below_ours", message, order.client_order_id)
    return Answer(Outcome.PARKED, order, (parked,), (alert,))


def _missing(known: Known, order: Order, report: Any) -> reports.Report | None:
    """What the venue counts as filled and we do not, as a report of its own: it is true before this one.

    Its price is that of the venue's average, else the order's limit. With neither it cannot be booked, and
    a person is told.
    """
    counted: Decimal = report.cumulative_quantity
    if counted <= order.filled or type(report) in _COUNTS_OTHERWISE:
        return None
    if getattr(report, "restatement", None) is RestatementReason.CORPORATE_ACTION:
        return None
    if _is_recounted(known, order):
        return None
    price = order.price
    if report.average_price is not None:
        notional = EXACT.subtract(EXACT.multiply(report.average_price, counted), order.notional)
        price = canonical(divide(notional, EXACT.subtract(counted, order.filled), BASIS_QUANTUM))
    told = {field: getattr(report, field) for field in reports.Report.__struct_fields__}
    if price is None:
        return reports.StatusReport(**told)
    return reports.FillReport(**told, quantity=EXACT.subtract(counted, order.filled), price=price)


def _decide_fill(known: Known, order: Order, report: reports.FillReport) -> Answer:
    if not report.execution_id:
        return _decide_total(known, order, report)
    booked = known.execution(report.execution_id, report.execution_scope)
    if booked is not None:
        return judge_execution(order, report, booked)
    if order.provisional:
        answer = _replace_provisional(known.executions, order, report)
    else:
        answer = transition(order, report)
    if report.cumulative_quantity is None:
        return answer
    return replace(answer, effects=answer.effects + _gap_alerts(known, order, report))


def _decide_total(known: Known, order: Order, report: reports.FillReport) -> Answer:
    """What is known by a total alone cannot be told apart once executions were undone or restated."""
    if report.cumulative_quantity is None or not _is_recounted(known, order):
        return transition(order, report)
    why = "executions were undone or restated, so a total does not say what is new"
    return unapplied(order, report, OrderInput.FILL, Instead(Reaction.PARK, "total_after_change", why))


def _gap_alerts(known: Known, order: Order, report: reports.FillReport) -> tuple[effects.Effect, ...]:
    """What to tell when the venue counts more, with this execution, than was ever reported."""
    counted = report.cumulative_quantity
    have = EXACT.add(EXACT.subtract(order.filled, order.provisional), report.quantity)
    if counted is None or counted <= max(have, order.filled) or _is_recounted(known, order):
        return ()
    return executions_missing(order, counted, have)


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


def _replace_provisional(executions: Executions, order: Order, report: reports.FillReport) -> Answer:
    """An execution of which the quantity is booked already, as a total counted it: it takes that place."""
    counted = order.filled
    if report.cumulative_quantity is not None:
        counted = max(counted, report.cumulative_quantity)
    beyond = EXACT.subtract(EXACT.add(order.filled, report.quantity), counted)
    covered = min(report.quantity, order.provisional, max(beyond, ZERO))
    replaced = tuple(_replacements(executions, order, covered))
    after = order
    for event in replaced:
        after = evolve(after, event, report.ts_ns)
    answer = transition(after, report)
    told, alerts = answer.events, answer.effects
    if covered == report.quantity:  # it was counted in time, so it is neither late nor too much
        told = tuple(
            replace(event, late=False) if type(event) is events.FillBooked else event for event in told
        )
        alerts = tuple(
            effect for effect in alerts if getattr(effect, "code", "") in ("", "disputed_execution")
        )
    return replace(answer, events=(*replaced, *told), effects=alerts)


def _replacements(
    executions: Executions, order: Order, covered: Decimal
) -> Iterator[events.TradeCancelled | events.TradeCorrected]:
    left = covered
    for key, execution in executions.provisional(order.client_order_id):
        if not left:
            return
        part = min(left, execution.quantity)
        left = EXACT.subtract(left, part)
        was = trade_of(execution)
        told = (order.client_order_id, "", *split_key(key), was)
        if part == was.quantity:
            yield events.TradeCancelled(*told, replaced=True)
        else:
            now = replace(was, quantity=canonical(EXACT.subtract(was.quantity, part)))
            yield events.TradeCorrected(*told, now, replaced=True)


def _decide_acknowledged(known: Known, order: Order, report: reports.AcknowledgeReport) -> Answer:
    """An acknowledgement from before its order was rejected says nothing of what came after."""
    is_old = order.rejected and order.acknowledged and report.venue_order_id in ("", order.venue_order_id)
    if is_old and report.leaves is None:
        return unapplied(order, report, OrderInput.ACKNOWLEDGE, NOTHING_NEW)
    return transition(order, report)


def _decide_amended(known: Known, order: Order, report: reports.AmendReport) -> Answer:
    """An answer to an amend that comes again after a later one was accepted says nothing any more."""
    if report.request_id and report.request_id != order.amended_by and known.was_accepted(report.request_id):
        verdict = Instead(Reaction.ALREADY_DONE, "amended_since", "it was said before, and later terms hold")
        return unapplied(order, report, OrderInput.AMENDED, verdict)
    return transition(order, _without_old_id(known, order, report))


def _decide_restated(known: Known, order: Order, report: reports.RestateReport) -> Answer:
    return transition(order, _without_old_id(known, order, report))


def _without_old_id(known: Known, order: Order, report: Any) -> Any:
    """A venue id that the order had before another is no news: messages go to the newest."""
    named = report.venue_order_id
    if named in ("", order.venue_order_id) or known.by_venue_order_id(named, order.symbol) is not order:
        return report
    return replace(report, venue_order_id="")


def _decide_cancelled(known: Known, order: Order, report: reports.CancelReport) -> Answer:
    """An answer to a cancel that took part of the order out takes it out once."""
    part = report.cancelled_quantity
    if part is not None and part < order.leaves and known.was_reduced(report.request_id):
        verdict = Instead(Reaction.ALREADY_DONE, "reduced_before", "this cancel was answered before")
        return unapplied(order, report, OrderInput.CANCELLED, verdict)
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
    replaced = _replacements(known.executions, order, min(grown, order.provisional))
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
}
