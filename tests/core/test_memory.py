"""What is over leaves memory, and comes back when it is named; what a snapshot says; and what stays."""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from core_support.desk import ALLOW, BITCOIN, PAUSE, Desk, live_desk, order_request
from core_support.group_desk import GroupDesk
from core_support.twins import NaiveJournal, RealJournal
from execore.core.book_state import BookState
from execore.core.engine import step
from execore.core.recall import needs, needs_past
from execore.core.snapshot import restore, snapshot_of, state_hash
from execore.model import events, reports, requests
from execore.model.answers import Outcome
from execore.model.errors import InvariantViolation
from execore.model.keys import Key, KeyKind
from execore.model.orders import Order
from execore.model.requests import Input
from execore.runtime.archive import Archive

LIVES = 20_000
"""Far more than memory may hold anything of."""
FILL: dict[str, Any] = {"ts_ns": 0, "symbol": "BTC-USD", "quantity": "1", "price": "100"}


def filled_desk(*keys: str) -> Desk:
    """A desk whose orders were all filled, in this order: ``o1`` by ``E-o1``, at the venue ``V-o1``."""
    desk = Desk()
    for key in keys:
        desk.submit(key)
        desk.acknowledge(key, f"V-{key}")
        desk.fill(f"E-{key}", "1", key=key)
    return desk


def archive_of(desk: Desk) -> Archive:
    journal = NaiveJournal()
    journal.record(desk.events, 0, desk.state)
    return Archive(journal, "desk")  # type: ignore[arg-type]  # it asks no more of a journal


def fill(**fields: Any) -> Input:
    return reports.FillReport(**(FILL | fields))


# --- what leaves -------------------------------------------------------------------------------------------


def test_the_longest_over_leave_first_until_so_many_are_left() -> None:
    desk = filled_desk("o1", "o2", "o3", "o4")
    assert desk.state.is_whole
    assert desk.state.release(2) == 2
    assert [order.client_order_id for order in desk.state.orders] == ["o3", "o4"]
    assert desk.state.release(2) == 0
    assert not desk.state.is_whole
    assert desk.held == 4  # money stays


def test_what_is_open_pending_or_kept_apart_stays() -> None:
    desk = Desk()
    desk.submit("open")
    desk.submit("pending")
    desk.acknowledge("pending", "V1")
    desk.ask(requests.CancelOrder, "pending", request_id="c1")
    desk.fill("E1", "1", key="pending")
    desk.submit("held", verdict=PAUSE)
    desk.tell(reports.FillReport, "", venue_order_id="X1", execution_id="E2", quantity="1", price="100")
    assert desk.state.orders.by_venue_order_id("X1", "BTC-USD") is not None
    assert desk.state.release(0) == 0
    # An answer to the cancel, and word of which way the stranger went: now both are over.
    desk.tell(reports.CancelRejectReport, "pending", request_id="c1")
    desk.fill("E3", "1", key="", venue_order_id="X1", side="buy")
    assert desk.state.release(0) == 2
    assert {order.client_order_id for order in desk.state.orders} == {"open", "held"}


def test_an_order_that_the_next_day_is_about_stays_until_then() -> None:
    desk = live_desk()
    desk.tell(reports.DoneForDayReport)
    desk.fill("E1", "1")
    assert desk.state.release(0) == 0
    desk.take(requests.StartDay(ts_ns=1, trade_date="2026-11-23", ends_ts_ns=9, opens_ts_ns=1))
    assert not desk.order.done_for_day
    assert desk.state.release(0) == 1


def test_orders_of_a_group_stay_with_it() -> None:
    desk = GroupDesk()
    desk.pair()
    desk.accept_all()
    desk.trade("profit", "10")
    desk.accept_all()
    assert not desk.state.orders.open_orders()
    assert desk.state.release(0) == 0


def test_to_let_go_of_an_order_looks_at_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = filled_desk(*(f"o{number}" for number in range(50)))
    looked_at: list[str] = []
    may_leave = BookState.may_leave

    def noted(state: BookState, order: Order) -> bool:
        looked_at.append(order.client_order_id)
        return may_leave(state, order)

    monkeypatch.setattr(BookState, "may_leave", noted)
    desk.state.release(48)
    assert looked_at == ["o0", "o1"]


