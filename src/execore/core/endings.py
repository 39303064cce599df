"""Positions that end without an order: expired, settled, liquidated, exercised or assigned."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from execore.core.accounts import Movement
from execore.core.holding import Change, Holding, add_fee, plan_trade, release, shared
from execore.core.holdings import Holdings, Plan
from execore.core.instrument_rules import currency_quantum, is_carried, is_possible_price, notional
from execore.model import entries
from execore.model.errors import InvalidInput, InvalidPrice, InvalidQuantity
from execore.model.keys import entry_key
from execore.model.money import BASIS_QUANTUM, ZERO, share, text_of
from execore.model.vocabulary import InstrumentKind, OptionRight, PositionSide


def plan_closing(books: Holdings, entry: entries.PositionClosing, ts_ns: int, plan: Plan) -> None:
    instrument = books.defined(entry.symbol)
    if not is_possible_price(instrument, entry.price):
        raise InvalidPrice("price", f"{entry.symbol} cannot be settled at {text_of(entry.price)}")
    closed = _closed_sections(books, entry, plan)
    if plan.is_check:
        return
    fees = _fees_of(entry, closed)
    for (section, signed), fee in zip(closed, fees, strict=True):
        change = _closed_at(section, signed, entry.price, entry_key(entry.entry_id), ts_ns)
        if fee:
            add_fee(change, fee, entry.fee_currency or instrument.settles_in)
        plan.add(change)
    _charge_book(books, entry, closed, plan)


def _charge_book(books: Holdings, entry: Any, closed: list[tuple[Holding, Decimal]], plan: Plan) -> None:
    """A fee is the book's also where what strategies hold ends and the book itself is flat."""
    if entry.fee and all(section.strategy is not None for section, _ in closed):
        own = books.own(entry.symbol, entry.position_side)
        cash, fees = own.fee_accounts(entry.fee_currency or own.instrument.settles_in)
        plan.movements.append((cash, fees, entry.fee))


def _closed_at(section: Holding, signed: Decimal, price: Decimal, key: str, ts_ns: int) -> Change:
    instrument = section.instrument
    return plan_trade(
        section,
        signed,
        notional(instrument, signed, price),
        lambda units: notional(instrument, units, price),
        key,
        ts_ns,
        units_from=section.account("untraded", section.units.unit),
    )


def _fees_of(entry: Any, closed: list[tuple[Holding, Decimal]]) -> list[Decimal]:
    """The fee for the book, and again for the strategies, who share it by what is closed for each."""
    own = [abs(signed) for section, signed in closed if section.strategy is None]
    theirs = [abs(signed) for section, signed in closed if section.strategy is not None]
    quantum = currency_quantum(entry.fee_currency)
    return [*shared(entry.fee, own, quantum), *shared(entry.fee, theirs, quantum)]


def _closed_sections(books: Holdings, entry: Any, plan: Plan) -> list[tuple[Holding, Decimal]]:
    """What an ending closes: of each holding, how many units go (signed); the book's first.

    All of it, unless a quantity or a strategy is said: that is the strategy's, or else nobody's first, and
    then the others' in the order in which they came.

    Raises:
        InvalidQuantity: there is not so much. InvalidInput: it is held long and short.
    """
    if entry.quantity is None and not entry.strategy:
        closed = _closed_of(books.all_of(entry.symbol), entry)
        plan.is_lost = not closed
        if plan.is_lost and not plan.is_fact:
            what = f"nothing of {entry.symbol} is held"
            raise InvalidQuantity("symbol", what, "Book what was traded first")
        return closed
    if entry.quantity is None:
        return _all_of_strategy(books, entry, plan)
    section = _meant(books, entry)
    theirs = [
        one
        for one in books.of_strategies(entry.symbol)
        if one.position_side is section.position_side
        and (one.strategy == entry.strategy or not entry.strategy)
    ]
    aimed = theirs if entry.strategy else [section]
    held = sum((one.units.balance for one in aimed), ZERO)
    quantity: Decimal = entry.quantity
    plan.is_lost = not held
    if not plan.is_fact and (plan.is_lost or quantity > abs(held)):
        what = f"{text_of(quantity)} cannot end, as {text_of(abs(held))} are held"
        raise InvalidQuantity("quantity", what, "Correct the quantity, or book what was traded first")
    if plan.is_lost:
        return []
    signed = quantity if held > 0 else -quantity
    return [(section, -signed), *_taken_from(theirs, signed)]


