"""Positions and cash: worked numbers first, then what must hold for any numbers at all."""

import decimal
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_support.desk import BITCOIN, FUTURE
from execore.core.accounts import Accounts
from execore.core.fills import FillEffect
from execore.core.instrument_rules import currency_quantum
from execore.core.position import position_to_dict
from execore.core.position_ledger import PositionLedger
from execore.model.errors import InvalidInput, InvariantViolation, UnknownInstrument
from execore.model.instruments import Instrument
from execore.model.money import BASIS_QUANTUM, EXACT
from execore.model.vocabulary import InstrumentKind

SHARE: Final = Instrument(symbol="SHARE", currency="USD", kind=InstrumentKind.EQUITY)
YEN_SHARE: Final = Instrument(symbol="7203", currency="JPY", kind=InstrumentKind.EQUITY)
OPTION: Final = Instrument(
    symbol="OPTION", currency="USD", kind=InstrumentKind.EQUITY, multiplier=Decimal(100)
)
INSTRUMENTS: Final = (SHARE, BITCOIN, FUTURE, YEN_SHARE, OPTION)


def ledger() -> PositionLedger:
    positions = PositionLedger()
    for instrument in INSTRUMENTS:
        positions.define_instrument(instrument)
    return positions


def book(positions: PositionLedger, symbol: str, fills: str) -> list[FillEffect]:
    """Book fills written as ``buy 10 @ 100, sell 4 @ 110 fee 1 USD``."""
    effects = []
    for text in fills.split(","):
        side, quantity, _, price, *rest = text.split()
        fee, currency = rest[1:] if rest else ("0", "")
        effects.append(positions.apply_fill(symbol, side, quantity, price, fee=fee, fee_currency=currency))
        assert not any(positions.trial_balance().values())
    return effects


# --- worked numbers ---------------------------------------------------------------------------------------

# What a spot or equity position of multiplier 1 comes to. Cash started at nothing.
WORKED: Final = """
fills                                                  | held | basis | average | realised | cash
buy 10 @ 100                                           |  10  |  1000 |  100    |     0    | -1000
buy 10 @ 100, buy 30 @ 104                             |  40  |  4120 |  103    |     0    | -4120
buy 10 @ 100, sell 4 @ 110                             |   6  |   600 |  100    |    40    |  -560
buy 10 @ 100, sell 10 @ 90                             |   0  |     0 |  -      |  -100    |  -100
sell 10 @ 100                                          | -10  | -1000 |  100    |     0    |  1000
sell 10 @ 100, buy 4 @ 90                              |  -6  |  -600 |  100    |    40    |   640
sell 10 @ 100, buy 10 @ 110                            |   0  |     0 |  -      |  -100    |  -100
buy 10 @ 100, sell 15 @ 110                            |  -5  |  -550 |  110    |   100    |   650
sell 10 @ 100, buy 15 @ 90                             |   5  |   450 |   90    |   100    |  -350
buy 10 @ 100, sell 4 @ 110, buy 4 @ 120, sell 10 @ 115 |   0  |     0 |  -      |   110    |   110
buy 10 @ -5                                            |  10  |   -50 |   -5    |     0    |    50
buy 10 @ -5, sell 10 @ 3                               |   0  |     0 |  -      |    80    |    80
sell 2 @ -37.63, buy 2 @ -40                           |   0  |     0 |  -      |     4.74 |     4.74
buy 10 @ 0, sell 5 @ 1                                 |   5  |     0 |    0    |     5    |     5
"""


class Worked(NamedTuple):
    fills: str
    held: str
    basis: str
    average: str
    realised: str
    cash: str


def worked_rows(table: str) -> list[Worked]:
    return [Worked(*map(str.strip, line.split("|"))) for line in table.strip().splitlines()[1:]]


def assert_worked(positions: PositionLedger, symbol: str, row: Worked) -> None:
    shown = position_to_dict(positions.position(symbol))
    assert shown["quantity"] == row.held
    assert shown["cost_basis"] == row.basis
    assert shown["average_cost"] == (None if row.average == "-" else row.average)
    assert shown["realised_pnl"] == row.realised
    assert positions.cash()["USD"] == Decimal(row.cash)


@pytest.mark.parametrize("row", worked_rows(WORKED), ids=lambda row: row.fills)
def test_a_position_comes_to_what_was_worked_out_by_hand(row: Worked) -> None:
    positions = ledger()
    book(positions, "SHARE", row.fills)
    assert_worked(positions, "SHARE", row)


