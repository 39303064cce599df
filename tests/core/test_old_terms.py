"""Terms and ends that are told late or again: what is newer, by the venue's time, stays in force."""

from decimal import Decimal

import pytest

from core_support.desk import Desk, alert_codes, assert_replays, assert_shows, live_desk
from execore.core.snapshot import restore, snapshot_of
from execore.model import reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.vocabulary import Expiry, OrderState, RestatementReason


def amended(desk: Desk, request_id: str, quantity: str, ts_ns: int = 0, **fields: str) -> Answer:
    """The venue's answer to an amend, at its time."""
    return desk.tell(reports.AmendReport, request_id=request_id, quantity=quantity, ts_ns=ts_ns, **fields)


def asked(*totals: str, **terms: str) -> Desk:
    """A live order for 1, with an amend on its way to each total, a1 first."""
    desk = live_desk(**terms)
    for number, total in enumerate(totals, 1):
        desk.ask_amend(f"a{number}", quantity=total)
    return desk


# --- answers to amends in another order than they were accepted ------------------------------------------


def test_a_late_answer_to_an_older_amend_is_an_answer_and_gives_no_terms() -> None:
    desk = asked("4", "3", "2")
    amended(desk, "a2", "3", ts_ns=20)
    amended(desk, "a3", "2", ts_ns=30)
    desk.fill("E1", "2")
    answer = amended(desk, "a1", "4", ts_ns=10)
    assert answer.outcome is Outcome.APPLIED
    assert not answer.effects
    assert desk.order.state is OrderState.FILLED
    assert desk.order.quantity == 2
    assert desk.order.pending_request_ids == ()
    for number, total in ((1, "4"), (2, "3"), (3, "2")):
        assert amended(desk, f"a{number}", total, ts_ns=number * 10).outcome is Outcome.ALREADY_DONE
    assert desk.state.orders.ids.current_id("o1") == "a3"
    assert_replays(desk)


def test_the_venues_time_says_which_amend_came_last_whatever_we_asked_for_first() -> None:
    desk = asked("4", "3")
    amended(desk, "a2", "3", ts_ns=10)
    amended(desk, "a1", "4", ts_ns=20)
    assert desk.order.quantity == 4

    desk = asked("4", "3")
    amended(desk, "a1", "4", ts_ns=20)
    amended(desk, "a2", "3", ts_ns=10)
    assert desk.order.quantity == 4
    assert not desk.order.pending_replaces


def test_without_times_the_order_of_our_requests_decides() -> None:
    desk = asked("4", "3", "2")
    amended(desk, "a2", "3")
    amended(desk, "a1", "4")
    assert desk.order.quantity == 3
    assert desk.order.pending_request_ids == ("a3",)
    amended(desk, "a3", "2")
    assert desk.order.quantity == 2
    assert not desk.order.pending_replaces


def test_old_terms_that_nobody_asked_for_are_ignored() -> None:
    desk = asked("3")
    amended(desk, "a1", "3", ts_ns=20)
    answer = amended(desk, "", "7", ts_ns=10)
    assert answer.outcome is Outcome.IGNORED
    assert desk.order.quantity == 3
    assert amended(desk, "", "7", ts_ns=20).outcome is Outcome.APPLIED


# --- a history that is told again --------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [{"price": "105"}, {"quantity": "5"}, {"leaves": "5"}])
def test_a_restatement_told_again_does_not_take_back_the_amend_after_it(terms: dict[str, str]) -> None:
    desk = asked("3")
    desk.tell(reports.RestateReport, ts_ns=10, **terms)
    amended(desk, "a1", "3", price="103", ts_ns=20)
    again = desk.tell(reports.RestateReport, ts_ns=10, **terms)
    assert again.outcome is Outcome.ALREADY_DONE
    assert_shows(desk.order, quantity=3, price=103)
    assert amended(desk, "a1", "3", price="103", ts_ns=20).outcome is Outcome.ALREADY_DONE
    assert_shows(desk.order, quantity=3, price=103)
    assert desk.tell(reports.RestateReport, ts_ns=30, **terms).outcome is Outcome.APPLIED


def test_a_restatement_of_the_price_alone_says_nothing_of_the_total_before_it() -> None:
    desk = asked("3")
    desk.tell(reports.RestateReport, price="105", ts_ns=20)
    amended(desk, "a1", "3", price="103", ts_ns=10)
    assert_shows(desk.order, quantity=3, price=103)
    desk.tell(reports.RestateReport, price="105", ts_ns=20)  # as a venue that is asked tells it again
    amended(desk, "a1", "3", price="103", ts_ns=10)
    assert_shows(desk.order, quantity=3, price=105)
    assert_replays(desk)


