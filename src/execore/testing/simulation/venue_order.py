"""An order and its executions as the venue has them."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from execore.model.reports import VenueReport
from execore.model.vocabulary import OrderState, OrderType, Side

ZERO: Final = Decimal(0)


@dataclass(slots=True)
class Deal:
    """An execution as the venue has it now; ``known_as`` is the id of its last correction."""

    execution_id: str
    scope: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    known_as: str
    stands: bool = True


@dataclass(slots=True)
class VenueOrder:
    """An order as the venue has it.

    Attributes:
        client_order_id: ours; empty if somebody else gave the order.
        ended: how the venue ended it, if it did; an order that is filled is not ended.
        visible_ns: from when on questions and requests find it.
        time_is_up: its time in force is over.
        was_in_force: it was not refused on arrival.
        told: every report about it, oldest first.
        answers: the answer to each request, by its id.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    order_type: OrderType = OrderType.LIMIT
    ended: OrderState | None = None
    visible_ns: int = 0
    time_is_up: bool = False
    was_in_force: bool = False
    deals: list[Deal] = field(default_factory=list)
    told: list[VenueReport] = field(default_factory=list)
    answers: dict[str, VenueReport] = field(default_factory=dict)

    @property
    def filled(self) -> Decimal:
        """What was executed and stands."""
        return sum((deal.quantity for deal in self.deals if deal.stands), ZERO)

    @property
    def leaves(self) -> Decimal:
        """What can still trade."""
        return ZERO if self.ended is not None else max(self.quantity - self.filled, ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """The average price of what was executed, rounded at 1e-12."""
        filled = self.filled
        if not filled:
            return None
        notional = sum((deal.quantity * deal.price for deal in self.deals if deal.stands), ZERO)
        return (notional / filled).quantize(Decimal("1E-12")).normalize()


class ShownReport:
    """A report as one short line, made only if somebody reads it."""

    def __init__(self, report: VenueReport) -> None:
        self._report = report

    def __format__(self, spec: str) -> str:
        report = self._report
        hidden = ("ts_ns", "actor", "input_id")
        told = {
            name: value
            for name, value in zip(report.__struct_fields__, _values(report), strict=True)
            if name not in hidden and value not in (None, "", False) and value != ZERO
        }
        return f"{type(report).__name__} " + ", ".join(f"{name} {value}" for name, value in told.items())


def _values(report: VenueReport) -> list[Any]:
    """The values of a report's fields, in order."""
    return [getattr(report, name) for name in report.__struct_fields__]
