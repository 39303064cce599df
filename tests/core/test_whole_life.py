# A Decimal equals an int, also inside a tuple:
# mypy: disable-error-code="comparison-overlap"
"""Reports beyond fills, busts and corrections, provisional fills, and requests matched by their own ids."""

from decimal import Decimal

import pytest

from core_support.desk import BITCOIN, PAUSE, Desk, live_desk
from execore.core.invariants import check
from execore.core.order_state_machine import OrderStateMachine
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import DuplicateClientOrderId
from execore.model.orders import OrderRequest
from execore.model.vocabulary import OrderState, OrdStatus, RestatementReason, Side

D = Decimal


def codes(answer: Answer) -> list[str]:
    return [effect.code for effect in answer.effects if isinstance(effect, effects.Alert)]


def books(desk: Desk) -> tuple[object, ...]:
    """All that the books say: every balance, with nothing left out."""
    accounts = sorted((a.name, a.unit, a.balance) for a in desk.state.positions.accounts() if a.balance)
    return (*accounts, desk.state.positions.to_dict())


# --- busts and corrections ---------------------------------------------------------------------------------


def test_a_bust_takes_the_quantity_from_our_own_ledger_and_opens_the_order_again() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100", fee="0.5", fee_currency="USD")
    untouched = live_desk(quantity="10")
    for book in (desk, untouched):
        book.fill("E2", "6", "110")
    assert desk.order.state is OrderState.FILLED

    answer = desk.tell(reports.TradeCancelReport, execution_ref_id="E1", execution_id="B1")

    assert answer.outcome is Outcome.APPLIED
    assert codes(answer) == ["trade_cancelled"]
    assert (desk.order.state, desk.order.filled, desk.order.leaves) == (OrderState.PARTIALLY_FILLED, 6, 4)
    assert desk.order.average_price == 110
    assert books(desk) == books(untouched)


@pytest.mark.parametrize("own_id", ["B1", "B2", "", "E1"])
def test_a_bust_reported_twice_is_booked_once(own_id: str) -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4")
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1", execution_id="B1")
    again = desk.tell(reports.TradeCancelReport, execution_ref_id="E1", execution_id=own_id)
    assert (again.outcome, again.events, desk.order.filled) == (Outcome.ALREADY_DONE, (), 0)


def test_a_busted_execution_that_comes_again_stays_busted() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4")
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert desk.fill("E1", "4").outcome is Outcome.ALREADY_DONE
    assert desk.order.filled == 0
    assert desk.fill("E2", "4").outcome is Outcome.APPLIED, "it is re-instated by a fresh trade"


@pytest.mark.parametrize("end", [reports.CancelReport, reports.ExpireReport])
def test_a_bust_does_not_open_an_order_that_the_venue_ended(end: type[reports.Report]) -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4")
    desk.tell(end)
    ended = desk.order.state
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert (desk.order.state, desk.order.filled, desk.order.leaves) == (ended, 0, 0)


@pytest.mark.parametrize("end", [reports.CancelReport, reports.ExpireReport, reports.DoneForDayReport])
def test_an_end_told_after_everything_was_filled_holds_when_a_fill_is_undone(
    end: type[reports.Report],
) -> None:
    desk = live_desk(quantity="10", time_in_force="day")
    desk.fill("E1", "10")
    desk.tell(end)
    assert desk.order.state is OrderState.FILLED
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert desk.order.state in (OrderState.CANCELLED, OrderState.EXPIRED)
    assert desk.order.leaves == 0


def test_a_bust_brings_a_closed_order_back() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "10")
    desk.ask(requests.CloseOrder)
    answer = desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert codes(answer) == ["trade_cancelled"]
    assert (desk.order.state, desk.order.leaves) == (OrderState.ACKNOWLEDGED, 10)


