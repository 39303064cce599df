"""How fast orders become durable, beside what bounds that: the core alone, and the storage alone.

Every caller takes one order after the other through its life and waits for each step to be durable before
the next. What the runtime committed is kept, and then committed again by a plain journal with nothing else to
do: the same records, tables, indexes and batches on the same file system. All of it is run in turn, so that a
noisy machine slows all alike.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from execore.journal.protocol import NO_CHANGES, Append, Changes, Head
from execore.journal.sqlite import SqliteJournal
from execore.model.events import OrderCreated
from execore.model.records import Record
from execore.runtime.book import open_book
from execore.runtime.opening import BookSettings
from execore.runtime.runtime import open_runtime
from execore.runtime.runtime_book import RuntimeBook
from execore.testing.core_benchmark import new_book
from execore.testing.lifecycles import (
    INSTRUMENTS,
    RISK_HOOKS,
    Progress,
    in_batches,
    reports,
    request,
    run_lifecycles,
)

CALLERS: Final = (1, 8, 64, 512)
KINDS: Final = ("asyncio", "threads")
EACH: Final = 100
"""Lifecycles that a caller runs at most: one alone would take long to run as many as five hundred do."""

BOOK: Final = "bench"


class Run(msgspec.Struct, frozen=True):
    """Callers of one kind, each waiting for every step of its orders. Rates count finished lifecycles.

    Attributes:
        kind: ``inline`` calls a synchronous book; ``asyncio`` and ``threads`` wait for handles, as coroutines
            on the writer's own event loop, and as threads.
        callers: in flight at once.
        lifecycles: run by all of them together.
        lifecycles_per_second, lifecycles_per_cpu_second: durable, with records, tables and indexes.
        against_core: rate over that of the core in memory, both by the clock on the wall.
        commits: with one sync each. events_per_commit: on average.
        against_journal: rate over that of the plain journal given the same commits.
        submit_ms: from asking to being told that it is durable, in milliseconds; the median.
        commit_ms: one of the commits that have a submit, by the plain journal, the median.
        submit_against_commit: the two, one over the other.
    """

    kind: str
    callers: int
    lifecycles: int
    lifecycles_per_second: float
    lifecycles_per_cpu_second: float
    against_core: float
    commits: int
    events_per_commit: float
    against_journal: float
    submit_ms: float
    commit_ms: float
    submit_against_commit: float


class RuntimeBenchmark(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        core_lifecycles_per_second, core_lifecycles_per_cpu_second: in memory, a thousand to a batch; the
            median of what was run in turn with ``runs``.
    """

    core_lifecycles_per_second: float
    core_lifecycles_per_cpu_second: float
    runs: list[Run]


class RecordingJournal(SqliteJournal):
    """An SQLite journal that keeps what it is given in each commit.

    Attributes:
        commits: the appends of each, in order.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.commits: list[Sequence[Append]] = []

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """As ``SqliteJournal.append``."""
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """As ``SqliteJournal.append_all``."""
        heads = super().append_all(appends)
        self.commits.append(appends)
        return heads


class _Rate(msgspec.Struct):
    """How much was done in which time, by the clock on the wall and by the processor's."""

    lifecycles: int
    seconds: float
    cpu_seconds: float


