"""What a journal promises. Every implementation passes one contract suite (``execore.testing``)."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from execore.core.position import Position
from execore.model.events import (
    CashTransferred,
    EntryBooked,
    FillBooked,
    InstrumentDefined,
    OrderReowned,
    TradeChange,
)
from execore.model.keys import Key
from execore.model.orders import Order
from execore.model.records import Record, StoredRecord
from execore.model.trades import PastItem
from execore.model.vocabulary import Side


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


class EntryRow(msgspec.Struct, frozen=True, gc=False):
    """What changed the books beside executions, or what a symbol means, and the record that says so."""

    sequence: int
    ts_event_ns: int
    event: EntryBooked | CashTransferred | InstrumentDefined


FillChange = TradeChange | OrderReowned
"""What becomes of fills that were booked before: undone, corrected, or another order's."""


class FillsDisclosed(msgspec.Struct, frozen=True, gc=False):
    """The record of this sequence told the side of an order, of which nobody knew it.

    The order's fills without a side have it from now on, and entered the books at that record.
    """

    sequence: int
    client_order_id: str
    side: Side


class Changes(msgspec.Struct, frozen=True, gc=False):
    """What an append changes in the projections: the orders and positions as they are after it.

    Attributes:
        fill_changes: what became of fills, those of this append and earlier ones, in the order in which it
            happened: each names the order that had the fills then. To be applied after ``fills``.
        keys: ids that stand for an order from now on and that no row above shows: of requests, of changes
            of executions, former ids of the venue, external orders taken over. With the order's own id.
        traded: orders that traded, and of which nothing else changed but what follows from that.
        entries: what changed the books beside executions.
    """

    orders: Sequence[Order] = ()
    fills: Sequence[FillRow] = ()
    positions: Sequence[Position] = ()
    fill_changes: Sequence[FillChange | FillsDisclosed] = ()
    keys: Sequence[tuple[Key, str]] = ()
    traded: Sequence[Order] = ()
    entries: Sequence[EntryRow] = ()


NO_CHANGES = Changes()


class Append(msgspec.Struct, frozen=True, gc=False):
    """What one book adds to its stream in a commit: see ``Journal.append``."""

    book: str
    expected_sequence: int
    records: Sequence[Record]
    changes: Changes = NO_CHANGES


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """A book's state at a place in its stream: a shorter way to what the records say.

    Attributes:
        head: the last record folded into it; a snapshot whose hash is not the stream's is of another stream.
        schema: of ``state``; another one is not read.
        state_hash: hex sha256 of ``state``.
        state: the text of ``core.snapshot``.
    """

    head: Head
    schema: int
    state_hash: str
    state: bytes


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

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Make the records of several books durable in one commit: all of them or none; see ``append``."""
        ...

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book`` from ``from_sequence`` on, in order."""
        ...

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order."""
        ...

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for, by its client order id; keys nobody gave are left out.

        One lookup for all of them, by index. An id that the venue gave to several orders stands for the one
        that was given it last, as in an ``OrderLedger``.
        """
        ...

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield all that ever moved the units of these instruments, with its key, in the order of booking.

        Executions that stand, those of undisclosed side among them: one whose side was told has its place
        from then. Entries that moved units. What the symbols were defined as.
        """
        ...

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """The entries and transfers of cash that have these ids; ids that nobody gave are left out."""
        ...

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Keep a snapshot beside the records; it replaces older ones. It need not be durable at once.

        Raises:
            JournalError: it cannot be kept. The journal is unharmed.
        """
        ...

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot that is whole; None if there is none."""
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
