"""How a book comes to be open: begun or replayed, and everything that was in flight given an outcome."""

import random as _random
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec

from execore.core.engine import open_book as new_book
from execore.core.retry_policy import Random, RetryPolicy
from execore.journal.codec import decode_record
from execore.journal.protocol import EMPTY_HEAD, Journal
from execore.model import effects
from execore.model.errors import InvalidConfiguration
from execore.model.failures import VenueError
from execore.model.instruments import Instrument
from execore.model.requests import CancelOrder, DefineInstrument, Input
from execore.model.vocabulary import CostMethod, PositionMode, to_word
from execore.runtime.asking import Ask
from execore.runtime.callbacks import Callbacks
from execore.runtime.channel import Channel
from execore.runtime.clock import Clock, RandomBits, system_clock, system_random_bits
from execore.runtime.drivers import InlineDriver
from execore.runtime.fallback import FallbackFile
from execore.runtime.input_maker import InputMaker
from execore.runtime.intake import Intake
from execore.runtime.lanes import InlineLane, hangs
from execore.runtime.loop import BATCH, Loop
from execore.runtime.projecting import catch_up_projections
from execore.runtime.recovery import history_of, in_flight, recover
from execore.runtime.resolving import Resolver
from execore.runtime.sender import Sender
from execore.runtime.timers import MonotonicClock, Timers
from execore.runtime.trading_time import TradingTime
from execore.runtime.writer import Writer

_MARGIN_NS: Final = 60_000_000_000
"""How much further back than declared the venue is asked what happened: two clocks never agree."""
_SECOND_NS: Final = 1_000_000_000
PUMPS: Final = 100
"""How often as many lots as a running book takes at once are taken before a book is open."""
_LOOK_BACK: Final = 1_000
"""Records at the end of the journal that are looked through for the last report, and that factor further."""


class BookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One book and how it trades.

    Attributes:
        name: which of the journal's books.
        instruments: what may be traded; those known already may change tick, step and limits.
        cost_method, position_mode: fixed when the book begins.
        venue: where orders are sent. Without one, the caller carries out the effects.
        risk_hooks: asked in order before every submission; the first that does not allow decides.
        validators: run before an order is created; each raises ``InvalidInput`` to refuse.
        calendar: when the venue trades: day orders end with its sessions, and days begin with them.
        retry_policy: how often a message is tried again that was certainly not sent, or throttled; None: not.
        resends: whether an order that the venue does not have is sent again, with the same id, where that
            cannot make a second one; else it is FAILED once its absence is proven.
        fallback_path: where cancels are noted that are sent while storage has failed; beside the journal if
            empty. Another disk is the better place.
        on_alert: called with every alert, after it is durable.
    """

    name: str = "main"
    instruments: tuple[Instrument, ...] = ()
    cost_method: CostMethod = CostMethod.AVERAGE
    position_mode: PositionMode = PositionMode.NETTING
    venue: Any = None
    risk_hooks: tuple[Any, ...] = ()
    validators: tuple[Any, ...] = ()
    calendar: Any = None
    retry_policy: RetryPolicy | None = None
    resends: bool = False
    fallback_path: str = ""
    on_alert: Any = None


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Time and chance, as a process or a simulation has them.

    Attributes:
        clock: integer nanoseconds UTC.
        monotonic_ns: integer nanoseconds that only go forward: for waiting.
        random_bits: ids are made of it.
        random: uniform in [0, 1): waits are spread with it.
    """

    clock: Clock = system_clock
    monotonic_ns: MonotonicClock = time.monotonic_ns
    random_bits: RandomBits = system_random_bits
    random: Random = _random.random


