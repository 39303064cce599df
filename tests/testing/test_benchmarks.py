"""The benchmarks at small sizes: what they measure is what they say, and their figures fit together."""

from pathlib import Path

import pytest

from execore.core.snapshot import snapshot_of
from execore.journal.sqlite import SqliteJournal
from execore.model.vocabulary import OrderState
from execore.runtime.recovery import rebuild, recover
from execore.testing import core_benchmark, memory_benchmark, recovery_benchmark, runtime_benchmark
from execore.testing.core_benchmark import new_book
from execore.testing.lifecycles import BATCH, EVENTS, EVENTS_OPEN, in_batches, open_orders, run_lifecycles


def test_batches_cover_every_number_once_and_say_how_far_they_are() -> None:
    told: list[int] = []
    batches = list(in_batches(range(7, 2 * BATCH + 10), told.append))
    assert [number for batch in batches for number in batch] == list(range(7, 2 * BATCH + 10))
    assert told == [BATCH + 7, 2 * BATCH + 7, 2 * BATCH + 10]


def test_a_lifecycle_is_five_events_and_ends_filled() -> None:
    book = new_book()
    before = book.head.sequence
    run_lifecycles(book, range(100))
    open_orders(book, range(100, 110))
    assert book.head.sequence - before == 100 * EVENTS + 10 * EVENTS_OPEN
    assert [order.state for order in book.orders.open_orders()] == [OrderState.ACKNOWLEDGED] * 10
    assert book.orders.get(f"{7:032x}").state is OrderState.FILLED
    assert not any(book.positions.trial_balance().values())


def test_the_core_benchmark_compares_with_small_books_only_if_it_is_larger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(core_benchmark, "SMALL_BOOK", 100)
    monkeypatch.setattr(core_benchmark, "MANY_FILLS", 100)
    small, larger = core_benchmark.measure(100), core_benchmark.measure(300)
    assert (small.time_against_small_book, small.memory_against_small_book) == (None, None)
    assert larger.time_against_small_book is not None
    assert larger.time_against_small_book > 0
    assert larger.microseconds_per_lifecycle == pytest.approx(1e6 / larger.lifecycles_per_cpu_second)


# --- recovery -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [100, 5_003])
def test_a_journal_for_recovery_has_the_events_that_were_asked_for(tmp_path: Path, events: int) -> None:
    told: list[int] = []
    path = tmp_path / "book.db"
    head = recovery_benchmark.write_journal(path, events, told.append)
    assert events - EVENTS < head.sequence <= events
    assert told[-1] == head.sequence
    with SqliteJournal(path, read_only=True) as journal:
        state, replayed = rebuild(journal, "bench")
    assert replayed == head
    assert len(state.orders.open_orders()) == events // 10 // EVENTS_OPEN


def test_recovery_is_measured_by_parts_that_add_up(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    head = recovery_benchmark.write_journal(path, 3_000)
    told: list[int] = []
    measured = recovery_benchmark.measure(path, told.append)
    assert (measured.events, measured.open_orders) == (head.sequence, 100)
    assert told[-1] == head.sequence
    assert measured.events_per_second == pytest.approx(measured.events / measured.seconds)
    parts = (
        measured.read_seconds,
        measured.verify_seconds,
        measured.decode_seconds,
        measured.fold_seconds,
    )
    assert sum(parts) == pytest.approx(measured.seconds)
    assert measured.tail_events == recovery_benchmark.TAIL_EVENTS
    assert measured.seconds_from_snapshot > 0
    assert measured.snapshot_bytes > 10_000
    with SqliteJournal(path, read_only=True) as journal:
        told.clear()
        state, _ = recover(journal, "bench", told.append)
        assert told[0] > measured.events, "from the snapshot"
        assert snapshot_of(state) == snapshot_of(rebuild(journal, "bench")[0])


# --- memory ---------------------------------------------------------------------------------------------


def test_open_orders_give_the_garbage_collector_nothing_to_walk() -> None:
    few, many = memory_benchmark.measure(100, 10), memory_benchmark.measure(5_000, 500)
    assert (many.open_orders, many.lifecycles) == (5_000, 500)
    assert many.tracked_objects - few.tracked_objects < 100
    assert sum(many.collections) > 0
    assert many.longest_pause_ms > 0
    assert many.full_collection_ms > 0
    assert many.megabytes is None or many.megabytes > 10


# --- the runtime ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "callers"), [("inline", 1), ("asyncio", 1), ("asyncio", 20), ("threads", 5)]
)
def test_every_step_of_a_run_is_recorded_and_the_plain_journal_gets_the_same(
    tmp_path: Path, kind: str, callers: int
) -> None:
    core = runtime_benchmark.core_rate(10)
    run = runtime_benchmark.measure_run(tmp_path / "run", kind, callers, 60, core)
    assert (run.kind, run.callers, run.lifecycles) == (kind, callers, 60)
    assert run.submit_against_commit == pytest.approx(run.submit_ms / run.commit_ms)
    assert min(run.lifecycles_per_second, run.against_core, run.against_journal) > 0
    with SqliteJournal(tmp_path / "run" / "runtime.db") as ours:
        state, head = rebuild(ours, "bench")
        with SqliteJournal(tmp_path / "run" / "plain.db") as plain:
            assert plain.head("bench") == head
    assert state.orders.open_orders() == []
    assert run.commits * run.events_per_commit == pytest.approx(head.sequence)
    steps = 4 * 60
    assert run.commits >= steps if callers == 1 else run.commits < steps


def test_callers_share_the_lifecycles_and_few_run_few(tmp_path: Path) -> None:
    measured = runtime_benchmark.measure_run(
        tmp_path / "run", "asyncio", 2, 1_000, runtime_benchmark.core_rate(10)
    )
    assert measured.lifecycles == 2 * runtime_benchmark.EACH
