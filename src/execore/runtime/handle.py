"""What a caller holds while his request is being made durable: to wait on, to await, to be called back by.

A handle is settled once, by the writer, after the commit. Everybody who waits is woken once a batch, not once
a handle: waking a sleeping thread or event loop costs more than a whole step of the core.
"""

import asyncio
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, TypeVar

from execore.model.errors import NotYetSettled

T = TypeVar("T")
_PENDING: Final = object()

Call = Callable[[Callable[[], object]], None]
"""Runs a callback, somewhere it can harm nobody."""


class Waiting:
    """What the handles of one book share.

    Args:
        run_callback: runs a callback.
        why_never: given whether a coroutine waits (or a thread): why that would never end, and "" if it may.

    Attributes:
        lock: between whoever begins to wait and whoever wakes; held for an instant.
    """

    __slots__ = ("lock", "run_callback", "why_never")

    def __init__(self, run_callback: Call, why_never: Callable[[bool], str] = lambda awaits: "") -> None:
        self.run_callback = run_callback
        self.why_never = why_never
        self.lock = threading.Lock()


class Handle(Generic[T]):
    """The answer to come.

    It dies with the process: what is recorded does not, and asking again with the same id gives the same
    answer.

    Attributes:
        is_settled: whether there is an answer, or an error.

    Args:
        awaited: where it is kept while somebody waits for it, if nobody else is bound to hold it.
    """

    __slots__ = ("__weakref__", "_awaited", "_error", "_value", "_waiters", "_waiting", "is_settled")

    def __init__(self, waiting: Waiting, awaited: "set[Handle[Any]] | None" = None) -> None:
        self._waiting = waiting
        self._awaited = awaited
        self._value: Any = _PENDING
        self._error: BaseException | None = None
        self._waiters: list[Any] | None = None
        self.is_settled = False

    def result(self) -> T:
        """The answer, if it is there.

        Raises:
            NotYetSettled: it is not. And whatever the request raised.
        """
        if self._error is not None:
            raise self._error
        if self._value is _PENDING:
            raise NotYetSettled("the request is not settled yet", "Wait for it, await it, or ask later")
        value: T = self._value
        return value

    def wait(self, timeout_seconds: float | None = None) -> T:
        """Wait in this thread; return the answer.

        Raises:
            TimeoutError: no answer in time; the request goes on, and may still be carried out.
            NotYetSettled: this is the thread that would have to answer, or it keeps the writer waiting.
            And whatever the request raised.
        """
        if not self.is_settled:
            self._check(awaits=False)
            woken = threading.Event()
            if self._begin_to_wait(woken) and not woken.wait(timeout_seconds):
                self._give_up(woken)
                if not self.is_settled:
                    raise TimeoutError(f"no answer within {timeout_seconds} seconds; the request goes on")
        return self.result()

    def __await__(self) -> Generator[Any, None, T]:
        if not self.is_settled:
            self._check(awaits=True)
            future = asyncio.get_running_loop().create_future()
            if self._begin_to_wait(future):
                try:
                    yield from future
                except BaseException:
                    self._give_up(future)  # it was cancelled: nobody waits any more
                    raise
        return self.result()

    def call_back(self, callback: "Callable[[Handle[T]], object]") -> None:
        """Have ``callback`` called with this handle once it is settled, at once if it is.

        It runs apart from the writer. What it raises is an alert, and harms nobody.
        """
        if not self._begin_to_wait(callback):
            self.run_callback(callback)

    def settle(self, value: Any = _PENDING, error: BaseException | None = None) -> None:
        """For the writer: the answer or the error, once; ``wake`` then tells who waits."""
        if not self.is_settled:
            self._value, self._error = value, error
            self.is_settled = True  # last, as others look at it without a lock

    def _check(self, *, awaits: bool) -> None:
        why = self._waiting.why_never(awaits)
        if why:
            raise NotYetSettled(
                f"waiting here would never end: {why}", "Await it, or have yourself called back"
            )

    def _begin_to_wait(self, waiter: Any) -> bool:
        """Add one who waits; False if there is nothing to wait for any more."""
        with self._waiting.lock:
            if self.is_settled:
                return False
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
            if self._awaited is not None:
                self._awaited.add(self)
            return True

    def _give_up(self, waiter: Any) -> None:
        """He does not wait any more, so that a handle that is asked again and again does not grow."""
        with self._waiting.lock:
            if self._waiters is not None and waiter in self._waiters:
                self._waiters.remove(waiter)
            if not self._waiters and self._awaited is not None:
                self._awaited.discard(self)

    def take_waiters(self) -> Sequence[Any]:
        """For ``wake``: everybody who waits; nobody begins to after it is settled."""
        with self._waiting.lock:
            waiters, self._waiters = self._waiters, None
            if self._awaited is not None:
                self._awaited.discard(self)
        return waiters or ()

    def run_callback(self, callback: "Callable[[Handle[T]], object]") -> None:
        """For ``wake``: have it called with this handle."""
        self._waiting.run_callback(lambda: callback(self))


def wake(handles: Sequence[Handle[Any]]) -> None:
    """Tell everybody who waits for one of these, once for each event loop."""
    futures: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for handle in handles:
        for waiter in handle.take_waiters():
            if isinstance(waiter, asyncio.Future):
                futures.setdefault(waiter.get_loop(), []).append(waiter)
            elif isinstance(waiter, threading.Event):
                waiter.set()
            else:
                handle.run_callback(waiter)
    for loop, waiting in futures.items():
        _wake_loop(loop, waiting)


def _wake_loop(loop: asyncio.AbstractEventLoop, waiting: list["asyncio.Future[None]"]) -> None:
    if asyncio._get_running_loop() is loop:
        _wake_futures(waiting)
        return
    try:
        loop.call_soon_threadsafe(_wake_futures, waiting)
    except RuntimeError:  # the loop is closed: nobody waits there any more
        return


def _wake_futures(waiting: list["asyncio.Future[None]"]) -> None:
    for future in waiting:
        if not future.done():  # the one who waited may have been cancelled
            future.set_result(None)
