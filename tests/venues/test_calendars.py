"""Sessions and trade dates: weekly tables over change days in both directions, and the package."""

import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.model.errors import InvalidConfiguration, MissingExtra
from execore.venues.calendars import MIDNIGHT, ROUND_THE_CLOCK, Session, TradingCalendar, WeeklyCalendar
from execore.venues.exchange_calendar import ExchangeCalendar

# pandas 3.1 says this of what exchange_calendars 4.13 does while it makes a calendar.
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray:DeprecationWarning")

HOUR_NS: Final = 3_600_000_000_000
DAY_NS: Final = 24 * HOUR_NS
EVERY_DAY: Final = frozenset(range(7))
NEW_YORK_2026: Final = WeeklyCalendar(
    zone="America/New_York",
    opens=time(9, 30),
    closes=time(16),
    holidays=frozenset(
        date(2026, month, day)
        for month, day in (
            (1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25),
        )
    ),
    early_closes={date(2026, 11, 27): time(13), date(2026, 12, 24): time(13)},
)  # fmt: skip
FUTURES: Final = WeeklyCalendar(zone="America/Chicago", opens=time(17), closes=time(16))


def at(text: str) -> int:
    """An ISO time as integer nanoseconds; UTC where it names no offset."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def session(day: str, opens: str, closes: str) -> Session:
    return Session(date.fromisoformat(day), at(opens), at(closes))


# --- the weekly table ---------------------------------------------------------------------------------------

TUESDAY: Final = session("2026-03-03", "2026-03-03T14:30", "2026-03-03T21:00")
WEDNESDAY: Final = session("2026-03-04", "2026-03-04T14:30", "2026-03-04T21:00")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(at("2026-03-03T05:00"), TUESDAY, id="in the night, for the coming session"),
        pytest.param(TUESDAY.open_ts_ns - 1, TUESDAY, id="a nanosecond before the open"),
        pytest.param(TUESDAY.open_ts_ns, TUESDAY, id="at the open"),
        pytest.param(TUESDAY.close_ts_ns - 1, TUESDAY, id="a nanosecond before the close"),
        pytest.param(TUESDAY.close_ts_ns, WEDNESDAY, id="at the close, for the next session"),
        pytest.param(
            at("2026-03-06T22:00"),
            session("2026-03-09", "2026-03-09T13:30", "2026-03-09T20:00"),
            id="on Friday evening, for Monday, which is in summer time",
        ),
        pytest.param(
            at("2026-10-30T21:00"),
            session("2026-11-02", "2026-11-02T14:30", "2026-11-02T21:00"),
            id="on Friday evening, for Monday, which is in winter time again",
        ),
        pytest.param(
            at("2026-07-02T20:00"),
            session("2026-07-06", "2026-07-06T13:30", "2026-07-06T20:00"),
            id="before a holiday and a weekend",
        ),
        pytest.param(
            at("2026-11-27T17:59:59"),
            session("2026-11-27", "2026-11-27T14:30", "2026-11-27T18:00"),
            id="on a day that ends early",
        ),
        pytest.param(
            at("2026-11-27T18:00"),
            session("2026-11-30", "2026-11-30T14:30", "2026-11-30T21:00"),
            id="after it ended early",
        ),
    ],
)
def test_an_order_trades_in_the_running_session_or_the_next(sent: int, expected: Session) -> None:
    assert NEW_YORK_2026.session(sent) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            at("2026-03-06T21:59:59"),
            session("2026-03-06", "2026-03-05T23:00", "2026-03-06T22:00"),
            id="Friday's session began on Thursday",
        ),
        pytest.param(
            at("2026-03-06T22:00"),
            session("2026-03-09", "2026-03-08T22:00", "2026-03-09T21:00"),
            id="Monday's begins on Sunday, in summer time since that morning",
        ),
        pytest.param(
            at("2026-03-10T21:30"),
            session("2026-03-11", "2026-03-10T22:00", "2026-03-11T21:00"),
            id="in the daily break, for the session of the next trade date",
        ),
        pytest.param(
            at("2026-11-01T23:00"),
            session("2026-11-02", "2026-11-01T23:00", "2026-11-02T22:00"),
            id="in winter time since that morning",
        ),
    ],
)
def test_an_overnight_session_belongs_to_the_date_of_its_close(sent: int, expected: Session) -> None:
    assert FUTURES.session(sent) == expected


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-07", 24), ("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-02", 24)]
)
def test_a_session_over_a_clock_change_is_an_hour_shorter_or_longer(day: str, hours: int) -> None:
    around = WeeklyCalendar(
        zone="America/New_York", opens=time(17), closes=time(17), weekdays=EVERY_DAY
    ).session(at(f"{day}T12:00"))
    assert around.trade_date == date.fromisoformat(day)
    assert around.close_ts_ns - around.open_ts_ns == hours * HOUR_NS


def test_a_local_time_that_the_clocks_skip_is_as_much_later_as_they_skip() -> None:
    night = WeeklyCalendar(zone="Europe/Berlin", opens=time(2, 30), closes=time(22), weekdays=EVERY_DAY)
    assert night.session(at("2026-03-29T00:00")).open_ts_ns == at("2026-03-29T03:30+02:00")


def test_a_local_time_that_the_clocks_repeat_is_the_first() -> None:
    night = WeeklyCalendar(zone="Europe/Berlin", opens=time(1), closes=time(2, 30), weekdays=EVERY_DAY)
    assert night.session(at("2026-10-25T00:00")).close_ts_ns == at("2026-10-25T02:30+02:00")


def test_a_session_that_the_clocks_skip_whole_is_none() -> None:
    night = WeeklyCalendar(zone="Europe/Berlin", opens=time(2, 15), closes=time(3), weekdays=EVERY_DAY)
    assert night.session(at("2026-03-28T12:00")).trade_date == date(2026, 3, 30)


def test_round_the_clock_a_day_ends_at_midnight_utc() -> None:
    expected = session("2026-12-31", "2026-12-31T00:00", "2027-01-01T00:00")
    assert ROUND_THE_CLOCK.session(expected.open_ts_ns) == expected
    assert ROUND_THE_CLOCK.session(expected.close_ts_ns - 1) == expected
    assert ROUND_THE_CLOCK.session(expected.close_ts_ns).trade_date == date(2027, 1, 1)


def test_a_close_at_midnight_is_the_end_of_the_day() -> None:
    evening = WeeklyCalendar(zone="UTC", opens=time(18), closes=MIDNIGHT)
    assert evening.session(at("2026-03-03T20:00")) == session(
        "2026-03-03", "2026-03-03T18:00", "2026-03-04T00:00"
    )


def test_a_session_that_closes_at_midnight_can_end_early() -> None:
    evening = WeeklyCalendar(
        zone="UTC", opens=time(18), closes=MIDNIGHT, early_closes={date(2026, 3, 3): time(21)}
    )
    assert evening.session(at("2026-03-03T20:00")).close_ts_ns == at("2026-03-03T21:00")


def test_it_can_be_read_from_json() -> None:
    text = msgspec.json.encode(NEW_YORK_2026)
    assert msgspec.json.decode(text, type=WeeklyCalendar) == NEW_YORK_2026


INSTANTS: Final = st.integers(at("2020-01-01"), at("2030-01-01"))
CALENDARS: Final = st.builds(
    WeeklyCalendar,
    zone=st.sampled_from(
        ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Tokyo"]
    ),
    opens=st.times().map(lambda moment: moment.replace(microsecond=0)),
    closes=st.times().map(lambda moment: moment.replace(microsecond=0)),
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    holidays=st.frozensets(st.dates(date(2020, 1, 1), date(2030, 1, 1)), max_size=5),
)


@given(CALENDARS, INSTANTS, st.times())
def test_a_session_that_ends_early_ends_before_it_would_have(
    calendar: WeeklyCalendar, ts_ns: int, closes: time
) -> None:
    usual = calendar.session(ts_ns)
    try:
        exceptional = msgspec.structs.replace(calendar, early_closes={usual.trade_date: closes})
    except InvalidConfiguration:
        return
    early = exceptional.session(usual.open_ts_ns)
    assert (early.trade_date, early.open_ts_ns) == (usual.trade_date, usual.open_ts_ns)
    assert usual.open_ts_ns < early.close_ts_ns <= usual.close_ts_ns
    assert exceptional.session(usual.close_ts_ns) == calendar.session(usual.close_ts_ns)


@given(CALENDARS, INSTANTS)
def test_sessions_follow_one_another_and_never_overlap(calendar: WeeklyCalendar, ts_ns: int) -> None:
    running = calendar.session(ts_ns)
    assert ts_ns < running.close_ts_ns
    following = calendar.session(running.close_ts_ns)
    assert following.trade_date > running.trade_date
    assert running.close_ts_ns <= following.open_ts_ns < following.close_ts_ns
    assert running.trade_date.weekday() in calendar.weekdays
    assert running.trade_date not in calendar.holidays


@given(CALENDARS, INSTANTS, st.integers(0, 10 * DAY_NS))
def test_a_later_order_never_trades_in_an_earlier_session(
    calendar: WeeklyCalendar, ts_ns: int, later_ns: int
) -> None:
    earlier, later = calendar.session(ts_ns), calendar.session(ts_ns + later_ns)
    assert (earlier == later) is (ts_ns + later_ns < earlier.close_ts_ns)
    assert earlier.trade_date <= later.trade_date


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("zone", {"zone": "Europe/Atlantis"}),
        ("zone", {"zone": "../etc"}),
        ("zone", {"zone": "Europe"}),
        ("weekdays", {"weekdays": frozenset()}),
        ("weekdays", {"weekdays": frozenset({7})}),
        ("opens", {"opens": time(9, tzinfo=UTC)}),
        ("early_closes", {"early_closes": {date(2026, 3, 7): time(13)}}),
        ("early_closes", {"early_closes": {date(2026, 3, 9): time(8)}}),
        ("early_closes", {"early_closes": {date(2026, 3, 9): time(18)}}),
        ("early_closes", {"early_closes": {date(2026, 3, 9): MIDNIGHT}}),
        ("early_closes", {"early_closes": {date(2026, 3, 9): time(13, tzinfo=UTC)}}),
        (
            "early_closes",
            {"opens": time(17), "closes": time(16), "early_closes": {date(2026, 3, 9): MIDNIGHT}},
        ),
        (
            "early_closes",
            {"opens": time(17), "closes": time(16), "early_closes": {date(2026, 3, 9): time(18)}},
        ),
        (
            "early_closes",
            {"early_closes": {date(2026, 3, 9): time(13)}, "holidays": frozenset({date(2026, 3, 9)})},
        ),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(field: str, settings: dict[str, object]) -> None:
    fields = {"zone": "UTC", "opens": time(9), "closes": time(17)} | settings
    with pytest.raises(InvalidConfiguration) as refused:
        WeeklyCalendar(**fields)  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


def test_a_table_of_nothing_but_holidays_says_so() -> None:
    days = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(500))
    closed = WeeklyCalendar(zone="UTC", opens=time(9), closes=time(17), holidays=days)
    with pytest.raises(InvalidConfiguration, match="no session"):
        closed.session(at("2026-01-01"))


# --- the package --------------------------------------------------------------------------------------------


def test_the_package_and_the_table_of_a_year_agree() -> None:
    package: TradingCalendar = ExchangeCalendar("XNYS", start=date(2026, 1, 1), end=date(2027, 1, 15))
    ts_ns = at("2026-01-02T14:30")
    sessions = 0
    while ts_ns < at("2026-12-31T21:00"):
        expected = NEW_YORK_2026.session(ts_ns)
        assert package.session(ts_ns) == expected
        assert package.session(expected.close_ts_ns - 1) == expected
        ts_ns, sessions = expected.close_ts_ns, sessions + 1
    assert sessions == 251


def test_a_calendar_of_the_package_that_never_closes_agrees_with_ours() -> None:
    package = ExchangeCalendar("24/7", start=date(2026, 3, 1), end=date(2026, 4, 1))
    for day in range(30):
        ts_ns = at("2026-03-01") + day * DAY_NS
        assert package.session(ts_ns) == ROUND_THE_CLOCK.session(ts_ns)


def test_outside_its_dates_the_package_is_not_guessed_from() -> None:
    package = ExchangeCalendar("XNYS", start=date(2026, 3, 2), end=date(2026, 3, 6))
    last = package.session(at("2026-03-06T20:59:59"))
    for ts_ns in (last.close_ts_ns, at("2026-03-02T14:29")):
        with pytest.raises(InvalidConfiguration, match="XNYS knows 2026-03-02 to 2026-03-06"):
            package.session(ts_ns)


@pytest.mark.parametrize(
    ("name", "start"), [("Atlantis", date(2026, 1, 1)), ("XHKG", date(1800, 1, 1))], ids=["name", "dates"]
)
def test_a_calendar_that_the_package_does_not_have_is_refused(name: str, start: date) -> None:
    with pytest.raises(InvalidConfiguration, match=name):
        ExchangeCalendar(name, start=start)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(MissingExtra, match=r"execore\[calendars\]"):
        ExchangeCalendar("XNYS")
