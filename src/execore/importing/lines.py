"""What a line of a history is: one thing that happened to the books, in the words of docs/importing.md.

Every type of line is a struct. Numbers come as Decimals, strings or ints and are kept as Decimals, exactly;
times come as ISO 8601 or integer ns, and are kept as ns. What cannot be meant is refused.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec
from msgspec import field

from execore.importing.values import check_date, check_filled, check_positive, exact, exact_again, to_ns
from execore.model.errors import InvalidInput
from execore.model.vocabulary import ClosingReason, Flow, InstrumentKind, OptionRight, PositionSide, Side

if TYPE_CHECKING:
    Exact = Decimal
    Instant = int
else:
    Exact = Instant = str | int  # as they are written; what is kept is a Decimal, and ns

_fix: Final = msgspec.structs.force_setattr


class Lot(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """So much of the lot that the fill ``lot`` opened.

    Raises:
        InvalidInput, InvalidNumber: a field is empty, or not positive.
    """

    lot: str
    quantity: Exact

    def __post_init__(self) -> None:
        check_filled(self.lot, "lots.lot")
        quantity = exact(self.quantity, "lots.quantity")
        _fix(self, "quantity", check_positive(quantity, "lots.quantity"))


class Content(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
):
    """What every type of line has in common: its fields are made exact, and looked at, when it is made.

    Raises:
        InvalidInput: a field is empty, missing or impossible; it names it.
        InvalidNumber: a number is not exact.
    """

    NUMBERS: ClassVar[tuple[str, ...]] = ()
    POSITIVE: ClassVar[tuple[str, ...]] = ()
    TIMES: ClassVar[tuple[str, ...]] = ("time_ns",)
    TEXTS: ClassVar[tuple[str, ...]] = ("id",)

    def __post_init__(self) -> None:
        for name in self.TEXTS:
            check_filled(getattr(self, name), name)
        for name in self.TIMES:
            if (value := getattr(self, name)) is not None:
                _fix(self, name, to_ns(value, name.removesuffix("_ns")))
        for name in (*self.NUMBERS, *self.POSITIVE):
            if (value := getattr(self, name)) is not None:
                _fix(self, name, number := exact(value, name))
                if name in self.POSITIVE:
                    check_positive(number, name)
        self.check()

    def check(self) -> None:
        """Look at the fields together, once each is well-formed."""


class InstrumentLine(Content, frozen=True, kw_only=True, tag="instrument"):
    """An instrument as it is from ``time_ns`` on; None: always was. Fields as in ``model.instruments``."""

    symbol: str
    currency: str
    kind: InstrumentKind
    base_currency: str | None = None
    settlement_currency: str | None = None
    multiplier: Exact | None = None
    tick_size: Exact | None = None
    quantity_step: Exact | None = None
    minimum_quantity: Exact | None = None
    maximum_quantity: Exact | None = None
    minimum_notional: Exact | None = None
    settlement_days: int | None = None
    settlement_holidays: tuple[str, ...] | None = None
    underlying: str | None = None
    strike: Exact | None = None
    right: OptionRight | None = None
    expires_ns: Instant | None = field(default=None, name="expires")
    time_ns: Instant | None = field(default=None, name="time")

    TEXTS = ("symbol", "currency", "base_currency", "settlement_currency", "underlying")
    TIMES = ("expires_ns", "time_ns")
    POSITIVE = (
        "multiplier",
        "tick_size",
        "quantity_step",
        "minimum_quantity",
        "maximum_quantity",
        "minimum_notional",
    )
    NUMBERS = ("strike",)

    def check(self) -> None:
        if self.kind is InstrumentKind.INVERSE and self.settlement_currency is None:
            raise InvalidInput(
                "settlement_currency", "is missing", "Say what the inverse contract settles in"
            )
        if self.settlement_days is not None and not 0 <= self.settlement_days <= 365:
            raise InvalidInput(
                "settlement_days", f"{self.settlement_days} is no number of days from 0 to 365"
            )


class FillLine(Content, frozen=True, kw_only=True, tag="fill"):
    """An execution.

    ``id`` is unique among fills. ``fee`` is positive when paid; without ``fee_currency`` it is in what the
    instrument settles in.
    """

    id: str
    time_ns: Instant = field(name="time")
    symbol: str
    side: Side
    quantity: Exact
    price: Exact
    order_id: str | None = None
    fee: Exact | None = None
    fee_currency: str | None = None
    strategy: str | None = None
    position_side: PositionSide | None = None
    settlement_date: str | None = None
    lots: tuple[Lot, ...] | None = None

    def __post_init__(self) -> None:  # by hand: of these there are millions
        _fix(self, "time_ns", to_ns(self.time_ns, "time"))
        _fix(self, "quantity", quantity := exact_again(self.quantity, "quantity"))
        _fix(self, "price", exact_again(self.price, "price"))
        if self.fee is not None:
            _fix(self, "fee", exact(self.fee, "fee"))
        if not quantity > 0:
            check_positive(quantity, "quantity")
        if self.side is Side.UNDISCLOSED:
            raise InvalidInput("side", "is not disclosed", "Say buy or sell")
        if not (self.id and self.symbol):
            check_filled(self.id, "id")
            check_filled(self.symbol, "symbol")
        if self.settlement_date is not None:
            check_date(self.settlement_date, "settlement_date")


class FeeLine(Content, frozen=True, kw_only=True, tag="fee"):
    """The fee of the fill ``execution`` is this from now on."""

    time_ns: Instant = field(name="time")
    execution: str
    fee: Exact
    fee_currency: str

    NUMBERS = ("fee",)
    TEXTS = ("execution", "fee_currency")


class BustLine(Content, frozen=True, kw_only=True, tag="bust"):
    """The fill ``execution`` never was."""

    id: str | None = None
    time_ns: Instant = field(name="time")
    execution: str

    TEXTS = ("id", "execution")


class CorrectionLine(Content, frozen=True, kw_only=True, tag="correction"):
    """The fill ``execution`` was this."""

    id: str | None = None
    time_ns: Instant = field(name="time")
    execution: str
    quantity: Exact
    price: Exact
    side: Side | None = None
    fee: Exact | None = None
    fee_currency: str | None = None

    NUMBERS = ("price", "fee")
    POSITIVE = ("quantity",)
    TEXTS = ("id", "execution", "fee_currency")

    def check(self) -> None:
        if self.side is Side.UNDISCLOSED:
            raise InvalidInput("side", "is not disclosed", "Say buy or sell, or leave it out")


class TransferLine(Content, frozen=True, kw_only=True, tag="transfer"):
    """Cash (``currency``, ``amount``), or units (``symbol``, ``quantity``), that came (+) or went (−)."""

    id: str
    time_ns: Instant = field(name="time")
    currency: str | None = None
    amount: Exact | None = None
    counterparty: str | None = None
    symbol: str | None = None
    quantity: Exact | None = None
    cost: Exact | None = None
    opened_ns: Instant | None = field(default=None, name="opened")
    strategy: str | None = None
    position_side: PositionSide | None = None
    lots: tuple[Lot, ...] | None = None

    NUMBERS = ("amount", "quantity", "cost")
    TIMES = ("time_ns", "opened_ns")
    TEXTS = ("id", "currency", "symbol", "strategy", "counterparty")

    def check(self) -> None:
        _cash_or_units(self, ("currency", "amount"), ("symbol", "quantity"))
        if self.currency is not None and self.cost is not None:
            raise InvalidInput("cost", "is of units, and this is cash")


class CashFlowLine(Content, frozen=True, kw_only=True, tag="cash_flow"):
    """Cash received (+) or paid (−) for something that is neither a trade nor a transfer."""

    id: str
    time_ns: Instant = field(name="time")
    flow: Flow
    currency: str
    amount: Exact
    symbol: str | None = None
    position_side: PositionSide | None = None
    strategy: str | None = None

    NUMBERS = ("amount",)
    TEXTS = ("id", "currency", "symbol", "strategy")


class SplitLine(Content, frozen=True, kw_only=True, tag="split"):
    """Each ``old`` units become ``new``. With ``whole``, fractions of it are paid out in ``cash``."""

    id: str
    time_ns: Instant = field(name="time")
    symbol: str
    new: Exact
    old: Exact
    cash: Exact | None = None
    whole: Exact | None = None

    POSITIVE = ("new", "old", "whole")
    NUMBERS = ("cash",)
    TEXTS = ("id", "symbol")

    def check(self) -> None:
        if self.cash is not None and self.whole is None:
            raise InvalidInput("whole", "is missing", "Say of what fractions were paid out, as 1")


class SymbolChangeLine(Content, frozen=True, kw_only=True, tag="symbol_change"):
    """What was held as ``symbol`` is held as ``new_symbol``."""

    id: str
    time_ns: Instant = field(name="time")
    symbol: str
    new_symbol: str

    TEXTS = ("id", "symbol", "new_symbol")


class ClosingLine(Content, frozen=True, kw_only=True, tag="closing"):
    """A position ended at ``price`` without an order; all of it, unless ``quantity`` says how much."""

    id: str
    time_ns: Instant = field(name="time")
    symbol: str
    reason: ClosingReason
    price: Exact
    quantity: Exact | None = None
    fee: Exact | None = None
    fee_currency: str | None = None
    position_side: PositionSide | None = None
    strategy: str | None = None

    NUMBERS = ("price", "fee")
    POSITIVE = ("quantity",)
    TEXTS = ("id", "symbol", "fee_currency", "strategy")


class ExerciseLine(Content, frozen=True, kw_only=True, tag="exercise"):
    """Our long option ``symbol`` was exercised, or our short one assigned."""

    id: str
    time_ns: Instant = field(name="time")
    symbol: str
    quantity: Exact | None = None
    underlying: str | None = None
    price: Exact | None = None
    fee: Exact | None = None
    fee_currency: str | None = None
    position_side: PositionSide | None = None
    strategy: str | None = None

    NUMBERS = ("price", "fee")
    POSITIVE = ("quantity",)
    TEXTS = ("id", "symbol", "underlying", "fee_currency", "strategy")


class AdjustmentLine(Content, frozen=True, kw_only=True, tag="adjustment"):
    """``actor`` corrects the books for ``reason``: cash, or a position's quantity and cost, by so much."""

    id: str
    time_ns: Instant = field(name="time")
    reason: str
    actor: str
    currency: str | None = None
    amount: Exact | None = None
    symbol: str | None = None
    quantity: Exact | None = None
    cost: Exact | None = None
    position_side: PositionSide | None = None
    strategy: str | None = None

    NUMBERS = ("amount", "quantity", "cost")
    TEXTS = ("id", "reason", "actor", "currency", "symbol", "strategy")

    def check(self) -> None:
        _cash_or_units(self, ("currency", "amount"), ("symbol", "quantity", "cost"))


