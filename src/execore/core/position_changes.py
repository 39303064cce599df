"""Changes of what was booked: busts, corrections, fees that come late, executions that are another order's.

The event carries what changes, so that folding it needs no past. Most changes need the past to be worked out
(``core.rebooking``). The two that do not are here: a provisional fill after which nothing was closed, and a
fee in cash.
"""

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from execore.core.accounts import Account
from execore.core.fills import plan_fill, post_fill
from execore.core.holding import Holding
from execore.core.holdings import Holdings
from execore.core.instrument_rules import notional
from execore.core.rebooking import restate
from execore.model import events
from execore.model.keys import execution_key
from execore.model.lots import Lot
from execore.model.money import ZERO, canonical, exactly
from execore.model.trades import Posting, Trade
from execore.model.vocabulary import InstrumentKind, Side

_BUY: Final = Side.BUY


@exactly
def plan_reduction(
    holdings: Holdings, key: str, event: events.TradeCancelled | events.TradeCorrected
) -> tuple[Posting, ...] | None:
    """Work out what it changes that a provisional fill is smaller, if nothing was closed since it came.

    Then the position only grew, and what is taken out leaves no other trace: there is no past to book
    again. None if something was closed.
    """
    was = event.was
    if was.fee or not (event.replaced and is_extension(holdings, was.symbol, key)):
        return None
    signed = _shrinks_by(event)
    postings = []
    for holding in _extended(holdings, was.symbol, key):
        cost = notional(holding.instrument, signed, was.price)
        postings.append(_posting(holding.market, holding.units, signed))
        if cost:
            postings.append(_posting(holding.paid_from, holding.basis, cost))
    return tuple(postings)


def is_extension(holdings: Holdings, symbol: str, key: str) -> bool:
    """Whether this execution, known by a total alone, extended what is held, and nothing closed since.

    Never of an inverse contract: its notionals are rounded, and a part of one is not exactly its share.

    Raises:
        UnknownInstrument: the symbol was never defined.
    """
    wanted = 2 if holdings.is_divided(symbol) else 1
    if holdings.defined(symbol).kind is InstrumentKind.INVERSE:
        return False
    return len(_extended(holdings, symbol, key)) == wanted


def _extended(holdings: Holdings, symbol: str, key: str) -> list[Holding]:
    """The holdings that this execution extended: the book's, and the strategy's."""
    return [holding for holding in holdings.all_of(symbol) if key in holding.extensions]


def _shrinks_by(event: events.TradeCancelled | events.TradeCorrected) -> Decimal:
    """How many units an execution has less, signed as what they do to the position."""
    now = ZERO if isinstance(event, events.TradeCancelled) else event.now.quantity
    return now - event.was.quantity if event.was.side is _BUY else event.was.quantity - now


@exactly
def plan_fee(holdings: Holdings, event: events.TradeRestated, strategy: str) -> tuple[Posting, ...] | None:
    """Work out what another fee of an execution changes; None if the past would be another for it."""
    was, now = event.was, event.now
    if changes_past(holdings, was, now):
        return None
    sections = [holdings.own(was.symbol, was.position_side)]
    if holdings.is_divided(was.symbol):
        sections.append(holdings.of_strategy(was.symbol, was.position_side, strategy))
    postings = []
    for section in sections:
        for amount, trade in ((-was.fee, was), (now.fee, now)):
            if amount:
                currency = trade.fee_currency or section.instrument.settles_in
                postings.append(_posting(*section.fee_accounts(currency), amount))
    return tuple(postings)


def changes_past(holdings: Holdings, was: Trade, now: Trade) -> bool:
    """Whether what came after an execution is another for what it is now: not if only its fee in cash is.

    Raises:
        UnknownInstrument: the symbol was never defined.
    """
    instrument = holdings.defined(was.symbol)
    takes_units = instrument.kind is InstrumentKind.SPOT and any(
        trade.fee and trade.fee_currency == instrument.base_currency for trade in (was, now)
    )
    return takes_units or was.lots != now.lots


def apply_change(holdings: Holdings, event: events.TradeChange | events.OrderReowned, strategy: str) -> None:
    """Book what a change says; ``strategy`` is that of the order whose execution it is."""
    if not isinstance(event, events.OrderReowned | events.TradeRestated):
        _forget_extension(holdings, event)
    for restated in event.lots:
        if restated.strategy is None:
            holding = holdings.own(restated.symbol, restated.position_side)
        else:
            holding = holdings.of_strategy(restated.symbol, restated.position_side, restated.strategy)
        restate(holding, restated.lots)
    open_account = holdings.accounts.open
    holdings.accounts.post(
        [
            (open_account(one.source, one.unit), open_account(one.target, one.unit), one.amount)
            for one in event.postings
        ]
    )
    if not isinstance(event, events.OrderReowned):
        if _leaves_strategies_out(holdings, event):
            _change_strategy(holdings, event, strategy)
        for holding in holdings.all_of(event.was.symbol):  # a fee in a currency that is new to it
            for account in holding.opened("fees"):
                holding.fee_accounts(account.unit)


def _forget_extension(holdings: Holdings, event: events.TradeCancelled | events.TradeCorrected) -> None:
    """What closed and what extended may be others now; what merely shrank is smaller."""
    key = execution_key(event.execution_scope, event.execution_ref_id)
    symbol = event.was.symbol
    if event.was.fee or not (event.replaced and is_extension(holdings, symbol, key)):
        for holding in holdings.all_of(symbol):
            holding.extensions.clear()
        return
    signed = _shrinks_by(event)
    for holding in _extended(holdings, symbol, key):
        if isinstance(event, events.TradeCancelled):
            del holding.extensions[key]
        if holding.lots is not None:
            holding.lots.add(Lot(key, 0, signed, notional(holding.instrument, signed, event.was.price)))


def _leaves_strategies_out(holdings: Holdings, event: events.TradeChange) -> bool:
    """Whether it is a record of version 1, which does not say what strategies hold; any later one does."""
    now = None if isinstance(event, events.TradeCancelled) else event.now
    changes_units = now is None or (now.quantity, now.side) != (event.was.quantity, event.was.side)
    if not holdings.is_divided(event.was.symbol) or Side.UNDISCLOSED in (event.was.side, now and now.side):
        return False
    return changes_units and not any(" @" in posting.target for posting in event.postings)


def _change_strategy(holdings: Holdings, event: events.TradeChange, strategy: str) -> None:
    """Trade the execution back, and as it is now: what strategies hold goes on adding up."""
    was, key = event.was, execution_key(event.execution_scope, event.execution_ref_id)
    section = holdings.of_strategy(was.symbol, was.position_side, strategy)
    back = replace(was, side=Side.SELL if was.side is _BUY else _BUY, fee=-was.fee)
    again = () if isinstance(event, events.TradeCancelled) else (event.now,)
    for trade in (back, *again):
        post_fill(holdings, plan_fill(section, trade, 0, key))


def _posting(source: Account, target: Account, amount: Decimal) -> Posting:
    return Posting(source.name, target.name, target.unit, canonical(amount))
