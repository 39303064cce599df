"""The facts of entries, marks and rates; import them from ``model.events``."""

from decimal import Decimal

from execore.model.entries import AnyEntry
from execore.model.event_base import Event


class EntryBooked(Event, frozen=True, gc=False, omit_defaults=True, tag="entry_booked"):
    """Something changed the books beside executions. What it left open is as the definition said then."""

    entry: AnyEntry


class MarkSet(Event, frozen=True, gc=False, omit_defaults=True, tag="mark_set"):
    """What one unit of an instrument was worth, by the time of this record."""

    symbol: str
    price: Decimal


class RateSet(Event, frozen=True, gc=False, omit_defaults=True, tag="rate_set"):
    """What one unit of ``base`` was worth in ``quote``, by the time of this record."""

    base: str
    quote: str
    rate: Decimal
