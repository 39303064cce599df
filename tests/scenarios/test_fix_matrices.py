"""Every row of every FIX order state matrix as a test, and the runner against rows broken on purpose."""

import functools
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from execore.core import invariants
from execore.core.book_state import BookState
from execore.core.engine import step as real_step
from execore.model.answers import Answer
from execore.model.errors import InvariantViolation
from execore.model.money import ONE
from execore.model.reports import FillReport
from execore.model.requests import Input
from execore.testing import fix_matrices, fix_runner
from execore.testing.fix_compare import COLUMNS, Cell, Verdict
from execore.testing.fix_rows import MAIN, Row, Scenario, message_of, read_scenarios
from execore.testing.fix_runner import RowResult, run_scenario, summary_of

SHARED = Path(__file__).parents[2] / "../shared/fix_order_state_matrices.json"
OWN = Path(__file__).with_name("more_matrices.json")


# --- the matrices ------------------------------------------------------------------------------------------


def each_row(path: Path) -> Iterator[Any]:
    """A case for each row, named as in ``B.1.c-7-main``; rows of one time and branch also by message."""
    if not path.exists():
        reason = f"{path.name} lies in ../shared beside the project, and is not there"
        yield pytest.param(path, 0, 0, marks=pytest.mark.skip(reason=reason))
        return
    for place, scenario in enumerate(read_scenarios(path)):
        labels = [(row.time, row.branch) for row in scenario.rows]
        for row, label in zip(scenario.rows, labels, strict=True):
            name = f"{scenario.ref}-{row.time.replace(' ', '_')}-{row.branch}"
            is_one_of_many = labels.count(label) > 1
            yield pytest.param(
                path, place, row.number, id=f"{name}-{message_of(row)}" if is_one_of_many else name
            )


@functools.cache
def results_of(path: Path, place: int) -> list[RowResult]:
    return run_scenario(read_scenarios(path)[place])


@pytest.mark.parametrize(("path", "place", "number"), [*each_row(SHARED), *each_row(OWN)])
def test_the_core_agrees_with_the_row(path: Path, place: int, number: int) -> None:
    result = results_of(path, place)[number - 1]
    assert result.step == number
    assert result.with_verdict(Verdict.DIFFERS) == []


def anomalies_of(path: Path) -> list[tuple[str, str, str]]:
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    rows = [row for place in range(len(read_scenarios(path))) for row in results_of(path, place)]
    return [
        (row.scenario, row.time, cell.column)
        for row in rows
        for cell in row.with_verdict(Verdict.KNOWN_ANOMALY)
    ]


def test_the_anomalies_of_the_selection_are_those_the_standard_is_known_for() -> None:
    assert anomalies_of(SHARED) == [
        ("D.2.b", "7", "leaves_qty"),
        ("D.2.b", "7", "order_qty"),
        ("E.1.a", "2", "leaves_qty"),
        ("X:I.1.b", "6", "leaves_qty"),
    ]


def test_a_new_printed_while_a_cancel_is_pending_needs_no_mark_to_be_known() -> None:
    assert anomalies_of(OWN) == [("B.1.d", "4", "ord_status"), ("own:telephoned", "2", "leaves_qty")]


def test_all_that_can_be_compared_is() -> None:
    """A report has six cells, compared or not."""
    scenarios = read_scenarios(OWN)
    results = [row for scenario in scenarios for row in run_scenario(scenario)]
    reports = sum(message_of(row) in ("8", "9") for scenario in scenarios for row in scenario.rows)
    summary = summary_of(results)
    assert summary.scenarios == len(scenarios)
    assert summary.steps == len(results)
    assert summary.cells_compared + summary.cells_null == 6 * reports


# --- the runner, against rows broken on purpose ------------------------------------------------------------


@pytest.fixture
def document() -> Any:
    return json.loads(OWN.read_text(encoding="utf-8"))


def the_row(document: Any, ref: str, time: str, direction: str = "sent_by_sell_side") -> Any:
    scenario = next(value for value in document["scenarios"] if value["ref"] == ref)
    return next(
        row
        for row in scenario["steps"]
        if (row["time"], row["direction"], row["branch"]) == (time, direction, MAIN)
    )


