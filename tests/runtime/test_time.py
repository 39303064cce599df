"""A book through the hours: ends from a calendar, late and silent venues, restarts, and clocks that jump."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from execore import Book, MemoryJournal, Outcome, open_book
from execore.core import invariants
from execore.model.effects import Alert, SendCancel
from execore.model.ending import Ending
from execore.model.errors import InvalidConfiguration
from execore.model.failures import ConnectionLost, VenueError
from execore.model.reports import (
    AcknowledgeReport,
    CancelReport,
    DoneForDayReport,
    ExpireReport,
    FillReport,
    StatusReport,
    VenueReport,
)
from execore.model.requests import RiskResult
from execore.model.vocabulary import Expiry, OrderState, RiskDecision
from execore.venues.calendars import ROUND_THE_CLOCK, Session, TradingCalendar, WeeklyCalendar
from execore.venues.paper import PaperVenue
from execore.venues.protocol import Capabilities
from runtime_support.trading import BITCOIN, ScriptedVenue, order

SECOND: Final = 1_000_000_000
HOUR: Final = 3600 * SECOND
LATENESS: Final = 30 * SECOND
EXCHANGE: Final = WeeklyCalendar(zone="America/New_York", opens=time(9, 30), closes=time(16))


def at(text: str) -> int:
    """An ISO time in UTC as integer nanoseconds."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


MORNING: Final = at("2026-03-06T15:00")
CLOSE: Final = at("2026-03-06T21:00")
MONDAY: Final = at("2026-03-09T13:30")


