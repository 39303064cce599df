"""Groups in a book: durable before sent, working again after a restart, and judged by risk as a whole."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execore import (
    AuditLog,
    Book,
    GroupKind,
    GroupState,
    MemoryJournal,
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
from execore.journal.protocol import Journal
from execore.model.effects import Alert, SendCancel, SendOrder
from execore.model.errors import (
    BookClosed,
    DuplicateClientOrderId,
    InvalidInput,
    NotRecorded,
    UnknownGroup,
    UnknownInstrument,
)
from execore.model.failures import ConnectionFailed
from execore.model.reports import (
    AcknowledgeReport,
    AmendReport,
    CancelRejectReport,
    CancelReport,
    FillReport,
    RejectReport,
    VenueReport,
)
from execore.venues.calendars import WeeklyCalendar
from execore.venues.protocol import Venue
from runtime_support.trading import BITCOIN, START_NS, Message, ScriptedVenue, paper_venue, ticking


class PowerCut(BaseException):
    """The process ends here."""


ENTRY = OrderRequest(symbol="BTC-USD", side="buy", quantity="10", price="100", client_order_id="entry")  # type: ignore[arg-type]


def exit_order(key: str, **terms: Any) -> OrderRequest:
    """Sell ten bitcoin, as ``terms`` say."""
    defaults = {"symbol": "BTC-USD", "side": "sell", "quantity": "10", "client_order_id": key}
    return OrderRequest(**(defaults | terms))


PROFIT = exit_order("profit", price="110")
STOP = exit_order("stop", order_type="stop", stop_price="90")


class Desk:
    """A book that can be opened again, at a venue that does as it is told."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.memory = MemoryJournal()
        self.venue = ScriptedVenue()
        self.alerts: list[str] = []
        self.open()

    def open(self, **options: Any) -> Book:
        self.journal: Journal = self.memory if self.path is None else SqliteJournal(self.path)
        self.book = open_book(
            self.journal,
            instruments=[BITCOIN],
            venue=self.venue,
            clock=ticking(),
            random_bits=random.Random(7).getrandbits,
            on_alert=self.note,
            **options,
        )
        return self.book

    def note(self, alert: Alert) -> None:
        self.alerts.append(alert.code)

    def close(self) -> None:
        self.book.close()
        if self.path is not None:
            self.journal.close()

    def reopen(self) -> Book:
        self.close()
        return self.open()

    def bracket(self, **options: Any) -> Any:
        return self.book.groups.submit_bracket(
            ENTRY, take_profit=PROFIT, stop_loss=STOP, **({"group_id": "g"} | options)
        )

    def tell(self, *reports: VenueReport) -> None:
        self.book.apply(reports)
        invariants.check(self.book._writer.state)

    def sent(self) -> list[str]:
        """What went to the venue since this was last called, in short."""
        taken, self.venue.sent = self.venue.sent, []
        return [_short(message) for message in taken]


def _short(message: Message) -> str:
    kind = type(message).__name__.removeprefix("Send").removesuffix("Order").lower() or "send"
    if isinstance(message, SendOrder):
        return f"send {message.order.client_order_id} {message.order.quantity}"
    quantity = getattr(message, "quantity", None)
    return f"{kind} {message.client_order_id}" + ("" if quantity is None else f" {quantity}")


def acknowledged(*keys: str) -> Iterator[AcknowledgeReport]:
    for key in keys:
        yield AcknowledgeReport(ts_ns=START_NS, client_order_id=key, venue_order_id=f"V-{key}")


def filled(key: str, quantity: str, execution_id: str) -> FillReport:
    return FillReport(
        ts_ns=START_NS,
        client_order_id=key,
        symbol="BTC-USD",
        quantity=Decimal(quantity),
        price=Decimal(100),
        execution_id=execution_id,
    )


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "book.db" if request.param == "sqlite" else None)
    yield desk
    desk.close()


@pytest.fixture
def entered(desk: Desk) -> Desk:
    """A bracket whose parent has filled 4 of 10; all three orders are at the venue."""
    desk.bracket()
    desk.tell(*acknowledged("entry"), filled("entry", "4", "E1"), *acknowledged("profit", "stop"))
    assert desk.sent() == ["send entry 10", "send profit 4", "send stop 4"]
    return desk


