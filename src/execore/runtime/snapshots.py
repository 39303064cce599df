"""Taking snapshots without stopping the writer: a reader folds the records, as every opening does.

A snapshot is what the records say up to a place, so it needs nothing of the writer: not its memory, not its
connection, not its time. A process of its own does it, which shares no interpreter lock with the trading.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from execore.core.snapshot import SNAPSHOT_SCHEMA, snapshot_of, state_hash
from execore.journal.protocol import EMPTY_HEAD, Journal, Snapshot
from execore.runtime.recovery import recover

EVERY_RECORDS: Final = 100_000
"""Records between two snapshots of a book: about a second of replay."""


def take_snapshot(
    journal: Journal, book: str, progress: Callable[[int], None] | None = None
) -> Snapshot | None:
    """Fold the records up to the head that the reader sees, and save what they make; None of an empty book.

    Args:
        journal: to read; it may be another's to write.
        progress: called with the last sequence folded, now and then.

    Raises:
        ChainBroken, NewerSchema: the records cannot be folded. JournalError: it cannot be saved.
    """
    state, head = recover(journal, book, progress)
    if head == EMPTY_HEAD:
        return None
    text = snapshot_of(state)
    snapshot = Snapshot(head, SNAPSHOT_SCHEMA, state_hash(text), text)
    journal.save_snapshot(book, snapshot)
    return snapshot


class Snapshotter:
    """Has snapshots taken by a process beside this one, when there is enough new to it.

    Args:
        path: of the SQLite journal.
        every_records: how many records a book must have grown by.
    """

    def __init__(self, path: str, every_records: int) -> None:
        self._path = path
        self._every_records = every_records
        self._taken_at: dict[str, int] = {}
        self._running: subprocess.Popen[bytes] | None = None

    def note(self, book: str, sequence: int) -> None:
        """A book of which the newest snapshot is at ``sequence``."""
        self._taken_at[book] = sequence

    def look(self, book: str, sequence: int) -> None:
        """A book has come to ``sequence``: have a snapshot taken if that is far enough, one at a time."""
        if sequence - self._taken_at.get(book, 0) < self._every_records or self._is_busy():
            return
        self._taken_at[book] = sequence
        command = [sys.executable, "-m", "execore", "snapshot", "--journal", f"sqlite:///{self._path}"]
        command += ["--book", book]
        quiet = subprocess.DEVNULL
        with suppress(OSError):  # the system gives no more processes: it is not what trading should end on
            self._running = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)

    def close(self) -> None:
        """Stop the one that runs: a snapshot is whole or not there."""
        if self._is_busy() and self._running is not None:
            self._running.kill()
            self._running.wait()

    def _is_busy(self) -> bool:
        return self._running is not None and self._running.poll() is None
