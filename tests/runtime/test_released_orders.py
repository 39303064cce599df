"""Orders that left memory, met again by a running book: what is old stays old, whatever it comes with."""

from pathlib import Path
from typing import Any

import pytest

from execore import Book, SqliteJournal, open_book
from execore.model.answers import Outcome
from execore.model.errors import InvalidInput
from execore.model.reports import FillReport, TradeCancelReport
from runtime_support.trading import BITCOIN, START_NS, ScriptedVenue, order, ticking

OLD = 30


@pytest.fixture(autouse=True)
def _small_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("execore.runtime.writer.KEPT_ENDED", 2)


def filled(number: int) -> FillReport:
    terms: dict[str, Any] = {"quantity": "1", "price": "100", "side": "buy"}
    return FillReport(**_named(number), **terms, execution_id=f"E{number}")


def _named(number: int) -> dict[str, Any]:
    named = {"client_order_id": f"order-{number}", "venue_order_id": f"V{number}"}
    return {"ts_ns": START_NS, "symbol": "BTC-USD"} | named


def traded(path: Path, venue: ScriptedVenue | None = None) -> Book:
    """A book of ``OLD`` orders that were filled, of which memory has two."""
    book = open_book(SqliteJournal(path), instruments=[BITCOIN], clock=ticking(), venue=venue)
    for number in range(OLD):
        book.submit(order(number))
        book.apply([filled(number)])
    assert len(book.orders) == 2
    return book


def test_old_fills_are_not_booked_again_though_a_bust_divides_the_batch(tmp_path: Path) -> None:
    """What was recalled for a batch stays for all of it; a bust commits what is before it."""
    book = traded(tmp_path / "book.db")
    book.submit(order(OLD))
    bust = TradeCancelReport(**_named(OLD), execution_ref_id=f"E{OLD}", execution_id="B1")
    answers = book.apply([filled(OLD), bust, *map(filled, range(OLD))])
    assert [answer.outcome for answer in answers[2:]] == [Outcome.ALREADY_DONE] * OLD
    assert book.positions.position("BTC-USD").quantity == OLD
    assert not any(known.external for known in book.orders)


def test_an_old_order_is_not_sent_again_though_a_bust_divides_the_batch(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    book = traded(tmp_path / "book.db", venue)
    venue.sent.clear()
    venue.reports += [
        filled(OLD - 1),
        TradeCancelReport(**_named(OLD - 1), execution_ref_id=f"E{OLD - 1}", execution_id="B1"),
        *map(filled, range(OLD - 1)),
    ]
    answers = book.submit_all([order(0), order(1)])
    assert [answer.outcome for answer in answers] == [Outcome.ALREADY_DONE] * 2
    assert [kind for kind in venue.kinds() if kind == "SendOrder"] == []


def test_more_orders_in_one_answer_than_memory_keeps_are_answered(tmp_path: Path) -> None:
    venue = ScriptedVenue()
    book = open_book(SqliteJournal(tmp_path / "b.db"), instruments=[BITCOIN], venue=venue)
    book.submit_all([order(number) for number in range(10)])
    book.apply([filled(number) for number in range(10)])
    answers = book.submit_all([order(number) for number in range(10)])
    assert [answer.order is not None for answer in answers] == [True] * 10
    assert {answer.outcome for answer in answers} == {Outcome.ALREADY_DONE}


def test_what_is_only_asked_about_leaves_memory_again(tmp_path: Path) -> None:
    """Nothing is recorded of a duplicate, so there is no commit after which it could leave."""
    book = traded(tmp_path / "book.db")
    head = book.head
    for number in range(OLD):
        book.apply([filled(number)])
    assert book.head == head
    assert len(book.orders) == 2


@pytest.mark.parametrize("bad", ["\ud800", ["order-1"], object()])
def test_an_id_that_is_no_text_is_refused_also_once_orders_have_left_memory(tmp_path: Path, bad: Any) -> None:
    book = traded(tmp_path / "book.db")
    with pytest.raises(InvalidInput):
        book.release(bad)
    with pytest.raises(InvalidInput):
        book.find_order(bad)
    assert book.submit(order(OLD)).ok
