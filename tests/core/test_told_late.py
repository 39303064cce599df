"""Ends, cancels of a part and new venue ids that are told late or again: a live order is not shown dead."""

from decimal import Decimal
from typing import Any

import pytest

from core_support.desk import Desk, alert_codes, assert_replays, assert_shows, live_desk
from execore.core import breaks
from execore.core.snapshot import restore, snapshot_of
from execore.model import reports
from execore.model.answers import Answer, Outcome
from execore.model.effects import SendCancel
from execore.model.vocabulary import OrderState

STRANGER: dict[str, Any] = {"side": "buy", "price": "100", "venue_order_id": "X1"}


def told(desk: Desk, report: type[reports.Report], ts_ns: int, **fields: Any) -> Answer:
    """A report on the order that only the venue's id ``X1`` names."""
    return desk.tell(report, "", ts_ns=ts_ns, **({"venue_order_id": "X1"} | fields))


# --- ends -------------------------------------------------------------------------------------------------

ENDS = (
    (reports.CancelReport, OrderState.CANCELLED),
    (reports.ExpireReport, OrderState.EXPIRED),
    (reports.RejectReport, OrderState.REJECTED),
    (reports.DoneForDayReport, OrderState.EXPIRED),
)


@pytest.mark.parametrize(("end", "state"), ENDS)
def test_an_end_told_again_does_not_end_an_order_that_was_reopened_since(
    end: type[reports.Report], state: OrderState
) -> None:
    desk = live_desk(quantity="3", time_in_force="day")
    desk.tell(end, ts_ns=10)
    assert_shows(desk.order, state=state)
    desk.tell(reports.RestateReport, leaves="3", price="101", ts_ns=20)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, reopened_ts_ns=20)
    again = desk.tell(end, ts_ns=10)
    assert again.outcome is Outcome.IGNORED
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, leaves=3)
    assert_replays(desk)


@pytest.mark.parametrize("ts_ns", [20, 21])
@pytest.mark.parametrize(("end", "state"), ENDS)
def test_an_end_that_may_be_newer_than_the_reopening_counts(
    end: type[reports.Report], state: OrderState, ts_ns: int
) -> None:
    desk = live_desk(quantity="3", time_in_force="day")
    desk.tell(end, ts_ns=10)
    desk.tell(reports.AmendReport, leaves="3", ts_ns=20)
    desk.tell(end, ts_ns=ts_ns)
    assert_shows(desk.order, state=state)


def test_an_acknowledgement_that_says_what_rests_outlives_the_cancel_before_it() -> None:
    desk = Desk()
    told(desk, reports.AcknowledgeReport, 5, leaves="3", **STRANGER)
    told(desk, reports.CancelReport, 10)
    told(desk, reports.AcknowledgeReport, 20, leaves="3", **STRANGER)
    assert told(desk, reports.CancelReport, 10).outcome is Outcome.IGNORED
    assert_shows(desk.only_order(), state=OrderState.ACKNOWLEDGED, leaves=3)


@pytest.mark.parametrize("report", [reports.AmendReport, reports.RestateReport])
def test_the_end_of_a_day_has_its_time_too(report: type[reports.Report]) -> None:
    desk = live_desk(time_in_force="day")
    desk.tell(reports.DoneForDayReport, ts_ns=20)
    desk.tell(report, leaves="3", ts_ns=10)
    assert_shows(desk.order, state=OrderState.EXPIRED, ended_ts_ns=20)
    desk.tell(report, leaves="3", ts_ns=30)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED)


def test_an_old_acknowledgement_does_not_open_what_was_known_by_executions_and_ended() -> None:
    desk = Desk()
    told(desk, reports.FillReport, 20, side="buy", execution_id="E1", quantity="1", price="100")
    told(desk, reports.CancelReport, 30)
    told(desk, reports.AcknowledgeReport, 10, quantity="5", **STRANGER)
    assert_shows(desk.only_order(), state=OrderState.FILLED, quantity=1)
    told(desk, reports.AcknowledgeReport, 40, quantity="5", **STRANGER)
    assert_shows(desk.only_order(), leaves=4)


@pytest.mark.parametrize(("named", "state"), [("a1", OrderState.ACKNOWLEDGED), ("a2", OrderState.REJECTED)])
def test_only_the_current_id_names_the_order_in_a_reject(named: str, state: OrderState) -> None:
    desk = amending()
    desk.tell(reports.AmendReport, request_id="a2", quantity="2", ts_ns=20)
    desk.tell(reports.AmendReport, request_id="a1", quantity="4", ts_ns=10)
    desk.tell(reports.RejectReport, named, reason="no")
    assert_shows(desk.order, state=state)


# --- venues that give a new id with new terms ---------------------------------------------------------------


