"""What is read from the SQLite file of a journal: records, heads, and what orders are found by."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final

import apsw
import msgspec

from execore.journal import snapshots
from execore.journal import sqlite_schema as schema
from execore.journal.codec import GENESIS, next_hash
from execore.journal.protocol import EMPTY_HEAD, Head, Snapshot
from execore.journal.rows import INDEXED_COLUMNS, trade_of
from execore.model.errors import ChainBroken, JournalError, NotAJournal
from execore.model.events import Trade
from execore.model.keys import Key, KeyKind
from execore.model.records import StoredRecord

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
_NAMED: Final = "SELECT ?1, client_order_id, NULL FROM keys WHERE book=?2 AND text=?3"
FIND: Final = {
    KeyKind.ORDER: f"""SELECT ?1, client_order_id, 0 FROM orders WHERE book=?2 AND client_order_id=?3
        UNION ALL {_NAMED} AND kind='order' AND symbol=?4""",
    KeyKind.VENUE_ORDER: f"""SELECT ?1, client_order_id, created_ts_ns FROM orders
          INDEXED BY orders_by_venue_id
          WHERE book=?2 AND venue_order_id=?3 AND venue_order_id<>'' AND (symbol=?4 OR ?4='')
        UNION ALL {_NAMED} AND kind='venue_order' AND (symbol=?4 OR ?4='')""",
    KeyKind.EXECUTION: f"""SELECT ?1, client_order_id, 0 FROM fills INDEXED BY fills_by_execution
          WHERE book=?2 AND execution_key=?3
        UNION ALL {_NAMED} AND kind='execution' AND symbol=?4""",
}
"""For each kind of key: its place, an order, and a rank, of which the greatest is meant; None is a name that
no row of the order itself shows."""

_IS_PROJECTED: Final = """SELECT coalesce((SELECT sequence FROM projection_heads WHERE book=?1), 0)
  >= coalesce((SELECT max(sequence) FROM events WHERE book=?1), 0)"""
_TAKEN_OVER: Final = """SELECT text, client_order_id FROM keys WHERE book=?1 AND kind='order' AND text=?2
  AND NOT EXISTS(SELECT 1 FROM orders WHERE book=?1 AND client_order_id=?2)"""
_NAMED_AFTER: Final = f"""SELECT value FROM json_each(?)
  WHERE EXISTS(SELECT 1 FROM {_BY_ORDER} WHERE {_BOOK} AND client_order_id=value AND sequence>?)"""
_TRADES: Final = """SELECT execution_key, side, quantity, price, fee, fee_currency FROM fills
  WHERE book=? AND symbol=? AND status<>'cancelled'
  ORDER BY coalesce(disclosed_sequence, sequence), sequence"""


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
        for sequence, digest, data in self._paged(_READ, (book,), from_sequence):
            yield StoredRecord(sequence, _text(digest), data)

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order, each checked against the one before it.

        A replay from a snapshot checks only what came after that.

        Raises:
            ChainBroken: a record was changed, or the one before it. And as ``read``.
        """
        for sequence, digest, data, previous in self._paged(_READ_ORDER, (book, client_order_id), _LEAST):
            if not _is_linked(previous, digest, data):
                raise ChainBroken(
                    f"book {book}: the chain breaks at sequence {sequence}",
                    "Run `execore audit verify`; restore the journal from a copy that verifies",
                    sequence=sequence,
                )
            yield StoredRecord(sequence, _text(digest), data)

    def read_indexed(self, book: str) -> Iterator[tuple[StoredRecord, tuple[str, ...]]]:
        """Yield every record of ``book`` with the texts of its ``INDEXED_COLUMNS``. Raises as ``read``."""
        for sequence, digest, data, *columns in self._paged(_READ_INDEXED, (book,), _LEAST):
            texts = tuple([str(column, "utf-8", "replace") for column in columns])  # as _text, and faster
            yield StoredRecord(sequence, _text(digest), data), texts

    def head(self, book: str) -> Head:
        """The last durable sequence and hash of ``book``; ``EMPTY_HEAD`` where there is none."""
        return head_of(self._fetch(HEAD, (book,)))

    def books(self) -> list[str]:
        """The names of the books in this journal, sorted; what is no text is escaped as file names are."""
        return [name.decode(errors="surrogateescape") for (name,) in self._fetch(_BOOKS)]

    def named_after(self, book: str, client_order_ids: Sequence[str], sequence: int) -> set[str]:
        """Those of the orders that a record after ``sequence`` is of. Raises as ``read``."""
        asked = msgspec.json.encode(client_order_ids).decode()
        return {str(named) for (named,) in self._fetch(_NAMED_AFTER, (asked, book, sequence))}

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for, by its client order id; keys nobody gave are left out.

        One that was taken over since is answered by its present owner. Where a venue gave an id twice, it
        is that of the order made last.

        Raises:
            JournalError: the tables lag, so that an absence would prove nothing. And as ``read``.
        """
        self._check_projected(book)
        asked: dict[KeyKind, list[tuple[int, str, str, str]]] = {kind: [] for kind in FIND}
        for place, (kind, text, symbol) in enumerate(keys):
            asked[kind].append((place, book, text, symbol))
        found: dict[Key, tuple[int, str]] = {}
        named: dict[Key, str] = {}
        for kind, rows in asked.items():
            for place, client_order_id, rank in self._look_up(FIND[kind], rows):
                key = keys[place]
                if rank is None:
                    named.setdefault(key, client_order_id)
                elif key not in found or found[key] < (rank, client_order_id):
                    found[key] = (rank, client_order_id)
        owners = self._present_owners(book, set(named.values()))
        present = {key: owners[owner] for key, owner in named.items()}
        return present | {key: client_order_id for key, (_, client_order_id) in found.items()}

    def _present_owners(self, book: str, named: set[str]) -> dict[str, str]:
        """Who has what was each order's: itself, or the last of those that took it over, one the other."""
        owners = {one: one for one in named}
        asked = named
        while moved := dict(self._look_up(_TAKEN_OVER, [(book, one) for one in asked])):
            owners = {one: moved.get(owner, owner) for one, owner in owners.items()}
            asked = set(moved.values())
        return owners

    def trades(self, book: str, symbol: str) -> Iterator[tuple[str, Trade]]:
        """Yield every execution in an instrument that stands, with its key, in the order of booking.

        One of undisclosed side is where it was booked first. All fills of the book are gone through.

        Raises:
            JournalError: the tables lag. And as ``read``.
        """
        self._check_projected(book)
        for key, *terms in self.select(_TRADES, (book, symbol)):
            yield key, trade_of(symbol, terms)

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot that is whole and whose last record is in this journal; None if there is none.

        Raises as ``read``.
        """
        self._readable()  # a closed journal refuses everything
        for snapshot in snapshots.whole_snapshots(self.path, book):
            head = snapshot.head
            found = next(self.read(book, head.sequence), None)
            if found is not None and (found.sequence, found.hash) == (head.sequence, head.hash):
                return snapshot
        return None

    def projection_head(self, book: str) -> int:
        """Up to which sequence the projections of ``book`` are built; less than its head is a lag."""
        rows = self._fetch("SELECT sequence FROM projection_heads WHERE book=?", (book,))
        return int(rows[0][0]) if rows else 0

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

    def _look_up(self, sql: str, asked: Sequence[tuple[object, ...]]) -> list[tuple[Any, ...]]:
        """The rows of a lookup made for each of ``asked``. No text of ours has lone surrogates."""
        with schema.translated_errors(self.path):
            return self._readable().executemany(sql, asked).fetchall() if asked else []

    def _fetch(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self.select(sql, parameters))

    def _paged(self, sql: str, keys: tuple[str, ...], from_sequence: int) -> Iterator[tuple[Any, ...]]:
        # No statement stays open between pages: a slow reader must not keep the WAL from beginning anew.
        while from_sequence <= _GREATEST and (rows := self._fetch(sql, (*keys, from_sequence, _PAGE_ROWS))):
            yield from rows
            from_sequence = rows[-1][0] + 1


def head_of(rows: list[tuple[Any, ...]]) -> Head:
    return Head(rows[0][0], _text(rows[0][1])) if rows else EMPTY_HEAD


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
        link = GENESIS if previous is None else bytes.fromhex(_text(previous))
    except ValueError:
        return False
    return next_hash(link, data).hex() == _text(digest)


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")
