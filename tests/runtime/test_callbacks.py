"""Users' callbacks: apart from the writer, in order where order matters, and none of them harms another."""

import threading
from functools import partial
from typing import Any

import pytest

from execore import OrderState, RiskDecision, RiskResult, open_book
from execore.model.effects import Alert
from execore.runtime.callbacks import InlineCallbacks, InOrder, ThreadCallbacks
from runtime_support.threaded_venue import PATIENCE, ThreadedVenue, opened
from runtime_support.trading import BITCOIN, ScriptedVenue, order


def test_as_many_run_at_once_as_there_are_threads_and_the_others_after_them() -> None:
    callbacks = ThreadCallbacks(lambda error: None, most_threads=3)
    together, done = threading.Barrier(3), threading.Semaphore(0)

    def run() -> None:
        together.wait(PATIENCE)
        done.release()

    for _ in range(9):
        callbacks.run(run)
    for _ in range(9):
        assert done.acquire(timeout=PATIENCE)
    callbacks.close(PATIENCE)
    callbacks.run(run)  # nobody hears it any more


def test_without_another_thread_a_call_waits_for_the_next_that_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    callbacks, done = ThreadCallbacks(lambda error: None), threading.Semaphore(0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        callbacks.run(done.release)
    callbacks.run(done.release)
    for _ in range(2):
        assert done.acquire(timeout=PATIENCE)
    callbacks.close(PATIENCE)


@pytest.mark.parametrize("then", ["a later tick", "the end"])
def test_without_any_thread_a_call_waits_for_the_first_that_there_is(
    monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    callbacks, done = ThreadCallbacks(lambda error: None), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        callbacks.run(done.set)
        callbacks.begin_again()
    if then == "a later tick":
        callbacks.begin_again()
    else:
        callbacks.close(PATIENCE)
    assert done.wait(PATIENCE)
    callbacks.close(PATIENCE)


@pytest.mark.parametrize("called_back", ["listener", "handle"])
def test_a_runtime_calls_back_once_the_system_gives_threads_again(
    monkeypatch: pytest.MonkeyPatch, called_back: str
) -> None:
    class Holds:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            return RiskResult(RiskDecision.PAUSE, "wait")

    start, refused, heard = threading.Thread.start, threading.Event(), threading.Event()

    def none_for_callbacks(thread: threading.Thread) -> None:
        if thread.name == "execore callbacks":
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    listens = {"on_alert": lambda alert: heard.set()} if called_back == "listener" else {}
    with opened(risk_hooks=(Holds(),), **listens) as runtime:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", none_for_callbacks)
            handle = runtime.book().submit(order(1))
            handle.wait(PATIENCE)
            if called_back == "handle":
                handle.call_back(lambda _: heard.set())
            assert refused.wait(PATIENCE)
            assert not heard.is_set()
        assert heard.wait(PATIENCE)


def test_what_is_raised_is_told_and_takes_no_thread_with_it() -> None:
    errors: list[BaseException] = []
    callbacks = ThreadCallbacks(errors.append, most_threads=1)
    done = threading.Event()

    def raising(error: BaseException) -> None:
        raise error

    for error in (ValueError("a"), SystemExit("b")):
        callbacks.run(partial(raising, error))
    callbacks.run(done.set)
    assert done.wait(PATIENCE)
    assert [type(error) for error in errors] == [ValueError, SystemExit]
    callbacks.close(PATIENCE)


def test_the_end_waits_for_what_was_taken_and_no_longer_than_it_is_told() -> None:
    callbacks = ThreadCallbacks(lambda error: None)
    started, released, ended = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        started.set()
        released.wait(PATIENCE)
        ended.set()

    callbacks.run(run)
    assert started.wait(PATIENCE)
    callbacks.close(0.01)
    assert not ended.is_set()
    released.set()
    callbacks.close(PATIENCE)
    assert ended.is_set()


def test_a_callback_that_closes_them_does_not_wait_for_itself() -> None:
    callbacks, done = ThreadCallbacks(lambda error: None), threading.Event()

    def close() -> None:
        callbacks.close(PATIENCE)
        done.set()

    callbacks.run(close)
    assert done.wait(PATIENCE / 2)


@pytest.mark.parametrize("kind", ["inline", "threads"])
def test_order_is_kept_whatever_one_of_them_raises(kind: str) -> None:
    callbacks: Any = InlineCallbacks() if kind == "inline" else ThreadCallbacks(lambda error: None)
    calls, seen, done = InOrder(callbacks), [], threading.Event()

    def note(number: int) -> None:
        seen.append(number)
        if number % 10 == 0:
            raise ValueError(number)

    for number in range(1_000):
        calls.run(partial(note, number))
    calls.run(done.set)
    assert done.wait(PATIENCE)
    assert seen == list(range(1_000))


def test_an_interrupt_in_one_lets_the_next_be_told() -> None:
    calls, seen = InOrder(InlineCallbacks()), []

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calls.run(interrupt)
    calls.run(lambda: seen.append(1))
    assert seen == [1]


def test_a_listener_that_blocks_holds_up_itself_alone_and_hears_all_in_order() -> None:
    class Holds:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            return RiskResult(RiskDecision.PAUSE, "wait")

    heard: list[str | None] = []
    blocks, all_heard = threading.Event(), threading.Event()

    def listen(alert: Alert) -> None:
        blocks.wait(PATIENCE)
        heard.append(alert.client_order_id)
        if len(heard) == 50:
            all_heard.set()
        raise ValueError("a listener's own affair")

    with opened(None, ThreadedVenue(), on_alert=listen, risk_hooks=(Holds(),)) as runtime:
        book = runtime.book()
        for number in range(50):
            book.submit(order(number)).wait(PATIENCE)
        assert heard == []
        blocks.set()
        assert all_heard.wait(PATIENCE)
    assert heard == [f"order-{number}" for number in range(50)]


def test_alerts_are_heard_though_every_other_callback_blocks() -> None:
    class Holds:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            return RiskResult(RiskDecision.PAUSE, "wait")

    blocks, heard = threading.Event(), threading.Event()
    with opened(on_alert=lambda alert: heard.set(), risk_hooks=(Holds(),)) as runtime:
        handle = runtime.book().submit(order(1))
        handle.wait(PATIENCE)
        heard.clear()
        for _ in range(100):
            handle.call_back(lambda _: blocks.wait(PATIENCE))
        runtime.book().submit(order(2)).wait(PATIENCE)
        assert heard.wait(PATIENCE)
        blocks.set()


def test_a_listener_may_ask_a_synchronous_book_and_messages_keep_their_order() -> None:
    """Told of the first order, he cancels the second, recorded and not sent yet: that must not overtake."""

    class HoldsTheFirst:
        def evaluate_order(self, request: Any, context: Any) -> RiskResult:
            first = request.client_order_id == "order-1"
            return RiskResult(RiskDecision.PAUSE if first else RiskDecision.ALLOW, "wait")

    def listen(alert: Alert) -> None:
        if alert.code == "order_held":
            book.cancel("order-2")

    venue = ScriptedVenue()
    book = open_book(
        "memory:",
        instruments=[BITCOIN],
        venue=venue,
        risk_hooks=[HoldsTheFirst()],
        on_alert=listen,
    )
    book.submit_all([order(1), order(2)])
    assert venue.kinds()[:2] == ["SendOrder", "SendCancel"]
    assert book.orders.get("order-1").state is OrderState.CREATED
