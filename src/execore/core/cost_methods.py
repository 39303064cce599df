"""Which cost a closing trade releases from a position, for each cost method.

Under average cost a position is one pool, and its basis is all there is to know. Every other method keeps the
lots: what each execution opened, and what is left of it. A lot gives up its cost in proportion, rounded
half-even at 1e-12, and all of it with its last unit: nothing leaks.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from execore.model.keys import entry_key, execution_key
from execore.model.lots import Lot, LotChoice
from execore.model.money import BASIS_QUANTUM, ZERO, share
from execore.model.vocabulary import CostMethod


def released_share(basis: Decimal, quantity: Decimal, closing: Decimal) -> Decimal:
    """The closing part's share of a basis; quantity and closing are sizes, the basis has a sign.

    Rounded half-even at 1e-12. What rounding leaves stays where it is, and a full close releases all of it,
    so nothing leaks and a flat position has a basis of exactly zero.
    """
    if closing == quantity:
        return basis
    return share(basis, closing, quantity, BASIS_QUANTUM)


class Take(msgspec.Struct, frozen=True, gc=False):
    """What a closing trade takes from one lot: signed like the lot."""

    lot: Lot
    quantity: Decimal
    cost_basis: Decimal


class Lots:
    """The open lots of one holding, in the order of the times at which they were opened.

    Of the same time, in that of their coming. They are all long or all short. Planning changes nothing;
    ``take`` and ``add`` do.
    """

    def __init__(self, method: CostMethod) -> None:
        self.method = method
        self._lots: OrderedDict[str, Lot] = OrderedDict()
        self._dearest: list[_Rank] | None = [] if method is CostMethod.HIGHEST_COST else None
        self._ranks: dict[str, _Rank] = {}
        self._opened = 0

    def plan(
        self, closing: Decimal, chosen: Sequence[LotChoice] = (), after: Sequence[Take] = ()
    ) -> list[Take]:
        """What ``closing`` units (a size) take from which lots: the chosen ones first, then by the method.

        Args:
            after: what was planned before, and is not taken yet.
        """
        rest: dict[str, Lot] = {}
        for taken in after:
            rest[taken.lot.lot_id] = less(rest.get(taken.lot.lot_id, taken.lot), taken)
        takes: list[Take] = []
        for lot, limit in self._in_order(chosen):
            if not closing:
                break
            lot = rest.get(lot.lot_id, lot)
            size = min(closing, abs(lot.quantity), limit or closing)
            if size:
                takes.append(take_from(lot, size))
                rest[lot.lot_id] = less(lot, takes[-1])
                closing -= size
        return takes

    def _in_order(self, chosen: Sequence[LotChoice]) -> Iterator[tuple[Lot, Decimal | None]]:
        """The lots in the order in which they are taken from, some twice; those chosen up to a limit."""
        for choice in chosen:
            lot = self.find(choice.lot_id)
            if lot is not None:
                yield lot, choice.quantity
        for lot in self._by_method():
            yield lot, None

    def _by_method(self) -> Iterator[Lot]:
        if self._dearest is not None:
            return (self._lots[lot_id] for _, _, lot_id in reversed(self._dearest))
        lots = self._lots.values()
        return reversed(lots) if self.method is CostMethod.LIFO else iter(lots)

    def find(self, named: str) -> Lot | None:
        """The lot of this id, or the one that the execution or entry of this id opened; None if gone."""
        lots = self._lots
        return next((lots[one] for one in (named, *lot_ids_of(named)) if one in lots), None)

    def take(self, takes: Iterable[Take]) -> None:
        """Take what was planned; nothing was changed since."""
        for taken in takes:
            left = less(self._lots[taken.lot.lot_id], taken)
            if left.quantity:
                self._put(left)
            else:
                self._drop(left.lot_id)

    def add(self, lot: Lot) -> None:
        """Add a lot in its place; one whose id is there already grows or shrinks by it."""
        known = self._lots.get(lot.lot_id)
        if known is not None:
            quantity, basis = known.quantity + lot.quantity, known.cost_basis + lot.cost_basis
            lot = Lot(lot.lot_id, known.opened_ts_ns, quantity, basis)
        if lot.quantity:
            self._put(lot)
        else:
            self._drop(lot.lot_id)

    def replace(self, lots: Iterable[Lot]) -> None:
        """Forget all lots, and hold these."""
        kept = sorted(lots, key=_opened)
        for lot in tuple(self._lots.values()):
            self._unrank(lot.lot_id)
        self._lots.clear()
        for lot in kept:
            self._put(lot)

    def _put(self, lot: Lot) -> None:
        lots = self._lots
        is_late = (
            lot.lot_id not in lots and lots and _opened(next(reversed(lots.values()))) > lot.opened_ts_ns
        )
        lots[lot.lot_id] = lot
        if is_late:  # told after others that were opened later, or transferred in
            in_order = sorted(lots.values(), key=_opened)
            lots.clear()
            lots.update((one.lot_id, one) for one in in_order)
        if self._dearest is None:
            return
        before = self._unrank(lot.lot_id)
        if before is None:
            self._opened += 1
        place = (-lot.opened_ts_ns, -self._opened) if before is None else before[1]
        rank = (Fraction(lot.cost_basis) / abs(Fraction(lot.quantity)), place, lot.lot_id)
        self._ranks[lot.lot_id] = rank
        insort(self._dearest, rank)

    def _drop(self, lot_id: str) -> None:
        del self._lots[lot_id]
        self._unrank(lot_id)

    def _unrank(self, lot_id: str) -> "_Rank | None":
        rank = self._ranks.pop(lot_id, None)
        if rank is not None and self._dearest is not None:
            del self._dearest[bisect_left(self._dearest, rank)]
        return rank

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._lots.values())

    def __len__(self) -> int:
        return len(self._lots)


_Rank = tuple[Fraction, tuple[int, int], str]
"""What a unit of a lot cost, how long before others it was opened, and which it is: the last goes first."""


def _opened(lot: Lot) -> int:
    return lot.opened_ts_ns


def lot_ids_of(named: str) -> tuple[str, str]:
    """The ids of the lots that the execution, or the entry, of this id may have opened."""
    return execution_key("", named), entry_key(named)


def take_from(lot: Lot, size: Decimal) -> Take:
    """Take ``size`` units from a lot, at their share of its cost."""
    basis = released_share(lot.cost_basis, abs(lot.quantity), size)
    return Take(lot, size if lot.quantity > 0 else -size, basis)


def cost_of(takes: Sequence[Take]) -> Decimal:
    """What all that is taken has cost."""
    return sum((taken.cost_basis for taken in takes), ZERO)


def less(lot: Lot, taken: Take) -> Lot:
    """What is left of a lot."""
    left, basis = lot.quantity - taken.quantity, lot.cost_basis - taken.cost_basis
    return Lot(lot.lot_id, lot.opened_ts_ns, left, basis)