def differing(path: Path) -> list[tuple[str, str, str, str, str]]:
    return [
        (row.scenario, row.time, cell.column, cell.expected, cell.got)
        for scenario in read_scenarios(path)
        for row in run_scenario(scenario)
        for cell in row.with_verdict(Verdict.DIFFERS)
    ]


def written(document: Any, directory: Path) -> Path:
    path = directory / "matrices.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("ref", "time", "changes", "reported"),
    [
        ("D.1.c", "8", {"cum_qty": 3501}, [("cum_qty", "3501", "3500")]),
        ("D.1.c", "8", {"leaves_qty": 0}, [("leaves_qty", "0", "6500")]),
        ("J.1.d", "3", {"avg_px": 50.01}, [("avg_px", "50.01", "50")]),
        ("F.1.b", "4", {"order_qty": 1}, [("order_qty", "1", "10000")]),
        (
            "C.1.c",
            "5",
            {"ord_status": "Filled", "ord_status_code": "2"},
            [("ord_status", "filled", "pending_replace")],
        ),
        (
            "H.1.b",
            "Day 1,4",
            {"ord_status": "Partially Filled", "leaves_qty": 0},
            [("ord_status", "partially_filled", "done_for_day"), ("leaves_qty", "0", "8000")],
        ),
    ],
)
def test_exactly_the_cell_that_was_broken_is_reported(
    document: Any,
    tmp_path: Path,
    ref: str,
    time: str,
    changes: dict[str, object],
    reported: list[tuple[str, str, str]],
) -> None:
    the_row(document, ref, time).update(changes)
    assert differing(written(document, tmp_path)) == [(ref, time, *cells) for cells in reported]


