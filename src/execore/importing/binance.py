"""Binance's trade histories: spot, and futures margined in dollars (USDⓈ-M) or in coins (COIN-M)."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from execore.importing import binance_transactions
from execore.importing.assets import COIN_QUOTES, FIAT, STABLE, split_pair
from execore.importing.cells import amount_and_unit, check_total, number, number_or_zero
from execore.importing.csv_rows import Record
from execore.importing.formats import Format, Lines, Table, clock_of, columns
from execore.importing.lines import FillLine, InstrumentLine
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused
from execore.model.money import EXACT
from execore.model.vocabulary import InstrumentKind, PositionSide, Side

_QUOTES: Final = sorted((FIAT | STABLE | COIN_QUOTES) - {"USD", "XBT", "PAXG"})
_COIN_MARGINED: Final = re.compile(r"(\w+?)USD_(PERP|\d{6})", re.ASCII)
_DATED: Final = re.compile(r"(\w+)_\d{6}", re.ASCII)
_USD_A_CONTRACT: Final = {"BTC": Decimal(100)}
_USD_OF_OTHERS: Final = Decimal(10)
_LONGEST_COIN: Final = 40
_PAIRS_KEPT: Final = 1 << 10
_TEN_THOUSANDTH: Final = Decimal("0.0001")
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_POSITION_SIDES: Final = {"LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}


def _side(record: Record, column: str) -> Side:
    word = record.need(column).upper()
    if word not in _SIDES:
        raise Refused("unknown_side", f"{column} is {word:.40}, neither BUY nor SELL", "Export it again")
    return _SIDES[word]


# --- spot ---------------------------------------------------------------------------------------------------


def _spot(table: Table, maker: Maker) -> Lines:
    """Each amount with its coin behind it: ``Pair,Side,Price,Executed,Amount,Fee``."""
    clock = clock_of(table)

    def read(record: Record) -> Contents:
        base, quote = _coins_of(record)
        quantity, _ = amount_and_unit(record, "executed", (base,))
        total, _ = amount_and_unit(record, "amount", (quote,))
        fee, coin = amount_and_unit(record, "fee", (base, quote))
        at = clock(record)
        fill = _spot_fill(record, maker, at, base + quote, _side(record, "side"), quantity, fee, coin)
        check_total(EXACT.multiply(fill.price, quantity), total, "the total")
        return (*maker.define(_pair(base + quote, base, quote)), fill)

    return maker.table(table.header, table.rows, read)


def _old_spot(table: Table, maker: Maker) -> Lines:
    """Amounts without their coins: ``Market,Type,Price,Amount,Total,Fee,Fee Coin``."""
    clock = clock_of(table)

    def read(record: Record) -> Contents:
        market = record.need("market").upper()
        base, quote = ("", market) if maker.knows(market) else split_pair(market, _QUOTES)
        at = clock(record)
        fee, coin = number(record, "fee"), record.need("fee coin").upper()
        fill = _spot_fill(
            record, maker, at, market, _side(record, "type"), number(record, "amount"), fee, coin
        )
        check_total(EXACT.multiply(fill.price, fill.quantity), number(record, "total"), "the total")
        return (*maker.define(_pair(market, base, quote)), fill)

    return maker.table(table.header, table.rows, read)


def _coins_of(record: Record) -> tuple[str, str]:
    """The two coins of the pair: those that the amounts carry."""
    pair = record.need("pair").upper().replace("/", "")
    executed, amount = record.need("executed").upper(), record.need("amount").upper()
    for cut in range(1, min(len(pair), _LONGEST_COIN)):
        if executed.endswith(pair[:cut]) and amount.endswith(pair[cut:]):
            return pair[:cut], pair[cut:]
    raise Refused("unknown_instrument", f"{pair:.40} is not what was executed and paid", "Export it again")


@lru_cache(_PAIRS_KEPT)
def _pair(symbol: str, base: str, quote: str) -> InstrumentLine:
    return InstrumentLine(symbol=symbol, currency=quote, kind=InstrumentKind.SPOT, base_currency=base or None)


def _spot_fill(
    record: Record,
    maker: Maker,
    at: int,
    symbol: str,
    side: Side,
    quantity: Decimal,
    fee: Decimal,
    coin: str,
) -> FillLine:
    price = number(record, "price")
    return FillLine(
        id=maker.id_of("binance spot", at, symbol, side, quantity, price, fee, coin),
        time_ns=at,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=price,
        order_id=record.get("order no", "orderno", "order id") or None,
        fee=fee,
        fee_currency=coin,
    )


# --- futures ------------------------------------------------------------------------------------------------


def _futures(table: Table, maker: Maker) -> Lines:
    """``Symbol,Side,Price,Quantity,Amount,Fee,Realized Profit``, and newer columns."""
    clock = clock_of(table)

    def read(record: Record) -> Contents:
        symbol = record.need("symbol").upper()
        price, quantity = number(record, "price"), number(record, "quantity")
        new = () if maker.knows(symbol) else (_contract(symbol),)
        for contract in new:
            _check_amount(record, contract, price, quantity)
        at, side = clock(record), _side(record, "side")
        fee, coin = _futures_fee(record)
        trade_id = record.get("trade id")
        said = (at, symbol, side, quantity, price, fee, coin)
        fill = FillLine(
            id=f"{symbol}:{trade_id}" if trade_id else maker.id_of("binance futures", *said),
            time_ns=at,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            order_id=record.get("order id") or None,
            fee=fee,
            fee_currency=coin,
            position_side=_POSITION_SIDES.get(record.get("position side").upper()),
        )
        return (*new, fill)

    return maker.table(table.header, table.rows, read)


def _contract(symbol: str) -> InstrumentLine:
    """The contract of this name, as Binance's specifications have it."""
    if coin := _COIN_MARGINED.fullmatch(symbol):
        return InstrumentLine(
            symbol=symbol,
            currency="USD",
            kind=InstrumentKind.INVERSE,
            settlement_currency=coin[1],
            multiplier=_USD_A_CONTRACT.get(coin[1], _USD_OF_OTHERS),
        )
    dated = _DATED.fullmatch(symbol)
    _, quote = split_pair(dated[1] if dated else symbol, _QUOTES)
    return InstrumentLine(symbol=symbol, currency=quote, kind=InstrumentKind.LINEAR)


