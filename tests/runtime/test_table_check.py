"""The tables and snapshots beside the records: what is not what the records make is named, and built anew."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from execore.core.snapshot import state_hash
from execore.journal.codec import next_hash
from execore.journal.sqlite import SqliteJournal
from execore.model.reports import AcknowledgeReport, FillReport
from execore.runtime import recovery
from execore.runtime.book import open_book
from execore.runtime.snapshots import take_snapshot
from execore.runtime.table_check import TableCheck, TablesState, check_tables, rebuild_tables
from runtime_support.random_run import Run
from runtime_support.trading import BITCOIN, START_NS, order

HOLD, LAG = TablesState.HOLD, TablesState.LAG


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed journal: an order that filled, one that is being cancelled, and two snapshots."""
    path = tmp_path / "book.db"
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN])
        book.submit_all([order(1), order(2)])
        for number in (1, 2):
            told: dict[str, Any] = {"client_order_id": f"order-{number}", "venue_order_id": f"V{number}"}
            book.apply([AcknowledgeReport(ts_ns=START_NS, **told)])
        take_snapshot(journal, "main")
        traded: dict[str, Any] = {"quantity": Decimal(1), "price": Decimal(100), "execution_id": "E1"}
        book.apply([FillReport(ts_ns=START_NS, client_order_id="order-1", **traded)])
        book.cancel("order-2", request_id="cancel-1")
        take_snapshot(journal, "main")
    return path


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as shell:
        shell.executescript(sql)


def checked(path: Path) -> TableCheck:
    with SqliteJournal(path, read_only=True) as journal:
        return check_tables(journal, "main")


def test_tables_as_they_were_written_hold(path: Path) -> None:
    seen: list[int] = []
    with SqliteJournal(path, read_only=True) as journal:
        found = check_tables(journal, "main", seen.append)
        assert found == TableCheck(HOLD, 10, message="the tables are what 10 records make")
        assert seen[-1] == 10
        assert check_tables(journal, "none such").ok


FILL = ("fills", "9")
DAMAGE = [
    ("DELETE FROM orders WHERE client_order_id='order-2'", ("orders", "order-2"), "", "nothing"),
    ("UPDATE orders SET filled='2', state='REJECTED' WHERE client_order_id='order-1'", ("orders", "order-1"),
     "filled=1, state=", "filled=2, state=REJECTED"),
    ("DELETE FROM fills", FILL, "execution_id=E1", "nothing"),
    ("UPDATE fills SET execution_key='x'", FILL, "execution_key=", "execution_key=x"),
    ("UPDATE fills SET disclosed_sequence=3", FILL, "disclosed_sequence=NULL", "disclosed_sequence=3"),
    ("UPDATE positions SET quantity='2'", ("positions", "BTC-USD net"), "quantity=1", "quantity=2"),
    ("DELETE FROM keys", ("keys", "order cancel-1"), "client_order_id=order-2", "nothing"),
    ("UPDATE keys SET client_order_id='order-1'", ("keys", "order cancel-1"), "client_order_id=order-2",
     "client_order_id=order-1"),
    ("INSERT INTO keys VALUES('main', 'venue_order', 'V9', 'BTC-USD', 'order-1')",
     ("keys", "venue_order V9 BTC-USD"), "nothing", "client_order_id=order-1"),
    ("INSERT INTO keys VALUES('main', 'execution', '', '', CAST(x'ff' AS TEXT))",
     ("keys", "execution"), "nothing", "client_order_id=\ufffd"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "key", "true", "held"), DAMAGE, ids=[sql for sql, *_ in DAMAGE])
def test_a_row_that_is_not_what_the_records_say_is_named(
    path: Path, sql: str, key: tuple[str, str], true: str, held: str
) -> None:
    change(path, sql)
    found = checked(path)
    assert (found.ok, found.state) == (False, TablesState.DIFFER)
    (difference,) = found.differences
    assert (difference.table, difference.key) == key
    assert true in difference.records_say
    assert held in difference.holds
    assert f"execore audit rebuild --journal {path} --book main" in found.message
    with SqliteJournal(path) as journal:
        rebuild_tables(journal, "main")
    assert checked(path).ok


def test_of_many_differences_the_first_are_told(path: Path) -> None:
    rows = ", ".join(f"('main', 'order', 'k{n:03}', '', 'order-1')" for n in range(100))
    change(path, f"INSERT INTO keys VALUES {rows}")
    found = checked(path)
    assert [difference.key for difference in found.differences] == [f"order k{n:03}" for n in range(10)]


def test_tables_that_lag_are_nothing_that_anybody_trusts(path: Path) -> None:
    change(path, "DELETE FROM orders; UPDATE projection_heads SET sequence=3")
    found = checked(path)
    assert (found.ok, found.state) == (True, LAG)
    assert "opening the book builds them anew" in found.message


@pytest.mark.parametrize(
    "altered",
    [
        "DROP TABLE keys",
        "DROP TABLE orders",
        "DROP TABLE projection_heads",
        "DROP INDEX fills_by_execution",
        "DROP INDEX events_by_order",
        "ALTER TABLE orders ADD COLUMN note TEXT",
        "ALTER TABLE fills RENAME COLUMN late TO tardy",
        "ALTER TABLE keys DROP COLUMN client_order_id",
        "ALTER TABLE projection_heads ADD COLUMN note TEXT",
    ],
)
def test_a_table_or_index_that_is_lost_or_altered_is_built_anew(path: Path, altered: str) -> None:
    change(path, altered)
    found = checked(path)
    assert (found.state, "lost or altered" in found.message) == (LAG, True)
    with SqliteJournal(path) as journal:
        book = open_book(journal)
        book.submit(order(3))
        assert list(journal.read_order("main", "order-3"))
    found = checked(path)
    assert found.state is HOLD


