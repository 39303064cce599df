"""The journal read as an audit trail: who did what, when; and proof that it is all still there."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, Protocol, runtime_checkable

import msgspec

from execore.journal.codec import ExportLine, decode_record, next_hash
from execore.journal.protocol import EMPTY_HEAD, Head, Journal
from execore.journal.rows import EVENT_TYPES, INDEXED_COLUMNS
from execore.model.errors import ChainBroken, NewerSchema, NotAJournal
from execore.model.events import SCHEMA_VERSION
from execore.model.records import Record, StoredRecord

PROGRESS_EVERY: Final = 10_000


class Verification(msgspec.Struct, frozen=True):
    """What a verification found.

    Attributes:
        ok: nothing is wrong, as far as can be seen; without an anchor that is not everything.
        records: how many records hold, from the first on.
        head: of the part that holds.
        first_bad_sequence: where it stops to hold; 0 if it does not stop.
        problem: empty, or ``unreadable``, ``book``, ``sequence``, ``hash``, ``columns``, ``truncated`` (the
            anchor names a later record) or ``rewritten`` (the anchored record has another hash).
        message: the same for people.
        anchored: an anchor was given and agrees, so everything up to it is as it was.
    """

    ok: bool
    records: int
    head: Head
    first_bad_sequence: int = 0
    problem: str = ""
    message: str = ""
    anchored: bool = False


@runtime_checkable
class IndexedJournal(Protocol):
    """A journal that keeps columns beside the text, which could disagree with it."""

    def read_indexed(self, book: str) -> Iterator[tuple[StoredRecord, tuple[str, ...]]]:
        """Yield every record of ``book`` with the texts of its ``INDEXED_COLUMNS``."""
        ...


class AuditLog:
    """One book of a journal, as an auditor reads it."""

    def __init__(self, journal: Journal, book: str) -> None:
        self._journal = journal
        self.book = book

    def records(
        self,
        client_order_id: str | None = None,
        event_type: str | None = None,
        actor: str | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> Iterator[Record]:
        """Yield the records that fit every filter given, in order; by order is a lookup, not a scan.

        Args:
            client_order_id: of the order they name.
            event_type: the word in the record, such as ``fill_booked``.
            actor: who caused them.
            since_ns, until_ns: event times from the one, and before the other, integer nanoseconds UTC.

        Raises:
            ChainBroken: a record cannot be read. NewerSchema: a newer execore wrote it.
            BookClosed, NotAJournal: the journal cannot be read.
        """
        by_order = client_order_id is not None
        stored = self._journal.read_order(self.book, client_order_id or "") if by_order else self._stored()
        for record in map(decode_record, stored):
            if (
                (event_type is None or EVENT_TYPES[type(record.event)] == event_type)
                and (actor is None or record.actor == actor)
                and (since_ns is None or record.ts_event_ns >= since_ns)
                and (until_ns is None or record.ts_event_ns < until_ns)
            ):
                yield record

    def head(self) -> Head:
        """The book's last sequence and hash: note it somewhere else, and it is an anchor."""
        return self._journal.head(self.book)

    def export(self, file: IO[bytes]) -> int:
        """Write every record to a binary file as JSON Lines of ``ExportLine``; return how many.

        Raises:
            ChainBroken: a record is damaged such that it is no text.
        """
        encoder = msgspec.json.Encoder()
        count = 0
        for stored in self._stored():
            try:
                line = ExportLine(stored.hash, stored.data.decode())
            except UnicodeDecodeError as error:
                raise ChainBroken(
                    f"record {stored.sequence} of book {self.book!r} is not text ({error})",
                    "Run `execore audit verify` to see what is damaged",
                    sequence=stored.sequence,
                ) from error
            file.write(encoder.encode(line) + b"\n")
            count += 1
        return count

    def verify(
        self, anchor: Head | None = None, progress: Callable[[int], None] | None = None
    ) -> Verification:
        """Find the first record that was changed, deleted, inserted or moved; with an anchor a cut tail too.

        A record that no book could be opened with is found also where the chain holds over it. Of a newer
        schema than this execore knows, only the chain and the envelope are checked.

        Args:
            anchor: a head of this book that was noted before, outside the journal.
            progress: called now and then with the number of records checked.

        Raises:
            BookClosed: the journal is closed.
        """
        chain = _Chain(self.book, anchor)
        journal = self._journal
        rows = (
            journal.read_indexed(self.book)
            if isinstance(journal, IndexedJournal)
            else ((stored, None) for stored in self._stored())
        )
        try:
            for stored, columns in rows:
                if not chain.extend(stored, columns):
                    break
                if progress is not None and chain.sequence % PROGRESS_EVERY == 0:
                    progress(chain.sequence)
        except NotAJournal as error:
            chain.fail("unreadable", str(error))
        return chain.verdict()

    def _stored(self) -> Iterator[StoredRecord]:
        return self._journal.read(self.book)


