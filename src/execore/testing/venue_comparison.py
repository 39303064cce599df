"""The venue's own books against a journal's: order by order, execution by execution, and what they add up to.

It reads the tables of the journal, as anybody can with the ``sqlite3`` shell, and asks none of the code that
booked the reports.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.journal.audit_log import AuditLog
from execore.journal.rows import FillStatus
from execore.journal.sqlite import SqliteJournal
from execore.model.money import EXACT, ZERO, text_of
from execore.model.vocabulary import OrderState, Side
from execore.testing.venue_wire import BookedExecution, BookedOrder, Books
from execore.views import queries

NEVER_THERE: Final = frozenset({OrderState.DENIED, OrderState.FAILED, OrderState.CREATED})
"""States of an order that the venue must not have. One that was cancelled unsent is not there either."""

_Fill = tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and what was found.

    Attributes:
        orders, executions: how many the venue has.
        positions: by symbol, what the venue's executions add up to.
        differences: in words; empty when the books agree.
    """

    orders: int
    executions: int
    positions: dict[str, str]
    differences: list[str]


def compare(books: Books, journal: SqliteJournal, book: str) -> Comparison:
    """Compare all of it, once nothing is in flight any more.

    Raises:
        JournalError: the journal cannot be read, or its tables lag.
    """
    ours = {view["client_order_id"]: view for view in queries.orders(journal, book=book)}
    differences = [*sent_twice(books, journal, book), *unrecorded(books, journal, book)]
    for order in books.orders:
        differences += _order_differences(order, ours.pop(order.client_order_id, None))
    for view in ours.values():
        if view["state"] not in NEVER_THERE and not (view["state"] == "CANCELLED" and view["filled"] == "0"):
            differences.append(f"order {view['client_order_id']} is {view['state']} here, and unknown there")
    booked, executed = _booked(journal, book), _executed(books)
    differences += [f"execution {fill[1]} is at the venue, and not booked" for fill in executed - booked]
    theirs, positions = _added_up(books), list(queries.positions(journal, book=book))
    for view in positions:
        quantity, fees = theirs.get(view["symbol"], (ZERO, {}))
        differences += _differing(
            f"position {view['symbol']}",
            {
                "quantity": view["quantity"],
                "fees": {unit: fee for unit, fee in view["fees"].items() if fee != "0"},
            },
            {
                "quantity": text_of(quantity),
                "fees": {unit: text_of(fee) for unit, fee in fees.items() if fee},
            },
        )
    missing = theirs.keys() - {view["symbol"] for view in positions}
    differences += [f"position {symbol} is at the venue, and not here" for symbol in sorted(missing)]
    return Comparison(
        orders=len(books.orders),
        executions=executed.total(),
        positions={symbol: text_of(quantity) for symbol, (quantity, _) in theirs.items()},
        differences=differences,
    )


def unrecorded(books: Books, journal: SqliteJournal, book: str) -> list[str]:
    """What can be said at any moment, whatever is in flight: nothing is at the venue that was not recorded
    first, and nothing is booked that did not happen there, or twice.

    Raises:
        JournalError: the journal cannot be read, or its tables lag.
    """
    known = {view["client_order_id"] for view in queries.orders(journal, book=book)}
    found = [order.client_order_id for order in books.orders if order.client_order_id not in known]
    return [
        *(f"order {key} is at the venue, and was never recorded" for key in found),
        *(
            f"execution {fill[1]} is booked, and not so at the venue"
            for fill in _booked(journal, book) - _executed(books)
        ),
    ]


def sent_twice(books: Books, journal: SqliteJournal, book: str) -> list[str]:
    """The orders and amends that were sent more often than the journal says. A cancel may be repeated.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = []
    for order in books.orders:
        if order.sends > 1:
            resent = sum(1 for _ in AuditLog(journal, book).records(order.client_order_id, "order_resent"))
            if order.sends > 1 + resent:
                found.append(f"order {order.client_order_id} was sent {order.sends} times")
    return found + [f"amend {key} was sent {times} times" for key, times in books.amends.items() if times > 1]


def _order_differences(order: BookedOrder, view: queries.View | None) -> list[str]:
    if view is None:
        return []  # unrecorded() says so
    shown = ("venue_order_id", "symbol", "side", "quantity", "price", "filled", "state")
    theirs = {name: _text(getattr(order, name)) for name in shown}
    return _differing(f"order {order.client_order_id}", {name: view[name] or "" for name in shown}, theirs)


def _differing(what: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    return [
        f"{what}: {name} is {ours[name]} here, and {theirs[name]} at the venue"
        for name in ours
        if ours[name] != theirs[name]
    ]


def _booked(journal: SqliteJournal, book: str) -> Counter[_Fill]:
    """The fills that count, each with how often it is booked."""
    names = ("client_order_id", *BookedExecution.__struct_fields__)
    return Counter(
        tuple(view[name] for name in names)
        for view in queries.fills(journal, book=book)
        if view["status"] != FillStatus.CANCELLED
    )


def _executed(books: Books) -> Counter[_Fill]:
    return Counter(
        (order.client_order_id, *map(_text, msgspec.structs.astuple(fill))) for order, fill in _all(books)
    )


def _all(books: Books) -> Iterator[tuple[BookedOrder, BookedExecution]]:
    for order in books.orders:
        for execution in order.executions:
            yield order, execution


def _added_up(books: Books) -> dict[str, tuple[Decimal, dict[str, Decimal]]]:
    """By symbol: the position that the venue's executions make, and the fees by currency."""
    made: dict[str, tuple[Decimal, dict[str, Decimal]]] = {}
    for order, fill in _all(books):
        quantity, fees = made.get(order.symbol, (ZERO, {}))
        change = EXACT.add if fill.side is Side.BUY else EXACT.subtract
        fees[fill.fee_currency] = EXACT.add(fees.get(fill.fee_currency, ZERO), fill.fee)
        made[order.symbol] = (change(quantity, fill.quantity), fees)
    return made


def _text(value: Any) -> str:
    """As the tables have it."""
    return text_of(value) if isinstance(value, Decimal) else str("" if value is None else value)
