"""Who turns the loop: the caller himself, a thread, or the caller's event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from execore.model.errors import Busy
from execore.runtime.asking import Ask
from execore.runtime.callbacks import Callbacks
from execore.runtime.channel import Channel
from execore.runtime.handle import Handle, Waiting
from execore.runtime.loop import Loop

_VIEW_SECONDS: Final = 0.001


class InlineDriver:
    """The caller turns the loop himself, and waits for what he asked."""

    def __init__(self, loop: Loop, callbacks: Callbacks) -> None:
        self._loop = loop
        self._waiting = Waiting(callbacks.run)

    def run(self) -> None:
        """Turn until nothing is queued."""
        while self._loop.turn():
            pass

    def ask(self, channel: Channel, ask: Ask) -> Any:
        """Have it recorded and carried out; return the answer, or raise what went wrong."""
        if self._loop.is_stepping:
            what = f"a hook of book {channel.name} is being asked, and asks the book"
            raise Busy(what, "Nothing was taken: ask when the hook has answered")
        handle: Handle[Any] = Handle(self._waiting)
        self._loop.put(channel, ask, handle)
        self.run()
        return handle.result()

    def pump(self, channel: Channel) -> int:
        """Have all recorded that the venue has reported; return how many reports that were.

        Raises:
            VenueError: the venue cannot say, or has always more. JournalError: they cannot be recorded.
        """
        if channel.intake is None:
            return 0
        before = channel.intake.taken
        errors: list[Exception] = []
        with channel.intake.errors_to(errors.append):
            channel.pump()
            self.run()
        if errors:
            raise errors[0]
        return channel.intake.taken - before


class Driver(Protocol):
    """Turns the loop without anybody waiting for it."""

    @property
    def is_here(self) -> bool:
        """Whether this thread turns the loop."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nobody will turn it any more, whatever is queued."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def notify(self) -> None:
        """Something was queued, from any thread."""
        ...

    def stop(self, timeout_seconds: float) -> bool:
        """Turn until nothing is queued, then end; whether it came to that in time."""
        ...


class ThreadDriver:
    """A thread of its own turns the loop: for callers on any thread.

    Args:
        tick: does what is due by the clock; returns in how many seconds it wants to be called again.
    """

    def __init__(self, loop: Loop, tick: Callable[[], float]) -> None:
        self._loop = loop
        self._tick = tick
        self._woken = threading.Event()
        self._is_sleeping = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="execore writer", daemon=True)

    @property
    def is_here(self) -> bool:
        """Whether this thread turns the loop."""
        return threading.current_thread() is self._thread

    @property
    def is_over(self) -> bool:
        """Never: what is queued when the thread has ended is settled."""
        return False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def notify(self) -> None:
        """Wake the thread if it sleeps."""
        if self._is_sleeping:
            self._woken.set()

    def stop(self, timeout_seconds: float) -> bool:
        """Turn until nothing is queued, then end; whether it came to that in time."""
        self._is_stopping = True
        self._woken.set()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                self._turn_until_stopped()
                return
            except BaseException as error:  # a hook that ends its thread: without one nobody is answered
                self._loop.give_up(error)

    def _turn_until_stopped(self) -> None:
        next_tick = 0.0
        while True:
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + self._tick()
            self._loop.turn()
            if not self._loop.is_idle:
                continue
            if self._is_stopping:
                return
            self._is_sleeping = True
            if self._loop.is_idle:  # else somebody queued before he could see that we sleep
                self._woken.wait(max(next_tick - time.monotonic(), 0))
            self._is_sleeping = False
            self._woken.clear()


class AsyncioDriver:
    """The caller's own event loop turns ours: the fastest way for callers that are coroutines on it.

    A commit blocks the event loop for as long as a sync takes. Only that loop's thread may stop it.

    Args:
        tick: as for ``ThreadDriver``.
    """

    def __init__(self, loop: Loop, tick: Callable[[], float], event_loop: asyncio.AbstractEventLoop) -> None:
        self.event_loop = event_loop
        self._loop = loop
        self._tick = tick
        self._thread_id = threading.get_ident()
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_here(self) -> bool:
        """Whether this thread turns the loop."""
        return threading.get_ident() == self._thread_id

    @property
    def is_over(self) -> bool:
        """Whether the event loop is closed."""
        return self.event_loop.is_closed()

    def start(self) -> None:
        """Begin."""
        self._tick_again()

    def notify(self) -> None:
        """Have the loop turned as soon as whoever runs now is done."""
        if self._is_scheduled:
            return
        self._is_scheduled = True
        with suppress(RuntimeError):  # the event loop is closed: the end settles what is queued
            if threading.get_ident() == self._thread_id:
                self.event_loop.call_soon(self._turn)
            else:
                self.event_loop.call_soon_threadsafe(self._turn)

    def stop(self, timeout_seconds: float) -> bool:
        """Turn until nothing is queued, then end; whether it came to that in time."""
        if self._timer is not None:
            self._timer.cancel()
        give_up = time.monotonic() + timeout_seconds
        while not self._loop.is_idle and time.monotonic() < give_up:
            self._loop.turn()
        return True

    def _turn(self) -> None:
        self._is_scheduled = False
        if (
            self._loop.is_held_here()
        ):  # a coroutine awaits something inside view(): what it sees stays as it is
            self.event_loop.call_later(_VIEW_SECONDS, self.notify)
            return
        try:
            self._loop.turn()
        finally:
            if not self._loop.is_idle:
                self.notify()

    def _tick_again(self) -> None:
        self._timer = self.event_loop.call_later(self._tick(), self._tick_again)
        if not self._loop.is_idle:
            self.notify()
