"""Restart is replay: a book's state is rebuilt from its journal, and the chain is verified on the way."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from execore.core.book_state import BookState
from execore.core.order_ledger import History
from execore.core.snapshot import SNAPSHOT_SCHEMA, restore
from execore.journal.codec import decode_record, next_hash
from execore.journal.protocol import EMPTY_HEAD, Head, Journal
from execore.journal.rows import position_rows
from execore.model.effects import QueryOrder
from execore.model.errors import ChainBroken, InvalidInput
from execore.model.events import AnyOrderEvent, OrderAdopted, OrderCreated, OrderEvent, OrderReowned
from execore.model.money import exactly
from execore.model.records import Record, StoredRecord
from execore.model.requests import Input, RequestOutcomeUnknown, SubmitOutcomeUnknown
from execore.model.vocabulary import OrderState
from execore.runtime.archive import KEPT_ENDED, Archive

PAGE: Final = 1_000
"""Records that are verified, then folded, in one go: what a damaged one costs in folding for nothing."""


def verified(
    journal: Journal, book: str, after: Head = EMPTY_HEAD, until: int | None = None
) -> Iterator[list[StoredRecord]]:
    """Yield the book's records that follow ``after`` in order, a page at a time, each page checked.

    Args:
        until: the last sequence to read; to the end of the stream if not given.

    Raises:
        ChainBroken: a record is missing, out of place or changed; the error says which.
    """
    previous, expected = bytes.fromhex(after.hash), after.sequence + 1
    records = journal.read(book, expected)
    if until is not None:
        records = islice(records, max(until - after.sequence, 0))
    while page := list(islice(records, PAGE)):
        for stored in page:
            previous = next_hash(previous, stored.data)
            if stored.sequence != expected or previous.hex() != stored.hash:
                raise ChainBroken(
                    f"book {book}: the chain breaks at sequence {expected}",
                    "Run `execore audit verify`; restore the journal from a copy that verifies",
                    sequence=expected,
                )
            expected += 1
        yield page


def replayed(journal: Journal, book: str) -> Iterator[Record]:
    """Yield the book's records in order, having checked each against the chain and the sequence.

    Raises:
        ChainBroken: as ``verified`` does. NewerSchema: a newer execore wrote it.
    """
    return map(decode_record, chain.from_iterable(verified(journal, book)))


def recover(
    journal: Journal, book: str, progress: Callable[[int], None] | None = None
) -> tuple[BookState, Head]:
    """Return what ``rebuild`` does, by the shortest way: from the newest snapshot on, if one can be used.

    The records that the snapshot stands for are not verified again, and what is recorded meanwhile is left
    out. One whose balances are not right is not used; ``table_check.check_tables`` proves all of it.
    """
    snapshot = journal.load_snapshot(book)
    if snapshot is None or snapshot.schema != SNAPSHOT_SCHEMA:
        return rebuild(journal, book, progress)
    try:
        state = restore(snapshot.state, history_of(journal, book))
        until = journal.head(book).sequence
        named = _named_after(journal, book, snapshot.head.sequence, until)
        Archive(journal, book).recall_as_of(state, named, snapshot.head.sequence)
        head = follow(state, journal, book, snapshot.head, progress, until=until)
    except (msgspec.MsgspecError, ChainBroken):  # the records are the truth: if they are bad, they say so
        return rebuild(journal, book, progress)
    return (state, head) if _balances(journal, book, state, head) else rebuild(journal, book, progress)


@runtime_checkable
class PositionTable(Protocol):
    """A journal with a table of positions, which owes nothing to snapshots."""

    def positions_held(self, book: str) -> tuple[int, dict[tuple[Any, ...], tuple[Any, ...]]]:
        """Up to which record the table is complete, and its rows by symbol, position side and strategy."""
        ...


def _balances(journal: Journal, book: str, state: BookState, head: Head) -> bool:
    """Whether the state is the book's, its balances add up, and are those of the table, if that is as far."""
    if state.book != book or any(state.positions.trial_balance().values()):
        return False
    if not isinstance(journal, PositionTable):
        return True
    sequence, held = journal.positions_held(book)
    if sequence != head.sequence:
        return True
    sections = [
        section for one in state.positions.instruments() for section in state.positions.sections(one.symbol)
    ]
    rows = (
        (section.quantity, row) for section, row in zip(sections, position_rows(book, sections), strict=True)
    )
    shown = [row for quantity, row in rows if quantity or row[1:4] in held]
    return shown == [held.get(row[1:4]) for row in shown]


def _named_after(journal: Journal, book: str, sequence: int, until: int) -> set[str]:
    """The orders that the records after ``sequence`` are of, or take over; those made by them left out."""
    named: set[str] = set()
    made: set[str] = set()
    for stored in islice(journal.read(book, sequence + 1), max(until - sequence, 0)):
        event = decode_record(stored).event
        if isinstance(event, OrderCreated | OrderAdopted):
            made.add(event.client_order_id)
        elif isinstance(event, OrderEvent):
            named.add(event.client_order_id)
            if isinstance(event, OrderReowned):
                named.add(event.external_order_id)
    return named - made - {""}


