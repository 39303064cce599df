"""The shell's side of time: when an order will end, and what the clock and the calendar tell the core."""

from collections.abc import Iterator

from execore.core.book_state import BookState
from execore.core.expiry import ExpiryRules, due, next_due_ns
from execore.model.ending import SECOND_NS
from execore.model.orders import OrderRequest
from execore.model.requests import Input, StartDay
from execore.model.vocabulary import TimeInForce
from execore.venues.calendars import Session, TradingCalendar
from execore.venues.protocol import Venue


class TradingTime:
    """Days by a calendar, ends by a venue's rules. Without a calendar there are no days, and day orders have
    no end that we know.

    Args:
        calendar: when the venue trades.
        venue: whose declaration of expiry holds; without one, all is reported, and at once.
    """

    def __init__(self, calendar: TradingCalendar | None, venue: Venue | None) -> None:
        self._calendar = calendar
        self._rules = ExpiryRules() if venue is None else _rules_of(venue)

    def end_of(self, order: OrderRequest, ts_ns: int) -> int | None:
        """When the order, sent at ``ts_ns``, ends by its time in force; None if it does not, or nobody knows.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        if order.time_in_force is TimeInForce.DAY and self._calendar is not None:
            return self._calendar.session(ts_ns).close_ts_ns
        return order.expire_ts_ns

    def inputs(self, state: BookState, ts_ns: int) -> list[Input]:
        """What the core has to decide at ``ts_ns``: orders whose time is up, and a day that began.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        return [*due(state.orders.ending_orders(), self._rules, ts_ns), *self._day_started(state, ts_ns)]

    def next_due_ns(self, state: BookState, ts_ns: int) -> int | None:
        """When there will be something to decide, as far as is known at ``ts_ns``; None if never.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        expiry_ns = next_due_ns(state.orders.ending_orders(), self._rules)
        if self._calendar is None:
            return expiry_ns
        session = self._calendar.session(ts_ns)
        if session.trade_date.isoformat() <= state.trade_date and not _mistaken(
            state, self._calendar, session
        ):
            session = self._calendar.session(session.close_ts_ns)
        return session.open_ts_ns if expiry_ns is None else min(expiry_ns, session.open_ts_ns)

    def _day_started(self, state: BookState, ts_ns: int) -> Iterator[StartDay]:
        if self._calendar is None:
            return
        session = self._calendar.session(ts_ns)
        if session.open_ts_ns > ts_ns:
            return
        trade_date, corrects = session.trade_date.isoformat(), _mistaken(state, self._calendar, session)
        if trade_date > state.trade_date or corrects:
            yield StartDay(
                ts_ns=ts_ns,
                trade_date=trade_date,
                opens_ts_ns=session.open_ts_ns,
                ends_ts_ns=session.close_ts_ns,
                corrects=corrects,
            )


def _mistaken(state: BookState, calendar: TradingCalendar, session: Session) -> str:
    """The recorded trade date, if it is beyond the session after ``session``, which is ours now; else empty.

    Our clock was far ahead when it was recorded, or is far behind now. We cannot tell, and need not: only
    what was done for the day before the session began rests again. A clock that wavers about the beginning
    of a session is never as far off.
    """
    if state.trade_date <= session.trade_date.isoformat():
        return ""
    following = calendar.session(session.close_ts_ns)
    return state.trade_date if state.trade_date > following.trade_date.isoformat() else ""


def _rules_of(venue: Venue) -> ExpiryRules:
    declared = venue.capabilities
    return ExpiryRules(
        declared.day_expiry,
        declared.good_till_date_expiry,
        declared.expiry_lateness_seconds * SECOND_NS,
    )