def test_corrections_refer_to_the_last_one_or_to_the_first() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100")
    correct = reports.TradeCorrectReport
    desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="101")
    desk.tell(correct, execution_ref_id="C1", execution_id="C2", quantity="5", price="102")
    desk.tell(correct, execution_ref_id="E1", execution_id="C3", quantity="3", price="103")
    assert (desk.order.filled, desk.order.average_price) == (3, 103)
    assert desk.state.positions.position("BTC-USD").cost_basis == 309
    desk.tell(reports.TradeCancelReport, execution_ref_id="C2", execution_id="B1")
    assert (desk.order.filled, desk.order.state) == (0, OrderState.ACKNOWLEDGED)


def test_a_correction_keeps_the_fee_unless_it_says_another() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100", fee="0.3", fee_currency="EUR")
    correct = reports.TradeCorrectReport
    desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="101")
    assert desk.state.positions.position("BTC-USD").fees == {"EUR": D("0.3")}
    change = {"quantity": "4", "price": "101", "fee": "0.2", "fee_currency": "GBP"}
    desk.tell(correct, execution_ref_id="E1", execution_id="C2", **change)
    assert desk.state.positions.position("BTC-USD").fees == {"GBP": D("0.2")}


def test_a_fee_in_the_currency_bought_is_undone_with_its_execution() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100", fee="0.01", fee_currency="BTC")
    untouched = live_desk(quantity="10")
    for book in (desk, untouched):
        book.fill("E2", "2", "130", fee="0.02", fee_currency="BTC")
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert books(desk) == books(untouched)


def test_a_bust_before_the_position_turned_is_as_if_it_had_never_been() -> None:
    def traded(with_first: bool) -> Desk:
        desk = Desk()
        for key, side in (("o1", "buy"), ("o2", "sell"), ("o3", "buy")):
            desk.submit(key, side=side, quantity="9")
            desk.acknowledge(key, f"V{key}")
        if with_first:
            desk.fill("E1", "5", "90", key="o1", fee="1", fee_currency="USD")
        desk.fill("E2", "2", "100", key="o1")
        desk.fill("E3", "6", "110", key="o2", fee="0.7", fee_currency="USD")
        desk.fill("E4", "3", "105", key="o3")
        return desk

    desk = traded(with_first=True)
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert books(desk) == books(traded(with_first=False))


def test_a_correction_that_says_what_is_booked_is_still_known_by_its_id() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100")
    correct = reports.TradeCorrectReport
    desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="100")
    desk.tell(correct, execution_ref_id="C1", execution_id="C2", quantity="4", price="99")
    assert desk.order.average_price == 99
    again = desk.tell(correct, execution_ref_id="C1", execution_id="C2", quantity="4", price="99")
    assert again.outcome is Outcome.ALREADY_DONE


def test_a_correction_of_what_was_undone_is_an_open_break() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100")
    desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    answer = desk.tell(
        reports.TradeCorrectReport, execution_ref_id="E1", execution_id="C1", quantity="4", price="99"
    )
    assert (answer.outcome, codes(answer)) == (Outcome.PARKED, ["corrects_cancelled_trade"])
    assert (desk.order.filled, desk.order.conflict, desk.state.parked) == (0, True, 1)


def test_one_id_for_two_corrections_is_a_conflict() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "4", "100")
    correct = reports.TradeCorrectReport
    desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="99")
    other = desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="98")
    assert (other.outcome, codes(other)) == (Outcome.PARKED, ["execution_conflict"])
    assert desk.order.average_price == 99


def test_what_comes_before_its_execution_waits_for_it_and_is_applied() -> None:
    desk = live_desk(quantity="10")
    correct = reports.TradeCorrectReport
    late = desk.tell(correct, execution_ref_id="C1", execution_id="C2", quantity="5", price="102")
    early = desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="101")
    for answer in (late, early):
        assert (answer.outcome, codes(answer)) == (Outcome.PARKED, ["unknown_execution"])
    assert desk.state.parked == 2
    again = desk.tell(correct, execution_ref_id="E1", execution_id="C1", quantity="4", price="101")
    assert again.outcome is Outcome.ALREADY_DONE

    answer = desk.fill("E1", "4", "100")

    assert [type(event) for event in answer.events] == [
        events.FillBooked,
        events.TradeCorrected,
        events.TradeCorrected,
    ]
    assert (desk.order.filled, desk.order.average_price, desk.order.conflict) == (5, 102, False)
    assert desk.state.parked == 0


