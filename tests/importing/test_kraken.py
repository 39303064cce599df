"""Kraken's trades.csv and ledgers.csv."""

from decimal import Decimal
from pathlib import Path

import pytest

from execore.importing.detect import read_history
from execore.importing.kraken import asset_name, pair_of
from execore.importing.lines import (
    CashFlowLine,
    FeeLine,
    FillLine,
    InstrumentLine,
    NotUnderstood,
    TransferLine,
)
from execore.importing.refused import Refused
from execore.model.vocabulary import Flow, InstrumentKind, Side
from importing_support.reading import all_of, contents, ns, refused, written

TRADES = (
    '"txid","ordertxid","pair","time","type","ordertype","price","cost","fee","vol","margin","misc",'
    '"ledgers"\n'
)
NEW_TRADES = (
    '"txid","ordertxid","pair","aclass","subclass","time","type","ordertype","price","cost","fee","vol",'
    '"margin",'
    '"misc","ledgers","posttxid","posstatuscode","cprice","ccost","cfee","cvol","cmargin","net","costusd",'
    '"trades"\n'
)
LEDGERS = '"txid","refid","time","type","subtype","aclass","asset","amount","fee","balance"\n'
NEW_LEDGERS = (
    '"txid","refid","time","type","subtype","aclass","subclass","asset","wallet","amount","fee","balance",'
    '"amountusd","feeusd","balanceusd","feecurrency"\n'
)


@pytest.mark.parametrize(
    ("pair", "split"),
    [
        ("XXBTZEUR", ("BTC", "EUR")),
        ("XBTEUR", ("BTC", "EUR")),
        ("BTC/EUR", ("BTC", "EUR")),
        ("XBT/USDT", ("BTC", "USDT")),
        ("XETHXXBT", ("ETH", "BTC")),
        ("ADAXBT", ("ADA", "BTC")),
        ("XTZUSD", ("XTZ", "USD")),
        ("CHZUSD", ("CHZ", "USD")),
        ("ETHPYUSD", ("ETH", "PYUSD")),
        ("XXDGZUSD", ("DOGE", "USD")),
        ("USDTZUSD", ("USDT", "USD")),
        ("USDCUSDT", ("USDC", "USDT")),
        ("XXRPZJPY", ("XRP", "JPY")),
    ],
)
def test_pairs_in_all_their_spellings(pair: str, split: tuple[str, str]) -> None:
    assert pair_of(pair) == split


def test_a_pair_with_no_known_currency_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        pair_of("ABCDEF")
    assert caught.value.code == "unknown_instrument"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("XXBT", "BTC"),
        ("ZEUR", "EUR"),
        ("EUR", "EUR"),
        ("XTZ", "XTZ"),
        ("DOT.S", "DOT"),
        ("DOT28.S", "DOT"),
        ("ETH.F", "ETH"),
        ("USD.HOLD", "USD"),
        ("XXDG", "DOGE"),
    ],
)
def test_assets_in_all_their_spellings(name: str, plain: str) -> None:
    assert asset_name(name) == plain


def test_a_trade_is_a_fill_under_its_own_id(tmp_path: Path) -> None:
    row = (
        '"TAAAAA-BBBBB-CCCCCC","OAAAAA-BBBBB-CCCCCC","XXBTZEUR","2023-04-05 06:07:08.9012","buy","limit",'
        '25000.10000,1250.00500,3.25001,0.05000000,0.00000,"","LAAAAA-BBBBB-CCCCC1,LAAAAA-BBBBB-CCCCC2"\n'
    )
    instrument, fill = contents(written(tmp_path, TRADES + row))
    assert instrument == InstrumentLine(
        symbol="BTC/EUR", currency="EUR", kind=InstrumentKind.SPOT, base_currency="BTC"
    )
    assert fill == FillLine(
        id="TAAAAA-BBBBB-CCCCCC",
        time_ns=ns("2023-04-05T06:07:08.901200Z"),
        symbol="BTC/EUR",
        side=Side.BUY,
        quantity=Decimal("0.05"),
        price=Decimal("25000.1"),
        order_id="OAAAAA-BBBBB-CCCCCC",
        fee=Decimal("3.25001"),
        fee_currency="EUR",
    )


