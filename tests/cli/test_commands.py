"""The command line as a user meets it: every command, both outputs, and every kind of bad input."""

import fcntl
import json
import os
import pty
import re
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execore import OrderState, SqliteJournal, open_book
from execore.cli.main import app
from execore.model.reports import FillReport
from execore.testing import runtime_benchmark
from execore.views.trail import parse_utc, utc_text
from runtime_support.trading import BITCOIN, START_NS, order
from venues_support.random_mbo import random_records, write_file

EXECORE = Path(sys.executable).with_name("execore")
VERIFY_CHAIN = Path(__file__).parents[2] / "tools" / "verify_chain.py"
ORDER_KEYS = {
    "client_order_id",
    "venue_order_id",
    "symbol",
    "side",
    "quantity",
    "filled",
    "leaves",
    "average_price",
    "state",
    "ord_status",
    "flags",
}
NUMBERS = {
    "quantity",
    "filled",
    "leaves",
    "average_price",
    "price",
    "stop_price",
    "fee",
    "average_cost",
    "cost_basis",
    "realised_pnl",
    "unrealised_pnl",
    "fees_in_kind",
    "undisclosed",
    "amount",
    "multiplier",
    "tick_size",
    "quantity_step",
}
ESCAPE = "\x1b"


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def ok(*words: object) -> str:
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    stdout: str = result.stdout
    return stdout


def lines(*words: object) -> list[dict[str, Any]]:
    """JSON Lines: one object on each line, and nothing else."""
    return [json.loads(line) for line in ok(*words, "--json").splitlines()]


def refused(code: str, exit_code: int, *words: object) -> str:
    """The error on stderr: one sentence with its code; nothing on stdout, and no traceback."""
    result = run(*words)
    assert result.stdout == ""
    assert (result.exit_code, result.stderr.split("]")[0]) == (exit_code, f"error [{code}"), result.output
    assert "Traceback" not in result.stderr
    stderr: str = result.stderr
    return stderr


def installed(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The ``execore`` script, as a shell runs it."""
    return subprocess.run(
        [EXECORE, *map(str, words)], capture_output=True, text=True, timeout=60, check=False, **options
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that the demo made. Look at it only."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    ok("demo", "--journal", f"sqlite:///{path}", "--quotes", 200, "--no-crash")
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A journal of two orders, one of them filled in part."""
    path = tmp_path / "book.db"
    with open_book(str(path), instruments=[BITCOIN], clock=lambda: START_NS) as trading:
        trading.submit_all([order(1, strategy="alpha"), order(2, side="sell")])
        trading.apply(
            [
                FillReport(
                    ts_ns=START_NS + 5,
                    client_order_id="order-1",
                    venue_order_id="V1",
                    symbol="BTC-USD",
                    execution_id="E1",
                    quantity=Decimal("0.5"),
                    price=Decimal(100),
                )
            ]
        )
    return path


def numbers_in(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in the tree that stands for money, a price or a quantity."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from numbers_in(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item, key)
    elif key in NUMBERS:
        yield key, value


# --- replay ---------------------------------------------------------------------------------------------


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """A small file of two instruments."""
    return write_file(tmp_path / "flow.mbo.dbn.zst", random_records(5, steps=100), {"S1": [1], "S2": [2]})


def test_a_replay_says_what_it_did_and_checks_it(flow: Path, tmp_path: Path) -> None:
    (told,) = lines("replay", flow, "--journal", tmp_path / "told.db", "--book", "copy")
    assert told["differences"] == 0
    assert told["orders"] == sum(told["orders_by_state"].values()) > 0
    assert isinstance(told["open_quantity"], str)
    listed = lines("orders", "--journal", tmp_path / "told.db", "--book", "copy")
    assert len(listed) == told["orders"]
    assert sum(view["leaves"] != "0" for view in listed) == told["open_orders"]

    shown = ok("replay", flow, "--journal", tmp_path / "shown.db")
    assert f"{told['orders']} orders" in shown
    assert "equals plain size arithmetic" in shown
    assert f"chain head {told['sequence']} " in shown


def test_a_replay_of_the_same_file_makes_the_same_books(flow: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        ok("replay", flow, "--journal", tmp_path / f"{name}.db")
    for command in ("orders", "fills", "positions"):
        assert lines(command, "--journal", tmp_path / "a.db") == lines(
            command, "--journal", tmp_path / "b.db"
        )


# --- looking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "audit show"])
def test_a_list_is_json_lines_with_every_number_a_string(demo: Path, command: str) -> None:
    found = lines(*command.split(), "--journal", demo)
    assert found
    numbers = list(numbers_in(found))
    assert numbers
    assert {type(number) for _, number in numbers} <= {str, type(None)}
    assert not [number for _, number in numbers if number and not re.fullmatch(r"-?\d+(\.\d*[1-9])?", number)]


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "audit show"])
def test_a_list_is_a_table_for_people(demo: Path, command: str) -> None:
    shown = ok(*command.split(), "--journal", demo)
    first = lines(*command.split(), "--journal", demo)[0]
    assert str(first.get("client_order_id", first.get("symbol", first.get("actor")))) in shown
    assert ESCAPE not in shown


def test_a_long_table_says_how_much_more_there_is(demo: Path) -> None:
    total = len(lines("audit", "show", "--journal", demo))
    assert f"… and {total - 50:,} more; --json lists all" in ok("audit", "show", "--journal", demo)


def test_an_order_has_the_documented_keys(book: Path) -> None:
    first, second = lines("orders", "--journal", book)
    assert first.keys() >= ORDER_KEYS
    assert {key: first[key] for key in ORDER_KEYS} == {
        "client_order_id": "order-1",
        "venue_order_id": "V1",
        "symbol": "BTC-USD",
        "side": "buy",
        "quantity": "1",
        "filled": "0.5",
        "leaves": "0.5",
        "average_price": "100",
        "state": "PARTIALLY_FILLED",
        "ord_status": "partially_filled",
        "flags": [],
    }
    assert (second["venue_order_id"], second["average_price"]) == (None, None)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["--state", "SUBMITTED"], ["order-2"]),
        (["--state", "partially_filled"], ["order-1"]),
        (["--state", "FILLED"], []),
        (["--strategy", "alpha"], ["order-1"]),
        (["--symbol", "BTC-USD"], ["order-1", "order-2"]),
        (["--symbol", "ETH-USD"], []),
        (["--symbol", "BTC-USD", "--state", "SUBMITTED", "--strategy", "alpha"], []),
    ],
    ids=str,
)
def test_orders_are_filtered(book: Path, filters: list[str], found: list[str]) -> None:
    listed = [view["client_order_id"] for view in lines("orders", "--journal", book, *filters)]
    assert listed == found
    assert ("none" in ok("orders", "--journal", book, *filters)) is (not found)


