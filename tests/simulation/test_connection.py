"""The wire and the exchange: each fault does what it says, and the venue is true to what it declares."""

from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.failures import ConnectionFailed, DuplicateOrderId, RequestTimeout, ValidationFailed
from execore.model.orders import OrderRequest
from execore.model.reports import (
    AcknowledgeReport,
    AmendRejectReport,
    CancelRejectReport,
    CancelReport,
    FillReport,
    RejectReport,
    VenueReport,
)
from execore.model.vocabulary import OrderState
from execore.testing.simulation.connection import WRITE_FAULTS, Connection, Gateway
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.plan import make_plan
from execore.testing.simulation.profile import Profile
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.world import SECOND_NS, Crash, Faults, Log, Process, VirtualTime
from execore.venues.protocol import DuplicateScope, QueryAnswer

CALM: dict[str, Any] = {
    "raises_duplicates": False,
    "repeats_answers": True,
    "names_client_ids": True,
    "gives_execution_ids": True,
    "counts": False,
    "keeps_order": True,
    "most_delay_ms": 0,
    "delayed": 0,
    "doubled": 0,
    "lost": 0,
    "replays_everything": True,
    "cancels_on_restart": False,
}
DECLARED: dict[str, Any] = {
    "duplicate_client_id_scope": DuplicateScope.FOREVER,
    "lookup_by_client_order_id": True,
    "lookup_closed": True,
    "visibility_lag_seconds": 0,
    "replays_executions_on_reconnect": True,
    "supports_amend": True,
    "cancels_on_disconnect": False,
}


class Wire:
    """A gateway with a connection of one process, on a venue as the test declares it."""

    def __init__(self, declared: dict[str, Any] | None = None, **character: Any) -> None:
        drawn = make_plan(1).profile
        capabilities = replace(drawn.capabilities, **(DECLARED | (declared or {})))
        profile: Profile = replace(drawn, capabilities=capabilities, **(CALM | character))
        self.time = VirtualTime()
        self.log = Log(self.time)
        self.faults = Faults()
        storage = Storage(self.faults, self.log)
        self.gateway = Gateway(profile, Dice(4), self.time, self.log, self.faults, storage)
        self.exchange = self.gateway.exchange
        self.connect()

    def connect(self) -> Connection:
        """A new process connects."""
        self.process = Process(1, self.log)
        self.gateway.connect()
        self.venue = Connection(self.gateway, self.process, lambda process: process is self.process)
        return self.venue

    def submit(self, key: str = "o1", **terms: Any) -> None:
        """Send an order, which rests."""
        asked = {"symbol": "BTC-USD", "side": "buy", "quantity": "2", "price": "100"}
        self.venue.submit(SendOrder(OrderRequest(**(asked | terms), client_order_id=key)))

    def arrived(self) -> list[VenueReport]:
        """What arrives now, confirmed at once."""
        self.time.let_pass(0)
        reports = self.venue.take_reports()
        self.venue.confirm_reports()
        return reports


def ask(key: str = "o1") -> QueryOrder:
    return QueryOrder(key, "", "BTC-USD")


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_what_a_fault_does_to_a_message(name: str) -> None:
    wire, fault = Wire(), WRITE_FAULTS[name]
    wire.faults.arm("submit", name, 1)
    started = wire.time.now_ns
    expected = Crash if name.startswith("crash") else fault.error
    with nullcontext() if expected is None else pytest.raises(expected):
        wire.submit()
    wire.time.let_pass(0)
    assert bool(wire.exchange.orders) is fault.arrives
    assert wire.gateway.is_up is not fault.breaks
    assert wire.time.now_ns - started == fault.seconds * SECOND_NS
    assert wire.process.is_alive is not name.startswith("crash")


def test_a_message_without_a_durable_record_is_noticed() -> None:
    wire = Wire()
    wire.submit()
    assert wire.log.problems == ["sent_before_durable: SendOrder o1 was sent, and no durable record says so"]