# --- durable, and working again ---------------------------------------------------------------------------


def test_a_group_opened_again_is_as_it_was_and_goes_on(entered: Desk) -> None:
    before = entered.book.groups.to_dict()
    book = entered.reopen()
    assert book.groups.to_dict() == before
    assert entered.sent() == [], "the mass status covers what was well"
    entered.tell(filled("entry", "6", "E2"))
    assert entered.sent() == ["amend profit 10", "amend stop 10"]
    entered.tell(filled("profit", "4", "E3"), filled("stop", "1", "E4"))
    invariants.check(book._writer.state)


def test_a_waiting_group_is_triggered_after_a_restart(desk: Desk) -> None:
    desk.bracket()
    desk.tell(*acknowledged("entry"))
    book = desk.reopen()
    assert book.groups.state("g") is GroupState.WAITING
    desk.sent()
    desk.tell(filled("entry", "10", "E1"))
    assert desk.sent() == ["send profit 10", "send stop 10"]


@pytest.mark.parametrize("dies_at", ["profit", "stop"])
def test_a_process_that_ends_between_trigger_and_send_sends_nothing_twice(desk: Desk, dies_at: str) -> None:
    desk.bracket()
    desk.tell(*acknowledged("entry"))
    desk.sent()

    def cut(message: Message) -> None:
        if isinstance(message, SendOrder) and message.order.client_order_id == dies_at:
            raise PowerCut

    desk.venue.watching = cut
    with pytest.raises(PowerCut):
        desk.tell(filled("entry", "10", "E1"))
    desk.venue.watching = lambda message: None
    arrived = desk.sent()
    book = desk.reopen()
    assert (
        desk.sent() == ["query entry", "query profit", "query stop"][1:]
    )  # the parent is filled: it is over
    for key in ("profit", "stop"):
        assert book.orders.get(key).state is OrderState.UNKNOWN
        assert sum(message.startswith(f"send {key}") for message in arrived) <= 1
    desk.tell(*acknowledged("profit", "stop"), filled("profit", "10", "E2"))
    assert desk.sent() == ["cancel stop"]


def test_the_trigger_and_what_it_sends_are_one_commit(desk: Desk) -> None:
    desk.bracket()
    desk.tell(*acknowledged("entry"))
    heads: list[int] = []
    desk.venue.watching = lambda message: heads.append(desk.journal.head("main").sequence)
    desk.tell(filled("entry", "10", "E1"))
    assert heads == [desk.book.head.sequence] * 2  # all of it was durable before the first was sent
    names = [type(record.event).__name__ for record in AuditLog(desk.journal, "main").records()][-5:]
    assert names == ["FillBooked", "OrderCreated", "OrderSubmitted", "OrderCreated", "OrderSubmitted"]


