"""What books can be seen to hold, in one shape for the naive model and the real ledger, and what differs.

Whoever is compared makes a ``Seen``. What it does not keep at all it leaves as ``None``: that is not
compared. A zero is the same as nothing, so a ledger may drop what is flat or keep it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Protocol


class LotSeen(NamedTuple):
    """One lot. Quantity and basis are signed as the position's are; ``opened`` is in ns UTC."""

    lot: str
    quantity: Decimal
    basis: Decimal
    opened: int


@dataclass
class PositionSeen:
    """One position. ``realised`` is positive for a gain, ``fees`` by currency positive when paid.

    ``fees`` holds what was paid in money; the cost of units that went as fees is ``fees_in_kind``.
    """

    quantity: Decimal = Decimal(0)
    basis: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    fees_in_kind: Decimal = Decimal(0)
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    lots: tuple[LotSeen, ...] | None = None  # oldest first
    unrealised: Decimal | None = None  # needs a mark


@dataclass
class Seen:
    """A book. A position's key is the symbol, and ``symbol/long`` or ``symbol/short`` for those sides.

    ``strategies`` has the same for each strategy; what was done without one is under ``""``.
    """

    positions: Mapping[str, PositionSeen]
    cash: Mapping[str, Decimal]
    strategies: Mapping[str, Mapping[str, PositionSeen]] | None = None
    flows: Mapping[tuple[str, str, str], Decimal] | None = None  # (symbol or "", flow, currency)
    strategy_flows: Mapping[tuple[str, str, str, str], Decimal] | None = None  # the strategy before those
    capital: Mapping[str, Decimal] | None = None  # cash transferred in less out, by currency
    transferred_cost: Mapping[str, Decimal] | None = None  # cost of units in less out, by symbol
    adjusted: Mapping[str, Decimal] | None = None  # cash, by currency
    adjusted_cost: Mapping[str, Decimal] | None = None  # basis, by symbol


class Books(Protocol):
    """What takes lines and can be looked at."""

    def take(self, line: dict[str, Any], /) -> object: ...

    def seen(self) -> Seen: ...


Facts = dict[str, object]


def first_difference(lines: Iterable[dict[str, Any]], expected: Books, actual: Books) -> str:
    """Both take the lines one by one: the first after which they differ and how, or nothing."""
    for number, line in enumerate(lines, 1):
        expected.take(line)
        actual.take(line)
        found = differences(expected.seen(), actual.seen())
        if found:
            return "\n  ".join([f"after line {number}: {line}", *found])
    return ""


def differences(expected: Seen, actual: Seen, names: tuple[str, str] = ("expected", "actual")) -> list[str]:
    """A line for everything that is not the same in both, empty when all agrees."""
    first, second = facts_of(expected, actual), facts_of(actual, expected)
    return [
        f"{name}: {names[0]} {first.get(name, 0)}, {names[1]} {second.get(name, 0)}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name, 0) != second.get(name, 0)
    ]


def facts_of(seen: Seen, other: Seen) -> Facts:
    """Everything that ``other`` tells too, by name, without zeros."""
    facts: Facts = dict(_of_positions("positions", seen.positions, other.positions))
    if seen.strategies is not None and other.strategies is not None:
        for strategy, positions in seen.strategies.items():
            others = other.strategies.get(strategy, {})
            facts |= _of_positions(f"strategies[{strategy}]", positions, others)
    for table in _TABLES:
        here, there = getattr(seen, table), getattr(other, table)
        if here is not None and there is not None:
            facts |= {f"{table}[{key}]": value for key, value in here.items() if value}
    return facts


_TABLES = ("cash", "flows", "strategy_flows", "capital", "transferred_cost", "adjusted", "adjusted_cost")
_NOWHERE = PositionSeen()


def _of_positions(
    where: str, positions: Mapping[str, PositionSeen], others: Mapping[str, PositionSeen]
) -> Iterator[tuple[str, object]]:
    for key, position in positions.items():
        other = others.get(key, _NOWHERE)
        for name, value in _of_position(position):
            if value and getattr(other, name.partition("[")[0]) is not None:
                yield f"{where}[{key}].{name}", value


def _of_position(position: PositionSeen) -> Iterator[tuple[str, object]]:
    for name in ("quantity", "basis", "realised", "fees_in_kind", "unrealised"):
        yield name, getattr(position, name)
    for currency, fee in position.fees.items():
        yield f"fees[{currency}]", fee
    for number, lot in enumerate(position.lots or ()):
        yield f"lots[{number}]", tuple(lot)
