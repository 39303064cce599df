"""What was in flight when a process died, and how each of it was settled: read from the journal alone."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from execore.journal.audit_log import AuditLog
from execore.journal.sqlite import SqliteJournal
from execore.model import events
from execore.model.money import text_of
from execore.model.records import Record
from execore.views import queries


class Flight(StrEnum):
    """What it was that had no outcome."""

    NEW_ORDER = "new order"
    CANCEL = "cancel"
    AMEND = "amend"
    REPORT = "report"
    """Of an order that waited for nothing: the venue has done something, and that was not recorded."""


class InFlight(msgspec.Struct, frozen=True):
    """Something that was recorded and is about to be sent, or was, and that nothing recorded answers.

    Attributes:
        request_id: of the cancel or amend; empty for a new order.
    """

    client_order_id: str
    flight: Flight
    request_id: str = ""


class Settled(msgspec.Struct, frozen=True):
    """What became of an order that the settling touched.

    Attributes:
        in_flight_as: what of it had no outcome, as ``Flight`` has it.
        settled_as: its state after that.
        filled: cumulative quantity then.
        evidence: what the venue said, in words.
        sequences: the first and the last record of it.
    """

    client_order_id: str
    in_flight_as: str
    settled_as: str
    filled: str
    evidence: str
    sequences: tuple[int, int]


_REQUESTED: Final = {events.CancelRequested: Flight.CANCEL, events.AmendRequested: Flight.AMEND}
_UNKNOWN: Final = (events.OrderOutcomeUnknown, events.RequestUnanswered)
_PENDING_FLAGS: Final = frozenset({"pending_cancel", "pending_replace"})


def in_flight(journal: SqliteJournal, book: str) -> list[InFlight]:
    """What has no outcome in a journal that nobody writes; without what was noted as unknown already.

    Raises:
        JournalError: the journal cannot be read, or its tables lag.
    """
    found: list[InFlight] = []
    for view in queries.orders(journal, book=book):
        key = view["client_order_id"]
        if view["state"] == "SUBMITTED":
            found.append(InFlight(key, Flight.NEW_ORDER))
        if _PENDING_FLAGS & set(view["flags"]):
            found += _pending(key, AuditLog(journal, book).records(key))
    return found


def _pending(client_order_id: str, records: Iterable[Record]) -> Iterator[InFlight]:
    """The cancels and amends of an order that none of its records answers."""
    pending: dict[str, InFlight] = {}
    for event in (record.event for record in records):
        request_id = getattr(event, "request_id", "")
        if flight := _REQUESTED.get(type(event)):
            pending[request_id] = InFlight(client_order_id, flight, request_id)
        elif isinstance(event, events.CancelResent):
            pending[request_id] = InFlight(client_order_id, Flight.CANCEL, request_id)
        elif isinstance(event, events.OrderCancelled):
            pending = {key: one for key, one in pending.items() if one.flight is not Flight.CANCEL}
        else:
            pending.pop(request_id, None)
    yield from pending.values()


def settled(journal: SqliteJournal, book: str, was: Iterable[InFlight], after_sequence: int) -> list[Settled]:
    """What the records after ``after_sequence`` say of what was in flight, and of orders that had news.

    Raises:
        JournalError: the journal cannot be read, or its tables lag.
    """
    flights: dict[str, list[str]] = {}
    for one in was:
        flights.setdefault(one.client_order_id, []).append(one.flight)
    records: dict[str, list[Record]] = {key: [] for key in flights}
    for record in AuditLog(journal, book).records():
        if record.sequence > after_sequence and isinstance(record.event, events.OrderEvent):
            records.setdefault(record.event.client_order_id, []).append(record)
    views = {
        view["client_order_id"]: view
        for view in queries.orders(journal, book=book)
        if view["client_order_id"] in records
    }
    return [
        Settled(
            client_order_id=key,
            in_flight_as=" and ".join(flights.get(key, [Flight.REPORT])),
            settled_as=views[key]["state"],
            filled=views[key]["filled"],
            evidence="; ".join(
                _words(record.event) for record in told if not isinstance(record.event, _UNKNOWN)
            ),
            sequences=(told[0].sequence, told[-1].sequence) if told else (0, 0),
        )
        for key, told in records.items()
    ]


def _words(event: Any) -> str:
    """An event as what was learnt from the venue."""
    match event:
        case events.OrderAcknowledged(venue_order_id=key):
            return f"acknowledged as {key}"
        case events.FillBooked(execution_id=key, quantity=quantity, price=price):
            return f"filled {text_of(quantity)} at {text_of(price)} ({key})"
        case events.OrderCancelled():
            return f"the venue reports it cancelled{_because(event.reason)}"
        case events.OrderAmended():
            return "the venue reports it amended"
        case events.CancelRejected():
            return f"the cancel came to nothing{_because(event.reason)}"
        case events.AmendRejected():
            return f"the amend came to nothing{_because(event.reason)}"
        case events.OrderRejected():
            return f"refused{_because(event.reason)}"
        case events.OrderFailed():
            return event.reason or "it is not at the venue"
        case events.OrderResent() | events.CancelResent():
            return "sent again, under the same id"
    return str(type(event).__struct_config__.tag).replace("_", " ")


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