@pytest.mark.parametrize("order_id", ["order-1", "V1"])
def test_one_order_is_found_by_either_id_and_has_its_history(book: Path, order_id: str) -> None:
    (found,) = lines("order", order_id, "--journal", book)
    assert found.keys() >= ORDER_KEYS | {"history"}
    assert [event["type"] for event in found["history"]] == [
        "order_created",
        "order_submitted",
        "fill_booked",
    ]
    assert {type(number) for _, number in numbers_in(found)} <= {str, type(None)}
    shown = ok("order", order_id, "--journal", book)
    assert "PARTIALLY_FILLED" in shown
    assert "fill_booked" in shown


def test_fills_and_positions_are_what_was_booked(book: Path) -> None:
    (fill,) = lines("fills", "--journal", book, "--symbol", "BTC-USD")
    assert (fill["client_order_id"], fill["execution_id"], fill["quantity"]) == ("order-1", "E1", "0.5")
    (position,) = lines("positions", "--journal", book)
    assert (position["symbol"], position["quantity"], position["cost_basis"]) == ("BTC-USD", "0.5", "50")
    assert lines("fills", "--journal", book, "--symbol", "ETH-USD") == []


def test_the_environment_names_the_journal(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXECORE_JOURNAL", f"sqlite:///{book}")
    assert len(lines("orders")) == 2


@pytest.mark.parametrize(
    ("filters", "types"),
    [
        (["--order", "order-2"], ["order_created", "order_submitted"]),
        (["--type", "fill_booked"], ["fill_booked"]),
        (["--actor", "venue"], ["fill_booked"]),
        (["--actor", "strategy:alpha", "--type", "order_created"], ["order_created"]),
        (["--since", utc_text(START_NS + 5)], ["fill_booked"]),
        (["--since", str(START_NS + 6)], []),
        (["--until", utc_text(START_NS)], []),
        (["--since", utc_text(START_NS + 1), "--until", utc_text(START_NS + 5)], []),
    ],
    ids=str,
)
def test_the_trail_is_filtered(book: Path, filters: list[str], types: list[str]) -> None:
    assert [event["type"] for event in lines("audit", "show", "--journal", book, *filters)] == types


def test_a_record_of_the_trail_says_who_did_what_when(book: Path) -> None:
    (shown,) = lines("audit", "show", "--journal", book, "--type", "fill_booked")
    assert shown["time"] == "2023-11-14T22:13:20.000000005Z"
    assert (shown["ts_event_ns"], shown["actor"], shown["cause"]) == (START_NS + 5, "venue", "FillReport")
    assert shown["event"]["execution_id"] == "E1"


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("0", 0),
        ("1700000000000000001", 1_700_000_000_000_000_001),
        ("2023-11-14T22:13:20Z", START_NS),
        ("2023-11-14 22:13:20", START_NS),
        ("2023-11-14T22:13:20.000000005Z", START_NS + 5),
        ("2023-11-14T22:13:20.5+00:00", START_NS + 500_000_000),
        ("2023-11-14T17:13:20.5-05:00", START_NS + 500_000_000),
        ("2023-11-14", START_NS - 80_000 * 10**9),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, ts_ns: int) -> None:
    assert parse_utc(text, "since") == ts_ns


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-01-01T00:00:00.", "2026-01-01T00:00:00.1234567891Z", "12:00",
     "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.5.5Z", "²", "-5"],
)  # fmt: skip
def test_what_is_no_time_is_refused(book: Path, text: str) -> None:
    for option in ("--since", "--until"):
        said = refused("invalid_input", 3, "audit", "show", "--journal", book, f"{option}={text}")
        assert f"{option[2:]}: {text!r} is not a time. Write 2026-01-31T12:00:00Z" in said


