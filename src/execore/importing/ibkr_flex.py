"""Interactive Brokers' Flex Query exports: a header for each kind of row, columns as somebody chose them."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Final

from execore.importing.cells import new_york, number, number_or_zero, time_in
from execore.importing.csv_rows import Record, Row, column_names
from execore.importing.formats import Format, Lines, Table, columns
from execore.importing.ibkr_trades import Contract, Trade, Trades
from execore.importing.lines import AnyContent, CashFlowLine, NotUnderstood, TransferLine
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused
from execore.model.money import EXACT, ONE, ZERO
from execore.model.vocabulary import Flow

_FIRST: Final = "clientaccountid"
_TRADE_COLUMNS: Final = columns("quantity,tradeprice")
_CASH_COLUMNS: Final = columns("amount,type,currencyprimary")
_FRAME: Final = ("BOF", "BOA", "BOS", "EOS", "EOA", "EOF")
_DETAILS: Final = ("", "EXECUTION", "DETAIL")
_SUMS: Final = ("SYMBOL_SUMMARY", "ASSET_SUMMARY", "SUMMARY", "CURRENCY", "BASE_SUMMARY")
_FLOWS: Final = {
    "dividends": Flow.DIVIDEND,
    "payment in lieu of dividends": Flow.DIVIDEND,
    "withholding tax": Flow.WITHHOLDING_TAX,
    "871(m) withholding": Flow.WITHHOLDING_TAX,
    "broker interest paid": Flow.INTEREST,
    "broker interest received": Flow.INTEREST,
    "bond interest paid": Flow.INTEREST,
    "bond interest received": Flow.INTEREST,
    "broker fees": Flow.FEE,
    "other fees": Flow.FEE,
    "advisor fees": Flow.FEE,
    "commission adjustments": Flow.FEE,
    "price adjustments": Flow.OTHER,
}
_DEPOSITS: Final = ("deposits/withdrawals", "deposits & withdrawals", "deposits and withdrawals")


def _flex(table: Table, maker: Maker) -> Lines:
    return _Query(maker).read(chain((table.header,), table.rows))


class _Query:
    """One export while it is being read."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._zone, self._trades = maker, new_york(), Trades(maker)

    def read(self, rows: Iterator[Row | NotUnderstood]) -> Lines:
        """Every line of the export."""
        names: list[str] = []
        for row in rows:
            if isinstance(row, NotUnderstood):
                yield row
                continue
            mark = row.cells[0].strip()
            if mark in _FRAME:
                self._maker.skip("frame of the file")
                continue
            plain = row._replace(cells=row.cells[2:]) if mark in ("HEADER", "DATA") else row
            if mark == "HEADER" or column_names(plain.cells[:1]) == [_FIRST]:
                names = column_names(plain.cells)
            else:
                yield from self._maker.lines_of(row, partial(self._row, plain, names))
        yield from self._trades.unmatched()

    def _row(self, row: Row, names: list[str]) -> Contents:
        record, found = Record(row, names), frozenset(names)
        self._trades.check_account(record.get(_FIRST))
        detail = record.get("levelofdetail").upper()
        if detail in _SUMS:
            return self._maker.skip("totals")
        if detail == "CLOSED_LOT":
            return self._maker.skip("lots that a trade closed")
        if found >= _TRADE_COLUMNS:
            return self._trade(record, detail)
        if found >= _CASH_COLUMNS:
            return self._cash(record)
        what = "rows with these columns are neither trades nor cash transactions"
        raise Refused("unknown_section", what, "If money or units moved by it, write how in JSON Lines")

    def _trade(self, record: Record, detail: str) -> Contents:
        if detail not in _DETAILS:
            what = f"it is a row of {detail:.40}, a sum of executions"
            raise Refused("not_an_execution", what, "Choose executions as the level of detail of the query")
        quantity, currency = number(record, "quantity"), record.need("currencyprimary")
        if not quantity:
            raise Refused("invalid_quantity", "the quantity is zero", "Check the query")
        if not record.has("ibcommission"):
            raise Refused("missing_cell", "there is no IBCommission", "Choose it in the query")
        self._learn(record)
        fee_currency = record.get("ibcommissioncurrency") or currency
        taxes = number_or_zero(record, "taxes")
        fee = EXACT.add(number_or_zero(record, "ibcommission"), taxes if fee_currency == currency else ZERO)
        trade_id = record.get("ibexecid", "tradeid", "transactionid")
        date = record.get("settledatetarget").replace("-", "")
        trade = Trade(
            row=record.row,
            category=record.need("assetclass"),
            symbol=record.need("symbol"),
            currency=currency,
            time_ns=self._time(record),
            quantity=quantity,
            price=number(record, "tradeprice"),
            total=number(record, "proceeds", "trademoney") if record.get("proceeds", "trademoney") else None,
            fee=EXACT.subtract(ZERO, fee),
            fee_currency=fee_currency,
            codes=_codes(record),
            trade_id=trade_id,
            order_id=record.get("iborderid"),
            settlement_date=f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else "",
        )
        made = list(self._trades.lines(trade))
        if taxes and fee_currency != currency:
            made.append(self._tax(trade, taxes))
        return made

    def _learn(self, record: Record) -> None:
        self._trades.add(
            Contract(
                category=record.get("assetclass"),
                symbol=record.need("symbol"),
                multiplier=number(record, "multiplier") if record.get("multiplier") else ONE,
                expiry=record.get("expiry"),
                right=record.get("put/call"),
                strike=number(record, "strike") if record.get("strike") else None,
                underlying=record.get("underlyingsymbol"),
            ),
            record.need("symbol") if record.get("multiplier") else "",
        )

    def _time(self, record: Record) -> int:
        text = record.get("datetime", "date/time")
        if not text:
            text = f"{record.need('tradedate')} {record.get('tradetime')}".strip()
        return time_in(text, self._zone)

    def _tax(self, trade: Trade, taxes: Decimal) -> AnyContent:
        """What was taxed in another currency than the commission's: a fee of its own."""
        return CashFlowLine(
            id=self._maker.id_of("ibkr tax", trade.time_ns, trade.symbol, trade.trade_id, taxes),
            time_ns=trade.time_ns,
            flow=Flow.FEE,
            currency=trade.currency,
            amount=taxes,
            symbol=trade.symbol,
        )

    def _cash(self, record: Record) -> Contents:
        word, currency = record.need("type").lower(), record.need("currencyprimary")
        amount, symbol = number(record, "amount"), record.get("symbol")
        at = time_in(record.need("date/time", "datetime", "settledate", "reportdate"), self._zone)
        transaction = record.get("transactionid")
        said = (word, at, currency, amount, symbol, record.get("description"))
        entry_id = transaction or self._maker.id_of("ibkr cash", *said)
        if word in _DEPOSITS:
            return (TransferLine(id=entry_id, time_ns=at, currency=currency, amount=amount),)
        if word not in _FLOWS:
            raise Refused(
                "unknown_operation", f"type {word!r:.60} is not known", "Book it by hand, or ask us"
            )
        if symbol:
            self._trades.check_known(symbol)
        return (
            CashFlowLine(
                id=entry_id,
                time_ns=at,
                flow=_FLOWS[word],
                currency=currency,
                amount=amount,
                symbol=symbol or None,
            ),
        )


def _codes(record: Record) -> frozenset[str]:
    """IBKR's codes of a trade; other columns say too that it was cancelled: ``SELL (Ca.)``."""
    codes = {code.strip() for code in record.get("notes/codes", "code").split(";")}
    kind = record.get("transactiontype").lower()
    if "(ca" in record.get("buy/sell").lower() or "cancel" in kind or "correct" in kind:
        codes.add("Ca")
    if kind == "booktrade" and not (record.has("notes/codes") or record.has("code")):
        what = "whether it is an exercise or an expiry is not said"
        raise Refused("missing_cell", what, "Choose Notes/Codes in the query")
    return frozenset(codes)


FORMATS: Final = (
    Format("ibkr", "IBKR Flex Query", columns("clientaccountid,currencyprimary,assetclass,symbol"), _flex),
    Format("ibkr", "IBKR Flex Query", columns("clientaccountid,currencyprimary,amount,type"), _flex),
    Format("ibkr", "IBKR Flex Query", columns("bof"), _flex),
)
