"""The tables beside a book's records, and its snapshots: whether they are what the records make, and anew.

Nothing in the chain covers them, and they decide what orders are found by once memory has let go of these:
so they are proven by doing it all again, into a file of its own.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from execore.core.book_state import BookState
from execore.core.snapshot import SNAPSHOT_SCHEMA, snapshot_of, state_hash
from execore.journal.codec import decode_record
from execore.journal.protocol import EMPTY_HEAD, Head
from execore.journal.snapshots import remove_snapshots
from execore.journal.sqlite import SqliteJournal
from execore.journal.table_comparison import TableDifference, differing_rows
from execore.model.errors import ChainBroken, NewerSchema
from execore.model.records import StoredRecord
from execore.runtime.projecting import catch_up_projections, changes_of
from execore.runtime.recovery import follow, history_of

SHOWN: Final = 10
"""Differences that are told one by one: one damaged page may make thousands."""


class TablesState(StrEnum):
    """How the tables of a book compare with its records."""

    HOLD = "hold"
    """They are what the records make, and so are the snapshots."""
    LAG = "lag"
    """They are plainly not complete, or not those of this version: opening the book builds them anew."""
    DIFFER = "differ"
    NEWER_SCHEMA = "newer_schema"
    """A newer execore wrote the records: this one cannot say."""
    UNFOLDABLE = "unfoldable"
    """A record does not follow from those before it: no book could be opened with it."""


class TableCheck(msgspec.Struct, frozen=True):
    """What a comparison of the tables with the records found.

    Attributes:
        sequence: the last record of the book then.
        differences: the first ``SHOWN``.
        message: the same for people, with what to do.
    """

    state: TablesState
    sequence: int
    differences: tuple[TableDifference, ...] = ()
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, as far as can be seen."""
        return self.state not in (TablesState.DIFFER, TablesState.UNFOLDABLE)


def check_tables(
    journal: SqliteJournal, book: str, progress: Callable[[int], None] | None = None
) -> TableCheck:
    """Compare a book's tables and snapshots with what its records make, folded from the first on.

    That the chain holds is for ``AuditLog.verify`` to say. Memory is bounded; the system's temporary
    directory needs the space that the tables take. The journal may be another's to write: it is compared as
    it is at the beginning, and until the end its WAL only grows.

    Args:
        progress: called with the last sequence folded, now and then.

    Raises:
        JournalError: a file cannot be read, or the temporary one not be written.
    """
    with journal.at_one_moment():
        last = journal.head(book).sequence
        try:
            with _Fold.begun(journal, book, progress) as fold:
                found = list(fold.differing_snapshots())
                fold.go_on(last)
                if not found and journal.tables_lag(book):
                    return TableCheck(TablesState.LAG, last, message=_LAG)
                found += islice(differing_rows(book, journal, fold.tables), SHOWN)
        except NewerSchema as error:
            return TableCheck(
                TablesState.NEWER_SCHEMA, last, message=f"the tables were not compared: {error}"
            )
        except ChainBroken as error:
            return TableCheck(TablesState.UNFOLDABLE, last, message=str(error))
    if found:
        return TableCheck(TablesState.DIFFER, last, tuple(found[:SHOWN]), _advice(journal.path, book, last))
    return TableCheck(TablesState.HOLD, last, message=f"the tables are what {last} records make")


def rebuild_tables(journal: SqliteJournal, book: str, progress: Callable[[int], None] | None = None) -> None:
    """Build the tables and indexes of a journal anew from its records; remove the book's snapshots.

    The book comes first, then the others, as they have the same tables. Interrupted, the tables lag, and the
    next opening of a book does the rest.

    Raises:
        ChainBroken, NewerSchema: the records cannot be folded. JournalError: as ``Journal.append``.
    """
    remove_snapshots(journal.path, book)
    journal.make_tables_anew()  # not emptied: to remove a row by an index that lacks it is one more damage
    catch_up_projections(journal, book, progress)
    for other in journal.books():
        catch_up_projections(journal, other)


_LAG: Final = (
    "the tables lag behind the records, and say so, or one of them or an index was lost or altered: "
    "opening the book builds them anew"
)


def _advice(path: str, book: str, last: int) -> str:
    return (
        f"the tables or snapshots of book {book!r} are not what its {last} records say. Close what has the "
        f"book open, and run `execore audit rebuild --journal {path} --book {book}`"
    )


class _Fold:
    """The records of a book folded so far, and the tables that they make, in a file of their own."""

    def __init__(
        self, journal: SqliteJournal, tables: SqliteJournal, book: str, progress: Callable[[int], None] | None
    ) -> None:
        self.head: Head = EMPTY_HEAD
        self.tables = tables
        self._journal = journal
        self._book = book
        self._progress = progress
        self._state = BookState(history_of(journal, book))

    @classmethod
    @contextmanager
    def begun(
        cls, journal: SqliteJournal, book: str, progress: Callable[[int], None] | None
    ) -> Iterator["_Fold"]:
        """Nothing folded yet; the file goes with the context."""
        with (
            tempfile.TemporaryDirectory(prefix="execore-") as directory,
            SqliteJournal(Path(directory, "tables.db"), anchor=False) as tables,
        ):
            yield cls(journal, tables, book, progress)

    def go_on(self, until: int) -> None:
        """Fold up to the record ``until``."""
        self.head = follow(
            self._state, self._journal, self._book, self.head, self._progress, until=until, folded=self._write
        )

    def _write(self, page: list[StoredRecord]) -> None:
        changes = changes_of(self._state, list(map(decode_record, page)))
        self.tables.write_projections(self._book, page[-1].sequence, changes)

    def differing_snapshots(self) -> Iterator[TableDifference]:
        """Fold up to each snapshot of the book in turn; yield those that say other than the records."""
        for snapshot in reversed(list(self._journal.snapshots(self._book))):
            if snapshot.schema != SNAPSHOT_SCHEMA:
                continue
            self.go_on(snapshot.head.sequence)
            true = state_hash(snapshot_of(self._state))
            if true != snapshot.state_hash:
                key = str(snapshot.head.sequence)
                yield TableDifference("snapshots", key, f"state {snapshot.state_hash}", f"state {true}")
