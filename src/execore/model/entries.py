"""What changes the books beside executions: entries, each booked once under an id of its own.

Venues, brokers and operators tell of them. Amounts are facts, taken as they were told; what follows from the
position (how many units a split makes, what expires) follows from the position as it is when they are booked.
"""

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final, get_args

import msgspec

from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.lots import LotChoice, to_lots
from execore.model.money import ZERO, to_decimal
from execore.model.text import check_text, check_time
from execore.model.vocabulary import ClosingReason, Flow, PositionSide, to_word


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind"):
    """What every entry has. Numbers may be given as strings or ints, words as strings.

    Attributes:
        entry_id: unique in the book for ever: the same entry again is already done.

    Raises:
        InvalidInput: a field is missing, empty or impossible, by its name.
        InvalidNumber, UnknownEnumValue: by field.
    """

    entry_id: str

    def __post_init__(self) -> None:
        _clean(self)
        self._check()

    def _check(self) -> None:
        """Look at the fields together, once each is well-formed."""


class CashFlow(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="cash_flow"):
    """Cash that came or went for another reason than a trade or a transfer.

    Attributes:
        amount: received positive, paid negative.
        symbol: the instrument it is about, if it is; ``position_side``: of a hedging book.
        strategy: whose it is; without one, those that hold the instrument share it by what they hold.
    """

    flow: Flow
    currency: str
    amount: Decimal
    symbol: str = ""
    position_side: PositionSide = PositionSide.NET
    strategy: str = ""


class PositionTransfer(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="transfer"):
    """Units that came from another account, with what they cost there, or went to one.

    Attributes:
        quantity: units that come, negative: that go. Those that make the position smaller release cost by the
            book's method; nothing is realised.
        cost: what the units that make it larger cost in all (short: fetched, negative), in the currency that
            the instrument settles in.
        opened_ts_ns: when they were acquired; None: when they came.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal | None = None
    opened_ts_ns: int | None = None
    position_side: PositionSide = PositionSide.NET
    strategy: str = ""
    lots: tuple[LotChoice, ...] = ()

    def _check(self) -> None:
        _not_zero(self, "quantity")


class Split(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="split"):
    """Every ``old`` units became ``new``, at the same cost: a split, a reverse split, a stock dividend.

    Attributes:
        whole: fractions of so many units are not kept: they were sold for ``cash``. None: they are kept.
        cash: paid in lieu of the fraction, in the currency that the instrument settles in.
    """

    symbol: str
    new: Decimal
    old: Decimal
    whole: Decimal | None = None
    cash: Decimal = ZERO

    def _check(self) -> None:
        _positive(self, "new", "old", "whole")
        if self.cash and self.whole is None:
            raise InvalidInput(
                "cash", "nothing is paid where fractions are kept", "Say which units are whole"
            )


class SymbolChange(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="symbol_change"):
    """What was held as ``symbol`` is held as ``new_symbol`` from now on: units, cost and lots."""

    symbol: str
    new_symbol: str

    def _check(self) -> None:
        if self.symbol == self.new_symbol:
            raise InvalidInput("new_symbol", "it is the old one")


class PositionClosing(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="closing"):
    """A position ended without an order: it expired, was settled, or was liquidated.

    Attributes:
        price: what it was settled at; zero for what expired worthless.
        quantity: how much of it, a size; None: all.
        fee: what it cost, in ``fee_currency``.
    """

    symbol: str
    reason: ClosingReason
    price: Decimal
    quantity: Decimal | None = None
    fee: Decimal = ZERO
    fee_currency: str = ""
    position_side: PositionSide = PositionSide.NET
    strategy: str = ""

    def _check(self) -> None:
        _positive(self, "quantity")


class Exercise(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="exercise"):
    """An option that we hold was exercised, or one that we wrote was assigned.

    It ends, nothing is realised on it, and its premium becomes part of what the underlying cost or fetched
    (IRS Publication 550, "Puts and Calls").

    Attributes:
        quantity: contracts; None: all. price: what was paid for each unit; None: the strike.
        underlying: the symbol; empty: that of the option's definition.
    """

    symbol: str
    quantity: Decimal | None = None
    underlying: str = ""
    price: Decimal | None = None
    fee: Decimal = ZERO
    fee_currency: str = ""
    position_side: PositionSide = PositionSide.NET
    strategy: str = ""

    def _check(self) -> None:
        _positive(self, "quantity")


class Adjustment(Entry, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="adjustment"):
    """An operator sets the books right: cash, or a position. It is flagged for ever as what it is.

    Attributes:
        reason: why, for the record.
        currency, amount: cash that is there and was not booked; negative: the other way.
        symbol, quantity, cost: units, and what they cost, that are to be added (signed).
    """

    reason: str
    currency: str = ""
    amount: Decimal = ZERO
    symbol: str = ""
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    position_side: PositionSide = PositionSide.NET
    strategy: str = ""

    def _check(self) -> None:
        if not self.reason.strip():
            raise InvalidInput("reason", "it is empty", "Say why the books are changed by hand")
        if bool(self.currency) is bool(self.symbol):
            raise InvalidInput("currency", "an adjustment is of cash or of a position", "Give one of the two")
        if self.currency:
            _not_zero(self, "amount")
        elif not (self.quantity or self.cost):
            raise InvalidNumber("quantity", "nothing is adjusted", "Give a quantity, a cost or both")


AnyEntry = CashFlow | PositionTransfer | Split | SymbolChange | PositionClosing | Exercise | Adjustment
ENTRIES: Final[frozenset[type[Entry]]] = frozenset(get_args(AnyEntry))


def symbols_of(entry: AnyEntry) -> tuple[str, ...]:
    """The instruments that an entry is about, as far as it names them."""
    named = (entry.symbol, getattr(entry, "new_symbol", ""), getattr(entry, "underlying", ""))
    return tuple(symbol for symbol in named if symbol)


def _clean(entry: Entry) -> None:
    """Check every field by its name or its type; numbers and words become what they stand for."""
    fix = msgspec.structs.force_setattr
    words = _words(type(entry))
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if name in words:
            fix(entry, name, to_word(value, words[name], name))
        elif name == "lots":
            fix(entry, name, to_lots(value))
        elif name == "opened_ts_ns":
            if value is not None:
                check_time(value, name)
        elif name in _TEXTS:
            check_text(value, name)
            if not value and name in _required(type(entry)):
                raise InvalidInput(name, "it is empty")
        elif value is not None:
            fix(entry, name, to_decimal(value, name))


_TEXTS: Final = frozenset(
    {"entry_id", "currency", "symbol", "new_symbol", "underlying", "strategy", "fee_currency", "reason"}
)


@lru_cache
def _words(kind: type[Entry]) -> dict[str, type[StrEnum]]:
    """The fields that hold words of a closed set."""
    fields = msgspec.structs.fields(kind)
    return {
        one.name: one.type for one in fields if isinstance(one.type, type) and issubclass(one.type, StrEnum)
    }


@lru_cache
def _required(kind: type[Entry]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(kind) if field.required)


def _positive(entry: Entry, *names: str) -> None:
    for name in names:
        value = getattr(entry, name)
        if value is not None and value <= 0:
            raise InvalidNumber(name, f"{value} is not positive")


def _not_zero(entry: Entry, name: str) -> None:
    if not getattr(entry, name):
        raise InvalidNumber(name, "it is zero")
