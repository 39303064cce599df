"""The demo: it dies in mid-flight, settles what was in flight, and proves that venue and journal agree."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from execore import SqliteJournal
from execore.cli import demo as demo_module
from execore.cli import demo_trader
from execore.cli.main import app
from execore.model.errors import ExecoreError, InvalidConfiguration, JournalFull
from execore.testing.venue_comparison import compare
from execore.testing.venue_process import VenueProcess

EXECORE = Path(sys.executable).with_name("execore")
needs_sigkill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="it is TerminateProcess there")


def told(path: Path, *words: object) -> dict[str, Any]:
    """What the demo tells a program."""
    result = CliRunner().invoke(app, ["demo", "--json", "--journal", str(path), *map(str, words)])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def shown(path: Path, *words: object) -> str:
    """What the demo shows a person."""
    result = CliRunner().invoke(app, ["demo", "--journal", str(path), *map(str, words)])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    text: str = result.stdout
    return text


# --- the crash ----------------------------------------------------------------------------------------------


@needs_sigkill
def test_it_dies_in_mid_flight_and_everything_is_settled_with_its_evidence(tmp_path: Path) -> None:
    result = told(tmp_path / "demo.db", "--quotes", 200)
    crash = result["crash"]
    assert crash["exit_code"] == -signal.SIGKILL
    assert crash["quote"] == 102
    assert crash["unheard_quotes"] == 5
    assert 0 < crash["replayed"] < crash["sequence"] < result["sequence"]
    became = [one["settled_as"] for one in crash["settled"] if "new order" in one["in_flight_as"]]
    assert len(became) == 5, "one alone, and four in one commit"
    assert became.count("FAILED") == 2, "two of the four were never sent"
    assert "SUBMITTED" not in became
    assert "UNKNOWN" not in became
    for one in crash["settled"]:
        assert one["evidence"]
        assert crash["replayed"] < one["sequences"][0] <= one["sequences"][1] <= crash["sequence"]
    kinds = {one["in_flight_as"] for one in crash["settled"]}
    assert {"new order", "cancel", "amend"} <= kinds | {
        part for kind in kinds for part in kind.split(" and ")
    }


def test_venue_and_journal_agree_and_the_chain_holds(tmp_path: Path) -> None:
    result = told(tmp_path / "demo.db", "--quotes", 120)
    assert result["ok"] is True
    assert result["venue"]["differences"] == []
    sent = [order for order in result["orders"] if order["state"] not in ("DENIED", "FAILED")]
    assert result["venue"]["orders"] == len(sent)
    (position,) = result["positions"]
    assert result["venue"]["positions"] == {"BTC-USD": position["quantity"]}
    assert set(result["trial_balance"].values()) == {"0"}


def test_the_same_seed_is_the_same_run_to_the_last_hash_whatever_dies(tmp_path: Path) -> None:
    first, second, other = (
        told(tmp_path / f"{name}.db", "--seed", seed, "--quotes", 100)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first.pop("journal") != second.pop("journal")
    assert first == second
    assert first["hash"] != other["hash"]


@pytest.mark.parametrize("quotes", [1, 2, 3, 7])
def test_the_shortest_tapes_will_do(tmp_path: Path, quotes: int) -> None:
    result = told(tmp_path / "demo.db", "--quotes", quotes)
    assert result["ok"] is True
    assert len(result["crash"]["settled"]) >= 5


def test_a_person_sees_what_was_in_flight_how_it_was_settled_and_the_proof(tmp_path: Path) -> None:
    text = shown(tmp_path / "demo.db", "--quotes", 200)
    for part in (
        "killed itself in mid-flight",
        "in flight when it died, and how that was settled",
        "in flight as",
        "absent among open orders",
        "BTC-USD",
        "realised pnl",
        "exactly zero in every unit",
        "the venue's own books and the journal agree",
        "the chain holds",
        "audit verify",
    ):
        assert part in text, part


def test_without_a_crash_it_is_the_plain_tape_in_one_process(tmp_path: Path) -> None:
    result = told(tmp_path / "demo.db", "--quotes", 100, "--no-crash")
    assert (result["ok"], result["crash"], result["venue"]["differences"]) == (True, None, [])
    assert "killed" not in shown(tmp_path / "shown.db", "--quotes", 20, "--no-crash")
    again = told(tmp_path / "again.db", "--quotes", 100, "--no-crash")
    assert again["hash"] == result["hash"]


def test_it_leaves_every_file_that_is_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("execore-demo.db").write_text("mine")
    for number in (2, 3):
        result = CliRunner().invoke(app, ["demo", "--quotes", "5"])
        assert f"All of it is in execore-demo-{number}.db" in result.stdout
    result = CliRunner().invoke(app, ["demo", "--journal", "execore-demo.db"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert "is there already" in result.stderr
    assert Path("execore-demo.db").read_text() == "mine"


# --- what can go wrong --------------------------------------------------------------------------------------


def test_a_difference_is_shown_and_is_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(books: Any, journal: SqliteJournal, book: str) -> Any:
        return compare(msgspec.structs.replace(books, orders=books.orders[1:]), journal, book)

    monkeypatch.setattr(demo_module, "compare", blind)
    result = CliRunner().invoke(app, ["demo", "--quotes", "60", "--journal", str(tmp_path / "demo.db")])
    assert result.exit_code == 1
    assert "the venue's own books and the journal DISAGREE" in result.stdout
    assert "here, and unknown there" in result.stdout


@pytest.mark.parametrize("module", ["execore.testing.venue_process", "execore.cli.demo_trader"])
def test_a_process_that_does_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    start = subprocess.Popen

    def refuse(words: list[str], **options: Any) -> Any:
        return start([sys.executable, "-c", "raise SystemExit(7)"] if module in words else words, **options)

    monkeypatch.setattr(subprocess, "Popen", refuse)
    result = CliRunner().invoke(app, ["demo", "--quotes", "20", "--journal", str(tmp_path / "demo.db")])
    assert (result.exit_code, result.stdout) == (5, ""), result.output
    assert re.match(r"error \[(error|connection_failed)\] ", result.stderr)


def test_the_traders_error_is_of_the_same_kind_here() -> None:
    error = demo_module._error(demo_trader.Failed("journal_full", "the disk is full", "Make room"))
    assert type(error) is JournalFull
    assert str(error) == "the disk is full. Make room"
    assert type(demo_module._error(demo_trader.Failed("invalid_configuration", "x"))) is InvalidConfiguration
    assert type(demo_module._error(demo_trader.Failed("no_such_code", "x"))) is ExecoreError
    assert type(demo_module._error(demo_trader.Failed("system_error", "x"))) is OSError


def test_a_trader_whose_journal_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with VenueProcess(demo_trader.venue_setup(1, 10)) as process:
        task = demo_trader.Task(path=str(tmp_path), port=process.port, seed=1, life=1, until=5, dies=False)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "execore.cli.demo_trader"],
            input=msgspec.json.encode(task) + b"\n",
            capture_output=True,
            check=False,
            timeout=60,
        )
    failed = msgspec.json.decode(done.stdout, type=demo_trader.Failed)
    assert (done.returncode, done.stderr) == (1, b"")
    assert failed.code.startswith(("journal_", "not_a_journal"))
    assert str(tmp_path) in failed.what


def size_of(path: Path) -> int:
    """Of a file that may go at any moment, as a WAL does when its trader dies and the next one begins."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_an_interrupt_ends_all_its_processes_and_keeps_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    with subprocess.Popen(
        [EXECORE, "demo", "--journal", path, "--quotes", "30000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        wal = path.with_name("demo.db-wal")
        while process.poll() is None and size_of(wal) <= 600_000:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them get it
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "error [interrupted] stopped; what was recorded so far is kept\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    with SqliteJournal(path) as journal:  # nobody owns it any more
        assert journal.head("main").sequence > 20


def test_its_processes_end_with_it_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    with subprocess.Popen(
        [EXECORE, "demo", "--journal", path, "--quotes", "30000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        anchor = path.with_name("demo.db.anchor")
        while process.poll() is None and not anchor.exists():
            pass
        process.kill()
        _, stderr = process.communicate(timeout=30)  # both pipes end when the last of them has ended
    assert stderr == b""
    with SqliteJournal(path) as journal:
        assert journal.head("main").sequence > 0
