"""What is traded: its units, its limits, and how its trades settle."""

from decimal import Decimal

import msgspec

from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.money import ONE, is_multiple, to_decimal
from execore.model.text import check_text
from execore.model.vocabulary import InstrumentKind, to_word

_POSITIVE = ("multiplier", "tick_size", "quantity_step")
_MULTIPLIER_LIMIT = Decimal(10) ** 9
_MULTIPLIER_STEP = Decimal("1E-9")
_OPTIONAL = ("minimum_quantity", "maximum_quantity", "minimum_notional")


class Instrument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One instrument, with exact decimals throughout.

    Attributes:
        symbol: the name orders and reports use, unique in a book.
        currency: what prices are quoted and trades settled in.
        kind: how trades settle: ``spot`` and ``equity`` exchange cash for units, ``linear`` settles gains.
        base_currency: for ``spot``, the currency bought or sold; a fee in it makes the position smaller.
        multiplier: units of ``currency`` a price of 1 is worth for a quantity of 1.
        tick_size: prices are whole multiples of it.
        quantity_step: quantities are whole multiples of it.
        minimum_quantity, maximum_quantity: limits of one order, where the venue has them.
        minimum_notional: smallest price × quantity × multiplier of one limit order, in ``currency``.

    Numbers may also be given as strings or ints; they are kept as Decimals.

    Raises:
        InvalidInput: a field is missing, negative, zero, or not exact.
        UnknownEnumValue: ``kind`` is not a known kind.
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

    def __post_init__(self) -> None:
        fix = msgspec.structs.force_setattr
        fix(self, "kind", to_word(self.kind, InstrumentKind, "kind"))
        for field in ("symbol", "currency"):
            if not check_text(getattr(self, field), field):
                raise InvalidInput(field, "is empty", "An instrument needs a symbol and a currency")
        if self.base_currency is not None:
            check_text(self.base_currency, "base_currency")
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

    @property
    def unit(self) -> str:
        """What a position in this instrument is counted in: the currency bought, else the symbol."""
        return self.base_currency if self.base_currency is not None else self.symbol
