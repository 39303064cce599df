"""Many callers, one writer: books that take requests from any thread or coroutine, and answer by handles.

``open_runtime`` opens books on a journal and has them written by a thread of its own, or on the caller's
asyncio loop, which is the fastest where the callers are coroutines. What is queued meanwhile is one commit.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from execore.journal.protocol import Journal
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import BookClosed, InvalidConfiguration, NotYetSettled
from execore.model.orders import Order
from execore.runtime.addresses import open_journal
from execore.runtime.asking import Ask
from execore.runtime.callbacks import InlineCallbacks, ThreadCallbacks
from execore.runtime.channel import Channel
from execore.runtime.clockwork import Clockwork
from execore.runtime.closing import LOOK_SECONDS, Closing
from execore.runtime.drivers import AsyncioDriver, Driver, InlineDriver, ThreadDriver
from execore.runtime.handle import Handle, Waiting, wake
from execore.runtime.lanes import ThreadLane
from execore.runtime.loop import QUEUE_SIZE, Loop
from execore.runtime.opening import BookSettings, Surroundings, open_channel, settle
from execore.runtime.runtime_book import RuntimeBook
from execore.runtime.snapshots import EVERY_RECORDS, Snapshotter
from execore.runtime.subscriptions import OnRecord, Subscription
from execore.runtime.timers import Timers

_LISTENERS_SECONDS: Final = 1.0
"""How long the end waits for listeners to have heard everything."""

POLL_SECONDS: Final = 0.01
"""How often a venue is asked for reports when it says nothing of itself."""


class Runtime:
    """All the books of a process on one journal. Make it with ``open_runtime``; close it when done."""

    def __init__(
        self, loop: Loop, own_journal: Journal | None, callbacks: ThreadCallbacks, listeners: ThreadCallbacks
    ) -> None:
        self._loop = loop
        self.lock = loop.lock
        self._own_journal = own_journal
        self._callbacks = callbacks
        self._listeners = listeners
        self._books = {channel.name: RuntimeBook(self, channel) for channel in loop.channels}
        self._driver: Driver
        self._closing: Closing
        self._readers: list[Journal] = []
        self._end_lock = threading.Lock()
        self._closed: Handle[None] = Handle(Waiting(callbacks.run, self._why_never))

    def book(self, name: str = "main") -> RuntimeBook:
        """The book of this name.

        Raises:
            InvalidConfiguration: it is not one of those that were opened.
        """
        book = self._books.get(name)
        if book is None:
            known = ", ".join(self._books)
            raise InvalidConfiguration(
                "name", f"{name!r} is not open here", f"Open it, or use one of: {known}"
            )
        return book

    @property
    def is_closed(self) -> bool:
        """Whether ``close`` is done."""
        return self._closed.is_settled

    def run_on(self, driver: Driver, clockwork: Clockwork, lanes: Sequence[ThreadLane]) -> None:
        """Begin, with whoever turns the loop."""
        self._driver = driver
        self._closing = Closing(self._loop, driver, clockwork, lanes)
        driver.start()

    def waiting(self, channel: Channel) -> Waiting:
        """What the handles of a book share; for ``RuntimeBook``."""

        def run(call: Callable[[], object]) -> None:
            self._callbacks.run(partial(channel.guarded, call))

        return Waiting(run, self._why_never)

    def ask(self, channel: Channel, ask: Ask, handle: Handle[Any]) -> None:
        """Queue a request of a book; for ``RuntimeBook``.

        Raises:
            BookClosed: the runtime is closing, or the event loop that turned it is. Busy: the queue is full.
        """
        if self._driver.is_over:
            raise BookClosed(
                f"nobody writes book {channel.name} any more: its event loop is closed", "Open it again"
            )
        self._loop.put(channel, ask, handle)
        self._driver.notify()

    def until(
        self, channel: Channel, client_order_id: str, such: Callable[[Order], bool], handle: Handle[Order]
    ) -> None:
        """Settle ``handle`` when an order is such; for ``RuntimeBook``."""
        with self.lock:
            order = channel.writer.find_order(client_order_id)
            if order is not None and such(order):
                handle.settle(order)
            else:
                channel.watches.add(client_order_id, such, handle)

    def _why_never(self, awaits: bool) -> str:
        """Why to wait for a handle in this thread would never end; empty if it may."""
        if not awaits and self._driver.is_here:
            return "this thread is the one that answers"
        return "this thread holds view(), which keeps the writer waiting" if self._loop.is_held_here() else ""

    def subscribe(self, channel: Channel, on_record: OnRecord, from_sequence: int | None) -> Subscription:
        """A listener on a book's records; for ``RuntimeBook``."""
        with self.lock:
            if channel.writer.is_closed:
                raise BookClosed(f"book {channel.name} is closed", "Open it again")
            journal, head = channel.journal, channel.writer.head.sequence
            if isinstance(journal, SqliteJournal):
                journal = SqliteJournal(journal.path, read_only=True)
                self._readers.append(journal)
            subscription = Subscription(
                journal,
                channel.name,
                on_record,
                head + 1 if from_sequence is None else from_sequence,
                callbacks=self._listeners,
                on_alert=channel.alert,
            )
            channel.subscriptions.append(subscription)
        subscription.advance(head)
        return subscription

    # --- ending -------------------------------------------------------------------------------------

    def close(self, *, cancel_open: bool = False, timeout_seconds: float = 10.0) -> None:
        """Take nothing more, carry out what was taken, and close the books and the journal.

        Orders at the venue stay as they are, unless ``cancel_open``. What is not answered in time is settled
        when the books are opened again. Whoever still waits for a handle then gets ``BookClosed``. Closing
        twice is allowed. On an asyncio loop, ``aclose`` does not hold it up.

        Args:
            cancel_open: cancel every open order first, and wait for the venue's answers.
            timeout_seconds: for all of it. A hook or a disk that hangs longer is left to itself, with an
                alert, and the journal is then left open.

        Raises:
            NotYetSettled: called by a hook, on the writer's own thread, or inside ``view``.
            JournalError: it could not be closed well; what was recorded is, and the runtime is closed.
        """
        driver, give_up = self._driver, time.monotonic() + timeout_seconds
        if not driver.is_here and self._loop.is_held_here():
            raise NotYetSettled("this thread holds view(), which keeps the writer waiting", "Close after it")
        if isinstance(driver, AsyncioDriver) and not driver.is_here and driver.event_loop.is_running():
            closing = self.aclose(cancel_open=cancel_open, timeout_seconds=timeout_seconds)
            try:
                asyncio.run_coroutine_threadsafe(closing, driver.event_loop).result(timeout_seconds + 1)
            except (TimeoutError, CancelledError):
                self._closing.tell_stuck()  # it is closed as soon as the event loop goes on, or after its end
            return
        if (isinstance(driver, ThreadDriver) and driver.is_here) or (
            self._loop.is_stepping and driver.is_here
        ):
            raise NotYetSettled("the writer cannot wait for its own end", "Close from another thread")
        if not self._end_lock.acquire(timeout=0 if driver.is_here else timeout_seconds):
            return  # somebody else is at it
        try:
            if not self.is_closed:
                self._closing.wait(cancel_open, give_up)
                self._end(give_up)
        finally:
            self._end_lock.release()

    async def aclose(self, *, cancel_open: bool = False, timeout_seconds: float = 10.0) -> None:
        """As ``close``; whatever else runs on the event loop goes on meanwhile."""
        driver, give_up = self._driver, time.monotonic() + timeout_seconds
        if not driver.is_here:
            await asyncio.to_thread(self.close, cancel_open=cancel_open, timeout_seconds=timeout_seconds)
            return
        for is_over in () if self.is_closed else self._closing.steps(cancel_open=cancel_open):
            while not is_over() and time.monotonic() < give_up:
                await asyncio.sleep(LOOK_SECONDS)
        self.close(timeout_seconds=give_up - time.monotonic())

    def _end(self, give_up: float) -> None:
        ended = self._closing.end(give_up)
        self._callbacks.rest()  # whoever has a handle may still have himself called back
        self._listeners.close(min(give_up - time.monotonic(), _LISTENERS_SECONDS))
        for channel in self._loop.channels:
            for subscription in channel.subscriptions:
                subscription.end()
        try:
            for reader in self._readers:
                reader.close()
            if self._own_journal is not None and ended:
                self._own_journal.close()
        finally:  # a disk may fail even now: whoever waits for the end waits for this
            self._closed.settle(None)
            wake([self._closed])

    def wait_closed(self, timeout_seconds: float | None = None) -> bool:
        """Wait until somebody has closed it, such as a signal; whether that is so.

        Raises:
            NotYetSettled: on the event loop that turns it, which would be held up: ``await_closed`` there.
        """
        try:
            self._closed.wait(timeout_seconds)
        except TimeoutError:
            return False
        return True

    async def await_closed(self) -> None:
        """Wait until somebody has closed it; whatever else runs on the event loop goes on meanwhile."""
        await self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def open_runtime(
    journal: Journal | str,
    books: Iterable[BookSettings] = (),
    *,
    own_thread: bool = True,
    surroundings: Surroundings | None = None,
    queue_size: int = QUEUE_SIZE,
    poll_seconds: float = POLL_SECONDS,
    snapshot_every: int = EVERY_RECORDS,
    progress: Callable[[int], None] | None = None,
) -> Runtime:
    """Open books on a journal: replay them, settle whatever was in flight, and take requests from then on.

    Args:
        journal: an open journal, which stays its owner's to close, or an address such as
            ``sqlite:///trading.db`` or ``memory:``. Nobody else may use it meanwhile.
        books: those to open; one named ``main`` if none.
        own_thread: the books are written by a thread, and each venue is talked to by one of its own. Else
            all of it runs on the asyncio loop that runs now, and a venue that blocks holds it up.
        surroundings: time and chance, if not the system's.
        queue_size: requests that may wait for the writer; one more is ``Busy``.
        poll_seconds: how often venues are asked for reports.
        snapshot_every: records between two snapshots of a book, which make the next opening fast; 0 takes
            none. They are taken by a process beside this one, and of a journal in a file only.
        progress: called with the last sequence replayed, now and then.

    Raises:
        InvalidConfiguration: a setting cannot be used, or there is no running loop.
        JournalError and its children: the journal cannot be opened, or its chain is broken.
        VenueError: a venue cannot say what it has to report.
    """
    wanted = _checked(list(books) or [BookSettings()])
    event_loop = None if own_thread else _running_loop()
    around = surroundings or Surroundings()
    opened = open_journal(journal) if isinstance(journal, str) else journal
    loop, timers = Loop(opened, queue_size=queue_size), Timers()
    listeners = ThreadCallbacks(_ignore, most_threads=sys.maxsize)  # each listener keeps one busy at most
    try:
        for settings in wanted:
            channel = open_channel(loop, opened, settings, around, timers, listeners, progress)
            settle(channel, InlineDriver(loop, InlineCallbacks()), settings.instruments)
    except BaseException:
        listeners.close()
        if isinstance(journal, str):
            opened.close()
        raise
    own_journal = opened if isinstance(journal, str) else None
    callbacks = ThreadCallbacks(_ignore)
    runtime = Runtime(loop, own_journal, callbacks, listeners)
    snapshotter = _snapshotter(opened, wanted, snapshot_every)
    clockwork = Clockwork(loop, timers, around.monotonic_ns, poll_seconds, snapshotter)
    tick = partial(_tick, clockwork, callbacks, listeners)
    if event_loop is not None:
        runtime.run_on(AsyncioDriver(loop, tick, event_loop), clockwork, ())
    else:
        driver = ThreadDriver(loop, tick)
        runtime.run_on(driver, clockwork, _own_lanes(loop, driver))
    return runtime


