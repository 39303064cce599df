"""A book's promises: durable before sent and told, never sent twice, closed when storage fails, replayed."""

import decimal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import pytest

from execore import (
    Book,
    Instrument,
    MemoryJournal,
    OrderLimits,
    OrderRequest,
    OrderState,
    Outcome,
    RiskContext,
    RiskDecision,
    RiskResult,
    SqliteJournal,
    open_book,
)
from execore.core import invariants
from execore.journal.protocol import EMPTY_HEAD, Append, Head, Journal
from execore.model import failures
from execore.model.effects import Alert, SendOrder
from execore.model.errors import (
    BookClosed,
    ChainBroken,
    DuplicateClientOrderId,
    InvalidConfiguration,
    InvalidInput,
    InvalidNumber,
    InvalidPrice,
    InvalidQuantity,
    JournalError,
    JournalFull,
    JournalOwned,
    NotRecorded,
    OutcomeUnknown,
    SequenceConflict,
    UnknownEnumValue,
    UnknownInstrument,
    UnknownOrder,
)
from execore.model.reports import (
    AcknowledgeReport,
    AmendReport,
    CancelRejectReport,
    CancelReport,
    FillReport,
    VenueReport,
)
from execore.testing.faulty_vfs import Fault, FaultyVfs
from execore.venues.paper import PaperVenue
from execore.venues.protocol import Venue
from execore.views import queries
from runtime_support.tables import assert_projected, dump
from runtime_support.trading import BITCOIN, START_NS, Message, ScriptedVenue, order, paper_venue, ticking


class Seen(NamedTuple):
    """All that a book shows: what must be the same after a restart."""

    orders: dict[str, Any]
    positions: dict[str, Any]
    head: Head


def seen(book: Book) -> Seen:
    invariants.check(book._writer.state)
    return Seen(book.orders.to_dict(), book.positions.to_dict(), book.head)


