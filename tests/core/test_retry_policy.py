"""What follows a failed call: the table by hand, then the bounds as properties."""

import builtins
import json
import math
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.core.retry_policy import (
    DEFAULT_TABLE,
    UNLISTED,
    Classification,
    Operation,
    RetryAction,
    RetryBudget,
    RetryDecision,
    RetryPolicy,
    RetryReason,
    classify,
)
from execore.model import failures
from execore.model.errors import InvalidConfiguration, InvalidInput
from execore.model.failures import ErrorClass, OutcomeNotKnown, RateLimited, VenueError, WriteOutcome

# Written by hand from DESIGN §6, not from the code's table. Columns: what follows a first failed attempt.
EXPECTED = """
error                  read     cancel     submit     amend
VenueError             give_up  ask_first  ask_first  ask_first
NetworkError           retry    retry      ask_first  ask_first
ConnectionFailed       retry    retry      retry      retry
ConnectionLost         retry    retry      ask_first  ask_first
RequestTimeout         retry    retry      ask_first  ask_first
ServiceUnavailable     retry    retry      ask_first  ask_first
UnreadableAnswer       retry    retry      ask_first  ask_first
RateLimited            retry    retry      retry      retry
TimestampRefused       retry    retry      retry      retry
ValidationFailed       give_up  give_up    give_up    give_up
OrderRefused           give_up  give_up    give_up    give_up
InvalidOrder           give_up  give_up    give_up    give_up
InsufficientBalance    give_up  give_up    give_up    give_up
MarketClosed           give_up  give_up    give_up    give_up
AuthenticationFailed   give_up  give_up    give_up    give_up
AccountBlocked         give_up  give_up    give_up    give_up
OrderNotFoundAtVenue   give_up  ask_first  ask_first  ask_first
DuplicateOrderId       give_up  ask_first  ask_first  ask_first
OutcomeNotKnown        give_up  ask_first  ask_first  ask_first
TimeoutError           retry    retry      ask_first  ask_first
ConnectionError        retry    retry      ask_first  ask_first
ConnectionRefusedError retry    retry      retry      retry
ConnectionResetError   retry    retry      ask_first  ask_first
ConnectionAbortedError retry    retry      ask_first  ask_first
BrokenPipeError        retry    retry      ask_first  ask_first
EOFError               retry    retry      ask_first  ask_first
OSError                retry    retry      ask_first  ask_first
FileExistsError        give_up  ask_first  ask_first  ask_first
FileNotFoundError      give_up  ask_first  ask_first  ask_first
IsADirectoryError      give_up  ask_first  ask_first  ask_first
NotADirectoryError     give_up  ask_first  ask_first  ask_first
PermissionError        give_up  ask_first  ask_first  ask_first
ValueError             give_up  ask_first  ask_first  ask_first
UnicodeError           give_up  ask_first  ask_first  ask_first
KeyError               give_up  ask_first  ask_first  ask_first
RuntimeError           give_up  ask_first  ask_first  ask_first
Exception              give_up  ask_first  ask_first  ask_first
"""
HEADER, *ROWS = (line.split() for line in EXPECTED.strip().splitlines())
CELLS = [(row[0], word, action) for row in ROWS for word, action in zip(HEADER[1:], row[1:], strict=True)]

WRITES = [Operation.CANCEL, Operation.SUBMIT, Operation.AMEND]
POLICY = RetryPolicy(
    base_seconds=1, cap_seconds=8, max_attempts=4, max_elapsed_seconds=60, attempt_timeout_seconds=5
)


def kind_of(name: str) -> type[Exception]:
    kind: type[Exception] = getattr(failures, name, None) or getattr(builtins, name)
    return kind


def error_of(name: str, text: str = "it failed") -> Exception:
    if name == "OutcomeNotKnown":
        return OutcomeNotKnown(text, "query", TimeoutError())
    return kind_of(name)(text)