def test_what_is_not_recorded_is_not_sent_and_is_made_up_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.bracket()
    desk.tell(*acknowledged("entry"))
    desk.sent()

    def fail(*args: Any) -> Any:
        raise NotRecorded("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.journal, "append_all", fail)
        with pytest.raises(NotRecorded):
            desk.tell(filled("entry", "10", "E1"))
    assert desk.sent() == []
    desk.reopen()
    desk.sent()
    desk.tell(filled("entry", "10", "E1"))
    assert desk.sent() == ["send profit 10", "send stop 10"]


def test_a_cancel_that_came_to_nothing_is_asked_again_at_the_next_opening(entered: Desk) -> None:
    entered.venue.failing["cancel"] = ConnectionFailed("offline")
    entered.tell(filled("profit", "4", "E2"))
    assert entered.sent() == ["cancel stop"]
    assert entered.alerts == ["group_cancel_failed"]
    entered.venue.failing.clear()
    entered.reopen()
    assert entered.sent()[-1] == "cancel stop"


def test_a_breach_is_remembered(entered: Desk) -> None:
    entered.tell(filled("profit", "4", "E2"), filled("stop", "4", "E3"))
    assert entered.alerts == ["group_breached"]
    book = entered.reopen()
    assert (book.groups.state("g"), book.groups.get("g").excess) == (GroupState.BREACHED, Decimal(4))
    assert book.positions.position("BTC-USD").quantity == Decimal(-4)
    assert entered.alerts.count("group_breached") == 2  # nobody knows whether the first was heard


def test_the_journal_with_groups_verifies(entered: Desk) -> None:
    entered.book.groups.cancel("g")
    assert AuditLog(entered.journal, "main").verify().ok


def test_a_cancel_that_a_crash_left_in_doubt_is_asked_again(entered: Desk) -> None:
    def cut(message: Message) -> None:
        if isinstance(message, SendCancel):
            raise PowerCut

    entered.venue.watching = cut
    with pytest.raises(PowerCut):
        entered.tell(filled("profit", "4", "E2"))
    entered.venue.watching = lambda message: None
    entered.sent()
    entered.reopen()
    assert entered.sent() == ["query stop", "cancel stop"]


@pytest.mark.parametrize("waits", ["profit", "entry"])
def test_opening_sends_nothing_before_the_waiting_reports_are_booked(entered: Desk, waits: str) -> None:
    entered.close()
    entered.sent()
    entered.venue.reports.append(filled(waits, "4", "E2"))
    entered.venue.watching = lambda message: seen.append((_short(message), len(entered.venue.reports)))
    seen: list[tuple[str, int]] = []
    book = entered.open()
    requests = [request for request in seen if not request[0].startswith("query")]
    wanted = ["cancel stop"] if waits == "profit" else ["amend profit 8", "amend stop 8"]
    assert requests == [(request, 0) for request in wanted]
    assert not any(order.unknown_requests for order in book.orders)
    entered.venue.watching = lambda message: None


def test_an_alert_that_a_crash_swallowed_is_told_at_the_next_opening(entered: Desk) -> None:
    def cut(alert: Alert) -> None:
        raise PowerCut

    entered.book._channel._on_alert = cut
    with pytest.raises(PowerCut):
        entered.tell(RejectReport(ts_ns=START_NS, client_order_id="stop"))
    assert entered.alerts == []
    entered.reopen()
    assert "group_leg_lost" in entered.alerts


# --- days -------------------------------------------------------------------------------------------------


def hours(day: int, hour: int) -> int:
    return int(datetime(2026, 3, day, hour, tzinfo=UTC).timestamp()) * 1_000_000_000


def test_day_orders_of_a_group_end_with_the_session_they_are_sent_in() -> None:
    now = [hours(3, 10)]
    hook, venue = NoShorts(RiskDecision.PAUSE), ScriptedVenue()
    book = open_book(
        MemoryJournal(),
        instruments=[BITCOIN],
        venue=venue,
        clock=lambda: now[0],
        calendar=WeeklyCalendar(zone="UTC", opens=time(9), closes=time(16)),
        risk_hooks=[hook],
    )

    def day(key: str) -> OrderRequest:
        return exit_order(key, side="buy", price="110", time_in_force="day")

    for group_id in ("today", "late"):
        book.groups.submit(
            "one_cancels_other", [day(f"{group_id}-1"), day(f"{group_id}-2")], group_id=group_id
        )
    hook.decision = RiskDecision.ALLOW
    book.groups.release("today")
    ending = book.orders.get("today-1").ending
    assert ending is not None
    assert ending.ends_ts_ns == hours(3, 16)  # though no day was begun
    now[0] = hours(4, 10)
    book.groups.release("late")
    assert (book.groups.state("late"), book.groups.get("late").rule) == (GroupState.DENIED, "expiry")


# --- on paper ---------------------------------------------------------------------------------------------


def paper_book(venue: Venue, **options: Any) -> Book:
    return open_book(MemoryJournal(), instruments=[BITCOIN], venue=venue, clock=ticking(), **options)


def test_a_bracket_on_the_paper_venue_takes_its_profit() -> None:
    venue = paper_venue()
    book = paper_book(venue)
    answer = book.groups.submit_bracket(
        ENTRY, take_profit=PROFIT, stop_loss=STOP, group_id="g", actor="strategy:alpha"
    )
    assert answer.group == book.groups.get("g")
    venue.on_trade("BTC-USD", 100, 4, START_NS + 1)
    book.pump()
    assert [book.orders.get(key).leaves for key in ("profit", "stop")] == [4, 4]
    venue.on_trade("BTC-USD", 100, 6, START_NS + 2)
    book.pump()
    assert [book.orders.get(key).leaves for key in ("profit", "stop")] == [10, 10]
    venue.on_trade("BTC-USD", 110, 7, START_NS + 3)
    book.pump()
    assert [book.orders.get(key).leaves for key in ("profit", "stop")] == [3, 3]
    venue.on_trade("BTC-USD", 90, 100, START_NS + 4)
    book.pump()
    assert book.groups.state("g") in (GroupState.DONE, GroupState.ACTIVE)
    venue.on_quote("BTC-USD", 90, 50, 91, 50, START_NS + 5)
    book.pump()
    assert (book.groups.state("g"), book.positions.position("BTC-USD").quantity) == (
        GroupState.DONE,
        Decimal(0),
    )
    invariants.check(book._writer.state)


# --- the interface ----------------------------------------------------------------------------------------


def test_ids_that_are_left_out_follow_from_the_groups(desk: Desk) -> None:
    legs = [exit_order("", price="110"), exit_order("", order_type="stop", stop_price="90")]
    answer = desk.book.groups.submit(GroupKind.ONE_CANCELS_OTHER, legs, group_id="g")
    again = desk.book.groups.submit("one_cancels_other", legs, group_id="g")
    assert (answer.outcome, again.outcome) == (Outcome.APPLIED, Outcome.ALREADY_DONE)
    assert len(desk.sent()) == 2
    other = desk.book.groups.submit("one_cancels_other", legs)
    assert other.group is not None
    assert len(other.group.group_id) == 32
    assert len(desk.book.orders) == 4


def test_a_group_can_be_looked_at(entered: Desk) -> None:
    groups = entered.book.groups
    assert (len(groups), "g" in groups, "x" in groups) == (1, True, False)
    assert [group.group_id for group in groups] == ["g"]
    assert groups.of_order("stop") == groups.get("g")
    assert groups.to_dict()["g"]["state"] == "ACTIVE"
    with pytest.raises(UnknownGroup):
        groups.state("x")


def test_an_order_of_a_group_is_cancelled_and_amended_as_any_other(entered: Desk) -> None:
    entered.book.amend("stop", stop_price="95", request_id="A1")
    assert entered.sent() == ["amend stop 4"]
    entered.book.cancel("profit", request_id="C1")
    entered.tell(
        AmendReport(ts_ns=START_NS, client_order_id="stop", request_id="A1"),
        CancelReport(ts_ns=START_NS, client_order_id="profit", request_id="C1"),
    )
    assert (entered.sent(), entered.alerts) == (["cancel profit"], ["group_leg_lost"])
    answer = entered.book.groups.review("g", replace_lost=True)
    assert answer.outcome is Outcome.APPLIED
    (sent,) = entered.sent()
    assert sent.startswith("send")


def test_a_group_is_cancelled_with_everything_that_works(entered: Desk) -> None:
    answer = entered.book.groups.cancel("g")
    assert answer.group is not None
    assert answer.group.cancel_requested
    assert entered.sent() == ["cancel profit", "cancel stop", "cancel entry"]


def test_a_request_is_answered_although_the_book_closes_on_what_came_after(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_all = desk.journal.append_all

    def once(appends: Any) -> Any:
        if "acknowledged" in str(appends[0].records[-1].event).lower():
            raise NotRecorded("the disk is full")
        return append_all(appends)

    desk.venue.reports.extend(acknowledged("entry"))
    with monkeypatch.context() as patch:
        patch.setattr(desk.journal, "append_all", once)
        answer = desk.bracket()
    assert answer.outcome is Outcome.APPLIED
    assert answer.group is not None
    with pytest.raises(BookClosed):
        desk.book.groups.get("g")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"symbol": "?"}, UnknownInstrument),
        ({"side": "buy"}, InvalidInput),
        ({"client_order_id": "entry"}, InvalidInput),
        ({"client_order_id": "taken"}, DuplicateClientOrderId),
    ],
)
def test_a_group_that_is_not_acceptable_leaves_nothing_behind(
    desk: Desk, change: dict[str, str], error: type[Exception]
) -> None:
    desk.book.submit(exit_order("taken", price="120"))
    head = desk.book.head
    stop = exit_order("stop", **({"order_type": "stop", "stop_price": "90"} | change))
    with pytest.raises(error):
        desk.book.groups.submit_bracket(ENTRY, take_profit=PROFIT, stop_loss=stop)
    assert (desk.book.head, len(desk.book.groups)) == (head, 0)