def test_nothing_goes_out_while_the_connection_is_down() -> None:
    wire = Wire()
    wire.gateway.drop()
    with pytest.raises(ConnectionFailed):
        wire.submit()
    with pytest.raises(ConnectionFailed):
        wire.venue.query(ask())
    assert wire.venue.take_reports() == []


def test_reports_come_again_until_they_are_confirmed() -> None:
    wire = Wire()
    wire.submit()
    wire.time.let_pass(0)
    assert wire.venue.take_reports() == wire.venue.take_reports() != []
    wire.venue.confirm_reports()
    assert wire.venue.take_reports() == []


@pytest.mark.parametrize("replays", [True, False])
def test_what_was_not_confirmed_comes_again_after_a_reconnect_if_the_venue_says_so(replays: bool) -> None:
    wire = Wire({"replays_executions_on_reconnect": replays})
    wire.submit()
    wire.time.let_pass(0)
    before = wire.venue.take_reports()
    assert before
    wire.gateway.drop()
    wire.connect()
    assert wire.arrived() == (before if replays else [])


def test_some_venues_replay_executions_alone() -> None:
    wire = Wire(replays_everything=False)
    wire.submit()
    wire.time.let_pass(0)
    wire.exchange.fill(wire.exchange.orders[0], Decimal(1), Dice(1))
    wire.time.let_pass(0)
    wire.gateway.drop()
    wire.connect()
    assert {type(report) for report in wire.arrived()} == {FillReport}


def test_only_the_newest_process_gets_reports() -> None:
    wire = Wire()
    old = wire.venue
    wire.connect()
    wire.submit()
    wire.time.let_pass(0)
    assert old.take_reports() == []
    assert wire.arrived()


@pytest.mark.parametrize(
    ("scope", "twice_while_open", "twice_after"),
    [
        (DuplicateScope.NEVER, 2, 2),
        (DuplicateScope.OPEN, 1, 2),
        (DuplicateScope.SESSION, 1, 1),
        (DuplicateScope.FOREVER, 1, 1),
    ],
)
def test_a_copy_is_refused_within_the_declared_scope(
    scope: DuplicateScope, twice_while_open: int, twice_after: int
) -> None:
    wire = Wire({"duplicate_client_id_scope": scope})
    wire.submit()
    wire.submit()
    wire.time.let_pass(0)
    assert len(wire.exchange.orders) == twice_while_open
    refused = [report for report in wire.arrived() if isinstance(report, RejectReport)]
    assert [report.duplicate_client_order_id for report in refused] == [True] * (2 - twice_while_open)
    wire = Wire({"duplicate_client_id_scope": scope})
    wire.submit()
    wire.time.let_pass(0)
    wire.exchange.cancel_all("test")
    wire.submit()
    wire.time.let_pass(0)
    assert len(wire.exchange.orders) == twice_after


def test_a_new_session_forgets_ids_and_keeps_orders() -> None:
    wire = Wire({"duplicate_client_id_scope": DuplicateScope.SESSION}, raises_duplicates=True)
    wire.submit()
    wire.time.let_pass(0)
    with pytest.raises(DuplicateOrderId):
        wire.submit()
    wire.exchange.restart(new_session=True)
    wire.submit()
    wire.time.let_pass(0)
    assert len(wire.exchange.orders) == 2


def test_an_order_is_invisible_for_no_longer_than_declared() -> None:
    lag_seconds = 5
    answers = set()
    for number in range(40):
        wire = Wire({"visibility_lag_seconds": lag_seconds}, most_delay_ms=3_000)
        wire.submit(f"o{number}")
        answers.add(wire.venue.query(ask(f"o{number}")))
        wire.time.let_pass(lag_seconds * SECOND_NS)
        assert wire.venue.query(ask(f"o{number}")) in (QueryAnswer.FOUND, QueryAnswer.REFUSED)
    assert QueryAnswer.ABSENT in answers, "it lies for as long as it may"


