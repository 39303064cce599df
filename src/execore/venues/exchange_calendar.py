"""Exchange calendars by the package ``exchange_calendars``: holidays and early closes of some 50 exchanges.

It needs the extra ``calendars``. The package is loaded when a calendar is made, not before.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime
from typing import Any

from execore.model.errors import InvalidConfiguration, MissingExtra
from execore.venues.calendars import Session


class ExchangeCalendar:
    """A ``TradingCalendar`` from the package: one session from the open to the close, breaks included.

    What the package knows of the future is what exchanges had announced when it was released.

    Args:
        name: the package's name of the calendar: a market identifier code as ``XNYS``, or an alias.
        start, end: the first and last date; without them, the package's own (20 years back, one year ahead).

    Raises:
        MissingExtra: ``exchange_calendars`` is not installed.
        InvalidConfiguration: it has no such calendar, or not for these dates.
    """

    def __init__(self, name: str, *, start: date | None = None, end: date | None = None) -> None:
        package = _exchange_calendars()
        try:
            calendar = package.get_calendar(name, start=start, end=end)
        except (package.errors.CalendarError, ValueError) as error:
            raise InvalidConfiguration(
                "name", f"no calendar {name!r}: {error}", "Look the name up"
            ) from error
        self._name = name
        self._dates = [session.date() for session in calendar.sessions]
        self._opens = [open_.value for open_ in calendar.opens]
        self._closes = [close.value for close in calendar.closes]

    def session(self, ts_ns: int) -> Session:
        """See ``TradingCalendar``.

        Raises:
            InvalidConfiguration: ``ts_ns`` is before its first session, or after its last.
        """
        index = bisect_right(self._closes, ts_ns)
        if index == len(self._closes) or ts_ns < self._opens[0]:
            at = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
            raise InvalidConfiguration(
                "calendar",
                f"{self._name} knows {self._dates[0]} to {self._dates[-1]}, and is asked for {at}",
                "Make it anew, or give its start and end",
            )
        return Session(self._dates[index], self._opens[index], self._closes[index])


def _exchange_calendars() -> Any:
    try:
        import exchange_calendars
    except ImportError as error:
        raise MissingExtra(
            "Calendars of exchanges need the package exchange_calendars",
            "Install it: pip install 'execore[calendars]'",
        ) from error
    return exchange_calendars