# --- risk -------------------------------------------------------------------------------------------------


class NoShorts:
    """Blocks what would sell more than is held; ``paused`` holds the rest."""

    def __init__(self, decision: RiskDecision = RiskDecision.ALLOW) -> None:
        self.decision = decision
        self.asked: list[str] = []

    def evaluate_order(self, order: OrderRequest, context: RiskContext) -> RiskResult:
        self.asked.append(f"{order.client_order_id} at {context.position}")
        if order.side == "sell" and order.quantity > context.position:
            return RiskResult(RiskDecision.BLOCK, "nothing to sell")
        return RiskResult(self.decision, "as told")


def test_exits_are_judged_on_the_position_they_will_meet() -> None:
    hook = NoShorts()
    book = paper_book(ScriptedVenue(), risk_hooks=[hook])
    book.groups.submit_bracket(ENTRY, take_profit=PROFIT, stop_loss=STOP, group_id="g")
    assert hook.asked == ["entry at 0", "profit at 10", "stop at 10"]
    assert book.groups.state("g") is GroupState.WAITING
    book.groups.submit_bracket(ENTRY, take_profit=PROFIT, stop_loss=STOP, group_id="g")
    assert len(hook.asked) == 3  # nothing would be sent, so there is nothing to judge


def test_one_blocked_leg_denies_the_group() -> None:
    venue = ScriptedVenue()
    book = paper_book(venue, risk_hooks=[NoShorts()])
    answer = book.groups.submit("one_cancels_other", [PROFIT, STOP], group_id="g")
    assert (answer.outcome, book.groups.state("g")) == (Outcome.APPLIED, GroupState.DENIED)
    assert (venue.sent, len(book.orders)) == ([], 0)


