"""A row of a FIX order state matrix against an order of ours: what is printed, what came out, the verdict.

What the standard prints against its own rules is excused where we know it, and there only: a mark in the file
(``spec_anomaly``) excuses nothing by itself.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from execore.model.money import EXACT, ONE, ZERO, divide, text_of
from execore.model.orders import Order
from execore.model.vocabulary import OrdStatus
from execore.testing.fix_rows import (
    CANCEL_REJECT,
    EXECUTION_REPORT,
    Row,
    exec_type_of,
    is_unknown_order,
    message_of,
    ord_status_of,
)

COLUMNS: Final = ("ord_status", "cum_qty", "leaves_qty", "avg_px", "order_qty")
_PRICE_PLACES: Final = 2
_OVER_FOR_THE_DAY: Final = (OrdStatus.FILLED, OrdStatus.DONE_FOR_DAY)
_PENDING: Final = (OrdStatus.PENDING_CANCEL, OrdStatus.PENDING_REPLACE)
_NEW, _PENDING_REPLACE = "0", "E"
_TRADES: Final = ("1", "2", "F")
_EFFECTS: Final = (*_TRADES, "4", "5")
"""What a request that took effect is answered by."""


class Verdict(StrEnum):
    """What came of one comparison."""

    EQUAL = "equal"
    DIFFERS = "differs"
    KNOWN_ANOMALY = "known_anomaly"
    """The standard prints here what its own rules do not allow; we follow the rules."""


class Cell(msgspec.Struct, frozen=True):
    """One comparison, in words and canonical numbers."""

    column: str
    expected: str
    got: str
    verdict: Verdict


class Known(NamedTuple):
    """What the rows up to this one say, which the row's cells are read by.

    Attributes:
        is_priced: the price of every execution was given, and this row's was not made from its average.
        is_calculated: the back office was reported done with the order.
        is_unsent: the row answers a request that our core did not send.
        is_pending_unsent: such a request is pending for the venue.
        asked: the quantities that replaces still on their way ask for, without the row's own.
    """

    is_priced: bool = True
    is_calculated: bool = False
    is_unsent: bool = False
    is_pending_unsent: bool = False
    asked: tuple[Decimal, ...] = ()


def cell(column: str, expected: str, got: str, is_known_anomaly: bool = False) -> Cell:
    """A comparison of two texts."""
    if expected == got:
        return Cell(column, expected, got, Verdict.EQUAL)
    return Cell(column, expected, got, Verdict.KNOWN_ANOMALY if is_known_anomaly else Verdict.DIFFERS)


def compared(row: Row, order: Order, known: Known) -> list[Cell]:
    """A cell for each column in which the row says something that can be held against the order."""
    cells = _status(row, order, known)
    numbers = (
        ("cum_qty", row.cum_qty, order.filled, False),
        ("leaves_qty", row.leaves_qty, order.leaves, _is_known_leaves(row, order, known)),
        ("order_qty", row.order_qty, order.quantity, _is_asked(row, row.order_qty, known)),
    )
    for column, expected, got, is_anomaly in numbers:
        if expected is not None:
            cells.append(cell(column, text_of(expected), text_of(got), is_anomaly))
    if row.avg_px is not None and known.is_priced:
        cells.append(_average(row.avg_px, order.average_price or ZERO))
    return cells


def compared_with_none(row: Row) -> list[Cell]:
    """A cell for each column of a row about an order that nobody knows: Rejected, and zero in all else."""
    printed = ord_status_of(row)
    cells = [] if printed is None else [cell("ord_status", printed.value, OrdStatus.REJECTED.value)]
    numbers = (
        ("cum_qty", row.cum_qty),
        ("leaves_qty", row.leaves_qty),
        ("order_qty", row.order_qty),
        ("avg_px", row.avg_px),
    )
    return cells + [
        cell(column, text_of(expected), text_of(ZERO)) for column, expected in numbers if expected is not None
    ]


def _status(row: Row, order: Order, known: Known) -> list[Cell]:
    printed, ours = ord_status_of(row), order.ord_status
    is_for_venue_alone = known.is_pending_unsent or (known.is_unsent and not _is_report(row, *_EFFECTS))
    if printed is None or (printed in _PENDING and is_for_venue_alone):
        return []
    if printed is OrdStatus.CALCULATED and known.is_calculated and ours in _OVER_FOR_THE_DAY:
        printed = ours  # a status of the back office, which no order of ours takes
    return [cell("ord_status", printed.value, ours.value, _is_known_status(row, printed, ours))]


def _is_known_status(row: Row, printed: OrdStatus, ours: OrdStatus) -> bool:
    """Whether FIX is known to print this status for an order that has ours.

    An acknowledgement is printed New while a cancel is pending (4.4 Vol 4, B.1.d). Rejected in the refusal of
    a request for an order unknown to the venue describes no order that lives here.
    """
    if message_of(row) == CANCEL_REJECT:
        return printed is OrdStatus.REJECTED and is_unknown_order(row)
    return _is_report(row, _NEW) and printed is OrdStatus.NEW and ours is OrdStatus.PENDING_CANCEL


def _is_known_leaves(row: Row, order: Order, known: Known) -> bool:
    """Whether FIX is known to print this rest, and the file marks the row.

    Zero in the acknowledgement of an order that rests (E.1.a), what was open of an order that is over (FIX
    Latest, I.1.b), and what a replace before this one asks for, before it is in force (D.2.b).
    """
    if not row.spec_anomaly or row.leaves_qty is None:
        return False
    is_zero_on_new = _is_report(row, _NEW) and row.leaves_qty == ZERO
    rest = EXACT.subtract(order.quantity, order.filled)
    is_of_one_over = _is_report(row, *_TRADES) and not order.leaves and row.leaves_qty == rest
    return is_zero_on_new or is_of_one_over or _is_asked(row, EXACT.add(row.leaves_qty, order.filled), known)


def _is_asked(row: Row, quantity: Decimal | None, known: Known) -> bool:
    return bool(row.spec_anomaly) and _is_report(row, _PENDING_REPLACE) and quantity in known.asked


def _is_report(row: Row, *exec_types: str) -> bool:
    return message_of(row) == EXECUTION_REPORT and exec_type_of(row) in exec_types


def _average(printed: Decimal, ours: Decimal) -> Cell:
    """Equal if less than one unit of the last printed place away, cents at least: however it was rounded."""
    places = max(_PRICE_PLACES, -int(printed.as_tuple().exponent))
    unit = Decimal((0, (1,), -places))
    is_rounded = abs(EXACT.subtract(printed, ours)) < unit
    return cell("avg_px", text_of(printed), text_of(printed if is_rounded else divide(ours, ONE, unit)))
