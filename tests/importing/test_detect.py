"""Which reader a file gets, and what is said when there is none."""

import tracemalloc
from pathlib import Path

import pytest

from execore.importing.detect import BROKERS, in_time_order, read_history
from execore.importing.json_lines import read_json_lines
from execore.importing.lines import FillLine, InstrumentLine, Line
from execore.model.errors import InputFileError, InvalidInput
from importing_support.reading import written

BINANCE = "Date(UTC),Pair,Side,Price,Executed,Amount,Fee\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"type": "mark", "time": 1, "symbol": "X", "price": "1"}', "JSON Lines"),
        ('\ufeff\n {"type": "nonsense"}', "JSON Lines"),
        (BINANCE, "Binance spot trade history"),
        (
            "Date(UTC);Market;Type;Price;Amount;Total;Fee;Fee Coin\n",
            "Binance spot trade history, before 2021",
        ),
        (
            "Time(UTC),Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit\n",
            "Binance futures trade history",
        ),
        ("User_ID,UTC_Time,Account,Operation,Coin,Change,Remark\n", "Binance transaction history"),
        (
            "Date(UTC),type,Amount,Asset,Symbol,Transaction ID\n",
            "Binance futures transaction history",
        ),
        (
            "txid,ordertxid,pair,time,type,ordertype,price,cost,fee,vol,margin,misc,ledgers\n",
            "Kraken trades.csv",
        ),
        ("txid,refid,time,type,subtype,aclass,asset,amount,fee,balance\n", "Kraken ledgers.csv"),
        ("Statement,Header,Field Name,Field Value\n", "IBKR Activity Statement"),
        ("Trades,Header,DataDiscriminator,Asset Category\n", "IBKR Activity Statement"),
        ("ClientAccountID,CurrencyPrimary,AssetClass,Symbol,Quantity,TradePrice\n", "IBKR Flex Query"),
        ("id,activity_type,date\n", "Alpaca account activities"),
        ("[]", "Alpaca account activities"),
        ("A title\n\nof two lines\n" + BINANCE, "Binance spot trade history"),
    ],
)
def test_the_format_is_told_by_the_columns(tmp_path: Path, text: str, name: str) -> None:
    assert read_history(written(tmp_path, text)).format_name == name


def test_the_path_may_be_text_and_the_broker_may_be_said(tmp_path: Path) -> None:
    path = written(tmp_path, BINANCE)
    assert read_history(str(path), broker="binance").format_name == "Binance spot trade history"
    with pytest.raises(InputFileError, match="no known format"):
        read_history(path, broker="kraken")
    with pytest.raises(InvalidInput, match="broker"):
        read_history(path, broker="nobody")
    assert read_history(path, broker="execore").format_name == "JSON Lines"


@pytest.mark.parametrize("text", ["", "\n\n", "hello", "a,b,c\n1,2,3\n", '"unclosed\n', "\0\0\0\0"])
def test_a_file_of_no_known_format_names_those_that_are(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputFileError, match="no known format") as caught:
        read_history(written(tmp_path, text))
    for name in ("Binance spot", "Kraken trades.csv", "IBKR Activity", "IBKR Flex", "Alpaca", "JSON Lines"):
        assert name in caught.value.next_step


def test_a_file_that_nearly_fits_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputFileError) as caught:
        read_history(written(tmp_path, "txid,ordertxid,pairs,time,type,price,cost,fee,vol\n"))
    assert "For a Kraken trades.csv it lacks margin, misc, pair (there is pairs)" in caught.value.next_step


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="cannot be read"):
        read_history(tmp_path / "none.csv")


def test_every_broker_can_be_named() -> None:
    assert BROKERS == ("execore", "binance", "kraken", "ibkr", "alpaca")


def test_lines_come_in_the_order_of_time(tmp_path: Path) -> None:
    rows = (
        "2024-05-06 00:00:02,ETHUSDT,SELL,3,1ETH,3USDT,0BNB\n"
        "2024-05-06 00:00:01,ETHUSDT,SELL,2,1ETH,2USDT,0BNB\n"
        "2024-05-06 00:00:01,ETHUSDT,BUY,1,1ETH,1USDT,0BNB\n"
    )
    lines = [line for line in read_history(written(tmp_path, BINANCE + rows)) if isinstance(line, Line)]
    ordered = [line.content for line in in_time_order(lines)]
    assert isinstance(ordered[0], InstrumentLine)
    assert [fill.price for fill in ordered[1:] if isinstance(fill, FillLine)] == [1, 2, 3]
    assert [line.number for line in in_time_order(lines)] == [2, 4, 3, 2]


def test_sections_that_each_go_forward_are_not_read_from_their_end(tmp_path: Path) -> None:
    def mark(time: int, price: str) -> str:
        return f'{{"type": "mark", "time": {time}, "symbol": "X", "price": "{price}"}}\n'

    text = mark(5, "1") + mark(5, "2") + mark(6, "3") + mark(7, "4") + mark(1, "5") + mark(2, "6")
    lines = [line for line in read_history(written(tmp_path, text)) if isinstance(line, Line)]
    assert [line.number for line in in_time_order(lines)] == [5, 6, 1, 2, 3, 4]


def test_memory_holds_one_line_at_a_time(tmp_path: Path) -> None:
    line = (
        b'{"type":"fill","id":"%d","time":"2026-01-31T09:30:00Z","symbol":"X","side":"buy","quantity":"1",'
        b'"price":"2"}\n'
    )
    path = written(tmp_path, b"".join(line % at for at in range(20_000)), "many.jsonl")
    tracemalloc.start()
    with path.open("rb") as file:
        count = sum(1 for _ in read_json_lines(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 300_000
