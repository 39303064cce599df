"""Binance's exports: every form of trade history, and the transactions that are no trades."""

from decimal import Decimal
from pathlib import Path

import pytest

from execore.importing.detect import read_history
from execore.importing.lines import CashFlowLine, FillLine, InstrumentLine, NotUnderstood, TransferLine
from execore.model.errors import InputFileError
from execore.model.vocabulary import Flow, InstrumentKind, PositionSide, Side
from importing_support.reading import all_of, contents, ns, refused, written

SPOT = '"Date(UTC)","Pair","Side","Price","Executed","Amount","Fee"\n'
OLD_SPOT = "Date(UTC),Market,Type,Price,Amount,Total,Fee,Fee Coin\n"
NEW_FUTURES = "Uid,Time,Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit,Buyer,Maker,Trade ID,Order ID\n"
TRANSACTIONS = "User_ID,UTC_Time,Account,Operation,Coin,Change,Remark\n"


def fills(path: Path, known: tuple[str, ...] = ()) -> list[FillLine]:
    return [content for content in contents(path, known=known) if isinstance(content, FillLine)]


# --- spot ---------------------------------------------------------------------------------------------------


def test_a_spot_trade_is_a_fill_behind_its_instrument(tmp_path: Path) -> None:
    row = (
        '"2024-05-06 07:08:09","ETHUSDT","BUY","3,100.5000000000","0.2000000000ETH","620.1USDT","0.0002ETH"\n'
    )
    instrument, fill = contents(written(tmp_path, SPOT + row))
    assert instrument == InstrumentLine(
        symbol="ETHUSDT", currency="USDT", kind=InstrumentKind.SPOT, base_currency="ETH"
    )
    assert isinstance(fill, FillLine)
    assert fill == FillLine(
        id=fill.id,
        time_ns=ns("2024-05-06T07:08:09Z"),
        symbol="ETHUSDT",
        side=Side.BUY,
        quantity=Decimal("0.2"),
        price=Decimal("3100.5"),
        fee=Decimal("0.0002"),
        fee_currency="ETH",
    )


def test_an_instrument_is_defined_once_and_not_if_it_is_known(tmp_path: Path) -> None:
    rows = "2024-05-06 07:08:09,ETHUSDT,SELL,3100,1ETH,3100USDT,0BNB\n" * 2
    path = written(tmp_path, SPOT + rows)
    kinds = [type(content) for content in contents(path)]
    assert kinds == [InstrumentLine, FillLine, FillLine]
    assert [type(content) for content in contents(path, known=("ETHUSDT",))] == [FillLine, FillLine]


def test_rows_that_look_the_same_are_different_fills_with_the_same_ids_every_time(tmp_path: Path) -> None:
    row = "2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0.1BNB\n"
    path = written(tmp_path, SPOT + row * 3)
    ids = [fill.id for fill in fills(path)]
    assert len(set(ids)) == 3
    assert [fill.id for fill in fills(path)] == ids
    assert [fill.id for fill in fills(written(tmp_path, SPOT + row * 2, "shorter.csv"))] == ids[:2]


def test_the_same_trade_has_the_same_id_in_every_form_of_export(tmp_path: Path) -> None:
    first = written(tmp_path, SPOT + "2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0.1BNB\n", "a.csv")
    second = written(
        tmp_path,
        "Order No,Time,Pair,Side,Price,Executed,Amount,Fee,AOR Conversion Pair,AOR Conversion Rate\n"
        "77,24-05-06 09:08:09,ETHUSDT,BUY,3100.00,1.0ETH,3100.0USDT,0.10BNB,,\n",
        "Binance-Spot-Trade-History-202406010000(UTC+2)-part1.csv",
    )
    assert fills(first)[0].id == fills(second)[0].id
    assert fills(first)[0].time_ns == fills(second)[0].time_ns
    assert (fills(first)[0].order_id, fills(second)[0].order_id) == (None, "77")


