"""Busts and corrections: what a report about an execution that was booked before does to its order.

The execution is found by reference, in our own ledger: a venue need not say again what it was. Orders and
books end as if the execution had never happened, or had always been what it is now.
"""

from typing import Final

from msgspec.structs import replace

from execore.core.executions import Execution, Executions, TradeChange
from execore.core.order_facts import is_of_other_side
from execore.core.proposals import Instead, overfill_alert
from execore.core.transition_table import RULES, OrderInput, Reaction
from execore.core.transitions import unapplied
from execore.model import effects, events, reports
from execore.model.answers import Answer, Outcome
from execore.model.keys import execution_key, split_key
from execore.model.money import EXACT, ZERO, text_of
from execore.model.orders import Order
from execore.model.trades import Trade

_INPUTS: Final[dict[type, OrderInput]] = {
    reports.TradeCancelReport: OrderInput.TRADE_CANCELLED,
    reports.TradeCorrectReport: OrderInput.TRADE_CORRECTED,
    reports.FeeReport: OrderInput.TRADE_CORRECTED,
}
_DUPLICATE: Final = Instead(Reaction.ALREADY_DONE, "duplicate_execution", "this report is booked already")


def change_trade(executions: Executions, order: Order, report: TradeChange) -> Answer:
    """Decide what a bust or a correction does. ``order`` is the one that owns the execution.

    Returns an answer whose events carry no postings yet: those are the position ledger's to work out.
    """
    order_input = _INPUTS[type(report)]
    root = executions.root(execution_key(report.execution_scope, report.execution_ref_id))
    if root is None:
        return wait_for_execution(executions, order, report)
    verdict = _judge(executions, order, report, root)
    if verdict is not None:
        return unapplied(order, report, order_input, verdict)
    rule = RULES[order_input][order.state]
    was = executions.standing(root)
    applies = rule.applies or order.adjusted  # a split may have left nothing filled by what stands
    if was is None or not applies:
        return unapplied(order, report, order_input, Instead(rule.reaction, rule.code, rule.why))
    event = _event(order, report, was, root)
    return Answer(Outcome.APPLIED, order, (event,), _alerts(order, event))


def names_another(order: Order, report: TradeChange) -> Answer:
    """Park a bust or correction that names another order than the one that has the execution."""
    why = f"it names {report.client_order_id or report.venue_order_id}, and the execution is this order's"
    return unapplied(order, report, _INPUTS[type(report)], _conflict("execution_conflict", why))


def wait_for_execution(executions: Executions, order: Order | None, report: TradeChange) -> Answer:
    """Keep a bust or correction of an execution that was never seen: it is applied when that comes."""
    key = execution_key(report.execution_scope, report.execution_ref_id)
    if any(_content(report) == _content(early) for early in executions.waiting(key)):
        return _unapplied(order, report, _DUPLICATE)
    why = f"execution {report.execution_ref_id} was never reported: kept until it comes"
    answer = _unapplied(order, report, Instead(Reaction.PARK, "unknown_execution", why))
    message = why if answer.refusal is None else answer.refusal.message
    named = "" if order is None else order.client_order_id
    parked = events.ReportParked(named, "unknown_execution", message, report, key)
    alert = effects.Alert("unknown_execution", message, named)
    return Answer(Outcome.PARKED, order, (parked,), (alert,), answer.refusal)


def _unapplied(order: Order | None, report: TradeChange, verdict: Instead) -> Answer:
    if order is None:
        return Answer(Outcome.ALREADY_DONE)
    return unapplied(order, report, _INPUTS[type(report)], verdict)


def _content(report: TradeChange) -> tuple[object, ...]:
    """What a report says of the execution, without when and how it came."""
    said = (type(report), report.execution_scope, report.execution_id, report.execution_ref_id)
    if isinstance(report, reports.TradeCancelReport):
        return said
    if isinstance(report, reports.FeeReport):
        return (*said, report.fee, report.fee_currency)
    return (*said, report.quantity, report.price, report.side, report.fee, report.fee_currency)


