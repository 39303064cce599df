"""The venue process: a real socket, real faults, books that outlive the client, and what failures prove."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from execore import SqliteJournal, open_book
from execore.model.effects import QueryOrder, SendCancel, SendOrder
from execore.model.ending import SECOND_NS
from execore.model.failures import (
    ConnectionFailed,
    ConnectionLost,
    OrderRefused,
    RequestTimeout,
    UnreadableAnswer,
    WriteOutcome,
)
from execore.model.reports import AcknowledgeReport, FillReport, VenueReport
from execore.model.vocabulary import OrderState
from execore.testing import venue_wire as wire
from execore.testing.settlement import Flight, in_flight, settled
from execore.testing.venue_client import RemoteVenue
from execore.testing.venue_comparison import compare, sent_twice, unrecorded
from execore.testing.venue_process import Exchange, Fault, VenueProcess, VenueSetup
from execore.venues.protocol import QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, order

SETUP = VenueSetup(
    instrument=BITCOIN, seed=1, start_price=Decimal(100), start_ts_ns=START_NS, quotes=50, largest_size=2_000
)


def setup(**changes: Any) -> VenueSetup:
    return msgspec.structs.replace(SETUP, **changes)


@pytest.fixture(scope="module")
def process() -> Iterator[VenueProcess]:
    """A venue without faults, for tests that look at orders of their own."""
    with VenueProcess(SETUP) as process:
        yield process


# --- a session --------------------------------------------------------------------------------------------


def test_its_books_outlive_a_client_and_reports_come_again_until_they_are_confirmed(
    process: VenueProcess,
) -> None:
    first = process.client()
    assert first.move_market(1).number > 0
    first.submit(SendOrder(order(1, price="200", quantity="0.5")))
    told = first.take_reports()
    assert {type(report) for report in told} == {AcknowledgeReport, FillReport}
    first.close()  # and nothing was confirmed

    with closing(process.client()) as second:
        assert second.take_reports() == told
        assert second.books().in_doubt == told
        second.confirm_reports()
        assert second.take_reports() == []
        (booked,) = second.books().orders
        assert (booked.client_order_id, booked.state, booked.sends) == ("order-1", OrderState.FILLED, 1)
        assert second.query(QueryOrder("order-1", "", "BTC-USD")) is QueryAnswer.FOUND
        assert second.query(QueryOrder("order-2", "", "BTC-USD")) is QueryAnswer.ABSENT
        second.mass_status(0)
        assert second.take_reports()


def test_what_a_dead_client_left_on_the_wire_is_done_before_the_next_is_heard(process: VenueProcess) -> None:
    for number in range(100, 130):
        with socket.create_connection((wire.HOST, process.port)) as dying:
            wire.send(dying, wire.Submit(SendOrder(order(number, price="1"))))
        with closing(process.client()) as next_life:
            asked = QueryOrder(f"order-{number}", "", "BTC-USD")
            assert next_life.query(asked) is QueryAnswer.FOUND, number


def test_the_tape_goes_on_as_it_does_without_a_wire() -> None:
    here = Exchange(SETUP)
    with VenueProcess(SETUP) as process, closing(process.client()) as there:
        assert there.move_market(0) == here.move_market(0) == wire.Shown(0, None)
        for quotes in (1, 3, 100):
            assert there.move_market(quotes) == here.move_market(quotes)
        assert there.move_market().number == SETUP.quotes, "the tape has ended"


def test_a_venue_that_is_closed_is_gone() -> None:
    with VenueProcess(SETUP) as short, closing(short.client()) as venue:
        venue.take_reports()
        short.close()
        with pytest.raises(ConnectionLost):  # the connection was there, so nobody knows
            venue.take_reports()
        with pytest.raises(ConnectionFailed):
            venue.take_reports()


def test_it_ends_with_the_one_who_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "execore.testing.venue_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode(SETUP) + b"\n")
        process.stdin.flush()
        assert int(process.stdout.readline()) > 0
        process.stdin.close()  # as when the other process is gone
        assert process.wait(30) == 0


# --- failures, and what each one proves ---------------------------------------------------------------------


def submit_through(fault: Fault) -> tuple[Exception | None, QueryAnswer]:
    """Submit one order through a wire that always has that fault; return what was raised, and the truth."""
    with VenueProcess(setup(faults={fault: 1_000}, delay_seconds=0.5)) as process:
        raised: Exception | None = None
        with closing(process.client(timeout_seconds=0.1)) as venue:
            try:
                venue.submit(SendOrder(order(1, price="1")))
            except (RequestTimeout, ConnectionLost) as error:
                raised = error
        with closing(process.client()) as venue:
            there = bool(venue.books().orders)
        return raised, QueryAnswer.FOUND if there else QueryAnswer.ABSENT


@pytest.mark.parametrize(
    ("fault", "kind", "truth"),
    [
        (Fault.LOSE, RequestTimeout, QueryAnswer.ABSENT),
        (Fault.KEEP_REPLY, RequestTimeout, QueryAnswer.FOUND),
        (Fault.DELAY, RequestTimeout, QueryAnswer.FOUND),
        (Fault.HANG_UP, ConnectionLost, QueryAnswer.FOUND),
    ],
)
def test_a_fault_of_the_wire_leaves_the_outcome_unknown(
    fault: Fault, kind: type[Exception], truth: QueryAnswer
) -> None:
    raised, found = submit_through(fault)
    assert type(raised) is kind
    assert getattr(raised, "outcome", None) is WriteOutcome.UNKNOWN
    assert found is truth


def test_nobody_listening_is_certainly_not_sent() -> None:
    with socket.create_server((wire.HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed) as raised:
        RemoteVenue(port).cancel(SendCancel("order-1", "", "BTC-USD", "request-1"))
    assert raised.value.outcome is WriteOutcome.NOT_SENT


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (framed(b"no"), UnreadableAnswer),
        (framed(b'{"type":"shown"'), UnreadableAnswer),
        (framed(b'{"type":"sold"}'), UnreadableAnswer),
        (framed(b'{"type":"found","answer":"found"}'), UnreadableAnswer),
        (framed(b'{"type":"refused","reason":"no"}'), OrderRefused),
        (b"\xff\xff\xff\xff", UnreadableAnswer),
        (b"\x00\x00", ConnectionLost),
        (b"", ConnectionLost),
    ],
)
def test_an_answer_that_is_none_is_named(answer: bytes, kind: type[Exception]) -> None:
    with socket.create_server((wire.HOST, 0)) as listener:

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                wire.receive_request(connection)
                connection.sendall(answer)

        server = threading.Thread(target=reply)
        server.start()
        with closing(RemoteVenue(listener.getsockname()[1])) as venue, pytest.raises(kind):
            venue.submit(SendOrder(order(1)))
        server.join()


def test_after_a_timeout_the_late_answer_is_not_taken_for_the_next() -> None:
    with VenueProcess(setup(faults={Fault.DELAY: 1_000}, delay_seconds=0.3)) as process:
        venue = process.client(timeout_seconds=0.1)
        with pytest.raises(RequestTimeout):
            venue.take_reports()
        venue.close()
        with closing(process.client(timeout_seconds=5)) as patient:
            assert patient.query(QueryOrder("order-1", "", "BTC-USD")) is QueryAnswer.ABSENT


def test_a_request_that_is_none_ends_the_session_and_no_more(process: VenueProcess) -> None:
    for nonsense in (b"\x00\x00\x00\x02no", b"\xff\xff\xff\xff", b"\x00"):
        with socket.create_connection((wire.HOST, process.port)) as stranger:
            stranger.sendall(nonsense)
    with closing(process.client()) as venue:
        assert venue.query(QueryOrder("nobody", "", "BTC-USD")) is QueryAnswer.ABSENT


# --- comparing, and what was in flight ----------------------------------------------------------------------


def traded(path: Path) -> wire.Books:
    """A journal of some trades on an exchange in this process, and the exchange's books."""
    exchange = Exchange(SETUP)
    exchange.move_market()
    with open_book(str(path), instruments=[BITCOIN], venue=exchange.venue) as book:
        book.submit(order(1, price="200", quantity="0.5"))
        book.submit(order(2, price="1", quantity="2"))
        book.submit(order(3, price="1"))
        book.cancel("order-3")
        book.amend("order-2", quantity=3)
    return exchange.books()


