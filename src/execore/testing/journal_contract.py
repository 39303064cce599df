"""What every journal must pass. Subclass ``JournalContract`` and give it a ``make_journal`` fixture."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from hashlib import sha256

import pytest
from msgspec.structs import replace

from execore.core.position import Position, flat
from execore.journal.audit_log import AuditLog
from execore.journal.codec import GENESIS, decode_record, next_hash
from execore.journal.protocol import EMPTY_HEAD, Append, Changes, FillRow, Head, Journal, Snapshot
from execore.model.errors import BookClosed, InvariantViolation, SequenceConflict
from execore.model.events import AnyEvent, BookOpened, FillBooked, OrderAcknowledged, OrderCreated
from execore.model.instruments import Instrument
from execore.model.keys import Key, KeyKind
from execore.model.money import ZERO
from execore.model.orders import Order, OrderRequest
from execore.model.records import Record
from execore.model.vocabulary import Side
from execore.testing.journal_lookup_contract import LookupContract

BOOK = "main"
TIME_NS = 1_700_000_000_000_000_000


def record(sequence: int, event: AnyEvent, book: str = BOOK, actor: str = "strategy:alpha") -> Record:
    """A record with times and cause made from its sequence."""
    time = TIME_NS + sequence * 1_000
    return Record(sequence, book, time, time + 500, actor, f"submit:{sequence}", event)


def position(symbol: str, quantity: Decimal, **balances: Decimal) -> Position:
    """A position in US dollars with these balances and no others."""
    known = {"cost_basis": ZERO, "realised_pnl": ZERO, "fees_in_kind": ZERO, "undisclosed": ZERO} | balances
    instrument = Instrument(symbol=symbol, currency="USD", base_currency="BTC")
    made: Position = replace(flat(instrument, None), quantity=quantity, **known)
    return made


def order_id(number: int) -> str:
    """The client order id of the contract's ``number``-th order."""
    return f"{number:032x}"


def created(number: int) -> OrderCreated:
    """The ``number``-th order begins."""
    return OrderCreated(order_id(number), request(number))


def request(number: int) -> OrderRequest:
    """What the ``number``-th order asks for."""
    return OrderRequest(
        client_order_id=order_id(number),
        symbol="BTC-USD",
        side=Side.BUY,
        quantity=Decimal("1.5"),
        price=Decimal("100.25"),
        strategy="alpha",
        metadata=(("desk", "café"),),
    )


def filled(number: int) -> FillBooked:
    """The ``number``-th order is filled whole."""
    return FillBooked(
        order_id(number),
        "BTC-USD",
        Side.BUY,
        Decimal("1.5"),
        Decimal("100.25"),
        f"E{number}",
        venue_order_id=f"V{number}",
        fee=Decimal("0.0000001"),
        fee_currency="USD",
    )


def lifecycle(number: int, first_sequence: int, book: str = BOOK) -> tuple[list[Record], Changes]:
    """Three records that create, acknowledge and fill the ``number``-th order, and what they change."""
    fill = filled(number)
    events: list[AnyEvent] = [created(number), OrderAcknowledged(order_id(number), f"V{number}"), fill]
    records = [record(sequence, event, book) for sequence, event in enumerate(events, first_sequence)]
    terms = request(number)
    order = Order(
        request=terms,
        quantity=terms.quantity,
        price=terms.price,
        venue_order_id=fill.venue_order_id,
        submitted=True,
        acknowledged=True,
        filled=fill.quantity,
        notional=fill.quantity * fill.price,
        created_ts_ns=records[0].ts_event_ns,
        updated_ts_ns=records[2].ts_event_ns,
    )
    row = FillRow(records[2].sequence, records[2].ts_event_ns, fill)
    held = position("BTC-USD", fill.quantity * number, cost_basis=Decimal("150.375"))
    return records, Changes([order], [row], [held])


def opened(journal: Journal, orders: int, book: str = BOOK) -> Head:
    """Fill an empty book with its opening and ``orders`` lifecycles, one append each; return its head."""
    head = journal.append(book, 0, [record(1, BookOpened(book), book)])
    for number in range(1, orders + 1):
        records, changes = lifecycle(number, head.sequence + 1, book)
        head = journal.append(book, head.sequence, records, changes)
    return head


def snapshot(head: Head, state: bytes) -> Snapshot:
    """A snapshot of this state at this place."""
    return Snapshot(head, 1, sha256(state).hexdigest(), state)


def sequences(journal: Journal, book: str = BOOK) -> Sequence[int]:
    """The sequences that can be read back."""
    return [stored.sequence for stored in journal.read(book)]


