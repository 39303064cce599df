"""Splits and new symbols: what is held becomes so many units of that, and its cost goes with it."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from execore.core.accounts import Movement
from execore.core.cost_methods import Lots, Take, cost_of
from execore.core.holding import Change, Holding, plan_trade, shared, shared_cost
from execore.core.holdings import Holdings, Plan
from execore.model import entries
from execore.model.errors import InvalidInput
from execore.model.keys import entry_key
from execore.model.lots import Lot
from execore.model.money import BASIS_QUANTUM, EXACT, ONE, UNIT_QUANTUM, ZERO, share, text_of


def plan_split(books: Holdings, entry: entries.Split, ts_ns: int, plan: Plan) -> None:
    """Plan that what is held becomes so many units of it. Who gives up fractions shares the cash by them."""
    books.defined(entry.symbol)
    held = books.owned(entry.symbol)
    after = [_units_after(section.units.balance, entry) for section in held]
    left = [_given_up(section, units, entry) for section, units in zip(held, after, strict=True)]
    if not plan.is_fact:
        _check_split(entry, held, after, left)
    if plan.is_check:
        return
    cash = shared(entry.cash, [abs(fraction) for fraction in left], BASIS_QUANTUM)
    for section, units, fraction, paid in zip(held, after, left, cash, strict=True):
        was = section.units.balance
        if was:
            plan.add(_split_section(section, entry, units, fraction, paid, ts_ns))
        for change in _split_strategies(books, section, was, entry, units, fraction, paid, ts_ns):
            plan.add(change)


def _check_split(
    entry: entries.Split, held: list[Holding], after: list[Decimal], left: list[Decimal]
) -> None:
    if entry.cash and not any(left):
        raise InvalidInput("cash", "there is no fraction that it could be for", "Leave it out")
    is_lost = any(section.units.balance and not units for section, units in zip(held, after, strict=True))
    if entry.whole is None and is_lost:
        raise InvalidInput("new", "nothing would be left of what is held", "Say which units are whole")


def _units_after(held: Decimal, entry: entries.Split) -> Decimal:
    """What becomes of so many units: all of it at 1e-18 half-even, or the whole ones."""
    if entry.whole is None:
        return share(held, entry.new, entry.old, UNIT_QUANTUM)
    return EXACT.divide_int(held * entry.new, entry.old * entry.whole) * entry.whole


def _given_up(section: Holding, units: Decimal, entry: entries.Split) -> Decimal:
    """The fraction of a unit that is not kept, as many times too large as ``old`` says; exactly."""
    return ZERO if entry.whole is None else section.units.balance * entry.new - units * entry.old


def _split_strategies(
    books: Holdings,
    own: Holding,
    was: Decimal,
    entry: entries.Split,
    units: Decimal,
    fraction: Decimal,
    cash: Decimal,
    ts_ns: int,
) -> Iterator[Change]:
    """Strategies keep their fractions; the largest on the book's side gives up what the book does."""
    held = [
        one
        for one in books.of_strategies(entry.symbol)
        if one.position_side is own.position_side and one.units.balance
    ]
    same_way = [one for one in held if was and (one.units.balance > 0) is (was > 0)]
    largest = max(same_way, key=lambda section: abs(section.units.balance), default=None)
    if largest is None and held:
        largest = held[-1]  # the book is flat: who comes last takes what rounding leaves
    for section in held:
        if section is not largest:
            kept = share(section.units.balance, entry.new, entry.old, UNIT_QUANTUM)
            units -= kept
            yield _split_section(section, entry, kept, ZERO, ZERO, ts_ns)
    if largest is not None:
        yield _split_section(largest, entry, units, fraction, cash, ts_ns)


