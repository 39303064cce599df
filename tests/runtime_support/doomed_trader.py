"""The process that a kill loop kills: it trades at random for ever, and announces every intent first."""

import os
import random
import threading
import time
import traceback
from contextlib import suppress
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any, Final, NoReturn

from execore import Book, OrderRequest, OrderState, open_book
from execore.model.failures import VenueError
from execore.model.orders import Order
from execore.model.vocabulary import Side, TimeInForce
from execore.runtime.handle import Handle
from execore.runtime.opening import BookSettings
from execore.runtime.runtime import open_runtime
from execore.runtime.runtime_book import RuntimeBook
from execore.testing.venue_client import RemoteVenue
from runtime_support.trading import BITCOIN

BOOK: Final = "main"
TIMEOUT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 30.0
_LONGEST_SETTLING_SECONDS: Final = 5.0


def trade_until_killed(
    path: str, port: int, seed: int, threads: int, unsure: list[OrderRequest], pipe: Connection
) -> NoReturn:
    """Open the book, submit what the last life was not sure of, and trade for ever.

    Args:
        threads: 0 trades on a ``Book``; else so many callers trade on a ``Runtime``.
        pipe: where it tells what it does: ``opening``, ``open``, ``("about", orders)`` before it submits
            them, ``("told", ids)`` when the book has answered, and ``("failed", why)``.
    """
    tell = _Tell(pipe)
    try:
        tell("opening")
        venue = RemoteVenue(port, timeout_seconds=TIMEOUT_SECONDS)
        book = opened_runtime(path, venue) if threads else opened(path, venue)
        tell("open")
        traders = [
            Trader(book, venue, random.Random(f"{seed}/{number}"), tell) for number in range(threads or 1)
        ]
        if unsure:
            traders[0].submit(unsure)
        for trader in traders[1:]:
            threading.Thread(target=trader.trade, daemon=True).start()
        traders[0].trade()
    except BaseException:
        tell(("failed", traceback.format_exc()))
    finally:
        os._exit(1)


def opened(path: str, venue: RemoteVenue) -> Book:
    """The open book; a venue that does not answer while it settles is asked again."""
    while True:
        with suppress(VenueError):
            return open_book(path, BOOK, instruments=[BITCOIN], venue=venue)


def opened_runtime(path: str, venue: RemoteVenue) -> RuntimeBook:
    """The same, written by a thread and open to many callers."""
    settings = BookSettings(name=BOOK, instruments=(BITCOIN,), venue=venue)
    while True:
        with suppress(VenueError):
            return open_runtime(path, [settings], poll_seconds=0.001).book(BOOK)


def settle(book: Book) -> None:
    """Wait until the venue has told what became of every order and every cancel in doubt."""
    end = time.perf_counter() + _LONGEST_SETTLING_SECONDS
    while any(map(_in_doubt, book.orders.open_orders())) and time.perf_counter() < end:
        with suppress(VenueError):
            book.pass_time()
        time.sleep(0.01)


def _in_doubt(order: Order) -> bool:
    return order.state is OrderState.UNKNOWN or "cancel_unknown" in order.flags


class _Tell:
    """A pipe that many threads may write to."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, what: Any) -> None:
        with self._lock:
            self._pipe.send(what)


class Trader:
    """One caller, who trades at random."""

    def __init__(
        self, book: Book | RuntimeBook, venue: RemoteVenue, chance: random.Random, tell: _Tell
    ) -> None:
        self._book = book
        self._venue = venue
        self._chance = chance
        self._tell = tell
        self._lately: list[OrderRequest] = []

    def trade(self) -> NoReturn:
        """Go on for ever."""
        actions = (self._submit_new, self._cancel, self._amend, self._submit_again, self._wait)
        while True:
            try:
                self._chance.choices(actions, (4, 2, 2, 1, 3))[0]()
            except VenueError:
                pass  # the wire is not to be relied on
            except BaseException:
                self._tell(("failed", traceback.format_exc()))
                os._exit(1)

    def submit(self, orders: list[OrderRequest]) -> None:
        """Announce the orders, submit them, and say that the book has answered."""
        self._tell(("about", orders))
        _answer(self._book.submit_all(orders))
        self._tell(("told", [order.client_order_id for order in orders]))
        self._lately = [*self._lately, *orders][-20:]

    def _submit_new(self) -> None:
        self.submit([self._order() for _ in range(self._chance.choice((1, 1, 1, 4)))])

    def _submit_again(self) -> None:
        if self._lately:
            _answer(self._book.submit(self._chance.choice(self._lately)))

    def _order(self) -> OrderRequest:
        quote = self._venue.move_market(0).quote
        bid, ask = (Decimal(99), Decimal(101)) if quote is None else (quote.bid, quote.ask)
        buys, sells = (ask, bid - 1), (bid, ask + 1)
        side = self._chance.choice((Side.BUY, Side.SELL))
        return OrderRequest(
            client_order_id=self._book.new_id(),
            symbol="BTC-USD",
            side=side,
            quantity=Decimal(self._chance.randint(1, 900)) / 1000,
            price=self._chance.choice(buys if side is Side.BUY else sells),
            time_in_force=self._chance.choices((TimeInForce.GTC, TimeInForce.IOC), (3, 1))[0],
        )

    def _resting(self) -> Order | None:
        book = self._book
        resting = book.open_orders() if isinstance(book, RuntimeBook) else book.orders.open_orders()
        return self._chance.choice(resting) if resting else None

    def _cancel(self) -> None:
        order = self._resting()
        if order is not None:
            _answer(self._book.cancel(order.client_order_id))

    def _amend(self) -> None:
        order = self._resting()
        if order is not None:
            more = Decimal(self._chance.randint(1, 100)) / 1000
            _answer(self._book.amend(order.client_order_id, quantity=order.quantity + more))

    def _wait(self) -> None:
        """The market moves; what that did is not always asked for at once, so requests meet it unaware."""
        self._venue.move_market()
        if isinstance(self._book, Book) and self._chance.random() < 0.5:
            self._book.pass_time()


def _answer(given: Any) -> Any:
    return given.wait(_LONGEST_WAIT_SECONDS) if isinstance(given, Handle) else given
