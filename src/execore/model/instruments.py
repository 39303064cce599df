"""What is traded: its units, its limits, and how its trades settle."""

from decimal import Decimal

import msgspec

from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.money import ONE, is_multiple, to_decimal
from execore.model.text import check_iso_date, check_text, check_time
from execore.model.vocabulary import InstrumentKind, OptionRight, to_word

_POSITIVE = ("multiplier", "tick_size", "quantity_step")
_MAXIMUM_SETTLEMENT_DAYS = 30
_MULTIPLIER_LIMIT = Decimal(10) ** 9
_MULTIPLIER_STEP = Decimal("1E-9")
_OPTIONAL = ("minimum_quantity", "maximum_quantity", "minimum_notional", "strike")


class Instrument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instrument, with exact decimals throughout.

    Attributes:
        symbol: the name orders and reports use, unique in a book.
        currency: what prices are quoted in.
        kind: how trades settle: ``spot``, ``equity`` and ``option`` exchange cash for units, ``linear`` and
            ``inverse`` settle gains.
        base_currency: for ``spot``, the currency bought or sold; a fee in it makes the position smaller.
        settlement_currency: what gains and premiums are paid in, if not ``currency``; ``inverse`` needs it.
        multiplier: units of the settlement currency that a price of 1 is worth for a quantity of 1. For
            ``inverse``, the units of ``currency`` that one contract is worth. For ``option``, also the units
            of the underlying that one contract is about.
        tick_size: prices are whole multiples of it.
        quantity_step: quantities are whole multiples of it.
        minimum_quantity, maximum_quantity: limits of one order, where the venue has them.
        minimum_notional: smallest price × quantity × multiplier of one limit order, in ``currency``.
        settlement_days: business days from trade to settlement (the n of T+n). settlement_holidays: weekdays
            that are none, ``YYYY-MM-DD``.
        underlying: the symbol that an option is about.
        strike: its price there. right: put or call.
        expires_ts_ns: when an option or a future ends, integer nanoseconds UTC.

    Numbers may also be given as strings or ints; they are kept as Decimals.

    Raises:
        InvalidInput: a field is missing, negative, zero, or not exact, or does not go with ``kind``.
        UnknownEnumValue: ``kind`` or ``right`` is not a known one.
    """

    symbol: str
    currency: str
    kind: InstrumentKind = InstrumentKind.SPOT
    base_currency: str | None = None
    multiplier: Decimal = ONE
    tick_size: Decimal = Decimal("0.01")
    quantity_step: Decimal = ONE
    minimum_quantity: Decimal | None = None
    maximum_quantity: Decimal | None = None
    minimum_notional: Decimal | None = None
    settlement_currency: str | None = None
    settlement_days: int = 0
    settlement_holidays: tuple[str, ...] = ()
    underlying: str = ""
    strike: Decimal | None = None
    right: OptionRight | None = None
    expires_ts_ns: int | None = None

    def __post_init__(self) -> None:
        fix = msgspec.structs.force_setattr
        fix(self, "kind", to_word(self.kind, InstrumentKind, "kind"))
        for field in ("symbol", "currency"):
            if not check_text(getattr(self, field), field):
                raise InvalidInput(field, "is empty", "An instrument needs a symbol and a currency")
        for field in ("base_currency", "settlement_currency"):
            if getattr(self, field) is not None and not check_text(getattr(self, field), field):
                raise InvalidInput(field, "is empty", "Leave it out where there is none")
        self._check_terms()
        for field in (*_POSITIVE, *_OPTIONAL):
            value = getattr(self, field)
            if value is None and field in _OPTIONAL:
                continue
            number = to_decimal(value, field)
            if number <= 0:
                raise InvalidNumber(field, f"{number} is not positive", f"Correct {self.symbol}'s definition")
            fix(self, field, number)
        # Price × quantity × multiplier, summed over a lifetime, must fit into 100 digits.
        if self.multiplier >= _MULTIPLIER_LIMIT or not is_multiple(self.multiplier, _MULTIPLIER_STEP):
            raise InvalidNumber(
                "multiplier", f"{self.multiplier} has more than 9 digits before or after the point"
            )

    def _check_terms(self) -> None:
        """Look at what an inverse contract, an option and a date of settlement need."""
        if self.kind is InstrumentKind.INVERSE and self.settlement_currency in (None, self.currency):
            raise InvalidInput(
                "settlement_currency", f"{self.symbol} is inverse", "Say which other currency it settles in"
            )
        exchanges = self.kind in (InstrumentKind.SPOT, InstrumentKind.EQUITY)
        if exchanges and self.settlement_currency not in (None, self.currency):
            raise InvalidInput("settlement_currency", f"{self.symbol} is paid for in {self.currency}")
        if self.right is not None:
            msgspec.structs.force_setattr(self, "right", to_word(self.right, OptionRight, "right"))
        terms = (self.right, self.strike)
        if terms != (None, None) and (self.kind is not InstrumentKind.OPTION or None in terms):
            raise InvalidInput("strike", "an option has a strike and a right, others have neither")
        check_text(self.underlying, "underlying")
        days = self.settlement_days
        if type(days) is not int or not 0 <= days <= _MAXIMUM_SETTLEMENT_DAYS:
            raise InvalidInput("settlement_days", f"{days!r:.60} is no number of days", "Give 0 to 30")
        for date in self.settlement_holidays:
            check_iso_date(date, "settlement_holidays")
        if self.expires_ts_ns is not None:
            check_time(self.expires_ts_ns, "expires_ts_ns")

    @property
    def settles_in(self) -> str:
        """The currency of its cost, results and premiums."""
        return self.currency if self.settlement_currency is None else self.settlement_currency

    @property
    def unit(self) -> str:
        """What a position in this instrument is counted in: the currency bought, else the symbol."""
        counts_base = self.base_currency is not None and self.kind is not InstrumentKind.INVERSE
        return self.base_currency if counts_base and self.base_currency is not None else self.symbol