@pytest.mark.parametrize(
    ("ref", "time", "changes", "columns"),
    [
        ("own:telephoned", "2", {}, []),
        ("own:telephoned", "2", {"leaves_qty": 1}, ["leaves_qty"]),
        ("own:telephoned", "2", {"cum_qty": 1}, ["cum_qty"]),
        ("own:telephoned", "2", {"ord_status": "Suspended"}, ["ord_status"]),
        ("D.1.c", "8", {"cum_qty": 3501}, ["cum_qty"]),
        ("D.1.c", "8", {"leaves_qty": 0}, ["leaves_qty"]),
        ("D.1.c", "8", {"order_qty": 8000}, ["order_qty"]),
        ("J.1.d", "5", {"leaves_qty": 9500}, ["leaves_qty"]),
    ],
)
def test_a_mark_excuses_what_is_explained_and_nothing_else(
    document: Any, tmp_path: Path, ref: str, time: str, changes: dict[str, object], columns: list[str]
) -> None:
    the_row(document, ref, time).update(changes, ord_status_code=None, spec_anomaly="a misprint")
    path = written(document, tmp_path)
    assert [column for _, _, column, _, _ in differing(path)] == columns
    assert fix_matrices.main([str(path)]) == bool(columns)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"exec_type": "Levitated", "exec_type_code": None},
            "cannot run: exec_type: 'Levitated' is not known",
        ),
        ({"exec_type": None, "exec_type_code": None}, "cannot run: exec_type: '' is not known"),
        (
            {"ord_status": "Levitated", "ord_status_code": "?"},
            "cannot run: ord_status: 'Levitated' is not known",
        ),
        ({"message": "ListStatus", "msg_type": "N"}, "cannot run: message: 'ListStatus' is not known"),
        ({"last_qty": None, "cum_qty": None}, "cannot run: last_qty: an execution needs its quantity"),
    ],
)
def test_a_row_that_cannot_be_run_is_a_difference(
    document: Any, tmp_path: Path, changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    the_row(document, "X:A.1.d", "2").update(changes)
    path = written(document, tmp_path)
    found = differing(path)
    assert found[0][:4] == ("X:A.1.d", "2", "row", "can be run")
    assert found[0][4].startswith(said)
    assert {(ref, column) for ref, _, column, _, _ in found[1:]} <= {
        ("X:A.1.d", column) for column in ("cum_qty", "leaves_qty", "ord_status")
    }
    assert fix_matrices.main([str(path)]) == 1
    assert said in capsys.readouterr().out


def test_a_restatement_for_no_known_reason_is_run_all_the_same(document: Any, tmp_path: Path) -> None:
    the_row(document, "E.1.d", "3")["exec_restatement_reason"] = "Astrology"
    assert differing(written(document, tmp_path)) == []


# --- falsified cells ---------------------------------------------------------------------------------------

SAMPLES = 150
STATUSES = [
    *("New", "Partially Filled", "Filled", "Done for Day", "Canceled", "Pending Cancel", "Stopped"),
    *("Rejected", "Suspended", "Pending New", "Calculated", "Expired", "Pending Replace"),
]


def is_checkable(scenario: Scenario, row: Row, column: str) -> bool:
    """What docs/fix_matrices.md says cannot be told from the row alone is left out."""
    if column == "avg_px" and message_of(row) == "8" and not row.last_px and row.last_qty:
        return False  # the price is made from it
    is_one_message_for_two = row.exec_type == "Trade" and row.ord_status in ("Canceled", "Expired")
    if column == "ord_status" and (is_one_message_for_two or row.ord_status == "Calculated"):
        return False
    is_answer_of_unsent = scenario.ref in ("own:too-late", "own:below-filled")
    return not row.spec_anomaly and not is_answer_of_unsent and scenario.ref != "B.1.d"


def falsified(path: Path, count: int) -> Iterator[tuple[Scenario, Row, str]]:
    """Matrices with one cell of one row changed, chosen by a fixed seed; the row as it is, the column."""
    chance = random.Random(20260105)
    cells = [
        (scenario, row, column)
        for scenario in read_scenarios(path)
        for row in scenario.rows
        if message_of(row) in ("8", "9")
        for column in COLUMNS
        if getattr(row, column) not in (None, "") and is_checkable(scenario, row, column)
    ]
    for scenario, row, column in chance.sample(cells, count):
        is_status = column == "ord_status"
        value = getattr(row, column)
        others = [Decimal(0), Decimal(77), Decimal(1000), *(() if is_status else (value + 1, value * 2))]
        chosen = chance.choice([other for other in (STATUSES if is_status else others) if other != value])
        changes = {column: chosen} | ({"ord_status_code": ""} if is_status else {})
        rows = [replace(each, **changes) if each is row else each for each in scenario.rows]
        yield replace(scenario, rows=tuple(rows)), row, column


@pytest.mark.parametrize("path", [SHARED, OWN], ids=["shared", "own"])
def test_a_falsified_cell_is_reported_in_its_row(path: Path) -> None:
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    missed = [
        (scenario.ref, row.time, row.branch, column)
        for scenario, row, column in falsified(path, SAMPLES)
        if not run_scenario(scenario)[row.number - 1].with_verdict(Verdict.DIFFERS)
    ]
    assert missed == []


def new_order(key: str = "X", **cells: object) -> dict[str, object]:
    return {"message": "D", "cl_ord_id": key, "order_qty": 100, **cells}


def report(exec_type: str, status: str, cum: int, leaves: int, **cells: object) -> dict[str, object]:
    totals = {"order_qty": 100, "cum_qty": cum, "leaves_qty": leaves}
    return {"message": "8", "cl_ord_id": "X", "exec_type": exec_type, "ord_status": status, **totals, **cells}


def cancel(key: str) -> dict[str, object]:
    return {"message": "F", "cl_ord_id": key, "orig_cl_ord_id": "X", "order_qty": 100}


def replacing(key: str, quantity: int) -> dict[str, object]:
    return {"message": "G", "cl_ord_id": key, "orig_cl_ord_id": "X", "order_qty": quantity}


def refusal(key: str, status: str, **cells: object) -> dict[str, object]:
    return {"message": "9", "cl_ord_id": key, "orig_cl_ord_id": "X", "ord_status": status, **cells}


NEW = report("New", "New", 0, 100)
FILL = report("Trade", "Filled", 100, 0, last_qty=100, last_px=10)
A_TRADE = report("Trade", "Partially Filled", 40, 60, last_qty=40, last_px=10, avg_px=10)
TWO_ORDERS = [
    *(new_order(), new_order("A"), NEW, NEW | {"cl_ord_id": "A"}),
    *(A_TRADE | {"exec_id": "1"}, A_TRADE | {"cl_ord_id": "A", "exec_id": "2"}),
]
BY_A_THIRD = {"message": "8", "cl_ord_id": "X", "exec_type": "Trade", "last_qty": 3, "last_px": 10}

Found = list[tuple[int, str, str]]


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([new_order(), NEW, report("Canceled", "Canceled", 77, 0)], [(3, "cum_qty", "0")]),
        (
            [
                *(new_order(), NEW, replacing("Y", 200)),
                report("Replace", "New", 0, 300, cl_ord_id="Y", orig_cl_ord_id="X", order_qty=300),
            ],
            [(4, "leaves_qty", "200"), (4, "order_qty", "200")],
        ),
        ([new_order(), NEW, A_TRADE, report("I", "1", 40, 60, avg_px=11)], [(4, "avg_px", "10")]),
        ([new_order(), NEW, BY_A_THIRD, report("I", "", 3, 97, avg_px="10.01")], [(4, "avg_px", "10")]),
        ([new_order(), NEW, BY_A_THIRD, report("I", "", 3, 97, avg_px="10.001")], [(4, "avg_px", "10")]),
        # a request that our core does not send
        ([new_order(), NEW, cancel("Y"), cancel("Z"), refusal("Z", "New", cxl_rej_reason="3")], []),
        (
            [
                *(new_order(), NEW, cancel("Y"), cancel("Z")),
                report("Pending Cancel", "Pending Cancel", 0, 100, cl_ord_id="Z", orig_cl_ord_id="X"),
                report("Trade", "Pending Cancel", 10, 90, last_qty=10),
                report("Canceled", "Canceled", 10, 0, cl_ord_id="Z", orig_cl_ord_id="X"),
                cancel("W"),
                refusal("W", "Canceled", cxl_rej_reason="0"),
            ],
            [],
        ),
        # what is rejected
        ([new_order(), report("Rejected", "New", 0, 0)], [(2, "ord_status", "rejected")]),
        (
            [new_order(), NEW, report("Rejected", "Rejected", 0, 100, ord_rej_reason="6")],
            [(3, "ord_status", "new")],
        ),
        ([new_order(), NEW, report("Rejected", "New", 0, 100)], []),
        # an execution that is not named is one of this order
        ([*TWO_ORDERS, report("Trade Cancel", "New", 0, 100)], []),
        (
            [
                new_order(),
                NEW,
                FILL,
                report("Calculated", "Calculated", 100, 0),
                report("I", "Filled", 100, 0),
            ],
            [],
        ),
        ([new_order(), NEW, report("Calculated", "Calculated", 0, 0)], []),
        ([new_order(), NEW, cancel("Y"), refusal("Y", "Rejected", cxl_rej_reason="1", order_id="NONE")], []),
        (
            [new_order(), NEW, cancel("Y"), refusal("Y", "Rejected", cxl_rej_reason="0")],
            [(4, "ord_status", "new")],
        ),
        # another day
        (
            [
                new_order(tif="GTC", time="Day 1,1"),
                NEW | {"time": "Day 1,2"},
                report("Done for Day", "Done for Day", 0, 100, time="Day 1,3"),
                A_TRADE | {"time": "Day 99999999999,1"},
            ],
            [],
        ),
        ([new_order("")], [(1, "row", "cannot run: cl_ord_id: a new order needs an id")]),
    ],
)
def test_what_is_found_in_these_rows(steps: list[dict[str, object]], found: Found, tmp_path: Path) -> None:
    steps = [{"time": str(place)} | step for place, step in enumerate(steps, 1)]
    path = written({"scenarios": [{"ref": "it", "steps": steps}]}, tmp_path)
    results = run_scenario(read_scenarios(path)[0])
    assert [
        (row.step, cell.column, cell.got) for row in results for cell in row.with_verdict(Verdict.DIFFERS)
    ] == found


