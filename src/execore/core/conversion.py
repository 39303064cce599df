"""What one currency is worth in another, by the rates and marks that somebody told.

A rate was told for its pair, or follows from a mark: that of a spot instrument is what a unit of its base
currency is worth, that of an inverse contract what a unit of the currency it settles in is worth. A pair
that nobody told is turned over, or reached over other currencies. Turned over, and over each further leg, a
rate is rounded half-even at 1e-18; all that is computed with it is exact. No two currencies are taken for
one: USDT is not USD.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from execore.core.marks import Mark, Marks
from execore.model.instruments import Instrument
from execore.model.money import EXACT, ONE, UNIT_QUANTUM, divide, share
from execore.model.vocabulary import InstrumentKind

RATE_QUANTUM: Final = UNIT_QUANTUM


class Leg(NamedTuple):
    """One step from a currency to another: what it is worth there, as of when, and who said so.

    ``source`` is ``rate EUR/USD`` or ``mark BTC-USD``. ``is_inverse``: what was said is turned over.
    """

    base: str
    quote: str
    rate: Decimal
    ts_ns: int
    source: str
    is_inverse: bool = False


class Rate(NamedTuple):
    """What one unit of a currency is worth in another.

    Attributes:
        ts_ns: as of when: the time of the oldest leg, integer nanoseconds UTC; None where none is needed.
        path: the legs, in order; empty from a currency to itself.
    """

    rate: Decimal
    ts_ns: int | None
    path: tuple[Leg, ...]


_SAME: Final = Rate(ONE, None, ())


def pair_of(instrument: Instrument) -> tuple[str, str] | None:
    """The pair of currencies that a mark of this instrument is a rate of; None if it is none."""
    if instrument.kind is InstrumentKind.INVERSE:
        return instrument.settles_in, instrument.currency
    if instrument.kind is InstrumentKind.SPOT and instrument.base_currency is not None:
        return instrument.base_currency, instrument.currency
    return None


class Conversion:
    """Rates between currencies, by what is known. ``note_rate`` and ``note_mark`` keep it up to date."""

    def __init__(self, marks: Marks | None = None, instruments: Iterable[Instrument] = ()) -> None:
        self._legs: dict[str, dict[str, dict[str, Leg]]] = {}
        self._found: dict[tuple[str, str], Rate | None] = {}
        if marks is None:
            return
        for (base, quote), mark in marks.rates.items():
            self.note_rate(base, quote, mark)
        for instrument in instruments:
            known = marks.prices.get(instrument.symbol)
            if known is not None:
                self.note_mark(instrument, known)

    def note_rate(self, base: str, quote: str, mark: Mark) -> None:
        """Take in a rate that was told."""
        self._note(base, quote, mark, f"rate {base}/{quote}")

    def note_mark(self, instrument: Instrument, mark: Mark) -> bool:
        """Take in a mark; return whether it says anything of currencies."""
        pair = pair_of(instrument)
        if pair is not None and pair[0] != pair[1]:
            self._note(*pair, mark, f"mark {instrument.symbol}")
        return pair is not None

    def _note(self, base: str, quote: str, mark: Mark, source: str) -> None:
        there = self._legs.setdefault(base, {}).setdefault(quote, {})
        back = self._legs.setdefault(quote, {}).setdefault(base, {})
        there.pop(source, None)
        back.pop(source, None)
        if mark.price >= 0:  # a price below zero is no rate
            there[source] = Leg(base, quote, mark.price, mark.ts_ns, source)
        if mark.price > 0:
            turned = divide(ONE, mark.price, RATE_QUANTUM)
            back[source] = Leg(quote, base, turned, mark.ts_ns, source, is_inverse=True)
        self._found.clear()

    def rate(self, base: str, quote: str) -> Rate | None:
        """What one unit of ``base`` is worth in ``quote``; None if that is not known.

        By the shortest way; of several, that whose oldest leg is the newest, then the first by name. Of
        several rates of one pair the newest; of equally old ones, one that was not turned over.
        """
        if base == quote:
            return _SAME
        if (base, quote) not in self._found:
            self._found[base, quote] = self._find(base, quote)
        return self._found[base, quote]

    def convert(self, amount: Decimal, base: str, quote: str) -> Decimal | None:
        """An amount of ``base`` in ``quote``, exactly by the rate; None if there is none. Zero needs none."""
        if base == quote or not amount:
            return amount
        rate = self.rate(base, quote)
        return None if rate is None else EXACT.multiply(amount, rate.rate)

    def _find(self, base: str, quote: str) -> Rate | None:
        freshest = self._oldest_leg(base, quote)
        if freshest is None:
            return None
        path = self._first_path(base, quote, freshest)
        legs = [leg for one, next_ in pairwise(path) if (leg := self._leg(one, next_))]
        rate = legs[0].rate
        for leg in legs[1:]:
            rate = share(rate, leg.rate, ONE, RATE_QUANTUM)
        return Rate(rate, freshest, tuple(legs))

    def _leg(self, base: str, quote: str) -> Leg | None:
        """The best of what was said of a pair."""
        said = self._legs[base].get(quote, {}).values()
        return max(said, key=lambda leg: (leg.ts_ns, not leg.is_inverse, leg.source), default=None)

    def _next(self, base: str) -> Iterator[Leg]:
        for quote in self._legs.get(base, {}):
            leg = self._leg(base, quote)
            if leg is not None:
                yield leg

    def _oldest_leg(self, base: str, quote: str) -> int | None:
        """Of the shortest ways, that whose oldest leg is the newest: the time of that leg; None: no way."""
        seen = {base}
        oldest: dict[str, int | None] = {base: None}
        while oldest:
            further: dict[str, int | None] = {}
            for one, since in oldest.items():
                for leg in self._next(one):
                    if leg.quote in seen:
                        continue
                    bound = leg.ts_ns if since is None else min(leg.ts_ns, since)
                    known = further.get(leg.quote)
                    further[leg.quote] = bound if known is None else max(known, bound)
            if quote in further:
                return further[quote]
            seen |= further.keys()
            oldest = further
        return None

    def _first_path(self, base: str, quote: str, since: int) -> tuple[str, ...]:
        """The shortest way over legs that are no older than ``since``; of several the first by name."""
        seen = {base}
        paths: dict[str, tuple[str, ...]] = {base: (base,)}
        while quote not in paths:
            further: dict[str, tuple[str, ...]] = {}
            for one, path in paths.items():
                for leg in self._next(one):
                    if leg.ts_ns >= since and leg.quote not in seen:
                        way = (*path, leg.quote)
                        further[leg.quote] = min(further.get(leg.quote, way), way)
            seen |= further.keys()
            paths = further
        return paths[quote]
