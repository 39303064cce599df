"""Statements of periods: each adds up, neighbours add up, and what is not known or late is said."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core_support.random_money import Money, instrument
from execore.core.books import DATED, Books, Step
from execore.model import entries, events
from execore.model.vocabulary import Flow, PositionSide, Side
from execore.views.equity_picture import sparkline, svg
from execore.views.statement import Statement, make_statement
from execore.views.statement_rows import adds_up, position_rows, statement_to_dict, table_rows

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NET = PositionSide.NET


def steps(told: Iterable[tuple[int, events.AnyEvent]]) -> list[Step]:
    """Events with the times at which they happened, as recorded in this order."""
    found, book_ns = [], 0
    for sequence, (ts_ns, event) in enumerate(told, 1):
        book_ns = max(book_ns, ts_ns) if type(event) in DATED else book_ns
        found.append(Step(sequence, ts_ns, book_ns, event))
    return found


def state(told: Iterable[tuple[int, events.AnyEvent]], **more: Any) -> Statement:
    return make_statement(steps(told), Books(), "main", more.pop("currency", "USD"), **more)


def bought(number: int, quantity: int, price: int, symbol: str = "ACME", fee: int = 0) -> events.FillBooked:
    side = Side.BUY if quantity > 0 else Side.SELL
    size = Decimal(abs(quantity))
    return events.FillBooked(f"o{number}", symbol, side, size, Decimal(price), f"x{number}", fee=Decimal(fee))


def flow(number: int, amount: int, currency: str = "USD") -> events.EntryBooked:
    entry = entries.CashFlow(
        entry_id=f"n{number}", flow=Flow.DIVIDEND, currency=currency, amount=Decimal(amount), symbol="ACME"
    )
    return events.EntryBooked(entry)


ACME = events.InstrumentDefined(instrument("ACME", "USD", settlement_days=2))
MONDAY = 4 * DAY  # 1970-01-05
YEAR: list[tuple[int, events.AnyEvent]] = [
    (9_999 * DAY, events.BookOpened("main")),  # opened when it was imported: that is no date of the account's
    (9_999 * DAY, ACME),
    (MONDAY, events.CashTransferred("d1", "USD", Decimal(1000))),
    (MONDAY + 1, bought(1, 10, 50, fee=1)),
    (MONDAY + 2, events.MarkSet("ACME", Decimal(52))),
    (MONDAY + DAY, bought(2, -4, 55, fee=1)),
    (MONDAY + DAY, events.MarkSet("ACME", Decimal(54))),
    (MONDAY + 2 * DAY, flow(3, 6)),
    (MONDAY + 2 * DAY, events.CashTransferred("d2", "USD", Decimal(-100))),
    (MONDAY + 3 * DAY, bought(4, 1, 60)),
]


def test_a_period_in_the_middle() -> None:
    made = state(YEAR, begin_ns=MONDAY + DAY, end_ns=MONDAY + 3 * DAY)
    shown = statement_to_dict(made)
    assert (shown["from"][:10], shown["to"][:10]) == ("1970-01-06", "1970-01-08")
    assert shown["equity"] == {"opening": "1019", "closing": "948", "change": "-71"}
    assert {name: amount for name, amount in shown["attribution"].items() if amount != "0"} == {
        "realised": "20",
        "unrealised": "4",  # from 10 x 2 to 6 x 4
        "fees": "-1",
        "dividends": "6",
        "transfers": "-100",
    }
    assert shown["adds_up"] is True
    assert shown["attribution_remainder"] == "0"
    (row,) = shown["positions"]
    assert (row["opening"]["quantity"], row["closing"]["quantity"]) == ("10", "6")
    assert (row["opening"]["mark"], row["closing"]["mark"]) == ("52", "54")
    assert (row["fills"], row["sold"], row["bought"], row["volume"]) == (1, "4", "0", "220")
    assert (row["realised_pnl"], row["fees"], row["flows"]) == (
        "20",
        {"USD": "1"},
        {"dividends": {"USD": "6"}},
    )
    assert shown["cash"] == {
        "USD": {
            "opening": "499",
            "trades": "220",
            "fees": "-1",
            "dividends": "6",
            "transfers": "-100",
            "closing": "624",
            "unsettled": "0",
        }
    }
    assert shown["equity_over_time"] == [
        {"day": "1970-01-06", "equity": "1042"},
        {"day": "1970-01-07", "equity": "948"},
    ]


def test_the_whole_life_of_a_book() -> None:
    made = state(YEAR)
    assert (made.begin_ns, made.end_ns) == (MONDAY, MONDAY + 3 * DAY + 1)
    assert made.opening.equity == 0
    assert (made.records, made.sequence, made.late_count) == (len(YEAR) - 2, 10, 0)
    assert adds_up(made) is True
    assert [day for day, _ in made.equity] == ["1970-01-05", "1970-01-06", "1970-01-07", "1970-01-08"]
    assert made.equity[-1][1] == made.closing.equity


def test_parts_that_are_not_the_whole_do_not_add_up() -> None:
    made = state(YEAR)
    for end in ("opening", "closing"):
        wrong = replace(getattr(made, end), equity=Decimal(1))
        assert adds_up(replace(made, **{end: wrong})) is False
    known = made.explained.components | {"fees": Decimal(0)}
    assert adds_up(replace(made, explained=replace(made.explained, components=known))) is False


def test_an_empty_book_and_a_period_before_or_after_everything() -> None:
    for told, more in (
        ([], {}),
        (YEAR[:2], {}),
        (YEAR, {"end_ns": MONDAY}),
        (YEAR, {"begin_ns": MONDAY + 99 * DAY, "end_ns": MONDAY + 100 * DAY}),
    ):
        made = state(told, **more)
        assert made.explained.change == made.records == 0
        assert adds_up(made) is True
    assert made.closing.equity == made.opening.equity != 0


def test_the_end_of_a_day_is_before_the_next_day_moves_anything() -> None:
    made = state(YEAR, by=("day",))
    days = {row["day"]: row for row in table_rows(made.explained, "day")}
    assert days["1970-01-05"]["fees"] == days["1970-01-06"]["fees"] == "-1"
    assert days["1970-01-07"]["total"] == "-94"
    assert [equity for _, equity in made.equity] == [1019, 1042, 948, 942]


def test_days_are_the_trading_days_where_they_were_started() -> None:
    told = [
        *YEAR[:3],
        (MONDAY + 1, events.DayStarted("1970-01-06", MONDAY + DAY)),
        (MONDAY + 2, events.CashTransferred("d3", "USD", Decimal(1))),
        (MONDAY + DAY + 1, events.CashTransferred("d4", "USD", Decimal(2))),
    ]
    days = {row["day"]: row["total"] for row in table_rows(state(told, by=("day",)).explained, "day")}
    assert days == {"1970-01-05": "1000", "1970-01-06": "3"}


def test_what_is_recorded_late_is_in_the_period_of_its_record_and_listed() -> None:
    told = [*YEAR, (MONDAY + 3, bought(9, 1, 50))]
    before = state(told, end_ns=MONDAY + 3 * DAY)
    assert before.late_count == 0
    made = state(told, begin_ns=MONDAY + 3 * DAY)
    assert (made.late_count, made.turnover["ACME", NET].fills) == (1, 2)
    assert statement_to_dict(made)["late"] == [
        {
            "sequence": 11,
            "time": "1970-01-05T00:00:00.000000003Z",
            "type": "fill_booked",
            "client_order_id": "o9",
        }
    ]


def test_cash_that_has_not_changed_hands_is_shown() -> None:
    late = bought(5, 2, 10)
    fill = events.FillBooked(
        "o5", "ACME", late.side, late.quantity, late.price, "x5", settlement_date="1970-01-12"
    )
    made = state([*YEAR, (MONDAY + 4 * DAY, fill)])
    assert made.cash["USD"].unsettled == -20
    told = [*YEAR, (MONDAY + 4 * DAY, fill)]
    assert state(told, end_ns=MONDAY + 7 * DAY).cash["USD"].unsettled == -20  # until midnight before the 12th
    assert state(told, end_ns=MONDAY + 7 * DAY + 1).cash["USD"].unsettled == 0


def test_what_a_position_is_said_to_have_cost_moves_no_cash() -> None:
    entry = entries.Adjustment(entry_id="a", reason="broker says so", symbol="ACME", cost=Decimal(30))
    made = state([*YEAR, (MONDAY + 4 * DAY, events.EntryBooked(entry))], begin_ns=MONDAY + 4 * DAY)
    assert made.cash["USD"].moved == {}
    assert made.explained.known["adjustments"] == 30
    assert made.explained.known["unrealised"] == -30
    assert adds_up(made) is True


def test_what_is_missing_or_stale_is_named_and_nothing_is_made_up() -> None:
    told = [*YEAR[:4], (MONDAY + 2, flow(8, 5, "EUR"))]
    shown = statement_to_dict(state(told))
    assert shown["closing"]["missing"] == [
        {"what": "mark", "name": "ACME", "age_seconds": None},
        {"what": "rate", "name": "EUR/USD", "age_seconds": None},
    ]
    assert shown["equity"]["closing"] is shown["adds_up"] is shown["attribution"]["dividends"] is None
    assert shown["attribution_known"]["dividends"] == "0"
    assert shown["unconverted"] == {"EUR": {"dividends": "5"}}
    stale = state(YEAR, max_age_seconds=86_400, end_ns=MONDAY + 20 * DAY)
    assert [(one.name, one.age_ns) for one in stale.closing.stale] == [("ACME", 19 * DAY)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_neighbouring_statements_add_up(seed: int, cuts: list[int]) -> None:
    money = Money(seed)
    for _ in money.steps(40):
        pass
    told = [(number * SECOND, event) for number, event in enumerate(money.done, 1)]
    times: list[int | None] = [None, *(cut * SECOND for cut in sorted(set(cuts))), None]
    parts = [state(told, begin_ns=begin, end_ns=end, currency="EUR") for begin, end in pairwise(times)]
    whole = state(told, currency="EUR")
    assert all(adds_up(one) is not False for one in parts)
    for one, following in pairwise(parts):
        assert one.closing.equity == following.opening.equity
        assert one.cash.keys() <= following.cash.keys()
        assert all(moved.closing == following.cash[name].opening for name, moved in one.cash.items())
    if all(one.explained.remainder is not None for one in parts):
        for name, amount in whole.explained.known.items():
            assert sum(Fraction(one.explained.known[name]) for one in parts) == amount
    for one in (*parts, whole):
        for moved in one.cash.values():
            assert moved.opening + sum(moved.moved.values(), Decimal(0)) == moved.closing
    fills = sum(turnover.fills for one in parts for turnover in one.turnover.values())
    assert fills == sum(type(event) is events.FillBooked for event in money.done)
    statement_to_dict(whole)
    for row in position_rows(whole):
        assert row["closing"] is not None


# --- the picture ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equities", "line"),
    [
        ([], ""),
        ([None], ""),
        ([5], "▄"),
        ([0, 7], "▁█"),
        ([0, None, 7], "▁ █"),
        ([5, 5, 5], "▄▄▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▃▅█"),
    ],
)
def test_a_line_of_blocks(equities: list[int | None], line: str) -> None:
    points = [("d", None if one is None else Decimal(one)) for one in equities]
    assert sparkline(points, width=4) == line


def test_an_svg_picture_has_a_gap_where_equity_is_not_known() -> None:
    points = [("a", Decimal(1)), ("b", Decimal(2)), ("c", None), ("d", Decimal(0))]
    drawn = svg(points, "equity of <main>")
    assert drawn.count("<polyline") == 2
    assert "&lt;main&gt;" in drawn
    assert "<main>" not in drawn
    assert svg([], "nothing").endswith("</svg>\n")