def decide(
    error: Exception,
    operation: Operation = Operation.READ,
    *,
    policy: RetryPolicy = POLICY,
    attempt: int = 1,
    elapsed_seconds: float = 0,
    budget: RetryBudget | None = None,
    random: float = 0.5,
    unsettled: bool = False,
) -> RetryDecision:
    return policy.decide(
        error,
        operation,
        attempt=attempt,
        elapsed_seconds=elapsed_seconds,
        budget=budget or RetryBudget(),
        random=lambda: random,
        unsettled=unsettled,
    )


# --- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "word", "action"), CELLS, ids=[f"{n}-{w}" for n, w, _ in CELLS])
def test_what_follows_a_failed_attempt(name: str, word: str, action: str) -> None:
    assert decide(error_of(name), Operation(word)).action == action


def test_every_error_of_the_tree_and_every_builtin_row_is_in_the_table() -> None:
    declared = {
        name
        for name, kind in vars(failures).items()
        if isinstance(kind, type) and issubclass(kind, VenueError)
    }
    assert declared | {kind.__name__ for kind in DEFAULT_TABLE} <= {row[0] for row in ROWS}
    assert HEADER[1:] == list(Operation)


@pytest.mark.parametrize("name", [row[0] for row in ROWS])
@pytest.mark.parametrize("text", ["rate limit exceeded, not sent", "401 invalid api key", "timeout", ""])
def test_the_text_of_the_message_is_irrelevant(name: str, text: str) -> None:
    for operation in Operation:
        assert decide(error_of(name, text), operation) == decide(error_of(name, "x"), operation)


def test_codes_are_stable_and_unique() -> None:
    kinds = [
        kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, VenueError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "error",
    [RateLimited("slow down", "wait", "429", 3.0), OutcomeNotKnown("submit", "query", RateLimited("x"))],
)
def test_venue_errors_survive_pickling(error: VenueError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.venue_code, copy.retry_after_seconds) == (
        str(error),
        error.venue_code,
        error.retry_after_seconds,
    )


# --- classification -----------------------------------------------------------------------------------


class Throttled(RateLimited):
    """Says nothing of its own."""


class HalfSaid(RateLimited):
    outcome = WriteOutcome.UNKNOWN


class ForeignTimeout(Exception):
    pass


class ForeignReadTimeout(ForeignTimeout):
    pass


def test_a_subclass_inherits_what_its_parent_proves() -> None:
    class Reset(ConnectionResetError):
        pass

    assert classify(Throttled("x")) == Classification(ErrorClass.RETRYABLE, WriteOutcome.REFUSED)
    assert classify(Reset()) == Classification(ErrorClass.RETRYABLE, WriteOutcome.UNKNOWN)


def test_a_venue_error_may_override_half() -> None:
    assert classify(HalfSaid("x")) == Classification(ErrorClass.RETRYABLE, WriteOutcome.UNKNOWN)


def test_a_garbled_answer_is_no_proof_that_the_input_was_wrong() -> None:
    with pytest.raises(ValueError) as caught:
        json.loads("<html>502</html>")
    assert decide(caught.value, Operation.SUBMIT).action is RetryAction.ASK_FIRST


def test_rows_can_be_added_and_the_nearest_ancestor_wins() -> None:
    row = Classification(ErrorClass.RETRYABLE, WriteOutcome.NOT_SENT)
    other = Classification(ErrorClass.RETRYABLE, WriteOutcome.UNKNOWN)
    table = {**DEFAULT_TABLE, ForeignTimeout: row, RateLimited: other}
    assert classify(ForeignReadTimeout()) == UNLISTED
    assert classify(ForeignReadTimeout(), table) == row
    assert classify(Throttled("x"), table) == other
    assert classify(ForeignReadTimeout(), {**table, ForeignReadTimeout: other}) == other


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("kind", [Exception, RuntimeError, ForeignTimeout, KeyError, ZeroDivisionError])
def test_an_unlisted_error_on_a_write_is_never_retried(kind: type[Exception], operation: Operation) -> None:
    assert decide(kind(), operation).action is RetryAction.ASK_FIRST


