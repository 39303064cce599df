"""What the projection tables show, by the views, by a shell, and after a rebuild."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from execore.journal.protocol import NO_CHANGES, Changes
from execore.journal.sqlite import SqliteJournal
from execore.model.money import ZERO
from execore.model.orders import order_to_dict
from execore.model.vocabulary import OrderState
from execore.testing.journal_contract import BOOK, created, lifecycle, opened, order_id, position, record
from execore.views import queries


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db") as journal:
        opened(journal, orders=3)
        yield journal


def test_a_row_is_what_every_output_makes_of_the_order(journal: SqliteJournal) -> None:
    order = lifecycle(4, 11)[1].orders[0]
    shown = msgspec.structs.replace(
        order,
        venue_order_id="",
        filled=Decimal(0),
        notional=Decimal(0),
        reason="late",
        external=True,
        held=True,
    )
    for changed in (order, shown, msgspec.structs.replace(order, closed_from=OrderState.FILLED)):
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
    order = msgspec.structs.replace(
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
    for plan in plans:
        assert any(index in step[3] for step in plan), plan
        assert not any(step[3].startswith("SCAN events") for step in plan), plan


def test_fills_and_positions(journal: SqliteJournal) -> None:
    assert [view["sequence"] for view in queries.fills(journal, book=BOOK)] == [4, 7, 10]
    assert list(queries.fills(journal, client_order_id=order_id(2))) == [
        {
            "book": "main",
            "sequence": 7,
            "client_order_id": order_id(2),
            "venue_order_id": "V2",
            "execution_id": "E2",
            "execution_key": "main|E2",
            "symbol": "BTC-USD",
            "side": "buy",
            "quantity": "1.5",
            "price": "100.25",
            "fee": "0.0000001",
            "fee_currency": "USD",
            "ts_event_ns": 1_700_000_000_000_007_000,
            "late": False,
        }
    ]
    assert list(queries.positions(journal, book=BOOK)) == [
        {
            "book": "main",
            "symbol": "BTC-USD",
            "quantity": "4.5",
            "unit": "BTC",
            "average_cost": "33.416666666667",
            "cost_basis": "150.375",
            "realised_pnl": "0",
            "currency": "USD",
            "fees": {},
            "fees_in_kind": "0",
            "undisclosed": "0",
        }
    ]
    assert list(queries.positions(journal, symbol="none such")) == []


def test_projections_are_cleared_and_rebuilt(journal: SqliteJournal) -> None:
    views = list(queries.orders(journal)), list(queries.fills(journal)), list(queries.positions(journal))
    assert journal.projection_head(BOOK) == 10
    journal.clear_projections(BOOK)
    assert journal.projection_head(BOOK) == 0
    assert (
        list(queries.orders(journal))
        == list(queries.fills(journal))
        == list(queries.positions(journal))
        == []
    )
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
    changes = msgspec.structs.replace(lifecycle(5, 12)[1], reowned=[(order_id(1), order_id(5))])
    journal.append(BOOK, 10, [record(11, created(5))], changes)
    assert queries.order(journal, book=BOOK, client_order_id=order_id(1)) is None
    found = queries.fills(journal, book=BOOK, client_order_id=order_id(5))
    assert [view["execution_id"] for view in found] == ["E1", "E5"]
    assert list(queries.fills(journal, book=BOOK, client_order_id=order_id(1))) == []
