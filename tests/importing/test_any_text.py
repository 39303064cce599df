"""Whatever a file holds: lines, what is not understood, or an error with a name; never a traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from execore.importing.detect import read_history
from execore.importing.lines import FillLine, Line, NotUnderstood
from execore.model.errors import ExecoreError
from importing_support.reading import written

SAMPLES = {
    "spot(UTC+1).csv": (
        "Time,Pair,Side,Price,Executed,Amount,Fee\n"
        '24-05-06 07:08:09,ETHUSDT,BUY,"3,100.5",0.2ETH,620.1USDT,0.0002ETH\n'
    ),
    "old.csv": (
        "Date(UTC),Market,Type,Price,Amount,Total,Fee,Fee Coin\n"
        "2018-02-03 04:05:06,LTCBTC,SELL,0.015,2,0.03,0.00003,BTC\n"
    ),
    "futures.csv": (
        "Time(UTC),Symbol,Side,Position Side,Price,Quantity,Amount,Fee,Realized Profit,Trade ID\n"
        "2024-09-01 12:34:01,BTCUSD_PERP,SELL,SHORT,60000,10,0.01666667,0.00000667BTC,0,5\n"
    ),
    "transactions.csv": (
        "User_ID,UTC_Time,Account,Operation,Coin,Change,Remark\n9,2024-01-02 00:00:01,Spot,Deposit,USDT,"
        "1000,\n"
    ),
    "income.csv": (
        "Date(UTC),type,Amount,Asset,Symbol,Transaction ID\n"
        "2024-01-02 08:00:00,FUNDING_FEE,-0.012,USDT,ETHUSDT,111\n"
    ),
    "trades.csv": (
        "txid,ordertxid,pair,time,type,ordertype,price,cost,fee,vol,margin,misc,ledgers\n"
        'T1,O1,XXBTZEUR,2023-04-05 06:07:08.9012,buy,limit,25000.1,1250.005,3.25,0.05,0,"",L1\n'
    ),
    "ledgers.csv": (
        "txid,refid,time,type,subtype,aclass,asset,amount,fee,balance\n"
        "L1,R1,2023-01-02 03:04:05,spend,,currency,ZEUR,-50,0.75,0\n"
        "L2,R1,2023-01-02 03:04:05,receive,,currency,XXBT,0.002,0,0\n"
    ),
    "activity.csv": (
        "Statement,Header,Field Name,Field Value\n"
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,"
        "Proceeds,Comm/Fee,"
        "Code\n"
        'Trades,Data,Order,Stocks,USD,ABC,"2024-03-01, 09:31:02",100,10,-1000,-1,O\n'
        'Trades,Data,Trade,Stocks,USD,ABC,"2024-03-01, 09:31:02",100,10,-1000,-1,O\n'
        'Trades,Data,Order,Equity and Index Options,USD,ABC C,"2024-03-01, 09:31:02",-1,0,0,0,A;C\n'
        "Corporate Actions,Header,Asset Category,Currency,Date/Time,Description,Quantity,Code\n"
        'Corporate Actions,Data,Stocks,USD,"2024-07-01, 20:25:00",ABC(US1) Split 4 for 1 (ABC),300,\n'
        "Financial Instrument Information,Header,Asset Category,Symbol,Underlying,Multiplier,Expiry,Type,"
        "Strike\n"
        "Financial Instrument Information,Data,Equity and Index Options,ABC C,ABC,100,2024-06-21,C,50\n"
    ),
    "flex.csv": (
        "ClientAccountID,CurrencyPrimary,AssetClass,Symbol,Multiplier,DateTime,Quantity,TradePrice,Taxes,"
        "IBCommission,"
        "IBCommissionCurrency,SettleDateTarget\n"
        "U1,USD,STK,ABC,1,20240301;093102,100,10.5,-0.5,-1.25,EUR,20240304\n"
    ),
    "activities.csv": (
        "id,activity_type,transaction_time,date,price,qty,side,symbol,net_amount\n"
        "1,FILL,2024-05-24T15:34:06.977Z,,1.63,1,buy,LPCN,\n"
        "2,OPASN,,2024-07-19,,1,,AAPL240719P00150000,0\n"
    ),
    "activities.json": (
        '[{"id": "1", "activity_type": "FILL", "transaction_time": "2024-05-24T15:34:06.977Z", "price": '
        '"1.63", '
        '"qty": "1", "side": "buy", "symbol": "LPCN"}, {"id": "2", "activity_type": "DIV", "date": '
        '"2024-05-24", '
        '"net_amount": 1.5, "symbol": "T"}]'
    ),
    "lines.jsonl": (
        '{"type": "fill", "id": "1", "time": "2026-01-31T09:30:00Z", "symbol": "X", "side": "buy", '
        '"quantity": "1", '
        '"price": "2"}\n{"type": "split", "id": "2", "time": 5, "symbol": "X", "new": 2, "old": 1}\n'
    ),
}
Write = Callable[[str | bytes, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A way to write files again and again in one test."""
    return lambda text, name: written(tmp_path, text, name)