# A linear future of multiplier 50: opening moves no cash, closing pays the difference.
WORKED_LINEAR: Final = """
fills                            | held | basis   | average | realised | cash
buy 2 @ 5000                     |  2   |  500000 | 5000    |      0   |      0
buy 2 @ 5000, sell 1 @ 5010      |  1   |  250000 | 5000    |    500   |    500
buy 2 @ 5000, sell 2 @ 4999.75   |  0   |       0 | -       |    -25   |    -25
buy 2 @ 5000, sell 3 @ 5001      | -1   | -250050 | 5001    |    100   |    100
sell 1 @ 5000, buy 2 @ 5002      |  1   |  250100 | 5002    |   -100   |   -100
"""


@pytest.mark.parametrize("row", worked_rows(WORKED_LINEAR), ids=lambda row: row.fills)
def test_a_linear_position_pays_differences_only(row: Worked) -> None:
    positions = ledger()
    book(positions, FUTURE.symbol, row.fills)
    assert_worked(positions, FUTURE.symbol, row)


def test_a_multiplier_counts_in_cash_and_basis_and_not_in_the_average() -> None:
    positions = ledger()
    book(positions, "OPTION", "buy 3 @ 2.50")
    assert positions.position("OPTION").cost_basis == 750
    assert positions.position("OPTION").average_cost == Decimal("2.5")
    assert positions.cash()["USD"] == -750


def test_a_flip_closes_then_opens_and_splits_its_fee_by_quantity() -> None:
    positions = ledger()
    _, flip = book(positions, "SHARE", "buy 10 @ 100, sell 15 @ 110 fee 3 USD")
    assert [flip.closed_quantity, flip.opened_quantity, flip.realised_pnl] == [10, 5, 100]
    assert [flip.fee_on_close, flip.fee_on_open] == [2, 1]


@pytest.mark.parametrize(
    ("currency", "fee", "on_close", "on_open"),
    [
        ("USD", "1", "0.33", "0.67"),  # a third of a dollar, at the cent
        ("JPY", "10", "3", "7"),
        ("BTC", "1", "0.33333333", "0.66666667"),
        ("USD", "-1", "-0.33", "-0.67"),
    ],
)
def test_a_fee_that_does_not_divide_is_split_at_the_currencys_quantum(
    currency: str, fee: str, on_close: str, on_open: str
) -> None:
    positions = ledger()
    _, flip = book(positions, "SHARE", f"buy 1 @ 100, sell 3 @ 100 fee {fee} {currency}")
    assert [flip.fee_on_close, flip.fee_on_open] == [Decimal(on_close), Decimal(on_open)]
    assert flip.fee_on_close + flip.fee_on_open == Decimal(fee)
    assert not flip.fee_on_close % currency_quantum(currency)


def test_a_fill_that_only_opens_or_only_closes_carries_its_whole_fee() -> None:
    positions = ledger()
    opening, closing = book(positions, "SHARE", "buy 3 @ 100 fee 1 USD, sell 1 @ 100 fee 2 USD")
    assert [opening.fee_on_close, opening.fee_on_open] == [0, 1]
    assert [closing.fee_on_close, closing.fee_on_open] == [2, 0]


def test_fees_in_the_quote_or_a_third_currency_come_out_of_cash_and_stay_beside_the_result() -> None:
    positions = ledger()
    book(positions, "BTC-USD", "buy 2 @ 100 fee 0.5 USD, sell 2 @ 110 fee 0.01 BNB")
    position = positions.position("BTC-USD")
    assert position.realised_pnl == 20, "fees are never mixed into the price"
    assert position.fees == {"USD": Decimal("0.5"), "BNB": Decimal("0.01")}
    assert positions.cash() == {"USD": Decimal("19.5"), "JPY": 0, "BNB": Decimal("-0.01")}


def test_a_fee_in_the_currency_bought_makes_the_position_smaller() -> None:
    positions = ledger()
    book(positions, "BTC-USD", "buy 1 @ 100 fee 0.001 BTC")
    position = positions.position("BTC-USD")
    assert position.quantity == Decimal("0.999")
    assert positions.traded("BTC-USD") == 1
    assert [position.cost_basis, position.fees_in_kind] == [Decimal("99.9"), Decimal("0.1")]
    assert position.average_cost == 100, "what is left cost what it cost"
    assert position.fees == {}
    assert positions.cash()["USD"] == -100


