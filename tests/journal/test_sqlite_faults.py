"""Syncs are real and counted; failing storage either refuses for certain, or closes the book."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from execore.journal import sqlite as sqlite_module
from execore.journal.audit_log import AuditLog
from execore.journal.protocol import NO_CHANGES
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import BookClosed, JournalFull, NotRecorded, OutcomeUnknown, SequenceConflict
from execore.testing.faulty_vfs import FaultyVfs
from execore.testing.journal_contract import BOOK, created, lifecycle, opened, record, sequences


@pytest.fixture
def storage() -> Iterator[FaultyVfs]:
    with FaultyVfs() as vfs:
        yield vfs


@pytest.fixture
def journal(storage: FaultyVfs, tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db", vfs=storage.name) as journal:
        opened(journal, orders=1)
        yield journal


def failing(
    operation: str, file: str, error: Callable[[], BaseException], after: int = 0
) -> Callable[[str, str], BaseException | None]:
    """A fault: ``operation`` on ``file`` fails, each time after the first ``after``."""
    seen = 0

    def fault(actual: str, actual_file: str) -> BaseException | None:
        nonlocal seen
        if (actual, actual_file) != (operation, file):
            return None
        seen += 1
        return error() if seen > after else None

    return fault


def test_every_commit_is_synced(journal: SqliteJournal, storage: FaultyVfs) -> None:
    before = storage.syncs["wal"]
    for sequence in range(5, 105):
        journal.append(BOOK, sequence - 1, [record(sequence, created(sequence))])
    assert storage.syncs["wal"] - before >= 100


def test_a_thousand_records_cost_the_syncs_of_one(journal: SqliteJournal, storage: FaultyVfs) -> None:
    before = storage.syncs["wal"]
    journal.append(BOOK, 4, [record(5, created(5))])
    one = storage.syncs["wal"] - before
    journal.append(BOOK, 5, [record(sequence, created(sequence)) for sequence in range(6, 1_006)])
    assert one == 1
    assert storage.syncs["wal"] - before == 2 * one


def test_a_full_disk_is_rolled_back_and_the_book_goes_on(journal: SqliteJournal, storage: FaultyVfs) -> None:
    head = journal.head(BOOK)
    records, changes = lifecycle(2, 5)
    for written_before in (0, 1, 2):
        storage.fault = failing("write", "wal", apsw.FullError, written_before)
        with pytest.raises(
            JournalFull, match=r"journal\.db has no space left; nothing was stored.*Free disk"
        ):
            journal.append(BOOK, 4, records, changes)
        storage.fault = None
        assert journal.head(BOOK) == head
    assert journal.append(BOOK, 4, records, changes).sequence == 7
    assert AuditLog(journal, BOOK).verify().ok


def test_a_file_at_its_permitted_size_is_full_too(journal: SqliteJournal) -> None:
    pages = next(journal.select("PRAGMA page_count"))[0]
    list(journal.select(f"PRAGMA max_page_count={pages}"))
    records = [record(sequence, created(sequence)) for sequence in range(5, 505)]
    with pytest.raises(JournalFull):
        journal.append(BOOK, 4, records)
    list(journal.select("PRAGMA max_page_count=1000000"))
    assert sequences(journal) == [1, 2, 3, 4]
    assert journal.append(BOOK, 4, records).sequence == 504


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_an_io_error_has_an_unknown_outcome_and_ends_writing(
    journal: SqliteJournal, storage: FaultyVfs, operation: str
) -> None:
    storage.fault = failing(operation, "wal", apsw.IOError)
    with pytest.raises(OutcomeUnknown, match=r"journal\.db: storage failed.*open the journal again"):
        journal.append(BOOK, 4, [record(5, created(2))])
    storage.fault = None
    syncs = storage.syncs.total()
    calls: list[Callable[[], object]] = [
        lambda: journal.append(BOOK, 4, [record(5, created(2))]),
        lambda: journal.append_all([]),
        lambda: journal.write_projections(BOOK, 4, NO_CHANGES),
        lambda: journal.clear_projections(BOOK),
    ]
    for call in calls:
        with pytest.raises(BookClosed, match=r"closed itself when storage failed.*until then it can be read"):
            call()
    journal.close()
    assert storage.syncs.total() == syncs  # what failed to sync is never synced again
    with SqliteJournal(journal.path) as again:
        assert sequences(again) in ([1, 2, 3, 4], [1, 2, 3, 4, 5])
        assert AuditLog(again, BOOK).verify(again.head(BOOK)).ok


def test_a_checkpoint_that_fails_closes_the_book_and_loses_nothing(
    journal: SqliteJournal, storage: FaultyVfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 1)
    storage.fault = failing("sync", "db", apsw.IOError)
    assert journal.append(BOOK, 4, [record(5, created(2))]).sequence == 5
    storage.fault = None
    with pytest.raises(BookClosed):
        journal.append(BOOK, 5, [record(6, created(3))])
    journal.close()
    with SqliteJournal(journal.path) as again:
        assert sequences(again) == [1, 2, 3, 4, 5]


def test_checkpoints_keep_the_wal_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 50)
    with SqliteJournal(tmp_path / "journal.db") as journal:
        opened(journal, orders=300)
        assert (tmp_path / "journal.db-wal").stat().st_size < 100 * 4_200
        assert (tmp_path / "journal.db").stat().st_size > 100_000


def test_another_programs_transaction_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("execore.journal.sqlite_schema.BUSY_TIMEOUT_MS", 10)
    with SqliteJournal(tmp_path / "journal.db") as journal:
        opened(journal, orders=1)
        # apsw, not sqlite3: two SQLite libraries in one process drop each other's locks
        with closing(apsw.Connection(journal.path)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(NotRecorded, match="is locked by another program; nothing was stored"):
                journal.append(BOOK, 4, [record(5, created(2))])
            shell.execute("ROLLBACK")
        assert journal.append(BOOK, 4, [record(5, created(2))]).sequence == 5


def test_a_writer_that_got_around_the_lock_meets_the_fence(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path, anchor=False) as first:
        head = opened(first, orders=1)
        (tmp_path / "journal.db.lock").unlink()
        with SqliteJournal(path, anchor=False) as second:
            second.append(BOOK, 4, [record(5, created(2))])
            with pytest.raises(SequenceConflict, match="somebody else appended"):
                first.append(BOOK, head.sequence, [record(5, created(3))])
            first.append(BOOK, 5, [record(6, created(3))])
            assert AuditLog(second, BOOK).verify(first.head(BOOK)).ok


def test_an_interrupted_append_stores_nothing(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sqlite_module, "order_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append(BOOK, 4, [record(5, created(2))])
    monkeypatch.undo()
    assert sequences(journal) == [1, 2, 3, 4]
    assert journal.append(BOOK, 4, [record(5, created(2))]).sequence == 5


def test_the_shell_can_read_the_tables(journal: SqliteJournal) -> None:
    path = journal.path
    journal.close()
    with closing(sqlite3.connect(path)) as shell:
        assert shell.execute("SELECT state, average_price FROM orders").fetchall() == [("FILLED", "100.25")]
