"""What cells of an exported table hold: numbers with separators and units, and times of a known zone."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Final

from execore.importing.csv_rows import Record
from execore.importing.refused import Refused
from execore.importing.values import exact_again
from execore.model.errors import InvalidConfiguration
from execore.model.money import EXACT, ONE, ZERO

_PLAIN: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_WITH_UNIT: Final = re.compile(r"([+-]?[\d.,]+)\s*([A-Za-z]\w*)", re.ASCII)
_TIME: Final = re.compile(
    r"(?P<year>\d{4}|\d\d(?=[-/]))(?P<sep>[-/]?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d)"
    r"(?:[T;, ]+(?P<hour>\d\d):?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|EST|EDT|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS: Final = {"Z": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4}
_SAVED_BY_A_SPREADSHEET: Final = "Import the file as the broker wrote it, not as a spreadsheet saved it"


def number(record: Record, *columns: str) -> Decimal:
    """The number in the first of ``columns`` that is filled, exactly.

    Raises:
        Refused: it is none, or a comma in it could mean either of two things.
        InvalidNumber: it has more digits than are kept.
    """
    return to_number(record.need(*columns), columns[0], record.row.has_commas_free)


def number_or_zero(record: Record, *columns: str) -> Decimal:
    """The same; zero where they are empty, or hold a dash."""
    return number(record, *columns) if record.get(*columns).strip("-") else ZERO


def to_number(text: str, name: str, has_commas_free: bool = False) -> Decimal:
    """``text`` as a number: ``1,234.5`` and ``1e-7`` are, ``1,5`` is not."""
    if "," in text and has_commas_free:
        what = f"{name} {text!r:.60} may have a decimal comma, or one between thousands"
        raise Refused("ambiguous_number", what, "Export it with commas between columns and points in numbers")
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    elif not _PLAIN.fullmatch(text):
        raise Refused("invalid_number", f"{name} {text!r:.60} is no number", _SAVED_BY_A_SPREADSHEET)
    return exact_again(text.removeprefix("+"), name)


def amount_and_unit(record: Record, column: str, units: tuple[str, ...] = ()) -> tuple[Decimal, str]:
    """A cell like ``0.00012BTC`` in its two parts. ``units`` are tried first: some begin with a digit.

    Raises:
        Refused: it has no number, or no unit.
    """
    text = record.need(column)
    for unit in units:
        if text.endswith(unit) and _PLAIN.fullmatch(rest := text.removesuffix(unit).strip().replace(",", "")):
            return to_number(rest, column), unit
    if parts := _WITH_UNIT.fullmatch(text):
        return to_number(parts[1], column, record.row.has_commas_free), parts[2].upper()
    raise Refused(
        "invalid_number", f"{column} {text!r:.60} is no number with its currency", "Export it again"
    )


def time_in(text: str, zone: tzinfo, name: str = "time") -> int:
    """``text`` as ns UTC: a date in a form that puts the year first, with or without a time of day.

    It is a time in ``zone`` unless it names its own; a date alone is its midnight there.

    Raises:
        Refused: it is none of this, or no date that there is.
    """
    parts = _TIME.fullmatch(text.strip())
    if parts is None:
        raise Refused("invalid_time", f"{name} {text!r:.60} is not understood", _SAVED_BY_A_SPREADSHEET)
    year = int(parts["year"]) + (2000 if len(parts["year"]) == 2 else 0)
    hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    here = _named(parts["zone"], zone)
    try:
        moment = datetime(year, int(parts["month"]), int(parts["day"]), hour, minute, second, tzinfo=here)
        since = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise Refused("invalid_time", f"{name} {text!r:.60}: {error}", _SAVED_BY_A_SPREADSHEET) from None
    seconds = since.days * 86_400 + since.seconds
    return seconds * 1_000_000_000 + int((parts["fraction"] or "0").ljust(9, "0"))


def _named(word: str | None, otherwise: tzinfo) -> tzinfo:
    if not word:
        return otherwise
    if word in _HOURS:
        return timezone(timedelta(hours=_HOURS[word]))
    minutes = int(word[1:3]) * 60 + int(word[-2:])
    return timezone(timedelta(minutes=-minutes if word[0] == "-" else minutes))


@lru_cache(1)
def new_york() -> tzinfo:
    """The zone that American brokers write their times in.

    Raises:
        InvalidConfiguration: this system has no time zone database.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # heavy, and most files need no zone

    try:
        return ZoneInfo("America/New_York")
    except (ZoneInfoNotFoundError, OSError) as error:
        what = "America/New_York is not in the time zone database"
        raise InvalidConfiguration("zone", what, "Install the package tzdata") from error


def check_total(computed: Decimal, printed: Decimal, what: str, slack: Decimal = ZERO) -> None:
    """Raise Refused unless ``printed``, which the broker rounded, is what quantity and price come to.

    ``slack``: how much a rounded price may make of the difference, beside one unit of the last digit.
    """
    unit = EXACT.scaleb(ONE, min(-decimal_places(printed), -2))
    difference = EXACT.subtract(computed.copy_abs(), printed.copy_abs()).copy_abs()
    if difference > EXACT.add(unit, slack):
        reason = f"{what} is {printed.copy_abs():f}, but quantity and price come to {computed.copy_abs():f}"
        raise Refused("total_differs", reason, "Check the row; if a contract is of another size, define it")


def decimal_places(number: Decimal) -> int:
    """How many digits there are behind its point."""
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