# --- verifying and exporting ----------------------------------------------------------------------------


def tamper(path: Path, sql: str) -> None:
    """Change the file as somebody with a database shell would."""
    with closing(sqlite3.connect(path)) as shell:
        shell.executescript(f"DROP TRIGGER events_no_update; DROP TRIGGER events_no_delete; {sql}")


def test_a_sound_journal_verifies(book: Path) -> None:
    (found,) = lines("audit", "verify", "--journal", book)
    assert (found["book"], found["ok"], found["anchored"], found["problem"]) == ("main", True, True, None)
    assert (found["tables"], found["differences"]) == ("hold", [])
    shown = ok("audit", "verify", "--journal", book)
    assert f"the chain holds; {found['records']} records hold" in shown
    assert f"the tables are what {found['records']} records make" in shown


@pytest.mark.parametrize(
    ("sql", "problem", "at"),
    [
        (
            """UPDATE events SET data=replace(data,'"side":"sell"','"side":"buy"') WHERE sequence=5""",
            "hash",
            5,
        ),
        ("UPDATE events SET actor='nobody' WHERE sequence=4", "columns", 4),
        ("DELETE FROM events WHERE sequence=3", "sequence", 3),
        ("DELETE FROM events WHERE sequence>5", "truncated", 6),
        ("UPDATE events SET data='' WHERE sequence=2", "hash", 2),
    ],
    ids=["content", "column", "deleted", "cut", "emptied"],
)
def test_a_changed_journal_fails_and_says_where(book: Path, sql: str, problem: str, at: int) -> None:
    tamper(book, sql)
    result = run("audit", "verify", "--journal", book, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["ok"], found["problem"], found["first_bad_sequence"]) == (False, problem, at)
    result = run("audit", "verify", "--journal", book)
    assert result.exit_code == 1
    assert "BROKEN" in result.stdout
    assert f"record {at}:" in result.stdout


def test_a_book_that_is_gone_with_all_its_records_is_missed(book: Path) -> None:
    tamper(book, "DELETE FROM events")
    result = run("audit", "verify", "--journal", book, "--json")
    assert (result.exit_code, json.loads(result.stdout)["problem"]) == (1, "truncated")


def test_tables_that_differ_from_the_records_are_found_and_rebuilt(book: Path) -> None:
    tamper(book, "DELETE FROM fills; UPDATE positions SET quantity='9'")
    result = run("audit", "verify", "--journal", book, "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["ok"], found["problem"], found["tables"]) == (1, False, None, "differ")
    assert {row["table"] for row in found["differences"]} == {"fills", "positions"}
    assert all(row.keys() == {"table", "key", "holds", "records_say"} for row in found["differences"])
    result = run("audit", "verify", "--journal", book)
    assert result.exit_code == 1
    assert "positions BTC-USD net: quantity=9; the records say: quantity=" in result.stdout
    assert f"execore audit rebuild --journal {book} --book main" in result.stdout
    (unlooked,) = lines("audit", "verify", "--journal", book, "--no-tables")
    assert (unlooked["ok"], unlooked["tables"]) == (True, None)
    (rebuilt,) = lines("audit", "rebuild", "--journal", book)
    assert rebuilt == {"book": "main", "sequence": found["sequence"], "hash": found["hash"]}
    assert lines("audit", "verify", "--journal", book)[0]["ok"]
    assert f"the tables are what {found['sequence']} records make" in ok("audit", "rebuild", "-j", book)


def test_an_index_that_lost_a_row_is_found(book: Path) -> None:
    """The rows are all there, and a lookup of the execution would say that there never was one."""
    index = "CREATE INDEX fills_by_execution ON fills(book, execution_key)"
    sql = "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='{}' WHERE name='fills_by_execution';"
    tamper(book, sql.format(f"{index} WHERE late>9"))
    with closing(sqlite3.connect(book)) as shell:
        shell.executescript("CREATE TABLE kept AS SELECT * FROM fills; DELETE FROM fills")
        shell.executescript("INSERT INTO fills SELECT * FROM kept; DROP TABLE kept")
        shell.executescript(sql.format(index))
    result = run("audit", "verify", "--journal", book, "--json")
    file, found = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.exit_code, file["ok"], found["ok"]) == (1, False, True)
    assert "fills_by_execution" in file["damage"][0]
    result = run("audit", "verify", "--journal", book)
    assert (result.exit_code, "the file is DAMAGED" in result.stdout) == (1, True)
    ok("audit", "rebuild", "--journal", book)
    assert lines("audit", "verify", "--journal", book)[0]["ok"]


