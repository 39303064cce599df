"""The chart of accounts: what the books are made of, and what each balance means.

An account's name is its kind, and where it is one instrument's, the symbol after a colon. A hedging book's
long and short positions have accounts of their own, named ``(long)`` and ``(short)`` after the symbol. What a
strategy holds and made is kept a second time, in accounts with ``@`` and its name at the end: they balance
among themselves, and are no part of the book's totals.
"""

from typing import Final, NamedTuple

from execore.model.vocabulary import Flow, PositionSide


class AccountKind(NamedTuple):
    """One kind of account: what it is counted in, what it is (in a bookkeeper's words), what it holds."""

    unit: str
    nature: str
    holds: str


CHART: Final[dict[str, AccountKind]] = {
    "cash": AccountKind("a currency", "asset", "what is in the book"),
    "capital": AccountKind("a currency", "equity", "what was paid in (negative) and taken out"),
    "clearing": AccountKind("a currency", "asset", "what is on its way to another book, or came from it"),
    "position": AccountKind("units", "asset", "what is held; negative is short"),
    "market": AccountKind("units", "contra", "the other side of every trade"),
    "untraded": AccountKind("units", "contra", "units that came or went without a trade"),
    "units_as_fees": AccountKind("units", "expense", "units that went for fees"),
    "basis": AccountKind("settlement currency", "asset", "what the open quantity cost; negative: fetched"),
    "contracts": AccountKind("settlement currency", "contra", "the other side of a basis that moved no cash"),
    "realised": AccountKind("settlement currency", "income", "result of what was closed; a gain is negative"),
    "fees": AccountKind("the fee's currency", "expense", "fees of executions; a rebate is negative"),
    "fees_in_kind": AccountKind("settlement currency", "expense", "cost of the units that went for fees"),
    "transferred": AccountKind(
        "settlement currency", "equity", "cost of units that came from elsewhere (negative) and went there"
    ),
    "adjustments": AccountKind("a currency", "equity", "what an operator set right by hand"),
    "funding": AccountKind("a currency", "income", "funding of perpetuals; received is negative"),
    "interest": AccountKind("a currency", "income", "interest on cash; received is negative"),
    "borrow": AccountKind("a currency", "expense", "cost of units that were lent to us"),
    "dividends": AccountKind("a currency", "income", "dividends; received is negative"),
    "withholding_tax": AccountKind("a currency", "expense", "tax that was kept back"),
    "charges": AccountKind("a currency", "expense", "fees that are no execution's"),
    "rebates": AccountKind("a currency", "income", "rebates that are no execution's; received is negative"),
    "other_flows": AccountKind("a currency", "income", "cash for any other reason; received is negative"),
}
"""Every kind of account, in the order in which a printed chart shows them."""

FLOW_ACCOUNTS: Final[dict[Flow, str]] = {
    Flow.FUNDING: "funding",
    Flow.INTEREST: "interest",
    Flow.BORROW: "borrow",
    Flow.DIVIDEND: "dividends",
    Flow.WITHHOLDING_TAX: "withholding_tax",
    Flow.FEE: "charges",
    Flow.REBATE: "rebates",
    Flow.OTHER: "other_flows",
}
"""The account that a cash flow is booked against."""

_SIDES: Final = {PositionSide.NET: "", PositionSide.LONG: " (long)", PositionSide.SHORT: " (short)"}


def account_name(
    kind: str,
    symbol: str = "",
    position_side: PositionSide = PositionSide.NET,
    strategy: str | None = None,
) -> str:
    """The name of an account. ``strategy`` is None for the book's own."""
    own = f":{symbol}{_SIDES[position_side]}" if symbol else ""
    return f"{kind}{own}" if strategy is None else f"{kind}{own} @{strategy}"


class AccountParts(NamedTuple):
    """What an account's name is made of. ``symbol`` is empty where it is no instrument's."""

    kind: str
    symbol: str
    position_side: PositionSide
    strategy: str | None


def parts_of(name: str) -> AccountParts:
    """What ``account_name`` made this name of."""
    head, at, strategy = name.partition(" @")
    kind, _, symbol = head.partition(":")
    for side, suffix in _SIDES.items():
        if suffix and symbol.endswith(suffix):
            return AccountParts(kind, symbol.removesuffix(suffix), side, strategy if at else None)
    return AccountParts(kind, symbol, PositionSide.NET, strategy if at else None)


def kind_of(name: str) -> AccountKind:
    """What kind of account this is the name of."""
    return CHART[name.split(":", 1)[0].split(" @", 1)[0]]


def is_ambiguous(symbol: str) -> bool:
    """Whether accounts of an instrument of this symbol could be taken for another's."""
    return " @" in symbol or symbol.endswith((" (long)", " (short)"))
