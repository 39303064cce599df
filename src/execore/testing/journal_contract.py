"""What every journal must pass. Subclass ``JournalContract`` and give it a ``make_journal`` fixture."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from execore.core.position_ledger import Position
from execore.journal.audit_log import AuditLog
from execore.journal.codec import GENESIS, decode_record, next_hash
from execore.journal.protocol import EMPTY_HEAD, Changes, FillRow, Head, Journal
from execore.model.errors import BookClosed, InvariantViolation, SequenceConflict
from execore.model.events import AnyEvent, BookOpened, FillBooked, OrderAcknowledged, OrderCreated
from execore.model.money import ONE, ZERO
from execore.model.orders import Order, OrderRequest
from execore.model.records import Record
from execore.model.vocabulary import Side

BOOK = "main"
TIME_NS = 1_700_000_000_000_000_000


def record(sequence: int, event: AnyEvent, book: str = BOOK, actor: str = "strategy:alpha") -> Record:
    """A record with times and cause made from its sequence."""
    time = TIME_NS + sequence * 1_000
    return Record(sequence, book, time, time + 500, actor, f"submit:{sequence}", event)


def position(symbol: str, quantity: Decimal, **balances: Decimal) -> Position:
    """A position in US dollars with these balances and no others."""
    known = {"cost_basis": ZERO, "realised_pnl": ZERO, "fees_in_kind": ZERO, "undisclosed": ZERO} | balances
    return Position(
        symbol=symbol, unit="BTC", currency="USD", quantity=quantity, fees={}, multiplier=ONE, **known
    )


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


def sequences(journal: Journal, book: str = BOOK) -> Sequence[int]:
    """The sequences that can be read back."""
    return [stored.sequence for stored in journal.read(book)]


class JournalContract:
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

    def test_a_closed_journal_refuses_everything(self, make_journal: Callable[[], Journal]) -> None:
        journal = make_journal()
        opened(journal, orders=1)
        journal.close()
        journal.close()
        calls: list[Callable[[], object]] = [
            lambda: journal.append(BOOK, 4, [record(5, created(2))]),
            lambda: list(journal.read(BOOK)),
            lambda: list(journal.read_order(BOOK, order_id(1))),
            lambda: journal.head(BOOK),
            journal.books,
        ]
        for call in calls:
            with pytest.raises(BookClosed):
                call()
