"""Order groups: orders that depend on each other, held by us for venues that have no such thing.

A group is facts, as an order is; what it amounts to is derived from them and from its orders as they are.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from execore.model.errors import InvalidInput, InvalidQuantity
from execore.model.ids import check_id, derived_id
from execore.model.money import ZERO, text_of
from execore.model.orders import Order, OrderRequest, disclosed
from execore.model.vocabulary import RiskDecision

FindOrder = Callable[[str], Order | None]
"""The order of a client order id as it is now; None if it was not created yet."""


class GroupKind(StrEnum):
    """How the orders of a group depend on each other."""

    ONE_CANCELS_OTHER = "one_cancels_other"
    """What one leg trades, the others need not."""
    ONE_TRIGGERS_OTHER = "one_triggers_other"
    """Each leg is sent once the parent has traded, and for as much."""
    BRACKET = "bracket"
    """The parent triggers legs that cancel each other: the exits from what it traded."""


class GroupState(StrEnum):
    """What a group amounts to. In capitals like an order's state, and derived like it."""

    HELD = "HELD"
    """Risk paused it: nothing is sent until somebody decides."""
    DENIED = "DENIED"
    """Our own risk refused it; none of its orders was created."""
    WAITING = "WAITING"
    """The parent works and has traded nothing, or nothing could be sent yet: no leg is at the venue."""
    ACTIVE = "ACTIVE"
    """Orders of it can still trade, or might."""
    BREACHED = "BREACHED"
    """The legs have traded more than was wanted: the position is not what the group was for."""
    DONE = "DONE"
    """Nothing of it can trade any more."""
    CANCELLED = "CANCELLED"
    """We cancelled it, and nothing of it can trade any more."""


LIVE_STATES = frozenset({GroupState.HELD, GroupState.WAITING, GroupState.ACTIVE, GroupState.BREACHED})
"""States in which a group may have something to do."""


class Trouble(StrEnum):
    """What a group could not do: the stable codes of its alerts."""

    LEG_LOST = "group_leg_lost"
    """An order of a leg ended, not by us, while its quantity was still wanted."""
    LEG_UNFIT = "group_leg_unfit"
    """What is wanted of a leg is less than its instrument lets anybody order."""
    RESIZE_FAILED = "group_resize_failed"
    """An amend came to nothing: the order is cancelled and sent anew, or another is sent beside it."""
    CANCEL_FAILED = "group_cancel_failed"
    """A cancel came to nothing, and the order is larger than wanted."""
    CAPPED = "group_capped"
    """The parent traded more than the legs were checked for: they do not follow beyond that."""
    UNPROTECTED = "group_unprotected"
    """The group was cancelled with quantity open that its legs were for."""


RETRIED: Final = frozenset({Trouble.RESIZE_FAILED, Trouble.CANCEL_FAILED})
"""What a review asks for once more."""


class Impairment(msgspec.Struct, frozen=True, gc=False):
    """Something that a group could not do, and the order it is about; alerted when it was found.

    Attributes:
        quantity: how much it is about, where that can grow; it is alerted again when it has grown.
    """

    trouble: Trouble
    client_order_id: str
    reason: str = ""
    quantity: Decimal = ZERO


