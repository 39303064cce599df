"""Opening a book of which very much was in flight: bounded commits, and all that the venue has to say."""

from collections.abc import Sequence

import pytest

from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Append, Head
from execore.model.effects import QueryOrder
from execore.model.reports import AcknowledgeReport
from execore.model.vocabulary import OrderState
from execore.runtime import intake, opening
from execore.runtime.book import open_book
from execore.runtime.loop import BATCH
from execore.venues.protocol import QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order


class CountingJournal(MemoryJournal):
    """Notes how many records each commit has."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        self.sizes.append(sum(len(append.records) for append in appends))
        return super().append_all(appends)


def in_flight(orders: int) -> CountingJournal:
    """A journal of so many orders that were handed to somebody, of which nothing was heard."""
    journal = CountingJournal()
    book = open_book(journal, instruments=[BITCOIN])
    for first in range(0, orders, BATCH):
        book.submit_all([order(number) for number in range(first, min(first + BATCH, orders))])
    book.close()
    journal.sizes.clear()
    return journal


def test_twenty_five_thousand_orders_in_flight_are_settled_in_bounded_commits() -> None:
    journal, venue = in_flight(25_000), ScriptedVenue()
    venue.found = QueryAnswer.FOUND
    book = open_book(journal, venue=venue)
    assert len(list(book.orders.by_state(OrderState.UNKNOWN))) == 25_000
    assert max(journal.sizes) <= BATCH
    assert sum(journal.sizes) == 25_000
    asked = {message.client_order_id for message in venue.sent if isinstance(message, QueryOrder)}
    assert asked == {f"order-{n}" for n in range(25_000)}


def test_a_venue_that_tells_everything_one_by_one_is_heard_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake, "_MAXIMUM_ROUNDS", 100)
    journal, venue = in_flight(950), ScriptedVenue()
    venue.mass = [
        AcknowledgeReport(ts_ns=START_NS, client_order_id=f"order-{number}", venue_order_id=f"V{number}")
        for number in range(950)
    ]
    book = open_book(journal, venue=venue)
    assert len(list(book.orders.by_state(OrderState.ACKNOWLEDGED))) == 950
    assert opening.PUMPS * 100 > 950


class EndlessVenue(ScriptedVenue):
    """Tells the same for ever."""

    def confirm_reports(self) -> None:
        pass


def test_a_venue_that_tells_the_same_for_ever_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "_MAXIMUM_ROUNDS", 100)
    venue = EndlessVenue()
    venue.mass = [AcknowledgeReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="V1")]
    with pytest.raises(Exception, match="has not ended"):
        open_book(in_flight(3), venue=venue)
