"""The single source of truth for positions and cash: double entry, exact, changed by events only.

A trade of signed quantity ``q`` moves the units, and its notional ``n = q × price × multiplier`` (positive
for a buy). Where it extends the position, the cost basis grows by ``n``. Where it closes, the basis releases
its share. With ``Δ`` the change of the basis, ``n − Δ`` is what the closing part lost (a gain is negative):

    spot, equity    market → units q,  cash → basis Δ,       cash → realised n − Δ
    linear          market → units q,  contracts → basis Δ,  cash → realised n − Δ

Income is negative in its own account, so the realised gain is minus that account's balance. A fee in the
currency bought is a trade at no notional whose result is a fee.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from execore.core.accounts import Account, Accounts, Movement
from execore.core.cost_methods import RELEASE
from execore.core.executions import execution_key
from execore.model import events
from execore.model.errors import UnknownInstrument
from execore.model.ids import check_id
from execore.model.instruments import Instrument
from execore.model.money import (
    BASIS_QUANTUM,
    EXACT,
    ZERO,
    Number,
    canonical,
    divide,
    exactly,
    share,
    text_of,
    to_decimal,
)
from execore.model.orders import disclosed, positive
from execore.model.vocabulary import CostMethod, InstrumentKind, Side, to_word

_BUY: Final = Side.BUY
_EXTENDING: Final = 3
"""A trade that extends a position, with a fee in cash, makes so many movements; a fee in kind makes more."""
MAXIMUM_EXTENSIONS: Final = 1_000
"""Executions known by totals alone that are remembered for each instrument."""
_UNDISCLOSED: Final = Side.UNDISCLOSED
_LINEAR: Final = InstrumentKind.LINEAR
_SPOT: Final = InstrumentKind.SPOT
_WHOLE_UNIT_CURRENCIES: Final = frozenset({"JPY", "KRW", "CLP", "ISK", "HUF"})
_CENT_CURRENCIES: Final = frozenset(
    {"USD", "EUR", "GBP", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN"}
)


def currency_quantum(currency: str) -> Decimal:
    """The smallest amount that is split in this currency: 1, 0.01, or 1e-8 for everything else (crypto)."""
    if currency in _WHOLE_UNIT_CURRENCIES:
        return Decimal(1)
    return Decimal("0.01") if currency in _CENT_CURRENCIES else Decimal("1E-8")


class Position(msgspec.Struct, frozen=True, gc=False):
    """A position as it stands: balances of the books, and what follows from them.

    Attributes:
        quantity: positive long, negative short, zero flat; in ``unit``.
        cost_basis: what the open quantity cost (negative: fetched), in the instrument's currency.
        realised_pnl: result of what was closed, before fees.
        fees: what was paid, by currency; beside realised PnL, never mixed into it.
        fees_in_kind: cost of what fees in the currency bought took from the position.
        undisclosed: quantity filled of which nobody has said yet which way it went; not in ``quantity``.
    """

    symbol: str
    unit: str
    currency: str
    quantity: Decimal
    cost_basis: Decimal
    realised_pnl: Decimal
    fees: dict[str, Decimal]
    fees_in_kind: Decimal
    undisclosed: Decimal
    multiplier: Decimal

    @property
    def average_cost(self) -> Decimal | None:
        """Basis per unit and multiplier, rounded half-even at 1e-12 for showing; None when flat."""
        if not self.quantity:
            return None
        return canonical(
            divide(self.cost_basis, EXACT.multiply(self.quantity, self.multiplier), BASIS_QUANTUM)
        )

    @exactly
    def market_value(self, mark: Decimal) -> Decimal:
        """``quantity × mark × multiplier``, in the instrument's currency."""
        return self.quantity * mark * self.multiplier

    @exactly
    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        """Market value at ``mark`` less cost basis, in the instrument's currency."""
        return self.market_value(mark) - self.cost_basis


