"""A page in the place of another, as a write that went astray leaves it, is told, whatever it holds."""

import random
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import pytest

from execore import SqliteJournal, open_book
from execore.journal.audit_log import AuditLog
from execore.model.errors import ExecoreError, NotAJournal
from execore.model.keys import Key, KeyKind
from execore.model.reports import AcknowledgeReport, FillReport
from execore.runtime.table_check import TablesState, check_tables, rebuild_tables
from execore.views import queries
from runtime_support.trading import BITCOIN, START_NS, order

PAGE = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed journal of forty orders, one of which traded."""
    path = tmp_path / "book.db"
    with SqliteJournal(path) as journal:
        book = open_book(journal, instruments=[BITCOIN])
        book.submit_all([order(number) for number in range(1, 41)])
        told: dict[str, Any] = {"ts_ns": START_NS, "client_order_id": "order-1"}
        book.apply([AcknowledgeReport(venue_order_id="V1", **told)])
        book.apply([FillReport(quantity=Decimal(1), price=Decimal(100), execution_id="E1", **told)])
        book.cancel("order-2", request_id="cancel-1")
    return path


def verify(path: Path) -> str:
    with SqliteJournal(path, read_only=True) as journal:
        damage = journal.damage()
        found = [AuditLog(journal, book).verify() for book in journal.books()]
        tables = check_tables(journal, "main") if all(one.ok for one in found) else None
        return "" if tables and tables.ok and not damage else "told"


def read_views(path: Path) -> None:
    with SqliteJournal(path, read_only=True) as journal:
        for view in (queries.orders, queries.fills, queries.positions):
            list(view(journal, book="main"))
        queries.orders_by_state(journal, "main")
        queries.order(journal, book="main", venue_order_id="V1")
        list(journal.past("main", [BITCOIN.symbol]))
        journal.find_orders("main", [Key(kind, "E1") for kind in KeyKind])


def trade(path: Path) -> None:
    with SqliteJournal(path) as journal:
        open_book(journal, instruments=[BITCOIN]).submit(order(99))


def rebuild(path: Path) -> None:
    with SqliteJournal(path) as journal:
        rebuild_tables(journal, "main")


def told(act: Callable[[Path], Any], path: Path) -> Any:
    """What came of it; an error of ours is an answer, and any other is not caught here."""
    try:
        return act(path)
    except ExecoreError as error:
        return error


@pytest.mark.parametrize("seed", range(60))
def test_pages_that_took_each_others_place_are_told(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    pages = [slice(first, first + PAGE) for first in range(0, len(content), PAGE)]
    one, other = random.Random(seed).sample(pages, 2)
    content[one], content[other] = content[other], content[one]
    path.write_bytes(content)
    assert told(verify, path), "it was taken for whole"
    for act in (read_views, rebuild, trade):
        told(act, path)


def loosen(path: Path, sql: str) -> None:
    """Put into a table what no statement could, as such a page does."""
    with closing(apsw.Connection(str(path))) as shell:
        shell.execute("PRAGMA writable_schema=ON")
        before = list(shell.execute("SELECT name, sql FROM sqlite_schema WHERE type='table'"))
        shell.execute(
            """UPDATE sqlite_schema SET sql=replace(replace(sql, ' NOT NULL', ''), 'STRICT, ', '')
              WHERE type='table'"""
        )
        shell.execute("DROP TRIGGER IF EXISTS events_no_update")
    with closing(apsw.Connection(str(path))) as shell:
        shell.execute(sql)
        shell.execute("PRAGMA writable_schema=ON")
        shell.executemany("UPDATE sqlite_schema SET sql=?2 WHERE name=?1", before)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET hash=NULL WHERE sequence=3",
        "UPDATE events SET data=NULL WHERE sequence=3",
        "UPDATE events SET actor=NULL WHERE sequence=3",
        "UPDATE events SET hash=NULL WHERE sequence=(SELECT max(sequence) FROM events)",
        "UPDATE events SET sequence='order-1' WHERE sequence=3",
    ],
)
def test_a_record_of_other_columns_breaks_the_chain(path: Path, sql: str) -> None:
    loosen(path, sql)
    with SqliteJournal(path, read_only=True) as journal:
        assert AuditLog(journal, "main").verify().problem == "unreadable"
    for act in (read_views, trade):
        told(act, path)


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("UPDATE fills SET sequence='order-1'", "fills"),
        ("UPDATE fills SET quantity=NULL, price='much'", "fills"),
        ("UPDATE orders SET client_order_id=5 WHERE client_order_id='order-1'", "orders"),
        ("UPDATE orders SET flags=7 WHERE client_order_id='order-1'", "orders"),
        ("UPDATE orders SET metadata=NULL, updated_ts_ns='now'", "orders"),
        ("UPDATE positions SET fees=NULL", "positions"),
        ("UPDATE keys SET client_order_id=NULL", "keys"),
    ],
)
def test_a_row_of_other_columns_is_named(path: Path, sql: str, table: str) -> None:
    loosen(path, sql)
    with SqliteJournal(path, read_only=True) as journal:
        found = check_tables(journal, "main")
    assert (found.state, found.differences[0].table) == (TablesState.DIFFER, table)
    told(read_views, path)
    rebuild(path)
    assert not verify(path)


def test_a_head_of_the_tables_that_is_no_number_is_told(path: Path) -> None:
    loosen(path, "UPDATE projection_heads SET sequence='order-1'")
    for act in (read_views, trade):
        with pytest.raises(NotAJournal, match="is damaged: a row is not what its table holds"):
            act(path)
