"""Kraken's exports: ``trades.csv``, and ``ledgers.csv`` for all that is no trade and for what trades cost."""

import re
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from functools import lru_cache, partial
from itertools import groupby
from typing import Final

from execore.importing.assets import COIN_QUOTES, FIAT, STABLE, is_money, split_pair
from execore.importing.cells import check_total, number, number_or_zero, time_in
from execore.importing.csv_rows import Record, Row, column_names
from execore.importing.formats import Format, Lines, Table, columns
from execore.importing.lines import (
    AnyContent,
    CashFlowLine,
    FeeLine,
    FillLine,
    InstrumentLine,
    NotUnderstood,
    TransferLine,
)
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused
from execore.importing.units import check_is_money
from execore.model.money import EXACT, divide
from execore.model.vocabulary import Flow, InstrumentKind, Side

_RENAMED: Final = {"XBT": "BTC", "XDG": "DOGE"}
_LEGACY: Final = {
    **{f"Z{name}": name for name in ("AUD", "CAD", "EUR", "GBP", "JPY", "KRW", "USD")},
    **{
        f"X{name}": name
        for name in ("ETC", "ETH", "ICN", "LTC", "MLN", "REP", "XBT", "XDG", "XLM", "XMR", "XRP", "ZEC")
    },
}
_LEGACY_PAIR: Final = re.compile(r"(X\w{3})([XZ]\w{3})", re.ASCII)
_STATE: Final = re.compile(r"(\w+?)(\d+)?\.(S|M|F|B|P|T|HOLD)", re.ASCII)
_QUOTES: Final = FIAT | STABLE | COIN_QUOTES
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_LONGEST_NAME: Final = 40
_PAIRS_KEPT: Final = 1 << 10
_SMALLEST: Final = Decimal("1E-18")


def asset_name(name: str) -> str:
    """The asset that Kraken calls so: without its prefix of X or Z, and whether it is staked or on hold."""
    state = _STATE.fullmatch(name[:_LONGEST_NAME])
    plain = state[1] if state else name
    plain = _LEGACY.get(plain, plain)
    return _RENAMED.get(plain, plain)


@lru_cache(_PAIRS_KEPT)
def pair_of(name: str) -> tuple[str, str]:
    """What is bought and what is paid in a pair: ``XXBTZEUR``, ``XBTEUR`` and ``BTC/EUR`` are the same.

    Raises:
        Refused: it cannot be told where the first ends.
    """
    if "/" in name:
        base, _, quote = name.partition("/")
    elif (legacy := _LEGACY_PAIR.fullmatch(name)) and {legacy[1], legacy[2]} <= _LEGACY.keys():
        base, quote = legacy[1], legacy[2]
    elif is_money(name[:-4]) and name[-4:] in _LEGACY:  # USDTZUSD; but XTZUSD is of XTZ
        base, quote = name[:-4], name[-4:]
    else:
        ends = [quote for quote in _QUOTES if name.endswith(quote)]
        longest = max(ends, key=len, default="")  # ETHPYUSD is in PYUSD, not ETHPY in USD
        base, quote = split_pair(name, [longest] if longest else [])
    return asset_name(base), asset_name(quote)


# --- trades.csv ---------------------------------------------------------------------------------------------


def _trades(table: Table, maker: Maker) -> Lines:
    def read(record: Record) -> Contents:
        _check_no_margin(record)
        base, quote = pair_of(record.need("pair"))
        word = record.need("type").lower()
        if word not in _SIDES:
            raise Refused("unknown_side", f"type is {word:.40}, neither buy nor sell", "Export it again")
        price, quantity = number(record, "price"), number(record, "vol")
        check_total(EXACT.multiply(price, quantity), number(record, "cost"), "cost")
        fill = FillLine(
            id=record.need("txid"),
            time_ns=time_in(record.need("time"), UTC),
            symbol=f"{base}/{quote}",
            side=_SIDES[word],
            quantity=quantity,
            price=price,
            order_id=record.get("ordertxid") or None,
            fee=number(record, "fee"),
            fee_currency=quote,
        )
        return (*maker.define(_spot(base, quote)), fill)

    return maker.table(table.header, table.rows, read)


