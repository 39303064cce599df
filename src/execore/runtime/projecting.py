"""What records change in the tables beside them, and those tables built anew when they lag."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from execore.core.book_state import BookState
from execore.journal.codec import decode_record
from execore.journal.protocol import (
    EMPTY_HEAD,
    Changes,
    EntryRow,
    FillChange,
    FillRow,
    FillsDisclosed,
    Journal,
)
from execore.model import events
from execore.model.entries import symbols_of
from execore.model.keys import Key, KeyKind, execution_key
from execore.model.money import exactly
from execore.model.orders import Order
from execore.model.records import Record, StoredRecord
from execore.model.vocabulary import Side
from execore.runtime.recovery import follow, history_of

_REQUESTED = (events.CancelRequested, events.AmendRequested)
_TRADE_CHANGED = (events.TradeCancelled, events.TradeCorrected)
_ENTRIES = (events.EntryBooked, events.CashTransferred, events.InstrumentDefined)


@exactly
def changes_of(state: BookState, records: Sequence[Record]) -> Changes:
    """What these records change, each row once however often it changed; ``state`` is as after them."""
    orders: dict[str, Order] = {}
    traded: dict[str, None] = {}
    symbols: dict[str, None] = {}
    fills: list[FillRow] = []
    changes: list[FillChange | FillsDisclosed] = []
    keys: list[tuple[Key, str]] = []
    entries: list[EntryRow] = []
    find = state.orders.get
    for record in records:
        event: Any = record.event
        kind = type(event)
        if kind is events.FillBooked:
            fills.append(FillRow(record.sequence, record.ts_event_ns, event))
            symbols[event.symbol] = traded[event.client_order_id] = None
            continue
        if not isinstance(event, events.OrderEvent) or not event.client_order_id:
            if kind in _ENTRIES:
                entries.append(EntryRow(record.sequence, record.ts_event_ns, event))
                symbols |= dict.fromkeys(_moved(event))
            continue
        order = find(event.client_order_id)
        orders[order.client_order_id] = order
        changed: Any = event  # narrowed by its type, for speed
        if isinstance(event, FillChange):
            changes.append(event)
            if kind is not events.OrderReowned:
                symbols |= dict.fromkeys(state.positions.linked(changed.was.symbol))
            else:
                symbols |= dict.fromkeys(restated.symbol for restated in changed.lots)
        if kind is events.OrderReowned or (kind is events.OrderAcknowledged and changed.side is not None):
            # Fills, kept apart so far, are in the positions now, whatever symbol each of them named.
            symbols |= dict.fromkeys(execution.symbol for execution in state.orders.executions)
            changes = _with_disclosure(changes, record, order.side if changed.side is None else changed.side)
        if kind in _KEYED:
            keys += _keys_of(event)
    merely_traded = _merely_traded(orders, map(find, traded))
    for order in orders.values():
        for venue_order_id in state.orders.ids.former_venue_ids(order):
            keys.append((Key(KeyKind.VENUE_ORDER, venue_order_id, order.symbol), order.client_order_id))
    positions = [section for symbol in symbols for section in state.positions.sections(symbol)]
    return Changes(list(orders.values()), fills, positions, changes, keys, merely_traded, entries)


def _moved(event: events.EntryBooked | events.CashTransferred | events.InstrumentDefined) -> tuple[str, ...]:
    """The instruments of which positions may be others after an entry."""
    return symbols_of(event.entry) if isinstance(event, events.EntryBooked) else ()


def _merely_traded(orders: dict[str, Order], traded: Iterable[Order]) -> list[Order]:
    """Those that ``traded`` and to which nothing else happened; the others are added to ``orders``."""
    merely: dict[str, Order] = {}
    for order in traded:
        if order.inferred:  # its quantity is what was filled
            orders[order.client_order_id] = order
        elif order.client_order_id not in orders:
            merely[order.client_order_id] = order
    return list(merely.values())


def _with_disclosure(
    changes: list[FillChange | FillsDisclosed], record: Record, side: Side
) -> list[FillChange | FillsDisclosed]:
    """The changes, and that the fills of the event's order have a side from here on, if it has ``side`` then.

    An old ``OrderReowned`` does not say, and is given the side of now. Where a later record of the batch told
    that, the earlier one did not.
    """
    key: str = record.event.client_order_id  # type: ignore[union-attr]  # an order event
    if type(record.event) is events.OrderAcknowledged:
        changes = [one for one in changes if type(one) is not FillsDisclosed or one.client_order_id != key]
    if side is not Side.UNDISCLOSED:
        changes.append(FillsDisclosed(record.sequence, key, side))
    return changes


def _keys_of(event: events.OrderEvent) -> list[tuple[Key, str]]:
    """Ids that this event makes stand for its order, beside those that the order's own row shows.

    For the order that it was then: who has taken that over since is found by its own id.
    """
    owner = event.client_order_id
    if isinstance(event, _REQUESTED):
        return [(Key(KeyKind.ORDER, event.request_id), owner)]
    if isinstance(event, events.OrderReowned):
        return [(Key(KeyKind.ORDER, event.external_order_id), owner)]
    if isinstance(event, _TRADE_CHANGED) and event.execution_id:
        key = execution_key(event.execution_scope, event.execution_id)
        return [(Key(KeyKind.EXECUTION, key), owner)]
    return []


_KEYED = frozenset({*_REQUESTED, *_TRADE_CHANGED, events.OrderReowned})


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


def catch_up_projections(journal: Journal, book: str, progress: Callable[[int], None] | None = None) -> None:
    """Build a book's tables anew if they lag behind its records; leave alone a journal that has none.

    Args:
        progress: called with the last sequence folded, now and then.

    Raises:
        ChainBroken, NewerSchema: as ``recovery.rebuild``.
        JournalError: as ``Journal.append``, when they cannot be written.
    """
    if not isinstance(journal, ProjectedJournal):
        return
    if journal.projection_head(book) == journal.head(book).sequence:
        return
    journal.clear_projections(book)
    state = BookState(history_of(journal, book))

    def write(page: list[StoredRecord]) -> None:
        changes = changes_of(state, list(map(decode_record, page)))
        journal.write_projections(book, page[-1].sequence, changes)

    follow(state, journal, book, EMPTY_HEAD, progress, folded=write)
