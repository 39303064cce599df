"""A book as it was: its records read again, up to a sequence or to a time, with no more memory than it takes.

Any two times cut the stream into one piece, as the book's time never goes back: so statements of neighbouring
periods add up (docs/decisions/0020-book-time.md).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, get_args

import msgspec

from execore.core.books import DATED, RELEVANT, Books, OrderLookup, Step, fold
from execore.core.snapshot import SNAPSHOT_SCHEMA, restore
from execore.journal.codec import decode_record
from execore.journal.protocol import EMPTY_HEAD, Head, Journal
from execore.model.events import SCHEMA_VERSION, AnyEvent, OrderAcknowledged, OrderAdopted, OrderCreated
from execore.model.money import exactly
from execore.model.orders import OrderRequest
from execore.model.records import StoredRecord
from execore.runtime.recovery import history_of, verified

_EVENT: Final = b'"event":{"type":"'
"""As the codec writes it. A quotation mark inside a text has a backslash before it: no id looks like this."""
_EVENT_LENGTH: Final = len(_EVENT)


def _tag(kind: type[Any]) -> bytes:
    return str(kind.__struct_config__.tag).encode()


_SKIPPED: Final = frozenset(map(_tag, get_args(AnyEvent))) - frozenset(map(_tag, RELEVANT))
# Of these only some matter: those of a named strategy, or that say which way an order went.
_ONLY_WITH: Final = {
    _tag(OrderCreated): b'"strategy":"',
    _tag(OrderAdopted): b'"strategy":"',
    _tag(OrderAcknowledged): b'"side":"',
}


_THIS_SCHEMA: Final = f'"schema":{SCHEMA_VERSION}}}'.encode()
"""What a record of this version ends with."""


class _Envelope(msgspec.Struct, gc=False):
    schema: int = SCHEMA_VERSION


_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode


class AsOf(NamedTuple):
    """The books as they were after the record ``sequence``; 0 before the first."""

    books: Books
    sequence: int


def walk(
    journal: Journal,
    book: str,
    after: Head = EMPTY_HEAD,
    book_ns: int = 0,
    until: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Step]:
    """Yield the book's records that follow ``after``, checked against the chain, as steps of the books.

    Args:
        book_ns: the book's time at ``after``. until: the last sequence to read; None: to the end.
        progress: called with the last sequence of each page, once it was taken.

    Raises:
        ChainBroken: a record is missing, out of place or changed. NewerSchema: a newer execore wrote it.
    """
    for page in verified(journal, book, after, until):
        for stored in page:
            step = _step(stored, book_ns)
            book_ns = step.book_ns
            yield step
        if progress is not None:
            progress(page[-1].sequence)


def _step(stored: StoredRecord, book_ns: int) -> Step:
    data = stored.data
    begin = data.find(_EVENT) + _EVENT_LENGTH
    kind = data[begin : data.find(b'"', begin)]
    if (kind in _SKIPPED or _says_nothing(kind, data)) and (
        data.endswith(_THIS_SCHEMA) or _decode_envelope(data).schema <= SCHEMA_VERSION
    ):
        return Step(stored.sequence, 0, book_ns, None)
    record = decode_record(stored)
    happened, event = record.ts_event_ns, record.event
    if type(event) in DATED:
        earlier = min(happened, record.ts_recorded_ns)
        if earlier > book_ns:
            book_ns = earlier
    return Step(stored.sequence, happened, book_ns, event)


def _says_nothing(kind: bytes, data: bytes) -> bool:
    """Whether an event that can change the books does not, as its text shows: it need not be decoded."""
    needed = _ONLY_WITH.get(kind)
    return needed is not None and needed not in data


def books_as_of(
    journal: Journal, book: str, *, sequence: int | None = None, before_ns: int | None = None
) -> AsOf:
    """The books as they were, from a snapshot on if there is one that is early enough.

    Args:
        sequence: after this record; None: after the last.
        before_ns: before the book's time came to this, integer nanoseconds UTC; None: at any time.

    Raises:
        ChainBroken: a record is damaged, or does not follow. NewerSchema: a newer execore wrote it.
    """
    last = journal.head(book).sequence if sequence is None else sequence
    return _follow(journal, book, *_begin(journal, book, last, before_ns), last, before_ns)


@exactly
def _follow(
    journal: Journal, book: str, books: Books, after: Head, book_ns: int, last: int, before_ns: int | None
) -> AsOf:
    reached = after.sequence
    for step in walk(journal, book, after, book_ns, last):
        if before_ns is not None and step.book_ns >= before_ns:
            break
        fold(books, book, step)
        reached = step.sequence
    return AsOf(books, reached)


def _begin(journal: Journal, book: str, last: int, before_ns: int | None) -> tuple[Books, Head, int]:
    """Where to begin: at the newest snapshot, if that is not too late, else before the first record."""
    first = Books(order_lookup(journal, book)), EMPTY_HEAD, 0
    snapshot = journal.load_snapshot(book)
    if snapshot is None or snapshot.schema != SNAPSHOT_SCHEMA or snapshot.head.sequence > last:
        return first
    book_ns = 0
    if before_ns is not None:
        book_ns = _time_at(journal, book, snapshot.head.sequence, before_ns)
        if book_ns >= before_ns:
            return first
    try:
        state = restore(snapshot.state, history_of(journal, book))
    except msgspec.MsgspecError:  # the records are the truth
        return first
    if state.book != book or any(state.positions.trial_balance().values()):
        return first
    return Books.of(state, order_lookup(journal, book)), snapshot.head, book_ns


def _time_at(journal: Journal, book: str, sequence: int, limit_ns: int) -> int:
    """The book's time at a record, or as much of it as is at or past the limit."""
    book_ns = 0
    for stored in journal.read(book):
        if stored.sequence > sequence or book_ns >= limit_ns:
            break
        book_ns = _step(stored, book_ns).book_ns
    return book_ns


def order_lookup(journal: Journal, book: str) -> OrderLookup:
    """What was asked for in an order, by its client order id, read from the journal."""

    def find(client_order_id: str) -> OrderRequest | None:
        for stored in journal.read_order(book, client_order_id):
            event = decode_record(stored).event
            if isinstance(event, OrderCreated | OrderAdopted):
                return event.order
        return None

    return find
