"""Trading calendars: in which session an order sent now trades, and when that session ends.

A calendar is a property of a venue. The core knows none: it gets instants as data, and the shell takes them
from here. The package ``exchange_calendars`` is behind the same protocol in ``venues.exchange_calendar``.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Protocol

import msgspec

from execore.model.errors import InvalidConfiguration

MIDNIGHT: Final = time(0)
"""As a closing time it is the end of the day, not its beginning."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_BREAK_DAYS: Final = 400
_EVERY_DAY: Final = frozenset(range(7))


class Session(msgspec.Struct, frozen=True):
    """One session of a venue, from its open until just before its close, in integer nanoseconds UTC.

    Attributes:
        trade_date: the day its trades belong to: that of its close, where it begins on the evening before.
    """

    trade_date: date
    open_ts_ns: int
    close_ts_ns: int


class TradingCalendar(Protocol):
    """When a venue trades."""

    def session(self, ts_ns: int) -> Session:
        """The session in which an order sent at ``ts_ns`` trades: the running one, or the next.

        At the instant of a close that is the next session.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        ...


class WeeklyCalendar(msgspec.Struct, frozen=True, kw_only=True):
    """The same hours every week, but for a table of exceptions. All times are local to ``zone``.

    A session that closes at or before the time it opens began on the evening before its trade date: opening
    17:00 and closing 16:00 is Sunday 17:00 to Monday 16:00 for Monday. It can be read from JSON or TOML with
    ``msgspec``, as its fields are plain values.

    A local time that the clocks skip on a change day is as much later as they skip; of one that they repeat
    it is the first.

    Attributes:
        zone: IANA name of the time zone, as ``America/Chicago``.
        opens, closes: local time of day; closing at ``MIDNIGHT`` is at the end of the trade date.
        weekdays: of the trade dates, 0 for Monday to 6 for Sunday, as in ``date.weekday``.
        holidays: dates without a session, though their weekday has one.
        early_closes: closing times of the days that end earlier, each on the trade date itself.

    Raises:
        InvalidConfiguration: a field cannot be used, or an exception is for a day without a session, or not
            between its open and its usual close.
    """

    zone: str
    opens: time
    closes: time
    weekdays: frozenset[int] = frozenset(range(5))
    holidays: frozenset[date] = frozenset()
    early_closes: dict[date, time] = {}

    def __post_init__(self) -> None:
        _zone(self.zone)
        if not self.weekdays or not self.weekdays <= _EVERY_DAY:
            raise InvalidConfiguration("weekdays", f"{sorted(self.weekdays)} are not some of 0 to 6")
        moments = [("early_closes", moment) for moment in self.early_closes.values()]
        for field, moment in (("opens", self.opens), ("closes", self.closes), *moments):
            if moment.tzinfo is not None:
                raise InvalidConfiguration(field, f"{moment} has a zone of its own", "Give the local time")
        for day, closes in self.early_closes.items():
            if not self._trades_on(day):
                raise InvalidConfiguration("early_closes", f"{day} has no session that could end early")
            session = self._session_of(day)
            if not session.open_ts_ns < session.close_ts_ns <= self._closing(day, self.closes):
                raise InvalidConfiguration(
                    "early_closes",
                    f"{day} would close at {closes}, which is not between its open and its usual close",
                    "Give a time of the trade date; MIDNIGHT is the end of it",
                )

    def session(self, ts_ns: int) -> Session:
        """See ``TradingCalendar``.

        Raises:
            InvalidConfiguration: its holidays leave no session for more than a year.
        """
        day = (_EPOCH + timedelta(microseconds=ts_ns // 1000)).astimezone(_zone(self.zone)).date()
        for _ in range(_LONGEST_BREAK_DAYS):  # no session of an earlier date can still be running
            if self._trades_on(day):
                session = self._session_of(day)
                if max(ts_ns, session.open_ts_ns) < session.close_ts_ns:  # the clocks may skip all of it
                    return session
            day += _DAY
        raise InvalidConfiguration("holidays", f"no session in the {_LONGEST_BREAK_DAYS} days before {day}")

    def _trades_on(self, day: date) -> bool:
        return day.weekday() in self.weekdays and day not in self.holidays

    def _session_of(self, day: date) -> Session:
        overnight = MIDNIGHT != self.closes <= self.opens
        opening_day = day - _DAY if overnight else day
        closes = self.early_closes.get(day, self.closes)
        return Session(day, self._instant(opening_day, self.opens), self._closing(day, closes))

    def _closing(self, day: date, closes: time) -> int:
        return self._instant(day + _DAY if closes == MIDNIGHT else day, closes)

    def _instant(self, day: date, moment: time) -> int:
        local = datetime.combine(day, moment, _zone(self.zone))
        return (local - _EPOCH) // _MICROSECOND * 1000


def _zone(name: str) -> tzinfo:
    """The time zone of this name; UTC needs no database.

    Raises:
        InvalidConfiguration: there is none.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # heavy, and most need no other zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidConfiguration(
            "zone",
            f"{name!r} is not in the time zone database",
            "Give a name like Europe/Berlin; on a system without a database install the package tzdata",
        ) from error


ROUND_THE_CLOCK: Final = WeeklyCalendar(zone="UTC", opens=MIDNIGHT, closes=MIDNIGHT, weekdays=_EVERY_DAY)
"""Trading never stops, and a day ends at 00:00 UTC, as at most crypto venues."""
