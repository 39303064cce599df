"""How fast the core is, in CPU time of one thread, and what an order costs in memory. Nothing is durable.

Lifecycles are those of ``execore.testing.lifecycles``, with the records encoded and hashed. Only the storage
is left out.
"""

import gc
import time
import tracemalloc
from typing import Final

import msgspec

from execore.runtime.book import Book, open_book
from execore.testing.hashing_journal import HashingJournal
from execore.testing.lifecycles import (
    BATCH,
    INSTRUMENTS,
    RISK_HOOKS,
    Progress,
    acknowledged,
    filled,
    in_batches,
    open_orders,
    request,
    run_lifecycles,
)

SMALL_BOOK: Final = 10_000
SMALL_EVERY: Final = 50_000
FEW_FILLS: Final = 10
MANY_FILLS: Final = 10_000


class CoreBenchmark(msgspec.Struct, frozen=True):
    """What was measured.

    Attributes:
        orders: lifecycles run in one book, which holds all of them at the end.
        lifecycles_per_cpu_second: of one thread.
        microseconds_per_lifecycle: the same, turned over.
        bytes_per_open_order: memory of an acknowledged order and all its indexes, measured on ``orders`` of
            them with ``tracemalloc``.
        time_against_small_book: microseconds in this book over those in books of ``SMALL_BOOK`` orders, run
            in turn with it so that a noisy machine slows both; None if this book is no larger.
        memory_against_small_book: the same for bytes.
        microseconds_per_fill: of orders that are filled in ``FEW_FILLS`` parts.
        fill_time_against_few_fills: microseconds of a fill of an order that is filled in ``MANY_FILLS`` parts
            over that, run in turn.
    """

    orders: int
    lifecycles_per_cpu_second: float
    microseconds_per_lifecycle: float
    bytes_per_open_order: float
    time_against_small_book: float | None
    memory_against_small_book: float | None
    microseconds_per_fill: float
    fill_time_against_few_fills: float


def measure(orders: int, progress: Progress | None = None) -> CoreBenchmark:
    """Run ``orders`` lifecycles and measure them, then hold as many orders open and weigh them."""
    lifecycle, small_lifecycle = _lifecycle_seconds(orders, progress)
    weight = _bytes_per_open_order(orders)
    is_larger = orders > SMALL_BOOK
    few, many = _fill_seconds()
    return CoreBenchmark(
        orders=orders,
        lifecycles_per_cpu_second=1 / lifecycle,
        microseconds_per_lifecycle=lifecycle * 1e6,
        bytes_per_open_order=weight,
        time_against_small_book=lifecycle / small_lifecycle if is_larger else None,
        memory_against_small_book=weight / _bytes_per_open_order(SMALL_BOOK) if is_larger else None,
        microseconds_per_fill=few * 1e6,
        fill_time_against_few_fills=many / few,
    )


def new_book() -> Book:
    """A book as a small desk would have it: twenty instruments, a risk gate, nothing durable."""
    return open_book(HashingJournal(), "bench", instruments=INSTRUMENTS, risk_hooks=RISK_HOOKS)


def _lifecycle_seconds(orders: int, progress: Progress | None) -> tuple[float, float]:
    """CPU seconds of one lifecycle in a book of ``orders``, and in small books run in turn with it."""
    book = new_book()
    spent, small_spent, small_orders = 0.0, 0.0, 0
    for first in range(0, orders, SMALL_EVERY):
        numbers = range(first, min(first + SMALL_EVERY, orders))
        spent += _cpu_seconds(book, numbers, progress)
        if orders > SMALL_BOOK:
            small_spent += _cpu_seconds(new_book(), range(SMALL_BOOK), None)
            small_orders += SMALL_BOOK
    return spent / orders, small_spent / max(small_orders, 1)


def _cpu_seconds(book: Book, numbers: range, progress: Progress | None) -> float:
    spent = 0.0
    for batch in in_batches(numbers, progress):
        started = time.process_time()
        run_lifecycles(book, batch)
        spent += time.process_time() - started
    return spent


def _fill_seconds() -> tuple[float, float]:
    """CPU seconds of a fill of an order that has few, and of one that has many; the median of turns."""
    few, many = [], []
    for _ in range(5):
        few.append(_seconds_of_fills(MANY_FILLS // FEW_FILLS, FEW_FILLS))
        many.append(_seconds_of_fills(1, MANY_FILLS))
    return sorted(few)[2], sorted(many)[2]


def _seconds_of_fills(orders: int, fills: int) -> float:
    """CPU seconds of each of ``fills`` fills of one lot, of each of so many orders."""
    book = new_book()
    book.submit_all([request(number, quantity=fills) for number in range(orders)])
    book.apply([acknowledged(number) for number in range(orders)])
    reports = [filled(number, part, quantity=1) for number in range(orders) for part in range(fills)]
    started = time.process_time()
    for first in range(0, len(reports), BATCH):
        book.apply(reports[first : first + BATCH])
    return (time.process_time() - started) / len(reports)


def _bytes_per_open_order(orders: int) -> float:
    book = new_book()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for batch in in_batches(range(orders)):
        open_orders(book, batch)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / orders