@lru_cache(_PAIRS_KEPT)
def _spot(base: str, quote: str) -> InstrumentLine:
    return InstrumentLine(
        symbol=f"{base}/{quote}", currency=quote, kind=InstrumentKind.SPOT, base_currency=base
    )


def _check_no_margin(record: Record) -> None:
    """Raise Refused for a trade that uses margin or closes a position; "initiated" only means taker."""
    words = {word.strip() for word in record.get("misc").lower().split(",")}
    if number_or_zero(record, "margin") or "closing" in words:
        what = "it is a trade on margin, which moves no coins, only what it gains or loses"
        raise Refused("margin_trade", what, "Write it as a fill of a linear instrument in a JSON Lines file")


# --- ledgers.csv --------------------------------------------------------------------------------------------

_IN_TRADES: Final = "in trades.csv"
_OTHER_HALF: Final = "the other half of a trade"
_INSIDE: Final = "between wallets of the account"
_NOT_FINAL: Final = "not final: it comes again with an id"
_TRADE: Final = "trade"
_EXCHANGE: Final = ("spend", "receive", "sale")
_STAKING_MOVES: Final = ("spottostaking", "spotfromstaking", "stakingtospot", "stakingfromspot")
_MOVES: Final = ("deposit", "withdrawal", "transfer")
_FLOWS: Final = {
    "staking": Flow.INTEREST,
    "reward": Flow.INTEREST,
    "earn": Flow.INTEREST,
    "dividend": Flow.DIVIDEND,
    "invite bonus": Flow.OTHER,
    "airdrop": Flow.OTHER,
    "rollover": Flow.BORROW,
}
_BY_HAND: Final = "Write what it did in a JSON Lines file"
_REFUSED: Final = {
    "margin": ("margin_trade", "it is a gain or loss on margin, whose trades are not booked"),
    "margin trade": ("margin_trade", "it is a gain or loss on margin, whose trades are not booked"),
    "settled": ("margin_trade", "it settles a trade on margin"),
    "adjustment": ("conversion", "one asset became another outside of trading"),
    "conversion": ("conversion", "one asset became another outside of trading"),
}


def _ledgers(table: Table, maker: Maker) -> Lines:
    """Row by row; those of one trade, which follow each other, are looked at together."""
    names = column_names(table.header.cells)
    for reference, rows in groupby(table.rows, partial(_trade_of, names)):
        together = [row for row in rows if isinstance(row, Row)] if reference else []
        for row in together or rows:
            if isinstance(row, NotUnderstood):
                yield row
            else:
                yield from maker.lines_of(row, partial(_entry, row, names, together, maker))


def _trade_of(names: list[str], row: Row | NotUnderstood) -> str:
    """The reference that the rows of one trade share; nothing for other rows."""
    try:
        record = Record(row, names) if isinstance(row, Row) else None
    except Refused:
        record = None
    if record is None or record.get("type").lower() not in (_TRADE, *_EXCHANGE) or not record.get("txid"):
        return ""
    return record.get("refid")


def _entry(row: Row, names: list[str], trade: Sequence[Row], maker: Maker) -> Contents:
    record = Record(row, names)
    if not record.get("txid"):
        return maker.skip(_NOT_FINAL)
    word = record.need("type").lower()
    if word in _REFUSED:
        code, why = _REFUSED[word]
        raise Refused(code, why, _BY_HAND)
    if trade and word == _TRADE:
        return _fee_of_trade(record, [Record(other, names) for other in trade], maker)
    if trade:
        return _exchange(record, [Record(other, names) for other in trade], maker)
    return _alone(record, word, maker)


def _fee_of_trade(record: Record, trade: list[Record], maker: Maker) -> Contents:
    """What the trade really cost: ``trades.csv`` always says it in what was paid, whatever was deducted."""
    if not number_or_zero(record, "fee"):
        return maker.skip(_IN_TRADES)
    if sum(bool(number_or_zero(other, "fee")) for other in trade) > 1:
        raise Refused("several_fees", "the trade has fees in several assets", _BY_HAND)
    return (
        FeeLine(
            time_ns=time_in(record.need("time"), UTC),
            execution=record.need("refid"),
            fee=number(record, "fee"),
            fee_currency=asset_name(record.need("asset")),
        ),
    )


