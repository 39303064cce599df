"""Orders that memory has let go of, read again from the journal.

Theory: an order is its events, so reading them again gives all that memory knew of it. An id of the venue's
may have become another order's since; then that order is read too, so that the id leads to the same order as
if nothing had ever left.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from execore.core.book_state import BookState
from execore.core.order_ledger import OrderLedger
from execore.core.recall import needs
from execore.journal.codec import decode_record
from execore.journal.protocol import Journal
from execore.model.events import AnyOrderEvent, OrderAdopted, OrderCreated, OrderEvent, OrderReowned
from execore.model.keys import Key, KeyKind
from execore.model.money import exactly
from execore.model.orders import Order
from execore.model.requests import Input
from execore.model.text import check_text
from execore.model.trades import PastItem

KEPT_ENDED: Final = 1_000
"""Orders that have ended and are kept in memory still: what is said of them soon after needs no lookup."""

_NEWEST: Final = sys.maxsize
Past = list[tuple[AnyOrderEvent, int]]
"""Events with their times, integer nanoseconds UTC, the oldest first."""


class Archive:
    """The past of one book, as its journal tells it.

    Every method raises ``JournalError`` where the journal cannot be read, and ``ChainBroken`` or
    ``NewerSchema`` where a record cannot.
    """

    def __init__(self, journal: Journal, book: str) -> None:
        self._journal = journal
        self._book = book

    def load(self, state: BookState, causes: Iterable[Input]) -> None:
        """Bring back all that these inputs make a step look up: before they are stepped.

        One lookup for all of them; another one only if something was found, as it may name more.
        """
        inputs = list(causes)
        asked: set[Key] = set()
        while keys := {key for cause in inputs for key in needs(state, cause)} - asked:
            if not self.recall(state, keys):
                return
            asked |= keys

    @exactly
    def recall(self, state: BookState, keys: Collection[Key]) -> int:
        """Bring back what ``keys`` stand for; return how many orders were not in memory."""
        entry_ids = [key.text for key in keys if key.kind is KeyKind.ENTRY]
        for event in self._journal.find_entries(self._book, entry_ids) if entry_ids else ():
            state.keep_entry(event)
        wanted = self._absent(state, keys)
        if wanted:
            state.recall(self._past_of(state, wanted))
        return len(wanted)

    @exactly
    def recall_as_of(self, state: BookState, client_order_ids: Iterable[str], sequence: int) -> None:
        """Bring back these orders as they were at the record ``sequence``, which ``state`` is at, too.

        All at once: an order that comes back later would find its venue's ids taken by an older one.
        """
        wanted = [key for key in client_order_ids if key not in state.orders]
        if wanted:
            state.recall(self._past_of(state, wanted, sequence))

    def past(self, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """All that ever moved the units of these instruments, with its key, in the order of booking."""
        return self._journal.past(self._book, symbols)

    @exactly
    def find(self, state: BookState, client_order_id: str) -> Order | None:
        """The order of an id of ours as it is now; None if there is none. Memory is left as it is.

        Raises:
            InvalidInput: the id is no text.
        """
        check_text(client_order_id, "client_order_id")
        order = state.orders.find(client_order_id)
        if order is not None:
            return order
        found = self._absent(state, [Key(KeyKind.ORDER, client_order_id)])
        apart = OrderLedger()
        apart.recall(self._past_of(state, found))
        return apart.find(client_order_id)

    def _absent(self, state: BookState, keys: Iterable[Key]) -> list[str]:
        """The orders that ``keys`` stand for and memory does not have."""
        named = [key for key in keys if key.kind is not KeyKind.ENTRY]
        found = self._journal.find_orders(self._book, named).values() if named else ()
        return [key for key in dict.fromkeys(found) if key not in state.orders]

    def _past_of(self, state: BookState, client_order_ids: Sequence[str], until: int = _NEWEST) -> Past:
        """The events of these orders, of those they took over, and of those that have their venue ids.

        Up to the record ``until``. Who has a venue id is as of now: who took it later does so again.
        """
        past: dict[int, tuple[AnyOrderEvent, int]] = {}
        read: set[str] = set()
        wanted = list(client_order_ids)
        while wanted:
            venue_keys: list[Key] = []
            for client_order_id in wanted:  # it grows while it is walked
                if client_order_id in read:
                    continue
                read.add(client_order_id)
                own = self._events_of(client_order_id, until)
                past |= own
                told = [event for event, _ in own.values()]
                wanted += [event.external_order_id for event in told if type(event) is OrderReowned]
                venue_keys += _venue_keys(told)
            wanted = [key for key in self._absent(state, venue_keys) if key not in read]
        return [past[sequence] for sequence in sorted(past)]

    def _events_of(self, client_order_id: str, until: int) -> dict[int, tuple[AnyOrderEvent, int]]:
        found = {}
        for stored in self._journal.read_order(self._book, client_order_id):
            if stored.sequence > until:
                break
            record = decode_record(stored)
            if isinstance(record.event, OrderEvent):
                found[stored.sequence] = (record.event, record.ts_event_ns)
        return found


def _venue_keys(events: Iterable[AnyOrderEvent]) -> list[Key]:
    """The ids of the venue's that an order's events gave it."""
    symbol = ""
    named: dict[str, None] = {}
    for event in events:
        if isinstance(event, OrderCreated | OrderAdopted):
            symbol = event.order.symbol
        named[getattr(event, "venue_order_id", "")] = None
    return [Key(KeyKind.VENUE_ORDER, one, symbol) for one in named if one]
