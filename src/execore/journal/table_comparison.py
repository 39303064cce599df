"""The tables of one book in two journals, row by row: what is in the one and not in the other."""

from collections.abc import Iterator
from types import NoneType
from typing import Any, Final

import msgspec

from execore.journal.rows import ENTRY_COLUMNS, FILL_COLUMNS, KEY_COLUMNS, ORDER_COLUMNS, POSITION_COLUMNS
from execore.journal.sqlite_reader import SqliteReader
from execore.journal.venue_ids import last_given
from execore.model.keys import Key, KeyKind

_TABLES: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "orders": (ORDER_COLUMNS[1:], 1),
    "fills": ((*FILL_COLUMNS[1:], "disclosed_sequence"), 1),
    "positions": (POSITION_COLUMNS[1:], 3),
    "entries": (ENTRY_COLUMNS[1:], 1),
    "keys": (KEY_COLUMNS[1:], 3),
}
"""Of each table the columns beside ``book``, and how many of them, from the first on, are its primary key."""

Row = tuple[Any, ...]


class TableDifference(msgspec.Struct, frozen=True):
    """A row that is not what the records say.

    Attributes:
        table: ``orders``, ``fills``, ``positions``, ``entries``, ``keys``; or ``snapshots``, by sequences.
        key: what the row is found by.
        holds: what is there: the columns that differ, or ``nothing``.
        records_say: what should be, likewise.
    """

    table: str
    key: str
    holds: str
    records_say: str


def differing_rows(book: str, held: SqliteReader, true: SqliteReader) -> Iterator[TableDifference]:
    """Yield every row of ``book`` in which two journals differ, in constant memory.

    An id of the venue's that stands for the same order in both is no difference, whichever table says so.

    Raises:
        NotAJournal, JournalError: one of them cannot be read.
    """
    for table, (columns, width) in _TABLES.items():
        pairs = _paired(_rows(held, table, columns, book), _rows(true, table, columns, book), width)
        for key, ours, theirs in pairs:
            if ours != theirs and not (table == "keys" and _stands_for_the_same(book, key, held, true)):
                yield TableDifference(table, _shown_key(key), *_shown(columns, ours, theirs))


def _rows(journal: SqliteReader, table: str, columns: tuple[str, ...], book: str) -> Iterator[Row]:
    # As bytes: a damaged text need not be UTF-8. The primary key is in the order of bytes, too.
    read = ", ".join(name if name == "sequence" else f"CAST({name} AS BLOB)" for name in columns)
    key = ", ".join(columns[: _TABLES[table][1]])
    return journal.select(f"SELECT {read} FROM {table} WHERE book=? ORDER BY {key}", (book,))


def _paired(
    ours: Iterator[Row], theirs: Iterator[Row], width: int
) -> Iterator[tuple[Row, Row | None, Row | None]]:
    """Yield each key of either side with the rows that the sides have of it; both are sorted by it."""
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        key = min((row[:width] for row in (left, right) if row is not None), key=_place)
        found_left = left if left is not None and left[:width] == key else None
        found_right = right if right is not None and right[:width] == key else None
        yield key, found_left, found_right
        if found_left is not None:
            left = next(ours, None)
        if found_right is not None:
            right = next(theirs, None)


def _place(key: Row) -> list[tuple[int, Any]]:
    """Where SQLite sorts a key: a damaged one may hold anything, and each type comes after another."""
    return [(_RANKS[type(part)], part) for part in key]


_RANKS: Final[dict[type, int]] = {NoneType: 0, int: 1, float: 1, str: 2, bytes: 3}


def _stands_for_the_same(book: str, key: Row, held: SqliteReader, true: SqliteReader) -> bool:
    """Whether an id of the venue's leads to one order in both.

    An id that the venue gave to another order since may have a row or not: that hangs on what a commit held.
    """
    kind, text, symbol = (_text(part) for part in key)
    if kind != KeyKind.VENUE_ORDER:
        return False
    asked = Key(KeyKind.VENUE_ORDER, text, symbol)
    claims = held.claims(book, asked), true.claims(book, asked)
    if not all(claimants for *_, claimants in claims):
        return False
    first, second = (last_given(held, book, *claim) for claim in claims)
    return first == second


def _shown(columns: tuple[str, ...], ours: Row | None, theirs: Row | None) -> tuple[str, str]:
    """Both rows, as the columns in which they differ."""
    both = ours is not None and theirs is not None
    places = [n for n in range(len(columns)) if not both or ours[n] != theirs[n]]  # type: ignore[index]
    first, second = (
        "nothing" if row is None else ", ".join(f"{columns[n]}={_text(row[n])}" for n in places)
        for row in (ours, theirs)
    )
    return first, second


def _shown_key(key: Row) -> str:
    return " ".join(part for part in map(_text, key) if part)


def _text(value: Any) -> str:
    if value is None:
        return "NULL"
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