def open_channel(
    loop: Loop,
    journal: Journal,
    settings: BookSettings,
    surroundings: Surroundings,
    timers: Timers,
    callbacks: Callbacks,
    progress: Callable[[int], None] | None = None,
) -> Channel:
    """Begin or replay a book, and add it to the loop; nothing is settled yet.

    Raises:
        InvalidConfiguration: the cost method is not the one the book began with.
        JournalError and its children: the journal cannot be read, or its chain is broken.
    """
    counting = (
        to_word(settings.cost_method, CostMethod, "cost_method"),
        to_word(settings.position_mode, PositionMode, "position_mode"),
    )
    clock = surroundings.clock
    writer = _begin(journal, settings.name, counting, clock) or _resume(
        journal, settings.name, counting, clock, progress
    )
    maker = InputMaker(
        risk_hooks=settings.risk_hooks,
        validators=settings.validators,
        clock=clock,
        random_bits=surroundings.random_bits,
        trading_time=TradingTime(settings.calendar, settings.venue),
    )
    channel = Channel(
        journal,
        writer,
        maker,
        put=loop.put,
        resolver=_resolver(settings, surroundings),
        monotonic_ns=surroundings.monotonic_ns,
        callbacks=callbacks,
        on_alert=settings.on_alert,
    )
    channel.fallback = _fallback(journal, settings)
    if settings.venue is not None:
        _connect(channel, settings, surroundings, timers)
    loop.channels.append(channel)
    return channel


def _fallback(journal: Journal, settings: BookSettings) -> FallbackFile | None:
    """Where emergency cancels are noted; nowhere, if the journal is no file and nobody names one."""
    path = settings.fallback_path or getattr(journal, "path", "")
    return FallbackFile(settings.fallback_path or f"{path}.cancels") if path else None


def _connect(channel: Channel, settings: BookSettings, surroundings: Surroundings, timers: Timers) -> None:
    """Tie a book to its venue, which is talked to at once until the book is open."""
    sender = Sender(
        settings.venue,
        InlineLane(),
        timers,
        found_out=channel.found_out,
        handed_over=channel.handed_over,
        still_wanted=channel.still_wanted,
        clock=surroundings.clock,
        monotonic_ns=surroundings.monotonic_ns,
        retry_policy=settings.retry_policy,
        random=surroundings.random,
    )
    channel.sender = sender
    if hangs(channel.name):
        message = (
            f"a call that was made before book {channel.name} was closed last hangs, and may still send: "
            "until it ends, no order counts as absent; to end it, end the process"
        )
        channel.alert(effects.Alert("venue_call_hangs", message))
    channel.intake = Intake(
        settings.venue,
        lambda: sender.lane,
        clock=surroundings.clock,
        put=channel.put_inputs,
        on_error=channel.cannot_take_reports,
    )


def _resolver(settings: BookSettings, surroundings: Surroundings) -> Resolver | None:
    if settings.venue is None:
        return None
    return Resolver(
        settings.venue.capabilities,
        clock=surroundings.clock,
        random=surroundings.random,
        resend=settings.resends,
        may_still_send=partial(hangs, settings.name),
    )


def settle(
    channel: Channel,
    driver: InlineDriver,
    instruments: Sequence[Instrument] = (),
    *,
    tends_groups: bool = True,
) -> None:
    """Give every request that was in flight when the process ended an outcome: unknown, and asked for.

    The venue is asked for everything that happened since. Groups do nothing until what it has to report is
    booked: what they need hangs on that.

    Args:
        tends_groups: whether groups do what is necessary from then on; not for a tool that sends nothing.

    Raises:
        InvalidInput: an instrument is not acceptable. JournalError: the journal failed.
        VenueError: the venue cannot say what it has to report.
    """
    writer, now_ns = channel.writer, channel.now_ns()
    last_heard_ns = _last_heard_ns(channel)
    writer.tends_groups = False
    causes, well = in_flight(writer.state, now_ns)
    absorbed = _absorbed(channel)
    defined: list[Input] = [
        DefineInstrument(ts_ns=now_ns, actor="system", instrument=instrument) for instrument in instruments
    ]
    _record(channel, driver, [*defined, *causes, *absorbed])
    if channel.sender is not None and channel.fallback is not None:
        channel.fallback.forget(channel.name)
    if channel.resolver is not None:
        channel.resolver.watch_all(writer.state.orders, channel.monotonic_ns())
        if not _mass_status(channel, last_heard_ns):
            for query in well:
                channel.perform(query)
        channel.ask_due()
        _pump(channel, driver)
    writer.tends_groups = tends_groups
    if channel.sender is None:
        return  # nobody would carry out what groups need now: reviews are the caller's to ask for
    _record(channel, driver, channel.grouping.reviews())