class Storage:
    """A journal that can be opened again: the same object in memory, the same file on disk."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._memory = MemoryJournal()
        self._file: SqliteJournal | None = None

    def open(self) -> Journal:
        if self.path is None:
            return self._memory
        self.close()
        self._file = SqliteJournal(self.path)
        return self._file

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    storage = Storage(tmp_path / "book.db" if request.param == "sqlite" else None)
    yield storage
    storage.close()


def reopened(storage: Storage, venue: Venue | None = None, **options: Any) -> Book:
    return open_book(storage.open(), instruments=[BITCOIN], venue=venue, clock=ticking(), **options)


@pytest.fixture
def venue() -> ScriptedVenue:
    return ScriptedVenue()


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def book(journal: MemoryJournal, venue: ScriptedVenue) -> Book:
    """A book in memory at a venue that does as it is told."""
    return open_book(journal, instruments=[BITCOIN], venue=venue, clock=ticking())


def named(number: int, more: dict[str, Any]) -> dict[str, Any]:
    key = {"client_order_id": f"order-{number}", "venue_order_id": f"V{number}"}
    return {"ts_ns": START_NS, "symbol": "BTC-USD"} | key | more


def strangers(venue_order_id: str, **more: Any) -> dict[str, Any]:
    return {"client_order_id": "", "venue_order_id": venue_order_id} | more


def acknowledged(number: int = 1, **more: Any) -> AcknowledgeReport:
    return AcknowledgeReport(**named(number, more))


def filled(number: int = 1, quantity: str = "1", execution_id: str = "E1", **more: Any) -> FillReport:
    terms = {"quantity": quantity, "price": "100", "execution_id": execution_id}
    return FillReport(**named(number, terms | more))


# --- restart is replay ----------------------------------------------------------------------------------


def trade_on_paper(book: Book, venue: PaperVenue) -> None:
    book.transfer_cash("opening", "USD", 10_000)
    book.submit(order(1, quantity="2", price="102"))  # takes two of the five offered
    book.submit(order(2, side="sell", quantity="3", price="99"))  # one is bid, two rest
    book.submit(order(3))
    book.amend("order-3", quantity="2", price="98.5")
    book.cancel("order-3")
    book.submit(order(4, quantity="0.5", price="98"))
    venue.on_trade("BTC-USD", 98, "0.2", START_NS + 1)
    book.pump()
    book.cancel("order-1")  # too late
    book.close_order("order-3")


def trade_by_hand(book: Book) -> None:
    book.submit_all([order(1), order(2, side="sell"), order(3), order(4)])
    book.apply([acknowledged(1), filled(1, "0.25", fee="0.001", fee_currency="BTC"), acknowledged(3)])
    book.apply([filled(2, execution_id="E2"), filled(2), filled(2, "0.5", "E3")])
    book.amend("order-3", quantity="2", request_id="A1")
    book.apply([AmendReport(**named(3, {"request_id": "A1", "quantity": "2"}))])
    book.cancel("order-3", request_id="C1")
    book.apply([CancelReport(ts_ns=START_NS, client_order_id="order-3", request_id="C1")])
    book.apply([acknowledged(4), filled(**strangers("?", symbol="?"))])
    book.close_order("order-3")


def test_a_book_opened_again_is_as_it_was_on_the_paper_venue(storage: Storage) -> None:
    venue = paper_venue()
    book = reopened(storage, venue, risk_hooks=[OrderLimits(maximum_quantity=5)])
    trade_on_paper(book, venue)
    before = seen(book)
    book.close()
    states = [view["state"] for view in before.orders.values()]
    assert states == ["FILLED", "PARTIALLY_FILLED", "CLOSED", "PARTIALLY_FILLED"]
    assert seen(reopened(storage, venue)) == before


def test_a_book_opened_again_is_as_it_was_without_a_venue(storage: Storage) -> None:
    book = reopened(storage)
    trade_by_hand(book)
    before = seen(book)
    book.close()
    flags = {key: view["flags"] for key, view in before.orders.items() if view["flags"]}
    assert flags == {"order-2": ["overfilled", "conflict"]}
    assert seen(reopened(storage)) == before


def test_a_reopened_book_goes_on_from_where_it_was(storage: Storage) -> None:
    venue = paper_venue()
    reopened(storage, venue).submit(order(1, price="101"))
    book = reopened(storage, venue)
    assert book.submit(order(2, side="sell", price="99")).order is not None
    book = reopened(storage, venue)
    assert book.positions.position("BTC-USD").quantity == 0
    assert book.positions.position("BTC-USD").realised_pnl == -2
    assert len(venue.orders()) == len(book.orders) == 2


def test_a_changed_record_stops_the_replay_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with open_book(str(path), instruments=[BITCOIN]) as book:
        book.submit(order(1, quantity="2"))
    with closing(sqlite3.connect(path)) as shell:
        shell.execute("DROP TRIGGER events_no_update")
        shell.execute("""UPDATE events SET data=replace(data, '"quantity":"2"', '"quantity":"3"')""")
        shell.commit()
    with pytest.raises(ChainBroken, match="breaks at sequence 3") as caught:
        open_book(str(path))
    assert caught.value.sequence == 3


def test_progress_is_told_in_the_callers_own_arithmetic(journal: MemoryJournal) -> None:
    head = open_book(journal, instruments=[BITCOIN]).head
    told: list[tuple[int, Decimal]] = []
    open_book(journal, progress=lambda sequence: told.append((sequence, Decimal(1) / 3)))
    assert [sequence for sequence, _ in told] == [head.sequence]


# --- settling what was in flight ------------------------------------------------------------------------


def test_an_order_sent_without_an_outcome_is_unknown_and_asked_for(
    book: Book, journal: MemoryJournal, venue: ScriptedVenue
) -> None:
    book.submit(order())
    again = open_book(journal, venue=venue)
    assert again.orders.get("order-1").state is OrderState.UNKNOWN
    assert venue.kinds() == ["SendOrder", "QueryOrder"], "asked, and not sent again"


def test_what_the_venue_knows_of_an_unknown_order_is_booked(journal: MemoryJournal) -> None:
    venue = paper_venue()
    deaf = ScriptedVenue()
    open_book(journal, instruments=[BITCOIN], venue=deaf).submit(order(1, price="101"))
    (message,) = deaf.sent
    assert isinstance(message, SendOrder)
    venue.submit(message)
    venue.take_reports()  # they were on their way when the process ended
    again = open_book(journal, venue=venue)
    assert again.orders.get("order-1").state is OrderState.FILLED
    assert again.positions.position("BTC-USD").quantity == 1


def test_an_order_left_unknown_is_asked_for_at_every_start(
    book: Book, journal: MemoryJournal, venue: ScriptedVenue
) -> None:
    """The process may have ended between the record and the question."""
    venue.failing["submit"] = failures.RequestTimeout("no answer")
    book.submit(order())
    assert book.orders.get("order-1").state is OrderState.UNKNOWN
    head = book.head
    venue.sent.clear()
    again = open_book(journal, venue=venue)
    assert (venue.kinds(), again.head) == (["QueryOrder"], head), "asked, with nothing new to record"


@pytest.mark.parametrize("request_", ["cancel", "amend"])
def test_a_request_without_an_outcome_is_unknown_and_asked_for(
    book: Book, journal: MemoryJournal, venue: ScriptedVenue, request_: str
) -> None:
    book.submit(order())
    book.apply([acknowledged()])
    if request_ == "cancel":
        book.cancel("order-1")
    else:
        book.amend("order-1", quantity="2")
    venue.sent.clear()
    for _ in range(2):
        again = open_book(journal, venue=venue)
        (found,) = again.orders
        assert (found.state, str(found.quantity)) == (OrderState.ACKNOWLEDGED, "1")
        assert f"{request_}_unknown" in found.flags
    assert venue.kinds() == ["QueryOrder"] * 2, "asked at each start, and not sent again"


def test_a_request_pending_on_a_filled_order_is_settled_too(
    book: Book, journal: MemoryJournal, venue: ScriptedVenue
) -> None:
    book.submit(order())
    book.cancel("order-1")
    book.apply([filled()])
    again = open_book(journal, venue=venue)
    found = again.orders.get("order-1")
    assert (found.state, found.flags) == (OrderState.FILLED, ()), "nothing is left that it could cancel"
    assert venue.kinds()[-1] == "QueryOrder"


def test_settling_again_changes_nothing(book: Book, journal: MemoryJournal, venue: ScriptedVenue) -> None:
    book.submit_all([order(1), order(2)])
    book.apply([acknowledged(2)])
    book.cancel("order-2")
    settled = seen(open_book(journal, venue=venue))
    assert seen(open_book(journal, venue=venue)) == settled


def test_an_order_that_waits_for_risk_is_not_in_flight(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    pausing = Hook(lambda: RiskResult(RiskDecision.PAUSE, "too fast"))
    open_book(journal, instruments=[BITCOIN], venue=venue, risk_hooks=[pausing]).submit(order())
    again = open_book(journal, venue=venue)
    assert again.orders.get("order-1").state is OrderState.CREATED
    assert venue.kinds() == []
    assert again.release("order-1").ok
    assert venue.kinds() == ["SendOrder"]


# --- a venue that fails ---------------------------------------------------------------------------------

FAILURES: dict[str, type[failures.VenueError]] = {
    kind.code: kind
    for kind in vars(failures).values()
    if isinstance(kind, type) and issubclass(kind, failures.VenueError)
}


def failure(code: str) -> Exception:
    kind = FAILURES[code]
    if kind is failures.OutcomeNotKnown:
        return failures.OutcomeNotKnown("submit", "ask", ConnectionError())
    return kind("it failed")


NOT_SENT = {"connection_failed", "validation_failed"}
REFUSED = {
    "rate_limited",
    "timestamp_refused",
    "order_refused",
    "invalid_order",
    "insufficient_balance",
    "market_closed",
    "authentication_failed",
    "account_blocked",
}
DOUBTFUL = {
    "venue_error",
    "network_error",
    "connection_lost",
    "request_timeout",
    "service_unavailable",
    "unreadable_answer",
    "order_not_found_at_venue",
    "outcome_not_known",
}
PROVES_IT_IS_THERE = {"duplicate_order_id"}


def test_the_failures_below_are_all_there_are() -> None:
    assert FAILURES.keys() == NOT_SENT | REFUSED | DOUBTFUL | PROVES_IT_IS_THERE


@pytest.mark.parametrize("code", sorted(FAILURES))
def test_a_submit_that_fails_ends_in_what_the_error_proves(
    book: Book, venue: ScriptedVenue, code: str
) -> None:
    venue.failing["submit"] = failure(code)
    answer = book.submit(order())
    expected = (
        OrderState.FAILED
        if code in NOT_SENT
        else OrderState.REJECTED
        if code in REFUSED
        else OrderState.ACKNOWLEDGED
        if code in PROVES_IT_IS_THERE
        else OrderState.UNKNOWN
    )
    found = book.orders.get("order-1")
    assert answer.outcome is Outcome.APPLIED
    assert found.state is expected
    assert (FAILURES[code].__name__ in found.reason) is (code not in PROVES_IT_IS_THERE)
    asked = code in DOUBTFUL | PROVES_IT_IS_THERE
    assert venue.kinds() == ["SendOrder"] + ["QueryOrder"] * asked, "tried once"


@pytest.mark.parametrize("code", sorted(FAILURES))
@pytest.mark.parametrize("call", ["cancel", "amend"])
def test_a_request_that_fails_never_ends_a_live_order(
    book: Book, venue: ScriptedVenue, call: str, code: str
) -> None:
    book.submit(order())
    book.apply([acknowledged()])
    venue.sent.clear()
    venue.failing[call] = failure(code)
    if call == "cancel":
        book.cancel("order-1")
    else:
        book.amend("order-1", price="99")
    found = book.orders.get("order-1")
    pending = "pending_cancel" if call == "cancel" else "pending_replace"
    assert (found.state, str(found.price)) == (OrderState.ACKNOWLEDGED, "100")
    doubtful = (pending, f"{call}_unknown") if code in DOUBTFUL else ()
    assert found.flags == ((pending,) if code in PROVES_IT_IS_THERE else doubtful)
    assert venue.kinds()[1:] == ["QueryOrder"] * (code in DOUBTFUL)


@pytest.mark.parametrize("error", [*map(failure, sorted(FAILURES)), ValueError("?"), KeyError("?")], ids=repr)
def test_a_question_that_fails_leaves_the_order_unknown_and_is_told(
    journal: MemoryJournal, venue: ScriptedVenue, error: Exception
) -> None:
    alerts: list[Alert] = []
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=alerts.append)
    venue.failing = {"submit": failures.ConnectionLost("gone"), "query": error}
    book.submit(order())
    assert book.orders.get("order-1").state is OrderState.UNKNOWN
    assert [(alert.code, alert.client_order_id) for alert in alerts] == [("query_unanswered", "order-1")]
    assert type(error).__name__ in alerts[0].message


def test_an_external_order_that_turns_out_to_be_ours_is_not_asked_after_any_more(
    journal: MemoryJournal, venue: ScriptedVenue
) -> None:
    book = open_book(journal, instruments=[BITCOIN], venue=venue)
    venue.failing["submit"] = failures.RequestTimeout("slow")
    book.submit(order())
    at_venue: dict[str, Any] = {"ts_ns": START_NS, "venue_order_id": "V1", "symbol": "BTC-USD"}
    rests: dict[str, Any] = {"side": "buy", "leaves": "1", "price": "100"}
    book.apply([AcknowledgeReport(**at_venue, **rests)])
    (external,) = [known for known in book.orders if known.external]
    venue.failing["cancel"] = failures.RequestTimeout("slow")
    cancelled = book.cancel(external.client_order_id).order
    assert cancelled is not None
    assert "cancel_unknown" in cancelled.flags
    book.apply([AcknowledgeReport(**at_venue, client_order_id="order-1")])
    assert external.client_order_id not in [known.client_order_id for known in book.orders]
    resolver = book._channel.resolver
    assert resolver is not None
    assert list(resolver._watches) == []


def test_not_found_is_no_proof_of_absence(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    alerts: list[Alert] = []
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=alerts.append)
    venue.failing["submit"] = failures.RequestTimeout("slow")
    book.submit(order())
    assert book.orders.get("order-1").state is OrderState.UNKNOWN
    assert [alert.code for alert in alerts] == ["query_unanswered"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("no JSON"), OSError("reset")], ids=repr)
def test_a_foreign_error_proves_nothing(book: Book, venue: ScriptedVenue, error: Exception) -> None:
    venue.failing["submit"] = error
    book.submit(order())
    assert book.orders.get("order-1").state is OrderState.UNKNOWN


def test_a_cancel_reject_leaves_the_order_alive(book: Book) -> None:
    book.submit(order())
    book.apply([acknowledged()])
    book.cancel("order-1", request_id="C1")
    (answer,) = book.apply(
        [CancelRejectReport(ts_ns=START_NS, client_order_id="order-1", request_id="C1", reason="too late")]
    )
    assert answer.order is not None
    assert (answer.order.state, answer.order.flags) == (OrderState.ACKNOWLEDGED, ())


def test_an_answer_is_not_lost_with_the_connection_that_brings_reports(
    journal: MemoryJournal, venue: ScriptedVenue
) -> None:
    """Were it, the caller would not know the order's id, and would ask for another one."""
    alerts: list[Alert] = []
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=alerts.append)
    venue.failing["take_reports"] = failures.ConnectionLost("the stream is gone")
    answer = book.submit(order())
    assert answer.outcome is Outcome.APPLIED
    assert [alert.code for alert in alerts] == ["connection_lost"]
    with pytest.raises(failures.ConnectionLost):
        book.pump()
    assert book.cancel("order-1").ok, "the book is open"