# --- what comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "key"),
    [
        (fill(client_order_id="o1", execution_id="E2"), Key(KeyKind.ORDER, "o1")),
        (fill(venue_order_id="V-o1", execution_id="E2"), Key(KeyKind.VENUE_ORDER, "V-o1", "BTC-USD")),
        (fill(venue_order_id="V-o1", symbol=""), Key(KeyKind.VENUE_ORDER, "V-o1", "BTC-USD")),
        (fill(client_order_id="o2", execution_id="E-o1"), Key(KeyKind.EXECUTION, "0:E-o1")),
        (requests.CancelOrder(ts_ns=0, client_order_id="o2", request_id="o1"), Key(KeyKind.ORDER, "o1")),
        (reports.CancelReport(ts_ns=0, request_id="o1"), Key(KeyKind.ORDER, "o1")),
        (reports.TradeCancelReport(ts_ns=0, execution_ref_id="E-o1"), Key(KeyKind.EXECUTION, "0:E-o1")),
        (requests.CloseOrder(ts_ns=0, client_order_id="o1"), Key(KeyKind.ORDER, "o1")),
    ],
)
def test_what_an_input_names_and_memory_does_not_have_is_needed(cause: Input, key: Key) -> None:
    desk = filled_desk("o1", "o2")
    archive = archive_of(desk)
    before = desk.state.orders.get("o1")
    desk.state.let_go(["o1"])
    assert key in needs(desk.state, cause)
    archive.load(desk.state, [cause])
    assert desk.state.orders.get("o1") == before
    assert key not in needs(desk.state, cause)


def test_the_usual_inputs_of_an_order_in_memory_need_what_is_new_in_them_and_no_more() -> None:
    desk = live_desk()
    assert needs(desk.state, fill(client_order_id="o1", venue_order_id="V1", execution_id="E1")) == [
        Key(KeyKind.EXECUTION, "0:E1")
    ]
    assert needs(desk.state, reports.CancelReport(ts_ns=0, client_order_id="o1", venue_order_id="V1")) == []
    assert needs_past(desk.state, fill(client_order_id="o1", execution_id="E1")) == ()


def test_to_recall_what_is_there_changes_nothing() -> None:
    desk = filled_desk("o1")
    archive = archive_of(desk)
    before = desk.state.orders.dossier(desk.order)
    assert archive.recall(desk.state, [Key(KeyKind.ORDER, "o1")]) == 0
    desk.state.recall([(event, 0) for event in desk.events if isinstance(event, events.OrderCreated)])
    assert desk.state.orders.dossier(desk.order) == before


def test_an_execution_of_an_order_long_gone_is_not_booked_again() -> None:
    desk = filled_desk("o1", "o2")
    archive = archive_of(desk)
    desk.state.release(0)
    again = fill(client_order_id="o1", execution_id="E-o1")
    other = fill(client_order_id="o2", execution_id="E-o1")
    archive.load(desk.state, [again, other])
    assert step(desk.state, again).outcome is Outcome.ALREADY_DONE
    assert step(desk.state, other).outcome is Outcome.PARKED
    assert desk.held == 2


def test_an_order_is_found_for_a_question_without_coming_back() -> None:
    desk = filled_desk("o1")
    archive, before = archive_of(desk), desk.order
    desk.state.release(0)
    assert archive.find(desk.state, "o1") == before
    assert archive.find(desk.state, "o9") is None
    assert len(desk.state.orders) == 0


def test_a_bust_reckons_with_executions_that_memory_has_let_go_of() -> None:
    desk = filled_desk("o1", "o2")
    full = restore(snapshot_of(desk.state))
    archive = archive_of(desk)
    desk.state.release(0)
    bust = reports.TradeCancelReport(ts_ns=0, execution_ref_id="E-o1", execution_id="B1")
    archive.load(desk.state, [bust])
    assert needs_past(desk.state, bust) == ("BTC-USD",)
    with pytest.raises(InvariantViolation, match="past of BTC-USD"):
        step(desk.state, bust)
    archive.load(full, [bust])
    full.past = archive.past(["BTC-USD"])
    step(full, bust)
    assert full.positions.position("BTC-USD").quantity == 1
    assert full.positions.position("BTC-USD").cost_basis == 100


def test_the_past_goes_on_with_what_the_step_itself_makes_of_it() -> None:
    """A bust that waited is applied in the step of its execution, which no journal has yet."""
    desk = filled_desk("o1")
    desk.submit("o2", quantity="2")
    desk.tell(reports.TradeCancelReport, "", execution_ref_id="E9", execution_id="B9")
    archive = archive_of(desk)
    desk.state.release(0)
    awaited = fill(client_order_id="o2", execution_id="E9")
    archive.load(desk.state, [awaited])
    assert needs_past(desk.state, awaited) == ("BTC-USD",)
    desk.state.past = archive.past(["BTC-USD"])
    answer = step(desk.state, awaited)
    assert [type(event) for event in answer.events] == [events.FillBooked, events.TradeCancelled]
    assert desk.held == 1


