"""Handles on their own: settled once, and nobody who waits is forgotten, whenever he began to."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from execore import OrderState, Outcome
from execore.model.errors import BookClosed, NotYetSettled
from execore.runtime.handle import Handle, Waiting, wake
from execore.runtime.watches import Watches
from runtime_support.threaded_venue import PATIENCE, Alerts, ThreadedVenue, opened
from runtime_support.trading import order


def inline(call: Callable[[], object]) -> None:
    call()


@pytest.fixture
def handle() -> Handle[int]:
    return Handle(Waiting(inline))


def settled(handle: Handle[int], value: int = 7) -> None:
    handle.settle(value)
    wake([handle])


def test_it_is_settled_once_and_for_all(handle: Handle[int]) -> None:
    with pytest.raises(NotYetSettled):
        handle.result()
    settled(handle)
    settled(handle, 8)
    handle.settle(error=BookClosed("late"))
    assert handle.result() == handle.wait() == 7


def test_an_error_is_raised_to_whoever_asks(handle: Handle[int]) -> None:
    handle.settle(error=BookClosed("gone"))
    wake([handle])
    for ask in (handle.result, handle.wait):
        with pytest.raises(BookClosed, match="gone"):
            ask()


def test_none_is_an_answer() -> None:
    handle: Handle[None] = Handle(Waiting(inline))
    handle.settle(None)
    handle.result()
    assert handle.is_settled


def test_a_wait_that_is_given_up_leaves_nothing_behind(handle: Handle[int]) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError, match="goes on"):
            handle.wait(0)
    assert not handle.take_waiters()


def test_nobody_is_forgotten_who_begins_to_wait_while_it_is_settled() -> None:
    """The race between the look whether there is an answer and the wait for it."""
    for _ in range(300):
        handle: Handle[int] = Handle(Waiting(inline))
        called = threading.Event()
        results: list[Any] = []
        barrier = threading.Barrier(4)

        def wait(handle: Any = handle, barrier: Any = barrier, results: Any = results) -> None:
            barrier.wait(PATIENCE)
            results.append(handle.wait(PATIENCE))

        def call(handle: Any = handle, barrier: Any = barrier, called: Any = called) -> None:
            barrier.wait(PATIENCE)
            handle.call_back(lambda _: called.set())

        def settle(handle: Any = handle, barrier: Any = barrier) -> None:
            barrier.wait(PATIENCE)
            settled(handle)

        threads = [threading.Thread(target=each) for each in (wait, wait, call, settle)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert results == [7, 7]
        assert called.wait(PATIENCE)


def test_the_moment_between_the_look_and_the_wait(handle: Handle[int]) -> None:
    """Settled just after ``wait`` saw that it was not: the same race, at its one dangerous place."""

    def settles(awaits: bool) -> str:
        settled(handle)
        return ""

    handle._waiting.why_never = settles
    began = time.monotonic()
    assert handle.wait(PATIENCE) == 7
    assert time.monotonic() - began < PATIENCE / 2


def test_coroutines_of_two_loops_and_a_cancelled_one(handle: Handle[int]) -> None:
    ready = threading.Barrier(3)

    async def wait(cancels: bool) -> int:
        async def one() -> int:
            return await handle

        tasks = [asyncio.create_task(one()) for _ in range(2)]
        await asyncio.sleep(0)
        if cancels:
            tasks[0].cancel()
            await asyncio.sleep(0)
        await asyncio.to_thread(ready.wait, PATIENCE)
        return await asyncio.wait_for(tasks[1], PATIENCE)

    results: list[int] = []
    threads = [
        threading.Thread(target=lambda cancels=cancels: results.append(asyncio.run(wait(cancels))))
        for cancels in (True, False)
    ]
    for thread in threads:
        thread.start()
    ready.wait(PATIENCE)
    settled(handle)
    for thread in threads:
        thread.join(PATIENCE)
    assert results == [7, 7]


def test_a_loop_that_is_closed_harms_nobody(handle: Handle[int]) -> None:
    loop = asyncio.new_event_loop()
    handle._begin_to_wait(loop.create_future())
    loop.close()
    woken = threading.Event()
    handle.call_back(lambda _: woken.set())
    settled(handle)
    assert woken.is_set()


def test_a_callback_is_called_with_the_handle_soon_or_at_once() -> None:
    with opened() as runtime:
        book, seen = runtime.book(), []
        done = threading.Semaphore(0)

        def note(handle: Handle[Any]) -> None:
            seen.append((handle.result().events[0].client_order_id, threading.current_thread().name))
            done.release()

        handle = book.submit(order(1))
        handle.call_back(note)
        assert done.acquire(timeout=PATIENCE)
        handle.call_back(note)
        assert done.acquire(timeout=PATIENCE)
        assert {name for name, _ in seen} == {"order-1"}
        assert {thread for _, thread in seen} == {"execore callbacks"}


def test_a_callback_is_called_though_the_runtime_is_closed() -> None:
    runtime, called = opened(), threading.Event()
    handle = runtime.book().submit(order(1))
    handle.wait(PATIENCE)
    runtime.close()
    handle.call_back(lambda _: called.set())
    assert called.wait(PATIENCE)


def test_a_callback_may_ask_and_wait() -> None:
    with opened(None, ThreadedVenue()) as runtime:
        book, answers = runtime.book(), []
        done = threading.Event()

        def ask(handle: Handle[Any]) -> None:
            answers.append(book.submit(order(2)).wait(PATIENCE))
            done.set()

        book.submit(order(1)).call_back(ask)
        assert done.wait(PATIENCE)
        assert answers[0].outcome is Outcome.APPLIED


def test_a_callback_that_raises_is_an_alert_and_one_that_blocks_harms_nobody() -> None:
    told, blocks = Alerts(), threading.Event()
    with opened(on_alert=told) as runtime:
        book = runtime.book()
        first = book.submit(order(1))
        for _ in range(100):  # more than there are threads for callbacks
            first.call_back(lambda _: blocks.wait(PATIENCE))
        book.submit(order(2)).wait(PATIENCE)
        blocks.set()
        first.call_back(lambda _: 1 / 0)
        told.wait_for("callback_failed")
        book.submit(order(3)).wait(PATIENCE)


# --- waiting for what may never come ------------------------------------------------------------------------


def followed(watches: Watches) -> int:
    """How many handles are followed, as soon as something else is."""
    gc.collect()
    watches.add("another", lambda _: False, Handle(Waiting(inline)))
    gc.collect()
    watches.add("another", lambda _: False, Handle(Waiting(inline)))
    return sum(len(each) for each in watches._waiting.values()) - 1


def test_what_nobody_holds_and_nobody_waits_for_is_not_followed() -> None:
    with opened() as runtime:
        book = runtime.book()
        watches = runtime._loop.channels[0].watches
        kept = book.until("order-1", OrderState.FILLED)
        for number in range(10):
            with pytest.raises(TimeoutError):
                book.until(f"order-{number}", OrderState.FILLED).wait(0)
        assert followed(watches) == 1
        with pytest.raises(TimeoutError):
            kept.wait(0)  # he may ask again, so it is followed on
        assert followed(watches) == 1
        assert not watches.awaited


def test_what_only_a_callback_or_a_task_waits_for_is_followed() -> None:
    called = threading.Event()

    async def main() -> None:
        async with opened(own_thread=False) as runtime:
            book = runtime.book()
            watches = runtime._loop.channels[0].watches
            book.until("order-1", OrderState.SUBMITTED).call_back(lambda _: called.set())

            async def wait(number: int) -> OrderState:
                return (await book.until(f"order-{number}", OrderState.SUBMITTED)).state

            tasks = [asyncio.create_task(wait(number)) for number in (1, 2)]
            await asyncio.sleep(0)
            assert followed(watches) == 3
            tasks.pop().cancel()
            await asyncio.sleep(0)
            assert followed(watches) == 2
            await book.submit(order(1))
            assert await tasks[0] is OrderState.SUBMITTED
            assert followed(watches) == 0
            assert not watches.awaited

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert called.wait(PATIENCE)


def test_a_predicate_that_raises_is_told_to_whoever_waits_for_it() -> None:
    with opened() as runtime:
        book = runtime.book()
        wrong: Any = lambda it: 1 / 0  # noqa: E731
        watched = book.until("order-1", such=wrong)
        book.submit(order(1)).wait(PATIENCE)
        with pytest.raises(ZeroDivisionError):
            watched.wait(PATIENCE)
        assert not book.is_closed
