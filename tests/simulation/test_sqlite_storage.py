"""Runs on the real SQLite journal, on a disk that dies below it."""

import os
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from execore.journal import sqlite_schema as schema
from execore.model.errors import JournalFull, OutcomeUnknown
from execore.model.events import BookOpened
from execore.model.records import Record
from execore.testing.crash_vfs import CrashVfs
from execore.testing.simulation import sqlite_storage
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.plan import Plan, make_plan
from execore.testing.simulation.run import Run
from execore.testing.simulation.sqlite_storage import SqliteStorage
from execore.testing.simulation.storage import SEAM
from execore.testing.simulation.world import Crash, Faults, Log, Process, VirtualTime

SEEDS = 60


def on_sqlite(seed: int) -> Plan:
    """The plan of a seed, with the real journal."""
    plan = make_plan(seed)
    return replace(plan, profile=replace(plan.profile, on_sqlite=True))


def test_a_share_of_the_seeds_runs_on_it() -> None:
    assert 10 < sum(make_plan(seed).profile.on_sqlite for seed in range(500)) < 50


def test_runs_on_it_are_clean_and_die_in_the_middle_of_an_append() -> None:
    died = 0
    for seed in range(SEEDS):
        outcome = Run(on_sqlite(seed)).play()
        assert outcome.problems == [], seed
        died += sum("in the append" in death.at for death in outcome.deaths)
    assert died > SEEDS / 6


def test_a_seed_plays_the_same_run_again() -> None:
    for seed in range(6):
        first, second = Run(on_sqlite(seed)).play(), Run(on_sqlite(seed)).play()
        assert first == second


def test_a_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_storage, "_MEMORY", tmp_path)
    Run(on_sqlite(1)).play()
    assert os.listdir(tmp_path) == []


class Disk:
    """A disk with a journal that has one record."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.log = Log(VirtualTime())
        self.storage = SqliteStorage(self.faults, self.log, Dice(7))
        self.open()
        self.append(1)

    def open(self) -> None:
        """A new process opens the journal."""
        self.process = Process(1, self.log)
        self.journal = self.storage.open(self.process)

    def append(self, sequence: int) -> None:
        """Append the record of this number."""
        record = Record(sequence, "main", 0, 0, "system", "", BookOpened("main"))
        self.journal.append("main", sequence - 1, [record])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("crash before the append", Crash),
        ("crash after the sync", Crash),
        ("error, and written", OutcomeUnknown),
        ("error, and lost", OutcomeUnknown),
        ("append rolled back", JournalFull),
        ("disk full", JournalFull),
    ],
)
def test_what_a_fault_does(fault: str, error: type[BaseException]) -> None:
    disk = Disk()
    disk.faults.arm(SEAM, fault, 1)
    with pytest.raises(error):
        disk.append(2)
    assert disk.process.is_alive is (error is not Crash)
    disk.storage.die(keeps_unsynced=False)
    disk.open()
    head = disk.journal.head("main").sequence
    certain = {"crash before the append": 1, "crash after the sync": 2, "disk full": 1}
    assert head == certain.get(fault, head)
    assert head in (1, 2)
    disk.append(head + 1)
    disk.storage.close()


def test_what_a_process_reads_survives_though_its_sync_failed() -> None:
    for seed in range(20):
        disk = Disk()
        disk.faults.arm(SEAM, "error, and written", 1)
        with pytest.raises(OutcomeUnknown):
            disk.append(2)
        disk.journal.close()
        disk.open()
        shown = disk.journal.head("main")
        for _ in range(seed):  # another chance, another fate of what is in doubt
            disk.storage._dice.bits(64)
        disk.storage.die(keeps_unsynced=False)
        disk.open()
        assert disk.journal.head("main") == shown
        disk.storage.close()


def test_what_was_deleted_while_the_file_was_made_does_not_come_back() -> None:
    """SQLite would take a rollback journal of then for one of now, and ruin the file."""
    last = 60  # the file has grown since
    for seed in range(20):
        disk = Disk()
        for sequence in range(2, last):
            disk.append(sequence)
        disk.journal.close()
        disk.open()
        disk.append(last)
        for _ in range(seed):
            disk.storage._dice.bits(64)
        disk.storage.die(keeps_unsynced=False)
        disk.open()
        assert disk.journal.head("main").sequence == last
        disk.append(last + 1)
        disk.storage.close()


def test_a_disk_that_ignores_syncs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrashVfs, "synced", lambda self, path: None)
    assert any(Run(on_sqlite(seed)).play().problems for seed in range(SEEDS))


def test_a_journal_that_does_not_sync_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = schema.connect

    def careless(path: str, *, read_only: bool, vfs: str | None, as_it_lies: bool) -> apsw.Connection:
        connection = connect(path, read_only=read_only, vfs=vfs, as_it_lies=as_it_lies)
        connection.pragma("synchronous", 1)  # NORMAL: at checkpoints only
        return connection

    monkeypatch.setattr(schema, "connect", careless)
    assert any(Run(on_sqlite(seed)).play().problems for seed in range(SEEDS))
