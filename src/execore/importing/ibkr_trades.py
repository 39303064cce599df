"""What a trade of Interactive Brokers comes to: a fill, or how an option or a future ended."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from execore.importing.cells import check_total, decimal_places, new_york, time_in
from execore.importing.csv_rows import Row
from execore.importing.lines import (
    AnyContent,
    CashFlowLine,
    ClosingLine,
    ExerciseLine,
    FillLine,
    InstrumentLine,
    NotUnderstood,
)
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused, not_understood
from execore.model.money import EXACT, ONE, ZERO
from execore.model.vocabulary import ClosingReason, Flow, InstrumentKind, OptionRight, Side

_KINDS: Final = {
    "stocks": InstrumentKind.EQUITY,
    "stk": InstrumentKind.EQUITY,
    "funds": InstrumentKind.EQUITY,
    "mutual funds": InstrumentKind.EQUITY,
    "fund": InstrumentKind.EQUITY,
    "warrants": InstrumentKind.EQUITY,
    "war": InstrumentKind.EQUITY,
    "structured products": InstrumentKind.EQUITY,
    "iopt": InstrumentKind.EQUITY,
    "equity and index options": InstrumentKind.OPTION,
    "opt": InstrumentKind.OPTION,
    "options on futures": InstrumentKind.OPTION,
    "futures options": InstrumentKind.OPTION,
    "fop": InstrumentKind.OPTION,
    "futures": InstrumentKind.LINEAR,
    "fut": InstrumentKind.LINEAR,
    "cfds": InstrumentKind.LINEAR,
    "cfd": InstrumentKind.LINEAR,
    "forex": InstrumentKind.SPOT,
    "cash": InstrumentKind.SPOT,
}
_RIGHTS: Final = {"C": OptionRight.CALL, "P": OptionRight.PUT}
_EXERCISED: Final = frozenset(("A", "Ex", "AEx", "MEx"))
_EXPIRED_OR_ASSIGNED: Final = "GEA"
_DELIVERED: Final = "shares delivered for an option, which its exercise says"
_FOREX: Final = re.compile(r"([A-Z]{3})\.([A-Z]{3})", re.ASCII)
_FEWEST_PLACES: Final = 4
_DAY_LESS_A_SECOND_NS: Final = (86_400 - 1) * 1_000_000_000


class Contract(NamedTuple):
    """What an export says of an instrument; texts as it has them, empty where it is silent."""

    category: str
    symbol: str
    multiplier: Decimal
    expiry: str = ""
    right: str = ""
    strike: Decimal | None = None
    underlying: str = ""


class Trade(NamedTuple):
    """One row of trades, of either kind of export.

    Attributes:
        quantity: bought positive, sold negative. total: what was paid or received; None: not said.
        fee: positive when paid. codes: IBKR's, of what kind of trade it is.
    """

    row: Row
    category: str
    symbol: str
    currency: str
    time_ns: int
    quantity: Decimal
    price: Decimal
    total: Decimal | None
    fee: Decimal
    fee_currency: str
    codes: frozenset[str]
    trade_id: str = ""
    order_id: str = ""
    settlement_date: str = ""


class Trades:
    """The trades of one file, with what is known of their instruments."""

    def __init__(self, maker: Maker) -> None:
        self.contracts: dict[str, Contract] = {}
        self._maker = maker
        self._awaited: dict[str, Decimal] = {}
        self._currencies: dict[str, str] = {}
        self._account = ""
        self._last: dict[str, Row] = {}

    def add(self, contract: Contract, *names: str) -> None:
        """Keep what is known of an instrument, which is traded under any of ``names``."""
        for name in names:
            if name:
                self.contracts.setdefault(name, contract)

    def check_account(self, account: str) -> None:
        """Raise Refused for a row of a second account: a book has one."""
        self._account = self._account or account
        if account and account != self._account:
            what = f"it is of account {account:.40}, and those before it are of {self._account:.40}"
            raise Refused("another_account", what, "Export each account for itself, for a book of its own")

    def check_known(self, symbol: str) -> None:
        """Raise Refused for money that came for an instrument which nothing has defined."""
        if not self._maker.knows(symbol):
            what = f"money moved for {symbol:.40}, of which there is no trade before"
            raise Refused("unknown_instrument", what, "Give the trades first, or define it in JSON Lines")

    def instrument(self, symbol: str, currency: str, category: str) -> Contents:
        """The definition of ``symbol``, unless there is one.

        Raises:
            Refused: the export does not say enough to define it, or trades it in several currencies.
        """
        first = self._currencies.setdefault(symbol, currency)
        if first != currency:
            what = f"{symbol:.40} is traded in {currency:.10} here, and in {first:.10} before"
            step = "Write its trades in JSON Lines, under a symbol of their own"
            raise Refused("unknown_instrument", what, step)
        if self._maker.knows(symbol):
            return ()
        kind = _KINDS.get(category.lower())
        if kind is None:
            what = f"instruments of category {category!r:.40} are not known"
            raise Refused("unknown_instrument", what, "Define it in a JSON Lines file given before")
        if kind is InstrumentKind.SPOT:
            return (_currency_pair(symbol, currency),)
        return (self._contract_line(symbol, currency, kind),)

    def _contract_line(self, symbol: str, currency: str, kind: InstrumentKind) -> InstrumentLine:
        contract = self.contracts.get(symbol)
        if contract is None and kind is InstrumentKind.EQUITY:
            return InstrumentLine(symbol=symbol, currency=currency, kind=kind)
        if contract is None:
            what = f"what a contract of {symbol:.60} is worth is not said"
            raise Refused("unknown_instrument", what, "Export it with Financial Instrument Information")
        expires_ns = None
        if contract.expiry:
            expires_ns = time_in(contract.expiry, new_york(), "expiry") + _DAY_LESS_A_SECOND_NS
        right = _RIGHTS.get(contract.right[:1].upper())
        has_terms = kind is InstrumentKind.OPTION and right is not None and contract.strike is not None
        return InstrumentLine(
            symbol=symbol,
            currency=currency,
            kind=kind,
            multiplier=None if contract.multiplier == ONE else contract.multiplier,
            underlying=contract.underlying or None if has_terms else None,
            strike=contract.strike if has_terms else None,
            right=right if has_terms else None,
            expires_ns=expires_ns,
        )

    # --- what a trade makes -------------------------------------------------------------------------------

    def lines(self, trade: Trade) -> Contents:
        """The lines of one trade, its instrument before them if it is new.

        Raises:
            Refused: it was cancelled, its instrument is not known, or its total is not its quantity × price.
        """
        if "Ca" in trade.codes:
            what = "the trade was cancelled; whether it was booked before is not said"
            raise Refused("cancelled_trade", what, "If it was, write a bust of it in a JSON Lines file")
        if _EXPIRED_OR_ASSIGNED in trade.codes:
            what = "whether the option expired or was assigned is not said"
            raise Refused(
                "unknown_operation", what, "Write it as a closing or an exercise in a JSON Lines file"
            )
        kind = _KINDS.get(trade.category.lower())
        is_exercise = bool(_EXERCISED & trade.codes)
        if is_exercise and kind is InstrumentKind.EQUITY:
            return self._delivery(trade)
        instrument = self.instrument(trade.symbol, trade.currency, trade.category)
        if is_exercise and kind is InstrumentKind.OPTION and not trade.price:
            return (*instrument, self._exercise(trade))
        self._check_total(trade, kind)
        has_ended = is_exercise or "Ep" in trade.codes
        if has_ended and kind in (InstrumentKind.OPTION, InstrumentKind.LINEAR):
            return (*instrument, self._closing(trade))
        return (*instrument, self._fill(trade))

    def _id(self, trade: Trade) -> str:
        said = (trade.time_ns, trade.symbol, trade.quantity, trade.price, trade.fee, trade.fee_currency)
        return trade.trade_id or self._maker.id_of("ibkr trade", *said, *sorted(trade.codes))

    def _fill(self, trade: Trade) -> FillLine:
        return FillLine(
            id=self._id(trade),
            time_ns=trade.time_ns,
            symbol=trade.symbol,
            side=Side.BUY if trade.quantity > 0 else Side.SELL,
            quantity=trade.quantity.copy_abs(),
            price=trade.price,
            order_id=trade.order_id or None,
            fee=trade.fee,
            fee_currency=trade.fee_currency,
            settlement_date=trade.settlement_date or None,
        )

    def _closing(self, trade: Trade) -> ClosingLine:
        """A contract that ended for what it was worth: nothing, or cash."""
        return ClosingLine(
            id=self._id(trade),
            time_ns=trade.time_ns,
            symbol=trade.symbol,
            reason=ClosingReason.SETTLEMENT if trade.price else ClosingReason.EXPIRY,
            price=trade.price,
            quantity=trade.quantity.copy_abs(),
            fee=trade.fee or None,
            fee_currency=trade.fee_currency if trade.fee else None,
        )

    def _exercise(self, trade: Trade) -> ExerciseLine:
        contract = self.contracts.get(trade.symbol)
        if contract is None or contract.right[:1].upper() not in _RIGHTS or not contract.underlying:
            what = f"of what {trade.symbol:.60} is an option is not said"
            raise Refused("unknown_instrument", what, "Export it with Financial Instrument Information")
        units = EXACT.multiply(trade.quantity, contract.multiplier)
        self._await(
            contract.underlying,
            units if contract.right[:1].upper() == "P" else units.copy_negate(),
            trade.row,
        )
        return ExerciseLine(
            id=self._id(trade),
            time_ns=trade.time_ns,
            symbol=trade.symbol,
            quantity=trade.quantity.copy_abs(),
            fee=trade.fee or None,
            fee_currency=trade.fee_currency if trade.fee else None,
        )

    def _delivery(self, trade: Trade) -> Contents:
        """Shares that an exercise brought or took: its line says so, but not what the broker charged."""
        self._await(trade.symbol, trade.quantity.copy_negate(), trade.row)
        self._maker.skip(_DELIVERED)
        if not trade.fee:
            return ()
        made: AnyContent = CashFlowLine(
            id=f"{self._id(trade)}:fee",
            time_ns=trade.time_ns,
            flow=Flow.FEE,
            currency=trade.fee_currency,
            amount=trade.fee.copy_negate(),
        )
        return (made,)

    def _await(self, underlying: str, units: Decimal, row: Row) -> None:
        """Exercises add the shares that they promise; deliveries take them away."""
        self._awaited[underlying] = EXACT.add(self._awaited.get(underlying, ZERO), units)
        self._last[underlying] = row

    def unmatched(self) -> Iterator[NotUnderstood]:
        """At the end: exercises whose shares did not come, and shares that no exercise explains."""
        for symbol, units in self._awaited.items():
            if units:
                row = self._last[symbol]
                what = f"exercises and assignments leave {units:f} of {symbol} undelivered by this file"
                step = "Give a file with both; write what is missing as a fill in a JSON Lines file"
                yield not_understood(row.number, row.text, Refused("unmatched_exercise", what, step))

    def _check_total(self, trade: Trade, kind: InstrumentKind | None) -> None:
        contract = self.contracts.get(trade.symbol)
        if trade.total is None or (contract is None and kind is not InstrumentKind.EQUITY):
            return
        multiplier = contract.multiplier if contract else ONE
        units = EXACT.multiply(trade.quantity.copy_abs(), multiplier)
        places = max(decimal_places(trade.price), _FEWEST_PLACES)  # an average is rounded there or later
        rounding = EXACT.multiply(units, EXACT.scaleb(ONE, -places))
        check_total(EXACT.multiply(units, trade.price), trade.total, "the total", rounding)


def _currency_pair(symbol: str, currency: str) -> InstrumentLine:
    parts = _FOREX.fullmatch(symbol)
    if parts is None or parts[2] != currency:
        what = f"{symbol:.40} is no pair of currencies paid in {currency:.10}"
        raise Refused("unknown_instrument", what, "Define it in a JSON Lines file given before")
    return InstrumentLine(symbol=symbol, currency=currency, kind=InstrumentKind.SPOT, base_currency=parts[1])
