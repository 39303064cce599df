"""Trade date and settlement date: cash of trades that are done and not settled (T+n).

Cash in the books is that of the trade date: a sale's proceeds are there at once. What of it has not changed
hands yet is kept beside the books, by the date on which it will.
"""

import datetime
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from execore.core.instrument_rules import is_carried, notional
from execore.model.events import FillBooked
from execore.model.instruments import Instrument
from execore.model.money import EXACT, ZERO, exactly
from execore.model.trades import Trade
from execore.model.vocabulary import InstrumentKind, Side

_EPOCH: Final = datetime.date(1970, 1, 1)
_DAY_NS: Final = 86_400 * 1_000_000_000
_SATURDAY: Final = 5
Pending = tuple[tuple[str, str, Decimal], ...]
"""Settlement date, currency, and what is to be received (negative: paid) then."""


def date_of(ts_ns: int) -> str:
    """The UTC date of a time in integer nanoseconds UTC, ``YYYY-MM-DD``."""
    return (_EPOCH + datetime.timedelta(days=ts_ns // _DAY_NS)).isoformat()


def settlement_date(instrument: Instrument, ts_ns: int) -> str:
    """When a trade at ``ts_ns`` (integer nanoseconds UTC) settles; empty where that is with the trade.

    So many business days later as the instrument says: Saturdays, Sundays and its settlement holidays are
    none (SEC Rule 15c6-1 counts business days from the trade date).
    """
    left = instrument.settlement_days
    if not left:
        return ""
    date = datetime.date.fromisoformat(date_of(ts_ns))
    while left:
        date += datetime.timedelta(days=1)
        if date.weekday() < _SATURDAY and date.isoformat() not in instrument.settlement_holidays:
            left -= 1
    return date.isoformat()


class Settlements:
    """What is to be settled, by date and currency."""

    def __init__(self, pending: Pending = ()) -> None:
        self._pending: dict[str, dict[str, Decimal]] = {}
        for date, currency, amount in pending:
            self._add(date, currency, amount)

    def book(self, fill: FillBooked, instrument: Instrument, ts_ns: int) -> None:
        """Take in a fill that settles later; what was due before its own date is settled."""
        self.settle(date_of(ts_ns))
        self._add_trade(fill, instrument, 1)

    def change(self, was: Trade, now: Trade | None, instrument: Instrument) -> None:
        """An execution is ``now`` this (None: undone): what of it is still to be settled changes."""
        if was.settlement_date in self._pending:
            self._add_trade(was, instrument, -1)
            if now is not None:
                self._add_trade(now, instrument, 1)

    @exactly
    def _add_trade(self, trade: FillBooked | Trade, instrument: Instrument, times: int) -> None:
        date, currency = trade.settlement_date, instrument.settles_in
        if trade.side is Side.UNDISCLOSED or is_carried(instrument):
            return
        signed = trade.quantity if trade.side is Side.BUY else -trade.quantity
        self._add(date, currency, -times * notional(instrument, signed, trade.price))
        fee_currency = trade.fee_currency or currency
        in_kind = instrument.kind is InstrumentKind.SPOT and fee_currency == instrument.base_currency
        if trade.fee and not in_kind:
            self._add(date, fee_currency, -times * trade.fee)

    def _add(self, date: str, currency: str, amount: Decimal) -> None:
        of_date = self._pending.setdefault(date, {})
        of_date[currency] = EXACT.add(of_date.get(currency, ZERO), amount)

    def settle(self, date: str) -> None:
        """What was due before this date has changed hands."""
        for one in [due for due in self._pending if due < date]:
            del self._pending[one]

    @exactly
    def unsettled(self, date: str) -> dict[str, Decimal]:
        """What is not settled at the end of ``date`` (``YYYY-MM-DD``), by currency; paid is negative."""
        totals: dict[str, Decimal] = {}
        for due, amounts in self._pending.items():
            if due > date:
                for currency, amount in amounts.items():
                    totals[currency] = totals.get(currency, ZERO) + amount
        return {currency: amount for currency, amount in totals.items() if amount}

    def pending(self) -> Pending:
        """All that is not known to be settled, by date."""
        return tuple(self._rows())

    def _rows(self) -> Iterable[tuple[str, str, Decimal]]:
        for date in sorted(self._pending):
            for currency, amount in sorted(self._pending[date].items()):
                if amount:
                    yield date, currency, amount
