"""What a book should come to, written as simply as can be: dicts and fractions, no events, no states.

It shares nothing with the ledgers but the reports it is told.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction


@dataclass
class NaiveOrder:
    """An order as its executions make it."""

    quantity: Fraction
    side: int
    filled: Fraction = Fraction(0)
    over: bool = False


@dataclass
class NaiveBook:
    """Orders by our id, positions by symbol, and the executions that were counted."""

    orders: dict[str, NaiveOrder] = field(default_factory=dict)
    positions: dict[str, Fraction] = field(default_factory=dict)
    cash: Fraction = Fraction(0)
    executions: set[str] = field(default_factory=set)

    def submit(self, key: str, side: str, quantity: Decimal) -> None:
        self.orders.setdefault(key, NaiveOrder(Fraction(quantity), 1 if side == "buy" else -1))

    def fill(self, key: str, symbol: str, execution_id: str, quantity: Decimal, price: Decimal) -> None:
        if execution_id in self.executions:
            return
        self.executions.add(execution_id)
        order = self.orders[key]
        signed = order.side * Fraction(quantity)
        order.filled += Fraction(quantity)
        self.positions[symbol] = self.positions.get(symbol, Fraction(0)) + signed
        self.cash -= signed * Fraction(price)

    def end(self, key: str) -> None:
        self.orders[key].over = True

    def leaves_at_most(self, key: str) -> Fraction:
        """What can still trade: nothing once the order is over or filled."""
        order = self.orders[key]
        return Fraction(0) if order.over else max(Fraction(0), order.quantity - order.filled)
