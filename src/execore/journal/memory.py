"""A journal in memory, for tests and simulation: the same contract, and nothing outlives the process."""

from collections.abc import Iterator, Sequence

from execore.journal.codec import chained
from execore.journal.protocol import EMPTY_HEAD, NO_CHANGES, Changes, Head
from execore.journal.rows import check_append
from execore.model.errors import BookClosed
from execore.model.records import Record, StoredRecord


class MemoryJournal:
    """Implements ``Journal``. It keeps no projection tables: ``changes`` are not stored."""

    def __init__(self) -> None:
        self._streams: dict[str, list[StoredRecord]] = {}
        self._orders: dict[tuple[str, str], list[StoredRecord]] = {}
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
        head = self.head(book)
        check_append("the memory journal", book, expected_sequence, head, records)
        stored = list(chained(records, bytes.fromhex(head.hash)))
        if stored:
            self._streams.setdefault(book, []).extend(stored)
        for record, line in zip(records, stored, strict=True):
            client_order_id = getattr(record.event, "client_order_id", "")
            self._orders.setdefault((book, client_order_id), []).append(line)
        return self.head(book)

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order."""
        self._check_open()
        return iter(self._streams.get(book, [])[max(from_sequence - 1, 0) :])

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order."""
        self._check_open()
        return iter(self._orders.get((book, client_order_id), [])[:])

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
