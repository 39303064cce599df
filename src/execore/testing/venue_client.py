"""A client of a venue process: the ``Venue`` protocol over a real socket, with real timeouts."""

import socket
import threading
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.failures import (
    ConnectionFailed,
    ConnectionLost,
    OrderRefused,
    RequestTimeout,
    UnreadableAnswer,
    VenueError,
)
from execore.model.reports import VenueReport
from execore.testing import venue_wire as wire
from execore.venues.paper import PaperVenue
from execore.venues.protocol import Capabilities, QueryAnswer

_CAPABILITIES: Final = PaperVenue("paper", (), start_ts_ns=0).capabilities
_R = TypeVar("_R", bound=wire.Reply)


class RemoteVenue:
    """A ``Venue`` in another process. It connects when it is first needed, and again after a failure.

    Args:
        port: where the venue process listens, on this machine.
        timeout_seconds: how long to wait for the venue, each time.
        name: of the venue, as it calls itself.

    Attributes:
        port: as given.
    """

    def __init__(self, port: int, *, timeout_seconds: float = 5.0, name: str = "paper") -> None:
        self.port = port
        self._timeout_seconds = timeout_seconds
        self._name = name
        self._connection: socket.socket | None = None
        self._one_at_a_time = threading.RLock()

    # --- the Venue protocol ---

    @property
    def name(self) -> str:
        """The venue's name."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Those of the paper venue. One session is served after the other, so nothing stays invisible."""
        return _CAPABILITIES

    def submit(self, message: SendOrder) -> None:
        """Hand over a new order.

        Raises:
            ConnectionFailed, ConnectionLost, RequestTimeout, UnreadableAnswer, OrderRefused: see each.
        """
        self._ask(wire.Submit(message), wire.Done)

    def cancel(self, message: SendCancel) -> None:
        """Hand over a cancel request.

        Raises:
            VenueError: as ``submit``.
        """
        self._ask(wire.Cancel(message), wire.Done)

    def amend(self, message: SendAmend) -> None:
        """Hand over an amend request.

        Raises:
            VenueError: as ``submit``.
        """
        self._ask(wire.Amend(message), wire.Done)

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Ask what the venue knows of an order.

        Raises:
            VenueError: as ``submit``.
        """
        return self._ask(wire.Query(message), wire.Found).answer

    def mass_status(self, since_ts_ns: int) -> None:
        """Ask for everything since then, integer nanoseconds UTC.

        Raises:
            VenueError: as ``submit``.
        """
        self._ask(wire.MassStatus(since_ts_ns), wire.Done)

    def take_reports(self) -> list[VenueReport]:
        """The reports that are not confirmed, oldest first.

        Raises:
            VenueError: as ``submit``.
        """
        return self._ask(wire.TakeReports(), wire.Reports).reports

    def confirm_reports(self) -> None:
        """What ``take_reports`` returned last need not be told again."""
        with suppress(VenueError):
            self._exchange(wire.Confirm())

    # --- beside the protocol: its market, and its own books ---

    def move_market(self, quotes: int = 1) -> wire.Shown:
        """Let the tape go on by so many quotes, none included; return what is displayed then.

        Raises:
            VenueError: as ``submit``.
        """
        return self._ask(wire.MoveMarket(quotes), wire.Shown)

    def books(self) -> wire.Books:
        """The venue's own books.

        Raises:
            VenueError: as ``submit``.
        """
        return self._ask(wire.ShowBooks(), wire.Books)

    def close(self) -> None:
        """Hang up. Closing twice is allowed; the next call connects again."""
        with self._one_at_a_time:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    # --- how ---

    def _ask(self, request: wire.Request, kind: type[_R]) -> _R:
        """Ask, and wait for a reply of that kind."""
        reply = self._exchange(request)
        if isinstance(reply, kind):
            return reply
        what = self._what(request)
        if isinstance(reply, wire.Refused):
            raise OrderRefused(f"{what}: {reply.reason}")
        self.close()
        raise UnreadableAnswer(f"{what}: the answer was {type(reply).__name__}", "Ask what became of it")

    def _exchange(self, request: wire.Request) -> wire.Reply | None:
        """Send a request and wait for the reply, if it has one."""
        with self._one_at_a_time:
            connection = self._connected(request)
            try:
                wire.send(connection, request)
                return None if isinstance(request, wire.Confirm) else wire.receive_reply(connection)
            except BaseException as error:
                self.close()  # a reply that comes late would be taken for the next one's
                if isinstance(error, TimeoutError):
                    what = f"{self._what(request)}: no answer within {self._timeout_seconds} s"
                    raise RequestTimeout(what, "Ask what became of it") from error
                if isinstance(error, OSError | EOFError):
                    raise ConnectionLost(
                        f"{self._what(request)}: {error}", "Ask what became of it"
                    ) from error
                if isinstance(error, msgspec.MsgspecError):
                    raise UnreadableAnswer(f"{self._what(request)}: {error}", "Look at its log") from error
                raise

    def _connected(self, request: wire.Request) -> socket.socket:
        if self._connection is None:
            try:
                self._connection = socket.create_connection((wire.HOST, self.port), self._timeout_seconds)
            except OSError as error:
                what = f"{self._what(request)}: {error}"
                raise ConnectionFailed(what, "Is the venue process running?") from error
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _what(self, request: wire.Request) -> str:
        return f"{type(request).__name__} to venue {self._name} at port {self.port}"
