"""What things are worth, as far as somebody said: the newest mark of each instrument, the newest rates."""

from decimal import Decimal
from typing import Any

import msgspec

from execore.model import events


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A price, and as of when, integer nanoseconds UTC."""

    price: Decimal
    ts_ns: int


class Marks:
    """The newest mark of each instrument and the newest rate of each pair of currencies.

    One that is older than what is known changes nothing here; it stays in the journal.

    Attributes:
        prices: by symbol. rates: by base and quote currency: what one unit of base is worth in quote.
    """

    def __init__(self) -> None:
        self.prices: dict[str, Mark] = {}
        self.rates: dict[tuple[str, str], Mark] = {}

    def apply(self, event: events.MarkSet | events.RateSet, ts_ns: int) -> None:
        """Fold one event."""
        known: dict[Any, Mark] = self.prices if isinstance(event, events.MarkSet) else self.rates
        key = event.symbol if isinstance(event, events.MarkSet) else (event.base, event.quote)
        price = event.price if isinstance(event, events.MarkSet) else event.rate
        before = known.get(key)
        if before is None or before.ts_ns <= ts_ns:
            known[key] = Mark(price, ts_ns)