def _exchange(record: Record, trade: list[Record], maker: Maker) -> Contents:
    """A purchase in the app: two rows, which are a fill if one of them is of money and the price is exact."""
    if len(trade) != 2 or {is_money(asset_name(other.need("asset"))) for other in trade} != {True, False}:
        raise Refused("conversion", "it is no exchange of one coin for money", _BY_HAND)
    paid, coins = sorted(trade, key=lambda other: not is_money(asset_name(other.need("asset"))))
    amount, quantity = number(paid, "amount"), number(coins, "amount")
    base, quote = asset_name(coins.need("asset")), asset_name(paid.need("asset"))
    if not quantity or (amount > 0) is (quantity > 0):
        raise Refused("conversion", "both of its rows come or go", _BY_HAND)
    price = divide(amount.copy_abs(), quantity.copy_abs(), _SMALLEST)
    if EXACT.multiply(price, quantity.copy_abs()) != amount.copy_abs():
        what = (
            f"{quantity.copy_abs():f} {base} for {amount.copy_abs():f} {quote} has no price of finite digits"
        )
        raise Refused("inexact_price", what, _BY_HAND)
    fees = [(number_or_zero(row, "fee"), name) for row, name in ((paid, quote), (coins, base))]
    charged = [fee for fee in fees if fee[0]]
    if len(charged) > 1:
        raise Refused("several_fees", "the exchange has fees in both assets", _BY_HAND)
    if record.row is not trade[0].row:
        return maker.skip(_OTHER_HALF)
    fee, fee_currency = charged[0] if charged else (None, None)
    fill = FillLine(
        id=record.need("refid"),
        time_ns=time_in(record.need("time"), UTC),
        symbol=f"{base}/{quote}",
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=quantity.copy_abs(),
        price=price,
        fee=fee,
        fee_currency=fee_currency,
    )
    return (*maker.define(_spot(base, quote)), fill)


def _alone(record: Record, word: str, maker: Maker) -> Contents:
    """An entry that is no part of a trade."""
    subtype = record.get("subtype").lower()
    flow = _FLOWS.get(word)
    if subtype in _STAKING_MOVES or (word == "earn" and subtype not in ("reward", "bonus")):
        return maker.skip(_INSIDE)
    if flow is None and word not in _MOVES:
        raise Refused("unknown_operation", f"type {word!r:.40} {subtype:.40} is not known", _BY_HAND)
    asset, entry_id = asset_name(record.need("asset")), record.need("txid")
    at, amount, fee = (
        time_in(record.need("time"), UTC),
        number(record, "amount"),
        number_or_zero(record, "fee"),
    )
    if amount and flow is not Flow.BORROW:
        check_is_money(asset, EXACT.subtract(amount, fee), at, entry_id)
    made: list[AnyContent] = []
    if amount and flow is None:
        other = "Kraken futures" if "futures" in subtype else None
        made.append(TransferLine(id=entry_id, time_ns=at, currency=asset, amount=amount, counterparty=other))
    elif amount and flow is not None:
        made.append(CashFlowLine(id=entry_id, time_ns=at, flow=flow, currency=asset, amount=amount))
    if fee:
        paid, kind = fee.copy_negate(), flow if flow is Flow.BORROW else Flow.FEE
        made.append(CashFlowLine(id=f"{entry_id}:fee", time_ns=at, flow=kind, currency=asset, amount=paid))
    return made


FORMATS: Final = (
    Format(
        "kraken",
        "Kraken trades.csv",
        columns("txid,ordertxid,pair,time,type,price,cost,fee,vol,margin,misc"),
        _trades,
    ),
    Format(
        "kraken", "Kraken ledgers.csv", columns("txid,refid,time,type,subtype,asset,amount,fee"), _ledgers
    ),
)
