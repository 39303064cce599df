"""Snapshots taken beside the writer: they make what the records make, and the writer is not disturbed."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from execore import BookSettings, SqliteJournal, open_book, open_runtime
from execore.core.snapshot import snapshot_of, state_hash
from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Journal
from execore.model.errors import BookClosed
from execore.model.reports import AcknowledgeReport, FillReport
from execore.runtime.book import Book
from execore.runtime.recovery import rebuild, recover
from execore.runtime.snapshots import Snapshotter, take_snapshot
from runtime_support.trading import BITCOIN, START_NS, order


def trade(book: Book, numbers: range) -> None:
    book.submit_all([order(number) for number in numbers])
    for number in numbers:
        named: dict[str, Any] = {"ts_ns": START_NS, "client_order_id": f"order-{number}", "symbol": "BTC-USD"}
        book.apply([AcknowledgeReport(**named, venue_order_id=f"V{number}")])
        if number % 2:
            traded: dict[str, Any] = {"quantity": Decimal(1), "price": Decimal(100)}
            book.apply([FillReport(**named, **traded, execution_id=f"E{number}")])


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "book.db")


def test_from_any_snapshot_and_from_nothing_the_state_is_the_same(journal: Journal) -> None:
    book = open_book(journal, instruments=[BITCOIN])
    for first in range(0, 40, 10):
        trade(book, range(first, first + 10))
        taken = take_snapshot(journal, "main")
        assert taken is not None
        assert taken.head == book.head
        trade(book, range(first + 100, first + 105))
        from_nothing, head = rebuild(journal, "main")
        from_snapshot, same_head = recover(journal, "main")
        text = snapshot_of(from_nothing)
        assert head == same_head == book.head
        assert snapshot_of(from_snapshot) == text == snapshot_of(book._writer.state)
        assert state_hash(text) == state_hash(snapshot_of(from_snapshot))


@pytest.mark.parametrize("trades_on", [False, True])
def test_a_snapshot_whose_positions_are_not_those_of_the_tables_is_passed_over(
    tmp_path: Path, trades_on: bool
) -> None:
    """Its checksums hold, and it says that it is of this stream; it is another book's state."""
    with SqliteJournal(tmp_path / "book.db") as journal, SqliteJournal(tmp_path / "other.db") as other:
        trade(open_book(journal, instruments=[BITCOIN]), range(10))
        trade(open_book(other, instruments=[BITCOIN]), range(20))
        taken = take_snapshot(other, "main")
        assert taken is not None
        journal.save_snapshot("main", replace(taken, head=journal.head("main")))
        true, head = rebuild(journal, "main")
        found, same_head = recover(journal, "main")
        assert (same_head, snapshot_of(found)) == (head, snapshot_of(true))
        book = open_book(journal)
        assert book.positions.position("BTC-USD").quantity == 5
        if trades_on:
            trade(book, range(30, 40))
            assert open_book(journal).positions.position("BTC-USD").quantity == 10


def test_a_snapshot_whose_balances_do_not_add_up_is_passed_over(journal: Journal) -> None:
    trade(open_book(journal, instruments=[BITCOIN]), range(10))
    taken = take_snapshot(journal, "main")
    assert taken is not None
    wrong = taken.state.replace(b'"balance":"-500","name":"cash"', b'"balance":"-400","name":"cash"')
    assert wrong != taken.state
    journal.save_snapshot("main", replace(taken, state=wrong, state_hash=state_hash(wrong)))
    assert snapshot_of(recover(journal, "main")[0]) == snapshot_of(rebuild(journal, "main")[0])


def test_a_book_without_records_has_none() -> None:
    assert take_snapshot(MemoryJournal(), "main") is None


def test_a_reader_takes_it_while_the_owner_writes(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with SqliteJournal(path) as owned:
        book = open_book(owned, instruments=[BITCOIN])
        trade(book, range(10))
        with SqliteJournal(path, read_only=True) as reader:
            taken = take_snapshot(reader, "main")
        assert taken is not None
        assert taken.head == book.head
        trade(book, range(10, 20))
        loaded = owned.load_snapshot("main")
        assert loaded is not None
        assert loaded.head == taken.head


@pytest.mark.parametrize(
    ("column", "before", "now"), [("data", "E1", "X1"), ("hash", "a", "b"), ("hash", "a", "\u00e9")]
)
def test_a_record_changed_before_the_snapshot_is_found_when_its_order_is_looked_up(
    tmp_path: Path, column: str, before: str, now: str
) -> None:
    """An opening does not look at it; a report of its order does, and nothing is booked twice."""
    path = tmp_path / "book.db"
    with SqliteJournal(path) as journal:
        trade(open_book(journal, instruments=[BITCOIN]), range(10))
        take_snapshot(journal, "main")
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute("DROP TRIGGER events_no_update")
        shell.execute(
            f"UPDATE events SET {column}=replace({column}, ?, ?) "
            "WHERE client_order_id='order-1' AND type='fill_booked'",
            (before, now),
        )
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN])
        assert book.positions.position("BTC-USD").quantity == 5
        again = FillReport(
            ts_ns=START_NS,
            venue_order_id="V1",
            symbol="BTC-USD",
            execution_id="E1",
            quantity=Decimal(1),
            price=Decimal(100),
        )
        with pytest.raises(BookClosed, match="the chain breaks at sequence"):
            book.apply([again])
        with pytest.raises(BookClosed):
            book.submit(order(99))


def test_the_command_says_what_it_took(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_book(f"sqlite:///{path}", instruments=[BITCOIN]) as book:
        trade(book, range(10))
        command = [sys.executable, "-m", "execore", "snapshot", "--json", "-j", f"sqlite:///{path}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        said = json.loads(done.stdout)
        assert said["sequence"] == book.head.sequence
        assert said["hash"] == book.head.hash
        assert said["state_hash"] == state_hash(snapshot_of(book._writer.state))
        assert said["bytes"] > 0


def test_a_snapshotter_has_one_taken_when_there_is_enough_new(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN])
        trade(book, range(10))
        snapshotter = Snapshotter(str(path), every_records=20)
        snapshotter.look("main", 19)
        assert snapshotter._running is None
        snapshotter.look("main", book.head.sequence)
        assert snapshotter._running is not None
        assert snapshotter._running.wait(60) == 0
        first = snapshotter._running
        snapshotter.look("main", book.head.sequence + 19)
        assert snapshotter._running is first, "not enough is new"
        loaded = journal.load_snapshot("main")
        assert loaded is not None
        assert loaded.head == book.head
        snapshotter.close()


def test_where_no_process_can_be_begun_no_snapshot_is_taken_and_nothing_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*given: Any, **named: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr("execore.runtime.snapshots.subprocess.Popen", none_left)
    snapshotter = Snapshotter(str(tmp_path / "book.db"), every_records=20)
    snapshotter.look("main", 20)
    assert snapshotter._running is None
    snapshotter.close()
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_has_snapshots_taken_by_itself(tmp_path: Path) -> None:
    settings = [BookSettings(instruments=(BITCOIN,))]
    path = tmp_path / "book.db"
    with open_runtime(f"sqlite:///{path}", settings, snapshot_every=20) as runtime:
        book = runtime.book()
        for number in range(15):
            book.submit(order(number)).wait(30)
        give_up = time.monotonic() + 60
        with SqliteJournal(path, read_only=True) as reader:
            while (taken := reader.load_snapshot("main")) is None:
                assert time.monotonic() < give_up
                time.sleep(0.05)
        assert taken.head.sequence >= 20
    with open_runtime(f"sqlite:///{path}", settings) as again:
        assert len(again.book().open_orders()) == 15
