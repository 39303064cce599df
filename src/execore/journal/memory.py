"""A journal in memory, for tests and simulation: the same contract, and nothing outlives the process."""

from collections.abc import Iterator, Sequence
from functools import partial

from execore.journal.codec import chained
from execore.journal.lookups import Lookups
from execore.journal.protocol import EMPTY_HEAD, NO_CHANGES, Append, Changes, Head, Snapshot
from execore.journal.rows import check_append
from execore.journal.venue_ids import last_given
from execore.model.errors import BookClosed
from execore.model.events import CashTransferred, EntryBooked
from execore.model.keys import Key
from execore.model.records import Record, StoredRecord
from execore.model.trades import PastItem

WHERE = "the memory journal"


class MemoryJournal:
    """Implements ``Journal``. Of ``changes`` it keeps what orders and executions are found by."""

    def __init__(self) -> None:
        self._streams: dict[str, list[StoredRecord]] = {}
        self._orders: dict[tuple[str, str], list[StoredRecord]] = {}
        self._lookups: dict[str, Lookups] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._is_closed = False

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Store ``records`` as the continuation of ``expected_sequence``; return the new head.

        Raises:
            SequenceConflict: the book's head is not ``expected_sequence``; nothing was stored.
            InvariantViolation: the records do not continue it.
            BookClosed: the journal is closed.
        """
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Store the records of several books: all of them or none. Raises as ``append``."""
        heads = {append.book: self.head(append.book) for append in appends}
        stored: list[list[StoredRecord]] = []
        after: list[Head] = []
        for append in appends:
            head = heads[append.book]
            check_append(WHERE, append.book, append.expected_sequence, head, append.records)
            lines = list(chained(append.records, bytes.fromhex(head.hash)))
            stored.append(lines)
            after.append(Head(lines[-1].sequence, lines[-1].hash) if lines else head)
            heads[append.book] = after[-1]
        for append, lines in zip(appends, stored, strict=True):
            self._store(append, lines)
        return after

    def _store(self, append: Append, lines: list[StoredRecord]) -> None:
        book = append.book
        if lines:
            self._streams.setdefault(book, []).extend(lines)
        for record, line in zip(append.records, lines, strict=True):
            client_order_id = getattr(record.event, "client_order_id", "")
            self._orders.setdefault((book, client_order_id), []).append(line)
        self._lookups_of(book).apply(append.changes)

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order."""
        self._check_open()
        return iter(self._streams.get(book, [])[max(from_sequence - 1, 0) :])

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order."""
        self._check_open()
        return iter(self._orders.get((book, client_order_id), [])[:])

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for, by its client order id; others are left out."""
        self._check_open()
        lookups = self._lookups.get(book)
        return {} if lookups is None else lookups.find_all(keys)

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield all that ever moved the units of these instruments, with its key, in the order of booking."""
        self._check_open()
        lookups = self._lookups.get(book)
        return iter(() if lookups is None else lookups.past(symbols))

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """The entries and transfers of cash that have these ids; others are left out."""
        self._check_open()
        lookups = self._lookups.get(book)
        return [] if lookups is None else lookups.find_entries(entry_ids)

    def _lookups_of(self, book: str) -> Lookups:
        if book not in self._lookups:
            self._lookups[book] = Lookups(partial(last_given, self, book))
        return self._lookups[book]

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Keep a snapshot; it replaces the one before."""
        self._check_open()
        self._snapshots[book] = snapshot

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot; None if there is none."""
        self._check_open()
        return self._snapshots.get(book)

    def head(self, book: str) -> Head:
        """The last sequence and hash of ``book``; ``EMPTY_HEAD`` where there is none."""
        self._check_open()
        stream = self._streams.get(book)
        return Head(stream[-1].sequence, stream[-1].hash) if stream else EMPTY_HEAD

    def books(self) -> list[str]:
        """The names of the books in this journal, sorted."""
        self._check_open()
        return sorted(self._streams)

    def close(self) -> None:
        """Refuse everything from now on. Closing twice is allowed."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise BookClosed("the memory journal is closed", "Make a new one")