@pytest.mark.parametrize("to", ["file", "standard output"])
def test_an_export_is_accepted_by_the_script_that_knows_nothing_of_us(
    book: Path, tmp_path: Path, to: str
) -> None:
    exported = tmp_path / "export.jsonl"
    if to == "file":
        result = run("audit", "export", "--journal", book, "--output", exported)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "7 records written to" in result.stderr
    else:
        exported.write_text(installed("audit", "export", "--journal", book).stdout)
    check = [sys.executable, str(VERIFY_CHAIN), str(exported)]
    good = subprocess.run(check, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stdout
    exported.write_text(exported.read_text().replace("strategy:alpha", "strategy:omega", 1))
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1


# --- measuring ------------------------------------------------------------------------------------------


def test_the_core_can_be_measured() -> None:
    (measured,) = lines("bench", "core", "--orders", 200)
    assert (measured["benchmark"], measured["orders"]) == ("core", 200)
    assert measured["lifecycles_per_cpu_second"] > 0
    assert "lifecycles per CPU second" in ok("bench", "core", "--orders", 200)


def test_recovery_can_be_measured_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = ("bench", "recovery", "--events", 1_000, "--directory", tmp_path)
    (measured,) = lines(*command)
    assert (measured["benchmark"], measured["events"], measured["open_orders"]) == ("recovery", 1_000, 33)
    assert "events from zero, verified" in ok(*command)
    assert list(tmp_path.iterdir()) == []


def test_the_runtime_can_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_benchmark, "CALLERS", (1, 4))
    command = ("bench", "runtime", "--lifecycles", 8, "--directory", tmp_path)
    (measured,) = lines(*command)
    assert measured["benchmark"] == "runtime"
    ran = [(run["kind"], run["callers"], run["lifecycles"]) for run in measured["runs"]]
    kinds = [(kind, callers, 8) for kind in ("asyncio", "threads") for callers in (1, 4)]
    assert ran == [("inline", 1, 8), *kinds]
    assert measured["core_lifecycles_per_second"] > 0
    shown = ok(*command)
    assert "by the core in memory" in shown
    assert "4 asyncio" in shown
    assert list(tmp_path.iterdir()) == []


def test_recovery_is_measured_in_a_directory_that_is_there(tmp_path: Path) -> None:
    assert run("bench", "recovery", "--directory", tmp_path / "nowhere").exit_code == 2


def test_pauses_of_the_garbage_collector_can_be_measured() -> None:
    (measured,) = lines("bench", "memory", "--orders", 500)
    assert (measured["benchmark"], measured["open_orders"], measured["lifecycles"]) == ("memory", 500, 50)
    assert "longest pause of the garbage collector" in ok("bench", "memory", "--orders", 500)


# --- journals that cannot be used -----------------------------------------------------------------------

READERS = ["orders", "order X", "fills", "positions", "audit show", "audit verify", "audit export"]


def unusable(kind: str, path: Path) -> tuple[str, int, str]:
    """Make ``path`` a journal of no use; return the code, the exit code and the sentence to expect."""
    if kind == "foreign text":
        path.write_text("this is no database, but long enough to be asked for its header" * 20)
        return "not_a_journal", 4, "is not a whole SQLite database"
    if kind == "foreign database":
        with closing(sqlite3.connect(path)) as shell:
            shell.execute("CREATE TABLE something(else_entirely)")
        return "not_a_journal", 4, "not an execore journal"
    if kind == "truncated":
        open_book(str(path), instruments=[BITCOIN]).close()
        path.with_name(path.name + "-wal").unlink(missing_ok=True)
        path.write_bytes(path.read_bytes()[:5000])
        return "not_a_journal", 4, "is not a whole SQLite database"
    if kind == "newer":
        open_book(str(path)).close()
        with closing(sqlite3.connect(path)) as shell:
            shell.execute("PRAGMA user_version=99")
        return "newer_schema", 4, "Upgrade execore"
    if kind == "directory":
        path.mkdir()
        return "not_a_journal", 4, "is a directory"
    assert kind == "missing"
    return "journal_not_found", 4, "there is no journal at"


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    "kind", ["missing", "directory", "foreign text", "foreign database", "truncated", "newer"]
)
def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path, command: str, kind: str) -> None:
    path = tmp_path / "book.db"
    code, exit_code, sentence = unusable(kind, path)
    before = path.read_bytes() if path.is_file() else None
    assert sentence in refused(code, exit_code, *command.split(), "--journal", path)
    assert (path.read_bytes() if path.is_file() else None) == before, "looking changes nothing"


