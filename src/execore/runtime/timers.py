"""What is to be done later, on a clock that only goes forward: the wall clock orders nothing here."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

MonotonicClock = Callable[[], int]
"""Returns integer nanoseconds that only go forward, such as ``time.monotonic_ns``."""

_FIRST_WAIT_NS: Final = 1_000_000_000
_LONGEST_WAIT_NS: Final = 600_000_000_000


class Spacing:
    """When to tell again of what goes on and on: at once, after a second, and after waits that double.

    The longest wait is ten minutes; what did not happen for as long as that is told at once again.
    """

    def __init__(self) -> None:
        self._waits: dict[str, tuple[int, int]] = {}  # what -> when it is told next, the next wait

    def is_due(self, what: str, now_ns: int) -> bool:
        """Whether to tell of ``what``, which happened at monotonic ``now_ns``."""
        due_ns, wait_ns = self._waits.get(what, (now_ns, _FIRST_WAIT_NS))
        if now_ns < due_ns:
            return False
        if now_ns - due_ns > _LONGEST_WAIT_NS:
            wait_ns = _FIRST_WAIT_NS
        self._waits[what] = now_ns + wait_ns, min(2 * wait_ns, _LONGEST_WAIT_NS)
        return True


class Timers:
    """Calls due at a time, the earliest first, and of equal times the one that was set first."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Have ``call`` made when the monotonic clock shows ``due_ns``, or as soon after as somebody asks."""
        heapq.heappush(self._due, (due_ns, next(self._numbers), call))

    def run_due(self, now_ns: int) -> int:
        """Make the calls that are due; return how many. One that is set meanwhile waits for the next time."""
        due = []
        while self._due and self._due[0][0] <= now_ns:
            due.append(heapq.heappop(self._due)[2])
        for call in due:
            call()
        return len(due)

    def next_due_ns(self) -> int | None:
        """When the next call is due; None if there is none."""
        return self._due[0][0] if self._due else None
