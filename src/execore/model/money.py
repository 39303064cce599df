"""Exact numbers: what may enter, how it is computed with, and how it is written.

Prices, quantities and money are ``decimal.Decimal``; no float gets past ``to_decimal``. The core computes
inside ``EXACT``, a context that traps every inexact result, so an addition or multiplication either is
exact or raises. The few divisions go through ``divide``, which names its quantum and rounds half-even.
"""

import decimal
import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Final, ParamSpec, TypeVar

from execore.model.errors import InvalidNumber

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
BASIS_QUANTUM: Final = Decimal("1E-12")
"""Released cost basis and shown averages are rounded here; what rounding leaves stays in the position."""

UNIT_QUANTUM: Final = Decimal("1E-18")
"""Units that a split makes are rounded here: as finely as quantities can be given."""

MAXIMUM_INTEGER_DIGITS: Final = 18
MAXIMUM_FRACTION_DIGITS: Final = 18
_MAXIMUM_TEXT: Final = 64
_MAXIMUM_INTERNED: Final = 1 << 16

EXACT: Final = decimal.Context(
    prec=100,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[
        decimal.Inexact,
        decimal.FloatOperation,
        decimal.InvalidOperation,
        decimal.DivisionByZero,
        decimal.Overflow,
    ],
)

_WIDE: Final = decimal.Context(prec=400, traps=EXACT.traps)
"""For the numerator of a division: a basis times a quantity can have more digits than ``EXACT`` holds."""

Number = Decimal | int | str
"""What a caller may give for a price, a quantity or an amount of money."""

# Prices and quantities repeat: one shared Decimal for each text saves 104 bytes an order and the checks.
_interned: dict[str, Decimal] = {}


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def exactly(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate ``function`` to compute inside ``EXACT``; the caller's context is put back after it."""

    @functools.wraps(function)
    def in_exact_context(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        callers = decimal.getcontext()
        if callers is EXACT:
            return function(*args, **kwargs)
        decimal.setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            decimal.setcontext(callers)

    return in_exact_context


def to_decimal(value: Number, field: str) -> Decimal:
    """Return ``value`` as a canonical, finite Decimal of at most 18 + 18 digits.

    Raises:
        InvalidNumber: ``value`` is a float, a bool, NaN, infinite, not a number, or has too many digits.
    """
    kind = type(value)
    if kind is Decimal or kind is int:
        try:
            text = str(value)
        except ValueError:  # Python writes no int of more than 4300 digits
            raise InvalidNumber(field, "has thousands of digits", "Round it before you give it") from None
    elif kind is str:
        text = value  # type: ignore[assignment]  # narrowed by type(), which mypy does not follow
    else:
        raise InvalidNumber(
            field, f"{kind.__name__} {value!r} is not exact", "Give a Decimal, an int or a string"
        )
    known = _interned.get(text)
    return known if known is not None else _intern(text, field)


def _intern(text: str, field: str) -> Decimal:
    number = _parse(text, field)
    if len(_interned) >= _MAXIMUM_INTERNED:
        _interned.clear()
    return _interned.setdefault(text, number)


def _parse(text: str, field: str) -> Decimal:
    try:
        number = Decimal(text)
    except decimal.InvalidOperation:
        raise InvalidNumber(field, f"{text!r:.60} is not a number", "Write it as digits, like 12.5") from None
    if not number.is_finite():
        raise InvalidNumber(field, f"{text:.60} is not a finite number", "Write it as digits, like 12.5")
    if number and not _fits(number, len(text)):
        raise InvalidNumber(
            field,
            f"{text[:60]} has more than {MAXIMUM_INTEGER_DIGITS} digits before or "
            f"{MAXIMUM_FRACTION_DIGITS} after the point",
            "Round it before you give it",
        )
    return canonical(number)


def _fits(number: Decimal, length: int) -> bool:
    if length > _MAXIMUM_TEXT or not -MAXIMUM_FRACTION_DIGITS <= number.adjusted() < MAXIMUM_INTEGER_DIGITS:
        return False
    exponent = canonical(number).as_tuple().exponent
    return isinstance(exponent, int) and -exponent <= MAXIMUM_FRACTION_DIGITS


def canonical(number: Decimal) -> Decimal:
    """The same number written one way only: no exponent, no trailing zeros, no minus zero."""
    if _is_plain(str(number)):
        return number
    if not number:
        return ZERO
    reduced = EXACT.normalize(number)
    return EXACT.quantize(reduced, ONE) if "E+" in str(reduced) else reduced


@functools.lru_cache(_MAXIMUM_INTERNED)
def text_of(number: Decimal) -> str:
    """The canonical text of ``number``, as the journal and every JSON output write it."""
    text = str(number)  # kept, as prices and quantities repeat; equal numbers have the same canonical text
    return text if _is_plain(text) else format(canonical(number), "f")


def _is_plain(text: str) -> bool:
    """Whether a number's text is canonical as it stands. Most are, and asking is cheaper than making."""
    return "E" not in text and (text[-1] != "0" or "." not in text) and text != "-0"


def divide(numerator: Decimal, denominator: Decimal, quantum: Decimal) -> Decimal:
    """``numerator / denominator`` rounded half-even to a multiple of ``quantum``, without double rounding.

    Raises:
        decimal.InvalidOperation: ``denominator`` is zero.
    """
    return share(numerator, ONE, denominator, quantum)


def share(amount: Decimal, part: Decimal, whole: Decimal, quantum: Decimal) -> Decimal:
    """``amount × part / whole`` rounded half-even to a multiple of ``quantum``, without double rounding.

    Raises:
        decimal.InvalidOperation: ``whole`` is zero.
    """
    numerator = amount if part is ONE else _WIDE.multiply(amount, part)
    step = _WIDE.multiply(whole, quantum)
    units, remainder = _WIDE.divmod(numerator, step)
    if not remainder:  # as the average price of an order that traded at one price
        return EXACT.multiply(units, quantum)
    twice = _WIDE.compare(_WIDE.multiply(remainder.copy_abs(), _TWO), step.copy_abs())
    if twice > 0 or (twice == 0 and _WIDE.remainder(units, _TWO)):
        units = _WIDE.add(units, ONE if (numerator < 0) is (step < 0) else -ONE)
    return EXACT.multiply(units, quantum)


def is_multiple(number: Decimal, step: Decimal) -> bool:
    """Whether ``number`` is a whole number of ``step`` (a tick or a quantity step)."""
    return not EXACT.remainder(number, step)
