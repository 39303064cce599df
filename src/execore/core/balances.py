"""A position ledger as it can be written and read again."""

import msgspec

from execore.core.accounts import Account
from execore.core.chart_of_accounts import CHART
from execore.core.holding import Holding
from execore.core.holdings import Holdings
from execore.core.rebooking import restate
from execore.core.suspense import SuspendedFill, Suspense
from execore.model.instruments import Instrument
from execore.model.lots import Lot
from execore.model.vocabulary import CostMethod, PositionMode, PositionSide


class HoldingKept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a holding beside its balances; see ``Holding``."""

    symbol: str
    position_side: PositionSide = PositionSide.NET
    strategy: str | None = None
    opened_ts_ns: int = 0
    fee_currencies: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    lots: tuple[Lot, ...] = ()


class Balances(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a position ledger knows, as it can be written and read again.

    Attributes:
        accounts: those that hold anything, and all cash, by name.
        suspended: fills of undisclosed side, by their order.
        divided: instruments in which what strategies hold is kept.
        links: instruments whose books hang together; see ``Holdings.linked``.
    """

    cost_method: CostMethod
    position_mode: PositionMode = PositionMode.NETTING
    instruments: tuple[Instrument, ...] = ()
    accounts: tuple[Account, ...] = ()
    holdings: tuple[HoldingKept, ...] = ()
    suspended: dict[str, tuple[SuspendedFill, ...]] = {}
    divided: tuple[str, ...] = ()
    links: tuple[tuple[str, ...], ...] = ()


def balances_of(holdings: Holdings, suspense: Suspense) -> Balances:
    """All that a ledger knows. Equal ledgers give equal balances, whatever was planned and not booked."""
    kept = (one for one in holdings.accounts if one.balance or one.name == "cash")
    accounts = sorted(kept, key=lambda one: (one.name, one.unit))
    return Balances(
        holdings.cost_method,
        holdings.position_mode,
        tuple(holdings.instruments.values()),
        tuple(accounts),
        tuple(_kept(one) for symbol in holdings.instruments for one in holdings.all_of(symbol) if _says(one)),
        suspense.to_kept(),
        tuple(symbol for symbol in holdings.instruments if holdings.is_divided(symbol)),
        holdings.links(),
    )


def _says(holding: Holding) -> bool:
    """Whether a holding says anything: one that does not is opened again when it is needed."""
    return any(account.balance for kind in CHART for account in holding.opened(kind))


def _kept(holding: Holding) -> HoldingKept:
    fee_currencies = sorted(currency for currency, (_, fees) in holding.fees.items() if fees.balance)
    is_pool = holding.lots is None and bool(holding.units.balance)
    return HoldingKept(
        holding.instrument.symbol,
        holding.position_side,
        holding.strategy,
        holding.opened_ts_ns if is_pool else 0,
        tuple(fee_currencies),
        tuple(holding.extensions),
        tuple(holding.lots or ()),
    )


def holdings_of(balances: Balances) -> Holdings:
    """The holdings that ``balances_of`` was asked about."""
    holdings = Holdings(balances.cost_method, balances.position_mode)
    for instrument in balances.instruments:
        holdings.define(instrument)
    for symbol in balances.divided:
        holdings.keep_strategies(symbol)
    for kept in balances.holdings:
        if kept.strategy is None:
            holding = holdings.own(kept.symbol, kept.position_side)
        else:
            holding = holdings.of_strategy(kept.symbol, kept.position_side, kept.strategy)
        holding.opened_ts_ns = kept.opened_ts_ns
        for currency in kept.fee_currencies:
            holding.fee_accounts(currency)
        holding.extensions = dict.fromkeys(kept.extensions)
        restate(holding, kept.lots)
    for account in balances.accounts:
        holdings.account(account.name, account.unit).balance = account.balance
    for symbols in balances.links:
        holdings.link(list(symbols))
    return holdings
