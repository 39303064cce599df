"""The single source of truth for positions and cash: double entry, exact, changed by events only.

Every instrument has a holding of the book's own (in a hedging book, one for each position side). Once a named
strategy trades in it, what each strategy holds is kept as well, by the same rules, in accounts of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from msgspec.structs import replace

from execore.core import position_changes
from execore.core.accounts import Account, Movement
from execore.core.balances import Balances, balances_of, holdings_of
from execore.core.book_entries import book_entry, check_entry
from execore.core.fills import FillEffect, book_fill, book_for_strategy, mark_extension, plan_fill, post_fill
from execore.core.holding import Change, Holding, check_lots
from execore.core.holdings import Holdings
from execore.core.instrument_rules import is_possible_price
from execore.core.position import Position, flat, lots_of, position_of, position_to_dict, texts_of, total_of
from execore.core.rebooking import Restated, plan_change
from execore.core.suspense import Suspense
from execore.model import events
from execore.model.entries import AnyEntry, symbols_of
from execore.model.errors import InvalidPrice, UnknownInstrument
from execore.model.ids import check_id
from execore.model.instruments import Instrument
from execore.model.keys import execution_key
from execore.model.lots import Lot, LotChoice, LotsRestated, to_lots
from execore.model.money import EXACT, ZERO, Number, exactly, text_of, to_decimal
from execore.model.orders import disclosed, positive
from execore.model.trades import PastItem, Trade
from execore.model.vocabulary import CostMethod, PositionMode, PositionSide, Side, to_word

_UNDISCLOSED: Final = Side.UNDISCLOSED
_NET: Final = PositionSide.NET


class PositionLedger:
    """Positions, cash, fees and results of one book.

    Args:
        cost_method: which cost a closing trade releases.
        position_mode: whether long and short positions in one instrument are kept beside each other.
    """

    def __init__(
        self,
        cost_method: CostMethod = CostMethod.AVERAGE,
        position_mode: PositionMode = PositionMode.NETTING,
    ) -> None:
        self._holdings = Holdings(cost_method, position_mode)
        self._suspense = Suspense()
        self._unnamed = 0

    @property
    def cost_method(self) -> CostMethod:
        """Which cost a closing trade releases."""
        return self._holdings.cost_method

    @property
    def holdings(self) -> Holdings:
        """What all of it is made of: for the modules that work out changes of it."""
        return self._holdings

    @property
    def position_mode(self) -> PositionMode:
        """Whether long and short positions in one instrument are kept beside each other."""
        return self._holdings.position_mode

    # --- changing -------------------------------------------------------------------------------------

    def define_instrument(self, instrument: Instrument) -> None:
        """Make an instrument known, or use this definition of it from now on."""
        self._holdings.define(instrument)

    def plan_fill(self, event: events.FillBooked | Trade, ts_ns: int = 0, key: str = "") -> FillEffect:
        """Work out what a fill does to the book, changing nothing: ``post`` books it.

        Args:
            ts_ns: when it happened, integer nanoseconds UTC. key: its ``execution_key``, which its lot has.

        Raises:
            UnknownInstrument: its symbol was never defined.
        """
        return plan_fill(self._holdings.own(event.symbol, event.position_side), event, ts_ns, key)

    def post(self, effect: FillEffect, event: events.FillBooked, ts_ns: int, strategy: str) -> None:
        """Book what ``plan_fill`` worked out; nothing else may have been booked in between.

        Args:
            strategy: of the order that was filled.
        """
        key = effect.change.key
        of_strategy = book_for_strategy(self._holdings, event, ts_ns, key, strategy)
        post_fill(self._holdings, effect)
        if event.cumulative:
            mark_extension(key, effect)
            if of_strategy is not None:
                mark_extension(key, of_strategy)

    def apply(self, event: events.Event, ts_ns: int = 0, strategy: str = "") -> None:
        """Fold one event; those that concern neither positions nor cash change nothing.

        Args:
            ts_ns: when it happened, integer nanoseconds UTC. strategy: of the order that it is about.

        Raises:
            UnknownInstrument: a fill in a symbol that was never defined. Nothing is booked in part.
        """
        if isinstance(event, events.FillBooked):
            if event.side is _UNDISCLOSED:
                self.suspend(event, ts_ns)
            else:
                key = execution_key(event.execution_scope, event.execution_id)
                self.post(self.plan_fill(event, ts_ns, key), event, ts_ns, strategy)
        elif isinstance(event, events.InstrumentDefined):
            self.define_instrument(event.instrument)
        elif isinstance(event, events.EntryBooked):
            self._book_entry(event.entry, ts_ns)
        elif isinstance(event, events.CashTransferred):
            self._transfer(event.currency, event.amount, event.counterparty)

    def apply_fill(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        price: Number,
        *,
        fee: Number = 0,
        fee_currency: str = "",
        execution_id: str = "",
        ts_ns: int = 0,
        strategy: str = "",
        position_side: PositionSide | str = _NET,
        lots: tuple[LotChoice, ...] = (),
    ) -> FillEffect:
        """Book a fill, the short way: makes the event and applies it. It does not know execution ids again.

        Args:
            execution_id: what the lot that it opens is known by; made of the lot's number if not given.
            ts_ns: when it happened, integer nanoseconds UTC.

        Raises:
            InvalidNumber, InvalidQuantity, InvalidPrice, UnknownEnumValue, UnknownInstrument, UnknownLot:
                nothing is booked.
        """
        trade = Trade(
            symbol,
            disclosed(to_word(side, Side, "side")),
            positive(to_decimal(quantity, "quantity"), "quantity"),
            to_decimal(price, "price"),
            to_decimal(fee, "fee"),
            fee_currency,
            to_word(position_side, PositionSide, "position_side"),
            lots=to_lots(lots),
        )
        if not is_possible_price(self._holdings.defined(symbol), trade.price):
            raise InvalidPrice(
                "price", f"{symbol} cannot trade at {text_of(trade.price)}", "Give a price above zero"
            )
        self.check_lots(symbol, trade.position_side, trade.lots)
        self._unnamed += not execution_id
        key = execution_key("", execution_id or f"fill-{self._unnamed}")
        return book_fill(self._holdings, trade, ts_ns, key, strategy)

    def deposit(self, currency: str, amount: Number) -> None:
        """Pay cash in, or take it out with a negative amount.

        Raises:
            InvalidNumber, InvalidInput: nothing is booked.
        """
        self._transfer(check_id(currency, "currency"), to_decimal(amount, "amount"), "")

    def _transfer(self, currency: str, amount: Decimal, counterparty: str) -> None:
        source = self._holdings.account("clearing" if counterparty else "capital", currency)
        self._holdings.accounts.post([(source, self._holdings.account("cash", currency), amount)])

    @exactly
    def check_entry(self, entry: AnyEntry, ts_ns: int) -> None:
        """Make sure that an entry can be booked, changing nothing that counts.

        Raises:
            UnknownInstrument, UnknownLot, InvalidQuantity, InvalidPrice, InvalidInput: by field.
        """
        check_entry(self._holdings, entry, ts_ns)

    def _book_entry(self, entry: AnyEntry, ts_ns: int) -> None:
        book_entry(self._holdings, entry, ts_ns)
        self._holdings.link([symbol for symbol in symbols_of(entry) if symbol in self._holdings.instruments])

    def check_lots(self, symbol: str, position_side: PositionSide, chosen: tuple[LotChoice, ...]) -> None:
        """Make sure that lots which somebody chose are open, and large enough.

        Raises:
            UnknownLot: one is not. UnknownInstrument: the symbol was never defined.
            InvalidInput: the book keeps no lots to choose from.
        """
        if chosen:
            check_lots(self._holdings.seen(symbol, position_side), chosen)

    # --- changes of what was booked -------------------------------------------------------------------

    def plan_change(self, symbol: str, past: Iterable[PastItem], checked: str = "") -> Restated:
        """How the books of an instrument differ if ``past`` is all that ever happened in it.

        Args:
            checked: the key of an execution of which the lots that it closes must be there.

        Raises:
            UnknownInstrument: the symbol was never defined. UnknownLot: such a lot is not there.
        """
        return plan_change(self._holdings, symbol, past, checked)

    def plan_reowning(self, symbol: str, strategy: str, past: Iterable[PastItem]) -> Restated:
        """How what strategies hold differs if ``past`` is so: executions are ``strategy``'s now.

        What is said of its lots also tells whoever folds it that strategies are kept from here on.
        """
        self._holdings.divide(symbol)
        restated = plan_change(self._holdings, symbol, past)
        if any(one.symbol == symbol and one.strategy is not None for one in restated.lots):
            return restated
        kept = LotsRestated(symbol, tuple(self.lots(symbol, strategy=strategy)), strategy=strategy)
        return restated._replace(lots=(*restated.lots, kept))

    def change_trade(self, event: events.TradeChange | events.OrderReowned, strategy: str) -> None:
        """Book what a bust or a correction changes, or that executions are another order's.

        Args:
            strategy: of the order that has the execution.
        """
        if not isinstance(event, events.OrderReowned) and event.was.side is _UNDISCLOSED:
            self._suspense.change(event)
        position_changes.apply_change(self._holdings, event, strategy)

    def linked(self, symbol: str) -> tuple[str, ...]:
        """The instruments whose books hang together with this one's: renamed, or traded by exercise."""
        return self._holdings.linked(symbol)

    def is_divided(self, symbol: str) -> bool:
        """Whether what strategies hold in an instrument is kept: once one with a name has traded in it."""
        return self._holdings.is_divided(symbol)

    # --- fills of undisclosed side --------------------------------------------------------------------

    def has_suspended(self, client_order_id: str) -> bool:
        """Whether fills of this order are kept apart."""
        return client_order_id in self._suspense

    def suspend(self, event: events.FillBooked, ts_ns: int) -> None:
        """Keep a fill of undisclosed side apart: it is money, and nobody knows yet which way it went."""
        self._suspense.keep(event, ts_ns)

    def reown_suspended(self, external_order_id: str, client_order_id: str) -> None:
        """What was kept apart for an external order waits with the order that its executions belong to."""
        self._suspense.reown(external_order_id, client_order_id)

    def disclose(self, client_order_id: str, side: Side, strategy: str) -> None:
        """Book what was kept apart for this order, now that its side is known."""
        for kept in self._suspense.take(client_order_id):
            key = execution_key(kept.fill.execution_scope, kept.fill.execution_id)
            book_fill(self._holdings, replace(kept.fill, side=side), kept.ts_ns, key, strategy)

    # --- as text and back -----------------------------------------------------------------------------

    def to_balances(self) -> Balances:
        """All that the ledger knows."""
        return balances_of(self._holdings, self._suspense)

    def restore(self, balances: Balances) -> None:
        """Be what ``to_balances`` returned once; this ledger is new."""
        self._holdings = holdings_of(balances)
        self._suspense.restore(balances.suspended)

    # --- looking on -----------------------------------------------------------------------------------

    def watch(
        self,
        on_movements: Callable[[Sequence[Movement]], None] | None = None,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        """Have others look on from now on; None ends it. They must change nothing.

        Args:
            on_movements: told of all that goes from one account to another, before it does.
            on_change: told of what executions and entries do to a holding: what is closed, from which lots.
        """
        self._holdings.accounts.watcher = on_movements
        self._holdings.watcher = on_change

    # --- looking up -----------------------------------------------------------------------------------

    def instrument(self, symbol: str) -> Instrument | None:
        """The definition in force, or None."""
        return self._holdings.instruments.get(symbol)

    def instruments(self) -> list[Instrument]:
        """Every instrument defined, in the order of its first definition."""
        return list(self._holdings.instruments.values())

    def position(
        self, symbol: str, position_side: PositionSide | None = None, strategy: str | None = None
    ) -> Position:
        """The position in this instrument; flat if it never traded.

        Args:
            position_side: of a hedging book; None: all of them in sum. strategy: None: the book's; empty:
                nobody's in particular.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        self._holdings.defined(symbol)
        undisclosed = self._suspense.quantity(symbol) if self._suspense and strategy is None else ZERO
        sections = self._sections_of(symbol, strategy)
        if position_side is not None:
            sections = [one for one in sections if one.position_side is position_side]
        if not sections:
            return flat(self._holdings.instruments[symbol], strategy)
        return total_of([position_of(section, undisclosed) for section in sections])

    def _sections_of(self, symbol: str, strategy: str | None) -> list[Holding]:
        """The book's holdings, or a strategy's. While none with a name has traded, all of it is nobody's."""
        if strategy is None or (not strategy and not self.is_divided(symbol)):
            return self._holdings.owned(symbol)
        return [one for one in self._holdings.of_strategies(symbol) if one.strategy == strategy]

    def positions(self) -> list[Position]:
        """Every position of the book, flat ones included, in the order of the instruments' definition."""
        return [self.position(symbol) for symbol in self._holdings.instruments]

    def sections(self, symbol: str) -> list[Position]:
        """Every position in an instrument that is kept: the book's by position side, then the strategies'.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        self._holdings.defined(symbol)
        undisclosed = self._suspense.quantity(symbol) if self._suspense else ZERO
        return [
            position_of(one, undisclosed if one.strategy is None else ZERO)
            for one in self._holdings.all_of(symbol)
        ]

    def strategies(self, symbol: str) -> list[str]:
        """The strategies that ever traded in an instrument; the empty name is nobody's in particular."""
        theirs = self._holdings.of_strategies(symbol)
        return list(dict.fromkeys(holding.strategy or "" for holding in theirs)) or [""]

    def lots(
        self, symbol: str, position_side: PositionSide | None = None, strategy: str | None = None
    ) -> list[Lot]:
        """The open lots of an instrument, in the order in which they were opened.

        Under average cost all that is held is one lot, without an id.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        self._holdings.defined(symbol)
        sections = self._sections_of(symbol, strategy)
        return [
            lot
            for section in sections
            if position_side in (None, section.position_side)
            for lot in lots_of(section)
        ]

    def traded(self, symbol: str) -> Decimal:
        """Signed sum of all fills booked in this instrument: the position before all that is no trade."""
        own = self._holdings.owned(self._holdings.defined(symbol).symbol)
        return EXACT.minus(reduce(EXACT.add, (holding.market.balance for holding in own)))

    def cash(self) -> dict[str, Decimal]:
        """Cash by currency."""
        return self._holdings.accounts.balances("cash")

    def accounts(self) -> list[Account]:
        """Copies of all accounts: the chart and what each holds."""
        return [Account(account.name, account.unit, account.balance) for account in self._holdings.accounts]

    def trial_balance(self) -> dict[str, Decimal]:
        """The sum over all accounts by unit: exactly zero for each, always."""
        return self._holdings.accounts.trial_balance()

    @exactly
    def equity(self, marks: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """Cash plus what the positions are worth at ``marks`` (by symbol), for each currency.

        A position that moved no cash when it was opened is worth its unrealised result, any other its market
        value.

        Raises:
            UnknownInstrument: an open position has no mark; the error names it. Nothing is guessed.
        """
        totals = self.cash()
        for symbol in self._holdings.instruments:
            for holding in self._holdings.owned(symbol):
                if not holding.units.balance:
                    continue
                if symbol not in marks:
                    raise UnknownInstrument("marks", f"no mark for the open position in {symbol}")
                mark = to_decimal(marks[symbol], f"marks[{symbol}]")
                position = position_of(holding, ZERO)
                totals[position.currency] = totals.get(position.currency, ZERO) + position.equity(mark)
        return totals

    def to_dict(self) -> dict[str, Any]:
        """Positions and cash, ready for JSON: numbers as canonical strings."""
        return {
            "cost_method": self.cost_method.value,
            "position_mode": self.position_mode.value,
            "positions": {position.symbol: position_to_dict(position) for position in self.positions()},
            "cash": texts_of(self.cash()),
        }
