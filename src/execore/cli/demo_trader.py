"""The trader of the demo, in a process of its own: a seeded strategy that trades a venue's tape.

``python -m execore.cli.demo_trader`` reads a ``Task`` as a line of JSON on standard input, and tells how it
goes, a line of JSON each. Told to, it kills itself in mid-flight; the next life settles what that one left.
"""

import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from execore.core.risk_hook import OrderLimits
from execore.journal.sqlite import SqliteJournal
from execore.model.effects import SendOrder
from execore.model.errors import ExecoreError
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.reports import VenueReport
from execore.model.vocabulary import OrderType, Side, TimeInForce
from execore.runtime.book import open_book
from execore.testing.settlement import Settled, in_flight, settled
from execore.testing.venue_client import RemoteVenue
from execore.testing.venue_process import VenueSetup
from execore.testing.venue_wire import Shown
from execore.venues.protocol import Venue
from execore.venues.tape import Quote

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
_QUOTES_TO_A_WORD: Final = 10
_DIES_BEFORE_SENDING: Final = 3
"""Of the orders of the last call: those before it are at the venue, it and those after it are not."""


def venue_setup(seed: int, quotes: int) -> VenueSetup:
    """The venue that the demo trades with."""
    return VenueSetup(
        instrument=msgspec.structs.replace(BITCOIN, maximum_quantity=_VENUE_MAXIMUM),
        seed=seed,
        start_price=Decimal(60_000),
        start_ts_ns=START_NS,
        quotes=quotes,
        maker_fee_bps=Decimal(-1),
        taker_fee_bps=Decimal(5),
    )


# --- what the processes say to each other -----------------------------------------------------------------


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a trader shall do.

    Attributes:
        path: of the journal.
        port: of the venue process.
        seed, life: same seed and life, same decisions.
        until: the number of the last quote to trade on.
        dies: then it kills itself, with orders in flight.
    """

    path: str
    port: int
    seed: int
    life: int
    until: int
    dies: bool


class Traded(msgspec.Struct, frozen=True, tag="traded"):
    """Every quote up to this number was traded on."""

    number: int


class Restarted(msgspec.Struct, frozen=True, tag="restarted"):
    """The book is open again.

    Attributes:
        replayed: the last sequence that the life before recorded.
        sequence: the last sequence when everything was settled.
        settled: what became of each order that was in flight, or had news.
    """

    replayed: int
    sequence: int
    settled: list[Settled]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot go on: the stable code of an error of ours, or ``system_error``, and its words."""

    code: str
    what: str
    next_step: str = ""


Word = Traded | Restarted | Failed


# --- the strategy ---------------------------------------------------------------------------------------


class Session:
    """A strategy and its book, on the tape's own time: the same seed gives the same run."""

    def __init__(
        self, path: Path, venue: Venue, move_market: Callable[[int], Shown], seed: int, life: int = 1
    ) -> None:
        self._move_market = move_market
        self._now_ns = START_NS
        self._show(move_market(0))
        self._chance = random.Random(f"{seed}/{life}")
        self.book = open_book(
            f"sqlite:///{path}",
            BOOK,
            instruments=[BITCOIN],
            venue=venue,
            risk_hooks=[OrderLimits(maximum_quantity="0.015")],
            clock=lambda: self._now_ns,
            monotonic_ns=lambda: self._now_ns,
            random_bits=self._chance.getrandbits,
        )
        self.book.transfer_cash("opening", "USD", 10_000)  # booked once, however often it is asked for

    def trade(self) -> int:
        """One quote: the market moves, reports come in, the strategy acts; return the quote's number."""
        number, quote = self._next()
        self.book.pump()
        chance = self._chance.random()
        if chance < 0.30:
            self.book.submit(self._order(quote))
        elif chance < 0.36:
            self.cancel_oldest()
        elif chance < 0.42:
            self.amend_newest(quote)
        return number

    def crowd(self) -> None:
        """As much as possible at once: a cancel, an amend, an order that trades at once, and four more."""
        _, quote = self._next()
        self.amend_newest(quote)
        self.cancel_oldest()
        self.book.submit(_limit(quote, Side.BUY, crossing=True))
        _, quote = self._next()
        sides = (Side.SELL, Side.BUY, Side.SELL, Side.BUY)
        self.book.submit_all(_limit(quote, side, crossing=False) for side in sides)

    def cancel_oldest(self) -> None:
        """Cancel the order that rests longest."""
        resting = self.book.orders.open_orders()
        if resting:
            self.book.cancel(resting[0].client_order_id, actor="strategy:demo")

    def amend_newest(self, quote: Quote) -> None:
        """Bring the order that rests shortest back to the market."""
        resting = [order for order in self.book.orders.open_orders() if order.price is not None]
        if resting:
            order = resting[-1]
            price = quote.bid if order.side is Side.BUY else quote.ask
            self.book.amend(order.client_order_id, price=price, actor="strategy:demo")

    def _next(self) -> tuple[int, Quote]:
        shown = self._move_market(1)
        self._show(shown)
        assert shown.quote is not None, "the tape has a quote"
        return shown.number, shown.quote

    def _show(self, shown: Shown) -> None:
        if shown.quote is not None:
            self._now_ns = shown.quote.ts_ns

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


