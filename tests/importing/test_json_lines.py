"""Our own JSON Lines: every type of line, every fault, and how fast they are read."""

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execore.importing.detect import read_history
from execore.importing.json_lines import LONGEST_LINE_BYTES, read_json_lines
from execore.importing.lines import (
    TYPES,
    CashFlowLine,
    FillLine,
    InstrumentLine,
    Line,
    Lot,
    NotUnderstood,
    SplitLine,
    TransferLine,
)
from execore.model.errors import InputFileError
from execore.model.vocabulary import Flow, InstrumentKind, PositionSide, Side
from importing_support.reading import ns, written

FILL: dict[str, Any] = {
    "type": "fill",
    "id": "f1",
    "time": "2026-01-31T09:30:00.250Z",
    "symbol": "BTCUSDT",
    "side": "buy",
    "quantity": "1.50",
    "price": "60000.10",
}
TIME = "2026-01-31T09:30:00Z"
ONE_OF_EACH: list[dict[str, Any]] = [
    {
        "type": "instrument",
        "symbol": "X",
        "currency": "USD",
        "kind": "option",
        "strike": "50",
        "right": "call",
    },
    FILL,
    {"type": "fee", "time": TIME, "execution": "f1", "fee": "1", "fee_currency": "USD"},
    {"type": "bust", "time": TIME, "execution": "f1"},
    {"type": "correction", "time": TIME, "execution": "f1", "quantity": 1, "price": 2},
    {"type": "transfer", "id": "t1", "time": TIME, "currency": "USD", "amount": "-5"},
    {"type": "cash_flow", "id": "c1", "time": TIME, "flow": "funding", "currency": "USD", "amount": "-5"},
    {"type": "split", "id": "s1", "time": TIME, "symbol": "X", "new": 4, "old": 1},
    {"type": "symbol_change", "id": "s2", "time": TIME, "symbol": "X", "new_symbol": "Y"},
    {"type": "closing", "id": "x1", "time": TIME, "symbol": "X", "reason": "expiry", "price": 0},
    {"type": "exercise", "id": "x2", "time": TIME, "symbol": "X"},
    {
        "type": "adjustment",
        "id": "a1",
        "time": TIME,
        "reason": "why",
        "actor": "who",
        "currency": "USD",
        "amount": "1",
    },
    {"type": "mark", "time": TIME, "symbol": "X", "price": "1"},
    {"type": "rate", "time": TIME, "base": "EUR", "quote": "USD", "rate": "1.1"},
]