def test_a_bust_of_an_execution_of_an_order_nobody_knows_waits_too() -> None:
    desk = Desk()
    named = {"venue_order_id": "X1", "symbol": "BTC-USD"}
    desk.tell(reports.TradeCancelReport, "", execution_ref_id="E1", **named)
    assert desk.state.parked == 1
    answer = desk.tell(
        reports.FillReport, "", execution_id="E1", quantity="2", price="100", side="buy", **named
    )
    order = answer.order
    assert order is not None
    assert (order.filled, order.state, order.external) == (0, OrderState.CANCELLED, True)
    assert desk.state.positions.position("BTC-USD").quantity == 0
    assert desk.state.parked == 0


def test_a_bust_finds_the_order_that_took_the_execution_over() -> None:
    desk = Desk()
    desk.submit(quantity="10")
    desk.tell(
        reports.FillReport, "", venue_order_id="V1", execution_id="E1", quantity="4", price="100", side="buy"
    )
    desk.acknowledge()
    assert desk.order.filled == 4
    answer = desk.tell(reports.TradeCancelReport, "", execution_ref_id="E1", symbol="")
    assert answer.order is not None
    assert (answer.order.client_order_id, answer.order.filled) == ("o1", 0)


def test_early_corrections_that_refer_to_themselves_or_in_a_ring_are_taken_once() -> None:
    desk = live_desk(quantity="10")
    correct = reports.TradeCorrectReport
    desk.tell(correct, execution_ref_id="E1", execution_id="E1", quantity="3", price="99")
    desk.tell(correct, execution_ref_id="A", execution_id="B", quantity="2", price="98")
    desk.tell(correct, execution_ref_id="B", execution_id="A", quantity="1", price="97")
    desk.fill("E1", "4")
    assert (desk.order.filled, desk.order.average_price) == (3, 99)
    desk.fill("A", "1", "97")
    check(desk.state)


# --- totals ------------------------------------------------------------------------------------------------


def test_a_total_that_grew_on_any_report_is_booked_once() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend(quantity="12")
    desk.tell(reports.AmendReport, request_id="a1", quantity="12", cumulative_quantity="3")
    assert (desk.order.filled, desk.order.provisional, desk.order.quantity) == (3, 3, 12)
    desk.fill("E1", "3", "98")
    assert (desk.order.filled, desk.order.provisional, desk.order.average_price) == (3, 0, 98)
    check(desk.state)


def test_a_total_s_price_is_the_venue_s_average_less_what_is_booked() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "1", "90")
    desk.tell(reports.CancelReport, cumulative_quantity="3", average_price="96")
    assert (desk.order.state, desk.order.filled, desk.order.average_price) == (OrderState.CANCELLED, 3, 96)
    assert not desk.order.fill_after_terminal
    desk.fill("E2", "2", "99")
    assert (desk.order.average_price, desk.order.provisional) == (96, 0)
    assert not desk.order.fill_after_terminal, "it was counted before the end"


def test_a_total_without_any_price_is_told_and_not_guessed() -> None:
    desk = live_desk(quantity="10", order_type="market", price=None)
    answer = desk.tell(reports.CancelReport, cumulative_quantity="3")
    assert codes(answer) == ["executions_missing"]
    assert (desk.order.state, desk.order.filled) == (OrderState.CANCELLED, 0)


def test_a_total_in_an_unknown_symbol_or_with_a_rounded_average_never_raises() -> None:
    desk = live_desk(quantity="200")
    desk.tell(reports.AcknowledgeReport, symbol="XXX", cumulative_quantity="0.5")
    desk.fill("E1", "100", "100", cumulative_quantity="100")
    desk.tell(reports.CancelReport, cumulative_quantity="100.001", average_price="99.99")
    prices = {execution.price for execution in desk.state.orders.executions}
    assert prices == {100}, "a rounded average says nothing of a thousandth: it is the limit's price"


