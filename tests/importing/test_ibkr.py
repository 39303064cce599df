"""Interactive Brokers' Activity Statements and Flex Queries."""

from decimal import Decimal
from pathlib import Path

import pytest

from execore.importing.detect import read_history
from execore.importing.lines import (
    CashFlowLine,
    ClosingLine,
    Content,
    ExerciseLine,
    FillLine,
    InstrumentLine,
    Line,
    NotUnderstood,
    SplitLine,
    TransferLine,
)
from execore.model.vocabulary import ClosingReason, Flow, InstrumentKind, OptionRight, Side
from importing_support.reading import all_of, contents, ns, refused, written

HEAD = (
    "Statement,Header,Field Name,Field Value\n"
    "Statement,Data,BrokerName,Interactive Brokers\n"
    'Statement,Data,Period,"January 1, 2024 - December 31, 2024"\n'
    "Account Information,Header,Field Name,Field Value\n"
    "Account Information,Data,Base Currency,USD\n"
)
TRADES = (
    "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,C. Price,"
    "Proceeds,"
    "Comm/Fee,Basis,Realized P/L,MTM P/L,Code\n"
)
INSTRUMENTS = (
    "Financial Instrument Information,Header,Asset Category,Symbol,Description,Conid,Security ID,Underlying,"
    "Listing Exch,Multiplier,Type,Code\n"
    'Financial Instrument Information,Data,Stocks,"ABC, ABC.OLD",ABC CORP,1,US0000000001,ABC,NYSE,1,COMMON,\n'
    "Financial Instrument Information,Header,Asset Category,Symbol,Description,Conid,Underlying,Listing Exch,"
    "Multiplier,Expiry,Delivery Month,Type,Strike,Code\n"
    "Financial Instrument Information,Data,Equity and Index Options,ABC   240621C00050000,ABC 21JUN24 50 "
    "C,2,ABC,"
    "CBOE,100,2024-06-21,2024-06,C,50,\n"
    "Financial Instrument Information,Data,Equity and Index Options,XYZ 21JUN24 40 P,XYZ 21JUN24 40 P,3,"
    "XYZ,CBOE,100,"
    "2024-06-21,2024-06,P,40,\n"
    "Financial Instrument Information,Data,Futures,ESU4,ES 20SEP24,4,ES,CME,50,2024-09-20,2024-09,,,\n"
)


def trade(
    symbol: str,
    quantity: str,
    price: str,
    proceeds: str,
    fee: str = "-1",
    code: str = "O",
    *,
    category: str = "Stocks",
    at: str = "2024-03-01, 09:31:02",
    kind: str = "Order",
) -> str:
    return (
        f'Trades,Data,{kind},{category},USD,{symbol},"{at}","{quantity}",{price},0,{proceeds},{fee},0,0,0,'
        f"{code}\n"
    )


OPTIONS = "Equity and Index Options"


def made_of(tmp_path: Path, text: str, *kinds: type[Content]) -> list[Content]:
    made = contents(written(tmp_path, HEAD + text))
    return [content for content in made if not kinds or isinstance(content, kinds)]


# --- trades -------------------------------------------------------------------------------------------------


def test_a_share_trade_in_new_york_time(tmp_path: Path) -> None:
    rows = trade("ABC", "1,000", "10.5", "-10500", "-1.25") + trade(
        "ABC", "-400", "11", "4400", at="2024-07-01, 16:00:00"
    )
    totals = (
        "Trades,SubTotal,,Stocks,USD,ABC,,600,,,-6100,-2,0,0,0,\nTrades,Total,,Stocks,USD,,,,,,-6100,-2,0,"
        "0,0,\n"
    )
    history = read_history(written(tmp_path, HEAD + TRADES + rows + totals + INSTRUMENTS))
    instrument, bought, sold = (line.content for line in history if not isinstance(line, NotUnderstood))
    assert instrument == InstrumentLine(symbol="ABC", currency="USD", kind=InstrumentKind.EQUITY)
    assert isinstance(bought, FillLine)
    assert bought == FillLine(
        id=bought.id,
        time_ns=ns("2024-03-01T14:31:02Z"),
        symbol="ABC",
        side=Side.BUY,
        quantity=Decimal(1000),
        price=Decimal("10.5"),
        fee=Decimal("1.25"),
        fee_currency="USD",
    )
    assert isinstance(sold, FillLine)
    assert (sold.side, sold.quantity, sold.time_ns) == (Side.SELL, Decimal(400), ns("2024-07-01T20:00:00Z"))
    assert history.skipped["totals"] == 2


