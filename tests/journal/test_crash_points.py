"""The machine loses power during every storage operation of a journal's life: nothing answered is lost.

A script opens a journal, appends to several books, checkpoints, saves snapshots and closes. It is run once
for each of its operations, dies there, and what is found afterwards is compared with what it was told.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import msgspec
import pytest

from execore.journal import anchor as anchor_module
from execore.journal import sqlite as sqlite_module
from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog
from execore.journal.protocol import Append, Head
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import ExecoreError, OutcomeUnknown
from execore.model.events import BookOpened
from execore.testing.crash_vfs import Crash, CrashVfs
from execore.testing.faulty_vfs import FaultyVfs
from execore.testing.journal_contract import lifecycle, record, snapshot

BOOKS = ("a", "b", "c")
COMMITS = 20
RECORDS = 3


class Told(msgspec.Struct):
    """What a life was told before it ended.

    Attributes:
        heads: of the last append to each book that returned.
        in_flight: the heads that the append which did not return would have had.
        snapshots: the last sequence of each book that a snapshot was saved at.
        lost_power: it did not end by itself.
    """

    heads: dict[str, int]
    in_flight: dict[str, int]
    snapshots: dict[str, int]
    lost_power: bool = False


def appends(commit: int, heads: dict[str, int]) -> list[Append]:
    """What the script appends: to one book, and every third time to two."""
    books = [BOOKS[commit % 3]] if commit % 3 else ["a", "b"]
    return [Append(book, heads[book], *lifecycle(commit + 1, heads[book] + 1, book)) for book in books]


def live(path: Path, storage: CrashVfs | FaultyVfs) -> Told:
    """Run the script, to its end or until the machine dies."""
    told = Told(dict.fromkeys(BOOKS, 0), {}, dict.fromkeys(BOOKS, 0))
    journal: SqliteJournal | None = None
    try:
        journal = SqliteJournal(path, vfs=storage.name)
        for commit in range(COMMITS):
            batch = appends(commit, told.heads)
            told.in_flight = {one.book: one.expected_sequence + RECORDS for one in batch}
            for one, head in zip(batch, journal.append_all(batch), strict=True):
                told.heads[one.book] = head.sequence
            told.in_flight = {}
            if commit % 6 == 5:
                head = journal.head("a")
                journal.save_snapshot("a", snapshot(head, b"state of a"))
                told.snapshots["a"] = head.sequence
        journal.close()
    except (Crash, ExecoreError):
        assert isinstance(storage, CrashVfs)
        assert storage.is_dead, "it ended by itself"
        told.lost_power = True
    finally:
        if journal is not None:
            with suppress(Crash):
                journal.close()
    return told


def losses(path: Path, storage: CrashVfs, told: Told) -> list[str]:
    """What is wrong with the journal that a restart finds; empty if nothing is."""
    try:
        anchored = read_anchor(anchor_path(str(path)))
        with SqliteJournal(path, vfs=storage.name) as journal:
            return list(_losses(journal, anchored, told))
    except ExecoreError as error:
        return [f"{type(error).__name__}: {error}"]


def _losses(journal: SqliteJournal, anchored: dict[str, Head], told: Told) -> Iterator[str]:
    heads = {book: journal.head(book) for book in BOOKS}
    sequences = {book: head.sequence for book, head in heads.items()}
    if sequences not in (told.heads, told.heads | told.in_flight):
        yield f"{sequences} is there; told {told.heads}, in flight {told.in_flight}"
    for book, head in heads.items():
        verification = AuditLog(journal, book).verify(anchored.get(book))
        if not verification.ok or verification.head != head:
            yield f"book {book}: {verification.message}"
        if journal.projection_head(book) != head.sequence:
            yield f"book {book}: its tables are those of {journal.projection_head(book)}"
        kept = journal.load_snapshot(book)
        if (0 if kept is None else kept.head.sequence) < told.snapshots[book]:
            yield f"book {book}: the snapshot of {told.snapshots[book]} is gone"
    orders, fills = (list(journal.select(f"SELECT count(*) FROM {table}")) for table in ("orders", "fills"))
    if orders != fills or orders != [(sum(sequences.values()) // RECORDS,)]:
        yield f"{orders} orders and {fills} fills are shown of {sequences} records"
    journal.append("c", sequences["c"], *lifecycle(99, sequences["c"] + 1, "c"))  # it can go on


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[CrashVfs]:
    """Storage that dies; a checkpoint falls into the script, and the anchor follows every commit."""
    monkeypatch.setattr(sqlite_module, "CHECKPOINT_PAGES", 60)
    monkeypatch.setattr(anchor_module, "INTERVAL_SECONDS", 0)
    with CrashVfs() as vfs:
        yield vfs


def operations_of_a_life(directory: Path, storage: CrashVfs) -> int:
    """How many storage operations the script takes when nothing happens."""
    told = live(directory / "undisturbed.db", storage)
    taken = storage.operations
    assert not told.lost_power
    assert losses(directory / "undisturbed.db", storage, told) == []
    return taken


def deaths(directory: Path, storage: CrashVfs, points: Iterable[int], seed: int) -> dict[int, list[str]]:
    """Die during each of the operations, on a new journal each time; what was wrong afterwards."""
    wrong = {}
    for point in points:
        storage.settle()
        path = directory / f"{seed}-{point}" / "journal.db"
        storage.operations, storage.crash_at = 0, point
        told = live(path, storage)
        assert told.lost_power, f"operation {point} was never reached"
        storage.crash(Random(f"{seed}/{point}"))
        found = losses(path, storage, told)
        shutil.rmtree(path.parent)
        if found:
            wrong[point] = found
    return wrong


def test_nothing_answered_is_lost_whatever_operation_the_machine_dies_of(
    tmp_path: Path, storage: CrashVfs
) -> None:
    points = operations_of_a_life(tmp_path, storage)
    assert points > 300
    assert deaths(tmp_path, storage, range(1, points + 1), seed=1) == {}


def test_without_syncs_the_same_test_finds_what_is_lost(tmp_path: Path, storage: CrashVfs) -> None:
    points = operations_of_a_life(tmp_path, storage)
    storage.ignores_syncs = True
    wrong = deaths(tmp_path, storage, range(points // 2, points, 7), seed=3)
    assert len(wrong) > 5, wrong


def test_a_journal_survives_one_death_after_another(tmp_path: Path, storage: CrashVfs) -> None:
    """Also of opening again, of which the state after a death is part."""
    dice = Random(4)
    path = tmp_path / "journal.db"
    heads = dict.fromkeys(BOOKS, 0)
    for number in range(100):
        storage.operations, storage.crash_at = 0, dice.randint(1, 250)
        heads = one_more_life(path, storage, heads, number)
        storage.crash(dice)
    storage.crash_at = None
    with SqliteJournal(path, vfs=storage.name) as journal:
        for book in BOOKS:
            assert AuditLog(journal, book).verify().ok
            assert journal.head(book).sequence >= heads[book] > 0


def one_more_life(path: Path, storage: CrashVfs, heads: dict[str, int], number: int) -> dict[str, int]:
    """Open, check that what was told before is there, and append until the end; what is told now."""
    journal: SqliteJournal | None = None
    try:
        journal = SqliteJournal(path, vfs=storage.name)
        found = {book: journal.head(book).sequence for book in BOOKS}
        assert all(found[book] >= heads[book] for book in BOOKS), (number, heads, found)
        heads = found
        for commit in range(COMMITS):
            batch = appends(commit, heads)
            told = journal.append_all(batch)
            heads = heads | {one.book: head.sequence for one, head in zip(batch, told, strict=True)}
    except (Crash, ExecoreError):
        assert storage.is_dead
    finally:
        if journal is not None:
            with suppress(Crash):
                journal.close()
    return heads


def test_a_commit_costs_one_sync(tmp_path: Path) -> None:
    with (
        FaultyVfs("counting") as storage,
        SqliteJournal(tmp_path / "journal.db", vfs=storage.name) as journal,
    ):
        journal.append("a", 0, [record(1, BookOpened("a"), "a")])  # the file's first frame syncs its header
        heads = {"a": 1, "b": 0, "c": 0}
        for commit in range(200):
            before = storage.syncs.copy()
            batch = appends(commit, heads)
            told = journal.append_all(batch)
            heads |= {one.book: head.sequence for one, head in zip(batch, told, strict=True)}
            assert storage.syncs - before == {"wal": 1}, commit


@pytest.mark.parametrize("seed", range(10))
def test_what_an_opening_shows_outlives_the_power(tmp_path: Path, storage: CrashVfs, seed: int) -> None:
    """A commit whose sync failed may be there when the book is opened again: from then on it stays."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path, vfs=storage.name)
    heads = {one.book: one.expected_sequence + RECORDS for one in appends(0, dict.fromkeys(BOOKS, 0))}
    journal.append_all(appends(0, dict.fromkeys(BOOKS, 0)))
    storage.fault = lambda operation, file: OSError("I/O") if operation == "sync" else None
    with pytest.raises(OutcomeUnknown):
        journal.append_all(appends(1, dict.fromkeys(BOOKS, 0) | heads))
    storage.fault = None
    journal.close()
    again = SqliteJournal(path, vfs=storage.name)
    shown = {book: again.head(book) for book in BOOKS}
    storage.is_dead = True
    with suppress(Crash):
        again.close()
    storage.crash(Random(seed))
    with SqliteJournal(path, vfs=storage.name) as found:
        assert {book: found.head(book) for book in BOOKS} == shown
