"""A desk for order groups: what goes to the venue and what is alerted is kept, and no order goes twice."""

from typing import Any

from core_support.desk import ALLOW, Desk, order_request
from execore.model import effects, group_requests, reports, requests
from execore.model.answers import Answer
from execore.model.groups import Group, GroupKind, GroupState
from execore.model.orders import Order, OrderRequest

Message = effects.SendOrder | effects.SendCancel | effects.SendAmend


def entry(quantity: str = "10", **terms: Any) -> OrderRequest:
    """The parent: buy at 100."""
    return order_request("entry", **({"quantity": quantity} | terms))


def profit(quantity: str = "10", **terms: Any) -> OrderRequest:
    """The take-profit leg: sell at 110."""
    return order_request("profit", **({"side": "sell", "quantity": quantity, "price": "110"} | terms))


def stop(quantity: str = "10", **terms: Any) -> OrderRequest:
    """The stop-loss leg: sell when it trades at 90."""
    defaults = {"side": "sell", "quantity": quantity, "price": None}
    return order_request("stop", **(defaults | {"order_type": "stop", "stop_price": "90"} | terms))


class GroupDesk(Desk):
    """A desk with one group ``g``.

    Attributes:
        sent: the messages for the venue that were not looked at yet, in order.
        alerts: the code of every alert, in order.
    """

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.alerts: list[str] = []
        self._sent_orders: set[str] = set()
        super().__init__()

    def take(self, cause: requests.Input) -> Answer:
        answer = super().take(cause)
        for effect in answer.effects:
            if isinstance(effect, effects.Alert):
                self.alerts.append(effect.code)
            elif not isinstance(effect, effects.QueryOrder):
                self.sent.append(effect)
            if isinstance(effect, effects.SendOrder):
                assert effect.order.client_order_id not in self._sent_orders, "an order was sent twice"
                self._sent_orders.add(effect.order.client_order_id)
        return answer

    def group_up(self, kind: GroupKind, legs: tuple[OrderRequest, ...], **fields: Any) -> Answer:
        """Submit group ``g``; every order is allowed unless ``verdicts`` say otherwise."""
        count = len(legs) + (fields.get("parent") is not None)
        given: dict[str, Any] = {"ts_ns": 0, "group_id": "g", "verdicts": (ALLOW,) * count}
        return self.take(group_requests.SubmitGroup(kind=kind, legs=legs, **(given | fields)))

    def bracket(self, quantity: str = "10", **fields: Any) -> Answer:
        return self.group_up(
            GroupKind.BRACKET, (profit(quantity), stop(quantity)), **({"parent": entry(quantity)} | fields)
        )

    def pair(self, quantity: str = "10", **fields: Any) -> Answer:
        """One cancels other: a profit and a stop on what is held already."""
        return self.group_up(GroupKind.ONE_CANCELS_OTHER, (profit(quantity), stop(quantity)), **fields)

    # --- the venue's side ---

    def accept_all(self) -> None:
        """Acknowledge every order that the venue has not answered, and confirm every request."""
        for order in list(self.state.orders):
            if order.is_open and not order.acknowledged:
                self.acknowledge(order.client_order_id, f"V-{order.client_order_id}")
        while True:
            pending = [o for o in self.state.orders if o.is_open and o.pending_request_ids]
            if not pending:
                return
            for order in pending:
                self.confirm(order)

    def confirm(self, order: Order) -> Answer:
        """The venue does what it was asked for first."""
        key = order.client_order_id
        if order.pending_cancels:
            return self.tell(reports.CancelReport, key, request_id=order.pending_cancels[0])
        asked = order.pending_replaces[0]
        return self.tell(reports.AmendReport, key, request_id=asked.request_id, quantity=asked.quantity)

    def refuse(self, key: str) -> Answer:
        """The venue refuses the first request that is pending on an order."""
        order = self.state.orders.get(key)
        if order.pending_cancels:
            return self.tell(reports.CancelRejectReport, key, request_id=order.pending_cancels[0])
        return self.tell(reports.AmendRejectReport, key, request_id=order.pending_replaces[0].request_id)

    def trade(self, key: str, quantity: str, execution_id: str = "") -> Answer:
        """An execution of an order, at 100."""
        return self.fill(execution_id or f"E-{len(self.events)}", quantity, key=key)

    # --- looking ---

    @property
    def group(self) -> Group:
        return self.state.groups.get("g")

    @property
    def group_state(self) -> GroupState:
        return self.group.state(self.state.orders.find)

    def messages(self) -> list[str]:
        """What was sent since this was last called, in short: ``send stop 4``, ``amend stop 6``."""
        return [_short(message) for message in self.sent_since()]

    def sent_since(self) -> list[Message]:
        """What was sent since this was last called."""
        taken, self.sent = self.sent, []
        return taken

    def open_keys(self) -> list[str]:
        """The ids of all orders that can trade, or might."""
        return [order.client_order_id for order in self.state.orders.open_orders()]

    def leg(self, number: int) -> list[Order]:
        """The orders of a leg."""
        return [self.state.orders.get(key) for key in self.group.leg_orders[number]]

    def working(self) -> list[int]:
        """What each leg has working."""
        return [
            int(sum(order.leaves for order in self.leg(number))) for number in range(len(self.group.legs))
        ]

    @property
    def net(self) -> int:
        """Bitcoin held."""
        return int(self.held)

    @property
    def excess(self) -> int:
        """How much more the legs traded than was wanted."""
        return int(self.group.excess)


def _short(message: Message) -> str:
    if isinstance(message, effects.SendOrder):
        return f"send {message.order.client_order_id:.8} {message.order.quantity}"
    if isinstance(message, effects.SendCancel):
        return f"cancel {message.client_order_id:.8}"
    return f"amend {message.client_order_id:.8} {message.quantity}"
