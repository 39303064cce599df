"""What an order can live through: the races and the surprises that the market really produces."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from core_support.desk import (
    BITCOIN,
    BLOCK,
    PAUSE,
    Desk,
    alert_codes,
    assert_replays,
    assert_shows,
    event_names,
    live_desk,
    order_request,
)
from execore.core.order_state_machine import OrderStateMachine
from execore.core.risk_hook import RiskContext, RiskHook, evaluate_hooks
from execore.core.snapshot import restore, snapshot_of
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import (
    DuplicateClientOrderId,
    DuplicateEntryId,
    InvalidInput,
    InvalidPrice,
    InvalidQuantity,
    UnknownInstrument,
    UnknownOrder,
)
from execore.model.orders import OrderRequest, order_to_dict
from execore.model.requests import RiskResult
from execore.model.vocabulary import (
    OPEN_STATES,
    OrderState,
    OrderType,
    OrdStatus,
    RiskDecision,
    Side,
    TimeInForce,
)

# --- whole lives --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("order_type", "time_in_force"), list(product(OrderType, TimeInForce)))
def test_every_order_type_lives_a_whole_life_under_every_time_in_force(
    order_type: OrderType, time_in_force: TimeInForce
) -> None:
    terms: dict[str, Any] = {
        "order_type": order_type,
        "price": "100" if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
        "stop_price": "99" if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) else None,
        "time_in_force": time_in_force,
        "expire_ts_ns": 10**18 if time_in_force is TimeInForce.GTD else None,
    }
    desk = Desk()
    states = [desk.submit(**terms), desk.acknowledge(), desk.fill("E1", "0.4"), desk.fill("E2", "0.6")]
    states.append(desk.ask(requests.CloseOrder))
    assert [answer.order and answer.order.state for answer in states] == [
        OrderState.SUBMITTED,
        OrderState.ACKNOWLEDGED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
        OrderState.CLOSED,
    ]
    shown = order_to_dict(desk.order)
    assert (shown["order_type"], shown["time_in_force"]) == (order_type, time_in_force)
    assert desk.held == 1
    assert_replays(desk)


def test_parts_that_add_up_exactly_fill_the_order() -> None:
    desk = live_desk()
    desk.fill("E1", "0.4", "100")
    assert_shows(desk.order, leaves=Decimal("0.6"), average_price=Decimal(100))
    desk.fill("E2", "0.6", "101")
    assert desk.order.state is OrderState.FILLED
    assert desk.order.leaves == 0
    assert desk.order.average_price == Decimal("100.6")


def test_a_submitted_order_is_recorded_and_sent_with_what_was_asked() -> None:
    desk = Desk()
    answer = desk.submit(quantity="0.25")
    assert event_names(answer) == ["OrderCreated", "OrderSubmitted"]
    assert answer.effects == (effects.SendOrder(order_request(quantity="0.25")),)


def test_metadata_and_strategy_survive_everything() -> None:
    desk = live_desk(metadata={"desk": "macro", "approved_by": "ann"}, strategy="carry")
    desk.ask_amend(quantity="2")
    desk.tell(reports.AmendReport, request_id="a1", quantity="2")
    desk.fill("E1", "0.5")
    desk.ask_cancel()
    desk.tell(reports.CancelReport, request_id="c1")
    desk.fill("E2", "0.5")
    desk.ask(requests.CloseOrder)
    for order in (desk.order, desk.replayed().orders.get("o1")):
        assert order.request.metadata == (("approved_by", "ann"), ("desk", "macro"))
        assert order_to_dict(order)["metadata"] == {"approved_by": "ann", "desk": "macro"}
        assert order.strategy == "carry"
    assert desk.state.orders.by_strategy("carry") == [desk.order]


# --- executions: once, and once only ------------------------------------------------------------------


def test_a_duplicate_execution_is_already_done() -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    again = desk.fill("E1", "0.4")
    assert (again.outcome, again.events, again.effects) == (Outcome.ALREADY_DONE, (), ())
    assert again.refusal is not None
    assert again.refusal.code == "duplicate_execution"
    assert desk.held == desk.order.filled == Decimal("0.4")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("price", {"price": "101"}),
        ("quantity", {"quantity": "0.5"}),
        ("side", {"side": "sell"}),
        ("symbol", {"symbol": "ESZ5"}),
        ("client_order_id", {"client_order_id": "o2"}),
    ],
)
def test_the_same_execution_with_other_content_is_a_conflict(field: str, fields: dict[str, Any]) -> None:
    desk = live_desk()
    desk.submit("o2")
    desk.fill("E1", "0.4")
    first = {"execution_id": "E1", "quantity": "0.4", "price": "100", "client_order_id": "o1"}
    answer = desk.tell(reports.FillReport, **(first | fields))
    assert answer.outcome is Outcome.PARKED
    assert event_names(answer) == ["ReportParked"]
    assert alert_codes(answer) == ["execution_conflict"]
    assert answer.refusal is not None
    assert field in answer.refusal.message
    assert answer.order is not None
    assert "conflict" in answer.order.flags
    assert desk.held == Decimal("0.4"), "it is not booked twice"
    assert desk.state.parked == 1
    assert_replays(desk)


def test_an_execution_id_may_come_again_in_another_scope() -> None:
    desk = live_desk()
    desk.fill("7", "0.4", execution_scope="2025-01-02")
    assert desk.fill("7", "0.4", execution_scope="2025-01-02").outcome is Outcome.ALREADY_DONE
    assert desk.fill("7", "0.4", execution_scope="2025-01-03").outcome is Outcome.APPLIED
    assert desk.held == Decimal("0.8")


def test_without_execution_ids_the_cumulative_quantity_decides() -> None:
    desk = live_desk()
    desk.fill("", "0.4", cumulative_quantity="0.4")
    assert desk.fill("", "0.4", cumulative_quantity="0.4").outcome is Outcome.ALREADY_DONE
    desk.fill("", "0.1", cumulative_quantity="0.9")  # the report between was lost: 0.5 is missing, not 0.1
    assert desk.order.filled == Decimal("0.9")
    assert desk.fill("", "0.4", cumulative_quantity="0.8").outcome is Outcome.ALREADY_DONE
    assert desk.held == Decimal("0.9")
    assert_replays(desk)


def test_an_execution_that_cannot_be_told_from_a_duplicate_is_parked() -> None:
    desk = live_desk()
    answer = desk.fill("", "0.4")
    assert alert_codes(answer) == ["no_execution_id"]
    assert desk.held == 0
    stranger = desk.fill("", "0.4", key="", venue_order_id="V9", side="buy")
    assert stranger.outcome is Outcome.PARKED
    assert len(desk.state.orders) == 1, "what is not booked makes no order"


def test_a_fill_of_the_other_side_is_booked_as_the_venue_says_and_disputed() -> None:
    desk = live_desk()
    answer = desk.fill("E1", "0.4", side="sell")
    assert answer.outcome is Outcome.APPLIED
    assert alert_codes(answer) == ["disputed_execution"]
    assert desk.held == Decimal("-0.4")
    assert_shows(desk.order, flags=("conflict",))


# --- fills in every state -----------------------------------------------------------------------------


def test_a_fill_before_the_acknowledgement_implies_it() -> None:
    desk = Desk()
    desk.submit()
    answer = desk.fill("E1", "0.4", venue_order_id="V1")
    assert_shows(desk.order, acknowledged=True, venue_order_id="V1")
    assert not answer.effects
    assert desk.acknowledge().outcome is Outcome.ALREADY_DONE
    assert desk.order.state is OrderState.PARTIALLY_FILLED


def ended(state: OrderState) -> Desk:
    """A desk whose order ended, as far as we were told."""
    desk = Desk()
    if state is OrderState.DENIED:
        desk.submit(verdict=BLOCK)
        return desk
    desk.submit()
    if state is OrderState.FAILED:
        desk.ask(requests.SubmitNotSent, reason="connection refused")
        return desk
    report: dict[OrderState, type[reports.Report]] = {
        OrderState.CANCELLED: reports.CancelReport,
        OrderState.EXPIRED: reports.ExpireReport,
        OrderState.REJECTED: reports.RejectReport,
    }
    desk.tell(report[state])
    assert desk.order.state is state
    return desk


ENDS = [
    OrderState.CANCELLED,
    OrderState.EXPIRED,
    OrderState.REJECTED,
    OrderState.FAILED,
    OrderState.DENIED,
]


@pytest.mark.parametrize("closed", [False, True], ids=["", "closed"])
@pytest.mark.parametrize("state", ENDS)
def test_a_fill_after_the_end_is_booked_flagged_and_alerted(state: OrderState, closed: bool) -> None:
    desk = ended(state)
    if closed:
        desk.ask(requests.CloseOrder)
        assert_shows(desk.order, state=OrderState.CLOSED, closed_from=state)
    answer = desk.fill("E1", "0.4")
    assert answer.outcome is Outcome.APPLIED
    assert alert_codes(answer) == [f"fill_on_{'closed' if closed else state.lower()}"]
    assert desk.held == Decimal("0.4")
    assert "fill_after_terminal" in desk.order.flags
    stands = state in (OrderState.CANCELLED, OrderState.EXPIRED)  # the others are disproved
    assert desk.order.state is (state if stands else OrderState.PARTIALLY_FILLED)
    assert desk.order.closed_from is None

    desk.fill("E2", "0.6")
    assert desk.order.state is OrderState.FILLED, "ended with everything filled is filled"
    assert_replays(desk)


def test_an_overfill_is_booked_flagged_and_alerted() -> None:
    desk = live_desk()
    desk.fill("E1", "1")
    answer = desk.fill("E2", "0.5")
    assert alert_codes(answer) == ["overfilled"]
    assert_shows(desk.order, flags=("overfilled",))
    assert_shows(desk.order, state=OrderState.FILLED, leaves=0)
    assert desk.held == Decimal("1.5")


def test_one_fill_may_overfill_at_once() -> None:
    desk = live_desk()
    assert alert_codes(desk.fill("E1", "1.5")) == ["overfilled"]
    assert desk.order.state is OrderState.FILLED


# --- orders that we never sent ------------------------------------------------------------------------


def external_fill(desk: Desk, execution_id: str, quantity: str, **fields: Any) -> Answer:
    """A fill of an order that the report names by the venue's id only."""
    fields = {"venue_order_id": "V1", "side": "buy"} | fields
    return desk.fill(execution_id, quantity, key="", **fields)