def _tick(clockwork: Clockwork, *callbacks: ThreadCallbacks) -> float:
    for each in callbacks:
        each.begin_again()
    return clockwork.tick()


def _checked(books: Sequence[BookSettings]) -> Sequence[BookSettings]:
    """The settings, if no two are of one book or on one venue, whose reports would go to either."""
    names: set[str] = set()
    venues: dict[int, str] = {}
    for each in books:
        if each.name in names:
            raise InvalidConfiguration("books", f"{each.name!r} is there twice", "Name each book once")
        names.add(each.name)
        if each.venue is not None:
            other = venues.setdefault(id(each.venue), each.name)
            if other != each.name:
                raise InvalidConfiguration(
                    "books",
                    f"{other!r} and {each.name!r} have the same venue, which cannot say whose a report is",
                    "Give each book a venue object of its own, with an account of its own",
                )
    return books


def _snapshotter(journal: Journal, books: Sequence[BookSettings], every_records: int) -> Snapshotter | None:
    """What has snapshots taken, told of the newest that there are."""
    if not isinstance(journal, SqliteJournal) or every_records <= 0:
        return None
    made = Snapshotter(journal.path, every_records)
    for each in books:
        newest = journal.load_snapshot(each.name)
        made.note(each.name, 0 if newest is None else newest.head.sequence)
    return made


def _ignore(error: BaseException) -> None:
    """What a callback raised was told by whoever gave it."""


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise InvalidConfiguration(
            "own_thread", "is off, and no asyncio loop runs here", "Open it in a coroutine, or leave it on"
        ) from None


def _own_lanes(loop: Loop, driver: ThreadDriver) -> list[ThreadLane]:
    """Talk to each venue on a thread of its own from now on."""

    def post(call: Callable[[], None]) -> None:
        loop.post(call)
        driver.notify()

    lanes = []
    for channel in loop.channels:
        if channel.sender is not None:
            lanes.append(ThreadLane(f"execore venue {channel.sender.venue.name}", post, channel.name))
            channel.sender.lane = lanes[-1]
    return lanes
