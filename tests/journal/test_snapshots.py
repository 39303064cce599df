"""Snapshots beside an SQLite journal: whole or not seen, kept by anybody, and never in the writer's way."""

import os
import threading
from pathlib import Path

import pytest

from execore.journal import files as journal_files
from execore.journal import snapshots
from execore.journal.protocol import Head, Snapshot
from execore.journal.snapshots import save_snapshot, snapshot_directory, whole_snapshots
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import JournalError
from execore.testing.journal_contract import BOOK, created, opened, record, snapshot

ANY = b'{"any":"state"}'


def at(sequence: int) -> Snapshot:
    """A snapshot at a place in no journal."""
    return snapshot(Head(sequence, f"{sequence:064x}"), f"state {sequence}".encode())


def files(path: Path) -> list[str]:
    """The names in the journal's snapshot directory, sorted."""
    return sorted(os.listdir(snapshot_directory(str(path))))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def test_the_newest_two_are_kept(path: Path) -> None:
    for sequence in (1, 2, 10, 100):
        save_snapshot(str(path), BOOK, at(sequence))
    assert list(whole_snapshots(str(path), BOOK)) == [at(100), at(10)]
    assert len(files(path)) == snapshots.KEPT


def test_those_of_a_stream_that_went_further_make_way(path: Path) -> None:
    """After 101 the journal was restored from an older copy, and has only what came before 60."""
    for sequence in (1, 40, 100, 101, 50):
        save_snapshot(str(path), BOOK, at(sequence), lambda head: head.sequence < 60)
    assert list(whole_snapshots(str(path), BOOK)) == [at(50)]


def test_a_slower_process_does_not_remove_what_a_faster_one_saved(path: Path) -> None:
    for sequence in (100, 200, 150):
        save_snapshot(str(path), BOOK, at(sequence), lambda _: True)
    assert list(whole_snapshots(str(path), BOOK)) == [at(200), at(150), at(100)]
    save_snapshot(str(path), BOOK, at(120))  # it does not know the stream, and so not what is of it
    assert next(whole_snapshots(str(path), BOOK)) == at(200)
    save_snapshot(str(path), BOOK, at(300), lambda _: True)
    assert list(whole_snapshots(str(path), BOOK)) == [at(300), at(200)]


def test_a_later_one_that_is_damaged_makes_way(path: Path) -> None:
    save_snapshot(str(path), BOOK, at(200))
    newest_file(path).write_bytes(b"torn")
    save_snapshot(str(path), BOOK, at(100), lambda _: True)
    assert len(files(path)) == 1


def test_a_later_one_in_the_making_is_left_alone(path: Path) -> None:
    save_snapshot(str(path), BOOK, at(100))
    for sequence in (110, 300):
        making = newest_file(path).with_name(f"{files(path)[0].replace('100', str(sequence))}.new")
        making.write_bytes(b"not yet whole")
    save_snapshot(str(path), BOOK, at(200))
    assert [name[-16:] for name in files(path)] == [
        "0000100.snapshot",
        "0000200.snapshot",
        "300.snapshot.new",
    ]


def test_a_journal_knows_which_are_of_its_stream(path: Path) -> None:
    with SqliteJournal(path) as journal:
        opened(journal, orders=2)
        head = journal.head(BOOK)
        first = next(journal.read(BOOK))
        journal.save_snapshot(BOOK, snapshot(head, ANY))
        save_snapshot(str(path), BOOK, at(head.sequence + 5))
        save_snapshot(str(path), BOOK, at(head.sequence - 1), lambda _: True)
        journal.save_snapshot(BOOK, snapshot(Head(first.sequence, first.hash), ANY))
        assert [one.head.sequence for one in whole_snapshots(str(path), BOOK)] == [head.sequence, 1]


def test_books_have_their_own(path: Path) -> None:
    names = ["a", "b", "../a", "a/b", "caf\u00e9", ""]
    for number, book in enumerate(names):
        save_snapshot(str(path), book, at(number))
    assert [next(whole_snapshots(str(path), book)) for book in names] == [at(n) for n in range(len(names))]
    assert list(whole_snapshots(str(path), "c")) == []


def test_a_state_may_hold_any_bytes(path: Path) -> None:
    for sequence, state in enumerate([b"", b"\n", b"\n\n{}\n", bytes(range(256)) * 1_000], 1):
        kept = snapshot(Head(sequence, "ab"), state)
        save_snapshot(str(path), BOOK, kept)
        assert next(whole_snapshots(str(path), BOOK)) == kept


def newest_file(path: Path) -> Path:
    return Path(snapshot_directory(str(path))) / files(path)[-1]


