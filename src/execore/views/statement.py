"""What a book had, what it did, and what it has: a statement of a period, folded from its records once.

A period is all records at which the book's time (docs/decisions/0020-book-time.md) is from its beginning on
and before its end. So neighbouring periods add up; what was recorded late is in the period in which it was
recorded, and is listed.
"""

from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from execore.core.attribution import Attribution, Explained
from execore.core.books import DATED, Books, Step, fold
from execore.core.chart_of_accounts import parts_of
from execore.core.instrument_rules import notional
from execore.core.position_ledger import PositionLedger
from execore.core.settlement import date_of
from execore.core.valuation import Valuation, value
from execore.model import events
from execore.model.money import ZERO, exactly
from execore.model.vocabulary import PositionMode, PositionSide, Side

KEPT_LATE: Final = 1_000
"""Late records that a statement lists; more are counted."""

_DAY_NS: Final = 86_400 * 1_000_000_000
_CHANGES: Final = {
    events.TradeCancelled: "cancelled",
    events.TradeCorrected: "corrected",
    events.TradeRestated: "restated",
}
# What moves cash. What trades exchange for it, and what is only a cost, add up to what they paid.
_CASH_FOR: Final = {
    **dict.fromkeys(("basis", "contracts", "realised", "fees_in_kind", "transferred"), "trades"),
    **dict.fromkeys(("capital", "clearing"), "transfers"),
}
_OF_CASH: Final = (
    *("fees", "funding", "interest", "borrow", "dividends", "withholding_tax", "charges", "rebates"),
    *("other_flows", "adjustments"),
)


class Turnover(msgspec.Struct):
    """What was traded in one instrument, on one position side.

    Attributes:
        fills: executions booked. bought, sold: units. volume: notionals as sizes, in the currency that the
            instrument settles in.
    """

    fills: int = 0
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    volume: Decimal = ZERO


class CashMoved(msgspec.Struct, frozen=True):
    """Cash in one currency: what was there, what moved it, what is there; they add up.

    ``unsettled`` of what is there has not changed hands yet: to be received, negative: to be paid.
    """

    opening: Decimal
    moved: dict[str, Decimal]
    closing: Decimal
    unsettled: Decimal


class Late(NamedTuple):
    """A record of the period that says of something before it."""

    sequence: int
    ts_event_ns: int
    event: events.AnyEvent


class Statement(msgspec.Struct, frozen=True):
    """A book over a period.

    Attributes:
        begin_ns, end_ns: the period, integer nanoseconds UTC: from the one on, before the other. Where they
            were left open, the book's time at the first and after the last record.
        records: how many were in it. sequence: the last one folded.
        opening, closing: the book valued at both ends. lots: how many are open, likewise, by symbol and
            position side.
        turnover: what was traded, by symbol and position side. changes: how many executions were changed, by
            how.
        cash: by currency. equity: at the end of each day, in the reporting currency; None: not known then.
        explained: why equity is another. late: the first of them; late_count: how many there are.
    """

    book: str
    currency: str
    begin_ns: int
    end_ns: int
    records: int
    sequence: int
    opening: Valuation
    closing: Valuation
    lots: tuple[Mapping[tuple[str, PositionSide], int], Mapping[tuple[str, PositionSide], int]]
    turnover: dict[tuple[str, PositionSide], Turnover]
    changes: dict[str, int]
    cash: dict[str, CashMoved]
    equity: list[tuple[str, Decimal | None]]
    explained: Explained
    late: list[Late]
    late_count: int


@exactly
def make_statement(
    steps: Iterable[Step],
    books: Books,
    book: str,
    currency: str,
    *,
    begin_ns: int | None = None,
    end_ns: int | None = None,
    max_age_seconds: int | None = None,
    by: Collection[str] = ("instrument", "strategy"),
) -> Statement:
    """Fold a book's records, and say what they come to between two times.

    Args:
        steps: the records, from where ``books`` are on.
        currency: the reporting currency. by: tables of the attribution, of ``core.attribution.DIMENSIONS``.
        max_age_seconds: marks and rates older than that at an end are listed as stale; None: none is.

    Raises:
        ChainBroken: a record is damaged, or does not follow from those before it.
    """
    period: _Period | None = None
    sequence = 0
    for step in steps:
        if end_ns is not None and step.book_ns >= end_ns:
            break
        sequence = step.sequence
        begins = step.book_ns > 0 if begin_ns is None else step.book_ns >= begin_ns
        if period is None and begins and not isinstance(step.event, events.BookOpened):
            since = step.book_ns if begin_ns is None else begin_ns
            period = _Period(books, currency, since, max_age_seconds, by, is_open=begin_ns is None)
        if period is None:
            fold(books, book, step)
            continue
        period.records += 1
        event = step.event
        if event is None:
            continue
        if step.book_ns >= period.day_ends_ns or type(event) is events.DayStarted:
            period.enter_day(step, event)
        fold(books, book, step)
        period.note(step, event)
    if period is None:
        period = _Period(books, currency, begin_ns or 0, max_age_seconds, by, is_open=True)
    return period.statement(book, end_ns, sequence)


