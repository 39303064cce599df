"""Opening an SQLite journal: who owns it, what is refused, and what it promises before the first append."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from execore.journal import sqlite, sqlite_schema
from execore.journal.audit_log import AuditLog
from execore.journal.sqlite import SqliteJournal
from execore.journal.sqlite_schema import FILE_VERSION
from execore.model.errors import (
    ChainBroken,
    JournalError,
    JournalFull,
    JournalNotFound,
    JournalOwned,
    JournalReadOnly,
    NewerSchema,
    NotAJournal,
    NotRecorded,
)
from execore.model.keys import Key, KeyKind
from execore.testing.journal_contract import BOOK, created, lifecycle, opened, record, sequences

OWN_UNTIL_KILLED = """
import sys, time
from execore.journal.audit_log import AuditLog
from execore.journal.sqlite import SqliteJournal
journal = SqliteJournal(sys.argv[1])
print("owned", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


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


@contextmanager
def privileged() -> Iterator[None]:
    """Within ``unprivileged``, be again who the tests run as."""
    who = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(who)


@contextmanager
def writable(directory: Path) -> Iterator[None]:
    """A read-only directory, as its owner sees it meanwhile."""
    directory.chmod(0o755)
    try:
        yield
    finally:
        directory.chmod(0o555)


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that the unprivileged can reach and read, and not write."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        os.chmod(name, 0o755)


def test_commits_are_durable_by_the_settings_read_back(path: Path) -> None:
    with SqliteJournal(path) as journal:
        names = ("journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync")
        settings = {name: next(journal.select(f"PRAGMA {name}"))[0] for name in names}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1}


def test_a_file_system_that_refuses_a_setting_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteJournal(path).close()

    class DeafConnection(apsw.Connection):
        def pragma(self, name: str, *value: Any, **options: Any) -> Any:
            return "delete" if name == "journal_mode" else super().pragma(name, *value, **options)

    monkeypatch.setattr(apsw, "Connection", DeafConnection)
    with pytest.raises(JournalError, match="did not accept journal_mode=wal"):
        SqliteJournal(path)


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(JournalError, match=r"3\.51\.2.*Install apsw>=3\.51\.3"):
        SqliteJournal(path)
    assert not path.exists()


def test_a_new_journal_is_made_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "books" / "2026" / "journal.db"
    with SqliteJournal(path) as journal:
        opened(journal, orders=1)
    with SqliteJournal(path) as journal:
        assert sequences(journal) == [1, 2, 3, 4]


def test_a_second_journal_in_this_process_is_refused(path: Path) -> None:
    with (
        SqliteJournal(path),
        pytest.raises(JournalOwned, match=f"{path.name} is owned by process {os.getpid()}"),
    ):
        SqliteJournal(path)
    SqliteJournal(path).close()


def test_a_link_to_an_owned_journal_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with SqliteJournal(path), pytest.raises(JournalOwned):
        SqliteJournal(tmp_path / "link.db")


