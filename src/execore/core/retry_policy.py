"""Whether to repeat a failed call to a venue, when, and when to ask what it did instead.

Pure: time elapsed, randomness and the venue's budget come in, a decision and the new budget go out.
The promise, for writes: RETRY cannot make a second order, GIVE_UP means that certainly nothing was done,
and everything in between is ASK_FIRST.

Sources: DESIGN §6. Full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015). Retry budget:
Beyer et al., "Site Reliability Engineering" (2016), ch. 21 "Handling Overload" (retries at most 10% of
requests); Finagle's RetryBudget (token bucket with a reserve).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import inf
from types import MappingProxyType
from typing import Final

import msgspec

from execore.model.errors import InvalidConfiguration, InvalidInput
from execore.model.failures import ErrorClass, VenueError, WriteOutcome

Random = Callable[[], float]
"""A source of numbers uniform in [0, 1), such as ``random.random``."""


class Operation(StrEnum):
    """What a call does. Only a read changes nothing at the venue."""

    READ = "read"
    CANCEL = "cancel"
    SUBMIT = "submit"
    AMEND = "amend"


_CERTAIN = frozenset({WriteOutcome.NOT_SENT, WriteOutcome.REFUSED})

REPEATABLE_OUTCOMES: Final[Mapping[Operation, frozenset[WriteOutcome]]] = MappingProxyType(
    {
        Operation.READ: frozenset(WriteOutcome),
        Operation.CANCEL: frozenset(WriteOutcome),  # cancelling twice leaves what cancelling once leaves
        Operation.SUBMIT: _CERTAIN,
        Operation.AMEND: _CERTAIN,  # a late first amend would undo a second, or a total become a remainder
    }
)
"""The outcomes of a retryable error after which an operation may be made again."""


# --- what an error proves --------------------------------------------------------------------------


class Classification(msgspec.Struct, frozen=True):
    """What an error proves: whether repeating can help, and what became of a write."""

    error_class: ErrorClass
    outcome: WriteOutcome


UNLISTED: Final = Classification(ErrorClass.NON_RETRYABLE, WriteOutcome.UNKNOWN)
"""What an error proves that nobody has listed: nothing."""

_INTERRUPTED: Final = Classification(ErrorClass.RETRYABLE, WriteOutcome.UNKNOWN)

DEFAULT_TABLE: Final[Mapping[type[Exception], Classification]] = MappingProxyType(
    {
        TimeoutError: _INTERRUPTED,
        ConnectionError: _INTERRUPTED,
        ConnectionRefusedError: Classification(ErrorClass.RETRYABLE, WriteOutcome.NOT_SENT),
        EOFError: _INTERRUPTED,  # the peer closed in the middle of its answer
        OSError: _INTERRUPTED,  # network unreachable, TLS broken off
        # Files, not the network; and where in the call it happened, nobody knows.
        FileExistsError: UNLISTED,
        FileNotFoundError: UNLISTED,
        IsADirectoryError: UNLISTED,
        NotADirectoryError: UNLISTED,
        PermissionError: UNLISTED,
        # Not "our input was wrong": an answer that cannot be parsed raises it too, after the order went out.
        ValueError: UNLISTED,
    }
)
"""What Python's own exceptions prove. Add foreign types: ``{**DEFAULT_TABLE, Theirs: Classification(…)}``."""


def classify(
    error: Exception, table: Mapping[type[Exception], Classification] = DEFAULT_TABLE
) -> Classification:
    """Return what ``error`` proves, by its type and the nearest ancestor that says; its text is never read.

    Args:
        error: what a call to a venue raised.
        table: what types prove; a row for a ``VenueError`` overrides what that class itself says.

    Returns:
        The nearest ancestor's row, or what a ``VenueError`` declares; ``UNLISTED`` if no ancestor says.
    """
    for kind in type(error).__mro__:
        if kind in table:
            return table[kind]
        if issubclass(kind, VenueError) and vars(kind).keys() & {"error_class", "outcome"}:
            return Classification(kind.error_class, kind.outcome)
    return UNLISTED


