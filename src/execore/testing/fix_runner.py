"""FIX order state matrices through the core, row by row: what came out against what is printed.

What we send and what the venue sends goes through ``core.engine.step``. After each message of the venue's the
order's status and quantities are compared, and which order it touched; after every row the invariants.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from execore.core import invariants
from execore.core.engine import open_book, step
from execore.model import events, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import ExecoreError, InvalidInput, InvariantViolation
from execore.model.instruments import Instrument
from execore.model.money import ONE, ZERO, divide, text_of
from execore.model.orders import Order
from execore.model.vocabulary import CostMethod, InstrumentKind, OrdStatus
from execore.testing.fix_normaliser import PRICE_QUANTUM, SYMBOL, FixSession, is_request
from execore.testing.fix_rows import (
    EXECUTION_REPORT,
    MAIN,
    NEW_ORDER,
    Row,
    Scenario,
    exec_type_of,
    message_of,
    ord_status_of,
)

NO_ORDER: Final = "none"
_MONEY_PLACES: Final = 2
_INSTRUMENT: Final = Instrument(
    symbol=SYMBOL,
    currency="USD",
    kind=InstrumentKind.EQUITY,
    tick_size=PRICE_QUANTUM,
    quantity_step=PRICE_QUANTUM,
)


class Verdict(StrEnum):
    """What came of one comparison."""

    EQUAL = "equal"
    DIFFERS = "differs"
    KNOWN_ANOMALY = "known_anomaly"
    """The standard prints here what its own rules do not allow; we follow the rules."""


class Cell(msgspec.Struct, frozen=True):
    """One comparison, in words and canonical numbers."""

    column: str
    expected: str
    got: str
    verdict: Verdict


class RowResult(msgspec.Struct, frozen=True):
    """What one row came to.

    Attributes:
        step: the row's place in its table, from 1.
        message: what it is: message, ids, and the type of an execution report.
        note: what is not compared: that our core refused a request, or that nothing was sent.
        empty: how many cells the table leaves empty where the core has a value.
    """

    scenario: str
    version: str
    step: int
    time: str
    branch: str
    message: str
    cells: tuple[Cell, ...] = ()
    note: str = ""
    empty: int = 0

    def with_verdict(self, verdict: Verdict) -> list[Cell]:
        """The comparisons that came out like this."""
        return [cell for cell in self.cells if cell.verdict is verdict]


class Summary(msgspec.Struct, frozen=True):
    """How much was compared, and what came of it."""

    scenarios: int
    steps: int
    cells_compared: int
    cells_null: int
    differences: int
    known_anomalies: int


# --- running ------------------------------------------------------------------------------------------------


def run_scenario(scenario: Scenario) -> list[RowResult]:
    """Every row of one matrix, in its order: the main path on one book, each alternative on its own.

    An alternative goes with what the main path did before it: the rows above it, without those the venue
    sent at the same time, which are what it is the alternative to.
    """
    main = _Run(scenario)
    return [main.take(row) if row.branch == MAIN else _alternative(scenario, row) for row in scenario.rows]


def _alternative(scenario: Scenario, row: Row) -> RowResult:
    run = _Run(scenario)
    for earlier in scenario.rows[: row.number - 1]:
        is_other_time = not row.time or earlier.time != row.time
        if earlier.branch == MAIN and (is_other_time or is_request(earlier)):
            run.take(earlier)
    return run.take(row)


class _Run:
    """One path through a matrix, on a book of its own."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._session = FixSession(scenario)
        self._state, _ = open_book("matrix", CostMethod.AVERAGE, 0)
        step(self._state, requests.DefineInstrument(ts_ns=0, instrument=_INSTRUMENT))

    def take(self, row: Row) -> RowResult:
        """Run one row, compare what it can be compared with, and check the invariants."""
        try:
            result = self._taken(row)
        except ExecoreError as error:
            cell = Cell("row", "can be run", f"cannot run: {error}", Verdict.DIFFERS)
            result = self._result(row, cells=(cell,))
        try:
            invariants.check(self._state)
        except InvariantViolation as error:
            broken = Cell("invariants", "hold", str(error), Verdict.DIFFERS)
            return msgspec.structs.replace(result, cells=(*result.cells, broken))
        return result

    def _taken(self, row: Row) -> RowResult:
        if not message_of(row):
            return self._result(row, note="nothing was sent")
        return self._request(row) if is_request(row) else self._report(row)

    def _request(self, row: Row) -> RowResult:
        cause = self._session.to_request(row)
        if cause is None:
            return self._result(row, note="asking is no input of the core")
        try:
            answer = step(self._state, cause)
        except InvalidInput as error:
            refusal = f"{error.code}: {error}"
        except Exception as error:
            return self._result(row, cells=(_failure(error),))
        else:
            if answer.outcome is not Outcome.REFUSED or answer.refusal is None:
                return self._result(row)
            refusal = f"{answer.refusal.code}: {answer.refusal.message}"
        if message_of(row) != NEW_ORDER:
            self._session.refused.add(row.cl_ord_id)
        return self._result(row, note=f"refused by us: {refusal}")

    def _report(self, row: Row) -> RowResult:
        expected = self._session.order_of(row)
        causes = self._session.to_reports(row, self._order(expected))
        before = self._orders()
        try:
            answers = [step(self._state, cause) for cause in causes]
        except Exception as error:  # reports never raise: whatever does is what is looked for
            return self._result(row, cells=(_failure(error),))
        touched = _touched(before, self._orders(), answers)
        created = touched - before.keys()
        if expected is not None and len(created) == 1 and self._order(expected) is None:
            self._session.adopted[expected] = next(iter(created))
        got = ", ".join(sorted(map(self._name, touched))) or NO_ORDER
        which = _cell("order", expected or NO_ORDER, got)
        order = self._order(expected)
        # What is said of an order that nobody knows describes none: no other cell can be held against ours.
        cells = [which] if order is None else [which, *_compared(row, order)]
        empty = 0 if order is None else len(_COLUMNS) - len(cells) + 1
        note = ", ".join(sorted({answer.outcome.value for answer in answers}))
        return self._result(row, tuple(cells), note, empty)

    def _orders(self) -> dict[str, Order]:
        return {order.client_order_id: order for order in self._state.orders}

    def _order(self, name: str | None) -> Order | None:
        return None if name is None else self._orders().get(self._session.adopted.get(name, name))

    def _name(self, client_order_id: str) -> str:
        """What the rows call an order of the book."""
        names = {key: name for name, key in self._session.adopted.items()}
        return names.get(client_order_id, client_order_id)

    def _result(self, row: Row, cells: tuple[Cell, ...] = (), note: str = "", empty: int = 0) -> RowResult:
        scenario = self._scenario
        return RowResult(
            scenario.ref,
            scenario.version,
            row.number,
            row.time,
            row.branch,
            _described(row),
            cells,
            note,
            empty,
        )