def test_options_and_futures_take_their_terms_from_the_end_of_the_statement(tmp_path: Path) -> None:
    rows = trade("ABC 21JUN24 50 C", "-2", "1.5", "300", category=OPTIONS)
    futures = TRADES.replace("Proceeds", "Notional Value") + trade(
        "ESU4", "1", "5500.25", "275012.5", category="Futures"
    )
    option, _, future, fill = made_of(tmp_path, TRADES + rows + futures + INSTRUMENTS)
    assert option == InstrumentLine(
        symbol="ABC 21JUN24 50 C",
        currency="USD",
        kind=InstrumentKind.OPTION,
        multiplier=Decimal(100),
        underlying="ABC",
        strike=Decimal(50),
        right=OptionRight.CALL,
        expires_ns=ns("2024-06-21T23:59:59-04:00"),
    )
    assert isinstance(future, InstrumentLine)
    assert (future.kind, future.multiplier, future.strike) == (InstrumentKind.LINEAR, Decimal(50), None)
    assert isinstance(fill, FillLine)
    assert fill.price == Decimal("5500.25")


def test_currencies_are_pairs_with_their_commission_in_the_columns_name(tmp_path: Path) -> None:
    text = (
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,,"
        "Proceeds,"
        "Comm in USD,,,MTM in USD,Code\n"
        'Trades,Data,Order,Forex,HKD,USD.HKD,"2024-03-01, 09:31:02","1,000",7.8,,-7800,-2,,,0,\n'
    )
    pair, fill = made_of(tmp_path, text)
    assert pair == InstrumentLine(
        symbol="USD.HKD", currency="HKD", kind=InstrumentKind.SPOT, base_currency="USD"
    )
    assert isinstance(fill, FillLine)
    assert (fill.quantity, fill.fee, fill.fee_currency) == (Decimal(1000), Decimal(2), "USD")


def test_an_order_is_told_by_its_executions_where_they_are_shown(tmp_path: Path) -> None:
    rows = (
        trade("ABC", "100", "10", "-1000")
        + trade("ABC", "60", "10", "-600", kind="Trade")
        + trade("ABC", "40", "10", "-400", kind="Trade", at="2024-03-01, 09:31:05")
        + trade("ABC", "-30", "11", "330")
        + "Trades,Data,ClosedLot,Stocks,USD,ABC,2024-03-01,30,10,,,,300,30,,\n"
    )
    history = read_history(written(tmp_path, HEAD + TRADES + rows))
    made = [line.content for line in history if isinstance(line, Line)]
    assert [fill.quantity for fill in made if isinstance(fill, FillLine)] == [60, 40, 30]
    assert history.skipped["orders, told by their executions"] == 1
    assert history.skipped["lots that a trade closed"] == 1


