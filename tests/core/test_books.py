"""The books without the orders are the books with them, whatever happens."""

from decimal import Decimal
from typing import Any

import pytest

from core_support.desk import BITCOIN, FUTURE
from core_support.random_book import Traffic
from core_support.random_money import instrument, order
from execore.core import books as books_module
from execore.core.attribution import DIMENSIONS, Attribution
from execore.core.books import DATED, RELEVANT, Books, Step, fold
from execore.core.engine import open_book, step
from execore.core.valuation import value
from execore.model import events
from execore.model.errors import ChainBroken, InvalidInput
from execore.model.orders import OrderRequest
from execore.model.trades import Trade
from execore.model.vocabulary import CostMethod, Side


@pytest.mark.parametrize("seed", range(30))
def test_they_hold_what_the_whole_state_holds(seed: int) -> None:
    methods = list(CostMethod)
    state, opened = open_book("b", methods[seed % len(methods)], 0)
    asked: dict[str, OrderRequest] = {}
    books = Books(asked.get)
    books.apply(opened, 0)
    first: list[events.AnyEvent] = [
        *(events.InstrumentDefined(one) for one in (BITCOIN, FUTURE)),
        *(events.MarkSet(one.symbol, Decimal(7)) for one in (BITCOIN, FUTURE)),
        *(events.RateSet(base, "USD", Decimal(3)) for base in ("EUR", "BNB", "USDT")),
    ]
    for event in first:
        state.apply(event, 0)
        books.apply(event, 0)
    attribution = Attribution(books.positions, books.marks, "USD", DIMENSIONS)
    for cause in Traffic(seed, state).inputs(200):
        try:
            told = step(state, cause).events
        except InvalidInput:
            continue
        for event in told:
            if isinstance(event, events.OrderCreated | events.OrderAdopted):
                asked[event.client_order_id] = event.order
            books.apply(event, cause.ts_ns)
            attribution.note(event)
        assert books.positions.to_balances() == state.positions.to_balances()
        assert books.settlements.pending() == state.settlements.pending()
        assert (books.marks.prices, books.trade_date) == (state.marks.prices, state.trade_date)
    assert books.positions.cash()
    explained, valued = attribution.explained(), value(books.positions, books.marks, "USD", 0)
    assert explained.remainder == 0, explained.unconverted
    assert explained.end == valued.equity


def test_a_strategy_that_is_not_remembered_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books_module, "KEPT_STRATEGIES", 2)
    created = {key: order(key, "alpha" if key < "o3" else "beta") for key in ("o1", "o2", "o3", "o4")}
    asked: list[str] = []

    def find(client_order_id: str) -> OrderRequest:
        asked.append(client_order_id)
        return created[client_order_id].order

    books = Books(find)
    books.apply(events.InstrumentDefined(BITCOIN), 0)
    for event in created.values():
        books.apply(event, 0)
    for number, key in enumerate(created):
        books.apply(fill(key, number), 0)
    assert books.positions.position(BITCOIN.symbol, strategy="alpha").quantity == 2
    assert books.positions.position(BITCOIN.symbol, strategy="beta").quantity == 2
    assert "o1" in asked


def fill(key: str, number: int, **more: Any) -> events.FillBooked:
    one = Decimal(1)
    return events.FillBooked(
        key, more.pop("symbol", BITCOIN.symbol), Side.BUY, one, one, f"x{number}", **more
    )


def test_cash_that_settles_later() -> None:
    books = Books()
    books.apply(events.InstrumentDefined(instrument("ACME", "USD")), 0)
    due = "1970-01-05"
    for number in (1, 2):
        books.apply(fill("o1", number, symbol="ACME", settlement_date=due), 0)
    assert books.settlements.pending() == ((due, "USD", Decimal(-2)),)
    was = Trade("ACME", Side.BUY, Decimal(1), Decimal(1), settlement_date=due)
    books.apply(events.TradeCancelled("o1", "c1", "", "x2", was), 0)
    assert books.settlements.pending() == ((due, "USD", Decimal(-1)),)
    books.apply(events.DayStarted(due, 1), 0)
    assert books.settlements.pending() == ((due, "USD", Decimal(-1)),)
    books.apply(events.DayStarted("1970-01-06", 1), 0)
    assert books.settlements.pending() == ()


def test_what_does_not_follow_is_named() -> None:
    books = Books()
    with pytest.raises(ChainBroken, match="record 7 does not follow"):
        fold(books, "main", Step(7, 0, 0, fill("o1", 1, symbol="NOTHING")))
    fold(books, "main", Step(8, 0, 0, None))


def test_only_what_changes_the_books_has_a_date_that_counts() -> None:
    assert set(RELEVANT) > DATED
    assert not DATED & {events.BookOpened, events.InstrumentDefined, events.OrderCreated}
