"""The loop without threads: what a turn takes, in which order, and what an interrupt leaves behind."""

from decimal import Decimal
from typing import Any

import pytest

from execore import MemoryJournal, OrderState, Outcome, RiskDecision, RiskResult, open_book
from execore.model.errors import BookClosed, Busy, NotRecorded, OutcomeUnknown
from execore.model.reports import AcknowledgeReport, FillReport, TradeCancelReport
from execore.model.requests import CancelOrder
from execore.runtime.asking import Ask
from execore.runtime.callbacks import InlineCallbacks
from execore.runtime.handle import Handle, Waiting
from execore.runtime.timers import Spacing, Timers
from runtime_support.threaded_venue import HeldJournal, said
from runtime_support.trading import BITCOIN, ScriptedVenue, order


def test_facts_are_stepped_before_requests() -> None:
    venue = ScriptedVenue()
    book = open_book("memory:", instruments=[BITCOIN], venue=venue)
    book.submit(order(1))
    loop, channel = book._driver._loop, book._channel
    handle: Handle[Any] = Handle(Waiting(InlineCallbacks().run))
    cancel = CancelOrder(ts_ns=1, client_order_id="order-1", request_id="c1", actor="operator")
    loop.put(channel, Ask(causes=(cancel,)), handle)
    channel.put_inputs([said(AcknowledgeReport, "order-1", venue_order_id="V1")])
    assert loop.turn() == 2
    assert handle.result().order.acknowledged
    sent: Any = venue.sent[-1]
    assert sent.venue_order_id == "V1"  # so the cancel names what the venue knows it by


def test_an_interrupt_while_recording_closes_the_book() -> None:
    journal, venue = HeldJournal(), ScriptedVenue()
    book = open_book(journal, instruments=[BITCOIN], venue=venue)
    journal.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        book.submit(order(1))
    with pytest.raises(BookClosed, match="KeyboardInterrupt"):
        book.submit(order(2))
    assert venue.sent == []


def test_an_interrupt_while_risk_is_asked_leaves_nothing_half_done() -> None:
    class Interrupted:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            if request.client_order_id == "order-2":
                raise KeyboardInterrupt
            return RiskResult(RiskDecision.ALLOW)

    journal, venue = MemoryJournal(), ScriptedVenue()
    book = open_book(journal, instruments=[BITCOIN], venue=venue, risk_hooks=[Interrupted()])
    with pytest.raises(KeyboardInterrupt):
        book.submit_all([order(1), order(2)])
    assert venue.sent == []
    again = open_book(journal, venue=venue)
    assert len(again.orders) == 0


def test_an_interrupt_while_sending_closes_the_book_and_the_next_opening_settles_it() -> None:
    journal, venue = MemoryJournal(), ScriptedVenue()
    book = open_book(journal, instruments=[BITCOIN], venue=venue)

    def interrupt(message: Any) -> None:
        raise KeyboardInterrupt

    venue.watching = interrupt
    with pytest.raises(KeyboardInterrupt):
        book.submit(order(1))
    venue.watching = lambda message: None
    with pytest.raises(BookClosed):
        book.submit(order(2))
    again = open_book(journal, venue=venue)
    assert again.orders.get("order-1").state is OrderState.UNKNOWN


def test_a_hook_cannot_ask_the_book_that_asks_it() -> None:
    errors: list[Exception] = []

    class Asks:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            try:
                book.submit(order(2))
            except Busy as error:
                errors.append(error)
            return RiskResult(RiskDecision.ALLOW)

    book = open_book("memory:", instruments=[BITCOIN], risk_hooks=[Asks()])
    assert book.submit(order(1)).outcome is Outcome.APPLIED
    assert len(errors) == 1
    assert "order-2" not in book.orders


def test_what_was_recorded_before_a_commit_that_failed_is_carried_out() -> None:
    """A bust begins a commit of its own; what was committed before it stays, whatever becomes of the bust."""
    journal, alerts = HeldJournal(), []
    book = open_book(
        journal,
        instruments=[BITCOIN],
        venue=ScriptedVenue(),
        on_alert=lambda alert: alerts.append(alert.code),
    )
    for number in range(1_100):  # so many that the first leave memory: busting them needs the past
        key = f"order-{number}"
        book.submit(order(number))
        fill = {"execution_id": f"E{number}", "quantity": Decimal(1), "price": Decimal(100)}
        book.apply([said(FillReport, key, **fill)])
    over = {"execution_id": "E2000", "quantity": Decimal(1), "price": Decimal(100)}
    journal.commits.clear()
    real = journal.append_all

    def full_at_the_second(appends: Any) -> Any:
        if len(journal.commits) == 1:
            raise NotRecorded("full")
        return real(appends)

    journal.append_all = full_at_the_second  # type: ignore[method-assign]
    with pytest.raises(NotRecorded):
        book.apply(
            [
                said(FillReport, "order-1099", **over),
                said(TradeCancelReport, "order-0", execution_ref_id="E0"),
            ]
        )
    assert len(journal.commits) == 1
    assert alerts == ["overfilled", "book_closed"]


def test_an_unknown_outcome_is_raised_and_nothing_is_sent() -> None:
    journal, venue = HeldJournal(), ScriptedVenue()
    book = open_book(journal, instruments=[BITCOIN], venue=venue)
    journal.script = [OutcomeUnknown("no sync")]
    with pytest.raises(OutcomeUnknown):
        book.submit(order(1))
    assert venue.sent == []


def test_timers_run_when_due_in_order_and_what_is_set_meanwhile_waits() -> None:
    timers, seen = Timers(), []

    def again() -> None:
        seen.append("again")
        timers.at(0, lambda: seen.append("later"))

    timers.at(20, lambda: seen.append("late"))
    timers.at(10, again)
    timers.at(10, lambda: seen.append("second"))
    assert (timers.next_due_ns(), timers.run_due(9), seen) == (10, 0, [])
    assert (timers.run_due(20), seen) == (3, ["again", "second", "late"])
    assert (timers.run_due(20), seen[-1], timers.next_due_ns()) == (1, "later", None)


def test_what_goes_on_and_on_is_told_at_once_and_then_less_and_less_often() -> None:
    second = 1_000_000_000
    spacing = Spacing()
    told = [at for at in range(3_600) if spacing.is_due("deaf", at * second)]
    assert told == [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1623, 2223, 2823, 3423]
    assert spacing.is_due("mute", 3_600 * second), "something else is told at once"
    quiet = [at for at in range(4_700, 4_705) if spacing.is_due("deaf", at * second)]
    assert quiet == [4_700, 4_701, 4_703], "it was over for long, and begins anew"
