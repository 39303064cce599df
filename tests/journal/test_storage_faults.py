"""What storage can do to a journal, and what is stated of each: the rows of the tables in docs/journal.md.

A fault is met by a running writer, or found when the journal is opened. Nothing that was answered is lost
without being noticed, and nothing is shown that is not so.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import apsw
import msgspec
import pytest

from execore.journal import anchor as anchor_module
from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog
from execore.journal.protocol import Head
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import (
    BookClosed,
    ChainBroken,
    ExecoreError,
    JournalError,
    JournalFull,
    JournalNotFound,
    JournalReadOnly,
    NotAJournal,
    NotRecorded,
    OutcomeUnknown,
)
from execore.model.keys import Key, KeyKind
from execore.runtime.recovery import replayed
from execore.testing.faulty_vfs import Fault, FaultyVfs
from execore.testing.journal_contract import BOOK, created, lifecycle, opened, order_id, record, sequences

ORDERS = 12
RECORDS = 1 + 3 * ORDERS


@pytest.fixture
def storage() -> Iterator[FaultyVfs]:
    with FaultyVfs() as vfs:
        yield vfs


@pytest.fixture
def journal(storage: FaultyVfs, tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db", vfs=storage.name) as journal:
        opened(journal, orders=1)
        yield journal


def failing(operation: str, file: str, error: type[BaseException], after: int = 0) -> Fault:
    """Each ``operation`` on ``file`` fails, after the first so many."""
    left = after

    def fault(actual: str, actual_file: str) -> BaseException | None:
        nonlocal left
        if (actual, actual_file) != (operation, file):
            return None
        left -= 1
        return error() if left < 0 else None

    return fault


# --- met by a running writer ------------------------------------------------------------------------

UNKNOWN: dict[str, tuple[str, str, int]] = {
    "the first write fails": ("write", "wal", 0),
    "a later write fails": ("write", "wal", 3),
    "the sync fails": ("sync", "wal", 0),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_failed_commit_is_unknown_and_what_was_answered_can_be_read(
    journal: SqliteJournal, storage: FaultyVfs, name: str
) -> None:
    before = journal.head(BOOK)
    operation, file, after = UNKNOWN[name]
    storage.fault = failing(operation, file, apsw.IOError, after)
    with pytest.raises(OutcomeUnknown):
        journal.append(BOOK, 4, *lifecycle(2, 5))
    for _ in range(2):  # while the storage still fails, and after that
        assert journal.head(BOOK) == before
        assert sequences(journal) == [1, 2, 3, 4]
        assert AuditLog(journal, BOOK).verify(before).ok
        assert journal.find_orders(BOOK, [Key(KeyKind.ORDER, order_id(n)) for n in (1, 2)]) == {
            Key(KeyKind.ORDER, order_id(1)): order_id(1)
        }
        with pytest.raises(BookClosed, match="until then it can be read"):
            journal.append(BOOK, 4, *lifecycle(2, 5))
        storage.fault = None
    journal.close()
    with SqliteJournal(journal.path) as again:
        assert sequences(again) in ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7])
        assert AuditLog(again, BOOK).verify(before).records == len(sequences(again))


REFUSED: dict[str, tuple[type[apsw.Error], type[JournalError]]] = {
    "the disk is full": (apsw.FullError, JournalFull),
    "the file system became read-only": (apsw.ReadOnlyError, JournalReadOnly),
    "permission was taken away": (apsw.PermissionsError, JournalReadOnly),
    "another program has it locked": (apsw.BusyError, NotRecorded),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_commit_stored_nothing_and_the_next_one_may_do(
    journal: SqliteJournal, storage: FaultyVfs, name: str
) -> None:
    error, meaning = REFUSED[name]
    for after in range(4):
        storage.fault = failing("write", "wal", error, after)
        with pytest.raises(meaning, match="nothing was stored"):
            journal.append(BOOK, 4, *lifecycle(2, 5))
        storage.fault = None
        assert sequences(journal) == [1, 2, 3, 4]
    assert journal.append(BOOK, 4, *lifecycle(2, 5)).sequence == 7


CHECKPOINT: dict[str, tuple[str, str, type[apsw.Error]]] = {
    "its sync of the records fails": ("sync", "wal", apsw.IOError),
    "its write fails": ("write", "db", apsw.IOError),
    "its sync of the database fails": ("sync", "db", apsw.IOError),
    "its read fails": ("read", "wal", apsw.IOError),
    "the disk is full": ("write", "db", apsw.FullError),
}


@pytest.mark.parametrize("name", CHECKPOINT)
def test_a_checkpoint_that_fails_ends_writing_and_loses_nothing(
    journal: SqliteJournal, storage: FaultyVfs, name: str
) -> None:
    operation, file, error = CHECKPOINT[name]
    checkpoint = journal._checkpoint
    storage.fault = failing(operation, file, error)
    checkpoint()
    storage.fault = None
    assert sequences(journal) == [1, 2, 3, 4]
    with pytest.raises(BookClosed, match="closed itself when storage failed"):
        journal.append(BOOK, 4, *lifecycle(2, 5))
    journal.close()
    with SqliteJournal(journal.path) as again:
        assert sequences(again) == [1, 2, 3, 4]
        assert again.append(BOOK, 4, *lifecycle(2, 5)).sequence == 7


def test_a_page_that_cannot_be_read_is_an_error_of_that_reading_alone(
    tmp_path: Path, storage: FaultyVfs
) -> None:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        opened(journal, orders=300)
    with SqliteJournal(tmp_path / "journal.db", vfs=storage.name, read_only=True) as reader:
        whole = reader.head(BOOK)
        storage.fault = failing("read", "db", apsw.IOError, 2)
        with pytest.raises(JournalError, match="cannot be opened or read"):
            sequences(reader)
        storage.fault = None
        assert len(sequences(reader)) == whole.sequence
    storage.fault = failing("read", "db", apsw.IOError)
    with pytest.raises(JournalError, match="cannot be opened or read"):
        SqliteJournal(tmp_path / "journal.db", vfs=storage.name)


def replaced(path: Path) -> None:
    shutil.copy(path, f"{path}.copy")
    os.replace(f"{path}.copy", path)


VANISHED: dict[str, Callable[[Path], object]] = {
    "the database is removed": Path.unlink,
    "the database is renamed": lambda path: path.rename(f"{path}.away"),
    "another file is put in its place": replaced,
    "the WAL is removed": lambda path: Path(f"{path}-wal").unlink(),
    "another WAL is put in its place": lambda path: replaced(Path(f"{path}-wal")),
}


@pytest.mark.parametrize("name", VANISHED)
def test_files_that_vanish_under_a_running_writer_are_noticed_at_the_next_append(
    tmp_path: Path, name: str
) -> None:
    """Such an append goes to files that no opening will find: it must not be answered as if it were safe."""
    journal = SqliteJournal(tmp_path / "journal.db")
    opened(journal, orders=1)
    VANISHED[name](tmp_path / "journal.db")
    with pytest.raises(OutcomeUnknown, match=r"was moved or replaced while it was open|No such file"):
        journal.append(BOOK, 4, [record(5, created(2))])
    with pytest.raises(BookClosed):
        journal.append(BOOK, 4, [record(5, created(2))])
    if name.startswith("the database is re"):
        with pytest.raises(JournalNotFound):
            journal.head(BOOK)
    journal.close()


# --- found when the journal is opened ----------------------------------------------------------------


class Copies(msgspec.Struct):
    """Copies of one journal as a crash would have left it: nothing was closed, so the WAL is not empty.

    Attributes:
        older: it had half of its orders then.
        newest: it had all of them, the first half in the database and the other in the WAL.
        foreign: another journal, of as many orders.
    """

    older: Path
    newest: Path
    foreign: Path
    head: Head


def copied(journal: SqliteJournal, directory: Path) -> Path:
    """The journal's files as they lie there, in a directory of their own."""
    directory.mkdir()
    for suffix in ("", "-wal", ".anchor"):
        shutil.copy(journal.path + suffix, directory / f"journal.db{suffix}")
    return directory / "journal.db"


