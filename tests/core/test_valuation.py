"""What a book is worth at marks and rates, in every currency that matters; and what cannot be said."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core_support.random_money import CURRENCIES, Money, instrument
from execore.core.marks import Mark, Marks
from execore.core.position_ledger import PositionLedger
from execore.core.valuation import Doubt, PositionValue, Valuation, value
from execore.model import entries, events
from execore.model.money import text_of
from execore.model.vocabulary import Flow

SECOND = 1_000_000_000
BITCOIN = instrument("BTC-USD", "USD", "spot", base_currency="BTC")
INVERSE = instrument("XBTUSD", "USD", "inverse", settlement_currency="BTC")
FUTURE = instrument("ES", "USD", "linear", multiplier=50)
SHARE = instrument("SAP", "EUR")


def ledger() -> PositionLedger:
    positions = PositionLedger()
    for one in (BITCOIN, INVERSE, FUTURE, SHARE):
        positions.define_instrument(one)
    return positions


def marked(prices: dict[str, Any], rates: dict[str, Any] | None = None, at: int = 0) -> Marks:
    marks = Marks()
    for symbol, price in prices.items():
        marks.prices[symbol] = Mark(Decimal(price), at)
    for pair, rate in (rates or {}).items():
        base, quote = pair.split("/")
        marks.rates[base, quote] = Mark(Decimal(rate), at)
    return marks


def amounts(found: Iterable[Any]) -> list[str | None]:
    return [None if one is None else text_of(one) for one in found]


def at(found: Valuation, symbol: str, strategy: str | None = None) -> PositionValue:
    among = found.positions if strategy is None else found.strategies
    matching = [one for one in among if (one.position.symbol, one.position.strategy) == (symbol, strategy)]
    return matching[0]


def test_an_inverse_contract_in_the_coin_in_dollars_and_in_euros() -> None:
    positions = ledger()
    positions.apply_fill("XBTUSD", "buy", 10_000, 50_000)  # 0.2 BTC
    found = value(positions, marked({"XBTUSD": 62_500}, {"EUR/USD": "1.25"}), "EUR", 0)
    one = at(found, "XBTUSD")
    assert amounts(one.market_value) == ["-0.16", "-10000", "-8000"]
    assert amounts(one.unrealised) == ["0.04", "2500", "2000"]
    assert one.equity == one.unrealised
    assert found.equity == 2_000
    assert not found.missing
    assert found.equity_by_currency == {"BTC": Decimal("0.04"), "USD": 0, "EUR": 0}


def test_fees_and_flows_in_several_currencies() -> None:
    positions = ledger()
    positions.apply_fill("SAP", "buy", 10, 100, fee=3, fee_currency="USD")
    positions.apply_fill("SAP", "sell", 4, 110, fee=1, fee_currency="EUR")
    entry = entries.CashFlow(
        entry_id="d", flow=Flow.DIVIDEND, currency="USD", amount=Decimal(6), symbol="SAP"
    )
    positions.apply(events.EntryBooked(entry))
    found = value(positions, marked({"SAP": 120}, {"EUR/USD": "1.25"}), "USD", 0)
    one = at(found, "SAP")
    assert one.position.fees == {"USD": 3, "EUR": 1}
    assert amounts(one.fees) == ["3.4", "3.4", "4.25"]
    assert amounts(one.flows) == ["4.8", "4.8", "6"]
    assert amounts(one.realised) == ["40", "40", "50"]
    assert amounts(one.unrealised) == ["120", "120", "150"]
    assert amounts((found.realised, found.unrealised, found.fees, found.flows)) == ["50", "150", "4.25", "6"]
    # Cash: -1000 + 440 - 1 EUR, and -3 + 6 USD; six shares at 120.
    assert found.equity == (Decimal(-561) + 720) * Decimal("1.25") + 3
    assert found.cash["EUR"].reporting == Decimal("-701.25")


def test_a_mark_that_is_missing_makes_what_needs_it_unknown() -> None:
    positions = ledger()
    positions.deposit("USD", 500)
    positions.apply_fill("ES", "buy", 1, 4000)
    positions.apply_fill("SAP", "buy", 1, 100)
    found = value(positions, marked({"SAP": 110}, {"EUR/USD": 2}), "USD", 0)
    assert found.missing == (Doubt("mark", "ES"),)
    assert amounts(at(found, "ES").unrealised) == [None, None, None]
    assert amounts(at(found, "ES").realised) == ["0", "0", "0"]
    assert found.equity is found.unrealised is None
    assert found.realised == 0
    assert found.equity_by_currency == {"USD": None, "EUR": 10, "BTC": 0}
    assert amounts((found.known_by_currency["USD"], found.known_equity)) == ["500", "520"]


def test_a_rate_that_is_missing_makes_what_needs_it_unknown() -> None:
    positions = ledger()
    positions.deposit("USDT", 500)
    positions.apply_fill("SAP", "buy", 1, 100)
    found = value(positions, marked({"SAP": 110}), "USD", 0)
    assert found.missing == (Doubt("rate", "EUR/USD"), Doubt("rate", "USDT/USD"))
    assert found.equity is found.unrealised is None
    assert amounts(found.cash["USDT"]) == ["500", None, None, None]
    assert found.equity_by_currency["EUR"] == 10
    assert amounts(at(found, "SAP").unrealised) == ["10", "10", None]


def test_what_is_flat_needs_no_mark_and_what_is_nothing_no_rate() -> None:
    positions = ledger()
    positions.apply_fill("SAP", "buy", 1, 100)
    positions.apply_fill("SAP", "sell", 1, 100)
    found = value(positions, Marks(), "USD", 0)
    assert found.equity == 0
    assert not found.missing
    assert at(found, "SAP").mark is None


def test_marks_and_rates_have_an_age_and_the_old_are_named() -> None:
    positions = ledger()
    positions.apply_fill("SAP", "buy", 1, 100)
    marks = marked({"SAP": 110}, {"EUR/USD": 2}, at=10 * SECOND)
    fresh = value(positions, marks, "USD", 70 * SECOND, max_age_seconds=60)
    assert (at(fresh, "SAP").mark_age_ns, fresh.cash["EUR"].rate_age_ns) == (60 * SECOND, 60 * SECOND)
    assert fresh.stale == ()
    stale = value(positions, marks, "USD", 71 * SECOND, max_age_seconds=60)
    assert stale.stale == (
        Doubt("mark", "SAP", 61 * SECOND),
        Doubt("rate", "EUR/USD", 61 * SECOND),
    )
    assert stale.equity == fresh.equity == 20
    assert value(positions, marks, "USD", 10**18).stale == ()


def test_an_inverse_contract_cannot_be_valued_at_zero() -> None:
    positions = ledger()
    positions.apply_fill("XBTUSD", "buy", 10_000, 50_000)
    assert value(positions, marked({"XBTUSD": 0}), "BTC", 0).missing == (Doubt("mark", "XBTUSD"),)


def test_strategies_are_valued_beside_the_book() -> None:
    positions = ledger()
    positions.apply_fill("SAP", "buy", 3, 100, strategy="alpha")
    positions.apply_fill("SAP", "sell", 1, 110, strategy="beta")
    found = value(positions, marked({"SAP": 120}), "EUR", 0)
    assert at(found, "SAP", "alpha").unrealised.reporting == 60
    assert at(found, "SAP", "beta").unrealised.reporting == -10
    assert found.unrealised == 40
    assert found.realised == 10


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(CURRENCIES), st.integers(0, 60))
def test_equity_is_what_the_ledger_says_currency_by_currency(seed: int, currency: str, number: int) -> None:
    money = Money(seed)
    for _ in money.steps(number):
        pass
    books = money.books
    found = value(books.positions, books.marks, currency, money.ts_ns)
    prices = {symbol: mark.price for symbol, mark in books.marks.prices.items()}
    expected = books.positions.equity(prices)
    assert {one: amount for one, amount in found.equity_by_currency.items() if amount} == {
        one: amount for one, amount in expected.items() if amount
    }
    assert found.equity == found.known_equity
    assert found.missing == found.stale == ()
