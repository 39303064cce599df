"""A made-up tape: quotes that wander over the tick grid, the same for the same seed everywhere."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from execore.model.errors import InvalidPrice
from execore.model.instruments import Instrument
from execore.model.money import EXACT, Number, canonical, is_multiple, to_decimal


class Quote(NamedTuple):
    """The best prices of one instrument at one time; its fields are ``PaperVenue.on_quote``'s arguments."""

    symbol: str
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    ts_ns: int


def made_up_tape(
    instrument: Instrument,
    *,
    seed: int,
    start_price: Number,
    start_ts_ns: int,
    quotes: int,
    interval_ns: int = 100_000_000,
    step_bps: int = 2,
    spread_ticks: int = 1,
    largest_size: int = 10,
) -> Iterator[Quote]:
    """Yield quotes of a bid that takes steps in proportion to itself. No floats are involved.

    Args:
        seed: the same seed and arguments give the same tape.
        start_price: the first bid, a whole number of ticks.
        start_ts_ns: before the first quote, integer nanoseconds UTC.
        quotes: how many to yield.
        interval_ns: mean time between two quotes; it varies from 1 ns to twice this.
        step_bps: the largest step, in basis points of the bid; at least one tick.
        spread_ticks: from bid to ask, in ticks.
        largest_size: sizes vary from one to this many quantity steps.

    Raises:
        InvalidNumber: ``start_price`` is not exact.
        InvalidPrice: ``start_price`` is not a positive whole number of ticks.
    """
    tick, chance = instrument.tick_size, random.Random(seed)
    first = to_decimal(start_price, "start_price")
    if first <= 0 or not is_multiple(first, tick):
        raise InvalidPrice("start_price", f"{first} is not a positive whole number of ticks of {tick}")
    bid_ticks = int(EXACT.divide_int(first, tick))
    ts_ns = start_ts_ns
    for _ in range(quotes):
        ts_ns += chance.randint(1, 2 * interval_ns)
        yield Quote(
            instrument.symbol,
            _times(bid_ticks, tick),
            _times(chance.randint(1, largest_size), instrument.quantity_step),
            _times(bid_ticks + spread_ticks, tick),
            _times(chance.randint(1, largest_size), instrument.quantity_step),
            ts_ns,
        )
        reach = max(bid_ticks * step_bps // 10_000, 1)
        bid_ticks = max(bid_ticks + chance.randint(-reach, reach), 1)


def _times(count: int, unit: Decimal) -> Decimal:
    return canonical(EXACT.multiply(count, unit))