# --- durable before sent, durable before told -----------------------------------------------------------


class Auditor:
    """Reads the journal's file as another program would, through a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def types(self, client_order_id: str) -> list[str]:
        """The types of the records that name an order, as they are on disk now."""
        # apsw, not sqlite3: two SQLite libraries in one process drop each other's locks
        flags = apsw.SQLITE_OPEN_READONLY
        sql = "SELECT type FROM events WHERE client_order_id=? ORDER BY sequence"
        with closing(apsw.Connection(str(self._path), flags=flags)) as connection:
            return [row[0] for row in connection.execute(sql, (client_order_id,))]


def test_nothing_is_sent_before_its_record_is_on_disk(tmp_path: Path, venue: ScriptedVenue) -> None:
    auditor = Auditor(tmp_path / "book.db")
    on_disk: list[tuple[str, str]] = []

    def look(message: Message) -> None:
        key = message.order.client_order_id if isinstance(message, SendOrder) else message.client_order_id
        on_disk.append((type(message).__name__, auditor.types(key)[-1]))

    venue.watching = look
    with open_book(str(tmp_path / "book.db"), instruments=[BITCOIN], venue=venue) as book:
        book.submit_all([order(1), order(2)])
        book.apply([acknowledged(1)])
        book.amend("order-1", quantity="2")
        book.cancel("order-1")
        venue.failing["submit"] = failures.RequestTimeout("slow")
        book.submit(order(3))
    assert on_disk == [
        ("SendOrder", "order_submitted"),
        ("SendOrder", "order_submitted"),
        ("SendAmend", "amend_requested"),
        ("SendCancel", "cancel_requested"),
        ("SendOrder", "order_submitted"),
        ("QueryOrder", "order_outcome_unknown"),
    ]


def test_nobody_is_told_before_its_record_is_on_disk(tmp_path: Path, venue: ScriptedVenue) -> None:
    auditor = Auditor(tmp_path / "book.db")
    on_disk: list[tuple[str, str]] = []

    def look(alert: Alert) -> None:
        on_disk.append((alert.code, auditor.types(alert.client_order_id)[-1]))

    with open_book(str(tmp_path / "book.db"), instruments=[BITCOIN], venue=venue, on_alert=look) as book:
        book.submit(order(1))
        venue.reports += [filled(1), filled(1, execution_id="E2"), filled(1, quantity="3", execution_id="E2")]
        book.pump()
    assert on_disk == [("overfilled", "fill_booked"), ("execution_conflict", "report_parked")]


# --- an append that fails -------------------------------------------------------------------------------


class FailingJournal(MemoryJournal):
    """Fails the next appends as told: one entry each, None for one that works."""

    def __init__(self) -> None:
        super().__init__()
        self.script: list[Exception | None] = []

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        return super().append_all(appends)


APPEND_ERRORS = [NotRecorded("full"), OutcomeUnknown("no sync"), SequenceConflict("two"), RuntimeError("bug")]


@pytest.mark.parametrize("error", APPEND_ERRORS, ids=repr)
def test_a_failed_append_closes_the_book_and_sends_nothing(venue: ScriptedVenue, error: Exception) -> None:
    journal = FailingJournal()
    alerts: list[Alert] = []
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=alerts.append)
    before = seen(book)
    journal.script = [error]
    with pytest.raises(type(error)):
        book.submit_all([order(1), order(2)])
    assert (venue.sent, [alert.code for alert in alerts]) == ([], ["book_closed"])
    calls: list[Callable[[], object]] = [
        lambda: book.submit(order(3)),
        lambda: book.apply([acknowledged()]),
        lambda: book.cancel("order-1"),
        lambda: book.orders,
        lambda: book.positions,
    ]
    for call in calls:
        with pytest.raises(BookClosed, match=f"closed itself on {type(error).__name__}.*Open it again"):
            call()
    again = open_book(journal, venue=venue)
    assert seen(again) == before
    assert again.submit(order(1)).outcome is Outcome.APPLIED
    assert venue.kinds() == ["SendOrder"]


def failing(operation: str, error: type[apsw.Error], after: int = 0) -> Fault:
    """A fault: ``operation`` on the WAL fails, each time after the first ``after``."""
    seen = count()
    return lambda actual, file: (
        error() if (actual, file) == (operation, "wal") and next(seen) >= after else None
    )


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_full_disk_closes_the_book_and_it_goes_on_when_there_is_space(
    tmp_path: Path, venue: ScriptedVenue, fails_at: int
) -> None:
    with FaultyVfs() as vfs, SqliteJournal(tmp_path / "book.db", vfs=vfs.name) as journal:
        book = open_book(journal, instruments=[BITCOIN], venue=venue)
        before = seen(book)
        vfs.fault = failing("write", apsw.FullError, after=fails_at)
        with pytest.raises(JournalFull):
            book.submit(order())
        vfs.fault = None
        assert venue.sent == []
        again = open_book(journal, venue=venue)
        assert seen(again) == before
        again.submit(order())
        assert venue.kinds() == ["SendOrder"]


def test_after_an_unknown_outcome_the_file_says_what_is_there(tmp_path: Path, venue: ScriptedVenue) -> None:
    with FaultyVfs() as vfs:
        journal = SqliteJournal(tmp_path / "book.db", vfs=vfs.name)
        book = open_book(journal, instruments=[BITCOIN], venue=venue)
        vfs.fault = failing("sync", apsw.IOError)
        with pytest.raises(OutcomeUnknown):
            book.submit(order())
        vfs.fault = None
        journal.close()
        assert venue.sent == []
        with SqliteJournal(tmp_path / "book.db") as journal:
            again = open_book(journal, venue=venue)
            known = "order-1" in again.orders
            answer = again.submit(order())
            assert answer.outcome is (Outcome.ALREADY_DONE if known else Outcome.APPLIED)
            assert venue.kinds() == (["QueryOrder"] if known else ["SendOrder"])


def test_a_clock_that_fails_leaves_nothing_half_done(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    """The step is folded by then: were the book to go on, it would be ahead of its journal."""
    ticks = [START_NS] * 99

    book = open_book(journal, instruments=[BITCOIN], venue=venue, clock=lambda: ticks.pop())
    ticks[:] = [START_NS]
    with pytest.raises(IndexError):
        book.submit(order())
    ticks[:] = [START_NS]
    with pytest.raises(BookClosed, match="closed itself on IndexError"):
        book.submit(order())
    assert venue.kinds() == []
    assert len(open_book(journal, venue=venue).orders) == 0


def test_another_writer_is_met_at_the_fence(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    first = open_book(journal, instruments=[BITCOIN], venue=venue)
    second = open_book(journal)
    second.submit(order(1))
    with pytest.raises(SequenceConflict):
        first.submit(order(2))
    assert venue.sent == []
    assert second.submit(order(3)).outcome is Outcome.APPLIED


@pytest.mark.parametrize("error", APPEND_ERRORS, ids=repr)
def test_a_recorded_and_sent_order_is_answered_though_what_follows_cannot_be_recorded(
    venue: ScriptedVenue, error: Exception
) -> None:
    """NotRecorded would say that nothing was sent, and the caller would send it again under another id."""
    journal = FailingJournal()
    alerts: list[Alert] = []
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=alerts.append)
    venue.reports.append(acknowledged())
    journal.script = [None, error]
    answer = book.submit(order())
    assert answer.outcome is Outcome.APPLIED
    assert answer.order is not None
    assert answer.order.client_order_id == "order-1"
    assert venue.kinds() == ["SendOrder"]
    assert [alert.code for alert in alerts] == ["book_closed"]
    assert str(error) in alerts[0].message
    with pytest.raises(BookClosed):
        book.submit(order(2))
    told_again = open_book(journal, venue=venue).orders.get("order-1")
    assert told_again.state is OrderState.ACKNOWLEDGED, "a report that is not recorded is not confirmed"


# --- never sent twice -----------------------------------------------------------------------------------


def test_the_same_order_again_is_the_same_order_whatever_became_of_it(
    storage: Storage, venue: ScriptedVenue
) -> None:
    book = reopened(storage, venue)
    asked = order(metadata={"why": "test"})
    steps: list[tuple[Callable[[], object], OrderState]] = [
        (lambda: None, OrderState.SUBMITTED),
        (lambda: book.apply([acknowledged()]), OrderState.ACKNOWLEDGED),
        (lambda: book.apply([filled(quantity="0.5")]), OrderState.PARTIALLY_FILLED),
        (lambda: book.apply([CancelReport(ts_ns=1, client_order_id="order-1")]), OrderState.CANCELLED),
        (lambda: book.close_order("order-1"), OrderState.CLOSED),
    ]
    book.submit(asked)
    for step, state in steps:
        step()
        head = book.head
        answer = book.submit(asked)
        assert answer.order is not None
        assert (answer.outcome, answer.order.state) == (Outcome.ALREADY_DONE, state)
        assert book.head == head
    assert reopened(storage, venue).submit(asked).outcome is Outcome.ALREADY_DONE
    assert venue.kinds() == ["SendOrder"]


def test_the_same_order_again_is_not_judged_again(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    open_book(journal, instruments=[BITCOIN], venue=venue).submit(order())
    hook = Hook(lambda: RiskResult(RiskDecision.BLOCK))
    book = open_book(journal, venue=venue, risk_hooks=[hook])
    assert book.submit(order()).outcome is Outcome.ALREADY_DONE
    assert hook.asked == []


@pytest.mark.parametrize(
    "other", [{"quantity": "2"}, {"price": "99"}, {"side": "sell"}, {"strategy": "other"}], ids=str
)
def test_the_same_id_for_another_order_is_refused_by_field(
    book: Book, venue: ScriptedVenue, other: dict[str, Any]
) -> None:
    book.submit(order())
    head = book.head
    with pytest.raises(DuplicateClientOrderId) as caught:
        book.submit(order(**other))
    assert [caught.value.field] == list(other)
    assert (book.head, venue.kinds()) == (head, ["SendOrder"])


def test_an_order_without_an_id_gets_a_new_one_each_time(book: Book) -> None:
    for _ in range(3):
        book.submit(order(client_order_id=""))
    ids = [known.client_order_id for known in book.orders]
    assert len(set(ids)) == 3
    assert all(len(key) == 32 and int(key, 16) for key in ids)
    assert ids == sorted(ids)


def test_a_cancel_that_is_pending_is_not_sent_again(book: Book, venue: ScriptedVenue) -> None:
    book.submit(order())
    assert book.cancel("order-1").outcome is Outcome.APPLIED
    assert book.cancel("order-1").outcome is Outcome.ALREADY_DONE
    assert venue.kinds() == ["SendOrder", "SendCancel"]


def test_an_execution_told_twice_is_booked_once(book: Book) -> None:
    book.submit(order())
    first, second = book.apply([filled(), filled()])
    assert (first.outcome, second.outcome) == (Outcome.APPLIED, Outcome.ALREADY_DONE)
    assert book.positions.position("BTC-USD").quantity == 1


def test_a_fill_enters_both_ledgers(book: Book) -> None:
    book.submit(order())
    book.apply([filled(quantity="0.25")])
    assert book.orders.get("order-1").filled == book.positions.position("BTC-USD").quantity == Decimal("0.25")
    invariants.check(book._writer.state)


def test_a_live_order_cannot_be_settled_and_closed(book: Book) -> None:
    book.submit(order())
    for state in (OrderState.SUBMITTED, OrderState.ACKNOWLEDGED):
        answer = book.close_order("order-1")
        assert answer.outcome is Outcome.REFUSED
        assert answer.refusal is not None
        assert "cancel_request" in answer.refusal.allowed
        assert book.orders.get("order-1").state is state
        book.apply([acknowledged()])


# --- what is not acceptable changes nothing -------------------------------------------------------------


def refusing(order: OrderRequest, instrument: Instrument) -> None:
    if order.strategy == "unwanted":
        raise InvalidInput("strategy", "is not wanted here")


BAD_CALLS: list[tuple[str, Callable[[Book], object], type[InvalidInput]]] = [
    ("a float quantity", lambda book: book.submit(order(2, quantity=0.5)), InvalidNumber),
    ("a float price", lambda book: book.submit(order(2, price=100.0)), InvalidNumber),
    ("not a number", lambda book: book.submit(order(2, quantity="NaN")), InvalidNumber),
    ("no quantity", lambda book: book.submit(order(2, quantity="0")), InvalidQuantity),
    ("off the step", lambda book: book.submit(order(2, quantity="0.0001")), InvalidQuantity),
    ("off the tick", lambda book: book.submit(order(2, price="100.25")), InvalidPrice),
    ("a market order with a price", lambda book: book.submit(order(2, order_type="market")), InvalidPrice),
    ("no such side", lambda book: book.submit(order(2, side="hold")), UnknownEnumValue),
    ("a side nobody disclosed", lambda book: book.submit(order(2, side="undisclosed")), InvalidInput),
    ("no such instrument", lambda book: book.submit(order(2, symbol="ETH-USD")), UnknownInstrument),
    ("a user's own rule", lambda book: book.submit(order(2, strategy="unwanted")), InvalidInput),
    ("one bad of many", lambda book: book.submit_all([order(2), order(3, price="0.1")]), InvalidPrice),
    ("cancel of nothing", lambda book: book.cancel("order-9"), UnknownOrder),
    ("amend of nothing", lambda book: book.amend("order-9", price=1), UnknownOrder),
    ("a float amend", lambda book: book.amend("order-1", price=1.5), InvalidNumber),  # type: ignore[arg-type]
    ("an amend off the tick", lambda book: book.amend("order-1", price="1.3"), InvalidPrice),
    ("an amend to nothing", lambda book: book.amend("order-1", quantity=0), InvalidQuantity),
    ("close of nothing", lambda book: book.close_order("order-9"), UnknownOrder),
    ("release of nothing", lambda book: book.release("order-9"), UnknownOrder),
    ("release of no text", lambda book: book.release("\ud800"), InvalidInput),
    ("release of no string", lambda book: book.release(["order-1"]), InvalidInput),  # type: ignore[arg-type]
    ("a float transfer", lambda book: book.transfer_cash("t1", "USD", 0.1), InvalidNumber),  # type: ignore[arg-type]
    ("another currency", lambda book: book.define_instrument(Instrument(symbol="BTC-USD", currency="EUR")),
     InvalidInput),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error"), [pytest.param(call, error, id=name) for name, call, error in BAD_CALLS]
)
def test_what_is_not_acceptable_raises_and_changes_nothing(
    journal: MemoryJournal, venue: ScriptedVenue, call: Callable[[Book], object], error: type[InvalidInput]
) -> None:
    book = open_book(journal, instruments=[BITCOIN], venue=venue, validators=[refusing])
    book.submit(order(1))
    before, sent = seen(book), venue.kinds()
    with pytest.raises(error):
        call(book)
    assert (seen(book), venue.kinds()) == (before, sent)
    assert book.submit(order(5)).outcome is Outcome.APPLIED, "the book is open and goes on"


def test_reports_that_cannot_be_made_leave_the_book_open_and_as_it_was(book: Book) -> None:
    """A lazy adapter's error comes while its reports are taken; what came before it is not half booked."""

    def reports() -> Any:
        yield acknowledged()
        yield acknowledged(quantity_that_is_no_field=1)

    book.submit(order())
    before = seen(book)
    with pytest.raises(TypeError):
        book.apply(reports())
    assert seen(book) == before
    (answer,) = book.apply([acknowledged()])
    assert answer.outcome is Outcome.APPLIED


