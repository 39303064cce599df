"""Cancels past a storage that failed: sent, noted elsewhere, and recorded when the book is open again."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from execore import OrderState, SqliteJournal, open_book
from execore.journal import files
from execore.model.effects import Alert, SendCancel
from execore.model.errors import (
    BookClosed,
    EmergencyOnly,
    InvalidInput,
    NotAJournal,
    NotRecorded,
    OutcomeUnknown,
)
from execore.model.failures import ConnectionLost
from execore.model.reports import AcknowledgeReport, CancelReport
from execore.runtime.book import Book
from execore.runtime.fallback import EmergencyCancel, FallbackFile
from execore.runtime.runtime import Runtime
from execore.testing.faulty_vfs import FaultyVfs
from runtime_support.threaded_venue import PATIENCE, HeldJournal, ThreadedVenue, opened
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order


class Desk:
    """A book on a file whose storage can be made to fail, with two orders at the venue and one unanswered."""

    def __init__(self, directory: Path, vfs: FaultyVfs) -> None:
        self.path = directory / "book.db"
        self.vfs = vfs
        self.venue = ScriptedVenue()
        self.alerts: list[Alert] = []
        self.journal, self.book = self.open()
        self.book.submit_all([order(1), order(2), order(3)])
        self.book.apply(
            [
                AcknowledgeReport(ts_ns=START_NS, client_order_id=f"order-{n}", venue_order_id=f"V{n}")
                for n in (1, 2)
            ]
        )

    def open(self) -> tuple[SqliteJournal, Book]:
        journal = SqliteJournal(self.path, vfs=self.vfs.name)
        return journal, open_book(
            journal, instruments=[BITCOIN], venue=self.venue, on_alert=self.alerts.append
        )

    def fail(self) -> None:
        """Let the disk fail, and the book find out."""
        self.vfs.fault = lambda operation, file: OSError("I/O") if operation == "sync" else None
        with pytest.raises(OutcomeUnknown):
            self.book.submit(order(4))
        self.vfs.fault = None
        self.venue.sent.clear()

    def reopen(self) -> Book:
        self.journal.close()
        self.journal, self.book = self.open()
        return self.book

    @property
    def file(self) -> FallbackFile:
        return FallbackFile(f"{self.path}.cancels")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with FaultyVfs("emergency") as vfs:
        made = Desk(tmp_path, vfs)
        yield made
        made.journal.close()


def cancel_all(book: Book) -> list[EmergencyCancel]:
    return book.emergency_cancel_all(actor="operator:ann", reason="the disk is gone")


def test_storage_fails_and_no_order_leaves_and_cancels_can(desk: Desk) -> None:
    desk.fail()
    with pytest.raises(BookClosed):
        desk.book.submit(order(5))
    with pytest.raises(BookClosed):
        desk.book.cancel("order-1")
    assert desk.venue.sent == []
    sent = cancel_all(desk.book)
    # Nobody knows whether order-4 is recorded. It never went out: its cancel finds nothing, and does no harm.
    assert sorted((cancel.client_order_id, cancel.written, cancel.error) for cancel in sent) == [
        (f"order-{number}", True, "") for number in (1, 2, 3, 4)
    ]
    cancels = [message for message in desk.venue.sent if isinstance(message, SendCancel)]
    assert [message.request_id for message in cancels] == [cancel.request_id for cancel in sent]
    assert sorted(message.venue_order_id for message in cancels) == ["", "", "V1", "V2"]
    assert [noted.request_id for noted in desk.file.read("main")] == [cancel.request_id for cancel in sent]


def test_what_was_sent_is_in_the_journal_once_the_book_is_open_again(desk: Desk) -> None:
    desk.fail()
    sent = {cancel.client_order_id: cancel for cancel in cancel_all(desk.book)}
    desk.venue.reports.append(CancelReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="V1"))
    book = desk.reopen()
    assert book.orders.get("order-1").state is OrderState.CANCELLED
    assert book.orders.get("order-2").pending_cancels == (sent["order-2"].request_id,)
    records = [
        stored.data.decode()
        for stored in desk.journal.read_order("main", "order-2")
        if b"cancel_requested" in stored.data
    ]
    assert len(records) == 1
    assert '"operator:ann"' in records[0]
    assert "the disk is gone" in records[0]
    assert not desk.file.path.exists()


def test_absorbing_again_after_a_crash_in_between_changes_nothing(desk: Desk) -> None:
    desk.fail()
    cancel_all(desk.book)
    kept = desk.file.path.read_bytes()
    desk.reopen()
    desk.file.path.write_bytes(kept)  # the process died after the record, before the file was taken away
    head = desk.book.head.sequence
    book = desk.reopen()
    requested = [
        stored for stored in desk.journal.read("main", head + 1) if b"cancel_requested" in stored.data
    ]
    assert requested == []
    assert not desk.file.path.exists()
    assert book.orders.get("order-2").pending_cancels


def test_it_is_for_books_that_failed(desk: Desk) -> None:
    with pytest.raises(EmergencyOnly, match="cancel_all"):
        cancel_all(desk.book)
    desk.book.close()
    with pytest.raises(EmergencyOnly):
        cancel_all(desk.book)


def test_a_fall_back_that_cannot_be_written_stops_no_cancel(desk: Desk) -> None:
    desk.file.path.mkdir()
    desk.fail()
    sent = cancel_all(desk.book)
    assert len(sent) >= 3
    assert {cancel.written for cancel in sent} == {False}
    assert sum(isinstance(message, SendCancel) for message in desk.venue.sent) == len(sent)


def test_a_cancel_that_fails_is_told_and_the_others_go_out(desk: Desk) -> None:
    desk.fail()
    desk.venue.failing["cancel"] = ConnectionLost("gone")
    assert {cancel.error.split(":")[0] for cancel in cancel_all(desk.book)} == {"ConnectionLost"}


def test_only_what_is_asked_for(desk: Desk) -> None:
    desk.fail()
    assert desk.book.emergency_cancel_all(actor="a", reason="r", symbol="ETH-USD") == []
    assert not desk.file.path.exists()


def test_a_full_disk_is_a_failure_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(appends: object) -> None:
        raise NotRecorded("no space")

    monkeypatch.setattr(desk.journal, "append_all", full)
    with pytest.raises(NotRecorded):
        desk.book.submit(order(4))
    assert len(cancel_all(desk.book)) >= 3


def test_text_that_cannot_be_written_stops_no_cancel(desk: Desk) -> None:
    desk.fail()
    sent = desk.book.emergency_cancel_all(actor="operator:\udcff", reason="gone \udcff")
    assert sum(isinstance(message, SendCancel) for message in desk.venue.sent) == len(sent) >= 3
    assert {(cancel.written, cancel.actor, cancel.reason) for cancel in sent} == {
        (True, "operator:\\udcff", "gone \\udcff")
    }
    assert desk.reopen().orders.get("order-2").pending_cancels


@pytest.mark.parametrize("name", ["actor", "reason"])
def test_what_is_no_text_is_refused_before_anything_is_sent_or_noted(desk: Desk, name: str) -> None:
    desk.fail()
    wrong: Any = {"actor": "a", "reason": "r", name: None}
    with pytest.raises(InvalidInput, match=name):
        desk.book.emergency_cancel_all(**wrong)
    assert desk.venue.sent == []
    assert not desk.file.path.exists()


def failed_and_closed(venue: ThreadedVenue, timeout_seconds: float) -> Runtime:
    """A runtime whose storage failed with one order at the venue, or on its way there; it is closed."""
    journal = HeldJournal()
    runtime = opened(journal, venue)
    runtime.book().submit(order(1)).wait(PATIENCE)
    assert venue.entered.wait(PATIENCE)
    journal.script = [OutcomeUnknown("I/O")]
    with pytest.raises(OutcomeUnknown):
        runtime.book().submit(order(2)).wait(PATIENCE)
    runtime.close(timeout_seconds=timeout_seconds)
    return runtime


def test_cancels_go_out_of_a_runtime_that_is_closed() -> None:
    venue = ThreadedVenue(answers=False)
    runtime = failed_and_closed(venue, PATIENCE)
    for sent in range(1, 3):  # as often as it is asked for
        cancels = runtime.book().emergency_cancel_all(actor="a", reason="r")
        assert {cancel.error for cancel in cancels} == {""}
        assert sum(isinstance(message, SendCancel) for message in venue.sent) == sent * len(cancels)


def test_a_client_that_hangs_since_its_runtime_was_closed_is_told_at_once() -> None:
    venue = ThreadedVenue(answers=False)
    venue.held.clear()
    runtime = failed_and_closed(venue, 0.2)
    cancels = runtime.book().emergency_cancel_all(actor="a", reason="r")
    assert {cancel.error for cancel in cancels} == {"it was not sent: the venue's client hangs in a call"}
    venue.held.set()


# --- the file -------------------------------------------------------------------------------------------


def cancel(number: int, book: str = "main") -> EmergencyCancel:
    return EmergencyCancel(
        book=book, client_order_id=f"o{number}", request_id=f"r{number}", ts_ns=1, actor="a", reason="r"
    )


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    file = FallbackFile(tmp_path / "cancels")
    assert file.append([cancel(1), cancel(2)])
    whole = file.path.read_bytes()
    for length in range(len(whole)):
        file.path.write_bytes(whole[:length])
        assert file.read("main") == [cancel(1)][: whole[:length].count(b"\n")]


def test_what_comes_after_a_line_that_was_cut_off_is_read(tmp_path: Path) -> None:
    file = FallbackFile(tmp_path / "cancels")
    file.append([cancel(1), cancel(2)])
    whole = file.path.read_bytes()
    for length in range(len(whole)):
        file.path.write_bytes(whole[:length])
        assert file.append([cancel(3)])
        assert file.read("main") == [*[cancel(1)][: whole[:length].count(b"\n")], cancel(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such operation, and needs none")
def test_the_name_of_a_new_file_is_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(files, "sync", lambda descriptor, path: synced.append(path))
    file = FallbackFile(tmp_path / "cancels")
    assert file.append([cancel(1)])
    assert synced == [str(file.path), str(tmp_path)]
    assert file.append([cancel(2)])
    assert synced[2:] == [str(file.path)]


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    file = FallbackFile(tmp_path / "cancels")
    file.path.write_bytes(b'{"book": 7}\n')
    with pytest.raises(NotAJournal, match="move it away"):
        file.read("main")


def test_the_cancels_of_one_book_are_forgotten_and_the_others_kept(tmp_path: Path) -> None:
    file = FallbackFile(tmp_path / "cancels")
    file.append([cancel(1), cancel(2, "other"), cancel(3)])
    file.forget("main")
    assert (file.read("main"), file.read("other")) == ([], [cancel(2, "other")])
    file.forget("other")
    assert not file.path.exists()
    file.forget("other")


def test_a_cancel_of_an_order_that_the_journal_never_got_is_told_and_forgotten(desk: Desk) -> None:
    """Its id may be submitted again, as the error says, and must not meet an old cancel."""

    def lost(appends: object) -> None:
        raise NotRecorded("no space")

    desk.journal.append_all = lost  # type: ignore[assignment]
    with pytest.raises(NotRecorded):
        desk.book.submit(order(4))
    assert "order-4" in [cancel.client_order_id for cancel in cancel_all(desk.book)]
    desk.reopen()
    assert [alert.client_order_id for alert in desk.alerts if alert.code == "emergency_cancel_unmatched"]
    assert not desk.file.path.exists()
    assert desk.book.submit(order(4)).order is not None
    book = desk.reopen()
    assert book.orders.get("order-4").pending_cancels == ()


def test_without_a_venue_nothing_is_absorbed(desk: Desk) -> None:
    desk.fail()
    cancel_all(desk.book)
    desk.journal.close()
    with SqliteJournal(desk.path) as journal:
        assert open_book(journal).orders.get("order-2").pending_cancels == ()
    assert len(desk.file.read("main")) >= 3
    assert desk.reopen().orders.get("order-2").pending_cancels