@pytest.mark.parametrize("kind", ["foreign text", "foreign database", "truncated", "newer"])
def test_a_replay_into_a_file_that_is_no_journal_leaves_it_alone(
    flow: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "book.db"
    code, exit_code, _ = unusable(kind, path)
    before = path.read_bytes()
    refused(code, exit_code, "replay", flow, "--journal", path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("command", ["orders", "audit verify", "replay FLOW", "demo"])
@pytest.mark.parametrize("address", ["postgres://desk/book", "sqlite:///", "", "file://x.db"])
def test_an_address_of_no_known_kind_is_refused(flow: Path, command: str, address: str) -> None:
    words = command.replace("FLOW", str(flow)).split()
    assert "Write sqlite:///" in refused("invalid_configuration", 3, *words, f"--journal={address}")


def test_a_journal_in_memory_cannot_be_looked_at() -> None:
    assert "Name a file" in refused("invalid_configuration", 3, "orders", "--journal", "memory:")


def test_an_owned_journal_can_be_read_and_not_written(book: Path, flow: Path) -> None:
    with SqliteJournal(book):
        assert len(lines("orders", "--journal", book)) == 2
        said = refused("journal_owned", 4, "replay", flow, "--journal", book, "--book", "copy")
        assert f"is owned by process {os.getpid()}" in said
    assert len(lines("orders", "--journal", book)) == 2


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be somebody whom file permissions stop, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_directory() -> Iterator[Path]:
    """A directory that everybody may look into and nobody but root may change."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o555)
        yield directory
        directory.chmod(0o755)


def test_a_directory_that_cannot_be_written_is_named(closed_directory: Path, flow: Path) -> None:
    public = closed_directory / "flow.dbn.zst"
    closed_directory.chmod(0o755)
    public.write_bytes(flow.read_bytes())
    closed_directory.chmod(0o555)
    path = closed_directory / "book.db"
    with unprivileged():
        for command in (["demo"], ["replay", str(public)]):
            said = refused("journal_read_only", 4, *command, "--journal", path)
            assert "Make the directory writable" in said
    assert [entry.name for entry in closed_directory.iterdir()] == ["flow.dbn.zst"]


def test_a_disk_that_fills_up_loses_nothing_that_was_recorded(tmp_path: Path, flow: Path) -> None:
    """A limit on the size of a file stands in for the disk: the write fails, as on a failing one."""
    path = tmp_path / "book.db"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    failed = installed("demo", "--journal", path, "--quotes", 5000, preexec_fn=limit)
    assert (failed.returncode, failed.stdout) == (4, "")
    assert re.match(r"error \[(journal_full|outcome_unknown|book_closed)\] ", failed.stderr), failed.stderr
    assert "Traceback" not in failed.stderr
    (found,) = lines("audit", "verify", "--journal", path)
    assert found["ok"] is True
    assert found["records"] > 50
    assert len(lines("orders", "--journal", path)) > 10


def test_a_full_device_for_the_output_is_named(demo: Path) -> None:
    for words in (["orders", "--json"], ["orders"], ["positions", "--json"], ["audit", "export"]):
        with open("/dev/full", "w") as full:
            failed = subprocess.run(
                [EXECORE, *words, "--journal", str(demo)],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert failed.returncode == 4, words
        assert failed.stderr.startswith("error [system_error] [Errno 28] No space left on device"), words
        assert failed.stderr.count("\n") == 1, failed.stderr


@pytest.mark.parametrize("output", ["missing/export.jsonl", ".", "/dev/full"])
def test_an_output_that_cannot_be_written_is_named(book: Path, tmp_path: Path, output: str) -> None:
    said = refused("system_error", 4, "audit", "export", "--journal", book, "--output", tmp_path / output)
    assert "Check the path, its permissions and the free space" in said


# --- questions without an answer ------------------------------------------------------------------------


@pytest.mark.parametrize("order_id", ["nobody", "", "V9", "order-1' OR 1=1 --"])
def test_an_unknown_order_is_named(book: Path, order_id: str) -> None:
    said = refused("unknown_order", 3, "order", order_id, "--journal", book)
    assert "is no client or venue order id in book main" in said


def test_an_unknown_state_is_refused_and_all_states_are_listed(book: Path) -> None:
    said = refused("unknown_enum_value", 3, "orders", "--journal", book, "--state", "OPEN")
    assert ", ".join(OrderState) in said


@pytest.mark.parametrize("command", [command for command in READERS if command != "audit verify"])
def test_an_unknown_book_is_refused_and_all_books_are_listed(book: Path, command: str) -> None:
    said = refused("invalid_configuration", 3, *command.split(), "--journal", book, "--book", "mine")
    assert "has no book 'mine'. It has: main" in said


def test_an_unknown_event_type_is_refused_and_all_types_are_listed(book: Path) -> None:
    said = refused("unknown_enum_value", 3, "audit", "show", "--journal", book, "--type", "fills")
    assert "fill_booked" in said


# --- files that cannot be replayed ----------------------------------------------------------------------


def bad_flow(kind: str, path: Path) -> str:
    """Make ``path`` a file of no use; return a part of the sentence to expect."""
    records = random_records(5, steps=50)
    if kind == "foreign":
        path.write_text("Date,Open,High,Low,Close\n")
        return "is not a DBN file"
    if kind == "truncated":
        path.write_bytes(write_file(path, records).read_bytes()[:-7])
        return "cut short or damaged"
    if kind == "another schema":
        write_file(path, [], schema="trades")
        return "not market by order"
    if kind == "directory":
        path.mkdir()
        return "Is a directory"
    assert kind == "missing"
    return "No such file"


@pytest.mark.parametrize("kind", ["missing", "foreign", "truncated", "another schema", "directory"])
def test_a_file_that_cannot_be_replayed_is_named_and_makes_no_journal(tmp_path: Path, kind: str) -> None:
    path, journal = tmp_path / "flow.dbn.zst", tmp_path / "book.db"
    sentence = bad_flow(kind, path)
    assert sentence in refused("input_file_error", 3, "replay", path, "--journal", journal)
    assert not journal.exists()


def test_a_replay_into_a_book_with_records_is_refused(book: Path, flow: Path) -> None:
    before = lines("audit", "show", "--journal", book)
    said = refused("invalid_configuration", 3, "replay", flow, "--journal", book)
    assert "has records" in said
    assert lines("audit", "show", "--journal", book) == before
    ok("replay", flow, "--journal", book, "--book", "copy")
    assert lines("audit", "show", "--journal", book) == before


@pytest.mark.parametrize("option", ["--multiplier=0", "--multiplier=nan", "--multiplier=x", "--currency="])
def test_a_replay_in_no_sensible_unit_is_refused(flow: Path, tmp_path: Path, option: str) -> None:
    result = run("replay", flow, "--journal", tmp_path / "book.db", option)
    assert result.exit_code == 3, result.output
    assert option[2:].partition("=")[0] in result.stderr


# --- the script, as a shell runs it ---------------------------------------------------------------------


def test_the_installed_script_has_the_documented_exit_codes(book: Path) -> None:
    codes = {
        0: ["orders", "--journal", str(book)],
        2: ["orders", "--no-such-option"],
        3: ["orders", "--journal", str(book), "--state", "OPEN"],
        4: ["orders", "--journal", str(book.with_name("missing.db"))],
    }
    for code, words in codes.items():
        result = installed(*words)
        assert result.returncode == code, result.stderr
        assert bool(result.stderr) is bool(code)
        assert "Traceback" not in result.stderr
    tamper(book, "DELETE FROM events WHERE sequence=3")
    assert installed("audit", "verify", "--journal", book).returncode == 1


@pytest.mark.parametrize(
    "words",
    ["orders", "orders --json", "audit show --json", "audit show", "audit export", "positions --json"],
)
def test_a_reader_who_has_seen_enough_is_no_error(demo: Path, words: str) -> None:
    command = f'"$0" {words} --journal "$1" | head -1; echo "${{PIPESTATUS[0]}}" >&2'
    for reader in ("head -1", "true"):  # one that reads a little, and one that is gone before
        result = subprocess.run(
            ["bash", "-c", command.replace("head -1", reader), EXECORE, demo],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stderr == "0\n"


@pytest.mark.parametrize("words", ["demo --quotes 300", "replay FLOW", "bench core --orders 300"])
def test_without_a_terminal_there_is_no_progress_bar_and_no_colour(
    flow: Path, tmp_path: Path, words: str
) -> None:
    journal = [] if words.startswith("bench") else ["--journal", tmp_path / "book.db"]
    coloured = os.environ | {"TERM": "xterm-256color"}
    result = installed(*words.replace("FLOW", str(flow)).split(), *journal, env=coloured)
    assert (result.returncode, result.stderr) == (0, "")
    assert ESCAPE not in result.stdout


def test_on_a_terminal_the_progress_bar_is_on_stderr_alone(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, 0x5414, struct.pack("HHHH", 40, 120, 0, 0))  # TIOCSWINSZ
    process = subprocess.Popen(
        [EXECORE, "demo", "--json", "--journal", tmp_path / "demo.db", "--quotes", "600"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    assert process.stdout is not None
    with process:
        told = process.stdout.read()
    seen = b""
    with suppress_end():
        while chunk := os.read(ours, 65536):
            seen += chunk
    os.close(ours)
    assert b"trading" in seen
    assert json.loads(told)["ok"] is True


@contextmanager
def suppress_end() -> Iterator[None]:
    """A terminal whose other end is closed says so with an error."""
    try:
        yield
    except OSError:
        return


def test_an_interrupt_keeps_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "demo.db"
    process = subprocess.Popen(
        [EXECORE, "demo", "--journal", path, "--quotes", "30000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wal = path.with_name("demo.db-wal")
    end = time.monotonic() + 30
    while not (wal.exists() and wal.stat().st_size > 500_000) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (130, "")
    assert stderr == "error [interrupted] stopped; what was recorded so far is kept\n"
    (found,) = lines("audit", "verify", "--journal", path)
    assert found["ok"] is True
    assert found["records"] > 20


# --- what is data is shown as it is ---------------------------------------------------------------------

HOSTILE = "[red]9[/red] [/7] :smile: \x1b[31m"
SHOWN = "[red]9[/red] [/7] :smile: \\x1b[31m"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A journal whose ids, strategy and book name look like markup, in a file whose name does."""
    path = tmp_path / "[/7].db"
    with open_book(str(path), "[/b]", instruments=[BITCOIN], clock=lambda: START_NS) as trading:
        trading.submit_all([order(1, strategy="[/x]")])
        trading.apply(
            [
                FillReport(
                    ts_ns=START_NS + 5,
                    client_order_id="order-1",
                    venue_order_id="[/7]",
                    symbol="BTC-USD",
                    execution_id=HOSTILE,
                    quantity=Decimal("0.5"),
                    price=Decimal("0.00000001"),
                )
            ]
        )
    return path


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["orders"], ["orders of [/b]", "[/7]"]),
        (["orders", "--state", "FILLED"], ["orders of [/b]: none"]),
        (["order", "order-1"], ["[/7]", "[/x]", SHOWN]),
        (["order", "[/7]"], ["[/7]", "[/x]", SHOWN]),
        (["fills"], ["fills of [/b]", SHOWN]),
        (["positions"], ["positions of [/b]"]),
        (["audit", "show"], ["audit trail of [/b]", SHOWN, "[/x]"]),
    ],
    ids=str,
)
def test_markup_in_data_is_shown_and_not_obeyed(hostile: Path, words: list[str], shown: list[str]) -> None:
    printed = ok(*words, "--journal", hostile, "--book", "[/b]")
    for text in shown:
        assert text in printed
    assert ESCAPE not in printed