def test_reports_are_made_in_their_makers_own_arithmetic(book: Book) -> None:
    book.submit(order())
    price = Decimal(1)
    book.apply(filled(quantity=str((price / 3).quantize(Decimal("0.001")))) for _ in range(1))
    assert book.orders.get("order-1").filled == Decimal("0.333")


# --- several at once ------------------------------------------------------------------------------------


class CountingJournal(MemoryJournal):
    """Counts its appends."""

    appends = 0

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        self.appends += 1
        return super().append_all(appends)


def test_many_orders_are_one_commit_and_are_sent_in_order(venue: ScriptedVenue) -> None:
    journal = CountingJournal()
    book = open_book(journal, instruments=[BITCOIN], venue=venue)
    before = journal.appends
    answers = book.submit_all(order(number) for number in range(100))
    assert journal.appends == before + 1
    assert [answer.outcome for answer in answers] == [Outcome.APPLIED] * 100
    sent = [message.order.client_order_id for message in venue.sent if isinstance(message, SendOrder)]
    assert sent == [f"order-{number}" for number in range(100)]
    assert book.submit_all([]) == []


def test_the_same_order_twice_in_one_call_is_one_order(book: Book, venue: ScriptedVenue) -> None:
    first, second = book.submit_all([order(1), order(1)])
    assert (first.outcome, second.outcome) == (Outcome.APPLIED, Outcome.ALREADY_DONE)
    assert venue.kinds() == ["SendOrder"]