def _judge(executions: Executions, order: Order, report: TradeChange, root: str) -> Instead | None:
    """Whether the execution's own past asks for another answer than the table's."""
    was, own_id = executions.standing(root), _own_id(report)
    if own_id:
        own_key = execution_key(report.execution_scope, own_id)
        known = executions.changed_to(own_key)
        if known is not None and _is_same(known, report, root):
            return _DUPLICATE
        if known is not None or executions.reported(own_key) is not None:
            return _conflict("execution_conflict", f"its id {own_id} stands for something else")
    if was is None:
        if isinstance(report, reports.TradeCancelReport):
            return _DUPLICATE
        return _conflict("corrects_cancelled_trade", "the execution was undone, and is corrected now")
    if isinstance(report, reports.FeeReport):
        return _DUPLICATE if _now(report, was) == trade_of(was) else None
    if not own_id and _now(report, was) == trade_of(was):
        return _DUPLICATE
    if report.symbol and report.symbol != was.symbol:
        return _conflict("execution_conflict", f"the execution is one in {was.symbol}, not {report.symbol}")
    if executions.is_restated(root):
        return _conflict("changed_after_corporate_action", "its quantity was restated since")
    return None


def _own_id(report: TradeChange) -> str:
    """The id of the report itself; none where the venue repeats that of the execution."""
    return "" if report.execution_id == report.execution_ref_id else report.execution_id


def _is_same(known: tuple[str, Trade | None], report: TradeChange, root: str) -> bool:
    """Whether the report says what was booked under its id before."""
    key, now = known
    if key != root or not isinstance(report, reports.TradeCorrectReport) or now is None:
        return key == root and isinstance(report, reports.TradeCancelReport) and now is None
    same_side = report.side is None or report.side is now.side
    same_fee = report.fee is None or report.fee == now.fee
    return same_side and same_fee and (report.quantity, report.price) == (now.quantity, now.price)


def trade_of(execution: Execution) -> Trade:
    """The terms of an execution, without its order."""
    return Trade(
        execution.symbol,
        execution.side,
        execution.quantity,
        execution.price,
        execution.fee,
        execution.fee_currency,
        execution.position_side,
        execution.settlement_date,
        execution.lots,
    )


def _conflict(code: str, message: str) -> Instead:
    return Instead(Reaction.PARK, code, message)


def _now(report: TradeChange, was: Execution) -> Trade | None:
    """What the execution becomes: None when it is undone."""
    if isinstance(report, reports.TradeCancelReport):
        return None
    now = trade_of(was)
    if report.fee is not None:
        now = replace(now, fee=report.fee, fee_currency=report.fee_currency)
    if isinstance(report, reports.FeeReport):
        return now
    return replace(now, side=report.side or was.side, quantity=report.quantity, price=report.price)


def _event(order: Order, report: TradeChange, was: Execution, root: str) -> events.TradeChange:
    now = _now(report, was)
    if isinstance(report, reports.FeeReport) and now is not None:
        return events.TradeRestated(order.client_order_id, *split_key(root), trade_of(was), now)
    told = (order.client_order_id, _own_id(report), *split_key(root), trade_of(was))
    return events.TradeCancelled(*told) if now is None else events.TradeCorrected(*told, now)


def _alerts(order: Order, event: events.TradeChange) -> tuple[effects.Effect, ...]:
    if isinstance(event, events.TradeRestated):
        return ()  # a fee told late is the usual thing
    key, was = order.client_order_id, event.was
    text = (
        f"execution {event.execution_ref_id} of order {key}, {text_of(was.quantity)} @ {text_of(was.price)}"
    )
    if isinstance(event, events.TradeCancelled):
        return (effects.Alert("trade_cancelled", f"{text}, was undone by the venue", key),)
    now = event.now
    message = f"{text}, was corrected by the venue to {text_of(now.quantity)} @ {text_of(now.price)}"
    alerts: tuple[effects.Effect, ...] = (effects.Alert("trade_corrected", message, key),)
    grown = EXACT.subtract(now.quantity, was.quantity)
    if grown > ZERO and EXACT.add(order.filled, grown) > order.quantity and not order.inferred:
        alerts += (overfill_alert(order),)
    if is_of_other_side(order, now.side):
        disputed = f"{text}, is {now.side} by the venue's correction, and its order is not"
        alerts += (effects.Alert("disputed_execution", disputed, key),)
    return alerts
