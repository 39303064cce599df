"""Fills to holdings: what one does to a position is planned first, then posted."""

from decimal import Decimal
from typing import Final

import msgspec

from execore.core.accounts import Movement
from execore.core.holding import Change, Holding, add_fee, fee_share, plan_trade
from execore.core.holdings import Holdings
from execore.core.instrument_rules import notional
from execore.model import events
from execore.model.money import ZERO, exactly
from execore.model.trades import Trade
from execore.model.vocabulary import Side

_BUY: Final = Side.BUY
_EXTENDING: Final = 3
"""A trade that extends a position, with a fee in cash, makes so many movements; a fee in kind makes more."""
MAXIMUM_EXTENSIONS: Final = 1_000
"""Executions known by totals alone that are remembered for each holding."""


class FillEffect(msgspec.Struct, frozen=True, gc=False):
    """What a fill did to a position. A flip closes, then opens, with the fee split by quantity.

    Attributes:
        closed_quantity, opened_quantity: sizes; they add up to the fill's quantity.
        realised_pnl: result of the closing part, in the currency it settles in, before fees.
        fee_on_close, fee_on_open: they add up to the fill's fee, in its currency.
        change: what is to change in the holding.
    """

    closed_quantity: Decimal
    opened_quantity: Decimal
    realised_pnl: Decimal
    fee_on_close: Decimal
    fee_on_open: Decimal
    change: Change

    @property
    def movements(self) -> list[Movement]:
        """What moves from one account to another."""
        return self.change.movements

    @property
    def closes(self) -> bool:
        """Whether it closed anything, or took a fee in kind: what came before cannot simply shrink."""
        return bool(self.closed_quantity) or len(self.change.movements) > _EXTENDING


@exactly
def plan_fill(holding: Holding, event: events.FillBooked | Trade, ts_ns: int, key: str) -> FillEffect:
    """Work out what a fill does to a holding, changing nothing."""
    instrument = holding.instrument
    size, price = event.quantity, event.price
    signed = size if event.side is _BUY else -size
    change = plan_trade(
        holding,
        signed,
        notional(instrument, signed, price),
        lambda units: notional(instrument, units, price),
        key,
        ts_ns,
        event.lots,
    )
    closed = change.closed
    fee, fee_on_close = event.fee, ZERO
    if fee:
        currency = event.fee_currency or instrument.settles_in
        add_fee(change, fee, currency)
        fee_on_close = fee_share(fee, currency, closed, size)
    return FillEffect(closed, size - closed, -change.result, fee_on_close, fee - fee_on_close, change)


@exactly
def post_fill(holdings: Holdings, effect: FillEffect) -> None:
    """Book what ``plan_fill`` worked out; nothing else may have been booked in between."""
    holdings.post(effect.change)
    extensions = effect.change.holding.extensions
    if extensions and effect.closes:
        extensions.clear()


def book_for_strategy(
    holdings: Holdings, event: events.FillBooked | Trade, ts_ns: int, key: str, strategy: str
) -> FillEffect | None:
    """Book a fill to the strategy that made it, if such are kept: before the book itself takes it."""
    if not strategy and not holdings.is_divided(event.symbol):
        return None
    effect = plan_fill(holdings.of_strategy(event.symbol, event.position_side, strategy), event, ts_ns, key)
    post_fill(holdings, effect)
    return effect


def book_fill(
    holdings: Holdings, event: events.FillBooked | Trade, ts_ns: int, key: str, strategy: str
) -> FillEffect:
    """Book a fill to the strategy that made it, and to the book; return what it did there.

    Raises:
        UnknownInstrument: its symbol was never defined. Nothing is booked.
    """
    effect = plan_fill(holdings.own(event.symbol, event.position_side), event, ts_ns, key)
    book_for_strategy(holdings, event, ts_ns, key, strategy)
    post_fill(holdings, effect)
    return effect


def mark_extension(key: str, effect: FillEffect) -> None:
    """Remember of a fill that was posted, and is known by a total alone, that it can shrink simply.

    Of the last ``MAXIMUM_EXTENSIONS`` in its holding: others are changed the long way.
    """
    extensions = effect.change.holding.extensions
    if not effect.closes:
        extensions[key] = None
        if len(extensions) > MAXIMUM_EXTENSIONS:
            del extensions[next(iter(extensions))]
