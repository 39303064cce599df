"""The orderly end of a runtime: take nothing more, carry out what was taken, cancel if asked to, and end.

Nothing here waits for ever: not for a venue that does not answer, nor for a hook or a disk that hangs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from execore.model.effects import Alert
from execore.model.errors import BookClosed
from execore.runtime.clockwork import Clockwork
from execore.runtime.drivers import Driver
from execore.runtime.handle import wake
from execore.runtime.lanes import ThreadLane
from execore.runtime.loop import Loop

LOOK_SECONDS: Final = 0.002
"""How often it is looked whether what is waited for has come."""

_LEAST_SECONDS: Final = 0.1
"""What each thread gets to end in, though the time is up."""


class Closing:
    """Ends a runtime.

    Args:
        clockwork: what begins things of itself.
        lanes: the threads that talk to venues.
    """

    def __init__(self, loop: Loop, driver: Driver, clockwork: Clockwork, lanes: Sequence[ThreadLane]) -> None:
        self._loop = loop
        self._driver = driver
        self._clockwork = clockwork
        self._lanes = lanes

    def steps(self, *, cancel_open: bool) -> Iterator[Callable[[], bool]]:
        """Begin one step after the other; each yields how to see that it is over."""
        self._loop.stop_taking()
        yield lambda: not self._loop.has_requests
        if cancel_open:
            for channel in self._loop.channels:
                channel.cancel_all()
            self._driver.notify()
            yield lambda: self._loop.is_idle and not self._has_open_orders()
        self._clockwork.stop()
        yield self._is_quiet

    def wait(self, cancel_open: bool, give_up: float) -> None:
        """Go through the steps, in this thread, until the monotonic time ``give_up``."""
        for is_over in self.steps(cancel_open=cancel_open):
            while not is_over() and time.monotonic() < give_up:
                if self._driver.is_here:  # then nobody else does it
                    self._clockwork.tick()
                    if self._loop.turn():
                        continue
                time.sleep(LOOK_SECONDS)

    def end(self, give_up: float) -> bool:
        """End every thread and close every book; whether the writer has ended."""
        ended = self._driver.stop(_left(give_up))
        for lane in self._lanes:
            lane.close(_left(give_up))
        if ended:
            while not self._loop.is_idle and time.monotonic() < give_up:
                self._loop.turn()  # what the lanes brought after the driver ended
        if ended and self._loop.lock.acquire(timeout=_left(give_up)):
            try:
                self._close_books()
            finally:
                self._loop.lock.release()
        else:
            ended = False
            self._give_up_watches()
            self.tell_stuck()
        self._loop.abandon("it was closed before" if ended else "its writer is stuck")
        return ended

    def _is_quiet(self) -> bool:
        """Whether nothing is under way, and nothing comes of what was."""
        return all(self._loop.is_idle and all(lane.is_idle for lane in self._lanes) for _ in range(2))

    def _has_open_orders(self) -> bool:
        lock = self._loop.lock
        if not lock.acquire(timeout=LOOK_SECONDS):
            return True  # as far as anybody can see
        try:
            writers = [channel.writer for channel in self._loop.channels if not channel.writer.is_closed]
            return any(writer.state.orders.open_count for writer in writers)
        finally:
            lock.release()

    def _close_books(self) -> None:
        self._give_up_watches()
        for channel in self._loop.channels:
            channel.writer.close()

    def _give_up_watches(self) -> None:
        for channel in self._loop.channels:
            wake(channel.watches.fail(BookClosed(f"book {channel.name} was closed", "Open it again")))

    def tell_stuck(self) -> None:
        """Tell that something holds up the end."""
        for channel in self._loop.channels:
            message = f"book {channel.name} did not close in time: a hook, a view or the disk holds it up"
            channel.alert(Alert("close_incomplete", message))


def _left(give_up: float) -> float:
    return max(give_up - time.monotonic(), _LEAST_SECONDS)