def test_coins_whose_names_begin_with_digits(tmp_path: Path) -> None:
    row = "2024-05-06 07:08:09,1INCHUSDT,BUY,0.5,1001INCH,50USDT,0.11INCH\n"
    fill = fills(written(tmp_path, SPOT + row))[0]
    assert (fill.symbol, fill.quantity, fill.fee, fill.fee_currency) == (
        "1INCHUSDT",
        Decimal(100),
        Decimal("0.1"),
        "1INCH",
    )


def test_the_old_form_names_the_coin_of_the_fee_only(tmp_path: Path) -> None:
    row = "2018-02-03 04:05:06,LTCBTC,SELL,0.0150000,2.00000000,0.03000000,0.00003000,BTC\n"
    instrument, fill = contents(written(tmp_path, OLD_SPOT + row))
    assert isinstance(instrument, InstrumentLine)
    assert isinstance(fill, FillLine)
    assert (instrument.base_currency, instrument.currency) == ("LTC", "BTC")
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, Decimal(2), Decimal("0.015"))
    assert (fill.fee, fill.fee_currency) == (Decimal("0.00003"), "BTC")


@pytest.mark.parametrize(
    ("market", "code"),
    [("ADAEUR", "ambiguous_pair"), ("FOOBAR", "unknown_instrument"), ("USDT", "unknown_instrument")],
)
def test_a_pair_that_cannot_be_split_is_refused_until_it_is_defined(
    tmp_path: Path, market: str, code: str
) -> None:
    path = written(tmp_path, OLD_SPOT + f"2018-02-03 04:05:06,{market},BUY,1,2,2,0,BNB\n")
    assert refused(path) == [(2, code)]
    assert [fill.symbol for fill in fills(path, known=(market,))] == [market]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("Binance-Spot(UTC+7).csv", "2025-10-11T01:01:13+07:00"),
        ("Binance-Spot(UTC--6)_abc.csv", "2025-10-11T01:01:13-06:00"),
        ("Binance-Spot(UTC-5).csv", "2025-10-11T01:01:13-05:00"),
        ("Binance-Spot(UTC+5:30).csv", "2025-10-11T01:01:13+05:30"),
        ("Binance-Spot(UTC).csv", "2025-10-11T01:01:13Z"),
        ("Binance-Spot(UTC+0).csv", "2025-10-11T01:01:13Z"),
    ],
)
def test_the_files_name_says_the_zone(tmp_path: Path, name: str, at: str) -> None:
    row = "Time,Pair,Side,Price,Executed,Amount,Fee\n25-10-11 01:01:13,BTCUSDT,BUY,1,1BTC,1USDT,0BTC\n"
    assert fills(written(tmp_path, row, name))[0].time_ns == ns(at)


@pytest.mark.parametrize(
    ("column", "at"),
    [
        ("Date(UTC)", "2025-10-11T01:01:13Z"),
        ("Time(UTC+8)", "2025-10-11T01:01:13+08:00"),
        ("Date(UTC+0)", "2025-10-11T01:01:13Z"),
    ],
)
def test_a_column_that_says_the_zone_outranks_the_files_name(tmp_path: Path, column: str, at: str) -> None:
    row = f"{column},Pair,Side,Price,Executed,Amount,Fee\n25-10-11 01:01:13,BTCUSDT,BUY,1,1BTC,1USDT,0BTC\n"
    assert fills(written(tmp_path, row, "x(UTC+3).csv"))[0].time_ns == ns(at)


def test_of_two_columns_of_times_the_one_that_says_its_zone_is_meant(tmp_path: Path) -> None:
    row = (
        "Date(UTC),Pair,Side,Price,Executed,Amount,Fee,Time\n"
        "25-10-11 01:01:13,BTCUSDT,BUY,1,1BTC,1USDT,0BTC,25-10-11 09:01:13\n"
    )
    assert fills(written(tmp_path, row))[0].time_ns == ns("2025-10-11T01:01:13Z")


