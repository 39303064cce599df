"""Orders, fills and positions as JSON-shaped dicts, from a journal's projection tables.

Prices, quantities and money are canonical decimal texts; times are integer nanoseconds UTC. Give a journal
that is opened ``read_only`` when another thread or process owns it.
"""

import json
from collections.abc import Iterator
from typing import Any

from execore.journal.rows import FILL_COLUMNS, ORDER_COLUMNS, OWN, POSITION_COLUMNS, FillStatus
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import JournalError, NotAJournal
from execore.model.vocabulary import PositionSide

View = dict[str, Any]

# Named, because the planner would rather walk the primary key, which is in the order asked for.
_INDEXES = {
    "orders": ("venue_order_id", "orders_by_venue_id"),
    "fills": ("client_order_id", "fills_by_order"),
}
# What a file of an older version has in place of a column that it lacks. Version 1 knows no busts: its fills
# are what they were booked as. Before version 4 there was one position an instrument.
_IN_OLDER_FILES = {
    "status": f"""(SELECT iif(json_extract(data, '$.event.cumulative'),
    '{FillStatus.PROVISIONAL}', '{FillStatus.BOOKED}')
  FROM events WHERE events.book=fills.book AND events.sequence=fills.sequence)""",
    "position_side": f"'{PositionSide.NET}'",
    "settlement_date": "''",
    "lots": "'[]'",
    "strategy": f"'{OWN}'",
    "flows": "'{}'",
    "opened_ts_ns": "NULL",
}
_ORDER_KEYS = (*ORDER_COLUMNS[1:], ORDER_COLUMNS[0])
_POSITION_KEYS = (*POSITION_COLUMNS[1:], POSITION_COLUMNS[0])


def orders(
    journal: SqliteJournal,
    *,
    book: str | None = None,
    state: str | None = None,
    symbol: str | None = None,
    strategy: str | None = None,
) -> Iterator[View]:
    """Yield the orders that fit every filter given, by book and client order id (so, in order of creation).

    Each is what ``order_to_dict`` makes of an order, and its ``book``.

    Raises:
        NotAJournal, BookClosed: the journal cannot be read. JournalError: its tables lag.
    """
    return _orders(journal, book=book, state=state, symbol=symbol, strategy=strategy)


def orders_by_state(journal: SqliteJournal, book: str) -> dict[str, int]:
    """How many orders of a book are in each state.

    Raises:
        NotAJournal, BookClosed: the journal cannot be read. JournalError: its tables lag.
    """
    _check_complete(journal, book)
    counted = journal.select(
        "SELECT state, count(*) FROM orders WHERE book=? GROUP BY state ORDER BY state", (book,)
    )
    return dict(counted)


def order(
    journal: SqliteJournal,
    *,
    book: str,
    client_order_id: str | None = None,
    venue_order_id: str | None = None,
) -> View | None:
    """The order of this client order id, venue order id, or both; None where there is none.

    Where a venue uses its ids again, the order that was updated last is meant.

    Raises:
        NotAJournal, BookClosed: the journal cannot be read. JournalError: its tables lag.
    """
    found = _orders(journal, book=book, client_order_id=client_order_id, venue_order_id=venue_order_id)
    return max(found, key=lambda view: int(view["updated_ts_ns"]), default=None)


def fills(
    journal: SqliteJournal,
    *,
    book: str | None = None,
    client_order_id: str | None = None,
    symbol: str | None = None,
) -> Iterator[View]:
    """Yield the booked fills that fit every filter given, in the order in which they were booked.

    Those that were cancelled since are among them, by ``status`` (``FillStatus``). By ``client_order_id`` it
    is a lookup where ``book`` is given too.

    Raises:
        NotAJournal, BookClosed: the journal cannot be read. JournalError: its tables lag.
    """
    filters = {"book": book, "client_order_id": client_order_id, "symbol": symbol}
    for view in _select(journal, "fills", FILL_COLUMNS, filters, "book, sequence"):
        view["late"] = bool(view["late"])
        view["lots"] = _loaded(journal, view, "lots")
        yield view


