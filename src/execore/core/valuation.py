"""What a book is worth at given marks and rates, and what would have to be known to say so.

Nothing is guessed: what has no mark, or is in a currency without a rate, makes every total that needs it
``None``, and is listed by name. The sum of what is known has another name.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from execore.core.conversion import Conversion
from execore.core.instrument_rules import is_possible_price
from execore.core.marks import Mark, Marks
from execore.core.position import Position
from execore.core.position_ledger import PositionLedger
from execore.model.instruments import Instrument
from execore.model.money import ZERO, exactly

_SECOND_NS: Final = 1_000_000_000


class Amounts(NamedTuple):
    """One amount in the currency it settles in, in that of the quotes, and in the reporting currency.

    None: it needs a mark or a rate that is not known.
    """

    settlement: Decimal | None
    quote: Decimal | None
    reporting: Decimal | None


class Doubt(NamedTuple):
    """A mark or a rate that is missing, or older than it may be.

    Attributes:
        what: ``mark`` or ``rate``. name: the symbol, or the pair, as ``EUR/USD``.
        age_ns: how old it is, in nanoseconds; None: there is none.
    """

    what: str
    name: str
    age_ns: int | None = None


class PositionValue(msgspec.Struct, frozen=True):
    """A position at its mark.

    Attributes:
        mark, mark_age_ns: what it is valued at, and how old that is in nanoseconds; None if there is none.
        market_value: what it would cost at the mark; of an inverse contract, minus what it is worth.
        unrealised: market value less cost basis. realised: result of what was closed, before fees.
        equity: what it adds to cash: market value, or where opening moved no cash, the unrealised result.
        fees: paid for executions, in sum. fees_in_kind: cost of the units that went for fees.
        flows: funding, dividends and the like in sum; received is positive.
    """

    position: Position
    mark: Decimal | None
    mark_age_ns: int | None
    market_value: Amounts
    unrealised: Amounts
    realised: Amounts
    equity: Amounts
    fees: Amounts
    fees_in_kind: Amounts
    flows: Amounts


class CashValue(NamedTuple):
    """Cash in one currency; ``rate`` is that to the reporting currency, ``rate_age_ns`` its age."""

    amount: Decimal
    rate: Decimal | None
    rate_age_ns: int | None
    reporting: Decimal | None


class Valuation(msgspec.Struct, frozen=True):
    """A book at given marks and rates.

    Attributes:
        ts_ns: as of when ages are counted, integer nanoseconds UTC. currency: the reporting currency.
        positions: every position that is kept, flat ones too: the book's own, by position side.
        strategies: those of the strategies, where such are kept.
        equity_by_currency: cash and what positions add to it, by the currency they settle in; None where a
            mark is missing. known_by_currency: the same without the positions that have none.
        equity: all of it in the reporting currency; None if anything is missing.
        known_equity: what of it is known.
        realised, unrealised, fees, fees_in_kind, flows: sums over the book's own positions, in the
            reporting currency; None if anything is missing.
        missing, stale: marks and rates that were needed, and are not there or older than allowed.
    """

    ts_ns: int
    currency: str
    positions: tuple[PositionValue, ...]
    strategies: tuple[PositionValue, ...]
    cash: dict[str, CashValue]
    equity_by_currency: dict[str, Decimal | None]
    known_by_currency: dict[str, Decimal]
    equity: Decimal | None
    known_equity: Decimal
    realised: Decimal | None
    unrealised: Decimal | None
    fees: Decimal | None
    fees_in_kind: Decimal | None
    flows: Decimal | None
    missing: tuple[Doubt, ...]
    stale: tuple[Doubt, ...]


@exactly
def value(
    ledger: PositionLedger,
    marks: Marks,
    currency: str,
    ts_ns: int,
    *,
    max_age_seconds: int | None = None,
) -> Valuation:
    """Value a book in ``currency``.

    Args:
        marks: the book's own, or any others. ts_ns: as of when, integer nanoseconds UTC: ages count to it.
        max_age_seconds: marks and rates older than that are listed as stale; None: none is.
    """
    instruments = ledger.instruments()
    limit = None if max_age_seconds is None else max_age_seconds * _SECOND_NS
    valuer = _Valuer(marks, Conversion(marks, instruments), currency, ts_ns, limit)
    sections = [section for one in instruments for section in ledger.sections(one.symbol)]
    values = [valuer.position(section) for section in sections]
    own = tuple(one for one in values if one.position.strategy is None)
    cash = {one: valuer.cash(one, amount) for one, amount in ledger.cash().items()}
    by_currency, known_by_currency = _by_currency(cash, own)
    in_reporting = [valuer.convert(amount, one, currency) for one, amount in known_by_currency.items()]
    known = sum((amount for amount in in_reporting if amount is not None), ZERO)
    is_known = None not in by_currency.values() and None not in in_reporting
    return Valuation(
        ts_ns,
        currency,
        own,
        tuple(one for one in values if one.position.strategy is not None),
        cash,
        by_currency,
        known_by_currency,
        known if is_known else None,
        known,
        total(one.realised.reporting for one in own),
        total(one.unrealised.reporting for one in own),
        total(one.fees.reporting for one in own),
        total(one.fees_in_kind.reporting for one in own),
        total(one.flows.reporting for one in own),
        tuple(valuer.missing),
        tuple(valuer.stale),
    )


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum, or None if any of them is not known. To be called where arithmetic is exact."""
    summed = ZERO
    for amount in amounts:
        if amount is None:
            return None
        summed += amount
    return summed