@pytest.mark.parametrize(
    ("looks_up", "closed_too", "open_answer", "closed_answer", "unknown_answer"),
    [
        (True, True, QueryAnswer.FOUND, QueryAnswer.FOUND, QueryAnswer.ABSENT),
        (True, False, QueryAnswer.FOUND, QueryAnswer.NOT_FOUND, QueryAnswer.NOT_FOUND),
        (False, False, QueryAnswer.NOT_FOUND, QueryAnswer.NOT_FOUND, QueryAnswer.NOT_FOUND),
    ],
)
def test_a_question_is_answered_as_far_as_declared(
    looks_up: bool,
    closed_too: bool,
    open_answer: QueryAnswer,
    closed_answer: QueryAnswer,
    unknown_answer: QueryAnswer,
) -> None:
    wire = Wire({"lookup_by_client_order_id": looks_up, "lookup_closed": closed_too})
    wire.submit()
    wire.time.let_pass(0)
    assert wire.venue.query(ask()) is open_answer
    wire.exchange.cancel_all("test")
    assert wire.venue.query(ask()) is closed_answer
    assert wire.venue.query(ask("o2")) is unknown_answer


def test_a_mass_status_tells_open_orders_whole_and_of_others_what_they_executed() -> None:
    wire = Wire({"lookup_closed": False})
    wire.submit("open")
    wire.submit("closed")
    wire.time.let_pass(0)
    for order in wire.exchange.orders:
        wire.exchange.fill(order, Decimal(1), Dice(1))
    wire.exchange.end(wire.exchange.orders[1], OrderState.CANCELLED, CancelReport)
    wire.arrived()
    wire.venue.mass_status(0)
    told = [(report.client_order_id, type(report)) for report in wire.arrived()]
    assert ("open", AcknowledgeReport) in told
    assert {kind for key, kind in told if key == "closed"} == {FillReport}
    wire.time.let_pass(SECOND_NS)
    wire.venue.mass_status(wire.time.now_ns)
    assert {report.client_order_id for report in wire.arrived()} == {"open"}


@pytest.mark.parametrize("repeats", [True, False])
def test_a_request_that_comes_again(repeats: bool) -> None:
    wire = Wire(repeats_answers=repeats)
    wire.submit()
    wire.arrived()
    for _ in range(2):
        wire.venue.cancel(SendCancel("o1", "", "BTC-USD", "c1"))
    first, second = (report for report in wire.arrived() if getattr(report, "request_id", ""))
    if repeats:
        assert first == second
    else:
        assert isinstance(second, CancelRejectReport)
        assert second.duplicate_request_id


def test_a_request_on_an_order_that_is_not_there() -> None:
    wire = Wire()
    wire.venue.cancel(SendCancel("o9", "", "BTC-USD", "c9"))
    wire.venue.amend(SendAmend("o9", "", "BTC-USD", "a9", Decimal(1), Decimal(1), None))
    cancel, amend = wire.arrived()
    assert isinstance(cancel, CancelRejectReport)
    assert isinstance(amend, AmendRejectReport)
    assert cancel.order_not_open
    assert amend.order_not_open


def test_a_venue_that_cannot_amend_is_not_asked_to() -> None:
    wire = Wire({"supports_amend": False})
    with pytest.raises(ValidationFailed):
        wire.venue.amend(SendAmend("o1", "", "BTC-USD", "a1", Decimal(1), Decimal(1), None))


def test_a_question_that_times_out_takes_its_time() -> None:
    wire = Wire()
    wire.faults.arm("query", "question timed out", 1)
    started = wire.time.now_ns
    with pytest.raises(RequestTimeout):
        wire.venue.query(ask())
    assert wire.time.now_ns > started


def test_open_orders_are_cancelled_with_the_connection_where_the_venue_says_so() -> None:
    wire = Wire({"cancels_on_disconnect": True})
    wire.submit()
    wire.time.let_pass(0)
    wire.gateway.drop()
    wire.gateway.drop()
    assert [order.ended for order in wire.exchange.orders] == [OrderState.CANCELLED]
    assert sum(isinstance(report, CancelReport) for report in wire.exchange.orders[0].told) == 1
