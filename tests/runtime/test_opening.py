"""From when on a venue is asked what happened while nobody listened: since it was heard last."""

from pathlib import Path

import pytest

from execore import SqliteJournal, open_book
from execore.model.failures import ConnectionLost
from execore.model.reports import AcknowledgeReport
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order

MINUTE = 60_000_000_000


class Remembering(ScriptedVenue):
    """Notes from when on it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_since: list[int] = []

    def mass_status(self, since_ts_ns: int) -> None:
        self.asked_since.append(since_ts_ns)
        super().mass_status(since_ts_ns)


def heard_at(path: Path, ours_ns: int, theirs_ns: int) -> None:
    """A book that heard of its venue at one time by our clock, and at another by the venue's."""
    with open_book(
        SqliteJournal(path), instruments=[BITCOIN], venue=ScriptedVenue(), clock=lambda: ours_ns
    ) as book:
        book.submit(order())
        book.apply([AcknowledgeReport(ts_ns=theirs_ns, client_order_id="order-1", venue_order_id="V1")])
        book._channel.journal.close()


def asked_since(path: Path, now_ns: int) -> int:
    venue = Remembering()
    open_book(SqliteJournal(path), venue=venue, clock=lambda: now_ns)
    (since,) = venue.asked_since
    return since


def test_a_new_book_asks_for_everything(tmp_path: Path) -> None:
    assert asked_since(tmp_path / "b.db", START_NS) == 0


@pytest.mark.parametrize(("ours", "theirs"), [(0, 10), (10, 0), (0, 0)])
def test_the_clock_that_was_behind_counts(tmp_path: Path, ours: int, theirs: int) -> None:
    heard_at(tmp_path / "b.db", START_NS + ours * MINUTE, START_NS + theirs * MINUTE)
    assert START_NS - 3 * MINUTE < asked_since(tmp_path / "b.db", START_NS + 99 * MINUTE) < START_NS


def test_what_is_recorded_while_nobody_listens_is_no_news_of_the_venue(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    heard_at(path, START_NS, START_NS)
    later = START_NS + 60 * MINUTE
    journal = SqliteJournal(path)
    open_book(journal, clock=lambda: later).transfer_cash("t1", "USD", 5)
    deaf = Remembering()
    deaf.failing = {"mass_status": ConnectionLost("down"), "query": ConnectionLost("down")}
    open_book(journal, venue=deaf, clock=lambda: later)
    journal.close()
    assert asked_since(path, later + MINUTE) == deaf.asked_since[0] < START_NS


def test_it_is_found_however_much_was_recorded_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("execore.runtime.opening._LOOK_BACK", 3)
    path = tmp_path / "b.db"
    heard_at(path, START_NS, START_NS)
    journal = SqliteJournal(path)
    book = open_book(journal, clock=lambda: START_NS + 60 * MINUTE)
    for number in range(40):
        book.transfer_cash(f"t{number}", "USD", 5)
    journal.close()
    assert START_NS - 3 * MINUTE < asked_since(path, START_NS + 99 * MINUTE) < START_NS
