"""A position as it stands, for looking: balances of the books, and what follows from them."""

from decimal import Decimal
from functools import reduce
from typing import Any

import msgspec

from execore.core.chart_of_accounts import FLOW_ACCOUNTS
from execore.core.holding import Holding
from execore.core.instrument_rules import average_cost, is_carried, notional
from execore.model.instruments import Instrument
from execore.model.lots import Lot
from execore.model.money import EXACT, ZERO, exactly, text_of
from execore.model.vocabulary import PositionSide


class Position(msgspec.Struct, frozen=True, gc=False):
    """A position of the book, or of one strategy in it.

    Attributes:
        quantity: positive long, negative short, zero flat; in ``unit``.
        currency: what cost and results are in: what the instrument settles in.
        cost_basis: what the open quantity cost (negative: fetched).
        realised_pnl: result of what was closed, before fees.
        fees: what was paid for executions, by currency; beside realised PnL, never mixed into it.
        fees_in_kind: cost of what fees in the currency bought took from the position.
        undisclosed: quantity filled of which nobody has said yet which way it went; not in ``quantity``.
        flows: funding, dividends and the like, by account and currency; received is positive.
        position_side: of a hedging book's. strategy: None for the book's own.
        opened_ts_ns: when it was flat last, and something opened it; None when it is flat.
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
    instrument: Instrument
    flows: dict[str, dict[str, Decimal]]
    position_side: PositionSide = PositionSide.NET
    strategy: str | None = None
    opened_ts_ns: int | None = None

    @property
    def multiplier(self) -> Decimal:
        """That of the instrument."""
        return self.instrument.multiplier

    @property
    def average_cost(self) -> Decimal | None:
        """Basis per unit and multiplier, rounded half-even at 1e-12 for showing; None when flat."""
        return average_cost(self.instrument, self.quantity, self.cost_basis)

    @exactly
    def market_value(self, mark: Decimal) -> Decimal:
        """What the position would cost at ``mark``, in ``currency``; inverse: minus what it is worth."""
        return notional(self.instrument, self.quantity, mark)

    @exactly
    def unrealised_pnl(self, mark: Decimal) -> Decimal:
        """Market value at ``mark`` less cost basis, in ``currency``."""
        return self.market_value(mark) - self.cost_basis

    @exactly
    def equity(self, mark: Decimal) -> Decimal:
        """What it adds to cash at ``mark``: where opening it moved no cash, its unrealised result alone."""
        return self.unrealised_pnl(mark) if is_carried(self.instrument) else self.market_value(mark)


def position_of(holding: Holding, undisclosed: Decimal) -> Position:
    """The position that a holding is."""
    instrument, quantity = holding.instrument, holding.units.balance
    return Position(
        instrument.symbol,
        instrument.unit,
        instrument.settles_in,
        quantity,
        holding.basis.balance,
        EXACT.minus(holding.realised.balance),
        {
            currency: amount
            for currency in sorted(holding.fees)
            if (amount := holding.fees[currency][1].balance)
        },
        holding.fees_in_kind.balance,
        undisclosed,
        instrument,
        _flows(holding),
        holding.position_side,
        holding.strategy,
        opened_ts_ns(holding),
    )


def _fees(holding: Holding) -> dict[str, Decimal]:
    paid = {currency: fees.balance for currency, (_, fees) in holding.fees.items() if fees.balance}
    return paid if len(paid) < 2 else dict(sorted(paid.items()))


def flat(instrument: Instrument, strategy: str | None) -> Position:
    """A position of one who never traded."""
    zero, symbol = ZERO, instrument.symbol
    return Position(
        symbol,
        instrument.unit,
        instrument.settles_in,
        zero,
        zero,
        zero,
        {},
        zero,
        zero,
        instrument,
        {},
        strategy=strategy,
    )


def _flows(holding: Holding) -> dict[str, dict[str, Decimal]]:
    """Cash flows about the instrument."""
    flows: dict[str, dict[str, Decimal]] = {}
    for kind in FLOW_ACCOUNTS.values():
        accounts = sorted(holding.opened(kind), key=lambda account: account.unit)
        received = {account.unit: EXACT.minus(account.balance) for account in accounts}
        if received:
            flows[kind] = received
    return flows


def opened_ts_ns(holding: Holding) -> int | None:
    """When what is held was opened first; None when nothing is."""
    if not holding.units.balance:
        return None
    if holding.lots is None:
        return holding.opened_ts_ns
    return min(lot.opened_ts_ns for lot in holding.lots)


def lots_of(holding: Holding) -> list[Lot]:
    """The open lots, by what opened them. Under average cost all that is held is one, without an id."""
    if holding.lots is not None:
        return list(holding.lots)
    if not holding.units.balance:
        return []
    return [Lot("", holding.opened_ts_ns, holding.units.balance, holding.basis.balance)]


def position_to_dict(position: Position) -> dict[str, Any]:
    """A position as every JSON output shows it: numbers as canonical strings."""
    average = position.average_cost
    return {
        "symbol": position.symbol,
        "position_side": position.position_side.value,
        "strategy": position.strategy,
        "quantity": text_of(position.quantity),
        "unit": position.unit,
        "average_cost": None if average is None else text_of(average),
        "cost_basis": text_of(position.cost_basis),
        "realised_pnl": text_of(position.realised_pnl),
        "currency": position.currency,
        "fees": texts_of(position.fees),
        "fees_in_kind": text_of(position.fees_in_kind),
        "flows": {kind: texts_of(amounts) for kind, amounts in position.flows.items()},
        "undisclosed": text_of(position.undisclosed),
        "opened_ts_ns": position.opened_ts_ns,
    }


def texts_of(amounts: dict[str, Decimal]) -> dict[str, str]:
    """Amounts by currency, as text."""
    return {currency: text_of(amount) for currency, amount in amounts.items()}


def total_of(positions: list[Position]) -> Position:
    """Several position sides of one instrument as one position: the sums of what they hold."""
    first, *others = positions
    if not others:
        return first
    flows: dict[str, dict[str, Decimal]] = {}
    fees: dict[str, Decimal] = {}
    for position in positions:
        for kind, received in position.flows.items():
            for currency, amount in received.items():
                of_kind = flows.setdefault(kind, {})
                of_kind[currency] = EXACT.add(of_kind.get(currency, ZERO), amount)
        for currency, amount in position.fees.items():
            fees[currency] = EXACT.add(fees.get(currency, ZERO), amount)

    def total(name: str) -> Decimal:
        amounts: list[Decimal] = [getattr(position, name) for position in positions]
        return reduce(EXACT.add, amounts)

    opened = [position.opened_ts_ns for position in positions if position.opened_ts_ns is not None]
    return Position(
        first.symbol,
        first.unit,
        first.currency,
        total("quantity"),
        total("cost_basis"),
        total("realised_pnl"),
        fees,
        total("fees_in_kind"),
        first.undisclosed,
        first.instrument,
        flows,
        PositionSide.NET,
        first.strategy,
        min(opened, default=None),
    )
