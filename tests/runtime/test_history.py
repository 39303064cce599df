"""A history into a book: whole lines, once each, and what cannot be is refused by itself."""

import io
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from books_support.compare import differences
from books_support.random_history import History, random_history
from books_support.real_books import RealBooks, seen_of
from execore import Book, MemoryJournal, SqliteJournal, open_book
from execore.importing.json_lines import read_json_lines
from execore.runtime import history
from execore.runtime.history import Imported, import_history
from execore.runtime.table_check import check_tables

TIME = "2026-01-05T14:30:00Z"
SHARE = {"type": "instrument", "symbol": "ACME", "kind": "equity", "currency": "USD"}
INVERSE = SHARE | {"symbol": "XBTUSD", "kind": "inverse", "settlement_currency": "BTC"}
BUY = {
    "type": "fill", "id": "1", "time": TIME, "symbol": "ACME", "side": "buy", "quantity": "10", "price": "5"
}  # fmt: skip


def told(lines: Iterable[dict[str, Any]]) -> io.BytesIO:
    return io.BytesIO(b"\n".join(json.dumps(line).encode() for line in lines))


def imported(book: Book, *lines: dict[str, Any]) -> Imported:
    return import_history(book, read_json_lines(told(lines)))


def codes(result: Imported) -> list[tuple[int, str]]:
    return [(one.number, one.code) for one in result.refused]


@pytest.mark.parametrize("seed", range(6))
def test_a_random_history_comes_to_the_same_through_a_journal_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """In small commits, with orders leaving memory; then a second time, and once more after a restart."""
    monkeypatch.setattr(history, "COMMIT_SIZE", 7)
    random: History = random_history(seed)
    apart = RealBooks(random.method, random.mode)
    for line in random.lines:
        apart.take(line)
    with SqliteJournal(tmp_path / "book.db") as journal:
        how: dict[str, Any] = {"cost_method": random.method, "position_mode": random.mode}
        book = open_book(journal, **how)
        first = imported(book, *random.lines)
        assert first.refused == []
        assert differences(apart.seen(), seen_of(book._writer.state)) == []
        head = book.head
        dated = [line for line in random.lines if line["type"] not in ("mark", "rate", "instrument", "fee")]
        fills = [line for line in dated if line["type"] not in ("bust", "correction")]
        again = imported(book, *fills)
        assert (again.known, book.head) == (len(fills), head)
        assert check_tables(journal, "main").differences == ()
        reopened = open_book(journal, **how)
        assert differences(apart.seen(), seen_of(reopened._writer.state)) == []


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("another symbol", BUY | {"id": "2", "symbol": "NONE"}, "unknown_instrument"),
    ("another content", BUY | {"price": "6"}, "duplicate_execution"),
    ("an impossible price", BUY | {"id": "2", "symbol": "XBTUSD", "price": "0"}, "invalid_price"),
    ("lots in an average book", BUY | {"id": "2", "lots": [{"lot": "1", "quantity": "1"}]}, "invalid_input"),
    ("a bust of nothing", {"type": "bust", "time": TIME, "execution": "9"}, "unknown_execution"),
    ("a fee of nothing", {"type": "fee", "time": TIME, "execution": "9", "fee": "1", "fee_currency": "USD"},
     "unknown_execution"),
    ("more than is held", {"type": "transfer", "id": "t", "time": TIME, "symbol": "ACME", "quantity": "-11"},
     "invalid_quantity"),
    ("an end of nothing", {"type": "closing", "id": "c", "time": TIME, "symbol": "XBTUSD", "reason": "expiry",
      "price": "1"}, "invalid_quantity"),
    ("an exercise of a share", {"type": "exercise", "id": "e", "time": TIME, "symbol": "ACME"},
     "invalid_input"),
    ("a split of an unknown symbol", {"type": "split", "id": "s", "time": TIME, "symbol": "NONE", "new": "2",
      "old": "1"}, "unknown_instrument"),
    ("a mark of an unknown symbol", {"type": "mark", "time": TIME, "symbol": "NONE", "price": "1"},
     "unknown_instrument"),
    ("a negative multiplier", SHARE | {"symbol": "B", "multiplier": "-1"}, "invalid_number"),
    ("another currency of a symbol", SHARE | {"currency": "EUR"}, "invalid_input"),
    ("an adjustment that leaves a cost of nothing", {"type": "adjustment", "id": "a", "time": TIME,
      "reason": "r", "actor": "me", "symbol": "ACME", "quantity": "-10", "cost": "0"}, "invalid_input"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused_as_a_whole_and_the_next_line_is_taken(
    line: dict[str, Any], code: str
) -> None:
    book = open_book(MemoryJournal())
    assert codes(imported(book, SHARE, INVERSE, BUY)) == []
    before = book.positions.to_balances()
    result = imported(book, line, BUY | {"id": "99", "quantity": "1"})
    assert codes(result) == [(1, code)]
    assert result.refused[0].next_step or code == "unknown_instrument"
    assert book.positions.position("ACME").quantity == 11
    assert book.positions.instruments() == list(before.instruments), "nothing was booked of it"
    assert not any(book.positions.trial_balance().values())


def test_an_entry_again_is_known_and_another_of_its_id_is_refused() -> None:
    book = open_book(MemoryJournal())
    flow = {
        "type": "cash_flow",
        "id": "f",
        "time": TIME,
        "flow": "interest",
        "currency": "USD",
        "amount": "5",
    }
    result = imported(book, flow, flow, flow | {"amount": "6"}, flow | {"amount": "5.0"})
    assert (result.known, codes(result)) == (2, [(3, "duplicate_entry_id")])
    assert book.positions.cash() == {"USD": 5}


def test_ids_are_known_that_memory_has_let_go_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("execore.runtime.writer.KEPT_ENDED", 0)
    with SqliteJournal(tmp_path / "book.db") as journal:
        book = open_book(journal)
        flows = [
            {"type": "transfer", "id": f"d{n}", "time": TIME, "currency": "USD", "amount": str(n)}
            for n in range(1, 30)
        ]
        imported(book, *flows)
        assert book._writer.state.entries == {}
        again = imported(book, *flows, flows[3] | {"amount": "1000"})
        assert (again.known, codes(again)) == (29, [(30, "duplicate_entry_id")])
        assert book.positions.cash()["USD"] == Decimal(sum(range(1, 30)))


def test_fills_without_an_order_are_gathered_by_day_side_and_strategy() -> None:
    book = open_book(MemoryJournal())
    lines = [
        BUY,
        BUY | {"id": "2"},
        BUY | {"id": "3", "side": "sell"},
        BUY | {"id": "4", "strategy": "alpha"},
        BUY | {"id": "5", "time": "2026-01-06T14:30:00Z"},
        BUY | {"id": "6", "order_id": "V7"},
    ]
    imported(book, SHARE, *lines)
    filled = sorted(
        (order.venue_order_id, int(order.filled), order.request.strategy) for order in book.orders
    )
    assert filled == [
        ("V7", 10, ""),
        ("history:2026-01-05:buy", 20, ""),
        ("history:2026-01-05:buy::alpha", 10, "alpha"),
        ("history:2026-01-05:sell", 10, ""),
        ("history:2026-01-06:buy", 10, ""),
    ]
