"""Which of several orders an id of the venue's stands for: the one that was given it last, as in a ledger."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from execore.core.order_ledger import OrderLedger
from execore.journal.codec import decode_record
from execore.model.errors import UnknownOrder
from execore.model.events import AnyOrderEvent, OrderEvent, OrderReowned
from execore.model.money import exactly
from execore.model.records import StoredRecord


class OrderRecords(Protocol):
    """What the past of an order is read from."""

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order, in order."""
        ...


@exactly
def last_given(
    journal: OrderRecords, book: str, venue_order_id: str, symbol: str, claimants: Sequence[str]
) -> str:
    """The one of ``claimants`` that was given the id last, by their records; if those do not tell, the last.

    Args:
        claimants: client order ids of all that have it, or had it.

    Raises:
        ChainBroken, NewerSchema: a record cannot be read. JournalError: the journal cannot.
    """
    if len(claimants) == 1:
        return claimants[0]
    past: dict[int, tuple[AnyOrderEvent, int]] = {}
    wanted = dict.fromkeys(claimants)
    while wanted:
        client_order_id, _ = wanted.popitem()
        for stored in journal.read_order(book, client_order_id):
            record = decode_record(stored)
            event = record.event
            if isinstance(event, OrderEvent):
                past[stored.sequence] = (event, record.ts_event_ns)
                if isinstance(event, OrderReowned):
                    wanted[event.external_order_id] = None
    ledger = OrderLedger()
    try:
        for sequence in sorted(past):
            ledger.apply(*past[sequence])
    except UnknownOrder:
        return claimants[-1]
    return ledger.ids.by_venue_order_id(venue_order_id, symbol) or claimants[-1]