def test_a_fill_of_an_order_never_seen_is_booked_to_an_external_one() -> None:
    desk = Desk()
    answer = external_fill(desk, "E1", "0.4")
    assert event_names(answer) == ["OrderAdopted", "FillBooked"]
    assert alert_codes(answer) == ["external_order"]
    order = desk.only_order()
    assert_shows(order, flags=("external",), state=OrderState.FILLED, quantity=Decimal("0.4"))
    assert desk.held == Decimal("0.4")

    again = external_fill(desk, "E2", "0.6")
    assert alert_codes(again) == [], "one order of somebody else's is one alert"
    assert desk.only_order().quantity == desk.only_order().filled == 1
    assert external_fill(desk, "E1", "0.4").outcome is Outcome.ALREADY_DONE
    assert_replays(desk)


def test_an_external_order_has_the_same_id_on_every_machine() -> None:
    ids = set()
    for _ in range(2):
        desk = Desk()
        external_fill(desk, "E1", "0.4")
        ids.add(desk.only_order().client_order_id)
    assert len(ids) == 1


@pytest.mark.parametrize(("owned", "flags"), [(False, ("external",)), (True, ())])
def test_terms_told_later_end_the_guessing_and_ownership_ends_being_external(
    owned: bool, flags: tuple[str, ...]
) -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4")
    desk.acknowledge("", side="buy", leaves="0.6", price="100", owned=owned)
    order = desk.only_order()
    assert_shows(order, quantity=1, price=100, state=OrderState.PARTIALLY_FILLED)
    assert_shows(order, flags=flags)
    assert alert_codes(external_fill(desk, "E2", "0.7")) == ["overfilled"], (
        "its quantity is no longer guessed"
    )
    assert_replays(desk)


def test_a_drop_copy_makes_an_order_of_its_own_without_an_alert() -> None:
    desk = Desk()
    answer = desk.acknowledge("", side="sell", leaves="2", price="100", owned=True)
    assert answer.effects == ()
    order = desk.only_order()
    assert_shows(order, side=Side.SELL, quantity=2, state=OrderState.ACKNOWLEDGED)
    assert (
        desk.acknowledge("", side="sell", leaves="2", price="100", owned=True).outcome is Outcome.ALREADY_DONE
    )


def test_fills_that_came_by_venue_id_before_the_acknowledgement_find_their_owner() -> None:
    desk = Desk()
    desk.submit()
    external_fill(desk, "E1", "0.4")
    external_fill(desk, "E2", "0.3")
    assert len(desk.state.orders) == 2
    answer = desk.acknowledge()
    assert event_names(answer) == ["OrderReowned"], "the fills implied the acknowledgement"
    order = desk.only_order()
    assert_shows(order, client_order_id="o1", filled=Decimal("0.7"))
    assert_shows(order, state=OrderState.PARTIALLY_FILLED, average_price=100)
    assert desk.held == Decimal("0.7"), "executions move, money does not"

    assert external_fill(desk, "E1", "0.4").outcome is Outcome.ALREADY_DONE
    assert desk.fill("E2", "0.3").outcome is Outcome.ALREADY_DONE
    external_fill(desk, "E3", "0.3")
    assert desk.order.state is OrderState.FILLED
    assert desk.state.orders.by_execution_id("E1") == desk.order
    assert_replays(desk)


