"""Order groups: sized to what really filled, never sent twice, and honest when both legs fill."""

from decimal import Decimal
from typing import Any

import pytest

from core_support.desk import ALLOW, BITCOIN, BLOCK, PAUSE, alert_codes, assert_replays, event_names
from core_support.group_desk import GroupDesk, entry, profit, stop
from execore.core import group_keeping
from execore.core.engine import step
from execore.model import effects, group_requests, reports, requests
from execore.model.answers import Outcome
from execore.model.errors import (
    DuplicateClientOrderId,
    InvalidInput,
    InvalidPrice,
    InvalidQuantity,
    UnknownEnumValue,
    UnknownGroup,
    UnknownInstrument,
)
from execore.model.groups import GroupKind, GroupState, group_to_dict
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import OrderState

OCO, OTO, BRACKET = GroupKind


@pytest.fixture
def desk() -> GroupDesk:
    return GroupDesk()


@pytest.fixture
def pair(desk: GroupDesk) -> GroupDesk:
    """Two legs of 10 at the venue, one cancelling the other."""
    desk.pair()
    desk.accept_all()
    desk.messages()
    return desk


@pytest.fixture
def bracket(desk: GroupDesk) -> GroupDesk:
    """A bracket of 10 whose parent is at the venue."""
    desk.bracket()
    desk.accept_all()
    desk.messages()
    return desk


@pytest.fixture
def entered(bracket: GroupDesk) -> GroupDesk:
    """A bracket whose parent filled whole; both exits are at the venue."""
    bracket.trade("entry", "10")
    bracket.accept_all()
    bracket.messages()
    return bracket


# --- one cancels other ----------------------------------------------------------------------------------


def test_both_legs_are_sent_at_once(desk: GroupDesk) -> None:
    answer = desk.pair()
    assert desk.messages() == ["send profit 10", "send stop 10"]
    assert event_names(answer) == [
        "GroupCreated",
        "GroupJudged",
        "OrderCreated",
        "OrderSubmitted",
        "OrderCreated",
        "OrderSubmitted",
    ]
    assert desk.group_state is GroupState.ACTIVE


