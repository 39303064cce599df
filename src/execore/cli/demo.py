"""`demo`: a seeded strategy trades a made-up tape on the paper venue, through the real durable journal."""

import random
from collections import Counter
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from execore.cli.output import JsonOption, literal, out, print_json, print_rows, progress_bar, styled
from execore.core.position_ledger import position_to_dict
from execore.core.risk_hook import OrderLimits
from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog, Verification
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidConfiguration
from execore.model.instruments import Instrument
from execore.model.money import EXACT, text_of
from execore.model.orders import OrderRequest, order_to_dict
from execore.model.vocabulary import OrderType, Side, TimeInForce
from execore.runtime.addresses import journal_path
from execore.runtime.book import Book, open_book
from execore.venues.paper import PaperVenue
from execore.venues.tape import Quote, made_up_tape

BOOK: Final = "main"
START_NS: Final = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
BITCOIN: Final = Instrument(
    symbol="BTC-USD",
    currency="USD",
    base_currency="BTC",
    tick_size=Decimal("0.5"),
    quantity_step=Decimal("0.001"),
    maximum_quantity=Decimal("0.02"),
)
_VENUE_MAXIMUM: Final = Decimal("0.014")
_SHOWN_ORDERS: Final = 12
_ORDER_COLUMNS: Final = (
    "client_order_id",
    "side",
    "order_type",
    "quantity",
    "filled",
    "average_price",
    "state",
    "flags",
)
_POSITION_COLUMNS: Final = (
    "symbol",
    "quantity",
    "average_cost",
    "cost_basis",
    "realised_pnl",
    "unrealised_pnl",
)


