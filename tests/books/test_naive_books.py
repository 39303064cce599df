"""The naive books against sums done by hand, so that they can be trusted to check the real ledger."""

from collections.abc import Iterable
from decimal import Decimal

import pytest

from books_support.compare import PositionSeen, Seen
from books_support.hand_written import (
    CALL,
    FUTURE,
    INVERSE,
    PUT,
    SHARE,
    SPOT,
    adjustment,
    bust,
    buy,
    closing,
    correction,
    exercise,
    fill,
    late_fee,
    numbered,
    sell,
    split,
    units,
)
from books_support.naive_books import Line, NaiveBooks
from books_support.naive_holding import Illegal


def booked(lines: Iterable[Line], method: str = "average", mode: str = "netting") -> NaiveBooks:
    books = NaiveBooks(method, mode)
    for line in numbered(*lines):
        books.take(line)
    return books


def seen(*lines: Line, method: str = "average", mode: str = "netting") -> Seen:
    return booked(lines, method, mode).seen()


def facts(position: PositionSeen) -> tuple[Decimal, Decimal, Decimal]:
    return position.quantity, position.basis, position.realised


def numbers(*texts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


def lots(position: PositionSeen) -> list[tuple[str, Decimal, Decimal]]:
    return [tuple(lot[:3]) for lot in position.lots or ()]  # type: ignore[misc]  # a part of a named tuple


# each: the lines, the symbol; its quantity, basis and result; the currency and its cash
ONE_POSITION = {
    "a purchase": ([buy("2", "10")], SPOT, ("2", "20", "0"), "USD", "-20"),
    "a part sold": (
        [buy("0.1", "60000"), sell("0.04", "61000")],
        SPOT,
        ("0.06", "3600", "40"),
        "USD",
        "-3560",
    ),
    "all sold": ([buy("2", "10"), sell("2", "9")], SPOT, ("0", "0", "-2"), "USD", "-2"),
    "a short": ([sell("2", "10")], SPOT, ("-2", "-20", "0"), "USD", "20"),
    "a part covered": ([sell("2", "10"), buy("1", "8")], SPOT, ("-1", "-10", "2"), "USD", "12"),
    "long to short": ([buy("2", "10"), sell("5", "12")], SPOT, ("-3", "-36", "4"), "USD", "40"),
    "short to long": ([sell("1", "60"), buy("2.5", "58")], SPOT, ("1.5", "87", "2"), "USD", "-85"),
    "thirds": (
        [buy("1", "10"), buy("2", "10.5"), sell("1", "11")],
        SPOT,
        ("2", "20.666666666667", "0.666666666667"),  # 31 / 3 = 10.333333333333 released
        "USD",
        "-20",
    ),
    "half-even, down": (
        [buy("4", "0.000000000001"), buy("4", "0"), sell("1", "1")],
        SPOT,
        ("7", "0.000000000004", "1"),  # 4e-12 / 8 = 0.5e-12, to even: 0
        "USD",
        "0.999999999996",
    ),
    "half-even, up": (
        [buy("4", "0.000000000003"), buy("4", "0"), sell("1", "1")],
        SPOT,
        ("7", "0.00000000001", "0.999999999998"),  # 12e-12 / 8 = 1.5e-12, to even: 2e-12
        "USD",
        "0.999999999988",
    ),
    "a share with a tick": ([buy("3", "10.01", SHARE)], SHARE, ("3", "30.03", "0"), "USD", "-30.03"),
    "a future": ([buy("2", "4800", FUTURE)], FUTURE, ("2", "480000", "0"), "USD", "0"),
    "a future, half sold": (
        [buy("2", "4800", FUTURE), sell("1", "4810", FUTURE)],
        FUTURE,
        ("1", "240000", "500"),
        "USD",
        "500",
    ),
    "an inverse long gains when the price rises": (
        [buy("1000", "10000", INVERSE), sell("1000", "12500", INVERSE)],
        INVERSE,
        ("0", "0", "0.02"),  # 1000/10000 - 1000/12500
        "BTC",
        "0.02",
    ),
    "an inverse short gains when it falls": (
        [sell("1000", "10000", INVERSE), buy("500", "8000", INVERSE)],
        INVERSE,
        ("-500", "0.05", "0.0125"),  # 500/8000 - 500/10000
        "BTC",
        "0.0125",
    ),
    "an inverse flip": (
        [buy("1", "3", INVERSE), sell("3", "7", INVERSE)],
        INVERSE,
        # all: 3/7 = 0.428571428571, opened: 2/7 = 0.285714285714, closed with 0.142857142857
        ("-2", "0.285714285714", "0.190476190476"),
        "BTC",
        "0.190476190476",
    ),
    "an option's premium": ([buy("2", "1.5", CALL)], CALL, ("2", "300", "0"), "USD", "-300"),
    "a worthless expiry": (
        [sell("2", "1.5", CALL), closing("0", CALL, "expiry")],
        CALL,
        ("0", "0", "300"),
        "USD",
        "300",
    ),
    "a liquidation of a part": (
        [buy("2", "4800", FUTURE), closing("4790", FUTURE, "liquidation", quantity="1")],
        FUTURE,
        ("1", "240000", "-500"),
        "USD",
        "-500",
    ),
    "a call exercised": (  # 200 at 10 and the 300 that the calls cost
        [buy("2", "1.5", CALL), exercise(CALL)],
        SHARE,
        ("200", "2300", "0"),
        "USD",
        "-2300",
    ),
    "a put assigned to us": (  # 200 at 10, less the 300 that the puts fetched
        [sell("2", "1.5", PUT), exercise(PUT)],
        SHARE,
        ("200", "1700", "0"),
        "USD",
        "-1700",
    ),
    "a put exercised": (  # 200 bought at 8; sold at 10, less 300 for the puts
        [buy("200", "8", SHARE), buy("2", "1.5", PUT), exercise(PUT)],
        SHARE,
        ("0", "0", "100"),
        "USD",
        "100",
    ),
    "a call assigned to us": (
        [sell("2", "1.5", CALL), exercise(CALL, quantity="1")],
        SHARE,
        ("-100", "-1150", "0"),
        "USD",
        "1300",
    ),
    "an exercise that flips": (  # sells 200 at 10 less 150: 100 close, 100 open with half the premium
        [buy("100", "8", SHARE), buy("2", "0.75", PUT), exercise(PUT)],
        SHARE,
        ("-100", "-925", "125"),
        "USD",
        "1050",
    ),
    "a split": (
        [buy("10", "30", SHARE), split("3", "2")],
        SHARE,
        ("15", "300", "0"),
        "USD",
        "-300",
    ),
    "a reverse split with cash for the fraction": (  # 7.5: half a unit of 7.5 goes, 1/15 of 150
        [buy("15", "10", SHARE), split("1", "2", whole="1", cash="11")],
        SHARE,
        ("7", "140", "1"),
        "USD",
        "-139",
    ),
    "a short's fraction is bought back": (  # -1.25: a fifth of -50 goes for 6
        [sell("5", "10", SHARE), split("1", "4", whole="1", cash="-6")],
        SHARE,
        ("-1", "-40", "4"),
        "USD",
        "44",
    ),
    "less than one is all fraction": (
        [buy("1", "1", SHARE), split("1", "3", whole="1", cash="2")],
        SHARE,
        ("0", "0", "1"),
        "USD",
        "1",
    ),
    "units in": (
        [units("4", cost="50"), sell("1", "20", SHARE)],
        SHARE,
        ("3", "37.5", "7.5"),
        "USD",
        "20",
    ),
    "units out": (
        [buy("4", "10", SHARE), units("-1")],
        SHARE,
        ("3", "30", "0"),
        "USD",
        "-40",
    ),
    "an adjustment": (
        [buy("4", "10", SHARE), adjustment(symbol=SHARE, quantity="-1", cost="-7")],
        SHARE,
        ("3", "33", "0"),
        "USD",
        "-40",
    ),
    "a bust of what was closed since": (
        [buy("2", "10"), sell("2", "12"), buy("1", "11"), bust("1")],
        SPOT,
        ("-1", "-12", "1"),
        "USD",
        "13",
    ),
    "a correction of what was closed since": (
        [buy("2", "10"), sell("2", "12"), correction("1", "3", "9")],
        SPOT,
        ("1", "9", "6"),
        "USD",
        "-3",
    ),
    "a corrected side": (
        [buy("2", "10"), correction("1", "2", "10", side="sell")],
        SPOT,
        ("-2", "-20", "0"),
        "USD",
        "20",
    ),
    "the same line again": (
        [buy("2", "10", id="x", time=1), buy("2", "10", id="x", time=1)],
        SPOT,
        ("2", "20", "0"),
        "USD",
        "-20",
    ),
}


@pytest.mark.parametrize("name", ONE_POSITION)
def test_one_position(name: str) -> None:
    lines, symbol, expected, currency, cash = ONE_POSITION[name]
    book = seen(*lines)
    assert facts(book.positions[symbol]) == numbers(*expected)
    assert book.cash.get(currency, 0) == Decimal(cash)


THREE_BUYS = [buy("2", "10"), buy("2", "12"), buy("2", "11")]
# three units are sold for 60: what they cost, and the lots that are left
LOTS_LEFT = {
    "fifo": ("32", [("2", "1", "12"), ("3", "2", "22")]),
    "lifo": ("34", [("1", "2", "20"), ("2", "1", "12")]),
    "highest_cost": ("35", [("1", "2", "20"), ("3", "1", "11")]),
    "specific_lot": ("32.5", [("1", "0.5", "5"), ("2", "1", "12"), ("3", "1.5", "16.5")]),
}


@pytest.mark.parametrize("method", LOTS_LEFT)
def test_the_method_says_which_lots_go(method: str) -> None:
    named = [{"lot": "2", "quantity": "1"}, {"lot": "3", "quantity": "0.5"}]
    position = seen(*THREE_BUYS, sell("3", "20", lots=named), method=method).positions[SPOT]
    cost, left = LOTS_LEFT[method]
    assert lots(position) == [(name, Decimal(quantity), Decimal(basis)) for name, quantity, basis in left]
    assert position.realised == 60 - Decimal(cost)


def test_a_short_gives_back_what_fetched_least_first() -> None:
    lines = [sell("1", "10"), sell("1", "8"), sell("1", "9"), buy("2", "5")]
    assert lots(seen(*lines, method="highest_cost").positions[SPOT]) == [("1", Decimal(-1), Decimal(-10))]


def test_an_inverse_long_gives_back_the_highest_price_first() -> None:
    lines = [buy("100", "50", INVERSE), buy("100", "200", INVERSE), sell("100", "100", INVERSE)]
    position = seen(*lines, method="highest_cost").positions[INVERSE]
    assert lots(position) == [("1", Decimal(100), Decimal(-2))]
    assert position.realised == Decimal("-0.5")  # bought at 200, sold at 100


def test_of_equal_lots_the_oldest_goes() -> None:
    lines = [buy("1", "10"), buy("1", "12"), buy("1", "12"), sell("1", "12")]
    assert [lot[0] for lot in lots(seen(*lines, method="highest_cost").positions[SPOT])] == ["1", "3"]


def test_a_flip_leaves_one_lot_of_its_own() -> None:
    position = seen(buy("2", "10"), buy("1", "11"), sell("5", "12"), method="lifo").positions[SPOT]
    assert lots(position) == [("3", Decimal(-2), Decimal(-24))]
    assert position.realised == 5


def test_lots_of_a_split_leave_the_rest_to_the_last() -> None:
    lines = [buy("1", "3", SHARE), buy("1", "4", SHARE), buy("2", "5", SHARE)]
    position = seen(*lines, split("1", "3"), method="fifo").positions[SHARE]
    assert position.quantity == Decimal("1.333333333333333333")
    assert lots(position) == [
        ("1", Decimal("0.333333333333333333"), Decimal(3)),
        ("2", Decimal("0.333333333333333333"), Decimal(4)),
        ("3", Decimal("0.666666666666666667"), Decimal(10)),
    ]


@pytest.mark.parametrize(("method", "realised"), [("fifo", 5), ("lifo", 1), ("highest_cost", 1)])
def test_the_fraction_of_a_split_goes_by_the_method(method: str, realised: int) -> None:
    lines = [buy("1", "10", SHARE), buy("2", "14", SHARE)]  # they become 0.5 for 10 and 1 for 28
    book = seen(*lines, split("1", "2", whole="1", cash="15"), method=method)
    assert book.positions[SHARE].realised == realised


def test_units_in_are_as_old_as_they_are() -> None:
    lines = [buy("1", "10", SHARE)]
    in_2020 = units("1", cost="4", opened="2020-02-03T00:00:00Z")
    old = seen(*lines, in_2020, method="fifo").positions[SHARE]
    new = seen(*lines, units("1", cost="4"), method="fifo").positions[SHARE]
    assert [lot[0] for lot in lots(old)] == ["2", "1"]
    assert [lot[0] for lot in lots(new)] == ["1", "2"]


@pytest.mark.parametrize(("method", "cost"), [("average", "10.5"), ("fifo", "11"), ("highest_cost", "11")])
def test_a_fee_in_the_currency_bought_takes_units(method: str, cost: str) -> None:
    """1 at 10, then 1 at 11: 0.1 of it is the fee. It comes from the lot just opened."""
    book = seen(buy("1", "10"), buy("1", "11", fee="0.1", fee_currency="BTC"), method=method)
    position = book.positions[SPOT]
    assert position.quantity == Decimal("1.9")
    assert position.fees_in_kind == Decimal(cost) / 10
    assert position.basis == 21 - Decimal(cost) / 10
    assert position.realised == 0
    assert book.cash == {"USD": -21}
    assert position.fees == {}


def test_a_fee_in_units_of_a_sale_goes_by_the_method() -> None:
    book = seen(
        buy("1", "10"), buy("1", "12"), sell("0.5", "20", fee="0.5", fee_currency="BTC"), method="fifo"
    )
    assert facts(book.positions[SPOT]) == numbers("1", "12", "5")
    assert book.positions[SPOT].fees_in_kind == 5


# each: the fill after a purchase of 1 at 10 and one of 1 at 12; what is left, and the cost of units that went
FEES_IN_UNITS: dict[str, tuple[Line, str, str, str]] = {
    "a rebate costs nothing": (buy("1", "11", fee="-0.1"), "3.1", "33", "0"),
    "nor does one on a sale": (sell("1", "20", fee="-0.1"), "1.1", "12", "0"),
    "a fee on what is left of a long": (sell("1", "20", fee="0.5"), "0.5", "6", "6"),
    "a fee on all that is left": (sell("1", "20", fee="1"), "0", "0", "12"),
    "a fee on more than that is owed": (sell("1", "20", fee="1.5"), "-0.5", "0", "12"),
    "a fee on nothing is owed": (sell("2", "20", fee="0.1"), "-0.1", "0", "0"),
    "a fee on a short is owed": (sell("3", "20", fee="0.1"), "-1.1", "-20", "0"),
    "a rebate on a short pays some of it back": (sell("4", "20", fee="-0.5"), "-1.5", "-30", "-10"),
}


@pytest.mark.parametrize("name", FEES_IN_UNITS)
def test_fees_in_units(name: str) -> None:
    line, quantity, basis, cost = FEES_IN_UNITS[name]
    position = seen(buy("1", "10"), buy("1", "12"), line | {"fee_currency": "BTC"}, method="fifo").positions[
        SPOT
    ]
    assert (position.quantity, position.basis, position.fees_in_kind) == numbers(quantity, basis, cost)
    assert sum(lot.quantity for lot in position.lots or ()) == position.quantity


def test_fees_in_money_stay_beside_the_result() -> None:
    book = seen(
        buy("1", "10", fee="0.5"),
        sell("1", "12", fee="-0.2", fee_currency="USD"),
        buy("1", "10", fee="3", fee_currency="BNB"),
    )
    assert book.positions[SPOT].realised == 2
    assert book.positions[SPOT].fees == {"USD": Decimal("0.3"), "BNB": 3}
    assert book.cash == {"USD": Decimal("-8.3"), "BNB": -3}


def test_the_last_fee_said_is_the_fee() -> None:
    late = [late_fee("1", "0.7", "EUR"), late_fee("1", "0.1", "EUR")]
    book = seen(buy("1", "10", fee="0.5"), sell("1", "12"), *late)
    assert book.positions[SPOT].fees == {"EUR": Decimal("0.1")}
    assert book.cash == {"EUR": Decimal("-0.1"), "USD": 2}


def test_a_late_fee_in_units_is_taken_where_the_fill_is() -> None:
    late = late_fee("1", "0.5", "BTC")
    book = seen(buy("1", "10"), buy("1", "20"), sell("1", "30"), late, method="fifo")
    assert facts(book.positions[SPOT]) == numbers("0.5", "10", "15")  # 0.5 at 10 and 0.5 at 20 were sold


def test_a_bust_takes_its_fee_along() -> None:
    book = seen(buy("1", "10", fee="0.5"), bust("1"))
    assert not any(book.cash.values())
    assert SPOT not in book.positions


def test_a_corrected_fee() -> None:
    first = buy("1", "10", fee="0.5")
    assert seen(first, correction("1", "1", "10")).cash == {"USD": Decimal("-10.5")}
    assert seen(first, correction("1", "1", "10", fee="2")).cash == {"USD": -12}


def test_a_symbol_change_moves_what_is_held_and_leaves_what_was_earned() -> None:
    change: Line = {"type": "symbol_change", "symbol": SHARE, "new_symbol": "NEW"}
    lines = [buy("2", "10", SHARE), sell("1", "13", SHARE), change, sell("1", "15", "NEW")]
    book = seen(*lines, method="fifo")
    assert facts(book.positions[SHARE]) == numbers("0", "0", "3")
    assert facts(book.positions["NEW"]) == numbers("0", "0", "5")
    assert lots(seen(*lines[:3], method="fifo").positions["NEW"]) == [("1", Decimal(1), Decimal(10))]


def test_an_adjustment_takes_lots_by_the_method_and_the_rest_of_its_cost_is_shared_by_the_others() -> None:
    lines = [buy("2", "10", SHARE), buy("2", "12", SHARE), buy("1", "9", SHARE)]
    fewer = adjustment(symbol=SHARE, quantity="-3", cost="-30")  # by fifo 20 and 12
    cheaper = adjustment(symbol=SHARE, quantity="0", cost="-4")
    more = adjustment(symbol=SHARE, quantity="1", cost="5")
    position = seen(*lines, fewer, cheaper, more, method="fifo").positions[SHARE]
    expected = [("2", "1", "11"), ("3", "1", "8"), ("6", "1", "5")]
    assert lots(position) == [(name, Decimal(quantity), Decimal(basis)) for name, quantity, basis in expected]
    assert position.realised == 0


def test_money_in_and_out_is_capital() -> None:
    book = seen(
        {"type": "transfer", "currency": "USD", "amount": "100"},
        {"type": "transfer", "currency": "USD", "amount": "-30", "counterparty": "other"},
        adjustment(currency="USD", amount="-1"),
    )
    assert book.cash == {"USD": 69}
    assert book.capital == {"USD": Decimal(70)}
    assert book.adjusted == {"USD": Decimal(-1)}


def test_flows_are_kept_by_symbol_kind_and_currency() -> None:
    flow: Line = {"type": "cash_flow", "flow": "funding", "currency": "BTC", "amount": "-0.01"}
    book = seen(
        buy("1", "10", FUTURE),
        flow | {"symbol": FUTURE, "strategy": "alpha"},
        flow | {"symbol": FUTURE},
        flow | {"flow": "interest"},
    )
    assert book.flows == {
        (FUTURE, "funding", "BTC"): Decimal("-0.02"),
        ("", "interest", "BTC"): Decimal("-0.01"),
    }
    assert book.strategy_flows is not None
    assert book.strategy_flows["alpha", FUTURE, "funding", "BTC"] == Decimal("-0.01")
    assert book.cash["BTC"] == Decimal("-0.03")
    assert book.positions[FUTURE].realised == 0


def test_sides_of_a_hedging_book_are_apart() -> None:
    lines = [buy("2", "10", position_side="long"), sell("1", "12", position_side="short")]
    hedging, netting = seen(*lines, mode="hedging"), seen(*lines)
    assert facts(hedging.positions[f"{SPOT}/long"]) == numbers("2", "20", "0")
    assert facts(hedging.positions[f"{SPOT}/short"]) == numbers("-1", "-12", "0")
    assert facts(netting.positions[SPOT]) == numbers("1", "10", "2")
    both = seen(*lines, closing("11"), mode="hedging")
    assert facts(both.positions[f"{SPOT}/long"]) == numbers("0", "0", "2")
    assert facts(both.positions[f"{SPOT}/short"]) == numbers("0", "0", "1")


def test_a_strategy_has_what_its_own_fills_make() -> None:
    lines = [buy("2", "10", strategy="a"), sell("3", "12", strategy="b"), buy("1", "11")]
    book = seen(*lines)
    assert book.strategies is not None
    assert facts(book.strategies["a"][SPOT]) == numbers("2", "20", "0")
    assert facts(book.strategies["b"][SPOT]) == numbers("-3", "-36", "0")
    assert facts(book.strategies[""][SPOT]) == numbers("1", "11", "0")
    assert facts(book.positions[SPOT]) == numbers("0", "0", "5")  # +2 at 10, -2 at 12, -1 at 12, +1 at 11
    assert book.cash == {"USD": 5}


def test_a_closing_of_all_closes_every_strategy() -> None:
    lines = [buy("2", "10", SHARE, strategy="a"), sell("1", "12", SHARE, strategy="b")]
    book = seen(*lines, closing("11", SHARE))
    assert book.strategies is not None
    assert facts(book.strategies["a"][SHARE]) == numbers("0", "0", "2")
    assert facts(book.strategies["b"][SHARE]) == numbers("0", "0", "1")
    assert facts(book.positions[SHARE]) == numbers("0", "0", "3")
    of_one = seen(*lines, closing("11", SHARE, strategy="a"))
    assert of_one.strategies is not None
    assert facts(of_one.strategies["b"][SHARE]) == numbers("-1", "-12", "0")
    assert facts(of_one.positions[SHARE]) == numbers("-1", "-11", "3")


def test_unrealised_needs_a_mark() -> None:
    lines = [buy("1000", "10000", INVERSE), buy("2", "4800", FUTURE)]
    assert seen(*lines).positions[FUTURE].unrealised is None
    marks: list[Line] = [
        {"type": "mark", "symbol": INVERSE, "price": "12500"},
        {"type": "mark", "symbol": FUTURE, "price": "4790"},
    ]
    book = seen(*lines, *marks)
    assert book.positions[INVERSE].unrealised == Decimal("0.02")
    assert book.positions[FUTURE].unrealised == -1000


LONG = [buy("2", "10", strategy="a")]
IMPOSSIBLE: dict[str, tuple[list[Line], Line]] = {
    "an unknown instrument": ([], fill("buy", "1", "1", "NOTHING")),
    "a bust of nothing": ([], bust("9")),
    "a second bust": ([*LONG, bust("1")], bust("1")),
    "a fee of nothing": ([], late_fee("9", "1", "USD")),
    "the same id otherwise": ([buy("1", "1", id="x")], buy("2", "1", id="x")),
    "a bust that turns what a part was closed of": (
        [buy("5", "1"), sell("2", "1"), closing("1", quantity="1")],
        bust("1"),
    ),
    "units out that are not there": (LONG, units("-3") | {"symbol": SPOT}),
    "units in without a cost": ([], units("3")),
    "a closing of nothing": ([], closing("1")),
    "a closing of too much": (LONG, closing("1", quantity="3", strategy="a")),
    "a closing of somebody else's": (LONG, closing("1", quantity="1")),
    "an exercise of nothing": ([], exercise(CALL)),
    "a lot that does not exist": (LONG, sell("1", "1", lots=[{"lot": "7", "quantity": "1"}])),
    "more of a lot than there is": (LONG, sell("2", "1", lots=[{"lot": "1", "quantity": "3"}])),
    "lots of an opening trade": (LONG, buy("2", "1", lots=[{"lot": "1", "quantity": "1"}])),
    "cash for no fraction": (LONG, split("2", "1", cash="3") | {"symbol": SPOT}),
    "a long that meets a short": (
        [*LONG, sell("1", "1", "BTC-EUR")],
        {"type": "symbol_change", "symbol": SPOT, "new_symbol": "BTC-EUR"},
    ),
    "a basis of nothing": ([], adjustment(symbol=SHARE, quantity="0", cost="1")),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_the_impossible_is_refused_as_a_whole(name: str) -> None:
    before, line = IMPOSSIBLE[name]
    *first, last = numbered(*before, line)
    books = NaiveBooks("specific_lot")
    for one in first:
        books.take(one)
    held = books.seen()
    with pytest.raises(Illegal):
        books.take(last)
    assert books.seen() == held
    assert last not in books.lines