def _limit(quote: Quote, side: Side, *, crossing: bool) -> OrderRequest:
    at_bid = (side is Side.BUY) is not crossing
    return OrderRequest(
        symbol=BITCOIN.symbol,
        side=side,
        quantity=Decimal("0.002"),
        price=quote.bid if at_bid else quote.ask,
        strategy="demo",
        metadata=(("reason", "crossing" if crossing else "quoting"),),
    )


# --- the end in mid-flight --------------------------------------------------------------------------------


class DoomedVenue(RemoteVenue):
    """A venue whose reports stop coming through, and whose trader dies while it sends.

    Attributes:
        silent: reports are taken from the venue, and get no further.
        sends_left: new orders that will still be sent; the process dies before the next. None: no end.
    """

    silent = False
    sends_left: int | None = None

    def take_reports(self) -> list[VenueReport]:
        """The reports, or none while it is silent: they are in this process, and nowhere recorded."""
        reports = super().take_reports()
        return [] if self.silent else reports

    def submit(self, message: SendOrder) -> None:
        """Hand over a new order, or die."""
        if self.sends_left is not None:
            self.sends_left -= 1
            if self.sends_left < 0:
                kill_myself()
        super().submit(message)


def kill_myself() -> NoReturn:
    """End this process as a power cut would: nothing is flushed, closed or said."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # without SIGKILL, TerminateProcess
    raise AssertionError("still alive")


def _die(session: Session, venue: DoomedVenue) -> NoReturn:
    venue.silent = True
    venue.sends_left = _DIES_BEFORE_SENDING
    session.crowd()
    kill_myself()


# --- the process ----------------------------------------------------------------------------------------


def say(word: Word) -> None:
    """Tell the one who started this process."""
    sys.stdout.buffer.write(msgspec.json.encode(word) + b"\n")
    sys.stdout.buffer.flush()


def work(task: Task) -> None:
    """Open the book, settle what the last life left, and trade until told to stop, or to die."""
    path, venue = Path(task.path), DoomedVenue(task.port)
    if task.life == 1:
        session = Session(path, venue, venue.move_market, task.seed)
    else:
        session = _restart(path, venue, task)
    with session.book:
        number = venue.move_market(0).number
        while number < task.until:
            number = session.trade()
            if number % _QUOTES_TO_A_WORD == 0 or number == task.until:
                say(Traded(number))
        if task.dies:
            _die(session, venue)
        session.book.pump()


def _restart(path: Path, venue: DoomedVenue, task: Task) -> Session:
    with SqliteJournal(path, read_only=True) as journal:
        was, head = in_flight(journal, BOOK), journal.head(BOOK)
    session = Session(path, venue, venue.move_market, task.seed, task.life)
    with SqliteJournal(path, read_only=True) as journal:
        what_became = settled(journal, BOOK, was, head.sequence)
    say(Restarted(head.sequence, session.book.head.sequence, what_became))
    return session


def main() -> int:
    """Do the task on standard input; errors are told, not raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started it
    try:
        work(msgspec.json.decode(sys.stdin.buffer.readline(), type=Task))
        return 0
    except ExecoreError as error:
        failed = Failed(error.code, error.what, error.next_step)
    except OSError as error:
        failed = Failed("system_error", str(error))
    with suppress(BrokenPipeError):  # the one who started it may be gone, and nobody listens
        say(failed)
    return 1


if __name__ == "__main__":
    sys.exit(main())
