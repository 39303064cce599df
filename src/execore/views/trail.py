"""Records as an auditor's eyes want them: one flat dict a record, the time readable, the event in short."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.model.errors import InvalidInput
from execore.model.money import text_of
from execore.model.records import Record

_MAXIMUM_DIGITS: Final = 20
_TIME: Final = re.compile(r"(?P<before>[^.,]*)(\.(?P<fraction>[0-9]{1,9}))?(?P<after>([Zz+-][^.,]*)?)")


def utc_text(ts_ns: int) -> str:
    """An integer of nanoseconds UTC as RFC 3339 with all nine digits."""
    seconds, nanoseconds = divmod(ts_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def parse_utc(text: str, field: str) -> int:
    """A time as the user writes it (RFC 3339, or integer nanoseconds) as integer nanoseconds UTC.

    Raises:
        InvalidInput: it is neither. A time without an offset is taken as UTC.
    """
    if text.isdecimal() and len(text) <= _MAXIMUM_DIGITS:
        return int(text)
    example = "Write 2026-01-31T12:00:00Z, with up to nine digits after the second"
    parts = None if text.isdecimal() else _TIME.fullmatch(text)
    if parts is None:
        raise InvalidInput(field, f"{text!r:.60} is not a time", example)
    try:
        moment = datetime.fromisoformat(parts["before"] + parts["after"])
    except ValueError:
        raise InvalidInput(field, f"{text!r:.60} is not a time", example) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int((parts["fraction"] or "").ljust(9, "0"))


def record_to_dict(record: Record) -> dict[str, Any]:
    """A record for display and JSON: its envelope, the event's type, the event whole, and a short detail."""
    event = _canonical(msgspec.to_builtins(record.event, builtin_types=(Decimal,)))
    kind = event.pop("type")
    return {
        "sequence": record.sequence,
        "time": utc_text(record.ts_event_ns),
        "ts_event_ns": record.ts_event_ns,
        "ts_recorded_ns": record.ts_recorded_ns,
        "actor": record.actor,
        "cause": record.cause,
        "type": kind,
        "event": event,
        "detail": _detail(event),
    }


def _canonical(value: Any) -> Any:
    """The same tree with every number as the text that all outputs have for it: no exponent."""
    if isinstance(value, Decimal):
        return text_of(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return [_canonical(item) for item in value] if isinstance(value, list | tuple) else value


def _detail(event: dict[str, Any], without: str = "client_order_id") -> str:
    """The event's own words in one line, without the order's id, which the reader has in front of him."""
    parts = []
    for key, value in event.items():
        if key == without or value in ("", None):
            continue
        if key == "metadata":
            value = ",".join(f"{name}:{text}" for name, text in value)
        parts.append(f"{key}={_shown(value)}")
    return " ".join(parts)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_shown, value))
    return f"({_detail(value, without='')})" if isinstance(value, dict) else str(value)
