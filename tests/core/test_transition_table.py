"""Every state against every input, one named row each, against an expectation written by hand."""

from collections.abc import Callable
from typing import Final

import pytest

from execore.core.decisions import decide
from execore.core.order_ledger import OrderLedger
from execore.core.transition_table import RULES, OrderInput, Reaction
from execore.model import events, requests
from execore.model.answers import Outcome
from execore.model.keys import execution_key
from execore.model.orders import Order
from execore.model.vocabulary import OrderState
from execore.testing.coverage_page import is_alerted, reached
from execore.testing.transition_samples import KEY, LIVES, SAMPLES, Life, ledger_after

# Written from DESIGN §3, not from the code's table. A cell is the state that a plain order of 1 is in after
# a plain input, with ! if somebody is alerted. A fill is of 0.5, an amend is to 2; a request that is answered
# was asked for before, where that is possible; a trade that changes is the first fill of 0.5, where there was
# one; CLOSED was cancelled before, or filled by two fills. Else: = already done, . ignored, ? parked, -
# refused.
EXPECTED: Final = """
                   CR   SU   UN   AC   PF   FI   CA   EX   RE   FA   DE   CL
submit             SU   =    =    =    =    =    -    -    -    -    -    -
hold               CR!  -    -    -    -    -    -    -    -    -    -    -
deny               DE   -    -    -    -    -    -    -    -    -    =    -
cancel_request     CA   SU   UN   AC   PF   -    =    -    -    -    -    -
amend_request      -    -    -    AC   PF   FI   -    -    -    -    -    -
close              -    -    -    -    -    CL   CL   CL   CL   CL   CL   =
not_sent           FA   FA   FA   ?    ?    ?    .    .    .    =    .    .
outcome_unknown    -    UN   =    .    .    .    .    .    .    .    .    .
request_not_sent   .    SU   UN   AC   PF   FI   CA   EX   RE   FA   .    .
request_unknown    .    SU   UN   AC   PF   FI   CA   EX   RE   FA   .    .
not_found          .    .    FA!  ?    ?    .    .    .    .    =    .    .
retry_cancel       .    SU   UN   AC   PF   .    .    .    .    .    .    .
resolve            -    -    FA   -    -    -    -    -    -    =    -    -
acknowledge        AC!  AC   AC   =    =    =    =    =    ?    AC!  AC!  =
fill               PF!  PF   PF   PF   FI   FI!  CA!  EX!  PF!  PF!  PF!  CA!
cancelled          CA!  CA   CA   CA   CA   FI   =    .    CA!  CA!  CA!  .
rejected           RE!  RE   RE   RE   ?    ?    .    .    =    .    RE!  .
duplicate_rejected AC!  AC   AC   .    .    .    .    .    .    AC!  AC!  .
expired            EX!  EX   EX   EX   EX   FI   .    =    ?    EX!  EX!  .
amended            AC!  AC   AC   AC   PF   PF   CA!  EX!  RE!  AC!  AC!  CL!
cancel_rejected    .    SU   UN   AC   PF   FI   CA   EX   RE   FA   .    .
amend_rejected     .    SU   UN   AC   PF   FI   CA   EX   RE   FA   .    .
pending            .    SU   UN   AC   PF   FI   CA   EX   RE   FA   .    .
done_for_day       AC!  AC   AC   AC   PF   FI   .    =    ?    AC!  AC!  .
suspended          AC!  AC   AC   AC   PF   .    .    .    ?    AC!  AC!  .
stopped            AC!  AC   AC   AC   PF   .    ?    ?    ?    AC!  AC!  ?
triggered          AC!  AC   AC   AC   PF   .    .    .    ?    AC!  AC!  .
restated           AC!  AC   AC   AC   PF   PF   CA!  EX!  RE!  AC!  AC!  CL!
status             .    .    .    .    .    .    .    .    .    .    .    .
trade_cancelled    ?    ?    ?    ?    AC!  PF!  CA!  EX!  ?    ?    ?    PF!
trade_corrected    ?    ?    ?    ?    PF!  FI!  CA!  EX!  ?    ?    ?    FI!
expiry_due         DE   SU!  UN!  AC!  PF!  .    .    =    .    .    .    .
day_started        .    .    .    AC   PF   FI   .    .    .    .    .    .
"""
STATES: Final = {
    "CR": OrderState.CREATED,
    "SU": OrderState.SUBMITTED,
    "UN": OrderState.UNKNOWN,
    "AC": OrderState.ACKNOWLEDGED,
    "PF": OrderState.PARTIALLY_FILLED,
    "FI": OrderState.FILLED,
    "CA": OrderState.CANCELLED,
    "EX": OrderState.EXPIRED,
    "RE": OrderState.REJECTED,
    "FA": OrderState.FAILED,
    "DE": OrderState.DENIED,
    "CL": OrderState.CLOSED,
}
ALLOWED: Final = {
    OrderState.CREATED: ("submit", "hold", "deny", "cancel_request"),
    OrderState.SUBMITTED: ("cancel_request",),
    OrderState.UNKNOWN: ("cancel_request", "resolve"),
    OrderState.ACKNOWLEDGED: ("cancel_request", "amend_request"),
    OrderState.PARTIALLY_FILLED: ("cancel_request", "amend_request"),
    OrderState.FILLED: ("amend_request", "close"),
    OrderState.CLOSED: (),
}
FINISHED_ALLOWED: Final = ("close",)
WORDS: Final = {
    "=": Outcome.ALREADY_DONE,
    ".": Outcome.IGNORED,
    "?": Outcome.PARKED,
    "-": Outcome.REFUSED,
}
ANSWERS_A_REQUEST: Final = {
    OrderInput.REQUEST_NOT_SENT,
    OrderInput.REQUEST_UNKNOWN,
    OrderInput.CANCEL_REJECTED,
    OrderInput.AMEND_REJECTED,
    OrderInput.PENDING,
}
CHANGES_A_TRADE: Final = {OrderInput.TRADE_CANCELLED, OrderInput.TRADE_CORRECTED}
CONCERNS: Final[dict[OrderInput, Callable[[Order], bool]]] = {
    OrderInput.EXPIRY_DUE: lambda order: order.ending is not None,
    OrderInput.DAY_STARTED: lambda order: order.done_for_day,
    OrderInput.RETRY_CANCEL: lambda order: "c1" in order.unknown_requests,
}
"""Inputs that concern some orders only."""


