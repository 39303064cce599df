"""Cancels past a storage that has failed: the one thing that may be sent without a record in the journal.

A cancel can only make exposure smaller, and the moment at which nothing can be recorded is when it may be
wanted most (DESIGN §1.3). What is sent is written to a file of its own, on another disk if the user says so,
and recorded in the journal when the book is opened again.
"""

import threading
from collections.abc import Sequence
from typing import Final

import msgspec

from execore.model.effects import SendCancel
from execore.model.errors import EmergencyOnly
from execore.model.ids import derived_id
from execore.model.orders import Order
from execore.model.text import clean_texts
from execore.runtime.channel import Channel
from execore.runtime.fallback import EmergencyCancel
from execore.runtime.lanes import Lane, ThreadLane
from execore.runtime.sender import Sender
from execore.venues.protocol import Venue

PATIENCE_SECONDS: Final = 30.0
"""How long to wait for a venue's client that is busy before saying so."""


def send_cancels(
    channel: Channel, *, symbol: str, strategy: str, actor: str, reason: str
) -> list[EmergencyCancel]:
    """Send a cancel for every order that may be open, past the journal; return what was sent.

    For a book that closed itself as storage failed. The orders are those it knew, which may be more than the
    journal has: a cancel of an order that never went out finds nothing, and does no harm.

    Raises:
        EmergencyOnly: the book is open, or was closed in order, or it has no venue.
        InvalidInput: ``actor`` or ``reason`` is no string; nothing was sent.
    """
    state, sender = channel.writer.given_up, channel.sender
    if state is None or sender is None:
        raise EmergencyOnly(
            f"book {channel.name} has not failed, or has no venue",
            "Use cancel or cancel_all, which are recorded before they are sent",
        )
    orders = [
        order
        for order in state.orders.open_orders()
        if order.submitted and symbol in ("", order.symbol) and strategy in ("", order.strategy)
    ]
    ts_ns = channel.now_ns()
    wanted = [
        EmergencyCancel(
            book=channel.name,
            client_order_id=order.client_order_id,
            request_id=derived_id("emergency cancel", order.client_order_id, str(ts_ns)),
            ts_ns=ts_ns,
            actor=actor,
            reason=reason,
        )
        for order in orders
    ]
    for cancel in wanted:
        clean_texts(cancel)
    file = channel.fallback
    written = file is not None and bool(wanted) and file.append(wanted)
    errors = _send_all(sender, orders, wanted)
    return [
        msgspec.structs.replace(cancel, written=written, error=error)
        for cancel, error in zip(wanted, errors, strict=True)
    ]


def _send_all(sender: Sender, orders: Sequence[Order], cancels: Sequence[EmergencyCancel]) -> list[str]:
    """Send each, where the venue is talked to; return what went wrong with each, or nothing."""
    errors = ["it was not sent yet: the venue's client is busy, and goes on with it"] * len(orders)
    done = threading.Event()

    def send() -> None:
        for place, (order, cancel) in enumerate(zip(orders, cancels, strict=True)):
            errors[place] = _send(sender.venue, order, cancel)
        done.set()

    if not _open_lane(sender).run(send, _ignore):
        return ["it was not sent: the venue's client hangs in a call"] * len(orders)
    done.wait(PATIENCE_SECONDS)
    return list(errors)


def _open_lane(sender: Sender) -> Lane:
    """Where the venue is talked to; another thread than before if the runtime and its own have ended."""
    if sender.lane.is_over:
        sender.lane = ThreadLane(f"execore emergency {sender.venue.name}", _ignore)
    return sender.lane


def _ignore(_: object) -> None:
    """What went wrong with each is told to whoever asked for it."""


def _send(venue: Venue, order: Order, cancel: EmergencyCancel) -> str:
    message = SendCancel(order.client_order_id, order.venue_order_id, order.symbol, cancel.request_id)
    try:
        venue.cancel(message)
    except Exception as error:  # a foreign client may raise anything
        return f"{type(error).__name__}: {error}"
    return ""