def test_newer_columns_and_a_rounded_cost(tmp_path: Path) -> None:
    row = (
        '"T1","O1","ADA/USD","forex","crypto","2026-03-20 01:00:00.0000","sell","market",0.253331,'
        '3.12754,0.01,12.34567891,0.0,"initiated","L1","TFX000-AAAAA-AAAAAA","","","","","","","","3.12754",""\n'
    )
    fill = contents(written(tmp_path, NEW_TRADES + row))[-1]
    assert isinstance(fill, FillLine)
    assert (fill.symbol, fill.side, fill.quantity) == ("ADA/USD", Side.SELL, Decimal("12.34567891"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("0.00000,", "250.00000,"), "margin_trade"),
        (('"","L', '"initiated,closing","L'), "margin_trade"),
        (('"buy"', '"give"'), "unknown_side"),
        (("1250.00500", "1250.10500"), "total_differs"),
        (('"XXBTZEUR"', '"NOSUCH"'), "unknown_instrument"),
        (('"T1"', '""'), "missing_cell"),
        (("2023-04-05", "05.04.2023"), "invalid_time"),
    ],
)
def test_bad_trades(tmp_path: Path, change: tuple[str, str], code: str) -> None:
    row = (
        '"T1","O1","XXBTZEUR","2023-04-05 06:07:08.9012","buy","limit",25000.1,1250.00500,3.25,0.05,'
        '0.00000,"","L1"\n'
    )
    assert change[0] in row
    assert refused(written(tmp_path, TRADES + row.replace(*change))) == [(2, code)]


# --- ledgers ------------------------------------------------------------------------------------------------


def test_money_in_and_out_with_its_fees(tmp_path: Path) -> None:
    text = LEDGERS + (
        '"L1","Q1","2023-01-02 03:04:05","deposit","","currency","ZEUR",1000.0000,0.0000,1000.0000\n'
        '"L2","A1","2023-01-03 03:04:05","withdrawal","","currency","EUR.HOLD",-100.0000,0.0900,899.9100\n'
        '"L3","T9","2023-01-04 03:04:05","rollover","","currency","ZUSD",0.0000,0.0200,1\n'
        '"L4","S9","2023-01-05 03:04:05","staking","","currency","USDC",1.5,0.0,1\n'
        '"L5","F9","2023-01-06 03:04:05","transfer","spottofutures","currency","ZUSD",-10,0,1\n'
    )
    deposit, withdrawal, fee, rollover, reward, futures = contents(written(tmp_path, text))
    assert deposit == TransferLine(
        id="L1", time_ns=ns("2023-01-02T03:04:05Z"), currency="EUR", amount=Decimal(1000)
    )
    assert isinstance(withdrawal, TransferLine)
    assert (withdrawal.currency, withdrawal.amount) == ("EUR", Decimal(-100))
    assert isinstance(fee, CashFlowLine)
    assert (fee.id, fee.flow, fee.amount) == ("L2:fee", Flow.FEE, Decimal("-0.09"))
    assert isinstance(rollover, CashFlowLine)
    assert (rollover.flow, rollover.currency, rollover.amount) == (Flow.BORROW, "USD", Decimal("-0.02"))
    assert isinstance(reward, CashFlowLine)
    assert (reward.flow, reward.amount) == (Flow.INTEREST, Decimal("1.5"))
    assert isinstance(futures, TransferLine)
    assert (futures.amount, futures.counterparty) == (Decimal(-10), "Kraken futures")


def test_what_a_trade_really_cost_is_in_the_ledger(tmp_path: Path) -> None:
    text = NEW_LEDGERS + (
        '"L1","T1","2023-01-02 03:04:05","trade","tradespot","currency","fiat","EUR","spot / main",-100,0,'
        '0,,,,"EUR"\n'
        '"L2","T1","2023-01-02 03:04:05","trade","tradespot","currency","crypto","BTC","spot / main",'
        "0.004,0.00001,0,"
        ',,,"BTC"\n'
        '"L3","T2","2023-01-02 03:04:05","trade","tradespot","currency","fiat","EUR","spot / main",-100,0,'
        '0,,,,"EUR"\n'
    )
    path = written(tmp_path, text)
    assert contents(path) == [
        FeeLine(
            time_ns=ns("2023-01-02T03:04:05Z"), execution="T1", fee=Decimal("0.00001"), fee_currency="BTC"
        )
    ]
    history = read_history(path)
    assert len(list(history)) == 1
    assert dict(history.skipped) == {"in trades.csv": 2}