def _by_currency(
    cash: Mapping[str, CashValue], positions: Iterable[PositionValue]
) -> tuple[dict[str, Decimal | None], dict[str, Decimal]]:
    known = {currency: one.amount for currency, one in cash.items()}
    unknown: set[str] = set()
    for one in positions:
        currency, equity = one.position.currency, one.equity.settlement
        known[currency] = known.get(currency, ZERO) + (equity or ZERO)
        if equity is None:
            unknown.add(currency)
    return {currency: None if currency in unknown else amount for currency, amount in known.items()}, known


class _Valuer:
    """Values one thing after the other, and notes what is missing or stale."""

    def __init__(
        self, marks: Marks, conversion: Conversion, currency: str, ts_ns: int, limit_ns: int | None
    ) -> None:
        self.marks, self.conversion, self.currency = marks, conversion, currency
        self.ts_ns, self.limit_ns = ts_ns, limit_ns
        self.missing: dict[Doubt, None] = {}
        self.stale: dict[Doubt, None] = {}

    def position(self, position: Position) -> PositionValue:
        mark = self._mark(position)
        price = None if mark is None else mark.price
        worth = unrealised = equity = ZERO if not position.quantity else None
        if price is not None and position.quantity:
            worth = position.market_value(price)
            unrealised, equity = worth - position.cost_basis, position.equity(price)
        instrument = position.instrument
        return PositionValue(
            position,
            price,
            None if mark is None else self.ts_ns - mark.ts_ns,
            self._amounts(worth, instrument),
            self._amounts(unrealised, instrument),
            self._amounts(position.realised_pnl, instrument),
            self._amounts(equity, instrument),
            self._sum_of(position.fees.items(), instrument),
            self._amounts(position.fees_in_kind, instrument),
            self._sum_of((one for by in position.flows.values() for one in by.items()), instrument),
        )

    def cash(self, currency: str, amount: Decimal) -> CashValue:
        rate = self.conversion.rate(currency, self.currency)
        age = None if rate is None or rate.ts_ns is None else self.ts_ns - rate.ts_ns
        known = None if rate is None else rate.rate
        return CashValue(amount, known, age, self.convert(amount, currency, self.currency))

    def convert(self, amount: Decimal | None, base: str, quote: str) -> Decimal | None:
        """An amount in another currency, where that is known; what it lacks for that is noted."""
        if not amount or base == quote:
            return amount
        rate = self.conversion.rate(base, quote)
        if rate is None:
            self.missing[Doubt("rate", f"{base}/{quote}")] = None
            return None
        if rate.ts_ns is not None:
            self._note_age("rate", f"{base}/{quote}", rate.ts_ns)
        return amount * rate.rate

    def _mark(self, position: Position) -> Mark | None:
        mark = self.marks.prices.get(position.symbol)
        if mark is not None and not is_possible_price(position.instrument, mark.price):
            mark = None
        if position.quantity:
            if mark is None:
                self.missing[Doubt("mark", position.symbol)] = None
            else:
                self._note_age("mark", position.symbol, mark.ts_ns)
        return mark

    def _note_age(self, what: str, name: str, ts_ns: int) -> None:
        age = self.ts_ns - ts_ns
        if self.limit_ns is not None and age > self.limit_ns:
            self.stale[Doubt(what, name, age)] = None

    def _amounts(self, amount: Decimal | None, instrument: Instrument) -> Amounts:
        settles_in = instrument.settles_in
        if amount is None:
            return Amounts(None, None, None)
        if settles_in == instrument.currency == self.currency:
            return Amounts(amount, amount, amount)
        quoted = self.conversion.convert(amount, settles_in, instrument.currency)
        return Amounts(amount, quoted, self.convert(amount, settles_in, self.currency))

    def _sum_of(self, amounts: Iterable[tuple[str, Decimal]], instrument: Instrument) -> Amounts:
        """The sum of amounts in several currencies."""
        parts = list(amounts)
        if not parts:
            return _NOTHING
        settled, quoted = (
            total(self.conversion.convert(amount, currency, to) for currency, amount in parts)
            for to in (instrument.settles_in, instrument.currency)
        )
        reported = [self.convert(amount, currency, self.currency) for currency, amount in parts]
        return Amounts(settled, quoted, total(reported))


_NOTHING: Final = Amounts(ZERO, ZERO, ZERO)