def test_a_total_without_an_id_is_booked_at_the_price_that_gives_the_average() -> None:
    desk = live_desk(quantity="10")
    desk.fill("", "1", "100", cumulative_quantity="1", average_price="100")
    desk.fill("", "1", "300", cumulative_quantity="3", average_price="200")
    assert (desk.order.filled, desk.order.average_price) == (3, 200)


def test_a_total_that_still_counts_a_bust_adds_nothing() -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.CancelReport, cumulative_quantity="2", average_price="99")
    desk.fill("E0", "1", cumulative_quantity="1")
    desk.tell(reports.TradeCancelReport, execution_ref_id="E0")
    desk.fill("E1", "2", "99", cumulative_quantity="3")
    assert (desk.order.filled, desk.held, desk.order.provisional) == (2, 2, 0)


def test_an_end_that_counts_less_is_kept_with_both_views() -> None:
    for filled in ("3", "10"):
        desk = live_desk(quantity="10")
        desk.fill("E1", filled)
        answer = desk.tell(reports.CancelReport, cumulative_quantity="2")
        assert codes(answer) == ["total_below_ours"]
        assert (desk.order.conflict, desk.state.parked) == (True, 1)


def test_an_order_status_is_never_an_event() -> None:
    desk = live_desk(quantity="10")
    before = desk.order
    for told in (
        {"ord_status": "filled", "cumulative_quantity": "10"},
        {"ord_status": "canceled", "leaves": "0", "cumulative_quantity": "0"},
        {"ord_status": "rejected", "quantity": "0", "cumulative_quantity": "0"},
    ):
        answer = desk.tell(reports.StatusReport, **told)
        assert (answer.outcome, answer.events) == (Outcome.IGNORED, ())
        assert codes(answer) == (["executions_missing"] if told["cumulative_quantity"] == "10" else [])
    assert desk.order is before
    stranger = desk.tell(reports.StatusReport, "nobody", ord_status="rejected")
    assert (stranger.outcome, stranger.events, len(desk.state.orders)) == (Outcome.IGNORED, (), 1)


# --- requests ----------------------------------------------------------------------------------------------


def test_a_reply_may_name_the_order_by_the_request_s_id() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.ask_cancel("c1")
    desk.tell(reports.AmendReport, "a1", quantity="12")
    assert (desk.order.quantity, desk.order.pending_request_ids) == (12, ("c1",))
    desk.fill("E1", "2", key="a1")
    desk.tell(reports.CancelReport, "c1")
    assert (desk.order.state, desk.order.filled, len(desk.state.orders)) == (OrderState.CANCELLED, 2, 1)


def test_a_reply_is_found_by_its_request_and_by_nothing_else() -> None:
    desk = live_desk(quantity="10")
    desk.submit("o2", quantity="10")
    desk.acknowledge("o2", "V2")
    desk.ask_cancel("c1")
    desk.tell(reports.CancelRejectReport, "", venue_order_id="NONE", symbol="", request_id="c1")
    assert desk.order.pending_cancels == ()
    desk.ask_cancel("c2")
    wrong = desk.tell(reports.CancelReport, "o2", request_id="c2")
    assert (wrong.outcome, len(codes(wrong))) == (Outcome.PARKED, 1), (
        "it names another order: both views stay"
    )
    assert desk.state.orders.get("o2").state is OrderState.ACKNOWLEDGED
    desk.tell(reports.CancelReport, "", request_id="c2", symbol="")
    assert desk.order.state is OrderState.CANCELLED


def test_what_a_venue_repeats_does_not_open_an_order_again() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")

    def tell_all() -> None:
        desk.tell(reports.AmendReport, request_id="a1", leaves="12", cumulative_quantity="0")
        desk.acknowledge(leaves="10", cumulative_quantity="0")
        desk.tell(reports.RestateReport, restatement="renewal")

    tell_all()
    assert (desk.order.state, desk.order.leaves) == (OrderState.ACKNOWLEDGED, 12)
    desk.tell(reports.CancelReport)
    tell_all()
    assert (desk.order.state, desk.order.leaves) == (OrderState.CANCELLED, 0)