def positions(
    journal: SqliteJournal,
    *,
    book: str | None = None,
    symbol: str | None = None,
    by_strategy: bool = False,
) -> Iterator[View]:
    """Yield the positions that fit every filter given, by book and symbol; flat ones too.

    Each is what ``position_to_dict`` makes of a position, and its ``book``. The book's own, or those of its
    strategies: where none with a name has traded, what is held is nobody's in particular.

    Raises:
        NotAJournal, BookClosed: the journal cannot be read. JournalError: its tables lag.
    """
    filters = {"book": book, "symbol": symbol}
    kept = list(
        _select(journal, "positions", _POSITION_KEYS, filters, "book, symbol, strategy, position_side")
    )
    divided = {(view["book"], view["symbol"]) for view in kept if view["strategy"] != OWN}
    for view in kept:
        is_own = view["strategy"] == OWN
        if by_strategy and is_own and (view["book"], view["symbol"]) in divided:
            continue
        if not by_strategy and not is_own:
            continue
        named = "" if is_own else view["strategy"].removeprefix("@")
        view["strategy"] = named if by_strategy else None
        for column in ("fees", "flows"):
            view[column] = _loaded(journal, view, column)
        yield view


def _orders(journal: SqliteJournal, **filters: str | None) -> Iterator[View]:
    for view in _select(journal, "orders", _ORDER_KEYS, filters, "book, client_order_id"):
        if not (isinstance(view["flags"], str) and isinstance(view["updated_ts_ns"], int)):
            raise _damaged(journal, view, "flags is no text, or updated_ts_ns no number")
        view["venue_order_id"] = view["venue_order_id"] or None
        view["flags"] = view["flags"].split(",") if view["flags"] else []
        view["metadata"] = _loaded(journal, view, "metadata")
        yield view


def _loaded(journal: SqliteJournal, view: View, column: str) -> Any:
    try:
        return json.loads(view[column])
    except (TypeError, ValueError, RecursionError) as error:
        raise _damaged(journal, view, f"{column} is not JSON ({error})") from error


def _damaged(journal: SqliteJournal, view: View, what: str) -> NotAJournal:
    return NotAJournal(
        f"{journal.path} is damaged: of a row of book {view['book']!r}, {what}",
        "Run `execore audit verify`; if the chain holds, `execore audit rebuild`",
    )


def _check_complete(journal: SqliteJournal, book: str | None) -> None:
    """Make sure that the tables are those of all records: what is missing would not be seen."""
    for name in journal.books() if book is None else [book]:
        last = journal.head(name).sequence  # asked first: what is appended meanwhile is in the tables too
        if journal.projection_head(name) < last:
            raise JournalError(
                f"{journal.path}: the tables of book {name!r} lag behind its records",
                "Open the book once with `execore.open_book`: they are built anew",
            )


def _select(
    journal: SqliteJournal, table: str, keys: tuple[str, ...], filters: dict[str, str | None], by: str
) -> Iterator[View]:
    _check_complete(journal, filters.get("book"))
    given = {column: value for column, value in filters.items() if value is not None}
    column, index = _INDEXES.get(table, ("", ""))
    source = f"{table} INDEXED BY {index}" if {"book", column} <= given.keys() else table
    # Every venue id is not empty, and the index over them asks to be told.
    terms = [f"{column}=?" for column in given] + ["venue_order_id<>''"] * ("venue_order_id" in given)
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    there = {name for _, name, *_ in journal.select(f"PRAGMA table_info({table})")}
    columns = ", ".join(key if key in there else f"{_IN_OLDER_FILES[key]} AS {key}" for key in keys)
    sql = f"SELECT {columns} FROM {source}{where} ORDER BY {by}"
    for row in journal.select(sql, tuple(given.values())):
        yield dict(zip(keys, row, strict=True))