def test_a_refusal_for_an_order_unknown_to_the_venue_is_a_known_anomaly(tmp_path: Path) -> None:
    steps = [new_order(), NEW, cancel("Y"), refusal("Y", "Rejected", cxl_rej_reason="Unknown order")]
    path = written({"scenarios": [{"ref": "it", "steps": steps}]}, tmp_path)
    (found,) = anomalies_of(path)
    assert found == ("it", "", "ord_status")


def test_an_answer_to_what_was_not_sent_is_said_to_be_one(tmp_path: Path) -> None:
    steps = [new_order(), NEW, cancel("Y"), cancel("Z"), refusal("Z", "New")]
    results = run_scenario(read_scenarios(written({"scenarios": [{"steps": steps}]}, tmp_path))[0])
    assert results[3].note.startswith("not sent by us: ")
    assert results[4].note.startswith("answers what was not sent by us; ")


# --- the runner, against a core broken on purpose ----------------------------------------------------------


def two_orders() -> Scenario:
    return next(scenario for scenario in read_scenarios(OWN) if scenario.ref == "own:two-orders")


Step = Callable[[BookState, Input], Answer]


def misled(state: BookState, cause: Input) -> Answer:
    """A core that books A's fill on X."""
    is_victim = isinstance(cause, FillReport) and cause.client_order_id == "A"
    return real_step(state, replace(cause, client_order_id="X") if is_victim else cause)