def test_markup_in_names_of_books_and_files_is_shown_and_not_obeyed(hostile: Path, flow: Path) -> None:
    assert "book [/b]: the chain holds" in ok("audit", "verify", "--journal", hostile)
    output = hostile.parents[1] / "[/o].jsonl"
    result = run("audit", "export", "--journal", hostile, "--book", "[/b]", "--output", output)
    assert result.exit_code == 0
    assert "[/o].jsonl" in result.stderr.replace("\n", "")
    assert "'[/c]'. It has: [/b]" in refused(
        "invalid_configuration", 3, "orders", "--journal", hostile, "--book", "[/c]"
    )
    tape = flow.rename(hostile.with_name("[b].dbn.zst"))
    made = hostile.parents[1] / "[/r].db"
    assert f"--journal {made} --book [/c]" in ok("replay", tape, "--journal", made, "--book", "[/c]")
    made = hostile.parents[1] / "[/d].db"
    assert f"All of it is in {made}" in ok("demo", "--journal", made, "--quotes", 20)
    tamper(hostile, "UPDATE events SET actor='[/a]' WHERE sequence=2")
    result = run("audit", "verify", "--journal", hostile)
    assert (result.exit_code, "book [/b]: the chain is BROKEN" in result.stdout) == (1, True)
    assert "'[/a]'" in result.stdout