class _Period:
    """Looks on at books while they are folded."""

    def __init__(
        self,
        books: Books,
        currency: str,
        begin_ns: int,
        max_age_seconds: int | None,
        by: Collection[str],
        *,
        is_open: bool,
    ) -> None:
        self.books, self.currency, self.max_age_seconds = books, currency, max_age_seconds
        self.begin_ns = self.book_ns = begin_ns
        self.is_hedging = books.positions.position_mode is PositionMode.HEDGING
        self.late_before_ns = None if is_open else begin_ns
        self.day, self.day_ends_ns = books.trade_date or date_of(begin_ns), _day_end(begin_ns)
        self.opening = self._value(begin_ns)
        self.balances = _balances(books.positions)
        self.lots = _lots(books.positions)
        self.attribution = Attribution(books.positions, books.marks, currency, by, self.day)
        self.equity: list[tuple[str, Decimal | None]] = []
        self.turnover: dict[tuple[str, PositionSide], Turnover] = {}
        self.changes: dict[str, int] = {}
        self.late: list[Late] = []
        self.late_count = self.records = 0

    def _value(self, ts_ns: int) -> Valuation:
        books = self.books
        return value(books.positions, books.marks, self.currency, ts_ns, max_age_seconds=self.max_age_seconds)

    # --- on the way -----------------------------------------------------------------------------------

    def enter_day(self, step: Step, event: events.AnyEvent) -> None:
        """A step that may begin a day will be folded: if so, the day before has ended."""
        if isinstance(event, events.DayStarted):
            self._begin_day(event.trade_date)
        else:
            self.day_ends_ns = _day_end(step.book_ns)
            self._begin_day(self.books.trade_date or date_of(step.book_ns))

    def _begin_day(self, day: str) -> None:
        if day != self.day:
            self.equity.append((self.day, self.attribution.equity()))
            self.attribution.begin_day(day)
            self.day = day

    def note(self, step: Step, event: events.AnyEvent) -> None:
        """A step was folded."""
        self.book_ns = step.book_ns
        if type(event) is events.FillBooked:
            self._count(event)
        elif type(event) in _CHANGES:
            how = _CHANGES[type(event)]
            self.changes[how] = self.changes.get(how, 0) + 1
        if self.late_before_ns is not None and step.ts_event_ns < self.late_before_ns:
            self._note_late(step, event)
        self.attribution.note(event)

    def _count(self, fill: events.FillBooked) -> None:
        side = fill.position_side if self.is_hedging else PositionSide.NET
        turnover = self.turnover.get((fill.symbol, side))
        if turnover is None:
            turnover = self.turnover[fill.symbol, side] = Turnover()
        turnover.fills += 1
        if fill.side is Side.BUY:
            turnover.bought += fill.quantity
        elif fill.side is Side.SELL:
            turnover.sold += fill.quantity
        instrument = self.books.positions.instrument(fill.symbol)
        if instrument is not None:
            turnover.volume += abs(notional(instrument, fill.quantity, fill.price))

    def _note_late(self, step: Step, event: events.AnyEvent) -> None:
        if type(event) in DATED:
            self.late_count += 1
            if len(self.late) < KEPT_LATE:
                self.late.append(Late(step.sequence, step.ts_event_ns, event))

    # --- at the end -----------------------------------------------------------------------------------

    def statement(self, book: str, end_ns: int | None, sequence: int) -> Statement:
        """All that was seen."""
        end = self.book_ns + 1 if end_ns is None else end_ns
        explained = self.attribution.explained()
        self.attribution.end()
        self.equity.append((self.day, explained.end))
        return Statement(
            book,
            self.currency,
            self.begin_ns,
            end,
            self.records,
            sequence,
            self.opening,
            self._value(end),
            (self.lots, _lots(self.books.positions)),
            self.turnover,
            self.changes,
            self._cash(end),
            self.equity,
            explained,
            self.late,
            self.late_count,
        )

    def _cash(self, end_ns: int) -> dict[str, CashMoved]:
        moved: dict[str, dict[str, Decimal]] = {}
        now = _balances(self.books.positions)
        for (name, unit), balance in now.items():
            parts = parts_of(name)
            reason = _CASH_FOR.get(parts.kind, parts.kind if parts.kind in _OF_CASH else "")
            if parts.kind == "adjustments" and parts.symbol:
                reason = "trades"  # a cost that was set right, and the basis that was
            change = self.balances.get((name, unit), ZERO) - balance
            if reason and change:
                of_unit = moved.setdefault(unit, {})
                of_unit[reason] = of_unit.get(reason, ZERO) + change
        unsettled = self.books.settlements.unsettled(date_of(end_ns - 1))
        found = {}
        for currency, closing in self.books.positions.cash().items():
            opening = self.balances.get(("cash", currency), ZERO)
            parts_moved = {name: amount for name, amount in moved.get(currency, {}).items() if amount}
            found[currency] = CashMoved(opening, parts_moved, closing, unsettled.get(currency, ZERO))
        return found


def _day_end(ts_ns: int) -> int:
    """The end of the UTC day, integer nanoseconds UTC."""
    return (ts_ns // _DAY_NS + 1) * _DAY_NS


def _balances(ledger: PositionLedger) -> dict[tuple[str, str], Decimal]:
    """What the book's own accounts hold, by name and unit."""
    return {
        (account.name, account.unit): account.balance
        for account in ledger.accounts()
        if parts_of(account.name).strategy is None
    }


def _lots(ledger: PositionLedger) -> dict[tuple[str, PositionSide], int]:
    """How many lots are open, by symbol and position side."""
    return {
        (one.symbol, side): len(ledger.lots(one.symbol, side))
        for one in ledger.instruments()
        for side in PositionSide
    }
