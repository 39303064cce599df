"""Lots: what is left of what each execution opened."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.money import EXACT, ZERO, canonical, to_decimal
from execore.model.text import check_text
from execore.model.vocabulary import PositionSide


class LotChoice(msgspec.Struct, frozen=True, gc=False):
    """So much of one lot, named by the id of the execution, or of the entry, that opened it."""

    lot_id: str
    quantity: Decimal


class Lot(msgspec.Struct, frozen=True, gc=False):
    """What is left of what one execution, or one entry, opened.

    Attributes:
        lot_id: the key of the execution (``model.keys.execution_key``) or entry that opened it.
        opened_ts_ns: when that was, integer nanoseconds UTC: the holding period begins.
        quantity: positive long, negative short. cost_basis: what it cost (negative: fetched).
    """

    lot_id: str
    opened_ts_ns: int
    quantity: Decimal
    cost_basis: Decimal


class LotsRestated(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The open lots of one holding, all of them, in the order in which they were opened.

    Attributes:
        strategy: of a strategy's own position; None for the book's.
    """

    symbol: str
    lots: tuple[Lot, ...]
    position_side: PositionSide = PositionSide.NET
    strategy: str | None = None


def to_lots(chosen: Iterable[LotChoice]) -> tuple[LotChoice, ...]:
    """Return lots that somebody chose, checked.

    Raises:
        InvalidInput: one is no lot, or is named twice. InvalidNumber: its quantity is not positive.
    """
    checked: dict[str, LotChoice] = {}
    for choice in chosen:
        if type(choice) is not LotChoice:
            raise InvalidInput("lots", f"{choice!r:.60} is no choice of a lot", "Give LotChoice values")
        if check_text(choice.lot_id, "lots") in checked:
            raise InvalidInput("lots", f"lot {choice.lot_id} is named twice", "Name each once")
        quantity = to_decimal(choice.quantity, "lots")
        if quantity <= 0:
            raise InvalidNumber("lots", f"{quantity} of lot {choice.lot_id} is not positive")
        checked[choice.lot_id] = LotChoice(choice.lot_id, quantity)
    return tuple(checked.values())


def part_of(chosen: tuple[LotChoice, ...], passed: Decimal, quantity: Decimal) -> tuple[LotChoice, ...]:
    """Of the lots that an order is to close, those of its next ``quantity``, after ``passed`` was filled."""
    part = []
    for choice in chosen:
        available = max(EXACT.subtract(choice.quantity, passed), ZERO)
        passed = max(EXACT.subtract(passed, choice.quantity), ZERO)
        taken = min(available, quantity)
        if taken:
            part.append(LotChoice(choice.lot_id, canonical(taken)))
            quantity = EXACT.subtract(quantity, taken)
    return tuple(part)
