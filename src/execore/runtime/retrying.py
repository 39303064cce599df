"""Calls to a venue, repeated as the retry policy decides. One logic, two executors: threads and asyncio.

Turn off every retry of the transport below (HTTP library, SDK, proxy): it repeats submits without knowing
what they are, and a "connection refused" is then no proof that nothing was sent.
"""

import asyncio
import random as _random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import msgspec

from execore.core.retry_policy import (
    DEFAULT_TABLE,
    Classification,
    Operation,
    Random,
    RetryAction,
    RetryBudget,
    RetryDecision,
    RetryPolicy,
    RetryReason,
    no_retry,
)
from execore.model.failures import OutcomeNotKnown, WriteOutcome

Result = TypeVar("Result")


class VenueRetryBudget:
    """The retry budget that all callers of one venue share. Safe to use from many threads."""

    def __init__(self, budget: RetryBudget | None = None) -> None:
        self._lock = threading.Lock()
        self._budget = budget or RetryBudget()

    @property
    def current(self) -> RetryBudget:
        """What is left now."""
        return self._budget

    def note_call(self) -> None:
        """Earn the credit of one call, made for the first time."""
        with self._lock:
            self._budget = self._budget.after_call()

    def draw(self, decide: Callable[[RetryBudget], RetryDecision]) -> RetryDecision:
        """Return ``decide``'s decision on the current budget, and keep the budget it leaves."""
        with self._lock:
            decision = decide(self._budget)
            self._budget = decision.budget
        return decision


class Attempts:
    """The attempts of one call: what both executors know, and how they decide."""

    def __init__(
        self,
        policy: RetryPolicy,
        operation: Operation,
        budget: VenueRetryBudget,
        clock: Callable[[], float],
        random: Random,
        table: Mapping[type[Exception], Classification],
    ) -> None:
        self._policy = policy
        self._operation = operation
        self._budget = budget
        self._clock = clock
        self._random = random
        self._table = table
        self._failed = 0
        self._unsettled = False
        self._began = clock()
        budget.note_call()

    def after_failure(self, error: Exception) -> RetryDecision:
        """Decide what follows ``error``, and remember if the write may have taken effect."""
        self._failed += 1
        decision = self._budget.draw(
            lambda budget: self._policy.decide(
                error,
                self._operation,
                attempt=self._failed,
                elapsed_seconds=self._clock() - self._began,
                budget=budget,
                random=self._random,
                unsettled=self._unsettled,
                table=self._table,
            )
        )
        self._unsettled |= decision.classification.outcome is WriteOutcome.UNKNOWN
        return decision

    def after_sleep(self, decision: RetryDecision) -> RetryDecision:
        """Return the decision to retry, unless the sleep took so long that it is now too late."""
        if self._policy.in_time(self._clock() - self._began):
            return decision
        outcome = WriteOutcome.UNKNOWN if self._unsettled else decision.classification.outcome
        action = no_retry(self._operation, outcome)
        return msgspec.structs.replace(decision, action=action, reason=RetryReason.TIME_USED)

    def outcome_not_known(self, error: Exception) -> OutcomeNotKnown:
        """Return the error that says so, with ``error`` in it."""
        count = "1 attempt" if self._failed == 1 else f"{self._failed} attempts"
        what = f"The {self._operation} may have taken effect: after {count}, {type(error).__name__}"
        return OutcomeNotKnown(what, "Query the order at the venue; do not send it again", error)


def run_with_retry(
    call: Callable[[], Result],
    policy: RetryPolicy,
    operation: Operation,
    *,
    budget: VenueRetryBudget,
    query: Callable[[], Result] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
    random: Random = _random.random,
    table: Mapping[type[Exception], Classification] = DEFAULT_TABLE,
) -> Result:
    """Make ``call``, and again as ``policy`` decides; blocks the thread while it waits.

    Only ``Exception`` is looked at: KeyboardInterrupt and the like pass through at once.

    Args:
        call: one attempt, with a timeout of its own; every attempt must carry the same order id.
        policy: how often, how fast and how long.
        operation: what ``call`` does at the venue.
        budget: the budget that the venue's callers share.
        query: asks the venue what a write of unknown outcome did, and answers what ``call`` would have.
        clock: seconds on a clock that never goes back.
        sleep: waits the given number of seconds.
        random: where jitter comes from, uniform in [0, 1).
        table: what error types prove.

    Returns:
        What ``call`` returned, or ``query`` in its place.

    Raises:
        OutcomeNotKnown: the write may have taken effect, and there is no ``query``, or it failed too.
        Exception: whatever the last attempt raised; a write then certainly had no effect.
    """
    attempts = Attempts(policy, operation, budget, clock, random, table)
    while True:
        try:
            return call()
        except Exception as error:
            decision = attempts.after_failure(error)
            if decision.action is RetryAction.RETRY:
                sleep(decision.delay_seconds)
                decision = attempts.after_sleep(decision)
            if decision.action is RetryAction.GIVE_UP:
                raise
            if decision.action is RetryAction.ASK_FIRST:
                unknown = attempts.outcome_not_known(error)
                break
    if query is None:
        raise unknown from unknown.original
    try:
        return query()
    except Exception as failed_query:
        raise unknown from failed_query


async def run_with_retry_async(
    call: Callable[[], Awaitable[Result]],
    policy: RetryPolicy,
    operation: Operation,
    *,
    budget: VenueRetryBudget,
    query: Callable[[], Awaitable[Result]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    random: Random = _random.random,
    table: Mapping[type[Exception], Classification] = DEFAULT_TABLE,
) -> Result:
    """Do what ``run_with_retry`` does, awaiting ``call``, ``query`` and ``sleep``.

    Cancelling the task passes through at once; a write cancelled in flight is one of unknown outcome.

    Args, returns and errors are those of ``run_with_retry``.

    Raises:
        OutcomeNotKnown: the write may have taken effect, and there is no ``query``, or it failed too.
        Exception: whatever the last attempt raised; a write then certainly had no effect.
    """
    attempts = Attempts(policy, operation, budget, clock, random, table)
    while True:
        try:
            return await call()
        except Exception as error:
            decision = attempts.after_failure(error)
            if decision.action is RetryAction.RETRY:
                await sleep(decision.delay_seconds)
                decision = attempts.after_sleep(decision)
            if decision.action is RetryAction.GIVE_UP:
                raise
            if decision.action is RetryAction.ASK_FIRST:
                unknown = attempts.outcome_not_known(error)
                break
    if query is None:
        raise unknown from unknown.original
    try:
        return await query()
    except Exception as failed_query:
        raise unknown from failed_query