def demo(
    journal: Annotated[
        str | None, typer.Option("--journal", "-j", help="New journal to make; execore-demo.db if none")
    ] = None,
    quotes: Annotated[int, typer.Option("--quotes", min=1, help="Length of the tape")] = 600,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same run")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Trade a made-up tape on the paper venue and show orders, positions, PnL and the verified chain."""
    path = _unused(Path("execore-demo.db")) if journal is None else _new(journal)
    tape = list(made_up_tape(BITCOIN, seed=seed, start_price=60_000, start_ts_ns=START_NS, quotes=quotes))
    session = Session(path, seed)
    try:
        with progress_bar("trading", quotes) as bar:
            for number, quote in enumerate(tape, 1):
                session.trade(quote)
                bar.to(number)
        mark = EXACT.multiply(EXACT.add(tape[-1].bid, tape[-1].ask), Decimal("0.5"))
        result = _result(session.book, mark)
    finally:
        session.book.close()
    verification = _verify(path)
    result |= {"ok": verification.ok, "records": verification.records, "hash": verification.head.hash}
    result["journal"] = str(path)
    if as_json:
        print_json(result)
    else:
        _show(result, verification)
    if not verification.ok:
        raise typer.Exit(1)


def _new(address: str) -> Path:
    """The file that ``address`` names. A demo in a used book would meet its own ids again, as conflicts.

    Raises:
        InvalidConfiguration: it is there already, or is no journal address.
    """
    path = journal_path(address)
    if path.exists():
        raise InvalidConfiguration("journal", f"{path} is there already", "Name a new file, or none")
    return path


def _unused(path: Path) -> Path:
    """The first of path, path-2, path-3 … that is not there: a demo never touches what is somebody's."""
    candidates = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return path if not path.exists() else next(other for other in candidates if not other.exists())


class Session:
    """A strategy, its book and its paper venue, on the tape's own time: the same seed gives the same run."""

    def __init__(self, path: Path, seed: int) -> None:
        self._now_ns = START_NS
        self._chance = random.Random(seed)
        at_venue = Instrument(
            symbol=BITCOIN.symbol,
            currency="USD",
            base_currency="BTC",
            tick_size=BITCOIN.tick_size,
            quantity_step=BITCOIN.quantity_step,
            maximum_quantity=_VENUE_MAXIMUM,
        )
        self.venue = PaperVenue("paper", [at_venue], start_ts_ns=START_NS, maker_fee_bps=-1, taker_fee_bps=5)
        self.book = open_book(
            f"sqlite:///{path}",
            BOOK,
            instruments=[BITCOIN],
            venue=self.venue,
            risk_hooks=[OrderLimits(maximum_quantity="0.015")],
            clock=lambda: self._now_ns,
            random_bits=self._chance.getrandbits,
        )
        self.book.transfer_cash("opening", "USD", 10_000)

    def trade(self, quote: Quote) -> None:
        """One quote: the market moves, reports come in, the strategy does something about it."""
        self._now_ns = quote.ts_ns
        self.venue.on_quote(*quote)
        self.book.pump()
        chance = self._chance.random()
        if chance < 0.30:
            self.book.submit(self._order(quote))
        elif chance < 0.36:
            self._cancel_oldest()
        elif chance < 0.42:
            self._amend_newest(quote)

    def _order(self, quote: Quote) -> OrderRequest:
        """Mostly quotes around the market, now and then an order of another type, or one too large."""
        chance = self._chance
        side = chance.choice((Side.BUY, Side.SELL))
        crossing = chance.random() < 0.4
        near, far = (quote.bid, quote.ask) if side is Side.BUY else (quote.ask, quote.bid)
        order_type = chance.choices((OrderType.LIMIT, OrderType.MARKET, OrderType.STOP), (8, 1, 1))[0]
        away = BITCOIN.tick_size * (20 if side is Side.BUY else -20)
        return OrderRequest(
            symbol=BITCOIN.symbol,
            side=side,
            quantity=Decimal(chance.randint(1, 16)) / 1000,
            order_type=order_type,
            price=(far if crossing else near) if order_type is OrderType.LIMIT else None,
            stop_price=far + away if order_type is OrderType.STOP else None,
            time_in_force=chance.choices((TimeInForce.GTC, TimeInForce.IOC), (8, 2))[0]
            if order_type is OrderType.LIMIT
            else TimeInForce.DAY,
            strategy="demo",
            metadata=(("reason", "crossing" if crossing else "quoting"),),
        )

    def _cancel_oldest(self) -> None:
        resting = self.book.orders.open_orders()
        if resting:
            self.book.cancel(resting[0].client_order_id, actor="strategy:demo")

    def _amend_newest(self, quote: Quote) -> None:
        resting = [order for order in self.book.orders.open_orders() if order.price is not None]
        if resting:
            order = resting[-1]
            price = quote.bid if order.side is Side.BUY else quote.ask
            self.book.amend(order.client_order_id, price=price, actor="strategy:demo")


def _result(book: Book, mark: Decimal) -> dict[str, Any]:
    ledger = book.positions
    position = ledger.position(BITCOIN.symbol)
    shown = position_to_dict(position) | {"unrealised_pnl": text_of(position.unrealised_pnl(mark))}
    return {
        "orders": [order_to_dict(order) for order in book.orders],
        "positions": [shown],
        "cash": _texts(ledger.cash()),
        "equity": _texts(ledger.equity({BITCOIN.symbol: mark})),
        "mark": text_of(mark),
        "trial_balance": _texts(ledger.trial_balance()),
        "sequence": book.head.sequence,
    }


def _texts(amounts: dict[str, Decimal]) -> dict[str, str]:
    return {unit: text_of(amount) for unit, amount in amounts.items()}


def _verify(path: Path) -> Verification:
    """Read the file back with fresh eyes, as `execore audit verify` does."""
    with SqliteJournal(path, read_only=True) as journal:
        return AuditLog(journal, BOOK).verify(read_anchor(anchor_path(str(path))).get(BOOK))


def _show(result: dict[str, Any], verification: Verification) -> None:
    orders = result["orders"]
    states = Counter(order["state"] for order in orders)
    title = f"the last {_SHOWN_ORDERS} of {len(orders)} orders"
    print_rows(orders[-_SHOWN_ORDERS:], _ORDER_COLUMNS, title, as_json=False)
    out.print("by state: " + ", ".join(f"{number} {state}" for state, number in sorted(states.items())))
    out.print()
    title = f"positions, valued at a mark of {result['mark']}"
    print_rows(result["positions"], _POSITION_COLUMNS, title, as_json=False)
    out.print()
    for what in ("cash", "equity"):
        amounts = ", ".join(f"{amount} {currency}" for currency, amount in result[what].items())
        out.print(f"{what}: {amounts}")
    off = {unit: total for unit, total in result["trial_balance"].items() if total != "0"}
    out.print(f"trial balance: {off or 'exactly zero in every unit'}")
    word = ("holds", "green") if verification.ok else ("is BROKEN", "bold red")
    out.print(
        styled("the chain ", word, f" over {verification.records:,} records, up to {verification.head.hash}")
    )
    _show_next_steps(result)


def _show_next_steps(result: dict[str, Any]) -> None:
    journal, orders = literal(result["journal"]), result["orders"]
    where = f"--journal sqlite:///{journal}"
    order = f"order {orders[-1]['client_order_id']}" if orders else "fills"
    out.print(f"\nAll of it is in {journal}. Look at it with:", soft_wrap=True)
    for command in ("orders", order, "positions", "audit show"):
        out.print(f"  execore {command} {where}", soft_wrap=True)
    out.print(f"  execore audit verify {where}", soft_wrap=True)
    out.print(f'  sqlite3 {journal} "select * from positions"', soft_wrap=True)
