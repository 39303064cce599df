"""Numbers: what may enter, how they are divided, and how they are written."""

import decimal
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.core.order_state_machine import OrderStateMachine
from execore.core.position_ledger import PositionLedger
from execore.core.risk_hook import OrderLimits, RiskContext
from execore.core.validation import validate_order
from execore.journal.codec import decode_record, encode_record
from execore.model import events, reports, requests
from execore.model.errors import InvalidNumber, InvalidQuantity
from execore.model.instruments import Instrument
from execore.model.money import canonical, divide, is_multiple, share, text_of, to_decimal
from execore.model.orders import OrderRequest
from execore.model.records import Record, StoredRecord
from execore.model.vocabulary import RiskDecision, Side

NOT_EXACT: Final = {
    "float": 0.5,
    "whole float": 1.0,
    "nan float": float("nan"),
    "bool": True,
    "bytes": b"1",
    "list": [1],
    "fraction": Fraction(1, 2),
    "nan": Decimal("NaN"),
    "signalling nan": Decimal("sNaN"),
    "nan text": "nan",
    "nan with a long payload": "nan" + "1" * 5000,
    "infinity": Decimal("Infinity"),
    "infinity text": "-inf",
    "empty text": "",
    "word": "ten",
    "decimal comma": "1,5",
    "two points": "1.2.3",
    "hex": "0x10",
    "19 digits before the point": "1234567890123456789",
    "19 digits after the point": "0.1234567890123456789",
    "too large": "1E18",
    "too small": "1E-19",
    "huge exponent": "1E999999",
    "huge int": 10**5000,
    "huge text": "9" * 100_000,
    "huge fraction": "0." + "0" * 100_000 + "1",
}


def _order(**fields: Any) -> object:
    terms: dict[str, Any] = {"symbol": "S", "side": "buy", "quantity": 1, "order_type": "stop_limit"}
    return OrderRequest(**(terms | {"price": 1, "stop_price": 1} | fields))


def _machine() -> OrderStateMachine:
    machine = OrderStateMachine()
    machine.create_order(OrderRequest(client_order_id="o1", symbol="S", side=Side.BUY, quantity=1, price=1))  # type: ignore[arg-type]
    machine.submit_order("o1")
    return machine


def _positions() -> PositionLedger:
    positions = PositionLedger()
    positions.define_instrument(Instrument(symbol="S", currency="USD"))
    return positions


Take = Callable[..., object]
BOUNDARIES: Final[dict[str, tuple[Take, tuple[str, ...]]]] = {
    "OrderRequest": (_order, ("quantity", "price", "stop_price")),
    "AmendOrder": (
        lambda **fields: requests.AmendOrder(ts_ns=0, client_order_id="o1", request_id="a1", **fields),
        ("quantity", "price", "stop_price"),
    ),
    "TransferCash": (
        lambda **fields: requests.TransferCash(ts_ns=0, transfer_id="t1", currency="USD", **fields),
        ("amount",),
    ),
    "AcknowledgeReport": (
        lambda **fields: reports.AcknowledgeReport(ts_ns=0, **fields),
        ("leaves", "price"),
    ),
    "FillReport": (
        lambda **fields: reports.FillReport(ts_ns=0, **({"quantity": 1, "price": 1} | fields)),
        ("quantity", "price", "fee", "cumulative_quantity"),
    ),
    "CancelReport": (lambda **fields: reports.CancelReport(ts_ns=0, **fields), ("cancelled_quantity",)),
    "AmendReport": (
        lambda **fields: reports.AmendReport(ts_ns=0, **fields),
        ("quantity", "leaves", "price", "stop_price"),
    ),
    "Instrument": (
        lambda **fields: Instrument(symbol="S", currency="USD", **fields),
        (
            "multiplier",
            "tick_size",
            "quantity_step",
            "minimum_quantity",
            "maximum_quantity",
            "minimum_notional",
        ),
    ),
    "OrderLimits": (OrderLimits, ("maximum_quantity", "maximum_notional")),
    "deposit": (lambda amount: _positions().deposit("USD", amount), ("amount",)),
    "PositionLedger.apply_fill": (
        lambda **fields: _positions().apply_fill("S", "buy", **({"quantity": 1, "price": 1} | fields)),
        ("quantity", "price", "fee"),
    ),
    "OrderStateMachine.apply_fill": (
        lambda **fields: _machine().apply_fill("o1", "E1", **({"quantity": 1, "price": 1} | fields)),
        ("quantity", "price", "fee"),
    ),
    "request_amend": (
        lambda **fields: _machine().request_amend("o1", "a1", **fields),
        ("quantity", "price", "stop_price"),
    ),
    "amend_order": (
        lambda **fields: _machine().amend_order("o1", **fields),
        ("quantity", "price", "stop_price"),
    ),
}
every_boundary = pytest.mark.parametrize(
    ("take", "field"),
    [
        pytest.param(take, field, id=f"{name}-{field}")
        for name, (take, fields) in BOUNDARIES.items()
        for field in fields
    ],
)


