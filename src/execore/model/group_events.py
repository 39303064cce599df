"""The facts of order groups. What their orders do is in the orders' own events, and is not said twice.

Names and meanings are part of the journal's schema, as those in ``model.events`` are.
"""

from decimal import Decimal

import msgspec

from execore.model.groups import GroupKind, Trouble
from execore.model.money import ZERO
from execore.model.orders import OrderRequest
from execore.model.vocabulary import RiskDecision


class GroupEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """An event of one group."""

    group_id: str


class GroupCreated(GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_created"):
    """We decided to trade by a group: it exists here, and so do the ids of its orders.

    Attributes:
        day_ends_ts_ns: after which it is not sent any more, integer nanoseconds UTC; None if nothing ends it.
    """

    kind: GroupKind
    legs: tuple[OrderRequest, ...]
    parent: OrderRequest | None = None
    day_ends_ts_ns: int | None = None


class GroupJudged(GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_judged"):
    """Risk decided on the whole group: its orders may be sent, never will be, or wait for somebody."""

    decision: RiskDecision
    reason: str = ""
    rule: str = ""


class GroupCancelRequested(
    GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_cancel_requested"
):
    """We want nothing of the group to work any more."""


class GroupReviewed(GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_reviewed"):
    """What came to nothing may be tried again.

    Attributes:
        replaced: lost orders that may have another in their place.
    """

    replaced: tuple[str, ...] = ()


class GroupImpaired(GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_impaired"):
    """The group cannot do something it is for. It was alerted with the same code and reason.

    Attributes:
        quantity: how much it is about, where that can grow.
    """

    trouble: Trouble
    client_order_id: str
    reason: str = ""
    quantity: Decimal = ZERO


class GroupBreached(GroupEvent, frozen=True, gc=False, omit_defaults=True, tag="group_breached"):
    """The legs have traded ``excess`` more than was wanted; zero when a bust has taken that back."""

    excess: Decimal


AnyGroupEvent = (
    GroupCreated | GroupJudged | GroupCancelRequested | GroupReviewed | GroupImpaired | GroupBreached
)
