"""Where users' callbacks run: apart from the writer, so that one that raises or blocks harms only itself."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

MOST_THREADS: Final = 64
"""Callbacks that run at once; more of them wait until one is done."""
_IDLE_SECONDS: Final = 5.0


class Callbacks(Protocol):
    """Runs callbacks. What they raise is told to ``on_error``, and ends there."""

    def run(self, call: Callable[[], object]) -> None:
        """Run it, now or soon."""
        ...

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Take nothing more; wait at most so long for what was taken."""
        ...


class InlineCallbacks:
    """Runs every callback at once; what it raises is its own affair."""

    def run(self, call: Callable[[], object]) -> None:
        """Run it now."""
        with suppress(Exception):
            call()

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Nothing is left to do."""


class ThreadCallbacks:
    """Runs callbacks on a few threads: another one is begun when all are busy.

    Callbacks whose order matters go through ``InOrder``.

    Args:
        on_error: called with what a callback raised; it must not raise.
        most_threads: callbacks that run at once.
    """

    def __init__(
        self, on_error: Callable[[BaseException], None], *, most_threads: int = MOST_THREADS
    ) -> None:
        self._on_error = on_error
        self._most_threads = most_threads
        self._lock = threading.Condition()
        self._calls: deque[Callable[[], object]] = deque()
        self._idle = 0
        self._threads: set[int] = set()
        self._begun = 0
        self._is_closed = False
        self._idle_seconds = _IDLE_SECONDS

    def run(self, call: Callable[[], object]) -> None:
        """Run it on a thread that has nothing to do."""
        with self._lock:
            if self._is_closed:
                return
            self._calls.append(call)
            if self._idle >= len(self._calls) or self._begun >= self._most_threads:
                self._lock.notify()
                return
            self._begun += 1
        self._begin()

    def begin_again(self) -> None:
        """Begin a thread if calls wait and there is none, as the system gave none then. Call it often."""
        with self._lock:
            if self._begun or not self._calls:
                return
            self._begun += 1
        self._begin()

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._work, name="execore callbacks", daemon=True).start()
        except RuntimeError:  # the system gives no more threads: the call waits for one of those there are
            with self._lock:
                self._begun -= 1

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Take nothing more; wait at most so long for what was taken. What runs on ends with the process."""
        self.begin_again()
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
            if threading.get_ident() not in self._threads:  # else a callback would wait for itself
                self._lock.wait_for(lambda: not self._begun, timeout_seconds)

    def rest(self) -> None:
        """Little more will come: let threads that have nothing to do end. What comes has one begun."""
        with self._lock:
            self._idle_seconds = 0.0
            self._lock.notify_all()

    def _work(self) -> None:
        with self._lock:
            self._threads.add(threading.get_ident())
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException as error:  # a user's own; one that ends its thread would take ours
                self._on_error(error)

    def _is_awaited(self) -> bool:
        """Whether a thread that idles has a call to make, or is to end."""
        return bool(self._calls) or self._is_closed or not self._idle_seconds

    def _next(self) -> Callable[[], object] | None:
        with self._lock:
            self._idle += 1
            try:
                self._lock.wait_for(self._is_awaited, self._idle_seconds)
            finally:
                self._idle -= 1
            if self._calls:
                return self._calls.popleft()
            self._threads.discard(threading.get_ident())
            self._begun -= 1
            self._lock.notify_all()
            return None


class InOrder:
    """One listener's calls, one after the other, wherever they run: a slow one holds up its own only."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_running = False

    def run(self, call: Callable[[], object]) -> None:
        """Have it run after those before it."""
        with self._lock:
            self._waiting.append(call)
            if self._is_running:
                return
            self._is_running = True
        self._callbacks.run(self._run_all)

    def _run_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_running = False
                    return
                call = self._waiting.popleft()
            try:
                with suppress(Exception):  # what a listener raises is its own affair, and the next call comes
                    call()
            except BaseException:  # an interrupt: the next call begins anew
                self._is_running = False
                raise