def test_a_file_that_does_not_say_its_zone_is_refused(tmp_path: Path) -> None:
    row = "Time,Pair,Side,Price,Executed,Amount,Fee\n25-10-11 01:01:13,BTCUSDT,BUY,1,1BTC,1USDT,0BTC\n"
    with pytest.raises(InputFileError, match="zone"):
        read_history(written(tmp_path, row, "renamed.csv"))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("2024-05-06 07:08:09,ETHUSDT,HOLD,3100,1ETH,3100USDT,0BNB", "unknown_side"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3200USDT,0BNB", "total_differs"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1BTC,3100USDT,0BNB", "unknown_instrument"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,x,1ETH,3100USDT,0BNB", "invalid_number"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,ETH,3100USDT,0BNB", "invalid_number"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,", "missing_cell"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH", "missing_cell"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,0ETH,0USDT,0BNB", "invalid_number"),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB,,,", ""),
        ("2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB,more", "too_many_cells"),
        ("2024-13-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB", "invalid_time"),
        ("5/6/2024 7:08,ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB", "invalid_time"),
        (f"2024-05-06 07:08:09,ETHUSDT,BUY,0.{'1' * 19},1ETH,0.11USDT,0BNB", "invalid_number"),
        ('2024-05-06 07:08:09,"ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB', "not_a_row"),
    ],
)
def test_a_bad_row_is_told_and_the_next_one_read(tmp_path: Path, row: str, code: str) -> None:
    good = "2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3100USDT,0BNB"
    path = written(tmp_path, f"{SPOT}{row}\n{good}\n")
    assert refused(path) == ([(2, code)] if code else [])
    last = all_of(path)[-1]
    assert not isinstance(last, NotUnderstood)
    assert last.number == 3


def test_a_spreadsheets_decimal_commas_are_not_taken_for_thousands(tmp_path: Path) -> None:
    rows = "2024-05-06 07:08:09;ETHUSDT;BUY;3,100;1ETH;3100USDT;0BNB\n"
    path = written(tmp_path, (SPOT + rows).replace('","', '";"'))
    assert refused(path) == [(2, "ambiguous_number")]
    path = written(tmp_path, (SPOT + rows.replace("3,100", "3100")).replace('","', '";"'))
    assert [fill.price for fill in fills(path)] == [Decimal(3100)]


def test_a_refused_row_defines_nothing(tmp_path: Path) -> None:
    rows = (
        "2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,3,0BNB\n2024-05-06 07:08:09,ETHUSDT,BUY,3100,1ETH,"
        "3100USDT,0BNB\n"
    )
    made = all_of(written(tmp_path, SPOT + rows))
    assert [type(line).__name__ for line in made] == ["NotUnderstood", "Line", "Line"]


@pytest.mark.parametrize(
    "header",
    [
        "Date(UTC),OrderNo,Pair,Type,Side,Order Price,Order Amount,Time,Executed,Average Price,Trading "
        "total,Status",
        "Date(UTC),Pair,Type,Order Price,Order Amount,AvgTrading Price,Filled,Total,status",
        "Date(UTC),Pair,Side,Price,Executed,Amount,Fee,Status",
        "Time,Coin,Network,Amount,Address,TXID,Status",
        "Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Fee Coin,Quote Asset",
    ],
)
def test_what_is_no_history_is_said_to_be_none(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputFileError, match="holds no history") as caught:
        read_history(written(tmp_path, header + "\n"))
    assert caught.value.next_step


# --- futures ------------------------------------------------------------------------------------------------


def test_a_dollar_margined_trade(tmp_path: Path) -> None:
    row = "1,2026-01-31 13:17:22,BTCUSDT,BUY,80600.2,0.007,564.2014,0.28210070 USDT,97.8,true,false,716,896\n"
    instrument, fill = contents(written(tmp_path, NEW_FUTURES + row, "x(UTC+0).csv"))
    assert instrument == InstrumentLine(symbol="BTCUSDT", currency="USDT", kind=InstrumentKind.LINEAR)
    assert fill == FillLine(
        id="BTCUSDT:716",
        time_ns=ns("2026-01-31T13:17:22Z"),
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal("0.007"),
        price=Decimal("80600.2"),
        order_id="896",
        fee=Decimal("0.2821007"),
        fee_currency="USDT",
    )


