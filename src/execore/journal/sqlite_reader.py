"""What is read from the SQLite file of a journal: records, heads, and what orders are found by."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import apsw
import msgspec

from execore.journal import snapshots
from execore.journal import sqlite_schema as schema
from execore.journal.codec import GENESIS, decode_record, next_hash
from execore.journal.protocol import EMPTY_HEAD, Head, Snapshot
from execore.journal.rows import INDEXED_COLUMNS, POSITION_COLUMNS
from execore.journal.sqlite_past import ENTRIES, MOVED_UNITS, TRADES, damaged, in_order, stored, text_in
from execore.journal.venue_ids import last_given
from execore.model.errors import ChainBroken, JournalError, NotAJournal
from execore.model.events import CashTransferred, EntryBooked
from execore.model.keys import Key, KeyKind
from execore.model.records import StoredRecord
from execore.model.trades import PastItem

_PAGE_ROWS: Final = 1_000
# What SQLite can number. Reading begins at the least: a record inserted before the first must be seen too.
_LEAST: Final = -(1 << 63)
_GREATEST: Final = (1 << 63) - 1
# A name that is no text arrives as a blob; a text stays what it is.
_BOOK: Final = "book=CAST(? AS TEXT)"
HEAD: Final = f"SELECT sequence, CAST(hash AS BLOB) FROM events WHERE {_BOOK} ORDER BY sequence DESC LIMIT 1"
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
_PREVIOUS: Final = """(SELECT CAST(before.hash AS BLOB) FROM events AS before
  WHERE before.book=events.book AND before.sequence=events.sequence-1)"""
_READ_ORDER: Final = f"""SELECT {_STORED}, {_PREVIOUS} FROM {_BY_ORDER}
  WHERE {_BOOK} AND client_order_id=? AND {_PAGE}"""
_READ_INDEXED: Final = f"SELECT {_STORED}, {_INDEXED} FROM events WHERE {_BOOK} AND {_PAGE}"
# Asked for together, as a list (?2), keys take a fifth of the time that they take one by one. CROSS JOIN
# keeps the planner from walking the table.
_EACH: Final = "FROM json_each(?2) AS asked CROSS JOIN"
_NAMED: Final = f"""SELECT asked.key, symbol, client_order_id, NULL {_EACH} keys
          WHERE book=?1 AND text=asked.value AND kind="""
FIND: Final = {
    KeyKind.ORDER: f"""SELECT asked.key, '', client_order_id, 0 {_EACH} orders
          WHERE book=?1 AND client_order_id=asked.value
        UNION ALL {_NAMED} 'order'""",
    KeyKind.VENUE_ORDER: f"""SELECT asked.key, symbol, client_order_id, created_ts_ns
          {_EACH} orders INDEXED BY orders_by_venue_id
          WHERE book=?1 AND venue_order_id=asked.value AND venue_order_id<>''
        UNION ALL {_NAMED} 'venue_order'""",
    KeyKind.EXECUTION: f"""SELECT asked.key, '', client_order_id, 0
          {_EACH} fills INDEXED BY fills_by_execution
          WHERE book=?1 AND execution_key=asked.value
        UNION ALL {_NAMED} 'execution'""",
}
"""For each kind of key: its place, the symbol it stands for an order in, the order, and a rank, of which the
greatest is meant; None is a name that no row of the order itself shows."""

_IS_PROJECTED: Final = """SELECT coalesce((SELECT sequence FROM projection_heads WHERE book=?1), 0)
  >= coalesce((SELECT max(sequence) FROM events WHERE book=?1), 0)"""
_PROJECTION_HEAD: Final = f"""SELECT sequence FROM projection_heads WHERE book=?1
  AND (EXISTS(SELECT 1 FROM orders WHERE book=?1)
    OR NOT EXISTS(SELECT 1 FROM {_BY_ORDER} WHERE book=?1 AND client_order_id>''))
  AND EXISTS(SELECT 1 FROM fills WHERE book=?1) = EXISTS(SELECT 1 FROM positions WHERE book=?1)"""
_TAKEN_OVER: Final = f"""SELECT text, client_order_id {_EACH} keys
  WHERE book=?1 AND kind='order' AND text=asked.value
  AND NOT EXISTS(SELECT 1 FROM orders WHERE book=?1 AND client_order_id=text)"""
_NAMED_AFTER: Final = f"""SELECT value FROM json_each(?)
  WHERE EXISTS(SELECT 1 FROM {_BY_ORDER} WHERE {_BOOK} AND client_order_id=value AND sequence>?)"""
_POSITIONS_HELD: Final = f"""SELECT sequence, {", ".join(POSITION_COLUMNS[1:])}
  FROM projection_heads LEFT JOIN positions USING(book) WHERE book=?"""
# What a row has of each column, unless the file is damaged: a page that was written to another's place may
# hold anything.
_StoredRows = list[tuple[int, bytes, bytes]]
_LinkedRows = list[tuple[int, bytes, bytes, bytes | None]]
_IndexedRows = list[tuple[int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]]
_HeldRows = list[tuple[int, str | None, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any, Any]]
_FoundRows = list[tuple[int, str, str, int | None]]
_Rows = TypeVar("_Rows")


class SqliteReader(ABC):
    """The reading half of ``SqliteJournal``."""

    path: str

    @abstractmethod
    def _readable(self) -> apsw.Connection:
        """The connection to read from.

        Raises:
            BookClosed: the journal is closed. JournalError: the file cannot be read.
        """

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order.

        From the first on, they are all the rows there are: also any that was inserted before it.

        Raises:
            NotAJournal: the file is damaged. BookClosed: the journal is closed, or failed before.
        """
        from_sequence = _LEAST if from_sequence <= 1 else from_sequence
        for sequence, digest, data in self._paged(_StoredRows, _READ, (book,), from_sequence):
            yield StoredRecord(sequence, text_in(digest), data)

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order, each checked against the one before it.

        A replay from a snapshot checks only what came after that.

        Raises:
            ChainBroken: a record was changed, or the one before it. And as ``read``.
        """
        keys = (book, client_order_id)
        for sequence, digest, data, previous in self._paged(_LinkedRows, _READ_ORDER, keys, _LEAST):
            if not _is_linked(previous, digest, data):
                raise ChainBroken(
                    f"book {book}: the chain breaks at sequence {sequence}",
                    "Run `execore audit verify`; restore the journal from a copy that verifies",
                    sequence=sequence,
                )
            yield StoredRecord(sequence, text_in(digest), data)

    def read_indexed(self, book: str) -> Iterator[tuple[StoredRecord, tuple[str, ...]]]:
        """Yield every record of ``book`` with the texts of its ``INDEXED_COLUMNS``. Raises as ``read``."""
        for sequence, digest, data, *columns in self._paged(_IndexedRows, _READ_INDEXED, (book,), _LEAST):
            texts = tuple([str(column, "utf-8", "replace") for column in columns])  # as _text, and faster
            yield StoredRecord(sequence, text_in(digest), data), texts

    def head(self, book: str) -> Head:
        """The last durable sequence and hash of ``book``; ``EMPTY_HEAD`` where there is none."""
        return head_of(self.path, self._fetch(HEAD, (book,)))

    def books(self) -> list[str]:
        """The names of the books in this journal, sorted; what is no text is escaped as file names are."""
        names = self._fetch_as(list[tuple[bytes]], _BOOKS)
        return [name.decode(errors="surrogateescape") for (name,) in names]

    def named_after(self, book: str, client_order_ids: Sequence[str], sequence: int) -> set[str]:
        """Those of the orders that a record after ``sequence`` is of. Raises as ``read``."""
        asked = msgspec.json.encode(client_order_ids).decode()
        return {str(named) for (named,) in self._fetch(_NAMED_AFTER, (asked, book, sequence))}

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for, by its client order id; keys nobody gave are left out.

        One that was taken over since is answered by its present owner. Where a venue gave an id twice, it
        is that of the order it was given last; without a symbol, in the first symbol by name.

        Raises:
            JournalError: the tables lag, so that an absence would prove nothing. And as ``read``.
            ChainBroken: a record of an order that shares its id with another was changed.
        """
        self._check_projected(book)
        asked: dict[KeyKind, list[Key]] = {kind: [] for kind in KeyKind}
        for key in keys:
            asked[key.kind].append(key)
        found: dict[Key, tuple[int, str]] = {}
        named: dict[Key, str] = {}
        claimed: set[Key] = set()
        for kind, sql in FIND.items():  # an entry stands for no order
            of_kind = asked[kind]
            for place, symbol, client_order_id, rank in self._look_up(sql, book, of_kind):
                key = of_kind[place]
                if key.symbol not in ("", symbol):
                    continue
                if kind is KeyKind.VENUE_ORDER and (key in found or key in named):
                    claimed.add(key)
                if rank is None:
                    named.setdefault(key, client_order_id)
                elif key not in found or found[key] < (rank, client_order_id):
                    found[key] = (rank, client_order_id)
        owners = self._present_owners(book, set(named.values()))
        present = {key: owners[owner] for key, owner in named.items()}
        present |= {key: client_order_id for key, (_, client_order_id) in found.items()}
        return present | {key: last_given(self, book, *self.claims(book, key)) for key in claimed}

    def claims(self, book: str, key: Key) -> tuple[str, str, list[str]]:
        """An id of the venue's, a symbol, and those that have or had it there, the one made last is last.

        Without a symbol in ``key``, it is the first by name. Raises as ``read``.
        """
        rows = [row[1:] for row in self._look_up(FIND[key.kind], book, [key])]
        symbol = key.symbol or min((symbol for symbol, *_ in rows), default="")
        of_symbol = [(-1 if rank is None else rank, owner) for named, owner, rank in rows if named == symbol]
        owners = self._present_owners(book, {owner for _, owner in of_symbol})
        return key.text, symbol, list(dict.fromkeys(owners[owner] for _, owner in sorted(of_symbol)))

    def _present_owners(self, book: str, named: set[str]) -> dict[str, str]:
        """Who has what was each order's: itself, or the last of those that took it over, one the other."""
        owners = {one: one for one in named}
        asked = named
        while asked:
            parameters = (book, msgspec.json.encode(asked).decode())
            moved = dict(self._fetch_as(list[tuple[str, str]], _TAKEN_OVER, parameters))
            owners = {one: moved.get(owner, owner) for one, owner in owners.items()}
            asked = set(moved.values())
        return owners

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield all that ever moved the units of these instruments, with its key, in the order of booking.

        An execution of undisclosed side is where it was booked first. All fills of the book are gone through.

        Raises:
            JournalError: the tables lag. NewerSchema: an entry is of a newer execore. And as ``read``.
        """
        self._check_projected(book)
        asked = (book, msgspec.json.encode(list(symbols)).decode())
        return in_order(self.path, self.select(TRADES, asked), self.select(MOVED_UNITS, asked))

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """The entries and transfers of cash that have these ids; others are left out.

        Raises:
            JournalError: the tables lag. NewerSchema: an entry is of a newer execore. And as ``read``.
        """
        if not entry_ids:
            return []
        self._check_projected(book)
        rows = self.select(ENTRIES, (book, msgspec.json.encode(list(entry_ids)).decode()))
        found: list[Any] = [decode_record(stored(row)).event for row in rows]
        return found

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot that is whole and whose last record is in this journal; None if there is none.

        Raises as ``read``.
        """
        return next(self.snapshots(book), None)

    def snapshots(self, book: str) -> Iterator[Snapshot]:
        """Yield those snapshots that are whole and whose last record is in this journal, the newest first.

        Raises as ``read``.
        """
        self._readable()  # a closed journal refuses everything
        for snapshot in snapshots.whole_snapshots(self.path, book):
            if self.has(book, snapshot.head):
                yield snapshot

    def has(self, book: str, head: Head) -> bool:
        """Whether the record of this sequence is in ``book`` and has this hash. Raises as ``read``."""
        found = next(self.read(book, head.sequence), None)
        return found is not None and (found.sequence, found.hash) == (head.sequence, head.hash)

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is read within is as it was at the first reading, whatever is written meanwhile.

        Until then the WAL of whoever writes cannot begin anew, and grows. Raises as ``read``.

        Raises:
            JournalError: it is read where nothing can be written, and somebody opened it meanwhile.
        """
        connection = self._readable()
        with schema.translated_errors(self.path):
            connection.execute("BEGIN")
        try:
            yield
            self._readable()  # it may have changed since it was asked for last
        finally:
            with schema.translated_errors(self.path):
                connection.execute("COMMIT")

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file, its indexes included; empty if it is sound. Reads it all.

        Raises as ``read``.
        """
        found = [str(line) for (line,) in self.select("PRAGMA integrity_check(10)")]
        return [] if found == ["ok"] else found

    def positions_held(self, book: str) -> tuple[int, dict[tuple[Any, ...], tuple[Any, ...]]]:
        """Up to which record the tables are complete, and then the rows of ``positions``.

        By symbol, position side and strategy.

        Raises as ``read``.
        """
        rows = self._fetch_as(_HeldRows, _POSITIONS_HELD, (book,))
        held = {row[1:4]: (book, *row[1:]) for row in rows if row[1] is not None}
        return (rows[0][0] if rows else 0), held

    def tables_lag(self, book: str) -> bool:
        """Whether the tables of ``book`` are not complete, and say so. Raises as ``read``."""
        return schema.lacks_tables(self._readable()) or self._fetch(_IS_PROJECTED, (book,)) != [(1,)]

    def projection_head(self, book: str) -> int:
        """Up to which sequence the projections of ``book`` are built; less than its head is a lag.

        0 also where one of them is empty that cannot be: somebody cleared it.
        """
        rows = self._fetch_as(list[tuple[int]], _PROJECTION_HEAD, (book,))
        return rows[0][0] if rows else 0

    def _check_projected(self, book: str) -> None:
        if self._fetch(_IS_PROJECTED, (book,)) != [(1,)]:
            raise JournalError(
                f"{self.path}: the tables of book {book!r} lag behind its records: what is not found in them "
                "may be in those",
                "Open the book once with `execore.open_book`: they are built anew",
            )

    def select(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query over the tables, for views. Raises as ``read``.

        Finish or drop the iterator soon: until then the WAL cannot begin anew.
        """
        with schema.translated_errors(self.path):
            try:
                yield from self._readable().execute(sql, tuple(map(_bindable, parameters)))
            except UnicodeDecodeError as error:
                raise NotAJournal(
                    f"{self.path} holds text that is not UTF-8 ({error})",
                    "Run `execore audit verify` to see what is damaged, and restore a copy that verifies",
                ) from error

    def _look_up(self, sql: str, book: str, keys: Sequence[Key]) -> _FoundRows:
        """The rows that one of ``FIND`` gives for these keys. No text of ours has lone surrogates."""
        if not keys:
            return []
        asked = (book, msgspec.json.encode([key.text for key in keys]).decode())
        return self._fetch_as(_FoundRows, sql, asked)

    def _fetch(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self.select(sql, parameters))

    def _fetch_as(self, rows: type[_Rows], sql: str, parameters: tuple[object, ...] = ()) -> _Rows:
        return _checked(self.path, self._fetch(sql, parameters), rows)

    def _paged(self, page: type[_Rows], sql: str, keys: tuple[str, ...], from_sequence: int) -> Iterator[Any]:
        # No statement stays open between pages: a slow reader must not keep the WAL from beginning anew.
        while from_sequence <= _GREATEST and (rows := self._fetch(sql, (*keys, from_sequence, _PAGE_ROWS))):
            yield from _checked(self.path, rows, page)  # type: ignore[misc]  # it is a list
            from_sequence = rows[-1][0] + 1


def head_of(path: str, rows: list[tuple[Any, ...]]) -> Head:
    """The head that ``HEAD`` found in the journal at ``path``.

    Raises:
        NotAJournal: the row is damaged.
    """
    for sequence, digest in _checked(path, rows, list[tuple[int, bytes]]):
        return Head(sequence, text_in(digest))
    return EMPTY_HEAD


def _checked(path: str, rows: list[tuple[Any, ...]], kind: type[_Rows]) -> _Rows:
    """These rows, once each column is known to be of its type."""
    try:
        return msgspec.convert(rows, kind)
    except msgspec.ValidationError as error:
        raise damaged(path, error) from error


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8. A name from outside need not be: it may hold lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bindable(parameter: object) -> object:
    """A parameter as SQLite takes it. What is no text is the bytes it stands for, and equals no text."""
    if not isinstance(parameter, str) or is_text(parameter):
        return parameter
    try:
        return parameter.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return parameter.encode(errors="surrogatepass")


def _is_linked(previous: bytes | None, digest: bytes, data: bytes) -> bool:
    """Whether a record's hash is that of its text and of the hash before it, which the first has none of."""
    try:
        link = GENESIS if previous is None else bytes.fromhex(text_in(previous))
    except ValueError:
        return False
    return next_hash(link, data).hex() == text_in(digest)
