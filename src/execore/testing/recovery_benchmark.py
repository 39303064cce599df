"""How long a book takes to open again: a real journal is written, then read, verified, decoded and folded.

The parts are measured by reading it again and again, each time with one part more.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from execore.core.book_state import BookState
from execore.core.snapshot import SNAPSHOT_SCHEMA, snapshot_of, state_hash
from execore.journal.protocol import Head, Journal, Snapshot
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvariantViolation
from execore.runtime.book import open_book
from execore.runtime.recovery import rebuild, recover, replayed, verified
from execore.testing.lifecycles import (
    EVENTS,
    EVENTS_OPEN,
    INSTRUMENTS,
    RISK_HOOKS,
    Progress,
    in_batches,
    open_orders,
    run_lifecycles,
)

OPEN_ORDERS: Final = 10_000
"""Orders that are open all along, from the first to the last event; at most a tenth of all."""

TAIL_EVENTS: Final = 10_000
_BOOK: Final = "bench"


class RecoveryBenchmark(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        events: replayed, from the book's first.
        open_orders: in the book at the end.
        seconds: from the closed journal to the state, with the chain verified.
        events_per_second: the same, turned over.
        read_seconds, verify_seconds, decode_seconds: of these, for reading the rows, for the hashes, and for
            making records of the text.
        fold_seconds: of these, for making the state of the records.
        snapshot_bytes: of a snapshot of the book as it is then. tail_events: recorded after it.
        seconds_from_snapshot: from the closed journal to the state, by the snapshot and these events.
    """

    events: int
    open_orders: int
    seconds: float
    events_per_second: float
    read_seconds: float
    verify_seconds: float
    decode_seconds: float
    fold_seconds: float
    snapshot_bytes: int
    tail_events: int
    seconds_from_snapshot: float


def write_journal(path: Path, events: int, progress: Progress | None = None) -> Head:
    """Trade into a new journal at ``path`` until it has about ``events``; return the head.

    Raises:
        JournalError: it cannot be written.
    """
    with SqliteJournal(path) as journal:
        book = open_book(journal, _BOOK, instruments=INSTRUMENTS, risk_hooks=RISK_HOOKS)
        kept_open = min(OPEN_ORDERS, events // 10 // EVENTS_OPEN)
        finished = max(events - book.head.sequence - kept_open * EVENTS_OPEN, 0) // EVENTS
        told = None if progress is None else lambda _: progress(book.head.sequence)
        for batch in in_batches(range(kept_open), told):
            open_orders(book, batch)
        for batch in in_batches(range(kept_open, kept_open + finished), told):
            run_lifecycles(book, batch)
        return book.head


def measure(path: Path, progress: Progress | None = None) -> RecoveryBenchmark:
    """Replay the journal that ``write_journal`` made, by parts; then trade on after a snapshot, and recover.

    Raises:
        JournalError: it cannot be read or written. ChainBroken: it is damaged.
        InvariantViolation: a replay does not end where the writer did.
    """
    with SqliteJournal(path, read_only=True) as journal:
        state, head, whole = _timed(rebuild, journal, progress)
        read = _seconds(journal.read(_BOOK))
        checked = _seconds(verified(journal, _BOOK))
        decoded = _seconds(replayed(journal, _BOOK))
    text = snapshot_of(state)
    open_at_the_end = len(state.orders.open_orders())
    del state  # it would be in the way of the next
    tail = _trade_on(path, Snapshot(head, SNAPSHOT_SCHEMA, state_hash(text), text))
    with SqliteJournal(path, read_only=True) as journal:
        *_, from_snapshot = _timed(recover, journal, None)
    return RecoveryBenchmark(
        events=head.sequence,
        open_orders=open_at_the_end,
        seconds=whole,
        events_per_second=head.sequence / whole,
        read_seconds=read,
        verify_seconds=checked - read,
        decode_seconds=decoded - checked,
        fold_seconds=whole - decoded,
        snapshot_bytes=len(text),
        tail_events=tail,
        seconds_from_snapshot=from_snapshot,
    )


def _timed(
    way: Callable[[Journal, str, Progress | None], tuple[BookState, Head]],
    journal: Journal,
    progress: Progress | None,
) -> tuple[BookState, Head, float]:
    started = time.perf_counter()
    state, head = way(journal, _BOOK, progress)
    seconds = time.perf_counter() - started
    if head != journal.head(_BOOK):
        raise InvariantViolation(f"the replay ended at {head}", "Report this as a bug in execore")
    return state, head, seconds


def _trade_on(path: Path, snapshot: Snapshot) -> int:
    """Save the snapshot and record ``TAIL_EVENTS`` after it; return how many these are."""
    with SqliteJournal(path) as journal:
        journal.save_snapshot(_BOOK, snapshot)
        book = open_book(journal, _BOOK)
        first = book.head.sequence  # no order has so high a number yet
        for batch in in_batches(range(first, first + TAIL_EVENTS // EVENTS)):
            run_lifecycles(book, batch)
        return book.head.sequence - snapshot.head.sequence


def _seconds(records: Iterable[object]) -> float:
    started = time.perf_counter()
    deque(records, maxlen=0)
    return time.perf_counter() - started