# --- an earlier attempt that may have worked ------------------------------------------------------------


@pytest.mark.parametrize("name", [row[0] for row in ROWS])
def test_after_an_unknown_outcome_nothing_proves_that_a_write_had_no_effect(name: str) -> None:
    for operation in WRITES:
        action = decide(error_of(name), operation, unsettled=True).action
        assert action is not RetryAction.GIVE_UP
        assert operation is Operation.CANCEL or action is RetryAction.ASK_FIRST


def test_a_cancel_of_unknown_outcome_that_may_not_be_repeated_is_asked_after() -> None:
    decision = decide(TimeoutError(), Operation.CANCEL, attempt=4)
    assert (decision.action, decision.reason) == (RetryAction.ASK_FIRST, RetryReason.ATTEMPTS_USED)


# --- reasons and bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "operation", "attempt", "elapsed_seconds", "owed_calls", "reason"),
    [
        ("TimeoutError", Operation.READ, 1, 0, 0, RetryReason.REPEATABLE),
        ("TimeoutError", Operation.READ, 3, 0, 0, RetryReason.REPEATABLE),
        ("TimeoutError", Operation.READ, 4, 0, 0, RetryReason.ATTEMPTS_USED),
        # the jitter is 0.5 s here: 54.5 + 0.5 + the attempt's own 5 s end at 60 exactly
        ("TimeoutError", Operation.READ, 1, 54.5, 0, RetryReason.REPEATABLE),
        ("TimeoutError", Operation.READ, 1, 54.6, 0, RetryReason.TIME_USED),
        ("TimeoutError", Operation.READ, 1, math.nan, 0, RetryReason.TIME_USED),
        ("TimeoutError", Operation.READ, 1, 0, 90, RetryReason.REPEATABLE),
        ("TimeoutError", Operation.READ, 1, 0, 91, RetryReason.BUDGET_USED),
        ("TimeoutError", Operation.SUBMIT, 1, 0, 0, RetryReason.OUTCOME_UNKNOWN),
        ("InvalidOrder", Operation.SUBMIT, 1, 0, 0, RetryReason.NON_RETRYABLE),
        ("AuthenticationFailed", Operation.READ, 1, 0, 0, RetryReason.FATAL),
    ],
)
def test_the_reason_is_said(
    name: str,
    operation: Operation,
    attempt: int,
    elapsed_seconds: float,
    owed_calls: int,
    reason: RetryReason,
) -> None:
    budget = RetryBudget(owed_calls=owed_calls)
    decision = decide(
        error_of(name), operation, attempt=attempt, elapsed_seconds=elapsed_seconds, budget=budget
    )
    assert decision.reason is reason
    assert decision.budget == (budget.after_retry() if reason is RetryReason.REPEATABLE else budget)


def test_the_bound_of_the_delay_doubles_up_to_the_cap() -> None:
    assert [POLICY.backoff_seconds(attempt, lambda: 1.0) for attempt in range(1, 7)] == [1, 2, 4, 8, 8, 8]
    assert POLICY.backoff_seconds(1_000_000, lambda: 1.0) == 8
    assert RetryPolicy(base_seconds=0).backoff_seconds(1_000_000, lambda: 1.0) == 0


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(InvalidInput, match="attempt"):
        decide(TimeoutError(), attempt=0)


@pytest.mark.parametrize(
    ("asked", "delay"), [(None, 0.5), (0.0, 0.5), (3.0, 3.5), (-1.0, 0.5), (math.nan, 0.5)]
)
def test_the_venue_is_never_asked_again_before_it_said(asked: float | None, delay: float) -> None:
    decision = decide(RateLimited("slow down", retry_after_seconds=asked), Operation.SUBMIT)
    assert (decision.action, decision.delay_seconds) == (RetryAction.RETRY, delay)


