"""What a caller hears when the record of an answer fails, after the record of what he said."""

from typing import Any

from execore import MemoryJournal, OrderState, Outcome, open_book
from execore.model import failures
from execore.model.effects import Alert
from execore.model.errors import NotRecorded
from execore.model.reports import AcknowledgeReport, CancelRejectReport
from runtime_support.trading import BITCOIN, ScriptedVenue, order, ticking


def test_reports_that_are_recorded_are_answered_though_what_came_of_them_is_not() -> None:
    """A refused cancel leads to a question; the answer to it cannot be stored: the report still is."""
    file = MemoryJournal()
    alerts: list[Alert] = []
    venue = ScriptedVenue()
    book = open_book(file, instruments=[BITCOIN], venue=venue, clock=ticking(), on_alert=alerts.append)
    book.submit(order())
    book.cancel("order-1", request_id="c1")
    book.apply([CancelRejectReport(ts_ns=1, client_order_id="order-1", request_id="c1")])
    venue.failing["cancel"] = failures.ConnectionLost("gone")
    real, calls = file.append_all, []

    def full_at_the_second(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise NotRecorded("no space", "Free some")
        return real(*arguments)

    file.append_all = full_at_the_second  # type: ignore[assignment]
    (answer,) = book.apply(
        [AcknowledgeReport(ts_ns=2, client_order_id="order-1", venue_order_id="V1")]
    )  # the cancel is asked for again, and fails
    assert answer.outcome is Outcome.APPLIED
    assert len(calls) == 2
    assert "book_closed" in [alert.code for alert in alerts]
    file.append_all = real  # type: ignore[method-assign]
    again = open_book(file, instruments=[BITCOIN], clock=ticking())
    assert again.orders.get("order-1").state is OrderState.ACKNOWLEDGED