def test_the_books_numbers_are_canonical_when_fills_change_owner() -> None:
    desk = Desk()
    desk.submit()
    external_fill(desk, "E1", "0.4")
    external_fill(desk, "E2", "0.6")
    (event,) = desk.acknowledge().events
    assert isinstance(event, events.OrderReowned)
    assert (str(event.filled), str(event.notional)) == ("1", "100")


def test_an_order_that_takes_over_more_than_it_asked_for_is_overfilled_and_alerted() -> None:
    desk = Desk()
    desk.submit()
    external_fill(desk, "E1", "1.5")
    assert alert_codes(desk.acknowledge()) == ["overfilled"]
    assert_shows(desk.order, flags=("overfilled",))


@pytest.mark.parametrize("over", [False, True])
def test_a_cancel_of_what_turns_out_to_be_our_order_is_told_unless_it_is_over(over: bool) -> None:
    desk = Desk()
    desk.submit()
    desk.acknowledge("", venue_order_id="V1", side="buy", leaves="1", price="100")
    (external,) = (each for each in desk.state.orders if each.external)
    desk.ask(requests.CancelOrder, external.client_order_id, request_id="c9")
    desk.ask(requests.RequestOutcomeUnknown, external.client_order_id, request_id="c9", reason="no reply")
    report = reports.CancelReport if over else reports.AcknowledgeReport
    answer = desk.tell(report, venue_order_id="V1")
    assert event_names(answer)[0] == "OrderReowned"
    told = [one for one in answer.effects if isinstance(one, effects.Alert) and "c9" in one.message]
    assert [one.code for one in told] == ([] if over else ["request_not_taken_over"])


def test_a_closed_order_comes_back_when_it_takes_fills_over() -> None:
    desk = ended(OrderState.CANCELLED)
    desk.ask(requests.CloseOrder)
    external_fill(desk, "E1", "1")
    desk.acknowledge()
    assert_shows(desk.order, state=OrderState.FILLED, closed_from=None)


def test_ownership_may_pass_on_from_one_external_order_to_the_next() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4")
    desk.fill("E2", "0.3", key="theirs", side="buy", venue_order_id="V2")
    desk.acknowledge("theirs", "V1")  # an external order takes another one over
    assert desk.only_order().filled == Decimal("0.7")
    desk.submit()
    desk.acknowledge("o1", "V1")
    assert desk.only_order().client_order_id == "o1"
    for venue_order_id in ("V1", "V2"):
        assert external_fill(desk, "E1", "0.4", venue_order_id=venue_order_id).order is desk.order
    assert desk.state.orders.find("theirs") is desk.order
    assert_replays(desk)


def test_fills_of_an_order_that_nobody_names_are_booked_one_by_one() -> None:
    desk = Desk()
    desk.fill("E1", "0.4", key="", side="buy")
    desk.fill("E2", "0.3", key="", side="buy")
    assert desk.held == Decimal("0.7")
    assert sum(order.filled for order in desk.state.orders) == Decimal("0.7")


def test_an_id_that_could_not_be_ours_does_not_stop_a_fill() -> None:
    desk = Desk()
    assert desk.fill("E1", "0.4", key="manual order №1", side="buy").outcome is Outcome.APPLIED
    desk.fill("E2", "0.3", key="manual order №1", side="buy")
    assert desk.only_order().filled == desk.held == Decimal("0.7")


def test_a_report_that_fits_nothing_is_kept_and_shouted_about() -> None:
    desk = Desk()
    unmatched = desk.tell(reports.CancelReport, "nobody")
    assert (unmatched.outcome, alert_codes(unmatched)) == (Outcome.PARKED, ["unmatched_report"])
    unknown = desk.fill("E1", "1", key="", venue_order_id="V1", symbol="DOGE")
    assert (unknown.outcome, alert_codes(unknown)) == (Outcome.PARKED, ["unknown_instrument"])
    assert desk.state.parked == 2
    assert_replays(desk)


def test_quantity_of_an_undisclosed_side_waits_apart_until_the_side_is_told() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4", side=None)
    external_fill(desk, "E2", "0.2", side=None)
    position = desk.state.positions.position("BTC-USD")
    assert [position.quantity, position.undisclosed] == [0, Decimal("0.6")]
    assert order_to_dict(desk.only_order())["side"] is None
    assert external_fill(desk, "E1", "0.4", side=None).outcome is Outcome.ALREADY_DONE

    desk.acknowledge("", side="sell", leaves="0.4", price="100")
    position = desk.state.positions.position("BTC-USD")
    assert [position.quantity, position.undisclosed] == [Decimal("-0.6"), 0]
    assert desk.only_order().side is Side.SELL
    assert_replays(desk)


@pytest.mark.parametrize("told", [None, "sell"])
def test_a_duplicate_is_still_one_after_the_side_was_told(told: str | None) -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4", side=None)
    desk.acknowledge("", side="sell", leaves="0.6", price="100")
    assert external_fill(desk, "E1", "0.4", side=told).outcome is Outcome.ALREADY_DONE
    assert external_fill(desk, "E1", "0.4", side="buy").outcome is Outcome.PARKED
    assert desk.held == Decimal("-0.4")


def test_undisclosed_fills_are_settled_when_their_owner_is_found() -> None:
    desk = Desk()
    desk.submit(side="sell")
    external_fill(desk, "E1", "0.4", side=None)
    desk.acknowledge()
    assert desk.held == Decimal("-0.4")
    assert desk.state.positions.position("BTC-USD").undisclosed == 0


def test_undisclosed_fills_follow_their_order_through_an_owner_as_silent() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4", side=None)
    desk.fill("E2", "0.3", key="theirs", side=None)
    desk.acknowledge("theirs", "V1")
    desk.acknowledge("theirs", "V1", side="sell", leaves="1", price="100")
    assert desk.held == Decimal("-0.7")
    assert_replays(desk)


# --- cancels ------------------------------------------------------------------------------------------


def test_a_cancel_is_pending_until_the_venue_answers() -> None:
    desk = live_desk()
    answer = desk.ask_cancel()
    assert answer.effects == (effects.SendCancel("o1", "V1", "BTC-USD", "c1"),)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, flags=("pending_cancel",))
    assert desk.ask_cancel("c2").outcome is Outcome.ALREADY_DONE
    desk.fill("E1", "0.4")
    desk.tell(reports.CancelReport, request_id="c1")
    assert_shows(desk.order, state=OrderState.CANCELLED, flags=(), leaves=0)
    assert desk.order.filled == Decimal("0.4")


