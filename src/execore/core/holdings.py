"""Every holding of a book: by instrument and position side, the book's own and those of its strategies."""

from collections.abc import Callable, Collection

import msgspec

from execore.core.accounts import Account, Accounts, Movement
from execore.core.chart_of_accounts import CHART
from execore.core.holding import IN_UNITS, Change, Holding, open_holding, post
from execore.model.errors import UnknownInstrument
from execore.model.instruments import Instrument
from execore.model.vocabulary import CostMethod, PositionMode, PositionSide

_NET = PositionSide.NET
_SIDES = tuple(PositionSide)
_NETTING = PositionMode.NETTING


class Plan(msgspec.Struct, gc=False):
    """What an entry does: to holdings, one after the other, and to cash beside them.

    Attributes:
        post: makes each change before the next is planned; None where it is only looked at.
        is_fact: it was accepted before: more may go than is held.
        is_lost: there was nothing for it to act on.

    Whoever plans looks at the book's own holdings first, and raises. Nothing is opened until that is done.
    """

    post: Callable[[Change], None] | None = None
    is_fact: bool = False
    is_lost: bool = False
    movements: list[Movement] = []

    @property
    def is_check(self) -> bool:
        """Whether it is only looked at."""
        return self.post is None

    def add(self, change: Change) -> None:
        """The next change of a holding."""
        if self.post is not None:
            self.post(change)