def test_executions_that_are_not_their_order_are_all_refused(tmp_path: Path) -> None:
    rows = trade("ABC", "100", "10", "-1000") + trade("ABC", "60", "10", "-600", kind="Trade")
    assert refused(written(tmp_path, HEAD + TRADES + rows)) == [
        (7, "executions_differ"),
        (8, "executions_differ"),
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (trade("ABC", "100", "10", "-1000", code="C;Ca"), "cancelled_trade"),
        (trade("ABC", "100", "10", "-1001"), "total_differs"),
        (trade("ABC 21JUN24 50 C", "1", "0", "0", code="C;GEA", category=OPTIONS), "unknown_operation"),
        (trade("ABC", "0", "10", "0"), "invalid_quantity"),
        (trade("ABC", "1", "ten", "-10"), "invalid_number"),
        (trade("QQQ 21JUN24 50 C", "1", "1", "-100", category=OPTIONS), "unknown_instrument"),
        (trade("T 4 1/2", "1", "99", "-99", category="Bonds"), "unknown_instrument"),
        (trade("ABC", "1", "10", "-10", kind="Allocation"), "unknown_operation"),
        (trade("ABC", "1", "10", "-10", at="01/03/2024 09:31"), "invalid_time"),
        (trade("EURUSD", "1", "10", "-10", category="Forex"), "unknown_instrument"),
    ],
)
def test_bad_trades(tmp_path: Path, row: str, code: str) -> None:
    path = written(tmp_path, HEAD + TRADES + row + trade("ABC", "1", "10", "-10") + INSTRUMENTS)
    assert refused(path) == [(7, code)]
    assert len(all_of(path)) == 3


def test_an_instrument_that_is_known_needs_no_terms(tmp_path: Path) -> None:
    row = trade("QQQ 21JUN24 50 C", "1", "1", "-100", category=OPTIONS)
    path = written(tmp_path, HEAD + TRADES + row)
    assert [type(line) for line in contents(path, known=("QQQ 21JUN24 50 C",))] == [FillLine]


# --- how options end ----------------------------------------------------------------------------------------


def test_a_worthless_option_expires(tmp_path: Path) -> None:
    row = trade("ABC 21JUN24 50 C", "2", "0", "0", "0", "C;Ep", category=OPTIONS, at="2024-06-21, 16:20:00")
    (closing,) = made_of(tmp_path, TRADES + row + INSTRUMENTS, ClosingLine)
    assert isinstance(closing, ClosingLine)
    assert (closing.reason, closing.price, closing.quantity) == (
        ClosingReason.EXPIRY,
        Decimal(0),
        Decimal(2),
    )


def test_an_option_settled_in_cash_closes_at_what_it_was_worth(tmp_path: Path) -> None:
    row = trade("ABC 21JUN24 50 C", "-1", "12.5", "1250", "0", "C;Ex", category=OPTIONS)
    (closing,) = made_of(tmp_path, TRADES + row + INSTRUMENTS, ClosingLine)
    assert isinstance(closing, ClosingLine)
    assert (closing.reason, closing.price) == (ClosingReason.SETTLEMENT, Decimal("12.5"))


@pytest.mark.parametrize(
    ("option", "contracts", "shares", "underlying"),
    [
        ("ABC 21JUN24 50 C", "2", "-200", "ABC"),  # short call assigned: shares go
        ("ABC 21JUN24 50 C", "-2", "200", "ABC"),  # long call exercised: shares come
        ("XYZ 21JUN24 40 P", "1", "100", "XYZ"),  # short put assigned: shares come
        ("XYZ 21JUN24 40 P", "-1", "-100", "XYZ"),  # long put exercised: shares go
    ],
)
def test_an_exercise_says_what_the_shares_rows_say_again(
    tmp_path: Path, option: str, contracts: str, shares: str, underlying: str
) -> None:
    price = "50" if underlying == "ABC" else "40"
    cost = str(-int(shares) * int(price))
    rows = trade(underlying, shares, price, cost, "-0.35", "A;O") + trade(
        option, contracts, "0", "0", "0", "A;C", category=OPTIONS
    )
    made = made_of(tmp_path, TRADES + rows + INSTRUMENTS)
    fee, _, exercise = made
    assert isinstance(fee, CashFlowLine)
    assert (fee.flow, fee.amount) == (Flow.FEE, Decimal("-0.35"))
    assert isinstance(exercise, ExerciseLine)
    assert (exercise.symbol, exercise.quantity) == (option, Decimal(contracts).copy_abs())


def test_an_exercise_without_its_shares_and_shares_without_theirs_are_told(tmp_path: Path) -> None:
    rows = trade("ABC 21JUN24 50 C", "2", "0", "0", "0", "A;C", category=OPTIONS)
    assert refused(written(tmp_path, HEAD + TRADES + rows + INSTRUMENTS)) == [(7, "unmatched_exercise")]
    rows = trade("ABC", "-200", "50", "10000", "0", "A;C")
    assert refused(written(tmp_path, HEAD + TRADES + rows + INSTRUMENTS)) == [(7, "unmatched_exercise")]