# --- corporate actions --------------------------------------------------------------------------------------


def split(desk: Desk, filled: str, ts_ns: int, **terms: str) -> Answer:
    """A corporate action: so much is filled now."""
    kind = RestatementReason.CORPORATE_ACTION
    return desk.tell(
        reports.RestateReport, restatement=kind, cumulative_quantity=filled, ts_ns=ts_ns, **terms
    )


def half_filled(filled: str = "2") -> Desk:
    """An order for 10 of which so much was filled at 10 ns."""
    desk = live_desk(quantity="10")
    if filled != "0":
        desk.fill("E1", filled, ts_ns=10)
    return desk


TERMS: tuple[dict[str, str], ...] = (
    {},
    {"quantity": "20"},
    {"leaves": "16"},
    {"quantity": "20", "price": "50"},
)


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize(("before", "after"), [("2", "4"), ("2", "2"), ("2", "1"), ("0", "0")])
@pytest.mark.parametrize("ts_ns", [10, 20])
def test_a_corporate_action_told_again_is_done_whatever_came_after_it(
    terms: dict[str, str], before: str, after: str, ts_ns: int
) -> None:
    desk = half_filled(before)
    assert split(desk, after, ts_ns, **terms).outcome is Outcome.APPLIED
    assert split(desk, after, ts_ns, **terms).outcome is Outcome.ALREADY_DONE
    desk.fill("E2", "3", ts_ns=30)
    desk.tell(reports.SuspendReport, ts_ns=40)
    known = desk.order
    assert known.filled == Decimal(after) + 3
    assert split(desk, after, ts_ns, **terms).outcome is Outcome.ALREADY_DONE
    assert desk.order == known
    assert_replays(desk)


def test_without_times_a_corporate_action_is_known_by_what_it_counts() -> None:
    desk = half_filled()
    split(desk, "4", 10)
    desk.fill("E2", "3", ts_ns=10)
    assert split(desk, "4", 10).outcome is Outcome.ALREADY_DONE
    assert split(desk, "14", 10, quantity="40").outcome is Outcome.APPLIED
    assert split(desk, "4", 10).outcome is Outcome.ALREADY_DONE
    assert desk.order.filled == 14


def test_a_history_with_two_corporate_actions_is_told_again() -> None:
    desk = half_filled()
    for ts_ns, filled in ((20, "4"), (30, "8"), (20, "4"), (30, "8")):
        split(desk, filled, ts_ns, quantity=str(int(filled) * 5))
        assert desk.order.filled == (4 if len(desk.order.restatements) == 1 else 8)
    assert_shows(desk.order, filled=8, quantity=40, restatements=((20, Decimal(4)), (30, Decimal(8))))
    assert desk.state.parked == 0


@pytest.mark.parametrize("since", ["fill", "bust", "split"])
def test_a_corporate_action_that_is_older_than_what_was_counted_since_is_parked(since: str) -> None:
    desk = half_filled()
    desk.fill("E2", "3", ts_ns=15)
    if since == "fill":
        desk.fill("E3", "1", ts_ns=30)
    elif since == "bust":
        desk.tell(reports.TradeCancelReport, execution_ref_id="E2", ts_ns=30)
    else:
        split(desk, "20", 30, quantity="40")
    desk.fill("E4", "1", ts_ns=12)
    filled, quantity = desk.order.filled, desk.order.quantity
    late = split(desk, "10", 20, quantity="20")
    assert late.outcome is Outcome.PARKED
    assert alert_codes(late) == ["counted_since"]
    assert_shows(desk.order, filled=filled, quantity=quantity, conflict=True)
    assert split(desk, "10", 20, quantity="20").outcome is Outcome.ALREADY_DONE
    assert desk.state.parked == 1


def test_a_corporate_action_stays_known_when_its_order_turns_out_to_be_ours() -> None:
    desk = Desk()
    desk.submit(quantity="10")
    named = {"venue_order_id": "X1", "side": "buy"}
    desk.tell(reports.FillReport, "", execution_id="E1", quantity="2", price="100", ts_ns=10, **named)
    kind = RestatementReason.CORPORATE_ACTION
    action = {"restatement": kind, "cumulative_quantity": "4", "ts_ns": 20, "venue_order_id": "X1"}
    desk.tell(reports.RestateReport, "", **action)
    desk.acknowledge(venue_order_id="X1", ts_ns=25)
    assert split(desk, "9", 15).outcome is Outcome.PARKED
    desk.fill("E2", "1", ts_ns=30)
    assert desk.order.filled == 5
    assert desk.tell(reports.RestateReport, "", **action).outcome is Outcome.ALREADY_DONE
    assert desk.order.filled == 5
    assert_replays(desk)