class Group(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A group as its events have made it. Immutable: every event makes a new one.

    Attributes:
        parent: the order whose fills the legs follow; None where they depend on each other alone.
        legs: what the caller wants, each for the group's whole quantity; sent for what is really needed.
        day_ends_ts_ns: after which it is not sent any more, if it was not; None if nothing ends it.
        decision, reason, rule: what risk said of the whole group; None until it has.
        cancel_requested: we want nothing of it to work any more.
        leg_orders: for each leg, the ids of the orders that were created for it, oldest first.
        asked: the total that we last asked for, by order, zero being a cancel; forgotten at the next
            execution, so that a request that came to nothing is not made again for the same reason.
        replaceable: orders whose end does not end their leg: we cancelled them to send another, or somebody
            has reviewed their loss.
        impairments: what it could not do, since the last review.
        amends: the ids of the group's own amends that are not answered.
        refused: orders of which one of these was refused; until that is noted, or reviewed.
        agreed: the total of each order that was amended on request, as the venue confirmed it last.
        excess: how much more the legs have traded than was wanted.
        request_count: how many requests the group has made; their ids are derived from it.
    """

    group_id: str
    kind: GroupKind
    legs: tuple[OrderRequest, ...]
    parent: OrderRequest | None = None
    day_ends_ts_ns: int | None = None
    decision: RiskDecision | None = None
    reason: str = ""
    rule: str = ""
    cancel_requested: bool = False
    leg_orders: tuple[tuple[str, ...], ...] = ()
    asked: tuple[tuple[str, Decimal], ...] = ()
    replaceable: tuple[str, ...] = ()
    impairments: tuple[Impairment, ...] = ()
    amends: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    agreed: tuple[tuple[str, Decimal], ...] = ()
    excess: Decimal = ZERO
    request_count: int = 0

    @property
    def quantity(self) -> Decimal:
        """The size of the whole group: that of the parent, and of each leg."""
        return self.legs[0].quantity

    @property
    def requests(self) -> tuple[OrderRequest, ...]:
        """Every order wanted: the parent first, then the legs."""
        return self.legs if self.parent is None else (self.parent, *self.legs)

    @property
    def next_request_id(self) -> str:
        """The id of the group's next cancel or amend: the same on every replay."""
        return derived_id("group request", self.group_id, str(self.request_count + 1))

    def next_order_id(self, leg: int) -> str:
        """The id of the next order for a leg: the caller's own at first, then derived from it."""
        wanted, count = self.legs[leg].client_order_id, len(self.leg_orders[leg])
        return wanted if not count else derived_id("group order", self.group_id, wanted, str(count))

    @property
    def is_ending(self) -> bool:
        """Whether nothing of it shall work any more: somebody cancelled it, or its legs traded too much."""
        return self.cancel_requested or bool(self.excess)

    def agreed_total(self, order: Order) -> Decimal:
        """The total that an order was sent for, or that somebody asked for since and was given."""
        return dict(self.agreed).get(order.client_order_id, order.request.quantity)

    def parent_order(self, find: FindOrder) -> Order | None:
        """The parent's order; None if there is none, or it was not created yet."""
        return None if self.parent is None else _own(self.parent, self.parent.client_order_id, find)

    def orders_of(self, leg: int, find: FindOrder) -> list[Order]:
        """The orders that were created for a leg, oldest first."""
        found = (_own(self.legs[leg], key, find) for key in self.leg_orders[leg])
        return [order for order in found if order is not None]

    def orders(self, find: FindOrder) -> list[Order]:
        """Every order of the group that exists, the parent first."""
        parent = self.parent_order(find)
        legs = [order for leg in range(len(self.legs)) for order in self.orders_of(leg, find)]
        return legs if parent is None else [parent, *legs]

    def state(self, find: FindOrder) -> GroupState:
        """What the facts and the orders amount to. The order of these lines is the precedence."""
        if self.decision is RiskDecision.BLOCK:
            return GroupState.DENIED
        if self.excess:
            return GroupState.BREACHED
        orders = self.orders(find)
        is_open = any(order.is_open for order in orders)
        if self.cancel_requested:
            return GroupState.ACTIVE if is_open else GroupState.CANCELLED
        if self.decision is not RiskDecision.ALLOW:
            return GroupState.HELD
        if not orders:
            return GroupState.WAITING
        if not is_open:
            return GroupState.DONE
        no_leg_works = not any(order.is_open for order in orders[1:])
        waits = self.parent is not None and no_leg_works and not any(order.filled for order in orders)
        return GroupState.WAITING if waits else GroupState.ACTIVE


def is_for(request: OrderRequest, order: OrderRequest) -> bool:
    """Whether an order trades what is wanted; a stranger's under the same id may not."""
    return (order.symbol, order.side) == (request.symbol, request.side)


def _own(request: OrderRequest, key: str, find: FindOrder) -> Order | None:
    """The order of exactly this id, if it trades what ``request`` does."""
    order = find(key)
    is_it = order is not None and order.client_order_id == key and is_for(request, order.request)
    return order if is_it else None


MAXIMUM_LEGS: Final = 20


def check_group(
    group_id: str, kind: GroupKind, parent: OrderRequest | None, legs: tuple[OrderRequest, ...]
) -> None:
    """Check that orders can make a group of this kind.

    Raises:
        InvalidInput: a parent too many or missing, too few legs, ids that are none or the same twice,
            legs of another symbol, bracket legs on the parent's own side; by field.
        InvalidQuantity: the quantities are not all the same.
    """
    check_id(group_id, "group_id")
    if (parent is None) is not (kind is GroupKind.ONE_CANCELS_OTHER):
        needs = "has no parent" if kind is GroupKind.ONE_CANCELS_OTHER else "needs a parent"
        raise InvalidInput("parent", f"a {kind} group {needs}")
    least = 1 if kind is GroupKind.ONE_TRIGGERS_OTHER else 2
    if len(legs) < least:
        raise InvalidInput("legs", f"a {kind} group has {least} legs or more, not {len(legs)}")
    if len(legs) > MAXIMUM_LEGS:
        raise InvalidInput("legs", f"{len(legs)} are more than a group may have, {MAXIMUM_LEGS}")
    wanted = legs if parent is None else (parent, *legs)
    for request in wanted:
        check_id(request.client_order_id, "client_order_id")
        disclosed(request.side)
    if len({request.client_order_id for request in wanted}) < len(wanted):
        raise InvalidInput("client_order_id", "two orders of the group have the same", "Give each its own")
    _check_alike(kind, parent, legs)


def _check_alike(kind: GroupKind, parent: OrderRequest | None, legs: tuple[OrderRequest, ...]) -> None:
    first = legs[0] if parent is None else parent
    for leg in legs:
        if leg.symbol != first.symbol:
            raise InvalidInput(
                "symbol", f"{leg.symbol} is not {first.symbol}, as the others", "Use one symbol"
            )
        if leg.quantity != first.quantity:
            raise InvalidQuantity(
                "quantity",
                f"{text_of(leg.quantity)} is not {text_of(first.quantity)}, as the others",
                "Give every order of the group the whole quantity; it is sent for what is needed",
            )
        if kind is GroupKind.BRACKET and leg.side is first.side:
            raise InvalidInput(
                "side", f"a bracket's legs close what its parent opens, and this is a {leg.side}"
            )


def group_to_dict(group: Group, find: FindOrder) -> dict[str, Any]:
    """The group as every JSON output shows it: numbers as canonical strings."""
    return {
        "group_id": group.group_id,
        "kind": group.kind.value,
        "state": group.state(find).value,
        "symbol": group.legs[0].symbol,
        "quantity": text_of(group.quantity),
        "parent": None if group.parent is None else group.parent.client_order_id,
        "legs": [
            {"client_order_id": leg.client_order_id, "orders": list(keys)}
            for leg, keys in zip(group.legs, group.leg_orders, strict=True)
        ],
        "excess": text_of(group.excess),
        "cancel_requested": group.cancel_requested,
        "impairments": [
            {"code": impairment.trouble.value, "client_order_id": impairment.client_order_id}
            for impairment in group.impairments
        ],
        "reason": group.reason,
        "rule": group.rule,
    }