def rows() -> dict[tuple[OrderInput, OrderState], str]:
    header, *lines = [line.split() for line in EXPECTED.strip().splitlines()]
    return {
        (OrderInput(name), STATES[column]): cell
        for name, *cells in lines
        for column, cell in zip(header, cells, strict=True)
    }


ROWS: Final = rows()


def case(state: OrderState, order_input: OrderInput) -> tuple[Life, requests.Input]:
    """An order in ``state`` and an input that suits it: a request to reply to, a fill to undo."""
    if order_input in ANSWERS_A_REQUEST:
        for cause in SAMPLES[order_input]:
            for life in LIVES[state]:
                if cause.request_id in ledger_after(life).get(KEY).pending_request_ids:  # type: ignore[attr-defined]
                    return life, cause
    if order_input in CHANGES_A_TRADE:
        for life in LIVES[state]:
            if ledger_after(life).executions.standing(execution_key("", "E1")) is not None:
                return life, SAMPLES[order_input][0]
    if order_input in CONCERNS:
        for life in LIVES[state]:
            if CONCERNS[order_input](ledger_after(life).get(KEY)):
                return life, SAMPLES[order_input][0]
    return LIVES[state][0], SAMPLES[order_input][0]


every_cell = pytest.mark.parametrize(
    ("order_input", "state"), ROWS, ids=[f"{order_input}-on-{state}" for order_input, state in ROWS]
)