class _Holding(msgspec.Struct):
    """One instrument's own accounts, looked up once; ``fees`` holds cash and fee account by fee currency."""

    instrument: Instrument
    units: Account
    market: Account
    basis: Account
    realised: Account
    contracts: Account
    fees_in_kind: Account
    units_as_fees: Account
    cash: Account
    fees: dict[str, tuple[Account, Account]]
    # Executions known by totals alone that extended the position, and after which nothing was closed.
    extensions: dict[str, None]


class HoldingKept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an instrument beside its balances; see ``_Holding``."""

    instrument: Instrument
    fee_currencies: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


class Balances(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a position ledger knows, as it can be written and read again.

    Attributes:
        accounts: in the order of their opening. suspended: fills of undisclosed side, by their order.
    """

    cost_method: CostMethod
    accounts: tuple[Account, ...] = ()
    holdings: tuple[HoldingKept, ...] = ()
    suspended: dict[str, tuple[events.FillBooked, ...]] = {}


class FillEffect(msgspec.Struct, frozen=True, gc=False):
    """What a fill did to a position. A flip closes, then opens, with the fee split by quantity.

    Attributes:
        closed_quantity, opened_quantity: sizes; they add up to the fill's quantity.
        realised_pnl: result of the closing part, in the instrument's currency, before fees.
        fee_on_close, fee_on_open: they add up to the fill's fee, in its currency.
    """

    closed_quantity: Decimal
    opened_quantity: Decimal
    realised_pnl: Decimal
    fee_on_close: Decimal
    fee_on_open: Decimal
    movements: list[Movement]
    holding: _Holding

    @property
    def closes(self) -> bool:
        """Whether it closed anything, or took a fee in kind: what came before cannot simply shrink."""
        return bool(self.closed_quantity) or len(self.movements) > _EXTENDING


class _Trade(msgspec.Struct, gc=False):
    """What moving units does: the position after it, the result (a gain is negative), the movements."""

    held: Decimal
    basis: Decimal
    closed: Decimal
    result: Decimal
    movements: list[Movement]