def verify_export(lines: Iterable[bytes | str], anchor: Head | None = None) -> Verification:
    """Verify the lines of an export of one book, as ``AuditLog.verify`` does its journal."""
    chain = _Chain(None, anchor)
    for line in lines:
        try:
            item = _decode_line(line)
        except _UNREADABLE as error:
            chain.fail("unreadable", f"the line is not an export line ({error})")
            break
        if not chain.extend(StoredRecord(chain.sequence + 1, item.hash, item.data.encode()), None):
            break
    return chain.verdict()


class _Keys(msgspec.Struct):
    type: str
    client_order_id: str = ""
    execution_id: str = ""


class _Envelope(msgspec.Struct):
    """As much of a record as the chain needs: of a newer schema, that is all there is to understand."""

    book: str
    sequence: int
    actor: str
    ts_event_ns: int
    ts_recorded_ns: int
    event: _Keys
    schema: int = SCHEMA_VERSION


def _columns(record: Record | _Envelope) -> tuple[str, ...]:
    """The texts that the ``INDEXED_COLUMNS`` beside this record must have."""
    event = record.event
    return (
        record.book,
        str(record.sequence),
        event.type if isinstance(event, _Keys) else EVENT_TYPES[type(event)],
        getattr(event, "client_order_id", ""),
        getattr(event, "execution_id", ""),
        record.actor,
        str(record.ts_event_ns),
        str(record.ts_recorded_ns),
    )


_decode_line = msgspec.json.Decoder(ExportLine).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode

# What decoding bytes that anybody may have written can raise; a text nested too deeply is the last.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


class _Chain:
    """The state of one verification: how far the chain holds, and what broke it."""

    def __init__(self, book: str | None, anchor: Head | None) -> None:
        self.book = book
        self.sequence = 0
        self.hash = EMPTY_HEAD.hash
        self.problem = ""
        self.message = ""
        self.anchor = anchor
        self.anchored_hash = self.hash if anchor is not None and anchor.sequence == 0 else None

    def extend(self, stored: StoredRecord, columns: tuple[str, ...] | None) -> bool:
        """Check the next record against the chain so far; False when it does not continue it."""
        digest, data = stored.hash, stored.data
        if stored.sequence != self.sequence + 1:
            missing = f"record {self.sequence + 1} is missing: {stored.sequence} comes next"
            return self.fail("sequence", missing)
        if next_hash(bytes.fromhex(self.hash), data).hex() != digest:
            return self.fail("hash", "the stored text and hash do not continue the chain")
        envelope: Record | _Envelope
        damage = ""
        try:
            envelope = decode_record(stored)
        except (ChainBroken, NewerSchema, *_UNREADABLE) as error:
            damage = f"the text is not a whole record ({error.__cause__ or error})"
            try:
                envelope = _decode_envelope(data)
            except _UNREADABLE:
                return self.fail("unreadable", damage)
        self.book = self.book if self.book is not None else envelope.book
        if envelope.sequence != self.sequence + 1:
            return self.fail("sequence", f"the text says that it is record {envelope.sequence}")
        if envelope.book != self.book:
            return self.fail("book", f"the text belongs to book {envelope.book!r}, not {self.book!r}")
        if columns is not None and columns != _columns(envelope):
            return self.fail("columns", _difference(columns, _columns(envelope)))
        if damage and envelope.schema <= SCHEMA_VERSION:
            return self.fail("unreadable", damage)
        self.sequence, self.hash = envelope.sequence, digest
        if self.anchor is not None and self.anchor.sequence == self.sequence:
            self.anchored_hash = digest
        return True

    def fail(self, problem: str, message: str) -> bool:
        self.problem = problem
        self.message = f"record {self.sequence + 1}: {message}"
        return False

    def verdict(self) -> Verification:
        """The result, after comparing with the anchor what held by itself."""
        bad = self.sequence + 1 if self.problem else 0
        anchor = self.anchor
        if anchor is not None and not self.problem:
            if self.sequence < anchor.sequence:
                bad = self.sequence + 1
                self.fail(
                    "truncated", f"missing: the anchor names record {anchor.sequence}; the tail was cut"
                )
            elif self.anchored_hash != anchor.hash:
                bad = anchor.sequence
                self.problem = "rewritten"
                self.message = f"record {bad} has another hash than the anchor: the chain was written anew"
        if not self.problem:
            self.message = f"{self.sequence} records hold" + (
                "; no anchor: a cut tail or a rewritten chain cannot be seen"
                if anchor is None
                else f", anchored at record {anchor.sequence}"
            )
        return Verification(
            ok=not self.problem,
            records=self.sequence,
            head=Head(self.sequence, self.hash),
            first_bad_sequence=bad,
            problem=self.problem,
            message=self.message,
            anchored=anchor is not None and not self.problem,
        )


def _difference(columns: tuple[str, ...], text: tuple[str, ...]) -> str:
    for name, stored, true in zip(INDEXED_COLUMNS, columns, text, strict=True):
        if stored != true:
            return f"column {name} is {stored!r}; the text says {true!r}"
    return "columns differ from the text"
