"""What is said of a lot beside what it is: what a unit of it cost, and how long it has been held."""

import datetime
from decimal import Decimal

from execore.core.instrument_rules import average_cost
from execore.core.settlement import date_of
from execore.model.instruments import Instrument
from execore.model.lots import Lot


def unit_cost(instrument: Instrument, lot: Lot) -> Decimal | None:
    """The price at which the lot would have cost what it did, rounded half-even at 1e-12 for showing."""
    return average_cost(instrument, lot.quantity, lot.cost_basis)


def holding_days(opened_ts_ns: int, ts_ns: int) -> int:
    """Days held by ``ts_ns``, by UTC dates: from the day after it was opened, up to that day and with it.

    As IRS Publication 550, "Holding Period", counts.
    """
    return (_date(ts_ns) - _date(opened_ts_ns)).days


def is_long_term(opened_ts_ns: int, ts_ns: int) -> bool:
    """Whether it was held for more than a year: past the same date of the next year (IRS Publication 550)."""
    opened = _date(opened_ts_ns)
    leaps = opened.month == 2 and opened.day == 29
    anniversary = opened.replace(year=opened.year + 1, day=28 if leaps else opened.day)
    return _date(ts_ns) > anniversary


def _date(ts_ns: int) -> datetime.date:
    return datetime.date.fromisoformat(date_of(ts_ns))
