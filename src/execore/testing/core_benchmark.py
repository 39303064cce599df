"""How fast the core is, in CPU time of one thread, and what an order costs in memory. Nothing is durable.

A lifecycle is what the runtime does for one order: create, risk, submit, acknowledge, two partial fills, both
ledgers, the records encoded and hashed. Only the storage is left out.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from execore.core.risk_hook import OrderLimits
from execore.journal.codec import GENESIS, chained
from execore.journal.protocol import EMPTY_HEAD, NO_CHANGES, Changes, Head
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.records import Record, StoredRecord
from execore.model.reports import AcknowledgeReport, FillReport
from execore.model.vocabulary import Side
from execore.runtime.book import Book, open_book

BATCH: Final = 1_000
SMALL_BOOK: Final = 10_000
SMALL_EVERY: Final = 50_000
FEW_FILLS: Final = 10
MANY_FILLS: Final = 10_000
_SYMBOLS: Final = 20
_PRICES: Final = [Decimal(10_000 + tick) / 100 for tick in range(500)]
_FEE: Final = Decimal("0.01")


class HashingJournal:
    """Encodes and chains what it is given and forgets it: the journal's CPU work without the storage."""

    def __init__(self) -> None:
        self._previous = GENESIS
        self._head = EMPTY_HEAD

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Encode and hash the records; return the head they would have."""
        for stored in chained(records, self._previous):
            self._previous = bytes.fromhex(stored.hash)
        self._head = Head(records[-1].sequence, self._previous.hex())
        return self._head

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Nothing was kept."""
        return iter(())

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Nothing was kept."""
        return iter(())

    def head(self, book: str) -> Head:
        """The last head."""
        return self._head

    def books(self) -> list[str]:
        """Nothing was kept."""
        return []

    def close(self) -> None:
        """Nothing to let go of."""


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


def measure(orders: int, progress: Callable[[int], None] | None = None) -> CoreBenchmark:
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
    return open_book(
        HashingJournal(),
        "bench",
        instruments=[Instrument(symbol=f"S{n}", currency="USD") for n in range(_SYMBOLS)],
        risk_hooks=[OrderLimits(maximum_quantity=10_000, maximum_notional=100_000_000)],
    )


def _lifecycle_seconds(orders: int, progress: Callable[[int], None] | None) -> tuple[float, float]:
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


def _cpu_seconds(book: Book, numbers: range, progress: Callable[[int], None] | None) -> float:
    spent = 0.0
    for first in range(numbers.start, numbers.stop, BATCH):
        batch = range(first, min(first + BATCH, numbers.stop))
        started = time.process_time()
        run_lifecycles(book, batch)
        spent += time.process_time() - started
        if progress is not None:
            progress(batch.stop)
    return spent


def run_lifecycles(book: Book, numbers: range) -> None:
    """Take orders of these numbers through their lives, each stage one commit for all of them."""
    requests = [_request(number) for number in numbers]
    book.submit_all(requests)
    book.apply([_acknowledged(number) for number in numbers])
    book.apply([_fill(number, 1, 40) for number in numbers])
    book.apply([_fill(number, 2, 60) for number in numbers])


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
    requests = [
        msgspec.structs.replace(_request(number), quantity=Decimal(fills)) for number in range(orders)
    ]
    book.submit_all(requests)
    book.apply([_acknowledged(number) for number in range(orders)])
    reports = [_fill(number, part, 1) for number in range(orders) for part in range(fills)]
    started = time.process_time()
    for first in range(0, len(reports), BATCH):
        book.apply(reports[first : first + BATCH])
    return (time.process_time() - started) / len(reports)


def _bytes_per_open_order(orders: int) -> float:
    book = new_book()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for first in range(0, orders, BATCH):
        numbers = range(first, min(first + BATCH, orders))
        book.submit_all([_request(number) for number in numbers])
        book.apply([_acknowledged(number) for number in numbers])
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / orders


def _request(number: int) -> OrderRequest:
    return OrderRequest(
        client_order_id=f"{number:032x}",
        symbol=f"S{number % _SYMBOLS}",
        side=Side.BUY if number // _SYMBOLS % 2 else Side.SELL,
        quantity=Decimal(100),
        price=_PRICES[number % len(_PRICES)],
        strategy="bench",
        metadata=(("desk", "bench"),),
    )


def _acknowledged(number: int) -> AcknowledgeReport:
    return AcknowledgeReport(
        ts_ns=number,
        client_order_id=f"{number:032x}",
        venue_order_id=f"V{number}",
        symbol=f"S{number % _SYMBOLS}",
    )


def _fill(number: int, part: int, quantity: int) -> FillReport:
    return FillReport(
        ts_ns=number,
        client_order_id=f"{number:032x}",
        venue_order_id=f"V{number}",
        symbol=f"S{number % _SYMBOLS}",
        execution_id=f"E{number}-{part}",
        quantity=Decimal(quantity),
        price=_PRICES[number % len(_PRICES)],
        fee=_FEE,
        fee_currency="USD",
    )
