"""`execore resolve`: what an operator says is recorded with who said it and why, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execore import AuditLog, SqliteJournal, open_book
from execore.cli.main import app
from execore.model.failures import RequestTimeout
from execore.model.orders import Order
from execore.model.reports import AcknowledgeReport
from execore.model.vocabulary import OrderState
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order

ABSENT = ("--as", "absent", "--reason", "the venue's desk looked")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A book with an order of unknown outcome, and a live one with an unknown cancel."""
    venue = ScriptedVenue()
    venue.failing = {"cancel": RequestTimeout("no answer")}
    with open_book(str(tmp_path / "book.db"), instruments=[BITCOIN], venue=venue) as book:
        venue.reports.append(
            AcknowledgeReport(
                ts_ns=START_NS, client_order_id="order-2", venue_order_id="V2", symbol="BTC-USD"
            )
        )
        book.submit(order(2))
        book.cancel("order-2", request_id="c2")
        venue.failing = {"submit": RequestTimeout("no answer")}
        book.submit(order(1))
    return tmp_path / "book.db"


def resolve(path: Path, key: str, *words: str) -> Any:
    return CliRunner().invoke(app, ["resolve", key, "--journal", str(path), *words])


def saved(path: Path, key: str) -> Order:
    with open_book(str(path)) as book:
        return book.orders.get(key)


def listed(path: Path, *words: str) -> list[str]:
    result = CliRunner().invoke(app, ["orders", "--journal", str(path), "--json", *words])
    assert result.exit_code == 0, result.output
    return [json.loads(line)["client_order_id"] for line in result.stdout.splitlines()]


def test_an_absent_order_fails_and_the_record_says_who_said_so_and_why(path: Path) -> None:
    result = resolve(path, "order-1", *ABSENT, "--actor", "operator:ann")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert "order-1: applied" in result.stdout
    assert "UNKNOWN -> FAILED" in result.stdout
    with SqliteJournal(path, read_only=True) as journal:
        records = list(AuditLog(journal, "main").records("order-1"))[-2:]
    assert [(record.actor, type(record.event).__name__) for record in records] == [
        ("operator:ann", "OrderResolved"),
        ("operator:ann", "OrderFailed"),
    ]
    assert getattr(records[0].event, "reason") == "the venue's desk looked"  # noqa: B009  # of a union
    again = resolve(path, "order-1", *ABSENT)
    assert (again.exit_code, "already done" in again.stdout) == (0, True), again.output


def test_a_live_order_is_acknowledged_and_its_login_is_the_actor(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "bob")
    words = ("--as", "LIVE", "--reason", "seen on screen", "--venue-order-id", "V1", "--json")
    result = resolve(path, "order-1", *words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["outcome"], told["before"]["state"], told["after"]["state"]) == (
        "applied",
        "UNKNOWN",
        "ACKNOWLEDGED",
    )
    assert told["after"]["venue_order_id"] == "V1"
    with SqliteJournal(path, read_only=True) as journal:
        (record,) = AuditLog(journal, "main").records("order-1", "order_resolved")
    assert record.actor == "operator:bob"


def test_a_login_that_the_system_does_not_know_is_no_obstacle(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise KeyError("uid 4711")

    monkeypatch.setattr("getpass.getuser", unknown)
    assert resolve(path, "order-1", *ABSENT).exit_code == 0
    assert saved(path, "order-1").state is OrderState.FAILED


def test_a_cancel_of_unknown_outcome_comes_to_nothing(path: Path) -> None:
    assert listed(path, "--flag", "cancel_unknown") == ["order-2"]
    assert listed(path, "--state", "unknown") == ["order-1"]
    without = resolve(path, "order-2", *ABSENT)
    assert without.exit_code == 3
    assert "only of c2" in without.stderr, "it says which requests are unknown"
    result = resolve(path, "order-2", *ABSENT, "--request", "c2")
    assert result.exit_code == 0, result.output
    assert "pending_cancel, cancel_unknown -> -" in result.stdout
    assert saved(path, "order-2").pending_cancels == ()
    assert listed(path, "--flag", "cancel_unknown") == []


@pytest.mark.parametrize(
    ("key", "words", "code", "exit_code"),
    [
        ("order-1", ("--as", "gone", "--reason", "x"), "unknown_enum_value", 3),
        ("order-1", ("--as", "absent", "--reason", "  "), "invalid_input", 3),
        ("order-1", (*ABSENT, "--actor", " "), "invalid_input", 3),
        ("order-1", ("--as", "live", "--reason", "x", "--request", "c2"), "invalid_input", 3),
        ("order-1", ("--as", "live", "--reason", "x", "--venue-order-id", "V2"), "invalid_input", 3),
        ("order-1", (*ABSENT, "--request", "c9"), "invalid_input", 3),
        ("order-2", ("--as", "absent", "--reason", "x"), "invalid_input", 3),
        ("order-9", ABSENT, "unknown_order", 3),
        ("order-1", (*ABSENT, "--book", "other"), "invalid_configuration", 3),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    path: Path, key: str, words: tuple[str, ...], code: str, exit_code: int
) -> None:
    result = resolve(path, key, *words)
    assert result.exit_code == exit_code, result.output
    assert result.stderr.startswith(f"error [{code}]"), result.stderr
    assert result.stdout == ""
    assert saved(path, "order-1").state is OrderState.UNKNOWN
    assert saved(path, "order-2").pending_cancels == ("c2",)


def test_a_book_that_a_process_has_open_is_left_to_it(path: Path) -> None:
    with open_book(str(path)):
        result = resolve(path, "order-1", *ABSENT)
    assert (result.exit_code, result.stderr.split("]")[0]) == (4, "error [journal_owned"), result.output


def test_a_journal_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = resolve(tmp_path / "none.db", "order-1", *ABSENT)
    assert (result.exit_code, result.stderr.split("]")[0]) == (4, "error [journal_not_found"), result.output
    assert list(tmp_path.iterdir()) == []