def tamper(path: Path, old: str, new: str) -> None:
    """Change the last record such that the chain holds over it."""
    with closing(sqlite3.connect(path)) as shell, shell:
        (sequence, data), (before, *_) = (
            shell.execute("SELECT sequence, data FROM events ORDER BY sequence DESC LIMIT 1").fetchone(),
            shell.execute("SELECT hash FROM events ORDER BY sequence DESC LIMIT 1 OFFSET 1").fetchone(),
        )
        assert old in data
        data = data.replace(old, new)
        digest = next_hash(bytes.fromhex(before), data.encode()).hex()
        shell.execute("DROP TRIGGER events_no_update")
        shell.execute("UPDATE events SET data=?, hash=? WHERE sequence=?", (data, digest, sequence))


@pytest.mark.parametrize(
    ("old", "new", "state", "says"),
    [
        ('"schema":2', '"schema":99', TablesState.NEWER_SCHEMA, "Upgrade execore"),
        (
            '"client_order_id":"order-2"',
            '"client_order_id":"nobody"',
            TablesState.UNFOLDABLE,
            "does not follow",
        ),
    ],
)
def test_what_cannot_be_folded_is_said(path: Path, old: str, new: str, state: TablesState, says: str) -> None:
    tamper(path, old, new)
    found = checked(path)
    assert (found.state, found.ok) == (state, state is TablesState.NEWER_SCHEMA)
    assert says in found.message


@pytest.mark.parametrize("table", ["orders", "fills", "positions"])
def test_a_table_that_was_emptied_is_built_anew_when_the_book_opens(path: Path, table: str) -> None:
    """The accident of somebody with a shell; what it would cost to notice one row, no opening can pay."""
    change(path, f"DELETE FROM {table}")
    assert checked(path).state is TablesState.DIFFER
    with SqliteJournal(path) as journal:
        assert journal.projection_head("main") == 0
        book = open_book(journal)
        assert journal.projection_head("main") == book.head.sequence
    assert checked(path).state is HOLD


@pytest.mark.parametrize("which", [0, 1])
def test_a_snapshot_of_another_state_is_named(path: Path, which: int) -> None:
    with SqliteJournal(path, read_only=True) as journal:
        kept = list(journal.snapshots("main"))
        assert [snapshot.head.sequence for snapshot in kept] == [10, 8]
        true = kept[which]
        wrong = true.state.replace(b'"contradictions":0', b'"contradictions":1')
        if wrong == true.state:
            wrong = true.state.replace(b'"book":', b'"contradictions":7,"book":')
        journal.save_snapshot("main", replace(true, state=wrong, state_hash=state_hash(wrong)))
        if which == 1:
            journal.save_snapshot("main", kept[0])
    found = checked(path)
    (difference,) = found.differences
    assert (difference.table, difference.key) == ("snapshots", str(true.head.sequence))
    assert difference.records_say == f"state {true.state_hash}"
    with SqliteJournal(path) as journal:
        rebuild_tables(journal, "main")
        assert list(journal.snapshots("main")) == []
    assert checked(path).ok


def test_a_journal_is_compared_as_it_is_at_one_moment(path: Path) -> None:
    """What its owner records meanwhile is no difference."""
    with SqliteJournal(path) as owned, SqliteJournal(path, read_only=True) as reader:
        book = open_book(owned)
        before = owned.head("main").sequence

        def trade(_: int) -> None:
            if owned.head("main").sequence < before + 3:
                book.submit(order(9))

        assert check_tables(reader, "main", trade) == TableCheck(
            HOLD, before, message=f"the tables are what {before} records make"
        )
        assert owned.head("main").sequence > before
        assert check_tables(owned, "main").sequence == owned.head("main").sequence


@pytest.mark.parametrize("seed", range(12))
def test_the_tables_of_a_random_book_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever was recorded in one commit, and whatever the fold lets go of on the way."""
    monkeypatch.setattr(recovery, "PAGE", 7 if seed % 2 else 1_000)
    monkeypatch.setattr(recovery, "KEPT_ENDED", seed % 3)
    with SqliteJournal(tmp_path / "book.db", anchor=False) as journal:
        run = Run(journal, seed)
        for snapshot in run.snapshots[-2:]:
            journal.save_snapshot("main", snapshot)
        found = check_tables(journal, "main")
        assert found.differences == ()
        assert found.sequence == run.head.sequence
        rebuild_tables(journal, "main")
        assert check_tables(journal, "main").differences == ()


def test_a_row_that_became_another_ones_double_is_mended(path: Path) -> None:
    """A damaged byte: two rows of one key, which no index of the table could be made of."""
    row, double = b"mainorder-2V2BTC-USD", b"mainorder-1V2BTC-USD"
    data = path.read_bytes()
    assert row in data
    path.write_bytes(data.replace(row, double))
    assert not checked(path).ok
    with SqliteJournal(path) as journal:
        rebuild_tables(journal, "main")
        assert journal.damage() == []
    assert checked(path).ok
