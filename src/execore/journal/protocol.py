"""What a journal promises. Every implementation passes one contract suite (``execore.testing``)."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from execore.core.position_ledger import Position
from execore.model.events import FillBooked, OrderReowned, TradeCancelled, TradeCorrected
from execore.model.orders import Order
from execore.model.records import Record, StoredRecord


class Head(msgspec.Struct, frozen=True, gc=False):
    """The end of a book's stream: its last sequence and hash. Sequence 0 with zeros is an empty book."""

    sequence: int
    hash: str


EMPTY_HEAD = Head(0, bytes(32).hex())


class FillRow(msgspec.Struct, frozen=True, gc=False):
    """A fill as it was booked, and what the projection table shows beside it."""

    sequence: int
    ts_event_ns: int
    fill: FillBooked


FillChange = TradeCancelled | TradeCorrected | OrderReowned
"""What becomes of fills that were booked before: undone, corrected, or another order's."""


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What an append changes in the projections: the orders and positions as they are after it.

    Attributes:
        fill_changes: what became of fills, those of this append and earlier ones, in the order in which it
            happened: each names the order that had the fills then. To be applied after ``fills``.
    """

    orders: Sequence[Order] = ()
    fills: Sequence[FillRow] = ()
    positions: Sequence[Position] = ()
    fill_changes: Sequence[FillChange] = ()


NO_CHANGES = Changes()


class Journal(Protocol):
    """An append-only, hash-chained store of one stream of records for each book.

    ``append`` returns when the records are durable. It is called by one writer at a time.
    """

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Make ``records`` durable as the continuation of ``expected_sequence``; return the new head.

        All of the records and changes are stored, or none.

        Raises:
            SequenceConflict: the book's head is not ``expected_sequence``; nothing was stored.
            JournalFull, JournalReadOnly, NotRecorded: nothing was stored, proven by a rollback.
            OutcomeUnknown: storage failed such that the records may or may not be durable.
            BookClosed: the journal is closed, or failed before.
        """
        ...

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order."""
        ...

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order."""
        ...

    def head(self, book: str) -> Head:
        """The last durable sequence and hash of ``book``; ``EMPTY_HEAD`` where there is none."""
        ...

    def books(self) -> list[str]:
        """The names of the books in this journal, sorted."""
        ...

    def close(self) -> None:
        """Let go of the storage. Closing twice is allowed."""
        ...