def test_a_cancel_of_unknown_outcome_may_be_asked_for_again() -> None:
    desk = live_desk()
    desk.ask_cancel("c1")
    desk.ask(requests.RequestOutcomeUnknown, request_id="c1", reason="timeout")
    again = desk.ask_cancel("c2")
    assert again.effects == (effects.SendCancel("o1", "V1", "BTC-USD", "c2"),)
    assert desk.ask_cancel("c3").outcome is Outcome.ALREADY_DONE
    desk.tell(reports.CancelReport, request_id="c2")
    assert_shows(desk.order, state=OrderState.CANCELLED, flags=())


def test_an_order_that_was_never_sent_is_cancelled_here() -> None:
    desk = Desk()
    desk.submit(verdict=PAUSE)
    answer = desk.ask_cancel()
    assert answer.effects == ()
    assert_shows(desk.order, state=OrderState.CANCELLED, flags=())


def test_an_order_that_the_venue_knows_is_cancelled_there_even_if_we_never_sent_it() -> None:
    desk = Desk()
    desk.submit(verdict=PAUSE)
    desk.acknowledge()
    assert isinstance(desk.ask_cancel().effects[0], effects.SendCancel)
    assert desk.order.is_open


def test_a_rejected_cancel_leaves_the_order_as_it_was() -> None:
    desk = live_desk()
    desk.ask_cancel()
    desk.tell(reports.CancelRejectReport, request_id="c1", reason="unknown order")
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, flags=())
    assert desk.ask_cancel("c2").outcome is Outcome.APPLIED


def test_replies_are_matched_on_the_requests_own_id() -> None:
    desk = live_desk()
    desk.ask_amend(price="101")
    desk.ask_cancel()
    assert desk.tell(reports.CancelRejectReport, request_id="c9").outcome is Outcome.IGNORED
    assert_shows(desk.order, flags=("pending_cancel", "pending_replace"))
    desk.tell(reports.AmendRejectReport, request_id="a1")
    assert_shows(desk.order, flags=("pending_cancel",))


def test_a_cancel_that_comes_too_late_leaves_the_order_filled() -> None:
    desk = live_desk()
    desk.ask_cancel()
    desk.fill("E1", "1")
    assert_shows(desk.order, flags=("pending_cancel",))
    assert desk.ask(requests.CloseOrder).outcome is Outcome.REFUSED, "a request is not answered yet"
    desk.tell(reports.CancelReport, request_id="c1")
    assert_shows(desk.order, state=OrderState.FILLED, flags=())
    assert desk.ask(requests.CloseOrder).outcome is Outcome.APPLIED


def test_a_partial_cancel_takes_its_part_and_the_rest_lives() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4")
    desk.tell(reports.CancelReport, cancelled_quantity="2.5")
    assert_shows(desk.order, quantity=Decimal("7.5"), leaves=Decimal("3.5"))
    assert desk.order.state is OrderState.PARTIALLY_FILLED
    desk.tell(reports.CancelReport, cancelled_quantity="3.5")
    assert_shows(desk.order, state=OrderState.CANCELLED, leaves=0)


def test_a_partial_cancel_answers_the_request_that_asked_for_it() -> None:
    desk = live_desk(quantity="10")
    desk.ask_cancel()
    desk.tell(reports.CancelReport, cancelled_quantity="2", request_id="c1")
    assert_shows(desk.order, flags=(), leaves=8)


def test_a_late_acknowledgement_teaches_the_venues_id_and_does_not_wake_the_order() -> None:
    desk = ended(OrderState.CANCELLED)
    desk.acknowledge()
    assert desk.order.state is OrderState.CANCELLED
    assert external_fill(desk, "E1", "0.4").order is desk.order, "the late fill finds its order"


# --- amends -------------------------------------------------------------------------------------------


def test_an_amend_is_pending_until_the_venue_confirms_it() -> None:
    desk = live_desk()
    answer = desk.ask_amend(quantity="2", price="101")
    assert answer.effects == (effects.SendAmend("o1", "V1", "BTC-USD", "a1", Decimal(2), Decimal(101), None),)
    assert_shows(desk.order, quantity=1, price=100)  # the old terms hold meanwhile
    desk.tell(reports.AmendReport, request_id="a1", quantity="2", price="101")
    assert_shows(desk.order, quantity=2, price=101, flags=())
    assert desk.order.request == order_request(), "what the client order id stands for does not change"


def test_an_amend_confirmed_by_its_id_alone_takes_the_terms_that_were_asked_for() -> None:
    desk = live_desk()
    desk.ask_amend(quantity="2", price="101")
    desk.tell(reports.AmendReport, request_id="a1")
    assert_shows(desk.order, quantity=2, price=101, flags=())


def test_an_amend_confirmed_with_what_rests_counts_what_is_filled() -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    desk.ask_amend(quantity="3")
    desk.fill("E2", "0.1")  # traded while the amend was on its way
    desk.tell(reports.AmendReport, request_id="a1", leaves="2.5")
    assert_shows(desk.order, quantity=3, leaves=Decimal("2.5"))


def test_a_rejected_amend_leaves_the_order_as_it_was() -> None:
    desk = live_desk()
    before = order_to_dict(desk.order)
    desk.ask_amend(quantity="2")
    desk.tell(reports.AmendRejectReport, request_id="a1")
    assert order_to_dict(desk.order) == before


@pytest.mark.parametrize("total", ["0.4", "0.3"])
def test_an_amend_to_what_is_filled_or_less_is_refused_with_use_cancel(total: str) -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    answer = desk.ask_amend(quantity=total)
    assert answer.outcome is Outcome.REFUSED
    assert answer.refusal is not None
    assert answer.refusal.code == "amend_below_filled"
    assert "use cancel" in answer.refusal.message
    assert answer.refusal.allowed == ("cancel_request", "amend_request")


def test_taking_an_amend_back_while_it_is_pending_is_a_request_of_its_own() -> None:
    desk = live_desk()
    assert desk.ask_amend("a1", quantity="1").outcome is Outcome.ALREADY_DONE, "these are the terms"
    desk.ask_amend("a1", quantity="2")
    assert isinstance(desk.ask_amend("a2", quantity="1").effects[0], effects.SendAmend)


@pytest.mark.parametrize(
    ("terms", "code"),
    [({"stop_price": "99"}, "amend_changes_type"), ({"request_id": "a1"}, "duplicate_request_id")],
)
def test_an_amend_that_does_not_fit_the_order_is_refused(terms: dict[str, str], code: str) -> None:
    desk = live_desk()
    desk.ask_amend("a1", quantity="2")
    refusal = desk.ask_amend(**({"request_id": "a2", "quantity": "3"} | terms)).refusal
    assert refusal is not None
    assert refusal.code == code


def test_no_amend_while_a_cancel_is_pending() -> None:
    desk = live_desk()
    desk.ask_cancel()
    refusal = desk.ask_amend(quantity="2").refusal
    assert refusal is not None
    assert refusal.code == "cancel_pending"


