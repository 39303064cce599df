"""A paper venue in a process of its own: it keeps its own books, and outlives those who trade with it.

``python -m execore.testing.venue_process`` reads a ``VenueSetup`` as a line of JSON on standard input, writes
the port it listens on, and serves until standard input ends: it does not outlive the one who started it.

One session is served after the other. The request that a killed client left on the wire is done before the
next is heard, so nothing that was sent is invisible to a query of the next.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

import msgspec

from execore.model.errors import InvalidInput
from execore.model.failures import ConnectionFailed
from execore.model.instruments import Instrument
from execore.model.money import ZERO
from execore.model.reports import VenueReport
from execore.testing import venue_wire as wire
from execore.testing.venue_client import RemoteVenue
from execore.venues.paper import PaperVenue
from execore.venues.paper_book import PaperOrder
from execore.venues.tape import Quote, made_up_tape

_LONGEST_WAIT_SECONDS: Final = 10


class Fault(StrEnum):
    """What the venue's end of the wire can do to a request, other than answer it."""

    LOSE = "lose"
    """It never arrives, and is never answered."""
    KEEP_REPLY = "keep_reply"
    """It is done, and never answered."""
    HANG_UP = "hang_up"
    """It is done, and the connection breaks before the reply."""
    DELAY = "delay"
    """It is done, and answered late."""


class VenueSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue trades, and how.

    Attributes:
        instrument: the one it trades.
        seed, start_price, start_ts_ns, quotes, step_bps, largest_size: of its tape, as in ``made_up_tape``.
        maker_fee_bps, taker_fee_bps: as in ``PaperVenue``.
        faults: how many of 1,000 requests meet each fault; ``seed`` decides which.
        delay_seconds: how late an answer is that is delayed.
    """

    instrument: Instrument
    seed: int
    start_price: Decimal
    start_ts_ns: int
    quotes: int
    step_bps: int = 2
    largest_size: int = 10
    maker_fee_bps: Decimal = ZERO
    taker_fee_bps: Decimal = ZERO
    faults: dict[Fault, int] = {}
    delay_seconds: float = 0.02


class Exchange:
    """The paper venue, its tape and its books, as a session reaches them; also without a wire.

    Attributes:
        venue: the paper venue itself.
    """

    def __init__(self, setup: VenueSetup) -> None:
        self.venue = PaperVenue(
            "paper",
            [setup.instrument],
            start_ts_ns=setup.start_ts_ns,
            maker_fee_bps=setup.maker_fee_bps,
            taker_fee_bps=setup.taker_fee_bps,
        )
        self._tape = made_up_tape(
            setup.instrument,
            seed=setup.seed,
            start_price=setup.start_price,
            start_ts_ns=setup.start_ts_ns,
            quotes=setup.quotes,
            step_bps=setup.step_bps,
            largest_size=setup.largest_size,
        )
        self._number = 0
        self._quote: Quote | None = None
        self._sends: Counter[str] = Counter()
        self._cancels: Counter[str] = Counter()
        self._amends: Counter[str] = Counter()
        self._handed_out: list[VenueReport] = []

    def answer(self, request: wire.Request) -> wire.Reply | None:
        """Do what is asked; None where there is nothing to reply.

        Raises:
            InvalidInput: the venue cannot take the request as it is.
        """
        match request:
            case wire.Submit(message):
                self._sends[message.order.client_order_id] += 1
                self.venue.submit(message)
            case wire.Cancel(message):
                self._cancels[message.request_id] += 1
                self.venue.cancel(message)
            case wire.Amend(message):
                self._amends[message.request_id] += 1
                self.venue.amend(message)
            case wire.Query(message):
                return wire.Found(self.venue.query(message))
            case wire.MassStatus(since_ts_ns):
                self.venue.mass_status(since_ts_ns)
            case wire.TakeReports():
                self._handed_out = self.venue.take_reports()
                return wire.Reports(self._handed_out)
            case wire.Confirm():
                self._handed_out = []
                self.venue.confirm_reports()
                return None
            case wire.MoveMarket(quotes):
                return self.move_market(quotes)
            case wire.ShowBooks():
                return self.books()
        return wire.Done()

    def move_market(self, quotes: int = 1) -> wire.Shown:
        """Let the tape go on by so many quotes, or to its end; return what is displayed then."""
        for _, quote in zip(range(quotes), self._tape, strict=False):
            self._number, self._quote = self._number + 1, quote
            self.venue.on_quote(*quote)
        return wire.Shown(self._number, self._quote)

    def books(self) -> wire.Books:
        """Its own books."""
        orders = [self._booked(order) for order in self.venue.orders()]
        return wire.Books(orders, dict(self._cancels), dict(self._amends), self._handed_out)

    def _booked(self, order: PaperOrder) -> wire.BookedOrder:
        request = order.request
        executions = tuple(
            wire.BookedExecution(
                fill.execution_id, request.side, fill.quantity, fill.price, fill.fee, fill.fee_currency
            )
            for fill in order.executions
        )
        return wire.BookedOrder(
            request.client_order_id,
            order.venue_order_id,
            request.symbol,
            request.side,
            order.quantity,
            order.price,
            order.filled,
            order.state,
            executions,
            self._sends[request.client_order_id],
        )


class Server:
    """Serves one exchange on a socket, one session after the other, with faults."""

    def __init__(self, setup: VenueSetup) -> None:
        self._exchange = Exchange(setup)
        self._fates: list[Fault | None] = [*setup.faults, None]
        self._weights = [*setup.faults.values(), 1_000 - sum(setup.faults.values())]
        self._chance = random.Random(setup.seed)
        self._delay_seconds = setup.delay_seconds

    def serve(self, listener: socket.socket) -> None:
        """Serve for ever."""
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, suppress(OSError, EOFError, msgspec.MsgspecError):
                while self._serve_one(connection):
                    pass

    def _serve_one(self, connection: socket.socket) -> bool:
        """Answer the next request; return whether the session goes on."""
        request = wire.receive_request(connection)
        fault = self._fault(request)
        if fault is Fault.LOSE:
            return True
        try:
            reply = self._exchange.answer(request)
        except InvalidInput as error:
            reply = wire.Refused(str(error))
        if fault is Fault.DELAY:
            time.sleep(self._delay_seconds)
        if reply is not None and fault in (None, Fault.DELAY):
            wire.send(connection, reply)
        return fault is not Fault.HANG_UP

    def _fault(self, request: wire.Request) -> Fault | None:
        """What happens to this request; the market and the venue's books are no part of the wire."""
        if isinstance(request, wire.MoveMarket | wire.ShowBooks):
            return None
        return self._chance.choices(self._fates, self._weights)[0]


class VenueProcess:
    """A venue process that was started here; it ends with ``close``, or with this process.

    Attributes:
        port: where it listens, on this machine.

    Raises:
        ConnectionFailed: it did not start.
    """

    def __init__(self, setup: VenueSetup) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "execore.testing.venue_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(msgspec.json.encode(setup) + b"\n")
            self._process.stdin.flush()
            self.port = int(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self.close()
            what = f"the venue process did not start: {error}"
            raise ConnectionFailed(what, "What it said on standard error says why") from error
        except BaseException:
            self.close()
            raise

    def client(self, timeout_seconds: float = 5.0) -> RemoteVenue:
        """A new client of it."""
        return RemoteVenue(self.port, timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """End the process. Closing twice is allowed."""
        self._process.kill()
        self._process.wait(_LONGEST_WAIT_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _end_with_standard_input() -> None:
    """End the process when the one who started it has closed the pipe, or is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Be a venue until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started it
    setup = msgspec.json.decode(sys.stdin.buffer.readline(), type=VenueSetup)
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    with socket.create_server((wire.HOST, 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        Server(setup).serve(listener)


if __name__ == "__main__":
    main()
