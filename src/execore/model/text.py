"""Text and time at the boundary: what can be written, hashed and read back as it was, for ever."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from execore.model.errors import InvalidInput

_TIME_LIMIT: Final = 1 << 63


def printable(text: str) -> str:
    """``text`` with what is no character (lone surrogates, from foreign bytes) escaped by backslashes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def check_text(value: str, field: str) -> str:
    """Return ``value``, which must be text that can be written.

    Raises:
        InvalidInput: it is not a string, or has lone surrogates.
    """
    if type(value) is str and value.isascii():
        return value
    if type(value) is not str or printable(value) != value:
        raise InvalidInput(field, f"{value!r:.60} is not text", "Give a string of real characters")
    return value


def check_time(value: int, field: str) -> int:
    """Return ``value``, integer nanoseconds that fit into 64 bits with their sign.

    Raises:
        InvalidInput: it is not an integer, or does not fit.
    """
    if type(value) is not int or not -_TIME_LIMIT <= value < _TIME_LIMIT:
        raise InvalidInput(field, f"{value!r:.60} is no time", "Give integer nanoseconds UTC")
    return value


def check_iso_date(value: str, field: str) -> str:
    """Return ``value``, which must have the form of a date, ``YYYY-MM-DD``: such texts sort as their days do.

    Raises:
        InvalidInput: it has not.
    """
    parts = value.split("-") if value.isascii() else []
    if [len(part) for part in parts] != [4, 2, 2] or not "".join(parts).isdigit():
        raise InvalidInput(field, f"{value!r:.60} is no date", "Give it as YYYY-MM-DD")
    return value


def clean_texts(struct: msgspec.Struct) -> None:
    """Check that every text field of ``struct`` is a string, and escape in place what cannot be written.

    Raises:
        InvalidInput: a field is something else; the error names it.
    """
    names, values_of = _TEXT_FIELDS.get(type(struct)) or _find_text_fields(type(struct))
    try:
        if "".join(values_of(struct)).isascii():
            return  # all are strings, and plain: one look at all of them is what every input can afford
    except TypeError:
        pass  # one of them is no string: find out which
    for name, value in zip(names, values_of(struct), strict=True):
        if type(value) is not str:
            raise InvalidInput(name, f"{value!r:.60} is not text", "Give a string")
        msgspec.structs.force_setattr(struct, name, printable(value))


_TEXT_FIELDS: Final[dict[type[msgspec.Struct], tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]]] = {}


def _find_text_fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    names = tuple(field.name for field in msgspec.structs.fields(kind) if field.type is str)
    found = _TEXT_FIELDS[kind] = (names, attrgetter(*names))  # all have several, so it gives a tuple
    return found
