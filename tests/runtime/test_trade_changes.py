"""Busts and corrections on a book: durable, shown by every table, and the same after a restart."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execore import Book, Outcome, SqliteJournal, open_book
from execore.cli.main import app
from execore.core import invariants
from execore.model.reports import (
    AcknowledgeReport,
    FillReport,
    TradeCancelReport,
    TradeCorrectReport,
    VenueReport,
)
from execore.views import queries
from runtime_support.tables import assert_projected, assert_rebuilt_the_same, dump
from runtime_support.trading import BITCOIN, START_NS, order, ticking


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "book.db") as journal:
        yield journal


def traded(file: SqliteJournal, *reports: VenueReport, orders: int = 1) -> Book:
    """A book with orders that the venue reports on, each report committed alone."""
    book = open_book(file, instruments=[BITCOIN], clock=ticking())
    book.submit_all([order(number) for number in range(1, orders + 1)])
    for report in reports:
        book.apply([report])
    return book


def named(number: int = 1, **terms: Any) -> dict[str, Any]:
    """What every report on the ``number``-th order says."""
    return {"ts_ns": START_NS, "client_order_id": f"order-{number}", "venue_order_id": f"V{number}"} | terms


def strangers(venue_order_id: str) -> dict[str, Any]:
    """What a report says that names an order by the venue's id alone."""
    return named(client_order_id="", venue_order_id=venue_order_id, symbol="BTC-USD")


def acknowledged(number: int = 1, **terms: Any) -> AcknowledgeReport:
    return AcknowledgeReport(**named(number, **terms))


def filled(execution_id: str = "E1", quantity: str = "0.5", price: str = "100", **terms: Any) -> FillReport:
    fee: dict[str, Any] = {"fee": "0.1", "fee_currency": "USD"}
    told = {"execution_id": execution_id, "quantity": quantity, "price": price}
    return FillReport(**(named() | fee | told | terms))


def busted(execution_ref_id: str = "E1", execution_id: str = "B1", **terms: Any) -> TradeCancelReport:
    return TradeCancelReport(**named(execution_ref_id=execution_ref_id, execution_id=execution_id, **terms))


def corrected(
    quantity: str, price: str, execution_ref_id: str = "E1", execution_id: str = "C1", **terms: Any
) -> TradeCorrectReport:
    told: dict[str, Any] = {"quantity": quantity, "price": price, "execution_id": execution_id}
    return TradeCorrectReport(**named(execution_ref_id=execution_ref_id, **told, **terms))


def money(book: Book) -> dict[str, Any]:
    """What the books say."""
    return {"positions": book.positions.to_dict(), "cash": book.positions.cash()}


def fills(file: SqliteJournal) -> list[tuple[Any, ...]]:
    """Each fill as it is shown: its order, id, terms and status."""
    names = ("client_order_id", "execution_id", "side", "quantity", "price", "fee", "status")
    return [tuple(view[name] for name in names) for view in queries.fills(file)]


def test_a_bust_leaves_the_books_as_if_it_had_never_been_filled(file: SqliteJournal, tmp_path: Path) -> None:
    book = traded(file, acknowledged(), filled(), filled("E2", "0.25", "101"), busted())
    with SqliteJournal(tmp_path / "never.db") as never:
        assert money(book) == money(traded(never, acknowledged(), filled("E2", "0.25", "101")))
    assert fills(file) == [
        ("order-1", "E1", "buy", "0.5", "100", "0.1", "cancelled"),
        ("order-1", "E2", "buy", "0.25", "101", "0.1", "booked"),
    ]
    assert_projected(file, book)


def test_a_correction_of_a_correction_shows_the_terms_that_hold(file: SqliteJournal) -> None:
    chain = [
        corrected("0.75", "102"),
        corrected("0.25", "103", execution_ref_id="C1", execution_id="C2", fee="0.3", fee_currency="USD"),
    ]
    book = traded(file, acknowledged(), filled(), *chain)
    assert fills(file) == [("order-1", "E1", "buy", "0.25", "103", "0.3", "corrected")]
    assert_projected(file, book)
    book.apply([busted("C2")])
    assert fills(file) == [("order-1", "E1", "buy", "0.25", "103", "0.3", "cancelled")]
    assert_projected(file, book)


def test_what_a_total_alone_told_gives_way_to_the_executions(file: SqliteJournal) -> None:
    by_total = filled("", "0.5", cumulative_quantity="0.5", fee="0")
    book = traded(file, acknowledged(), by_total)
    assert [row[-1] for row in fills(file)] == ["provisional"]
    for execution, quantity, expected in (
        ("E1", "0.2", [("0.3", "provisional"), ("0.2", "booked")]),
        ("E2", "0.3", [("0.3", "cancelled"), ("0.2", "booked"), ("0.3", "booked")]),
    ):
        book.apply([filled(execution, quantity)])
        assert [(quantity, status) for _, _, _, quantity, _, _, status in fills(file)] == expected
        assert_projected(file, book)


REOWNED: list[VenueReport] = [
    filled("E1", **strangers("V1"), side="buy"),
    filled("E2", "0.2", **strangers("V1"), side="buy"),
    busted("E1", "B1"),
    corrected("0.3", "99", "E2", "C1"),
    acknowledged(),  # and now it turns out that they were order-1's
    corrected("0.4", "98", "C1", "C2"),
    filled("E3", "0.1"),
    busted("E3", "B3"),
]