@pytest.mark.parametrize("known", [False, True], ids=["in one call", "known before"])
def test_an_id_that_stands_for_two_orders_submits_none_of_the_call(
    book: Book, venue: ScriptedVenue, known: bool
) -> None:
    """Else those before it would be recorded as sent, without being sent, and without an answer."""
    if known:
        book.submit(order(2))
    before, sent = seen(book), venue.kinds()
    with pytest.raises(DuplicateClientOrderId, match="order-2"):
        book.submit_all([order(1), order(2, price="99"), order(2, price="98.5")])
    assert (seen(book), venue.kinds()) == (before, sent)


# --- risk -----------------------------------------------------------------------------------------------


class Hook:
    """Decides as told, and notes what it was asked."""

    def __init__(self, decide: Callable[[], Any]) -> None:
        self.decide = decide
        self.asked: list[RiskContext] = []

    def evaluate_order(self, order: OrderRequest, context: RiskContext) -> RiskResult:
        self.asked.append(context)
        result: RiskResult = self.decide()
        return result


@pytest.mark.parametrize(
    "decide",
    [lambda: 1 / 0, lambda: None, lambda: True, lambda: RiskResult(RiskDecision.BLOCK, "no")],
    ids=["raises", "says nothing", "says True", "blocks"],
)
def test_a_hook_that_does_not_clearly_allow_blocks(
    journal: MemoryJournal, venue: ScriptedVenue, decide: Callable[[], Any]
) -> None:
    book = open_book(journal, instruments=[BITCOIN], venue=venue, risk_hooks=[Hook(decide)])
    answer = book.submit(order())
    assert answer.order is not None
    assert answer.order.state is OrderState.DENIED
    assert answer.order.reason
    assert venue.kinds() == []


