"""What a venue process and its clients say to each other: one JSON object in a frame with its length before.

A client asks and waits for the reply, one request at a time. Two requests have no reply: see ``Confirm``.
"""

import socket
from decimal import Decimal
from typing import Final

import msgspec

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.reports import VenueReport
from execore.model.vocabulary import OrderState, Side
from execore.venues.protocol import QueryAnswer
from execore.venues.tape import Quote

HOST: Final = "127.0.0.1"
_LENGTH_BYTES: Final = 4
_LARGEST_FRAME: Final = 1 << 30


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """``Venue.submit``; answered with ``Done``."""

    message: SendOrder


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """``Venue.cancel``; answered with ``Done``."""

    message: SendCancel


class Amend(msgspec.Struct, frozen=True, tag="amend"):
    """``Venue.amend``; answered with ``Done``."""

    message: SendAmend


class Query(msgspec.Struct, frozen=True, tag="query"):
    """``Venue.query``; answered with ``Found``."""

    message: QueryOrder


class MassStatus(msgspec.Struct, frozen=True, tag="mass_status"):
    """``Venue.mass_status``; answered with ``Done``."""

    since_ts_ns: int


class TakeReports(msgspec.Struct, frozen=True, tag="take_reports"):
    """``Venue.take_reports``; answered with ``Reports``."""


class Confirm(msgspec.Struct, frozen=True, tag="confirm"):
    """``Venue.confirm_reports``; not answered, as it cannot fail: what is lost is told again."""


class MoveMarket(msgspec.Struct, frozen=True, tag="move_market"):
    """The tape goes on by so many quotes, and the venue trades on each; answered with ``Shown``."""

    quotes: int


class ShowBooks(msgspec.Struct, frozen=True, tag="show_books"):
    """Ask for the venue's own books, for comparison; answered with ``Books``."""


Request = Submit | Cancel | Amend | Query | MassStatus | TakeReports | Confirm | MoveMarket | ShowBooks


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The request was handed over."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The venue cannot take the request as it is."""

    reason: str


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The answer to a query."""

    answer: QueryAnswer


class Reports(msgspec.Struct, frozen=True, tag="reports"):
    """Everything that is not confirmed, oldest first."""

    reports: list[VenueReport]


class Shown(msgspec.Struct, frozen=True, tag="shown"):
    """What the venue displays now: the quote and its number on the tape; 0 and None before the first."""

    number: int
    quote: Quote | None


class BookedExecution(msgspec.Struct, frozen=True):
    """An execution in the venue's own books."""

    execution_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


class BookedOrder(msgspec.Struct, frozen=True):
    """An order in the venue's own books: the terms in force, what became of it, and what it traded.

    Attributes:
        sends: how often a new order of this id came in.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    filled: Decimal
    state: OrderState
    executions: tuple[BookedExecution, ...]
    sends: int


class Books(msgspec.Struct, frozen=True, tag="books"):
    """The venue's own books.

    Attributes:
        orders: every order that arrived, in the order of arrival.
        cancels, amends: how often each of those requests came in, by its own id.
        in_doubt: the reports that were handed out and never confirmed.
    """

    orders: list[BookedOrder]
    cancels: dict[str, int]
    amends: dict[str, int]
    in_doubt: list[VenueReport]


Reply = Done | Refused | Found | Reports | Shown | Books

_ENCODER: Final = msgspec.json.Encoder()
_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_REPLIES: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


def send(connection: socket.socket, words: Request | Reply) -> None:
    """Write one frame.

    Raises:
        OSError: the connection broke, or took nothing in time.
    """
    data = _ENCODER.encode(words)
    connection.sendall(len(data).to_bytes(_LENGTH_BYTES, "big") + data)


def receive_request(connection: socket.socket) -> Request:
    """Wait for the next request.

    Raises:
        EOFError: the other end is gone. OSError: the connection broke. msgspec.MsgspecError: it is none.
    """
    return _REQUESTS.decode(_frame(connection))


def receive_reply(connection: socket.socket) -> Reply:
    """Wait for the next reply.

    Raises:
        EOFError: the other end is gone. OSError: the connection broke, or nothing came in time.
        msgspec.MsgspecError: it is none.
    """
    return _REPLIES.decode(_frame(connection))


def _frame(connection: socket.socket) -> bytes:
    size = int.from_bytes(_exactly(connection, _LENGTH_BYTES), "big")
    if size > _LARGEST_FRAME:
        raise msgspec.DecodeError(f"a frame of {size} bytes is none of ours")
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        chunk = connection.recv(size - len(read))
        if not chunk:
            raise EOFError("the other end closed the connection")
        read += chunk
    return bytes(read)