@pytest.mark.parametrize("size", [1, 2, 3, len(REOWNED)])
def test_executions_change_before_and_after_they_change_hands(file: SqliteJournal, size: int) -> None:
    book = traded(file)
    for first in range(0, len(REOWNED), size):
        book.apply(REOWNED[first : first + size])
        assert_projected(file, book)
        assert_rebuilt_the_same(file, book)
    assert fills(file) == [
        ("order-1", "E1", "buy", "0.5", "100", "0.1", "cancelled"),
        ("order-1", "E2", "buy", "0.4", "98", "0.1", "corrected"),
        ("order-1", "E3", "buy", "0.1", "100", "0.1", "cancelled"),
    ]


def test_a_bust_that_comes_before_its_execution_undoes_it_in_the_same_commit(file: SqliteJournal) -> None:
    book = traded(file, acknowledged(), busted())
    assert fills(file) == []
    book.apply([filled()])
    assert fills(file) == [("order-1", "E1", "buy", "0.5", "100", "0.1", "cancelled")]
    assert_projected(file, book)
    assert_rebuilt_the_same(file, book)


def test_a_book_opened_again_is_as_it_was(file: SqliteJournal) -> None:
    book = traded(file, acknowledged(2), *REOWNED, busted("E9", "B9", **named(2)), orders=2)
    before = (book.orders.to_dict(), money(book), book.head, dump(file))
    again = open_book(file, instruments=[BITCOIN], clock=ticking())
    invariants.check(again._writer.state)
    assert (again.orders.to_dict(), money(again), again.head, dump(file)) == before
    for report in REOWNED:
        (answer,) = again.apply([report])
        assert answer.outcome in (Outcome.ALREADY_DONE, Outcome.IGNORED), report
    (waiting,) = again.apply([filled("E9", "0.1", **named(2))])
    assert waiting.outcome is Outcome.APPLIED
    assert fills(file)[-1] == ("order-2", "E9", "buy", "0.1", "100", "0.1", "cancelled")
    assert_projected(file, again)


def random_reports(chance: random.Random, count: int) -> Iterator[VenueReport]:
    """Reports on three orders of ours and a stranger's, in any order and with any reference."""
    told = ["E0"]
    for number in range(1, count + 1):
        which = chance.randint(1, 4)
        by_id = named(which) if which < 4 and chance.random() < 0.4 else strangers(f"V{which}")
        size, price = f"0.{chance.randint(1, 9)}", str(chance.randint(95, 105))
        side: Any = chance.choice(["buy", "sell", None, None])
        kind = chance.randint(0, 5)
        if kind == 0:
            total: Any = chance.choice([None, f"1.{chance.randint(0, 9)}"])
            yield AcknowledgeReport(**by_id, cumulative_quantity=total, side=side)
        elif kind == 1:
            total = f"{chance.randint(0, 2)}.{chance.randint(1, 9)}"
            yield filled("", size, price, **by_id, cumulative_quantity=total, side=side)
        elif kind <= 3:
            told.append(f"E{number}")
            yield filled(told[-1], size, price, **by_id, side=side)
        elif kind == 4:
            yield busted(chance.choice(told), chance.choice(["", f"B{number}"]), **by_id)
        else:
            told.append(f"C{number}")
            fee: dict[str, Any] = chance.choice([{}, {"fee": "0.7", "fee_currency": "USD"}])
            yield corrected(size, price, chance.choice(told[:-1]), told[-1], **by_id, **fee, side=side)


@pytest.mark.parametrize("seed", range(30))
def test_the_tables_written_are_those_rebuilt_whatever_comes(file: SqliteJournal, seed: int) -> None:
    chance = random.Random(seed)
    book = traded(file, orders=3)
    reports = list(random_reports(chance, 60))
    while reports:
        size = chance.randint(1, 6)
        book.apply(reports[:size])
        del reports[:size]
        assert_projected(file, book)
        assert_rebuilt_the_same(file, book)
        invariants.check(book._writer.state)


# --- what people see ------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with a bust, a correction, and what they leave."""
    path = tmp_path / "book.db"
    with SqliteJournal(path) as journal:
        change = corrected("0.1", "99", "E2", "C1")
        traded(journal, acknowledged(), filled(), filled("E2", "0.2"), busted(), change)
    return path


def printed(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    stdout: str = result.stdout
    return stdout


def test_the_command_line_shows_what_became_of_a_fill(path: Path) -> None:
    rows = [json.loads(line) for line in printed("fills", "--journal", path, "--json").splitlines()]
    assert [(row["execution_id"], row["status"]) for row in rows] == [
        ("E1", "cancelled"),
        ("E2", "corrected"),
    ]
    table = printed("fills", "--journal", path)
    assert all(word in table for word in ("status", "cancelled", "corrected"))
    (position,) = [
        json.loads(line) for line in printed("positions", "--journal", path, "--json").splitlines()
    ]
    assert (position["quantity"], position["cost_basis"], position["fees"]) == ("0.1", "9.9", {"USD": "0.1"})
    (found,) = [json.loads(line) for line in printed("orders", "--journal", path, "--json").splitlines()]
    assert (found["filled"], found["leaves"], found["average_price"]) == ("0.1", "0.9", "99")


def test_the_trail_says_what_was_and_what_is(path: Path) -> None:
    views = [json.loads(line) for line in printed("audit", "show", "--journal", path, "--json").splitlines()]
    details = {view["type"]: view["detail"] for view in views}
    was = "was=(symbol=BTC-USD side=buy quantity=0.5 price=100 fee=0.1 fee_currency=USD)"
    assert details["trade_cancelled"].startswith(
        f"execution_id=B1 execution_ref_id=E1 {was} postings=(source="
    )
    assert "now=(symbol=BTC-USD side=buy quantity=0.1 price=99" in details["trade_corrected"]
    assert not any("{" in detail or "[" in detail for detail in details.values())