# --- cash, units, corporate actions -------------------------------------------------------------------------


def test_cash_of_every_section(tmp_path: Path) -> None:
    text = (
        "Deposits & Withdrawals,Header,Currency,Settle Date,Description,Amount\n"
        'Deposits & Withdrawals,Data,EUR,2024-01-15,Electronic Fund Transfer,"5,000"\n'
        "Deposits & Withdrawals,Data,Total,,,5000\n"
        "Deposits & Withdrawals,Data,Total in USD,,,5400\n"
        "Dividends,Header,Currency,Date,Description,Amount\n"
        "Dividends,Data,USD,2024-03-15,ABC(US0000000001) Cash Dividend USD 0.24 per Share (Ordinary "
        "Dividend),24\n"
        "Dividends,Data,USD,2024-03-15,NEW (US0000000009) Payment in Lieu of Dividend,1.5\n"
        "Withholding Tax,Header,Currency,Date,Description,Amount,Code\n"
        "Withholding Tax,Data,USD,2024-03-15,ABC(US0000000001) Cash Dividend USD 0.24 per Share - US Tax,"
        "-3.6,\n"
        "Interest,Header,Currency,Date,Description,Amount\n"
        "Interest,Data,USD,2024-04-03,USD Credit Interest for Mar-2024,2.11\n"
        "Interest,Data,USD,2024-04-03,USD Borrow Fees for Mar-2024,-0.4\n"
        "Fees,Header,Subtitle,Currency,Date,Description,Amount\n"
        "Fees,Data,Other Fees,USD,2024-04-03,Market data,-10\n"
        "Fees,Data,Total,,,,-10\n"
        "Cash Report,Header,Currency Summary,Currency,Total\n"
        "Cash Report,Data,Starting Cash,USD,0\n"
        "Notes/Legal Notes,Header,Note\n"
        "Notes/Legal Notes,Notes,All of it is made up.\n"
    )
    text = TRADES + trade("ABC", "1", "10", "-10", "0") + text
    text = text.replace("NEW (US0000000009) Payment in Lieu of Dividend", "Payment in Lieu of Dividend")
    made = made_of(tmp_path, text + INSTRUMENTS, CashFlowLine, TransferLine)
    said = [
        (content.flow, content.symbol, content.amount) if isinstance(content, CashFlowLine) else content
        for content in made
    ]
    deposit = said[0]
    assert isinstance(deposit, TransferLine)
    assert (deposit.currency, deposit.amount, deposit.time_ns) == (
        "EUR",
        Decimal(5000),
        ns("2024-01-15T00:00:00-05:00"),
    )
    assert said[1:] == [
        (Flow.DIVIDEND, "ABC", Decimal(24)),
        (Flow.DIVIDEND, None, Decimal("1.5")),
        (Flow.WITHHOLDING_TAX, "ABC", Decimal("-3.6")),
        (Flow.INTEREST, None, Decimal("2.11")),
        (Flow.BORROW, None, Decimal("-0.4")),
        (Flow.FEE, None, Decimal(-10)),
    ]


def test_money_for_an_instrument_that_nothing_defined_is_refused(tmp_path: Path) -> None:
    text = (
        "Dividends,Header,Currency,Date,Description,Amount\n"
        "Dividends,Data,EUR,2024-03-15,ABC(US0000000001) Cash Dividend,24\n"
    )
    path = written(tmp_path, HEAD + text + INSTRUMENTS)
    assert refused(path) == [(7, "unknown_instrument")]
    (flow,) = contents(path, known=("ABC",))
    assert isinstance(flow, CashFlowLine)
    assert (flow.symbol, flow.currency) == ("ABC", "EUR")


