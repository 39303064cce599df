"""Why equity changed: parts that add up to the last digit, against the books valued at both ends."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_support.random_money import CURRENCIES, Money, instrument, order
from execore.core.attribution import COMPONENTS, DIMENSIONS, Attribution, Explained, Part
from execore.core.books import Books
from execore.core.valuation import value
from execore.model import entries, events
from execore.model.vocabulary import Flow, Side

CASES = settings(max_examples=60, deadline=None)
_NO_PART: Part = {}


def summed(parts: list[Part]) -> dict[str, Fraction]:
    return {name: sum((Fraction(part.get(name, 0)) for part in parts), Fraction(0)) for name in COMPONENTS}


def check(found: Explained) -> None:
    assert found.remainder == 0
    known = summed([found.known])
    for dimension, rows in found.tables.items():
        assert summed(list(rows.values())) == known, dimension


@CASES
@given(st.integers(0, 10**9), st.sampled_from(CURRENCIES), st.integers(0, 30), st.integers(0, 40))
def test_the_parts_are_the_difference_of_two_valuations(
    seed: int, currency: str, before: int, after: int
) -> None:
    money = Money(seed)
    for _ in money.steps(before):
        pass
    books = money.books
    start = value(books.positions, books.marks, currency, 0)
    attribution = Attribution(books.positions, books.marks, currency, DIMENSIONS)
    for number, event in enumerate(money.steps(after)):
        attribution.note(event)
        if number % 7 == 6:
            attribution.begin_day(f"day {number}")
    found = attribution.explained()
    end = value(books.positions, books.marks, currency, 0)
    assert (found.start, found.end) == (start.equity, end.equity)
    assert found.change is not None
    check(found)


@CASES
@given(st.integers(0, 10**9), st.integers(1, 40))
def test_looking_once_or_after_every_event_explains_the_same(seed: int, number: int) -> None:
    found = []
    for by in ((), ("order", "fill", "instrument")):
        money = Money(seed)
        attribution = Attribution(money.books.positions, money.books.marks, "EUR", by)
        for event in money.steps(number):
            attribution.note(event)
        found.append(attribution.explained())
    assert found[0].components == found[1].components


@CASES
@given(st.integers(0, 10**9), st.integers(0, 20), st.integers(0, 20))
def test_neighbouring_periods_add_up(seed: int, first: int, second: int) -> None:
    money = Money(seed)
    books = money.books
    whole = Attribution(books.positions, books.marks, "USD")
    for event in money.steps(first):
        whole.note(event)
    halves = [whole.explained()]
    part = Attribution(books.positions, books.marks, "USD")
    for event in money.steps(second):
        part.note(event)
    halves.append(part.explained())

    again = Money(seed)
    both = Attribution(again.books.positions, again.books.marks, "USD")
    for event in again.steps(first + second):
        both.note(event)
    assert summed([one.known for one in halves]) == summed([both.explained().known])


@CASES
@given(st.integers(0, 10**9), st.integers(1, 60))
def test_what_is_not_known_is_said_and_what_is_adds_up(seed: int, number: int) -> None:
    money = Money(seed, rated=False)
    books = money.books
    attribution = Attribution(books.positions, books.marks, "USD", DIMENSIONS)
    for event in money.steps(number):
        attribution.note(event)
    found = attribution.explained()
    end = value(books.positions, books.marks, "USD", 0)
    assert found.start == 0
    assert found.end == end.equity
    if found.end is not None and not found.unconverted:
        check(found)
    for currency, part in found.unconverted.items():
        assert found.remainder is None
        assert all(found.components[component] is None for component in part)
        assert not any(currency in pair for pair in books.marks.rates if "USD" in pair)


# --- worked by hand ---------------------------------------------------------------------------------------


def euro_book() -> tuple[Books, Attribution]:
    books = Books()
    for event in (
        events.BookOpened("main"),
        events.InstrumentDefined(instrument("ACME", "USD")),
        events.RateSet("USD", "EUR", Decimal("0.9")),
        events.MarkSet("ACME", Decimal(10)),
    ):
        books.apply(event, 0)
    return books, Attribution(books.positions, books.marks, "EUR", DIMENSIONS, "2024-01-01")


def told(books: Books, attribution: Attribution, *happened: events.AnyEvent) -> Explained:
    for event in happened:
        books.apply(event, 1)
        attribution.note(event)
    return attribution.explained()


def trade(side: Side, quantity: int, price: int, number: int, fee: int = 0) -> events.FillBooked:
    return events.FillBooked(
        f"o{number}", "ACME", side, Decimal(quantity), Decimal(price), f"x{number}", fee=Decimal(fee)
    )


def dividend(amount: int) -> events.EntryBooked:
    received = Decimal(amount)
    entry = entries.CashFlow(entry_id="v", flow=Flow.DIVIDEND, currency="USD", amount=received, symbol="ACME")
    return events.EntryBooked(entry)


def nonzero(part: Part) -> dict[str, Decimal]:
    return {name: amount for name, amount in part.items() if amount}


def test_a_year_of_a_european_who_trades_in_dollars() -> None:
    found = told(
        *euro_book(),
        events.CashTransferred("d", "USD", Decimal(1000)),  # 900 EUR
        trade(Side.BUY, 10, 12, 1, fee=1),  # bought above the mark: 10 x (10 - 12) = -20 USD, at 0.9
        events.MarkSet("ACME", Decimal(15)),  # 10 x (15 - 10) = +50 USD, at 0.9
        events.RateSet("USD", "EUR", Decimal(1)),  # 1000 - 120 - 1 + 150 = 1029 USD, x 0.1
        trade(Side.SELL, 4, 15, 2, fee=1),  # realised 4 x (15 - 12) = 12 USD, unrealised -12
        events.EntryBooked(
            entries.CashFlow(
                entry_id="v", flow=Flow.DIVIDEND, currency="USD", amount=Decimal(6), symbol="ACME"
            )
        ),
        events.RateSet("USD", "EUR", Decimal("0.8")),  # 1029 - 1 + 6 = 1034 USD, x -0.2
    )
    assert {name: amount for name, amount in found.components.items() if amount} == {
        "transfers": 900,
        "unrealised": Decimal(-18) + 45 - 12,
        "fees": Decimal("-0.9") - 1,
        "realised": 12,
        "dividends": 6,
        "fx": Decimal("102.9") - Decimal("206.8"),
    }
    assert found.end == 1034 * Decimal("0.8")
    check(found)
    assert nonzero(found.tables["order"]["o2"]) == {"realised": 12, "unrealised": -12, "fees": -1}
    assert nonzero(found.tables["fill"]["x1"]) == {"unrealised": -18, "fees": Decimal("-0.9")}
    # Of the FX, 150 and then 90 USD were in the shares; the rest was cash.
    assert nonzero(found.tables["instrument"]["ACME"])["fx"] == 15 - 18


def test_a_day_has_what_happened_until_the_next_begins() -> None:
    books, attribution = euro_book()
    told(books, attribution, events.CashTransferred("d1", "EUR", Decimal(5)))
    books.apply(events.CashTransferred("d2", "EUR", Decimal(7)), 1)
    attribution.begin_day("2024-01-02")
    found = told(books, attribution, events.CashTransferred("d3", "EUR", Decimal(1)))
    assert {day: nonzero(part) for day, part in found.tables["day"].items()} == {
        "2024-01-01": {"transfers": 12},
        "2024-01-02": {"transfers": 1},
    }


def test_an_amount_waits_for_the_first_rate_of_its_currency() -> None:
    books, attribution = euro_book()
    deposit = events.CashTransferred("d", "JPY", Decimal(1000))
    found = told(books, attribution, deposit)
    assert found.unconverted == {"JPY": {"transfers": Decimal(1000)}}
    assert found.components["transfers"] is found.end is found.change is found.remainder is None
    assert found.known["transfers"] == 0
    found = told(books, attribution, events.RateSet("JPY", "EUR", Decimal("0.006")))
    assert found.components["transfers"] == found.end == 6
    found = told(books, attribution, events.RateSet("JPY", "EUR", Decimal("0.007")))
    assert found.components["fx"] == 1
    check(found)


def test_a_position_counts_at_its_cost_until_it_has_a_mark() -> None:
    books, attribution = euro_book()
    other = instrument("OTHER", "EUR")
    bought = events.FillBooked("o", "OTHER", Side.BUY, Decimal(1), Decimal(50), "x")
    found = told(books, attribution, events.InstrumentDefined(other), bought)
    assert found.end is None
    assert found.components["unrealised"] == 0
    found = told(books, attribution, events.MarkSet("OTHER", Decimal(70)))
    assert found.end == found.components["unrealised"] == 20
    check(found)


def test_a_strategy_has_what_its_own_fills_make_and_nobody_the_rest() -> None:
    books, attribution = euro_book()
    for strategy in ("up", "down"):
        told(books, attribution, order(strategy, strategy))
    bought = events.FillBooked("up", "ACME", Side.BUY, Decimal(10), Decimal(10), "x1")
    sold = events.FillBooked("down", "ACME", Side.SELL, Decimal(10), Decimal(11), "x2")
    found = told(books, attribution, bought, sold, events.MarkSet("ACME", Decimal(20)))
    assert nonzero(found.tables["strategy"]["up"]) == {"unrealised": 90}
    assert nonzero(found.tables["strategy"]["down"]) == {"unrealised": -81}
    assert nonzero(found.tables["strategy"][""]) == {"realised": 9, "unrealised": -9}
    check(found)


def test_the_definition_of_an_instrument_can_change_what_is_held() -> None:
    found = told(
        *euro_book(),
        trade(Side.BUY, 10, 10, 1),
        events.InstrumentDefined(instrument("ACME", "USD", multiplier=2)),
    )
    assert found.components["unrealised"] == 90  # 10 x 10 USD more, at 0.9
    check(found)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_only_the_tables_asked_for_are_kept(dimension: str) -> None:
    books, _ = euro_book()
    attribution = Attribution(books.positions, books.marks, "EUR", (dimension,))
    assert list(told(books, attribution, trade(Side.BUY, 1, 1, 1)).tables) == [dimension]
