"""Listeners that follow a book's records, from wherever they left off: told at least once, after the commit.

A listener's place is a sequence number. Whoever keeps it, and subscribes again from the next one, misses
nothing; what was told and not noted down is told again.
"""

import threading
from collections.abc import Callable
from typing import Final

from execore.journal.codec import decode_record
from execore.journal.protocol import Journal
from execore.model.effects import Alert
from execore.model.records import Record
from execore.runtime.callbacks import Callbacks, InOrder

OnRecord = Callable[[Record], None]
_AT_ONCE: Final = 1_000
"""Records to a call of the journal: one listener's backlog must not keep a connection busy for long."""


class Subscription:
    """One listener of one book.

    Args:
        reader: a journal to read, from any thread.
        on_record: called with each record, in order, on one thread at a time. What it raises is an alert, and
            the next record comes all the same.
        from_sequence: of the first record to tell.

    Attributes:
        next_sequence: of the record that is told next: where to go on from.
    """

    def __init__(
        self,
        reader: Journal,
        book: str,
        on_record: OnRecord,
        from_sequence: int,
        *,
        callbacks: Callbacks,
        on_alert: Callable[[Alert], None],
    ) -> None:
        self.next_sequence = from_sequence
        self._reader = reader
        self._book = book
        self._on_record = on_record
        self._on_alert = on_alert
        self._calls = InOrder(callbacks)
        self._lock = threading.Lock()
        self._head = 0
        self._is_ended = False

    def advance(self, head: int) -> None:
        """The book's stream is durable up to ``head``: tell what was not told."""
        with self._lock:
            if self._is_ended or head <= self._head:
                return
            self._head = head
        self._calls.run(self._deliver)

    def end(self) -> None:
        """Tell nothing more."""
        self._is_ended = True

    def _deliver(self) -> None:
        try:
            while not self._is_beyond(self.next_sequence) and self._deliver_some():
                pass
        except Exception as error:  # the journal cannot be read: it is tried again at the next commit
            if self._is_ended:
                return  # it was closed meanwhile
            what = f"cannot be told from record {self.next_sequence} on ({type(error).__name__}: {error})"
            self._on_alert(Alert("listener_failed", f"a listener of book {self._book} {what}"))

    def _deliver_some(self) -> int:
        told = 0
        for stored in self._reader.read(self._book, self.next_sequence):
            if told == _AT_ONCE or self._is_beyond(stored.sequence):
                break
            self._tell(decode_record(stored))
            self.next_sequence = stored.sequence + 1
            told += 1
        return told

    def _is_beyond(self, sequence: int) -> bool:
        """Whether a record is not to be told: not durable yet, or nobody listens any more."""
        return self._is_ended or sequence > self._head

    def _tell(self, record: Record) -> None:
        try:
            self._on_record(record)
        except Exception as error:  # a listener's own
            message = (
                f"a listener of book {self._book} raised {type(error).__name__} on record {record.sequence}"
            )
            self._on_alert(Alert("listener_failed", f"{message}: {error}"))
