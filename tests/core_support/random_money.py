"""Random events that move money: trades, entries, marks and rates, for valuation and attribution."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any, Final

from execore.core.books import Books
from execore.model import entries, events
from execore.model.errors import InvalidInput
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.vocabulary import (
    ClosingReason,
    CostMethod,
    Flow,
    InstrumentKind,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)


def instrument(symbol: str, currency: str, kind: str = "equity", **more: Any) -> Instrument:
    return Instrument(symbol=symbol, currency=currency, kind=InstrumentKind(kind), **more)


INSTRUMENTS: Final = (
    instrument("BTC-USD", "USD", "spot", base_currency="BTC"),
    instrument("ACME", "EUR"),
    instrument("ES", "USD", "linear", multiplier=50),
    instrument("XBTUSD", "USD", "inverse", settlement_currency="BTC"),
    instrument("CALL", "EUR", "option", multiplier=100, underlying="ACME", strike=90, right="call"),
    instrument("PUT", "USD", "option", underlying="ES", strike=70, right="put"),
    instrument("ACME2", "EUR"),
    instrument("QUANTO", "JPY", "linear", settlement_currency="USDT"),
)
CURRENCIES: Final = ("USD", "EUR", "BTC", "USDT", "JPY")
PAIRS: Final = (("EUR", "USD"), ("USDT", "USD"), ("USD", "JPY"), ("BTC", "EUR"))
STRATEGIES: Final = ("", "alpha", "beta")
ORDERS: Final = tuple(f"{strategy}:{number}" for strategy in STRATEGIES for number in range(3))


def order(order_id: str, strategy: str) -> events.OrderCreated:
    request = OrderRequest(
        client_order_id=order_id,
        symbol="ACME",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        strategy=strategy,
    )
    return events.OrderCreated(order_id, request)


class Money:
    """Draws events that the books take, and applies them: ``step`` returns each after it was applied."""

    def __init__(self, seed: int, *, rated: bool = True) -> None:
        self.random = Random(seed)
        self.books = Books()
        self.count = 0
        self.ts_ns = 0
        self.done: list[events.AnyEvent] = []
        method, mode = self.random.choice(list(CostMethod)), self.random.choice(list(PositionMode))
        self.take(events.BookOpened("main", method, mode))
        for order_id in ORDERS:
            self.take(order(order_id, order_id.partition(":")[0]))
        for one in INSTRUMENTS:
            self.take(events.InstrumentDefined(one))
            if rated:
                self.take(events.MarkSet(one.symbol, self.price()))
        for base, quote in PAIRS if rated else ():
            self.take(events.RateSet(base, quote, self.price()))

    def take(self, event: events.AnyEvent) -> events.AnyEvent:
        self.ts_ns += 1_000_000_000
        self.books.apply(event, self.ts_ns)
        self.done.append(event)
        return event

    def steps(self, number: int) -> Iterator[events.AnyEvent]:
        left = number
        while left:
            try:
                yield self.take(self.random.choice(_KINDS)(self))
                left -= 1
            except InvalidInput:
                continue

    # --- what is drawn ---

    def number(self, most: int = 1000) -> Decimal:
        return Decimal(self.random.randint(1, most)).scaleb(-self.random.randint(0, 3))

    def price(self) -> Decimal:
        return self.number(20_000)

    def symbol(self) -> str:
        return self.random.choice(INSTRUMENTS).symbol

    def signed(self) -> Decimal:
        return self.number() * self.random.choice((1, -1))

    def entry_id(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def fill(self) -> events.AnyEvent:
        order_id = self.random.choice(ORDERS)
        fee = self.random.choice((Decimal(0), self.number(9), -self.number(5)))
        return events.FillBooked(
            order_id,
            self.symbol(),
            self.random.choice((Side.BUY, Side.SELL)),
            self.number(),
            self.price(),
            self.entry_id(),
            fee=fee,
            fee_currency=self.random.choice(CURRENCIES),
            position_side=self.random.choice(list(PositionSide)),
        )

    def transfer(self) -> events.AnyEvent:
        other = self.random.choice(("", "elsewhere"))
        return events.CashTransferred(self.entry_id(), self.random.choice(CURRENCIES), self.signed(), other)

    def flow(self) -> events.AnyEvent:
        entry = entries.CashFlow(
            entry_id=self.entry_id(),
            flow=self.random.choice(list(Flow)),
            currency=self.random.choice(CURRENCIES),
            amount=self.signed(),
            symbol=self.random.choice(("", self.symbol())),
            strategy=self.random.choice(STRATEGIES),
        )
        return self.entry(entry)

    def units(self) -> events.AnyEvent:
        cost = self.random.choice((None, self.signed()))
        return self.entry(
            entries.PositionTransfer(
                entry_id=self.entry_id(), symbol=self.symbol(), quantity=self.signed(), cost=cost
            )
        )

    def split(self) -> events.AnyEvent:
        symbol = self.symbol()
        more: dict[str, Any] = self.random.choice(({}, {"whole": 1, "cash": self.number()}))
        new, old = Decimal(self.random.randint(1, 9)), Decimal(self.random.randint(1, 9))
        return self.entry(entries.Split(entry_id=self.entry_id(), symbol=symbol, new=new, old=old, **more))

    def closing(self) -> events.AnyEvent:
        entry = entries.PositionClosing(
            entry_id=self.entry_id(),
            symbol=self.symbol(),
            reason=ClosingReason.SETTLEMENT,
            price=self.price(),
            fee=self.number(9),
            fee_currency=self.random.choice(CURRENCIES),
        )
        return self.entry(entry)

    def renaming(self) -> events.AnyEvent:
        symbol, other = self.random.choice((("ACME", "ACME2"), ("ACME2", "ACME")))
        return self.entry(entries.SymbolChange(entry_id=self.entry_id(), symbol=symbol, new_symbol=other))

    def exercise(self) -> events.AnyEvent:
        symbol = self.random.choice(("CALL", "PUT"))
        return self.entry(entries.Exercise(entry_id=self.entry_id(), symbol=symbol))

    def adjustment(self) -> events.AnyEvent:
        what: dict[str, Any] = self.random.choice(
            (
                {"currency": "EUR", "amount": self.signed()},
                {"symbol": self.symbol(), "quantity": self.signed(), "cost": self.signed()},
            )
        )
        return self.entry(entries.Adjustment(entry_id=self.entry_id(), reason="statement", **what))

    def entry(self, entry: entries.AnyEntry) -> events.AnyEvent:
        self.books.positions.check_entry(entry, self.ts_ns)  # raises if it cannot be
        return events.EntryBooked(entry)

    def mark(self) -> events.AnyEvent:
        return events.MarkSet(self.symbol(), self.price())

    def rate(self) -> events.AnyEvent:
        return events.RateSet(*self.random.choice(PAIRS), self.price())


_KINDS: Final = (
    *(Money.fill,) * 8,
    *(Money.transfer, Money.flow, Money.units, Money.split, Money.closing, Money.adjustment),
    *(Money.renaming, Money.exercise),
    *(Money.mark, Money.mark, Money.rate),
)
