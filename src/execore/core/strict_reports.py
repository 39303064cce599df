"""Reports of a history, taken strictly: what would be parked of a venue is refused of a line in a file.

A venue's report is a fact, and is kept whatever it says. A line that somebody imports is a request: what
cannot be is refused as a whole, and the next line is taken.
"""

from typing import Any, Final

from execore.core.book_state import BookState
from execore.core.decisions import judge_execution
from execore.core.executions import Execution
from execore.core.instrument_rules import is_possible_price
from execore.core.trade_changes import change_trade
from execore.model import reports
from execore.model.errors import DuplicateExecution, InvalidPrice, UnknownExecution
from execore.model.keys import execution_key
from execore.model.money import text_of
from execore.model.vocabulary import PositionSide

_CHANGES: Final = (reports.TradeCancelReport, reports.TradeCorrectReport, reports.FeeReport)


def check_report(state: BookState, report: reports.Report) -> None:
    """Make sure that a report of a history can be booked as it stands.

    Raises:
        UnknownInstrument, InvalidPrice, UnknownLot, UnknownExecution, DuplicateExecution: it cannot.
    """
    if isinstance(report, reports.FillReport):
        _check_fill(state, report)
    elif isinstance(report, _CHANGES):
        _check_change(state, report)


def _check_fill(state: BookState, report: reports.FillReport) -> None:
    instrument = state.positions.holdings.defined(report.symbol)
    if not is_possible_price(instrument, report.price):
        raise InvalidPrice("price", f"{report.symbol} cannot trade at {text_of(report.price)}", "Check it")
    known = state.orders.execution(report.execution_id, report.execution_scope)
    if known is not None:
        _check_same(state, report, known)
    elif report.lots:
        state.positions.check_lots(report.symbol, report.position_side or PositionSide.NET, report.lots)


def _check_same(state: BookState, report: reports.FillReport, known: Execution) -> None:
    """Make sure that an execution which is booked is the very one."""
    owner = state.orders.get(known.client_order_id)
    refusal = judge_execution(owner, report, known).refusal
    if refusal is not None and refusal.code == "execution_conflict":
        raise DuplicateExecution("id", refusal.message, "Give another id to another execution")


def _check_change(state: BookState, report: Any) -> None:
    executions = state.orders.executions
    key = execution_key(report.execution_scope, report.execution_ref_id)
    if executions.root(key) is None:
        what = f"{report.execution_ref_id!r:.60} is not booked"
        raise UnknownExecution("execution", what, "Import the fill first, and check its id")
    owner = state.orders.by_execution_id(report.execution_ref_id, report.execution_scope)
    refusal = None if owner is None else change_trade(executions, owner, report).refusal
    if refusal is not None and refusal.code != "duplicate_execution":
        raise DuplicateExecution("execution", refusal.message, "Correct the line, or leave it out")
