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
from execore.model.groups import RETRIED, FindOrder, Group, Impairment, Trouble, group_to_dict, is_for
from execore.model.money import ZERO

_PARENT: Final = -1
_EXECUTIONS: Final = frozenset(
    {events.FillBooked, events.OrderReowned, events.TradeCancelled, events.TradeCorrected}
)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where an order id belongs: its group, and the leg's number there."""

    group_id: str
    leg: int


class GroupsKept(msgspec.Struct, frozen=True, omit_defaults=True):
    """All groups of a book, as they can be written and read again."""

    groups: tuple[Group, ...] = ()
    places: dict[str, Place] = {}


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
                day_ends_ts_ns=event.day_ends_ts_ns,
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
        if isinstance(event, events.OrderCreated | events.OrderAdopted):
            group = self._born(group, place, event)
        elif kind in _EXECUTIONS:
            group = replace(group, asked=())
        elif isinstance(event, events.CancelRequested | events.AmendRequested):
            group = _asked(group, event)
        elif isinstance(event, events.AmendRejected | events.OrderAmended):
            group = _answered(group, event)
        self._groups[place.group_id] = group

    def _born(self, group: Group, place: Place, event: events.OrderCreated | events.OrderAdopted) -> Group:
        """The leg has another order; one that the venue reports may be somebody else's."""
        if place.leg == _PARENT or not is_for(group.legs[place.leg], event.order):
            return group
        mine = (*group.leg_orders[place.leg], event.client_order_id)
        keys = tuple(mine if leg == place.leg else ids for leg, ids in enumerate(group.leg_orders))
        group = replace(group, leg_orders=keys)
        self.places[group.next_order_id(place.leg)] = place
        return group

    def to_kept(self) -> GroupsKept:
        """All that the ledger knows."""
        return GroupsKept(tuple(self), self.places)

    def restore(self, kept: GroupsKept) -> None:
        """Be what ``to_kept`` returned once."""
        self._groups = {group.group_id: group for group in kept.groups}
        self.places = dict(kept.places)

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
        amends=group.amends if is_cancel else (*group.amends, event.request_id),
        replaceable=_with(group.replaceable, key) if is_cancel else group.replaceable,
        request_count=group.request_count + 1,
    )


def _answered(group: Group, event: events.AmendRejected | events.OrderAmended) -> Group:
    """What became of an amend. The venue may also take part of an order out, which nobody asked for."""
    key, request_id = event.client_order_id, event.request_id
    if isinstance(event, events.OrderAmended):
        if request_id and not event.reduced:
            others = tuple(agreed for agreed in group.agreed if agreed[0] != key)
            group = replace(group, agreed=(*others, (key, event.quantity)))
    elif request_id in group.amends:
        group = replace(group, refused=_with(group.refused, key))
    if request_id not in group.amends:
        return group
    return replace(group, amends=tuple(mine for mine in group.amends if mine != request_id))


def _with(keys: tuple[str, ...], key: str) -> tuple[str, ...]:
    return keys if key in keys else (*keys, key)


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
    return replace(
        group,
        asked=(),
        refused=(),
        impairments=tuple(kept),
        replaceable=group.replaceable + event.replaced,
    )


def _impaired(group: Group, event: group_events.GroupImpaired) -> Group:
    noted = Impairment(event.trouble, event.client_order_id, event.reason, event.quantity)
    about = (noted.trouble, noted.client_order_id)
    others = (other for other in group.impairments if (other.trouble, other.client_order_id) != about)
    refused = group.refused
    if noted.trouble is Trouble.RESIZE_FAILED:
        refused = tuple(key for key in refused if key != noted.client_order_id)
    return replace(group, impairments=(*others, noted), refused=refused)


def _breached(group: Group, event: group_events.GroupBreached) -> Group:
    return replace(group, excess=event.excess)


_CHANGES: Final[dict[type[group_events.GroupEvent], Callable[[Group, Any], Group]]] = {
    group_events.GroupJudged: _judged,
    group_events.GroupCancelRequested: _cancel_requested,
    group_events.GroupReviewed: _reviewed,
    group_events.GroupImpaired: _impaired,
    group_events.GroupBreached: _breached,
}
