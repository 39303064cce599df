"""Which cost a closing trade releases from a position's basis. One function a method, in one table."""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from execore.model.money import BASIS_QUANTUM, share
from execore.model.vocabulary import CostMethod

Release = Callable[[Decimal, Decimal, Decimal], Decimal]
"""``(basis, quantity, closing) -> released basis``; quantity and closing are sizes, basis has a sign."""


def release_average(basis: Decimal, quantity: Decimal, closing: Decimal) -> Decimal:
    """The closing part's share of the basis, rounded half-even at 1e-12.

    What rounding leaves stays in the position, and a full close releases all of it, so nothing leaks and a
    flat position has a basis of exactly zero.
    """
    if closing == quantity:
        return basis
    return share(basis, closing, quantity, BASIS_QUANTUM)


RELEASE: Final[dict[CostMethod, Release]] = {CostMethod.AVERAGE: release_average}
