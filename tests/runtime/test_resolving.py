"""What is unknown is asked after, proven, sent again where that is safe, and never forgotten."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from execore.core.engine import open_book, step
from execore.core.retry_policy import RetryPolicy
from execore.model.effects import Alert, QueryOrder, SendCancel, SendOrder
from execore.model.orders import Order
from execore.model.reports import AcknowledgeReport, CancelReport, FillReport, PendingReport
from execore.model.requests import (
    AmendOrder,
    CancelOrder,
    DefineInstrument,
    Input,
    OrderNotFound,
    RequestOutcomeUnknown,
    ResolveOrder,
    RetryCancel,
    RiskResult,
    SubmitOrder,
    SubmitOutcomeUnknown,
)
from execore.model.vocabulary import CostMethod, OrderState, RiskDecision
from execore.runtime.resolving import Due, Resolver
from execore.venues.protocol import DuplicateScope, QueryAnswer
from runtime_support.doubtful_venue import KEY, SECOND, DoubtfulTrading
from runtime_support.trading import BITCOIN, START_NS, order, paper_venue

WALKS = 2500
OVER_WITHOUT_TRADING = (OrderState.FAILED, OrderState.REJECTED)


@pytest.mark.parametrize("resend", [False, True])
def test_whatever_gets_lost_there_is_one_order_and_its_outcome_is_found(resend: bool) -> None:
    ends: Counter[str] = Counter()
    most_sendings = 0
    for seed in range(WALKS):
        trading = DoubtfulTrading(seed, resend=resend)
        trading.run()
        ours, venue = trading.ours, trading.venue
        ends[ours.state] += 1
        most_sendings = max(most_sendings, trading.sendings)
        where = f"seed {seed}: {ours.state}, {venue.scope}, {venue.accepted}"
        assert ours.state is not OrderState.SUBMITTED, where
        assert not (venue.accepted and ours.state in OVER_WITHOUT_TRADING), where
        assert not ours.unknown_requests, where
        if ours.state is OrderState.UNKNOWN:
            assert not venue.shows_closed, where
            assert "order_unresolved" in trading.alerts, where
        assert resend or trading.sendings == 1, where
        if venue.scope in (DuplicateScope.NEVER, DuplicateScope.OPEN) and not venue.shows_closed:
            assert trading.sendings == 1, where
    assert (most_sendings > 1) is resend
    assert {"UNKNOWN", "ACKNOWLEDGED", "FILLED", "CANCELLED", "REJECTED", "FAILED"} <= set(ends), ends


# --- one after the other -----------------------------------------------------------------------------------


class Following:
    """A book with one order, and a resolver that follows it; time passes when the test says so."""

    def __init__(self, **settings: Any) -> None:
        self.now_ns = 0
        self.state, _ = open_book("main", CostMethod.AVERAGE, START_NS)
        step(self.state, DefineInstrument(ts_ns=START_NS, instrument=BITCOIN))
        scope = settings.pop("scope", DuplicateScope.NEVER)
        lag = settings.pop("lag_seconds", 0)
        capabilities = replace(
            paper_venue().capabilities, duplicate_client_id_scope=scope, visibility_lag_seconds=lag
        )
        waits: dict[str, Any] = {
            "retry": RetryPolicy(base_seconds=1, cap_seconds=30),
            "random": lambda: 1.0,
        }
        self.resolver = Resolver(capabilities, clock=lambda: START_NS + self.now_ns, **(waits | settings))
        allow = RiskResult(RiskDecision.ALLOW)
        self.take(SubmitOrder(ts_ns=START_NS, order=order(), verdict=allow))

    @property
    def order(self) -> Order:
        return self.state.orders.get(KEY)

    def take(self, cause: Input) -> None:
        """Step, note, and hand the core's questions over, as the loop does."""
        answer = step(self.state, cause)
        self.resolver.note(self.order, self.now_ns)
        for effect in answer.effects:
            if isinstance(effect, QueryOrder):
                self.resolver.ask(effect, self.now_ns)

    def ask(self, kind: type[Any], **fields: Any) -> None:
        self.take(kind(ts_ns=START_NS + self.now_ns, client_order_id=KEY, **fields))

    def lose(self, request_id: str = "") -> None:
        """Nobody knows what became of the order, or of the request."""
        if request_id:
            self.ask(RequestOutcomeUnknown, request_id=request_id, reason="timeout")
        else:
            self.ask(SubmitOutcomeUnknown, reason="timeout")

    def live(self) -> None:
        self.ask(AcknowledgeReport, venue_order_id="V1")

    def due(self, after_seconds: float = 0) -> list[str]:
        """What is due so many seconds later, as names of types."""
        return [type(item).__name__ for item in self.due_items(after_seconds)]

    def due_items(self, after_seconds: float = 0) -> list[Due]:
        self.now_ns += int(after_seconds * SECOND)
        return self.resolver.due(self.now_ns)

    def answer(self, answer: QueryAnswer | None, asked_seconds_ago: float = 0) -> list[Input]:
        asked_ns = self.now_ns - int(asked_seconds_ago * SECOND)
        return self.resolver.answered(KEY, answer, asked_ns, self.now_ns)

    @property
    def due_in_seconds(self) -> float | None:
        due_ns = self.resolver.next_due_ns()
        return None if due_ns is None else (due_ns - self.now_ns) / SECOND