def rebuild(
    journal: Journal, book: str, progress: Callable[[int], None] | None = None
) -> tuple[BookState, Head]:
    """Return the state that the book's records make, and the head they end in; raises as ``follow``.

    What somebody records meanwhile is left out.
    """
    state, until = BookState(history_of(journal, book)), journal.head(book).sequence
    return state, follow(state, journal, book, EMPTY_HEAD, progress, until=until)


def follow(
    state: BookState,
    journal: Journal,
    book: str,
    after: Head,
    progress: Callable[[int], None] | None = None,
    *,
    until: int | None = None,
    folded: Callable[[list[StoredRecord]], None] | None = None,
) -> Head:
    """Fold the book's records that follow ``after`` into ``state``; return the head they end in.

    Orders that are over leave ``state`` on the way, once no record to come is of them: so it never needs more
    memory than the book did. Not with a journal that cannot tell; a ``MemoryJournal`` holds them all anyway.

    Args:
        progress: called with the last sequence that was folded, for every ``PAGE`` of them and at the end.
        until: the last sequence to fold; to be given where somebody may append meanwhile, as an order that
            left could be named again.
        folded: called with every page, while ``state`` still has all the orders that it is of.

    Raises:
        ChainBroken: as ``verified`` does, or a record does not follow from those before it.
        NewerSchema: a newer execore wrote it.
    """
    head = after
    kept: list[str] = []
    for page in verified(journal, book, after, until):
        _fold(state, book, page)
        if folded is not None:
            folded(page)
        head = Head(page[-1].sequence, page[-1].hash)
        if isinstance(journal, ForesightedJournal):
            kept += _release(state, journal, head.sequence)
        if progress is not None:
            progress(head.sequence)
    state.orders.ended.extendleft(reversed(kept))
    return head


@runtime_checkable
class ForesightedJournal(Protocol):
    """A journal that can tell which orders it will name again."""

    def named_after(self, book: str, client_order_ids: Sequence[str], sequence: int) -> set[str]:
        """Those of the orders that a record after ``sequence`` is of."""
        ...


def _release(state: BookState, journal: ForesightedJournal, sequence: int) -> list[str]:
    """Let orders leave that are over; return external ones, which the record of another may take over."""
    over = state.longest_over(KEPT_ENDED)
    if not over:
        return []
    later = journal.named_after(state.book, over, sequence)
    leaving: list[str] = []
    external: list[str] = []
    for key in over:
        order = state.orders.in_memory(key)
        if order is not None and key not in later:
            (external if order.external else leaving).append(key)
    state.let_go(leaving)
    return external


@exactly  # and not the callback, which is somebody else's arithmetic
def _fold(state: BookState, book: str, page: list[StoredRecord]) -> None:
    apply = state.apply
    for stored in page:
        record = decode_record(stored)
        try:
            apply(record.event, record.ts_event_ns)
        except (InvalidInput, KeyError, ArithmeticError) as error:
            raise ChainBroken(
                f"book {book}: record {record.sequence} does not follow from those before it ({error})",
                "The chain may hold, but execore did not write this; restore a copy that opens",
                sequence=record.sequence,
            ) from error


def in_flight(state: BookState, now_ns: int) -> tuple[list[Input], list[QueryOrder]]:
    """What was in flight when the process ended, as inputs that say so, and the orders to ask after.

    Also what was open and well is asked after: reports may have been taken from the venue and not recorded.
    """
    why = "in flight when the book was last closed"
    causes: list[Input] = []
    to_ask: list[QueryOrder] = []
    for order in state.orders:  # a finished order can have a request pending, too
        key = order.client_order_id
        found: list[Input] = [
            RequestOutcomeUnknown(ts_ns=now_ns, client_order_id=key, request_id=request_id, reason=why)
            for request_id in order.pending_request_ids
            if request_id not in order.unknown_requests
        ]
        if order.state is OrderState.SUBMITTED:
            found.append(SubmitOutcomeUnknown(ts_ns=now_ns, client_order_id=key, reason=why))
        elif not found and (order.is_open or order.unknown_requests) and order.submitted:
            to_ask.append(QueryOrder(key, order.venue_order_id, order.symbol))
        causes += found
    return causes, to_ask


def history_of(journal: Journal, book: str) -> History:
    """Where a ledger reads an order's past: the journal, so that it need not be kept beside it."""

    def history(client_order_id: str) -> Iterator[AnyOrderEvent]:
        for stored in journal.read_order(book, client_order_id):
            event = decode_record(stored).event
            if isinstance(event, OrderEvent):
                yield event

    return history
