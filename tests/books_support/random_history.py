"""Random histories of lines that mean something: what a year of trading holds, in thirty lines.

A step is a handful of bytes. Each decides one thing (which line, which symbol, how many), and zero is always
the simplest choice, so that Hypothesis finds a small history when a test fails. What the naive books refuse
is left out, so every history is legal.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from books_support.naive_books import BOOK, Line, NaiveBooks
from books_support.naive_holding import Holding, Illegal, decimal_of, sign_of

METHODS: Final = ("average", "fifo", "lifo", "highest_cost", "specific_lot")
MODES: Final = ("netting", "hedging")
STEP_BYTES: Final = 16
START: Final = datetime(2026, 1, 1, tzinfo=UTC)

_OPTION: Final[Line] = {"kind": "option", "currency": "USD", "multiplier": "100"}
_ON_ACME: Final[Line] = _OPTION | {"underlying": "ACME", "strike": "10"}
INSTRUMENTS: Final[dict[str, Line]] = {
    "BTC-USD": {"kind": "spot", "currency": "USD", "base_currency": "BTC"},
    "ACME": {"kind": "equity", "currency": "USD", "tick_size": "0.01"},
    "ESZ6": {"kind": "linear", "currency": "USD", "multiplier": "50"},
    "BTCUSDT": {"kind": "linear", "currency": "USDT", "base_currency": "BTC"},
    "XBTUSD": {"kind": "inverse", "currency": "USD", "settlement_currency": "BTC"},
    "ACME-C10": _ON_ACME | {"right": "call", "expires": "2027-01-15T21:00:00Z"},
    "ACME-P10": _ON_ACME | {"right": "put"},
    "BTC-EUR": {"kind": "spot", "currency": "EUR", "base_currency": "BTC"},
    "XBTM": {"kind": "inverse", "currency": "USD", "settlement_currency": "BTC", "multiplier": "100"},
}
EXTREME_INSTRUMENTS: Final[dict[str, Line]] = {
    "HUGE": {"kind": "linear", "currency": "USD", "multiplier": "999999999.999999999"},
    "TINY": {"kind": "equity", "currency": "USD", "multiplier": "0.000000001"},
    "XBTH": {"kind": "inverse", "currency": "USD", "settlement_currency": "BTC"}
    | {"multiplier": "999999999.999999999"},
}
SIZES: Final = ("1", "2", "3", "5", "0.5", "10", "0.001", "7", "0.3", "100")
PRICES: Final = ("10", "11", "9", "12", "8", "10.5", "7", "0.07", "10.01", "13", "31.4159")
FEES: Final = ("0.1", "0.01", "1", "0.003", "0.25")
RATIOS: Final = (("2", "1"), ("1", "2"), ("3", "2"), ("1", "10"), ("1", "3"), ("7", "3"), ("10", "1"))
DIGITS: Final = 10**18


@dataclass
class History:
    """Lines, and the book they are for."""

    method: str
    mode: str
    lines: list[Line] = field(default_factory=list)

    def books(self) -> NaiveBooks:
        books = NaiveBooks(self.method, self.mode)
        for line in self.lines:
            books.take(line)
        return books


def histories(
    *,
    methods: Iterable[str] = METHODS,
    modes: Iterable[str] = MODES,
    without: Iterable[str] = (),
    extreme: bool = False,
    steps: int = 30,
) -> st.SearchStrategy[History]:
    """Histories for Hypothesis, of about half so many steps (a step may need an instrument line before it).

    No line is of a type in ``without``.

    Lists of lists: one long list would be five steps long most of the time, or would not shrink.
    """
    step = st.binary(min_size=STEP_BYTES, max_size=STEP_BYTES)
    bursts = st.lists(st.lists(step, max_size=8), max_size=max(1, steps // 4))
    return st.builds(
        history_of,
        st.sampled_from(tuple(methods)),
        st.sampled_from(tuple(modes)),
        bursts.map(lambda parts: [one for part in parts for one in part]),
        without=st.just(tuple(without)),
        extreme=st.just(extreme),
    )


def random_history(
    seed: int, steps: int = 60, *, method: str = "", mode: str = "", extreme: bool = False
) -> History:
    """The same history for the same seed. An empty ``method`` or ``mode`` is drawn too."""
    dice = Random(seed)
    method, mode = method or dice.choice(METHODS), mode or dice.choice(MODES)
    return history_of(method, mode, [dice.randbytes(STEP_BYTES) for _ in range(steps)], extreme=extreme)


def history_of(
    method: str, mode: str, steps: Iterable[bytes], *, without: Iterable[str] = (), extreme: bool = False
) -> History:
    writer = Writer(method, mode, without=without, extreme=extreme)
    for step in steps:
        writer.write(step)
    return writer.history


def text_of(number: Fraction) -> str:
    """As a line has it: at most 18 digits after the point, cut."""
    cut = decimal_of(Fraction(int(number * DIGITS), DIGITS))
    return f"{cut:f}"


class Writer:
    """Writes one history, with the naive books beside it to know what is held and what is legal."""

    def __init__(self, method: str, mode: str, *, without: Iterable[str] = (), extreme: bool = False) -> None:
        self.without = tuple(without)
        self.books = NaiveBooks(method, mode)
        self.history = History(method, mode)
        self.extreme = extreme
        self.known = (EXTREME_INSTRUMENTS if extreme else {}) | INSTRUMENTS
        self.symbols = list(self.known)
        self.fills: list[Line] = []
        self.count = 0
        self.dice: Iterator[int] = iter(())

    def write(self, step: bytes) -> None:
        self.dice = iter(step)
        self.count += 1
        for line in self.pick(KINDS)(self):
            if line["type"] in self.without or self.add(line):
                return

    def add(self, line: Line) -> bool:
        """The line with its time and, unless it has one, its id; whether it was taken."""
        for symbol in (line.get("symbol"), line.get("new_symbol")):
            if symbol and symbol not in self.books.instruments:
                self.define(symbol, line["symbol"])
        stamp = {"time": self.time(self.count)} | (
            {} if line["type"] in NAMELESS else {"id": f"e{self.count}"}
        )
        whole = {"type": line["type"]} | stamp | line
        try:
            self.books.take(whole)
        except Illegal:
            return False
        self.history.lines.append(whole)
        if line["type"] == "fill":
            self.fills.append(whole)
        if line["type"] == "bust":
            self.fills = [fill for fill in self.fills if fill["id"] != line["execution"]]
        return True

    def define(self, symbol: str, like: str) -> None:
        terms = self.known[symbol] if symbol in self.known else self.books.instruments[like]
        self.books.take(line := {"type": "instrument"} | terms | {"symbol": symbol})
        self.history.lines.append(line)
        if symbol not in self.symbols:
            self.symbols.append(symbol)
        if "underlying" in terms and terms["underlying"] not in self.books.instruments:
            self.define(terms["underlying"], symbol)

    @staticmethod
    def time(minutes: int) -> str:
        return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- what a byte decides ---

    def die(self) -> int:
        return next(self.dice, 0)

    def pick(self, options: Any) -> Any:
        return options[self.die() % len(options)]

    def one_in(self, number: int) -> bool:
        return self.die() % number == number - 1

    def number(self, options: tuple[str, ...]) -> str:
        if not self.extreme:
            return str(self.pick(options))
        seed = self.die() * 256 + self.die()
        mixed = (seed * 6364136223846793005 + 1442695040888963407) * (seed + 3) ** 5
        before, after = mixed % DIGITS, mixed // DIGITS % DIGITS
        tiny, huge, both = f"0.{seed % 7 + 1:018}", f"{DIGITS - 1}.{DIGITS - 1}", f"{before}.{after:018}"
        return str(self.pick((options[0], both, tiny, huge, both, both)))

    def symbol(self) -> str:
        """Any; most of the time one of the first two that the history has, or the newest."""
        used = list(self.books.instruments)
        used = used[:2] + used[-1:]
        symbol: str = self.pick(used) if used and not self.one_in(3) else self.pick(self.symbols)
        return symbol

    def strategy(self) -> Line:
        strategy: Line = self.pick(({}, {}, {}, {"strategy": "alpha"}, {"strategy": "beta"}))
        return strategy

    def side(self) -> Line:
        """Said in a hedging book; now and then in a netting book too, where it says nothing."""
        if self.books.hedging or self.one_in(8):
            side: Line = self.pick(({}, {"position_side": "long"}, {"position_side": "short"}))
            return side
        return {}

    def held(self, line: Line) -> Holding:
        return self.books.holdings[BOOK, line["symbol"], self.books.side_of(line)]

    def part_of(self, held: Fraction) -> str:
        """Some of what is held, all of it, or more."""
        parts = (Fraction(1, 2), Fraction(1), Fraction(1, 4), Fraction(3, 2), Fraction(2, 3))
        part = abs(held) * self.pick(parts)
        return text_of(part) if part * DIGITS >= 1 and part < DIGITS else "1"

    def fee(self, symbol: str) -> Line:
        terms = self.books.instruments.get(symbol) or self.known[symbol]
        settled = terms.get("settlement_currency", terms["currency"])
        currencies = (settled, settled, "BNB", terms.get("base_currency", "BNB"))
        sign = "-" if self.one_in(5) else ""
        fee = {"fee": sign + self.number(FEES), "fee_currency": self.pick(currencies)}
        if fee["fee_currency"] == settled and self.one_in(4):
            del fee["fee_currency"]
        return fee

    def lots(self, line: Line, closing: Fraction) -> Line:
        """One or two lots by name, of what is closed."""
        if self.books.method != "specific_lot" or self.one_in(3):
            return {}
        named: list[Line] = []
        lots = self.held(line).lots
        for lot in (lots[self.die() % len(lots) :] or lots)[: self.pick((1, 2))] if lots else []:
            taken = min(closing, abs(lot.quantity)) / self.pick((1, 2))
            closing -= Fraction(text_of(taken))
            if Fraction(text_of(taken)):
                named.append({"lot": lot.name, "quantity": text_of(taken)})
        return {"lots": named} if named else {}

    # --- lines: each in the form wanted first, then in forms that may be legal when that is not ---

    def fill(self) -> Iterator[Line]:
        symbol = self.symbol()
        line = {"type": "fill", "id": f"f{self.count}", "symbol": symbol, **self.side(), **self.strategy()}
        line |= {"side": self.pick(("buy", "sell", "buy")), "price": self.number(PRICES)}
        held = self.held(line).quantity
        against = held and sign_of(held) != (1 if line["side"] == "buy" else -1)
        line["quantity"] = self.part_of(held) if against and not self.one_in(3) else self.number(SIZES)
        if against:
            line |= self.lots(line, min(abs(held), Fraction(line["quantity"])))
        if self.one_in(3):
            yield line | self.fee(symbol)
        yield line
        yield {name: value for name, value in line.items() if name != "lots"}

    def changed(self, kind: str) -> Line:
        fill = self.fills[-1 - self.die() % len(self.fills)]
        return {"type": kind, "execution": fill["id"]}

    def late_fee(self) -> Iterator[Line]:
        if self.fills:
            line = self.changed("fee")
            symbol = next(fill["symbol"] for fill in self.fills if fill["id"] == line["execution"])
            fee = self.fee(symbol)
            terms = self.books.instruments[symbol]
            fee.setdefault("fee_currency", terms.get("settlement_currency", terms["currency"]))
            yield line | fee

    def bust(self) -> Iterator[Line]:
        if self.fills:
            yield self.changed("bust")

    def correction(self) -> Iterator[Line]:
        if self.fills:
            line = self.changed("correction") | {"quantity": self.number(SIZES), "price": self.number(PRICES)}
            if self.one_in(3):
                line["side"] = self.pick(("buy", "sell"))
            if self.one_in(3):
                line |= {"fee": self.number(FEES), "fee_currency": self.pick(("USD", "BNB"))}
            yield line

    def told_again(self) -> Iterator[Line]:
        if self.fills:
            yield dict(self.pick(self.fills))

    def money(self) -> Iterator[Line]:
        currency = self.pick(("USD", "BTC", "USDT", "BNB"))
        line = {"type": "transfer", "currency": currency, "amount": self.pick(("", "-")) + self.number(SIZES)}
        yield line | ({"counterparty": "other"} if self.one_in(4) else {})

    def units(self) -> Iterator[Line]:
        line = {"type": "transfer", "symbol": self.symbol(), **self.side(), **self.strategy()}
        held = self.held(line).quantity
        if held > 0 and self.one_in(2):
            line["quantity"] = "-" + self.part_of(held)
            yield line | self.lots(line, min(held, -Fraction(line["quantity"])))
        else:
            line |= {"quantity": self.number(SIZES), "cost": self.number(PRICES)}
            yield line | ({"opened": self.time(-self.die())} if self.one_in(2) else {})

    def cash_flow(self) -> Iterator[Line]:
        line = {"type": "cash_flow", "flow": self.pick(FLOWS), "currency": self.pick(("USD", "BTC", "EUR"))}
        line["amount"] = self.pick(("", "-")) + self.number(FEES)
        yield line | ({} if self.one_in(3) else {"symbol": self.symbol()}) | self.strategy()

    def split(self) -> Iterator[Line]:
        new, old = self.pick(RATIOS)
        line = {"type": "split", "symbol": self.symbol(), "new": new, "old": old}
        if self.one_in(2):
            held = self.books.holdings[BOOK, line["symbol"], "net"].quantity
            whole = line | {"whole": self.pick(("1", "1", "0.01"))}
            yield whole | {"cash": ("-" if held < 0 else "") + self.number(PRICES)}
            yield whole
        yield line

    def symbol_change(self) -> Iterator[Line]:
        symbol = self.symbol()
        new = symbol.partition("~")[0] + f"~{self.count}"
        if self.one_in(4):
            new = self.symbol()
        if new != symbol:
            yield {"type": "symbol_change", "symbol": symbol, "new_symbol": new}

    def closing(self) -> Iterator[Line]:
        reason = self.pick(("expiry", "settlement", "liquidation"))
        price = "0" if reason == "expiry" and self.one_in(2) else self.number(PRICES)
        line = {"type": "closing", "symbol": self.symbol(), "reason": reason, "price": price}
        if self.one_in(3):
            line |= self.strategy()
        if self.one_in(3):
            line |= self.side()
            line["quantity"] = self.part_of(self.held(line).quantity)
        if self.one_in(3) and (not self.books.hedging or "position_side" in line):
            line |= {"fee": self.number(FEES), "fee_currency": self.pick(("USD", "BNB"))}
        if price != "0" or self.kind_of(line["symbol"]) != "inverse":
            yield line

    def kind_of(self, symbol: str) -> str:
        kind: str = (self.books.instruments.get(symbol) or self.known[symbol])["kind"]
        return kind

    def exercise(self) -> Iterator[Line]:
        options = ("ACME-C10", "ACME-P10")
        held = [one for one in options if self.books.holdings[BOOK, one, "net"].quantity]
        line = {"type": "exercise", "symbol": self.pick(held or options)}
        if self.one_in(3):
            line |= self.strategy()
        if self.one_in(3):
            line["quantity"] = self.part_of(self.held(line).quantity)
        if self.one_in(4):
            line["price"] = self.number(PRICES)
        if self.one_in(4):
            line |= {"fee": self.number(FEES), "fee_currency": self.pick(("USD", "BNB"))}
        yield line

    def adjustment(self) -> Iterator[Line]:
        line = {"type": "adjustment", "reason": "statement", "actor": "operator:me"}
        if self.one_in(2):
            yield line | {"currency": "USD", "amount": self.pick(("", "-")) + self.number(FEES)}
            return
        symbol = self.symbol()
        held = self.books.holdings[BOOK, symbol, "net"]
        cost = ("" if held.quantity >= 0 else "-") + self.number(PRICES)
        fits = max(abs(held.quantity), abs(held.basis)) < DIGITS
        if held.quantity and fits and self.one_in(3):  # everything, with its basis
            yield line | {"symbol": symbol, "quantity": text_of(-held.quantity), "cost": text_of(-held.basis)}
        quantity = ("" if held.quantity >= 0 else "-") + self.number(SIZES)
        yield line | {"symbol": symbol, "quantity": self.pick((quantity, "0")), "cost": cost}

    def mark(self) -> Iterator[Line]:
        yield {"type": "mark", "symbol": self.symbol(), "price": self.number(PRICES)}

    def rate(self) -> Iterator[Line]:
        yield {"type": "rate", "base": "EUR", "quote": "USD", "rate": self.number(("1.1", "1.2"))}


FLOWS: Final = ("funding", "interest", "borrow", "dividend", "withholding_tax", "fee", "rebate", "other")
NAMELESS: Final = ("fee", "mark", "rate")
_WEIGHED: Final[dict[Callable[[Writer], Iterator[Line]], int]] = {
    Writer.fill: 16,
    Writer.bust: 3,
    Writer.correction: 2,
    Writer.late_fee: 2,
    Writer.closing: 2,
    Writer.split: 2,
    Writer.exercise: 2,
    Writer.units: 2,
    Writer.money: 1,
    Writer.cash_flow: 1,
    Writer.symbol_change: 1,
    Writer.adjustment: 1,
    Writer.told_again: 1,
    Writer.mark: 1,
    Writer.rate: 1,
}
KINDS: Final = tuple(kind for kind, weight in _WEIGHED.items() for _ in range(weight))
