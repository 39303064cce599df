"""Totals: what a venue counts as filled, and has not reported, or not yet, as executions.

What is known by a total alone is booked as a provisional execution. Executions that come take its place, one
by one. Where a total cannot be told from what was undone or restated, nothing is concluded from it.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from execore.core.executions import Executions
from execore.core.order_facts import evolve
from execore.core.proposals import Instead, executions_missing, was_ended
from execore.core.trade_changes import trade_of
from execore.core.transition_table import OrderInput, Reaction
from execore.core.transitions import transition, unapplied
from execore.model import effects, events, reports
from execore.model.answers import Answer, Outcome
from execore.model.keys import split_key
from execore.model.money import BASIS_QUANTUM, EXACT, ZERO, canonical, divide, text_of
from execore.model.orders import Order
from execore.model.vocabulary import RestatementReason

_COUNTS_OTHERWISE: Final = frozenset(
    {reports.FillReport, reports.StatusReport, reports.TradeCancelReport, reports.TradeCorrectReport}
)
"""Reports whose total is no news of executions that we lack."""

_ENDS: Final = frozenset({reports.CancelReport, reports.ExpireReport, reports.DoneForDayReport})
"""Reports whose total is the last."""


def missing(executions: Executions, order: Order, report: Any) -> reports.Report | None:
    """What the venue counts as filled and we do not, as a report of its own: it is true before this one.

    Its price is that of the venue's average, else the order's limit. With neither it cannot be booked, and
    a person is told.
    """
    counted: Decimal = report.cumulative_quantity
    if counted <= order.filled or type(report) in _COUNTS_OTHERWISE:
        return None
    if getattr(report, "restatement", None) is RestatementReason.CORPORATE_ACTION:
        return None
    if is_recounted(executions, order):
        return None
    price = price_of_gap(order, counted, report.average_price) or order.price
    told = {field: getattr(report, field) for field in reports.Report.__struct_fields__}
    if price is None:
        return reports.StatusReport(**told)
    told |= {"symbol": "", "average_price": None}  # of the order's own instrument, whatever else is said
    return reports.FillReport(**told, quantity=EXACT.subtract(counted, order.filled), price=price)


def price_of_gap(order: Order, counted: Decimal, average_price: Decimal | None) -> Decimal | None:
    """The price at which what we lack must have traded to give the venue's average; None if it says nothing.

    An average that is rounded, or old, divided by a little quantity can be anything: what is of another sign
    than the average, or of more than twice its size, is taken for that.
    """
    if not average_price:
        return None  # FIX venues send zero where they have none
    notional = EXACT.subtract(EXACT.multiply(average_price, counted), order.notional)
    price = canonical(divide(notional, EXACT.subtract(counted, order.filled), BASIS_QUANTUM))
    is_likely = price * average_price > ZERO and abs(price) <= 2 * abs(average_price)
    return price if is_likely else None


def is_recounted(executions: Executions, order: Order) -> bool:
    """Whether executions were undone or restated, which the venue may not have counted in yet."""
    return bool(order.adjusted) or executions.has_changes(order.client_order_id)


def counts_less(executions: Executions, order: Order, report: Any) -> bool:
    """Whether a report that ends an order counts less than was executed: we cannot both be right."""
    return (
        type(report) in _ENDS
        and report.cumulative_quantity is not None
        and report.cumulative_quantity < order.filled
        and not was_ended(order)
        and not is_recounted(executions, order)
    )


def disagreement(order: Order, report: Any) -> Answer:
    """Keep a last total that is below ours as an open break, beside the end that it came with."""
    told = text_of(report.cumulative_quantity)
    ours = text_of(order.filled)
    message = f"order {order.client_order_id} ended with {told} filled by the venue's count, {ours} by ours"
    parked = events.ReportParked(order.client_order_id, "total_below_ours", message, report)
    alert = effects.Alert("total_below_ours", message, order.client_order_id)
    return Answer(Outcome.PARKED, order, (parked,), (alert,))


def decide_total(executions: Executions, order: Order, report: reports.FillReport) -> Answer:
    """What is known by a total alone cannot be told apart once executions were undone or restated."""
    counted = report.cumulative_quantity
    if counted is None or counted <= order.filled:
        return transition(order, report)
    if not is_recounted(executions, order):
        if EXACT.subtract(counted, order.filled) != report.quantity:  # more than this one is new
            price = price_of_gap(order, counted, report.average_price) or report.price
            report = replace(report, price=price)
        return transition(order, report)
    why = "executions were undone or restated, so a total does not say what is new"
    return unapplied(order, report, OrderInput.FILL, Instead(Reaction.PARK, "total_after_change", why))


def gap_alerts(
    executions: Executions, order: Order, report: reports.FillReport
) -> tuple[effects.Effect, ...]:
    """What to tell when the venue counts more, with this execution, than was ever reported."""
    counted = report.cumulative_quantity
    have = EXACT.add(EXACT.subtract(order.filled, order.provisional), report.quantity)
    if counted is None or counted <= max(have, order.filled) or is_recounted(executions, order):
        return ()
    return executions_missing(order, counted, have)


def replace_provisional(executions: Executions, order: Order, report: reports.FillReport) -> Answer:
    """An execution of which the quantity is booked already, as a total counted it: it takes that place."""
    counted = order.filled
    if report.cumulative_quantity is not None and not is_recounted(executions, order):
        counted = max(counted, report.cumulative_quantity)
    beyond = EXACT.subtract(EXACT.add(order.filled, report.quantity), counted)
    covered = min(report.quantity, order.provisional, max(beyond, ZERO))
    replaced = tuple(replacements(executions, order, covered))
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


def replacements(
    executions: Executions, order: Order, covered: Decimal
) -> Iterator[events.TradeCancelled | events.TradeCorrected]:
    """The changes that take ``covered`` out of what is known by totals alone, oldest first."""
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
