"""The runtime on the caller's own event loop, and coroutines that use one with a thread of its own."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from execore import MemoryJournal, OrderState, Outcome, RiskDecision, RiskResult
from execore.model.errors import BookClosed, Busy, NotYetSettled, OutcomeUnknown
from execore.model.reports import CancelReport
from execore.runtime.drivers import AsyncioDriver
from execore.runtime.handle import Handle
from execore.runtime.recovery import rebuild
from execore.runtime.runtime import Runtime
from execore.runtime.signals import closing_on_signals
from runtime_support.threaded_venue import (
    PATIENCE,
    Alerts,
    HeldJournal,
    ThreadedVenue,
    opened,
    said,
    state_of,
)
from runtime_support.trading import order


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it, and fail if it does not end."""

    async def bounded() -> Any:
        return await asyncio.wait_for(coroutine, PATIENCE)

    return asyncio.run(bounded())


def on_loop(journal: Any = None, venue: Any = None, **settings: Any) -> Runtime:
    """A runtime on the event loop that runs."""
    return opened(journal, venue, own_thread=False, **settings)


class OneAtATime:
    """A cap of the whole book: one open order."""

    def evaluate_order(self, request: Any, context: Any) -> RiskResult:
        decision = RiskDecision.ALLOW if context.open_orders < 1 else RiskDecision.BLOCK
        return RiskResult(decision, "one is open", "one")


@pytest.mark.parametrize("own_thread", [False, True])
def test_ws087_of_fifty_coroutines_who_meet_a_cap_exactly_one_gets_in(own_thread: bool) -> None:
    async def once() -> None:
        venue = ThreadedVenue(answers=False)
        async with opened(None, venue, own_thread=own_thread, risk_hooks=(OneAtATime(),)) as runtime:
            book = runtime.book()

            async def submit(number: int) -> OrderState:
                return state_of(await book.submit(order(number)))

            states = await asyncio.gather(*map(submit, range(50)))
        assert states.count(OrderState.SUBMITTED) == 1
        assert states.count(OrderState.DENIED) == 49
        assert len(venue.orders()) == 1

    for _ in range(10):
        run(once())


def test_coroutines_that_ask_at_once_are_one_commit() -> None:
    async def main() -> None:
        journal = HeldJournal()
        async with on_loop(journal) as runtime:
            before = len(journal.commits)
            handles = [runtime.book().submit(order(number)) for number in range(100)]
            assert not any(handle.is_settled for handle in handles)
            for handle in handles:
                assert (await handle).outcome is Outcome.APPLIED
            assert journal.commits[before:] == [200]

    run(main())


def test_a_whole_life_on_the_loop() -> None:
    async def main() -> None:
        venue = ThreadedVenue()
        async with on_loop(None, venue) as runtime:
            book = runtime.book()
            await asyncio.gather(*(book.submit(order(number)) for number in range(20)))
            for number in range(20):
                wanted = OrderState.ACKNOWLEDGED if number % 2 else OrderState.FILLED
                assert (await book.until(f"order-{number}", wanted)).state is wanted
            await book.cancel_all()
            assert (await book.until("order-1", OrderState.CANCELLED)).state is OrderState.CANCELLED

    run(main())


