"""A book as it was: at any record and at any time, from the first record on or from a snapshot."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from core_support.random_money import instrument, order
from execore.core.book_state import BookState
from execore.core.books import Step
from execore.core.snapshot import SNAPSHOT_SCHEMA, snapshot_of, state_hash
from execore.journal.codec import chained, encode_record, next_hash
from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Journal, Snapshot
from execore.journal.sqlite import SqliteJournal
from execore.model import events
from execore.model.errors import ChainBroken, NewerSchema
from execore.model.events import SCHEMA_VERSION
from execore.model.records import Record, StoredRecord
from execore.model.vocabulary import Side
from execore.runtime import as_of
from execore.runtime.as_of import books_as_of, order_lookup, walk
from execore.runtime.recovery import rebuild
from runtime_support.random_run import BOOK, Run

RECORDED = 10**18


def record(journal: Journal, *told: tuple[int, events.AnyEvent], recorded_ns: int = RECORDED) -> None:
    first = journal.head("main").sequence + 1
    records = [
        Record(first + n, "main", at, recorded_ns, "me", "", event) for n, (at, event) in enumerate(told)
    ]
    journal.append("main", first - 1, records)


def deposit(number: int, amount: int = 1) -> events.CashTransferred:
    return events.CashTransferred(f"d{number}", "USD", Decimal(amount))


@pytest.fixture
def journal() -> Journal:
    """Cash at 10, 30, 20 (late) and 40, and what is told of orders far later."""
    made = MemoryJournal()
    record(
        made,
        (900, events.BookOpened("main")),
        (900, events.InstrumentDefined(instrument("ACME", "USD"))),
        (10, deposit(1)),
        (950, order("o1", "alpha")),
        (30, deposit(2)),
        (20, deposit(3)),
        (40, deposit(4)),
        (960, events.OrderSubmitted("o1")),
    )
    return made


def test_the_books_time_is_that_of_the_account_and_never_goes_back(journal: Journal) -> None:
    assert [step.book_ns for step in walk(journal, "main")] == [0, 0, 10, 10, 30, 30, 40, 40]


def test_a_time_that_was_not_yet_does_not_move_it(journal: Journal) -> None:
    record(journal, (10**19, deposit(5)), (50, deposit(6)))
    assert [step.book_ns for step in walk(journal, "main")][-2:] == [RECORDED, RECORDED]


@pytest.mark.parametrize(
    ("before_ns", "cash", "sequence"),
    [(0, 0, 0), (10, 0, 2), (11, 1, 4), (30, 1, 4), (31, 3, 6), (40, 3, 6), (41, 4, 8), (10**12, 4, 8)],
)
def test_as_of_a_time(journal: Journal, before_ns: int, cash: int, sequence: int) -> None:
    found = books_as_of(journal, "main", before_ns=before_ns)
    assert found.books.positions.cash().get("USD", 0) == cash
    assert found.sequence == sequence


@pytest.mark.parametrize(("sequence", "cash"), [(0, 0), (2, 0), (5, 2), (6, 3)])
def test_as_of_a_record(journal: Journal, sequence: int, cash: int) -> None:
    found = books_as_of(journal, "main", sequence=sequence)
    assert found.books.positions.cash().get("USD", 0) == cash
    assert found.sequence == sequence


def test_as_of_now_is_what_all_records_make(journal: Journal) -> None:
    assert books_as_of(journal, "main").sequence == 8
    assert books_as_of(journal, "nowhere").sequence == 0


@pytest.mark.parametrize("seed", range(3))
def test_from_a_snapshot_it_is_the_same(tmp_path: Path, seed: int) -> None:
    """At every record where one was taken, and some after it; the books are those of the whole state."""
    with SqliteJournal(tmp_path / "run.db") as made:
        run = Run(made, seed)
        for snapshot in run.snapshots[2::3]:
            for sequence in (snapshot.head.sequence, snapshot.head.sequence + 7, run.head.sequence):
                unused = Snapshot(snapshot.head, SNAPSHOT_SCHEMA - 1, snapshot.state_hash, snapshot.state)
                made.save_snapshot(BOOK, unused)
                expected = books_as_of(made, BOOK, sequence=sequence)
                made.save_snapshot(BOOK, snapshot)
                found = books_as_of(made, BOOK, sequence=sequence)
                assert found.sequence == expected.sequence
                assert found.books.positions.to_balances() == expected.books.positions.to_balances()
        whole, _ = rebuild(made, BOOK)
        assert books_as_of(made, BOOK).books.positions.to_balances() == whole.positions.to_balances()


def test_a_snapshot_that_is_too_late_is_left_alone(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    state, head = rebuild(journal, "main")
    data = snapshot_of(state)
    journal.save_snapshot("main", Snapshot(head, SNAPSHOT_SCHEMA, state_hash(data), data))
    restored: list[bytes] = []

    def restoring(data: bytes, history: object) -> BookState:
        restored.append(data)
        return state

    monkeypatch.setattr(as_of, "restore", restoring)
    assert books_as_of(journal, "main", sequence=7).books.positions.cash() == {"USD": 4}
    assert books_as_of(journal, "main", before_ns=31).books.positions.cash() == {"USD": 3}
    assert not restored
    assert books_as_of(journal, "main", before_ns=40).books.positions.cash() == {"USD": 3}
    assert not restored
    assert books_as_of(journal, "main", before_ns=41).books.positions.cash() == {"USD": 4}
    assert len(restored) == 1
    record(journal, (20, deposit(5)), (41, deposit(6)))
    assert books_as_of(journal, "main", before_ns=41).books.positions.cash() == {"USD": 5}


def test_strategies_are_those_of_the_orders_also_after_a_snapshot(journal: Journal) -> None:
    state, head = rebuild(journal, "main")
    data = snapshot_of(state)
    journal.save_snapshot("main", Snapshot(head, SNAPSHOT_SCHEMA, state_hash(data), data))
    one = Decimal(1)
    record(journal, (50, events.FillBooked("o1", "ACME", Side.BUY, one, one, "x1")))
    held = books_as_of(journal, "main").books.positions
    assert held.position("ACME", strategy="alpha").quantity == 1
    found = order_lookup(journal, "main")("o1")
    assert found is not None
    assert found.strategy == "alpha"
    assert order_lookup(journal, "main")("o2") is None


class Lines(MemoryJournal):
    """A journal that holds just these lines."""

    def __init__(self, lines: Sequence[StoredRecord]) -> None:
        super().__init__()
        self.lines = lines

    def read(self, book: str, from_sequence: int = 1) -> Iterator[StoredRecord]:
        return iter(line for line in self.lines if line.sequence >= from_sequence)


def stored(*told: events.AnyEvent, schema: int = SCHEMA_VERSION) -> list[StoredRecord]:
    actor = '"event":{"type":"deceit'
    records = [Record(n, "main", n, n, actor, "", event, schema) for n, event in enumerate(told, 1)]
    return list(chained(records, bytes(32)))


def walked(lines: Sequence[StoredRecord]) -> list[Step]:
    return list(walk(Lines(lines), "main"))


def test_only_what_changes_the_books_is_decoded() -> None:
    told = (deposit(1), events.OrderSubmitted("o1"), order("o2", ""), order("o3", "alpha"), deposit(2))
    assert [step.event for step in walked(stored(*told))] == [told[0], None, None, told[3], told[4]]


def test_every_record_is_checked_against_the_chain_also_those_that_are_not_decoded() -> None:
    lines = stored(deposit(1), events.OrderSubmitted("o1"), deposit(2))
    changed = lines[1].data.replace(b"o1", b"o2")
    lines[1] = StoredRecord(2, lines[1].hash, changed)
    with pytest.raises(ChainBroken, match="sequence 2"):
        walked(lines)


@pytest.mark.parametrize("event", [deposit(1), events.OrderSubmitted("o1")])
def test_what_a_newer_execore_wrote_is_refused(event: events.AnyEvent) -> None:
    with pytest.raises(NewerSchema):
        walked(stored(event, schema=SCHEMA_VERSION + 1))


def test_what_an_older_execore_wrote_is_passed_over_likewise() -> None:
    assert [step.event for step in walked(stored(events.OrderSubmitted("o1"), schema=1))] == [None]


def test_what_a_newer_execore_calls_otherwise_is_not_passed_over() -> None:
    data = encode_record(Record(1, "main", 1, 1, "", "", events.OrderSubmitted("o1"))).replace(
        b"order_submitted", b"order_teleported"
    )
    with pytest.raises(ChainBroken):
        walked([StoredRecord(1, next_hash(bytes(32), data).hex(), data)])