class _Watch:
    """Both clocks, from its making on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, lifecycles: int) -> _Rate:
        """What was done in the time since then."""
        return _Rate(lifecycles, time.perf_counter() - self._wall, time.process_time() - self._cpu)


def measure(directory: Path, lifecycles: int, progress: Progress | None = None) -> RuntimeBenchmark:
    """Run every kind and number of callers in new journals below ``directory``.

    Args:
        lifecycles: of a run; fewer where there are few callers, see ``EACH``.

    Raises:
        JournalError: a journal cannot be written.
    """
    runs: list[Run] = []
    cores: list[_Rate] = []
    for done, (kind, callers) in enumerate(what_is_run()):
        cores.append(core_rate(lifecycles))
        runs.append(measure_run(directory / f"{kind}-{callers}", kind, callers, lifecycles, cores[-1]))
        if progress is not None:
            progress(done + 1)
    return RuntimeBenchmark(
        core_lifecycles_per_second=median(core.lifecycles / core.seconds for core in cores),
        core_lifecycles_per_cpu_second=median(core.lifecycles / core.cpu_seconds for core in cores),
        runs=runs,
    )


def what_is_run() -> list[tuple[str, int]]:
    """Every kind with its number of callers."""
    return [("inline", 1), *((kind, callers) for kind in KINDS for callers in CALLERS)]


def core_rate(lifecycles: int) -> _Rate:
    """The core in memory: stepped, encoded and hashed, and not stored."""
    book = new_book()

    watch = _Watch()
    for batch in in_batches(range(lifecycles)):
        run_lifecycles(book, batch)
    return watch.stop(lifecycles)


def measure_run(directory: Path, kind: str, callers: int, lifecycles: int, core: _Rate) -> Run:
    """Run callers of one kind into a new journal, and a plain journal with the same commits after it."""
    directory.mkdir()
    each = max(min(lifecycles // callers, EACH), 1)
    submits: list[float] = []
    with RecordingJournal(directory / "runtime.db") as journal:
        rate = _CALLERS[kind](journal, callers, each, submits)
    commits = journal.commits
    plain = plain_commits(directory / "plain.db", commits)
    with_submit = [seconds for appends, seconds in zip(commits, plain, strict=True) if _has_submit(appends)]
    per_second = rate.lifecycles / rate.seconds
    submit, commit = median(submits), median(with_submit)
    return Run(
        kind=kind,
        callers=callers,
        lifecycles=rate.lifecycles,
        lifecycles_per_second=per_second,
        lifecycles_per_cpu_second=rate.lifecycles / rate.cpu_seconds,
        against_core=per_second / (core.lifecycles / core.seconds),
        commits=len(commits),
        events_per_commit=sum(len(each.records) for appends in commits for each in appends) / len(commits),
        against_journal=sum(plain) / rate.seconds,
        submit_ms=submit * 1e3,
        commit_ms=commit * 1e3,
        submit_against_commit=submit / commit,
    )


def plain_commits(path: Path, commits: Iterable[Sequence[Append]]) -> list[float]:
    """Make the same commits in a new journal with nothing else to do; return the seconds of each."""
    taken = []
    with SqliteJournal(path) as journal:
        for appends in commits:
            started = time.perf_counter()
            journal.append_all(appends)
            taken.append(time.perf_counter() - started)
    return taken


def _has_submit(appends: Sequence[Append]) -> bool:
    return any(isinstance(record.event, OrderCreated) for append in appends for record in append.records)


# --- those who call ---------------------------------------------------------------------------------------


def _inline(journal: SqliteJournal, callers: int, each: int, submits: list[float]) -> _Rate:
    """One caller of a synchronous book: every call is a commit of its own."""
    book = open_book(journal, BOOK, instruments=INSTRUMENTS, risk_hooks=RISK_HOOKS)

    watch = _Watch()
    for number in range(callers * each):
        order = request(number)
        started = time.perf_counter()
        book.submit(order)
        submits.append(time.perf_counter() - started)
        for report in reports(number):
            book.apply([report])
    return watch.stop(callers * each)


def _in_asyncio(journal: SqliteJournal, callers: int, each: int, submits: list[float]) -> _Rate:
    """Coroutines, with the writer on their own event loop."""

    async def call(book: RuntimeBook, numbers: range) -> None:
        for number in numbers:
            order = request(number)
            started = time.perf_counter()
            await book.submit(order)
            submits.append(time.perf_counter() - started)
            for report in reports(number):
                await book.apply([report])

    async def run() -> _Rate:
        with open_runtime(journal, [_SETTINGS], own_thread=False) as runtime:
            book = runtime.book(BOOK)
            watch = _Watch()
            await asyncio.gather(*(call(book, numbers) for numbers in _shares(callers, each)))
            return watch.stop(callers * each)

    return asyncio.run(run())


def _in_threads(journal: SqliteJournal, callers: int, each: int, submits: list[float]) -> _Rate:
    """A thread for each caller, and one for the writer."""

    def call(book: RuntimeBook, numbers: range) -> None:
        for number in numbers:
            order = request(number)
            started = time.perf_counter()
            book.submit(order).wait()
            submits.append(time.perf_counter() - started)
            for report in reports(number):
                book.apply([report]).wait()

    with open_runtime(journal, [_SETTINGS]) as runtime, ThreadPoolExecutor(callers) as pool:
        book = runtime.book(BOOK)
        watch = _Watch()
        for called in [pool.submit(call, book, numbers) for numbers in _shares(callers, each)]:
            called.result()
        return watch.stop(callers * each)


def _shares(callers: int, each: int) -> list[range]:
    """The numbers of the orders of each caller: in the order of their time, as ids of ours are."""
    return [range(caller, callers * each, callers) for caller in range(callers)]


_SETTINGS: Final = BookSettings(name=BOOK, instruments=INSTRUMENTS, risk_hooks=RISK_HOOKS)
_CALLERS: Final[dict[str, Callable[[SqliteJournal, int, int, list[float]], _Rate]]] = {
    "inline": _inline,
    "asyncio": _in_asyncio,
    "threads": _in_threads,
}
