"""How a book opens: from when on its venue is asked what happened meanwhile, and on which clock it waits."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from execore import Book, MemoryJournal, OrderState, SqliteJournal, open_book
from execore.model.effects import SendOrder
from execore.model.failures import ConnectionLost
from execore.model.reports import AcknowledgeReport
from execore.venues.protocol import Capabilities, DuplicateScope, QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order

MINUTE = 60_000_000_000


class Slow(ScriptedVenue):
    """Shows an order within ten minutes."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, visibility_lag_seconds=600)


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


def test_a_wall_clock_that_jumps_proves_nothing() -> None:
    """A clock that is given is the wall clock alone: what waits, waits on a clock that only goes forward."""
    wall_ns, venue = [START_NS], Slow()
    venue.failing["submit"] = ConnectionLost("no reply")
    venue.found = QueryAnswer.ABSENT
    book = open_book(MemoryJournal(), instruments=[BITCOIN], venue=venue, clock=lambda: wall_ns[0])
    book.submit(order())
    wall_ns[0] += 60 * MINUTE
    book.pass_time()
    assert book.orders.get("order-1").state is OrderState.UNKNOWN


class InSession(ScriptedVenue):
    """Refuses copies for as long as a session lasts, and nobody can tell how long that is."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, duplicate_client_id_scope=DuplicateScope.SESSION)


def test_where_copies_are_refused_in_a_session_only_proof_of_absence_has_an_order_sent_again() -> None:
    """After a restart, as in the same process: a connection may be of another session at any time."""
    journal, venue, forward_ns = MemoryJournal(), InSession(), [0]
    venue.failing["submit"] = ConnectionLost("no reply")

    def opened() -> Book:
        return open_book(
            journal,
            instruments=[BITCOIN],
            venue=venue,
            clock=lambda: START_NS,
            monotonic_ns=lambda: forward_ns[0],
            resends=True,
        )

    def ask(book: Book, times: int) -> OrderState:
        for _ in range(times):
            forward_ns[0] += MINUTE
            book.pass_time()
        return book.orders.get("order-1").state

    book = opened()
    book.submit(order())
    venue.failing.clear()
    assert ask(book, 20) is OrderState.UNKNOWN
    book.close()
    again = opened()
    assert ask(again, 20) is OrderState.UNKNOWN
    assert venue.kinds().count("SendOrder") == 1
    venue.found = QueryAnswer.ABSENT
    assert ask(again, 1) is OrderState.SUBMITTED
    first, second = (sent for sent in venue.sent if isinstance(sent, SendOrder))
    assert first == second
