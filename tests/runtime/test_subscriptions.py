"""A listener follows a book from its place on: told at least once, in order, after the commit (WS099)."""

import threading
from pathlib import Path

import pytest

from execore import open_book
from execore.journal.memory import MemoryJournal
from execore.model.effects import Alert
from execore.model.errors import BookClosed, NotAJournal
from execore.model.events import OrderSubmitted
from execore.model.records import Record
from execore.runtime.callbacks import Callbacks, InlineCallbacks, ThreadCallbacks
from execore.runtime.opening import BookSettings
from execore.runtime.runtime import open_runtime
from execore.runtime.subscriptions import OnRecord, Subscription
from runtime_support.trading import BITCOIN, order


@pytest.fixture
def journal() -> MemoryJournal:
    """Ten records: the book, its instrument, and two for each of four orders."""
    journal = MemoryJournal()
    open_book(journal, instruments=[BITCOIN]).submit_all([order(number) for number in range(4)])
    assert journal.head("main").sequence == 10
    return journal


def subscribe(
    journal: MemoryJournal, on_record: OnRecord, first: int = 1, callbacks: Callbacks | None = None
) -> tuple[Subscription, list[Alert]]:
    alerts: list[Alert] = []
    made = Subscription(
        journal, "main", on_record, first, callbacks=callbacks or InlineCallbacks(), on_alert=alerts.append
    )
    return made, alerts


def test_everything_is_told_once_and_in_order_as_it_becomes_durable(journal: MemoryJournal) -> None:
    told: list[int] = []
    subscription, alerts = subscribe(journal, lambda record: told.append(record.sequence))
    for head in (3, 3, 2, 7, 10):
        subscription.advance(head)
        assert told == list(range(1, max(head, len(told)) + 1))
    assert (told, alerts, subscription.next_sequence) == (list(range(1, 11)), [], 11)


def test_a_listener_that_raises_is_an_alert_and_the_next_record_comes(journal: MemoryJournal) -> None:
    told: list[int] = []

    def on_record(record: Record) -> None:
        told.append(record.sequence)
        if record.sequence == 2:
            raise ValueError("my list.remove(x)")

    subscription, alerts = subscribe(journal, on_record)
    subscription.advance(4)
    assert told == [1, 2, 3, 4]
    (alert,) = alerts
    assert alert.code == "listener_failed"
    assert "record 2" in alert.message
    assert "my list.remove(x)" in alert.message


def test_from_a_place_that_was_noted_nothing_is_missed(journal: MemoryJournal) -> None:
    told: list[int] = []
    first, _ = subscribe(journal, lambda record: told.append(record.sequence))
    first.advance(6)
    first.end()
    first.advance(10)
    assert told[-1] == 6
    again, _ = subscribe(journal, lambda record: told.append(record.sequence), first.next_sequence)
    again.advance(10)
    assert told == list(range(1, 11))


def test_a_slow_listener_holds_up_nobody_else(journal: MemoryJournal) -> None:
    callbacks = ThreadCallbacks(lambda error: None)
    release, slow, fast = threading.Event(), threading.Event(), threading.Event()

    def waits(record: Record) -> None:
        slow.set()
        assert release.wait(10)

    held, _ = subscribe(journal, waits, callbacks=callbacks)
    other, _ = subscribe(
        journal, lambda record: fast.set() if record.sequence == 10 else None, callbacks=callbacks
    )
    held.advance(10)
    assert slow.wait(10)
    other.advance(10)
    assert fast.wait(10)
    assert held.next_sequence == 1
    release.set()
    callbacks.close()


def test_two_commits_at_once_tell_a_listener_in_order(journal: MemoryJournal) -> None:
    callbacks = ThreadCallbacks(lambda error: None)
    told: list[int] = []
    done = threading.Event()

    def on_record(record: Record) -> None:
        told.append(record.sequence)
        if record.sequence == 10:
            done.set()

    subscription, _ = subscribe(journal, on_record, callbacks=callbacks)
    threads = [threading.Thread(target=subscription.advance, args=(head,)) for head in range(1, 11)]
    for thread in threads:
        thread.start()
    assert done.wait(10)
    for thread in threads:
        thread.join()
    assert told == list(range(1, 11))
    callbacks.close()


def test_a_runtime_tells_its_listeners_of_every_commit(tmp_path: Path) -> None:
    told: list[int] = []
    ended = threading.Event()

    def on_record(record: Record) -> None:
        told.append(record.sequence)
        if isinstance(record.event, OrderSubmitted) and record.event.client_order_id == "order-19":
            ended.set()

    with open_runtime(f"sqlite:///{tmp_path / 'b.db'}", [BookSettings(instruments=(BITCOIN,))]) as runtime:
        book = runtime.book()
        book.submit(order(1)).wait(10)
        first = book.subscribe(on_record, from_sequence=1)
        for number in range(2, 20):
            book.submit(order(number))
        assert ended.wait(10)
        assert told == list(range(1, book.head.sequence + 1))
        assert first.next_sequence >= told[-1]
        from_now = book.subscribe(lambda record: None)
        assert from_now.next_sequence == book.head.sequence + 1


@pytest.mark.parametrize("address", ["memory:", "sqlite:///{}/b.db"])
def test_at_the_end_listeners_hear_everything_first(tmp_path: Path, address: str) -> None:
    told: list[int] = []
    begun = threading.Event()

    def on_record(record: Record) -> None:
        begun.wait(10)
        told.append(record.sequence)

    runtime = open_runtime(address.format(tmp_path), [BookSettings(instruments=(BITCOIN,))])
    book = runtime.book()
    book.subscribe(on_record, from_sequence=1)
    for number in range(100):
        book.submit(order(number))
    threading.Timer(0.05, begun.set).start()
    runtime.close()
    assert told == list(range(1, 203))
    with pytest.raises(BookClosed):
        book.subscribe(on_record)


def test_a_listener_that_hangs_holds_up_the_end_for_a_second_and_is_told_nothing_more(tmp_path: Path) -> None:
    told: list[int] = []
    begun, over = threading.Event(), threading.Event()
    alerts: list[str] = []

    def on_record(record: Record) -> None:
        told.append(record.sequence)
        begun.set()
        assert over.wait(10)

    settings = BookSettings(instruments=(BITCOIN,), on_alert=lambda alert: alerts.append(alert.code))
    runtime = open_runtime(f"sqlite:///{tmp_path / 'b.db'}", [settings])
    subscription = runtime.book().subscribe(on_record, from_sequence=1)
    assert begun.wait(10)
    runtime.close()
    over.set()
    listening = [each for each in threading.enumerate() if each.name == "execore callbacks"]
    for thread in listening:
        thread.join(10)
    assert (told, subscription.next_sequence, alerts) == ([1], 2, [])


def test_a_journal_that_cannot_be_read_is_an_alert_and_is_tried_again(journal: MemoryJournal) -> None:
    told: list[int] = []
    subscription, alerts = subscribe(journal, lambda record: told.append(record.sequence))
    real = journal.read

    def broken(book: str, from_sequence: int = 1) -> object:
        raise NotAJournal("gone")

    journal.read = broken  # type: ignore[method-assign, assignment]
    subscription.advance(3)
    assert (told, [alert.code for alert in alerts]) == ([], ["listener_failed"])
    journal.read = real  # type: ignore[method-assign]
    subscription.advance(10)
    assert told == list(range(1, 11))