def _all_of_strategy(books: Holdings, entry: Any, plan: Plan) -> list[tuple[Holding, Decimal]]:
    """All that a strategy holds ends: of the book, as much on each side."""
    theirs = [one for one in books.of_strategies(entry.symbol) if one.strategy == entry.strategy]
    ending = _closed_of(theirs, entry)
    plan.is_lost = not ending
    if plan.is_lost and not plan.is_fact:
        what = f"{entry.strategy} holds nothing of {entry.symbol}"
        raise InvalidQuantity("strategy", what, "Correct it, or book what was traded first")
    own = [(books.own(entry.symbol, section.position_side), signed) for section, signed in ending]
    return [*own, *ending]


def _meant(books: Holdings, entry: Any) -> Holding:
    """The book's holding that an entry means which says how much: the net one, if it names no other."""
    own = books.seen(entry.symbol, entry.position_side)
    if own.units.balance or entry.position_side is not PositionSide.NET:
        return own
    held = [one for one in books.owned(entry.symbol) if one.units.balance]
    if len(held) > 1:
        raise InvalidInput("position_side", f"{entry.symbol} is held long and short", "Say which is meant")
    return held[0] if held else own


def _taken_from(theirs: list[Holding], signed: Decimal) -> Iterator[tuple[Holding, Decimal]]:
    """What each strategy gives of so many units: nobody's first; the last gives what is left."""
    is_long = signed > 0
    ready = [one for one in theirs if one.units.balance and (one.units.balance > 0) is is_long]
    ready.sort(key=lambda section: bool(section.strategy))
    left = abs(signed)
    for place, section in enumerate(ready, 1):
        taken = left if place == len(ready) else min(abs(section.units.balance), left)
        left -= taken
        if taken:
            yield section, -taken if is_long else taken


def _closed_of(holdings: Iterable[Holding], entry: Any) -> list[tuple[Holding, Decimal]]:
    return [
        (section, -section.units.balance)
        for section in holdings
        if section.units.balance and entry.position_side in (PositionSide.NET, section.position_side)
    ]


def plan_exercise(books: Holdings, entry: entries.Exercise, ts_ns: int, plan: Plan) -> None:
    option = books.defined(entry.symbol)
    price = option.strike if entry.price is None else entry.price
    if option.kind is not InstrumentKind.OPTION or option.right is None or price is None:
        what = f"{entry.symbol} is not defined as an option with a strike and a right"
        raise InvalidInput("symbol", what, "Define it so, or check the symbol")
    underlying = books.defined(entry.underlying or option.underlying)
    if underlying.symbol == option.symbol:
        raise InvalidInput("underlying", "it is the option itself", "Say what it is about")
    if not plan.is_check:
        books.divide_together((option.symbol, underlying.symbol))
    closed = _closed_sections(books, entry, plan)
    fees = _fees_of(entry, closed)
    if plan.is_check:
        return
    for (section, signed), fee in zip(closed, fees, strict=True):
        target = books.own(underlying.symbol, PositionSide.NET)
        if section.strategy is not None:
            target = books.of_strategy(underlying.symbol, PositionSide.NET, section.strategy)
        pair = _exercised(section, target, signed, price, entry_key(entry.entry_id), ts_ns)
        if fee:
            add_fee(pair[0], fee, entry.fee_currency or option.settles_in)
        for change in pair:
            plan.add(change)
    _charge_book(books, entry, closed, plan)


def _exercised(
    section: Holding, target: Holding, signed: Decimal, price: Decimal, key: str, ts_ns: int
) -> tuple[Change, Change]:
    """The option goes, and the underlying trades at ``price``, with the premium in its notional.

    Where opening the underlying moves no cash, the premium is the option's own result: it was paid already.
    """
    option, underlying = section.instrument, target.instrument
    released, takes = release(section, abs(signed))
    is_call = option.right is OptionRight.CALL
    units = (-signed if is_call else signed) * option.multiplier
    keeps = is_carried(underlying)
    premium = ZERO if keeps else released
    movements: list[Movement] = [
        (section.account("untraded", section.units.unit), section.units, signed),
        (section.cash, section.basis, -released),
    ]
    if keeps and released:
        movements.append((section.cash, section.realised, released))
    held, basis = section.units.balance + signed, section.basis.balance - released
    result = released - premium
    ended = Change(section, key, ts_ns, held, basis, abs(signed), result, ZERO, ZERO, movements, takes)

    def cost(part: Decimal) -> Decimal:
        return notional(underlying, part, price) + share(premium, part, units, BASIS_QUANTUM)

    total = notional(underlying, units, price) + premium
    untraded = target.account("untraded", target.units.unit)
    return ended, plan_trade(target, units, total, cost, key, ts_ns, units_from=untraded)
