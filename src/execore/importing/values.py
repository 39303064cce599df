"""What a line's fields hold: exact numbers, times as integer nanoseconds, text that says something."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.money import ZERO, to_decimal
from execore.model.text import check_iso_date, check_text, check_time

_SHORT: Final = 18
_MOST_KNOWN: Final = 1 << 15
_known: dict[str, Decimal] = {}
_FAR: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FINE: Final = re.compile(r"([^.,]+)[.,](\d{7,})(\D.*)", re.ASCII)


def exact(value: Decimal | str | int, name: str) -> Decimal:
    """``value`` as an exact, canonical Decimal.

    Raises:
        InvalidNumber: it is none, or has more than 18 digits before or after the point.
    """
    if type(value) is not str or len(value) > _SHORT or not value.lstrip("-").replace(".", "", 1).isdecimal():
        return to_decimal(value, name)
    try:  # nearly all numbers are plain: the same as above, in a quarter of its time
        number = Decimal(value.rstrip("0")) if value[-1] == "0" and "." in value else Decimal(value)
    except ArithmeticError:
        return to_decimal(value, name)
    return number or ZERO


def exact_again(value: Decimal | str | int, name: str) -> Decimal:
    """The same as ``exact``, for numbers that come again and again, as prices and quantities do."""
    if type(value) is not str:
        return to_decimal(value, name)
    known = _known.get(value)
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[value] = exact(value, name)
    return known


def to_ns(value: str | int, name: str) -> int:
    """A time as integer nanoseconds UTC.

    Raises:
        InvalidInput: it is no time, has no offset from UTC, or is finer than nanoseconds.
    """
    if type(value) is not str:
        return check_time(value, name)  # type: ignore[arg-type]  # check_time looks at the type itself
    text, nanoseconds = value, 0
    if len(value) > 22 and (value[-1] != "Z" or len(value) > 27 or value[4] != "-"):
        parts = _FINE.fullmatch(value)  # finer than a datetime holds; it would cut the rest off
        if parts and len(parts[2]) < 10:
            text, nanoseconds = parts[1] + parts[3], int(parts[2].ljust(9, "0"))
        elif parts:
            text = ""
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (ValueError, TypeError, OverflowError):
        what = f"{value!r:.60} is no time with its offset from UTC"
        raise InvalidInput(name, what, "Write it like 2026-01-31T09:30:00Z, or as integer ns UTC") from None
    seconds = since.days * 86_400 + since.seconds
    ts_ns = seconds * 1_000_000_000 + since.microseconds * 1000 + nanoseconds
    return ts_ns if 0 < ts_ns < _FAR else check_time(ts_ns, name)


def check_date(value: str, name: str) -> None:
    """Raise InvalidInput unless ``value`` is a date that there is, as ``YYYY-MM-DD``."""
    check_iso_date(value, name)
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(name, f"{value} is no date: {error}", "Correct it") from None


def check_filled(value: str | None, name: str) -> None:
    """Raise InvalidInput unless ``value`` is text and not empty; None passes: an optional field."""
    if value is not None and not check_text(value, name):
        raise InvalidInput(name, "is empty", "Fill it in, or leave the field out")


def check_positive(number: Decimal, name: str) -> Decimal:
    """``number``, or InvalidNumber if it is zero or less."""
    if number > 0:
        return number
    raise InvalidNumber(name, f"{number} is not positive", "Give a number above zero")