def test_a_snapshot_knows_the_corporate_actions_of_what_is_open() -> None:
    desk = half_filled()
    split(desk, "4", 20, quantity="20")
    desk.fill("E2", "3", ts_ns=30)
    desk.state = restore(snapshot_of(desk.state))
    assert split(desk, "4", 20, quantity="20").outcome is Outcome.ALREADY_DONE
    assert split(desk, "6", 25).outcome is Outcome.PARKED
    assert desk.order.filled == 7


def test_a_bust_counts_where_a_corporate_action_left_nothing_filled() -> None:
    desk = live_desk(quantity="4")
    desk.tell(reports.SuspendReport, cumulative_quantity="2", ts_ns=10)  # known by its total alone
    split(desk, "1", 20)
    desk.fill("E1", "3", ts_ns=30)  # the one that the total counted
    desk.tell(
        reports.TradeCorrectReport,
        execution_ref_id="E1",
        execution_id="C1",
        quantity="1",
        price="100",
        ts_ns=40,
    )
    assert_shows(desk.order, filled=0, state=OrderState.ACKNOWLEDGED)
    assert desk.held == 1
    bust = desk.tell(reports.TradeCancelReport, execution_ref_id="C1", ts_ns=50)
    assert bust.outcome is Outcome.APPLIED
    assert desk.held == 0
    assert_replays(desk)


# --- terms that come after the end that followed them ------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (reports.CancelReport, OrderState.CANCELLED),
        (reports.ExpireReport, OrderState.EXPIRED),
        (reports.RejectReport, OrderState.REJECTED),
    ],
)
def test_an_amend_that_was_accepted_before_the_end_does_not_open_it_again(
    end: type[reports.Report], state: OrderState
) -> None:
    desk = asked("3")
    desk.tell(end, ts_ns=20)
    answer = desk.tell(reports.AmendReport, request_id="a1", leaves="3", ts_ns=10)
    assert alert_codes(answer) == []
    assert_shows(desk.order, state=state, quantity=3)
    assert not desk.order.pending_replaces
    told = desk.tell(reports.RestateReport, leaves="3", price="101", ts_ns=15)
    assert alert_codes(told) == [f"restated_on_{state.lower()}"]
    assert_shows(desk.order, state=state, price=101)
    assert_replays(desk)

    rests = desk.tell(reports.AmendReport, leaves="3", ts_ns=30)
    assert alert_codes(rests) == [f"amended_on_{state.lower()}"]
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED)


def test_after_an_end_by_our_own_clock_only_what_the_venue_says_of_later_opens_the_order() -> None:
    desk = live_desk(time_in_force="gtd", expire_ts_ns=50)
    desk.ask_amend("a1", quantity="3")
    desk.take(requests.ExpiryDue(ts_ns=60, client_order_id="o1", expiry=Expiry.SILENT, lateness_ns=0))
    assert_shows(desk.order, state=OrderState.EXPIRED)
    desk.tell(reports.AmendReport, request_id="a1", leaves="3", ts_ns=40)
    assert_shows(desk.order, state=OrderState.EXPIRED, quantity=3, pending_replaces=())
    desk.tell(reports.RestateReport, leaves="3", ts_ns=55)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED)


def test_an_acknowledgement_with_old_terms_leaves_those_in_force() -> None:
    desk = Desk()
    told = {"side": "buy", "price": "100", "venue_order_id": "X1"}
    desk.tell(reports.AcknowledgeReport, "", leaves="2", ts_ns=10, **told)
    key = desk.only_order().client_order_id
    amended(desk, "", "3", ts_ns=20, client_order_id="", venue_order_id="X1")
    desk.tell(reports.AcknowledgeReport, "", leaves="2", ts_ns=10, **told)
    assert desk.state.orders.get(key).quantity == 3
    desk.tell(reports.CancelReport, "", venue_order_id="X1", ts_ns=30)
    desk.tell(reports.AcknowledgeReport, "", leaves="2", ts_ns=10, **told)
    assert desk.state.orders.get(key).state is OrderState.CANCELLED
    assert desk.state.orders.get(key).filled == Decimal(0)
