"""What all that is simulated shares: virtual time, our processes that live and die, faults, the log."""

import heapq
from collections.abc import Callable
from typing import Final, NoReturn

START_NS: Final = 1_700_000_000_000_000_000
MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
ANYWHERE: Final = "anywhere"
"""A seam's name for a crash at whatever is crossed next."""


class Crash(BaseException):
    """Our process ended here, between two instructions. Nothing of it goes on; what is durable stays."""


class VirtualTime:
    """The true time, which passes only when it is told to. What is due on the way happens in order.

    Attributes:
        now_ns: integer nanoseconds UTC.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self.now_ns = start_ns
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, ts_ns: int, action: Callable[[], None]) -> None:
        """Have ``action`` happen at ``ts_ns``, after what was planned for the same time before."""
        self._count += 1
        heapq.heappush(self._due, (ts_ns, self._count, action))

    def let_pass(self, duration_ns: int) -> None:
        """Let time pass, and everything happen that is due until then."""
        until_ns = self.now_ns + duration_ns
        while self._due and self._due[0][0] <= until_ns:
            due_ns, _, action = heapq.heappop(self._due)
            self.now_ns = max(self.now_ns, due_ns)
            action()
        self.now_ns = max(self.now_ns, until_ns)


class Log:
    """What happened in a run: counted always, told in words when somebody listens.

    Attributes:
        lines: the story so far; None when nobody listens.
        injected: how often each kind of fault happened.
        problems: what must never happen, and did, as it was noticed.
    """

    def __init__(self, time: VirtualTime, *, tracing: bool = False) -> None:
        self._time = time
        self.lines: list[str] | None = [] if tracing else None
        self.injected: dict[str, int] = {}
        self.problems: list[str] = []

    def say(self, who: str, text: str, *values: object) -> None:
        """Tell a line of the story; ``text`` is formatted with ``values``."""
        if self.lines is not None:
            seconds = (self._time.now_ns - START_NS) / SECOND_NS
            self.lines.append(f"{seconds:10.3f} s  {who:<8} {text.format(*values)}")

    def count(self, fault: str) -> None:
        """A fault of this kind happened."""
        self.injected[fault] = self.injected.get(fault, 0) + 1
        self.say("fault", "{}", fault)

    def object(self, code: str, text: str) -> None:
        """Something happened that must never happen."""
        self.problems.append(f"{code}: {text}")
        self.say("PROBLEM", "{}: {}", code, text)


class Faults:
    """What shall go wrong, and where: at the so-and-so-many-th crossing of a seam from now."""

    def __init__(self) -> None:
        self._armed: list[tuple[str, str, int]] = []

    def arm(self, seam: str, fault: str, crossings: int) -> None:
        """Let ``fault`` happen at the ``crossings``-th crossing of ``seam`` from now; 1 is the next."""
        self._armed.append((seam, fault, crossings))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._armed.clear()

    def meet(self, seam: str) -> str:
        """The fault that happens at this crossing of ``seam``; empty if none does. A crash comes first."""
        if not self._armed:
            return ""
        met, left = "", []
        for where, fault, crossings in self._armed:
            if where not in (seam, ANYWHERE):
                left.append((where, fault, crossings))
            elif crossings > 1 or met:
                left.append((where, fault, max(crossings - 1, 1)))
            else:
                met = fault
        self._armed = left
        return met


class Process:
    """One life of our process, until it crashes or ends.

    Attributes:
        number: 1 is the first.
        is_alive: whether its instructions still run.
        died_at: the seam where it crashed; empty before that.
        phase: what it is doing, for the record: ``opening`` or ``running``.
    """

    def __init__(self, number: int, log: Log) -> None:
        self.number = number
        self.is_alive = True
        self.died_at = ""
        self.phase = "opening"
        self._log = log

    def check(self) -> None:
        """Go on only if the process lives.

        Raises:
            Crash: it does not: this is a handler of its last error, which really never ran.
        """
        if not self.is_alive:
            raise Crash(self.died_at)

    def crash(self, seam: str) -> NoReturn:
        """End the process here."""
        if self.is_alive:
            self.is_alive = False
            self.died_at = f"{self.phase}: {seam}"
            self._log.count(f"crash, {self.died_at}")
        raise Crash(self.died_at)

    def end(self) -> None:
        """The process is over, in an orderly way or thrown away."""
        self.is_alive = False
