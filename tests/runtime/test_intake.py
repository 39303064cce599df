"""Taking a venue's reports: one lot at a time, confirmed once it is recorded, and told then."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from execore import MemoryJournal, OrderState, open_book
from execore.model.effects import Alert
from execore.model.failures import VenueError
from execore.model.reports import AcknowledgeReport, Report
from execore.model.requests import CloseOrder
from execore.runtime.intake import Intake
from execore.runtime.lanes import InlineLane
from runtime_support.threaded_venue import said
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order


class Desk:
    """What stands around an intake: it records when the test says so."""

    def __init__(self, reports: int) -> None:
        self.venue = ScriptedVenue()
        self.report(reports)
        self.lots: list[Sequence[Any]] = []
        self.recorded: list[Callable[[], None]] = []
        self.errors: list[Exception] = []
        self.intake = Intake(
            self.venue, InlineLane, clock=lambda: START_NS, put=self.put, on_error=self.errors.append
        )

    def put(self, lot: Sequence[Any], recorded: Callable[[], None]) -> None:
        self.lots.append(lot)
        self.recorded.append(recorded)

    def report(self, reports: int) -> None:
        """The venue has so many more."""
        self.venue.reports.extend(said(AcknowledgeReport, f"order-{n}") for n in range(reports))

    def record(self) -> None:
        """The last lot is durable."""
        self.recorded.pop()()


def test_a_lot_is_confirmed_when_it_is_recorded_and_the_next_is_taken_then() -> None:
    desk = Desk(2)
    ended: list[bool] = []
    desk.intake.pump(ended.append)
    assert (len(desk.lots), len(desk.venue.reports), ended) == (1, 2, [])
    desk.record()
    assert (len(desk.lots), len(desk.venue.reports), ended) == (2, 1, [True])
    desk.intake.pump(ended.append)  # while it is busy: it takes on until there is no more
    desk.record()
    assert (len(desk.venue.reports), ended, desk.intake.taken) == (0, [True, True], 2)


def test_a_venue_that_has_always_more_keeps_nobody_waiting() -> None:
    """Else no question that was asked meanwhile would ever be concluded."""
    desk = Desk(1)
    ended: list[str] = []
    desk.intake.pump(lambda taken: ended.append(f"first {taken}"))
    desk.intake.pump(lambda taken: ended.append(f"second {taken}"))  # its reports may not be in the first lot
    for expected in (["first True"], ["first True", "second True"], ["first True", "second True"]):
        desk.report(1)
        desk.record()
        assert ended == expected
    assert len(desk.lots) == 4


def test_a_venue_that_cannot_say_is_told_and_asked_again() -> None:
    desk = Desk(1)
    ended: list[bool] = []
    desk.venue.failing["take_reports"] = VenueError("gone")
    desk.intake.pump(ended.append)
    assert (ended, [type(error) for error in desk.errors]) == ([False], [VenueError])
    del desk.venue.failing["take_reports"]
    desk.intake.pump(ended.append)
    desk.record()
    assert ended == [False, True]


def test_a_confirmation_that_fails_is_told_and_the_reports_come_again() -> None:
    desk = Desk(1)
    real = desk.venue.confirm_reports
    confirm: Any = lambda: 1 / 0  # noqa: E731
    desk.venue.confirm_reports = confirm  # type: ignore[method-assign]
    desk.intake.pump()
    desk.record()
    desk.venue.confirm_reports = real  # type: ignore[method-assign]
    desk.record()
    assert (len(desk.lots), [type(error) for error in desk.errors]) == (2, [ZeroDivisionError])
    assert not desk.venue.reports


def test_a_venue_that_reports_without_end_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("execore.runtime.intake._MAXIMUM_ROUNDS", 3)
    desk = Desk(9)
    ended: list[bool] = []
    desk.intake.pump()
    for _ in range(2):
        desk.record()
    desk.intake.pump(ended.append)
    desk.record()
    assert (len(desk.lots), ended, len(desk.errors)) == (3, [False], 1)


def test_once_it_is_stopped_it_confirms_what_it_has_and_takes_no_more() -> None:
    desk = Desk(2)
    ended: list[bool] = []
    desk.intake.pump(ended.append)
    desk.intake.stop()
    desk.record()
    desk.intake.pump()
    assert (len(desk.lots), len(desk.venue.reports), ended) == (1, 1, [])


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("not me")


class Child(AcknowledgeReport, frozen=True, kw_only=True, tag="child"):
    """Nobody but its author knows what it means."""


STRANGERS: list[Any] = [
    None,
    "a fill",
    Unshowable(),
    CloseOrder(ts_ns=START_NS, client_order_id="order-1"),
    Report(ts_ns=START_NS, client_order_id="order-1"),
    Child(ts_ns=START_NS, client_order_id="order-1"),
]


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda each: type(each).__name__)
def test_what_is_no_report_is_parked_and_loses_no_other(stranger: Any) -> None:
    """An adapter's bug closed the book, and did so again at every opening."""
    venue, journal, told = ScriptedVenue(), MemoryJournal(), list[Alert]()
    venue.reports.append(stranger)
    book = open_book(journal, instruments=[BITCOIN], venue=venue, on_alert=told.append)
    book.submit(order())
    venue.reports += [stranger, said(AcknowledgeReport, "order-1")]
    assert book.pump() == 2
    assert book.orders.get("order-1").state is OrderState.ACKNOWLEDGED
    assert [alert.code for alert in told] == ["unreadable_report"] * 2
    assert type(stranger).__name__.encode() in b"".join(stored.data for stored in journal.read("main"))
    book.close()
    open_book(journal, venue=venue).close()


def test_reports_that_are_no_list_are_told_and_asked_for_again() -> None:
    desk = Desk(1)
    given: Any = 5
    real, desk.venue.take_reports = desk.venue.take_reports, lambda: given  # type: ignore[method-assign]
    ended: list[bool] = []
    desk.intake.pump(ended.append)
    given = None  # as good as none
    desk.intake.pump(ended.append)
    assert (ended, [type(error) for error in desk.errors]) == ([False, True], [TypeError])
    desk.venue.take_reports = real  # type: ignore[method-assign]
    desk.intake.pump()
    assert len(desk.lots) == 1
