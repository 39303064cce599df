"""What moved units, read from the SQLite file of a journal: executions and entries, in order of booking."""

from collections.abc import Iterable, Iterator
from heapq import merge
from typing import Any, Final

from execore.journal.codec import decode_record
from execore.journal.lookups import past_item, past_key
from execore.journal.rows import TERM_COLUMNS, trade_of
from execore.model.errors import NotAJournal
from execore.model.records import StoredRecord
from execore.model.trades import PastItem, PastTrade

_NAMES_ONE: Final = "IN (SELECT value FROM json_each(?2))"
TRADES: Final = f"""SELECT
    coalesce(disclosed_sequence, sequence) AS place, sequence, execution_key, ts_event_ns,
    coalesce((SELECT strategy FROM orders
      WHERE orders.book=fills.book AND orders.client_order_id=fills.client_order_id), ''),
    symbol, {", ".join(TERM_COLUMNS)}
  FROM fills WHERE book=?1 AND symbol {_NAMES_ONE} AND status<>'cancelled' ORDER BY place, sequence"""
MOVED_UNITS: Final = f"""SELECT sequence, CAST(hash AS BLOB), CAST(data AS BLOB)
  FROM entries INDEXED BY entries_of_units JOIN events USING(book, sequence)
  WHERE book=?1 AND moves_units AND (symbol {_NAMES_ONE} OR other_symbol {_NAMES_ONE}) ORDER BY sequence"""
ENTRIES: Final = """SELECT events.sequence, CAST(hash AS BLOB), CAST(data AS BLOB)
  FROM json_each(?2) AS asked
  CROSS JOIN entries INDEXED BY entries_by_id ON entries.book=?1 AND entry_id=asked.value
  JOIN events ON events.book=entries.book AND events.sequence=entries.sequence"""

_Placed = tuple[tuple[int, int], str, PastItem]
"""The record at which something entered the books, its key, and what it is."""


def in_order(
    path: str, trades: Iterable[tuple[Any, ...]], others: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[str, PastItem]]:
    """Yield what rows of ``TRADES`` and ``MOVED_UNITS`` say, with its key, in the order of booking.

    Raises:
        NotAJournal: a row is damaged. NewerSchema: an entry is of a newer execore.
    """
    placed = merge(
        (_trade(path, row) for row in trades), (_other(path, row) for row in others), key=lambda one: one[0]
    )
    for _, key, item in placed:
        yield key, item


def _trade(path: str, row: tuple[Any, ...]) -> _Placed:
    place, sequence, key, ts_ns, strategy, symbol, *terms = row
    try:
        if not isinstance(place, int):
            raise TypeError(f"{place!r:.60} is no sequence")
        return (place, sequence), key, PastTrade(key, ts_ns, strategy, trade_of(symbol, terms))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise damaged(path, error) from error


def _other(path: str, row: tuple[Any, ...]) -> _Placed:
    record = decode_record(stored(row))
    event: Any = record.event
    item = past_item(event, record.ts_event_ns)
    if item is None:
        raise damaged(path, ValueError(f"entries names record {record.sequence}, which moved no units"))
    return (record.sequence, record.sequence), past_key(record.sequence, event), item


def damaged(path: str, error: Exception) -> NotAJournal:
    """What to say of a row that cannot be what its table holds."""
    return NotAJournal(
        f"{path} is damaged: a row is not what its table holds ({error})",
        "Run `execore audit verify`; if the chain holds, `execore audit rebuild`, else restore a copy",
    )


def stored(row: tuple[Any, ...]) -> StoredRecord:
    """The record of a row of sequence, hash and text."""
    sequence, digest, data = row
    return StoredRecord(sequence, text_in(digest), data)


def text_in(stored: bytes) -> str:
    """Text as it can be shown: damaged text need not be UTF-8."""
    return stored.decode(errors="replace")