def test_it_asks_at_once_then_after_the_lag_then_at_growing_waits() -> None:
    following = Following(lag_seconds=3)
    assert following.due_in_seconds is None, "an order on its way is not asked after"
    following.lose()
    assert following.due() == ["QueryOrder"]
    assert following.due() == [], "one question at a time"
    assert following.due_in_seconds is None
    waits: list[float] = []
    for _ in range(8):
        following.answer(QueryAnswer.NOT_FOUND)
        assert following.due_in_seconds is not None
        waits.append(following.due_in_seconds)
        assert "QueryOrder" in following.due(waits[-1])
    assert waits == [3, 2, 4, 8, 16, 30, 30, 30]


def test_what_the_core_is_told_says_how_long_was_waited() -> None:
    following = Following(lag_seconds=3, scope=DuplicateScope.FOREVER, resend=True)
    following.now_ns = 100 * SECOND
    following.lose()
    following.due()
    following.now_ns += 2 * SECOND
    (told,) = following.answer(QueryAnswer.ABSENT, asked_seconds_ago=1.5)
    assert told == OrderNotFound(
        ts_ns=START_NS + following.now_ns,
        client_order_id=KEY,
        complete=True,
        waited_ns=SECOND // 2,
        visibility_lag_ns=3 * SECOND,
        duplicates_refused=True,
        resend=False,  # it was created a hundred seconds ago
    )


@pytest.mark.parametrize("answer", [None, QueryAnswer.FOUND])
def test_no_answer_and_a_found_order_are_no_absence(answer: QueryAnswer | None) -> None:
    following = Following()
    following.lose()
    following.due()
    assert following.answer(answer) == []
    assert following.due_in_seconds == 1


@pytest.mark.parametrize(
    ("answer", "complete", "refused"),
    [
        (QueryAnswer.NOT_FOUND, False, False),
        (QueryAnswer.ABSENT, True, False),
        (QueryAnswer.REFUSED, True, True),
    ],
)
def test_how_much_was_searched_is_told(answer: QueryAnswer, complete: bool, refused: bool) -> None:
    following = Following()
    following.lose()
    following.due()
    (told,) = following.answer(answer)
    assert isinstance(told, OrderNotFound)
    assert (told.complete, told.refused) == (complete, refused)


@pytest.mark.parametrize(
    ("scope", "same_session", "refuses"),
    [
        (DuplicateScope.NEVER, True, False),
        (DuplicateScope.OPEN, True, False),
        (DuplicateScope.SESSION, False, False),
        (DuplicateScope.SESSION, True, True),
        (DuplicateScope.FOREVER, False, True),
    ],
)
def test_only_a_scope_that_covers_closed_orders_refuses_copies(
    scope: DuplicateScope, same_session: bool, refuses: bool
) -> None:
    following = Following(scope=scope, same_session=lambda order: same_session)
    following.lose()
    following.due()
    (told,) = following.answer(QueryAnswer.NOT_FOUND)
    assert isinstance(told, OrderNotFound)
    assert told.duplicates_refused is refuses


