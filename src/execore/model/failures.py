"""What goes wrong between us and a venue: the errors that adapters raise, and what each one proves.

An adapter translates foreign errors at one boundary into this tree. Two facts decide what may be done next,
and both are carried by the class, never read out of a message: whether repeating can help (``error_class``),
and what became of a write (``outcome``). Where the second is in doubt it is UNKNOWN: to take an order for
absent that is live is how orders are sent twice.

Sources: DESIGN §6; the ccxt exception tree (BaseError and below, 4.5.90) for which cases venues tell apart.
"""

from enum import StrEnum
from typing import ClassVar

from execore.model.errors import ExecoreError


class ErrorClass(StrEnum):
    """Whether the same request, made again, can succeed."""

    RETRYABLE = "retryable"
    NON_RETRYABLE = "non_retryable"
    FATAL = "fatal"
    """Nothing will succeed at this venue until a person has acted."""


class WriteOutcome(StrEnum):
    """What one failed attempt at a submit, amend or cancel did at the venue."""

    NOT_SENT = "not_sent"
    """Certainly never reached the venue."""
    REFUSED = "refused"
    """Reached the venue, which certainly did not execute it."""
    UNKNOWN = "unknown"
    """May have taken effect, or may still."""


class VenueError(ExecoreError):
    """A call to a venue failed, and nothing better is known: not repeated, outcome unknown.

    A subclass may set ``error_class``, ``outcome`` or both; what it leaves out is its parent's.

    Args:
        what: what happened, and where: venue, request, order.
        next_step: what the reader can do about it.
        venue_code: the venue's own error code or HTTP status, unchanged; empty where it gave none.
        retry_after_seconds: how long the venue asked us to wait, in seconds from now; None if it did not say.
    """

    code: ClassVar[str] = "venue_error"
    error_class: ClassVar[ErrorClass] = ErrorClass.NON_RETRYABLE
    outcome: ClassVar[WriteOutcome] = WriteOutcome.UNKNOWN

    def __init__(
        self,
        what: str,
        next_step: str = "",
        venue_code: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        self.venue_code = venue_code
        self.retry_after_seconds = retry_after_seconds
        super().__init__(what, next_step)


# --- no answer, or none that can be used: a read may be repeated, a write must be asked after -----------


class NetworkError(VenueError):
    """The network failed, we cannot say where: a write may have arrived."""

    code = "network_error"
    error_class = ErrorClass.RETRYABLE


class ConnectionFailed(NetworkError):
    """No connection was made (refused, unreachable, name not resolved): certainly not sent."""

    code = "connection_failed"
    outcome = WriteOutcome.NOT_SENT


class ConnectionLost(NetworkError):
    """The connection broke after the request may have left."""

    code = "connection_lost"


class RequestTimeout(NetworkError):
    """No answer in time. The venue may still execute the request."""

    code = "request_timeout"


class ServiceUnavailable(VenueError):
    """The venue, or a proxy before it, answered 5xx or "maintenance": a write may have passed it."""

    code = "service_unavailable"
    error_class = ErrorClass.RETRYABLE


class UnreadableAnswer(VenueError):
    """The venue answered something that is not its protocol: garbled, empty, cut off."""

    code = "unreadable_answer"
    error_class = ErrorClass.RETRYABLE


# --- turned away before execution: repeating later can help ----------------------------------------------


class RateLimited(VenueError):
    """Throttled. The venue certainly did not execute the request."""

    code = "rate_limited"
    error_class = ErrorClass.RETRYABLE
    outcome = WriteOutcome.REFUSED


class TimestampRefused(VenueError):
    """The request's timestamp or nonce was outside the venue's window: not executed.

    The adapter corrects its clock offset before it raises this, so that a repetition carries a good one.
    """

    code = "timestamp_refused"
    error_class = ErrorClass.RETRYABLE
    outcome = WriteOutcome.REFUSED


# --- a definite no: the same request would get the same answer -------------------------------------------


class ValidationFailed(VenueError):
    """The adapter found that this venue cannot take the request, and did not send it."""

    code = "validation_failed"
    outcome = WriteOutcome.NOT_SENT


class OrderRefused(VenueError):
    """The venue refused the request."""

    code = "order_refused"
    outcome = WriteOutcome.REFUSED


class InvalidOrder(OrderRefused):
    """The venue finds the request's terms wrong: tick, step, minimum, type, symbol."""

    code = "invalid_order"


class InsufficientBalance(OrderRefused):
    """The account cannot pay for the order, or lacks margin."""

    code = "insufficient_balance"


class MarketClosed(OrderRefused):
    """The market does not take this request now: closed, halted, in auction."""

    code = "market_closed"


class AuthenticationFailed(VenueError):
    """Key, signature or session are not accepted: nothing was executed, nothing will be."""

    code = "authentication_failed"
    error_class = ErrorClass.FATAL
    outcome = WriteOutcome.REFUSED


class AccountBlocked(AuthenticationFailed):
    """We are known, but the account may not do this: suspended, restricted, permission missing."""

    code = "account_blocked"


# --- answers about an id, not about the request: they prove less than they seem to ------------------------


class OrderNotFoundAtVenue(VenueError):
    """The venue shows no such order: filled, cancelled, purged, or not visible yet. No proof of absence."""

    code = "order_not_found_at_venue"


class DuplicateOrderId(VenueError):
    """The venue has seen this id: an earlier sending of ours arrived. What became of it must be asked."""

    code = "duplicate_order_id"


class OutcomeNotKnown(VenueError):
    """A write may have taken effect, and asking did not settle it. Never send it again on this evidence.

    Args:
        what: which operation, after how many attempts.
        next_step: what to do.
        original: the error of the write's last attempt. What became of a failed query is the ``__cause__``.
    """

    code = "outcome_not_known"

    def __init__(self, what: str, next_step: str, original: Exception) -> None:
        self.original = original
        super().__init__(what, next_step)
        self.args = (what, next_step, original)
