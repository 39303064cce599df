"""The disk that fails: what each fault leaves behind, and what the process is told."""

import pytest

from execore.journal.protocol import Head
from execore.model.errors import BookClosed, JournalFull, NotRecorded, OutcomeUnknown
from execore.model.events import BookOpened
from execore.model.records import Record
from execore.testing.simulation.storage import FAULTS, SEAM, SimulatedJournal, Storage
from execore.testing.simulation.world import Crash, Faults, Log, Process, VirtualTime


class Disk:
    """A disk, a process, and a journal that has one record."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.log = Log(VirtualTime())
        self.storage = Storage(self.faults, self.log)
        self.process = Process(1, self.log)
        self.journal = self.storage.open(self.process)
        self.append(1)

    def append(self, sequence: int) -> Head:
        """Append the record of this number."""
        record = Record(sequence, "main", 0, 0, "system", "", BookOpened("main"))
        return self.journal.append("main", sequence - 1, [record])

    @property
    def length(self) -> int:
        """How many records there are."""
        return self.storage.medium.head("main").sequence


@pytest.mark.parametrize(
    ("fault", "error", "is_stored"),
    [
        ("crash before the append", Crash, False),
        ("crash before the sync, written", Crash, True),
        ("crash before the sync, lost", Crash, False),
        ("crash after the sync", Crash, True),
        ("error, and written", OutcomeUnknown, True),
        ("error, and lost", OutcomeUnknown, False),
        ("append rolled back", NotRecorded, False),
        ("disk full", JournalFull, False),
        ("crash", Crash, False),
    ],
)
def test_what_a_fault_leaves_behind(fault: str, error: type[BaseException], is_stored: bool) -> None:
    disk = Disk()
    disk.faults.arm(SEAM, fault, 1)
    with pytest.raises(error):
        disk.append(2)
    assert disk.length == 1 + is_stored
    assert disk.process.is_alive is (error is not Crash)
    assert fault in (*FAULTS, "crash")


def test_a_fault_waits_for_its_crossing() -> None:
    disk = Disk()
    disk.faults.arm(SEAM, "disk full", 2)
    assert disk.append(2).sequence == 2
    with pytest.raises(JournalFull):
        disk.append(3)
    assert disk.append(3).sequence == 3


def test_after_an_unknown_outcome_the_journal_is_closed() -> None:
    disk = Disk()
    disk.faults.arm(SEAM, "error, and written", 1)
    with pytest.raises(OutcomeUnknown):
        disk.append(2)
    with pytest.raises(BookClosed):
        disk.append(3)
    assert disk.storage.open(disk.process).head("main").sequence == 2


def test_nothing_of_a_dead_process_is_written() -> None:
    disk = Disk()
    with pytest.raises(Crash):
        disk.process.crash("somewhere")
    with pytest.raises(Crash):
        disk.append(2)
    with pytest.raises(Crash):
        disk.journal.read("main")
    assert disk.length == 1


def test_a_disk_that_drops_syncs_loses_what_was_not_synced() -> None:
    disk = Disk()
    disk.storage.drops_syncs = True
    disk.append(2)
    assert disk.length == 2
    assert not disk.storage.facts.get("o1")
    disk.storage.die(keeps_unsynced=False)
    assert disk.length == 1
    assert isinstance(disk.journal, SimulatedJournal)
    disk.storage.drops_syncs = False
    assert disk.append(2).sequence == 2
    disk.storage.die(keeps_unsynced=False)
    assert disk.length == 2