def test_a_reject_of_a_copy_does_not_answer_the_request() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.tell(reports.AmendRejectReport, request_id="a1", duplicate_request_id=True)
    assert desk.order.pending_request_ids == ("a1",)


def test_a_second_venue_id_for_one_order_is_shouted_about() -> None:
    desk = live_desk(quantity="10")
    answer = desk.acknowledge(venue_order_id="V9")
    assert (codes(answer), desk.order.venue_order_id) == (["second_venue_order_id"], "V1")


def test_what_the_venue_ended_under_another_name_is_over() -> None:
    desk = Desk()
    desk.submit(quantity="10")
    stranger = {"venue_order_id": "V1", "symbol": "BTC-USD"}
    desk.tell(reports.FillReport, "", execution_id="E1", quantity="4", price="100", side="buy", **stranger)
    desk.tell(reports.CancelReport, "", **stranger)
    desk.acknowledge()
    assert (desk.order.state, desk.order.filled, desk.order.leaves) == (OrderState.CANCELLED, 4, 0)


def test_a_reject_that_names_a_request_answers_the_request_and_leaves_the_order() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.ask_cancel("c1")
    desk.tell(reports.RejectReport, "a1", reason="no")
    assert (desk.order.state, desk.order.pending_request_ids) == (OrderState.ACKNOWLEDGED, ("c1",))
    desk.tell(reports.RejectReport, "c1", reason="no")
    assert (desk.order.state, desk.order.pending_request_ids) == (OrderState.ACKNOWLEDGED, ())


def test_request_ids_are_unique_in_the_book() -> None:
    desk = live_desk(quantity="10")
    desk.submit("o2", quantity="10")
    desk.acknowledge("o2", "V2")
    desk.ask_amend("r1", quantity="12")
    assert desk.ask_amend("r1", quantity="12").outcome is Outcome.ALREADY_DONE
    for refused in (
        desk.ask_amend("r1", quantity="13"),
        desk.ask_cancel("r1"),
        desk.ask(requests.CancelOrder, "o2", request_id="r1"),
        desk.ask(requests.CancelOrder, "o1", request_id="o2"),
    ):
        assert refused.refusal is not None
        assert (refused.outcome, refused.refusal.code) == (Outcome.REFUSED, "duplicate_request_id")
    desk.tell(reports.AmendRejectReport, request_id="r1")
    again = desk.ask_amend("r1", quantity="12")
    assert again.refusal is not None
    assert again.refusal.code == "duplicate_request_id", "answered, and so used"
    with pytest.raises(DuplicateClientOrderId):
        desk.submit("r1")


def test_a_refused_amend_says_what_would_be_allowed() -> None:
    desk = live_desk(quantity="10")
    desk.ask_cancel("c1")
    refused = desk.ask_amend("a1", quantity="12")
    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.allowed) == ("cancel_pending", ("cancel_request",))


def test_a_filled_order_can_be_amended_up_and_only_up() -> None:
    desk = live_desk(quantity="10")
    desk.fill("E1", "10")
    refused = desk.ask_amend("a1", quantity="10")
    assert refused.refusal is not None
    assert (refused.refusal.code, "use cancel" in refused.refusal.message) == ("amend_below_filled", True)
    assert desk.ask_amend("a2", quantity="12").outcome is Outcome.APPLIED
    desk.tell(reports.AmendReport, request_id="a2", quantity="12")
    assert (desk.order.state, desk.order.leaves) == (OrderState.PARTIALLY_FILLED, 2)


def test_an_amend_outlives_the_end_of_its_order_until_it_is_answered() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.ask_cancel("c1")
    desk.tell(reports.CancelReport, request_id="c1")
    assert (desk.order.state, desk.order.pending_request_ids) == (OrderState.CANCELLED, ("a1",))
    refused = desk.ask(requests.CloseOrder)
    assert refused.refusal is not None
    assert refused.refusal.code == "request_pending"
    desk.ask(requests.RequestOutcomeUnknown, request_id="a1", reason="no answer")
    assert desk.ask(requests.CloseOrder).outcome is Outcome.APPLIED, "nobody will answer any more"
    assert desk.order.pending_request_ids == ()