def overeager(state: BookState, cause: Input) -> Answer:
    """A core that books A's fill, and another on X."""
    if isinstance(cause, FillReport) and cause.client_order_id == "A":
        real_step(state, replace(cause, client_order_id="X", execution_id="another"))
    return real_step(state, cause)


def deaf(state: BookState, cause: Input) -> Answer:
    """A core that hears no fill of A's."""
    is_victim = isinstance(cause, FillReport) and cause.client_order_id == "A"
    return (
        real_step(state, replace(cause, client_order_id="nobody", symbol=""))
        if is_victim
        else real_step(state, cause)
    )


def broken(state: BookState, cause: Input) -> Answer:
    """A core that raises at a fill of A's."""
    if isinstance(cause, FillReport) and cause.client_order_id == "A":
        raise KeyError("A")
    return real_step(state, cause)


@pytest.mark.parametrize(
    ("core", "column", "expected", "got"),
    [
        (misled, "order", "A", "X"),
        (overeager, "order", "A", "A, X"),
        (deaf, "order", "A", "none"),
        (broken, "core", "an answer", "KeyError: 'A'"),
    ],
)
def test_a_report_that_reaches_another_order_is_reported(
    monkeypatch: pytest.MonkeyPatch, core: Step, column: str, expected: str, got: str
) -> None:
    monkeypatch.setattr(fix_runner, "step", core)
    rows = run_scenario(two_orders())
    first = next(row for row in rows if row.with_verdict(Verdict.DIFFERS))
    assert first.time == "8"
    assert first.with_verdict(Verdict.DIFFERS)[0] == Cell(column, expected, got, Verdict.DIFFERS)


def test_an_order_made_of_a_report_about_none_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = next(scenario for scenario in read_scenarios(OWN) if scenario.ref == "own:unknown-order")

    def inventive(state: BookState, cause: Input) -> Answer:
        made = FillReport(
            ts_ns=1, symbol="FIX", venue_order_id="V", execution_id="E", quantity=ONE, price=ONE
        )
        return real_step(state, cause if cause.ts_ns != 2 else made)

    monkeypatch.setattr(fix_runner, "step", inventive)
    cell = run_scenario(scenario)[1].cells[0]
    assert (cell.column, cell.expected, cell.verdict) == ("order", "none", Verdict.DIFFERS)


