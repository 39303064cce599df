"""Alpaca's account activities, as a table and as JSON."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execore.importing.alpaca import instrument_of
from execore.importing.detect import read_history
from execore.importing.lines import (
    CashFlowLine,
    ClosingLine,
    ExerciseLine,
    FillLine,
    InstrumentLine,
    NotUnderstood,
    TransferLine,
)
from execore.importing.refused import Refused
from execore.model.vocabulary import Flow, InstrumentKind, OptionRight, Side
from importing_support.reading import all_of, contents, ns, refused, written

COLUMNS = (
    "id,activity_type,transaction_time,date,type,price,qty,side,symbol,order_id,net_amount,description,"
    "status\n"
)
FILL = {
    "activity_type": "FILL",
    "cum_qty": "1",
    "id": "20240524113406977::8efc",
    "leaves_qty": "0",
    "price": "1.63",
    "qty": "1",
    "side": "buy",
    "symbol": "LPCN",
    "transaction_time": "2024-05-24T15:34:06.977123Z",
    "order_id": "9048",
    "type": "fill",
}


def nta(word: str, **fields: str) -> dict[str, str]:
    return {"activity_type": word, "id": f"{word}::1", "date": "2024-07-19", **fields}


def as_json(*activities: dict[str, Any]) -> str:
    return json.dumps(activities, indent=1)


def test_a_fill_is_the_same_from_a_table_and_from_json(tmp_path: Path) -> None:
    table = COLUMNS + (
        "20240524113406977::8efc,FILL,2024-05-24T15:34:06.977123Z,,fill,1.63,1,buy,LPCN,9048,,,\n"
    )
    expected = [
        InstrumentLine(symbol="LPCN", currency="USD", kind=InstrumentKind.EQUITY),
        FillLine(
            id="20240524113406977::8efc",
            time_ns=ns("2024-05-24T15:34:06.977123Z"),
            symbol="LPCN",
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal("1.63"),
            order_id="9048",
        ),
    ]
    assert contents(written(tmp_path, table)) == expected
    assert contents(written(tmp_path, as_json(FILL), "activities.json")) == expected


def test_json_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    text = as_json(FILL).replace('"1.63"', "1.6300000000000000001")
    assert refused(written(tmp_path, text)) == [(2, "invalid_number")]
    text = as_json(FILL).replace('"1.63"', "1.630000000000000001")
    fill = contents(written(tmp_path, text))[-1]
    assert isinstance(fill, FillLine)
    assert fill.price == Decimal("1.630000000000000001")


@pytest.mark.parametrize(
    ("symbol", "instrument"),
    [
        ("AAPL", {"symbol": "AAPL", "kind": InstrumentKind.EQUITY}),
        ("BRK.B", {"symbol": "BRK.B", "kind": InstrumentKind.EQUITY}),
        ("BTC/USD", {"symbol": "BTC/USD", "kind": InstrumentKind.SPOT, "base_currency": "BTC"}),
        ("BTCUSD", {"symbol": "BTC/USD", "kind": InstrumentKind.SPOT, "base_currency": "BTC"}),
        ("SHIBUSDT", {"symbol": "SHIB/USDT", "currency": "USDT", "base_currency": "SHIB"}),
        (
            "AAPL240719C00207500",
            {
                "kind": InstrumentKind.OPTION,
                "strike": Decimal("207.5"),
                "right": OptionRight.CALL,
                "underlying": "AAPL",
                "multiplier": Decimal(100),
                "expires_ns": ns("2024-07-19T23:59:59-04:00"),
            },
        ),
    ],
)
def test_what_symbols_say_of_their_instruments(symbol: str, instrument: dict[str, object]) -> None:
    made = instrument_of(symbol)
    assert {name: getattr(made, name) for name in instrument} == instrument


def test_an_adjusted_option_is_of_no_known_size() -> None:
    with pytest.raises(Refused) as caught:
        instrument_of("AAPL1240719C00207500")
    assert caught.value.code == "unknown_instrument"


@pytest.mark.parametrize(
    ("activity", "flow", "amount"),
    [
        (nta("DIV", symbol="T", qty="100", net_amount="48.5"), Flow.DIVIDEND, "48.5"),
        (nta("DIVNRA", symbol="T", net_amount="-7.2"), Flow.WITHHOLDING_TAX, "-7.2"),
        (nta("INT", net_amount="0.31"), Flow.INTEREST, "0.31"),
        (nta("FEE", net_amount="-0.02", description="TAF fee"), Flow.FEE, "-0.02"),
        (nta("CFEE", symbol="BTC/USD", net_amount="-0.5", qty="0"), Flow.FEE, "-0.5"),
    ],
)
def test_cash_flows(tmp_path: Path, activity: dict[str, str], flow: Flow, amount: str) -> None:
    line = contents(written(tmp_path, as_json(activity)))[-1]
    assert isinstance(line, CashFlowLine)
    assert (line.flow, line.amount, line.currency) == (flow, Decimal(amount), "USD")
    assert line.time_ns == ns("2024-07-19T00:00:00-04:00")


@pytest.mark.parametrize("word", ["CSD", "CSW", "JNLC", "ACATC"])
def test_cash_transfers(tmp_path: Path, word: str) -> None:
    (line,) = contents(written(tmp_path, as_json(nta(word, net_amount="-250"))))
    assert isinstance(line, TransferLine)
    assert (line.currency, line.amount) == ("USD", Decimal(-250))


def test_units_out_and_coins_taken_as_fee(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        as_json(
            nta("JNLS", symbol="AAPL", qty="-3", net_amount="0"),
            nta("CFEE", symbol="BTCUSD", qty="-0.0002", price="38787.88", net_amount="0"),
        ),
    )
    units, fee = (line for line in contents(path) if isinstance(line, TransferLine))
    assert (units.symbol, units.quantity, units.counterparty) == ("AAPL", Decimal(-3), None)
    assert (fee.symbol, fee.quantity, fee.counterparty) == (
        "BTC/USD",
        Decimal("-0.0002"),
        "Alpaca, as a fee",
    )


def test_the_end_of_options(tmp_path: Path) -> None:
    option = "AAPL240719C00150000"
    history = read_history(
        written(
            tmp_path,
            as_json(
                nta("OPEXC", symbol=option, qty="-2", net_amount="0", status="executed"),
                nta("OPTRD", symbol="AAPL", qty="200", price="150", net_amount="-30000"),
                nta("OPASN", symbol="AAPL240719P00150000", qty="1", net_amount="0"),
                nta("OPEXP", symbol="AAPL240719P00100000", qty="4", net_amount="0"),
            ),
        )
    )
    made = [line.content for line in history if not isinstance(line, NotUnderstood)]
    exercised, assigned = (line for line in made if isinstance(line, ExerciseLine))
    (expired,) = (line for line in made if isinstance(line, ClosingLine))
    assert (exercised.symbol, exercised.quantity) == (option, Decimal(2))
    assert assigned.quantity == Decimal(1)
    assert (expired.price, expired.quantity) == (Decimal(0), Decimal(4))
    assert expired.time_ns == ns("2024-07-19T23:59:59-04:00")
    symbols = [line.symbol for line in made if isinstance(line, InstrumentLine)]
    assert symbols == [option, "AAPL", "AAPL240719P00150000", "AAPL240719P00100000"]
    assert sum(history.skipped.values()) == 1


@pytest.mark.parametrize(
    ("activity", "code"),
    [
        (nta("SPLIT", symbol="AAPL", qty="3"), "corporate_action"),
        (nta("WHATEVER", net_amount="1"), "unknown_operation"),
        (nta("JNLS", symbol="AAPL", qty="3"), "unknown_cost"),
        (nta("DIV", net_amount="1", status="canceled"), "cancelled_activity"),
        (nta("DIV", symbol="T"), "missing_cell"),
        (nta("OPEXC", symbol="AAPL240719C00150000", qty="1", net_amount="10"), "unknown_operation"),
        (FILL | {"side": "hold"}, "unknown_side"),
        (FILL | {"type": "trade_bust"}, "unknown_operation"),
        (FILL | {"price": None}, "missing_cell"),
        (FILL | {"transaction_time": "yesterday"}, "invalid_time"),
        (FILL | {"symbol": {"a": "b"}}, "invalid_input"),
        (FILL | {"symbol": "no ticker"}, "unknown_instrument"),
        (["FILL"], "not_an_object"),
    ],
)
def test_bad_activities(tmp_path: Path, activity: Any, code: str) -> None:
    assert refused(written(tmp_path, as_json(FILL, activity)))[-1][1] == code


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_a_file_that_is_cut_short_is_told_and_not_taken_for_a_shorter_one(tmp_path: Path, cut: int) -> None:
    text = as_json(FILL, FILL)[:-cut]
    made = all_of(written(tmp_path, text))
    last = made[-1]
    assert isinstance(last, NotUnderstood)
    assert last.code == "not_json"
    assert sum(not isinstance(line, NotUnderstood) for line in made) >= 2
