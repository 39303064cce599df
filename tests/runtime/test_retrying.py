"""The two executors: what they do with a script of failures, on a clock that only sleeping moves."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.core.retry_policy import (
    DEFAULT_TABLE,
    Classification,
    Operation,
    RetryBudget,
    RetryPolicy,
    classify,
)
from execore.model.failures import (
    AuthenticationFailed,
    ConnectionFailed,
    DuplicateOrderId,
    ErrorClass,
    InvalidOrder,
    OrderNotFoundAtVenue,
    OutcomeNotKnown,
    RateLimited,
    RequestTimeout,
    WriteOutcome,
)
from execore.runtime.retrying import VenueRetryBudget, run_with_retry, run_with_retry_async

POLICY = RetryPolicy(
    base_seconds=1, cap_seconds=8, max_attempts=4, max_elapsed_seconds=60, attempt_timeout_seconds=5
)
Step = str | BaseException


class Venue:
    """Plays a script: raises its errors, returns its words, and keeps the time."""

    def __init__(
        self, script: Sequence[Step], answer: Step = "queried", oversleep_seconds: float = 0
    ) -> None:
        self.script = list(script)
        self.answer = answer
        self.oversleep_seconds = oversleep_seconds
        self.now_seconds = 0.0
        self.trace: list[str | float] = []

    def call(self) -> str:
        self.trace.append("call")
        return self._play(self.script.pop(0))

    def query(self) -> str:
        self.trace.append("query")
        return self._play(self.answer)

    def sleep(self, delay_seconds: float) -> None:
        self.trace.append(delay_seconds)
        self.now_seconds += delay_seconds + self.oversleep_seconds

    def clock(self) -> float:
        return self.now_seconds

    async def call_async(self) -> str:
        return self.call()

    async def query_async(self) -> str:
        return self.query()

    async def sleep_async(self, delay_seconds: float) -> None:
        self.sleep(delay_seconds)

    def _play(self, step: Step) -> str:
        if isinstance(step, BaseException):
            raise step
        return step


def run_sync(
    venue: Venue,
    operation: Operation,
    *,
    asks: bool = True,
    budget: VenueRetryBudget | None = None,
    policy: RetryPolicy = POLICY,
) -> str:
    return run_with_retry(
        venue.call,
        policy,
        operation,
        budget=budget or VenueRetryBudget(),
        query=venue.query if asks else None,
        clock=venue.clock,
        sleep=venue.sleep,
        random=lambda: 0.5,
    )


def run_async(
    venue: Venue,
    operation: Operation,
    *,
    asks: bool = True,
    budget: VenueRetryBudget | None = None,
    policy: RetryPolicy = POLICY,
) -> str:
    # A coroutine that never waits needs no event loop: driven once, it is done.
    coroutine = run_with_retry_async(
        venue.call_async,
        policy,
        operation,
        budget=budget or VenueRetryBudget(),
        query=venue.query_async if asks else None,
        clock=venue.clock,
        sleep=venue.sleep_async,
        random=lambda: 0.5,
    )
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return str(finished.value)
    raise AssertionError("it waited for something real")


Run = Callable[..., str]
both = pytest.mark.parametrize("run", [run_sync, run_async])


@both
@pytest.mark.parametrize(
    ("operation", "script", "trace"),
    [
        (Operation.READ, ["ok"], ["call"]),
        (Operation.READ, [TimeoutError(), RateLimited("x"), "ok"], ["call", 0.5, "call", 1.0, "call"]),
        (Operation.CANCEL, [RequestTimeout("x"), "ok"], ["call", 0.5, "call"]),
        (Operation.SUBMIT, [ConnectionFailed("x"), "ok"], ["call", 0.5, "call"]),
        (
            Operation.SUBMIT,
            [RateLimited("x", retry_after_seconds=7), "ok"],
            ["call", 7.5, "call"],
        ),
        (Operation.SUBMIT, [RequestTimeout("x")], ["call", "query"]),
        (Operation.SUBMIT, [RuntimeError("x")], ["call", "query"]),
        (Operation.SUBMIT, [RateLimited("x"), DuplicateOrderId("x")], ["call", 0.5, "call", "query"]),
        (Operation.AMEND, [ConnectionFailed("x"), ConnectionError()], ["call", 0.5, "call", "query"]),
        (Operation.CANCEL, [TimeoutError(), InvalidOrder("too late")], ["call", 0.5, "call", "query"]),
        (
            Operation.CANCEL,
            [TimeoutError(), ConnectionFailed("x"), ConnectionFailed("x"), ConnectionFailed("x")],
            ["call", 0.5, "call", 1.0, "call", 2.0, "call", "query"],
        ),
    ],
)
def test_the_trace_of_a_script(
    run: Run, operation: Operation, script: list[Step], trace: list[str | float]
) -> None:
    venue = Venue(script)
    assert run(venue, operation) == ("queried" if trace[-1] == "query" else "ok")
    assert venue.trace == trace


@both
@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("error", [InvalidOrder("x"), AuthenticationFailed("x")])
def test_giving_up_raises_the_error_itself(run: Run, operation: Operation, error: Exception) -> None:
    venue = Venue([error])
    with pytest.raises(type(error)) as caught:
        run(venue, operation)
    assert caught.value is error
    assert venue.trace == ["call"]


@both
def test_attempts_are_bounded(run: Run) -> None:
    venue = Venue([TimeoutError()] * 9)
    with pytest.raises(TimeoutError):
        run(venue, Operation.READ)
    assert venue.trace.count("call") == POLICY.max_attempts


@both
def test_an_unknown_outcome_without_a_query_says_so_and_carries_the_original(run: Run) -> None:
    error = RequestTimeout("no answer in 10 s")
    with pytest.raises(OutcomeNotKnown, match="submit may have taken effect: after 1 attempt, Req") as caught:
        run(Venue([error]), Operation.SUBMIT, asks=False)
    assert caught.value.original is error
    assert caught.value.__cause__ is error
    assert classify(caught.value).outcome is WriteOutcome.UNKNOWN


@both
def test_a_query_that_fails_leaves_the_outcome_unknown(run: Run) -> None:
    error, not_found = RequestTimeout("x"), OrderNotFoundAtVenue("x")
    with pytest.raises(OutcomeNotKnown) as caught:
        run(Venue([error], answer=not_found), Operation.SUBMIT)
    assert caught.value.original is error
    assert caught.value.__cause__ is not_found


@both
@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_being_stopped_is_never_swallowed(run: Run, signal: type[BaseException]) -> None:
    for operation in Operation:
        venue = Venue([signal()])
        with pytest.raises(signal):
            run(venue, operation)
        assert venue.trace == ["call"]
    with pytest.raises(signal):
        run(Venue([TimeoutError()], answer=signal()), Operation.SUBMIT)


@both
@pytest.mark.parametrize(
    ("operation", "error", "outcome"),
    [
        (Operation.READ, TimeoutError(), TimeoutError),
        (Operation.SUBMIT, ConnectionFailed("x"), ConnectionFailed),
        (Operation.CANCEL, TimeoutError(), OutcomeNotKnown),
    ],
)
def test_a_sleep_that_took_too_long_makes_no_late_retry(
    run: Run, operation: Operation, error: Exception, outcome: type[Exception]
) -> None:
    venue = Venue([error], oversleep_seconds=3600)
    with pytest.raises(outcome):
        run(venue, operation, asks=False)
    assert venue.trace == ["call", 0.5]


@both
def test_the_callers_of_a_venue_share_one_budget(run: Run) -> None:
    budget = VenueRetryBudget(RetryBudget(calls_per_retry=10, reserve=2))
    traces = []
    for _ in range(3):
        venue = Venue([TimeoutError()] * 9)
        with pytest.raises(TimeoutError):
            run(venue, Operation.READ, budget=budget)
        traces.append(venue.trace.count("call"))
    assert traces == [3, 1, 1]
    for _ in range(10):
        assert run(Venue(["ok"]), Operation.READ, budget=budget) == "ok"
    assert run(Venue([TimeoutError(), "ok"]), Operation.READ, budget=budget) == "ok"


def test_a_budget_shared_by_threads_grants_no_retry_twice() -> None:
    budget = VenueRetryBudget(RetryBudget(calls_per_retry=1000, reserve=5))
    calls: list[str | float] = []

    def work() -> None:
        venue = Venue([TimeoutError()] * 9)
        with pytest.raises(TimeoutError):
            run_sync(venue, Operation.READ, budget=budget)
        calls.extend(step for step in venue.trace if step == "call")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 8 + 5
    assert budget.current.retries_left == 0


def test_rows_for_foreign_errors_reach_the_decision() -> None:
    class Foreign(Exception):
        pass

    venue = Venue([Foreign(), "ok"])
    row = Classification(ErrorClass.RETRYABLE, WriteOutcome.NOT_SENT)
    answer = run_with_retry(
        venue.call,
        POLICY,
        Operation.SUBMIT,
        budget=VenueRetryBudget(),
        sleep=venue.sleep,
        table={**DEFAULT_TABLE, Foreign: row},
    )
    assert answer == "ok"


def test_the_defaults_are_real() -> None:
    at_once = RetryPolicy(base_seconds=0)

    async def main() -> str:
        venue = Venue([TimeoutError(), "ok"])
        call: Callable[[], Awaitable[str]] = venue.call_async
        return await run_with_retry_async(call, at_once, Operation.READ, budget=VenueRetryBudget())

    assert asyncio.run(main()) == "ok"
    venue = Venue([TimeoutError(), "ok"])
    assert run_with_retry(venue.call, at_once, Operation.READ, budget=VenueRetryBudget()) == "ok"


def test_a_task_cancelled_while_it_waits_makes_no_further_call() -> None:
    async def main() -> list[str | float]:
        venue = Venue([TimeoutError(), "never"])

        async def forever(_: float) -> None:
            await asyncio.Event().wait()

        task = asyncio.create_task(
            run_with_retry_async(
                venue.call_async, POLICY, Operation.READ, budget=VenueRetryBudget(), sleep=forever
            )
        )
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return venue.trace

    assert asyncio.run(main()) == ["call"]


# --- properties -------------------------------------------------------------------------------------------

FAILURES: list[Callable[[], Exception]] = [
    TimeoutError,
    RuntimeError,
    lambda: ConnectionFailed("x"),
    lambda: RateLimited("x", retry_after_seconds=20),
    lambda: InvalidOrder("x"),
    lambda: DuplicateOrderId("x"),
    lambda: AuthenticationFailed("x"),
]
scripts = st.lists(st.sampled_from(FAILURES), max_size=6).map(lambda makers: [make() for make in makers])


def outcome_of(run: Run, script: Sequence[Step], operation: Operation, budget: RetryBudget) -> object:
    venue, shared = Venue([*script, "ok"]), VenueRetryBudget(budget)
    try:
        result: object = run(venue, operation, budget=shared)
    except Exception as error:
        result = error
    return result, venue.trace, venue.now_seconds, shared.current


@given(scripts, st.sampled_from(list(Operation)), st.integers(0, 4))
def test_sync_and_async_do_the_same(script: list[Step], operation: Operation, reserve: int) -> None:
    budget = RetryBudget(reserve=reserve)
    assert outcome_of(run_sync, script, operation, budget) == outcome_of(run_async, script, operation, budget)


@given(scripts, st.sampled_from([Operation.SUBMIT, Operation.AMEND]))
def test_no_order_is_sent_again_once_it_may_have_arrived(script: list[Step], operation: Operation) -> None:
    venue = Venue([*script, "ok"])
    try:
        result = run_sync(venue, operation)
    except Exception as error:
        result = type(error).__name__
    certain = (ConnectionFailed, RateLimited)
    sure = next((n for n, error in enumerate(script) if not isinstance(error, certain)), len(script))
    assert venue.trace.count("call") <= sure + 1
    assert venue.now_seconds + POLICY.attempt_timeout_seconds <= POLICY.max_elapsed_seconds
    assert ("query" in venue.trace) == (result == "queried")
