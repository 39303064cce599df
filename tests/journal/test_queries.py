"""What the projection tables show, by the views, by a shell, and after a rebuild."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from execore.journal.protocol import NO_CHANGES, Changes, FillChange
from execore.journal.rows import (
    EVENT_COLUMNS,
    FILL_COLUMNS,
    KEY_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    change_row,
)
from execore.journal.sqlite import SqliteJournal
from execore.journal.sqlite_reader import FIND
from execore.journal.sqlite_schema import CHANGE_FILL, DISCLOSE_FILLS, MOVE_FILLS, PROJECTION_TABLES
from execore.model.errors import JournalError
from execore.model.events import OrderReowned, Trade, TradeCancelled, TradeCorrected
from execore.model.keys import KeyKind
from execore.model.money import ZERO
from execore.model.orders import order_to_dict
from execore.model.vocabulary import OrderState, Side
from execore.testing.journal_contract import BOOK, created, lifecycle, opened, order_id, position, record
from execore.views import queries


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        opened(journal, orders=3)
        yield journal


def test_a_row_is_what_every_output_makes_of_the_order(journal: SqliteJournal) -> None:
    order = lifecycle(4, 11)[1].orders[0]
    shown = replace(
        order,
        venue_order_id="",
        filled=Decimal(0),
        notional=Decimal(0),
        reason="late",
        external=True,
        held=True,
    )
    for changed in (order, shown, replace(order, closed_from=OrderState.FILLED)):
        journal.write_projections(BOOK, 10, Changes(orders=[changed]))
        expected = {**order_to_dict(changed), "book": BOOK}
        view = queries.order(journal, book=BOOK, client_order_id=order_id(4))
        assert view == expected
        assert list(view) == list(expected)


def test_an_order_has_the_documented_shape(journal: SqliteJournal) -> None:
    view = queries.order(journal, book=BOOK, client_order_id=order_id(1))
    assert view == {
        "client_order_id": order_id(1),
        "venue_order_id": "V1",
        "symbol": "BTC-USD",
        "side": "buy",
        "quantity": "1.5",
        "filled": "1.5",
        "leaves": "0",
        "average_price": "100.25",
        "state": "FILLED",
        "ord_status": "filled",
        "flags": [],
        "book": "main",
        "order_type": "limit",
        "price": "100.25",
        "stop_price": None,
        "time_in_force": "gtc",
        "expire_ts_ns": None,
        "strategy": "alpha",
        "metadata": {"desk": "café"},
        "reason": "",
        "closed_from": None,
        "created_ts_ns": 1_700_000_000_000_002_000,
        "updated_ts_ns": 1_700_000_000_000_004_000,
    }
    assert list(view)[:11][-1] == "flags"


def test_an_order_without_fills_has_flags_and_no_average(journal: SqliteJournal) -> None:
    order = lifecycle(4, 11)[1].orders[0]
    order = replace(
        order, filled=Decimal(0), notional=Decimal(0), external=True, conflict=True, venue_order_id=""
    )
    journal.append(BOOK, 10, [record(11, created(4))], Changes(orders=[order]))
    view = queries.order(journal, book=BOOK, client_order_id=order_id(4))
    assert view is not None
    assert (view["average_price"], view["leaves"], view["state"]) == (None, "1.5", "ACKNOWLEDGED")
    assert view["flags"] == ["external", "conflict"]


def test_orders_are_found_by_every_filter(journal: SqliteJournal) -> None:
    opened(journal, orders=1, book="other")
    assert len(list(queries.orders(journal))) == 4
    assert [view["client_order_id"] for view in queries.orders(journal, book=BOOK)] == [
        order_id(1),
        order_id(2),
        order_id(3),
    ]
    fits = {"state": "FILLED", "symbol": "BTC-USD", "strategy": "alpha"}
    for name, value in fits.items():
        assert len(list(queries.orders(journal, book="other", **{name: value}))) == 1
        assert list(queries.orders(journal, book="other", **{name: "none such"})) == []


def test_an_order_is_found_by_the_venues_id(journal: SqliteJournal) -> None:
    found = queries.order(journal, book=BOOK, venue_order_id="V2")
    assert found is not None
    assert found["client_order_id"] == order_id(2)
    assert queries.order(journal, book=BOOK, venue_order_id="V9") is None


@pytest.mark.parametrize(
    ("index", "look_up"),
    [
        ("events_by_order", lambda journal: journal.read_order(BOOK, order_id(2))),
        ("fills_by_order", lambda journal: queries.fills(journal, book=BOOK, client_order_id=order_id(2))),
        ("orders_by_venue_id", lambda journal: [queries.order(journal, book=BOOK, venue_order_id="V2")]),
        (
            "PRIMARY KEY (book=? AND client_order_id=?)",
            lambda journal: [queries.order(journal, book=BOOK, client_order_id=order_id(2))],
        ),
        ("PRIMARY KEY (book=? AND sequence>?)", lambda journal: journal.read(BOOK, 5)),
        ("PRIMARY KEY (book=?)", lambda journal: [journal.head(BOOK)]),
        ("events_by_order (book>?)", lambda journal: journal.books()),
    ],
)
def test_lookups_use_their_index(
    journal: SqliteJournal, index: str, look_up: Callable[[SqliteJournal], Iterable[object]]
) -> None:
    statements: list[tuple[str, Any]] = []

    def trace(_: object, sql: str, bindings: Any) -> bool:
        statements.append((sql, bindings))
        return True

    journal._connection.exec_trace = trace
    assert list(look_up(journal))
    journal._connection.exec_trace = None
    plans = [list(journal.select(f"EXPLAIN QUERY PLAN {sql}", bindings)) for sql, bindings in statements]
    steps = [step[3] for plan in plans for step in plan]
    assert any(index in step for step in steps), steps
    assert not any(step.startswith(("SCAN events", "SCAN orders", "SCAN fills")) for step in steps), steps


def test_fills_and_positions(journal: SqliteJournal) -> None:
    assert [view["sequence"] for view in queries.fills(journal, book=BOOK)] == [4, 7, 10]
    assert list(queries.fills(journal, client_order_id=order_id(2))) == [
        {
            "book": "main",
            "sequence": 7,
            "client_order_id": order_id(2),
            "venue_order_id": "V2",
            "execution_id": "E2",
            "execution_key": "0:E2",
            "symbol": "BTC-USD",
            "side": "buy",
            "quantity": "1.5",
            "price": "100.25",
            "fee": "0.0000001",
            "fee_currency": "USD",
            "position_side": "net",
            "settlement_date": "",
            "lots": [],
            "ts_event_ns": 1_700_000_000_000_007_000,
            "late": False,
            "status": "booked",
        }
    ]
    assert list(queries.positions(journal, book=BOOK)) == [
        {
            "book": "main",
            "symbol": "BTC-USD",
            "position_side": "net",
            "strategy": None,
            "quantity": "4.5",
            "unit": "BTC",
            "average_cost": "33.416666666667",
            "cost_basis": "150.375",
            "realised_pnl": "0",
            "currency": "USD",
            "fees": {},
            "fees_in_kind": "0",
            "flows": {},
            "undisclosed": "0",
            "opened_ts_ns": None,
        }
    ]
    assert list(queries.positions(journal, symbol="none such")) == []


def test_projections_are_cleared_and_rebuilt(journal: SqliteJournal) -> None:
    views = list(queries.orders(journal)), list(queries.fills(journal)), list(queries.positions(journal))
    assert journal.projection_head(BOOK) == 10
    journal.clear_projections(BOOK)
    assert journal.projection_head(BOOK) == 0
    for view in (queries.orders, queries.fills, queries.positions):
        for book in (BOOK, None):
            with pytest.raises(JournalError, match=r"tables of book 'main' lag.*Open the book once"):
                list(view(journal, book=book))
        assert list(view(journal, book="none such")) == []
    assert [list(journal.select(f"SELECT * FROM {table}")) for table in PROJECTION_TABLES] == [[]] * 5
    for number in (1, 2, 3):
        changes = lifecycle(number, number * 3 - 1)[1]
        journal.write_projections(BOOK, number * 3 + 1, changes)
    assert journal.projection_head(BOOK) == 10
    assert views == (
        list(queries.orders(journal)),
        list(queries.fills(journal)),
        list(queries.positions(journal)),
    )


def test_an_append_does_not_hide_that_projections_lag(journal: SqliteJournal) -> None:
    journal.clear_projections(BOOK)
    journal.append(BOOK, 10, [record(11, created(4))], NO_CHANGES)
    assert (journal.projection_head(BOOK), journal.head(BOOK).sequence) == (0, 11)
    assert journal.projection_head("none such") == 0


def test_a_position_row_replaces_the_one_before(journal: SqliteJournal) -> None:
    changes = Changes(positions=[position("BTC-USD", ZERO, realised_pnl=Decimal("-3.5"))])
    journal.append(BOOK, 10, [record(11, created(4))], changes)
    with closing(sqlite3.connect(_closed(journal))) as shell:
        assert shell.execute("SELECT quantity, realised_pnl FROM positions").fetchall() == [("0", "-3.5")]


def _closed(journal: SqliteJournal) -> str:
    journal.close()  # two SQLite libraries in one process must not share a file
    return journal.path


def test_the_fills_of_a_reowned_order_move_and_the_order_goes(journal: SqliteJournal) -> None:
    changes = replace(lifecycle(5, 12)[1], fill_changes=[reowned(1, 5)])
    journal.append(BOOK, 10, [record(11, created(5))], changes)
    assert queries.order(journal, book=BOOK, client_order_id=order_id(1)) is None
    found = queries.fills(journal, book=BOOK, client_order_id=order_id(5))
    assert [view["execution_id"] for view in found] == ["E1", "E5"]
    assert list(queries.fills(journal, book=BOOK, client_order_id=order_id(1))) == []


# --- what becomes of a fill ------------------------------------------------------------------------------

BOOKED = Trade("BTC-USD", Side.BUY, Decimal("1.5"), Decimal("100.25"), Decimal("0.0000001"), "USD")
CORRECTED = Trade("BTC-USD", Side.SELL, Decimal("2"), Decimal("1E+2"), Decimal("-0.5"), "EUR")


def reowned(external: int, owner: int) -> OrderReowned:
    """What the ``external``-th order had is the ``owner``-th's."""
    return OrderReowned(order_id(owner), order_id(external), f"V{external}", Decimal("1.5"), Decimal("150"))


