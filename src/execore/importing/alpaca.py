"""Alpaca's account activities, as a table or as the JSON that its API answers with."""

import json
import re
from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from execore.importing.cells import new_york, number, number_or_zero, time_in
from execore.importing.csv_rows import Record, Row, column_names, open_text
from execore.importing.formats import Format, Lines, Table, columns
from execore.importing.lines import (
    CashFlowLine,
    ClosingLine,
    ExerciseLine,
    FillLine,
    InstrumentLine,
    TransferLine,
)
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused, not_understood
from execore.importing.units import refuse_units
from execore.importing.values import exact
from execore.model.errors import InputFileError
from execore.model.money import EXACT
from execore.model.vocabulary import ClosingReason, Flow, InstrumentKind, OptionRight, Side

_OPTION: Final = re.compile(r"([A-Z]{1,6})(\d{6})([CP])(\d{8})", re.ASCII)
_TICKER: Final = re.compile(r"[A-Z]{1,6}([.\-/ ][A-Z]{1,3})?", re.ASCII)
_COINS: Final = re.compile(r"([A-Z0-9]{2,10})/([A-Z0-9]{2,10})", re.ASCII)
_COINS_BEFORE_2023: Final = re.compile(r"([A-Z0-9]{2,6}?)(USDT|USDC|USD)", re.ASCII)
_SHARES_OF_A_CONTRACT: Final = Decimal(100)
_STRIKE_UNIT: Final = Decimal("0.001")
_LONGEST_TICKER: Final = 5
_DAY_LESS_A_SECOND_NS: Final = (86_400 - 1) * 1_000_000_000
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}
_TOLD: Final = "shares delivered for an option, which its exercise says"
_FLOWS: Final = {
    **dict.fromkeys(("DIV", "DIVCGL", "DIVCGS", "DIVROC", "DIVTXEX", "CGD"), Flow.DIVIDEND),
    **dict.fromkeys(("DIVNRA", "DIVFT", "DIVTW", "DIVWH", "INTNRA", "INTTW", "WH"), Flow.WITHHOLDING_TAX),
    "INT": Flow.INTEREST,
    **dict.fromkeys(("FEE", "CFEE", "DIVFEE", "PTC"), Flow.FEE),
}
_CASH: Final = ("CSD", "CSW", "JNLC", "ACATC")
_UNITS: Final = ("JNLS", "ACATS")
_EXERCISES: Final = ("OPEXC", "OPXRC", "OPASN")
_CORPORATE_ACTIONS: Final = ("SPLIT", "SSP", "SPIN", "SSO", "SC", "NC", "MA", "REORG", "PTR", "OPCA")


def _activities(table: Table, maker: Maker) -> Lines:
    new_york()
    return maker.table(table.header, table.rows, partial(_activity, maker))


def _activity(maker: Maker, record: Record) -> Contents:
    word = record.need("activity type").upper()
    if (status := record.get("status").lower()) not in ("", "executed"):
        what = f"the activity is {status:.40}; what it changes is not said"
        raise Refused("cancelled_activity", what, "Write what it comes to in a JSON Lines file")
    if word == "FILL":
        return _fill(maker, record)
    if word == "OPTRD":
        return maker.skip(_TOLD)
    if word in _EXERCISES or word == "OPEXP":
        return _option_end(maker, record, word)
    if word in _UNITS or (word == "CFEE" and number_or_zero(record, "qty")):
        return _units(maker, record, word)
    if word in _CASH:
        at, amount, currency = _at(record), number(record, "net amount"), record.get("currency") or "USD"
        return (TransferLine(id=record.need("id"), time_ns=at, currency=currency, amount=amount),)
    if word in _FLOWS:
        return _flow(maker, record, _FLOWS[word])
    if word in _CORPORATE_ACTIONS:
        what = f"what the corporate action does is not known: {word} {record.get('description'):.100}"
        step = "Write it as a split, symbol_change, transfer or cash_flow in a JSON Lines file"
        raise Refused("corporate_action", what, step)
    raise Refused("unknown_operation", f"activity {word!r:.40} is not known", "Book it by hand, or ask us")


def _at(record: Record) -> int:
    """When it was. A date alone begins in New York."""
    if text := record.get("transaction time"):
        return time_in(text, UTC)
    return time_in(record.need("date"), new_york())


def _fill(maker: Maker, record: Record) -> Contents:
    word = record.need("side").lower()
    if word not in _SIDES:
        raise Refused("unknown_side", f"side is {word:.40}, neither buy nor sell", "Export it again")
    if (kind := record.get("type")) not in ("", "fill", "partial_fill"):
        raise Refused(
            "unknown_operation", f"a FILL of type {kind:.40} is not known", "Book it by hand, or ask us"
        )
    instrument = instrument_of(record.need("symbol"))
    fill = FillLine(
        id=record.need("id"),
        time_ns=_at(record),
        symbol=instrument.symbol,
        side=_SIDES[word],
        quantity=number(record, "qty").copy_abs(),
        price=number(record, "price"),
        order_id=record.get("order id") or None,
    )
    return (*maker.define(instrument), fill)


