"""`execore simulate` as a user meets it: clean, failing, told, and written down."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from execore.cli.main import app
from execore.testing.simulation import connection
from execore.testing.simulation.connection import Gateway


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and everything that was said."""
    done = CliRunner().invoke(app, ["simulate", *arguments])
    return done.exit_code, done.output


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process finds that what it sends is not durable."""
    monkeypatch.setattr(connection, "_asks_for", lambda event, message: False)


def test_clean_runs_are_summed_up() -> None:
    code, said = run("--seeds", "30", "--jobs", "1")
    assert code == 0
    assert "30 runs from seed 0 on" in said
    assert "in flight at a crash, and what became of it:" in said
    assert "clean: in every run no order was made twice" in said


def test_json_has_the_totals() -> None:
    code, said = run("--seeds", "25", "--first-seed", "100", "--json", "--jobs", "1")
    summary = json.loads(said)
    assert code == 0
    assert (summary["runs"], summary["first_seed"], summary["failed"]) == (25, 100, {})
    assert summary["crashes"] == sum(summary["crashes_at"].values()) > 0
    assert summary["orders"] == sum(summary["endings"].values()) > 25


def test_the_report_tells_each_run(tmp_path: Path) -> None:
    path = tmp_path / "crash_restart_simulation.json"
    code, said = run("--seeds", "25", "--report", str(path), "--jobs", "2")
    assert code == 0
    assert f"written to {path}" in said
    report = json.loads(path.read_bytes())
    assert [each["seed"] for each in report["details"]] == list(range(25))
    assert report["runs_without_details"] == 0
    crashes = [crash for each in report["details"] for crash in each["crashes"]]
    assert len(crashes) == report["crashes"]
    in_flight = [item for crash in crashes for item in crash["in_flight"]]
    assert in_flight
    assert {"order", "was", "ended"} == set(in_flight[0])
    assert sum(len(each["orders"]) for each in report["details"]) == report["orders"]


@pytest.mark.usefixtures("failing")
def test_a_failing_seed_is_shown_with_the_shortest_story_found() -> None:
    code, said = run("--seeds", "40", "--first-seed", "7", "--jobs", "1")
    assert code == 1
    assert "FAILED seed 7: sent_before_durable" in said
    assert "\n1 of its" in said, "a single submit is enough"
    assert "PROBLEM" in said
    found = re.search(r"Play it again: execore simulate --first-seed 7 --steps (\d+)\n", said)
    assert found is not None
    again, told = run("--first-seed", "7", "--steps", found[1])
    assert again == 1
    assert "sent_before_durable" in told
    assert f"step     {found[1]}: " in told


@pytest.mark.usefixtures("failing")
def test_json_names_the_seed_that_failed() -> None:
    code, said = run("--seeds", "3", "--json", "--jobs", "1")
    assert code == 1
    assert list(json.loads(said)["failed"]) == ["0"]


def test_one_run_is_told_line_by_line() -> None:
    code, said = run("--first-seed", "3", "--trace")
    assert code == 0
    assert "step     0: submit" in said
    assert "opens the book" in said
    assert " ended " in said


def test_steps_that_are_no_numbers() -> None:
    code, said = run("--steps", "one")
    assert code == 3
    assert "invalid_input" in said


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    code, said = run("--seeds", "1", "--report", str(tmp_path / "missing" / "report.json"))
    assert code == 4
    assert "system_error" in said


def test_the_gateway_of_the_tests_is_the_real_one() -> None:
    assert Gateway.note.__module__ == "execore.testing.simulation.connection"