def test_a_broken_invariant_is_reported_at_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(state: BookState) -> None:
        if state.positions.traded("FIX"):
            raise InvariantViolation("the trial balance is off")

    monkeypatch.setattr(invariants, "check", check)
    rows = run_scenario(two_orders())
    cell = Cell("invariants", "hold", "the trial balance is off", Verdict.DIFFERS)
    assert [cell in row.cells for row in rows] == [row.step >= 9 for row in rows]


# --- other files of the form -------------------------------------------------------------------------------


def without(*columns: str) -> Callable[[Any], None]:
    def erase(row: Any) -> None:
        row.update({column: None for column in columns if column in row})

    return erase


def in_codes(row: Any) -> None:
    for column in ("exec_type", "ord_status"):
        row[column] = row.get(f"{column}_code")
        row[f"{column}_code"] = None
    row["message"] = row.get("msg_type")
    row["msg_type"] = None


def strange(row: Any) -> None:
    for key in list(reversed(row)):
        row[key] = row.pop(key)
    row.update(cash_order_qty="much", day_order_qty=[1], poss_resend=True, note={"a": 1}, price="")


def loud(row: Any) -> None:
    for column in ("exec_type", "ord_status"):
        row[column] = row[column].upper().replace(" ", "_") if row.get(column) else None


@pytest.mark.parametrize(
    "change",
    [
        without("msg_type", "direction", "exec_type_code", "ord_status_code", "crosses_on_wire"),
        without("message"),
        without("tif"),
        without("exec_id", "exec_ref_id", "last_px"),
        without("last_px", "exec_ref_id"),
        without("leaves_qty"),
        without("avg_px"),
        without("comment", "text", "ord_rej_reason"),
        without("time"),
        in_codes,
        strange,
        loud,
    ],
)
@pytest.mark.parametrize("source", [SHARED, OWN], ids=["shared", "own"])
def test_cells_may_be_empty_or_written_otherwise(
    source: Path, tmp_path: Path, change: Callable[[Any], None]
) -> None:
    if not source.exists():
        pytest.skip(f"{source.name} is not there")
    document = json.loads(source.read_text(encoding="utf-8"))
    for scenario in document["scenarios"]:
        is_by_code_alone = any(
            row.get("exec_type", "") is None and row.get("exec_type_code") for row in scenario["steps"]
        )
        for row in scenario["steps"]:
            if not is_by_code_alone:
                change(row)
    assert differing(written(document, tmp_path)) == []