@every_boundary
@pytest.mark.parametrize("value", NOT_EXACT.values(), ids=NOT_EXACT.keys())
def test_no_inexact_number_gets_in_and_the_error_names_the_field(
    take: Take, field: str, value: object
) -> None:
    with pytest.raises(InvalidNumber) as caught:
        take(**{field: value})
    assert caught.value.field == field
    assert len(str(caught.value)) < 300, "an error stays readable, whatever was given"


@every_boundary
def test_texts_and_ints_are_as_good_as_decimals(take: Take, field: str) -> None:
    for value in ("2", 2, Decimal("2.0"), "2.000"):
        taken = take(**{field: value})
        assert getattr(taken, field, Decimal(2)) == 2


@pytest.mark.parametrize(
    ("take", "field"),
    [
        pytest.param(BOUNDARIES[name][0], field, id=f"{name}-{field}")
        for name, field in [
            ("FillReport", "cumulative_quantity"),
            ("AcknowledgeReport", "leaves"),
            ("CancelReport", "cancelled_quantity"),
            ("AmendReport", "quantity"),
            ("AmendReport", "leaves"),
        ]
    ],
)
def test_a_venue_may_say_zero_and_nothing_below(take: Take, field: str) -> None:
    for nothing in (0, "-0"):
        take(**{field: nothing})
    with pytest.raises(InvalidQuantity) as caught:
        take(**{field: "-0.5"})
    assert caught.value.field == field


@pytest.mark.parametrize("value", [0, -1, "-0", "-0.5"])
@pytest.mark.parametrize(
    ("take", "field"),
    [
        pytest.param(BOUNDARIES[name][0], field, id=f"{name}-{field}")
        for name, field in [
            ("OrderRequest", "quantity"),
            ("AmendOrder", "quantity"),
            ("FillReport", "quantity"),
            ("PositionLedger.apply_fill", "quantity"),
            ("OrderStateMachine.apply_fill", "quantity"),
        ]
    ],
)
def test_a_quantity_is_a_size(take: Take, field: str, value: object) -> None:
    with pytest.raises(InvalidQuantity) as caught:
        take(**{field: value})
    assert caught.value.field == field


def test_prices_and_fees_may_be_zero_or_negative() -> None:
    report = reports.FillReport(ts_ns=0, quantity=1, price="-37.63", fee="-0.02")  # type: ignore[arg-type]
    assert [report.price, report.fee] == [Decimal("-37.63"), Decimal("-0.02")]


# --- one way to write a number ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "text"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E2", "100"),
        ("1e-8", "0.00000001"),
        ("1E-18", "0.000000000000000001"),
        ("0.00", "0"),
        ("0E-30", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("-1.20", "-1.2"),
        ("007", "7"),
        ("+5", "5"),
        ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
    ],
)
def test_a_number_is_written_one_way_only(given_as: str, text: str) -> None:
    number = to_decimal(given_as, "price")
    assert text_of(number) == text
    assert text_of(Decimal(given_as)) == text
    assert to_decimal(number, "price") is to_decimal(text, "price") or number == Decimal(text)


exact_numbers = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places, decimal.Context(prec=40)),
    st.integers(-(10**18) + 1, 10**18 - 1),
    st.integers(0, 18),
)


@given(exact_numbers)
def test_canonical_keeps_the_value_and_loses_the_spelling(number: Decimal) -> None:
    assert canonical(number) == number
    assert canonical(canonical(number)) == number
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?", text_of(number))
    assert text_of(number) != "-0"
    assert Decimal(text_of(number)) == number


