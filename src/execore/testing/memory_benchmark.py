"""What many open orders cost: memory, and how long the garbage collector stops everything because of them.

Python's collector walks what it tracks, and everything waits meanwhile. So values here are ``gc=False``
structs, and indexes are dicts of strings to these, which it does not track either: there is next to nothing
to walk.
"""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from execore.testing.core_benchmark import new_book
from execore.testing.lifecycles import Progress, filled, in_batches, open_orders, run_lifecycles

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]


class MemoryBenchmark(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        open_orders: held in one book, each filled in part.
        lifecycles: run in it besides, while these were open.
        collections: of the garbage collector, by generation, while orders were opened and lifecycles run.
        longest_pause_ms: the longest of these, in milliseconds of processor time: others do not count.
        full_collection_ms: of a full collection at the end, forced.
        tracked_objects: how many more objects the collector has to walk than before.
        megabytes: the most memory that the process ever had; None where that cannot be told.
    """

    open_orders: int
    lifecycles: int
    collections: list[int]
    longest_pause_ms: float
    full_collection_ms: float
    tracked_objects: int
    megabytes: float | None


def measure(orders: int, lifecycles: int, progress: Progress | None = None) -> MemoryBenchmark:
    """Hold ``orders`` open, filled in part, run ``lifecycles`` beside them, and watch the collector."""
    book = new_book()
    gc.collect()
    before = len(gc.get_objects())
    with _watched_collections() as pauses:
        for batch in in_batches(range(orders), progress):
            open_orders(book, batch)
            book.apply([filled(number, 0) for number in batch])
        for batch in in_batches(range(orders, orders + lifecycles), progress):
            run_lifecycles(book, batch)
    with _watched_collections() as forced:
        gc.collect()
        gc.collect()  # a tuple of tuples is let go of one collection after those in it
    return MemoryBenchmark(
        open_orders=orders,
        lifecycles=lifecycles,
        collections=[len(seconds) for seconds in pauses],
        longest_pause_ms=max(map(max, filter(None, pauses)), default=0.0) * 1e3,
        full_collection_ms=max(forced[-1]) * 1e3,
        tracked_objects=len(gc.get_objects()) - before,
        megabytes=_peak_megabytes(),
    )


def _peak_megabytes() -> float | None:
    if resource is None:
        return None
    units_in_a_megabyte = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_in_a_megabyte


@contextmanager
def _watched_collections() -> Iterator[list[list[float]]]:
    """The processor seconds of every collection inside the block, by generation."""
    pauses: list[list[float]] = [[] for _ in gc.get_count()]
    started = 0.0

    def watch(phase: str, info: dict[str, int]) -> None:
        nonlocal started
        if phase == "start":
            started = time.thread_time()
        else:
            pauses[info["generation"]].append(time.thread_time() - started)

    gc.callbacks.append(watch)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(watch)