def test_a_venue_that_amends_below_what_is_filled_means_stop_here() -> None:
    desk = live_desk()
    desk.fill("E1", "0.6")
    desk.tell(reports.AmendReport, quantity="0.5")
    assert_shows(desk.order, quantity=Decimal("0.6"), state=OrderState.FILLED)


def test_a_higher_total_reopens_a_filled_order() -> None:
    desk = live_desk()
    desk.fill("E1", "1")
    desk.tell(reports.AmendReport, quantity="3")
    assert_shows(desk.order, state=OrderState.PARTIALLY_FILLED, leaves=2)


@pytest.mark.parametrize("closed", [False, True], ids=["", "closed"])
@pytest.mark.parametrize("state", ENDS)
def test_an_order_that_rests_after_all_is_open_again_and_alerted(state: OrderState, closed: bool) -> None:
    desk = ended(state)
    if closed:
        desk.ask(requests.CloseOrder)
    answer = desk.tell(reports.AmendReport, leaves="1")
    assert alert_codes(answer)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, leaves=1)
    assert desk.order in desk.state.orders.open_orders()
    assert_replays(desk)


@pytest.mark.parametrize("state", [OrderState.FAILED, OrderState.DENIED])
@pytest.mark.parametrize(
    "report",
    [
        (reports.AcknowledgeReport, {"venue_order_id": "V1"}),
        (reports.AmendReport, {"quantity": "1"}),
        (reports.AmendReport, {"quantity": "2"}),
    ],
)
def test_a_closed_order_that_was_thought_absent_comes_back_when_the_venue_knows_it(
    state: OrderState, report: tuple[type[reports.Report], dict[str, str]]
) -> None:
    desk = ended(state)
    desk.ask(requests.CloseOrder)
    answer = desk.tell(report[0], **report[1])
    assert alert_codes(answer)
    assert desk.order.state is OrderState.ACKNOWLEDGED


def test_a_closed_filled_order_comes_back_when_its_total_grows() -> None:
    desk = live_desk()
    desk.fill("E1", "1")
    desk.ask(requests.CloseOrder)
    assert alert_codes(desk.tell(reports.AmendReport, quantity="2"))
    assert_shows(desk.order, state=OrderState.PARTIALLY_FILLED, leaves=1)


# --- rejects and unknown outcomes ---------------------------------------------------------------------


@pytest.mark.parametrize("state", [*OPEN_STATES - {OrderState.CREATED}, OrderState.FILLED])
def test_a_duplicate_id_reject_never_kills_and_never_accuses(state: OrderState) -> None:
    desk = Desk()
    desk.submit()
    if state is OrderState.UNKNOWN:
        desk.ask(requests.SubmitOutcomeUnknown, reason="timeout")
    if state not in (OrderState.SUBMITTED, OrderState.UNKNOWN):
        desk.acknowledge()
    if state in (OrderState.PARTIALLY_FILLED, OrderState.FILLED):
        desk.fill("E1", "0.4" if state is OrderState.PARTIALLY_FILLED else "1")
    assert desk.order.state is state
    answer = desk.tell(reports.RejectReport, duplicate_client_order_id=True)
    evidence = state in (OrderState.SUBMITTED, OrderState.UNKNOWN)  # it proves that the order exists
    assert desk.order.state is (OrderState.ACKNOWLEDGED if evidence else state)
    assert alert_codes(answer) == []
    assert "conflict" not in desk.order.flags


def test_a_reject_of_what_has_traded_is_parked_and_the_fills_stand() -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    answer = desk.tell(reports.RejectReport, reason="unknown symbol")
    assert (answer.outcome, alert_codes(answer)) == (Outcome.PARKED, ["rejected_on_partially_filled"])
    assert (desk.order.state, desk.held) == (OrderState.PARTIALLY_FILLED, Decimal("0.4"))
    assert_shows(desk.order, flags=("conflict",))


def unknown_desk() -> Desk:
    desk = Desk()
    desk.submit()
    answer = desk.ask(requests.SubmitOutcomeUnknown, reason="timeout")
    assert answer.effects == (effects.QueryOrder("o1", "", "BTC-USD"),)
    return desk


def test_an_order_of_unknown_outcome_keeps_its_exposure() -> None:
    desk = unknown_desk()
    assert_shows(desk.order, state=OrderState.UNKNOWN, leaves=1)
    assert desk.order in desk.state.orders.open_orders()
    assert desk.ask(requests.SubmitOutcomeUnknown, reason="again").outcome is Outcome.ALREADY_DONE
    assert desk.ask(requests.CloseOrder).outcome is Outcome.REFUSED
    assert desk.ask_amend(quantity="2").outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("report", "fields", "state"),
    [
        (reports.AcknowledgeReport, {}, OrderState.ACKNOWLEDGED),
        (
            reports.FillReport,
            {"execution_id": "E1", "quantity": "0.4", "price": "100"},
            OrderState.PARTIALLY_FILLED,
        ),
        (reports.CancelReport, {}, OrderState.CANCELLED),
        (reports.RejectReport, {}, OrderState.REJECTED),
        (reports.ExpireReport, {}, OrderState.EXPIRED),
        (reports.AmendReport, {"quantity": "2"}, OrderState.ACKNOWLEDGED),
        (reports.AmendReport, {"quantity": "1"}, OrderState.ACKNOWLEDGED),
    ],
)
def test_evidence_ends_not_knowing(
    report: type[reports.Report], fields: dict[str, Any], state: OrderState
) -> None:
    desk = unknown_desk()
    desk.tell(report, **fields)
    assert desk.order.state is state


def test_proof_of_absence_ends_not_knowing_as_failed() -> None:
    desk = unknown_desk()
    desk.ask(requests.SubmitNotSent, reason="absent in open, closed and fills")
    assert desk.order.state is OrderState.FAILED


def test_a_cancel_reject_is_no_evidence_about_the_order() -> None:
    desk = unknown_desk()
    assert desk.ask_cancel().outcome is Outcome.APPLIED, "it may be live: a cancel does no harm"
    desk.tell(reports.CancelRejectReport, request_id="c1", reason="unknown order")
    assert desk.order.state is OrderState.UNKNOWN


def test_a_request_of_unknown_outcome_stays_pending_and_is_asked_after() -> None:
    desk = live_desk()
    desk.ask_amend(quantity="2")
    desk.ask_cancel()
    for request_id in ("c1", "a1"):
        answer = desk.ask(requests.RequestOutcomeUnknown, request_id=request_id, reason="timeout")
        assert answer.effects == (effects.QueryOrder("o1", "V1", "BTC-USD"),)
    assert_shows(desk.order, flags=("pending_cancel", "pending_replace", "cancel_unknown", "amend_unknown"))
    desk.ask(requests.RequestNotSent, request_id="a1", reason="refused")
    assert_shows(desk.order, flags=("pending_cancel", "cancel_unknown"))
    desk.tell(reports.CancelReport)
    assert_shows(desk.order, flags=())