def test_the_session_is_not_taken_for_granted() -> None:
    following = Following(scope=DuplicateScope.SESSION)
    following.lose()
    following.due()
    (told,) = following.answer(QueryAnswer.NOT_FOUND)
    assert isinstance(told, OrderNotFound)
    assert told.duplicates_refused is False


def test_the_wait_for_a_proof_begins_anew_when_it_was_sent_again() -> None:
    following = Following(lag_seconds=3, resend=True)
    following.lose()
    following.due()
    following.answer(QueryAnswer.ABSENT)
    following.due(3)
    (proof,) = following.answer(QueryAnswer.ABSENT)
    following.take(proof)
    assert (following.order.state, following.order.resends) == (OrderState.SUBMITTED, 1)
    assert following.due_in_seconds is None, "it is on its way"
    following.now_ns += 4 * SECOND
    following.lose()
    assert following.due_in_seconds == 2, "and not asked after at once: it was asked twice before"
    following.due(2)
    (told,) = following.answer(QueryAnswer.ABSENT)
    assert isinstance(told, OrderNotFound)
    assert told.waited_ns == 2 * SECOND


def test_sending_again_is_bounded_in_number() -> None:
    retry = RetryPolicy(base_seconds=1, cap_seconds=1, max_attempts=3)
    following = Following(resend=True, retry=retry)
    for sendings in (1, 2, 3):
        following.lose()
        following.due(1)
        (told,) = following.answer(QueryAnswer.ABSENT)
        assert isinstance(told, OrderNotFound)
        assert told.resend is (sendings < 3)
        following.take(told)
    assert following.order.state is OrderState.FAILED


def test_an_answer_from_before_the_last_sending_proves_nothing() -> None:
    following = Following()
    following.resolver.ask(QueryOrder(KEY, "", "BTC-USD"), 0)
    following.due()
    following.now_ns = 5 * SECOND
    following.lose()
    assert following.answer(QueryAnswer.ABSENT, asked_seconds_ago=5) == []
    assert following.due_in_seconds is not None, "so it is asked again"


def test_what_is_settled_is_not_asked_after_any_more() -> None:
    following = Following()
    following.lose()
    following.live()
    following.due()  # the question that the core asked for
    assert following.answer(QueryAnswer.FOUND) == []
    assert following.due_in_seconds is None
    assert following.resolver._watches == {}


@pytest.mark.parametrize("is_asking", [False, True])
def test_an_order_that_is_no_more_is_forgotten(is_asking: bool) -> None:
    following = Following()
    following.resolver.sent(SendOrder(order()), 0)
    following.lose()
    if is_asking:
        following.due()
    following.resolver.forget(KEY)
    assert following.due(3600) == []
    if is_asking:
        assert following.answer(QueryAnswer.ABSENT) == []
    assert following.resolver._watches == {}


def test_that_it_was_asked_in_vain_is_told_once_until_there_is_an_answer() -> None:
    following = Following()
    following.lose()
    told: list[bool] = []
    for answer in (None, QueryAnswer.NOT_FOUND, QueryAnswer.FOUND, QueryAnswer.NOT_FOUND):
        following.due(60)
        told.append(following.resolver.is_first_in_vain(KEY, answer))
        following.answer(answer)
    assert told == [True, False, False, True]


def test_a_question_of_the_core_is_asked_until_it_is_answered() -> None:
    following = Following()
    following.live()
    following.resolver.ask(QueryOrder(KEY, "V1", "BTC-USD"), 0)
    assert following.due() == ["QueryOrder"]
    following.resolver.ask(QueryOrder(KEY, "V1", "BTC-USD"), 0)
    assert following.due() == [], "one question at a time"
    following.answer(QueryAnswer.FOUND)
    assert following.due() == ["QueryOrder"], "the second was asked for after the first had gone out"
    following.answer(None)
    assert following.due_in_seconds == 2
    assert following.due(2) == ["QueryOrder"]
    following.answer(QueryAnswer.FOUND)
    assert following.due_in_seconds is None


