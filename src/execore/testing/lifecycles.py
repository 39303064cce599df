"""The flow of orders that every benchmark runs: a desk with twenty instruments and one strategy.

A lifecycle is what the runtime does for one order: create, risk, submit, acknowledge, two partial fills, both
ledgers. Orders are numbered, and a number says all about its order, so any run can be repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from execore.core.risk_hook import OrderLimits
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.reports import AcknowledgeReport, FillReport, VenueReport
from execore.model.vocabulary import Side
from execore.runtime.book import Book

Progress = Callable[[int], None]
BATCH: Final = 1_000
EVENTS: Final = 5
"""Events of one lifecycle: created, submitted, acknowledged, filled, filled."""

EVENTS_OPEN: Final = 3
"""Events of an order that was acknowledged and no more."""

QUANTITY: Final = 100
_PARTS: Final = (40, 60)
_SYMBOLS: Final = 20
_PRICES: Final = [Decimal(10_000 + tick) / 100 for tick in range(500)]
_FEE: Final = Decimal("0.01")

INSTRUMENTS: Final = tuple(Instrument(symbol=f"S{n}", currency="USD") for n in range(_SYMBOLS))
RISK_HOOKS: Final = (OrderLimits(maximum_quantity=10_000, maximum_notional=100_000_000),)


def in_batches(numbers: range, progress: Progress | None = None) -> Iterator[range]:
    """Yield the numbers of orders, a batch at a time; ``progress`` is told how far it got after each."""
    for first in range(numbers.start, numbers.stop, BATCH):
        batch = range(first, min(first + BATCH, numbers.stop))
        yield batch
        if progress is not None:
            progress(batch.stop)


def run_lifecycles(book: Book, numbers: range) -> None:
    """Take orders of these numbers through their lives, each stage one commit for all of them."""
    open_orders(book, numbers)
    for part in range(len(_PARTS)):
        book.apply([filled(number, part) for number in numbers])


def open_orders(book: Book, numbers: range) -> None:
    """Submit orders of these numbers and acknowledge them, each one commit for all of them."""
    book.submit_all([request(number) for number in numbers])
    book.apply([acknowledged(number) for number in numbers])


def request(number: int, quantity: int = QUANTITY) -> OrderRequest:
    """The order of this number."""
    return OrderRequest(
        client_order_id=f"{number:032x}",
        symbol=f"S{number % _SYMBOLS}",
        side=Side.BUY if number // _SYMBOLS % 2 else Side.SELL,
        quantity=Decimal(quantity),
        price=_PRICES[number % len(_PRICES)],
        strategy="bench",
        metadata=(("desk", "bench"),),
    )


def reports(number: int) -> Sequence[VenueReport]:
    """All that the venue reports of the order of this number, in order."""
    return (acknowledged(number), *(filled(number, part) for part in range(len(_PARTS))))


def acknowledged(number: int) -> AcknowledgeReport:
    """The venue has the order of this number."""
    return AcknowledgeReport(
        ts_ns=number,
        client_order_id=f"{number:032x}",
        venue_order_id=f"V{number}",
        symbol=f"S{number % _SYMBOLS}",
    )


def filled(number: int, part: int, quantity: int | None = None) -> FillReport:
    """The order of this number is filled in part: the next part of its whole, if no quantity is given."""
    return FillReport(
        ts_ns=number,
        client_order_id=f"{number:032x}",
        venue_order_id=f"V{number}",
        symbol=f"S{number % _SYMBOLS}",
        execution_id=f"E{number}-{part}",
        quantity=Decimal(_PARTS[part] if quantity is None else quantity),
        price=_PRICES[number % len(_PRICES)],
        fee=_FEE,
        fee_currency="USD",
    )
