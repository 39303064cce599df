"""What an execution comes to: its terms, what it moves in the books, and what came before it."""

from decimal import Decimal

import msgspec

from execore.model.entries import AnyEntry
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice as LotChoice
from execore.model.money import ZERO
from execore.model.vocabulary import PositionSide, Side


class Trade(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The terms of an execution.

    Attributes:
        fee: in ``fee_currency``; positive was paid, negative received.
        position_side: which of a hedging book's positions it belongs to.
        settlement_date: when cash and units change hands, ``YYYY-MM-DD``; empty: with the trade.
        lots: those it closes, where somebody chose.
    """

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    fee_currency: str = ""
    position_side: PositionSide = PositionSide.NET
    settlement_date: str = ""
    lots: tuple[LotChoice, ...] = ()


class Posting(msgspec.Struct, frozen=True, gc=False):
    """What moved from one account of the books to another, both kept in ``unit``."""

    source: str
    target: str
    unit: str
    amount: Decimal


class PastTrade(msgspec.Struct, frozen=True, gc=False):
    """An execution that stands, as it is now.

    Attributes:
        key: ``model.keys.execution_key``. ts_ns: when it happened, integer nanoseconds UTC.
        strategy: of the order that it belongs to now.
    """

    key: str
    ts_ns: int
    strategy: str
    trade: Trade


class PastEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry that moved units, and when that was, integer nanoseconds UTC."""

    ts_ns: int
    entry: AnyEntry


PastItem = PastTrade | PastEntry | Instrument
"""What an instrument's books are made of, in the order in which it was booked: definitions are among it."""
