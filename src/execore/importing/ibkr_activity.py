"""Interactive Brokers' Activity Statement: sections one after the other, each with columns of its own.

What an instrument is comes behind its trades, so that the file is read twice.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from execore.importing.cells import new_york, number, number_or_zero, time_in
from execore.importing.csv_rows import Record, Row, column_names, read_rows
from execore.importing.formats import Format, Lines, Table, columns
from execore.importing.ibkr_trades import Contract, Trade, Trades
from execore.importing.lines import CashFlowLine, Line, NotUnderstood, SplitLine, TransferLine
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused, not_understood
from execore.importing.units import refuse_units
from execore.model.money import EXACT, ONE, ZERO
from execore.model.vocabulary import Flow

_TRADES: Final = "trades"
_INSTRUMENTS: Final = "financial instrument information"
_TOTAL: Final = "totals"
_NOTES: Final = "notes"
_ORDER: Final = "orders, told by their executions"
_CLOSED_LOT: Final = "lots that a trade closed"
_SAME_ACTION: Final = "other rows of one corporate action"
_LOOKED_AT: Final = 200
"""What matters of a description is at its beginning, and patterns take long on a long one."""
_COMMISSION_IN: Final = "comm in "
_SYMBOL_OF: Final = re.compile(r"\s*([^\s(][^(]*?)\s*\(")
_SPLIT: Final = re.compile(
    r"\s*([^\s(][^(]*?)\s*\([^)]*\)\s*Split\s+([\d.,]+)\s+for\s+([\d.,]+)", re.ASCII | re.IGNORECASE
)

_FLOWS: Final = {
    "dividends": Flow.DIVIDEND,
    "payments in lieu of dividends": Flow.DIVIDEND,
    "withholding tax": Flow.WITHHOLDING_TAX,
    "871(m) withholding": Flow.WITHHOLDING_TAX,
    "interest": Flow.INTEREST,
    "broker interest paid": Flow.INTEREST,
    "broker interest received": Flow.INTEREST,
    "bond interest paid": Flow.INTEREST,
    "bond interest received": Flow.INTEREST,
    "fees": Flow.FEE,
    "other fees": Flow.FEE,
    "advisor fees": Flow.FEE,
    "client fees": Flow.FEE,
    "commission adjustments": Flow.FEE,
    "transaction fees": Flow.FEE,
}
_SILENT: Final = frozenset(
    (
        "statement",
        "account information",
        "account summary",
        "net asset value",
        "change in nav",
        "mark-to-market performance summary",
        "realized & unrealized performance summary",
        "month & year to date performance summary",
        "cash report",
        "open positions",
        "net stock position summary",
        "forex balances",
        "forex p/l details",
        "complex positions summary",
        "trade summary by asset class",
        "trade summary by symbol",
        "commission details",
        "interest accruals",
        "open dividend accruals",
        "change in dividend accruals",
        "credit interest details",
        "debit interest details",
        "borrow fee details",
        "direct securities lent fee details",
        "pending exercises",
        "unsettled transfers",
        "collateral for customer borrowing",
        "base currency exchange rate",
        "location of customer assets, positions and money",
        "codes",
        "notes/legal notes",
        "disclosures",
        _INSTRUMENTS,
    )
)
"""Sections that show balances, sums and explanations: nothing in them moves what other sections do not."""


def _activity(table: Table, maker: Maker) -> Lines:
    statement = _Statement(maker)
    statement.learn(read_rows(table.path))
    return statement.read(read_rows(table.path))


class _Statement:
    """One statement while it is being read."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._zone = maker, new_york()
        self._trades = Trades(maker)
        self._columns: dict[str, list[str]] = {}
        self._order: Row | None = None
        self._executions: list[Row] = []
        self._actions_seen: set[tuple[str, str]] = set()
        self._sections: Mapping[str, Callable[[Record], Contents]] = {
            _TRADES: self._trade,
            "deposits & withdrawals": self._deposit,
            "transfers": self._transfer,
            "corporate actions": self._corporate_action,
            **{section: partial(self._flow, flow) for section, flow in _FLOWS.items()},
        }

    # --- first: what the instruments are ------------------------------------------------------------------

    def learn(self, rows: Iterator[Row | NotUnderstood]) -> None:
        """Keep what the section of instruments says. What is wrong with it shows where it is needed."""
        names: list[str] = []
        for row in rows:
            if isinstance(row, NotUnderstood) or row.cells[0].strip().lower() != _INSTRUMENTS:
                continue
            if row.cells[1:2] == ["Header"]:
                names = column_names(row.cells)
            elif row.cells[1:2] == ["Data"]:
                try:
                    self._learn(Record(row, names))
                except (Refused, ArithmeticError, ValueError):
                    continue

    def _learn(self, record: Record) -> None:
        symbols = record.need("symbol")
        contract = Contract(
            category=record.get("asset category"),
            symbol=symbols,
            multiplier=number(record, "multiplier") if record.get("multiplier") else ONE,
            expiry=record.get("expiry"),
            right=record.get("type") if record.get("strike") else "",
            strike=number(record, "strike") if record.get("strike") else None,
            underlying=record.get("underlying"),
        )
        self._trades.add(contract, *(name.strip() for name in symbols.split(",")), record.get("description"))

    # --- then: what happened ------------------------------------------------------------------------------

    def read(self, rows: Iterator[Row | NotUnderstood]) -> Lines:
        """Every line of the statement."""
        for row in rows:
            if isinstance(row, NotUnderstood):
                yield row
                continue
            section, kind = row.cells[0].strip().lower(), "".join(row.cells[1:2]).strip()
            if section == _TRADES and kind == "Data":
                yield from self._trade_row(row)
                continue
            yield from self._end_of_order()
            if kind == "Header":
                self._columns[section] = column_names(row.cells)
            else:
                yield from self._maker.lines_of(row, partial(self._row, row, section, kind))
        yield from self._end_of_order()
        yield from self._trades.unmatched()

    def _row(self, row: Row, section: str, kind: str) -> Contents:
        if section in _SILENT:
            return self._maker.skip(section)
        if kind in ("Total", "SubTotal") or (kind == "Data" and "".join(row.cells[2:3]).startswith("Total")):
            return self._maker.skip(_TOTAL)
        if kind == "Notes":
            return self._maker.skip(_NOTES)
        read = self._sections.get(section)
        if read is None or kind != "Data":
            what = f"section {row.cells[0]!r:.60} is not known" if read is None else f"{kind!r:.40} is no row"
            raise Refused("unknown_section", what, "If money or units moved by it, write how in JSON Lines")
        record = Record(row, self._names(section))
        self._trades.check_account(record.get("account"))
        return read(record)

    def _names(self, section: str) -> list[str]:
        if section not in self._columns:
            raise Refused("no_header", f"section {section:.60} has no header before it", "Export it again")
        return self._columns[section]

    # --- trades: orders, and the executions that may follow them -------------------------------------------

    def _trade_row(self, row: Row) -> Lines:
        word = "".join(row.cells[2:3]).strip().lower()
        if word == "order":
            yield from self._end_of_order()
            self._order = row
        elif word in ("trade", "execution") and self._order is not None:
            self._executions.append(row)
        elif word == "closedlot":
            self._maker.skip(_CLOSED_LOT)
        else:
            yield from self._end_of_order()
            yield from self._maker.lines_of(row, partial(self._row, row, _TRADES, "Data"))

    def _end_of_order(self) -> Iterator[Line | NotUnderstood]:
        """The order that was read last: by its executions, if the statement shows them."""
        if self._order is None:
            return
        order, executions = self._order, self._executions
        self._order, self._executions = None, []
        fault = self._fault_of(order, executions)
        if fault is not None:
            yield from (not_understood(row.number, row.text, fault) for row in (order, *executions))
        elif executions:
            self._maker.skip(_ORDER)
        for row in () if fault else executions or (order,):
            yield from self._maker.lines_of(row, partial(self._row, row, _TRADES, "Data"))

    def _fault_of(self, order: Row, executions: list[Row]) -> Refused | None:
        if not executions:
            return None
        try:
            names = self._names(_TRADES)
            of = [Record(row, names) for row in (order, *executions)]
            wanted, *parts = (number(record, "quantity") for record in of)
            total = ZERO
            for part in parts:
                total = EXACT.add(total, part)
            if total == wanted and len({record.get("symbol") for record in of}) == 1:
                return None
        except (Refused, ValueError, ArithmeticError):
            pass
        what = "the executions below an order are not what the order says"
        return Refused("executions_differ", what, "Export the statement again")

    def _trade(self, record: Record) -> Contents:
        word = record.need("datadiscriminator").lower()
        if word not in ("order", "trade", "execution"):
            raise Refused(
                "unknown_operation", f"trades of kind {word!r:.40} are not known", "Book it by hand"
            )
        quantity = number(record, "quantity")
        if not quantity:
            raise Refused("invalid_quantity", "the quantity is zero", "Check the statement")
        fee_column = next((name for name in self._names(_TRADES) if name.startswith("comm")), "")
        if not fee_column:
            raise Refused("missing_cell", "there is no column of commissions", "Export the statement in full")
        currency = record.need("currency")
        in_other = fee_column.startswith(_COMMISSION_IN)
        total = "proceeds" if record.get("proceeds") else "notional value"
        trade = Trade(
            row=record.row,
            category=record.need("asset category"),
            symbol=record.need("symbol"),
            currency=currency,
            time_ns=time_in(record.need("date/time"), self._zone),
            quantity=quantity,
            price=number(record, "t. price"),
            total=number(record, total) if record.get(total) else None,
            fee=EXACT.subtract(ZERO, number_or_zero(record, fee_column)),
            fee_currency=fee_column.removeprefix(_COMMISSION_IN).upper() if in_other else currency,
            codes=_codes(record.get("code")),
        )
        return self._trades.lines(trade)

    # --- cash and units ------------------------------------------------------------------------------------

    def _flow(self, flow: Flow, record: Record) -> Contents:
        description, currency = record.get("description"), record.need("currency")
        if flow is Flow.INTEREST and "borrow" in description.lower():
            flow = Flow.BORROW
        at = time_in(record.need("date", "date/time"), self._zone)
        amount = number(record, "amount")
        symbol = record.get("symbol")
        if not symbol and flow in (Flow.DIVIDEND, Flow.WITHHOLDING_TAX):
            found = _SYMBOL_OF.match(description[:_LOOKED_AT])
            symbol = found[1] if found else ""
        if symbol:
            self._trades.check_known(symbol)
        line = CashFlowLine(
            id=self._maker.id_of("ibkr cash", flow, at, currency, amount, description),
            time_ns=at,
            flow=flow,
            currency=currency,
            amount=amount,
            symbol=symbol or None,
        )
        return (line,)

    def _deposit(self, record: Record) -> Contents:
        at = time_in(record.need("settle date", "date"), self._zone)
        currency, amount = record.need("currency"), number(record, "amount")
        entry_id = self._maker.id_of("ibkr deposit", at, currency, amount, record.get("description"))
        return (TransferLine(id=entry_id, time_ns=at, currency=currency, amount=amount),)

    def _transfer(self, record: Record) -> Contents:
        at, currency = time_in(record.need("date", "date/time"), self._zone), record.need("currency")
        symbol, other = record.get("symbol"), record.get("xfer account").strip("-") or None
        quantity, cash = number_or_zero(record, "qty", "quantity"), number_or_zero(record, "cash amount")
        entry_id = self._maker.id_of("ibkr transfer", at, currency, symbol, quantity, cash)
        if record.need("asset category").lower() == "cash" or (cash and not quantity):
            return (
                TransferLine(id=entry_id, time_ns=at, currency=currency, amount=cash, counterparty=other),
            )
        if quantity > 0 or cash:
            refuse_units(f"units of {symbol}", symbol, quantity, at, entry_id)
        instrument = self._trades.instrument(symbol, currency, record.need("asset category"))
        units = TransferLine(id=entry_id, time_ns=at, symbol=symbol, quantity=quantity, counterparty=other)
        return (*instrument, units)

    def _corporate_action(self, record: Record) -> Contents:
        description = record.need("description")
        found = _SPLIT.match(description[:_LOOKED_AT])
        if found is None or "Ca" in _codes(record.get("code")):
            what = f"what the corporate action does is not known: {description:.120}"
            step = "Write it as a split, symbol_change, transfer or cash_flow in a JSON Lines file"
            raise Refused("corporate_action", what, step)
        symbol, new, old = found[1].removesuffix(".OLD"), found[2], found[3]
        moment = record.need("date/time", "report date")
        if (moment, found[0]) in self._actions_seen:
            return self._maker.skip(_SAME_ACTION)
        self._actions_seen.add((moment, found[0]))
        instrument = self._trades.instrument(symbol, record.need("currency"), record.need("asset category"))
        at = time_in(moment, self._zone)
        split = SplitLine(
            id=self._maker.id_of("ibkr split", at, symbol, new, old),
            time_ns=at,
            symbol=symbol,
            new=new,  # type: ignore[arg-type]  # a line converts what it is made of
            old=old,  # type: ignore[arg-type]
        )
        return (*instrument, split)


def _codes(text: str) -> frozenset[str]:
    return frozenset(code.strip() for code in text.split(";"))


FORMATS: Final = (
    Format(
        "ibkr",
        "IBKR Activity Statement",
        columns("statement,header,field name,field value"),
        _activity,
    ),
    Format("ibkr", "IBKR Activity Statement", columns("trades,header,datadiscriminator"), _activity),
)