@given(exact_numbers, exact_numbers)
def test_the_journal_never_writes_an_exponent(amount: Decimal, price: Decimal) -> None:
    for event in (
        events.CashTransferred("t-1E-8", "USD", to_decimal(amount, "amount")),
        events.FillBooked("o1", "S", Side.BUY, abs(to_decimal(amount, "q")), to_decimal(price, "p"), "E-1"),
    ):
        record = Record(1, "book", 0, 0, "test", "cause-E-9", event)
        data = encode_record(record)
        assert not re.search(rb'"-?\d+(\.\d+)?[eE]', data)
        assert decode_record(StoredRecord(1, "", data)) == record


def test_the_smallest_numbers_are_written_out() -> None:
    record = Record(1, "book", 0, 0, "test", "", events.CashTransferred("t1", "BTC", Decimal("1E-8")))
    assert b'"amount":"0.00000001"' in encode_record(record)


# --- division -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numerator", "denominator", "quantum", "expected"),
    [
        ("1", "3", "0.01", "0.33"),
        ("2", "3", "0.01", "0.67"),
        ("-1", "3", "0.01", "-0.33"),
        ("2", "-3", "0.01", "-0.67"),
        ("-2", "-3", "0.01", "0.67"),
        ("1", "2", "1", "0"),  # ties go to the even one
        ("3", "2", "1", "2"),
        ("5", "2", "1", "2"),
        ("-1", "2", "1", "0"),
        ("-3", "2", "1", "-2"),
        ("-5", "2", "1", "-2"),
        ("0.125", "1", "0.01", "0.12"),
        ("0.135", "1", "0.01", "0.14"),
        ("0.1250000000000000000000000000001", "1", "0.01", "0.13"),  # just above a tie is no tie
        ("10", "4", "0.5", "2.5"),
        ("7", "1", "5", "5"),
        ("0", "7", "0.01", "0"),
    ],
)
def test_division_rounds_half_even_to_the_quantum(
    numerator: str, denominator: str, quantum: str, expected: str
) -> None:
    assert divide(Decimal(numerator), Decimal(denominator), Decimal(quantum)) == Decimal(expected)


@given(
    exact_numbers,
    exact_numbers,
    exact_numbers.filter(bool),
    st.sampled_from(["1", "0.01", "0.05", "1E-8", "1E-12"]).map(Decimal),
)
def test_a_share_is_the_exact_quotient_rounded_once(
    amount: Decimal, part: Decimal, whole: Decimal, quantum: Decimal
) -> None:
    exact = Fraction(amount) * Fraction(part) / Fraction(whole) / Fraction(quantum)
    with decimal.localcontext(decimal.Context(prec=3, traps=[])):  # the caller's context does not matter
        result = share(amount, part, whole, quantum)
    assert Fraction(result) / Fraction(quantum) == round(exact)  # Python rounds fractions half to even


def test_nothing_is_divided_by_zero() -> None:
    with pytest.raises(decimal.InvalidOperation):
        divide(Decimal(1), Decimal(0), Decimal("0.01"))


@pytest.mark.parametrize(
    ("number", "step", "expected"),
    [
        ("1.25", "0.25", True),
        ("1.30", "0.25", False),
        ("-1.25", "0.25", True),
        ("0", "0.25", True),
        ("0.3", "0.1", True),  # which floats get wrong
        ("999999999999999999", "0.000000000000000001", True),
        ("0.000000000000000001", "1", False),
    ],
)
def test_a_multiple_is_exact(number: str, step: str, expected: bool) -> None:
    assert is_multiple(Decimal(number), Decimal(step)) is expected


def test_limits_are_exact_in_any_decimal_context() -> None:
    order = OrderRequest(symbol="S", side=Side.BUY, quantity=Decimal(1), price=Decimal("-12349"))
    instrument = Instrument(symbol="S", currency="USD", minimum_notional=Decimal("12349.5"))
    with decimal.localcontext(decimal.Context(prec=3)):
        verdict = OrderLimits(maximum_notional="12345").evaluate_order(order, RiskContext(0))
        assert verdict.decision is RiskDecision.BLOCK
        with pytest.raises(InvalidQuantity, match="minimum"):
            validate_order(order, instrument)