def busted(owner: int, fill: int, was: Trade = BOOKED) -> TradeCancelled:
    """The ``fill``-th order's execution was undone while the ``owner``-th had it."""
    return TradeCancelled(order_id(owner), f"B{fill}", "", f"E{fill}", was)


def corrected(owner: int, fill: int, now: Trade = CORRECTED) -> TradeCorrected:
    """The ``fill``-th order's execution was another."""
    return TradeCorrected(order_id(owner), f"C{fill}", "", f"E{fill}", BOOKED, now)


def shown(journal: SqliteJournal, execution_id: str) -> dict[str, Any]:
    """One fill as the view shows it."""
    return next(view for view in queries.fills(journal) if view["execution_id"] == execution_id)


def test_a_corrected_fill_shows_its_terms_and_a_cancelled_one_its_last(journal: SqliteJournal) -> None:
    before = [shown(journal, "E1"), shown(journal, "E2"), shown(journal, "E3")]
    journal.write_projections(BOOK, 10, Changes(fill_changes=[corrected(1, 1), busted(2, 2)]))
    terms = {"side": "sell", "quantity": "2", "price": "100", "fee": "-0.5", "fee_currency": "EUR"}
    assert shown(journal, "E1") == before[0] | terms | {"status": "corrected"}
    assert shown(journal, "E2") == before[1] | {"status": "cancelled"}
    assert shown(journal, "E3") == before[2]
    journal.write_projections(BOOK, 10, Changes(fill_changes=[busted(1, 1, CORRECTED)]))
    assert shown(journal, "E1") == before[0] | terms | {"status": "cancelled"}