def test_a_cancel_that_the_venue_could_not_place_is_asked_for_again_when_it_knows_the_order() -> None:
    desk = Desk()
    desk.submit(quantity="10")
    desk.ask_cancel("c1")
    desk.tell(reports.CancelRejectReport, request_id="c1", order_not_open=True)
    assert desk.order.pending_cancels == ()
    answer = desk.acknowledge()
    assert [type(effect) for effect in answer.effects] == [effects.SendCancel]
    again = desk.order.pending_request_ids[0]
    assert again != "c1"
    desk.tell(reports.CancelReport, request_id=again)
    assert desk.order.state is OrderState.CANCELLED


@pytest.mark.parametrize("open_still", [True, False])
def test_too_late_to_cancel_is_a_reason_to_ask(open_still: bool) -> None:
    desk = live_desk(quantity="10")
    desk.ask_cancel("c1")
    if not open_still:
        desk.fill("E1", "10")
    answer = desk.tell(reports.CancelRejectReport, request_id="c1", order_not_open=True)
    assert [type(effect) for effect in answer.effects] == [effects.QueryOrder] * open_still
    assert desk.order.state is (OrderState.ACKNOWLEDGED if open_still else OrderState.FILLED)


def test_a_new_venue_order_id_is_learnt_and_the_old_one_still_found() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.tell(reports.AmendReport, request_id="a1", quantity="12", venue_order_id="V9")
    assert desk.order.venue_order_id == "V9"
    for number, name in enumerate(("V1", "V9")):
        desk.tell(
            reports.FillReport, "", venue_order_id=name, execution_id=f"E{number}", quantity="1", price="100"
        )
    assert (desk.order.filled, len(desk.state.orders)) == (2, 1)


def test_an_amend_to_nothing_is_a_cancel_and_to_what_is_filled_is_filled() -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.AmendReport, leaves="0")
    assert (desk.order.state, desk.order.ord_status) == (OrderState.CANCELLED, OrdStatus.CANCELED)
    desk = live_desk(quantity="10")
    desk.fill("E1", "4")
    desk.tell(reports.AmendReport, leaves="0")
    assert (desk.order.state, desk.order.quantity) == (OrderState.FILLED, 4)


def test_after_an_amend_its_id_is_the_order_s_own() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="12")
    desk.tell(reports.AmendReport, "a1", quantity="12")
    desk.tell(reports.RestateReport, "a1", quantity="11")
    desk.tell(reports.AmendReport, "a1", quantity="9")
    assert desk.order.quantity == 9, "the venue names the order so in what nobody asked for, too"
    desk.tell(reports.RejectReport, "a1", reason="by the exchange")
    assert desk.order.state is OrderState.REJECTED


def test_an_old_answer_does_not_bring_old_terms_back() -> None:
    desk = live_desk(quantity="10")
    for request_id, quantity in (("a1", "12"), ("a2", "14")):
        desk.ask_amend(request_id, quantity=quantity)
        desk.tell(reports.AmendReport, request_id=request_id, quantity=quantity)
    again = desk.tell(reports.AmendReport, request_id="a1", quantity="12")
    assert (again.outcome, desk.order.quantity) == (Outcome.ALREADY_DONE, 14)
    desk.tell(reports.CancelReport, cancelled_quantity="1")
    again = desk.tell(reports.AmendReport, request_id="a2", quantity="14")
    assert (again.outcome, desk.order.quantity) == (Outcome.ALREADY_DONE, 13)


def test_an_order_cancelled_before_it_was_sent_that_lives_is_shouted_about() -> None:
    desk = Desk()
    desk.submit(quantity="10", verdict=PAUSE)
    desk.ask_cancel("c1")
    assert desk.order.state is OrderState.CANCELLED
    answer = desk.acknowledge()
    assert (codes(answer), desk.order.state) == (["reopened"], OrderState.ACKNOWLEDGED)