class PositionLedger:
    """Positions, cash, fees and results of one book.

    Args:
        cost_method: which cost a closing trade releases.
    """

    def __init__(self, cost_method: CostMethod = CostMethod.AVERAGE) -> None:
        self.cost_method = cost_method
        self._release = RELEASE[cost_method]
        self._accounts = Accounts()
        self._holdings: dict[str, _Holding] = {}
        self._suspense: dict[str, list[events.FillBooked]] = {}

    # --- changing -----------------------------------------------------------------------------------

    def define_instrument(self, instrument: Instrument) -> None:
        """Make an instrument known, or use this definition of it from now on."""
        holding = self._holdings.get(instrument.symbol)
        if holding is not None:
            holding.instrument = instrument
            return
        symbol, currency = instrument.symbol, instrument.currency
        open_account = self._accounts.open
        self._holdings[symbol] = _Holding(
            instrument,
            units=open_account(f"position:{symbol}", instrument.unit),
            market=open_account(f"market:{symbol}", instrument.unit),
            basis=open_account(f"basis:{symbol}", currency),
            realised=open_account(f"realised:{symbol}", currency),
            contracts=open_account(f"contracts:{symbol}", currency),
            fees_in_kind=open_account(f"fees_in_kind:{symbol}", currency),
            units_as_fees=open_account(f"units_as_fees:{symbol}", instrument.unit),
            cash=open_account("cash", currency),
            fees={},
            extensions={},
        )

    @exactly
    def plan_fill(self, event: events.FillBooked | events.Trade) -> FillEffect:
        """Work out what a fill does, changing nothing: ``post`` books it.

        Raises:
            UnknownInstrument: its symbol was never defined.
        """
        holding = self._holding(event.symbol)
        size = event.quantity
        signed = size if event.side is _BUY else -size
        value = event.price * holding.instrument.multiplier
        trade = self._trade(
            holding, holding.units.balance, holding.basis.balance, signed, value, holding.realised
        )
        fee_on_close = ZERO
        if event.fee:
            currency = event.fee_currency or holding.instrument.currency
            trade.movements += self._fee_movements(holding, event.fee, currency, trade)
            fee_on_close = _fee_share(event.fee, currency, trade.closed, size)
        return FillEffect(
            trade.closed,
            size - trade.closed,
            -trade.result,
            fee_on_close,
            event.fee - fee_on_close,
            trade.movements,
            holding,
        )

    def post(self, effect: FillEffect) -> None:
        """Book what ``plan_fill`` worked out; nothing else may have been booked in between."""
        self._accounts.post(effect.movements)
        if effect.closes and effect.holding.extensions:
            effect.holding.extensions.clear()

    def mark(self, key: str, effect: FillEffect) -> None:
        """Remember of a fill that was posted, and is known by a total alone, that it can shrink simply.

        Of the last ``MAXIMUM_EXTENSIONS`` in its instrument: others are changed the long way.
        """
        extensions = effect.holding.extensions
        if not effect.closes:
            extensions[key] = None
            if len(extensions) > MAXIMUM_EXTENSIONS:
                del extensions[next(iter(extensions))]

    @exactly
    def plan_reduction(
        self, key: str, event: events.TradeCancelled | events.TradeCorrected
    ) -> tuple[events.Posting, ...] | None:
        """Work out what it changes that a provisional fill is smaller, if nothing was closed since it came.

        Then the position only grew, and what is taken out leaves no other trace: there is no past to book
        again. None if something was closed.
        """
        if event.was.fee or not (event.replaced and self.is_extension(event.was.symbol, key)):
            return None
        holding, was = self._holding(event.was.symbol), event.was
        now = event.now.quantity if isinstance(event, events.TradeCorrected) else ZERO
        signed = now - was.quantity if was.side is _BUY else was.quantity - now
        paid_from = holding.contracts if holding.instrument.kind is _LINEAR else holding.cash
        cost = canonical(signed * was.price * holding.instrument.multiplier)
        units = events.Posting(holding.market.name, holding.units.name, holding.units.unit, canonical(signed))
        basis = events.Posting(paid_from.name, holding.basis.name, holding.basis.unit, cost)
        return (units, basis) if cost else (units,)

    def is_extension(self, symbol: str, key: str) -> bool:
        """Whether this execution, known by a total alone, extended the position, and nothing closed since."""
        return key in self._holding(symbol).extensions

    @exactly
    def plan_change(self, symbol: str, trades: Iterable[events.Trade]) -> tuple[events.Posting, ...]:
        """Work out how the balances of an instrument differ if ``trades`` are all that ever traded in it.

        Its whole past is booked again, apart: so nothing of a trade that is left out can stay behind.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        holding = self._holding(symbol)
        afresh = PositionLedger(self.cost_method)
        afresh.define_instrument(holding.instrument)
        for trade in trades:
            afresh.post(afresh.plan_fill(trade))
        are = {(to.name, to.unit): (source, to.balance) for source, to in _pairs(holding)}
        postings = []
        for source, to in _pairs(afresh._holding(symbol)):
            _, balance = are.pop((to.name, to.unit), (source, ZERO))
            postings.append(events.Posting(source.name, to.name, to.unit, canonical(to.balance - balance)))
        for (name, unit), (source, balance) in are.items():  # a fee currency that no trade is left in
            postings.append(events.Posting(source.name, name, unit, canonical(-balance)))
        return tuple(posting for posting in postings if posting.amount)

    def change_trade(self, event: events.TradeCancelled | events.TradeCorrected) -> None:
        """Book what a bust or a correction changes."""
        holding = self._holding(event.was.symbol)
        key = execution_key(event.execution_scope, event.execution_ref_id)
        if event.was.fee or not (event.replaced and key in holding.extensions):
            holding.extensions.clear()  # what closed and what extended may be others now
        elif isinstance(event, events.TradeCancelled):
            del holding.extensions[key]
        if event.was.side is _UNDISCLOSED:
            self._change_suspended(event)
        open_account = self._accounts.open
        movements = []
        for posting in event.postings:
            to = open_account(posting.target, posting.unit)
            if posting.target == f"fees:{event.was.symbol}" and posting.unit not in holding.fees:
                self._open_fees(holding, posting.unit)
            movements.append((open_account(posting.source, posting.unit), to, posting.amount))
        self._accounts.post(movements)

    def _change_suspended(self, event: events.TradeCancelled | events.TradeCorrected) -> None:
        """What was kept apart, as nobody knew its side, is undone or changed there."""
        key = (event.execution_scope, event.execution_ref_id)
        now = event.now if isinstance(event, events.TradeCorrected) else None
        kept = []
        for fill in self._suspense.pop(event.client_order_id, []):
            if (fill.execution_scope, fill.execution_id) != key:
                kept.append(fill)
            elif now is not None and now.side is _UNDISCLOSED:
                terms = (now.quantity, now.price, now.fee, now.fee_currency)
                names = ("quantity", "price", "fee", "fee_currency")
                kept.append(replace(fill, **dict(zip(names, terms, strict=True))))
        if kept:
            self._suspense[event.client_order_id] = kept

    def has_suspended(self, client_order_id: str) -> bool:
        """Whether fills of this order are kept apart."""
        return client_order_id in self._suspense

    def suspend(self, event: events.FillBooked) -> None:
        """Keep a fill of undisclosed side apart: it is money, and nobody knows yet which way it went."""
        self._suspense.setdefault(event.client_order_id, []).append(event)

    def reown_suspended(self, external_order_id: str, client_order_id: str) -> None:
        """What was kept apart for an external order waits with the order that its executions belong to."""
        fills = self._suspense.pop(external_order_id, None)
        if fills:
            self._suspense.setdefault(client_order_id, []).extend(fills)

    def disclose(self, client_order_id: str, side: Side) -> None:
        """Book what was kept apart for this order, now that its side is known."""
        for event in self._suspense.pop(client_order_id, ()):
            self.post(self.plan_fill(replace(event, side=side)))

    def undisclosed(self, symbol: str) -> Decimal:
        """Quantity filled in this instrument of which nobody has said yet which way it went."""
        fills = (
            event.quantity
            for events_ in self._suspense.values()
            for event in events_
            if event.symbol == symbol
        )
        return reduce(EXACT.add, fills, ZERO)

    def apply(self, event: events.Event) -> None:
        """Fold one event; those that concern neither positions nor cash change nothing.

        Raises:
            UnknownInstrument: a fill in a symbol that was never defined. Nothing is booked in part.
        """
        if isinstance(event, events.FillBooked):
            if event.side is _UNDISCLOSED:
                self.suspend(event)
            else:
                self.post(self.plan_fill(event))
        elif isinstance(event, events.InstrumentDefined):
            self.define_instrument(event.instrument)
        elif isinstance(event, events.CashTransferred):
            self._transfer(event.currency, event.amount)

    def apply_fill(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        price: Number,
        *,
        fee: Number = 0,
        fee_currency: str = "",
    ) -> FillEffect:
        """Book a fill, the short way: makes the event and applies it. It does not know execution ids.

        Raises:
            InvalidNumber, InvalidQuantity, UnknownEnumValue, UnknownInstrument: nothing is booked.
        """
        event = events.FillBooked(
            client_order_id="",
            symbol=symbol,
            side=disclosed(to_word(side, Side, "side")),
            quantity=positive(to_decimal(quantity, "quantity"), "quantity"),
            price=to_decimal(price, "price"),
            execution_id="",
            fee=to_decimal(fee, "fee"),
            fee_currency=fee_currency,
        )
        effect = self.plan_fill(event)
        self.post(effect)
        return effect

    def deposit(self, currency: str, amount: Number) -> None:
        """Pay cash in, or take it out with a negative amount.

        Raises:
            InvalidNumber, InvalidInput: nothing is booked.
        """
        self._transfer(check_id(currency, "currency"), to_decimal(amount, "amount"))

    def _transfer(self, currency: str, amount: Decimal) -> None:
        capital, cash = self._accounts.open("capital", currency), self._accounts.open("cash", currency)
        self._accounts.post([(capital, cash, amount)])

    def _trade(
        self,
        holding: _Holding,
        held: Decimal,
        basis: Decimal,
        signed: Decimal,
        value: Decimal,
        result_account: Account,
    ) -> _Trade:
        """Move ``signed`` units at ``value`` each into a position of ``held`` units that cost ``basis``."""
        size = abs(signed)
        closed = min(size, abs(held)) if held and (held > 0) is not (signed > 0) else ZERO
        change = notional = signed * value
        if closed:
            opened = signed + closed if signed < 0 else signed - closed
            change = opened * value - self._release(basis, abs(held), closed)
        result = notional - change
        paid_from = holding.contracts if holding.instrument.kind is _LINEAR else holding.cash
        movements = [(holding.market, holding.units, signed), (paid_from, holding.basis, change)]
        if result:
            movements.append((holding.cash, result_account, result))
        return _Trade(held + signed, basis + change, closed, result, movements)

    def _fee_movements(self, holding: _Holding, fee: Decimal, currency: str, trade: _Trade) -> list[Movement]:
        """A fee in the currency bought makes the position smaller; any other comes out of cash."""
        if currency != holding.instrument.base_currency or holding.instrument.kind is not _SPOT:
            cash, fees = holding.fees.get(currency) or self._open_fees(holding, currency)
            return [(cash, fees, fee)]
        in_kind = self._trade(holding, trade.held, trade.basis, -fee, ZERO, holding.fees_in_kind)
        return [(holding.units_as_fees, holding.units, -fee), *in_kind.movements[1:]]

    def _open_fees(self, holding: _Holding, currency: str) -> tuple[Account, Account]:
        name = f"fees:{holding.instrument.symbol}"
        pair = (self._accounts.open("cash", currency), self._accounts.open(name, currency))
        holding.fees[currency] = pair
        return pair

    def _holding(self, symbol: str) -> _Holding:
        holding = self._holdings.get(symbol)
        if holding is None:
            raise UnknownInstrument("symbol", f"{symbol!r} is not defined", "Define the instrument first")
        return holding

    # --- as text and back ----------------------------------------------------------------------------

    def to_balances(self) -> Balances:
        """All that the ledger knows."""
        holdings = (
            HoldingKept(holding.instrument, tuple(holding.fees), tuple(holding.extensions))
            for holding in self._holdings.values()
        )
        suspended = {key: tuple(fills) for key, fills in self._suspense.items()}
        return Balances(self.cost_method, tuple(self._accounts), tuple(holdings), suspended)

    def restore(self, balances: Balances) -> None:
        """Be what ``to_balances`` returned once; this ledger is new."""
        self.cost_method = balances.cost_method
        self._release = RELEASE[balances.cost_method]
        for account in balances.accounts:
            self._accounts.open(account.name, account.unit).balance = account.balance
        for kept in balances.holdings:
            self.define_instrument(kept.instrument)
            holding = self._holding(kept.instrument.symbol)
            for currency in kept.fee_currencies:
                self._open_fees(holding, currency)
            holding.extensions |= dict.fromkeys(kept.extensions)
        self._suspense = {key: list(fills) for key, fills in balances.suspended.items()}

    # --- looking up ---------------------------------------------------------------------------------

    def instrument(self, symbol: str) -> Instrument | None:
        """The definition in force, or None."""
        holding = self._holdings.get(symbol)
        return None if holding is None else holding.instrument

    def instruments(self) -> list[Instrument]:
        """Every instrument defined, in the order of its first definition."""
        return [holding.instrument for holding in self._holdings.values()]

    def position(self, symbol: str) -> Position:
        """The position in this instrument; flat if it never traded.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        holding = self._holding(symbol)
        instrument = holding.instrument
        return Position(
            symbol,
            instrument.unit,
            instrument.currency,
            holding.units.balance,
            holding.basis.balance,
            EXACT.minus(holding.realised.balance),
            {currency: fees.balance for currency, (_, fees) in holding.fees.items() if fees.balance},
            holding.fees_in_kind.balance,
            self.undisclosed(symbol) if self._suspense else ZERO,
            instrument.multiplier,
        )

    def positions(self) -> list[Position]:
        """Every position, flat ones included, in the order of the instruments' definition."""
        return [self.position(symbol) for symbol in self._holdings]

    def traded(self, symbol: str) -> Decimal:
        """Signed sum of all fills booked in this instrument: the position before fees in kind."""
        return EXACT.minus(self._holding(symbol).market.balance)

    def cash(self) -> dict[str, Decimal]:
        """Cash by currency."""
        return self._accounts.balances("cash")

    def accounts(self) -> list[Account]:
        """Copies of all accounts: the chart and what each holds."""
        return [Account(account.name, account.unit, account.balance) for account in self._accounts]

    def trial_balance(self) -> dict[str, Decimal]:
        """The sum over all accounts by unit: exactly zero for each, always."""
        return self._accounts.trial_balance()

    @exactly
    def equity(self, marks: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Cash plus what the positions are worth at ``marks`` (by symbol), for each currency.

        A linear position is worth its unrealised result, any other its market value.

        Raises:
            UnknownInstrument: an open position has no mark; the error names it. Nothing is guessed.
        """
        totals = self.cash()
        for position in self.positions():
            if not position.quantity:
                continue
            if position.symbol not in marks:
                raise UnknownInstrument("marks", f"no mark for the open position in {position.symbol}")
            mark = to_decimal(marks[position.symbol], f"marks[{position.symbol}]")
            linear = self._holding(position.symbol).instrument.kind is InstrumentKind.LINEAR
            worth = position.unrealised_pnl(mark) if linear else position.market_value(mark)
            totals[position.currency] = totals.get(position.currency, ZERO) + worth
        return totals

    def to_dict(self) -> dict[str, Any]:
        """Positions and cash, ready for JSON: numbers as canonical strings."""
        return {
            "cost_method": self.cost_method.value,
            "positions": {position.symbol: position_to_dict(position) for position in self.positions()},
            "cash": {currency: text_of(amount) for currency, amount in self.cash().items()},
        }


def position_to_dict(position: Position) -> dict[str, Any]:
    """A position as every JSON output shows it: numbers as canonical strings."""
    average = position.average_cost
    return {
        "symbol": position.symbol,
        "quantity": text_of(position.quantity),
        "unit": position.unit,
        "average_cost": None if average is None else text_of(average),
        "cost_basis": text_of(position.cost_basis),
        "realised_pnl": text_of(position.realised_pnl),
        "currency": position.currency,
        "fees": {currency: text_of(amount) for currency, amount in position.fees.items()},
        "fees_in_kind": text_of(position.fees_in_kind),
        "undisclosed": text_of(position.undisclosed),
    }


def _pairs(holding: _Holding) -> list[tuple[Account, Account]]:
    """The accounts that trades in an instrument move, each with the one that it is moved against."""
    paid_from = holding.contracts if holding.instrument.kind is _LINEAR else holding.cash
    return [
        (holding.market, holding.units),
        (holding.market, holding.units_as_fees),
        (paid_from, holding.basis),
        (holding.cash, holding.realised),
        (holding.cash, holding.fees_in_kind),
        *holding.fees.values(),
    ]


def _fee_share(fee: Decimal, currency: str, closed: Decimal, size: Decimal) -> Decimal:
    """The closing part's share of a fee, rounded half-even at the currency's quantum."""
    if not closed or closed == size:
        return fee if closed else ZERO
    return share(fee, closed, size, currency_quantum(currency))
