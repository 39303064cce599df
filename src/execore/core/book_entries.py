"""What an entry does to holdings and cash: a table of functions, one for each kind of entry.

Each says what is to change, or raises: an entry that cannot be is refused as a whole. The book's own holdings
come first, then those of the strategies, which follow the same rules on what they hold.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from execore.core.accounts import Account
from execore.core.chart_of_accounts import FLOW_ACCOUNTS, account_name
from execore.core.corporate_actions import plan_split, plan_symbol_change
from execore.core.cost_methods import Lots, cost_of
from execore.core.endings import plan_closing, plan_exercise
from execore.core.holding import Change, Holding, check_lots, plan_trade, release, shared, shared_cost
from execore.core.holdings import Holdings, Plan
from execore.core.instrument_rules import currency_quantum, is_carried
from execore.model import entries
from execore.model.errors import InvalidInput, InvalidQuantity
from execore.model.keys import entry_key
from execore.model.lots import Lot
from execore.model.money import BASIS_QUANTUM, ZERO, exactly, share, text_of
from execore.model.vocabulary import PositionSide


def check_entry(books: Holdings, entry: entries.AnyEntry, ts_ns: int) -> None:
    """Make sure that an entry can be booked, changing nothing that counts.

    Raises:
        UnknownInstrument, UnknownLot, InvalidQuantity, InvalidPrice, InvalidInput: it cannot be, by field.
    """
    _PLANNERS[type(entry)](books, entry, ts_ns, Plan())


@exactly
def book_entry(books: Holdings, entry: entries.AnyEntry, ts_ns: int) -> bool:
    """Book an entry that was accepted; return whether it found anything to act on."""

    def post(change: Change) -> None:
        books.post(change)
        change.holding.extensions.clear()

    plan = Plan(post, is_fact=True)
    _PLANNERS[type(entry)](books, entry, ts_ns, plan)
    books.accounts.post(plan.movements)
    return not plan.is_lost


# --- cash ------------------------------------------------------------------------------------------------


def _cash_flow(books: Holdings, entry: entries.CashFlow, ts_ns: int, plan: Plan) -> None:
    kind, side = FLOW_ACCOUNTS[entry.flow], PositionSide.NET
    if entry.symbol:
        side = books.seen(entry.symbol, entry.position_side).position_side

    def pay(amount: Decimal, strategy: str | None) -> None:
        name = account_name(kind, entry.symbol, side, strategy)
        cash = books.account(account_name("cash", strategy=strategy), entry.currency)
        plan.movements.append((books.account(name, entry.currency), cash, amount))

    pay(entry.amount, None)
    if entry.strategy or (entry.symbol and books.is_divided(entry.symbol)):
        for strategy, amount in _shared_flow(books, entry):
            pay(amount, strategy)


def _shared_flow(books: Holdings, entry: entries.CashFlow) -> list[tuple[str, Decimal]]:
    """Whose a flow is: the strategy's that it names, or theirs who hold the instrument, by what they hold."""
    held: dict[str, Decimal] = {}
    for section in books.of_strategies(entry.symbol) if entry.symbol else ():
        name = section.strategy or ""
        held[name] = held.get(name, ZERO) + section.units.balance
    total = sum(held.values(), ZERO)
    if entry.strategy or not total:
        return [(entry.strategy, entry.amount)]
    quantum = currency_quantum(entry.currency)
    *others, last = [strategy for strategy, quantity in held.items() if quantity]
    shares = [(one, share(entry.amount, held[one], total, quantum)) for one in others]
    return [*shares, (last, entry.amount - sum((amount for _, amount in shares), ZERO))]


# --- units -----------------------------------------------------------------------------------------------


def _transfer(books: Holdings, entry: entries.PositionTransfer, ts_ns: int, plan: Plan) -> None:
    """Units that extend what is held come with their cost; others go with theirs, and nothing is realised."""
    if not plan.is_fact:
        _check_transfer(books.seen(entry.symbol, entry.position_side), entry)
    opened_ts_ns = ts_ns if entry.opened_ts_ns is None else entry.opened_ts_ns
    cost = entry.cost
    for section in () if plan.is_check else _named_sections(books, entry):
        held, quantity = section.units.balance, entry.quantity
        extends = not held or (held > 0) is (quantity > 0)
        goes = ZERO if extends else min(abs(held), abs(quantity))
        released = release(section, goes, entry.lots)[0] if goes else ZERO
        if cost is None:
            cost = -released  # what left the book is what a strategy on the other side has taken on
        change = plan_trade(
            section,
            quantity,
            cost if extends else -released,
            shared_cost(cost, quantity) if extends else lambda _: ZERO,
            entry_key(entry.entry_id),
            opened_ts_ns,
            entry.lots,
            section.account("untraded", section.units.unit),
            _elsewhere(section, "transferred"),
        )
        plan.add(change)


