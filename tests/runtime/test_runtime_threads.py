"""The runtime under many threads: one writer, one commit for what is queued, and nobody told too early."""

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from execore import (
    AuditLog,
    MemoryJournal,
    OrderState,
    Outcome,
    RiskDecision,
    RiskResult,
    RuntimeBook,
    SqliteJournal,
)
from execore.core import invariants
from execore.journal.codec import decode_record
from execore.model.errors import (
    BookClosed,
    Busy,
    InvalidConfiguration,
    JournalError,
    NotRecorded,
    NotYetSettled,
    OutcomeUnknown,
    SequenceConflict,
)
from execore.model.events import OrderCreated
from execore.model.failures import ConnectionLost
from execore.model.orders import Order
from execore.model.reports import AcknowledgeReport, FillReport
from execore.runtime.drivers import ThreadDriver
from execore.runtime.handle import Handle
from execore.runtime.opening import BookSettings, Surroundings
from execore.runtime.recovery import rebuild
from execore.runtime.runtime import open_runtime
from execore.venues.protocol import QueryAnswer
from runtime_support.threaded_venue import (
    PATIENCE,
    Alerts,
    HeldJournal,
    ThreadedVenue,
    opened,
    said,
    state_of,
    together,
)
from runtime_support.trading import BITCOIN, order


class OneAtATime:
    """A cap of the whole book: one open order."""

    def evaluate_order(self, request: Any, context: Any) -> RiskResult:
        if context.open_orders < 1:
            return RiskResult(RiskDecision.ALLOW)
        return RiskResult(RiskDecision.BLOCK, "one is open", "one")


def asks(books: list[RuntimeBook]) -> Callable[[int], Any]:
    """Each caller submits an order to one of the books."""
    return lambda number: books[number % len(books)].submit(order(number)).wait(PATIENCE)


# --- one cap, one winner ------------------------------------------------------------------------------------


@pytest.mark.parametrize("books", [1, 3])
def test_ws087_of_fifty_who_meet_a_cap_at_once_exactly_one_gets_in(books: int) -> None:
    for _ in range(10):
        venues = [ThreadedVenue(answers=False) for _ in range(books)]
        settings = [
            BookSettings(name=f"book-{n}", instruments=(BITCOIN,), venue=venue, risk_hooks=(OneAtATime(),))
            for n, venue in enumerate(venues)
        ]
        with open_runtime(MemoryJournal(), settings) as runtime:
            mine = [runtime.book(each.name) for each in settings]
            answers = together(50, asks(mine))
        for number, venue in enumerate(venues):
            states = [answer.order.state for answer in answers[number::books]]
            assert states.count(OrderState.SUBMITTED) == 1
            assert states.count(OrderState.DENIED) == len(states) - 1
            assert len(venue.orders()) == 1


# --- traffic ------------------------------------------------------------------------------------------------


def test_threads_with_mixed_requests_leave_books_that_hold(tmp_path: Path) -> None:
    threads, each = 8, 200
    path, venue = tmp_path / "book.db", ThreadedVenue()

    def trade(number: int) -> int:
        chance, sent = Random(number), 0
        for turn in range(each):
            key = f"order-{number * each + turn}"
            answer = book.submit(order(number * each + turn)).wait(PATIENCE)
            sent += state_of(answer) is not OrderState.DENIED
            kind = chance.random()
            if kind < 0.2:
                book.until(key, such=lambda it: it.acknowledged).wait(PATIENCE)
                book.amend(key, price="99").wait(PATIENCE)
            if kind < 0.4:
                book.cancel(key).wait(PATIENCE)
            elif kind < 0.42:
                book.cancel_all(strategy=f"none-{number}").wait(PATIENCE)
        return sent

    with SqliteJournal(path) as journal, opened(journal, venue) as runtime:
        book = runtime.book()
        assert together(threads, trade) == [each] * threads
        book.cancel_all().wait(PATIENCE)
        for number in range(threads * each):
            book.until(f"order-{number}", such=lambda it: not it.is_open).wait(PATIENCE)
        with book.view() as state:
            invariants.check(state)
    assert sorted(venue.orders()) == sorted(f"order-{number}" for number in range(threads * each))
    with SqliteJournal(path) as journal:
        AuditLog(journal, "main").verify()
        state, _ = rebuild(journal, "main")
        invariants.check(state)
        created = [
            record.event.client_order_id
            for record in map(decode_record, journal.read("main"))
            if isinstance(record.event, OrderCreated)
        ]
        assert sorted(created) == sorted(venue.orders())
        assert not state.orders.open_orders()


