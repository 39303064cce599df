"""A naive position: a quantity, what it cost, and its lots, in fractions, as the cost methods are defined."""

from bisect import insort_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from fractions import Fraction

from books_support.compare import LotSeen, PositionSeen

ZERO = Fraction(0)
_EXACT = Context(prec=400, traps=[Inexact])


class Illegal(Exception):
    """The line cannot be taken; nothing of it was."""


def rounded(number: Fraction, digits: int = 12) -> Fraction:
    """To 1e-12, or so many digits, half-even."""
    return Fraction(round(number * 10**digits), 10**digits)


def decimal_of(number: Fraction) -> Decimal:
    return _EXACT.divide(Decimal(number.numerator), Decimal(number.denominator))


def sign_of(number: Fraction) -> int:
    return (number > 0) - (number < 0)


def need(condition: object, why: str) -> None:
    if not condition:
        raise Illegal(why)


@dataclass
class Lot:
    name: str
    quantity: Fraction
    basis: Fraction
    opened: int


@dataclass
class Holding:
    """A position: of the book or of a strategy."""

    method: str
    quantity: Fraction = ZERO
    basis: Fraction = ZERO
    realised: Fraction = ZERO
    fees_in_kind: Fraction = ZERO
    fees: defaultdict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    lots: list[Lot] = field(default_factory=list)  # oldest first

    def extend(self, lot: Lot) -> None:
        self.quantity += lot.quantity
        self.basis += lot.basis
        if self.method == "average":
            return
        for known in self.lots:
            if known.name == lot.name:  # one line can open the same lot twice
                known.quantity += lot.quantity
                known.basis += lot.basis
                return
        insort_right(self.lots, lot, key=lambda lot: lot.opened)

    def release(self, amount: Fraction, first: Iterable[tuple[Lot, Fraction]] = ()) -> Fraction:
        """Take so many units out, from the lots of ``first`` before others; the basis they had."""
        need(amount <= abs(self.quantity), "more than is held")
        if self.method == "average":
            whole = amount == abs(self.quantity)
            released = self.basis if whole else rounded(self.basis * amount / abs(self.quantity))
        else:
            left, released = amount, ZERO
            then = [(lot, abs(lot.quantity)) for lot in self.by_method()]
            for lot, at_most in [*first, *then]:
                taken = min(left, at_most, abs(lot.quantity))
                released += self.take_from(lot, taken)
                left -= taken
        self.quantity -= sign_of(self.quantity) * amount
        self.basis -= released
        return released

    def take_from(self, lot: Lot, taken: Fraction) -> Fraction:
        if not taken:
            return ZERO
        whole = taken == abs(lot.quantity)
        released = lot.basis if whole else rounded(lot.basis * taken / abs(lot.quantity))
        lot.quantity -= sign_of(lot.quantity) * taken
        lot.basis -= released
        if whole:
            self.lots = [one for one in self.lots if one is not lot]
        return released

    def by_method(self) -> list[Lot]:
        """Sorting is stable, so the oldest of equals comes first."""
        if self.method == "lifo":
            return self.lots[::-1]
        if self.method == "highest_cost":
            return sorted(self.lots, key=lambda lot: lot.basis / abs(lot.quantity), reverse=True)
        return list(self.lots)

    def seen(self, unrealised: Fraction | None) -> PositionSeen:
        lots = [
            LotSeen(lot.name, decimal_of(lot.quantity), decimal_of(lot.basis), lot.opened)
            for lot in self.lots
        ]
        return PositionSeen(
            quantity=decimal_of(self.quantity),
            basis=decimal_of(self.basis),
            realised=decimal_of(self.realised),
            fees_in_kind=decimal_of(self.fees_in_kind),
            fees={currency: decimal_of(fee) for currency, fee in self.fees.items()},
            lots=tuple(lots),
            unrealised=None if unrealised is None else decimal_of(unrealised),
        )
