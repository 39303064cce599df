"""The journal in one SQLite file, the default: records, chain and readable projection tables."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Self

import apsw

from execore.journal import sqlite_schema as schema
from execore.journal.anchor import AnchorFile, anchor_path
from execore.journal.protocol import EMPTY_HEAD, NO_CHANGES, Changes, Head
from execore.journal.rows import (
    HASH_COLUMN,
    INDEXED_COLUMNS,
    change_row,
    check_append,
    event_rows,
    fill_rows,
    order_rows,
    position_rows,
)
from execore.model.errors import (
    BookClosed,
    ChainBroken,
    InvalidConfiguration,
    JournalError,
    JournalReadOnly,
    NotAJournal,
    NotRecorded,
    OutcomeUnknown,
)
from execore.model.events import OrderReowned
from execore.model.records import Record, StoredRecord

CHECKPOINT_PAGES: Final = 4_000
"""Pages the WAL grows by (16 MB) before they are moved into the database file."""

_PAGE_ROWS: Final = 1_000
# What SQLite can number. Reading begins at the least: a record inserted before the first must be seen too.
_LEAST: Final = -(1 << 63)
_GREATEST: Final = (1 << 63) - 1
# A name that is no text arrives as a blob; a text stays what it is.
_BOOK: Final = "book=CAST(? AS TEXT)"
_HEAD: Final = f"SELECT sequence, CAST(hash AS BLOB) FROM events WHERE {_BOOK} ORDER BY sequence DESC LIMIT 1"
# DISTINCT would walk every record; this jumps from book to book in the primary key.
_BOOKS: Final = """WITH RECURSIVE found(book) AS (
    SELECT min(book) FROM events
    UNION ALL SELECT (SELECT min(book) FROM events WHERE book > found.book) FROM found WHERE book IS NOT NULL)
  SELECT CAST(book AS BLOB) FROM found WHERE book IS NOT NULL"""
# Read as blobs: damaged text need not be UTF-8, and must not stop whoever looks for the damage.
_STORED: Final = "sequence, CAST(hash AS BLOB), CAST(data AS BLOB)"
_INDEXED: Final = ", ".join(f"CAST({column} AS BLOB)" for column in INDEXED_COLUMNS)
_PAGE: Final = "sequence>=? ORDER BY sequence LIMIT ?"
_READ: Final = f"SELECT {_STORED} FROM events WHERE {_BOOK} AND {_PAGE}"
# Named, because the planner would rather walk the primary key, which is in the order asked for.
_BY_ORDER: Final = "events INDEXED BY events_by_order"
_READ_ORDER: Final = f"SELECT {_STORED} FROM {_BY_ORDER} WHERE {_BOOK} AND client_order_id=? AND {_PAGE}"
_READ_INDEXED: Final = f"SELECT {_STORED}, {_INDEXED} FROM events WHERE {_BOOK} AND {_PAGE}"
# Projections that were cleared, or lag, stay marked as lagging until somebody rebuilds them.
_SET_PROJECTIONS: Final = """INSERT INTO projection_heads(book, sequence) VALUES(?, ?)
  ON CONFLICT(book) DO UPDATE SET sequence=excluded.sequence"""
_ADVANCE_PROJECTIONS: Final = f"{_SET_PROJECTIONS} WHERE sequence=?"


class SqliteJournal:
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
        if not _is_text(self.path):
            raise InvalidConfiguration(
                "journal", f"{self.path!r} is not UTF-8", "SQLite needs a path that is: rename it"
            )
        self._is_read_only = read_only
        self._anchor: AnchorFile | None = None
        self._wal_pages = self._checkpointed_pages = 0
        self._closed_because = ""
        self._resources = ExitStack()
        try:
            if not read_only:
                self._own(vfs)
            self._connection = schema.connect(self.path, read_only=read_only, vfs=vfs)
            self._resources.callback(self._connection.close)
            if not read_only:
                self._begin_writing(anchor)
        except BaseException:
            self._resources.close()
            raise

    def _own(self, vfs: str | None) -> None:
        try:
            schema.make_directories(os.path.dirname(self.path))
            self._resources.callback(os.close, schema.own(self.path))
            if not os.path.exists(self.path):
                schema.create(self.path, vfs)
        except OSError as error:
            raise JournalReadOnly(
                f"{self.path} cannot be written ({error.strerror})",
                "Make the directory writable, or open the journal with read_only=True",
            ) from error

    def _begin_writing(self, anchor: bool) -> None:
        # In place of SQLite's automatic checkpoints, which would hide a failed sync.
        self._connection.set_wal_hook(self._note_wal_pages)
        if anchor:
            self._anchor = AnchorFile(anchor_path(self.path))
            self._check_anchor(self._anchor)
            self._resources.callback(self._anchor.write)
        schema.bring_up(self._connection, self.path)

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
        with self._transaction() as connection:
            head = _head_of(list(connection.execute(_HEAD, (book,))))
            check_append(self.path, book, expected_sequence, head, records)
            rows = event_rows(records, _link(book, head))
            connection.executemany(schema.INSERT_EVENT, rows)
            self._project(book, changes)
            sequence = expected_sequence + len(rows)
            connection.execute(_ADVANCE_PROJECTIONS, (book, sequence, expected_sequence))
        if rows:
            head = Head(sequence, str(rows[-1][HASH_COLUMN]))
            self._after_commit(book, head)
        return head

    def _project(self, book: str, changes: Changes) -> None:
        connection = self._connection
        connection.executemany(schema.UPSERT_ORDER, order_rows(book, changes.orders))
        connection.executemany(schema.UPSERT_FILL, fill_rows(book, changes.fills))
        connection.executemany(schema.UPSERT_POSITION, position_rows(book, changes.positions))
        for change in changes.fill_changes:
            if isinstance(change, OrderReowned):
                external = change.external_order_id
                connection.execute(schema.MOVE_FILLS, (change.client_order_id, book, external))
                connection.execute(schema.END_ORDER, (book, external))
            else:
                connection.execute(schema.CHANGE_FILL, change_row(book, change))

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        self._check_open()
        if self._is_read_only:
            raise JournalReadOnly(f"{self.path} was opened to read only", "Open it without read_only=True")
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except apsw.Error as error:
            raise self._failure(error) from error
        except BaseException as error:
            if not self._roll_back():
                raise self._poison(error) from error
            raise

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
        self._closed_because = f"{self.path} closed itself when storage failed ({error})"
        # Closing must not sync what failed to sync: the next opening decides what is there.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return OutcomeUnknown(
            f"{self.path}: storage failed ({error}); the records may or may not be durable",
            "Check the disk, then open the journal again: it says what is there",
        )

    def _note_wal_pages(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _after_commit(self, book: str, head: Head) -> None:
        if self._anchor is not None:
            self._anchor.advance(book, head)
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

    def projection_head(self, book: str) -> int:
        """Up to which sequence the projections of ``book`` are built; less than its head is a lag."""
        rows = self._fetch("SELECT sequence FROM projection_heads WHERE book=?", (book,))
        return int(rows[0][0]) if rows else 0

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order.

        From the first on, they are all the rows there are: also any that was inserted before it.

        Raises:
            NotAJournal: the file is damaged. BookClosed: the journal is closed, or failed before.
        """
        from_sequence = _LEAST if from_sequence <= 1 else from_sequence
        for sequence, digest, data in self._paged(_READ, (book,), from_sequence):
            yield StoredRecord(sequence, _text(digest), data)

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order. Raises as ``read``."""
        for sequence, digest, data in self._paged(_READ_ORDER, (book, client_order_id), _LEAST):
            yield StoredRecord(sequence, _text(digest), data)

    def read_indexed(self, book: str) -> Iterator[tuple[StoredRecord, tuple[str, ...]]]:
        """Yield every record of ``book`` with the texts of its ``INDEXED_COLUMNS``. Raises as ``read``."""
        for sequence, digest, data, *columns in self._paged(_READ_INDEXED, (book,), _LEAST):
            texts = tuple([str(column, "utf-8", "replace") for column in columns])  # as _text, and faster
            yield StoredRecord(sequence, _text(digest), data), texts

    def head(self, book: str) -> Head:
        """The last durable sequence and hash of ``book``; ``EMPTY_HEAD`` where there is none."""
        return _head_of(self._fetch(_HEAD, (book,)))

    def books(self) -> list[str]:
        """The names of the books in this journal, sorted; what is no text is escaped as file names are."""
        return [name.decode(errors="surrogateescape") for (name,) in self._fetch(_BOOKS)]

    def select(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query over the tables, for views. Raises as ``read``.

        Finish or drop the iterator soon: until then the WAL cannot begin anew.
        """
        self._check_open()
        with schema.translated_errors(self.path):
            try:
                yield from self._connection.execute(sql, tuple(map(_bindable, parameters)))
            except UnicodeDecodeError as error:
                raise NotAJournal(
                    f"{self.path} holds text that is not UTF-8 ({error})",
                    "Run `execore audit verify` to see what is damaged, and restore a copy that verifies",
                ) from error

    def close(self) -> None:
        """Let go of the file and of owning it. Closing twice is allowed."""
        self._closed_because = self._closed_because or f"{self.path} is closed"
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closed_because:
            raise BookClosed(self._closed_because, "Open the journal again")

    def _fetch(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self.select(sql, parameters))

    def _paged(self, sql: str, keys: tuple[str, ...], from_sequence: int) -> Iterator[tuple[Any, ...]]:
        # No statement stays open between pages: a slow reader must not keep the WAL from beginning anew.
        while from_sequence <= _GREATEST and (rows := self._fetch(sql, (*keys, from_sequence, _PAGE_ROWS))):
            yield from rows
            from_sequence = rows[-1][0] + 1


def _head_of(rows: list[tuple[Any, ...]]) -> Head:
    return Head(rows[0][0], _text(rows[0][1])) if rows else EMPTY_HEAD


def _link(book: str, head: Head) -> bytes:
    try:
        return bytes.fromhex(head.hash)
    except ValueError as error:
        raise ChainBroken(
            f"book {book!r}: the hash of record {head.sequence} is damaged; nothing was stored",
            "Run `execore audit verify`; restore the journal from a copy that verifies",
            sequence=head.sequence,
        ) from error


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8. A name from outside need not be: it may hold lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bindable(parameter: object) -> object:
    """A parameter as SQLite takes it. What is no text is the bytes it stands for, and equals no text."""
    if not isinstance(parameter, str) or _is_text(parameter):
        return parameter
    try:
        return parameter.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return parameter.encode(errors="surrogatepass")


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")
