"""Why equity is another than it was, in the reporting currency, with nothing left over.

Theory. Equity is, over all currencies, what the book has in one times its rate. An event changes amounts, or
a mark, or rates. A changed amount counts at the rate in force then, and belongs to the account that it was
booked against; so does a changed unrealised result. A changed rate counts what the book has in its currency
then: that is FX. As never two of them change at once, the sum is the whole difference, and no remainder is
needed to make it so. (A mark that is also a rate counts as a mark first, then as a rate.)

While a rate stays as it is, amounts can be summed before they are converted, to the same result. So it is
enough to look at the accounts that were touched when a rate changes, when a day ends, and at the end.

What has no mark yet counts at its cost. Amounts in a currency without a rate wait for its first rate; if
none comes, the parts that they belong to are not known, and it is said what they lack.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from execore.core.accounts import Account, Movement
from execore.core.chart_of_accounts import AccountParts, parts_of
from execore.core.conversion import Conversion, pair_of
from execore.core.instrument_rules import is_carried, is_possible_price, notional
from execore.core.marks import Marks
from execore.core.position_ledger import PositionLedger
from execore.model import events
from execore.model.money import ZERO, exactly

COMPONENTS: Final[dict[str, str]] = {
    "realised": "realised",
    "unrealised": "",
    "fees": "fees",
    "fees_in_kind": "fees_in_kind",
    "funding": "funding",
    "interest": "interest",
    "borrow": "borrow",
    "dividends": "dividends",
    "withholding_tax": "withholding_tax",
    "charges": "charges",
    "rebates": "rebates",
    "other_flows": "other_flows",
    "transfers": "capital clearing transferred",
    "adjustments": "adjustments",
    "fx": "",
}
"""What equity changes by, and the kinds of account that it is booked against."""

DIMENSIONS: Final = ("instrument", "strategy", "day", "order", "fill")
_COMPONENT_OF: Final = {kind: name for name, kinds in COMPONENTS.items() for kind in kinds.split()}

Part = dict[str, Decimal]
"""Amounts in the reporting currency, by component; what is not in it is zero."""

_Place = tuple[str, str, str | None, str, str, str]
"""Component, symbol, strategy, day, order and fill."""


class Explained(msgspec.Struct, frozen=True):
    """A difference of equity, explained.

    Attributes:
        start, end: equity at both ends; None: not known then.
        components: what it changed by; None: amounts in it could not be converted. known: without those.
        tables: the known parts again, by dimension and key: each adds up to ``known``. The empty key has what
            is no instrument's (cash), no order's or fill's (marks), or nobody's in particular: the last also
            has what the book nets between strategies.
        unconverted: amounts for which there is no rate, by currency and component.
    """

    currency: str
    start: Decimal | None
    end: Decimal | None
    components: dict[str, Decimal | None]
    known: Part
    tables: dict[str, dict[str, Part]]
    unconverted: dict[str, Part]

    @property
    @exactly
    def change(self) -> Decimal | None:
        """Equity at the end less that at the start."""
        return None if self.start is None or self.end is None else self.end - self.start

    @property
    @exactly
    def remainder(self) -> Decimal | None:
        """What of the change the components leave: exactly zero; None: something is not known."""
        change, parts = self.change, [part for part in self.components.values() if part is not None]
        if change is None or len(parts) < len(self.components):
            return None
        return change - sum(parts, ZERO)


class _Held(msgspec.Struct):
    """What is held in one place, as it was looked at last."""

    parts: AccountParts
    currency: str
    units: Decimal = ZERO
    basis: Decimal = ZERO
    unrealised: Decimal = ZERO


class Attribution:
    """Looks on while a ledger changes, from now on, and explains its equity.

    Call ``note`` after each event was applied to the ledger and the marks; ``begin_day`` where days begin.

    Args:
        marks: those that the events change.
        currency: the reporting currency.
        by: which tables to keep, of ``DIMENSIONS``. A table needs memory for its rows.
    """

    @exactly
    def __init__(
        self,
        ledger: PositionLedger,
        marks: Marks,
        currency: str,
        by: Collection[str] = ("instrument", "strategy"),
        day: str = "",
    ) -> None:
        self._ledger, self._marks, self._currency = ledger, marks, currency
        self._conversion = Conversion(marks, ledger.instruments())
        self._rates: dict[str, Decimal | None] = {}
        self._names: dict[str, AccountParts] = {}
        self._touched: dict[int, Account] = {}
        self._marked: dict[str, None] = {}
        self._balances: dict[tuple[str, str], Decimal] = {}
        self._cash: dict[tuple[str | None, str], Decimal] = {}
        self._held: dict[AccountParts, _Held] = {}
        self._held_in: dict[str, list[_Held]] = {}
        self._held_of: dict[str, list[_Held]] = {}
        self._by = tuple(one for one in DIMENSIONS if one in by)
        self._known: Part = {}
        self._tables: dict[str, dict[str, Part]] = {one: {} for one in self._by}
        self._waiting: dict[str, dict[_Place, Decimal]] = {}
        self._day, self._order, self._fill = day, "", ""
        self._follows_orders = "order" in by or "fill" in by
        for account in ledger.accounts():
            self._balances[account.name, account.unit] = account.balance
            self._touched[id(account)] = account
        self._marked.update(dict.fromkeys(marks.prices))
        self._settle()
        self._known.clear()
        self._waiting.clear()
        self._tables = {one: {} for one in self._by}
        self._start = self.equity()
        ledger.watch(self._look_on)

    def end(self) -> None:
        """Look on no longer."""
        self._ledger.watch()

    def _look_on(self, movements: Sequence[Movement]) -> None:
        touched = self._touched
        for source, target, _ in movements:
            touched[id(source)] = source
            touched[id(target)] = target

    # --- what happens ---------------------------------------------------------------------------------

    def note(self, event: events.AnyEvent) -> None:
        """An event has been applied."""
        if self._follows_orders or type(event) in _PRICED:
            self._note(event)

    @exactly
    def _note(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.MarkSet):
            self._note_mark(event.symbol)
        elif isinstance(event, events.RateSet):
            self._settle()
            pair = event.base, event.quote
            self._conversion.note_rate(*pair, self._marks.rates[pair])
            self._turn()
        elif isinstance(event, events.InstrumentDefined):
            self._marked[event.instrument.symbol] = None
        elif self._follows_orders and isinstance(event, events.OrderEvent):
            self._order = event.client_order_id
            self._fill = getattr(event, "execution_ref_id", "") or getattr(event, "execution_id", "")
            self._settle()
            self._order = self._fill = ""
        if self._follows_orders:
            self._settle()

    def _note_mark(self, symbol: str) -> None:
        self._marked[symbol] = None
        instrument = self._ledger.instrument(symbol)
        if instrument is not None and pair_of(instrument) is not None:
            self._settle()
            self._conversion.note_mark(instrument, self._marks.prices[symbol])
            self._turn()

    @exactly
    def begin_day(self, day: str) -> None:
        """What comes belongs to another day."""
        if day != self._day:
            self._settle()
            self._day = day

    # --- amounts --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Take in what was touched since, at the rates that were in force."""
        looked_at: dict[AccountParts, None] = {}
        for account in self._touched.values():
            parts = self._names.get(account.name)
            if parts is None:
                parts = self._names[account.name] = parts_of(account.name)
            kind = parts.kind
            if kind in _COMPONENT_OF:
                self._take(account, parts)
            elif kind == "cash":
                self._cash[parts.strategy, account.unit] = account.balance
            elif kind in ("position", "basis"):
                looked_at[self._note_held(account, parts)] = None
        self._touched.clear()
        if self._marked:
            for symbol in self._marked:
                looked_at.update((held.parts, None) for held in self._held_of.get(symbol, ()))
            self._marked.clear()
        for at in looked_at:
            self._revalue(self._held[at])

    def _take(self, account: Account, parts: AccountParts) -> None:
        key = account.name, account.unit
        was = self._balances.get(key, ZERO)
        if account.balance != was:
            self._balances[key] = account.balance
            self._add(account.unit, was - account.balance, _COMPONENT_OF[parts.kind], parts)

    def _note_held(self, account: Account, parts: AccountParts) -> AccountParts:
        at = parts._replace(kind="")
        held = self._held.get(at)
        if held is None:
            instrument = self._ledger.instrument(at.symbol)
            assert instrument is not None, "accounts of an instrument are opened once it is defined"
            held = self._held[at] = _Held(at, instrument.settles_in)
            self._held_in.setdefault(held.currency, []).append(held)
            self._held_of.setdefault(at.symbol, []).append(held)
        if parts.kind == "position":
            held.units = account.balance
        else:
            held.basis = account.balance
        return at

    def _revalue(self, held: _Held) -> None:
        unrealised = self._unrealised(held)
        if unrealised != held.unrealised:
            change, held.unrealised = unrealised - held.unrealised, unrealised
            self._add(held.currency, change, "unrealised", held.parts)

    def _unrealised(self, held: _Held) -> Decimal:
        symbol = held.parts.symbol
        instrument, price = self._ledger.instrument(symbol), self._price(symbol)
        if not held.units or price is None or instrument is None:
            return ZERO
        return notional(instrument, held.units, price) - held.basis

    def _price(self, symbol: str) -> Decimal | None:
        """The mark, if it can be used."""
        instrument, mark = self._ledger.instrument(symbol), self._marks.prices.get(symbol)
        if instrument is None or mark is None or not is_possible_price(instrument, mark.price):
            return None
        return mark.price

    # --- rates ----------------------------------------------------------------------------------------

    def _rate(self, currency: str) -> Decimal | None:
        """The rate in force."""
        if currency not in self._rates:
            found = self._conversion.rate(currency, self._currency)
            self._rates[currency] = None if found is None else found.rate
        return self._rates[currency]

    def _turn(self) -> None:
        """Rates may be others now: what the book has is worth more or less by that."""
        for currency, was in self._rates.items():
            found = self._conversion.rate(currency, self._currency)
            if found is None or found.rate == was:
                continue
            self._rates[currency] = found.rate
            if was is None:
                self._convert_waiting(currency, found.rate)
                continue
            change = found.rate - was
            for parts, amount in self._amounts_in(currency):
                if amount:
                    self._put(change * amount, self._place("fx", parts))

    def _amounts_in(self, currency: str) -> list[tuple[AccountParts, Decimal]]:
        """What the book, and each strategy, has in a currency: cash, and what positions add to it."""
        amounts = [
            (_NOWHERE._replace(strategy=strategy), amount)
            for (strategy, unit), amount in self._cash.items()
            if unit == currency
        ]
        for held in self._held_in.get(currency, ()):
            instrument = self._ledger.instrument(held.parts.symbol)
            noted_only = instrument is not None and is_carried(instrument)
            amounts.append((held.parts, held.unrealised if noted_only else held.basis + held.unrealised))
        return amounts

    @exactly
    def equity(self) -> Decimal | None:
        """What the book is worth now; None if a mark or a rate that this needs is missing."""
        self._settle()
        summed = ZERO
        for held in self._held.values():
            if held.parts.strategy is None and held.units and self._price(held.parts.symbol) is None:
                return None
        for currency in {unit for _, unit in self._cash} | self._held_in.keys():
            own = [amount for at, amount in self._amounts_in(currency) if at.strategy is None]
            amount, rate = sum(own, ZERO), self._rate(currency)
            if amount and rate is None:
                return None
            summed += amount * (rate or ZERO)
        return summed

    # --- sums -----------------------------------------------------------------------------------------

    def _place(self, component: str, parts: AccountParts) -> _Place:
        return component, parts.symbol, parts.strategy, self._day, self._order, self._fill

    def _add(self, currency: str, amount: Decimal, component: str, parts: AccountParts) -> None:
        place, rate = self._place(component, parts), self._rate(currency)
        if rate is None:
            waiting = self._waiting.setdefault(currency, {})
            waiting[place] = waiting.get(place, ZERO) + amount
        else:
            self._put(amount * rate, place)

    def _convert_waiting(self, currency: str, rate: Decimal) -> None:
        for place, amount in self._waiting.pop(currency, {}).items():
            self._put(amount * rate, place)

    def _put(self, amount: Decimal, place: _Place) -> None:
        component, symbol, strategy, day, order, fill = place
        if strategy is not None:
            if strategy and "strategy" in self._tables:
                part = self._tables["strategy"].setdefault(strategy, {})
                part[component] = part.get(component, ZERO) + amount
            return
        self._known[component] = self._known.get(component, ZERO) + amount
        keys = {"instrument": symbol, "day": day, "order": order, "fill": fill}
        for dimension in self._by:
            if dimension != "strategy":
                part = self._tables[dimension].setdefault(keys[dimension], {})
                part[component] = part.get(component, ZERO) + amount

    @exactly
    def explained(self) -> Explained:
        """Equity from the beginning until now."""
        end = self.equity()
        unconverted = {currency: part for currency in self._waiting if (part := self._waits_in(currency))}
        unknown = {component for part in unconverted.values() for component in part}
        known = {component: self._known.get(component, ZERO) for component in COMPONENTS}
        return Explained(
            self._currency,
            self._start,
            end,
            {one: None if one in unknown else amount for one, amount in known.items()},
            known,
            self._full_tables(),
            unconverted,
        )

    def _waits_in(self, currency: str) -> Part:
        summed: Part = {}
        for (component, _, strategy, *_), amount in self._waiting[currency].items():
            if strategy is None:
                summed[component] = summed.get(component, ZERO) + amount
        return {component: amount for component, amount in summed.items() if amount}

    def _full_tables(self) -> dict[str, dict[str, Part]]:
        tables = {
            name: {key: dict(part) for key, part in rows.items()} for name, rows in self._tables.items()
        }
        theirs = tables.get("strategy")
        if theirs is not None:
            rest = dict(self._known)
            for part in theirs.values():
                for component, amount in part.items():
                    rest[component] = rest.get(component, ZERO) - amount
            theirs[""] = rest
        return tables


_PRICED: Final = frozenset({events.MarkSet, events.RateSet, events.InstrumentDefined})
"""Events that change what things are worth; of all others the ledger tells all there is to know."""

_NOWHERE: Final = parts_of("")
