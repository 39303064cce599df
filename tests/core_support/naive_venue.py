"""A venue of few words for groups: messages wait until they are delivered, reports until they are taken."""

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from execore.model import reports
from execore.model.effects import SendAmend, SendCancel, SendOrder

Message = SendOrder | SendCancel | SendAmend


@dataclass
class Resting:
    """What the venue has on an order; ``sign`` is 1 for a buy."""

    sign: int
    quantity: Decimal
    filled: Decimal = Decimal(0)
    is_over: bool = False

    @property
    def leaves(self) -> Decimal:
        return Decimal(0) if self.is_over else max(Decimal(0), self.quantity - self.filled)


class NaiveVenue:
    """Attributes:
    inbox: messages on their way to the venue, oldest first.
    outbox: reports on their way to us, oldest first.
    executions: what traded and was not undone, by execution id.
    """

    def __init__(self) -> None:
        self.orders: dict[str, Resting] = {}
        self.inbox: deque[Message] = deque()
        self.outbox: deque[reports.Report] = deque()
        self.executions: dict[str, tuple[str, Decimal]] = {}
        self.count = 0

    def deliver(self, *, willing: bool = True) -> None:
        """The oldest message arrives; what is not ``willing`` refuses it."""
        message = self.inbox.popleft()
        if isinstance(message, SendOrder):
            request = message.order
            order = Resting(1 if request.side == "buy" else -1, request.quantity, is_over=not willing)
            assert request.client_order_id not in self.orders, "an order came twice"
            self.orders[request.client_order_id] = order
            kind = reports.AcknowledgeReport if willing else reports.RejectReport
            self.tell(kind, request.client_order_id)
            return
        order = self.orders.get(message.client_order_id, Resting(1, Decimal(0)))
        possible = willing and order.leaves > 0
        key, answers = message.client_order_id, {"request_id": message.request_id}
        if isinstance(message, SendCancel):
            order.is_over = order.is_over or possible
            self.tell(reports.CancelReport if possible else reports.CancelRejectReport, key, **answers)
        elif possible and message.quantity > order.filled:
            order.quantity = message.quantity
            self.tell(reports.AmendReport, key, quantity=message.quantity, **answers)
        else:
            self.tell(reports.AmendRejectReport, key, **answers)

    def trade(self, key: str, most: Decimal) -> None:
        """An order trades, up to ``most``."""
        order = self.orders[key]
        quantity = min(most, order.leaves)
        self.count += 1
        order.filled += quantity
        self.executions[f"E{self.count}"] = (key, quantity)
        self.tell(
            reports.FillReport, key, execution_id=f"E{self.count}", quantity=quantity, price=Decimal(100)
        )

    def bust(self, execution_id: str) -> None:
        """An execution is undone; an order that was filled by it rests again."""
        key, quantity = self.executions.pop(execution_id)
        self.orders[key].filled -= quantity
        self.tell(reports.TradeCancelReport, key, execution_ref_id=execution_id)

    def end(self, key: str) -> None:
        """An order is cancelled, and nobody asked."""
        self.orders[key].is_over = True
        self.tell(reports.CancelReport, key)

    def position(self) -> Decimal:
        """What all executions amount to."""
        return sum((self.orders[key].sign * size for key, size in self.executions.values()), Decimal(0))

    def working(self) -> list[str]:
        """The orders that can trade."""
        return [key for key, order in self.orders.items() if order.leaves]

    def tell(self, kind: type[reports.Report], key: str, **fields: Any) -> None:
        named = {"client_order_id": key, "venue_order_id": f"V-{key}", "symbol": "BTC-USD"}
        self.outbox.append(kind(ts_ns=0, **(named | fields)))
