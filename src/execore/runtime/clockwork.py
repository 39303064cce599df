"""What is due by the clock, book by book: reports to take, questions to ask, ends of orders, snapshots."""

from typing import Final

from execore.runtime.loop import Loop
from execore.runtime.snapshots import Snapshotter
from execore.runtime.timers import MonotonicClock, Timers

_DAY_CHECK_SECONDS: Final = 1.0
"""How often orders are looked at whose time is up."""


class Clockwork:
    """Called by whoever turns the loop.

    Args:
        poll_seconds: how often venues are asked for reports.
        snapshotter: has snapshots taken; None takes none.
    """

    def __init__(
        self,
        loop: Loop,
        timers: Timers,
        monotonic_ns: MonotonicClock,
        poll_seconds: float,
        snapshotter: Snapshotter | None = None,
    ) -> None:
        self._loop = loop
        self._timers = timers
        self._monotonic_ns = monotonic_ns
        self._poll_seconds = poll_seconds
        self._snapshotter = snapshotter
        self._next_day_check = float("-inf")
        self._is_stopped = False

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopped = True
        if self._snapshotter is not None:
            self._snapshotter.close()
        for channel in self._loop.channels:
            if channel.intake is not None:
                channel.intake.stop()

    def tick(self) -> float:
        """Do what is due; return in how many seconds to come again. A bug in it closes every book."""
        if not self._is_stopped:
            try:
                self._do()
            except Exception as error:
                self._loop.give_up(error)
        return self._poll_seconds

    def _do(self) -> None:
        now_ns = self._monotonic_ns()
        self._timers.run_due(now_ns)
        checks_day = now_ns / 1e9 >= self._next_day_check
        if checks_day:
            self._next_day_check = now_ns / 1e9 + _DAY_CHECK_SECONDS
        for channel in self._loop.channels:
            channel.pump()
            channel.ask_due()
            if checks_day:
                channel.pass_time()
                if self._snapshotter is not None:
                    self._snapshotter.look(channel.name, channel.writer.head.sequence)