def test_one_symbol_in_two_currencies_is_two_instruments(tmp_path: Path) -> None:
    rows = trade("ABC", "1", "10", "-10") + trade("ABC", "1", "8", "-8").replace(",USD,", ",GBP,")
    assert refused(written(tmp_path, HEAD + TRADES + rows)) == [(8, "unknown_instrument")]


def test_a_second_account_is_refused(tmp_path: Path) -> None:
    text = (
        "Deposits & Withdrawals,Header,Currency,Account,Settle Date,Description,Amount\n"
        "Deposits & Withdrawals,Data,EUR,U1,2024-01-15,Transfer,5000\n"
        "Deposits & Withdrawals,Data,EUR,U2,2024-01-15,Transfer,5000\n"
    )
    assert refused(written(tmp_path, HEAD + text)) == [(8, "another_account")]
    path = written(tmp_path, FLEX + flex() + flex(ClientAccountID="U2", IBExecID="e2"))
    assert refused(path) == [(3, "another_account")]


def test_units_out_are_a_transfer_and_units_in_need_a_cost(tmp_path: Path) -> None:
    text = (
        "Transfers,Header,Asset Category,Currency,Symbol,Date,Type,Direction,Xfer Company,Xfer Account,Qty,"
        "Xfer Price,Market Value,Realized P/L,Cash Amount,Code\n"
        'Transfers,Data,Stocks,USD,ABC,2024-05-20,ATON,Out,--,U99,"-2,500",--,"-7,412.50",0.00,0.00,\n'
        "Transfers,Data,Stocks,USD,ABC,2024-05-21,ACATS,In,--,U99,10,--,100,0.00,0.00,\n"
        "Transfers,Data,Cash,USD,--,2024-05-21,Internal,In,--,U99,,,,,500,\n"
        "Transfers,Data,Total,,,,,,,,,,100,0,500,\n"
    )
    made = all_of(written(tmp_path, HEAD + text + INSTRUMENTS))
    out, cash = (
        line.content
        for line in made
        if not isinstance(line, NotUnderstood) and isinstance(line.content, TransferLine)
    )
    assert (out.symbol, out.quantity, out.counterparty) == ("ABC", Decimal(-2500), "U99")
    assert (cash.currency, cash.amount) == ("USD", Decimal(500))
    assert [(line.number, line.code) for line in made if isinstance(line, NotUnderstood)] == [
        (8, "unknown_cost")
    ]


def test_splits_are_read_and_other_corporate_actions_named(tmp_path: Path) -> None:
    text = (
        "Corporate Actions,Header,Asset Category,Currency,Report Date,Date/Time,Description,Quantity,"
        "Proceeds,Value,"
        "Realized P/L,Code\n"
        'Corporate Actions,Data,Stocks,USD,2024-07-02,"2024-07-01, 20:25:00","ABC(US0000000001) Split 4 '
        "for 1 "
        '(ABC, ABC CORP, US0000000001)",300,0,0,0,\n'
        'Corporate Actions,Data,Stocks,USD,2024-08-02,"2024-08-01, 20:25:00","ABC(US0000000001) Split 1 '
        "for 10 "
        '(ABC.OLD, ABC CORP, US0000000001)",-400,0,0,0,\n'
        'Corporate Actions,Data,Stocks,USD,2024-08-02,"2024-08-01, 20:25:00","ABC(US0000000001) Split 1 '
        "for 10 "
        '(ABC, ABC CORP, US0000000002)",40,0,0,0,\n'
        'Corporate Actions,Data,Stocks,USD,2024-09-02,"2024-09-01, 20:25:00","XYZ(US0000000003) '
        "Merged(Acquisition) "
        'WITH US0000000004 1 for 8 (NEW, NEW CORP, US0000000004)",5,0,0,0,\n'
        "Corporate Actions,Data,Total,,,,,,0,0,0,\n"
    )
    made = all_of(written(tmp_path, HEAD + text + INSTRUMENTS))
    splits = [
        line.content
        for line in made
        if not isinstance(line, NotUnderstood) and isinstance(line.content, SplitLine)
    ]
    assert [(split.symbol, split.new, split.old) for split in splits] == [
        ("ABC", Decimal(4), Decimal(1)),
        ("ABC", Decimal(1), Decimal(10)),
    ]
    assert splits[0].time_ns == ns("2024-07-01T20:25:00-04:00")
    (other,) = (line for line in made if isinstance(line, NotUnderstood))
    assert (other.number, other.code) == (10, "corporate_action")
    assert "Merged" in other.reason


