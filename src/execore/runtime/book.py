"""A book: the public face of execore. Opens a journal, takes requests and reports, sends, recovers.

Everything a caller is told, and everything a venue is sent, is durable before. A call returns when that is
so. Use a book from one thread; for many callers, threads or asyncio, see ``runtime.runtime``.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from msgspec.structs import replace

from execore.core.order_ledger import OrderLedger
from execore.core.position_ledger import PositionLedger
from execore.core.retry_policy import RetryPolicy
from execore.core.risk_hook import RiskHook
from execore.core.validation import ValidationHook
from execore.journal.protocol import Head, Journal
from execore.model.answers import Answer
from execore.model.instruments import Instrument
from execore.model.orders import Order
from execore.model.vocabulary import CostMethod, PositionMode, to_word
from execore.runtime.addresses import open_journal
from execore.runtime.asking import Ask, Asking
from execore.runtime.callbacks import InlineCallbacks
from execore.runtime.channel import Channel, OnAlert
from execore.runtime.clock import Clock, RandomBits, system_clock, system_random_bits
from execore.runtime.drivers import InlineDriver
from execore.runtime.emergency import send_cancels
from execore.runtime.fallback import EmergencyCancel
from execore.runtime.grouping import Grouping
from execore.runtime.loop import Loop
from execore.runtime.opening import BookSettings, Surroundings, open_channel, settle
from execore.runtime.timers import MonotonicClock, Timers
from execore.venues.calendars import TradingCalendar
from execore.venues.protocol import Venue

_FRACTION_BITS: Final = 53
"""As many as a number in [0, 1) has."""


class Book(Asking[Answer, list[Answer]]):
    """One account at one venue: one stream of records, one writer.

    Make it with ``open_book``. Without a venue, the effects in each answer are the caller's to carry out,
    and reports come in through ``apply``.
    """

    def __init__(
        self, channel: Channel, driver: InlineDriver, timers: Timers, own_journal: Journal | None
    ) -> None:
        super().__init__(channel.maker)
        self._channel = channel
        self._writer = channel.writer
        self._driver = driver
        self._timers = timers
        self._own_journal = own_journal
        self._grouping: Grouping[Answer] = Grouping(
            state=lambda: self._writer.state, ask=self._ask, maker=channel.maker
        )

    # --- time and reports ---------------------------------------------------------------------------

    def pump(self) -> int:
        """Take what the venue has reported and book it, until it has nothing more; return how many.

        Raises:
            VenueError: the venue cannot say what it has to report, or always has more; what came is booked.
            NotRecorded, OutcomeUnknown: the record failed; the book is closed.
        """
        return self._driver.pump(self._channel)

    def pass_time(self) -> list[Answer]:
        """Do what is due by the clock: orders whose time is up, a day that began, questions to the venue.

        Reports come first. Call it when ``next_due_ns`` says, or as often as you like: what is due is done
        once.

        Raises:
            VenueError: the venue cannot say what it has to report, so its silence means nothing.
            InvalidConfiguration: the calendar does not reach that far.
            NotRecorded, OutcomeUnknown: as ``submit``.
        """
        self.pump()
        self._timers.run_due(self._channel.monotonic_ns())
        self._channel.ask_due()
        self._driver.run()
        maker = self._maker
        due = Ask(lambda state: maker.trading_time.inputs(state, maker.now_ns()), one=False)
        answers: list[Answer] = self._ask(due)
        return answers

    def next_due_ns(self) -> int | None:
        """When ``pass_time`` will have something to do, integer nanoseconds UTC; None as far as is known.

        Raises:
            InvalidConfiguration: the calendar does not reach that far.
        """
        now_ns, channel = self._maker.now_ns(), self._channel
        due = [self._maker.trading_time.next_due_ns(self._writer.state, now_ns)]
        if channel.resolver is not None:
            waits = [self._timers.next_due_ns(), channel.resolver.next_due_ns()]
            due += [now_ns + max(at - channel.monotonic_ns(), 0) for at in waits if at is not None]
        return min((at for at in due if at is not None), default=None)

    # --- looking ------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The book's name."""
        return self._writer.book

    @property
    def orders(self) -> OrderLedger:
        """The order ledger: for looking. It changes through this book only.

        It has what is open, and what ended not long ago; ``find_order`` finds any.
        """
        return self._writer.state.orders

    def find_order(self, client_order_id: str) -> Order | None:
        """The order of this id, however long ago it ended; None if there never was one.

        Raises:
            InvalidInput: the id is no text. BookClosed: the book is closed.
            JournalError: the journal cannot be read. ChainBroken, NewerSchema: a record of the order cannot.
        """
        return self._writer.find_order(client_order_id)

    @property
    def positions(self) -> PositionLedger:
        """The position ledger: for looking. It changes through this book only."""
        return self._writer.state.positions

    @property
    def groups(self) -> Grouping[Answer]:
        """Orders that depend on each other: one cancels other, one triggers other, brackets."""
        return self._grouping

    @property
    def head(self) -> Head:
        """The last durable sequence and hash."""
        return self._writer.head

    # --- ending -------------------------------------------------------------------------------------

    def emergency_cancel_all(
        self, *, actor: str, reason: str, symbol: str = "", strategy: str = ""
    ) -> list[EmergencyCancel]:
        """Send cancels past a storage that has failed: all that a book may still send then.

        They are noted in a fall-back file, and recorded when the book is opened again.

        Args:
            actor, reason: who wants it, and why.
            symbol, strategy: only orders of these.

        Returns:
            What was sent, with what went wrong with each.

        Raises:
            EmergencyOnly: the book has not failed, or has no venue.
            InvalidInput: ``actor`` or ``reason`` is no string; nothing was sent.
        """
        return send_cancels(self._channel, symbol=symbol, strategy=strategy, actor=actor, reason=reason)

    def close(self) -> None:
        """Close the book, and its journal if ``open_book`` opened that. Orders at the venue stay as they are.

        Closing twice is allowed.
        """
        self._writer.close()
        if self._own_journal is not None:
            self._own_journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- how ------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> Any:
        """Have it recorded and carried out, and answer with the orders as they are then.

        Once it is recorded, it is answered: what fails after that is an alert. An error would tell the caller
        that nothing was sent, who would then ask again, under another id.
        """
        answers = self._driver.ask(self._channel, ask)
        if self._channel.intake is None:
            return answers
        self._channel.pump()
        self._driver.run()
        if not ask.one:
            return [self._as_now(answer) for answer in answers]
        answer = self._as_now(answers)
        return answer if not ask.group_id else self._channel.with_group(answer, ask.group_id)

    def _as_now(self, answer: Answer) -> Answer:
        if answer.order is None or self._writer.is_closed:
            return answer
        # One of so many that it has left memory is as it was answered.
        return replace(answer, order=self.orders.find(answer.order.client_order_id) or answer.order)