class MarkLine(Content, frozen=True, kw_only=True, tag="mark"):
    """What ``symbol`` was worth."""

    time_ns: Instant = field(name="time")
    symbol: str
    price: Exact

    NUMBERS = ("price",)
    TEXTS = ("symbol",)


class RateLine(Content, frozen=True, kw_only=True, tag="rate"):
    """One ``base`` was worth ``rate`` of ``quote``."""

    time_ns: Instant = field(name="time")
    base: str
    quote: str
    rate: Exact

    POSITIVE = ("rate",)
    TEXTS = ("base", "quote")


def _cash_or_units(line: Content, cash: tuple[str, ...], units: tuple[str, ...]) -> None:
    """Raise InvalidInput unless all fields of one of the two are given, and none of the other."""
    given = {name for name in (*cash, *units) if getattr(line, name) is not None}
    if given not in (set(cash), set(units)):
        wanted = f"{', '.join(cash)} or {', '.join(units)}"
        raise InvalidInput(cash[0], f"give {wanted}; {', '.join(sorted(given)) or 'none'} given")


AnyContent = (
    InstrumentLine
    | FillLine
    | FeeLine
    | BustLine
    | CorrectionLine
    | TransferLine
    | CashFlowLine
    | SplitLine
    | SymbolChangeLine
    | ClosingLine
    | ExerciseLine
    | AdjustmentLine
    | MarkLine
    | RateLine
)
TYPES: Final[dict[str, type[Content]]] = {
    str(kind.__struct_config__.tag): kind for kind in AnyContent.__args__
}
"""Every type of line by its word."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line that was understood: ``number``, from 1, is its place in the file."""

    number: int
    content: AnyContent


class NotUnderstood(msgspec.Struct, frozen=True, gc=False):
    """One line that was not: nothing of it is to be booked.

    Attributes:
        number: its place in the file, from 1.
        text: what it says, shortened.
        code: why not, for programs; docs/importing.md lists them.
        reason: why not, for people.
        next_step: what they can do.
    """

    number: int
    text: str
    code: str
    reason: str
    next_step: str = ""
