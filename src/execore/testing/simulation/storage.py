"""Storage that fails: it loses what was not synced, reports errors, is full, and dies around a sync.

The model is of commits: each is whole or not there. What is below (pages, torn writes) is in
``sqlite_storage``.
"""

from collections.abc import Iterator, Sequence

from execore.journal.memory import MemoryJournal
from execore.journal.protocol import NO_CHANGES, Append, Changes, Head, Journal, Snapshot
from execore.model.errors import BookClosed, JournalFull, NotRecorded, OutcomeUnknown
from execore.model.events import AnyEvent, CashTransferred, EntryBooked
from execore.model.keys import Key
from execore.model.records import Record, StoredRecord
from execore.model.trades import PastItem
from execore.testing.simulation.world import Faults, Log, Process

SEAM = "append"
FAULTS = (
    "crash before the append",
    "crash before the sync, written",
    "crash before the sync, lost",
    "crash after the sync",
    "error, and written",
    "error, and lost",
    "append rolled back",
    "disk full",
)


class Storage:
    """The disk: it outlives the processes that write to it.

    Attributes:
        drops_syncs: whether a commit only pretends to be durable; for the test that such a disk is noticed.
        facts: the durable events, by the order that they are about.
        allows_two_processes: whether one process can open what another has open.
    """

    allows_two_processes = True

    def __init__(self, faults: Faults, log: Log) -> None:
        self.drops_syncs = False
        self.facts: dict[str, list[AnyEvent]] = {}
        self._medium = MemoryJournal()
        self._commits: list[tuple[Append, ...]] = []
        self._synced = 0
        self._faults = faults
        self._log = log

    def open(self, process: Process) -> Journal:
        """The journal, for one process."""
        return SimulatedJournal(self, process)

    @property
    def medium(self) -> Journal:
        """What a reader of the disk would see now."""
        return self._medium

    def write(self, process: Process, appends: Sequence[Append]) -> list[Head]:
        """Commit, unless something goes wrong."""
        fault = self._faults.meet(SEAM)
        if fault.startswith("crash before the append") or fault == "crash":
            process.crash(SEAM)
        if not fault or fault == "crash after the sync":
            heads = self._commit(appends)
            if fault:
                process.crash("after the sync")
            return heads
        if fault.startswith("crash before the sync"):
            if fault.endswith("written"):
                self._commit(appends)
            process.crash(fault.removeprefix("crash "))
        self._log.count(fault)
        if fault == "disk full":
            raise JournalFull("simulated: the disk is full", "Make room")
        if fault == "append rolled back":
            raise NotRecorded("simulated: the append was rolled back", "Open the book again")
        if fault == "error, and written":
            self._commit(appends)
        raise OutcomeUnknown("simulated: the disk reports an error", "Open the book again")

    def _commit(self, appends: Sequence[Append]) -> list[Head]:
        heads = self._medium.append_all(appends)
        self._commits.append(tuple(appends))
        if not self.drops_syncs:
            self._synced = len(self._commits)
            self._index(appends)
        return heads

    def _index(self, appends: Sequence[Append]) -> None:
        for append in appends:
            for record in append.records:
                named = getattr(record.event, "client_order_id", "")
                self.facts.setdefault(named, []).append(record.event)

    def die(self, *, keeps_unsynced: bool) -> None:
        """The process was killed; or the machine died, and what was never synced is gone."""
        if keeps_unsynced or self._synced == len(self._commits):
            return
        self._log.say("disk", "loses {} commits that were not synced", len(self._commits) - self._synced)
        del self._commits[self._synced :]
        self._medium = MemoryJournal()
        for appends in self._commits:
            self._medium.append_all(appends)

    def close(self) -> None:
        """Nobody needs the disk any more."""

    def has(self, event: AnyEvent) -> bool:
        """Whether this event is durable."""
        return event in self.facts.get(getattr(event, "client_order_id", ""), ())


class SimulatedJournal:
    """The journal as one process sees it: implements ``Journal``. After an error it refuses to go on."""

    def __init__(self, storage: Storage, process: Process) -> None:
        self._storage = storage
        self._process = process
        self._is_closed = False

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """Commit to one book; see ``append_all``."""
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Commit, or fail as the faults say.

        Raises:
            SequenceConflict, NotRecorded, JournalFull, OutcomeUnknown, BookClosed: as ``Journal.append``.
        """
        self._medium()
        try:
            return self._storage.write(self._process, appends)
        except OutcomeUnknown:
            self._is_closed = True
            raise

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        """Yield the stored records of ``book``."""
        return self._medium().read(book, from_sequence)

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        """Yield the stored records that name one order."""
        return self._medium().read_order(book, client_order_id)

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The order that each of ``keys`` stands for."""
        return self._medium().find_orders(book, keys)

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[EntryBooked | CashTransferred]:
        """As ``Journal.find_entries``."""
        return self._medium().find_entries(book, entry_ids)

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        """Yield every execution in an instrument that stands."""
        return self._medium().past(book, symbols)

    def save_snapshot(self, book: str, snapshot: Snapshot) -> None:
        """Keep a snapshot beside the records."""
        self._medium().save_snapshot(book, snapshot)

    def load_snapshot(self, book: str) -> Snapshot | None:
        """The newest snapshot, if there is one."""
        return self._medium().load_snapshot(book)

    def head(self, book: str) -> Head:
        """The last sequence and hash of ``book``."""
        return self._medium().head(book)

    def books(self) -> list[str]:
        """The names of the books."""
        return self._medium().books()

    def close(self) -> None:
        """Refuse everything from now on."""
        self._is_closed = True

    def _medium(self) -> Journal:
        self._process.check()
        if self._is_closed:
            raise BookClosed("the simulated journal is closed", "Open it again")
        return self._storage.medium
