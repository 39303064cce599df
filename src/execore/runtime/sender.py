"""Carries effects to the venue and turns what came of it into inputs: the one place foreign errors end."""

import random as _random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from execore.core.retry_policy import (
    DEFAULT_TABLE,
    Operation,
    Random,
    RetryAction,
    RetryDecision,
    RetryPolicy,
    classify,
)
from execore.model import effects, reports, requests
from execore.model.failures import DuplicateOrderId, OrderNotFoundAtVenue, WriteOutcome
from execore.runtime.clock import Clock
from execore.runtime.lanes import Lane
from execore.runtime.retrying import Attempts, VenueRetryBudget
from execore.runtime.timers import MonotonicClock, Timers
from execore.venues.protocol import QueryAnswer, Venue

Message = effects.SendOrder | effects.SendCancel | effects.SendAmend
_NOT_SENT, _REFUSED, _UNKNOWN = WriteOutcome.NOT_SENT, WriteOutcome.REFUSED, WriteOutcome.UNKNOWN
_SECOND_NS: Final = 1_000_000_000

_FOUND_OUT: Final[dict[type[effects.Effect], dict[WriteOutcome, type[requests.Input]]]] = {
    effects.SendOrder: {
        _NOT_SENT: requests.SubmitNotSent,
        _REFUSED: reports.RejectReport,
        _UNKNOWN: requests.SubmitOutcomeUnknown,
    },
    effects.SendCancel: {
        _NOT_SENT: requests.RequestNotSent,
        _REFUSED: reports.CancelRejectReport,
        _UNKNOWN: requests.RequestOutcomeUnknown,
    },
    effects.SendAmend: {
        _NOT_SENT: requests.RequestNotSent,
        _REFUSED: reports.AmendRejectReport,
        _UNKNOWN: requests.RequestOutcomeUnknown,
    },
}
"""What a failed send tells the core, by what was sent and what is known of it."""

_DUPLICATE: Final[dict[type[reports.Report], str]] = {
    reports.RejectReport: "duplicate_client_order_id",
    reports.CancelRejectReport: "duplicate_request_id",
    reports.AmendRejectReport: "duplicate_request_id",
}

_OPERATIONS: Final = {
    effects.SendOrder: Operation.SUBMIT,
    effects.SendCancel: Operation.CANCEL,
    effects.SendAmend: Operation.AMEND,
}


class Sender:
    """Hands messages to one venue, through its lane.

    What is certainly not done may be tried again, as the retry policy says. What is not certain is not: it
    becomes UNKNOWN, and is asked about.

    Args:
        found_out: given what a send led to, as an input, when it was not handed over well.
        handed_over: given what was: what the venue makes of it comes as reports.
        still_wanted: whether a message that waits to be tried again should still go out.
        retry_policy: None tries everything once.
        random: for the jitter between attempts.
    """

    def __init__(
        self,
        venue: Venue,
        lane: Lane,
        timers: Timers,
        *,
        found_out: Callable[[requests.Input], None],
        handed_over: Callable[[Message], None],
        still_wanted: Callable[[Message], bool],
        clock: Clock,
        monotonic_ns: MonotonicClock,
        retry_policy: RetryPolicy | None = None,
        random: Random = _random.random,
    ) -> None:
        self.venue = venue
        self.lane = lane
        self._timers = timers
        self._found_out = found_out
        self._handed_over = handed_over
        self._still_wanted = still_wanted
        self._clock = clock
        self._monotonic_ns = monotonic_ns
        self._retry_policy = retry_policy
        self._random = random
        self._budget = VenueRetryBudget()
        self._calls: dict[type[effects.Effect], Callable[[Any], None]] = {
            effects.SendOrder: venue.submit,
            effects.SendCancel: venue.cancel,
            effects.SendAmend: venue.amend,
        }

    def send(self, message: Message) -> None:
        """Hand a message over."""
        self._try(message, self._attempts(message))

    def ask(
        self, query: effects.QueryOrder, answered: Callable[[QueryAnswer | Exception, int], None]
    ) -> None:
        """Ask the venue; ``answered`` gets its answer, or what went wrong, and when it was asked.

        The time is that of the monotonic clock just before the question, integer nanoseconds.
        """

        def call() -> tuple[QueryAnswer | Exception, int]:
            asked_ns = self._monotonic_ns()
            try:
                return self.venue.query(query), asked_ns
            except Exception as error:  # a foreign client may raise anything
                return error, asked_ns

        self.lane.run(call, lambda answer: answered(*answer))

    def _attempts(self, message: Message) -> Attempts | None:
        if self._retry_policy is None:
            return None
        return Attempts(
            self._retry_policy,
            _OPERATIONS[type(message)],
            self._budget,
            lambda: self._monotonic_ns() / _SECOND_NS,
            self._random,
            DEFAULT_TABLE,
        )

    def _try(self, message: Message, attempts: Attempts | None) -> None:
        self.lane.run(partial(self._call, message), partial(self._came_back, message, attempts))

    def _call(self, message: Message) -> Exception | None:
        try:
            self._calls[type(message)](message)
        except Exception as error:  # a foreign client may raise anything; classify() judges it by type
            return error
        return None

    def _came_back(self, message: Message, attempts: Attempts | None, error: Exception | None) -> None:
        if error is None:
            self._handed_over(message)
            return
        outcome = _REFUSED if isinstance(error, DuplicateOrderId) else classify(error).outcome
        if attempts is not None:
            decision = attempts.after_failure(error)
            if decision.action is RetryAction.RETRY:
                due_ns = self._monotonic_ns() + int(decision.delay_seconds * _SECOND_NS)
                self._timers.at(due_ns, partial(self._try_again, message, attempts, decision, error))
                return
            if decision.action is RetryAction.ASK_FIRST:
                outcome = _UNKNOWN
        self._found_out(self._as_input(message, outcome, error))

    def _try_again(
        self, message: Message, attempts: Attempts, decision: RetryDecision, error: Exception
    ) -> None:
        decision = attempts.after_sleep(decision)
        if decision.action is RetryAction.RETRY and self._still_wanted(message):
            self._try(message, attempts)
            return
        outcome = classify(error).outcome
        if decision.action is RetryAction.ASK_FIRST:
            outcome = _UNKNOWN
        elif decision.action is RetryAction.RETRY and outcome is not _UNKNOWN:
            outcome = (
                _NOT_SENT  # throttled at first, which says nothing of the order itself, and not wanted now
            )
        self._found_out(self._as_input(message, outcome, error))

    def _as_input(self, message: Any, outcome: WriteOutcome, error: Exception) -> requests.Input:
        kind: Any = _FOUND_OUT[type(message)][outcome]
        named: dict[str, Any] = {}
        if isinstance(message, effects.SendOrder):
            named["client_order_id"] = message.order.client_order_id
        else:
            named |= {"client_order_id": message.client_order_id, "request_id": message.request_id}
            if isinstance(error, OrderNotFoundAtVenue) and issubclass(kind, reports.Report):
                named["order_not_open"] = True
        if isinstance(error, DuplicateOrderId) and issubclass(kind, reports.Report):
            named[_DUPLICATE[kind]] = True
        found_out: requests.Input = kind(
            ts_ns=self._clock(), reason=f"{type(error).__name__}: {error}", **named
        )
        return found_out
