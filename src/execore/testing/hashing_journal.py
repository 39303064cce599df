"""A journal that does the work of one and keeps next to nothing: for measuring everything but the storage."""

from collections.abc import Iterator, Sequence

from execore.journal.codec import chained
from execore.journal.protocol import EMPTY_HEAD, NO_CHANGES, Append, Changes, Head, Snapshot
from execore.model.events import CashTransferred, EntryBooked
from execore.model.keys import Key
from execore.model.records import Record, StoredRecord
from execore.model.trades import PastItem


class HashingJournal:
    """Encodes and chains what it is given, and forgets all but the last: the work of a journal, unstored."""

    def __init__(self) -> None:
        self._last: dict[str, StoredRecord] = {}

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Encode and hash the records; return the head they would have."""
        for stored in chained(records, bytes.fromhex(self.head(book).hash)):
            self._last[book] = stored
        return self.head(book)

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Encode and hash the records of several books."""
        return [self.append(it.book, it.expected_sequence, it.records, it.changes) for it in appends]

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """The last record; nothing else was kept."""
        last = self._last.get(book)
        return iter(() if last is None or last.sequence < from_sequence else (last,))

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Nothing was kept."""
        return iter(())

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """Nothing was kept."""
        return {}

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """As ``Journal.find_entries``."""
        return []

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Nothing was kept."""
        return iter(())

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Forget it."""

    def load_snapshot(self, book: str) -> Snapshot | None:
        """Nothing was kept."""
        return None

    def head(self, book: str) -> Head:
        """The last head."""
        last = self._last.get(book)
        return EMPTY_HEAD if last is None else Head(last.sequence, last.hash)

    def books(self) -> list[str]:
        """Nothing was kept."""
        return []

    def close(self) -> None:
        """Nothing to let go of."""