def test_closed_keeps_what_it_was_closed_from() -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    desk.tell(reports.CancelReport)
    desk.ask(requests.CloseOrder)
    assert order_to_dict(desk.order)["closed_from"] == "CANCELLED"
    assert desk.ask(requests.CloseOrder).outcome is Outcome.ALREADY_DONE
    assert desk.order.ord_status is OrdStatus.CANCELED


# --- identity -----------------------------------------------------------------------------------------


def test_the_same_submission_again_answers_with_the_order_as_it_is_and_sends_nothing() -> None:
    desk = live_desk(metadata={"desk": "macro"})
    desk.fill("E1", "1")
    again = desk.submit(metadata={"desk": "macro"})
    assert again.outcome is Outcome.ALREADY_DONE
    assert again.order is desk.order
    assert (again.events, again.effects) == ((), ())


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("symbol", {"symbol": "ESZ5"}),
        ("side", {"side": "sell"}),
        ("quantity", {"quantity": "2"}),
        ("price", {"price": "101"}),
        ("order_type", {"order_type": "market", "price": None}),
        ("time_in_force", {"time_in_force": "ioc"}),
        ("strategy", {"strategy": "other"}),
        ("metadata", {"metadata": {"desk": "other"}}),
    ],
)
def test_the_same_id_for_another_intent_names_the_field(field: str, terms: dict[str, Any]) -> None:
    desk = live_desk()
    with pytest.raises(DuplicateClientOrderId) as caught:
        desk.submit(**terms)
    assert caught.value.field == field
    assert "o1" in str(caught.value)
    assert len(desk.state.orders) == 1


def test_a_request_that_is_not_acceptable_creates_nothing() -> None:
    desk = Desk()
    before = len(desk.events)
    bad: list[tuple[type[InvalidInput], str, dict[str, Any]]] = [
        (InvalidPrice, "price", {"price": "100.001"}),
        (InvalidQuantity, "quantity", {"quantity": "0.0005"}),
        (UnknownInstrument, "symbol", {"symbol": "DOGE"}),
        (InvalidInput, "side", {"side": "undisclosed"}),
        (InvalidInput, "client_order_id", {"client_order_id": ""}),
    ]
    for error, field, terms in bad:
        with pytest.raises(error) as caught:
            desk.submit(**terms)
        assert caught.value.field == field
    with pytest.raises(UnknownOrder):
        desk.ask_cancel()
    assert (len(desk.state.orders), len(desk.events)) == (0, before)


@pytest.mark.parametrize("ask", ["ask_cancel", "ask_amend"])
def test_a_request_needs_an_id_of_its_own(ask: str) -> None:
    desk = live_desk()
    with pytest.raises(InvalidInput) as caught:
        getattr(desk, ask)("")
    assert caught.value.field == "request_id"


def test_an_amend_is_held_to_the_instruments_tick_and_step() -> None:
    desk = live_desk()
    with pytest.raises(InvalidQuantity):
        desk.ask_amend(quantity="2.0005")
    with pytest.raises(InvalidPrice):
        desk.ask_amend(price="100.005")
    assert_shows(desk.order, flags=())


# --- risk and validation ------------------------------------------------------------------------------


