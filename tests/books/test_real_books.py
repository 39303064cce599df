"""The ledger against the naive books, line by line, on random histories of everything that can happen."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from books_support.compare import differences, first_difference
from books_support.naive_books import NaiveBooks
from books_support.random_history import METHODS, History, histories, random_history
from books_support.real_books import RealBooks
from execore.core.closed_lots import closed_lots


def compared(history: History) -> RealBooks:
    """The real books after the history, having agreed with the naive ones after each line."""
    real = RealBooks(history.method, history.mode)
    naive = NaiveBooks(history.method, history.mode)
    assert first_difference(history.lines, naive, real) == ""
    return real


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(24))
def test_a_long_history_comes_to_what_the_naive_books_say_and_replays(seed: int, method: str) -> None:
    compared(random_history(seed, method=method)).assert_replays()


@pytest.mark.parametrize("seed", range(16))
def test_numbers_of_all_digits_are_exact(seed: int) -> None:
    compared(random_history(seed, extreme=True)).assert_replays()


@settings(max_examples=60, deadline=None)
@given(histories())
def test_any_history_comes_to_what_the_naive_books_say(history: History) -> None:
    compared(history)


@settings(max_examples=25, deadline=None)
@given(histories(steps=12))
def test_the_same_history_again_changes_nothing(history: History) -> None:
    """Every line has an id; what is told twice is known, whatever came between."""
    real = compared(history)
    seen = real.seen()
    for line in history.lines:
        if line["type"] not in ("instrument", "mark", "rate", "fee", "bust", "correction"):
            assert real.take(line) == [], line
    assert differences(seen, real.seen()) == []


def test_the_totals_of_strategies_are_the_books() -> None:
    """On histories of several strategies, after every line: quantities, and cash but for what names none."""
    for seed in range(12):
        history = random_history(seed)
        real = RealBooks(history.method, history.mode)
        for line in history.lines:
            real.take(line)
            assert_strategies_add_up(real)


def assert_strategies_add_up(real: RealBooks) -> None:
    ledger: Any = real.state.positions
    for instrument in ledger.instruments():
        positions = ledger.sections(instrument.symbol)
        if ledger.is_divided(instrument.symbol):
            own = sum(Fraction(one.quantity) for one in positions if one.strategy is None)
            assert own == sum(Fraction(one.quantity) for one in positions if one.strategy is not None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(12))
def test_what_was_closed_adds_up_to_what_was_realised(seed: int, method: str) -> None:
    """Whatever was busted, corrected, split or renamed since: the results of the lots are the positions'."""
    history = random_history(seed, method=method)
    real = RealBooks(history.method, history.mode)
    for line in history.lines:
        real.take(line)
    ledger, orders = real.state.positions, real.state.orders
    realised: dict[tuple[str, str, str | None], Fraction] = {}
    for symbols in dict.fromkeys(ledger.linked(one.symbol) for one in ledger.instruments()):
        for closed in closed_lots(
            ledger.holdings, symbols[0], orders.executions.of_symbols(symbols, orders.strategy_of)
        ):
            whose = closed.instrument.symbol, closed.position_side, closed.strategy
            realised[whose] = realised.get(whose, Fraction()) + Fraction(closed.realised_pnl)
    sections = [section for one in ledger.instruments() for section in ledger.sections(one.symbol)]
    assert any(section.realised_pnl for section in sections)
    for section in sections:
        whose = section.symbol, section.position_side, section.strategy
        assert realised.get(whose, 0) == Fraction(section.realised_pnl), whose
