"""Short ways to write lines by hand, for tests of books."""

from typing import Final

from books_support.naive_books import Line
from books_support.random_history import INSTRUMENTS

SPOT: Final = "BTC-USD"
SHARE: Final = "ACME"
FUTURE: Final = "ESZ6"
INVERSE: Final = "XBTUSD"
CALL: Final = "ACME-C10"
PUT: Final = "ACME-P10"


def instrument(symbol: str) -> Line:
    return {"type": "instrument", "symbol": symbol} | INSTRUMENTS[symbol]


def fill(side: str, quantity: str, price: str, symbol: str = SPOT, **more: object) -> Line:
    return {
        "type": "fill",
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "price": price,
        **more,
    }


def buy(quantity: str, price: str, symbol: str = SPOT, **more: object) -> Line:
    return fill("buy", quantity, price, symbol, **more)


def sell(quantity: str, price: str, symbol: str = SPOT, **more: object) -> Line:
    return fill("sell", quantity, price, symbol, **more)


def closing(price: str, symbol: str = SPOT, reason: str = "settlement", **more: object) -> Line:
    return {"type": "closing", "symbol": symbol, "reason": reason, "price": price, **more}


def exercise(symbol: str, **more: object) -> Line:
    return {"type": "exercise", "symbol": symbol, **more}


def split(new: str, old: str, **more: object) -> Line:
    return {"type": "split", "symbol": SHARE, "new": new, "old": old, **more}


def units(quantity: str, **more: object) -> Line:
    return {"type": "transfer", "symbol": SHARE, "quantity": quantity, **more}


def adjustment(**more: object) -> Line:
    return {"type": "adjustment", "reason": "statement", "actor": "operator:me", **more}


def bust(execution: str) -> Line:
    return {"type": "bust", "execution": execution}


def correction(execution: str, quantity: str, price: str, **more: object) -> Line:
    return {"type": "correction", "execution": execution, "quantity": quantity, "price": price, **more}


def late_fee(execution: str, fee: str, currency: str) -> Line:
    return {"type": "fee", "execution": execution, "fee": fee, "fee_currency": currency}


def numbered(*lines: Line) -> list[Line]:
    """The lines with ids and times where they have none: "1" at one second past midnight, "2" a second on.

    Instruments of ``INSTRUMENTS`` that no line defines come first.
    """
    defined = {line["symbol"] for line in lines if line["type"] == "instrument"}
    named = {line.get("symbol") for line in lines} | {
        INSTRUMENTS[line["symbol"]].get("underlying") for line in lines if line.get("symbol") in INSTRUMENTS
    }
    first = [instrument(symbol) for symbol in INSTRUMENTS if symbol in named - defined]
    return first + [
        {"id": str(number), "time": f"2026-01-01T00:00:{number:02}Z"} | line
        for number, line in enumerate(lines, 1)
    ]