def test_a_held_group_is_released() -> None:
    hook = NoShorts(RiskDecision.PAUSE)
    venue = ScriptedVenue()
    book = paper_book(venue, risk_hooks=[hook])
    book.groups.submit_bracket(ENTRY, take_profit=PROFIT, stop_loss=STOP, group_id="g")
    assert (book.groups.state("g"), venue.sent) == (GroupState.HELD, [])
    hook.decision = RiskDecision.ALLOW
    assert book.groups.release("g").outcome is Outcome.APPLIED
    assert venue.kinds() == ["SendOrder"]


def test_a_late_refusal_of_a_cancel_is_no_end(entered: Desk) -> None:
    entered.tell(filled("profit", "4", "E2"))
    (pending,) = entered.book.orders.get("stop").pending_cancels
    entered.tell(CancelRejectReport(ts_ns=START_NS, client_order_id="stop", request_id=pending))
    assert entered.book.orders.get("stop").state is OrderState.ACKNOWLEDGED
    assert entered.alerts == ["group_cancel_failed"]


def test_without_a_venue_an_opening_does_nothing_for_groups(entered: Desk) -> None:
    """Nobody would send it; the next opening with a venue makes up for it."""
    entered.venue.failing["cancel"] = ConnectionFailed("offline")
    entered.tell(filled("profit", "4", "E2"))
    entered.close()
    entered.venue.failing.clear()
    entered.sent()
    journal: Journal = entered.memory if entered.path is None else SqliteJournal(entered.path)
    head = journal.head("main")
    open_book(journal, clock=ticking())
    assert journal.head("main") == head
    if entered.path is not None:
        journal.close()
    entered.open()
    assert entered.sent()[-1] == "cancel stop"