def test_a_fee_in_kind_on_a_short_makes_it_larger() -> None:
    positions = ledger()
    book(positions, "BTC-USD", "sell 1 @ 100 fee 0.001 BTC")
    position = positions.position("BTC-USD")
    assert [position.quantity, position.cost_basis] == [Decimal("-1.001"), -100]


def test_a_fee_in_the_units_name_is_cash_where_nothing_but_contracts_is_held() -> None:
    contract = Instrument(symbol="BTC-PERP", currency="USD", kind=InstrumentKind.LINEAR, base_currency="BTC")
    positions = ledger()
    positions.define_instrument(contract)
    book(positions, "BTC-PERP", "buy 1 @ 100 fee 0.001 BTC")
    assert positions.position("BTC-PERP").quantity == 1
    assert positions.cash()["BTC"] == Decimal("-0.001")


def test_a_rebate_is_a_fee_below_zero() -> None:
    positions = ledger()
    book(positions, "SHARE", "buy 1 @ 100 fee -0.25 USD")
    assert positions.position("SHARE").fees == {"USD": Decimal("-0.25")}
    assert positions.cash()["USD"] == Decimal("-99.75")


def test_a_fee_without_a_currency_is_in_the_instruments_own() -> None:
    positions = ledger()
    positions.apply_fill("7203", "buy", 100, 2000, fee=55)
    assert positions.position("7203").fees == {"JPY": 55}
    assert positions.cash()["JPY"] == -200_055


def test_currencies_are_kept_apart_and_deposits_are_capital() -> None:
    positions = ledger()
    positions.deposit("USD", "1000")
    positions.deposit("JPY", 500_000)
    positions.deposit("USD", "-250.5")
    book(positions, "SHARE", "buy 2 @ 100")
    book(positions, "7203", "buy 100 @ 2000")
    assert positions.cash() == {"USD": Decimal("549.5"), "JPY": 300_000}
    assert positions.equity({"SHARE": Decimal(110), "7203": Decimal(1900)}) == {
        "USD": Decimal("769.5"),
        "JPY": 490_000,
    }


def test_equity_counts_a_linear_position_by_its_unrealised_result() -> None:
    positions = ledger()
    positions.deposit("USD", 10_000)
    book(positions, FUTURE.symbol, "buy 2 @ 5000")
    assert positions.position(FUTURE.symbol).unrealised_pnl(Decimal(5010)) == 1000
    assert positions.position(FUTURE.symbol).market_value(Decimal(5010)) == 501_000
    assert positions.equity({FUTURE.symbol: Decimal(5010)})["USD"] == 11_000


def test_equity_names_the_mark_that_is_missing_and_guesses_nothing() -> None:
    positions = ledger()
    book(positions, "SHARE", "buy 1 @ 100")
    with pytest.raises(UnknownInstrument, match="SHARE"):
        positions.equity({})
    book(positions, "SHARE", "sell 1 @ 100")
    assert positions.equity({})["USD"] == 0, "a flat position needs no mark"


def test_thirds_leave_nothing_behind() -> None:
    positions = ledger()
    book(positions, "SHARE", "buy 3 @ 100, buy 4 @ 101.01")
    basis = positions.position("SHARE").cost_basis
    (first,) = book(positions, "SHARE", "sell 2 @ 100")
    released = 200 - first.realised_pnl
    assert released == Decimal("201.154285714286"), "2/7 of 704.04, half-even at 1e-12"
    assert positions.position("SHARE").cost_basis == basis - released, "the remainder stays"
    book(positions, "SHARE", "sell 2 @ 100, sell 2 @ 100, sell 1 @ 100")
    position = positions.position("SHARE")
    assert [position.quantity, position.cost_basis] == [0, 0]
    assert position.realised_pnl == Decimal("-4.04"), "exactly what went out and came in"
    assert position.average_cost is None


def test_the_shown_average_is_rounded_and_the_basis_is_not() -> None:
    positions = ledger()
    book(positions, "SHARE", "buy 3 @ 100, buy 4 @ 101.01")
    assert positions.position("SHARE").cost_basis == Decimal("704.04")
    assert positions.position("SHARE").average_cost == Decimal("100.577142857143")


def test_a_fill_of_unknown_symbol_or_side_books_nothing() -> None:
    positions = ledger()
    before = positions.accounts()
    with pytest.raises(UnknownInstrument, match="DOGE"):
        positions.apply_fill("DOGE", "buy", 1, 1)
    with pytest.raises(InvalidInput, match="side"):
        positions.apply_fill("SHARE", "undisclosed", 1, 1)
    assert positions.accounts() == before


