"""Records, orders, fills and positions as positional rows, in the column order of the tables.

This is the hot path of every append, so rows are plain tuples built in one pass.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, get_args

import msgspec

from execore.core.position import Position, position_to_dict
from execore.journal.codec import encode_record, next_hash
from execore.journal.protocol import EntryRow, FillRow, Head
from execore.model.entries import CashFlow, symbols_of
from execore.model.errors import InvariantViolation, SequenceConflict
from execore.model.events import (
    AnyEvent,
    CashTransferred,
    FillBooked,
    InstrumentDefined,
    Trade,
    TradeCancelled,
    TradeChange,
    TradeRestated,
)
from execore.model.keys import Key, execution_key
from execore.model.lots import LotChoice
from execore.model.metadata import NO_METADATA, Metadata
from execore.model.money import text_of
from execore.model.orders import Order
from execore.model.records import Record
from execore.model.vocabulary import PositionSide, Side

EVENT_TYPES: Final[dict[type, str]] = {kind: str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)}
"""The word that the journal's text and its ``type`` column have for each kind of event."""

INDEXED_COLUMNS: Final = (
    "book",
    "sequence",
    "type",
    "client_order_id",
    "execution_id",
    "actor",
    "ts_event_ns",
    "ts_recorded_ns",
)
"""What ``events`` repeats of the text beside it, to be found by; ``verify`` compares them."""

EVENT_COLUMNS: Final = (*INDEXED_COLUMNS, "hash", "data")
HASH_COLUMN: Final = EVENT_COLUMNS.index("hash")
ORDER_COLUMNS: Final = (
    "book",
    "client_order_id",
    "venue_order_id",
    "symbol",
    "side",
    "quantity",
    "filled",
    "leaves",
    "average_price",
    "state",
    "ord_status",
    "flags",
    "order_type",
    "price",
    "stop_price",
    "time_in_force",
    "expire_ts_ns",
    "strategy",
    "metadata",
    "reason",
    "closed_from",
    "created_ts_ns",
    "updated_ts_ns",
)
TRADED_COLUMNS: Final = (
    "filled",
    "leaves",
    "average_price",
    "state",
    "ord_status",
    "flags",
    "updated_ts_ns",
)
"""The columns of an order that an execution changes; it also puts an order that was closed in force again."""

FILL_COLUMNS: Final = (
    "book",
    "sequence",
    "client_order_id",
    "venue_order_id",
    "execution_id",
    "execution_key",
    "symbol",
    "side",
    "quantity",
    "price",
    "fee",
    "fee_currency",
    "position_side",
    "settlement_date",
    "lots",
    "ts_event_ns",
    "late",
    "status",
)
TERM_COLUMNS: Final = (
    "side",
    "quantity",
    "price",
    "fee",
    "fee_currency",
    "position_side",
    "settlement_date",
    "lots",
)
"""The columns of a fill that a correction changes."""

POSITION_COLUMNS: Final = (
    "book",
    "symbol",
    "position_side",
    "strategy",
    "quantity",
    "unit",
    "average_cost",
    "cost_basis",
    "realised_pnl",
    "currency",
    "fees",
    "fees_in_kind",
    "flows",
    "undisclosed",
    "opened_ts_ns",
)
OWN: Final = ""
"""The ``strategy`` of the book's own positions. A strategy's has ``@`` before its name."""

ENTRY_COLUMNS: Final = ("book", "sequence", "kind", "entry_id", "symbol", "other_symbol", "moves_units")

KEY_COLUMNS: Final = ("book", "kind", "text", "symbol", "client_order_id")

_UNDISCLOSED: Final = Side.UNDISCLOSED
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_decode_lots: Final = msgspec.json.Decoder(tuple[LotChoice, ...]).decode
_NO_LOTS: Final = "[]"


class FillStatus(StrEnum):
    """What has become of a fill. All but ``CANCELLED`` count."""

    BOOKED = "booked"
    PROVISIONAL = "provisional"
    """Known by a total alone: the executions themselves may still come, and take its place."""
    CORRECTED = "corrected"
    """It shows its terms as they are now."""
    CANCELLED = "cancelled"
    """Undone, or replaced by the executions themselves; it shows its last terms."""


Row = tuple[str | int | None, ...]


def check_append(
    where: str, book: str, expected_sequence: int, head: Head, records: Sequence[Record]
) -> None:
    """Make sure that the writer knows the head of ``book``, and that ``records`` continue it without a gap.

    Raises:
        SequenceConflict: the head is not ``expected_sequence``: the fence against two writers.
        InvariantViolation: the records are numbered otherwise: stored like this they would break the chain.
    """
    if head.sequence != expected_sequence:
        raise SequenceConflict(
            f"book {book!r} in {where} is at sequence {head.sequence}, not {expected_sequence}: "
            "somebody else appended to it; nothing was stored",
            "Make sure that one process writes the book, then open it again",
        )
    for sequence, record in enumerate(records, expected_sequence + 1):
        if record.sequence != sequence or record.book != book:
            raise InvariantViolation(
                f"record {record.sequence} of book {record.book!r} was offered as {sequence} of {book!r}",
                "Nothing was stored; number the records from expected_sequence + 1",
            )


def event_rows(records: Sequence[Record], previous: bytes) -> list[Row]:
    """The rows of ``events`` that link ``records`` to the chain ending in ``previous``."""
    rows: list[Row] = []
    for record in records:
        data = encode_record(record)
        previous = next_hash(previous, data)
        event = record.event
        rows.append(
            (
                record.book,
                record.sequence,
                EVENT_TYPES[type(event)],
                getattr(event, "client_order_id", ""),
                getattr(event, "execution_id", ""),
                record.actor,
                record.ts_event_ns,
                record.ts_recorded_ns,
                previous.hex(),
                data.decode(),
            )
        )
    return rows