@every_cell
def test_the_cell_answers_as_expected(order_input: OrderInput, state: OrderState) -> None:
    expected = ROWS[order_input, state]
    life, cause = case(state, order_input)
    ledger = ledger_after(life)
    before = ledger.get(KEY)
    assert before.state is state

    answer = decide(ledger, before, cause)
    after = ledger.apply_answer(answer, 5).order

    assert answer.order is before, "deciding changes nothing; only folding the events does"
    assert after is not None
    if expected in WORDS:
        assert answer.outcome is WORDS[expected]
        assert after.state is state
    else:
        assert answer.outcome is Outcome.APPLIED
        assert after.state is STATES[expected.rstrip("!")]
        assert answer.events, "what is applied is recorded"
        assert after != before
        assert is_alerted(answer) is expected.endswith("!")
        assert answer.refusal is None


@every_cell
def test_what_is_not_applied_says_why_and_changes_nothing(order_input: OrderInput, state: OrderState) -> None:
    life, cause = case(state, order_input)
    ledger = ledger_after(life)
    before = ledger.get(KEY)
    answer = decide(ledger, before, cause)
    if answer.outcome is Outcome.APPLIED:
        assert answer.ok
        return
    refusal = answer.refusal
    assert refusal is not None
    assert refusal.code
    assert refusal.input == order_input
    assert refusal.state is state
    assert refusal.client_order_id == KEY
    for word in (order_input.replace("_", " "), KEY, state.value):
        assert word in refusal.message
    assert answer.ok is (answer.outcome is Outcome.ALREADY_DONE)

    after = ledger.apply_answer(answer, before.updated_ts_ns).order
    assert after is not None
    if answer.outcome is Outcome.PARKED:
        assert is_alerted(answer)
        assert all(isinstance(event, events.ReportParked) for event in answer.events)
        assert (after.state, after.filled, after.quantity) == (before.state, before.filled, before.quantity)
    else:
        assert answer.events == ()
        assert answer.effects == ()
        assert after is before
    allowed = ALLOWED.get(state, FINISHED_ALLOWED) if answer.outcome is Outcome.REFUSED else ()
    assert refusal.allowed == allowed


@every_cell
def test_the_same_input_again_applies_nothing(order_input: OrderInput, state: OrderState) -> None:
    life, cause = case(state, order_input)
    ledger = ledger_after(life)
    first = take(ledger, cause)
    again = take(ledger, cause)
    assert again is not Outcome.APPLIED
    if first is Outcome.APPLIED and order_input is not OrderInput.AMEND_REQUEST:  # a request id is used once
        assert again in (Outcome.ALREADY_DONE, Outcome.IGNORED)


def take(ledger: OrderLedger, cause: requests.Input) -> Outcome:
    return ledger.take(ledger.get(KEY), cause).outcome


@every_cell
def test_replaying_the_events_gives_an_equal_order(order_input: OrderInput, state: OrderState) -> None:
    for life in LIVES[state]:
        for cause in SAMPLES[order_input]:
            ledger = ledger_after(life)
            ledger.take(ledger.get(KEY), cause)
            replayed = ledger_after(tuple(ledger.history(KEY)))
            assert replayed.get(KEY) == ledger.get(KEY)
            assert replayed.to_dict() == ledger.to_dict()


@every_cell
def test_the_table_does_not_promise_what_cannot_happen(order_input: OrderInput, state: OrderState) -> None:
    """A cell that says "apply" has a sample order that it applies to; another cell has none."""
    rule = RULES[order_input][state]
    assert bool(reached(state, order_input)) is rule.applies
    if rule.reaction is Reaction.APPLY_AND_ALERT:
        assert reached(state, order_input, alerted=True)
        assert not reached(state, order_input, alerted=False)


def test_every_pair_has_a_row_here_and_a_cell_there() -> None:
    pairs = {(order_input, state) for order_input in OrderInput for state in OrderState}
    assert set(ROWS) == pairs
    assert {(name, state) for name, row in RULES.items() for state in row} == pairs
    assert set(SAMPLES) == set(OrderInput)
    assert set(LIVES) == set(OrderState)


def test_every_cell_has_a_code_of_its_own_and_a_reason() -> None:
    rules = [rule for row in RULES.values() for rule in row.values()]
    assert len({rule.code for rule in rules}) == len(rules)
    assert all(rule.why for rule in rules)