class ManualClock:
    """Tells the time that the test sets."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


class Exchange(ScriptedVenue):
    """A scripted venue that ends orders as the test says, with half a minute of lateness."""

    def __init__(self, expiry: Expiry = Expiry.REPORTED) -> None:
        super().__init__()
        self._expiry = expiry

    @property
    def capabilities(self) -> Capabilities:
        return replace(
            super().capabilities,
            day_expiry=self._expiry,
            good_till_date_expiry=self._expiry,
            expiry_lateness_seconds=30,
        )

    def report(self, kind: Callable[..., VenueReport], number: int = 1, **fields: object) -> None:
        """What it will report next of an order."""
        named: dict[str, object] = {"ts_ns": 0, "client_order_id": f"order-{number}", "symbol": "BTC-USD"}
        self.reports.append(kind(**(named | fields)))


class Trading:
    """A book at an exchange, that can be closed and opened again on the same journal.

    Attributes:
        told: the codes of every alert.
    """

    def __init__(
        self, path: Path | None = None, expiry: Expiry = Expiry.REPORTED, venue: Exchange | None = None
    ) -> None:
        self.clock = ManualClock(MORNING)
        self.venue = venue or Exchange(expiry)
        self.told: list[str] = []
        self.calendar: TradingCalendar | None = EXCHANGE
        self.hold = False
        self._path = path
        self._memory = MemoryJournal()
        self.book = self._open()

    def _open(self) -> Book:
        return open_book(
            self._memory if self._path is None else f"sqlite:///{self._path}",
            instruments=[BITCOIN],
            venue=self.venue,
            clock=self.clock,
            monotonic_ns=self.clock,
            calendar=self.calendar,
            risk_hooks=[self],
            on_alert=self._hear,
        )

    def evaluate_order(self, order: object, context: object) -> RiskResult:
        return RiskResult(RiskDecision.PAUSE if self.hold else RiskDecision.ALLOW)

    def _hear(self, alert: Alert) -> None:
        self.told.append(alert.code)

    def reopen(self) -> None:
        self.book.close()
        self.book = self._open()

    def rest(self, number: int = 1, **terms: object) -> None:
        """Submit an order that the venue acknowledges."""
        self.venue.report(AcknowledgeReport, number, venue_order_id=f"V{number}")
        self.book.submit(order(number, **terms))

    def at(self, now_ns: int) -> list[str]:
        """Pass the time; return the outcomes."""
        self.clock.now_ns = now_ns
        answers = self.book.pass_time()
        invariants.check(self.book._writer.state)
        return [answer.outcome.value for answer in answers]

    def state(self, number: int = 1) -> OrderState:
        return self.book.orders.get(f"order-{number}").state

    def sent(self, kind: str) -> int:
        return self.venue.kinds().count(kind)

    def events(self) -> list[bytes]:
        return [stored.data for stored in self.book._channel.journal.read("main")]


@pytest.fixture(params=["memory", "sqlite"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "book.db" if request.param == "sqlite" else None


# --- a day order --------------------------------------------------------------------------------------------


def test_a_day_order_ends_at_the_close_of_the_session_in_which_it_trades() -> None:
    trading = Trading()
    trading.rest(1, time_in_force="day")
    trading.clock.now_ns = CLOSE  # the weekend has begun
    trading.rest(2, time_in_force="day")
    trading.rest(3)
    endings = [trading.book.orders.get(f"order-{number}").ending for number in (1, 2, 3)]
    assert endings == [Ending(CLOSE), Ending(at("2026-03-09T20:00")), None], "Monday is in summer time"


def test_the_venue_ends_it_and_nobody_is_bothered() -> None:
    trading = Trading()
    trading.rest(time_in_force="day")
    trading.at(CLOSE)
    trading.venue.report(ExpireReport)
    trading.at(CLOSE + LATENESS)
    assert trading.state() is OrderState.EXPIRED
    assert (trading.told, trading.sent("QueryOrder")) == ([], 0)


def test_the_venue_says_nothing_so_it_is_asked_and_a_person_told_exactly_once(path: Path | None) -> None:
    trading = Trading(path)
    trading.rest(time_in_force="day")
    trading.at(CLOSE + LATENESS - 1)
    assert trading.told == []
    trading.at(CLOSE + LATENESS)
    assert (trading.told, trading.sent("QueryOrder")) == (["expiry_overdue", "query_unanswered"], 1)
    for hours in range(1, 5):
        assert "applied" not in trading.at(CLOSE + LATENESS + hours * HOUR)
    assert (trading.told, trading.sent("QueryOrder")) == (["expiry_overdue", "query_unanswered"], 1)

    trading.reopen()  # which asks after every open order
    trading.at(CLOSE + 6 * HOUR)
    assert trading.told.count("expiry_overdue") == 1
    assert trading.state() is OrderState.ACKNOWLEDGED


@pytest.mark.parametrize("when", ["before the end", "before it was noticed", "after"])
def test_a_silent_venue_and_a_restart_in_between(path: Path | None, when: str) -> None:
    trading = Trading(path, Expiry.SILENT)
    trading.rest(time_in_force="day")
    if when == "before the end":
        trading.reopen()
    trading.at(CLOSE + LATENESS - 1)
    assert trading.state() is OrderState.ACKNOWLEDGED
    if when == "before it was noticed":
        trading.clock.now_ns = CLOSE + LATENESS
        trading.reopen()
    trading.at(CLOSE + LATENESS)
    if when == "after":
        trading.reopen()
        assert "applied" not in trading.at(CLOSE + LATENESS)
    assert trading.state() is OrderState.EXPIRED
    assert "expiry_overdue" not in trading.told

    trading.venue.report(FillReport, execution_id="E1", quantity="0.25", price="100")
    trading.book.pump()
    assert trading.book.positions.position("BTC-USD").quantity == trading.book.orders.get("order-1").filled
    assert trading.told[-1] == "fill_on_expired"


def test_what_the_venue_has_reported_is_taken_before_anything_is_concluded() -> None:
    trading = Trading(expiry=Expiry.SILENT)
    trading.rest(time_in_force="day")
    trading.venue.report(FillReport, execution_id="E1", quantity="1", price="100")
    assert trading.at(CLOSE + LATENESS) == []
    assert trading.state() is OrderState.FILLED


def test_silence_on_a_broken_line_is_no_evidence() -> None:
    trading = Trading(expiry=Expiry.SILENT)
    trading.rest(time_in_force="day")
    trading.venue.failing["take_reports"] = ConnectionLost("the line is down")
    with pytest.raises(ConnectionLost):
        trading.at(CLOSE + LATENESS)
    assert trading.state() is OrderState.ACKNOWLEDGED


class Babbling(Exchange):
    """It answers every report that is taken with another one, once it has begun."""

    babbles = False

    def take_reports(self) -> list[VenueReport]:
        if self.babbles:
            self.report(StatusReport)
        return super().take_reports()


def test_a_venue_that_never_stops_reporting_is_said_to_and_its_silence_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("execore.runtime.intake._MAXIMUM_ROUNDS", 5)
    venue = Babbling(Expiry.SILENT)
    trading = Trading(venue=venue)
    trading.rest(time_in_force="day")
    venue.babbles = True
    for pump in (trading.book.pump, lambda: trading.at(CLOSE + LATENESS)):
        with pytest.raises(VenueError, match="5 times"):
            pump()
    assert trading.state() is OrderState.ACKNOWLEDGED
    trading.book.submit(order(2))
    assert trading.told == ["venue_error"], "a request is recorded and sent, so it is answered"
    venue.babbles = False
    trading.at(CLOSE + LATENESS)
    assert trading.state() is OrderState.EXPIRED


def test_reports_that_just_fit_the_rounds_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("execore.runtime.intake._MAXIMUM_ROUNDS", 5)
    trading = Trading()
    trading.rest()
    for _ in range(4):
        trading.venue.report(StatusReport)
    assert trading.book.pump() == 4


def test_without_a_calendar_a_day_order_has_no_end_that_we_know() -> None:
    trading = Trading()
    trading.calendar = None
    trading.reopen()
    trading.rest(time_in_force="day")
    assert trading.book.next_due_ns() is None
    assert trading.at(CLOSE + 100 * HOUR) == []
    assert trading.state() is OrderState.ACKNOWLEDGED


class Exhausted:
    """A calendar that reaches nowhere."""

    def session(self, ts_ns: int) -> Session:
        raise InvalidConfiguration("calendar", "knows nothing")


def test_a_calendar_that_does_not_reach_is_said_and_nothing_is_created_or_sent() -> None:
    trading = Trading()
    trading.calendar = Exhausted()
    trading.reopen()
    with pytest.raises(InvalidConfiguration):
        trading.book.submit(order(time_in_force="day"))
    assert (list(trading.book.orders), trading.venue.sent) == ([], [])


# --- good till date, and what was never sent ----------------------------------------------------------------


def test_a_held_order_is_denied_at_its_end_and_never_sent(path: Path | None) -> None:
    trading = Trading(path)
    trading.hold = True
    trading.book.submit(order(time_in_force="gtd", expire_ts_ns=MORNING + HOUR))
    trading.reopen()
    trading.at(MORNING + HOUR - 1)
    assert trading.state() is OrderState.CREATED
    trading.at(MORNING + HOUR)
    assert trading.state() is OrderState.DENIED
    trading.hold = False
    assert trading.book.release("order-1").outcome is Outcome.REFUSED
    assert trading.sent("SendOrder") == 0


def test_a_venue_that_knows_no_date_is_asked_to_cancel(path: Path | None) -> None:
    trading = Trading(path, Expiry.OURS)
    trading.rest(time_in_force="gtd", expire_ts_ns=MORNING + HOUR)
    trading.at(MORNING)
    assert trading.book.next_due_ns() == MORNING + HOUR
    trading.at(MORNING + HOUR)
    (message,) = (sent for sent in trading.venue.sent if isinstance(sent, SendCancel))
    trading.reopen()  # in flight: its outcome is unknown now, and it is asked for again
    trading.at(MORNING + HOUR + 2 * SECOND)
    first, second = (sent for sent in trading.venue.sent if isinstance(sent, SendCancel))
    assert first == message
    assert first == second, "the same request"
    trading.venue.report(CancelReport, request_id=first.request_id)
    trading.book.pump()
    assert trading.state() is OrderState.CANCELLED
    assert trading.told.count("expiry_overdue") == 0


# --- a new day ----------------------------------------------------------------------------------------------


def test_a_good_till_order_done_for_the_day_rests_again_when_the_next_session_opens(
    path: Path | None,
) -> None:
    trading = Trading(path)
    trading.rest()
    trading.at(MORNING)
    trading.venue.report(DoneForDayReport)
    trading.at(CLOSE)
    assert trading.book.orders.get("order-1").flags == ("done_for_day",)
    assert trading.book.next_due_ns() == MONDAY
    trading.at(MONDAY - 1)
    assert trading.book.orders.get("order-1").flags == ("done_for_day",)
    trading.reopen()
    trading.at(MONDAY)
    assert trading.book.orders.get("order-1").flags == ()
    assert trading.book.orders.get("order-1").leaves == 1
    trading.reopen()
    assert trading.at(MONDAY + HOUR) == [], "the day has begun, whoever asks again"
    assert sum(b'"day_started"' in text for text in trading.events()) == 2


def test_a_clock_that_jumps_back_changes_nothing() -> None:
    """WS096: a backward clock reorders no ledger and revives nothing whose time was up."""
    trading = Trading(expiry=Expiry.SILENT)
    trading.rest(1, time_in_force="day")
    trading.rest(2)
    trading.at(MONDAY)
    trading.venue.report(DoneForDayReport, 2)
    trading.at(MONDAY + HOUR)
    before, head = trading.book.orders.to_dict(), trading.book.head
    assert trading.state(1) is OrderState.EXPIRED
    for now_ns in (MORNING - HOUR, MORNING, CLOSE - 1, MONDAY - 1, MONDAY + HOUR - 1):
        assert trading.at(now_ns) == []
    assert (trading.book.orders.to_dict(), trading.book.head) == (before, head)
    trading.clock.now_ns = MORNING
    trading.rest(3, time_in_force="day")
    assert trading.book.orders.get("order-3").ending == Ending(CLOSE)
    assert trading.state(3) is OrderState.ACKNOWLEDGED


def test_what_is_done_for_this_day_stays_so_when_the_day_is_heard_of_late(path: Path | None) -> None:
    """The book has run since before the open, and nobody passed the time until the afternoon."""
    trading = Trading(path)
    trading.rest()
    trading.venue.report(DoneForDayReport, ts_ns=MORNING + HOUR)
    trading.book.pump()
    trading.reopen()
    assert trading.at(MORNING + 2 * HOUR) == ["applied"]
    assert trading.book.orders.get("order-1").flags == ("done_for_day",)
    trading.at(MONDAY)
    assert trading.book.orders.get("order-1").flags == ()


@pytest.mark.parametrize("days", [5, 402])
def test_one_jump_of_the_clock_far_ahead_does_not_stop_the_days(path: Path | None, days: int) -> None:
    trading = Trading(path)
    trading.rest()
    trading.at(MORNING)
    trading.at(MORNING + days * 24 * HOUR)
    trading.reopen()
    trading.clock.now_ns = MORNING + HOUR
    assert trading.book.next_due_ns() == at("2026-03-06T14:30"), "at once: the day that runs is not recorded"
    assert trading.at(MORNING + HOUR) == ["applied"]
    assert trading.book.next_due_ns() == MONDAY
    trading.venue.report(DoneForDayReport, ts_ns=MORNING + HOUR)
    assert trading.at(MORNING + 2 * HOUR) == []
    trading.at(MONDAY)
    assert trading.book.orders.get("order-1").flags == ()
    assert sum(b'"day_started"' in text for text in trading.events()) == 4


@given(st.lists(st.integers(-20 * 24, 5 * 24), max_size=10))
@example([0, -10 * 24, 1, -24, 2])
def test_however_the_clock_jumps_nothing_done_for_the_day_rests_before_the_next_open(
    hours: list[int],
) -> None:
    """WS096: a clock behind by days looks like one that was ahead; it revives nothing either way."""
    trading = Trading()
    trading.rest()
    trading.venue.report(DoneForDayReport, ts_ns=MORNING)
    latest_ns = MORNING
    for hour in hours:
        now_ns = MORNING + hour * HOUR
        latest_ns = max(latest_ns, now_ns)
        trading.at(now_ns)
        assert trading.at(now_ns) == [], "what is due is done once"
        assert latest_ns >= MONDAY or trading.book.orders.get("order-1").flags == ("done_for_day",)


def test_time_passes_as_often_as_anybody_likes() -> None:
    trading = Trading(expiry=Expiry.SILENT)
    trading.rest(time_in_force="day")
    trading.at(MORNING)
    due_ns = trading.book.next_due_ns()
    assert due_ns == CLOSE + LATENESS
    trading.at(due_ns)
    assert trading.state() is OrderState.EXPIRED
    assert trading.book.next_due_ns() == MONDAY


# --- the paper exchange -------------------------------------------------------------------------------------


def test_the_paper_exchange_and_its_calendar_agree_on_the_end_of_a_day() -> None:
    clock = ManualClock(MORNING)
    venue = PaperVenue("paper", [BITCOIN], start_ts_ns=MORNING)
    told: list[Alert] = []
    with open_book(
        "memory:",
        instruments=[BITCOIN],
        venue=venue,
        clock=clock,
        monotonic_ns=clock,
        calendar=ROUND_THE_CLOCK,
        on_alert=told.append,
    ) as book:
        answer = book.submit(order(time_in_force="day"))
        assert answer.order is not None
        midnight = at("2026-03-07T00:00")
        assert answer.order.ending == Ending(midnight)
        for now_ns in (midnight - 1, midnight, midnight + HOUR):
            clock.now_ns = now_ns
            venue.advance_time(now_ns)
            book.pass_time()
        assert book.orders.get("order-1").state is OrderState.EXPIRED
        assert book.orders.get("order-1").ending == Ending(midnight), "the exchange ended it, not our clock"
    assert told == []
