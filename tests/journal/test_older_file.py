"""A file of an older version: readable as it is, and given the tables of this version when it is written."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from execore import SqliteJournal, open_book
from execore.journal.audit_log import AuditLog
from execore.journal.sqlite_schema import APPLICATION_ID, FILE_VERSION
from execore.model.errors import ChainBroken, JournalError, JournalFull
from execore.model.keys import Key, KeyKind, execution_key
from execore.model.reports import AcknowledgeReport, FillReport
from execore.runtime.table_check import check_tables
from execore.testing.faulty_vfs import FaultyVfs
from execore.testing.journal_contract import created, record
from execore.views import queries
from runtime_support.trading import BITCOIN, START_NS, order, ticking

VERSION_1 = """
CREATE TABLE events(
  book TEXT NOT NULL, sequence INTEGER NOT NULL, type TEXT NOT NULL, client_order_id TEXT NOT NULL,
  execution_id TEXT NOT NULL, actor TEXT NOT NULL, ts_event_ns INTEGER NOT NULL,
  ts_recorded_ns INTEGER NOT NULL, hash TEXT NOT NULL, data TEXT NOT NULL,
  PRIMARY KEY(book, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_order ON events(book, client_order_id);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TABLE orders(
  book TEXT NOT NULL, client_order_id TEXT NOT NULL, venue_order_id TEXT NOT NULL, symbol TEXT NOT NULL,
  side TEXT, quantity TEXT NOT NULL, filled TEXT NOT NULL, leaves TEXT NOT NULL, average_price TEXT,
  state TEXT NOT NULL, ord_status TEXT NOT NULL, flags TEXT NOT NULL, order_type TEXT NOT NULL, price TEXT,
  stop_price TEXT, time_in_force TEXT NOT NULL, expire_ts_ns INTEGER, strategy TEXT NOT NULL,
  metadata TEXT NOT NULL, reason TEXT NOT NULL, closed_from TEXT, created_ts_ns INTEGER NOT NULL,
  updated_ts_ns INTEGER NOT NULL, PRIMARY KEY(book, client_order_id)) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_venue_id ON orders(book, venue_order_id) WHERE venue_order_id <> '';
CREATE TABLE fills(
  book TEXT NOT NULL, sequence INTEGER NOT NULL, client_order_id TEXT NOT NULL, venue_order_id TEXT NOT NULL,
  execution_id TEXT NOT NULL, execution_key TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT,
  quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL,
  ts_event_ns INTEGER NOT NULL, late INTEGER NOT NULL, PRIMARY KEY(book, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX fills_by_order ON fills(book, client_order_id);
CREATE TABLE positions(
  book TEXT NOT NULL, symbol TEXT NOT NULL, quantity TEXT NOT NULL, unit TEXT NOT NULL, average_cost TEXT,
  cost_basis TEXT NOT NULL, realised_pnl TEXT NOT NULL, currency TEXT NOT NULL, fees TEXT NOT NULL,
  fees_in_kind TEXT NOT NULL, undisclosed TEXT NOT NULL, PRIMARY KEY(book, symbol)) STRICT, WITHOUT ROWID;
CREATE TABLE projection_heads(
  book TEXT NOT NULL PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
"""The tables of version 1, word for word."""

VERSION_2 = VERSION_1.replace(
    "late INTEGER NOT NULL, PRIMARY KEY(book, sequence)) STRICT",
    "late INTEGER NOT NULL, status TEXT NOT NULL,\n  PRIMARY KEY(book, sequence)) STRICT",
).replace("ON fills(book, client_order_id);", "ON fills(book, client_order_id, execution_key);")
"""Those of version 2: it added ``fills.status``."""

VERSION_3 = VERSION_2.replace(
    "late INTEGER NOT NULL, status TEXT NOT NULL,",
    "late INTEGER NOT NULL, status TEXT NOT NULL, disclosed_sequence INTEGER,",
).replace(
    "CREATE TABLE projection_heads",
    """CREATE INDEX fills_by_execution ON fills(book, execution_key);
CREATE TABLE keys(
  book TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, symbol TEXT NOT NULL,
  client_order_id TEXT NOT NULL, PRIMARY KEY(book, kind, text, symbol)) STRICT, WITHOUT ROWID;
CREATE TABLE projection_heads""",
)
"""Those of version 3: it added ``keys`` and ``fills.disclosed_sequence``."""

OLDER = {1: VERSION_1, 2: VERSION_2, 3: VERSION_3}

BOOKS = ("main", "other")


def fill(**terms: Any) -> FillReport:
    """An execution of the order."""
    return FillReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="V1", **terms)


def trade(path: Path) -> None:
    """Two books with an order each: one execution, and one fill that is known by a total alone."""
    with SqliteJournal(path) as journal:
        for name in BOOKS:
            book = open_book(journal, name, instruments=[BITCOIN], clock=ticking())
            book.submit(order())
            book.apply([AcknowledgeReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="V1")])
            book.apply([fill(execution_id="E1", quantity="0.25", price="100", fee="0.1")])
            book.apply([fill(quantity="0.5", price="99", cumulative_quantity="0.75")])


def as_version(version: int, source: Path, path: Path) -> None:
    """Write what is in the journal at ``source`` as an execore of that file version would have."""
    with closing(apsw.Connection(str(path))) as old:
        old.pragma("journal_mode", "wal")
        old.execute(OLDER[version])
        old.execute("ATTACH ? AS new", (str(source),))
        for table in ("events", "orders", "fills", "positions", "projection_heads"):
            columns = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
        old.pragma("application_id", APPLICATION_ID)
        old.pragma("user_version", version)


@pytest.fixture
def current(tmp_path: Path) -> Path:
    path = tmp_path / "current.db"
    trade(path)
    return path


@pytest.fixture(params=OLDER)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def older(version: int, current: Path, tmp_path: Path) -> Path:
    path = tmp_path / "older.db"
    as_version(version, current, path)
    shutil.copy(f"{current}.anchor", f"{path}.anchor")
    return path


def version_of(path: Path) -> int:
    with closing(apsw.Connection(str(path))) as file:
        return int(file.pragma("user_version"))


def views(journal: SqliteJournal, book: str) -> list[list[dict[str, Any]]]:
    """All that the tables show of a book, but for what older ones did not have."""
    shown = [list(view(journal, book=book)) for view in (queries.orders, queries.fills, queries.positions)]
    for position in shown[2]:
        del position["opened_ts_ns"]
    return shown


@pytest.fixture
def expected(current: Path) -> dict[str, list[list[dict[str, Any]]]]:
    """What the views show of the same books in a file of this version."""
    with SqliteJournal(current, read_only=True) as journal:
        return {book: views(journal, book) for book in BOOKS}


def test_an_older_file_is_read_as_it_is(older: Path, expected: dict[str, Any]) -> None:
    before = older.read_bytes()
    with SqliteJournal(older, read_only=True) as journal:
        assert {book: views(journal, book) for book in BOOKS} == expected
        found = queries.fills(journal, book="main", client_order_id="order-1")
        assert [view["status"] for view in found] == ["booked", "provisional"]
        assert AuditLog(journal, "main").verify().ok
    assert older.read_bytes() == before


def test_opened_for_writing_it_has_the_tables_of_this_version(older: Path, current: Path) -> None:
    with SqliteJournal(older) as journal, SqliteJournal(current, read_only=True) as fresh:
        tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
        assert list(journal.select(tables)) == list(fresh.select(tables))
        assert list(journal.read("main")) == list(fresh.read("main"))
        assert AuditLog(journal, "main").verify(fresh.head("main")).ok
        assert journal.projection_head("main") == 0
    assert version_of(older) == FILE_VERSION


def test_opening_a_book_fills_its_tables_and_those_of_others_say_that_they_lag(
    older: Path, expected: dict[str, Any]
) -> None:
    with SqliteJournal(older) as journal:
        open_book(journal, "main")
        assert views(journal, "main") == expected["main"]
        with pytest.raises(JournalError, match=r"tables of book 'other' lag.*Open the book once"):
            views(journal, "other")
        open_book(journal, "other")
        assert views(journal, "other") == expected["other"]
    with SqliteJournal(older) as journal:
        assert {book: views(journal, book) for book in BOOKS} == expected, "it is brought up once"


def test_orders_are_found_in_it_once_its_book_was_opened(older: Path, current: Path, version: int) -> None:
    keys = [
        Key(KeyKind.ORDER, "order-1"),
        Key(KeyKind.VENUE_ORDER, "V1", "BTC-USD"),
        Key(KeyKind.EXECUTION, execution_key("", "E1")),
        Key(KeyKind.EXECUTION, execution_key("", "E2")),
    ]
    with SqliteJournal(older, read_only=True) as journal:
        asked: list[Callable[[], object]] = [
            lambda: journal.find_orders("main", keys),
            lambda: list(journal.past("main", ["BTC-USD"])),
            lambda: journal.find_entries("main", ["t"]),
        ]
        for ask in asked if version < 3 else asked[1:]:  # version 3 has all that orders are found by
            with pytest.raises(JournalError, match=r"of an older file version.*Open its books once"):
                ask()
        assert check_tables(journal, "main").state == "lag"
    with SqliteJournal(older) as journal:
        with pytest.raises(JournalError, match=r"lag behind its records.*Open the book once"):
            journal.find_orders("main", keys)
        with pytest.raises(JournalError, match="lag behind its records"):
            list(journal.past("main", ["BTC-USD"]))
        open_book(journal, "main")
        assert journal.find_orders("main", keys) == dict.fromkeys(keys[:3], "order-1")
        with SqliteJournal(current, read_only=True) as fresh:
            trades = list(fresh.past("main", ["BTC-USD"]))
        assert len(trades) == 3, "what its symbol means, and two executions"
        assert list(journal.past("main", ["BTC-USD"])) == trades


def test_an_append_before_that_does_not_hide_that_the_tables_lag(older: Path) -> None:
    with SqliteJournal(older) as journal:
        head = journal.head("main").sequence
        journal.append("main", head, [record(head + 1, created(9))])
        assert journal.projection_head("main") == 0
        with pytest.raises(JournalError, match="lag behind its records"):
            journal.find_orders("main", [Key(KeyKind.ORDER, "order-1")])


def test_a_file_that_is_refused_stays_as_it_was(older: Path, version: int) -> None:
    with closing(apsw.Connection(str(older))) as file:
        file.execute("DROP TRIGGER events_no_delete; DELETE FROM events WHERE sequence>5")
    with pytest.raises(ChainBroken):
        SqliteJournal(older)
    assert version_of(older) == version


@pytest.fixture
def storage() -> Iterator[FaultyVfs]:
    with FaultyVfs() as vfs:
        yield vfs


def test_without_space_it_stays_as_it_was(
    older: Path, version: int, storage: FaultyVfs, expected: dict[str, Any]
) -> None:
    storage.fault = lambda operation, file: (
        apsw.FullError() if (operation, file) == ("write", "wal") else None
    )
    with pytest.raises(JournalFull):
        SqliteJournal(older, vfs=storage.name)
    storage.fault = None
    assert version_of(older) == version
    with SqliteJournal(older, read_only=True) as journal:
        assert views(journal, "main") == expected["main"]
    with SqliteJournal(older) as journal:
        open_book(journal, "main")
        assert views(journal, "main") == expected["main"]