def test_a_hook_sees_what_is_committed(journal: MemoryJournal) -> None:
    hook = Hook(lambda: RiskResult(RiskDecision.ALLOW))
    book = open_book(journal, instruments=[BITCOIN], risk_hooks=[hook])
    book.submit(order(1))
    book.apply([filled(1, "0.4")])
    book.submit(order(2))
    context = hook.asked[-1]
    assert (context.position, context.open_orders, context.instrument) == (Decimal("0.4"), 1, BITCOIN)


def test_a_users_own_arithmetic_is_not_disturbed(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    """The core traps what is inexact; hooks, validators, venues and listeners must not feel that."""
    thirds: list[Decimal] = []

    def inexact(*_: object) -> RiskResult:
        thirds.append(Decimal(1) / 3 + Decimal.from_float(0.1))
        return RiskResult(RiskDecision.ALLOW)

    venue.watching = inexact  # type: ignore[assignment]  # what it returns is of no interest
    with decimal.localcontext(prec=9) as own:
        book = open_book(
            journal,
            instruments=[BITCOIN],
            venue=venue,
            risk_hooks=[Hook(inexact)],
            validators=[inexact],  # type: ignore[list-item]  # as above
            on_alert=inexact,  # type: ignore[arg-type]  # as above
        )
        book.submit(order())
        book.apply([filled(quantity="2")])
        assert decimal.getcontext() is own
    assert thirds == [Decimal("0.433333333")] * 4


# --- alerts ---------------------------------------------------------------------------------------------


def test_a_listener_that_raises_harms_nobody_but_itself(journal: MemoryJournal) -> None:
    def broken(alert: Alert) -> None:
        raise RuntimeError(alert.code)

    book = open_book(journal, instruments=[BITCOIN], on_alert=broken)
    book.submit(order())
    (answer,) = book.apply([filled(quantity="2")])
    assert answer.order is not None
    assert answer.order.flags == ("overfilled",)
    assert seen(open_book(journal)).head == book.head


def test_a_listener_may_act_on_the_book(journal: MemoryJournal, venue: ScriptedVenue) -> None:
    def stop(alert: Alert) -> None:
        for live in trading.orders.open_orders():
            trading.cancel(live.client_order_id)

    trading = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=stop)
    trading.submit_all([order(1), order(2)])
    trading.apply([filled(1, quantity="2")])
    assert venue.kinds() == ["SendOrder", "SendOrder", "SendCancel"]
    assert trading.orders.get("order-2").flags == ("pending_cancel",)


