"""Identifiers: whose they are, what they may look like, and how they are made."""

import hashlib
from typing import Final

from execore.model.errors import InvalidInput

MAXIMUM_ID_LENGTH: Final = 128


def is_id(value: str) -> bool:
    """Whether ``value`` can be an id: 1 to 128 printable ASCII characters without spaces."""
    return (
        type(value) is str
        and 0 < len(value) <= MAXIMUM_ID_LENGTH
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


def check_id(value: str, field: str) -> str:
    """Return ``value`` if it can be an id.

    Raises:
        InvalidInput: it cannot.
    """
    if not is_id(value):
        raise InvalidInput(
            field,
            f"{value!r:.60} is no id",
            f"Use 1 to {MAXIMUM_ID_LENGTH} printable ASCII characters without spaces",
        )
    return value


def time_ordered_id(ts_ns: int, random_bits: int) -> str:
    """A UUIDv7 (RFC 9562 §5.7) as 32 lowercase hex digits: time-ordered, so that indexes stay cheap.

    Args:
        ts_ns: the time of creation, integer nanoseconds UTC.
        random_bits: 74 random bits, drawn by the caller (the model draws none).
    """
    random_a = (random_bits >> 62) & 0xFFF
    random_b = random_bits & ((1 << 62) - 1)
    milliseconds = (ts_ns // 1_000_000) & ((1 << 48) - 1)
    value = (milliseconds << 80) | (0x7 << 76) | (random_a << 64) | (0b10 << 62) | random_b
    return f"{value:032x}"


def external_order_id(book: str, symbol: str, venue_order_id: str) -> str:
    """The client order id of an order we did not create: the same on every replay and every machine."""
    return derived_id(book, symbol, venue_order_id)


def derived_id(*parts: str) -> str:
    """An id that follows from what it is for: the same on every replay and every machine."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