class Hook:
    """A risk gate that answers, or raises, what it was given, and counts how often it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = 0

    def evaluate_order(self, order: OrderRequest, context: RiskContext) -> RiskResult:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # a foreign hook may answer anything


def machine(*hooks: RiskHook) -> OrderStateMachine:
    orders = OrderStateMachine(risk_hooks=hooks)
    orders.create_order(order_request())
    return orders


def test_allowed_is_sent() -> None:
    answer = machine(Hook(RiskResult(RiskDecision.ALLOW))).submit_order("o1")
    assert answer.order is not None
    assert answer.order.state is OrderState.SUBMITTED
    assert isinstance(answer.effects[0], effects.SendOrder)


def test_blocked_is_denied_for_good_with_the_reason() -> None:
    orders = machine(Hook(BLOCK))
    answer = orders.submit_order("o1")
    assert answer.order is not None
    assert_shows(answer.order, state=OrderState.DENIED, reason="too big")
    assert answer.effects == ()
    assert orders.submit_order("o1").events == ()


def test_paused_is_held_unsent_until_somebody_decides() -> None:
    hook = Hook(PAUSE)
    orders = machine(hook)
    answer = orders.submit_order("o1")
    assert answer.order is not None
    assert_shows(answer.order, state=OrderState.CREATED, flags=("held",))
    assert [effect.client_order_id for effect in answer.effects if isinstance(effect, effects.Alert)] == [
        "o1"
    ]
    assert orders.submit_order("o1").outcome is Outcome.ALREADY_DONE
    hook.answer = RiskResult(RiskDecision.ALLOW)
    released = orders.submit_order("o1")
    assert released.order is not None
    assert_shows(released.order, state=OrderState.SUBMITTED, flags=())


@pytest.mark.parametrize(
    "nonsense",
    [
        RuntimeError("no data"),
        None,
        True,
        "allow",
        RiskResult("allow"),  # type: ignore[arg-type]
        RiskResult("maybe"),  # type: ignore[arg-type]
    ],
)
def test_a_gate_that_fails_is_a_gate_that_blocks(nonsense: object) -> None:
    strict = Hook(BLOCK)
    answer = machine(Hook(nonsense), strict).submit_order("o1")
    assert answer.order is not None
    assert answer.order.state is OrderState.DENIED
    assert "Hook" in answer.order.reason
    assert answer.effects == ()


def test_the_first_gate_that_does_not_allow_decides() -> None:
    gates = [Hook(RiskResult(RiskDecision.ALLOW)), Hook(PAUSE), Hook(BLOCK)]
    assert evaluate_hooks(gates, order_request(), RiskContext(0)) == PAUSE
    assert [gate.asked for gate in gates] == [1, 1, 0]


def test_an_order_that_was_sent_is_past_its_gate() -> None:
    hook = Hook(RiskResult(RiskDecision.ALLOW))
    orders = machine(hook)
    orders.submit_order("o1")
    hook.answer = BLOCK
    assert orders.submit_order("o1").outcome is Outcome.ALREADY_DONE
    assert hook.asked == 1


def test_the_engine_denies_and_holds_by_the_verdict_it_is_given() -> None:
    desk = Desk()
    assert event_names(desk.submit(verdict=BLOCK)) == ["OrderCreated", "OrderDenied"]
    assert event_names(desk.submit("o2", verdict=PAUSE)) == ["OrderCreated", "OrderHeld"]
    released = desk.ask(requests.ReleaseOrder, "o2", verdict=BLOCK)
    assert released.order is not None
    assert released.order.state is OrderState.DENIED


def test_a_validator_that_refuses_leaves_no_order() -> None:
    def only_round_lots(request: OrderRequest) -> None:
        if request.quantity % 100:
            raise InvalidQuantity("quantity", "is not a round lot")

    orders = OrderStateMachine(validators=[only_round_lots])
    with pytest.raises(InvalidQuantity, match="round lot"):
        orders.create_order(order_request())
    assert len(orders.orders) == 0
    orders.create_order(order_request(quantity=200))
    assert orders.orders.get("o1").state is OrderState.CREATED


def test_the_machine_alone_takes_no_order_without_a_side() -> None:
    with pytest.raises(InvalidInput) as caught:
        OrderStateMachine().create_order(order_request(side="undisclosed"))
    assert caught.value.field == "side"


# --- the FIX status -----------------------------------------------------------------------------------


def test_a_pending_cancel_outranks_everything_and_a_pending_replace_all_the_rest() -> None:
    desk = Desk()
    answers = [
        desk.submit(),
        desk.acknowledge(),
        desk.ask_amend(quantity="2"),
        desk.tell(reports.PendingReport, request_id="a1"),
        desk.fill("E1", "0.4"),
        desk.ask_cancel(),
        desk.tell(reports.PendingReport, request_id="c1"),
        desk.fill("E2", "0.6"),
        desk.tell(reports.CancelRejectReport, request_id="c1"),
        desk.tell(reports.AmendReport, request_id="a1", quantity="1"),
    ]
    assert [answer.order and answer.order.ord_status for answer in answers] == [
        OrdStatus.PENDING_NEW,
        OrdStatus.NEW,
        OrdStatus.NEW,  # asked for, and the venue has not said that it knows
        OrdStatus.PENDING_REPLACE,
        OrdStatus.PENDING_REPLACE,
        OrdStatus.PENDING_REPLACE,
        OrdStatus.PENDING_CANCEL,
        OrdStatus.PENDING_CANCEL,  # even with everything filled: FIX 4.4 Vol 4, B.1.c
        OrdStatus.PENDING_REPLACE,
        OrdStatus.FILLED,
    ]


def test_the_fix_codes_are_those_of_tag_39() -> None:
    assert {status.value: status.code for status in OrdStatus} == {
        "new": "0",
        "partially_filled": "1",
        "filled": "2",
        "done_for_day": "3",
        "canceled": "4",
        "pending_cancel": "6",
        "stopped": "7",
        "rejected": "8",
        "suspended": "9",
        "pending_new": "A",
        "calculated": "B",
        "expired": "C",
        "pending_replace": "E",
    }


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OrderState.CANCELLED, OrdStatus.CANCELED),
        (OrderState.EXPIRED, OrdStatus.EXPIRED),
        (OrderState.REJECTED, OrdStatus.REJECTED),
        (OrderState.FAILED, OrdStatus.REJECTED),
        (OrderState.DENIED, OrdStatus.REJECTED),
    ],
)
def test_every_end_has_a_fix_status(state: OrderState, status: OrdStatus) -> None:
    assert ended(state).order.ord_status is status


# --- the ledger and the book around the orders ----------------------------------------------------------


def test_the_ledger_answers_by_every_key_and_keeps_the_order_of_time() -> None:
    desk = Desk()
    for key, strategy in (("o1", "a"), ("o2", "b"), ("o3", "a")):
        desk.submit(key, strategy=strategy)
    desk.acknowledge("o2", "V2")
    desk.tell(reports.CancelReport, "o3")
    ledger = desk.state.orders
    names = {
        "symbol": [order.client_order_id for order in ledger.by_symbol("BTC-USD")],
        "strategy": [order.client_order_id for order in ledger.by_strategy("a")],
        "open": sorted(order.client_order_id for order in ledger.open_orders()),
        "state": [order.client_order_id for order in ledger.by_state(OrderState.CANCELLED)],
        "both": sorted(
            order.client_order_id for order in ledger.by_state(OrderState.SUBMITTED, OrderState.CANCELLED)
        ),
        "nothing": ledger.by_symbol("ESZ5"),
    }
    assert names == {
        "symbol": ["o1", "o2", "o3"],
        "strategy": ["o1", "o3"],
        "open": ["o1", "o2"],
        "state": ["o3"],
        "both": ["o1", "o3"],
        "nothing": [],
    }
    assert ledger.by_venue_order_id("V2") is ledger.by_venue_order_id("V2", "BTC-USD") is ledger.get("o2")
    assert ledger.by_venue_order_id("V2", "ESZ5") is None, "a venue's ids may be unique in one symbol only"
    assert [type(event).__name__ for event in ledger.history("o3")] == [
        "OrderCreated",
        "OrderSubmitted",
        "OrderCancelled",
    ]
    assert ("o1" in ledger, "o9" in ledger, len(ledger), ledger.open_count) == (True, False, 3, 2)
    with pytest.raises(UnknownOrder, match="o9"):
        ledger.get("o9")


def test_what_a_query_returned_stays_as_it_was() -> None:
    desk = live_desk()
    before = desk.order
    shown = order_to_dict(before)
    desk.fill("E1", "1")
    assert order_to_dict(before) == shown
    assert desk.order is not before


def test_cash_is_transferred_once() -> None:
    desk = Desk()
    transfer = requests.TransferCash(ts_ns=0, transfer_id="t1", currency="USD", amount=Decimal(5))
    assert desk.take(transfer).outcome is Outcome.APPLIED
    assert desk.take(transfer).outcome is Outcome.ALREADY_DONE
    other = requests.TransferCash(ts_ns=0, transfer_id="t1", currency="USD", amount=Decimal(6))
    with pytest.raises(DuplicateEntryId, match="t1"):
        desk.take(other)
    assert desk.state.positions.cash() == {"USD": 5}
    assert_replays(desk)


def test_an_instrument_may_change_its_tick_and_never_what_the_books_are_counted_in() -> None:
    desk = Desk()
    finer = replace(BITCOIN, tick_size=Decimal("0.001"))
    assert desk.take(requests.DefineInstrument(ts_ns=0, instrument=BITCOIN)).outcome is Outcome.ALREADY_DONE
    desk.take(requests.DefineInstrument(ts_ns=0, instrument=finer))
    desk.submit(price="100.001")
    fixed = {"unit": "ETH", "currency": "EUR", "kind": "equity"}
    for field, value in fixed.items():
        other = replace(finer, **{"base_currency" if field == "unit" else field: value})
        with pytest.raises(InvalidInput) as caught:
            desk.take(requests.DefineInstrument(ts_ns=0, instrument=other))
        assert caught.value.field == field
    assert desk.state.positions.instrument("BTC-USD") == finer


# --- what a reviewer broke -----------------------------------------------------------------------------


def test_a_fill_whose_side_is_called_undisclosed_takes_the_orders_side() -> None:
    desk = live_desk()
    desk.fill("E1", "0.1", side="undisclosed")
    assert desk.state.positions.position("BTC-USD").quantity == Decimal("0.1")


def test_a_duplicate_that_says_the_side_discloses_it() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.1", side=None)
    answer = external_fill(desk, "E1", "0.1", side="sell")
    assert answer.outcome is Outcome.APPLIED
    assert desk.state.positions.position("BTC-USD").quantity == Decimal("-0.1")
    assert external_fill(desk, "E1", "0.1", side="sell").outcome is Outcome.ALREADY_DONE


def test_a_fill_that_says_the_side_discloses_that_of_the_fills_before_it() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.1", side=None)
    external_fill(desk, "E2", "0.2", side="sell")
    assert desk.state.positions.position("BTC-USD").quantity == Decimal("-0.3")


def test_taking_over_executions_of_the_other_side_is_a_conflict_and_alerted() -> None:
    desk = Desk()
    external_fill(desk, "E1", "1", side="buy")
    desk.submit(side="sell")
    answer = desk.acknowledge()
    assert desk.order.conflict
    assert "disputed_execution" in {e.code for e in answer.effects if isinstance(e, effects.Alert)}


def test_taking_over_executions_after_the_end_is_flagged_and_alerted() -> None:
    desk = Desk()
    external_fill(desk, "E1", "0.4")
    desk.submit()
    desk.tell(reports.CancelReport)
    answer = desk.acknowledge()
    assert desk.order.fill_after_terminal
    assert "fill_after_terminal" in {e.code for e in answer.effects if isinstance(e, effects.Alert)}


def test_execution_ids_are_kept_apart_whatever_characters_they_have() -> None:
    desk = live_desk()
    for scope, execution_id in (("A|B", "C"), ("A", "B|C"), ("", "A|B|C"), ("", "3:A|BC")):
        answer = desk.fill(execution_id, "0.1", execution_scope=scope)
        assert answer.outcome is Outcome.APPLIED
    assert desk.order.filled == Decimal("0.4")


def test_executions_take_the_place_of_what_was_known_by_a_total() -> None:
    desk = live_desk()
    desk.fill("", "0.5", "101", cumulative_quantity="0.5")
    assert (desk.order.filled, desk.order.provisional) == (Decimal("0.5"), Decimal("0.5"))
    desk.fill("X5", "0.2", cumulative_quantity="0.2")
    assert (desk.order.filled, desk.order.provisional) == (Decimal("0.5"), Decimal("0.3"))
    desk.fill("X7", "0.1", cumulative_quantity="0.6")
    assert (desk.order.filled, desk.order.provisional) == (Decimal("0.6"), Decimal("0.3"))
    desk.fill("X6", "0.3")
    assert (desk.order.filled, desk.order.provisional) == (Decimal("0.6"), Decimal(0))
    assert desk.order.average_price == 100, "what was guessed of the price is gone"
    assert desk.state.positions.position("BTC-USD").cost_basis == 60


def test_an_execution_that_took_a_total_s_place_is_a_duplicate_when_it_comes_again() -> None:
    desk = live_desk()
    desk.fill("", "0.5", cumulative_quantity="0.5")
    desk.fill("X6", "0.4", cumulative_quantity="0.7")
    again = desk.fill("X6", "0.4", cumulative_quantity="0.7")
    assert (again.outcome, desk.order.conflict) == (Outcome.ALREADY_DONE, False)
    smaller = desk.fill("X6", "0.1", cumulative_quantity="0.7")
    assert smaller.outcome is Outcome.PARKED, "less than what was booked of it is another execution"


@pytest.mark.parametrize(
    ("report", "state"),
    [(reports.ExpireReport, OrderState.EXPIRED), (reports.CancelReport, OrderState.CANCELLED)],
)
def test_an_end_told_of_a_filled_and_closed_order_holds_when_a_fill_is_undone(
    report: type[reports.Report], state: OrderState
) -> None:
    desk = live_desk()
    desk.fill("E1", "1")
    desk.ask(requests.CloseOrder)
    desk.tell(report)
    assert_shows(desk.order, state=OrderState.CLOSED, closed_from=OrderState.FILLED)
    assert desk.tell(report).outcome is Outcome.ALREADY_DONE
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert_shows(desk.order, state=state, filled=0, leaves=0)
    assert_replays(desk)


def test_an_order_that_a_cancel_proved_to_have_been_there_learns_its_venue_id_late() -> None:
    desk = ended(OrderState.REJECTED)
    desk.tell(reports.CancelReport)
    assert desk.acknowledge().outcome is Outcome.APPLIED
    assert_shows(desk.order, state=OrderState.CANCELLED, venue_order_id="V1")
    desk.tell(reports.FillReport, "", venue_order_id="V1", execution_id="E1", quantity="0.4", price="100")
    assert_shows(desk.order, state=OrderState.CANCELLED, filled=Decimal("0.4"))


# --- breaks that are told again -----------------------------------------------------------------------


def parked_reports(desk: Desk) -> int:
    return sum(isinstance(event, events.ReportParked) for event in desk.events)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (reports.AcknowledgeReport, {"venue_order_id": "V2"}),
        (reports.FillReport, {"execution_id": "E1", "quantity": "0.5", "price": "100"}),
        (reports.CancelReport, {"client_order_id": "nobody"}),
        (reports.ExpireReport, {"client_order_id": "", "venue_order_id": "X9", "symbol": "no such"}),
        (reports.UnreadableReport, {"raw": "?"}),
    ],
)
def test_a_report_that_was_parked_is_no_second_break_when_it_is_told_again(
    kind: type[reports.Report], fields: dict[str, Any]
) -> None:
    desk = live_desk()
    desk.fill("E1", "0.4")
    first = desk.tell(kind, ts_ns=5, **fields)
    assert first.outcome is Outcome.PARKED
    assert alert_codes(first)
    again = desk.tell(kind, ts_ns=5, input_id="another", **fields)
    assert (again.outcome, again.events, again.effects) == (Outcome.ALREADY_DONE, (), ())
    assert (parked_reports(desk), desk.state.parked) == (1, 1)
    assert restore(snapshot_of(desk.state)).breaks == desk.replayed().breaks == desk.state.breaks
    assert desk.tell(kind, ts_ns=6, **fields).outcome is Outcome.PARKED, "another time is another report"


def test_executions_that_nothing_tells_apart_are_parked_one_by_one() -> None:
    desk = live_desk()
    for _ in range(2):
        assert desk.fill("", "0.4").outcome is Outcome.PARKED
    assert desk.state.parked == 2
