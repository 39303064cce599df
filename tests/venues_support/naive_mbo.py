"""A naive reduction of an MBO file to its orders: plain size arithmetic, dicts, and the dialect's rules.

Written from the dialect's text alone and sharing no code with the adapter or the core, so that agreement
means something. It holds the whole file, looks things up by scanning, and is slow on purpose.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import databento_dbn as dbn

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SIDES = {"B": "buy", "A": "sell"}


@dataclass
class NaiveOrder:
    """What the file says of one order. Sizes are whole units."""

    instrument_id: int
    order_id: int
    side: str = "undisclosed"
    quantity: int = 0
    filled: int = 0
    leaves: int = 0
    cancelled: bool = False
    external: bool = True
    """Until an ``A`` (or, for an order added before the file began, its first ``M``) tells its terms."""
    by_executions_alone: bool = True
    fill_count: int = 0
    book_size: int = 0
    """By the cross-check's arithmetic alone: ``A`` and ``M`` set it, ``C`` subtracts, fills do nothing."""

    @property
    def overfilled(self) -> bool:
        return self.filled > self.quantity

    @property
    def state(self) -> str:
        if self.filled >= self.quantity:
            return "FILLED"
        if self.cancelled:
            return "CANCELLED"
        return "PARTIALLY_FILLED" if self.filled else "ACKNOWLEDGED"


def read_records(path: Path) -> tuple[dbn.Metadata, list[Any]]:
    """The metadata and every record of an intact file."""
    data = path.read_bytes()
    decoder: Any = dbn.DBNDecoder(compression=dbn.Compression("zstd" if data[:4] == ZSTD_MAGIC else "none"))
    metadata, *records = decoder.write_and_decode(data)
    return metadata, records


def reduce_file(path: Path) -> dict[tuple[int, int], NaiveOrder]:
    """Every order that the file tells of, by instrument id and order id."""
    _, records = read_records(path)
    histories: dict[tuple[int, int], list[Any]] = defaultdict(list)
    for record in records:
        if record.order_id and str(record.action) in "AFTMC" and (record.size or str(record.action) == "M"):
            histories[record.instrument_id, record.order_id].append(record)
    orders = (reduce_order(history) for history in histories.values())
    return {(order.instrument_id, order.order_id): order for order in orders if order is not None}


def reduce_order(history: list[Any]) -> NaiveOrder | None:
    """One order from its own records in file order; None where nothing but cancels of it are told."""
    order = NaiveOrder(history[0].instrument_id, history[0].order_id, side=first_side(history))
    filled_in = {record.sequence for record in history if str(record.action) == "F"}
    last_fill: Any = None  # the F that the next record follows, if it does
    left_by_it = 0
    known = False
    for record in history:
        action = str(record.action)
        if action == "T" and record.sequence in filled_in:
            continue
        update = last_fill is not None and last_fill.ts_event == record.ts_event
        if not known and (action == "C" or not record.size):
            continue  # an end without a beginning says nothing of an order
        if action in "FT":
            book_execution(order, record.size)
        elif action == "A" or (action == "M" and not known):
            rest(order, record.size)
            order.external = False
        elif action == "M":
            if not (update and record.price == last_fill.price and record.size == left_by_it):
                rest(order, record.size)
            order.book_size = record.size
        else:
            if not (update and left_by_it == 0):
                take_out(order, record.size)
            order.book_size = max(order.book_size - record.size, 0)
        known = True
        if action == "F":
            last_fill, left_by_it = record, order.leaves
        elif not (action == "C" and update and left_by_it == 0):
            last_fill = None
    return order if known else None


def first_side(history: list[Any]) -> str:
    """The first side that any record of the order names, wherever in the file."""
    return next((SIDES[str(record.side)] for record in history if str(record.side) in SIDES), "undisclosed")


def book_execution(order: NaiveOrder, size: int) -> None:
    """An execution; it is all of the order's quantity where nothing else was said."""
    order.filled += size
    order.fill_count += 1
    if order.by_executions_alone:
        order.quantity = order.filled
    order.leaves = max(order.leaves - size, 0)


def rest(order: NaiveOrder, size: int) -> None:
    """``size`` rests now; a modify to nothing is a cancel of what was left."""
    if size == 0:
        take_out(order, order.leaves)
        return
    order.quantity = order.filled + size
    order.leaves = order.book_size = size
    order.cancelled = order.by_executions_alone = False


def take_out(order: NaiveOrder, size: int) -> None:
    """``size`` leaves the book: all that was left, or a reduction."""
    if size < order.leaves:
        order.quantity -= size
        order.leaves -= size
    else:
        order.cancelled = True
        order.leaves = 0
