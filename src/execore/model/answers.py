"""What the core answers to an input."""

from enum import StrEnum

import msgspec

from execore.model.effects import Effect
from execore.model.events import AnyEvent
from execore.model.groups import Group, GroupState
from execore.model.orders import Order
from execore.model.vocabulary import OrderState


class Outcome(StrEnum):
    """What became of an input."""

    APPLIED = "applied"
    ALREADY_DONE = "already_done"
    IGNORED = "ignored"
    PARKED = "parked"
    REFUSED = "refused"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why an input changed nothing: what was asked, what the order is, what would be allowed.

    Attributes:
        code: a stable word.
        message: the sentence for a person.
        input: what was asked.
        state: the order's or the group's, which is unchanged.
        client_order_id: the order, or the group's id.
        allowed: the requests that would be accepted in this state.
    """

    code: str
    message: str
    input: str
    state: OrderState | GroupState
    client_order_id: str
    allowed: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The result of one input: what became of it, what happened, and what must be done.

    Attributes:
        outcome: APPLIED and ALREADY_DONE are success.
        order: the order afterwards, or None where no order is concerned.
        events: the facts, in order; empty unless something changed.
        effects: what the shell must do once the events are durable.
        refusal: why not, when ``outcome`` is REFUSED, IGNORED or PARKED.
        group: the group afterwards, where the input was about one.
    """

    outcome: Outcome
    order: Order | None = None
    events: tuple[AnyEvent, ...] = ()
    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None
    group: Group | None = None

    @property
    def ok(self) -> bool:
        """Whether the input has its effect, now or from before."""
        return self.outcome in (Outcome.APPLIED, Outcome.ALREADY_DONE)