def test_accounts_of_different_units_do_not_mix() -> None:
    accounts = Accounts()
    dollars, euros, more_euros = (
        accounts.open("a", "USD"),
        accounts.open("b", "EUR"),
        accounts.open("c", "EUR"),
    )
    with pytest.raises(InvariantViolation):
        accounts.post([(euros, more_euros, Decimal(1)), (dollars, euros, Decimal(1))])
    assert [account.balance for account in accounts] == [0, 0, 0], "all of the movements, or none"


# --- for any numbers ------------------------------------------------------------------------------------


class Fill(NamedTuple):
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


def numbers(low: str, high: str, places: int = 4) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), allow_nan=False, places=places)


def fill_lists(
    symbols: Sequence[str], prices: tuple[str, str] = ("-20", "200")
) -> st.SearchStrategy[list[Fill]]:
    fill = st.builds(
        Fill,
        symbol=st.sampled_from(symbols),
        side=st.sampled_from(["buy", "sell"]),
        quantity=numbers("0.0001", "10"),
        price=numbers(*prices),
        fee=st.one_of(st.just(Decimal(0)), numbers("-1", "1")),
        fee_currency=st.sampled_from(["USD", "BTC", "BNB", ""]),
    )
    return st.lists(fill, max_size=12)


any_fills = fill_lists([instrument.symbol for instrument in INSTRUMENTS])


def booked(fills: Sequence[Fill]) -> PositionLedger:
    positions = ledger()
    for fill in fills:
        apply(positions, fill)
    return positions


def apply(positions: PositionLedger, fill: Fill) -> FillEffect:
    return positions.apply_fill(
        fill.symbol, fill.side, fill.quantity, fill.price, fee=fill.fee, fee_currency=fill.fee_currency
    )


@given(any_fills, st.lists(numbers("-1000", "1000"), max_size=3))
def test_the_books_balance_to_the_last_digit_after_every_step(
    fills: list[Fill], deposits: list[Decimal]
) -> None:
    positions = ledger()
    for amount in deposits:
        positions.deposit("USD", amount)
        assert not any(positions.trial_balance().values())
    for fill in fills:
        effect = apply(positions, fill)
        assert effect.closed_quantity + effect.opened_quantity == fill.quantity
        assert effect.fee_on_close + effect.fee_on_open == fill.fee
        assert not any(positions.trial_balance().values())
        for position in positions.positions():
            assert position.quantity or position.cost_basis == 0, "flat means a basis of exactly zero"


@given(
    any_fills, st.dictionaries(st.sampled_from(["USD", "JPY"]), numbers("-1000", "1000")), numbers("-9", "99")
)
def test_equity_is_capital_plus_results_less_fees(
    fills: list[Fill], deposits: dict[str, Decimal], mark: Decimal
) -> None:
    """For each currency, exactly: equity = capital + realised + unrealised − fees − fees in kind."""
    positions = booked(fills)
    for currency, amount in deposits.items():
        positions.deposit(currency, amount)
    expected: dict[str, Fraction] = {currency: Fraction(0) for currency in positions.cash()}
    for currency, amount in deposits.items():
        expected[currency] += Fraction(amount)
    for position in positions.positions():
        expected[position.currency] += (
            Fraction(position.realised_pnl)
            + Fraction(position.unrealised_pnl(mark))
            - Fraction(position.fees_in_kind)
        )
        for currency, fee in position.fees.items():
            expected[currency] -= Fraction(fee)
    equity = positions.equity({instrument.symbol: mark for instrument in INSTRUMENTS})
    assert {currency: Fraction(amount) for currency, amount in equity.items()} == expected


@given(fill_lists(["SHARE", "OPTION"]))
def test_cash_and_basis_conserve_what_was_traded(fills: list[Fill]) -> None:
    """basis − realised is what was paid for all trades, whatever was rounded on the way."""
    positions = booked(fills)
    for instrument in (SHARE, OPTION):
        paid = sum(
            (1 if fill.side == "buy" else -1) * Fraction(fill.quantity) * Fraction(fill.price)
            for fill in fills
            if fill.symbol == instrument.symbol
        ) * Fraction(instrument.multiplier)
        position = positions.position(instrument.symbol)
        assert Fraction(position.cost_basis) - Fraction(position.realised_pnl) == paid


@given(fill_lists(["BTC-USD"]))
def test_the_position_is_what_was_traded_less_the_fees_taken_from_it(fills: list[Fill]) -> None:
    positions = booked(fills)
    traded = sum(fill.quantity if fill.side == "buy" else -fill.quantity for fill in fills)
    taken = sum(fill.fee for fill in fills if fill.fee_currency == "BTC")
    assert positions.traded("BTC-USD") == traded
    assert positions.position("BTC-USD").quantity == traded - taken


