"""Where a venue is talked to: at once, or on a thread of its own, where a slow one holds up only itself."""

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

Job = Callable[[], Any]
Done = Callable[[Any], None]


class Lane(Protocol):
    """Runs jobs in the order in which they were given."""

    @property
    def is_over(self) -> bool:
        """Whether it is closed, and nothing of it talks to the venue any more."""
        ...

    def run(self, job: Job, done: Done) -> bool:
        """Run ``job``, which never raises, and give what it returns to ``done``, on the writer's side.

        Whether it was taken: not once it is closed.
        """
        ...

    def close(self) -> None:
        """Finish what was given, and take nothing more."""
        ...


class InlineLane:
    """Runs every job at once, in the caller's thread."""

    is_over = False

    def run(self, job: Job, done: Done) -> bool:
        """Run it now."""
        done(job())
        return True

    def close(self) -> None:
        """Nothing is left to do."""


class ThreadLane:
    """A thread that talks to one venue.

    Args:
        name: of the thread.
        post: has a call made on the writer's side.
        book: whose venue it is.

    Attributes:
        is_given_up: nobody waits any more for what it does.
    """

    def __init__(self, name: str, post: Callable[[Callable[[], None]], None], book: str = "") -> None:
        self.book = book
        self.is_given_up = False
        self._post = post
        self._unfinished = 0
        self._is_closed = False
        self._counting = threading.Lock()
        self._jobs: SimpleQueue[tuple[Job, Done] | None] = SimpleQueue()
        self._thread = _LaneThread(self, name)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether every job is done and posted."""
        return not self._unfinished

    @property
    def is_over(self) -> bool:
        """Whether it is closed, and its thread has ended."""
        return self._is_closed and not self._thread.is_alive()

    def run(self, job: Job, done: Done) -> bool:
        """Queue it."""
        with self._counting:
            if self._is_closed:
                return False
            self._unfinished += 1
            self._jobs.put((job, done))
            return True

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Finish what was given; wait for that, as long as the venue's own timeouts make it last.

        What is not begun by then never is: whoever opens the book again settles what became of it, and a
        message that went out later would make that untrue.
        """
        with self._counting:
            self._is_closed = True
        self._jobs.put(None)
        self._thread.join(timeout_seconds)
        self.is_given_up = True

    def work(self) -> None:
        """For its thread: run what is queued until it is closed."""
        while (item := self._jobs.get()) is not None and not self.is_given_up:
            self._post(_outcome(*item))
            with self._counting:
                self._unfinished -= 1


class _LaneThread(threading.Thread):
    """Found among all the threads of the process, it says whose it is."""

    def __init__(self, lane: ThreadLane, name: str) -> None:
        super().__init__(target=lane.work, name=name, daemon=True)
        self.lane = lane


def hangs(book: str) -> bool:
    """Whether a call to a book's venue still runs that an earlier runtime of this process has given up.

    It may still send: until it has ended, that the venue has no such order proves nothing.
    """
    lanes = [thread.lane for thread in threading.enumerate() if isinstance(thread, _LaneThread)]
    return any(lane.is_given_up and lane.book == book for lane in lanes)


def _outcome(job: Job, done: Done) -> Callable[[], None]:
    """Run a job; return the call that takes what it returned to the writer's side."""
    try:
        value = job()
    except BaseException as error:  # a client that ends its thread: without one nothing is sent any more
        return partial(_raise, error)
    return partial(done, value)


def _raise(error: BaseException) -> None:
    raise RuntimeError(f"a venue's client raised {type(error).__name__}: {error}") from error
