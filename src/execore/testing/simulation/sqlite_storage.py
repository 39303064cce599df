"""The real SQLite journal on a disk that dies below it: a share of the runs stands on this.

What is in doubt at a crash is decided by ``crash_vfs``: any part of what was written and not synced may be
there, torn at sectors. It is slower than the model in ``storage``, and needs a directory.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import apsw

from execore.journal.codec import decode_record
from execore.journal.protocol import NO_CHANGES, Append, Changes, Head, Journal, Snapshot
from execore.journal.sqlite import SqliteJournal
from execore.model.events import CashTransferred, EntryBooked
from execore.model.keys import Key
from execore.model.records import Record, StoredRecord
from execore.model.trades import PastItem
from execore.testing.crash_vfs import CrashVfs
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.storage import SEAM, Storage
from execore.testing.simulation.world import Faults, Log, Process

Result = TypeVar("Result")
_MEMORY: Final = Path("/dev/shm")
_OPERATIONS: Final = 5
"""A commit changes storage a few times: the machine dies during one of them, or soon after."""
_ERRORS: Final[dict[str, tuple[str, type[apsw.Error]]]] = {
    "error, and written": ("sync", apsw.IOError),
    "error, and lost": ("write", apsw.IOError),
    "append rolled back": ("write", apsw.FullError),
    "disk full": ("write", apsw.FullError),
}
"""What the faults of the model are here: the operation on the WAL that fails, and how."""


class SqliteStorage(Storage):
    """A directory on a disk that dies; ``close`` removes it."""

    allows_two_processes = False

    def __init__(self, faults: Faults, log: Log, dice: Dice) -> None:
        super().__init__(faults, log)
        self._dice = dice
        self._resources = ExitStack()
        where = str(_MEMORY) if _MEMORY.is_dir() else None
        directory = tempfile.TemporaryDirectory(dir=where, prefix="execore-simulation-")
        self._path = Path(self._resources.enter_context(directory)) / "journal.db"
        self._disk = self._resources.enter_context(CrashVfs())
        self._file: SqliteJournal | None = None

    def open(self, process: Process) -> Journal:
        """Open the file, for one process, which may die of it."""
        self._let_go()
        if self._faults.meet("open"):
            self._die_soon()
        self._file = self.guard(process, "open", self._open)
        self.facts.clear()
        for stored in (stored for book in self._file.books() for stored in self._file.read(book)):
            event = decode_record(stored).event
            self.facts.setdefault(getattr(event, "client_order_id", ""), []).append(event)
        return SqliteProcessJournal(self, process)

    @property
    def medium(self) -> SqliteJournal:
        """The file, whoever has it open."""
        if self._file is None:
            self._file = self._open()
        return self._file

    def write(self, process: Process, appends: Sequence[Append]) -> list[Head]:
        """Commit, unless something goes wrong."""
        fault = self._faults.meet(SEAM)
        if fault in ("crash", "crash before the append"):
            process.crash(SEAM)
        if fault in _ERRORS:
            self._log.count(fault)
            self._fail_once(*_ERRORS[fault])
        elif fault.startswith("crash before the sync"):
            self._die_soon()
        heads = self.guard(process, "in the append", lambda: self.medium.append_all(appends))
        self._index(appends)
        if fault == "crash after the sync":
            process.crash("after the sync")
        return heads

    def die(self, *, keeps_unsynced: bool) -> None:
        """The process was killed; or the machine died, and what was not synced is in doubt."""
        machine_died = self._disk.is_dead or not keeps_unsynced
        self._disk.is_dead = True
        self._let_go()
        if machine_died:
            self._disk.crash(Random(self._dice.bits(64)))
        else:
            self._disk.settle()
            self._disk.is_dead, self._disk.crash_at = False, None
        self._disk.fault = None

    def close(self) -> None:
        """Remove the directory."""
        self._disk.is_dead = True
        self._let_go()
        self._resources.close()

    def guard(self, process: Process, seam: str, call: Callable[[], Result]) -> Result:
        """Do something with the file. If the machine dies of it, so does the process."""
        process.check()
        try:
            return call()
        except BaseException:
            if self._disk.is_dead:
                process.crash(seam)
            raise

    def close_file(self) -> None:
        """Close the file in an orderly way."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _open(self) -> SqliteJournal:
        # Without an anchor: when that is written depends on the time that passes, and runs must repeat.
        return SqliteJournal(self._path, vfs=self._disk.name, anchor=False)

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(BaseException):  # of a machine that is dead, or dies of this
                self._file.close()
            self._file = None

    def _die_soon(self) -> None:
        self._disk.crash_at = self._disk.operations + self._dice.between(1, _OPERATIONS)

    def _fail_once(self, operation: str, kind: type[apsw.Error]) -> None:
        def fault(asked: str, file: str) -> BaseException | None:
            if (asked, file) != (operation, "wal"):
                return None
            self._disk.fault = None
            return kind(f"simulated: {operation} failed")

        self._disk.fault = fault


class SqliteProcessJournal:
    """The file as one process sees it: implements ``Journal``."""

    def __init__(self, storage: SqliteStorage, process: Process) -> None:
        self._storage = storage
        self._process = process

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Commit to one book; see ``append_all``."""
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Commit, or fail as the faults say. Raises as ``Journal.append``."""
        self._process.check()
        return self._storage.write(self._process, appends)

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book``."""
        return self._do(lambda file: file.read(book, from_sequence))

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order."""
        return self._do(lambda file: file.read_order(book, client_order_id))

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for."""
        return self._do(lambda file: file.find_orders(book, keys))

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """As ``Journal.find_entries``."""
        return self._do(lambda file: file.find_entries(book, entry_ids))

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield every execution in an instrument that stands."""
        return self._do(lambda file: file.past(book, symbols))

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Keep a snapshot beside the records."""
        self._do(lambda file: file.save_snapshot(book, snapshot))

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot, if there is one."""
        return self._do(lambda file: file.load_snapshot(book))

    def head(self, book: str) -> Head:
        """The last sequence and hash of ``book``."""
        return self._do(lambda file: file.head(book))

    def books(self) -> list[str]:
        """The names of the books."""
        return self._do(lambda file: file.books())

    def close(self) -> None:
        """Close the file; the machine may die of that."""
        self._storage.guard(self._process, "close", self._storage.close_file)

    # --- what only a journal with tables has ---

    def named_after(self, book: str, client_order_ids: Sequence[str], sequence: int) -> set[str]:
        """Those of the orders that a record after ``sequence`` is of."""
        return self._do(lambda file: file.named_after(book, client_order_ids, sequence))

    def projection_head(self, book: str) -> int:
        """Up to which sequence the tables are complete."""
        return self._do(lambda file: file.projection_head(book))

    def clear_projections(self, book: str) -> None:
        """Empty the book's tables."""
        self._do(lambda file: file.clear_projections(book))

    def write_projections(self, book: str, sequence: int, changes: Changes) -> None:
        """Write rows that are complete up to ``sequence``."""
        self._do(lambda file: file.write_projections(book, sequence, changes))

    def _do(self, call: Callable[[SqliteJournal], Result]) -> Result:
        return self._storage.guard(self._process, "read", lambda: call(self._storage.medium))