def test_a_section_that_is_not_known_is_told_row_by_row(tmp_path: Path) -> None:
    text = (
        "Surprise Charges,Header,Currency,Amount\nSurprise Charges,Data,USD,-5\nSurprise Charges,Data,"
        "Total,-5\n"
    )
    assert refused(written(tmp_path, HEAD + text)) == [(7, "unknown_section")]
    text = "Dividends,Data,USD,2024-03-15,ABC(US0000000001) Cash Dividend,24\n"
    assert refused(written(tmp_path, HEAD + text)) == [(6, "no_header")]


# --- Flex ---------------------------------------------------------------------------------------------------

FLEX = (
    '"ClientAccountID","CurrencyPrimary","AssetClass","Symbol","UnderlyingSymbol","Multiplier","Strike",'
    '"Expiry",'
    '"Put/Call","DateTime","SettleDateTarget","Quantity","TradePrice","Proceeds","Taxes","IBCommission",'
    '"IBCommissionCurrency","Notes/Codes","IBExecID","IBOrderID","LevelOfDetail"\n'
)


def flex(**changes: str) -> str:
    cells = {
        "ClientAccountID": "U1",
        "CurrencyPrimary": "USD",
        "AssetClass": "STK",
        "Symbol": "ABC",
        "UnderlyingSymbol": "",
        "Multiplier": "1",
        "Strike": "",
        "Expiry": "",
        "Put/Call": "",
        "DateTime": "20240301;093102",
        "SettleDateTarget": "20240304",
        "Quantity": "100",
        "TradePrice": "10.5",
        "Proceeds": "-1050",
        "Taxes": "0",
        "IBCommission": "-1.25",
        "IBCommissionCurrency": "USD",
        "Notes/Codes": "",
        "IBExecID": "0000e1.01",
        "IBOrderID": "55",
        "LevelOfDetail": "EXECUTION",
    } | changes
    return ",".join(f'"{cell}"' for cell in cells.values()) + "\n"


def test_a_flex_execution_keeps_its_ids_and_its_settlement(tmp_path: Path) -> None:
    _, fill = contents(written(tmp_path, FLEX + flex()))
    assert fill == FillLine(
        id="0000e1.01",
        time_ns=ns("2024-03-01T09:31:02-05:00"),
        symbol="ABC",
        side=Side.BUY,
        quantity=Decimal(100),
        price=Decimal("10.5"),
        order_id="55",
        fee=Decimal("1.25"),
        fee_currency="USD",
        settlement_date="2024-03-04",
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-07-01;15:30:58 EDT", "2024-07-01T15:30:58-04:00"),
        ("2024-01-01;15:30:58 EST", "2024-01-01T15:30:58-05:00"),
        ("20240701;153058", "2024-07-01T15:30:58-04:00"),
        ("20240701", "2024-07-01T00:00:00-04:00"),
        ("2024-07-01, 15:30:58", "2024-07-01T15:30:58-04:00"),
    ],
)
def test_the_forms_of_flex_times(tmp_path: Path, text: str, at: str) -> None:
    fill = contents(written(tmp_path, FLEX + flex(DateTime=text)))[-1]
    assert fill.time_ns == ns(at)


@pytest.mark.parametrize(
    ("old", "new", "row", "code"),
    [
        ('"IBCommission",', '"Other",', flex(), "missing_cell"),
        ('"Taxes"', '"Buy/Sell"', flex(Taxes="SELL (Ca.)"), "cancelled_trade"),
        ('"Taxes"', '"TransactionType"', flex(Taxes="TradeCorrect"), "cancelled_trade"),
        ("Notes/Codes", "TransactionType", flex(**{"Notes/Codes": "BookTrade"}), "missing_cell"),
        ('"Taxes"', '"Taxes"', flex(DateTime=""), "missing_cell"),
        ('"Taxes"', '"Taxes"', flex(AssetClass="BILL"), "unknown_instrument"),
    ],
)
def test_bad_flex_rows(tmp_path: Path, old: str, new: str, row: str, code: str) -> None:
    assert refused(written(tmp_path, FLEX.replace(old, new) + row)) == [(2, code)]