def test_a_live_order_that_the_venue_does_not_know_is_told_once() -> None:
    following = Following(lag_seconds=3)
    following.live()
    following.ask(CancelOrder, request_id="c1")
    following.lose("c1")
    following.due()
    assert following.answer(QueryAnswer.ABSENT) == [], "it may be invisible for now"
    following.due(3)
    (told,) = following.answer(QueryAnswer.ABSENT)
    assert isinstance(told, OrderNotFound)
    following.take(told)
    assert following.order.state is OrderState.ACKNOWLEDGED
    following.due(30)
    assert following.answer(QueryAnswer.ABSENT) == []


# --- requests in doubt -------------------------------------------------------------------------------------


def test_a_cancel_in_doubt_is_sent_again_until_it_is_answered() -> None:
    following = Following()
    following.live()
    following.ask(CancelOrder, request_id="c1")
    following.lose("c1")
    assert following.due() == ["QueryOrder"], "first it is asked what became of it"
    following.answer(QueryAnswer.FOUND)
    retry, _ = following.due_items(1)
    assert isinstance(retry, RetryCancel)
    following.take(retry)
    assert following.order.unknown_requests == ()
    following.answer(QueryAnswer.FOUND)
    assert following.due_in_seconds is None, "it is on its way"
    following.lose("c1")
    assert following.due_in_seconds == 2, "the waits grow on"
    following.ask(CancelReport, request_id="c1")
    following.due(2)
    following.answer(QueryAnswer.FOUND)
    assert following.resolver._watches == {}


def test_requests_in_doubt_on_an_order_that_is_over_came_to_nothing_once_it_was_asked_after() -> None:
    following = Following(lag_seconds=3)
    following.live()
    following.ask(AmendOrder, request_id="a1", quantity=Decimal(2))
    following.lose("a1")
    following.ask(CancelOrder, request_id="c1")
    following.lose("c1")
    following.ask(FillReport, execution_id="E1", quantity=Decimal(1), price=Decimal(100))
    assert following.order.state is OrderState.FILLED
    following.due()
    assert following.answer(QueryAnswer.FOUND) == [], "an amend to more may be invisible for now"
    assert following.due(3) == ["QueryOrder"], "and no cancel is sent after what is over"
    found = following.answer(QueryAnswer.FOUND)
    assert [type(cause) for cause in found] == [ResolveOrder, ResolveOrder]
    for cause in found:
        following.take(cause)
    assert following.order.pending_request_ids == ()
    assert following.resolver._watches == {}


@pytest.mark.parametrize("answer", [None, QueryAnswer.NOT_FOUND])
def test_an_amend_of_a_filled_order_stays_in_doubt_until_the_venue_has_something_to_say(
    answer: QueryAnswer | None,
) -> None:
    following = Following()
    following.live()
    following.ask(AmendOrder, request_id="a1", quantity=Decimal(2))
    following.lose("a1")
    following.ask(FillReport, execution_id="E1", quantity=Decimal(1), price=Decimal(100))
    following.due()
    assert following.answer(answer) == []
    assert following.due_in_seconds is not None


@pytest.mark.parametrize("answer", [QueryAnswer.FOUND, QueryAnswer.NOT_FOUND, QueryAnswer.ABSENT])
def test_an_amend_of_a_cancelled_order_comes_to_nothing(answer: QueryAnswer) -> None:
    following = Following()
    following.live()
    following.ask(AmendOrder, request_id="a1", quantity=Decimal(2))
    following.lose("a1")
    following.ask(CancelReport)
    following.due()
    (told,) = following.answer(answer)
    following.take(told)
    assert following.order.pending_request_ids == ()
    assert following.due_in_seconds is None


# --- messages without an answer ----------------------------------------------------------------------------


def test_an_order_that_was_handed_over_and_not_answered_becomes_unknown() -> None:
    following = Following(answer_timeout_seconds=10)
    following.resolver.sent(SendOrder(following.order.request), 0)
    assert following.due_in_seconds == 10
    assert following.due(9.9) == []
    (late,) = following.due_items(0.1)
    assert isinstance(late, SubmitOutcomeUnknown)
    following.take(late)
    assert following.order.state is OrderState.UNKNOWN
    assert following.due() == ["QueryOrder"]


def test_an_answer_in_time_ends_the_wait() -> None:
    following = Following()
    following.resolver.sent(SendOrder(following.order.request), 0)
    following.live()
    assert following.due_in_seconds is None
    assert following.due(1000) == []


