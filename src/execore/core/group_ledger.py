"""Every group of a book, as a fold of events: the groups' own, and those of the orders in them.

Which orders are a group's is known from their ids: the caller's for the parent and the first order of each
leg, and ids derived from them for any order after that. All are reserved from the group's creation on.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from execore.model import events, group_events
from execore.model.errors import UnknownGroup
from execore.model.groups import RETRIED, FindOrder, Group, Impairment, group_to_dict
from execore.model.money import ZERO

_PARENT: Final = -1
_BIRTHS: Final = frozenset({events.OrderCreated, events.OrderAdopted})
_EXECUTIONS: Final = frozenset(
    {events.FillBooked, events.OrderReowned, events.TradeCancelled, events.TradeCorrected}
)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an order id belongs: its group, and the leg's number there."""

    group_id: str
    leg: int


class GroupLedger:
    """Groups by their ids, and by the ids of their orders. It changes through events only.

    Attributes:
        places: where each order id of a group belongs, whether the order was created or not.
    """

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self.places: dict[str, Place] = {}

    # --- changing -----------------------------------------------------------------------------------

    def apply(self, event: group_events.AnyGroupEvent) -> None:
        """Fold an event of a group.

        Raises:
            UnknownGroup: it concerns a group that was never created here.
        """
        if isinstance(event, group_events.GroupCreated):
            group = Group(
                group_id=event.group_id,
                kind=event.kind,
                legs=event.legs,
                parent=event.parent,
                leg_orders=((),) * len(event.legs),
            )
            if event.parent is not None:
                self.places[event.parent.client_order_id] = Place(event.group_id, _PARENT)
            for leg, request in enumerate(event.legs):
                self.places[request.client_order_id] = Place(event.group_id, leg)
        else:
            group = _CHANGES[type(event)](self.get(event.group_id), event)
        self._groups[group.group_id] = group

    def note(self, event: events.AnyOrderEvent) -> None:
        """Fold an event of an order, if that is in a group."""
        place = self.places.get(event.client_order_id)
        if place is None:
            return
        group = self._groups[place.group_id]
        kind = type(event)
        if kind in _BIRTHS:
            group = self._born(group, place, event.client_order_id)
        elif kind in _EXECUTIONS:
            group = replace(group, asked=())
        elif isinstance(event, events.CancelRequested | events.AmendRequested):
            group = _asked(group, event)
        self._groups[place.group_id] = group

    def _born(self, group: Group, place: Place, client_order_id: str) -> Group:
        if place.leg == _PARENT:
            return group
        mine = (*group.leg_orders[place.leg], client_order_id)
        keys = tuple(mine if leg == place.leg else ids for leg, ids in enumerate(group.leg_orders))
        group = replace(group, leg_orders=keys)
        self.places[group.next_order_id(place.leg)] = place
        return group

    # --- looking up ---------------------------------------------------------------------------------

    def get(self, group_id: str) -> Group:
        """The group of this id.

        Raises:
            UnknownGroup: there is none.
        """
        group = self._groups.get(group_id)
        if group is None:
            raise UnknownGroup(
                "group_id", f"{group_id!r} is no group of this book", "Check the id and the book"
            )
        return group

    def find(self, group_id: str) -> Group | None:
        """The group of this id, or None."""
        return self._groups.get(group_id)

    def of_order(self, client_order_id: str) -> Group | None:
        """The group that an order id belongs to, whether the order was created or not; or None."""
        place = self.places.get(client_order_id)
        return None if place is None else self._groups[place.group_id]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def __contains__(self, group_id: str) -> bool:
        return group_id in self._groups

    def to_dict(self, find: FindOrder) -> dict[str, Any]:
        """Every group by its id, in the shape of ``group_to_dict``; ``find`` gives their orders."""
        return {group.group_id: group_to_dict(group, find) for group in self}


def _asked(group: Group, event: events.CancelRequested | events.AmendRequested) -> Group:
    """What was asked for last of an order. A person's own request is a new situation, not ours repeated."""
    key = event.client_order_id
    others = tuple(asked for asked in group.asked if asked[0] != key)
    if event.request_id != group.next_request_id:
        return replace(group, asked=others)
    is_cancel = isinstance(event, events.CancelRequested)
    total: Decimal = ZERO if isinstance(event, events.CancelRequested) else event.quantity
    return replace(
        group,
        asked=(*others, (key, total)),
        replaceable=(*group.replaceable, key) if is_cancel else group.replaceable,
        request_count=group.request_count + 1,
    )


def _judged(group: Group, event: group_events.GroupJudged) -> Group:
    return replace(group, decision=event.decision, reason=event.reason, rule=event.rule)


def _cancel_requested(group: Group, event: group_events.GroupCancelRequested) -> Group:
    return replace(group, cancel_requested=True, asked=())


def _reviewed(group: Group, event: group_events.GroupReviewed) -> Group:
    kept = (
        impairment
        for impairment in group.impairments
        if impairment.trouble not in RETRIED and impairment.client_order_id not in event.replaced
    )
    return replace(group, asked=(), impairments=tuple(kept), replaceable=group.replaceable + event.replaced)


def _impaired(group: Group, event: group_events.GroupImpaired) -> Group:
    return replace(group, impairments=(*group.impairments, Impairment(event.trouble, event.client_order_id)))


def _breached(group: Group, event: group_events.GroupBreached) -> Group:
    return replace(group, excess=event.excess)


_CHANGES: Final[dict[type[group_events.GroupEvent], Callable[[Group, Any], Group]]] = {
    group_events.GroupJudged: _judged,
    group_events.GroupCancelRequested: _cancel_requested,
    group_events.GroupReviewed: _reviewed,
    group_events.GroupImpaired: _impaired,
    group_events.GroupBreached: _breached,
}
