"""The journal in one SQLite file, the default: records, chain and readable projection tables."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Self

import apsw

from execore.journal import snapshots
from execore.journal import sqlite_schema as schema
from execore.journal.anchor import AnchorFile, anchor_path
from execore.journal.files import make_directories
from execore.journal.ownership import own
from execore.journal.protocol import NO_CHANGES, Append, Changes, FillsDisclosed, Head, Snapshot
from execore.journal.rows import (
    HASH_COLUMN,
    change_row,
    check_append,
    entry_rows,
    event_rows,
    fill_rows,
    key_rows,
    order_rows,
    position_rows,
    traded_rows,
)
from execore.journal.sqlite_reader import HEAD, SqliteReader, head_of, is_text
from execore.journal.sqlite_still import Stamp, is_still, stamp
from execore.model.errors import (
    BookClosed,
    ChainBroken,
    InvalidConfiguration,
    JournalError,
    JournalFull,
    JournalReadOnly,
    NotRecorded,
    OutcomeUnknown,
)
from execore.model.events import OrderReowned
from execore.model.orders import Order
from execore.model.records import Record

CHECKPOINT_PAGES: Final = 4_000
"""Pages the WAL grows by (16 MB) before they are moved into the database file."""

# Projections that were cleared, or lag, stay marked as lagging until somebody rebuilds them.
_SET_PROJECTIONS: Final = """INSERT INTO projection_heads(book, sequence) VALUES(?, ?)
  ON CONFLICT(book) DO UPDATE SET sequence=excluded.sequence"""
_ADVANCE_PROJECTIONS: Final = f"{_SET_PROJECTIONS} WHERE sequence=?"


class SqliteJournal(SqliteReader):
    """Implements ``Journal`` in one SQLite file that anybody can read with the ``sqlite3`` shell.

    One object owns the file and writes it; any number may read it meanwhile, here or in other processes.
    Use an object from one thread. An append is one transaction and one sync, whatever its size.
    A file of an older version can be read as it is; opened for writing it gets the tables of this version.

    Args:
        path: the database file; a new journal is made there, with its parent directories.
        read_only: look only: own nothing, make nothing.
        vfs: name of an apsw VFS to go through, for tests of failing storage.
        anchor: keep ``<path>.anchor`` up with the journal, and refuse one that falls short of it.

    Raises:
        JournalOwned: somebody else has it open for writing.
        JournalNotFound: ``read_only``, and there is none.
        JournalReadOnly: the file or its directory cannot be written.
        JournalFull: there is no space for a new one, or for new tables.
        NotAJournal: the file is foreign, truncated or damaged, or gone from beside its WAL or anchor.
        NewerSchema: a newer execore made it.
        ChainBroken: it lacks a record that its anchor names.
        InvalidConfiguration: the path is not UTF-8.
        JournalError: SQLite is too old, or the file system cannot keep commits durable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        vfs: str | None = None,
        anchor: bool = True,
    ) -> None:
        schema.check_sqlite_version()
        self.path = os.path.realpath(path)
        if not is_text(self.path):
            raise InvalidConfiguration(
                "journal", f"{self.path!r} is not UTF-8", "SQLite needs a path that is: rename it"
            )
        self._vfs = vfs
        self._is_read_only = read_only
        self._anchor: AnchorFile | None = None
        self._wal_pages = self._checkpointed_pages = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._stamp: Stamp | None = None
        self._failed_because = ""
        self._is_closed = False
        self._resources = ExitStack()
        try:
            if not read_only:
                self._own(vfs)
            self._connection = self._connect(read_only=read_only)
            self._reading: apsw.Connection | None = self._connection
            if not read_only:
                self._begin_writing(anchor)
        except BaseException:
            self._resources.close()
            raise

    def _own(self, vfs: str | None) -> None:
        try:
            make_directories(os.path.dirname(self.path))
            self._resources.callback(os.close, own(self.path))
            if not os.path.exists(self.path):
                schema.create(self.path, vfs)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise JournalFull(
                    f"{self.path} has no space left ({error.strerror})", "Free disk space and open it again"
                ) from error
            raise JournalReadOnly(
                f"{self.path} cannot be written ({error.strerror})",
                "Make the directory writable, or open the journal with read_only=True",
            ) from error

    def _connect(self, *, read_only: bool) -> apsw.Connection:
        as_it_lies = read_only and self._vfs is None and is_still(self.path)
        self._stamp = stamp(self.path) if as_it_lies else None
        connection = schema.connect(self.path, read_only=read_only, vfs=self._vfs, as_it_lies=as_it_lies)
        self._resources.callback(_close, connection)
        return connection

    def _begin_writing(self, anchor: bool) -> None:
        # In place of SQLite's automatic checkpoints, which would hide a failed sync.
        self._connection.set_wal_hook(self._note_wal_pages)
        if anchor:
            self._anchor = AnchorFile(anchor_path(self.path))
            self._check_anchor(self._anchor)
            self._resources.callback(self._anchor.write)
        schema.bring_up(self._connection, self.path)
        self._make_durable_what_is_there()
        self._places = {path: _place(path) for path in (self.path, f"{self.path}-wal")}
        schema.move_wal_on_closing(self._connection, True)

    def _make_durable_what_is_there(self) -> None:
        """Sync what will be read: a commit that was cut short may be in the system's cache alone.

        It would be shown, and acted upon, and then be lost with the power. A checkpoint syncs the WAL first.
        """
        with schema.translated_errors(self.path), suppress(apsw.BusyError, apsw.LockedError):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _check_anchor(self, anchor: AnchorFile) -> None:
        for book, head in anchor.heads.items():
            found = next(self.read(book, head.sequence), None)
            if found is None or (found.sequence, found.hash) != (head.sequence, head.hash):
                raise ChainBroken(
                    f"{self.path} lacks record {head.sequence} of book {book!r} as {anchor.path} names it: "
                    "its tail was cut, or it was rewritten or restored from an older copy",
                    "Restore the newest copy; to go on with this one, move the anchor away and reconcile",
                    sequence=head.sequence,
                )

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Make ``records`` durable as the continuation of ``expected_sequence``; return the new head.

        All of the records and changes are stored, or none.

        Raises:
            SequenceConflict: the book's head is not ``expected_sequence``; nothing was stored.
            JournalFull, JournalReadOnly, NotRecorded: nothing was stored, proven by a rollback.
            InvariantViolation: the records do not continue the book; nothing was stored.
            ChainBroken: the last record's hash is damaged; nothing was stored.
            OutcomeUnknown: storage failed such that the records may or may not be durable.
            BookClosed: the journal is closed, or failed before.
        """
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Make the records of several books durable in one commit, with one sync: all of them or none.

        Raises:
            As ``append``, for any of them.
        """
        with self._transaction():
            heads = [self._insert(append) for append in appends]
        if any(append.records for append in appends):
            self._after_commit({append.book: head for append, head in zip(appends, heads, strict=True)})
        return heads

    def _insert(self, append: Append) -> Head:
        book, expected, connection = append.book, append.expected_sequence, self._connection
        head = head_of(self.path, connection.execute(HEAD, (book,)).fetchall())
        check_append(self.path, book, expected, head, append.records)
        rows = event_rows(append.records, _link(book, head))
        connection.executemany(schema.INSERT_EVENT, rows)
        self._project(book, append.changes)
        sequence = expected + len(rows)
        connection.execute(_ADVANCE_PROJECTIONS, (book, sequence, expected))
        return Head(sequence, str(rows[-1][HASH_COLUMN])) if rows else head

    def _project(self, book: str, changes: Changes) -> None:
        connection = self._connection
        connection.executemany(schema.PUT_ORDER, order_rows(book, changes.orders))
        self._put_traded(book, changes.traded)
        connection.executemany(schema.PUT_FILL, fill_rows(book, changes.fills))
        connection.executemany(schema.PUT_POSITION, position_rows(book, changes.positions))
        connection.executemany(schema.PUT_ENTRY, entry_rows(book, changes.entries))
        connection.executemany(schema.PUT_KEY, key_rows(book, changes.keys))
        for change in changes.fill_changes:
            if isinstance(change, OrderReowned):
                external = change.external_order_id
                connection.execute(schema.MOVE_FILLS, (change.client_order_id, book, external))
                connection.execute(schema.END_ORDER, (book, external))
            elif isinstance(change, FillsDisclosed):
                row = (change.side, change.sequence, book, change.client_order_id)
                connection.execute(schema.DISCLOSE_FILLS, row)
            else:
                connection.execute(schema.CHANGE_FILL, change_row(book, change))

    def _put_traded(self, book: str, orders: Sequence[Order]) -> None:
        """Write what trading changes of orders: most of what is written, and a whole row costs twice as much.

        A row that shows something else of its order than is presumed is left: then all are written whole.
        """
        connection = self._connection
        before = connection.total_changes()
        connection.executemany(schema.TRADE_ORDER, traded_rows(book, orders))
        if connection.total_changes() - before != len(orders):
            connection.executemany(schema.PUT_ORDER, order_rows(book, orders))

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        self._check_writable()
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
            self._check_places()
        except apsw.Error as error:
            raise self._failure(error) from error
        except BaseException as error:
            if isinstance(error, OSError) or not self._roll_back():
                raise self._poison(error) from error
            raise

    def _check_places(self) -> None:
        """Make sure that what was committed went to files that the next opening will find.

        Raises:
            OSError: one of them was removed, or another was put in its place, while the journal was open.
        """
        for path, place in self._places.items():
            if _place(path) != place:
                raise FileNotFoundError(f"{path} was moved or replaced while it was open")

    def _failure(self, error: apsw.Error) -> JournalError:
        """What a failed transaction means: refused for certain, or unknown, and then nothing more is written.

        A full disk is certain even at COMMIT: the frame that commits is the last to be written. A failed
        write or sync is not, and trying again could succeed without the data being there.
        """
        meaning = schema.meaning_of(error, self.path)
        if isinstance(meaning, NotRecorded) and self._roll_back():
            return meaning
        return self._poison(error)

    def _roll_back(self) -> bool:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            return False
        return True

    def _poison(self, error: BaseException) -> OutcomeUnknown:
        """End writing for good. Reading goes on, from what the last commit that was answered left."""
        self._failed_because = f"{self.path} closed itself when storage failed ({error})"
        # Neither now nor on closing may anything be synced that failed to sync: the next opening decides what
        # is there. Until then the connection stays, as it keeps others from taking its last writes for whole.
        schema.move_wal_on_closing(self._connection, False)
        self._roll_back()
        self._reading = None
        return OutcomeUnknown(
            f"{self.path}: storage failed ({error}); the records may or may not be durable",
            "Check the disk, then open the journal again: it says what is there",
        )

    def _note_wal_pages(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _after_commit(self, heads: dict[str, Head]) -> None:
        if self._anchor is not None:
            self._anchor.advance(heads)
        if self._wal_pages < self._checkpointed_pages:
            self._checkpointed_pages = 0  # the WAL began anew
        if self._wal_pages - self._checkpointed_pages >= CHECKPOINT_PAGES:
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Move the WAL into the database. What was committed is safe either way; a failure ends writing."""
        self._checkpointed_pages = self._wal_pages
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.BusyError, apsw.LockedError):
            return  # another program does the same at this moment
        except apsw.Error as error:
            self._poison(error)

    def write_projections(self, book: str, sequence: int, changes: Changes) -> None:
        """Write rebuilt projection rows of ``book``, which are then complete up to ``sequence``.

        Raises:
            JournalFull, JournalReadOnly, NotRecorded, OutcomeUnknown, BookClosed: as for ``append``.
        """
        with self._transaction() as connection:
            self._project(book, changes)
            connection.execute(_SET_PROJECTIONS, (book, sequence))

    def clear_projections(self, book: str) -> None:
        """Empty the projections of ``book``; they lag until ``write_projections`` has caught up.

        Raises:
            JournalFull, JournalReadOnly, NotRecorded, OutcomeUnknown, BookClosed: as for ``append``.
        """
        with self._transaction() as connection:
            for table in schema.PROJECTION_TABLES:
                connection.execute(f"DELETE FROM {table} WHERE book=?", (book,))
            connection.execute(_SET_PROJECTIONS, (book, 0))

    def make_tables_anew(self) -> None:
        """Put empty tables in the place of those of all books, whatever is wrong with them; they lag then.

        Raises:
            JournalFull, JournalReadOnly, NotRecorded, OutcomeUnknown, BookClosed: as for ``append``.
        """
        with self._transaction() as connection:
            schema.make_tables_anew(connection)

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Keep a snapshot in a file beside the journal; see ``snapshots.save_snapshot``.

        Raises:
            JournalError: it cannot be kept. The journal is unharmed.
        """
        snapshots.save_snapshot(self.path, book, snapshot, lambda head: self.has(book, head))

    def close(self) -> None:
        """Let go of the file and of owning it. Closing twice is allowed."""
        self._is_closed = True
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_writable(self) -> None:
        self._check_open()
        if self._failed_because:
            raise BookClosed(self._failed_because, "Open the journal again; until then it can be read")
        if self._is_read_only:
            raise JournalReadOnly(f"{self.path} was opened to read only", "Open it without read_only=True")

    def _check_open(self) -> None:
        if self._is_closed:
            raise BookClosed(f"{self.path} is closed", "Open the journal again")

    def _readable(self) -> apsw.Connection:
        self._check_open()
        has_changed = self._stamp is not None and self._stamp != stamp(self.path)
        if has_changed and self._reading is not None and self._reading.in_transaction:
            raise JournalError(f"{self.path} was opened by another while it was read", "Run it again")
        if self._reading is None or has_changed:
            self._reading = self._connect(read_only=True)
        return self._reading


def _close(connection: apsw.Connection) -> None:
    # What cannot be moved out of the WAL on closing stays in it, and is as safe there.
    with suppress(apsw.Error):
        connection.close()


def _place(path: str) -> tuple[int, int]:
    """Which file lies there: its device and number."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _link(book: str, head: Head) -> bytes:
    try:
        return bytes.fromhex(head.hash)
    except ValueError as error:
        raise ChainBroken(
            f"book {book!r}: the hash of record {head.sequence} is damaged; nothing was stored",
            "Run `execore audit verify`; restore the journal from a copy that verifies",
            sequence=head.sequence,
        ) from error
