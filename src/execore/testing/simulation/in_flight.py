"""What was in flight when a process died, told from the disk and from the venue, not from our memory."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from execore.model import events
from execore.model.effects import SendOrder
from execore.model.events import AnyEvent
from execore.testing.simulation.connection import Gateway

_SETTLES: Final = (
    events.OrderAcknowledged,
    events.FillBooked,
    events.OrderCancelled,
    events.OrderRejected,
    events.OrderExpired,
    events.OrderFailed,
    events.OrderRestated,
    events.OrderAmended,
)


class InFlight(msgspec.Struct, frozen=True):
    """Something unfinished: the order, and how far it had got."""

    order: str
    was: str


def in_flight(gateway: Gateway) -> list[InFlight]:
    """Everything that was unfinished at this moment."""
    known = ((key, facts) for key, facts in gateway.storage.facts.items() if key)
    found = [InFlight(key, was) for key, facts in known for was in _of(gateway, key, facts)]
    reported = dict.fromkeys(
        report.client_order_id or f"venue's {report.venue_order_id}" for report in gateway.unconfirmed
    )
    return found + [InFlight(key, "reports not recorded") for key in reported]


def _of(gateway: Gateway, key: str, facts: Sequence[AnyEvent]) -> Iterator[str]:
    submitted = any(isinstance(event, events.OrderSubmitted) for event in facts)
    if submitted and not any(isinstance(event, _SETTLES) for event in facts):
        yield _how_far(gateway, key)
    asked: dict[str, str] = {}
    for event in facts:
        if isinstance(event, events.CancelRequested):
            asked[event.request_id] = "cancel unanswered"
        elif isinstance(event, events.AmendRequested):
            asked[event.request_id] = "amend unanswered"
        elif isinstance(event, events.CancelRejected | events.AmendRejected | events.OrderAmended):
            asked.pop(event.request_id, None)
        elif isinstance(event, events.OrderCancelled):
            asked = {name: what for name, what in asked.items() if what.startswith("amend")}
    yield from asked.values()


def _how_far(gateway: Gateway, key: str) -> str:
    if key not in gateway.handed_over:
        return "recorded, not sent"
    if any(order.client_order_id == key for order in gateway.exchange.orders):
        return "at the venue, not acknowledged"
    sends = (message for message in gateway.travelling if isinstance(message, SendOrder))
    if any(message.order.client_order_id == key for message in sends):
        return "on its way to the venue"
    return "sent, and lost on the way"