def amending() -> Desk:
    """A live order for 1, known as V1, with amends to 4 and to 2 on their way."""
    desk = live_desk()
    desk.ask_amend("a1", quantity="4")
    desk.ask_amend("a2", quantity="2")
    return desk


@pytest.mark.parametrize("times", [(10, 20), (10, 10)])
def test_the_id_of_overtaken_terms_is_a_former_one(times: tuple[int, int]) -> None:
    desk = amending()
    newer: dict[str, Any] = {"request_id": "a2", "quantity": "2", "venue_order_id": "V3", "ts_ns": times[1]}
    older: dict[str, Any] = {"request_id": "a1", "quantity": "4", "venue_order_id": "V2", "ts_ns": times[0]}
    desk.tell(reports.AmendReport, **newer)
    desk.tell(reports.AmendReport, **older)
    for _ in range(2):
        assert_shows(desk.order, quantity=2, venue_order_id="V3", pending_replaces=())
        assert desk.tell(reports.AmendReport, **newer).outcome is Outcome.ALREADY_DONE
        assert desk.tell(reports.AmendReport, **older).outcome is Outcome.ALREADY_DONE
    (send,) = desk.ask_cancel("c1").effects
    assert isinstance(send, SendCancel)
    assert send.venue_order_id == "V3"
    assert desk.state.orders.ids.former_venue_ids(desk.order) == ["V1", "V2"]
    assert_replays(desk)

    desk.state = restore(snapshot_of(desk.state))
    assert desk.state.orders.by_venue_order_id("V2", "BTC-USD") is desk.order
    desk.tell(reports.CancelReport, "", venue_order_id="V2", ts_ns=30)
    assert_shows(desk.order, state=OrderState.CANCELLED, venue_order_id="V3")


@pytest.mark.parametrize("report", [reports.AmendReport, reports.RestateReport])
def test_old_terms_that_nobody_asked_for_leave_their_id_too(report: type[reports.Report]) -> None:
    desk = amending()
    desk.tell(reports.AmendReport, request_id="a2", quantity="2", venue_order_id="V3", ts_ns=20)
    old: dict[str, Any] = {"quantity": "4", "price": "99", "venue_order_id": "V2", "ts_ns": 10}
    assert desk.tell(report, **old).outcome is Outcome.APPLIED
    known = desk.order
    assert desk.tell(report, **old).outcome in (Outcome.IGNORED, Outcome.ALREADY_DONE)
    assert desk.order == known
    assert_shows(desk.order, quantity=2, price=100, venue_order_id="V3")
    assert desk.state.orders.by_venue_order_id("V2", "BTC-USD") is desk.order
    assert_replays(desk)


def test_the_id_of_overtaken_terms_is_better_than_none() -> None:
    desk = Desk()
    desk.submit()
    desk.acknowledge(venue_order_id="")
    desk.tell(reports.AmendReport, quantity="2", ts_ns=20)
    desk.tell(reports.AmendReport, quantity="4", venue_order_id="V2", ts_ns=10)
    assert_shows(desk.order, quantity=2, venue_order_id="V2")
    assert desk.state.orders.by_venue_order_id("V2", "BTC-USD") is desk.order
    assert_replays(desk)


# --- cancels of a part --------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [reports.AmendReport, reports.RestateReport])
def test_a_part_that_was_cancelled_stays_so_when_older_terms_are_told_again(
    report: type[reports.Report],
) -> None:
    desk = live_desk()
    terms: dict[str, Any] = {"quantity": "20", "price": "100", "ts_ns": 10}
    part: dict[str, Any] = {"request_id": "c1", "cancelled_quantity": "4", "ts_ns": 20}
    desk.tell(report, **terms)
    desk.ask_cancel("c1")
    desk.tell(reports.CancelReport, **part)
    for _ in range(2):
        assert desk.tell(report, **terms).outcome is Outcome.ALREADY_DONE
        assert desk.tell(reports.CancelReport, **part).outcome is Outcome.ALREADY_DONE
        assert_shows(desk.order, quantity=16)
    desk.tell(report, quantity="20", price="100", ts_ns=30)
    assert_shows(desk.order, quantity=20)
    assert desk.tell(reports.CancelReport, **part).outcome is Outcome.ALREADY_DONE
    assert_shows(desk.order, quantity=20)
    assert_replays(desk)


def test_a_part_that_was_cancelled_stays_so_when_an_acknowledgement_is_told_again() -> None:
    desk = Desk()
    told(desk, reports.AcknowledgeReport, 10, leaves="20", **STRANGER)
    for _ in range(2):
        told(desk, reports.CancelReport, 20, cancelled_quantity="4")
        assert_shows(desk.only_order(), quantity=16)
        told(desk, reports.AcknowledgeReport, 10, leaves="20", **STRANGER)
        assert_shows(desk.only_order(), quantity=16)
    assert_replays(desk)


