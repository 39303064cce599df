"""The strategy of a run: it asks for this and that, and remembers every id that it ever gave."""

from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from execore.model.groups import GroupKind
from execore.model.orders import OrderRequest
from execore.model.vocabulary import OrderType, Side, TimeInForce
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.life import Life
from execore.testing.simulation.plan import Step
from execore.testing.simulation.world import SECOND_NS, Log, VirtualTime

_TYPES: Final = (
    ((OrderType.LIMIT, TimeInForce.GTC), 60),
    ((OrderType.LIMIT, TimeInForce.IOC), 10),
    ((OrderType.LIMIT, TimeInForce.FOK), 5),
    ((OrderType.LIMIT, TimeInForce.GTD), 12),
    ((OrderType.MARKET, TimeInForce.GTC), 8),
    ((OrderType.STOP, TimeInForce.GTC), 5),
)
_OPPOSITE: Final = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


class Desk:
    """Draws what to ask for.

    Attributes:
        asked: every order ever submitted, whatever came of it, oldest first.
    """

    def __init__(self, time: VirtualTime, log: Log) -> None:
        self.asked: list[OrderRequest] = []
        self._time = time
        self._log = log

    def submit(self, life: Life, step: Step, dice: Dice) -> None:
        """Submit a new order."""
        order_type, in_force = dice.weighted(_TYPES)
        order = self._order(f"o{step.number}", dice, order_type, in_force)
        self.asked.append(order)
        self._log.say("desk", "submits {}", Terms(order))
        life.submit(order)

    def submit_many(self, life: Life, step: Step, dice: Dice) -> None:
        """Submit several orders at once."""
        terms = [dice.weighted(_TYPES) for _ in range(dice.between(2, 4))]
        orders = [self._order(f"o{step.number}-{n}", dice, *each) for n, each in enumerate(terms)]
        self.asked += orders
        for order in orders:
            self._log.say("desk", "submits together {}", Terms(order))
        life.submit(*orders)

    def submit_again(self, life: Life, step: Step, dice: Dice) -> None:
        """Submit an order of before, as somebody does who does not know what came of it."""
        if self.asked:
            order = dice.pick(self.asked)
            self._log.say("desk", "submits {} again", order.client_order_id)
            life.submit(order)

    def cancel(self, life: Life, step: Step, dice: Dice) -> None:
        """Ask for a cancel of some order."""
        if self.asked:
            key = dice.pick(self.asked[-4:]).client_order_id
            self._log.say("desk", "cancels {}", key)
            life.cancel(key, f"c{step.number}")

    def cancel_all(self, life: Life, step: Step, dice: Dice) -> None:
        """Ask for a cancel of everything."""
        life.cancel_all()

    def amend(self, life: Life, step: Step, dice: Dice) -> None:
        """Ask for new terms of some order."""
        if not self.asked:
            return
        request = dice.pick(self.asked[-4:])
        terms: dict[str, Any] = {}
        if dice.percent(70):
            terms["quantity"] = request.quantity * dice.between(1, 3)
        if request.price is not None and (not terms or dice.percent(50)):
            terms["price"] = request.price + dice.between(-3, 3)
        self._log.say("desk", "amends {} to {}", request.client_order_id, terms)
        life.amend(request.client_order_id, f"a{step.number}", **terms)

    def close_order(self, life: Life, step: Step, dice: Dice) -> None:
        """Settle an order, if it is over."""
        if self.asked:
            key = dice.pick(self.asked).client_order_id
            self._log.say("desk", "settles {}", key)
            life.close_order(key)

    def submit_group(self, life: Life, step: Step, dice: Dice) -> None:
        """Submit orders that depend on each other."""
        kind = dice.pick(tuple(GroupKind))
        parent = self._order(f"g{step.number}p", dice, OrderType.LIMIT, TimeInForce.GTC)
        leg = replace(parent, side=_OPPOSITE[parent.side], client_order_id=f"g{step.number}a")
        other = replace(leg, price=parent.price and parent.price + 4, client_order_id=f"g{step.number}b")
        self._log.say(
            "desk", "submits {} {}: {}; {}; {}", kind, f"g{step.number}", *map(Terms, (parent, leg, other))
        )
        alone = kind is GroupKind.ONE_CANCELS_OTHER
        life.submit_group(kind, [leg, other], parent=None if alone else parent, group_id=f"g{step.number}")

    def _order(
        self, client_order_id: str, dice: Dice, order_type: OrderType, in_force: TimeInForce
    ) -> OrderRequest:
        symbol = dice.pick(("BTC-USD", "BTC-USD", "ESZ6"))
        quantity = Decimal(dice.between(1, 8)) / (Decimal(2) if symbol == "BTC-USD" else Decimal(1))
        price = Decimal(100 + dice.between(-4, 4))
        ends_ns = self._time.now_ns + dice.pick((2, 8, 30)) * SECOND_NS
        return OrderRequest(
            client_order_id=client_order_id,
            symbol=symbol,
            side=dice.pick((Side.BUY, Side.SELL)),
            quantity=quantity,
            order_type=order_type,
            price=price if order_type is OrderType.LIMIT else None,
            stop_price=price if order_type is OrderType.STOP else None,
            time_in_force=in_force,
            expire_ts_ns=ends_ns if in_force is TimeInForce.GTD else None,
        )


class Terms:
    """An order in one short line, made only if somebody reads it."""

    def __init__(self, order: OrderRequest) -> None:
        self._order = order

    def __format__(self, spec: str) -> str:
        order = self._order
        price = order.stop_price if order.price is None else order.price
        terms = f"{order.side} {order.quantity} {order.symbol} {order.order_type} at {price or 'market'}"
        return f"{order.client_order_id}: {terms} {order.time_in_force}"