# --- group commit, and nobody before it ---------------------------------------------------------------------


def test_what_is_queued_while_the_writer_waits_is_one_commit() -> None:
    journal, venue = HeldJournal(), ThreadedVenue(answers=False)
    with opened(journal, venue) as runtime:
        book = runtime.book()
        before = len(journal.commits)
        with book.view():
            handles = [book.submit(order(number)) for number in range(100)]
        for handle in handles:
            assert handle.wait(PATIENCE).outcome is Outcome.APPLIED
        assert journal.commits[before:] == [200]


def test_nobody_is_told_and_nothing_is_sent_before_the_commit_is_over() -> None:
    journal, venue, told = HeldJournal(), ThreadedVenue(), Alerts()
    with opened(journal, venue, on_alert=told) as runtime:
        book, called = runtime.book(), threading.Event()
        journal.entered.clear()
        journal.held.clear()
        handle = book.submit(order(1))
        handle.call_back(lambda _: called.set())
        assert journal.entered.wait(PATIENCE)
        assert not handle.is_settled
        with pytest.raises(TimeoutError):
            handle.wait(0.01)
        assert (venue.sent, told.codes, called.is_set()) == ([], [], False)
        looked: list[Any] = []
        looking = threading.Thread(target=lambda: looked.append(book.find_order("order-1")))
        looking.start()
        assert book.head.sequence == 2
        journal.held.set()
        assert state_of(handle.wait(PATIENCE)) is OrderState.SUBMITTED
        assert called.wait(PATIENCE)
        looking.join(PATIENCE)
        assert looked[0].state in (OrderState.SUBMITTED, OrderState.ACKNOWLEDGED)  # it waited for the commit


def test_reports_are_confirmed_after_the_commit_only() -> None:
    journal, venue = HeldJournal(), ThreadedVenue()
    with opened(journal, venue) as runtime:
        book = runtime.book()
        venue.held.clear()
        book.submit(order(1)).wait(PATIENCE)
        journal.held.clear()
        journal.entered.clear()
        venue.held.set()
        assert journal.entered.wait(PATIENCE)  # the acknowledgement is being recorded
        assert venue.confirmed == []
        journal.held.set()
        book.until("order-1", OrderState.ACKNOWLEDGED).wait(PATIENCE)
    assert venue.confirmed == [1]


@pytest.mark.parametrize("error", [NotRecorded("full"), OutcomeUnknown("no sync")], ids=repr)
def test_a_commit_that_fails_is_told_to_everybody_in_it(error: Exception) -> None:
    journal, venue, told = HeldJournal(), ThreadedVenue(), Alerts()
    with opened(journal, venue, on_alert=told) as runtime:
        book = runtime.book()
        watched = book.until("order-5", OrderState.FILLED)
        with book.view():
            journal.script = [error]
            handles = [book.submit(order(number)) for number in range(20)]
        for handle in handles:
            with pytest.raises(type(error)):
                handle.wait(PATIENCE)
        with pytest.raises(BookClosed):
            watched.wait(PATIENCE)
        with pytest.raises(BookClosed, match="closed itself"):
            book.submit(order(99)).wait(PATIENCE)
        told.wait_for("book_closed")
        assert book.is_closed
    assert venue.sent == []
    assert told.codes == ["book_closed"]


def test_a_certain_failure_of_one_book_leaves_the_others_open() -> None:
    journal = HeldJournal()
    settings = [BookSettings(name=name, instruments=(BITCOIN,)) for name in ("a", "b")]
    with open_runtime(journal, settings) as runtime:
        a, b = runtime.book("a"), runtime.book("b")
        with a.view():
            conflict = SequenceConflict("somebody else writes a")
            real = journal.append_all

            def fence(appends: Any) -> Any:
                if any(each.book == "a" for each in appends):
                    raise conflict
                return real(appends)

            journal.append_all = fence  # type: ignore[method-assign]
            handles = [book.submit(order(n)) for n in range(4) for book in (a, b)]
        for handle in handles[0::2]:
            with pytest.raises(SequenceConflict):
                handle.wait(PATIENCE)
        for handle in handles[1::2]:
            assert handle.wait(PATIENCE).outcome is Outcome.APPLIED
        assert (a.is_closed, b.is_closed) == (True, False)


