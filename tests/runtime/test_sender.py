"""Messages that are tried again: what is certainly not done, while it is wanted, and by the clock."""

from decimal import Decimal
from typing import Any

import pytest

from execore import Book, OrderState, RetryPolicy, open_book
from execore.model.effects import SendAmend, SendOrder
from execore.model.failures import (
    ConnectionFailed,
    ConnectionLost,
    OrderNotFoundAtVenue,
    OrderRefused,
    RateLimited,
    TimestampRefused,
)
from execore.model.reports import AcknowledgeReport
from runtime_support.threaded_venue import PATIENCE, ThreadedVenue, opened, said
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order

SECOND = 1_000_000_000


class Desk:
    """A book that retries, on a clock that the test moves."""

    def __init__(self, **policy: Any) -> None:
        self.now_ns = START_NS
        self.venue = ScriptedVenue()
        self.alerts: list[str] = []
        terms = {"base_seconds": 1.0, "cap_seconds": 8.0, "max_attempts": 4} | policy
        self.book: Book = open_book(
            "memory:",
            instruments=[BITCOIN],
            venue=self.venue,
            clock=lambda: self.now_ns,
            monotonic_ns=lambda: self.now_ns,
            retry_policy=RetryPolicy(**terms),
            on_alert=lambda alert: self.alerts.append(alert.code),
        )

    def later(self, seconds: float) -> None:
        """So much later, with what is due done."""
        self.now_ns += int(seconds * SECOND)
        self.book.pass_time()

    def fails(self, call: str, error: Exception | None) -> None:
        """That call fails from now on, or not any more."""
        self.venue.failing.pop(call, None)
        if error is not None:
            self.venue.failing[call] = error

    @property
    def ours(self) -> Any:
        return self.book.orders.get("order-1")


@pytest.mark.parametrize("error", [RateLimited("slow down"), ConnectionFailed("refused")], ids=repr)
def test_what_was_certainly_not_done_is_tried_again_with_the_same_id(error: Exception) -> None:
    desk = Desk()
    desk.fails("submit", error)
    desk.book.submit(order(1))
    assert desk.ours.state is OrderState.SUBMITTED
    assert len(desk.venue.sent) == 1
    desk.fails("submit", None)
    desk.later(8)
    assert desk.venue.kinds() == ["SendOrder"] * 2
    assert desk.venue.sent[0] == desk.venue.sent[1]
    assert desk.ours.state is OrderState.SUBMITTED
    desk.later(8)
    assert len(desk.venue.sent) == 2


def test_attempts_come_to_an_end() -> None:
    desk = Desk(max_attempts=3)
    desk.fails("submit", ConnectionFailed("refused"))
    desk.book.submit(order(1))
    for _ in range(10):
        desk.later(8)
    assert desk.venue.kinds() == ["SendOrder"] * 3
    assert desk.ours.state is OrderState.FAILED


def test_the_venue_says_how_long_to_wait() -> None:
    desk = Desk()
    desk.fails("submit", RateLimited("slow down", retry_after_seconds=5.0))
    desk.book.submit(order(1))
    desk.fails("submit", None)
    desk.later(4.9)
    assert len(desk.venue.sent) == 1
    due_ns = desk.book.next_due_ns()
    assert due_ns is not None
    desk.later((due_ns - desk.now_ns) / SECOND)
    desk.later(8)
    assert len(desk.venue.sent) == 2


@pytest.mark.parametrize(
    ("error", "state"),
    [(ConnectionLost("gone"), OrderState.UNKNOWN), (OrderRefused("no"), OrderState.REJECTED)],
    ids=repr,
)
def test_what_may_have_been_done_or_was_refused_is_not_tried_again(error: Exception, state: Any) -> None:
    desk = Desk()
    desk.fails("submit", error)
    desk.book.submit(order(1))
    for _ in range(5):
        desk.later(8)
    assert desk.venue.kinds().count("SendOrder") == 1
    assert desk.ours.state is state


def test_an_order_that_somebody_wants_cancelled_is_not_tried_again() -> None:
    desk = Desk()
    desk.fails("submit", RateLimited("slow down"))
    desk.book.submit(order(1))
    desk.fails("submit", None)
    desk.book.cancel("order-1")
    desk.later(8)
    assert desk.venue.kinds().count("SendOrder") == 1
    assert desk.ours.state is OrderState.FAILED


def test_nor_one_whose_cancel_the_venue_refused_as_it_does_not_know_the_order() -> None:
    desk = Desk()
    desk.fails("submit", RateLimited("slow down"))
    desk.book.submit(order(1))
    desk.fails("submit", None)
    desk.fails("cancel", OrderRefused("unknown order"))
    desk.book.cancel("order-1")
    assert not desk.ours.pending_cancels
    desk.later(8)
    assert desk.venue.kinds().count("SendOrder") == 1
    assert desk.ours.state is OrderState.FAILED


