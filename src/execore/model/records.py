"""A record: one event in its envelope, as the journal stores and hashes it."""

import msgspec

from execore.model.events import SCHEMA_VERSION, AnyEvent


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of the journal. The hash covers all of it.

    Attributes:
        sequence: gap-free within the book, from 1.
        book: whose stream this is.
        ts_event_ns: when it happened, by the input's own time, integer nanoseconds UTC.
        ts_recorded_ns: when it was recorded, by our clock, integer nanoseconds UTC.
        actor: who caused it.
        cause: the input it came from: its type and id.
        schema: version of the event's fields.
    """

    sequence: int
    book: str
    ts_event_ns: int
    ts_recorded_ns: int
    actor: str
    cause: str
    event: AnyEvent
    schema: int = SCHEMA_VERSION


class StoredRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it lies in the journal: the exact bytes that were hashed, and their place in the chain."""

    sequence: int
    hash: str
    data: bytes