def test_position_sides_fee_coins_and_dated_contracts(tmp_path: Path) -> None:
    text = (
        "Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Fee Coin,Realized Profit\n"
        "2024-09-01 12:34:01,ETHUSDT_240927,SELL,SHORT,2500,2,5000,0.0004,BNB,0\n"
        "2024-09-01 12:34:02,ETHUSDT_240927,BUY,BOTH,2500,2,5000,-0.1,USDT,0\n"
        "2024-09-01 12:34:03,ETHUSDT_240927,BUY,LONG,2500,2,5000,0,USDT,0\n"
    )
    short, both, long = fills(written(tmp_path, text))
    assert (short.position_side, both.position_side, long.position_side) == (
        PositionSide.SHORT,
        None,
        PositionSide.LONG,
    )
    assert (short.fee, short.fee_currency, both.fee) == (Decimal("0.0004"), "BNB", Decimal("-0.1"))


@pytest.mark.parametrize("amount", ["0.01666667", "0.01666667BTC", "1000", "10"])
def test_a_coin_margined_contract_is_inverse(tmp_path: Path, amount: str) -> None:
    row = f"1,2026-01-31 13:17:22,BTCUSD_PERP,SELL,60000,10,{amount},0.00000667BTC,0,true,false,5,6\n"
    instrument, fill = contents(written(tmp_path, NEW_FUTURES + row, "x(UTC).csv"))
    assert instrument == InstrumentLine(
        symbol="BTCUSD_PERP",
        currency="USD",
        kind=InstrumentKind.INVERSE,
        settlement_currency="BTC",
        multiplier=Decimal(100),
    )
    assert isinstance(fill, FillLine)
    assert (fill.quantity, fill.fee_currency) == (Decimal(10), "BTC")


def test_a_contract_of_another_size_than_specified_is_refused(tmp_path: Path) -> None:
    row = "1,2026-01-31 13:17:22,ETHUSD_PERP,SELL,2000,10,0.5ETH,0.0ETH,0,true,false,5,6\n"
    path = written(tmp_path, NEW_FUTURES + row, "x(UTC).csv")
    assert refused(path) == [(2, "unknown_instrument")]
    assert [fill.id for fill in fills(path, known=("ETHUSD_PERP",))] == ["ETHUSD_PERP:5"]


def test_a_fee_without_its_coin_is_not_guessed(tmp_path: Path) -> None:
    header = "Date(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit\n"
    path = written(tmp_path, header + "2026-06-01 09:00:00,BTCUSDT,BUY,68000,0.01,680,0.27,0\n")
    assert refused(path) == [(2, "unknown_fee_currency")]
    path = written(tmp_path, header + "2026-06-01 09:00:00,BTCUSDT,BUY,68000,0.01,680,0,0\n")
    assert [(fill.fee, fill.fee_currency) for fill in fills(path)] == [(None, None)]


# --- transactions -------------------------------------------------------------------------------------------