def test_an_unknown_outcome_closes_every_book() -> None:
    journal = HeldJournal()
    settings = [BookSettings(name=name, instruments=(BITCOIN,)) for name in ("a", "b")]
    with open_runtime(journal, settings) as runtime:
        journal.script = [OutcomeUnknown("no sync")]
        with pytest.raises(OutcomeUnknown):
            runtime.book("a").submit(order(1)).wait(PATIENCE)
        with pytest.raises(BookClosed):
            runtime.book("b").submit(order(1)).wait(PATIENCE)


# --- bounded ------------------------------------------------------------------------------------------------


def test_a_full_queue_is_busy_at_once_and_takes_nothing() -> None:
    journal, venue = HeldJournal(), ThreadedVenue()
    with opened(journal, venue, queue_size=10) as runtime:
        book = runtime.book()
        journal.held.clear()
        journal.entered.clear()
        first = book.submit(order(0))
        assert journal.entered.wait(PATIENCE)  # the writer has taken it, and is held
        queued = [book.submit(order(number)) for number in range(1, 11)]
        with pytest.raises(Busy):
            book.submit(order(11))
        urgent = book.cancel_all()  # a mass cancel finds room all the same
        journal.held.set()
        for handle in (first, *queued):
            assert handle.wait(PATIENCE).outcome is Outcome.APPLIED
        assert urgent.wait(PATIENCE)
        assert book.find_order("order-11") is None
        assert book.submit(order(11)).wait(PATIENCE).outcome is Outcome.APPLIED


def test_a_flood_of_requests_does_not_keep_reports_waiting() -> None:
    venue = ThreadedVenue()
    with opened(None, venue) as runtime:
        book, over = runtime.book(), threading.Event()

        def flood() -> None:
            number = 1_000
            while not over.is_set():
                number += 1
                try:
                    book.submit(order(number))
                except Busy:
                    over.wait(0.0001)

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            assert book.submit(order(2)).wait(PATIENCE).outcome is Outcome.APPLIED
            assert book.until("order-2", OrderState.FILLED).wait(PATIENCE).filled == order(2).quantity
        finally:
            over.set()
            flooding.join(PATIENCE)
            runtime.close(timeout_seconds=0.5)


def test_settings_that_cannot_work_together_are_refused() -> None:
    venue = ThreadedVenue()
    with pytest.raises(InvalidConfiguration, match="same venue"):
        open_runtime("memory:", [BookSettings(name="a", venue=venue), BookSettings(name="b", venue=venue)])
    with pytest.raises(InvalidConfiguration, match="twice"):
        open_runtime("memory:", [BookSettings(name="a"), BookSettings(name="a")])
    with pytest.raises(InvalidConfiguration, match="no asyncio loop"):
        open_runtime("memory:", own_thread=False)
    with opened() as runtime, pytest.raises(InvalidConfiguration, match="not open here"):
        runtime.book("other")


# --- waiting where nobody would answer ----------------------------------------------------------------------


def test_a_hook_that_waits_for_its_own_book_is_told_so() -> None:
    seen: list[Any] = []

    class Curious:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            if request.client_order_id == "order-1":
                for call in (lambda: book.submit(order(2)).wait(), lambda: runtime.close()):
                    with pytest.raises(NotYetSettled) as raised:
                        call()
                    seen.append(str(raised.value))
            return RiskResult(RiskDecision.ALLOW)

    with opened(risk_hooks=(Curious(),)) as runtime:
        book = runtime.book()
        assert book.submit(order(1)).wait(PATIENCE).outcome is Outcome.APPLIED
        assert "the one that answers" in seen[0]
        assert "its own end" in seen[1]
        book.until("order-2", OrderState.SUBMITTED).wait(PATIENCE)  # what it asked is done all the same


def test_who_holds_a_view_cannot_wait_for_the_writer() -> None:
    with opened() as runtime:
        book = runtime.book()
        with book.view():
            handle = book.submit(order(1))
            with pytest.raises(NotYetSettled, match="view"):
                handle.wait()
        assert handle.wait(PATIENCE).outcome is Outcome.APPLIED


def test_who_holds_a_view_cannot_close() -> None:
    """It waited for the writer until its time was up, and then called it stuck."""
    with opened() as runtime:
        with runtime.book().view(), pytest.raises(NotYetSettled, match="view"):
            runtime.close()
        assert runtime.book().submit(order(1)).wait(PATIENCE).outcome is Outcome.APPLIED