def _check_transfer(section: Holding, entry: entries.PositionTransfer) -> None:
    """Make sure that so much can go, and that a cost is known of what comes."""
    held = section.units.balance
    extends = not held or (held > 0) is (entry.quantity > 0)
    if entry.cost is None and extends:
        what = f"{text_of(held)} are held, so that these come: at what cost is not said"
        raise InvalidInput("cost", what, "Say what they cost in all")
    if entry.cost is not None and not extends and not entry.strategy:
        what = f"{text_of(held)} are held, so that these go, with the cost that they have"
        raise InvalidInput("cost", what, "Leave it out")
    if not extends and abs(entry.quantity) > abs(held):
        what = f"{text_of(abs(entry.quantity))} cannot go, as {text_of(abs(held))} are held"
        raise InvalidQuantity("quantity", what, "Correct the quantity, or book what came first")
    check_lots(section, entry.lots)


def _adjustment(books: Holdings, entry: entries.Adjustment, ts_ns: int, plan: Plan) -> None:
    if entry.currency:
        for strategy in (None, entry.strategy) if entry.strategy else (None,):
            source = books.account(account_name("adjustments", strategy=strategy), entry.currency)
            cash = books.account(account_name("cash", strategy=strategy), entry.currency)
            plan.movements.append((source, cash, entry.amount))
        return
    if not plan.is_fact:
        _check_adjustment(books.seen(entry.symbol, entry.position_side), entry)
    for section in () if plan.is_check else _named_sections(books, entry):
        plan.add(_adjust(section, entry, ts_ns))


def _check_adjustment(section: Holding, entry: entries.Adjustment) -> None:
    """Make sure that what is held has a cost afterwards if it is anything, and is on the same side."""
    was = section.units.balance
    held, basis = was + entry.quantity, section.basis.balance + entry.cost
    if not held and basis:
        what = f"nothing would be held, at a cost of {text_of(basis)}"
        raise InvalidInput("cost", what, "Adjust the cost, too")
    if was and held and (was > 0) is not (held > 0):
        raise InvalidInput("quantity", "the position would turn over", "Adjust it to zero first")


def _adjust(section: Holding, entry: entries.Adjustment, ts_ns: int) -> Change:
    """Units and cost change by what is said, and nothing is realised: the lots left share the cost."""
    was = section.units.balance
    held = was + entry.quantity
    cost = entry.cost if held else -section.basis.balance  # nothing has no cost
    key, basis = entry_key(entry.entry_id), section.basis.balance + cost
    lots = None
    if section.lots is not None:
        turns = bool(was and held) and (was > 0) is not (held > 0)
        whole = [Lot(key, ts_ns, held, basis)]
        lots = (
            whole
            if turns
            else _adjusted_lots(section.lots, entry, Lot(key, ts_ns, entry.quantity, cost), was)
        )
    movements = [
        (section.account("untraded", section.units.unit), section.units, entry.quantity),
        (_elsewhere(section, "adjustments"), section.basis, cost),
    ]
    return Change(section, key, ts_ns, held, basis, ZERO, ZERO, ZERO, ZERO, movements, lots=lots)


def _adjusted_lots(lots: Lots, entry: entries.Adjustment, added: Lot, was: Decimal) -> list[Lot]:
    """The lots after units came or went; those that are left share what the cost changed beside that."""
    if entry.quantity and (not was or (was > 0) is (entry.quantity > 0)):
        return [*lots, added]
    left = Lots(lots.method)
    left.replace(lots)
    takes = left.plan(abs(entry.quantity))
    left.take(takes)
    kept = list(left)
    more = shared(added.cost_basis + cost_of(takes), [abs(lot.quantity) for lot in kept], BASIS_QUANTUM)
    return [
        Lot(lot.lot_id, lot.opened_ts_ns, lot.quantity, lot.cost_basis + cost)
        for lot, cost in zip(kept, more, strict=True)
    ]


# --- shared ----------------------------------------------------------------------------------------------


def _named_sections(books: Holdings, entry: Any) -> list[Holding]:
    """The book's holding, and that of the strategy which the entry names, where strategies are kept."""
    own = books.own(entry.symbol, entry.position_side)
    if not entry.strategy and not books.is_divided(entry.symbol):
        return [own]
    return [own, books.of_strategy(entry.symbol, entry.position_side, entry.strategy)]


def _elsewhere(section: Holding, kind: str) -> Account:
    """Where a cost comes from that nobody paid: of what is carried, costs are only noted."""
    return section.paid_from if is_carried(section.instrument) else section.account(kind)


_PLANNERS: Final[dict[type[entries.Entry], Callable[[Holdings, Any, int, Plan], None]]] = {
    entries.CashFlow: _cash_flow,
    entries.PositionTransfer: _transfer,
    entries.Split: plan_split,
    entries.SymbolChange: plan_symbol_change,
    entries.PositionClosing: plan_closing,
    entries.Exercise: plan_exercise,
    entries.Adjustment: _adjustment,
}