def test_a_purchase_in_the_app_is_a_fill_if_its_price_is_exact(tmp_path: Path) -> None:
    text = LEDGERS + (
        '"L1","R1","2023-01-02 03:04:05","spend","","currency","ZEUR",-50.0000,0.7500,0\n'
        '"L2","R1","2023-01-02 03:04:05","receive","","currency","XXBT",0.0020000000,0.0,0\n'
        '"L3","R2","2023-01-02 03:04:06","receive","","currency","ZUSD",30.0000,0,0\n'
        '"L4","R2","2023-01-02 03:04:06","spend","","currency","XETH",-0.02,0.0,0\n'
    )
    made = [content for content in contents(written(tmp_path, text)) if isinstance(content, FillLine)]
    assert [(fill.id, fill.symbol, fill.side, fill.quantity, fill.price) for fill in made] == [
        ("R1", "BTC/EUR", Side.BUY, Decimal("0.002"), Decimal(25000)),
        ("R2", "ETH/USD", Side.SELL, Decimal("0.02"), Decimal(1500)),
    ]
    assert (made[0].fee, made[0].fee_currency, made[1].fee) == (Decimal("0.75"), "EUR", None)


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        (
            [("spend", "ZEUR", "-100", "0"), ("receive", "XXBT", "0.003", "0")],
            ["inexact_price", "inexact_price"],
        ),
        ([("spend", "XETH", "-1", "0"), ("receive", "XXBT", "0.05", "0")], ["conversion", "conversion"]),
        ([("spend", "ZEUR", "-1", "0")], ["conversion"]),
        ([("spend", "ZEUR", "-1", "0"), ("receive", "XXBT", "-1", "0")], ["conversion", "conversion"]),
        ([("spend", "ZEUR", "-1", "1"), ("receive", "XXBT", "1", "1")], ["several_fees", "several_fees"]),
        ([("trade", "ZEUR", "-1", "1"), ("trade", "XXBT", "1", "1")], ["several_fees", "several_fees"]),
        ([("deposit", "XXBT", "1", "0")], ["unknown_cost"]),
        ([("withdrawal", "XXBT", "-1", "0.0001")], ["unknown_position"]),
        ([("staking", "DOT.S", "1", "0")], ["unknown_cost"]),
        ([("margin", "ZEUR", "-1", "0")], ["margin_trade"]),
        ([("settled", "XXBT", "-1", "0")], ["margin_trade"]),
        ([("adjustment", "XXBT", "-1", "0")], ["conversion"]),
        ([("nft", "XXBT", "-1", "0")], ["unknown_operation"]),
        ([("deposit", "ZEUR", "1.000,00", "0")], ["invalid_number"]),
    ],
)
def test_entries_that_are_not_understood(
    tmp_path: Path, rows: list[tuple[str, str, str, str]], codes: list[str]
) -> None:
    text = LEDGERS + "".join(
        f'"L{at}","R1","2023-01-02 03:04:05","{kind}","","currency","{asset}","{amount}",{fee},0\n'
        for at, (kind, asset, amount, fee) in enumerate(rows)
    )
    made = all_of(written(tmp_path, text))
    assert [line.code for line in made if isinstance(line, NotUnderstood)] == codes
    assert len(made) == len(codes)


def test_moves_inside_the_account_and_entries_that_are_not_final_are_counted(tmp_path: Path) -> None:
    text = LEDGERS + (
        '"","Q1","2023-01-02 03:04:05","deposit","","currency","ZEUR",1000.0000,0.0000,""\n'
        '"L2","Q2","2023-01-02 03:04:05","transfer","spottostaking","currency","DOT",-1,0,1\n'
        '"L3","Q3","2023-01-02 03:04:05","earn","allocation","currency","DOT",-1,0,1\n'
    )
    history = read_history(written(tmp_path, text))
    assert list(history) == []
    assert dict(history.skipped) == {
        "not final: it comes again with an id": 1,
        "between wallets of the account": 2,
    }