def test_terms_told_after_the_cancel_of_a_part_that_followed_them_are_less_by_it() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="20")
    desk.ask_cancel("c1")
    desk.tell(reports.CancelReport, request_id="c1", cancelled_quantity="4", ts_ns=20)
    desk.tell(reports.AmendReport, request_id="a1", quantity="20", ts_ns=10)
    assert_shows(desk.order, quantity=16, pending_request_ids=())


def test_a_cancel_of_a_part_told_late_is_in_the_terms_that_came_after_it() -> None:
    desk = live_desk(quantity="10")
    desk.ask_amend("a1", quantity="20")
    desk.ask_cancel("c1")
    desk.tell(reports.AmendReport, request_id="a1", quantity="20", ts_ns=20)
    for outcome in (Outcome.APPLIED, Outcome.IGNORED):
        part = desk.tell(reports.CancelReport, request_id="c1", cancelled_quantity="4", ts_ns=10)
        assert part.outcome is outcome
        assert_shows(desk.order, quantity=20, pending_cancels=())


def test_terms_that_contradict_a_cancel_of_a_part_do_not_end_the_order() -> None:
    desk = live_desk(quantity="10")
    desk.tell(reports.CancelReport, cancelled_quantity="4", ts_ns=20)
    desk.tell(reports.RestateReport, quantity="3", ts_ns=10)
    assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, quantity=3)


@pytest.mark.parametrize("part", ["2", "6"])
def test_a_cancel_of_a_part_that_nobody_asked_for_counts_once(part: str) -> None:
    desk = live_desk(quantity="10")
    left = Decimal(10) - Decimal(part)
    for outcome in (Outcome.APPLIED, Outcome.ALREADY_DONE, Outcome.ALREADY_DONE):
        again = desk.tell(reports.CancelReport, cancelled_quantity=part, ts_ns=10)
        assert again.outcome is outcome
        assert_shows(desk.order, state=OrderState.ACKNOWLEDGED, leaves=left)
    desk.state = restore(snapshot_of(desk.state))
    desk.tell(reports.CancelReport, cancelled_quantity=part, ts_ns=10)
    assert_shows(desk.order, leaves=left)
    desk.tell(reports.CancelReport, cancelled_quantity="1", ts_ns=20)
    assert_shows(desk.order, leaves=left - 1)
    assert_replays(desk)


# --- terms that leave something out, and the first ones -----------------------------------------------------


def test_a_new_price_alone_does_not_overtake_the_total_before_it() -> None:
    desk = live_desk()
    desk.ask_amend("a1", quantity="4")
    desk.tell(reports.AmendReport, price="105", ts_ns=20)
    desk.tell(reports.AmendReport, request_id="a1", quantity="4", ts_ns=10)
    assert_shows(desk.order, quantity=4)
    assert_replays(desk)


@pytest.mark.parametrize(
    ("report", "terms"),
    [
        (reports.AmendReport, {"quantity": "2", "price": "99"}),
        (reports.AcknowledgeReport, {"leaves": "2", **STRANGER}),
    ],
)
def test_the_terms_an_order_was_adopted_with_have_their_time(
    report: type[reports.Report], terms: dict[str, Any]
) -> None:
    desk = Desk()
    told(desk, reports.AcknowledgeReport, 20, leaves="3", **STRANGER)
    assert told(desk, report, 10, **terms).outcome in (Outcome.IGNORED, Outcome.ALREADY_DONE)
    assert_shows(desk.only_order(), quantity=3, price=100)
    told(desk, report, 30, **terms)
    assert_shows(desk.only_order(), quantity=2)


# --- marks of what was parked -------------------------------------------------------------------------------


def test_the_newest_breaks_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaks, "MARKS_KEPT", 3)
    desk = live_desk()

    def park(ts_ns: int) -> Answer:
        return desk.tell(reports.UnreadableReport, raw="?", ts_ns=ts_ns)

    for ts_ns in range(1, 6):
        assert alert_codes(park(ts_ns)) == ["unreadable_report"]
    marks = list(desk.state.breaks)
    assert len(marks) == 3
    assert list(desk.replayed().breaks) == list(restore(snapshot_of(desk.state)).breaks) == marks
    assert [park(ts_ns).outcome for ts_ns in (3, 4, 5)] == [Outcome.ALREADY_DONE] * 3
    assert park(1).outcome is Outcome.PARKED
    assert park(3).outcome is Outcome.PARKED, "the oldest of the three has made room"
    assert desk.state.parked == 7
    assert_replays(desk)