class Holdings:
    """The instruments that are defined, what is held of them, and all accounts.

    What strategies hold is kept once one with a name has traded in an instrument: the book is then *divided*
    in it. All that was there before is nobody's in particular, which is the strategy of the empty name.

    Attributes:
        accounts: all accounts of the book. instruments: definitions in force, by symbol.
        watcher: told of each change of a holding, before it is made: for views that look on.
    """

    def __init__(self, cost_method: CostMethod, position_mode: PositionMode) -> None:
        self.cost_method = cost_method
        self.position_mode = position_mode
        self.accounts = Accounts()
        self.watcher: Callable[[Change], None] | None = None
        self.instruments: dict[str, Instrument] = {}
        self._own: dict[str, dict[PositionSide, Holding]] = {}
        self._of_strategies: dict[str, dict[tuple[str, PositionSide], Holding]] = {}
        self._linked: dict[str, tuple[str, ...]] = {}

    def define(self, instrument: Instrument) -> None:
        """Make an instrument known, or use this definition of it from now on."""
        symbol = instrument.symbol
        is_known = symbol in self.instruments
        self.instruments[symbol] = instrument
        if is_known:
            for holding in self.all_of(symbol):
                holding.instrument = instrument
            return
        self._own[symbol] = {}
        self.own(symbol, _NET)

    def defined(self, symbol: str) -> Instrument:
        """The definition in force.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise UnknownInstrument("symbol", f"{symbol!r:.60} is not defined", "Define the instrument first")
        return instrument

    def own(self, symbol: str, position_side: PositionSide) -> Holding:
        """The book's own holding, opened if it is new.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        own = self._own.get(symbol)
        if own is None:
            self.defined(symbol)
            raise AssertionError("a symbol that is defined has holdings")
        side = _NET if self.position_mode is _NETTING else position_side
        found = own.get(side)
        if found is None:
            found = own[side] = self._open(symbol, side, None)
        return found

    def seen(self, symbol: str, position_side: PositionSide) -> Holding:
        """The book's own holding for whoever only looks: one that is not there is as if it were, and empty.

        Raises:
            UnknownInstrument: the symbol was never defined.
        """
        instrument = self.defined(symbol)
        side = _NET if self.position_mode is _NETTING else position_side
        found = self._own[symbol].get(side)
        return found or open_holding(Accounts(), instrument, self.cost_method, side)

    def of_strategy(self, symbol: str, position_side: PositionSide, strategy: str) -> Holding:
        """A strategy's holding in an instrument that is defined; opened if new, which divides the book."""
        self.divide(symbol)
        theirs = self._of_strategies[symbol]
        side = _NET if self.position_mode is _NETTING else position_side
        found = theirs.get((strategy, side))
        if found is None:
            found = theirs[strategy, side] = self._open(symbol, side, strategy)
        return found

    def like(self, holding: Holding, symbol: str) -> Holding:
        """The holding in another instrument that belongs to the same side and strategy."""
        if holding.strategy is None:
            return self.own(symbol, holding.position_side)
        return self.of_strategy(symbol, holding.position_side, holding.strategy)

    def _open(self, symbol: str, side: PositionSide, strategy: str | None) -> Holding:
        return open_holding(self.accounts, self.instruments[symbol], self.cost_method, side, strategy)

    def divide(self, symbol: str) -> None:
        """Keep what strategies hold from now on, in all instruments that hang together with this one."""
        for one in self.linked(symbol):
            if one not in self._of_strategies:
                theirs = self.keep_strategies(one)
                for side, own in self._own[one].items():
                    theirs["", side] = _copied(own, self._open(one, side, ""))

    def keep_strategies(self, symbol: str) -> dict[tuple[str, PositionSide], Holding]:
        """Keep what strategies hold, of which nothing is known yet."""
        return self._of_strategies.setdefault(symbol, {})

    def divide_together(self, symbols: tuple[str, ...]) -> None:
        """Keep what strategies hold in all of these instruments, if it is kept in any."""
        if any(symbol in self._of_strategies for symbol in symbols):
            for symbol in symbols:
                self.divide(symbol)

    def is_divided(self, symbol: str) -> bool:
        """Whether what strategies hold in an instrument is kept."""
        return symbol in self._of_strategies

    def owned(self, symbol: str) -> list[Holding]:
        """The book's own holdings in an instrument that is defined: one for each position side."""
        return _in_order(self._own[symbol].values())

    def of_strategies(self, symbol: str) -> list[Holding]:
        """What strategies hold in an instrument; empty where the book is not divided."""
        return _in_order(self._of_strategies.get(symbol, {}).values())

    def all_of(self, symbol: str) -> list[Holding]:
        """All holdings in an instrument that is defined, the book's own first."""
        return self.owned(symbol) + self.of_strategies(symbol)

    def account(self, name: str, unit: str) -> Account:
        """An account, opened if it is new."""
        return self.accounts.open(name, unit)

    def post(self, change: Change) -> None:
        """Make a change that was planned."""
        if self.watcher is not None:
            self.watcher(change)
        post(change)

    # --- instruments that hang together -----------------------------------------------------------------

    def linked(self, symbol: str) -> tuple[str, ...]:
        """The instruments whose books hang together with this one's: renamed, or traded by exercise."""
        return self._linked.get(symbol, (symbol,))

    def link(self, symbols: list[str]) -> None:
        """From here on, what one of these instruments was depends on the others."""
        together = dict.fromkeys(one for symbol in symbols for one in self.linked(symbol))
        for symbol in together if len(together) > 1 else ():
            self._linked[symbol] = tuple(together)
        self.divide_together(tuple(together))

    def links(self) -> tuple[tuple[str, ...], ...]:
        """Every group of instruments that hang together."""
        return tuple(dict.fromkeys(self._linked.values()))


def _in_order(holdings: Collection[Holding]) -> list[Holding]:
    """Holdings by position side and strategy, however they came to be opened."""
    if len(holdings) < 2:
        return list(holdings)
    return sorted(holdings, key=lambda one: (_SIDES.index(one.position_side), one.strategy or ""))


def _copied(holding: Holding, to: Holding) -> Holding:
    """Give a new holding all that another has, cash flows about the instrument included."""
    movements: list[Movement] = []
    for kind in CHART:
        if kind in ("market", "fees"):
            continue  # what is left over of all units; below
        for account in holding.opened(kind):
            hub = to.market if kind in IN_UNITS else to.cash_in(account.unit)
            movements.append((hub, to.account(kind, account.unit), account.balance))
    for currency, (_, account) in holding.fees.items():
        movements.append((*to.fee_accounts(currency), account.balance))
    to.accounts.post(movements)
    to.opened_ts_ns = holding.opened_ts_ns
    to.extensions = dict(holding.extensions)
    if to.lots is not None:
        to.lots.replace(holding.lots or ())
    return to