def test_one_that_is_torn_at_any_byte_is_passed_over(path: Path) -> None:
    for sequence in (1, 2):
        save_snapshot(str(path), BOOK, at(sequence))
    file = newest_file(path)
    whole = file.read_bytes()
    for kept in range(len(whole)):
        file.write_bytes(whole[:kept])
        assert list(whole_snapshots(str(path), BOOK)) == [at(1)], kept
    file.write_bytes(whole)
    assert next(whole_snapshots(str(path), BOOK)) == at(2)


def test_one_with_any_flipped_byte_is_passed_over(path: Path) -> None:
    for sequence in (1, 2):
        save_snapshot(str(path), BOOK, at(sequence))
    file = newest_file(path)
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert list(whole_snapshots(str(path), BOOK)) == [at(1)], place


def test_one_under_another_books_name_is_passed_over(path: Path) -> None:
    save_snapshot(str(path), BOOK, at(1))
    save_snapshot(str(path), "other", at(2))
    directory = Path(snapshot_directory(str(path)))
    (own,) = [name for name in files(path) if name.endswith("1.snapshot")]
    (others,) = [name for name in files(path) if name.endswith("2.snapshot")]
    (directory / others).replace(directory / own)
    assert list(whole_snapshots(str(path), BOOK)) == []


def test_what_a_crash_left_half_made_is_no_snapshot_and_goes(path: Path) -> None:
    save_snapshot(str(path), BOOK, at(1))
    half = Path(snapshot_directory(str(path))) / (files(path)[0].replace("1.snap", "2.snap") + ".new")
    half.write_bytes(b"half of it")
    assert list(whole_snapshots(str(path), BOOK)) == [at(1)]
    save_snapshot(str(path), BOOK, at(3))
    assert not half.exists()
    assert list(whole_snapshots(str(path), BOOK)) == [at(3), at(1)]


def test_a_place_where_none_can_be_kept_is_named(tmp_path: Path, path: Path) -> None:
    Path(snapshot_directory(str(path))).write_text("in the way")
    with pytest.raises(JournalError, match=r"snapshot.*cannot be written.*the journal is whole"):
        save_snapshot(str(path), BOOK, at(1))
    assert list(whole_snapshots(str(path), BOOK)) == []


def test_one_that_fails_leaves_those_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_snapshot(str(path), BOOK, at(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="No space left"):
        save_snapshot(str(path), BOOK, at(2))
    monkeypatch.undo()
    assert list(whole_snapshots(str(path), BOOK)) == [at(1)]
    assert len(files(path)) == 1


def test_a_journal_loads_the_newest_that_is_of_its_stream(path: Path) -> None:
    with SqliteJournal(path) as journal:
        assert journal.load_snapshot(BOOK) is None
        first = opened(journal, orders=1)
        journal.save_snapshot(BOOK, snapshot(first, ANY))
        assert journal.load_snapshot(BOOK) == snapshot(first, ANY)
        journal.save_snapshot(BOOK, snapshot(Head(5, "ab" * 32), ANY))  # of a stream that went on otherwise
        assert journal.load_snapshot(BOOK) == snapshot(first, ANY)
        second = journal.append(BOOK, 4, [record(5, created(9))])
        journal.save_snapshot(BOOK, snapshot(second, ANY))
        assert journal.load_snapshot(BOOK) == snapshot(second, ANY)
    with SqliteJournal(path, read_only=True) as reader:
        assert reader.load_snapshot(BOOK) == snapshot(second, ANY)
    damaged = newest_file(path)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with SqliteJournal(path, read_only=True) as reader:
        assert reader.load_snapshot(BOOK) == snapshot(first, ANY)


def test_one_is_saved_by_another_thread_while_the_owner_writes(path: Path) -> None:
    with SqliteJournal(path) as journal:
        head = opened(journal, orders=1)
        failures: list[BaseException] = []

        def save() -> None:
            try:
                for _ in range(20):
                    journal.save_snapshot(BOOK, snapshot(head, b"x" * 100_000))
            except BaseException as error:
                failures.append(error)

        other = threading.Thread(target=save)
        other.start()
        for sequence in range(5, 105):
            journal.append(BOOK, sequence - 1, [record(sequence, created(sequence))])
        other.join()
        assert failures == []
        assert journal.load_snapshot(BOOK) == snapshot(head, b"x" * 100_000)


@pytest.mark.parametrize("step", ["sync", "rename", "sync_directory"])
def test_a_crash_at_any_step_leaves_a_whole_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    save_snapshot(str(path), BOOK, at(1))

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    monkeypatch.setattr(journal_files, step, crash)
    with pytest.raises(Crash):
        save_snapshot(str(path), BOOK, at(2))
    monkeypatch.undo()
    left = next(whole_snapshots(str(path), BOOK))
    assert left == (at(2) if step == "sync_directory" else at(1))
    save_snapshot(str(path), BOOK, at(3))
    assert files(path) == [name for name in files(path) if name.endswith(".snapshot")]
    assert next(whole_snapshots(str(path), BOOK)) == at(3)
