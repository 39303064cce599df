"""Binance's transaction histories: every change of a balance, of which trades are told elsewhere."""

from typing import Final

from execore.importing.assets import is_money
from execore.importing.cells import number
from execore.importing.csv_rows import Record
from execore.importing.formats import Format, Lines, Table, clock_of, columns
from execore.importing.lines import CashFlowLine, TransferLine
from execore.importing.maker import Contents, Maker
from execore.importing.refused import Refused
from execore.importing.units import check_is_money
from execore.model.vocabulary import Flow

_FUTURES: Final = "futures"

_IN_TRADES: Final = "in the trade history"
_INSIDE: Final = "between wallets of the account"
_DEPOSIT: Final = "deposit"
_EARNINGS: Final = "earnings"
_CONVERSION: Final = "conversion"
_LOAN: Final = "loan"

_FLOWS: Final = {
    "funding fee": Flow.FUNDING,
    "commission history": Flow.REBATE,
    "commission rebate": Flow.REBATE,
    "commission fee shared with you": Flow.REBATE,
    "referrer rebates": Flow.REBATE,
    "referee rebates": Flow.REBATE,
    "referral kickback": Flow.REBATE,
    "referral commission": Flow.REBATE,
    "insurance fund compensation": Flow.FEE,
    "cash voucher distribution": Flow.OTHER,
    "cash voucher": Flow.OTHER,
}
"""Money that came or went for trading; it is cash in whichever coin."""

_OTHERS: Final = {
    _EARNINGS: "savings interest,savings distribution,simple earn flexible interest,"
    "simple earn locked rewards,pos savings interest,staking rewards,eth 2.0 staking rewards,"
    "pool distribution,launchpool interest,"
    "bnb vault rewards,liquid swap rewards,swap farming rewards,dot slot auction rewards,super bnb mining,"
    "airdrop assets,distribution,simple earn flexible airdrop,campaign related reward,"
    "mission reward distribution,token swap - distribution,token swap - redenomination/rebranding",
    _DEPOSIT: "deposit,fiat deposit,withdraw,fiat withdraw,send,receive",
    _IN_TRADES: "buy,sell,fee,transaction buy,transaction sold,transaction spend,transaction revenue,"
    "transaction fee,transaction related,realize profit and loss,realized profit and loss",
    _INSIDE: "transfer in,transfer out,savings purchase,savings principal redemption,pos savings purchase,"
    "pos savings redemption,staking purchase,staking redemption,simple earn flexible subscription,"
    "simple earn flexible redemption,simple earn locked subscription,simple earn locked redemption,"
    "transfer between spot account and um futures account,"
    "transfer between spot account and cm futures account,"
    "transfer between main account/futures and margin account,transfer between main and funding wallet,"
    "launchpool subscription/redemption,transfer between spot and strategy account",
    _CONVERSION: "binance convert,large otc trading,small assets exchange bnb,asset conversion transfer,"
    "futures convert,buy crypto,stablecoins auto-conversion,leverage token redemption,eth 2.0 staking,"
    "swap farming transaction,liquid swap sell,liquid swap add",
    _LOAN: "margin loan,isolated margin loan,margin repayment,isolated margin repayment",
}
_KIND_OF: Final = {word: kind for kind, words in _OTHERS.items() for word in words.split(",")}


def _transactions(table: Table, maker: Maker) -> Lines:
    """``User_ID,UTC_Time,Account,Operation,Coin,Change,Remark``."""
    clock = clock_of(table)

    def read(record: Record) -> Contents:
        operation, coin = record.need("operation"), record.need("coin").upper()
        word = " ".join(operation.replace("_", " ").lower().split())
        kind = _KIND_OF.get(word)
        if kind in (_IN_TRADES, _INSIDE):
            return maker.skip(kind)
        at, change = clock(record), number(record, "change")
        account = record.need("account")
        entry_id = maker.id_of("binance transaction", at, account, word, coin, change, record.get("remark"))
        if word in _FLOWS or (kind == _EARNINGS and is_money(coin)):
            flow = _FLOWS.get(word, Flow.INTEREST)
            return (CashFlowLine(id=entry_id, time_ns=at, flow=flow, currency=coin, amount=change),)
        if kind == _DEPOSIT and (is_money(coin) or _FUTURES in account.lower()):
            return (TransferLine(id=entry_id, time_ns=at, currency=coin, amount=change),)
        if kind in (_DEPOSIT, _EARNINGS):
            check_is_money(coin, change, at, entry_id)
        raise _unbooked(kind, operation)

    return maker.table(table.header, table.rows, read)


def _unbooked(kind: str | None, operation: str) -> Refused:
    """Why an operation that means something makes no line."""
    if kind == _CONVERSION:
        what = f"{operation} is half of a trade, and the other half is another row"
        return Refused("conversion", what, "Write both as a fill in a JSON Lines file")
    if kind == _LOAN:
        what = f"{operation} is money lent, which is no gain of the account"
        return Refused("loan", what, "Write it as a transfer in a JSON Lines file, if the book shall show it")
    return Refused(
        "unknown_operation", f"operation {operation!r:.60} is not known", "Book it by hand, or ask us"
    )


_INCOME: Final = {
    "FUNDING_FEE": Flow.FUNDING,
    "INSURANCE_CLEAR": Flow.FEE,
    "COMMISSION_REBATE": Flow.REBATE,
    "REFERRAL_KICKBACK": Flow.REBATE,
    "API_REBATE": Flow.REBATE,
    "WELCOME_BONUS": Flow.OTHER,
    "CONTEST_REWARD": Flow.OTHER,
}
_INCOME_SKIPPED: Final = {
    "REALIZED_PNL": _IN_TRADES,
    "COMMISSION": _IN_TRADES,
    "TRANSFER": _INSIDE,
    "DEPOSIT": _INSIDE,
    "WITHDRAW": _INSIDE,
    "INTERNAL_TRANSFER": _INSIDE,
}


def _futures_transactions(table: Table, maker: Maker) -> Lines:
    """``Date(UTC),type,Amount,Asset,Symbol,Transaction ID``."""
    clock = clock_of(table)

    def read(record: Record) -> Contents:
        word = record.need("type").upper().replace(" ", "_")
        if word in _INCOME_SKIPPED:
            return maker.skip(_INCOME_SKIPPED[word])
        if word not in _INCOME:
            raise Refused(
                "unknown_operation", f"type {word!r:.60} is not known", "Book it by hand, or ask us"
            )
        at, amount = clock(record), number(record, "amount")
        asset, symbol = record.need("asset").upper(), record.get("symbol").upper()
        transaction = record.get("transaction id")
        return (
            CashFlowLine(
                id=f"{word}:{transaction}:{asset}:{symbol}"
                if transaction
                else maker.id_of("binance income", at, word, asset, symbol, amount),
                time_ns=at,
                flow=_INCOME[word],
                currency=asset,
                amount=amount,
                symbol=symbol or None,
            ),
        )

    return maker.table(table.header, table.rows, read)


FORMATS: Final = (
    Format(
        "binance",
        "Binance transaction history",
        columns("account,operation,coin,change"),
        _transactions,
    ),
    Format(
        "binance",
        "Binance futures transaction history",
        columns("type,amount,asset,symbol,transaction id"),
        _futures_transactions,
    ),
)
