"""What every report is, and how its fields are checked; the kinds are in ``model.reports``."""

from decimal import Decimal

import msgspec

from execore.model.errors import InvalidQuantity
from execore.model.money import ZERO, to_decimal
from execore.model.requests import Input
from execore.model.text import check_time, clean_texts
from execore.model.vocabulary import (
    Side,
    to_word,
)


class Report(Input, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"):
    """What every report carries.

    Attributes:
        client_order_id: our id, if the venue echoed it.
        venue_order_id: the venue's id of the order, if given.
        symbol: the instrument, in the book's own naming.
        venue_status: the venue's own word for the status, kept beside ours.
        reason: the venue's text, for rejects and cancels.
        cumulative_quantity: the order's total filled when the venue wrote this, if it says. What it counts
            and we have not is booked once, until the executions themselves come (not from an order status).
        average_price: the average price of that total, if it says.
    """

    actor: str = "venue"
    client_order_id: str = ""
    venue_order_id: str = ""
    symbol: str = ""
    venue_status: str = ""
    reason: str = ""
    cumulative_quantity: Decimal | None = None
    average_price: Decimal | None = None

    def __post_init__(self) -> None:
        check_time(self.ts_ns, "ts_ns")  # as every input does, without the call in between
        clean_texts(self)
        if self.cumulative_quantity is not None or self.average_price is not None:
            fix_numbers(self, quantities=("cumulative_quantity",), prices=("average_price",))


def fix_side(report: Report, side: Side | None) -> None:
    if side is not None:
        word = side if type(side) is Side else to_word(side, Side, "side")
        # A venue that says "undisclosed" says nothing, which is what None is for.
        msgspec.structs.force_setattr(report, "side", None if word is Side.UNDISCLOSED else word)


def not_negative(value: Decimal, field: str) -> Decimal:
    """A quantity in a report: venues send zero where nothing rests, or nothing is filled yet."""
    number = to_decimal(value, field)
    if number < ZERO:
        raise InvalidQuantity(field, f"{number} is negative", "The side says which way; give the size")
    return number


def fix_numbers(report: Report, quantities: tuple[str, ...], prices: tuple[str, ...] = ()) -> None:
    for field in quantities:
        value = getattr(report, field)
        if value is not None:
            msgspec.structs.force_setattr(report, field, not_negative(value, field))
    for field in prices:
        value = getattr(report, field)
        if value is not None:
            msgspec.structs.force_setattr(report, field, to_decimal(value, field))