def test_a_view_stays_as_it_is_while_it_is_looked_at() -> None:
    with opened() as runtime:
        book = runtime.book()
        with book.view() as state:
            handle = book.submit(order(1))
            assert len(state.orders) == 0
            assert not handle.is_settled
        handle.wait(PATIENCE)
        assert [each.client_order_id for each in book.open_orders()] == ["order-1"]
        assert book.position("BTC-USD").quantity == 0


def test_a_watch_is_fulfilled_by_what_a_group_does_of_itself() -> None:
    venue = ThreadedVenue(answers=False)
    with opened(None, venue) as runtime:
        book = runtime.book()
        legs = [order(1, side="sell", price="110"), order(2, side="sell", price="120")]
        watched = book.until("order-2", such=lambda it: bool(it.pending_cancels))
        book.groups.submit("one_cancels_other", legs).wait(PATIENCE)
        venue.report(*(said(AcknowledgeReport, f"order-{n}", venue_order_id=f"V{n}") for n in (1, 2)))
        venue.report(said(FillReport, "order-1", execution_id="E1", quantity=Decimal(1), price=Decimal(110)))
        assert watched.wait(PATIENCE).pending_cancels


# --- ends ---------------------------------------------------------------------------------------------------


def test_closing_carries_out_what_was_taken_and_takes_no_more() -> None:
    venue = ThreadedVenue()
    runtime = opened(None, venue)
    book = runtime.book()
    with book.view():
        handles = [book.submit(order(number)) for number in range(50)]
    runtime.close()
    assert all(handle.result().outcome is Outcome.APPLIED for handle in handles)
    assert len(venue.orders()) == 50
    with pytest.raises(BookClosed):
        book.submit(order(99))
    runtime.close()
    assert runtime.is_closed
    assert runtime.wait_closed(0)


def test_closing_with_cancels_waits_until_nothing_is_open() -> None:
    venue, journal = ThreadedVenue(), MemoryJournal()
    runtime = opened(journal, venue)
    with runtime.book().view():
        for number in (1, 3, 5):
            runtime.book().submit(order(number))
    runtime.close(cancel_open=True, timeout_seconds=PATIENCE)
    state, _ = rebuild(journal, "main")
    assert [each.state for each in state.orders] == [OrderState.CANCELLED] * 3


def test_a_venue_that_blocks_for_ever_does_not_hold_up_the_end() -> None:
    venue = ThreadedVenue()
    runtime = opened(None, venue)
    venue.held.clear()
    watched = runtime.book().until("order-1", OrderState.FILLED)
    runtime.book().submit(order(1)).wait(PATIENCE)
    assert venue.entered.wait(PATIENCE)
    began = time.monotonic()
    runtime.close(timeout_seconds=0.3, cancel_open=True)
    assert time.monotonic() - began < PATIENCE / 2
    with pytest.raises(BookClosed):
        watched.wait(PATIENCE)
    venue.held.set()


def test_what_a_closed_runtime_has_not_begun_to_send_is_never_sent() -> None:
    venue = ThreadedVenue(answers=False)
    runtime = opened(None, venue)
    venue.held.clear()
    for number in (1, 2):
        runtime.book().submit(order(number)).wait(PATIENCE)
    assert venue.entered.wait(PATIENCE)
    runtime.close(timeout_seconds=0.2)
    lane = next(each for each in threading.enumerate() if each.name == "execore venue threaded")
    venue.held.set()
    lane.join(PATIENCE)
    assert not lane.is_alive()
    assert venue.orders() == ["order-1"]  # who opens the book again has settled what became of the other


class Searching(ThreadedVenue):
    """Searches everything: an order that has not arrived is absent."""

    def query(self, message: Any) -> QueryAnswer:
        found = message.client_order_id in self.orders()
        return QueryAnswer.FOUND if found else QueryAnswer.ABSENT


def test_an_order_whose_sending_hangs_is_not_absent_for_a_book_that_is_opened_again() -> None:
    """It arrives when the client comes back: FAILED would not be true by then."""
    venue, journal, told = Searching(), MemoryJournal(), Alerts()
    runtime = opened(journal, venue)
    venue.held.clear()
    runtime.book().submit(order(1)).wait(PATIENCE)
    assert venue.entered.wait(PATIENCE)
    runtime.close(timeout_seconds=0.1)
    soon = Surroundings(random=lambda: 0.01)
    with opened(journal, venue, on_alert=told, surroundings=soon) as runtime:
        told.wait_for("venue_call_hangs")
        told.wait_for("query_unanswered")
        (unknown,) = runtime.book().open_orders()
        assert unknown.state is OrderState.UNKNOWN
        arrived = runtime.book().until("order-1", OrderState.ACKNOWLEDGED)
        venue.held.set()
        arrived.wait(PATIENCE)
    assert venue.orders() == ["order-1"]