def _check_amount(record: Record, contract: InstrumentLine, price: Decimal, quantity: Decimal) -> None:
    """Raise Refused unless the amount is what the contract makes of price and quantity."""
    text, unit = record.get("amount"), contract.settlement_currency or contract.currency
    if not text:
        return
    amount = amount_and_unit(record, "amount", (unit,))[0] if text[-1].isalpha() else number(record, "amount")
    if contract.multiplier is None:
        check_total(EXACT.multiply(price, quantity), amount, "the amount")
        return
    # It may be in contracts, in dollars, or in the coin: then it is compared in dollars, to a ten-thousandth.
    dollars = EXACT.multiply(quantity, contract.multiplier)
    off = EXACT.subtract(EXACT.multiply(amount, price), dollars).copy_abs()
    if amount not in (quantity, dollars) and off > EXACT.multiply(dollars, _TEN_THOUSANDTH):
        what = f"a contract of {contract.symbol} is not worth {contract.multiplier} USD by this row"
        raise Refused("unknown_instrument", what, "Define it in a JSON Lines file given before")


def _futures_fee(record: Record) -> tuple[Decimal | None, str | None]:
    """The fee, positive when paid, and its coin; nothing if there was none."""
    coin = record.get("fee coin", "commission asset").upper()
    if coin:
        return number(record, "fee"), coin
    if record.get("fee")[-1:].isalpha():
        return amount_and_unit(record, "fee")
    if fee := number_or_zero(record, "fee"):
        what = f"in which coin the fee of {fee} was paid is not said"
        raise Refused("unknown_fee_currency", what, "Export the history again: newer exports say it")
    return None, None


_ORDERS: Final = "These are orders, not what they traded at; export the trade history"

FORMATS: Final = (
    Format(
        "binance",
        "Binance spot trade history",
        columns("pair,side,price,executed,amount,fee"),
        _spot,
        not_columns=columns("status"),
    ),
    Format(
        "binance",
        "Binance spot trade history, before 2021",
        columns("market,type,price,amount,total,fee,fee coin"),
        _old_spot,
    ),
    Format(
        "binance",
        "Binance futures trade history",
        columns("symbol,side,price,quantity,fee,realized profit"),
        _futures,
    ),
    *binance_transactions.FORMATS,
    Format("binance", "Binance order history", columns("pair,side,status,executed"), None, _ORDERS),
    Format("binance", "Binance order history", columns("pair,type,status,filled"), None, _ORDERS),
    Format(
        "binance",
        "Binance trade history without realised profit",
        columns("symbol,side,price,quantity,amount,fee"),
        None,
        "Nothing tells whether it is of spot or of futures; export it again from the page of either",
        not_columns=columns("transaction type,id"),
    ),
    Format(
        "binance",
        "Binance deposit or withdrawal history",
        columns("coin,network,amount,address,txid,status"),
        None,
        "Which way the coins went is not in it; export the transaction history",
    ),
)