@given(st.lists(st.tuples(numbers("0.0001", "10"), numbers("1", "200")), min_size=1, max_size=12))
def test_the_average_follows_the_definition_as_long_as_nothing_is_closed(
    buys: list[tuple[Decimal, Decimal]],
) -> None:
    positions = ledger()
    for quantity, price in buys:
        positions.apply_fill("SHARE", "buy", quantity, price)
    quantity_held = sum(Fraction(quantity) for quantity, _ in buys)
    cost = sum(Fraction(quantity) * Fraction(price) for quantity, price in buys)
    average = positions.position("SHARE").average_cost
    assert average is not None
    assert 2 * abs(Fraction(average) * quantity_held - cost) <= Fraction(BASIS_QUANTUM) * quantity_held


@given(any_fills, st.sampled_from(["buy", "sell"]), st.lists(numbers("0.0001", "5"), min_size=1, max_size=4))
def test_a_fill_in_parts_comes_to_the_same_as_in_one(
    history: list[Fill], side: str, parts: list[Decimal]
) -> None:
    whole, split = booked(history), booked(history)
    whole.apply_fill("SHARE", side, sum(parts), Decimal("12.34"))
    for part in parts:
        split.apply_fill("SHARE", side, part, Decimal("12.34"))
    one, many = whole.position("SHARE"), split.position("SHARE")
    assert [one.quantity, whole.cash()] == [many.quantity, split.cash()]
    # Each partial close rounds its share of the basis once; everything else is exact.
    assert abs(one.cost_basis - many.cost_basis) <= BASIS_QUANTUM * len(parts)
    assert one.realised_pnl - one.cost_basis == many.realised_pnl - many.cost_basis


@given(numbers("0.0001", "10"), numbers("0.0001", "10"), numbers("1", "200"), numbers("1", "200"))
def test_a_flip_is_a_close_and_an_open(held: Decimal, more: Decimal, bought: Decimal, sold: Decimal) -> None:
    flipped, stepwise = ledger(), ledger()
    for positions in (flipped, stepwise):
        positions.apply_fill("SHARE", "buy", held, bought)
    flipped.apply_fill("SHARE", "sell", held + more, sold)
    stepwise.apply_fill("SHARE", "sell", held, sold)
    stepwise.apply_fill("SHARE", "sell", more, sold)
    assert flipped.to_dict() == stepwise.to_dict()


@given(any_fills)
def test_the_callers_decimal_context_is_untouched_and_irrelevant(fills: list[Fill]) -> None:
    marks = {instrument.symbol: Decimal("123.45") for instrument in INSTRUMENTS}
    plain = booked(fills)
    crude = decimal.Context(prec=3, rounding=decimal.ROUND_UP, traps=[])
    with decimal.localcontext(crude) as context:
        positions = booked(fills)
        shown, equity, held = positions.to_dict(), positions.equity(marks), positions.positions()
        traded = [positions.traded(instrument.symbol) for instrument in INSTRUMENTS]
        assert not any(positions.trial_balance().values())
        assert context.prec == 3
        assert not any(context.flags.values()), "not even a flag is left behind"
    assert shown == plain.to_dict()
    assert equity == plain.equity(marks)
    assert held == plain.positions()
    assert traded == [plain.traded(instrument.symbol) for instrument in INSTRUMENTS]


def test_the_widest_numbers_that_may_enter_are_booked_and_released() -> None:
    widest = Decimal("999999999999999999.999999999999999999")
    smallest = Decimal("0.000000000000000001")
    positions = ledger()
    positions.define_instrument(
        Instrument(symbol="WIDE", currency="USD", multiplier=Decimal("999999999.999999999"))
    )
    positions.apply_fill("WIDE", "buy", widest, widest)
    positions.apply_fill("WIDE", "buy", widest, widest)
    positions.apply_fill("WIDE", "sell", smallest, widest)
    assert positions.position("WIDE").average_cost == Decimal(10) ** 18, "rounded for showing"
    assert not any(positions.trial_balance().values())
    positions.apply_fill("WIDE", "sell", widest, widest)
    positions.apply_fill("WIDE", "sell", EXACT.subtract(widest, smallest), widest)
    assert [positions.position("WIDE").quantity, positions.position("WIDE").cost_basis] == [0, 0]
