"""The anchor lags, is written now and then, and never harms the journal."""

from pathlib import Path

import pytest

from execore.journal.anchor import AnchorFile, anchor_path, read_anchor
from execore.journal.protocol import Head
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import NotAJournal
from execore.testing.journal_contract import BOOK, opened


def test_it_is_written_at_most_ten_times_a_second(tmp_path: Path) -> None:
    now = 100.0
    path = str(tmp_path / "journal.db.anchor")
    anchor = AnchorFile(path, monotonic=lambda: now)
    seen = []
    for step in range(1, 101):
        now = 100.0 + step / 100
        anchor.advance({BOOK: Head(step, "ab")})
        seen.append(read_anchor(path)[BOOK].sequence)
    assert 9 <= len(set(seen)) <= 11
    assert all(written <= step for step, written in enumerate(seen, 1))
    anchor.write()
    assert read_anchor(path) == {BOOK: Head(100, "ab")}


def test_closing_writes_the_last_head_of_every_book(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        heads = {book: opened(journal, orders=5, book=book) for book in ("a", "b")}
    assert read_anchor(anchor_path(str(path))) == heads
    with SqliteJournal(path) as journal:
        journal.append("a", heads["a"].sequence, [])
    assert read_anchor(anchor_path(str(path))) == heads


def test_an_anchor_that_cannot_be_written_stops_no_append(tmp_path: Path) -> None:
    (tmp_path / "journal.db.anchor.new").mkdir()
    with SqliteJournal(tmp_path / "journal.db") as journal:
        assert opened(journal, orders=1).sequence == 4
    assert read_anchor(str(tmp_path / "journal.db.anchor")) == {}


def test_a_journal_without_an_anchor_writes_none(tmp_path: Path) -> None:
    with SqliteJournal(tmp_path / "journal.db", anchor=False) as journal:
        opened(journal, orders=1)
    assert not (tmp_path / "journal.db.anchor").exists()


def test_an_anchor_that_is_not_one_is_named(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "journal.db").close()
    (tmp_path / "journal.db.anchor").write_text("{]")
    with pytest.raises(NotAJournal, match=r"journal\.db\.anchor cannot be read.*move it away"):
        SqliteJournal(tmp_path / "journal.db")


def test_an_anchor_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.anchor").write_bytes(b'{"\xff":{"sequence":1,"hash":"00"}}')
    with pytest.raises(NotAJournal, match="cannot be read"):
        read_anchor(str(tmp_path / "a.anchor"))
