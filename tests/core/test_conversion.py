"""What one currency is worth in another: told, turned over, or over others; and what nobody can know."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_support.random_money import instrument
from execore.core.conversion import Conversion, Rate
from execore.core.marks import Mark, Marks
from execore.model.money import exactly


def known(told: str) -> Conversion:
    """Rates written as ``EUR/USD 1.1 at 5, mark BTC-USD 60000 at 7``."""
    conversion = Conversion()
    for text in told.split(", "):
        *names, price, _, at = text.split()
        mark = Mark(Decimal(price), int(at))
        if names[0] == "mark":
            conversion.note_mark(INSTRUMENTS[names[1]], mark)
        else:
            base, quote = names[0].split("/")
            conversion.note_rate(base, quote, mark)
    return conversion


INSTRUMENTS = {
    "BTC-USD": instrument("BTC-USD", "USD", "spot", base_currency="BTC"),
    "XBTUSD": instrument("XBTUSD", "USD", "inverse", settlement_currency="BTC"),
    "ACME": instrument("ACME", "USD"),
    "PERP": instrument("PERP", "USDT", "linear", base_currency="BTC"),
}


@pytest.mark.parametrize(
    ("told", "pair", "rate", "at", "path"),
    [
        ("EUR/USD 1.1 at 5", "EUR/USD", "1.1", 5, "EUR>USD"),
        ("EUR/USD 1.25 at 5", "USD/EUR", "0.8", 5, "USD>EUR"),
        ("EUR/USD 3 at 5", "USD/EUR", "0.333333333333333333", 5, "USD>EUR"),
        ("EUR/USD 6 at 5", "USD/EUR", "0.166666666666666667", 5, "USD>EUR"),
        ("mark BTC-USD 60000 at 7", "BTC/USD", "60000", 7, "BTC>USD"),
        ("mark XBTUSD 50000 at 8", "BTC/USD", "50000", 8, "BTC>USD"),
        ("mark XBTUSD 50000 at 8", "USD/BTC", "0.00002", 8, "USD>BTC"),
        ("mark BTC-USD 60000 at 7, mark XBTUSD 50000 at 8", "BTC/USD", "50000", 8, "BTC>USD"),
        ("mark BTC-USD 60000 at 9, mark XBTUSD 50000 at 8", "BTC/USD", "60000", 9, "BTC>USD"),
        ("BTC/USD 4 at 7, mark BTC-USD 5 at 7", "BTC/USD", "4", 7, "BTC>USD"),
        ("EUR/USD 2 at 5, USD/EUR 0.4 at 5", "EUR/USD", "2", 5, "EUR>USD"),  # rather not turned over
        ("EUR/USD 2 at 5, USD/EUR 0.4 at 6", "EUR/USD", "2.5", 6, "EUR>USD"),  # but rather newer
        ("EUR/USD 2 at 5, USD/JPY 150 at 3", "EUR/JPY", "300", 3, "EUR>USD>JPY"),
        ("EUR/JPY 170 at 1, EUR/USD 2 at 5, USD/JPY 150 at 3", "EUR/JPY", "170", 1, "EUR>JPY"),
        (  # over CHF the oldest leg is newer
            "EUR/USD 2 at 9, USD/JPY 150 at 3, EUR/CHF 1 at 4, CHF/JPY 160 at 5",
            "EUR/JPY",
            "160",
            4,
            "EUR>CHF>JPY",
        ),
        (  # as old as each other: the first by name
            "EUR/USD 2 at 3, USD/JPY 150 at 9, EUR/CHF 1 at 4, CHF/JPY 160 at 3",
            "EUR/JPY",
            "160",
            3,
            "EUR>CHF>JPY",
        ),
        (  # newer goes before the name
            "EUR/USD 2 at 9, USD/JPY 150 at 5, EUR/CHF 1 at 4, CHF/JPY 160 at 3",
            "EUR/JPY",
            "300",
            5,
            "EUR>USD>JPY",
        ),
        (  # whichever was told first
            "EUR/CHF 1 at 4, CHF/JPY 160 at 3, EUR/USD 2 at 3, USD/JPY 150 at 9",
            "EUR/JPY",
            "160",
            3,
            "EUR>CHF>JPY",
        ),
        ("A/B 2 at 1, B/C 2 at 1, C/D 2 at 1", "A/D", "8", 1, "A>B>C>D"),
    ],
)
def test_a_rate_its_age_and_its_way(told: str, pair: str, rate: str, at: int, path: str) -> None:
    found = known(told).rate(*pair.split("/"))
    assert found is not None
    assert (found.rate, found.ts_ns) == (Decimal(rate), at)
    assert [leg.base for leg in found.path] + [found.path[-1].quote] == path.split(">")


@pytest.mark.parametrize(
    ("told", "pair"),
    [
        ("EUR/USD 1.1 at 5", "USDT/USD"),
        ("EUR/USD 1.1 at 5, JPY/CHF 1 at 5", "EUR/JPY"),
        ("mark ACME 10 at 5", "ACME/USD"),
        ("mark PERP 10 at 5", "BTC/USDT"),  # a perpetual is not what it is about
        ("mark BTC-USD -5 at 5", "BTC/USD"),  # what costs less than nothing is no rate
        ("mark BTC-USD 0 at 5", "USD/BTC"),
        ("mark BTC-USD 5 at 5, mark BTC-USD -5 at 6", "BTC/USD"),
    ],
)
def test_what_nobody_told_is_not_known(told: str, pair: str) -> None:
    conversion = known(told)
    base, quote = pair.split("/")
    assert conversion.rate(base, quote) is None
    assert conversion.convert(Decimal(1), base, quote) is None
    assert conversion.convert(Decimal(0), base, quote) == 0


def test_what_is_worth_nothing_has_a_rate() -> None:
    assert known("mark BTC-USD 0 at 5").convert(Decimal(7), "BTC", "USD") == 0


def test_a_currency_is_worth_itself_without_any_rate() -> None:
    assert Conversion().rate("USD", "USD") == Rate(Decimal(1), None, ())


def test_a_newer_rate_replaces_what_was_found() -> None:
    conversion = known("EUR/USD 2 at 5, USD/JPY 150 at 3")
    assert conversion.convert(Decimal(1), "EUR", "JPY") == 300
    conversion.note_rate("USD", "JPY", Mark(Decimal(100), 6))
    assert conversion.convert(Decimal(1), "EUR", "JPY") == 200


def test_it_takes_all_that_the_marks_have() -> None:
    marks = Marks()
    marks.rates["EUR", "USD"] = Mark(Decimal(2), 1)
    marks.prices |= {"BTC-USD": Mark(Decimal(60000), 2), "ACME": Mark(Decimal(1), 2)}
    found = Conversion(marks, INSTRUMENTS.values()).rate("BTC", "EUR")
    assert found is not None
    assert found.rate == 30_000
    assert found.ts_ns == 1
    assert [leg.source for leg in found.path] == ["mark BTC-USD", "rate EUR/USD"]
    assert [leg.is_inverse for leg in found.path] == [False, True]


LEGS = st.lists(
    st.tuples(st.sampled_from("ABCDEF"), st.sampled_from("ABCDEF"), st.integers(1, 9), st.integers(1, 4)),
    max_size=12,
)


@given(LEGS)
def test_the_way_is_the_best_of_all_ways(legs: list[tuple[str, str, int, int]]) -> None:
    told = {(base, quote): (rate, at) for base, quote, rate, at in legs if base != quote}
    conversion = Conversion()
    for (base, quote), (rate, at) in told.items():
        conversion.note_rate(base, quote, Mark(Decimal(rate), at))
    times: dict[tuple[str, str], int] = {}
    for (base, quote), (_, at) in told.items():
        for pair in ((base, quote), (quote, base)):
            times[pair] = max(times.get(pair, 0), at)

    def ways(at: str, seen: tuple[str, ...]) -> list[tuple[str, ...]]:
        here = [seen] if at == "F" else []
        return here + [
            way
            for base, quote in times
            if base == at and quote not in seen
            for way in ways(quote, (*seen, quote))
        ]

    def order(way: tuple[str, ...]) -> tuple[int, int, tuple[str, ...]]:
        return len(way), -min(times[pair] for pair in pairwise(way)), way

    best = min(ways("A", ("A",)), key=order, default=None)
    found = exactly(conversion.rate)("A", "F")
    if best is None:
        assert found is None
    else:
        assert found is not None
        assert (*(leg.base for leg in found.path), "F") == best
        assert found.ts_ns == -order(best)[1]