def test_a_venues_id_leads_to_the_order_that_was_given_it_last_whichever_comes_back_first() -> None:
    desk = filled_desk("o1")
    desk.submit("o2")
    desk.acknowledge("o2", "V-o1")  # the venue began its numbers anew
    desk.fill("E2", "1", key="o2")
    archive = archive_of(desk)
    desk.state.release(0)
    archive.recall(desk.state, [Key(KeyKind.ORDER, "o1")])
    found = desk.state.orders.by_venue_order_id("V-o1", "BTC-USD")
    assert found is not None
    assert found.client_order_id == "o2"


# --- snapshots ---------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_same_whatever_left_and_however_the_book_was_made() -> None:
    desk = filled_desk("o1", "o2")
    desk.submit("o3")
    desk.fill("E3", "0.5", key="o3", fee="0.0000001")
    desk.take(requests.TransferCash(ts_ns=0, transfer_id="t1", currency="USD", amount=Decimal("10.50")))
    data = snapshot_of(desk.state)
    assert b"o1" not in data
    assert b"0.0000001" in data
    assert snapshot_of(desk.replayed()) == data
    desk.state.release(0)
    assert snapshot_of(desk.state) == data
    back = restore(data)
    assert snapshot_of(back) == data
    assert state_hash(data) == state_hash(snapshot_of(back))
    assert back.positions.to_dict() == desk.state.positions.to_dict()
    assert back.orders.get("o3") == desk.state.orders.get("o3")
    assert not back.is_whole


def test_a_snapshot_of_another_state_is_another() -> None:
    desk = live_desk()
    before = state_hash(snapshot_of(desk.state))
    desk.fill("E1", "0.5")
    assert state_hash(snapshot_of(desk.state)) != before


# --- nothing grows -----------------------------------------------------------------------------------------


def held_by(thing: object, path: str = "state", seen: set[int] | None = None) -> Iterator[tuple[str, int]]:
    """Every container that hangs on ``thing``, by the attributes that lead to it, with its size."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, dict | list | set | deque):
        yield path, len(thing)
        for value in thing.values() if isinstance(thing, dict) else ():
            if isinstance(value, dict | list | set | deque | msgspec.Struct):
                yield from held_by(value, path, seen)
    elif hasattr(thing, "__dict__") and type(thing).__module__.startswith("execore"):
        for name, value in vars(thing).items():
            yield from held_by(value, f"{path}.{name}", seen)
    elif isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            yield from held_by(getattr(thing, name), f"{path}.{name}", seen)


def test_many_orders_that_are_over_leave_nothing_behind() -> None:
    state = BookState(history=lambda key: ())
    for event in filled_desk().events:
        state.apply(event, 0)
    for number in range(LIVES):
        for cause in life(number):
            step(state, cause)
        state.release(100)
    for path, size in held_by(state):
        assert size <= 400, path


def life(number: int) -> Iterator[Input]:
    """An order that ends. Some are amended, and get a new id of the venue's; some are counted in a total."""
    key = f"o{number}"
    of: dict[str, Any] = {"ts_ns": number, "symbol": "BTC-USD", "client_order_id": key}
    half: dict[str, Any] = {"quantity": Decimal("0.5"), "price": Decimal(100)}
    yield requests.SubmitOrder(ts_ns=number, order=order_request(key), verdict=ALLOW)
    yield reports.AcknowledgeReport(**of, venue_order_id=f"V{number}")
    if number % 10 == 0:
        request: dict[str, Any] = {"request_id": f"a{number}", "quantity": Decimal(2)}
        yield requests.AmendOrder(ts_ns=number, client_order_id=key, **request)
        yield reports.AmendReport(**of, **request, venue_order_id=f"W{number}")
    if number % 10 < 2:
        yield reports.FillReport(**of, **half, cumulative_quantity=Decimal("0.5"))
    yield reports.FillReport(**of, **half, execution_id=f"E{number}")
    yield reports.CancelReport(**of)


def test_the_journal_and_the_core_agree_on_what_to_look_for() -> None:
    """Ids that only a change of an order made known lead back to it through the real tables."""
    desk, journal = live_desk(), RealJournal()
    desk.ask_amend("a1", quantity="2")
    desk.tell(reports.AmendReport, request_id="a1", venue_order_id="V2", quantity="2")
    desk.fill("E1", "1")
    desk.tell(reports.TradeCorrectReport, execution_ref_id="E1", execution_id="C1", quantity="2", price="99")
    journal.record(desk.events, 0, desk.state)
    wanted = [
        Key(KeyKind.ORDER, "a1"),
        Key(KeyKind.VENUE_ORDER, "V1", BITCOIN.symbol),
        Key(KeyKind.VENUE_ORDER, "V2", BITCOIN.symbol),
        Key(KeyKind.EXECUTION, "0:E1"),
        Key(KeyKind.EXECUTION, "0:C1"),
    ]
    assert journal.find_orders("b", wanted) == dict.fromkeys(wanted, "o1")