class HangingHook:
    """Hangs while it is asked about the second order."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def evaluate_order(self, request: Any, context: Any) -> RiskResult:
        if request.client_order_id == "order-2":
            self.entered.set()
            assert self.released.wait(PATIENCE)
        return RiskResult(RiskDecision.ALLOW)


def test_a_hook_that_hangs_leaves_nobody_waiting_for_an_order() -> None:
    hook = HangingHook()
    runtime = opened(None, ThreadedVenue(), risk_hooks=(hook,))
    book = runtime.book()
    book.submit(order(1)).wait(PATIENCE)
    watched, called = book.until("order-1", OrderState.FILLED), threading.Event()
    watched.call_back(lambda _: called.set())
    book.submit(order(2))
    assert hook.entered.wait(PATIENCE)
    runtime.close(timeout_seconds=0.2)
    with pytest.raises(BookClosed):
        watched.wait(PATIENCE)
    assert called.wait(PATIENCE)
    hook.released.set()


def test_a_predicate_that_hangs_leaves_nobody_waiting_for_an_order() -> None:
    released, entered = threading.Event(), threading.Event()

    def hangs(order: Order) -> bool:
        entered.set()
        assert released.wait(PATIENCE)
        return False

    runtime = opened(None, ThreadedVenue())
    watched = [runtime.book().until("order-1", such=such) for such in (hangs, lambda _: False)]
    runtime.book().submit(order(1))
    assert entered.wait(PATIENCE)
    runtime.close(timeout_seconds=0.2)
    for each in watched:
        with pytest.raises(BookClosed):
            each.wait(PATIENCE)
    released.set()


def test_a_disk_that_hangs_does_not_hold_up_the_end_and_nobody_waits_for_ever() -> None:
    journal, told = HeldJournal(), Alerts()
    runtime = opened(journal, ThreadedVenue(), on_alert=told)
    book = runtime.book()
    journal.held.clear()
    journal.entered.clear()
    in_commit = book.submit(order(1))
    assert journal.entered.wait(PATIENCE)
    queued = book.submit(order(2))
    runtime.close(timeout_seconds=0.2)
    with pytest.raises(OutcomeUnknown):
        in_commit.wait(PATIENCE)
    with pytest.raises(BookClosed):
        queued.wait(PATIENCE)
    told.wait_for("close_incomplete")
    journal.held.set()


def test_a_journal_that_fails_at_the_very_end_is_raised_and_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(journal: MemoryJournal) -> None:
        raise JournalError("the disk is gone")

    runtime = opened("memory:")
    monkeypatch.setattr(MemoryJournal, "close", fails)
    with pytest.raises(JournalError):
        runtime.close()
    assert runtime.wait_closed(PATIENCE)
    runtime.close()


def test_no_request_is_lost_between_asking_and_closing() -> None:
    for _ in range(30):
        runtime = opened()
        book = runtime.book()
        handles: list[Handle[Any]] = []

        def ask(number: int, book: Any = book, runtime: Any = runtime, handles: Any = handles) -> None:
            if number == 0:
                runtime.close()
                return
            for each in range(20):
                handles.append(book.submit(order(100 * number + each)))

        together(5, ask)
        for handle in handles:
            try:
                assert handle.wait(PATIENCE).outcome is Outcome.APPLIED
            except BookClosed:
                continue
        assert all(handle.is_settled for handle in handles)


# --- bugs, ours and others' ---------------------------------------------------------------------------------


def test_a_call_that_raises_on_the_writer_closes_the_books_and_says_so() -> None:
    told = Alerts()
    with opened(on_alert=told) as runtime:
        book = runtime.book()
        posted: Any = lambda: 1 / 0  # noqa: E731
        runtime._loop.post(posted)
        runtime._driver.notify()
        told.wait_for("book_closed")
        with pytest.raises(BookClosed, match="ZeroDivisionError"):
            book.submit(order(1)).wait(PATIENCE)


def test_a_tick_that_raises_closes_the_books_and_says_so() -> None:
    told, venue = Alerts(), ThreadedVenue()
    with opened(None, venue, on_alert=told) as runtime:
        channel: Any = runtime._loop.channels[0]
        channel.pump = lambda after=None: 1 / 0
        told.wait_for("book_closed")
        with pytest.raises(BookClosed, match="ZeroDivisionError"):
            runtime.book().submit(order(1)).wait(PATIENCE)


def test_a_venue_that_cannot_report_is_told_once_and_not_at_every_poll() -> None:
    class Deaf(ThreadedVenue):
        polls = 0
        enough = threading.Event()

        def take_reports(self) -> list[Any]:
            if self.held.is_set():
                return super().take_reports()
            self.polls += 1
            if self.polls >= 20:
                self.enough.set()
            raise ConnectionLost(f"the stream is gone, poll {self.polls}")

    venue, told = Deaf(), Alerts()
    with opened(None, venue, on_alert=told) as runtime:
        venue.held.clear()
        assert venue.enough.wait(PATIENCE)
        venue.held.set()
        runtime.book().submit(order(1)).wait(PATIENCE)
        runtime.book().until("order-1", OrderState.ACKNOWLEDGED).wait(PATIENCE)
    assert set(told.codes) == {"connection_lost"}
    assert len(told.codes) < 6, "so many would take half a minute"


def test_a_hook_that_ends_its_thread_ends_the_books_and_not_the_writer() -> None:
    class Quits:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            raise SystemExit

    told = Alerts()
    with opened(on_alert=told, risk_hooks=(Quits(),)) as runtime:
        with pytest.raises(SystemExit):
            runtime.book().submit(order(1)).wait(PATIENCE)
        told.wait_for("book_closed")
        with pytest.raises(BookClosed):
            runtime.book().submit(order(2)).wait(PATIENCE)


def test_a_client_that_ends_its_thread_is_told() -> None:
    class Quits(ThreadedVenue):
        def submit(self, message: Any) -> None:
            raise SystemExit

    told = Alerts()
    with opened(None, Quits(), on_alert=told) as runtime:
        assert runtime.book().submit(order(1)).wait(PATIENCE).outcome is Outcome.APPLIED
        told.wait_for("book_closed")
        assert runtime.book().is_closed


def test_what_a_book_stepped_before_it_broke_is_not_told_as_done() -> None:
    """A bug in the step of one request takes with it what others asked in the same commit."""
    venue, told = ThreadedVenue(), Alerts()
    with opened(None, venue, on_alert=told) as runtime:
        book = runtime.book()
        writer = runtime._loop.channels[0].writer
        real = writer.step
        seen: list[Any] = []

        def step(cause: Any, now_ns: int | None, past: Any = ()) -> Any:
            seen.append(cause)
            if len(seen) == 3:
                writer.close(error)
                raise error
            return real(cause, now_ns, past)

        error = KeyError("a bug")
        with book.view():
            writer.step = step  # type: ignore[method-assign]
            handles = [book.submit(order(number)) for number in range(1, 5)]
        for handle, kind in zip(handles, (NotRecorded, NotRecorded, KeyError, BookClosed), strict=True):
            with pytest.raises(kind):
                handle.wait(PATIENCE)
        told.wait_for("book_closed")
    assert venue.sent == []


def test_what_was_given_up_is_not_taken_later() -> None:
    """Who asked was told that nothing was taken, when a hook hung; then the hook comes back."""
    begun, gate = threading.Event(), threading.Event()

    class Hangs:
        def evaluate_order(self, order: Any, context: Any) -> RiskResult:
            begun.set()
            gate.wait(20)
            return RiskResult(RiskDecision.ALLOW)

    journal = MemoryJournal()
    runtime = open_runtime(journal, [BookSettings(instruments=(BITCOIN,), risk_hooks=(Hangs(),))])
    book = runtime.book()
    first = book.submit(order(1))
    assert begun.wait(20)
    second = book.submit(order(2))
    runtime.close(timeout_seconds=0.2)
    with pytest.raises(OutcomeUnknown):
        first.wait(20)
    with pytest.raises(BookClosed):
        second.wait(20)
    gate.set()
    driver = runtime._driver
    assert isinstance(driver, ThreadDriver)
    driver._thread.join(20)
    assert not driver._thread.is_alive()
    assert b"order-2" not in b"".join(stored.data for stored in journal.read("main"))