def test_a_correction_that_grows_takes_the_place_of_what_a_total_counted() -> None:
    desk = live_desk(quantity="10")
    desk.acknowledge(cumulative_quantity="4")
    desk.fill("E1", "2", "100")
    desk.tell(reports.TradeCorrectReport, execution_ref_id="E1", execution_id="C1", quantity="4", price="100")
    assert (desk.order.filled, desk.order.provisional) == (4, 0)


# --- days, halts, guarantees -------------------------------------------------------------------------------


def test_done_for_day_ends_a_day_order_and_rests_the_others() -> None:
    day, good_till = live_desk(quantity="10", time_in_force="day"), live_desk(quantity="10")
    for desk in (day, good_till):
        desk.fill("E1", "4")
        desk.tell(reports.DoneForDayReport)
        assert desk.order.ord_status is OrdStatus.DONE_FOR_DAY
        assert "done_for_day" in desk.order.flags
    assert (day.order.state, day.order.leaves) == (OrderState.EXPIRED, 0)
    assert (good_till.order.state, good_till.order.leaves) == (OrderState.PARTIALLY_FILLED, 6)

    good_till.tell(reports.RestateReport, restatement="renewal", leaves="6")
    assert (good_till.order.ord_status, good_till.order.flags) == (OrdStatus.PARTIALLY_FILLED, ())


def test_a_split_restates_the_order_without_a_trade() -> None:
    desk = live_desk(quantity="10", price="50")
    desk.fill("E1", "2", "50")
    desk.tell(
        reports.RestateReport,
        restatement=RestatementReason.CORPORATE_ACTION,
        quantity="20",
        cumulative_quantity="4",
        price="25",
    )
    assert (desk.order.quantity, desk.order.filled, desk.order.leaves) == (20, 4, 16)
    assert desk.order.average_price == 25
    assert desk.state.positions.position("BTC-USD").quantity == 2, "the position's split is its own event"
    bust = desk.tell(reports.TradeCancelReport, execution_ref_id="E1")
    assert codes(bust) == ["changed_after_corporate_action"]
    desk.fill("E2", "3", "26")
    assert desk.order.filled == 7
    desk.tell(reports.TradeCancelReport, execution_ref_id="E2")
    assert (desk.order.filled, desk.order.leaves) == (4, 16)


def test_a_reduction_by_the_venue_frees_the_quantity() -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.RestateReport, restatement="self_trade_prevention", quantity="4")
    assert (desk.order.state, desk.order.leaves) == (OrderState.ACKNOWLEDGED, 4)
    desk.tell(reports.CancelReport, reason="self-trade prevention")
    assert desk.order.state is OrderState.CANCELLED


@pytest.mark.parametrize(
    ("resume", "told"),
    [
        (reports.RestateReport, {"restatement": "trading_halt"}),
        (reports.TriggerReport, {}),
        (reports.AmendReport, {"price": "99"}),
    ],
)
def test_a_suspended_order_is_open_and_comes_back(resume: type[reports.Report], told: dict[str, str]) -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.SuspendReport, reason="halt")
    assert (desk.order.state, desk.order.leaves) == (OrderState.ACKNOWLEDGED, 10)
    assert (desk.order.ord_status, desk.order.flags) == (OrdStatus.SUSPENDED, ("suspended",))
    desk.acknowledge()
    assert desk.order.suspended, "an old acknowledgement does not put it in force"
    desk.tell(resume, **told)
    assert (desk.order.suspended, desk.order.ord_status) == (False, OrdStatus.NEW)


@pytest.mark.parametrize("end", [reports.CancelReport, reports.ExpireReport, reports.RejectReport])
def test_an_order_that_is_over_is_neither_suspended_nor_stopped(end: type[reports.Report]) -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.SuspendReport)
    desk.tell(reports.StopReport, quantity="1", price="50")
    desk.tell(end)
    assert desk.order.flags == ()
    assert desk.order.ord_status in (OrdStatus.CANCELED, OrdStatus.EXPIRED, OrdStatus.REJECTED)