def test_money_that_is_no_trade(tmp_path: Path) -> None:
    text = TRANSACTIONS + (
        "9,2024-01-02 00:00:00,USD-MFutures,Funding Fee,USDT,-0.51,\n"
        "9,2024-01-02 00:00:01,Spot,Deposit,USDT,1000.00000000,\n"
        "9,2024-01-02 00:00:02,Spot,Withdraw,EUR,-50,\n"
        "9,2024-01-02 00:00:03,Spot,Commission Rebate,BNB,0.002,\n"
        "9,2024-01-02 00:00:04,Earn,Simple Earn Flexible Interest,USDT,0.3,\n"
        "9,2024-01-02 00:00:05,Coin-M Futures,Deposit,BTC,0.3,\n"
    )
    made = contents(written(tmp_path, text))
    said = [
        (content.flow, content.currency, content.amount)
        if isinstance(content, CashFlowLine)
        else ("transfer", content.currency, content.amount)
        for content in made
        if isinstance(content, CashFlowLine | TransferLine)
    ]
    assert said == [
        (Flow.FUNDING, "USDT", Decimal("-0.51")),
        ("transfer", "USDT", Decimal(1000)),
        ("transfer", "EUR", Decimal(-50)),
        (Flow.REBATE, "BNB", Decimal("0.002")),
        (Flow.INTEREST, "USDT", Decimal("0.3")),
        ("transfer", "BTC", Decimal("0.3")),
    ]
    assert made[0].time_ns == ns("2024-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("operation", "coin", "change", "code"),
    [
        ("Deposit", "BTC", "1", "unknown_cost"),
        ("Withdraw", "BTC", "-1", "unknown_position"),
        ("Staking Rewards", "DOT", "0.1", "unknown_cost"),
        ("Binance Convert", "BTC", "1", "conversion"),
        ("Margin Loan", "USDT", "100", "loan"),
        ("Something New", "USDT", "1", "unknown_operation"),
        ("Deposit", "USDT", "1,5", "invalid_number"),
    ],
)
def test_what_cannot_be_booked_from_the_row_alone(
    tmp_path: Path, operation: str, coin: str, change: str, code: str
) -> None:
    path = written(tmp_path, TRANSACTIONS + f'9,2024-01-02 00:00:00,Spot,{operation},{coin},"{change}",\n')
    (line,) = all_of(path)
    assert isinstance(line, NotUnderstood)
    assert line.code == code
    assert line.next_step
    if code == "unknown_operation":
        assert operation in line.reason
    if code in ("unknown_cost", "unknown_position"):
        assert '"type": "transfer"' in line.next_step
        assert ('"cost"' in line.next_step) is (code == "unknown_cost")


def test_what_other_rows_say_is_passed_over_and_counted(tmp_path: Path) -> None:
    text = "User ID,Time,Account,Operation,Coin,Change,Remark\n" + "".join(
        f"9,24-01-02 00:00:00,Spot,{operation},BTC,1,\n"
        for operation in ("Buy", "Transaction Fee", "transfer_out", "Simple Earn Flexible Subscription")
    )
    history = read_history(written(tmp_path, text, "Binance-Transaction-History(UTC+1).csv"))
    assert list(history) == []
    assert dict(history.skipped) == {"in the trade history": 2, "between wallets of the account": 2}
    assert history.format_name == "Binance transaction history"


def test_futures_transactions_name_the_contract(tmp_path: Path) -> None:
    text = (
        "Date(UTC),type,Amount,Asset,Symbol,Transaction ID\n"
        "2024-01-02 08:00:00,FUNDING_FEE,-0.012,USDT,ETHUSDT,111\n"
        "2024-01-02 08:00:00,REALIZED_PNL,5,USDT,ETHUSDT,112\n"
        "2024-01-02 08:00:00,COMMISSION,-1,USDT,ETHUSDT,112\n"
        "2024-01-02 08:00:00,TRANSFER,100,USDT,,113\n"
        "2024-01-02 08:00:00,COIN_SWAP_DEPOSIT,100,USDT,,114\n"
    )
    made = all_of(written(tmp_path, text))
    first = made[0]
    assert not isinstance(first, NotUnderstood)
    assert first.content == CashFlowLine(
        id="FUNDING_FEE:111:USDT:ETHUSDT",
        time_ns=ns("2024-01-02T08:00:00Z"),
        flow=Flow.FUNDING,
        currency="USDT",
        amount=Decimal("-0.012"),
        symbol="ETHUSDT",
    )
    assert [(line.number, line.code) for line in made[1:] if isinstance(line, NotUnderstood)] == [
        (6, "unknown_operation")
    ]
