"""Entries, whoever tells of them: strict where we ask for one, parked where a venue's makes no sense."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.trade_changes import trade_of
from execore.model import effects, events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.entries import Adjustment, AnyEntry, Exercise, PositionClosing
from execore.model.errors import DuplicateEntryId, InvalidInput, UnknownExecution
from execore.model.ids import check_id
from execore.model.keys import execution_key, split_key
from execore.model.money import text_of
from execore.model.trades import Trade


def book_entry(state: BookState, cause: requests.BookEntry) -> Answer:
    """Decide what an entry that we ask for does.

    Raises:
        DuplicateEntryId: its id is another's. InvalidInput and its children: it cannot be, by field.
    """
    return _decide(state, cause.entry, cause.ts_ns, _alerts(cause.entry, cause.actor))


def take_entry(state: BookState, report: reports.EntryReport) -> Answer:
    """Decide what an entry does that a venue tells of, and fold it; what cannot be is kept as a break."""
    try:
        answer = _decide(state, report.entry, report.ts_ns, _alerts(report.entry, report.actor))
    except InvalidInput as error:
        reason = f"entry {report.entry.entry_id!r:.60} was parked: {error}"
        parked = events.ReportParked("", error.code, reason, report)
        answer = Answer(Outcome.PARKED, events=(parked,), effects=(effects.Alert(error.code, reason),))
    return state.fold(answer, report.ts_ns)


def _decide(state: BookState, entry: AnyEntry, ts_ns: int, alerts: tuple[effects.Effect, ...]) -> Answer:
    check_id(entry.entry_id, "entry_id")
    event = events.EntryBooked(_completed(state, entry))
    if is_booked(state, entry.entry_id, event):
        return Answer(Outcome.ALREADY_DONE)
    state.positions.check_entry(event.entry, ts_ns)  # raises if it cannot be
    return Answer(Outcome.APPLIED, events=(event,), effects=alerts)


def is_booked(state: BookState, entry_id: str, event: events.EntryBooked | events.CashTransferred) -> bool:
    """Whether the very same was booked before.

    Raises:
        DuplicateEntryId: something else was, under this id.
    """
    booked = state.entries.get(entry_id)
    if booked is None:
        return False
    differs = _difference(_content(booked), _content(event))
    if differs is not None:
        field, was, now = differs
        raise DuplicateEntryId(
            field,
            f"{entry_id} is booked with {_shown(was)}, not {_shown(now)}",
            "Give another id to another entry",
        )
    return True


def _content(event: events.EntryBooked | events.CashTransferred) -> Any:
    return event.entry if isinstance(event, events.EntryBooked) else event


def _difference(booked: Any, told: Any) -> tuple[str, object, object] | None:
    if type(booked) is not type(told):
        return ("kind", booked.__struct_config__.tag, told.__struct_config__.tag)
    for field in booked.__struct_fields__:
        was, now = getattr(booked, field), getattr(told, field)
        if was != now:
            return (field, was, now)
    return None


def _shown(value: object) -> str:
    return text_of(value) if isinstance(value, Decimal) else f"{value!r:.60}"


def _completed(state: BookState, entry: AnyEntry) -> AnyEntry:
    """The entry with what it leaves to the instrument's definition, as that is today."""
    instrument = state.positions.instrument(getattr(entry, "symbol", ""))
    if instrument is None:
        return entry
    if isinstance(entry, Exercise):
        price = instrument.strike if entry.price is None else entry.price
        entry = replace(entry, underlying=entry.underlying or instrument.underlying, price=price)
    if isinstance(entry, Exercise | PositionClosing) and entry.fee and not entry.fee_currency:
        entry = replace(entry, fee_currency=instrument.settles_in)
    return entry


def _alerts(entry: AnyEntry, actor: str) -> tuple[effects.Effect, ...]:
    """What somebody should look at: books that were changed by hand, and what a venue took."""
    if isinstance(entry, Adjustment):
        what = entry.symbol or entry.currency
        return (effects.Alert("adjusted", f"{actor} adjusted {what} by hand: {entry.reason}"),)
    if isinstance(entry, PositionClosing) and entry.reason == "liquidation":
        return (effects.Alert("liquidated", f"the position in {entry.symbol} was liquidated"),)
    return ()


def choose_lots(state: BookState, cause: requests.ChooseLots) -> Answer:
    """Decide which lots an execution that is booked closed.

    Raises:
        UnknownExecution: there is none of this id. UnknownLot, InvalidInput: by field.
    """
    key = execution_key(cause.execution_scope, cause.execution_id)
    executions = state.orders.executions
    root = executions.root(key)
    was = None if root is None else executions.standing(root)
    if was is None or root is None:
        raise UnknownExecution("execution_id", f"{cause.execution_id!r:.60} is not booked", "List the fills")
    terms = trade_of(was)
    now: Trade = replace(terms, lots=cause.lots)
    if now == terms:
        return Answer(Outcome.ALREADY_DONE)
    owner = state.orders.get(was.client_order_id)
    event = events.TradeRestated(owner.client_order_id, *split_key(root), terms, now)
    state.with_books(event, checks_lots=True)  # raises if they were not there
    return Answer(Outcome.APPLIED, owner, (event,))