class JournalContract(LookupContract):
    """The contract. ``make_journal`` is a fixture: a callable that returns a new, empty journal."""

    def test_an_empty_journal_has_no_books_and_no_head(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        assert journal.books() == []
        assert journal.head(BOOK) == EMPTY_HEAD
        assert sequences(journal) == []
        assert list(journal.read_order(BOOK, order_id(1))) == []

    def test_what_is_appended_is_read_back_whole(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        records, changes = lifecycle(1, 1)
        head = journal.append(BOOK, 0, records, changes)
        stored = list(journal.read(BOOK))
        assert [decode_record(line) for line in stored] == records
        assert head == journal.head(BOOK) == Head(3, stored[-1].hash)

    def test_the_chain_goes_on_across_appends(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=3)
        expected = GENESIS
        for stored in journal.read(BOOK):
            expected = next_hash(expected, stored.data)
            assert stored.hash == expected.hex()
        verification = AuditLog(journal, BOOK).verify(journal.head(BOOK))
        assert (verification.ok, verification.records, verification.anchored) == (True, 10, True)

    @pytest.mark.parametrize("expected", [0, 3, 5, 11])
    def test_a_writer_who_expects_another_head_is_refused(
        self, make_journal: Callable[[], Journal], expected: int
    ) -> None:
        journal = make_journal()
        head = opened(journal, orders=1)
        with pytest.raises(SequenceConflict, match=r"main.*is at sequence 4"):
            journal.append(BOOK, expected, [record(expected + 1, created(9))])
        assert journal.head(BOOK) == head
        assert sequences(journal) == [1, 2, 3, 4]
        assert journal.append(BOOK, 4, [record(5, created(9))]).sequence == 5

    def test_records_that_do_not_continue_the_book_are_refused_whole(
        self, make_journal: Callable[[], Journal]
    ) -> None:
        journal = make_journal()
        for wrong in (record(3, created(2)), record(2, created(2), book="other")):
            with pytest.raises(InvariantViolation):
                journal.append(BOOK, 0, [record(1, created(1)), wrong])
        assert journal.head(BOOK) == EMPTY_HEAD
        assert journal.books() == []

    def test_an_append_of_nothing_leaves_the_head(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        head = opened(journal, orders=1)
        assert journal.append(BOOK, head.sequence, []) == head
        with pytest.raises(SequenceConflict):
            journal.append(BOOK, head.sequence - 1, [])

    def test_reading_can_begin_anywhere(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=1_000)
        assert [stored.sequence for stored in journal.read(BOOK, 2_500)] == list(range(2_500, 3_002))
        assert list(journal.read(BOOK, 3_002)) == []
        assert sequences(journal) == list(range(1, 3_002))

    def test_reading_goes_on_while_records_are_appended(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=1)
        reading = journal.read(BOOK)
        assert next(reading).sequence == 1
        journal.append(BOOK, 4, [record(5, created(2))])
        assert [stored.sequence for stored in reading][:3] == [2, 3, 4]

    def test_the_history_of_one_order(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=3)
        assert [stored.sequence for stored in journal.read_order(BOOK, order_id(2))] == [5, 6, 7]
        assert list(journal.read_order("other", order_id(2))) == []

    def test_books_do_not_mix(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        first, second = opened(journal, 1, "b"), opened(journal, 2, "a")
        assert journal.books() == ["a", "b"]
        assert (journal.head("b"), journal.head("a")) == (first, second)
        assert list(sequences(journal, "b")) == [1, 2, 3, 4]

    def test_several_books_are_appended_at_once(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        first, second = opened(journal, 1, "a"), EMPTY_HEAD
        added, changes = lifecycle(7, 5, "a")
        begun = [record(1, BookOpened("b"), "b")]
        nothing: list[Record] = []
        heads = journal.append_all(
            [
                Append("a", first.sequence, added, changes),
                Append("b", second.sequence, begun),
                Append("c", 0, nothing),
            ]
        )
        assert heads == [journal.head("a"), journal.head("b"), EMPTY_HEAD]
        assert [head.sequence for head in heads] == [7, 1, 0]
        assert [decode_record(line) for line in journal.read("a", 5)] == added
        assert AuditLog(journal, "a").verify(heads[0]).anchored
        assert AuditLog(journal, "b").verify(heads[1]).anchored
        assert journal.append_all([]) == []

    def test_one_book_can_be_appended_to_twice_at_once(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        one, two = lifecycle(1, 1), lifecycle(2, 4)
        heads = journal.append_all([Append(BOOK, 0, *one), Append(BOOK, 3, *two)])
        assert [head.sequence for head in heads] == [3, 6]
        assert AuditLog(journal, BOOK).verify(heads[1]).anchored

    def test_if_one_book_is_refused_none_is_appended_to(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        head = opened(journal, 1, "a")
        fitting = Append("a", head.sequence, *lifecycle(7, 5, "a"))
        ahead = Append("b", 3, [record(4, created(1), "b")])
        misnumbered = Append("b", 0, [record(2, created(1), "b")])
        for bad, error in ((ahead, SequenceConflict), (misnumbered, InvariantViolation)):
            for appends in ([fitting, bad], [bad, fitting]):
                with pytest.raises(error):
                    journal.append_all(appends)
        assert (journal.head("a"), journal.head("b"), journal.books()) == (head, EMPTY_HEAD, ["a"])
        assert journal.find_orders("a", [Key(KeyKind.ORDER, order_id(7))]) == {}

    def test_a_snapshot_is_kept_for_each_book(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        assert journal.load_snapshot(BOOK) is None
        for book in ("a", "b"):
            head = opened(journal, orders=1, book=book)
            journal.save_snapshot(book, snapshot(head, b"before"))
            later = journal.append(book, 4, [record(5, created(2), book)])
            assert journal.load_snapshot(book) == snapshot(head, b"before")
            journal.save_snapshot(book, snapshot(later, b"after in " + book.encode()))
        assert journal.load_snapshot("a") == snapshot(journal.head("a"), b"after in a")
        assert journal.load_snapshot("b") == snapshot(journal.head("b"), b"after in b")

    def test_a_closed_journal_refuses_everything(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=1)
        journal.close()
        journal.close()
        calls: list[Callable[[], object]] = [
            lambda: journal.append(BOOK, 4, [record(5, created(2))]),
            lambda: list(journal.read(BOOK)),
            lambda: list(journal.read_order(BOOK, order_id(1))),
            lambda: journal.find_orders(BOOK, [Key(KeyKind.ORDER, order_id(1))]),
            lambda: list(journal.past(BOOK, ["BTC-USD"])),
            lambda: journal.load_snapshot(BOOK),
            lambda: journal.head(BOOK),
            journal.books,
        ]
        for call in calls:
            with pytest.raises(BookClosed):
                call()