@pytest.mark.parametrize("asked", [56.0, 3600.0, math.inf])
def test_a_retry_after_beyond_the_time_left_gives_up(asked: float) -> None:
    decision = decide(RateLimited("banned", retry_after_seconds=asked), Operation.SUBMIT)
    assert (decision.action, decision.reason) == (RetryAction.GIVE_UP, RetryReason.TIME_USED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_seconds", -1),
        ("multiplier", 0.5),
        ("cap_seconds", math.nan),
        ("max_attempts", 0),
        ("max_elapsed_seconds", math.inf),
        ("attempt_timeout_seconds", -0.1),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_field(field: str, value: float) -> None:
    with pytest.raises(InvalidConfiguration, match=field):
        RetryPolicy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "value"), [("calls_per_retry", 0), ("reserve", -1), ("owed_calls", -1)])
def test_a_budget_that_cannot_work_is_refused_by_field(field: str, value: int) -> None:
    with pytest.raises(InvalidConfiguration, match=field):
        RetryBudget(**{field: value})


# --- properties -------------------------------------------------------------------------------------------

seconds = st.floats(0, 1e6)
fractions = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    base_seconds=seconds,
    multiplier=st.floats(1, 1e300),
    cap_seconds=seconds,
    max_attempts=st.integers(1, 50),
    max_elapsed_seconds=seconds,
    attempt_timeout_seconds=st.floats(0, 100),
)
retry_afters = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(policies, st.integers(1, 10_000), fractions)
def test_the_backoff_stays_within_its_bound(policy: RetryPolicy, attempt: int, random: float) -> None:
    delay = policy.backoff_seconds(attempt, lambda: random)
    exact = Fraction(policy.base_seconds) * Fraction(policy.multiplier) ** min(attempt - 1, 20)
    bound = policy.cap_seconds if attempt > 21 else min(Fraction(policy.cap_seconds), exact)
    assert 0 <= delay <= bound * Fraction(1_000_000_001, 1_000_000_000)


@given(policies, st.integers(1, 60), seconds, fractions, retry_afters, st.sampled_from(list(Operation)))
def test_a_retry_comes_when_the_venue_said_ends_in_time_and_is_counted(
    policy: RetryPolicy,
    attempt: int,
    elapsed_seconds: float,
    random: float,
    asked: float | None,
    operation: Operation,
) -> None:
    error = RateLimited("x", retry_after_seconds=asked)
    decision = decide(
        error, operation, policy=policy, attempt=attempt, elapsed_seconds=elapsed_seconds, random=random
    )
    if decision.action is not RetryAction.RETRY:
        assert decision.action is RetryAction.GIVE_UP
        return
    assert decision.delay_seconds >= max(0, asked or 0) or math.isnan(asked or 0)
    assert (
        elapsed_seconds + decision.delay_seconds + policy.attempt_timeout_seconds
        <= policy.max_elapsed_seconds
    )
    assert attempt < policy.max_attempts


@given(st.integers(1, 20), st.integers(0, 20), st.lists(st.booleans(), max_size=300))
def test_retries_are_a_share_of_calls_plus_the_reserve(
    calls_per_retry: int, reserve: int, steps: list[bool]
) -> None:
    budget = RetryBudget(calls_per_retry, reserve)
    calls = retries = 0
    for wants_retry in steps:
        if not wants_retry:
            budget, calls = budget.after_call(), calls + 1
        elif budget.retries_left:
            budget, retries = budget.after_retry(), retries + 1
        assert retries * calls_per_retry <= reserve * calls_per_retry + calls
        assert 0 <= budget.retries_left <= reserve


def test_ten_calls_earn_one_retry() -> None:
    budget = RetryBudget(calls_per_retry=10, reserve=1).after_retry()
    for _ in range(9):
        budget = budget.after_call()
        assert budget.retries_left == 0
    assert budget.after_call().retries_left == 1