@pytest.mark.parametrize("answer", [PendingReport, CancelReport])
def test_a_cancel_that_was_handed_over_is_waited_for(answer: type[Any]) -> None:
    following = Following()
    following.live()
    following.ask(CancelOrder, request_id="c1")
    following.resolver.sent(SendCancel(KEY, "V1", "BTC-USD", "c1"), 0)
    following.live()
    assert following.due_in_seconds == 30, "an acknowledgement of the order does not answer the cancel"
    following.ask(answer, request_id="c1")
    assert following.due_in_seconds is None


def test_a_cancel_without_an_answer_becomes_unknown() -> None:
    following = Following()
    following.live()
    following.ask(CancelOrder, request_id="c1")
    following.resolver.sent(SendCancel(KEY, "V1", "BTC-USD", "c1"), 0)
    (late,) = following.due_items(30)
    assert isinstance(late, RequestOutcomeUnknown)
    assert late.request_id == "c1"
    assert following.due(0) == []


def test_the_wait_for_an_answer_begins_anew_with_each_sending() -> None:
    following = Following()
    message = SendOrder(following.order.request)
    following.resolver.sent(message, 0)
    following.now_ns = 20 * SECOND
    following.resolver.sent(message, following.now_ns)
    assert following.due(10) == []
    assert following.due(20) == ["SubmitOutcomeUnknown"]


# --- another who may still send ----------------------------------------------------------------------------


def test_while_another_may_still_send_absence_proves_nothing_and_the_lag_begins_when_he_is_done() -> None:
    sending = [True]
    following = Following(lag_seconds=5, may_still_send=lambda: sending[0])
    following.lose()
    while following.now_ns < 60 * SECOND:
        following.due(following.due_in_seconds or 0)
        told = following.answer(QueryAnswer.ABSENT)
        assert [one.complete for one in told if isinstance(one, OrderNotFound)] == [False]
    sending[0] = False  # since when, nobody knows: it was looked at when the venue was asked last
    following.due(following.due_in_seconds or 0)
    (told_now,) = following.answer(QueryAnswer.ABSENT)
    assert isinstance(told_now, OrderNotFound)
    assert (told_now.complete, told_now.waited_ns) == (True, 0)
    following.due(5)
    (proof,) = following.answer(QueryAnswer.ABSENT)
    assert isinstance(proof, OrderNotFound)
    assert (proof.complete, proof.waited_ns) == (True, 5 * SECOND)


def test_who_was_done_between_the_question_and_its_answer_may_have_sent_after_the_question() -> None:
    sending = [True]
    following = Following(may_still_send=lambda: sending[0])
    following.lose()
    following.due()
    sending[0] = False
    (told,) = following.answer(QueryAnswer.ABSENT)
    assert isinstance(told, OrderNotFound)
    assert not told.complete


# --- people ------------------------------------------------------------------------------------------------


def test_a_person_is_told_once_that_it_takes_long() -> None:
    following = Following(alert_after_seconds=60)
    following.lose()
    alerts: list[Alert] = []
    while following.now_ns < 600 * SECOND:
        due = following.due_items(following.due_in_seconds or 0)
        alerts += [item for item in due if isinstance(item, Alert)]
        if alerts:
            assert following.now_ns >= 60 * SECOND
        following.answer(None)
    assert [alert.code for alert in alerts] == ["order_unresolved"]
    assert "execore resolve" in alerts[0].message


def test_orders_of_a_book_that_is_opened_are_watched_from_then_on() -> None:
    following = Following(lag_seconds=3)
    following.lose()
    opened = Resolver(
        replace(paper_venue().capabilities, visibility_lag_seconds=3),
        clock=lambda: START_NS,
        random=lambda: 1.0,
    )
    opened.watch_all(following.state.orders, 50 * SECOND)
    assert opened.next_due_ns() == 50 * SECOND
    assert len(opened.due(50 * SECOND)) == 1
    (told,) = opened.answered(KEY, QueryAnswer.ABSENT, 52 * SECOND, 52 * SECOND)
    assert isinstance(told, OrderNotFound)
    assert told.waited_ns == 2 * SECOND