def test_no_number_has_an_exponent_in_the_trail(hostile: Path, flow: Path, tmp_path: Path) -> None:
    ok("replay", flow, "--journal", tmp_path / "flow.db")
    where = ["--journal", hostile, "--book", "[/b]"]
    trail = lines("audit", "show", *where)
    assert [view["event"]["price"] for view in trail if view["type"] == "fill_booked"] == ["0.00000001"]
    (shown,) = lines("order", "order-1", *where)
    defined = lines("audit", "show", "--journal", tmp_path / "flow.db", "--type", "instrument_defined")
    assert {view["event"]["instrument"]["tick_size"] for view in defined} == {"0.000000001"}
    numbers = [number for _, number in numbers_in([trail, shown, defined]) if number]
    assert not [number for number in numbers if not re.fullmatch(r"-?\d+(\.\d*[1-9])?", number)]
    assert not [view for view in [*trail, *defined] if "E-" in view["detail"]]


# --- what is no text, and terminals that cannot show it -------------------------------------------------


@pytest.mark.parametrize("column", ["hash", "book"])
def test_damaged_text_is_found_and_no_crash(book: Path, column: str) -> None:
    tamper(book, f"UPDATE events SET {column}=CAST(x'ff' AS TEXT) WHERE sequence=7")
    for words in (["audit", "verify"], ["audit", "verify", "--json"]):
        result = installed(*words, "--journal", book)
        assert (result.returncode, result.stderr) == (1, ""), result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert {view["ok"] for view in found} == {False}
    assert [view["book"] for view in found] == (["main"] if column == "hash" else ["main", "\\udcff"])