def test_older_statements_call_the_commission_a_tax(tmp_path: Path) -> None:
    rows = TRADES.replace("Comm/Fee", "Comm/Tax") + trade("ABC", "1", "10", "-10", "-2")
    (fill,) = made_of(tmp_path, rows, FillLine)
    assert isinstance(fill, FillLine)
    assert fill.fee == Decimal(2)
    rows = TRADES.replace("Comm/Fee", "Costs") + trade("ABC", "1", "10", "-10", "-2")
    assert refused(written(tmp_path, HEAD + rows)) == [(7, "missing_cell")]


def test_flex_taxes_sums_and_cash(tmp_path: Path) -> None:
    rows = (
        flex(Taxes="-0.5")
        + flex(Taxes="-0.5", IBCommissionCurrency="EUR", IBExecID="e3")
        + flex(LevelOfDetail="SYMBOL_SUMMARY")
        + flex(LevelOfDetail="CLOSED_LOT")
        + flex(LevelOfDetail="ORDER")
    )
    cash = (
        '"ClientAccountID","CurrencyPrimary","Symbol","Date/Time","Amount","Type","TransactionID"\n'
        '"U1","USD","ABC","2024-03-15;202000","24","Dividends","991"\n'
        '"U1","USD","ABC","2024-03-15;202000","-3.6","Withholding Tax","992"\n'
        '"U1","USD","","2024-03-16","1000","Deposits/Withdrawals","993"\n'
        '"U1","USD","","2024-03-16","1","Surprise","994"\n'
    )
    path = written(tmp_path, FLEX + rows + cash)
    made = all_of(path)
    assert refused(path) == [(6, "not_an_execution"), (11, "unknown_operation")]
    _, first, second, tax, dividend, withheld, deposit = (
        line.content for line in made if not isinstance(line, NotUnderstood)
    )
    assert isinstance(first, FillLine)
    assert isinstance(second, FillLine)
    assert (first.fee, second.fee, second.fee_currency) == (Decimal("1.75"), Decimal("1.25"), "EUR")
    assert isinstance(tax, CashFlowLine)
    assert (tax.flow, tax.currency, tax.amount) == (Flow.FEE, "USD", Decimal("-0.5"))
    assert isinstance(dividend, CashFlowLine)
    assert (dividend.id, dividend.symbol) == ("991", "ABC")
    assert isinstance(withheld, CashFlowLine)
    assert withheld.flow is Flow.WITHHOLDING_TAX
    assert isinstance(deposit, TransferLine)


def test_flex_options_carry_their_terms_and_frames_are_passed_over(tmp_path: Path) -> None:
    changes = {
        "AssetClass": "OPT",
        "Symbol": "ABC   240621C00050000",
        "UnderlyingSymbol": "ABC",
        "Multiplier": "100",
        "Strike": "50",
        "Expiry": "20240621",
        "Put/Call": "C",
        "Quantity": "-1",
        "TradePrice": "2",
        "Proceeds": "200",
    }
    text = (
        '"BOF","U1","q","1"\n"BOS","TRNT","Trades"\n'
        + '"HEADER","TRNT",'
        + FLEX
        + '"DATA","TRNT",'
        + flex(**changes)
        + '"EOS","TRNT","1"\n"EOF"\n'
    )
    option, fill = contents(written(tmp_path, text))
    assert isinstance(option, InstrumentLine)
    assert (option.kind, option.multiplier, option.right) == (
        InstrumentKind.OPTION,
        Decimal(100),
        OptionRight.CALL,
    )
    assert isinstance(fill, FillLine)
    assert fill.side is Side.SELL
