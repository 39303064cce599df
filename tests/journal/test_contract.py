"""Both journals pass the one contract."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Journal
from execore.journal.sqlite import SqliteJournal
from execore.testing.journal_contract import JournalContract


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def make_journal(self) -> Callable[[], Journal]:
        return MemoryJournal


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def make_journal(self, tmp_path: Path) -> Iterator[Callable[[], Journal]]:
        made: list[SqliteJournal] = []

        def make() -> Journal:
            made.append(SqliteJournal(tmp_path / f"{len(made)}.db"))
            return made[-1]

        yield make
        for journal in made:
            journal.close()