def _touched(before: dict[str, Order], after: dict[str, Order], answers: Iterable[Answer]) -> set[str]:
    """Every order that changed, that an event names, or that an answer is about."""
    touched = {key for key in before | after if before.get(key) is not after.get(key)}
    for answer in answers:
        if answer.order is not None:
            touched.add(answer.order.client_order_id)
        touched |= {event.client_order_id for event in answer.events if isinstance(event, events.OrderEvent)}
    return touched - {""}


def _described(row: Row) -> str:
    ids = ",".join(filter(None, (row.cl_ord_id, row.orig_cl_ord_id)))
    parts = (row.message or row.msg_type or "off wire", ids, row.exec_type or row.exec_type_code)
    return " ".join(filter(None, parts))


# --- comparing ----------------------------------------------------------------------------------------------

_COLUMNS: Final = ("ord_status", "cum_qty", "leaves_qty", "avg_px", "order_qty")


def _compared(row: Row, order: Order) -> list[Cell]:
    """A cell for each column in which the row says something."""
    is_known = bool(row.spec_anomaly)
    cells: list[Cell] = []
    status = ord_status_of(row)
    if status is not None:
        misprinted = is_known or _is_misprint(row, status, order.ord_status)
        cells.append(_cell("ord_status", status.value, order.ord_status.value, misprinted))
    numbers = (
        ("cum_qty", row.cum_qty, order.filled),
        ("leaves_qty", row.leaves_qty, order.leaves),
        ("avg_px", row.avg_px, _rounded_like(row.avg_px, order.average_price)),
        ("order_qty", row.order_qty, order.quantity),
    )
    for column, expected, got in numbers:
        if expected is not None:
            cells.append(_cell(column, text_of(expected), text_of(got), is_known))
    return cells


def _is_misprint(row: Row, printed: OrdStatus, ours: OrdStatus) -> bool:
    """FIX 4.4 Vol 4, B.1.d prints New in the acknowledgement of an order whose cancel is pending."""
    is_acknowledgement = message_of(row) == EXECUTION_REPORT and exec_type_of(row) == "0"
    return is_acknowledgement and printed is OrdStatus.NEW and ours is OrdStatus.PENDING_CANCEL


def _rounded_like(printed: Decimal | None, average: Decimal | None) -> Decimal:
    """Our average price to as many places as are printed, to cents at least."""
    if printed is None or average is None:
        return ZERO
    places = max(_MONEY_PLACES, -int(printed.as_tuple().exponent))
    return divide(average, ONE, Decimal((0, (1,), -places)))


def _cell(column: str, expected: str, got: str, is_known_anomaly: bool = False) -> Cell:
    if expected == got:
        return Cell(column, expected, got, Verdict.EQUAL)
    return Cell(column, expected, got, Verdict.KNOWN_ANOMALY if is_known_anomaly else Verdict.DIFFERS)


def _failure(error: Exception) -> Cell:
    return Cell("core", "an answer", f"{type(error).__name__}: {error}", Verdict.DIFFERS)


def summary_of(results: Sequence[RowResult]) -> Summary:
    """Count what was compared."""
    cells = [cell for result in results for cell in result.cells]
    verdicts = [cell.verdict for cell in cells]
    return Summary(
        scenarios=sum(result.step == 1 for result in results),
        steps=len(results),
        cells_compared=len(cells),
        cells_null=sum(result.empty for result in results),
        differences=verdicts.count(Verdict.DIFFERS),
        known_anomalies=verdicts.count(Verdict.KNOWN_ANOMALY),
    )