def test_another_process_is_refused_until_the_owner_is_killed(path: Path) -> None:
    command = [sys.executable, "-c", OWN_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owned\n"
        with pytest.raises(
            JournalOwned, match=rf"{path.name} is owned by process {owner.pid}.*read_only=True"
        ):
            SqliteJournal(path)
        SqliteJournal(path, read_only=True).close()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    SqliteJournal(path).close()


def test_a_reader_sees_commits_while_the_owner_writes(path: Path) -> None:
    with SqliteJournal(path) as owner:
        opened(owner, orders=1)
        with SqliteJournal(path, read_only=True) as reader:
            assert sequences(reader) == [1, 2, 3, 4]
            owner.append(BOOK, 4, [record(5, created(2))])
            assert reader.head(BOOK) == owner.head(BOOK)


def test_a_reader_can_write_nothing(path: Path) -> None:
    with SqliteJournal(path) as owner:
        opened(owner, orders=1)
    with SqliteJournal(path, read_only=True) as reader:
        with pytest.raises(JournalReadOnly, match="opened to read only"):
            reader.append(BOOK, 4, [record(5, created(2))])
        with pytest.raises(JournalReadOnly):
            reader.clear_projections(BOOK)
        with pytest.raises(JournalReadOnly):
            list(reader.select("DELETE FROM orders"))


def test_a_reader_makes_no_journal(path: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalNotFound, match=r"journal\.db"):
        SqliteJournal(path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_makes_neither_lock_nor_anchor(path: Path, tmp_path: Path) -> None:
    with SqliteJournal(path, anchor=False) as journal:
        opened(journal, orders=1)
    (tmp_path / "journal.db.lock").unlink()
    with SqliteJournal(path, read_only=True) as reader:
        assert sequences(reader) == [1, 2, 3, 4]
    assert {file.name for file in tmp_path.iterdir()} <= {"journal.db", "journal.db-wal", "journal.db-shm"}


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("content", [b"", b"not a database at all", b"x" * 10_000])
def test_a_file_that_is_no_database_is_refused_and_kept(path: Path, content: bytes, read_only: bool) -> None:
    path.write_bytes(content)
    with pytest.raises(NotAJournal, match=r"journal\.db"):
        SqliteJournal(path, read_only=read_only)
    assert path.read_bytes() == content


def test_a_foreign_database_is_refused_and_kept(path: Path) -> None:
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE mine(x)")
    content = path.read_bytes()
    with pytest.raises(NotAJournal, match="is an SQLite database, but not an execore journal"):
        SqliteJournal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kept", [100, 4096, 20_000])
def test_a_truncated_journal_is_refused(path: Path, kept: int) -> None:
    with SqliteJournal(path, anchor=False) as journal:
        opened(journal, orders=100)
    os.truncate(path, kept)
    with pytest.raises(NotAJournal, match=r"not a whole SQLite database.*backup"):
        SqliteJournal(path)


def test_damage_that_is_met_while_reading_is_named(path: Path) -> None:
    with SqliteJournal(path, anchor=False) as journal:
        opened(journal, orders=300)
    with path.open("r+b") as file:
        for page in range(20, os.path.getsize(path) // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    with SqliteJournal(path) as journal, pytest.raises(NotAJournal):
        sequences(journal)


def test_a_newer_file_is_refused(path: Path) -> None:
    SqliteJournal(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version={FILE_VERSION + 1}")
    for read_only in (False, True):
        with pytest.raises(NewerSchema, match="Upgrade execore"):
            SqliteJournal(path, read_only=read_only)


def test_a_journal_that_vanished_from_beside_its_anchor_is_not_begun_anew(path: Path) -> None:
    with SqliteJournal(path) as journal:
        opened(journal, orders=1)
    path.unlink()
    with pytest.raises(NotAJournal, match="is missing"):
        SqliteJournal(path)
    assert not path.exists()


def test_a_journal_cut_before_its_anchor_is_refused(path: Path) -> None:
    with SqliteJournal(path) as journal:
        opened(journal, orders=1)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TRIGGER events_no_delete")
        database.execute("DELETE FROM events WHERE sequence=4")
    with pytest.raises(ChainBroken, match="lacks record 4 of book 'main'") as caught:
        SqliteJournal(path)
    assert caught.value.sequence == 4
    SqliteJournal(path, anchor=False).close()


def test_a_directory_that_cannot_be_written_is_named(public_directory: Path) -> None:
    public_directory.chmod(0o555)
    with unprivileged(), pytest.raises(JournalReadOnly, match="read_only=True"):
        SqliteJournal(public_directory / "journal.db")
    with unprivileged(), pytest.raises(JournalReadOnly):
        SqliteJournal(public_directory / "new" / "journal.db")


def test_a_file_that_cannot_be_written_is_named(public_directory: Path) -> None:
    path = public_directory / "journal.db"
    SqliteJournal(path).close()
    public_directory.chmod(0o777)
    path.chmod(0o444)
    Path(f"{path}.lock").chmod(0o666)
    with unprivileged(), pytest.raises(JournalReadOnly, match=r"journal\.db cannot be written"):
        SqliteJournal(path)
    with unprivileged(), closing(SqliteJournal(path, read_only=True)) as journal:
        assert journal.books() == []


@pytest.fixture
def read_only_directory(public_directory: Path) -> Path:
    """One that the unprivileged can only read, in it a journal of three orders that was closed."""
    with SqliteJournal(public_directory / "journal.db") as journal:
        opened(journal, orders=3)
    public_directory.chmod(0o555)
    return public_directory


def test_a_closed_journal_is_read_where_nothing_can_be_written(read_only_directory: Path) -> None:
    before = sorted(os.listdir(read_only_directory))
    with unprivileged(), SqliteJournal(read_only_directory / "journal.db", read_only=True) as journal:
        assert AuditLog(journal, BOOK).verify(journal.head(BOOK)).records == 10
        assert journal.find_orders(BOOK, [Key(KeyKind.VENUE_ORDER, "V2")]) != {}
        assert journal.damage() == []
        with pytest.raises(JournalReadOnly):
            journal.append(BOOK, 10, [])
    assert sorted(os.listdir(read_only_directory)) == before


@pytest.mark.parametrize("left", [["-wal"], ["-wal", "-shm"]])
def test_what_is_in_the_wal_of_a_killed_owner_is_read_there_too(
    public_directory: Path, left: list[str]
) -> None:
    path, copy = public_directory / "journal.db", public_directory / "killed.db"
    with SqliteJournal(path) as journal:
        head = opened(journal, orders=3)
        for suffix in ("", *left):  # as a kill leaves it: nothing was moved out of the WAL
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
            os.chmod(f"{copy}{suffix}", 0o644)
    public_directory.chmod(0o555)
    with unprivileged(), SqliteJournal(copy, read_only=True) as journal:
        assert journal.head(BOOK) == head
        assert AuditLog(journal, BOOK).verify(head).anchored


def test_a_reader_of_a_journal_that_was_closed_notices_that_it_is_opened(read_only_directory: Path) -> None:
    path = read_only_directory / "journal.db"
    with unprivileged():
        reader = SqliteJournal(path, read_only=True)
        assert reader.head(BOOK).sequence == 10
    read_only_directory.chmod(0o755)
    for first in (10, 13):
        with SqliteJournal(path) as owner:
            owner.append(BOOK, first, *lifecycle(first, first + 1))
            for suffix in ("", "-wal", "-shm"):
                os.chmod(f"{path}{suffix}", 0o644)
            read_only_directory.chmod(0o555)
            with unprivileged():
                assert reader.head(BOOK).sequence == first + 3
            read_only_directory.chmod(0o755)
        read_only_directory.chmod(0o555)
        with unprivileged():
            assert AuditLog(reader, BOOK).verify().records == first + 3
        read_only_directory.chmod(0o755)
    reader.close()


def test_a_reader_of_what_was_open_until_just_now_notices_what_comes(
    read_only_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner is there when the reader looks, and has gone when the file is opened."""
    path = read_only_directory / "journal.db"
    looked: list[str] = []

    def is_still(path: str) -> bool:
        looked.append(path)
        return len(looked) > 1

    with monkeypatch.context() as patched:
        for module in (sqlite, sqlite_schema):
            patched.setattr(module, "is_still", is_still, raising=False)
        with unprivileged(), pytest.raises(JournalError):
            SqliteJournal(path, read_only=True).head(BOOK)
    assert len(looked) == 1
    with unprivileged(), SqliteJournal(path, read_only=True) as reader:
        assert reader.head(BOOK).sequence == 10


@pytest.mark.parametrize("asks", [True, False])
def test_one_moment_of_a_still_journal_ends_when_it_is_opened(
    read_only_directory: Path, *, asks: bool
) -> None:
    path = read_only_directory / "journal.db"

    def read_at_one_moment() -> None:
        with reader.at_one_moment():
            assert reader.head(BOOK).sequence == 10
            with privileged(), writable(read_only_directory), SqliteJournal(path) as owner:
                owner.append(BOOK, 10, *lifecycle(10, 11))
            if asks:
                reader.head(BOOK)

    with unprivileged():
        reader = SqliteJournal(path, read_only=True)
        with pytest.raises(JournalError, match="opened by another while it was read"):
            read_at_one_moment()
    with unprivileged(), reader.at_one_moment():
        assert reader.head(BOOK).sequence == 13
    reader.close()


def test_a_journal_that_cannot_be_reached_is_not_said_to_be_missing(read_only_directory: Path) -> None:
    read_only_directory.chmod(0o644)
    with unprivileged(), pytest.raises(JournalError, match="cannot be reached") as caught:
        SqliteJournal(read_only_directory / "journal.db", read_only=True)
    assert caught.value.code == JournalError.code


@pytest.mark.parametrize("read_only", [True, False])
def test_a_directory_is_no_journal(tmp_path: Path, *, read_only: bool) -> None:
    with pytest.raises(NotAJournal, match="is a directory"):
        SqliteJournal(tmp_path, read_only=read_only)


@pytest.mark.parametrize("sql", ["ADD COLUMN note TEXT", "RENAME COLUMN actor TO player"])
def test_records_whose_table_was_altered_are_not_written_to(path: Path, sql: str) -> None:
    with SqliteJournal(path) as journal:
        opened(journal, orders=1)
    with closing(sqlite3.connect(path)) as shell:
        shell.execute(f"ALTER TABLE events {sql}")
    with pytest.raises(NotAJournal, match="its table events was altered"):
        SqliteJournal(path)


def test_a_wal_that_sqlite_cannot_read_there_is_named(
    public_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = public_directory / "journal.db"
    SqliteJournal(path).close()
    Path(f"{path}-wal").write_bytes(b"left")
    monkeypatch.setattr(apsw, "vfs_names", lambda: ["win32"])
    public_directory.chmod(0o555)
    with unprivileged(), pytest.raises(JournalError, match=r"Copy it with .*-wal to a directory that can be"):
        SqliteJournal(path, read_only=True)


def test_a_failed_opening_lets_go_of_the_lock(path: Path) -> None:
    path.write_bytes(b"no database")
    for _ in range(2):
        with pytest.raises(NotAJournal):
            SqliteJournal(path)


def test_events_cannot_be_changed_by_accident(path: Path) -> None:
    with SqliteJournal(path) as journal:
        opened(journal, orders=1)
    with closing(sqlite3.connect(path)) as database:
        for statement in ("UPDATE events SET actor='me'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)


def test_a_projection_that_does_not_fit_refuses_the_append_whole(path: Path) -> None:
    with SqliteJournal(path) as journal:
        head = opened(journal, orders=1)
        records, changes = lifecycle(2, 5)
        bad_order = msgspec.structs.replace(changes.orders[0], venue_order_id=None)
        with pytest.raises(NotRecorded, match="venue_order_id"):
            journal.append(BOOK, 4, records, msgspec.structs.replace(changes, orders=[bad_order]))
        assert journal.head(BOOK) == head
        assert journal.append(BOOK, 4, records, changes).sequence == 7


@pytest.mark.parametrize("read_only", [False, True])
def test_a_disk_without_room_to_open_a_journal_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    """As SQLite meets it: it cannot make the file that the users of a journal share."""
    SqliteJournal(path).close()

    def fail(*_: object) -> None:
        raise apsw.exception_for(apsw.SQLITE_IOERR_SHMSIZE)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_schema, "_check_identity", fail)
        with pytest.raises(
            JournalFull, match=r"disk of .*journal\.db is full.*Free disk space and open it again"
        ):
            SqliteJournal(path, read_only=read_only)
    SqliteJournal(path, read_only=read_only).close()


def test_a_full_disk_is_named_and_its_opening_lets_go_of_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteJournal(path).close()

    def fail(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        with pytest.raises(JournalFull, match="has no space left"):
            SqliteJournal(path)
    SqliteJournal(path).close()
