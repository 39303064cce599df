"""What we ask of the core about order groups."""

import msgspec

from execore.model.errors import InvalidInput
from execore.model.groups import GroupKind, check_group
from execore.model.orders import OrderRequest
from execore.model.requests import Input, RiskResult
from execore.model.vocabulary import to_word


class SubmitGroup(Input, frozen=True, kw_only=True, gc=False):
    """Create a group and, if risk allows every order of it, send what can be sent now.

    Attributes:
        legs: each for the group's whole quantity, with its client order id.
        parent: the order that the legs follow; None for one-cancels-other.
        verdicts: risk's, one for each order: the parent's first, then the legs'.
        day_ends_ts_ns: when day orders sent now end, integer nanoseconds UTC; None if that is not known.

    Raises:
        InvalidInput, InvalidQuantity: the orders make no group of this kind; by field.
    """

    group_id: str
    kind: GroupKind
    legs: tuple[OrderRequest, ...]
    verdicts: tuple[RiskResult, ...]
    parent: OrderRequest | None = None
    day_ends_ts_ns: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.kind) is not GroupKind:
            msgspec.structs.force_setattr(self, "kind", to_word(self.kind, GroupKind, "kind"))
        check_group(self.group_id, self.kind, self.parent, self.legs)
        count = len(self.legs) + (self.parent is not None)
        if len(self.verdicts) != count:
            raise InvalidInput("verdicts", f"{len(self.verdicts)} for {count} orders", "Give one for each")


class ReleaseGroup(Input, frozen=True, kw_only=True, gc=False):
    """Decide a held group again: the new verdicts send it, deny it, or leave it held.

    Attributes:
        day_ends_ts_ns: as in ``SubmitGroup``.
    """

    group_id: str
    verdicts: tuple[RiskResult, ...]
    day_ends_ts_ns: int | None = None


class CancelGroup(Input, frozen=True, kw_only=True, gc=False):
    """End a group: what works of it is cancelled, and nothing more of it is sent."""

    group_id: str


class ReviewGroup(Input, frozen=True, kw_only=True, gc=False):
    """Look again at what the group still has to do: what came to nothing is asked for once more.

    Attributes:
        replace_lost: also send another order in the place of each that was lost.
        tell_again: also alert again what stands: nobody knows whether it was heard.
        day_ends_ts_ns: as in ``SubmitGroup``.
    """

    group_id: str
    replace_lost: bool = False
    tell_again: bool = False
    day_ends_ts_ns: int | None = None


GroupRequest = SubmitGroup | ReleaseGroup | CancelGroup | ReviewGroup