def open_book(
    journal: Journal | str,
    name: str = "main",
    *,
    instruments: Iterable[Instrument] = (),
    cost_method: CostMethod | str = CostMethod.AVERAGE,
    position_mode: PositionMode | str = PositionMode.NETTING,
    venue: Venue | None = None,
    risk_hooks: Sequence[RiskHook] = (),
    validators: Sequence[ValidationHook] = (),
    clock: Clock = system_clock,
    monotonic_ns: MonotonicClock = time.monotonic_ns,
    random_bits: RandomBits = system_random_bits,
    calendar: TradingCalendar | None = None,
    retry_policy: RetryPolicy | None = None,
    resends: bool = False,
    tends_groups: bool = True,
    on_alert: OnAlert | None = None,
    progress: Callable[[int], None] | None = None,
) -> Book:
    """Open a book on a journal: begin it, or replay it and settle whatever was in flight.

    Args:
        journal: an open journal, which stays its owner's to close, or an address such as
            ``sqlite:///trading.db`` or ``memory:``.
        name, instruments, cost_method, position_mode, venue, risk_hooks, validators, calendar, retry_policy,
            resends, on_alert: see ``BookSettings``.
        clock, monotonic_ns, random_bits: time and chance, to make a run repeatable. A run on virtual time
            passes both clocks: all waits are on the monotonic one, as a wall clock may jump.
        tends_groups: whether order groups do what becomes necessary; off for a tool that sends nothing.
        progress: called with the last sequence replayed, now and then.

    Raises:
        InvalidConfiguration: the cost method or position mode is not the one the book began with.
        JournalError and its children: the journal cannot be opened, or its chain is broken.
    """
    settings = BookSettings(
        name=name,
        instruments=tuple(instruments),
        cost_method=to_word(cost_method, CostMethod, "cost_method"),
        position_mode=to_word(position_mode, PositionMode, "position_mode"),
        venue=venue,
        risk_hooks=tuple(risk_hooks),
        validators=tuple(validators),
        calendar=calendar,
        retry_policy=retry_policy,
        resends=resends,
        on_alert=on_alert,
    )
    surroundings = Surroundings(
        clock=clock,
        monotonic_ns=monotonic_ns,
        random_bits=random_bits,
        random=lambda: random_bits(_FRACTION_BITS) / 2**_FRACTION_BITS,
    )
    return _open(journal, settings, surroundings, tends_groups, progress)


def _open(
    journal: Journal | str,
    settings: BookSettings,
    surroundings: Surroundings,
    tends_groups: bool,
    progress: Callable[[int], None] | None,
) -> Book:
    opened = open_journal(journal) if isinstance(journal, str) else journal
    try:
        callbacks, timers, loop = InlineCallbacks(), Timers(), Loop(opened)
        driver = InlineDriver(loop, callbacks)
        channel = open_channel(loop, opened, settings, surroundings, timers, callbacks, progress)
        settle(channel, driver, settings.instruments, tends_groups=tends_groups)
    except BaseException:
        if isinstance(journal, str):
            opened.close()
        raise
    return Book(channel, driver, timers, opened if isinstance(journal, str) else None)