def read(*lines: dict[str, Any] | bytes | str) -> list[Line | NotUnderstood]:
    encoded = [
        line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    return list(read_json_lines(io.BytesIO(b"\n".join(encoded))))


def content(line: dict[str, Any] | bytes | str) -> Any:
    (found,) = read(line)
    assert isinstance(found, Line), found
    return found.content


def code(line: dict[str, Any] | bytes | str) -> str:
    (found,) = read(line)
    assert isinstance(found, NotUnderstood), found
    assert found.reason
    assert found.next_step
    return found.code


# --- what is understood -------------------------------------------------------------------------------------


def test_a_fill_with_all_it_can_say() -> None:
    line = FILL | {
        "order_id": "o1",
        "fee": "-0.10",
        "fee_currency": "BNB",
        "strategy": "alpha",
        "position_side": "long",
        "settlement_date": "2026-02-02",
        "lots": [{"lot": "f0", "quantity": "1"}, {"lot": "e0", "quantity": "0.5"}],
    }
    assert content(line) == FillLine(
        id="f1",
        time_ns=ns("2026-01-31T09:30:00.250Z"),
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal("1.5"),
        price=Decimal("60000.1"),
        order_id="o1",
        fee=Decimal("-0.1"),
        fee_currency="BNB",
        strategy="alpha",
        position_side=PositionSide.LONG,
        settlement_date="2026-02-02",
        lots=(Lot("f0", Decimal(1)), Lot("e0", Decimal("0.5"))),
    )


@pytest.mark.parametrize("line", ONE_OF_EACH, ids=lambda line: line["type"])
def test_every_type_is_read_and_written_again_the_same(line: dict[str, Any]) -> None:
    found = content(line)
    assert type(found) is TYPES[line["type"]]
    assert content(msgspec.json.encode(found)) == found


def test_there_is_one_of_each() -> None:
    assert {line["type"] for line in ONE_OF_EACH} == set(TYPES)


def test_a_few_of_them_field_by_field() -> None:
    inverse = {
        "type": "instrument",
        "symbol": "XBTUSD",
        "currency": "USD",
        "kind": "inverse",
        "settlement_currency": "BTC",
        "multiplier": "1",
        "settlement_days": 2,
        "expires": "2026-06-26T08:00:00Z",
        "time": 5,
    }
    assert content(inverse) == InstrumentLine(
        symbol="XBTUSD",
        currency="USD",
        kind=InstrumentKind.INVERSE,
        settlement_currency="BTC",
        multiplier=Decimal(1),
        settlement_days=2,
        expires_ns=ns("2026-06-26T08:00:00Z"),
        time_ns=5,
    )
    assert content(ONE_OF_EACH[6]) == CashFlowLine(
        id="c1", time_ns=ns(TIME), flow=Flow.FUNDING, currency="USD", amount=Decimal(-5)
    )
    assert content(ONE_OF_EACH[7]) == SplitLine(
        id="s1", time_ns=ns(TIME), symbol="X", new=Decimal(4), old=Decimal(1)
    )
    units = {"type": "transfer", "id": "1", "time": TIME, "symbol": "X", "quantity": "2", "cost": 0}
    assert content(units) == TransferLine(
        id="1", time_ns=ns(TIME), symbol="X", quantity=Decimal(2), cost=Decimal(0)
    )


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (1, 1),
        ("2026-01-31T09:30:00Z", ns("2026-01-31T09:30:00Z")),
        ("2026-01-31T09:30:00+05:30", ns("2026-01-31T04:00:00Z")),
        ("2026-01-31 09:30:00.5-01:00", ns("2026-01-31T10:30:00.5Z")),
        ("2026-01-31T09:30:00.123456789Z", ns("2026-01-31T09:30:00Z") + 123_456_789),
        ("2026-01-31T09:30:00.1234567+01:00", ns("2026-01-31T08:30:00Z") + 123_456_700),
        ("20260131T093000.123456789Z", ns("2026-01-31T09:30:00Z") + 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_times_to_the_nanosecond(time: str | int, expected: int) -> None:
    assert content(FILL | {"time": time}).time_ns == expected


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-31T09:30:00",
        "2026-01-31",
        "yesterday",
        "",
        "2026-01-31T09:30:00.1234567891Z",
        "2026-02-30T09:30:00Z",
        "9999-01-01T00:00:00Z",
        1 << 63,
        None,
        True,
        ["2026"],
    ],
)
def test_what_is_no_time(time: Any) -> None:
    assert code(FILL | {"time": time}) == "invalid_input"


@pytest.mark.parametrize("text", ["1", "1.0", "01", "1.", "+1", "1e0", "1.000000000000000000"])
def test_numbers_are_kept_in_one_form(text: str) -> None:
    assert str(content(FILL | {"price": text}).price) == "1"


@pytest.mark.parametrize(
    "number",
    ["", ".", "-", "NaN", "-Infinity", "1,5", "0x1", "1" * 19, "0." + "1" * 19, "one", 1.5, 1e400, 1.0],
)
def test_what_is_no_exact_number(number: Any) -> None:
    assert code(FILL | {"price": number}) == "invalid_number"


@pytest.mark.parametrize("number", [True, None, [], {}])
def test_what_is_no_number_at_all(number: Any) -> None:
    assert code(FILL | {"price": number}) == "invalid_input"


def test_blank_lines_a_byte_order_mark_and_line_ends_do_not_matter() -> None:
    text = b"\xef\xbb\xbf" + json.dumps(FILL).encode() + b"\r\n\r\n  \n" + json.dumps(FILL).encode()
    first, second = read(text)
    assert isinstance(first, Line)
    assert isinstance(second, Line)
    assert (first.number, second.number) == (1, 4)
    assert first.content == second.content