# --- whose book, whose journal --------------------------------------------------------------------------


def test_two_books_in_one_journal_know_nothing_of_each_other(storage: Storage) -> None:
    journal = storage.open()
    first = open_book(journal, "first", instruments=[BITCOIN])
    second = open_book(journal, "second", instruments=[BITCOIN])
    first.submit(order(1))
    second.submit(order(1, side="sell"))
    second.apply([filled(1)])
    first.apply([filled(1, "0.5")])
    before = seen(first), seen(second)
    first.close()
    assert journal.books() == ["first", "second"]
    assert seen(second) == before[1] == seen(open_book(journal, "second"))
    first = open_book(journal, "first")
    assert seen(first) == before[0]
    quantities = [str(book.positions.position("BTC-USD").quantity) for book in (first, second)]
    assert quantities == ["0.5", "-1"]


def test_a_book_closes_a_journal_that_it_opened_and_no_other(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "book.db") as journal:
        open_book(journal).close()
        assert journal.books() == ["main"], "its owner may go on using it"
    address = f"sqlite:///{tmp_path / 'book.db'}"
    open_book(address).close()
    open_book(address).close()


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'book.db'}"
    program = "import sys, execore; execore.open_book(sys.argv[1])"
    with open_book(address) as book:
        with pytest.raises(JournalOwned, match="is owned by process"):
            open_book(address)
        other = subprocess.run([sys.executable, "-c", program, address], capture_output=True, text=True)
        assert "JournalOwned" in other.stderr
        book.transfer_cash("t1", "USD", 1)
    assert open_book(address).head.sequence == 2


def test_a_book_that_could_not_be_opened_lets_go_of_its_file(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'book.db'}"
    deaf = ScriptedVenue()
    deaf.failing["take_reports"] = failures.ConnectionFailed("no route")
    with pytest.raises(failures.ConnectionFailed):
        open_book(address, venue=deaf)
    with open_book(address) as book:
        assert book.head.sequence == 1


def test_a_closed_book_does_nothing_more(book: Book) -> None:
    book.close()
    book.close()
    with pytest.raises(BookClosed):
        book.submit(order())