def test_a_fill_known_by_a_total_alone_is_provisional_until_it_is_replaced(journal: SqliteJournal) -> None:
    records, changes = lifecycle(4, 11)
    row = changes.fills[0]
    by_total = replace(row, fill=replace(row.fill, cumulative=True))
    journal.append(BOOK, 10, records, replace(changes, fills=[by_total]))
    assert shown(journal, "E4")["status"] == "provisional"
    rest = replace(corrected(4, 4, replace(BOOKED, quantity=Decimal("0.5"))), replaced=True)
    journal.write_projections(BOOK, 13, Changes(fill_changes=[rest]))
    assert (shown(journal, "E4")["quantity"], shown(journal, "E4")["status"]) == ("0.5", "provisional")
    journal.write_projections(BOOK, 13, Changes(fill_changes=[replace(busted(4, 4), replaced=True)]))
    assert shown(journal, "E4")["status"] == "cancelled"


@pytest.mark.parametrize(
    "happened",
    [
        [busted(4, 4), reowned(4, 5), corrected(5, 5)],
        [corrected(5, 5), reowned(4, 5), busted(5, 4)],
        [reowned(4, 6), corrected(5, 5), reowned(6, 5), busted(5, 4)],
    ],
    ids=["undone, then moved", "moved, then undone", "moved twice, then undone"],
)
def test_a_fill_is_booked_moved_and_undone_in_one_commit(
    journal: SqliteJournal, happened: list[FillChange]
) -> None:
    first, second = lifecycle(4, 11), lifecycle(5, 14)
    fills = [*first[1].fills, *second[1].fills]
    changes = replace(second[1], fills=fills, fill_changes=happened)
    journal.append(BOOK, 10, [*first[0], *second[0]], changes)
    found = queries.fills(journal, book=BOOK, client_order_id=order_id(5))
    assert {view["execution_id"]: view["status"] for view in found} == {
        "E4": "cancelled",
        "E5": "corrected",
    }
    assert shown(journal, "E1")["status"] == "booked"


