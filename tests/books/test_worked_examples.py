"""Every worked example, of exchanges, tax guidance and textbooks, through the reader and the books."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest

from books_support.real_books import RealBooks
from books_support.worked_examples import Example, completed, examples
from execore.core.chart_of_accounts import FLOW_ACCOUNTS
from execore.core.position import Position
from execore.model.vocabulary import Flow, PositionSide

EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_books_come_to_what_the_example_says(example: Example) -> None:
    real = RealBooks(example.method, example.mode)
    for line in completed(example):
        real.take(line)
    expect = example.expect
    cash = real.state.positions.cash()
    for currency, amount in expect.get("cash", {}).items():
        assert rounded(cash.get(currency, Decimal(0)), example) == Decimal(amount), currency
    for key, wanted in expect.get("positions", {}).items():
        check(real, example, key, None, wanted)
    for strategy, positions in expect.get("strategies", {}).items():
        for key, wanted in positions.items():
            check(real, example, key, strategy, wanted)
    for key, lots in expect.get("lots", {}).items():
        symbol, side = split(key)
        found = real.state.positions.lots(symbol, side)
        shown = [
            (lot.lot_id.split(":", 1)[1], lot.quantity, rounded(lot.cost_basis, example)) for lot in found
        ]
        assert shown == [(lot["lot"], Decimal(lot["quantity"]), Decimal(lot["basis"])) for lot in lots]
    real.assert_replays()


def split(key: str) -> tuple[str, PositionSide | None]:
    symbol, slash, side = key.rpartition("/")
    return (symbol, PositionSide(side)) if slash and side in list(PositionSide) else (key, None)


def rounded(value: Decimal, example: Example) -> Decimal:
    """As precise as the source is."""
    if example.places is None:
        return value
    return value.quantize(Decimal(1).scaleb(-example.places), ROUND_HALF_EVEN)


def check(real: RealBooks, example: Example, key: str, strategy: str | None, wanted: dict[str, Any]) -> None:
    symbol, side = split(key)
    position = real.state.positions.position(symbol, side, strategy)
    for name, value in wanted.items():
        found = value_of(position, name, example.marks.get(symbol))
        if isinstance(value, dict):
            assert_amounts(found, value, example)
        else:
            assert Decimal(value) in (found, rounded(found, example)), (key, name)


def value_of(position: Position, name: str, mark: str | None) -> Any:
    if name in ("unrealised_pnl", "market_value"):
        assert mark is not None, "it needs a mark"
        return getattr(position, name)(Decimal(mark))
    return getattr(position, name)


def assert_amounts(found: dict[str, Any], wanted: dict[str, Any], example: Example) -> None:
    """Amounts by currency, and those by flow."""
    for name, value in wanted.items():
        if isinstance(value, dict):
            assert_amounts(found[FLOW_ACCOUNTS[Flow(name)]], value, example)
        else:
            assert rounded(found.get(name, Decimal(0)), example) == Decimal(value), name
