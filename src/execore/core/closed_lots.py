"""What was closed, lot by lot: what a tax return asks for.

Worked out from the past as it is known now: so a bust or a correction of long ago is in it as if it had
always been so, and the results add up to the realised PnL of the positions.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from execore.core.cost_methods import Take, cost_of, released_share
from execore.core.holding import Change, shared
from execore.core.holdings import Holdings
from execore.core.rebooking import begin_afresh, book_again
from execore.model.instruments import Instrument
from execore.model.lots import Lot
from execore.model.money import BASIS_QUANTUM, ZERO, exactly
from execore.model.trades import PastItem, PastTrade
from execore.model.vocabulary import PositionSide, Side


class ClosedLot(msgspec.Struct, frozen=True, gc=False):
    """So much of one lot, as it was closed.

    Attributes:
        lot: what was closed of it: its id, when it was opened, how much (signed as it was held), and its
            cost. Under average cost it has no id, and began when the position last was flat; what was paid
            out for a fraction that a split left over has neither id nor quantity.
        strategy: whose it was; None for the book's own.
        closed_by: the key of the execution or entry that closed it. closed_ts_ns: when, nanoseconds UTC.
        realised_pnl: before fees, in the currency that the instrument settles in.
    """

    instrument: Instrument
    position_side: PositionSide
    strategy: str | None
    lot: Lot
    closed_by: str
    closed_ts_ns: int
    realised_pnl: Decimal


def closed_lots(holdings: Holdings, symbol: str, past: Iterable[PastItem]) -> Iterator[ClosedLot]:
    """Yield what was closed in an instrument, and in those that hang together with it, as it happened.

    Units that went as a fee, or to another book, are not closed: nothing is realised by them.

    Args:
        past: all that ever moved the units of these instruments, as ``Journal.past`` reads it.

    Raises:
        UnknownInstrument: the symbol was never defined.
    """
    afresh = begin_afresh(holdings, symbol)
    closed: list[ClosedLot] = []
    afresh.watcher = lambda change: closed.extend(_closed_by(change))
    for item in past:
        if not (isinstance(item, PastTrade) and item.trade.side is Side.UNDISCLOSED):
            exactly(book_again)(afresh, item)
            yield from closed
            closed.clear()


def _closed_by(change: Change) -> Iterator[ClosedLot]:
    """What a change closes; the results of the lots add up to that of the change."""
    holding = change.holding
    takes = tuple(_traded(change))
    released = cost_of(takes)
    fetched = shared(released - change.result, [abs(taken.quantity) for taken in takes], BASIS_QUANTUM)
    if not takes and change.result:
        nothing = Lot("", holding.opened_ts_ns, ZERO, ZERO)
        takes, fetched = (Take(nothing, ZERO, ZERO),), [-change.result]
    for taken, amount in zip(takes, fetched, strict=True):
        lot = Lot(taken.lot.lot_id, taken.lot.opened_ts_ns, taken.quantity, taken.cost_basis)
        yield ClosedLot(
            holding.instrument,
            holding.position_side,
            holding.strategy,
            lot,
            change.key,
            change.ts_ns,
            amount - taken.cost_basis,
        )


def _traded(change: Change) -> Iterator[Take]:
    """What the trade itself closes: a fee in units takes more from the lots, after it."""
    holding, left = change.holding, change.closed
    if holding.lots is None and left and not change.takes:
        units, basis = holding.units.balance, holding.basis.balance
        pool = Lot("", holding.opened_ts_ns, units, basis)
        yield Take(pool, left if units > 0 else -left, released_share(basis, abs(units), left))
    for taken in change.takes:
        if not left:
            return
        left -= abs(taken.quantity)
        yield taken