def trade(journal: SqliteJournal, orders: range, prefix: int = 0) -> Head:
    head = journal.head(BOOK)
    for number in orders:
        head = journal.append(BOOK, head.sequence, *lifecycle(prefix + number, head.sequence + 1))
    return head


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """The copies, made once; each test works on its own copy of them."""
    root = tmp_path_factory.mktemp("copies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anchor_module, "INTERVAL_SECONDS", 0)
        with SqliteJournal(root / "one.db") as journal:
            opened(journal, orders=0)
            trade(journal, range(1, ORDERS // 2 + 1))
            older = copied(journal, root / "older")
            journal._checkpoint()
            head = trade(journal, range(ORDERS // 2 + 1, ORDERS + 1))
            newest = copied(journal, root / "newest")
        with SqliteJournal(root / "other.db") as journal:
            opened(journal, orders=0)
            trade(journal, range(1, ORDERS + 1), prefix=500)
            foreign = copied(journal, root / "foreign")
    return Copies(older, newest, foreign, head)


@pytest.fixture
def copies(made: Copies, tmp_path: Path) -> Copies:
    moved = {}
    for name in ("older", "newest", "foreign"):
        shutil.copytree(getattr(made, name).parent, tmp_path / name)
        moved[name] = tmp_path / name / "journal.db"
    return Copies(**moved, head=made.head)


def put(source: Path, target: Path, *suffixes: str) -> None:
    """Put the files of one journal in the place of another's."""
    for suffix in suffixes:
        shutil.copy(f"{source}{suffix}", f"{target}{suffix}")


def test_what_a_crash_left_is_whole(copies: Copies) -> None:
    assert os.path.getsize(f"{copies.newest}-wal") > 10_000
    with SqliteJournal(copies.newest) as journal:
        assert journal.head(BOOK) == copies.head
        assert AuditLog(journal, BOOK).verify(copies.head).records == RECORDS


REFUSED_AT_OPENING: dict[str, Callable[[Copies], None]] = {
    "the WAL is missing": lambda copies: Path(f"{copies.newest}-wal").unlink(),
    "the WAL is empty": lambda copies: os.truncate(f"{copies.newest}-wal", 0),
    "the WAL is that of an older copy": lambda copies: put(copies.older, copies.newest, "-wal"),
    "the WAL is that of another journal": lambda copies: put(copies.foreign, copies.newest, "-wal"),
    "the database is an older copy": lambda copies: put(copies.older, copies.newest, ""),
    "database and WAL are an older copy": lambda copies: put(copies.older, copies.newest, "", "-wal"),
    "database and WAL are another journal's": lambda copies: put(copies.foreign, copies.newest, "", "-wal"),
    "the anchor is another journal's": lambda copies: put(copies.foreign, copies.newest, ".anchor"),
}


@pytest.mark.parametrize("name", REFUSED_AT_OPENING)
def test_what_was_mixed_or_put_back_is_not_opened(copies: Copies, name: str) -> None:
    """All of them can go on as if the records since had never been: orders would be sent a second time."""
    REFUSED_AT_OPENING[name](copies)
    left = {path.name: path.read_bytes() for path in copies.newest.parent.iterdir()}
    if name == "the database is an older copy":  # and the WAL, written after it, has every page since
        with SqliteJournal(copies.newest) as journal:
            assert journal.head(BOOK) == copies.head
            assert AuditLog(journal, BOOK).verify(copies.head).records == RECORDS
        return
    with pytest.raises((ChainBroken, NotAJournal)):
        SqliteJournal(copies.newest)
    assert left[copies.newest.name] == copies.newest.read_bytes(), "it was not written to"


def test_an_older_anchor_only_lags(copies: Copies) -> None:
    put(copies.older, copies.newest, ".anchor")
    with SqliteJournal(copies.newest) as journal:
        assert journal.head(BOOK) == copies.head
        trade(journal, range(90, 91))
    assert read_anchor(anchor_path(str(copies.newest)))[BOOK].sequence == RECORDS + 3


def test_a_wal_cut_anywhere_drops_whole_appends_and_the_anchor_tells(copies: Copies) -> None:
    wal = Path(f"{copies.newest}-wal")
    whole = wal.read_bytes()
    anchor = Path(f"{copies.newest}.anchor")
    anchored = anchor.read_bytes()
    frame = 24 + 4_096
    frames = [32 + number * frame for number in range((len(whole) - 32) // frame + 1)]
    cuts = {0, 1, 31, len(whole) - 1} | {cut + nudge for cut in frames for nudge in (-1, 0, 1, 700)}
    seen = set()
    for cut in sorted(cut for cut in cuts if 0 <= cut < len(whole)):
        wal.write_bytes(whole[:cut])
        anchor.write_bytes(anchored)
        with pytest.raises(ChainBroken, match=rf"lacks record {RECORDS} "):
            SqliteJournal(copies.newest)
        with SqliteJournal(copies.newest, read_only=True) as journal:
            kept = len(sequences(journal))
            assert kept % 3 == 1, f"cut at {cut}: part of an append is there"
            assert AuditLog(journal, BOOK).verify().records == journal.projection_head(BOOK) == kept
            assert AuditLog(journal, BOOK).verify(copies.head).problem == "truncated"
            seen.add(kept)
    assert seen == set(range(RECORDS - 3 * ORDERS // 2, RECORDS, 3))


def harm(path: Path, head: Head) -> str:
    """What becomes of a journal that may be damaged: ``refused``, ``found``, ``unseen`` or ``silent``.

    ``unseen`` is damage to what nothing reads, or to the tables alone, which are a copy; ``silent`` is a
    record that reads otherwise than it was written.
    """
    try:
        with SqliteJournal(path, read_only=True) as journal:
            verification = AuditLog(journal, BOOK).verify(head)
            if not verification.ok:
                return "found"
            return "unseen" if verification.head == head else "silent"
    except ExecoreError:
        return "refused"


def flipped(whole: bytes, dice: Random) -> bytes:
    """The same with one bit the other way round."""
    place = dice.randrange(len(whole))
    return whole[:place] + bytes([whole[place] ^ (1 << dice.randrange(8))]) + whole[place + 1 :]


def test_a_flipped_byte_of_the_database_is_refused_found_or_of_no_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        head = opened(journal, orders=150)
    whole, dice, seen = path.read_bytes(), Random(7), Counter[str]()
    for _ in range(250):
        path.write_bytes(flipped(whole, dice))
        seen[harm(path, head)] += 1
    assert seen["silent"] == 0
    assert seen["found"] + seen["refused"] > 100, seen


def test_a_flipped_byte_of_the_wal_is_as_good_as_a_cut(copies: Copies) -> None:
    database, wal = copies.newest.read_bytes(), Path(f"{copies.newest}-wal")
    whole, dice, seen = wal.read_bytes(), Random(8), Counter[str]()
    for _ in range(100):
        copies.newest.write_bytes(database)
        wal.write_bytes(flipped(whole, dice))
        Path(f"{copies.newest}-shm").unlink(missing_ok=True)
        try:
            with SqliteJournal(copies.newest) as journal:
                assert journal.head(BOOK) == copies.head
                assert AuditLog(journal, BOOK).verify(copies.head).ok
                seen["of no frame that counts"] += 1
        except ChainBroken:
            seen["refused"] += 1
    assert seen["refused"] > 50, seen


def test_a_flipped_byte_in_a_record_stops_the_opening_of_its_book(copies: Copies) -> None:
    with SqliteJournal(copies.newest) as journal:
        place = next(iter(journal.read(BOOK, 5))).data
    content = copies.newest.read_bytes()
    assert content.count(place) == 1
    copies.newest.write_bytes(content.replace(place, place.replace(b"1.5", b"1.4")))
    with SqliteJournal(copies.newest) as journal:
        with pytest.raises(ChainBroken, match="breaks at sequence 5") as caught:
            list(replayed(journal, BOOK))
        assert caught.value.sequence == 5
