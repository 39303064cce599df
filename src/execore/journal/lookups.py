"""What orders and executions of one book are found by, as plain dicts: for a journal without tables."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from execore.core.executions import symbols_in
from execore.journal.protocol import Changes, EntryRow, FillChange, FillRow, FillsDisclosed
from execore.model.entries import CashFlow
from execore.model.events import CashTransferred, EntryBooked, InstrumentDefined, OrderReowned, TradeCancelled
from execore.model.instruments import Instrument
from execore.model.keys import Key, KeyKind, entry_key, execution_key
from execore.model.orders import Order
from execore.model.trades import PastEntry, PastItem, PastTrade, Trade
from execore.model.vocabulary import Side

_UNDISCLOSED = Side.UNDISCLOSED


class _Fill(msgspec.Struct):
    """An execution as it is now. ``place`` is the record at which it entered the books."""

    client_order_id: str
    place: tuple[int, int]
    ts_ns: int
    trade: Trade
    is_standing: bool = True


class Lookups:
    """A fold of ``Changes``: who an id stands for, and what was traded.

    Args:
        last_given: of a venue's id in a symbol and the orders that have or had it, the one it stands for.
    """

    def __init__(self, last_given: Callable[[str, str, Sequence[str]], str]) -> None:
        self._last_given = last_given
        self._orders: dict[str, Order] = {}
        self._by_venue_id: dict[str, set[str]] = {}
        self._fills: dict[str, _Fill] = {}
        self._fills_of: dict[str, list[_Fill]] = {}
        self._keys: dict[Key, str] = {}
        self._entries: dict[str, EntryBooked | CashTransferred] = {}
        self._moved_units: list[tuple[tuple[int, int], str, PastItem]] = []
        self._former: dict[str, dict[Key, None]] = {}  # a venue's id that was some order's -> its keys

    def apply(self, changes: Changes) -> None:
        """Take in what an append changed."""
        for order in (*changes.orders, *changes.traded):
            self._take_order(order)
        for row in changes.fills:
            self._take_fill(row)
        for change in changes.fill_changes:
            self._change_fills(change)
        for entry in changes.entries:
            self._take_entry(entry)
        self._keys.update(changes.keys)
        for key, _ in changes.keys:
            if key.kind is KeyKind.VENUE_ORDER:
                self._former.setdefault(key.text, {})[key] = None

    def _take_order(self, order: Order) -> None:
        client_order_id = order.client_order_id
        self._forget_venue_id(client_order_id)
        self._orders[client_order_id] = order
        if order.venue_order_id:
            self._by_venue_id.setdefault(order.venue_order_id, set()).add(client_order_id)

    def _forget_venue_id(self, client_order_id: str) -> None:
        before = self._orders.get(client_order_id)
        if before is not None and before.venue_order_id:
            self._by_venue_id[before.venue_order_id].discard(client_order_id)

    def _take_fill(self, row: FillRow) -> None:
        fill = row.fill
        terms = Trade(
            fill.symbol,
            fill.side,
            fill.quantity,
            fill.price,
            fill.fee,
            fill.fee_currency,
            fill.position_side,
            fill.settlement_date,
            fill.lots,
        )
        booked = _Fill(fill.client_order_id, (row.sequence, row.sequence), row.ts_event_ns, terms)
        self._fills[execution_key(fill.execution_scope, fill.execution_id)] = booked
        self._fills_of.setdefault(fill.client_order_id, []).append(booked)

    def _take_entry(self, row: EntryRow) -> None:
        event = row.event
        key, item = past_key(row.sequence, event), past_item(event, row.ts_event_ns)
        if not isinstance(event, InstrumentDefined):
            entry_id = event.entry.entry_id if isinstance(event, EntryBooked) else event.transfer_id
            self._entries[entry_id] = event
        if item is not None:
            self._moved_units.append(((row.sequence, row.sequence), key, item))

    def find_entries(self, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """The entries and transfers of cash that have these ids; others are left out."""
        return [self._entries[one] for one in entry_ids if one in self._entries]

    def _change_fills(self, change: FillChange | FillsDisclosed) -> None:
        if isinstance(change, OrderReowned):
            self._move_fills(change.external_order_id, change.client_order_id)
        elif isinstance(change, FillsDisclosed):
            for fill in self._fills_of.get(change.client_order_id, ()):
                if fill.trade.side is _UNDISCLOSED:
                    fill.trade = replace(fill.trade, side=change.side)
                    fill.place = (change.sequence, fill.place[1])
        else:
            fill = self._fills[execution_key(change.execution_scope, change.execution_ref_id)]
            fill.is_standing = not isinstance(change, TradeCancelled)
            fill.trade = change.was if isinstance(change, TradeCancelled) else change.now

    def _move_fills(self, external_order_id: str, client_order_id: str) -> None:
        moved = self._fills_of.pop(external_order_id, [])
        for fill in moved:
            fill.client_order_id = client_order_id
        self._fills_of.setdefault(client_order_id, []).extend(moved)
        self._forget_venue_id(external_order_id)
        self._orders.pop(external_order_id, None)

    def find_all(self, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for now, by its client order id; others are left out."""
        found = ((key, self._find(key)) for key in keys)
        return {key: client_order_id for key, client_order_id in found if client_order_id is not None}

    def _find(self, key: Key) -> str | None:
        if key.kind is KeyKind.ORDER and key.text in self._orders:
            return key.text
        if key.kind is KeyKind.EXECUTION and key.text in self._fills:
            return self._fills[key.text].client_order_id
        if key.kind is KeyKind.VENUE_ORDER:
            return self._by_venue(key)
        return self._owner(self._keys.get(key))

    def _by_venue(self, key: Key) -> str | None:
        """Of the orders that have or had this id of the venue's, the one it was given last."""
        having = [self._orders[one] for one in self._by_venue_id.get(key.text, ())]
        claims = [(order.symbol, order.created_ts_ns, order.client_order_id) for order in having]
        for known in self._former.get(key.text, ()):
            owner = self._owner(self._keys[known])
            if owner is not None:
                claims.append((known.symbol, -1, owner))
        symbol = key.symbol or min((symbol for symbol, *_ in claims), default="")
        claimants = list(dict.fromkeys(claim[2] for claim in sorted(claims) if claim[0] == symbol))
        return self._last_given(key.text, symbol, claimants) if claimants else None

    def _owner(self, client_order_id: str | None) -> str | None:
        """The last of those who took over what was this order's."""
        while client_order_id is not None and client_order_id not in self._orders:
            owner = self._keys.get(Key(KeyKind.ORDER, client_order_id))
            if owner is None:
                break
            client_order_id = owner
        return client_order_id

    def past(self, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield all that ever moved the units of these instruments, with its key, in the order of booking."""
        found: list[tuple[tuple[int, int], str, PastItem]] = [
            (fill.place, key, PastTrade(key, fill.ts_ns, self._strategy_of(fill), fill.trade))
            for key, fill in self._fills.items()
            if fill.is_standing and fill.trade.symbol in symbols
        ]
        found += [row for row in self._moved_units if any(one in symbols for one in symbols_in(row[2]))]
        for _, key, item in sorted(found, key=lambda row: row[0]):
            yield key, item

    def _strategy_of(self, fill: _Fill) -> str:
        order = self._orders.get(fill.client_order_id)
        return "" if order is None else order.request.strategy


def past_key(sequence: int, event: EntryBooked | CashTransferred | InstrumentDefined) -> str:
    """What an entry, or a definition, is kept under beside executions."""
    return entry_key(event.entry.entry_id) if isinstance(event, EntryBooked) else f"record:{sequence}"


def past_item(
    event: EntryBooked | CashTransferred | InstrumentDefined, ts_ns: int
) -> PastEntry | Instrument | None:
    """What of an event belongs to the past of instruments; None if it moved no units."""
    if isinstance(event, InstrumentDefined):
        return event.instrument
    if isinstance(event, CashTransferred) or type(event.entry) is CashFlow:
        return None
    return PastEntry(ts_ns, event.entry)
