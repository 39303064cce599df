"""The end of orders by our own clock, and the beginning of a day: nothing ends without evidence or a rule."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_support.desk import (
    ALLOW,
    PAUSE,
    Desk,
    alert_codes,
    assert_replays,
    assert_shows,
    event_names,
    order_request,
)
from execore.core.book_state import BookState
from execore.core.expiry import ExpiryRules, due, due_ns, next_due_ns
from execore.model import effects, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.ending import Ending
from execore.model.errors import InvalidInput
from execore.model.requests import RiskResult
from execore.model.vocabulary import Expiry, OrderState, OrdStatus

SECOND: Final = 1_000_000_000
END: Final = 1_000 * SECOND
LATENESS: Final = 30 * SECOND
REPORTED, SILENT, OURS = Expiry.REPORTED, Expiry.SILENT, Expiry.OURS
RULES: Final = ExpiryRules(day=SILENT, good_till_date=REPORTED, lateness_ns=LATENESS)


class TimedDesk(Desk):
    """A desk where day orders end at ``END``, which replays every event at its own time."""

    def __init__(self) -> None:
        self._times: list[int] = [0]
        super().__init__()

    def take(self, cause: requests.Input) -> Answer:
        answer = super().take(cause)
        self._times += [cause.ts_ns] * len(answer.events)
        return answer

    def replayed(self) -> BookState:
        state = BookState()
        for event, ts_ns in zip(self.events, self._times, strict=True):
            state.apply(event, ts_ns)
        return state

    def submit_day(self, key: str = "o1", verdict: RiskResult = ALLOW, ts_ns: int = 0) -> Answer:
        order = order_request(key, time_in_force="day")
        return self.take(requests.SubmitOrder(ts_ns=ts_ns, order=order, verdict=verdict, ends_ts_ns=END))

    def pass_time(self, ts_ns: int, expiry: Expiry = REPORTED, key: str = "o1") -> Answer:
        cause = requests.ExpiryDue(ts_ns=ts_ns, client_order_id=key, expiry=expiry, lateness_ns=LATENESS)
        return self.take(cause)

    def start_day(self, trade_date: str, ts_ns: int = 0, **fields: Any) -> Answer:
        named: dict[str, Any] = {"ts_ns": ts_ns, "trade_date": trade_date, "ends_ts_ns": END}
        return self.take(requests.StartDay(**(named | fields)))


def resting() -> TimedDesk:
    """A desk with a day order that the venue acknowledged."""
    desk = TimedDesk()
    desk.submit_day()
    desk.acknowledge()
    return desk


def cancels(answer: Answer) -> list[str]:
    """The ids of the cancels to be sent."""
    return [effect.request_id for effect in answer.effects if isinstance(effect, effects.SendCancel)]


def queries(answer: Answer) -> int:
    return sum(isinstance(effect, effects.QueryOrder) for effect in answer.effects)


# --- when an order ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "given", "ends_ts_ns"),
    [
        ({"time_in_force": "day"}, END, END),
        ({"time_in_force": "day"}, None, None),
        ({"time_in_force": "gtd", "expire_ts_ns": END}, None, END),
        ({"time_in_force": "gtc"}, None, None),
        ({"time_in_force": "ioc"}, None, None),
    ],
    ids=["day", "day, without a calendar", "good till date", "good till cancel", "immediate"],
)
def test_an_order_carries_its_end(terms: dict[str, Any], given: int | None, ends_ts_ns: int | None) -> None:
    desk = Desk()
    order = order_request(**terms)
    desk.take(requests.SubmitOrder(ts_ns=0, order=order, verdict=ALLOW, ends_ts_ns=given))
    assert desk.order.ending == (None if ends_ts_ns is None else Ending(ends_ts_ns))
    assert_replays(desk)


@pytest.mark.parametrize(("ts_ns", "ending"), [(END - 1, Ending(END)), (END, None)], ids=["runs", "is over"])
def test_a_day_order_that_nobody_gave_an_end_has_that_of_the_day_that_runs(
    ts_ns: int, ending: Ending | None
) -> None:
    """Orders that the core itself decides to send, as the legs of a group, do not come by the calendar."""
    desk = TimedDesk()
    desk.start_day("2026-03-03")
    order = order_request(time_in_force="day")
    desk.take(requests.SubmitOrder(ts_ns=ts_ns, order=order, verdict=ALLOW))
    assert desk.order.ending == ending
    assert_replays(desk)


# --- the venue says when an order ends ----------------------------------------------------------------------


@pytest.mark.parametrize("ts_ns", [END, END + LATENESS - 1])
def test_the_venue_may_be_late(ts_ns: int) -> None:
    desk = resting()
    answer = desk.pass_time(ts_ns)
    assert answer.outcome is Outcome.ALREADY_DONE
    assert (answer.events, answer.effects) == ((), ())


def test_beyond_its_lateness_it_is_asked_and_a_person_told_once() -> None:
    desk = resting()
    answer = desk.pass_time(END + LATENESS)
    assert event_names(answer) == ["ExpiryOverdue"]
    assert (queries(answer), alert_codes(answer)) == (1, ["expiry_overdue"])
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, leaves=1, flags=("expiry_overdue",))
    assert desk.pass_time(END + LATENESS).outcome is Outcome.ALREADY_DONE
    assert desk.pass_time(END + 1000 * LATENESS).outcome is Outcome.ALREADY_DONE
    assert_replays(desk)


def test_what_it_answers_ends_the_order() -> None:
    desk = resting()
    desk.pass_time(END + LATENESS)
    desk.tell(reports.ExpireReport)
    assert_shows(desk.order, state=OrderState.EXPIRED, flags=(), ending=Ending(END, overdue=True))


# --- the venue is silent ------------------------------------------------------------------------------------


def test_a_silence_that_the_venue_declares_is_an_end() -> None:
    desk = resting()
    assert desk.pass_time(END + LATENESS - 1, SILENT).events == ()
    answer = desk.pass_time(END + LATENESS, SILENT)
    assert event_names(answer) == ["OrderExpired"]
    assert answer.effects == ()
    assert_shows(desk.order, state=OrderState.EXPIRED, leaves=0, ending=Ending(END, by_clock=True))
    assert desk.order.reason.startswith("our clock")
    assert desk.pass_time(END + LATENESS, SILENT).outcome is Outcome.ALREADY_DONE
    assert_replays(desk)


def test_an_execution_before_the_end_that_comes_after_it_is_booked() -> None:
    desk = resting()
    desk.pass_time(END + LATENESS, SILENT)
    answer = desk.fill("E1", "0.5")
    assert alert_codes(answer) == ["fill_on_expired"]
    assert desk.held == desk.order.filled == desk.order.request.quantity / 2
    assert_shows(desk.order, state=OrderState.EXPIRED, leaves=0)
    assert_replays(desk)


def test_an_order_that_rests_after_all_is_not_ended_a_second_time() -> None:
    desk = resting()
    desk.pass_time(END + LATENESS, SILENT)
    desk.tell(reports.AmendReport, leaves="1", ts_ns=END)
    assert desk.order.state is OrderState.ACKNOWLEDGED
    assert desk.pass_time(END + 2 * LATENESS, SILENT).events == ()
    assert desk.order.state is OrderState.ACKNOWLEDGED


@pytest.mark.parametrize("unknown", [False, True])
def test_silence_says_nothing_of_an_order_that_was_never_acknowledged(unknown: bool) -> None:
    desk = TimedDesk()
    desk.submit_day()
    if unknown:
        desk.ask(requests.SubmitOutcomeUnknown, reason="timeout")
    before = desk.order.state
    answer = desk.pass_time(END + LATENESS, SILENT)
    assert event_names(answer) == ["ExpiryOverdue"]
    assert (queries(answer), alert_codes(answer)) == (1, ["expiry_overdue"])
    assert desk.order.state is before
    assert desk.pass_time(END + LATENESS, SILENT).events == ()

    desk.acknowledge()  # the answer: it existed, so it is over by now
    assert event_names(desk.pass_time(END + LATENESS, SILENT)) == ["OrderExpired"]
    assert_replays(desk)


# --- never sent ---------------------------------------------------------------------------------------------


def test_what_is_held_beyond_its_end_is_denied() -> None:
    desk = TimedDesk()
    desk.submit_day(verdict=PAUSE)
    assert desk.pass_time(END - 1).events == ()
    answer = desk.pass_time(END)
    assert event_names(answer) == ["OrderDenied"]
    assert answer.effects == ()
    assert_shows(desk.order, state=OrderState.DENIED, flags=())
    assert_replays(desk)


def test_what_is_released_after_its_end_is_denied_and_not_sent() -> None:
    desk = TimedDesk()
    desk.submit_day(verdict=PAUSE)
    answer = desk.take(requests.ReleaseOrder(ts_ns=END, client_order_id="o1", verdict=ALLOW))
    assert (event_names(answer), answer.effects) == (["OrderDenied"], ())


def test_what_is_submitted_after_its_end_is_denied_and_not_sent() -> None:
    desk = TimedDesk()
    answer = desk.submit_day(ts_ns=END)
    assert event_names(answer) == ["OrderCreated", "OrderDenied"]
    assert answer.effects == ()


# --- we end it ----------------------------------------------------------------------------------------------


def test_an_order_that_the_venue_does_not_end_is_cancelled_at_its_end() -> None:
    desk = resting()
    assert desk.pass_time(END - 1, OURS).events == ()
    answer = desk.pass_time(END, OURS)
    assert event_names(answer) == ["CancelRequested"]
    assert alert_codes(answer) == []
    (request_id,) = cancels(answer)
    assert request_id == cancels(resting().pass_time(END + 5, OURS))[0], "an id that follows from the order's"
    assert desk.pass_time(END + 1, OURS).outcome is Outcome.ALREADY_DONE, "it is on its way"
    desk.tell(reports.CancelReport, request_id=request_id)
    assert_shows(desk.order, state=OrderState.CANCELLED, pending_cancels=())
    assert desk.pass_time(END + LATENESS, OURS).events == ()
    assert_replays(desk)


@pytest.mark.parametrize("fails", ["refused", "not sent", "unknown"])
def test_a_cancel_that_fails_is_made_again_after_twice_as_long(fails: str) -> None:
    desk = resting()
    asked: list[str] = []
    waits: list[int] = []
    last = now = END
    while len(asked) < 5:
        answer = desk.pass_time(now, OURS)
        if cancels(answer):
            (request_id,) = cancels(answer)
            asked.append(request_id)
            waits.append((now - last) // SECOND)
            last = now
            _fail(desk, request_id, fails, now)
        now += SECOND
    assert len(set(asked)) == 5, "each under an id of its own"
    assert waits == [0, 2, 4, 8, 16]
    assert desk.order.state is OrderState.ACKNOWLEDGED
    assert_replays(desk)


def _fail(desk: Desk, request_id: str, fails: str, ts_ns: int) -> None:
    named: dict[str, Any] = {"ts_ns": ts_ns, "client_order_id": "o1", "request_id": request_id}
    if fails == "refused":
        desk.take(reports.CancelRejectReport(**named, symbol="BTC-USD"))
    elif fails == "not sent":
        desk.take(requests.RequestNotSent(**named, reason="no connection"))
    else:
        desk.take(requests.RequestOutcomeUnknown(**named, reason="timeout"))


@pytest.mark.parametrize("skew", [0, 3600 * SECOND], ids=["right", "an hour ahead"])
def test_news_of_the_order_postpone_neither_the_next_cancel_nor_the_alert(skew: int) -> None:
    """What else happens to the order, by a clock that is not ours, is no reason to wait."""
    desk = TimedDesk()
    desk.submit_day()
    desk.acknowledge()
    asked, told = [], []
    for second in range(70):
        now = END + second * SECOND
        answer = desk.pass_time(now, OURS)
        asked += [second] * len(cancels(answer))
        told += [second] * len(alert_codes(answer))
        for request_id in cancels(answer)[: second < 30]:  # later cancels stay without an answer
            _fail(desk, request_id, "refused", now + skew)
        desk.fill(f"E{second}", "0.001", ts_ns=now + skew)
    assert asked == [0, 2, 6, 14, 30]
    assert told == [60]
    assert_replays(desk)


def test_a_cancel_without_an_answer_is_told_to_a_person_in_the_end() -> None:
    desk = resting()
    desk.pass_time(END, OURS)
    answer = desk.pass_time(END + LATENESS, OURS)
    assert event_names(answer) == ["ExpiryOverdue"]
    assert alert_codes(answer) == ["expiry_overdue"]
    assert_shows(desk.order, flags=("pending_cancel", "expiry_overdue"))


def test_a_cancel_that_was_asked_for_late_has_as_long_for_its_answer() -> None:
    desk = resting()
    assert cancels(desk.pass_time(2 * END, OURS))
    assert desk.pass_time(2 * END + LATENESS - 1, OURS).events == ()
    assert alert_codes(desk.pass_time(2 * END + LATENESS, OURS)) == ["expiry_overdue"]


def test_a_cancel_that_somebody_else_asked_for_is_enough() -> None:
    desk = resting()
    desk.ask_cancel()
    assert desk.pass_time(END, OURS).events == ()


# --- which orders, and when ---------------------------------------------------------------------------------


def test_orders_are_due_by_the_rule_of_their_time_in_force() -> None:
    desk = TimedDesk()
    desk.submit_day("day")
    desk.submit("dated", time_in_force="gtd", expire_ts_ns=END + 1)
    desk.submit("cancel", time_in_force="gtc")
    desk.acknowledge("day", "V1")
    desk.acknowledge("dated", "V2")
    orders = desk.state.orders

    assert next_due_ns(orders, RULES) == END + LATENESS
    assert due(orders, RULES, END + LATENESS - 1) == []
    found = due(orders, RULES, END + LATENESS + 1)
    assert [(cause.client_order_id, cause.expiry) for cause in found] == [
        ("day", SILENT),
        ("dated", REPORTED),
    ]
    for cause in found:
        desk.take(cause)
    assert orders.get("day").state is OrderState.EXPIRED
    assert orders.get("dated").flags == ("expiry_overdue",)
    assert next_due_ns(orders, RULES) is None
    assert due(orders, RULES, 2 * END) == []


def test_only_what_is_open_and_has_an_end_is_looked_at() -> None:
    desk = TimedDesk()
    ledger = desk.state.orders
    desk.submit_day("day")
    desk.submit("cancel", time_in_force="gtc")
    desk.submit_day("held", verdict=PAUSE)
    assert [order.client_order_id for order in ledger.ending_orders()] == ["day", "held"]
    desk.acknowledge("day", "V1")
    desk.pass_time(END, key="held")
    assert ledger.ending_orders() == [ledger.get("day")]
    desk.pass_time(END + LATENESS, SILENT, "day")
    assert ledger.ending_orders() == []
    desk.tell(reports.AmendReport, "day", leaves="1", ts_ns=END)
    assert ledger.ending_orders() == [ledger.get("day")], "it rests after all"
    assert desk.replayed().orders.ending_orders() == ledger.ending_orders()


@pytest.mark.parametrize("ends", ["filled", "cancelled", "rejected", "denied"])
def test_an_order_that_is_over_has_no_end_to_wait_for(ends: str) -> None:
    desk = TimedDesk()
    if ends == "denied":
        desk.submit_day(verdict=PAUSE)
        desk.pass_time(END)
    else:
        desk.submit_day()
    if ends == "filled":
        desk.fill("E1", 1)
    elif ends == "cancelled":
        desk.tell(reports.CancelReport)
    elif ends == "rejected":
        desk.tell(reports.RejectReport)
    assert not desk.order.is_open
    for expiry in Expiry:
        assert due_ns(desk.order, expiry, LATENESS) is None
        assert desk.pass_time(2 * END, expiry).events == ()


TIMES: Final = st.lists(st.integers(0, END + 3 * LATENESS), max_size=12)


@given(TIMES, st.sampled_from(Expiry), st.booleans())
def test_whatever_the_clock_does_nothing_is_said_twice(
    times: list[int], expiry: Expiry, acknowledged: bool
) -> None:
    desk = TimedDesk()
    desk.submit_day()
    if acknowledged:
        desk.acknowledge()
    answers = [desk.pass_time(ts_ns, expiry) for ts_ns in times]
    codes = [code for answer in answers for code in alert_codes(answer)]
    asked = [request_id for answer in answers for request_id in cancels(answer)]
    assert codes in ([], ["expiry_overdue"])
    assert len(asked) == (expiry is OURS and max(times, default=0) >= END)
    late = max(times, default=0) >= END + LATENESS
    assert (desk.order.state is OrderState.EXPIRED) is (late and acknowledged and expiry is SILENT)
    assert_replays(desk)


# --- a new day ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [{}, {"time_in_force": "gtd", "expire_ts_ns": END}])
def test_a_good_till_order_that_was_done_for_the_day_rests_on_the_next(terms: dict[str, Any]) -> None:
    desk = TimedDesk()
    desk.submit(**terms)
    desk.acknowledge()
    desk.start_day("2026-03-02")
    desk.tell(reports.DoneForDayReport)
    assert_shows(desk.order, flags=("done_for_day",), ord_status=OrdStatus.DONE_FOR_DAY, leaves=1)
    answer = desk.start_day("2026-03-03")
    assert event_names(answer) == ["DayStarted", "OrderResumed"]
    assert_shows(desk.order, flags=(), ord_status=OrdStatus.NEW, leaves=1)
    assert_replays(desk)
    assert desk.replayed().trade_date == desk.state.trade_date == "2026-03-03"


@pytest.mark.parametrize(
    ("done_ns", "resumed"),
    [(END, True), (END + 1, False)],
    ids=["by its open, so for the day before", "after its open, so for that day"],
)
def test_a_day_that_we_hear_of_late_resumes_only_what_was_done_before_it(done_ns: int, resumed: bool) -> None:
    """The first to pass the time may come hours after the open."""
    desk = TimedDesk()
    desk.submit()
    desk.acknowledge()
    desk.start_day("2026-03-02")
    desk.tell(reports.DoneForDayReport, ts_ns=done_ns)
    for _ in range(2):
        desk.start_day("2026-03-03", END + 5, opens_ts_ns=END)
        assert desk.order.done_for_day is not resumed
    desk.start_day("2026-03-04", 2 * END, opens_ts_ns=2 * END)
    assert not desk.order.done_for_day
    desk.tell(reports.DoneForDayReport, ts_ns=2 * END + 1)
    assert_replays(desk)
    assert event_names(desk.start_day("2026-03-05", 3 * END, opens_ts_ns=2 * END)) == ["DayStarted"]


def test_what_is_done_for_the_day_and_filled_rests_again_if_its_trade_is_cancelled_on_the_next() -> None:
    desk = TimedDesk()
    desk.submit()
    desk.acknowledge()
    desk.tell(reports.DoneForDayReport)
    desk.fill("E1", "1")
    assert event_names(desk.start_day("2026-03-03")) == ["DayStarted", "OrderResumed"]
    assert event_names(desk.start_day("2026-03-04")) == ["DayStarted"]
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1", execution_id="B1")
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, flags=(), leaves=1)
    assert_replays(desk)


def test_what_is_done_for_the_day_and_over_does_not_rest_again() -> None:
    desk = TimedDesk()
    desk.submit()
    desk.acknowledge()
    desk.tell(reports.DoneForDayReport)
    desk.tell(reports.CancelReport)
    assert event_names(desk.start_day("2026-03-03")) == ["DayStarted"]


def test_a_day_that_began_by_mistake_is_corrected_once() -> None:
    """Only the day that it says it corrects, so the same again, or a late one, starts nothing."""
    desk = TimedDesk()
    desk.start_day("2027-04-07")
    assert desk.start_day("2026-03-03", corrects="2027-04-06").outcome is Outcome.ALREADY_DONE
    assert event_names(desk.start_day("2026-03-03", corrects="2027-04-07")) == ["DayStarted"]
    assert desk.state.trade_date == "2026-03-03"
    for trade_date in ("2026-03-03", "2026-03-02"):
        answer = desk.start_day(trade_date, corrects="2027-04-07")
        assert answer.outcome is Outcome.ALREADY_DONE
    assert event_names(desk.start_day("2026-03-04")) == ["DayStarted"]
    assert_replays(desk)


def test_a_day_starts_once_and_never_again_when_the_clock_jumps_back() -> None:
    desk = TimedDesk()
    desk.submit()
    desk.acknowledge()
    assert event_names(desk.start_day("2026-03-03")) == ["DayStarted"]
    desk.tell(reports.DoneForDayReport)
    for trade_date in ("2026-03-03", "2026-03-02", "2025-12-31"):
        answer = desk.start_day(trade_date)
        assert answer.outcome is Outcome.ALREADY_DONE
        assert answer.events == ()
    assert desk.order.done_for_day


def test_a_day_order_that_was_done_for_the_day_stays_over() -> None:
    desk = resting()
    desk.tell(reports.DoneForDayReport)
    assert event_names(desk.start_day("2026-03-03")) == ["DayStarted"]
    assert_shows(desk.order, state=OrderState.EXPIRED, leaves=0)


@pytest.mark.parametrize("trade_date", ["", "2026-3-3", "03.03.2026", "2026-03-03T00:00", "tomorrow"])
def test_a_trade_date_is_an_iso_date(trade_date: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        requests.StartDay(ts_ns=0, trade_date=trade_date, ends_ts_ns=END)
    assert refused.value.field == "trade_date"