def test_damaged_tables_are_named(book: Path) -> None:
    tamper(book, "UPDATE orders SET metadata='{'; UPDATE positions SET fees='['")
    assert "metadata" in refused("not_a_journal", 4, "orders", "--journal", book)
    assert "fees" in refused("not_a_journal", 4, "positions", "--journal", book)
    tamper_again = "UPDATE orders SET symbol=CAST(x'ff' AS TEXT)"
    with closing(sqlite3.connect(book)) as shell, shell:
        shell.execute(tamper_again)
    assert "not UTF-8" in refused("not_a_journal", 4, "orders", "--journal", book)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["orders", "--symbol", "\udcff"], 0),
        (["orders", "--strategy", "\udcff"], 0),
        (["orders", "--state", "\udcff"], 3),
        (["orders", "--book", "\udcff"], 3),
        (["orders", "--journal", "\udcff.db"], 3),
        (["fills", "--symbol", "\udcff"], 0),
        (["order", "\udcff"], 3),
        (["audit", "show", "--order", "\udcff"], 0),
        (["audit", "show", "--actor", "\udcff"], 0),
        (["audit", "show", "--type", "\udcff"], 3),
        (["audit", "show", "--since", "\udcff"], 3),
        (["audit", "show", "--since", "1" * 5_000], 3),
        (["audit", "show", "--until", "1" * 5_000 + "-01-01"], 3),
        (["replay", "FLOW", "--journal", "NEW", "--currency", "\udcff"], 3),
        (["replay", "FLOW", "--journal", "NEW", "--book", "\udcff"], 3),
        (["replay", "FLOW", "--journal", "NEW", "--multiplier", "\udcff"], 3),
        (["replay", "FLOW", "--journal", "\udcff.db"], 3),
        (["replay", "\udcff"], 3),
        (["demo", "--journal", "\udcff.db"], 3),
        (["audit", "verify", "--anchor", "\udcff"], 3),
        (["no-such-[/x]\udcff"], 2),
        (["orders", "[/x]\udcff"], 2),
    ],
    ids=ascii,
)
def test_an_argument_that_is_no_text_is_no_crash(
    book: Path, flow: Path, tmp_path: Path, words: list[str], code: int
) -> None:
    named = {"FLOW": str(flow), "NEW": str(tmp_path / "new.db")}
    given = os.environ | {"EXECORE_JOURNAL": str(book)}
    result = installed(*(named.get(word, word) for word in words), env=given, cwd=tmp_path)
    assert "Traceback" not in result.stderr
    assert result.returncode == code, result.stderr
    assert len(result.stderr) < 2_000
    if code == 3:
        assert re.match(r"error \[\w+\] ", result.stderr), result.stderr


def test_an_output_whose_name_is_no_text_is_written(book: Path, tmp_path: Path) -> None:
    result = installed("audit", "export", "--journal", book, "-o", "\udcff.jsonl", cwd=tmp_path)
    assert (result.returncode, (tmp_path / "\udcff.jsonl").exists()) == (0, True), result.stderr
    assert "\\udcff.jsonl" in result.stderr


@pytest.mark.parametrize(
    "words",
    ["orders", "orders --json", "order order-1", "audit show", "audit verify", "bench core --orders 50",
     "--help", "orders --help", "demo --help", "orders --state x"],
)  # fmt: skip
def test_what_a_terminal_cannot_show_is_replaced(book: Path, words: str) -> None:
    plain = os.environ | {"PYTHONIOENCODING": "ascii", "EXECORE_JOURNAL": str(book)}
    result = installed(*words.split(), env=plain)
    assert "Traceback" not in result.stderr
    assert result.returncode == (3 if words.endswith(" x") else 0)
    assert (result.stdout + result.stderr).isascii()
    assert "\\u" not in result.stdout


def test_json_is_utf_8_wherever_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_book(str(path), instruments=[BITCOIN], clock=lambda: START_NS) as trading:
        trading.submit_all([order(1, strategy="café")])
    plain = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [str(EXECORE), "orders", "--json", "--journal", str(path)]
    told = subprocess.run(command, capture_output=True, env=plain, check=True).stdout
    assert json.loads(told.decode("utf-8"))["strategy"] == "café"
    assert "caf\\xe9" in installed("order", "order-1", "--journal", path, env=plain).stdout


# --- the page says what is true -------------------------------------------------------------------------


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (session,) = re.findall(r"^```text\n(.*?)^```$", readme, flags=re.DOTALL | re.MULTILINE)
    printed = [line.rstrip() for line in installed("demo", cwd=tmp_path).stdout.splitlines()]
    shown = [line.partition("…")[0] for line in session.splitlines() if not line.startswith("  …")]
    assert len(shown) > 15
    for line in shown:
        assert line in printed or any(line and text.startswith(line) for text in printed), line
    assert not re.search(r"[0-9a-f]{40}", session), "a hash rots with every change of a record"