def _split_section(
    section: Holding, entry: entries.Split, units: Decimal, fraction: Decimal, cash: Decimal, ts_ns: int
) -> Change:
    """What is held becomes ``units``; a fraction that is not kept releases its cost, for ``cash``."""
    held, basis = section.units.balance, section.basis.balance
    key = entry_key(entry.entry_id)
    released, lots = ZERO, None
    takes: Sequence[Take] = ()
    turns = bool(units) and (units > 0) is not (held > 0)  # a strategy's, that gave up more than it had
    if turns:
        released, lots = basis, None if section.lots is None else [Lot(key, ts_ns, units, ZERO)]
    elif section.lots is not None:
        scaled = Lots(section.method)
        total = share(held, entry.new, entry.old, UNIT_QUANTUM) if fraction else units
        if abs(total) < abs(units):  # of several strategies, the last has what rounding left to the others
            total = units
        scaled.replace(_scaled(section.lots, entry, total))
        takes = scaled.plan(abs(total - units))
        scaled.take(takes)
        lots = list(scaled)
        released = cost_of(takes) if lots else basis
    elif fraction or not units:
        released = share(basis, fraction, held * entry.new, BASIS_QUANTUM) if units else basis
        gone = share(fraction, ONE, entry.old, UNIT_QUANTUM)
        if gone:
            takes = (Take(Lot("", section.opened_ts_ns, units + gone, basis), gone, released),)
    result = released - cash
    movements = [(section.account("untraded", section.units.unit), section.units, units - held)]
    if released:
        movements.append((section.paid_from, section.basis, -released))
    if result:
        movements.append((section.cash, section.realised, result))
    closed = sum((abs(taken.quantity) for taken in takes), ZERO)
    return Change(
        section, key, ts_ns, units, basis - released, closed, result, ZERO, ZERO, movements, takes, lots
    )


def _scaled(lots: Iterable[Lot], entry: entries.Split, total: Decimal) -> Iterator[Lot]:
    """Every ``old`` units of each lot as ``new``, rounded half-even at 1e-18; the last takes what is left.

    So it does the cost of a lot that is too small to be anything afterwards.
    """
    *others, last = lots
    cost = last.cost_basis
    for lot in others:
        units = share(lot.quantity, entry.new, entry.old, UNIT_QUANTUM)
        total -= units
        if units:
            yield Lot(lot.lot_id, lot.opened_ts_ns, units, lot.cost_basis)
        else:
            cost += lot.cost_basis
    if total:
        yield Lot(last.lot_id, last.opened_ts_ns, total, cost)


def plan_symbol_change(books: Holdings, entry: entries.SymbolChange, ts_ns: int, plan: Plan) -> None:
    old, new = books.defined(entry.symbol), books.defined(entry.new_symbol)
    for field in ("kind", "settles_in", "multiplier"):
        if getattr(old, field) != getattr(new, field):
            raise InvalidInput("new_symbol", f"{new.symbol} has another {field} than {old.symbol}")
    for section in () if plan.is_fact else books.owned(entry.symbol):
        there = books.seen(new.symbol, section.position_side).units.balance
        if section.units.balance and there and (there > 0) is not (section.units.balance > 0):
            what = f"{text_of(there)} of it are held the other way"
            raise InvalidInput("new_symbol", what, "Book how that was closed first")
    if plan.is_check:
        return
    books.divide_together((entry.symbol, entry.new_symbol))
    for section in books.all_of(entry.symbol):
        if section.units.balance:
            for change in _moved(section, books.like(section, new.symbol), entry_key(entry.entry_id), ts_ns):
                plan.add(change)


def _moved(section: Holding, target: Holding, key: str, ts_ns: int) -> tuple[Change, Change]:
    """All that is held goes from one holding to another, with its cost and its lots."""
    units, basis = section.units.balance, section.basis.balance
    out: list[Movement] = [
        (section.account("untraded", section.units.unit), section.units, -units),
        (section.paid_from, section.basis, -basis),
    ]
    gone = Change(section, key, ts_ns, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, out, lots=())
    there, untraded = target.units.balance, target.account("untraded", target.units.unit)
    if there and (there > 0) is not (units > 0):
        return gone, plan_trade(
            target, units, basis, shared_cost(basis, units), key, ts_ns, units_from=untraded
        )
    into: list[Movement] = [(untraded, target.units, units), (target.paid_from, target.basis, basis)]
    held, cost = there + units, target.basis.balance + basis
    lots = None if target.lots is None else [*target.lots, *(section.lots or ())]
    came = Change(target, key, section.opened_ts_ns, held, cost, ZERO, ZERO, ZERO, ZERO, into, lots=lots)
    return gone, came