@lru_cache(1 << 10)
def instrument_of(symbol: str) -> InstrumentLine:
    """What Alpaca's symbols say of themselves: shares, an option by its OCC symbol, or a pair of a coin.

    Raises:
        Refused: the option was adjusted, so that its contracts are of no standard size.
    """
    pair = _COINS.fullmatch(symbol)
    if pair is None and len(symbol) > _LONGEST_TICKER:
        pair = _COINS_BEFORE_2023.fullmatch(symbol)
    if pair is not None:
        name = f"{pair[1]}/{pair[2]}"
        return InstrumentLine(symbol=name, currency=pair[2], kind=InstrumentKind.SPOT, base_currency=pair[1])
    option = _OPTION.fullmatch(symbol)
    if option is None and not _TICKER.fullmatch(symbol):
        what = f"{symbol:.40} is neither shares, nor a standard option, nor a pair of coins"
        raise Refused("unknown_instrument", what, "Define it in a JSON Lines file given before")
    if option is None:
        return InstrumentLine(symbol=symbol, currency="USD", kind=InstrumentKind.EQUITY)
    date = f"20{option[2][:2]}-{option[2][2:4]}-{option[2][4:]}"
    return InstrumentLine(
        symbol=symbol,
        currency="USD",
        kind=InstrumentKind.OPTION,
        multiplier=_SHARES_OF_A_CONTRACT,
        underlying=option[1],
        strike=EXACT.multiply(exact(option[4], "strike"), _STRIKE_UNIT),
        right=OptionRight.CALL if option[3] == "C" else OptionRight.PUT,
        expires_ns=time_in(date, new_york()) + _DAY_LESS_A_SECOND_NS,
    )


def _option_end(maker: Maker, record: Record, word: str) -> Contents:
    """An option that expired, or was exercised or assigned: at the end of its day, after what was traded."""
    if number_or_zero(record, "net amount"):
        what = f"{word} moved cash, which no delivery of shares does"
        raise Refused("unknown_operation", what, "Write it as a closing in a JSON Lines file")
    instrument = instrument_of(record.need("symbol"))
    quantity, entry_id = number(record, "qty").copy_abs(), record.need("id")
    at = _at(record) + (0 if record.get("transaction time") else _DAY_LESS_A_SECOND_NS)
    if word in _EXERCISES:
        end: ExerciseLine | ClosingLine = ExerciseLine(
            id=entry_id, time_ns=at, symbol=instrument.symbol, quantity=quantity
        )
        shares = () if instrument.underlying is None else maker.define(instrument_of(instrument.underlying))
        return (*maker.define(instrument), *shares, end)
    end = ClosingLine(
        id=entry_id,
        time_ns=at,
        symbol=instrument.symbol,
        reason=ClosingReason.EXPIRY,
        price=Decimal(0),
        quantity=quantity,
    )
    return (*maker.define(instrument), end)


def _units(maker: Maker, record: Record, word: str) -> Contents:
    """Shares moved between accounts, and coins taken as a fee."""
    instrument, quantity = instrument_of(record.need("symbol")), number(record, "qty")
    at, entry_id = _at(record), record.need("id")
    if quantity > 0:
        refuse_units(f"units of {instrument.symbol}", instrument.symbol, quantity, at, entry_id)
    other = "Alpaca, as a fee" if word == "CFEE" else None
    moved = TransferLine(
        id=entry_id, time_ns=at, symbol=instrument.symbol, quantity=quantity, counterparty=other
    )
    return (*maker.define(instrument), moved)


def _flow(maker: Maker, record: Record, flow: Flow) -> Contents:
    symbol = record.get("symbol")
    instrument = instrument_of(symbol) if symbol else None
    line = CashFlowLine(
        id=record.need("id"),
        time_ns=_at(record),
        flow=flow,
        currency=record.get("currency") or "USD",
        amount=number(record, "net amount"),
        symbol=instrument.symbol if instrument else None,
    )
    return (*(maker.define(instrument) if instrument else ()), line)


# --- as JSON ------------------------------------------------------------------------------------------------


def read_activities_json(path: Path, maker: Maker) -> Lines:
    """The activities of a JSON array, one object after the other; its text is held in memory as a whole.

    Raises:
        InputFileError: it is no array.
    """
    new_york()
    try:
        with open_text(path) as file:
            text = file.read()
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}", "Give a file you may read"
        ) from error
    for line, found in _objects(text):
        if isinstance(found, Refused):
            yield not_understood(line, text[:200], found)
            return
        names = column_names(found)
        row = Row(line, json.dumps(found), ["" if value is None else str(value) for value in found.values()])
        yield from maker.lines_of(row, partial(_read_object, found, row, names, maker))


def _read_object(found: dict[str, Any], row: Row, names: list[str], maker: Maker) -> Contents:
    for name, value in found.items():
        if isinstance(value, dict | list | bool):
            raise Refused("invalid_input", f"{name:.40} is neither text nor a number", "Export it again")
    return _activity(maker, Record(row, names))


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """The objects of a JSON array with the lines they begin in; what is no JSON ends it."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    at, line, seen = text.index("[") + 1, 1, 0
    try:
        while (at := _behind(text, at)) < len(text) and text[at] != "]":
            line, seen = line + text.count("\n", seen, at), at
            found, at = decoder.raw_decode(text, at)
            if not isinstance(found, dict):
                yield line, Refused("not_an_object", "the array holds something else than activities")
                return
            yield line, found
        if at >= len(text):
            yield (
                line,
                Refused("not_json", "the array does not end: the file is cut short", "Export it again"),
            )
    except (ValueError, RecursionError) as error:
        yield line, Refused("not_json", f"it is no JSON: {error}", "Export it again")


def _behind(text: str, at: int) -> int:
    """Behind blanks and the comma between two objects."""
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


FORMATS: Final = (Format("alpaca", "Alpaca account activities", columns("id,activity type"), _activities),)
