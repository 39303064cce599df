"""The facts of what is not known: sendings without an outcome, and how the doubt was ended or borne.

Names and meanings are part of the journal's schema, as those in ``model.events`` are.
"""

from execore.model.event_base import OrderEvent
from execore.model.vocabulary import Resolution


class OrderOutcomeUnknown(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_outcome_unknown"):
    """Sent, or about to be, and nobody knows what became of it."""

    reason: str = ""


class OrderResent(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_resent"):
    """The order is about to be sent again, under the same id.

    ``in_doubt``: an earlier sending may have arrived; the venue refuses the copy if it did.
    """

    in_doubt: bool = False


class CopyRefused(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="copy_refused"):
    """The venue refused one of two sendings, and not as a duplicate: of the other that says nothing."""

    reason: str = ""


class OrderResolved(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_resolved"):
    """An operator, the record's actor, said what became of the order, or of the request ``request_id``."""

    resolution: Resolution
    reason: str
    request_id: str = ""


class RequestUnanswered(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="request_unanswered"):
    """A cancel or an amend was sent, or about to be, and nobody knows what became of it."""

    request_id: str
    reason: str = ""


class CancelResent(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="cancel_resent"):
    """A cancel of unknown outcome is about to be sent again, under the same id."""

    request_id: str