def _record(channel: Channel, driver: InlineDriver, causes: Sequence[Input]) -> None:
    """Have all of them recorded, in lots: however many these are, a commit stays small."""
    for first in range(0, len(causes), BATCH):
        driver.ask(channel, Ask(causes=causes[first : first + BATCH], one=False))


def _pump(channel: Channel, driver: InlineDriver) -> None:
    """Take all that the venue has to report, also in more lots than it may have of a running book.

    Raises:
        VenueError: it cannot say, or tells nothing new without an end.
    """
    for _ in range(PUMPS):
        before = channel.writer.head
        try:
            driver.pump(channel)
            return
        except VenueError:
            if channel.writer.head == before:
                raise
    driver.pump(channel)


def _absorbed(channel: Channel) -> list[CancelOrder]:
    """Cancels that were sent while storage had failed, to be recorded, and sent again under the same ids.

    One of an order that the journal never got is told, and forgotten: its id may be another order's soon.
    """
    file = channel.fallback
    cancels = [] if file is None or channel.sender is None else file.read(channel.name)
    requests = [cancel.to_request() for cancel in cancels]
    channel.writer.recall((), requests)
    known = [cause for cause in requests if channel.writer.state.orders.find(cause.client_order_id)]
    for cause in requests:
        if cause not in known:
            message = f"order {cause.client_order_id} was cancelled past the journal, which does not have it"
            channel.alert(effects.Alert("emergency_cancel_unmatched", message))
    return known


def _last_heard_ns(channel: Channel) -> int:
    """When the book last recorded a report of its venue, integer nanoseconds UTC; 0 if it never did.

    Other records prove nothing: they are also made while nobody listens. Of our clock and the venue's, the
    one that was behind counts.
    """
    last, size = channel.writer.head.sequence, _LOOK_BACK
    while last > 0:
        first = max(last - size + 1, 1)
        page = islice(channel.journal.read(channel.name, first), last - first + 1)
        heard = [record for record in map(decode_record, page) if record.actor.startswith("venue")]
        if heard:
            return min(heard[-1].ts_event_ns, heard[-1].ts_recorded_ns)
        last, size = first - 1, size * _LOOK_BACK
    return 0


def _mass_status(channel: Channel, last_heard_ns: int) -> bool:
    """Ask the venue for everything since it was heard last; whether it could say."""
    sender = channel.sender
    if sender is None:
        return False
    declared = sender.venue.capabilities
    lag_seconds = declared.late_report_window_seconds + declared.visibility_lag_seconds
    since_ns = last_heard_ns - lag_seconds * _SECOND_NS - _MARGIN_NS
    try:
        sender.venue.mass_status(max(since_ns, 0))
    except Exception as error:  # a foreign client may raise anything
        message = f"the venue did not say what happened since the book was last open: {error}"
        channel.alert(effects.Alert("mass_status_unanswered", message))
        return False
    return True


Counting = tuple[CostMethod, PositionMode]
"""How a book counts, for as long as there is one."""


def _begin(journal: Journal, name: str, counting: Counting, clock: Clock) -> Writer | None:
    """A new book's writer, its first record made; None if the journal has the book already."""
    if journal.head(name) != EMPTY_HEAD:
        return None
    ts_ns = clock()
    method, mode = counting
    state, event = new_book(name, method, ts_ns, history_of(journal, name), mode)
    writer = Writer(journal, name, state, EMPTY_HEAD, clock)
    (head,) = journal.append_all([writer.first_append(event, "system", ts_ns)])
    writer.committed(head)
    return writer


def _resume(
    journal: Journal, name: str, counting: Counting, clock: Clock, progress: Callable[[int], None] | None
) -> Writer:
    """A writer that continues the book where its journal ends."""
    catch_up_projections(journal, name)  # first, as the replay looks things up in them
    state, head = recover(journal, name, progress)
    began = (state.positions.cost_method, state.positions.position_mode)
    for field, has, wanted in zip(("cost_method", "position_mode"), began, counting, strict=True):
        if has is not wanted:
            raise InvalidConfiguration(
                field,
                f"book {name} began with {has}, not {wanted}",
                "Open it with what it has, or begin another book",
            )
    return Writer(journal, name, state, head, clock)