def order_rows(book: str, orders: Iterable[Order]) -> list[Row]:
    """The rows of ``orders`` that show each order as it is now."""
    return [_order_row(book, order) for order in orders]


def _order_row(book: str, order: Order) -> Row:
    request = order.request
    return (
        book,
        request.client_order_id,
        order.venue_order_id,
        request.symbol,
        None if request.side is _UNDISCLOSED else request.side,
        text_of(order.quantity),
        text_of(order.filled),
        text_of(order.leaves),
        _text_or_none(order.average_price),
        order.state,
        order.ord_status,
        ",".join(order.flags),
        request.order_type,
        _text_or_none(order.price),
        _text_or_none(order.stop_price),
        request.time_in_force,
        request.expire_ts_ns,
        request.strategy,
        _metadata_text(request.metadata),
        order.reason,
        order.closed_from,
        order.created_ts_ns,
        order.updated_ts_ns,
    )


def traded_rows(book: str, orders: Iterable[Order]) -> list[Row]:
    """The ``TRADED_COLUMNS`` of ``orders``, then what finds each row: book, client and venue order id."""
    return [
        (
            text_of(order.filled),
            text_of(order.leaves),
            _text_or_none(order.average_price),
            order.state,
            order.ord_status,
            ",".join(order.flags),
            order.updated_ts_ns,
            book,
            order.request.client_order_id,
            order.venue_order_id,
        )
        for order in orders
    ]


def fill_rows(book: str, fills: Iterable[FillRow]) -> list[Row]:
    """The rows of ``fills`` that show each booked fill."""
    return [_fill_row(book, row) for row in fills]


def _fill_row(book: str, row: FillRow) -> Row:
    fill = row.fill
    return (
        book,
        row.sequence,
        fill.client_order_id,
        fill.venue_order_id,
        fill.execution_id,
        execution_key(fill.execution_scope, fill.execution_id),
        fill.symbol,
        *_terms(fill),
        row.ts_event_ns,
        int(fill.late),
        FillStatus.PROVISIONAL if fill.cumulative else FillStatus.BOOKED,
    )


def change_row(book: str, change: TradeChange) -> Row:
    """A fill's status and ``TERM_COLUMNS`` after ``change``, then what finds its row: book and key.

    None as the status leaves it as it is.
    """
    found_by = (book, execution_key(change.execution_scope, change.execution_ref_id))
    if isinstance(change, TradeCancelled):
        return (FillStatus.CANCELLED, *_terms(change.was), *found_by)
    if isinstance(change, TradeRestated):
        return (None, *_terms(change.now), *found_by)
    # What is left of a fill that is known by a total alone is still known by that alone.
    status = FillStatus.PROVISIONAL if change.replaced else FillStatus.CORRECTED
    return (status, *_terms(change.now), *found_by)


def _terms(trade: FillBooked | Trade) -> Row:
    """The texts of the ``TERM_COLUMNS``."""
    return (
        None if trade.side is _UNDISCLOSED else trade.side,
        text_of(trade.quantity),
        text_of(trade.price),
        text_of(trade.fee),
        trade.fee_currency,
        trade.position_side,
        trade.settlement_date,
        _encode(trade.lots).decode() if trade.lots else _NO_LOTS,
    )


def trade_of(symbol: str, terms: Sequence[Any]) -> Trade:
    """The trade in an instrument that has these ``TERM_COLUMNS``."""
    side, quantity, price, fee, fee_currency, position_side, settlement_date, lots = terms
    return Trade(
        symbol,
        _UNDISCLOSED if side is None else Side(side),
        Decimal(quantity),
        Decimal(price),
        Decimal(fee),
        fee_currency,
        PositionSide(position_side),
        settlement_date,
        () if lots == _NO_LOTS else _decode_lots(lots),
    )


def position_rows(book: str, positions: Iterable[Position]) -> list[Row]:
    """The rows of ``positions`` that show each position as it is now."""
    return [_position_row(book, position_to_dict(position)) for position in positions]


def _position_row(book: str, shown: dict[str, Any]) -> Row:
    shown["strategy"] = OWN if shown["strategy"] is None else f"@{shown['strategy']}"
    for amounts in ("fees", "flows"):
        shown[amounts] = _encode(shown[amounts]).decode()
    return (book, *(shown[column] for column in POSITION_COLUMNS[1:]))


def key_rows(book: str, keys: Iterable[tuple[Key, str]]) -> list[Row]:
    """The rows of ``keys`` that make each id stand for its order."""
    return [(book, key.kind, key.text, key.symbol, client_order_id) for key, client_order_id in keys]


def entry_rows(book: str, rows: Iterable[EntryRow]) -> list[Row]:
    """The rows of ``entries`` that say which record holds an entry, and what it is found by."""
    return [_entry_row(book, row) for row in rows]


def _entry_row(book: str, row: EntryRow) -> Row:
    event = row.event
    if isinstance(event, InstrumentDefined):
        return (book, row.sequence, "instrument", None, event.instrument.symbol, "", 1)
    if isinstance(event, CashTransferred):
        return (book, row.sequence, "cash_transfer", event.transfer_id, "", "", 0)
    symbol, *others = (*symbols_of(event.entry), "")
    kind = str(type(event.entry).__struct_config__.tag)
    moves_units = int(type(event.entry) is not CashFlow)
    return (book, row.sequence, kind, event.entry.entry_id, symbol, others[0] if others else "", moves_units)


def _text_or_none(number: Decimal | None) -> str | None:
    return None if number is None else text_of(number)


@lru_cache
def _metadata_text(metadata: Metadata) -> str:
    return "{}" if metadata == NO_METADATA else _encode(dict(metadata)).decode()