def test_books_that_agree_and_each_way_in_which_they_do_not(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    books = traded(path)
    first, second, third = books.orders
    (fill,) = first.executions
    replace = msgspec.structs.replace

    def said(orders: list[wire.BookedOrder], amends: dict[str, int] | None = None) -> str:
        changed = replace(books, orders=orders, amends=books.amends if amends is None else amends)
        with SqliteJournal(path, read_only=True) as journal:
            return "; ".join(compare(changed, journal, "main").differences)

    with SqliteJournal(path, read_only=True) as journal:
        comparison = compare(books, journal, "main")
        assert unrecorded(books, journal, "main") == sent_twice(books, journal, "main") == []
    assert (comparison.orders, comparison.executions, comparison.differences) == (3, 1, [])
    assert comparison.positions == {"BTC-USD": "0.5"}

    assert "order-2 is ACKNOWLEDGED here, and unknown there" in said([first, third])
    stranger = replace(third, client_order_id="order-9")
    assert "order-9 is at the venue, and was never recorded" in said([first, second, third, stranger])
    assert "quantity is 3 here, and 2 at the venue" in said(
        [first, replace(second, quantity=Decimal(2)), third]
    )
    assert "state is CANCELLED here" in said([first, second, replace(third, state=OrderState.ACKNOWLEDGED)])
    assert "was sent 2 times" in said([first, second, replace(third, sends=2)])
    assert "amend request-1 was sent 2 times" in said(books.orders, {"request-1": 2})

    def with_fills(*fills: wire.BookedExecution) -> str:
        return said([replace(first, executions=fills), second, third])

    missing = with_fills()
    assert "execution P1-1 is booked, and not so at the venue" in missing
    assert "position BTC-USD: quantity is 0.5 here, and 0 at the venue" in missing
    doubled = with_fills(fill, replace(fill, execution_id="P1-2"))
    assert "execution P1-2 is at the venue, and not booked" in doubled
    assert "quantity is 0.5 here, and 1 at the venue" in doubled
    for changed in ({"price": Decimal(7)}, {"fee": Decimal(7)}, {"quantity": Decimal("0.4")}):
        assert "P1-1 is at the venue, and not booked" in with_fills(replace(fill, **changed))


class Death(BaseException):
    """What nothing catches."""


class DyingVenue:
    """The exchange's venue, of which no reports come through, and whose trader dies at his second order."""

    def __init__(self, exchange: Exchange) -> None:
        self._venue = exchange.venue
        self._submits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def submit(self, message: SendOrder) -> None:
        """Hand it over, or die."""
        self._submits += 1
        if self._submits == 2:
            raise Death
        self._venue.submit(message)

    def take_reports(self) -> list[VenueReport]:
        """None."""
        return []


def test_what_was_in_flight_and_how_it_was_settled(tmp_path: Path) -> None:
    path, exchange = tmp_path / "book.db", Exchange(SETUP)
    exchange.move_market()
    with open_book(str(path), instruments=[BITCOIN], venue=exchange.venue) as book:
        book.submit_all([order(1, price="1"), order(2, price="1"), order(3, price="99"), order(6, price="1")])
    with open_book(str(path), instruments=[BITCOIN], venue=DyingVenue(exchange)) as book:
        book.cancel("order-1")
        book.amend("order-2", quantity=7)
        exchange.venue.on_trade("BTC-USD", 98, 1, START_NS + SECOND_NS)  # for order-3
        with pytest.raises(Death):
            book.submit_all([order(4, price="200", quantity="0.5"), order(5)])
    with SqliteJournal(path, read_only=True) as journal:
        was, head = in_flight(journal, "main"), journal.head("main")
    assert {(one.client_order_id, one.flight) for one in was} == {
        ("order-1", Flight.CANCEL),
        ("order-2", Flight.AMEND),
        ("order-4", Flight.NEW_ORDER),
        ("order-5", Flight.NEW_ORDER),
    }
    with open_book(str(path), instruments=[BITCOIN], venue=exchange.venue):
        pass
    with SqliteJournal(path, read_only=True) as journal:
        assert in_flight(journal, "main") == []
        became = {one.client_order_id: one for one in settled(journal, "main", was, head.sequence)}
        assert compare(exchange.books(), journal, "main").differences == []
    shown = {key: (one.in_flight_as, one.settled_as, one.filled) for key, one in became.items()}
    assert shown == {
        "order-1": ("cancel", "CANCELLED", "0"),
        "order-2": ("amend", "ACKNOWLEDGED", "0"),
        "order-3": ("report", "FILLED", "1"),
        "order-4": ("new order", "FILLED", "0.5"),
        "order-5": ("new order", "FAILED", "0"),
    }
    assert became["order-3"].evidence == "filled 1 at 99 (P3-1)"
    assert became["order-4"].evidence.startswith("acknowledged as P5; filled 0.5 at ")
    assert became["order-2"].evidence == "the venue reports it amended"
    assert "absent" in became["order-5"].evidence
    for one in became.values():
        assert one.sequences[0] > head.sequence