# --- the budget -------------------------------------------------------------------------------------


class RetryBudget(msgspec.Struct, frozen=True):
    """How many retries a venue's callers may still make together, so that retries cannot become a storm.

    A retry is paid for by ``calls_per_retry`` calls: over any stretch there are at most
    ``reserve + calls / calls_per_retry`` retries. Counted in whole calls, so that ten tenths are one.

    Attributes:
        calls_per_retry: calls that earn one retry; 10 keeps retries at 10% of calls.
        reserve: retries that can be saved up, and that a fresh budget starts with; 0 allows none at all.
        owed_calls: calls still to come before the reserve is full again.

    Raises:
        InvalidConfiguration: a number is out of range.
    """

    calls_per_retry: int = 10
    reserve: int = 10
    owed_calls: int = 0

    def __post_init__(self) -> None:
        _require_at_least(self, calls_per_retry=1, reserve=0, owed_calls=0)

    @property
    def retries_left(self) -> int:
        """Retries that may be made now."""
        return max(0, self.reserve - -(-self.owed_calls // self.calls_per_retry))

    def after_call(self) -> "RetryBudget":
        """Return the budget once a call (not a retry) has been made."""
        return msgspec.structs.replace(self, owed_calls=max(0, self.owed_calls - 1))

    def after_retry(self) -> "RetryBudget":
        """Return the budget once a retry has been granted."""
        return msgspec.structs.replace(self, owed_calls=self.owed_calls + self.calls_per_retry)


# --- the decision -----------------------------------------------------------------------------------


class RetryAction(StrEnum):
    """What to do after a failed attempt."""

    RETRY = "retry"
    """Make the same call again, with the same id, after the delay."""
    GIVE_UP = "give_up"
    """Stop. A write certainly had no effect."""
    ASK_FIRST = "ask_first"
    """The write may have taken effect: ask the venue, and do not send it again until it is known."""


class RetryReason(StrEnum):
    """Why the action is what it is; for anything but a retry, why no retry was made."""

    REPEATABLE = "repeatable"
    FATAL = "fatal"
    NON_RETRYABLE = "non_retryable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    ATTEMPTS_USED = "attempts_used"
    TIME_USED = "time_used"
    BUDGET_USED = "budget_used"


class RetryDecision(msgspec.Struct, frozen=True):
    """What to do after a failed attempt.

    Attributes:
        action: retry, give up, or ask first.
        reason: why.
        classification: what the error proved. A FATAL class should halt the venue.
        budget: the venue's budget from now on.
        delay_seconds: how long to wait before the retry; 0 where none is made.
    """

    action: RetryAction
    reason: RetryReason
    classification: Classification
    budget: RetryBudget
    delay_seconds: float = 0.0


class RetryPolicy(msgspec.Struct, frozen=True):
    """How often, how fast and how long to retry.

    Attributes:
        base_seconds: the longest wait before the first retry.
        multiplier: what that bound grows by with each further retry.
        cap_seconds: what it never exceeds.
        max_attempts: calls in all, the first included.
        max_elapsed_seconds: from the start of the first attempt to the end of the last.
        attempt_timeout_seconds: the timeout that each call keeps by itself; a retry is not begun that could
            outlast ``max_elapsed_seconds``. 0 bounds only when retries begin.

    Raises:
        InvalidConfiguration: a number is out of range, NaN or infinite.
    """

    base_seconds: float = 0.25
    multiplier: float = 2.0
    cap_seconds: float = 10.0
    max_attempts: int = 5
    max_elapsed_seconds: float = 60.0
    attempt_timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        _require_at_least(
            self,
            base_seconds=0,
            multiplier=1,
            cap_seconds=0,
            max_attempts=1,
            max_elapsed_seconds=0,
            attempt_timeout_seconds=0,
        )

    def decide(
        self,
        error: Exception,
        operation: Operation,
        *,
        attempt: int,
        elapsed_seconds: float,
        budget: RetryBudget,
        random: Random,
        unsettled: bool = False,
        table: Mapping[type[Exception], Classification] = DEFAULT_TABLE,
    ) -> RetryDecision:
        """Decide what follows a failed attempt.

        Args:
            error: what the attempt raised.
            operation: what the call does.
            attempt: which attempt failed, counted from 1.
            elapsed_seconds: since the first attempt began.
            budget: what is left of the venue's retries.
            random: where jitter comes from; drawn from once.
            unsettled: an earlier attempt of this write has an unknown outcome. A refusal of a later one then
                proves nothing ("no such order" is also what a cancel gets after one that worked).
            table: what error types prove.

        Returns:
            The decision, with the budget as it is afterwards.

        Raises:
            InvalidInput: ``attempt`` is below 1.
        """
        proof = classify(error, table)
        outcome = WriteOutcome.UNKNOWN if unsettled else proof.outcome
        delay = _asked_for_seconds(error) + self.backoff_seconds(attempt, random)
        obstacle = (
            _obstacle(proof.error_class, outcome, operation)
            or self._exhausted(attempt, elapsed_seconds + delay)
            or (None if budget.retries_left else RetryReason.BUDGET_USED)
        )
        if obstacle is None:
            return RetryDecision(
                RetryAction.RETRY, RetryReason.REPEATABLE, proof, budget.after_retry(), delay
            )
        return RetryDecision(no_retry(operation, outcome), obstacle, proof, budget)

    def backoff_seconds(self, attempt: int, random: Random) -> float:
        """Return the wait after failed attempt number ``attempt``, in seconds, by full jitter.

        ``random() * min(cap, base * multiplier ** (attempt - 1))``: uniform from nothing to the bound, which
        spreads those that failed together (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).

        Raises:
            InvalidInput: ``attempt`` is below 1.
        """
        if attempt < 1:
            raise InvalidInput("attempt", f"{attempt} is not a count of attempts made", "Count from 1")
        try:
            bound = self.base_seconds * self.multiplier ** (attempt - 1)
        except OverflowError:
            bound = self.cap_seconds if self.base_seconds else 0.0
        return random() * min(self.cap_seconds, bound)

    def in_time(self, elapsed_seconds: float) -> bool:
        """Return whether an attempt begun ``elapsed_seconds`` after the first one would end in time."""
        return elapsed_seconds + self.attempt_timeout_seconds <= self.max_elapsed_seconds

    def _exhausted(self, attempt: int, begins_seconds: float) -> RetryReason | None:
        if attempt >= self.max_attempts:
            return RetryReason.ATTEMPTS_USED
        return None if self.in_time(begins_seconds) else RetryReason.TIME_USED


def no_retry(operation: Operation, outcome: WriteOutcome) -> RetryAction:
    """Return what is left when there is no retry: GIVE_UP, or ASK_FIRST if a write may have taken effect."""
    write = operation is not Operation.READ
    return RetryAction.ASK_FIRST if write and outcome is WriteOutcome.UNKNOWN else RetryAction.GIVE_UP


def _obstacle(error_class: ErrorClass, outcome: WriteOutcome, operation: Operation) -> RetryReason | None:
    """Return why this operation must not be made again after such an error, or None."""
    if error_class is ErrorClass.FATAL:
        return RetryReason.FATAL
    if outcome not in REPEATABLE_OUTCOMES[operation]:
        return RetryReason.OUTCOME_UNKNOWN
    return None if error_class is ErrorClass.RETRYABLE else RetryReason.NON_RETRYABLE


def _asked_for_seconds(error: Exception) -> float:
    """Return how long the venue asked us to wait; 0 for nothing, and for what no clock can show."""
    asked = error.retry_after_seconds if isinstance(error, VenueError) else None
    return asked if asked is not None and asked > 0 else 0.0  # NaN is not > 0; infinity ends in TIME_USED


def _require_at_least(settings: msgspec.Struct, **minimums: int) -> None:
    for field, minimum in minimums.items():
        value = getattr(settings, field)
        if not minimum <= value < inf:  # written so that NaN fails
            raise InvalidConfiguration(field, f"{value} is not a number from {minimum} up", "Correct it")