def test_several_tasks_may_await_one_handle_and_one_may_be_cancelled() -> None:
    async def main() -> None:
        async with on_loop() as runtime:
            watched = runtime.book().until("order-1", OrderState.SUBMITTED)

            async def wait() -> OrderState:
                return (await watched).state

            tasks = [asyncio.create_task(wait()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await runtime.book().submit(order(1))
            assert await asyncio.gather(*tasks[1:]) == [OrderState.SUBMITTED] * 2
            assert tasks[0].cancelled()
            assert (await watched).state is OrderState.SUBMITTED  # settled: at once

    run(main())


def test_threads_may_ask_a_book_on_the_loop() -> None:
    async def main() -> None:
        async with on_loop() as runtime:
            book = runtime.book()

            def submit(number: int) -> Outcome:
                return book.submit(order(number)).wait(PATIENCE).outcome

            outcomes = await asyncio.gather(*(asyncio.to_thread(submit, n) for n in range(8)))
            assert outcomes == [Outcome.APPLIED] * 8

    run(main())


def test_several_event_loops_may_await_one_book() -> None:
    with opened() as runtime:
        book = runtime.book()

        async def trade(number: int) -> Outcome:
            return (await book.submit(order(number))).outcome

        outcomes: list[Outcome] = []
        threads = [threading.Thread(target=lambda n=n: outcomes.append(run(trade(n)))) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert outcomes == [Outcome.APPLIED] * 4


def test_to_wait_on_the_loop_that_answers_is_refused() -> None:
    async def main() -> None:
        async with on_loop() as runtime:
            handle = runtime.book().submit(order(1))
            with pytest.raises(NotYetSettled, match="the one that answers"):
                handle.wait()
            await handle
            assert handle.wait().outcome is Outcome.APPLIED  # there is nothing to wait for any more

    run(main())


@pytest.mark.parametrize("own_thread", [False, True])
def test_a_view_stays_as_it_is_whatever_is_awaited_in_it(own_thread: bool) -> None:
    async def main() -> None:
        async with opened(own_thread=own_thread) as runtime:
            book = runtime.book()
            with book.view() as state:
                handle = book.submit(order(1))
                with pytest.raises(NotYetSettled, match="view"):
                    await handle
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(state.orders) == 0
            assert (await handle).outcome is Outcome.APPLIED

    run(main())


def test_a_full_queue_is_busy() -> None:
    async def main() -> None:
        async with on_loop(queue_size=3) as runtime:
            book = runtime.book()
            handles: list[Handle[Any]] = [book.submit(order(number)) for number in range(3)]
            with pytest.raises(Busy):
                book.submit(order(3))
            handles.append(book.cancel_all())
            for handle in handles:
                await handle
            assert book.find_order("order-3") is None

    run(main())


def test_whoever_waits_when_it_is_closed_is_told() -> None:
    async def main() -> None:
        runtime = on_loop(None, ThreadedVenue(answers=False))
        book = runtime.book()

        async def wait() -> None:
            with pytest.raises(BookClosed):
                await book.until("order-1", OrderState.FILLED)

        waiting = asyncio.create_task(wait())
        submitted = book.submit(order(1))
        await asyncio.sleep(0)
        await runtime.aclose()
        assert submitted.result().outcome is Outcome.APPLIED
        await waiting
        with pytest.raises(BookClosed):
            book.submit(order(2))
        await runtime.aclose()

    run(main())


def test_closing_with_cancels_leaves_the_loop_to_others() -> None:
    async def main() -> None:
        venue, journal, turns = ThreadedVenue(answers=False), MemoryJournal(), 0
        runtime = on_loop(journal, venue)
        await runtime.book().submit(order(1))
        closing = asyncio.create_task(runtime.aclose(cancel_open=True))
        while "SendCancel" not in [type(each).__name__ for each in venue.sent]:
            turns += 1
            await asyncio.sleep(0)
        venue.report(said(CancelReport, "order-1", request_id=venue.sent[-1].request_id))
        await closing
        assert turns > 1
        state, _ = rebuild(journal, "main")
        assert state.orders.get("order-1").state is OrderState.CANCELLED

    run(main())


def test_close_on_the_loop_and_from_another_thread() -> None:
    async def main() -> None:
        first = on_loop(None, ThreadedVenue())
        handle = first.book().submit(order(1))
        first.close(cancel_open=True)  # it turns the loop itself
        assert handle.result().outcome is Outcome.APPLIED
        second = on_loop()
        await asyncio.to_thread(second.close)
        assert second.is_closed

    run(main())


def test_to_wait_for_the_end_on_the_loop_is_to_await_it() -> None:
    async def main() -> None:
        runtime = on_loop()
        with pytest.raises(NotYetSettled, match="Await"):
            runtime.wait_closed(PATIENCE)
        waiting = asyncio.ensure_future(runtime.await_closed())
        assert not await asyncio.to_thread(runtime.wait_closed, 0.01)
        with closing_on_signals(runtime, signals=(signal.SIGTERM,)):
            signal.raise_signal(signal.SIGTERM)
            await waiting
        assert runtime.is_closed
        assert runtime.wait_closed()
        await runtime.await_closed()

    run(main())


def test_a_signal_takes_no_lock_on_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come while that thread holds the very lock: that of the list of threads, to begin with."""
    begun: list[str] = []
    start = threading.Thread.start

    def starts(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            begun.append(thread.name)
        start(thread)

    runtime = opened()
    with closing_on_signals(runtime, signals=(signal.SIGTERM,)):
        monkeypatch.setattr(threading.Thread, "start", starts)
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert runtime.wait_closed(PATIENCE)
        assert not begun
    with opened() as untouched, closing_on_signals(untouched, signals=(signal.SIGTERM,)):
        assert "execore waiting for a signal" in begun
    names = ("execore waiting for a signal", "execore closing")
    closing = [each for each in threading.enumerate() if each.name in names]
    for thread in closing:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_loop_that_is_held_up_is_told_and_closed_when_it_goes_on() -> None:
    told = Alerts()

    async def main() -> None:
        runtime = on_loop(on_alert=told)
        closing = threading.Thread(target=runtime.close, kwargs={"timeout_seconds": 0.1})
        closing.start()
        closing.join(PATIENCE)  # this holds up the loop
        told.wait_for("close_incomplete")
        assert not runtime.is_closed
        await runtime.await_closed()

    run(main())


def test_an_event_loop_that_ends_while_it_closes_is_told_and_closing_again_ends_it() -> None:
    told, venue, errors = Alerts(), ThreadedVenue(answers=False), list[object]()

    async def main() -> tuple[Runtime, threading.Thread]:
        runtime = on_loop(None, venue, on_alert=told)
        await runtime.book().submit(order(1))

        def close() -> None:
            try:
                runtime.close(cancel_open=True)  # the venue never answers
            except BaseException as error:
                errors.append(error)

        closing = threading.Thread(target=close)
        closing.start()
        while len(venue.sent) < 2:
            await asyncio.sleep(0.001)
        return runtime, closing

    runtime, closing = run(main())
    closing.join(PATIENCE)
    told.wait_for("close_incomplete")
    runtime.close()
    assert runtime.is_closed
    assert not errors


def test_who_asks_at_the_moment_the_event_loop_goes_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> Runtime:
        return on_loop()

    runtime = run(main())
    monkeypatch.setattr(AsyncioDriver, "is_over", False)  # as it was an instant ago
    asked = runtime.book().submit(order(1))
    runtime.close()
    assert asked.is_settled


def test_an_event_loop_that_is_gone_takes_nothing_more() -> None:
    async def main() -> Runtime:
        return on_loop()

    runtime = run(main())
    with pytest.raises(BookClosed, match="event loop"):
        runtime.book().submit(order(1))
    runtime.close()
    assert runtime.is_closed


def test_a_failed_commit_is_told_to_every_task() -> None:
    async def main() -> None:
        journal, venue, told = HeldJournal(), ThreadedVenue(), Alerts()
        async with on_loop(journal, venue, on_alert=told) as runtime:
            journal.script = [OutcomeUnknown("no sync")]
            answers = await asyncio.gather(
                *(runtime.book().submit(order(number)) for number in range(10)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {OutcomeUnknown}
            await asyncio.to_thread(told.wait_for, "book_closed")
        assert venue.sent == []

    run(main())


def test_a_tick_that_raises_closes_the_books_and_says_so() -> None:
    async def main() -> None:
        told = Alerts()
        async with on_loop(None, ThreadedVenue(), on_alert=told) as runtime:
            channel: Any = runtime._loop.channels[0]
            channel.pump = lambda after=None: 1 / 0
            await asyncio.to_thread(told.wait_for, "book_closed")
            with pytest.raises(BookClosed, match="ZeroDivisionError"):
                await runtime.book().submit(order(1))

    run(main())