def test_what_one_leg_trades_is_taken_from_the_other(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    assert pair.messages() == ["amend stop 6"]
    pair.trade("profit", "1")  # while that amend is pending
    assert pair.messages() == ["amend stop 5"]
    pair.accept_all()
    assert pair.working() == [5, 5]
    pair.trade("stop", "2")
    assert pair.messages() == ["amend profit 8"]
    pair.accept_all()
    assert pair.working() == [3, 3]


def test_a_leg_that_fills_cancels_the_other(pair: GroupDesk) -> None:
    pair.trade("stop", "10")
    assert pair.messages() == ["cancel profit"]
    pair.accept_all()
    assert (pair.group_state, pair.working(), pair.alerts) == (GroupState.DONE, [0, 0], [])
    assert_replays(pair)


def test_a_leg_that_is_not_acknowledged_is_resized_once_it_is(desk: GroupDesk) -> None:
    desk.pair()
    desk.messages()
    desk.trade("profit", "4")
    assert desk.messages() == []
    desk.acknowledge("stop")
    assert desk.messages() == ["amend stop 6"]


def test_a_straddle_may_have_a_leg_on_each_side(desk: GroupDesk) -> None:
    desk.group_up(OCO, (profit(), stop(side="buy", stop_price="120")))
    desk.accept_all()
    desk.trade("stop", "10")
    desk.accept_all()
    assert (desk.net, desk.working()) == (10, [0, 0])


def test_three_legs_share_one_quantity(desk: GroupDesk) -> None:
    third = profit(client_order_id="third", price="120")
    desk.group_up(OCO, (profit(), stop(), third))
    desk.accept_all()
    desk.trade("third", "3")
    desk.accept_all()
    assert desk.working() == [7, 7, 7]


# --- both legs fill: WS095 ------------------------------------------------------------------------------


def test_ws095_both_legs_fill_and_everybody_is_told(entered: GroupDesk) -> None:
    entered.trade("profit", "10")
    assert entered.messages() == ["cancel stop"]
    answer = entered.trade("stop", "10")
    assert alert_codes(answer) == ["group_breached"]
    assert entered.net == -10  # both booked: the position is flipped
    assert (entered.group_state, entered.excess) == (GroupState.BREACHED, 10)
    (alert,) = (effect for effect in answer.effects if isinstance(effect, effects.Alert))
    assert "traded 10 more than was wanted (profit 10, stop 10)" in alert.message
    entered.refuse("stop")  # too late to cancel
    assert entered.group_state is GroupState.BREACHED
    assert_replays(entered)


def test_a_breach_ends_the_entry_too(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("profit", "4")
    bracket.trade("stop", "4")
    bracket.messages()
    bracket.accept_all()
    assert (bracket.open_keys(), bracket.group_state) == ([], GroupState.BREACHED)


def test_a_breach_is_told_again_when_it_grows(pair: GroupDesk) -> None:
    pair.trade("profit", "10")
    pair.trade("stop", "3")
    pair.trade("stop", "2")
    assert (pair.alerts, pair.excess) == (["group_breached"] * 2, 5)


def test_fills_that_cross_are_no_breach_while_they_fit(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    pair.trade("stop", "6")  # before the resize arrived
    assert pair.messages() == ["amend stop 6", "cancel profit", "cancel stop"]
    pair.accept_all()
    assert (pair.excess, pair.group_state, pair.alerts) == (0, GroupState.DONE, [])


# --- one triggers other ---------------------------------------------------------------------------------


def test_children_are_not_sent_before_the_parent_trades(desk: GroupDesk) -> None:
    desk.group_up(OTO, (profit(), stop()), parent=entry())
    assert desk.messages() == ["send entry 10"]
    desk.accept_all()
    assert (desk.messages(), desk.group_state) == ([], GroupState.WAITING)
    assert "stop" not in desk.state.orders


def test_children_get_what_the_parent_filled_each_for_itself(desk: GroupDesk) -> None:
    desk.group_up(OTO, (profit(), stop()), parent=entry())
    desk.accept_all()
    desk.messages()
    desk.trade("entry", "4")
    assert desk.messages() == ["send profit 4", "send stop 4"]
    desk.accept_all()
    desk.trade("profit", "4")
    desk.trade("entry", "6")
    desk.accept_all()
    assert desk.working() == [6, 10]  # what one child trades is nothing to the other


def test_a_child_alone_is_enough(desk: GroupDesk) -> None:
    desk.group_up(OTO, (stop(),), parent=entry())
    desk.trade("entry", "10")
    assert desk.messages() == ["send entry 10", "send stop 10"]


# --- brackets -------------------------------------------------------------------------------------------


def test_exits_grow_with_what_the_parent_fills(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    assert bracket.messages() == ["send profit 4", "send stop 4"]
    bracket.trade("entry", "1")
    assert bracket.messages() == []  # the venue has not answered yet
    bracket.accept_all()
    assert bracket.messages() == ["amend profit 5", "amend stop 5"]
    bracket.trade("entry", "5")
    bracket.accept_all()
    assert bracket.working() == [10, 10]


def test_exits_follow_both_the_parent_and_each_other(bracket: GroupDesk) -> None:
    bracket.trade("entry", "6")
    bracket.accept_all()
    bracket.trade("profit", "6")
    bracket.accept_all()
    assert bracket.working() == [0, 0]
    bracket.messages()
    bracket.trade("entry", "4")
    sent = bracket.messages()  # the profit is filled and the stop cancelled: each has another order
    assert [message.split()[-1] for message in sent] == ["4", "4"]
    bracket.accept_all()
    assert bracket.working() == [4, 4]
    assert [len(keys) for keys in bracket.group.leg_orders] == [2, 2]
    assert_replays(bracket)


@pytest.mark.parametrize(
    "end", [reports.CancelReport, reports.RejectReport, reports.ExpireReport], ids=lambda end: end.__name__
)
def test_a_parent_that_ends_unfilled_ends_the_group(bracket: GroupDesk, end: type[reports.Report]) -> None:
    bracket.tell(end, "entry")
    assert (bracket.group_state, bracket.messages(), bracket.alerts) == (GroupState.DONE, [], [])


def test_a_parent_that_ends_partially_filled_leaves_the_exits(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.tell(reports.CancelReport, "entry")
    assert (bracket.working(), bracket.group_state) == ([4, 4], GroupState.ACTIVE)


def test_a_fill_after_the_parents_end_is_followed(bracket: GroupDesk) -> None:
    bracket.tell(reports.CancelReport, "entry")
    bracket.trade("entry", "3")
    assert bracket.messages() == ["send profit 3", "send stop 3"]


def test_exits_do_not_grow_beyond_what_risk_has_seen(entered: GroupDesk) -> None:
    entered.trade("entry", "2")
    assert (entered.messages(), entered.alerts) == ([], ["overfilled", "group_capped"])
    entered.trade("entry", "1")
    assert entered.alerts.count("group_capped") == 2  # it has grown
    entered.trade("profit", "10")
    entered.trade("stop", "3")  # what the parent overfilled
    assert entered.group_state is GroupState.ACTIVE
    entered.trade("stop", "1")
    assert (entered.group_state, entered.excess) == (GroupState.BREACHED, 1)


def test_an_unknown_leg_counts_as_live_and_is_not_sent_again(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.acknowledge("profit")
    bracket.ask(requests.SubmitOutcomeUnknown, "stop", reason="timeout")
    bracket.messages()
    bracket.trade("entry", "6")
    sent = bracket.messages()
    assert sent[0] == "amend profit 10"
    assert sent[1:] == [f"send {bracket.leg(1)[1].client_order_id:.8} 6"]  # beside it, not again
    bracket.accept_all()
    assert bracket.working() == [10, 10]


def test_a_bust_of_the_parent_takes_the_exits_back(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4", "E1")
    bracket.trade("entry", "6", "E2")
    bracket.accept_all()
    bracket.messages()
    bracket.tell(reports.TradeCancelReport, "entry", execution_ref_id="E1")
    assert bracket.messages() == ["amend profit 6", "amend stop 6"]
    bracket.tell(reports.TradeCancelReport, "entry", execution_ref_id="E2")
    assert bracket.messages() == ["cancel profit", "cancel stop"]
    bracket.accept_all()
    assert (bracket.net, bracket.working()) == (0, [0, 0])
    assert set(bracket.alerts) == {"trade_cancelled"}
    assert_replays(bracket)


def test_a_bust_of_an_exit_asks_for_it_again(entered: GroupDesk) -> None:
    entered.trade("profit", "10", "E1")
    entered.accept_all()
    assert entered.group_state is GroupState.DONE
    entered.messages()
    entered.tell(reports.TradeCancelReport, "profit", execution_ref_id="E1")  # which rests again
    assert entered.messages() == [f"send {entered.leg(1)[1].client_order_id:.8} 10"]
    entered.accept_all()
    assert entered.working() == [10, 10]


def test_a_correction_is_followed(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4", "E1")
    bracket.accept_all()
    bracket.messages()
    terms = {"execution_ref_id": "E1", "execution_id": "E2", "quantity": "3", "price": "100"}
    bracket.tell(reports.TradeCorrectReport, "entry", **terms)
    assert bracket.messages() == ["amend profit 3", "amend stop 3"]


def test_a_bust_can_make_a_breach_and_take_it_back(entered: GroupDesk) -> None:
    entered.trade("profit", "6", "E1")
    answer = entered.trade("stop", "6", "E2")
    assert (alert_codes(answer), entered.excess) == (["group_breached"], 2)
    answer = entered.tell(reports.TradeCancelReport, "stop", execution_ref_id="E2")
    assert (alert_codes(answer), entered.excess) == (["trade_cancelled"], 0)
    assert entered.group_state is GroupState.ACTIVE
    entered.accept_all()
    assert entered.working() == [4, 4]
    assert_replays(entered)


# --- venues that cannot amend ---------------------------------------------------------------------------


def test_a_leg_that_cannot_grow_gets_another_order_beside_it(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("entry", "6")
    bracket.messages()
    answer = bracket.refuse("stop")
    assert alert_codes(answer) == ["group_resize_failed"]
    assert bracket.messages()[0].endswith(" 6")
    bracket.accept_all()
    assert [order.leaves for order in bracket.leg(1)] == [4, 6]  # protected all the time


def test_a_leg_that_cannot_shrink_is_cancelled_and_sent_anew(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    pair.messages()
    pair.refuse("stop")
    assert pair.messages() == ["cancel stop"]  # and nothing else until that is gone
    pair.confirm(pair.state.orders.get("stop"))
    assert pair.messages() == [f"send {pair.leg(1)[1].client_order_id:.8} 6"]
    assert pair.working() == [6, 6]
    assert pair.alerts == ["group_resize_failed"]
    assert_replays(pair)


def test_the_newest_of_several_orders_shrinks_first(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("entry", "6")
    bracket.refuse("stop")
    bracket.accept_all()  # the stop is two orders now: 4 and 6
    bracket.messages()
    newer = bracket.leg(1)[1].client_order_id[:8]
    bracket.trade("profit", "5")
    assert bracket.messages() == [f"amend {newer} 1"]
    bracket.trade("profit", "2")
    assert bracket.messages() == ["cancel stop"]  # it cannot shrink from 4 to 3
    bracket.accept_all()
    assert bracket.working() == [3, 3]


def test_an_order_that_is_being_cancelled_may_still_trade(pair: GroupDesk) -> None:
    pair.trade("profit", "4", "E1")
    pair.refuse("stop")  # cannot shrink to 6, so it is cancelled
    pair.messages()
    pair.tell(reports.TradeCancelReport, "profit", execution_ref_id="E1")
    assert pair.messages() == []  # 10 are wanted again, and the 10 that are going may not be gone
    pair.confirm(pair.state.orders.get("stop"))
    assert pair.messages() == [f"send {pair.leg(1)[1].client_order_id:.8} 10"]


def test_a_resize_that_was_not_sent_is_one_that_failed(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    (asked,) = pair.state.orders.get("stop").pending_replaces
    pair.ask(requests.RequestNotSent, "stop", request_id=asked.request_id, reason="offline")
    assert pair.messages() == ["amend stop 6", "cancel stop"]


def test_a_cancel_that_fails_is_not_repeated_for_ever(pair: GroupDesk) -> None:
    pair.trade("profit", "10")
    pair.refuse("stop")
    assert (pair.messages(), pair.alerts) == (["cancel stop"], ["group_cancel_failed"])
    assert pair.group_state is GroupState.ACTIVE
    answer = pair.take(group_requests.ReviewGroup(ts_ns=0, group_id="g"))
    assert (answer.outcome, pair.messages()) == (Outcome.APPLIED, ["cancel stop"])
    pair.refuse("stop")
    pair.trade("stop", "1")  # something new: it is tried once more
    assert pair.messages() == ["cancel stop"]


def test_a_new_execution_is_a_new_reason_to_cancel(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    pair.refuse("stop")  # the amend
    pair.refuse("stop")  # the cancel
    assert pair.alerts == ["group_resize_failed", "group_cancel_failed"]
    pair.messages()
    pair.trade("profit", "6")
    assert pair.messages() == ["cancel stop"]


# --- requests of unknown outcome ------------------------------------------------------------------------


def lose(desk: GroupDesk, key: str) -> None:
    """Nobody knows what became of the requests that are pending on an order."""
    for request_id in desk.state.orders.get(key).pending_request_ids:
        desk.ask(requests.RequestOutcomeUnknown, key, request_id=request_id, reason="timeout")


def review(desk: GroupDesk, **fields: Any) -> Any:
    return desk.take(group_requests.ReviewGroup(ts_ns=0, group_id="g", **fields))


def test_a_cancel_of_unknown_outcome_is_alerted_and_asked_again(pair: GroupDesk) -> None:
    pair.trade("profit", "10")
    lose(pair, "stop")
    assert (pair.messages(), pair.alerts) == (["cancel stop"], ["group_cancel_failed"])
    review(pair)
    assert pair.messages() == ["cancel stop"]
    assert (review(pair).outcome, pair.messages()) == (Outcome.APPLIED, [])  # one is on its way now
    lose(pair, "stop")
    pair.trade("stop", "1")
    assert pair.messages() == ["cancel stop"]
    lose(pair, "stop")
    cancel(pair)
    assert pair.messages() == ["cancel stop"]
    lose(pair, "stop")
    assert (cancel(pair).outcome, pair.messages()) == (Outcome.APPLIED, ["cancel stop"])
    assert_replays(pair)


def test_a_persons_cancel_of_unknown_outcome_is_not_repeated_while_the_leg_fits(pair: GroupDesk) -> None:
    pair.ask(requests.CancelOrder, "stop", request_id="mine")
    lose(pair, "stop")
    pair.messages()
    review(pair)
    assert pair.messages() == []
    pair.trade("profit", "4")
    assert pair.messages() == ["cancel stop"]


def test_an_unknown_amend_upwards_protects_nobody_and_may_have_come_true(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("entry", "6")
    bracket.messages()
    lose(bracket, "stop")
    assert (bracket.messages(), bracket.alerts) == ([], ["group_resize_failed"])  # nothing beside the 10
    review(bracket)
    assert bracket.messages() == ["amend stop 10"]
    bracket.accept_all()
    assert bracket.working() == [10, 10]


def test_an_unknown_amend_downwards_is_made_good_by_a_cancel(pair: GroupDesk) -> None:
    pair.trade("profit", "4")
    pair.messages()
    lose(pair, "stop")
    assert (pair.messages(), pair.alerts) == (["cancel stop"], ["group_resize_failed"])
    pair.confirm(pair.state.orders.get("stop"))
    assert pair.working() == [6, 6]


def test_a_leg_of_unknown_outcome_that_is_too_large_is_cancelled(desk: GroupDesk) -> None:
    desk.pair()
    desk.acknowledge("profit")
    desk.ask(requests.SubmitOutcomeUnknown, "stop", reason="timeout")
    desk.messages()
    desk.trade("profit", "4")
    assert desk.messages() == ["cancel stop"]
    desk.tell(reports.CancelReport, "stop")
    assert desk.messages() == [f"send {desk.leg(1)[1].client_order_id:.8} 6"]


def test_a_filled_leg_whose_amend_is_on_its_way_is_not_replaced(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("entry", "6")  # amends of both exits to 10 are on their way
    bracket.messages()
    bracket.trade("profit", "4")
    assert bracket.messages() == ["amend stop 6"]  # and no other take-profit
    bracket.confirm(bracket.state.orders.get("profit"))
    bracket.accept_all()
    assert (bracket.working(), len(bracket.leg(0))) == ([6, 6], 1)


def test_a_filled_leg_whose_amend_is_refused_gets_another_order(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.trade("entry", "6")
    bracket.trade("profit", "4")
    bracket.messages()
    bracket.refuse("profit")
    assert bracket.messages() == [f"send {bracket.leg(0)[1].client_order_id:.8} 6"]


def test_every_refusal_of_a_resize_counts_not_only_that_of_the_newest(bracket: GroupDesk) -> None:
    bracket.trade("entry", "1")
    bracket.accept_all()
    bracket.trade("entry", "1")
    bracket.trade("entry", "1")  # a second amend of each exit, before the first is answered
    bracket.refuse("stop")
    assert bracket.alerts == ["group_resize_failed"]
    bracket.refuse("stop")
    bracket.accept_all()
    assert bracket.working() == [3, 3]
    assert_replays(bracket)


# --- legs that end by themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [reports.CancelReport, reports.RejectReport, reports.ExpireReport], ids=lambda end: end.__name__
)
def test_a_lost_leg_leaves_the_other_and_is_alerted(pair: GroupDesk, end: type[reports.Report]) -> None:
    answer = pair.tell(end, "profit")
    assert alert_codes(answer) == ["group_leg_lost"]
    assert (pair.working(), pair.messages()) == ([0, 10], [])
    pair.trade("stop", "4")
    assert (pair.messages(), pair.alerts) == ([], ["group_leg_lost"])


def test_a_leg_that_ends_when_nothing_is_wanted_is_not_lost(pair: GroupDesk) -> None:
    pair.trade("profit", "10")
    pair.tell(reports.ExpireReport, "stop")
    assert (pair.alerts, pair.group_state) == ([], GroupState.DONE)


def test_a_loss_that_has_grown_is_alerted_again(bracket: GroupDesk) -> None:
    bracket.trade("entry", "1")
    bracket.acknowledge("profit")
    bracket.tell(reports.RejectReport, "stop")
    assert bracket.alerts == ["group_leg_lost"]
    bracket.trade("entry", "9")
    assert bracket.alerts == ["group_leg_lost"] * 2
    (impairment,) = bracket.group.impairments
    assert (impairment.quantity, impairment.reason) == (
        Decimal(10),
        "it is REJECTED, and 10 of its leg is wanted and not working",
    )


def test_a_leg_that_the_venue_restates_to_what_is_filled_is_lost(entered: GroupDesk) -> None:
    entered.trade("stop", "3")
    entered.accept_all()
    entered.messages()
    entered.tell(reports.RestateReport, "stop", quantity="3")
    assert (entered.messages(), entered.alerts) == ([], ["group_leg_lost"])
    review(entered, replace_lost=True)
    assert entered.messages() == [f"send {entered.leg(1)[1].client_order_id:.8} 7"]


def test_a_leg_that_filled_what_it_was_amended_to_is_not_lost(entered: GroupDesk) -> None:
    entered.trade("profit", "4", "E1")
    entered.accept_all()  # the stop is amended to 6
    entered.trade("stop", "6")
    entered.accept_all()
    assert (entered.alerts, entered.group_state) == ([], GroupState.DONE)
    entered.messages()
    entered.tell(reports.TradeCancelReport, "profit", execution_ref_id="E1")
    assert entered.messages()[0].startswith("send")
    assert "group_leg_lost" not in entered.alerts


def test_a_leg_that_a_person_cancels_is_not_sent_again(pair: GroupDesk) -> None:
    pair.ask(requests.CancelOrder, "profit", request_id="mine")
    assert pair.messages() == ["cancel profit"]
    pair.accept_all()
    assert (pair.working(), pair.alerts) == ([0, 10], ["group_leg_lost"])


def test_ws062_a_stop_sent_anew_is_sized_to_what_is_open(entered: GroupDesk) -> None:
    entered.trade("stop", "1")
    entered.tell(reports.CancelReport, "stop")
    entered.accept_all()
    entered.trade("profit", "2")
    entered.tell(reports.CancelReport, "profit")
    assert (entered.net, entered.working()) == (7, [0, 0])
    assert entered.alerts == ["group_leg_lost"] * 2
    entered.messages()
    answer = entered.take(group_requests.ReviewGroup(ts_ns=0, group_id="g", replace_lost=True))
    assert answer.outcome is Outcome.APPLIED
    assert [message.split()[-1] for message in entered.messages()] == ["7", "7"]
    entered.accept_all()
    assert entered.working() == [7, 7]
    assert_replays(entered)


def test_a_review_without_a_reason_does_nothing(entered: GroupDesk) -> None:
    answer = entered.take(group_requests.ReviewGroup(ts_ns=0, group_id="g", replace_lost=True))
    assert (answer.outcome, answer.events, answer.effects) == (Outcome.ALREADY_DONE, (), ())


def test_a_lost_leg_is_not_replaced_by_a_plain_review(pair: GroupDesk) -> None:
    pair.tell(reports.RejectReport, "profit")
    answer = pair.take(group_requests.ReviewGroup(ts_ns=0, group_id="g"))
    assert (answer.outcome, pair.messages()) == (Outcome.ALREADY_DONE, [])


# --- what a person asks of the orders -------------------------------------------------------------------


def test_a_resize_keeps_the_price_that_a_person_asked_for(entered: GroupDesk) -> None:
    entered.ask(requests.AmendOrder, "stop", request_id="trail", stop_price="95")
    entered.trade("profit", "4")
    asked = entered.state.orders.get("stop").pending_replaces[-1]
    assert (str(asked.quantity), str(asked.stop_price)) == ("6", "95")


def test_a_persons_amend_does_not_undo_a_resize(entered: GroupDesk) -> None:
    entered.trade("profit", "4")
    entered.ask(requests.AmendOrder, "stop", request_id="trail", stop_price="95")
    asked = entered.state.orders.get("stop").pending_replaces[-1]
    assert (str(asked.quantity), str(asked.stop_price)) == ("6", "95")
    entered.accept_all()
    assert (entered.working(), entered.alerts) == ([6, 6], [])


def test_the_quantity_of_a_leg_is_the_groups(entered: GroupDesk) -> None:
    entered.ask(requests.AmendOrder, "stop", request_id="more", quantity="20")
    assert entered.messages() == ["amend stop 20", "amend stop 10"]


def test_a_parent_may_be_amended(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.ask(requests.AmendOrder, "entry", request_id="less", quantity="6")
    bracket.accept_all()
    bracket.trade("entry", "2")
    bracket.accept_all()
    assert bracket.working() == [6, 6]


# --- cancelling a group ---------------------------------------------------------------------------------


def cancel(desk: GroupDesk) -> Any:
    return desk.take(group_requests.CancelGroup(ts_ns=0, group_id="g"))


def test_a_cancelled_group_cancels_what_works(bracket: GroupDesk) -> None:
    bracket.trade("entry", "4")
    bracket.accept_all()
    bracket.messages()
    cancel(bracket)
    sent = ["cancel profit", "cancel stop", "cancel entry"]
    assert (bracket.messages(), bracket.group_state) == (sent, GroupState.ACTIVE)
    assert cancel(bracket).outcome is Outcome.ALREADY_DONE
    bracket.accept_all()
    assert bracket.group_state is GroupState.CANCELLED
    assert bracket.alerts == ["group_unprotected"]  # 4 are held, and no exit works
    assert_replays(bracket)


def test_a_waiting_group_is_cancelled_without_a_word(bracket: GroupDesk) -> None:
    cancel(bracket)
    bracket.accept_all()
    assert (bracket.group_state, bracket.alerts) == (GroupState.CANCELLED, [])


def test_a_parent_that_fills_before_its_cancel_is_shouted_about(bracket: GroupDesk) -> None:
    cancel(bracket)
    bracket.trade("entry", "10")
    assert (bracket.alerts, bracket.messages()) == (["group_unprotected"], ["cancel entry"])


def test_a_group_that_is_over_is_cancelled_all_the_same(pair: GroupDesk) -> None:
    pair.trade("profit", "10", "E1")
    pair.accept_all()
    assert cancel(pair).outcome is Outcome.APPLIED
    assert (cancel(pair).outcome, pair.group_state) == (Outcome.ALREADY_DONE, GroupState.CANCELLED)
    pair.messages()
    pair.tell(reports.TradeCancelReport, "profit", execution_ref_id="E1")  # which rests again
    assert pair.messages() == ["cancel profit"]


# --- risk -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdicts", [(BLOCK, ALLOW, ALLOW), (ALLOW, PAUSE, BLOCK), (ALLOW, ALLOW, BLOCK)])
def test_one_verdict_that_blocks_denies_the_whole_group(
    desk: GroupDesk, verdicts: tuple[RiskResult, ...]
) -> None:
    answer = desk.bracket(verdicts=verdicts)
    assert (answer.outcome, desk.messages()) == (Outcome.APPLIED, [])
    assert (desk.group_state, desk.group.reason, len(desk.state.orders)) == (GroupState.DENIED, "too big", 0)
    assert cancel(desk).outcome is Outcome.ALREADY_DONE
    refused = release(desk)
    assert refused.refusal is not None
    assert (refused.outcome, refused.refusal.code) == (Outcome.REFUSED, "group_not_held")
    assert_replays(desk)


def release(desk: GroupDesk, verdict: RiskResult = ALLOW) -> Any:
    return desk.take(group_requests.ReleaseGroup(ts_ns=0, group_id="g", verdicts=(verdict,) * 3))


def test_one_verdict_that_pauses_holds_the_whole_group(desk: GroupDesk) -> None:
    answer = desk.bracket(verdicts=(ALLOW, ALLOW, PAUSE))
    assert (alert_codes(answer), desk.group_state, desk.messages()) == (["group_held"], GroupState.HELD, [])
    assert release(desk, PAUSE).outcome is Outcome.ALREADY_DONE
    assert release(desk).outcome is Outcome.APPLIED
    assert desk.messages() == ["send entry 10"]
    assert release(desk).outcome is Outcome.ALREADY_DONE


def test_a_held_group_can_be_denied_or_cancelled(desk: GroupDesk) -> None:
    desk.bracket(verdicts=(PAUSE, ALLOW, ALLOW))
    cancel(desk)
    assert (desk.group_state, release(desk).outcome) == (GroupState.CANCELLED, Outcome.REFUSED)
    other = GroupDesk()
    other.bracket(verdicts=(PAUSE, ALLOW, ALLOW))
    release(other, BLOCK)
    assert (other.group_state, other.messages()) == (GroupState.DENIED, [])


def test_an_exit_sent_later_names_the_rule_that_allowed_it(desk: GroupDesk) -> None:
    verdict = RiskResult(ALLOW.decision, rule="desk_limits")
    desk.bracket(verdicts=(verdict,) * 3)
    desk.trade("entry", "10")
    rules = [event.rule for event in desk.events if type(event).__name__ == "OrderSubmitted"]  # type: ignore[union-attr]
    assert rules == ["desk_limits"] * 3


# --- what is not acceptable -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parent", "legs", "error", "field"),
    [
        (OCO, entry(), (profit(), stop()), InvalidInput, "parent"),
        (BRACKET, None, (profit(), stop()), InvalidInput, "parent"),
        (OTO, None, (stop(),), InvalidInput, "parent"),
        (OCO, None, (profit(),), InvalidInput, "legs"),
        (BRACKET, entry(), (stop(),), InvalidInput, "legs"),
        (OTO, entry(), (), InvalidInput, "legs"),
        (OTO, entry(), tuple(stop(client_order_id=f"s{n}") for n in range(21)), InvalidInput, "legs"),
        (OCO, None, (profit(), stop("9")), InvalidQuantity, "quantity"),
        (BRACKET, entry("9"), (profit(), stop()), InvalidQuantity, "quantity"),
        (BRACKET, entry(), (profit(), stop(side="buy")), InvalidInput, "side"),
        (OCO, None, (profit(), stop(symbol="ESZ5")), InvalidInput, "symbol"),
        (OCO, None, (profit(), stop(client_order_id="profit")), InvalidInput, "client_order_id"),
        (OCO, None, (profit(), stop(client_order_id="")), InvalidInput, "client_order_id"),
        (OCO, None, (profit(), stop(side="undisclosed")), InvalidInput, "side"),
        ("one_for_all", None, (profit(), stop()), UnknownEnumValue, "kind"),
        (OCO, None, (profit(price="110.0001"), stop()), InvalidPrice, "price"),
        (OCO, None, (profit(symbol="X"), stop(symbol="X")), UnknownInstrument, "symbol"),
    ],
)
def test_orders_that_make_no_group_are_refused_by_field(
    desk: GroupDesk,
    kind: Any,
    parent: OrderRequest | None,
    legs: tuple[OrderRequest, ...],
    error: type[InvalidInput],
    field: str,
) -> None:
    with pytest.raises(error) as caught:
        desk.group_up(kind, legs, parent=parent)
    assert caught.value.field == field
    assert (len(desk.state.groups), len(desk.state.orders)) == (0, 0)


def test_every_order_needs_a_verdict(desk: GroupDesk) -> None:
    with pytest.raises(InvalidInput, match="verdicts"):
        desk.bracket(verdicts=(ALLOW, ALLOW))
    desk.bracket(verdicts=(PAUSE, ALLOW, ALLOW))
    with pytest.raises(InvalidInput, match="verdicts"):
        desk.take(group_requests.ReleaseGroup(ts_ns=0, group_id="g", verdicts=(ALLOW,)))


def test_the_same_group_again_is_already_done(bracket: GroupDesk) -> None:
    answer = bracket.bracket()
    assert (answer.outcome, bracket.messages()) == (Outcome.ALREADY_DONE, [])
    with pytest.raises(DuplicateClientOrderId) as caught:
        bracket.bracket("9")
    assert caught.value.field == "group_id"


def test_ids_of_orders_are_kept_before_the_orders_exist(bracket: GroupDesk) -> None:
    with pytest.raises(DuplicateClientOrderId):
        bracket.submit("stop")
    with pytest.raises(DuplicateClientOrderId):
        bracket.pair(group_id="other")
    bracket.submit("mine")
    with pytest.raises(DuplicateClientOrderId):
        bracket.group_up(OCO, (profit(client_order_id="mine"), stop(client_order_id="x")), group_id="other")


def test_a_group_with_more_to_do_than_it_should_is_alerted(
    desk: GroupDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_keeping, "_MAXIMUM_ACTIONS", 1)
    submit = group_requests.SubmitGroup(
        ts_ns=0, group_id="g", kind=OCO, legs=(profit(), stop()), verdicts=(ALLOW,) * 2
    )
    assert alert_codes(step(desk.state, submit)) == ["group_unfinished"]


def test_ids_of_orders_are_no_ids_for_requests(bracket: GroupDesk) -> None:
    bracket.submit("mine")
    bracket.acknowledge("mine", "V-mine")
    for request, terms in ((requests.CancelOrder, {}), (requests.AmendOrder, {"price": "99"})):
        answer = bracket.ask(request, "mine", request_id="stop", **terms)
        assert answer.refusal is not None
        assert (answer.outcome, answer.refusal.code) == (Outcome.REFUSED, "duplicate_request_id")


def test_a_strangers_order_under_a_legs_id_is_no_leg(bracket: GroupDesk) -> None:
    told = {"symbol": "ESZ5", "venue_order_id": "V9", "quantity": "3", "side": "sell", "price": "100"}
    bracket.tell(reports.AcknowledgeReport, "stop", **told)
    bracket.trade("entry", "10")
    assert (bracket.messages(), bracket.leg(1)) == (["send profit 10"], [])
    assert bracket.alerts == ["external_order", "group_leg_unfit"]
    bracket.trade("profit", "4")
    assert bracket.messages() == []


def test_a_strangers_order_under_the_parents_id_is_no_parent(desk: GroupDesk) -> None:
    desk.bracket(verdicts=(PAUSE,) * 3)
    told = {"venue_order_id": "V9", "quantity": "3", "side": "sell", "price": "100"}
    desk.tell(reports.AcknowledgeReport, "entry", **told)
    release(desk)
    review(desk)
    assert (desk.messages(), desk.group_state) == ([], GroupState.WAITING)
    assert desk.alerts == ["group_held", "external_order", "group_leg_unfit"]


@pytest.mark.parametrize(
    "request_type",
    [group_requests.CancelGroup, group_requests.ReviewGroup, group_requests.ReleaseGroup],
    ids=lambda kind: kind.__name__,
)
def test_a_group_that_is_not_known_is_an_error(desk: GroupDesk, request_type: Any) -> None:
    more = {"verdicts": ()} if request_type is group_requests.ReleaseGroup else {}
    with pytest.raises(UnknownGroup):
        desk.take(request_type(ts_ns=0, group_id="?", **more))


# --- instruments with a least quantity ------------------------------------------------------------------


def coarse(desk: GroupDesk) -> None:
    """From now on nobody orders less than 5."""
    terms = {name: getattr(BITCOIN, name) for name in BITCOIN.__struct_fields__}
    instrument = Instrument(**(terms | {"minimum_quantity": Decimal(5)}))
    desk.take(requests.DefineInstrument(ts_ns=0, instrument=instrument))


def test_an_exit_waits_until_it_is_large_enough(bracket: GroupDesk) -> None:
    coarse(bracket)
    bracket.trade("entry", "4")
    assert (bracket.messages(), bracket.alerts) == ([], ["group_leg_unfit"] * 2)
    bracket.trade("entry", "2")
    assert (bracket.messages(), len(bracket.alerts)) == (["send profit 6", "send stop 6"], 2)


def test_a_parent_that_does_not_fit_any_more_is_told_once_and_waits(desk: GroupDesk) -> None:
    desk.bracket("4", verdicts=(PAUSE,) * 3)
    coarse(desk)
    release(desk)
    review(desk)
    review(desk)
    assert (desk.alerts, desk.group_state) == (["group_held", "group_leg_unfit"], GroupState.WAITING)
    desk.take(requests.DefineInstrument(ts_ns=0, instrument=BITCOIN))
    review(desk)
    assert desk.messages() == ["send entry 4"]


def test_an_exit_that_would_be_too_small_is_cancelled(pair: GroupDesk) -> None:
    coarse(pair)
    pair.trade("profit", "8")
    assert (pair.messages(), pair.alerts) == (["cancel stop"], ["group_resize_failed"])
    pair.accept_all()
    assert pair.alerts == ["group_resize_failed", "group_leg_unfit"]


# --- how it is shown ------------------------------------------------------------------------------------


def test_a_group_as_a_dict(entered: GroupDesk) -> None:
    entered.tell(reports.RejectReport, "profit")
    assert group_to_dict(entered.group, entered.state.orders.find) == {
        "group_id": "g",
        "kind": "bracket",
        "state": "ACTIVE",
        "symbol": "BTC-USD",
        "quantity": "10",
        "parent": "entry",
        "legs": [
            {"client_order_id": "profit", "orders": ["profit"]},
            {"client_order_id": "stop", "orders": ["stop"]},
        ],
        "excess": "0",
        "cancel_requested": False,
        "impairments": [{"code": "group_leg_lost", "client_order_id": "profit"}],
        "reason": "",
        "rule": "",
    }


def test_an_order_says_whose_it_is(bracket: GroupDesk) -> None:
    bracket.submit("alone")
    assert bracket.state.groups.of_order("stop") is bracket.group
    assert bracket.state.groups.of_order("alone") is None
    assert bracket.state.orders.get("entry").state is OrderState.ACKNOWLEDGED
