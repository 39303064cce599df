"""The naive books against beancount's booking of lots, which shares no line with ours.

Beancount keeps what is long by FIFO, LIFO, highest cost and named lots (``STRICT``); it has no average cost.
Its lots keep a cost per unit, so the histories have few digits, and nothing is rounded on either side.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal
from random import Random
from typing import Any

import pytest
from beancount.core.data import Transaction
from beancount.core.inventory import Inventory
from beancount.parser import booking, parser
from hypothesis import given, settings
from hypothesis import strategies as st

from books_support.hand_written import SHARE, instrument
from books_support.naive_books import Line, NaiveBooks

BOOKING = {"fifo": "FIFO", "lifo": "LIFO", "highest_cost": "HIFO", "specific_lot": "STRICT"}
ACCOUNT = "Assets:Shares"
Lots = list[tuple[str, Decimal, Decimal]]  # id, quantity, basis


def test_beancount_books_as_it_says() -> None:
    """Once by hand, so that the comparison below is known to read it rightly."""
    lines = [trade(1, "buy", "2", "10"), trade(2, "buy", "2", "12"), trade(3, "sell", "3", "20")]
    assert booked_by_beancount(lines, "fifo") == ([("f2", Decimal(1), Decimal(12))], Decimal(28))
    assert booked_by_beancount(lines, "lifo") == ([("f1", Decimal(1), Decimal(10))], Decimal(26))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(BOOKING)), st.lists(st.binary(min_size=6, max_size=6), max_size=40))
def test_lots_and_results_are_the_same(method: str, steps: list[bytes]) -> None:
    compare(method, steps)


@pytest.mark.parametrize("method", BOOKING)
def test_lots_and_results_of_long_histories_are_the_same(method: str) -> None:
    for seed in range(12):
        dice = Random(seed)
        compare(method, [dice.randbytes(6) for _ in range(120)])


def compare(method: str, steps: Iterable[bytes]) -> None:
    lines, naive = history_of(method, steps)
    assert booked_by_beancount(lines, method) == naive, lines


def history_of(method: str, steps: Iterable[bytes]) -> tuple[list[Line], tuple[Lots, Decimal]]:
    """Purchases, and sales of at most what is held; with the lots and the result of the naive books."""
    books = NaiveBooks(method)
    books.take(instrument(SHARE))
    lines: list[Line] = []
    for number, (kind, size, cents, at, share, some) in enumerate(steps, 1):
        held = books.seen().positions.get(SHARE)
        price = f"{9 + cents % 4}.{cents // 4:02}"
        line = trade(number, "buy", f"{1 + size % 5}.{size // 5}", price)
        if kind % 5 > 2 and held is not None and held.quantity:
            line |= {"side": "sell", "quantity": part(held.quantity, 1 + share % 8)}
            if method == "specific_lot":
                line |= named(list(held.lots or ()), at, some)
        books.take(line)
        lines.append(line)
    position = books.seen().positions.get(SHARE)
    if position is None:
        return lines, ([], Decimal(0))
    return lines, ([(lot.lot, lot.quantity, lot.basis) for lot in position.lots or ()], position.realised)


def trade(number: int, side: str, quantity: str, price: str) -> Line:
    day = date(2020, 1, 1) + timedelta(days=number)  # one a day: beancount knows no time of day
    return {"type": "fill", "id": f"f{number}", "time": f"{day}T12:00:00Z", "symbol": SHARE} | {
        "side": side,
        "quantity": quantity,
        "price": price,
    }


def part(quantity: Decimal, eighths: int) -> str:
    """So many eighths, in few digits; all of it when there are eight."""
    cut = (quantity * eighths / 8).quantize(Decimal("0.001"), ROUND_UP)
    return f"{min(quantity, cut):f}"


def named(lots: list[tuple[str, Decimal, Decimal, int]], at: int, some: int) -> Line:
    """Up to three lots, the last in part; the sale is of just these, as STRICT takes no others."""
    chosen = [lots[(at + step) % len(lots)] for step in range(min(len(lots), 1 + some % 3))]
    parts = [{"lot": lot[0], "quantity": f"{lot[1]:f}"} for lot in chosen]
    parts[-1]["quantity"] = part(chosen[-1][1], 4 + some % 5)
    return {"lots": parts, "quantity": f"{sum(Decimal(part['quantity']) for part in parts):f}"}


def booked_by_beancount(lines: list[Line], method: str) -> tuple[Lots, Decimal]:
    """Its lots, the oldest first, and the proceeds of sales less the cost of the lots that went."""
    text = f'2020-01-01 open {ACCOUNT} {SHARE} "{BOOKING[method]}"\n' + "".join(map(written, lines))
    entries, errors, options = parser.parse_string(text)
    assert not errors
    book: Any = booking.book  # it has no types
    entries, errors = book(entries, options)
    assert not errors
    inventory: Any = Inventory()
    realised = Decimal(0)
    prices = {line["id"]: Decimal(line["price"]) for line in lines}
    for entry in entries:
        if isinstance(entry, Transaction):
            for posting in entry.postings:
                if posting.account == ACCOUNT:
                    inventory.add_position(posting)
                    realised += result_of(posting, prices[entry.narration])
    lots: list[Any] = sorted(inventory, key=lambda lot: lot.cost.date)
    return [(lot.cost.label, lot.units.number, lot.units.number * lot.cost.number) for lot in lots], realised


def result_of(posting: Any, price: Decimal) -> Decimal:
    units: Decimal = posting.units.number
    return -units * (price - posting.cost.number) if units < 0 else Decimal(0)


def written(line: Line) -> str:
    day, name = line["time"][:10], line["id"]
    if line["side"] == "buy":
        taken = [f'{line["quantity"]} {SHARE} {{{line["price"]} USD, "{name}"}}']
    elif "lots" in line:
        taken = [
            f'-{lot["quantity"]} {SHARE} {{"{lot["lot"]}"}} @ {line["price"]} USD' for lot in line["lots"]
        ]
    else:
        taken = [f"-{line['quantity']} {SHARE} {{}} @ {line['price']} USD"]
    postings = "".join(f"  {ACCOUNT}  {one}\n" for one in taken)
    return f'{day} * "{name}"\n{postings}  Equity:Rest\n'
