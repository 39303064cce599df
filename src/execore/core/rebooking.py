"""The past booked again: what a bust or a correction changes, so that nothing of what was can stay behind.

Everything that ever moved an instrument's units is booked once more, apart, as it should have been. What then
differs from the books as they are is the change: amounts to post, and the lots that are open.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from execore.core.accounts import Account
from execore.core.book_entries import book_entry
from execore.core.fills import book_fill
from execore.core.holding import IN_UNITS, Holding, check_lots
from execore.core.holdings import Holdings
from execore.core.position import lots_of
from execore.model.lots import Lot, LotsRestated
from execore.model.money import ZERO, canonical, exactly
from execore.model.trades import PastEntry, PastItem, PastTrade, Posting

_IN_CURRENCY: Final = ("realised", "fees_in_kind", "transferred", "adjustments")


class Restated(NamedTuple):
    """What changes: amounts to post, and open lots; and which entries found nothing to act on any more."""

    postings: tuple[Posting, ...]
    lots: tuple[LotsRestated, ...]
    lost: tuple[str, ...] = ()


@exactly
def plan_change(holdings: Holdings, symbol: str, past: Iterable[PastItem], checked: str = "") -> Restated:
    """Work out how the books of an instrument differ if ``past`` is all that ever happened in it.

    Its whole past is booked again, apart: so nothing of what is left out can stay behind.

    Args:
        checked: the key of an execution of which the lots that it closes must be there.

    Raises:
        UnknownInstrument: the symbol was never defined. UnknownLot: such a lot is not there.
    """
    afresh = begin_afresh(holdings, symbol)
    lost: list[str] = []
    for item in past:
        if isinstance(item, PastTrade) and item.key == checked:
            check_lots(afresh.own(item.trade.symbol, item.trade.position_side), item.trade.lots)
        if not book_again(afresh, item) and isinstance(item, PastEntry):
            lost.append(item.entry.entry_id)
    return Restated(*_differences(holdings, afresh, holdings.linked(symbol)), tuple(lost))


def begin_afresh(holdings: Holdings, symbol: str) -> Holdings:
    """Holdings like these, before anything happened in the instruments that hang together with this one.

    Raises:
        UnknownInstrument: the symbol was never defined.
    """
    holdings.defined(symbol)
    afresh = Holdings(holdings.cost_method, holdings.position_mode)
    for one in holdings.linked(symbol):
        afresh.define(holdings.instruments[one])
        if holdings.is_divided(one):
            afresh.divide(one)
    return afresh


def book_again(holdings: Holdings, item: PastItem) -> bool:
    """Book one thing that happened; return whether it could be. It was a fact once, so it is not refused."""
    if isinstance(item, PastTrade):
        book_fill(holdings, item.trade, item.ts_ns, item.key, item.strategy)
    elif isinstance(item, PastEntry):
        return book_entry(holdings, item.entry, item.ts_ns)
    else:
        holdings.define(item)
    return True


def _differences(
    are: Holdings, should_be: Holdings, symbols: Iterable[str]
) -> tuple[tuple[Posting, ...], tuple[LotsRestated, ...]]:
    postings: list[Posting] = []
    lots: list[LotsRestated] = []
    for symbol in symbols:
        for is_, ought in _pairs(are.all_of(symbol), should_be.all_of(symbol)):
            postings += _postings(is_, ought)
            holding = ought or is_
            restated = () if ought is None else tuple(lots_of(ought))
            if holding is not None and _differ(() if is_ is None else tuple(lots_of(is_)), restated):
                lots.append(LotsRestated(symbol, restated, holding.position_side, holding.strategy))
    return tuple(postings), tuple(lots)


def _pairs(are: list[Holding], should_be: list[Holding]) -> Iterator[tuple[Holding | None, Holding | None]]:
    """Each holding as it is with what it should be; one that is missing on either side is None."""
    wanted = {(holding.strategy, holding.position_side): holding for holding in should_be}
    for holding in are:
        yield holding, wanted.pop((holding.strategy, holding.position_side), None)
    for holding in wanted.values():
        yield None, holding


def _postings(is_: Holding | None, ought: Holding | None) -> Iterator[Posting]:
    balances = (
        {} if is_ is None else {(to.name, to.unit): (source, to.balance) for source, to in counted(is_)}
    )
    for source, to in () if ought is None else counted(ought):
        _, balance = balances.pop((to.name, to.unit), (source, ZERO))
        if to.balance != balance:
            yield Posting(source.name, to.name, to.unit, canonical(to.balance - balance))
    for (name, unit), (source, balance) in balances.items():  # as a fee currency that no trade is left in
        if balance:
            yield Posting(source.name, name, unit, canonical(-balance))


def counted(holding: Holding) -> Iterator[tuple[Account, Account]]:
    """The accounts that follow from what was traded, each with one that it can be moved against.

    With these right the others are: the market has what all the units leave, cash what all the money does.
    """
    for kind in IN_UNITS:
        for account in holding.opened(kind):
            yield holding.market, account
    yield holding.paid_from, holding.basis
    for kind in _IN_CURRENCY:
        for account in holding.opened(kind):
            yield holding.cash, account
    yield from holding.fees.values()


def _differ(are: tuple[Lot, ...], should_be: tuple[Lot, ...]) -> bool:
    """Whether the lots differ, in what the balances do not say by themselves."""
    if any(lot.lot_id for lot in (*are, *should_be)):
        return are != should_be
    return [lot.opened_ts_ns for lot in are] != [lot.opened_ts_ns for lot in should_be]


def restate(holding: Holding, lots: Iterable[Lot]) -> None:
    """Hold these lots, as an event says."""
    if holding.lots is not None:
        holding.lots.replace(lots)
        return
    for lot in lots:  # under average cost there is one
        holding.opened_ts_ns = lot.opened_ts_ns