def test_a_guarantee_is_no_trade_and_outranks_a_partial_fill() -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.StopReport, quantity="1", price="50.10")
    assert (desk.order.filled, desk.order.ord_status, desk.order.flags) == (
        0,
        OrdStatus.STOPPED,
        ("stopped",),
    )
    desk.fill("E1", "1", "50")
    assert (desk.order.filled, desk.order.ord_status) == (1, OrdStatus.STOPPED)
    desk.fill("E2", "9", "50")
    assert desk.order.ord_status is OrdStatus.FILLED


def test_a_fill_and_the_end_of_the_rest_may_come_in_one_report() -> None:
    desk = Desk()
    desk.submit(quantity="10", time_in_force="ioc")
    answer = desk.fill("E1", "1", remainder_cancelled=True)
    assert [type(event) for event in answer.events] == [events.FillBooked, events.OrderCancelled]
    assert (desk.order.state, desk.order.filled, desk.order.leaves) == (OrderState.CANCELLED, 1, 0)
    assert not desk.order.fill_after_terminal


def test_the_end_in_a_bundle_is_news_even_if_its_fill_is_not() -> None:
    desk = Desk()
    desk.submit(quantity="10", time_in_force="ioc")
    desk.fill("E1", "1")
    answer = desk.fill("E1", "1", remainder_cancelled=True)
    assert (answer.outcome, desk.order.state) == (Outcome.APPLIED, OrderState.CANCELLED)


def test_an_order_by_telephone_is_known_by_the_venue_s_id() -> None:
    desk = Desk()
    voice = {"venue_order_id": "T1", "symbol": "BTC-USD"}
    desk.tell(reports.AcknowledgeReport, "", side="buy", quantity="10", price="100", leaves="0", **voice)
    answer = desk.tell(reports.FillReport, "", execution_id="E1", quantity="2", price="100", **voice)
    assert answer.order is not None
    assert (answer.order.state, answer.order.leaves) == (OrderState.PARTIALLY_FILLED, 8)


# --- the building block ------------------------------------------------------------------------------------


def test_the_building_block_has_a_verb_for_each_of_them() -> None:
    machine = OrderStateMachine()
    machine.create_order(
        OrderRequest(client_order_id="o1", symbol=BITCOIN.symbol, side=Side.BUY, quantity=D(10), price=D(100))
    )
    machine.submit_order("o1")
    machine.acknowledge_order("o1", "V1")
    machine.request_amend("o1", "a1", quantity=12)

    assert machine.orders.get("o1").pending_request_ids == ("a1",)

    def order_after(answer: Answer) -> tuple[OrdStatus, Decimal]:
        assert answer.outcome is Outcome.APPLIED
        assert answer.order is not None
        return answer.order.ord_status, answer.order.filled

    assert order_after(machine.confirm_request("o1", "a1")) == (OrdStatus.PENDING_REPLACE, 0)
    assert order_after(machine.amend_order("o1", quantity=12, request_id="a1")) == (OrdStatus.NEW, 0)
    assert order_after(machine.suspend_order("o1", "halt")) == (OrdStatus.SUSPENDED, 0)
    assert order_after(machine.trigger_order("o1")) == (OrdStatus.NEW, 0)
    assert order_after(machine.stop_order("o1", quantity=1, price=50)) == (OrdStatus.STOPPED, 0)
    assert order_after(machine.apply_fill("o1", "E1", 4, 100)) == (OrdStatus.STOPPED, 4)
    assert order_after(machine.end_day("o1")) == (OrdStatus.DONE_FOR_DAY, 4)
    assert order_after(machine.restate_order("o1", "renewal")) == (OrdStatus.STOPPED, 4)
    assert order_after(machine.correct_trade("o1", "E1", 5, 99, "C1")) == (OrdStatus.STOPPED, 5)
    assert order_after(machine.cancel_trade("o1", "C1", "B1")) == (OrdStatus.STOPPED, 0)
