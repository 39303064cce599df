"""One holding: what a book, or one strategy in it, has in one instrument. Plans changes, and makes them.

A change is planned first, on the balances as they are, and posted later: so that a fill enters all ledgers or
none. A trade of signed quantity ``q`` moves the units, and has a notional ``n`` (``core.instrument_rules``).
Where it extends the position, the cost basis grows by ``n``. Where it closes, the basis releases its share.
With ``Δ`` the change of the basis, ``n − Δ`` is what the closing part lost (a gain is negative):

    spot, equity, option    market → units q,  cash → basis Δ,       cash → realised n − Δ
    linear, inverse         market → units q,  contracts → basis Δ,  cash → realised n − Δ
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from execore.core.accounts import Account, Accounts, Movement
from execore.core.chart_of_accounts import account_name
from execore.core.cost_methods import Lots, Take, cost_of, released_share
from execore.core.instrument_rules import currency_quantum, is_carried
from execore.model.errors import InvalidInput, UnknownLot
from execore.model.instruments import Instrument
from execore.model.lots import Lot, LotChoice
from execore.model.money import BASIS_QUANTUM, ZERO, share, text_of
from execore.model.vocabulary import CostMethod, InstrumentKind, PositionSide

_SPOT: Final = InstrumentKind.SPOT
IN_UNITS: Final = ("position", "units_as_fees", "untraded")
"""Kinds of account that are kept in units; with the market, which has what all of them leave."""


class Holding(msgspec.Struct):
    """The accounts of one holding, looked up once, and its lots.

    Attributes:
        strategy: whose it is; None for the book's own. method: which cost is released.
        paid_from: the account that the basis is paid from: cash, or ``contracts``.
        lots: what is open, by what opened it; None under average cost.
        opened_ts_ns: when it was flat last, and something opened it; integer nanoseconds UTC.
        fees: cash and fee account, by fee currency.
        extensions: executions known by totals alone that extended it, and after which nothing was closed.
    """

    instrument: Instrument
    position_side: PositionSide
    strategy: str | None
    method: CostMethod
    accounts: Accounts
    units: Account
    market: Account
    basis: Account
    realised: Account
    paid_from: Account
    fees_in_kind: Account
    units_as_fees: Account
    cash: Account
    lots: Lots | None
    opened_ts_ns: int = 0
    fees: dict[str, tuple[Account, Account]] = {}
    extensions: dict[str, None] = {}

    def account(self, kind: str, unit: str = "") -> Account:
        """Another account of this holding, opened if it is new; in the settlement currency if not said."""
        name = account_name(kind, self.instrument.symbol, self.position_side, self.strategy)
        return self.accounts.open(name, unit or self.instrument.settles_in)

    def opened(self, kind: str) -> list[Account]:
        """The accounts of this kind that the holding has: one for each unit it is kept in."""
        name = account_name(kind, self.instrument.symbol, self.position_side, self.strategy)
        return self.accounts.named(name)

    def cash_in(self, currency: str) -> Account:
        """The cash of the book, or of the strategy, in a currency."""
        return self.accounts.open(account_name("cash", strategy=self.strategy), currency)

    def fee_accounts(self, currency: str) -> tuple[Account, Account]:
        """Where a fee in this currency comes from, and where it goes."""
        found = self.fees.get(currency)
        if found is None:
            found = self.fees[currency] = (self.cash_in(currency), self.account("fees", currency))
        return found


def open_holding(
    accounts: Accounts,
    instrument: Instrument,
    method: CostMethod,
    position_side: PositionSide = PositionSide.NET,
    strategy: str | None = None,
) -> Holding:
    """Open the accounts of a holding; those that are there already are taken as they are."""

    def open_account(kind: str, unit: str) -> Account:
        return accounts.open(account_name(kind, instrument.symbol, position_side, strategy), unit)

    currency, unit = instrument.settles_in, instrument.unit
    units, market = open_account("position", unit), open_account("market", unit)
    basis, realised = open_account("basis", currency), open_account("realised", currency)
    contracts = open_account("contracts", currency)
    in_kind, as_fees = open_account("fees_in_kind", currency), open_account("units_as_fees", unit)
    cash = accounts.open(account_name("cash", strategy=strategy), currency)
    return Holding(
        instrument,
        position_side,
        strategy,
        method,
        accounts,
        units,
        market,
        basis,
        realised,
        contracts if is_carried(instrument) else cash,
        in_kind,
        as_fees,
        cash,
        None if method is CostMethod.AVERAGE else Lots(method),
    )


class Change(msgspec.Struct, gc=False):
    """What is to change in one holding.

    Attributes:
        key: of the execution or entry that does it. ts_ns: when, integer nanoseconds UTC.
        held, basis: what is held afterwards, and its cost.
        closed: how much is closed, a size. result: what the closing part lost; a gain is negative.
        opened, opened_basis: what is opened (signed), and its cost.
        takes: from which lots. lots: the lots afterwards, where all of them change.
    """

    holding: Holding
    key: str
    ts_ns: int
    held: Decimal
    basis: Decimal
    closed: Decimal
    result: Decimal
    opened: Decimal
    opened_basis: Decimal
    movements: list[Movement]
    takes: Sequence[Take] = ()
    lots: Sequence[Lot] | None = None


def plan_trade(
    holding: Holding,
    signed: Decimal,
    total: Decimal,
    part: Callable[[Decimal], Decimal],
    key: str = "",
    ts_ns: int = 0,
    chosen: Sequence[LotChoice] = (),
    units_from: Account | None = None,
    paid_from: Account | None = None,
) -> Change:
    """Plan that ``signed`` units come for ``total``.

    Args:
        part: what a part of the units costs: asked where some close the position and the rest opens another.
        units_from, paid_from: where units and their price come from, if not from the market and for cash.
    """
    held, basis = holding.units.balance, holding.basis.balance
    size = abs(signed)
    opened = signed
    opened_basis = change = total
    closed = ZERO
    takes: Sequence[Take] = ()
    if held and (held > 0) is not (signed > 0):
        closed = min(size, abs(held))
        opened = signed + closed if signed < 0 else signed - closed
        opened_basis = part(opened) if opened else ZERO
        released, takes = release(holding, closed, chosen)
        change = opened_basis - released
    result = total - change
    movements = [
        (units_from or holding.market, holding.units, signed),
        (paid_from or holding.paid_from, holding.basis, change),
    ]
    if result:
        movements.append((holding.cash, holding.realised, result))
    return Change(
        holding,
        key,
        ts_ns,
        held + signed,
        basis + change,
        closed,
        result,
        opened,
        opened_basis,
        movements,
        takes,
    )


def release(
    holding: Holding, closing: Decimal, chosen: Sequence[LotChoice] = ()
) -> tuple[Decimal, Sequence[Take]]:
    """The cost that ``closing`` units (a size) of what is held give up, and the lots that they come from."""
    if holding.lots is None:
        return released_share(holding.basis.balance, abs(holding.units.balance), closing), ()
    takes = holding.lots.plan(closing, chosen)
    return cost_of(takes), takes


def add_fee(change: Change, fee: Decimal, currency: str) -> None:
    """Plan the fee of a trade: in the currency bought it makes the position smaller, else it is cash."""
    holding = change.holding
    instrument = holding.instrument
    if currency != instrument.base_currency or instrument.kind is not _SPOT:
        cash, fees = holding.fee_accounts(currency)
        change.movements.append((cash, fees, fee))
        return
    released = _pay_in_units(change, fee)
    change.movements.append((holding.units_as_fees, holding.units, -fee))
    if released:
        change.movements.append((holding.cash, holding.basis, -released))
        change.movements.append((holding.cash, holding.fees_in_kind, released))


def _pay_in_units(change: Change, fee: Decimal) -> Decimal:
    """Take ``fee`` units out of the position as it is after the trade; return what they cost.

    Of the lot just opened first, else as the method says. Units that are not held are owed, at no cost.
    """
    held = change.held
    is_closing = bool(held) and (held > 0) is (fee > 0)
    closing = min(abs(fee), abs(held)) if is_closing else ZERO
    released = ZERO
    if closing and change.holding.lots is None:
        released = released_share(change.basis, abs(held), closing)
    elif closing:
        released = _release_after(change, closing)
    rest = closing - abs(fee) if fee > 0 else abs(fee) - closing
    change.opened += rest  # owed, or received as a rebate: at no cost
    change.held, change.basis = held - fee, change.basis - released
    return released


def _release_after(change: Change, closing: Decimal) -> Decimal:
    """What units closed after a trade release: first of what it opened, then of the other lots."""
    released, lots = ZERO, change.holding.lots
    of_opened = min(closing, abs(change.opened)) if change.opened else ZERO
    if of_opened:
        released = released_share(change.opened_basis, abs(change.opened), of_opened)
        change.opened -= of_opened if change.opened > 0 else -of_opened
        change.opened_basis -= released
    if closing > of_opened and lots is not None:
        takes = lots.plan(closing - of_opened, after=change.takes)
        change.takes = (*change.takes, *takes)
        released += cost_of(takes)
    return released


def post(change: Change) -> None:
    """Make a change that was planned; nothing else may have been made in between."""
    holding = change.holding
    was = holding.units.balance
    holding.accounts.post(change.movements)
    lots = holding.lots
    if lots is None:
        now = holding.units.balance
        if now and (not was or (was > 0) is not (now > 0)):
            holding.opened_ts_ns = change.ts_ns
        return
    if change.lots is not None:
        lots.replace(change.lots)
        return
    if change.takes:
        lots.take(change.takes)
    if change.opened:
        lots.add(Lot(change.key, change.ts_ns, change.opened, change.opened_basis))


def fee_share(fee: Decimal, currency: str, closed: Decimal, size: Decimal) -> Decimal:
    """The closing part's share of a fee, rounded half-even at the currency's quantum."""
    if not closed or closed == size:
        return fee if closed else ZERO
    return share(fee, closed, size, currency_quantum(currency))


def shared_cost(total: Decimal, whole: Decimal) -> Callable[[Decimal], Decimal]:
    """What a part of units costs that came for a total: its share, rounded half-even at 1e-12."""
    return lambda units: share(total, units, whole, BASIS_QUANTUM)


def check_lots(section: Holding, chosen: Sequence[LotChoice]) -> None:
    """Make sure that lots which somebody chose are open, and large enough.

    Raises:
        UnknownLot: one is not. InvalidInput: the book keeps no lots.
    """
    if chosen and section.method is not CostMethod.SPECIFIC_LOT:
        what = f"the book's cost method is {section.method}"
        raise InvalidInput("lots", what, "Begin a book with specific_lot to choose lots")
    if section.strategy is not None:
        return  # a strategy closes what it has of them
    for choice in chosen:
        lot = None if section.lots is None else section.lots.find(choice.lot_id)
        open_size = ZERO if lot is None else abs(lot.quantity)
        if lot is None or choice.quantity > open_size:
            what = (
                f"of lot {choice.lot_id!r:.60} in {section.instrument.symbol}, {text_of(open_size)} are open"
            )
            raise UnknownLot("lots", what, "List the open lots, and choose from them")


def shared(amount: Decimal, sizes: Sequence[Decimal], quantum: Decimal) -> list[Decimal]:
    """An amount shared by sizes, half-even at ``quantum``; the last that has a size takes the rest."""
    whole, left = sum(sizes, ZERO), amount
    last = max((place for place, size in enumerate(sizes) if size), default=-1)
    shares = []
    for place, size in enumerate(sizes):
        own = left if place == last else share(amount, size, whole, quantum) if size else ZERO
        left -= own
        shares.append(own)
    return shares