def test_an_alternative_may_stand_below_what_it_is_the_alternative_to(document: Any, tmp_path: Path) -> None:
    for scenario in document["scenarios"]:
        steps = scenario["steps"]
        times = list(dict.fromkeys(row["time"] for row in steps))
        steps.sort(key=lambda row: (times.index(row["time"]), row["branch"] != MAIN))
    assert differing(written(document, tmp_path)) == []


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_shows_what_differs_and_sums_up(
    document: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_row(document, "D.1.c", "8")["cum_qty"] = 3501
    assert fix_matrices.main([str(written(document, tmp_path))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Differences"
    assert lines[1].split() == ["scenario", "time", "branch", "message", "column", "expected", "got"]
    assert lines[2].split() == [
        "D.1.c",
        "8",
        "main",
        "ExecutionReport",
        "X",
        "Trade",
        "cum_qty",
        "3501",
        "3500",
    ]
    assert lines[3:5] == ["", "Known anomalies"]
    assert lines[-1].endswith("; 1 differences, 2 known anomalies")


def test_the_command_runs_the_scenarios_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(OWN), "--scenario", "F.1.b", "--scenario", "J.1.d", "--verbose"]
    assert fix_matrices.main(arguments) == 0
    out = capsys.readouterr().out
    assert "2 scenarios, 14 steps: " in out
    assert "not sent by us: duplicate_client_order_id" in out
    assert {line.split()[0] for line in out.splitlines()[2:-2]} == {"F.1.b", "J.1.d"}


def test_json_has_the_summary_and_each_difference(
    document: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    the_row(document, "D.1.c", "8")["cum_qty"] = 3501
    path = written(document, tmp_path)
    assert fix_matrices.main([str(path), "--scenario", "D.1.c", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    compared = shown["summary"].pop("cells_compared")
    assert compared == 47
    assert shown == {
        "file": str(path),
        "summary": {"scenarios": 1, "steps": 13, "cells_null": 13, "differences": 1, "known_anomalies": 0},
        "differences": [
            {
                "scenario": "D.1.c",
                "time": "8",
                "branch": "main",
                "message": "ExecutionReport X Trade",
                "column": "cum_qty",
                "expected": "3501",
                "got": "3500",
            }
        ],
        "known_anomalies": [],
    }


def test_json_of_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert fix_matrices.main([str(OWN), "--scenario", "own:too-late", "--json", "--verbose"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[3]["note"].startswith("not sent by us: ")
    assert rows[4]["cells"][0] == {"column": "order", "expected": "X", "got": "X", "verdict": "equal"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe{", "cannot be read"),
        (b"{", "cannot be read"),
        (b"[]", "lists no scenarios"),
        (b'{"scenarios": {}}', "lists no scenarios"),
        (b'{"scenarios": []}', "lists no scenarios"),
        (b'{"scenarios": ["A.1.a"]}', "scenario 1 has no steps"),
        (b'{"scenarios": [{"ref": "A.1.a"}]}', "scenario 1 has no steps"),
        (b'{"scenarios": [{"ref": "A.1.a", "steps": [[]]}]}', "scenario 1 (A.1.a), step 1 is no object"),
        (b'{"scenarios": [{"ref": "A", "steps": [{"cum_qty": "many"}]}]}', "scenario 1 (A), step 1: cum_qty"),
        (b'{"scenarios": [{"ref": "A", "steps": [{"cum_qty": NaN}]}]}', "scenario 1 (A), step 1: cum_qty"),
        (b'{"scenarios": [{"ref": "A", "steps": [{"cum_qty": [1]}]}]}', "scenario 1 (A), step 1: cum_qty"),
        (b'{"scenarios": [{"ref": "A", "steps": []}]}', "scenario 1 has no steps"),
        (b'{"scenarios": [{"ref": "A", "steps": [{"branch": "mian"}]}]}', "step 1: the branch 'mian'"),
        (b'{"scenarios": [{"ref": "A", "steps": [{}]}]}', "has no scenario B.1.d"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_is_wrong(
    tmp_path: Path, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "matrices.json"
    if content is not None:
        path.write_bytes(content)
    assert fix_matrices.main([str(path), "--scenario", "B.1.d"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"input_file_error: {path}")
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_the_module_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "execore.testing.fix_matrices"]
    for arguments, code in (([str(OWN)], 0), ([str(tmp_path / "absent.json")], 2), ([], 2)):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, env=os.environ.copy()
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--verbose"], ["--json", "--verbose"]], ids=" ".join)
def test_text_is_shown_and_not_obeyed(tmp_path: Path, options: list[str]) -> None:
    path = written(
        {"scenarios": [{"ref": "\ud800 \x1b[31m\u00e9", "steps": [{"message": "\x07"}]}]}, tmp_path
    )
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "execore.testing.fix_matrices", str(path), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\ud800" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "execore.testing.fix_matrices", str(OWN), "--verbose"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("system_error: ")
    assert done.stderr.count("\n") == 1


def test_a_person_who_waits_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fix_matrices, "_PATIENCE_S", -1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fix_matrices.main([str(OWN), "--scenario", "F.1.b", "--scenario", "J.1.d"])
    assert "\r1 of 2 scenarios" in capsys.readouterr().err


# --- the page ----------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "fix_matrices.md"


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (example,) = re.findall(
        r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    path = written(json.loads(example), tmp_path)
    assert differing(path) == []
    assert fix_matrices.main([str(path)]) == 0


def test_the_page_names_every_column_and_every_cell_that_is_read() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [name for name in Row.__struct_fields__ if name not in ("number", "comment")]
    assert [name for name in names if f"`{name}`" not in page] == []