@pytest.mark.parametrize(
    ("sql", "parameters", "index"),
    [
        (CHANGE_FILL, change_row(BOOK, busted(1, 1)), "fills_by_execution (book=? AND execution_key=?)"),
        (MOVE_FILLS, (order_id(2), BOOK, order_id(1)), "fills_by_order (book=? AND client_order_id=?)"),
        (
            DISCLOSE_FILLS,
            ("buy", 7, BOOK, order_id(1)),
            "fills_by_order (book=? AND client_order_id=?)",
        ),
    ],
    ids=["changed", "moved", "disclosed"],
)
def test_fills_are_changed_and_moved_by_their_index(
    journal: SqliteJournal, sql: str, parameters: Sequence[object], index: str
) -> None:
    plan = [step[3] for step in journal.select(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert plan == [f"SEARCH fills USING INDEX {index}"]


@pytest.mark.parametrize("kind", FIND)
def test_keys_are_looked_up_by_index(journal: SqliteJournal, kind: KeyKind) -> None:
    plan = [step[3] for step in journal.select(f"EXPLAIN QUERY PLAN {FIND[kind]}", (BOOK, '["E1"]'))]
    assert {step.split()[1] for step in plan if step.startswith("SCAN")} == {"asked"}
    searched = [step for step in plan if step.startswith("SEARCH")]
    assert [step.split()[1] for step in searched] == [TABLES[kind], "keys"]
    assert all("book=? AND" in step for step in searched)


TABLES = {KeyKind.ORDER: "orders", KeyKind.VENUE_ORDER: "orders", KeyKind.EXECUTION: "fills"}


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("events", EVENT_COLUMNS),
        ("orders", ORDER_COLUMNS),
        ("fills", (*FILL_COLUMNS, "disclosed_sequence")),
        ("positions", POSITION_COLUMNS),
        ("keys", KEY_COLUMNS),
    ],
)
def test_rows_are_in_the_order_of_the_columns_of_their_table(
    journal: SqliteJournal, table: str, columns: tuple[str, ...]
) -> None:
    """Rows are inserted by place, without naming columns."""
    there = journal.select("SELECT name FROM pragma_table_info(?)", (table,))
    assert tuple(name for (name,) in there) == columns