def read_to_the_end(path: Path) -> list[Line | NotUnderstood]:
    error: ExecoreError | None = None
    made: list[Line | NotUnderstood] = []
    try:
        made = list(read_history(path))
    except ExecoreError as raised:
        error = raised
    assert error is None or (error.code and error.next_step)
    for line in made:
        assert isinstance(line, Line | NotUnderstood)
        if isinstance(line, NotUnderstood):
            assert line.code
            assert line.reason
            assert line.next_step
            assert len(line.text) <= 230
            line.text.encode()
    return made


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_understood(name: str, write: Write) -> None:
    made = read_to_the_end(write(SAMPLES[name], name))
    assert made
    codes = [line.code for line in made if isinstance(line, NotUnderstood)]
    assert codes == (["unmatched_exercise"] if name == "activity.csv" else [])


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_are_unique_and_the_same_every_time(name: str, write: Write) -> None:
    path = write(SAMPLES[name], name)
    again = read_to_the_end(path)
    assert again == read_to_the_end(path)
    ids = [line.content.id for line in again if isinstance(line, Line) and isinstance(line.content, FillLine)]
    assert len(set(ids)) == len(ids)


ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@ANY
@given(st.sampled_from(sorted(SAMPLES)), st.text(max_size=300))
def test_any_text_at_all(write: Write, name: str, text: str) -> None:
    read_to_the_end(write(text.encode(errors="surrogatepass"), name))


@ANY
@given(st.sampled_from(sorted(SAMPLES)), st.binary(max_size=200))
def test_any_bytes_behind_a_header(write: Write, name: str, data: bytes) -> None:
    header = SAMPLES[name].partition("\n")[0]
    read_to_the_end(write(header.encode() + b"\n" + data, name))


SHARDS = [
    "",
    "-",
    "--",
    "0",
    "-1",
    "1e5",
    "1,5",
    "1" * 40,
    "NaN",
    "USDT",
    "BTC",
    "XXBTZUSD",
    "2024-01-01",
    "9999-12-31 23:59:59",
    "0001-01-01",
    "Total",
    "Data",
    "Header",
    "Order",
    "A;Ca;Ep;Ex",
    "buy",
    '"',
    "ü",
    "\0",
    "\u202e",
    "Split 0 for 0",
    "X (Y) Split 1 for 2",
    "[",
    "{}",
    "null",
]


@ANY
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_any_cell_replaced(write: Write, name: str, data: st.DataObject) -> None:
    lines = SAMPLES[name].splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    cells = lines[at].split(",")
    cell = data.draw(st.integers(0, len(cells) - 1))
    cells[cell] = data.draw(st.sampled_from(SHARDS) | st.text(max_size=10))
    lines[at] = ",".join(cells)
    read_to_the_end(write("\n".join(lines).encode(errors="surrogatepass"), name))


@pytest.mark.parametrize("filling", [" ", "1", "X", "0.", "-", '""', "1,"])
@pytest.mark.parametrize("name", SAMPLES)
def test_long_cells_take_no_longer_than_they_are(name: str, filling: str, write: Write) -> None:
    header, _, rest = SAMPLES[name].partition("\n")
    row = rest.splitlines()[-1] if rest else header
    for at, cell in enumerate(row.split(",")[:12]):
        cells = row.split(",")
        cells[at] = cell + filling * (50_000 // len(filling))
        read_to_the_end(write("\n".join([header, rest, ",".join(cells)]), name))


@ANY
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_any_file_cut_anywhere(write: Write, name: str, data: st.DataObject) -> None:
    sample = SAMPLES[name].encode()
    read_to_the_end(write(sample[: data.draw(st.integers(0, len(sample)))], name))
