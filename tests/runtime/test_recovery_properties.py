"""A book recovered from its first record or from any snapshot is the one that never stopped.

Random traffic goes into a book that keeps everything, and into an SQLite journal. Whatever the place of the
snapshot, and however little a replay keeps in memory, the same book must come out, and every id must lead to
the same order as in the one that ran.
"""

from pathlib import Path

import pytest

from execore.core.book_state import BookState
from execore.core.invariants import check
from execore.core.snapshot import snapshot_of
from execore.journal.protocol import Head
from execore.journal.sqlite import SqliteJournal
from execore.model.keys import Key, KeyKind
from execore.runtime import recovery
from execore.runtime.archive import Archive
from execore.runtime.recovery import rebuild, recover
from runtime_support.random_run import BOOK, Run


def compare(run: Run, state: BookState, head: Head) -> None:
    assert head == run.head
    assert snapshot_of(state) == snapshot_of(run.state)
    assert state.positions.to_dict() == run.state.positions.to_dict()
    check(state)
    ids = run.ids()
    Archive(run.journal, BOOK).recall(state, ids)
    assert [_owner(state, key) for key in ids] == [_owner(run.state, key) for key in ids]
    assert snapshot_of(state) == snapshot_of(run.state)


def _owner(state: BookState, key: Key) -> str | None:
    if key.kind is KeyKind.ORDER:
        return state.orders.owner_of_id(key.text)
    order = state.orders.by_venue_order_id(key.text, key.symbol)
    return None if order is None else order.client_order_id


@pytest.mark.parametrize("seed", [*range(8), 105])  # 105: a venue gave one id to two orders
def test_recovery_from_any_place_is_the_book_that_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(recovery, "PAGE", 7)
    monkeypatch.setattr(recovery, "KEPT_ENDED", seed % 3)
    with SqliteJournal(tmp_path / "book.db", anchor=False) as journal:
        run = Run(journal, seed)
        state, head = rebuild(journal, BOOK)
        assert len(state.orders) < len(run.state.orders), "some have left"
        compare(run, state, head)
        for snapshot in run.snapshots:
            journal.save_snapshot(BOOK, snapshot)
            told: list[int] = []
            state, head = recover(journal, BOOK, told.append)
            assert [sequence for sequence in told if sequence <= snapshot.head.sequence] == []
            compare(run, state, head)


def test_what_is_recorded_while_a_reader_replays_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that the replay let go of, as nothing more was said of it, is named again meanwhile."""
    monkeypatch.setattr(recovery, "PAGE", 7)
    monkeypatch.setattr(recovery, "KEPT_ENDED", 0)
    path = tmp_path / "book.db"
    with SqliteJournal(path, anchor=False) as journal, SqliteJournal(path, read_only=True) as reader:
        run = Run(journal, 3)
        was, expected = run.head, snapshot_of(run.state)
        told: list[int] = []

        def trade_on(sequence: int) -> None:
            told.append(sequence)
            if len(told) == 20:
                run.trade()

        state, head = rebuild(reader, BOOK, trade_on)
        assert (head, snapshot_of(state)) == (was, expected)
        told.clear()
        snapshot = run.snapshots[4]
        journal.save_snapshot(BOOK, snapshot)
        was, expected = run.head, snapshot_of(run.state)
        state, head = recover(reader, BOOK, trade_on)
        assert told[0] > snapshot.head.sequence
        assert (head, snapshot_of(state)) == (was, expected)
        assert run.head.sequence > head.sequence


def test_external_orders_that_are_over_may_leave_after_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "KEPT_ENDED", 0)
    monkeypatch.setattr(recovery, "PAGE", 7)
    with SqliteJournal(tmp_path / "book.db", anchor=False) as journal:
        run = Run(journal, 5)
        state, _ = rebuild(journal, BOOK)
        stayed = [order for order in state.orders if state.may_leave(order)]
        assert stayed
        assert all(order.external for order in stayed), "one of their executions may be another's yet"
        state.release(0)
        assert [order for order in state.orders if state.may_leave(order)] == []
        compare(run, state, run.head)