def test_an_unknown_cost_method_makes_no_journal(tmp_path: Path) -> None:
    with pytest.raises(UnknownEnumValue, match=r"cost_method.*average"):
        open_book(str(tmp_path / "book.db"), cost_method="dearest")
    assert list(tmp_path.iterdir()) == []


def test_a_book_keeps_the_cost_method_and_the_position_mode_it_began_with(journal: MemoryJournal) -> None:
    head = open_book(journal).head
    with pytest.raises(InvalidConfiguration, match="began with average, not fifo"):
        open_book(journal, cost_method="fifo")
    with pytest.raises(InvalidConfiguration, match="began with netting, not hedging"):
        open_book(journal, position_mode="hedging")
    assert journal.head("main") == head
    hedging = open_book(journal, "other", cost_method="lifo", position_mode="hedging")
    assert (hedging.positions.cost_method, hedging.positions.position_mode) == ("lifo", "hedging")


def test_an_empty_journal_is_begun_once(journal: MemoryJournal) -> None:
    assert journal.head("main") == EMPTY_HEAD
    first = open_book(journal, instruments=[BITCOIN]).head
    assert (first.sequence, open_book(journal, instruments=[BITCOIN]).head) == (2, first)


# --- projections ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Any:
    with SqliteJournal(tmp_path / "book.db") as journal:
        yield journal


EXTERNAL_REPORTS: list[VenueReport] = [
    filled(quantity="0.1", execution_id="E11", **strangers("X1", side="buy")),
    filled(quantity="0.2", execution_id="E12", **strangers("X2")),  # nobody says its side yet
    filled(quantity="0.3", execution_id="E13", **strangers("V3")),  # and it turns out to be order-3's
    acknowledged(3),
    acknowledged(**strangers("X2", side="sell", leaves="1", price="100")),
]


def test_the_tables_say_what_the_ledgers_say_after_every_commit(file: SqliteJournal) -> None:
    book = open_book(file, instruments=[BITCOIN], venue=(venue := paper_venue()))
    steps: list[Callable[[], object]] = [
        lambda: book.submit(order(1, price="101")),
        lambda: book.submit(order(2, side="sell", quantity="2", price="99")),
        lambda: book.amend("order-2", price="100"),
        lambda: venue.on_trade("BTC-USD", 100, "0.5", START_NS + 1),
        book.pump,
        lambda: book.cancel("order-2"),
        lambda: book.close_order("order-1"),
    ]
    for step in steps:
        step()
        assert_projected(file, book)
    book.close()
    assert_projected(file, open_book(file))


@pytest.mark.parametrize("size", [1, len(EXTERNAL_REPORTS)], ids=["one by one", "in one commit"])
def test_the_tables_follow_orders_that_turn_out_to_be_others(file: SqliteJournal, size: int) -> None:
    book = open_book(file, instruments=[BITCOIN])
    book.submit(order(3))
    for first in range(0, len(EXTERNAL_REPORTS), size):
        book.apply(EXTERNAL_REPORTS[first : first + size])
        assert_projected(file, book)
    assert book.positions.position("BTC-USD").undisclosed == 0
    assert book.positions.position("BTC-USD").quantity == Decimal("0.2")


def test_tables_that_lag_are_rebuilt_when_the_book_opens(file: SqliteJournal) -> None:
    book = open_book(file, instruments=[BITCOIN, Instrument(symbol="ETH-USD", currency="USD")])
    book.submit_all([order(1), order(2), order(3)])
    fee = {"fee": "0.1", "fee_currency": "USD"}
    book.apply([acknowledged(1), acknowledged(2), filled(1, "0.5", **fee), *EXTERNAL_REPORTS[1:]])
    complete = dump(file)
    file.clear_projections("main")
    book.submit(order(4))
    book.apply([acknowledged(4)])
    assert file.projection_head("main") < book.head.sequence, "what was cleared lags until it is rebuilt"
    with pytest.raises(JournalError, match="lag behind"):
        list(queries.orders(file))
    again = open_book(file)
    assert_projected(file, again)
    rebuilt = dump(file)
    assert [row for row in rebuilt[0] if row[1] != "order-4"] == complete[0]
    assert rebuilt[1:3] == complete[1:3]
    again.submit(order(5))
    assert_projected(file, again)


def test_tables_of_other_books_are_left_alone(file: SqliteJournal) -> None:
    other = open_book(file, "other", instruments=[BITCOIN])
    other.submit(order(7))
    open_book(file).close()
    file.clear_projections("main")
    open_book(file)
    found = [(view["book"], view["client_order_id"]) for view in queries.orders(file)]
    assert found == [("other", "order-7")]


# --- what a reviewer broke -----------------------------------------------------------------------------


def test_reports_taken_from_the_venue_and_not_recorded_are_asked_for_again(
    tmp_path: Path,
) -> None:
    """A fill that was taken and then could not be appended is not lost: an open order is asked after."""
    venue = PaperVenue("paper", [BITCOIN], start_ts_ns=0)
    path = tmp_path / "book.db"
    venue.on_quote("BTC-USD", 99, 1, 101, 1, ts_ns=1)
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN], venue=venue)
        book.submit(order())
        venue.on_trade("BTC-USD", 90, 5, ts_ns=2)
        assert venue.take_reports(), "the venue has told, and what it told goes nowhere"
        book.close()
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN], venue=venue)
        assert book.orders.get("order-1").state is OrderState.FILLED


@pytest.mark.parametrize("refused", [{"side": "undisclosed"}, {"price": "0.1"}, {"symbol": "ETH-USD"}])
def test_one_bad_order_of_many_leaves_none_recorded_and_unsent(
    book: Book, venue: ScriptedVenue, refused: dict[str, Any]
) -> None:
    before = seen(book), venue.kinds()
    with pytest.raises(InvalidInput):
        book.submit_all([order(1), order(2, **refused)])
    assert (seen(book), venue.kinds()) == before
