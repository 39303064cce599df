"""Restart is replay: a book's state is rebuilt from its journal, and the chain is verified on the way."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from execore.core.book_state import BookState
from execore.core.order_ledger import History
from execore.journal.codec import GENESIS, decode_record, next_hash
from execore.journal.protocol import Changes, FillChange, FillRow, Head, Journal
from execore.model.effects import QueryOrder
from execore.model.errors import ChainBroken, InvalidInput
from execore.model.events import AnyOrderEvent, FillBooked, OrderEvent
from execore.model.money import exactly
from execore.model.records import Record
from execore.model.requests import Input, RequestOutcomeUnknown, SubmitOutcomeUnknown
from execore.model.vocabulary import OrderState


def replayed(journal: Journal, book: str) -> Iterator[Record]:
    """Yield the book's records in order, having checked each against the chain and the sequence.

    Raises:
        ChainBroken: a record is missing, out of place or changed; the error says which.
        NewerSchema: a newer execore wrote it.
    """
    previous, expected = GENESIS, 1
    for stored in journal.read(book):
        previous = next_hash(previous, stored.data)
        if stored.sequence != expected or previous.hex() != stored.hash:
            raise ChainBroken(
                f"book {book}: the chain breaks at sequence {expected}",
                "Run `execore audit verify`; restore the journal from a copy that verifies",
                sequence=expected,
            )
        yield decode_record(stored)
        expected += 1


def rebuild(
    journal: Journal, book: str, progress: Callable[[int], None] | None = None
) -> tuple[BookState, Head]:
    """Return the state that the book's records make, and the head they end in.

    Args:
        progress: called with each sequence that was folded.

    Raises:
        ChainBroken, NewerSchema: as ``replayed`` does.
    """
    state = BookState(history_of(journal, book))
    fold = exactly(state.apply)  # and not the callback, which is somebody else's arithmetic
    for record in replayed(journal, book):
        try:
            fold(record.event, record.ts_event_ns)
        except (InvalidInput, KeyError, ArithmeticError) as error:
            raise ChainBroken(
                f"book {book}: record {record.sequence} does not follow from those before it ({error})",
                "The chain may hold, but execore did not write this; restore a copy that opens",
                sequence=record.sequence,
            ) from error
        if progress is not None:
            progress(record.sequence)
    return state, journal.head(book)


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


@runtime_checkable
class ProjectedJournal(Protocol):
    """A journal with tables for orders, fills and positions beside its records."""

    def projection_head(self, book: str) -> int:
        """Up to which sequence the tables are complete."""
        ...

    def clear_projections(self, book: str) -> None:
        """Empty the book's tables."""
        ...

    def write_projections(self, book: str, sequence: int, changes: Changes) -> None:
        """Write rows that are complete up to ``sequence``."""
        ...


def catch_up_projections(journal: Journal, book: str, state: BookState, head: Head) -> None:
    """Build a book's tables anew if they lag behind its records; leave alone a journal that has none.

    Raises:
        JournalError: as ``Journal.append``, when they cannot be written.
    """
    if isinstance(journal, ProjectedJournal) and journal.projection_head(book) != head.sequence:
        journal.clear_projections(book)
        journal.write_projections(book, head.sequence, whole_projection(journal, book, state))


@exactly
def whole_projection(journal: Journal, book: str, state: BookState) -> Changes:
    """Everything the projection tables must hold for a book, made from its records and their state."""
    fills: list[FillRow] = []
    changes: list[FillChange] = []
    for record in replayed(journal, book):
        event = record.event
        if isinstance(event, FillBooked):
            fills.append(FillRow(record.sequence, record.ts_event_ns, event))
        elif isinstance(event, FillChange):
            changes.append(event)
    traded = dict.fromkeys(row.fill.symbol for row in fills)
    return Changes(list(state.orders), fills, list(map(state.positions.position, traded)), changes)
