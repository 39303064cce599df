"""FIX order state matrices through the core, row by row: what came out against what is printed.

What we send and what the venue sends goes through ``core.engine.step``. After each message of the venue's the
order's status and quantities are compared, and which order it touched; after every row the invariants.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from execore.core import invariants
from execore.core.engine import open_book, step
from execore.model import events, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import ExecoreError, InvalidInput, InvariantViolation
from execore.model.instruments import Instrument
from execore.model.orders import Order
from execore.model.vocabulary import CostMethod, InstrumentKind
from execore.testing.fix_compare import COLUMNS, Cell, Verdict, cell, compared, compared_with_none
from execore.testing.fix_normaliser import END_OF_GTD, PRICE_QUANTUM, SYMBOL, FixSession
from execore.testing.fix_rows import MAIN, Row, Scenario, day_of, is_request, message_of

NO_ORDER: Final = "none"
_FIRST_DAY: Final = date(2000, 1, 1)
_INSTRUMENT: Final = Instrument(
    symbol=SYMBOL,
    currency="USD",
    kind=InstrumentKind.EQUITY,
    tick_size=PRICE_QUANTUM,
    quantity_step=PRICE_QUANTUM,
)


class RowResult(msgspec.Struct, frozen=True):
    """What one row came to.

    Attributes:
        step: the row's place in its table, from 1.
        message: what it is: message, ids, and the type of an execution report.
        note: what became of it: that our core did not send a request, or that nothing was sent.
        empty: how many cells are not compared: the table leaves them empty, or nothing can be held against
            them.
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
        self._day = ""
        self._state, _ = open_book("matrix", CostMethod.AVERAGE, 0)
        step(self._state, requests.DefineInstrument(ts_ns=0, instrument=_INSTRUMENT))

    def take(self, row: Row) -> RowResult:
        """Run one row, compare what it can be compared with, and check the invariants."""
        try:
            result = self._taken(row)
        except ExecoreError as error:
            failed = Cell("row", "can be run", f"cannot run: {error}", Verdict.DIFFERS)
            result = self._result(row, cells=(failed,))
        try:
            invariants.check(self._state)
        except InvariantViolation as error:
            broken = Cell("invariants", "hold", str(error), Verdict.DIFFERS)
            return msgspec.structs.replace(result, cells=(*result.cells, broken))
        return result

    def _taken(self, row: Row) -> RowResult:
        self._begin_day(row)
        if not message_of(row):
            return self._result(row, note="nothing was sent")
        return self._request(row) if is_request(row) else self._report(row)

    def _begin_day(self, row: Row) -> None:
        """Tell the core when the rows go on to another day."""
        day = day_of(row) or self._day
        if self._day and day != self._day:
            trade_date = (_FIRST_DAY + timedelta(days=row.number)).isoformat()  # later than any above
            step(
                self._state, requests.StartDay(ts_ns=row.number, trade_date=trade_date, ends_ts_ns=END_OF_GTD)
            )
        self._day = day

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
            if answer.outcome is Outcome.APPLIED:
                self._session.sent.add(row.cl_ord_id)
                return self._result(row)
            refusal = answer.outcome.value
            if answer.refusal is not None:
                refusal = f"{answer.refusal.code}: {answer.refusal.message}"
        if row.cl_ord_id not in self._session.sent:  # else it repeats what was sent
            self._session.unsent.add(row.cl_ord_id)
        return self._result(row, note=f"not sent by us: {refusal}")

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
        known = self._session.known(row, expected)
        is_for_nobody = known.is_unsent and got == NO_ORDER
        which = cell("order", NO_ORDER if expected is None or is_for_nobody else expected, got)
        order = self._order(expected)
        if expected is None:
            cells = [which, *compared_with_none(row)]
        else:
            cells = [which] if order is None else [which, *compared(row, order, known)]
        empty = len(COLUMNS) - len(cells) + 1
        note = ", ".join(sorted({answer.outcome.value for answer in answers}))
        if known.is_unsent:
            note = f"answers what was not sent by us; {note}"
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