def test_nor_one_that_the_venue_has_after_all() -> None:
    desk = Desk()
    desk.fails("submit", RateLimited("slow down"))
    desk.book.submit(order(1))
    desk.fails("submit", None)
    desk.book.apply([said(AcknowledgeReport, "order-1", venue_order_id="V1")])
    desk.later(8)
    assert desk.venue.kinds().count("SendOrder") == 1
    assert desk.ours.state is OrderState.ACKNOWLEDGED


def acknowledged() -> Desk:
    """An order that works."""
    desk = Desk()
    desk.book.submit(order(1))
    desk.book.apply([said(AcknowledgeReport, "order-1", venue_order_id="V1")])
    return desk


def test_a_cancel_is_tried_again_and_an_amend_not_past_it() -> None:
    desk = acknowledged()
    desk.fails("amend", RateLimited("slow down"))
    desk.fails("cancel", RateLimited("slow down"))
    desk.book.amend("order-1", price=Decimal(99))
    desk.book.cancel("order-1")
    desk.fails("amend", None)
    desk.fails("cancel", None)
    desk.later(8)
    desk.later(8)
    assert desk.venue.kinds() == ["SendOrder", "SendAmend", "SendCancel", "SendCancel"]
    assert not desk.ours.pending_replaces
    assert desk.ours.pending_cancels


def test_a_cancel_of_unknown_outcome_is_tried_again_too() -> None:
    desk = acknowledged()
    desk.fails("cancel", ConnectionLost("gone"))
    desk.book.cancel("order-1")
    desk.fails("cancel", None)
    desk.later(8)
    assert desk.venue.kinds().count("SendCancel") == 2


def test_a_cancel_of_an_order_the_venue_does_not_have_open_is_answered_so() -> None:
    desk = acknowledged()
    desk.fails("cancel", OrderNotFoundAtVenue("no such order"))
    desk.book.cancel("order-1")
    assert desk.ours.is_open


def test_a_message_is_tried_again_by_the_runtime_of_itself() -> None:
    venue = ThreadedVenue()
    venue.failing["submit"] = [RateLimited("slow down"), RateLimited("slow down")]
    policy = RetryPolicy(base_seconds=0.001, cap_seconds=0.002, max_attempts=5)
    with opened(None, venue, retry_policy=policy) as runtime:
        runtime.book().submit(order(1)).wait(PATIENCE)
        runtime.book().until("order-1", OrderState.ACKNOWLEDGED).wait(PATIENCE)
    assert venue.orders() == ["order-1"] * 3


def test_an_amend_that_waited_does_not_undo_a_later_one() -> None:
    desk = Desk()
    desk.book.submit(order(1))
    desk.book.apply([AcknowledgeReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="V1")])
    desk.fails("amend", RateLimited("slow down"))
    desk.book.amend("order-1", price="90", request_id="a1")
    desk.fails("amend", None)
    desk.book.amend("order-1", price="80", request_id="a2")
    desk.later(8)
    amends = [message for message in desk.venue.sent if isinstance(message, SendAmend)]
    assert [message.request_id for message in amends] == ["a1", "a2"]
    assert desk.ours.pending_request_ids == ("a2",), "the first came to nothing"


@pytest.mark.parametrize("jump_seconds", [-3_600, 3_600])
def test_ws096_a_wall_clock_that_jumps_neither_delays_nor_hastens_what_waits(jump_seconds: int) -> None:
    """Waiting is on a clock that only goes forward; a refused timestamp is a definite reject."""
    wall, forward, venue = [START_NS], [0], ScriptedVenue()
    book = open_book(
        "memory:",
        instruments=[BITCOIN],
        venue=venue,
        clock=lambda: wall[0],
        monotonic_ns=lambda: forward[0],
        random_bits=lambda count: (1 << count) - 1,
        retry_policy=RetryPolicy(base_seconds=4.0, cap_seconds=4.0),
    )
    venue.failing["submit"] = RateLimited("slow down")
    book.submit(order(1))
    venue.failing["submit"] = TimestampRefused("1000 ms ahead of the server")
    book.submit(order(2))
    venue.failing.clear()
    wall[0] += jump_seconds * SECOND
    book.pass_time()
    assert len(venue.sent) == 2
    forward[0] += 5 * SECOND
    book.pass_time()
    resent = [message.order.client_order_id for message in venue.sent[2:] if isinstance(message, SendOrder)]
    assert "order-1" in resent
    assert book.orders.get("order-1").state is OrderState.SUBMITTED