# --- what is not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", "not_json"),
        (b"nonsense", "not_json"),
        (b'{"type": "fill"} more', "not_json"),
        (b'{"a": ' + b"[" * 100_000, "not_json"),
        (b"\xff\xfe", "not_text"),
        (b"[]", "not_an_object"),
        (b"5", "not_an_object"),
        (b"{}", "unknown_type"),
        (b'{"type": null}', "unknown_type"),
        (b'{"type": ["fill"]}', "unknown_type"),
        ({"type": "fil"}, "unknown_type"),
        ({"type": "fill", "id": "1"}, "missing_field"),
        (FILL | {"qty": "1"}, "unknown_field"),
        (json.dumps(FILL)[:-1] + ', "price": "1"}', "duplicate_key"),
        (json.dumps(FILL | {"time": 5})[:-1] + ', "price": "1"}', "duplicate_key"),
        (json.dumps(FILL)[:-1] + ', "type": "fill"}', "duplicate_key"),
        (
            json.dumps(FILL | {"lots": []})[:-2] + '{"lot": "1", "lot": "1", "quantity": "1"}]}',
            "duplicate_key",
        ),
        (FILL | {"side": "hold"}, "invalid_input"),
        (FILL | {"side": "undisclosed"}, "invalid_input"),
        (FILL | {"symbol": ""}, "invalid_input"),
        (FILL | {"id": 5}, "invalid_input"),
        (FILL | {"id": ""}, "invalid_input"),
        (FILL | {"quantity": "0"}, "invalid_number"),
        (FILL | {"quantity": "-1"}, "invalid_number"),
        (FILL | {"fee": "one"}, "invalid_number"),
        (FILL | {"settlement_date": "tomorrow"}, "invalid_input"),
        (FILL | {"settlement_date": "2026-02-30"}, "invalid_input"),
        (FILL | {"lots": [{"lot": "1", "quantity": "0"}]}, "invalid_number"),
        (FILL | {"lots": [{"lot": "", "quantity": "1"}]}, "invalid_input"),
        (ONE_OF_EACH[0] | {"multiplier": "-1"}, "invalid_number"),
        (ONE_OF_EACH[0] | {"kind": "inverse"}, "invalid_input"),
        (ONE_OF_EACH[0] | {"settlement_days": -1}, "invalid_input"),
        (ONE_OF_EACH[5] | {"symbol": "X"}, "invalid_input"),
        (ONE_OF_EACH[5] | {"cost": "1"}, "invalid_input"),
        (
            {"type": "adjustment", "id": "1", "time": TIME, "reason": "r", "actor": "a", "symbol": "X"},
            "invalid_input",
        ),
        (ONE_OF_EACH[7] | {"new": "0"}, "invalid_number"),
        (ONE_OF_EACH[7] | {"cash": "5"}, "invalid_input"),
        (b'{"type": "mark", "time": 1, "symbol": "\\ud800", "price": "1"}', "invalid_input"),
        (b'{"type": "mark", "time": 1, "symbol": "A", "price": ' + b"9" * 5000 + b"}", "not_json"),
    ],
)
def test_every_fault_has_its_code(line: dict[str, Any] | bytes | str, expected: str) -> None:
    assert code(line) == expected


def test_the_reason_names_the_field_and_the_step_helps() -> None:
    (found,) = read(FILL | {"feee": "1"})
    assert isinstance(found, NotUnderstood)
    assert "'feee'" in found.reason
    assert found.next_step == "Did you mean fee?"


def test_a_long_line_is_told_shortened_and_the_next_one_read() -> None:
    good = json.dumps(FILL).encode()
    found = read(b"x" * (10 * LONGEST_LINE_BYTES), good, b"y" * (LONGEST_LINE_BYTES - 1), good)
    assert [line.number for line in found] == [1, 2, 3, 4]
    first, third = found[0], found[2]
    assert isinstance(first, NotUnderstood)
    assert isinstance(third, NotUnderstood)
    assert (first.code, third.code) == ("line_too_long", "not_json")
    assert len(first.text) < 300
    assert len(third.text) < 300


def test_utf_16_is_refused_as_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps(FILL).encode("utf-16"), "lines.jsonl")
    with pytest.raises(InputFileError, match="UTF-16"):
        list(read_history(path))


# --- anything -----------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_lines_or_not_understood(data: bytes) -> None:
    for found in read(data):
        assert isinstance(found, Line | NotUnderstood)


@given(st.sampled_from(ONE_OF_EACH), st.data())
def test_any_value_in_any_field_is_a_line_or_not_understood(
    line: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(list(line)))
    changed = line | {field: data.draw(json_values)}
    (found,) = read(changed)
    assert isinstance(found, Line | NotUnderstood)


@given(
    st.integers(min_value=-(10**18) + 1, max_value=10**18 - 1),
    st.integers(min_value=0, max_value=10**18 - 1),
)
def test_every_number_of_18_and_18_digits_is_kept_exactly(whole: int, fraction: int) -> None:
    text = f"{whole}.{fraction:018}"
    assert content(FILL | {"price": text}).price == Decimal(text)
