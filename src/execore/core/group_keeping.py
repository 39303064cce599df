"""Order groups inside a step: their requests, and what an input to their orders makes necessary.

What a group needs is asked of ``order_groups`` after every input that touched it, and carried out in the
same step, so that it is recorded in one commit with what made it necessary.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.order_groups import Action, next_action
from execore.core.validation import validate_order
from execore.model import effects, events, group_events, group_requests, requests
from execore.model.answers import Answer, Outcome, Refusal
from execore.model.errors import DuplicateClientOrderId, InvalidInput, UnknownInstrument
from execore.model.groups import RETRIED, Group, GroupState, Trouble
from execore.model.instruments import Instrument
from execore.model.money import text_of
from execore.model.orders import OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import RiskDecision, TimeInForce

Ask = Callable[[BookState, requests.Input], Answer]
"""Decides one request about an order and folds its events."""

_MAXIMUM_ACTIONS: Final = 1_000
"""Far more than any group needs after one input: a mistake of ours must not keep the book busy for ever."""
_TROUBLES: Final[dict[type[requests.Input], Trouble]] = {
    requests.SubmitOrder: Trouble.LEG_UNFIT,
    requests.CancelOrder: Trouble.CANCEL_FAILED,
    requests.AmendOrder: Trouble.RESIZE_FAILED,
}


# --- requests ------------------------------------------------------------------------------------------


def submit_group(state: BookState, cause: group_requests.SubmitGroup) -> Answer:
    """Create a group under risk's verdicts: one that blocks denies it whole, one that pauses holds it.

    Raises:
        DuplicateClientOrderId: the group's id, or that of an order, is taken by something else.
        InvalidInput: an order does not fit its instrument.
    """
    known = state.groups.find(cause.group_id)
    if known is not None:
        if (known.kind, known.legs, known.parent) != (cause.kind, cause.legs, cause.parent):
            raise DuplicateClientOrderId("group_id", f"{cause.group_id} is taken by a group of other orders")
        return Answer(Outcome.ALREADY_DONE)
    instrument = instrument_of(state, cause.legs[0].symbol)
    first = cause.legs if cause.parent is None else (cause.parent,)
    is_for_today = any(request.time_in_force is TimeInForce.DAY for request in first)
    ends_ts_ns = _end_of_day(state, cause, cause.ts_ns) if is_for_today else None
    for request in cause.legs if cause.parent is None else (cause.parent, *cause.legs):
        validate_order(request, instrument)
        key = request.client_order_id
        if state.orders.owner_of_id(key) is not None or state.groups.of_order(key) is not None:
            raise DuplicateClientOrderId(
                "client_order_id", f"{key} is taken", "Use a new one for a new order"
            )
    created = group_events.GroupCreated(cause.group_id, cause.kind, cause.legs, cause.parent, ends_ts_ns)
    judged, alerts = _judge(cause.group_id, cause.verdicts)
    return Answer(Outcome.APPLIED, events=(created, judged), effects=alerts)


def release_group(state: BookState, cause: group_requests.ReleaseGroup) -> Answer:
    """Decide a held group again. One whose day is over is denied, as its orders would trade on another.

    Raises:
        UnknownGroup: there is no such group. InvalidInput: not one verdict for each order.
    """
    group = state.groups.get(cause.group_id)
    if len(cause.verdicts) != len(group.requests):
        raise InvalidInput("verdicts", f"{len(cause.verdicts)} for {len(group.requests)} orders")
    judged, alerts = _judge(group.group_id, cause.verdicts)
    if group.day_ends_ts_ns is not None and group.day_ends_ts_ns <= cause.ts_ns:
        reason = "its day ended before it was sent"
        judged = group_events.GroupJudged(group.group_id, RiskDecision.BLOCK, reason, "expiry")
        alerts = ()
    if group.decision is judged.decision:
        return Answer(Outcome.ALREADY_DONE)
    shown = group.state(state.orders.find)
    if shown is GroupState.HELD:
        return Answer(Outcome.APPLIED, events=(judged,), effects=alerts)
    message = f"group {group.group_id} is {shown}, not held"
    return Answer(
        Outcome.REFUSED, refusal=Refusal("group_not_held", message, "release_group", shown, group.group_id)
    )


def cancel_group(state: BookState, cause: group_requests.CancelGroup) -> Answer:
    """End a group, for good: a bust may open again what is over. Asked again, failed cancels are tried again.

    Raises:
        UnknownGroup: there is no such group.
    """
    group = state.groups.get(cause.group_id)
    if group.decision is RiskDecision.BLOCK:
        return Answer(Outcome.ALREADY_DONE)
    if group.cancel_requested:
        return _reviewed(state, group)
    return Answer(Outcome.APPLIED, events=(group_events.GroupCancelRequested(group.group_id),))


def review_group(state: BookState, cause: group_requests.ReviewGroup) -> Answer:
    """Let a group try again what came to nothing, and replace what it lost if that is asked for.

    Raises:
        UnknownGroup: there is no such group.
    """
    group = state.groups.get(cause.group_id)
    replaced = tuple(
        impairment.client_order_id
        for impairment in group.impairments
        if cause.replace_lost and impairment.trouble is Trouble.LEG_LOST
    )
    answer = _reviewed(state, group, replaced)
    return replace(answer, effects=_standing(state, group)) if cause.tell_again else answer


def _standing(state: BookState, group: Group) -> tuple[effects.Effect, ...]:
    """What was alerted and holds: a process that ended may have taken the alert with it."""
    alerts = [
        _impairment_alert(group.group_id, noted.trouble, noted.client_order_id, noted.reason)
        for noted in group.impairments
    ]
    if group.decision is RiskDecision.PAUSE and not group.cancel_requested:
        alerts.append(_held_alert(group.group_id, group.reason))
    if group.excess:
        alerts.append(_breach_alert(state, group, group.excess))
    return tuple(alerts)


def _reviewed(state: BookState, group: Group, replaced: tuple[str, ...] = ()) -> Answer:
    """A review, if anything came to nothing, or may have."""
    failed = any(impairment.trouble in RETRIED for impairment in group.impairments)
    unknown = any(order.unknown_requests for order in group.orders(state.orders.find))
    if not (replaced or failed or unknown):
        return Answer(Outcome.ALREADY_DONE)
    return Answer(Outcome.APPLIED, events=(group_events.GroupReviewed(group.group_id, replaced),))


def _judge(
    group_id: str, verdicts: tuple[RiskResult, ...]
) -> tuple[group_events.GroupJudged, tuple[effects.Effect, ...]]:
    """One verdict on the whole group: the first that blocks, else the first that pauses, else the first."""
    severity = (RiskDecision.ALLOW, RiskDecision.PAUSE, RiskDecision.BLOCK)
    verdict = max(verdicts, key=lambda verdict: severity.index(verdict.decision))
    judged = group_events.GroupJudged(group_id, verdict.decision, verdict.reason, verdict.rule)
    if verdict.decision is not RiskDecision.PAUSE:
        return judged, ()
    return judged, (_held_alert(group_id, verdict.reason),)


def _held_alert(group_id: str, reason: str) -> effects.Alert:
    return effects.Alert("group_held", f"group {group_id} is held: {reason}")


def instrument_of(state: BookState, symbol: str) -> Instrument:
    """The instrument of this symbol.

    Raises:
        UnknownInstrument: the book has none.
    """
    instrument = state.positions.instrument(symbol)
    if instrument is None:
        raise UnknownInstrument("symbol", f"{symbol!r} is not defined in this book", "Define it first")
    return instrument


# --- keeping -------------------------------------------------------------------------------------------


def tend(state: BookState, cause: requests.Input, answer: Answer, ask: Ask, now_ns: int) -> Answer:
    """Carry out what the groups need that ``cause`` or its folded ``answer`` touched, and add it to that.

    Args:
        ask: decides a request and folds its events.
        now_ns: the time by our own clock, integer nanoseconds UTC, as far as it is known.
    """
    made: list[events.AnyEvent] = []
    todo: list[effects.Effect] = []
    for group_id in _touched(state, cause, answer.events):
        for _ in range(_MAXIMUM_ACTIONS):
            group = state.groups.get(group_id)
            instrument = instrument_of(state, group.legs[0].symbol)
            action = next_action(group, state.orders.find, instrument, cause.ts_ns)
            if action is None:
                break
            if isinstance(action, requests.SubmitOrder):
                action = replace(action, ends_ts_ns=_order_end(state, cause, action.order, now_ns))
            facts, effects_of_it, is_done = _carry_out(state, group, action, ask)
            made += facts
            todo += effects_of_it
            if not is_done:
                break
        else:
            message = f"group {group_id} had more to do than {_MAXIMUM_ACTIONS} things; review it"
            todo.append(effects.Alert("group_unfinished", message))
    if isinstance(cause, group_requests.GroupRequest):
        answer = replace(answer, group=state.groups.get(cause.group_id))
    if not made:
        return answer
    order = None if answer.order is None else state.orders.find(answer.order.client_order_id)
    return replace(
        answer,
        outcome=Outcome.APPLIED if answer.outcome is Outcome.ALREADY_DONE else answer.outcome,
        order=order,
        events=(*answer.events, *made),
        effects=(*answer.effects, *todo),
    )


def _order_end(state: BookState, cause: requests.Input, order: OrderRequest, now_ns: int) -> int | None:
    """When an order that is sent now ends by its time in force; none is better than one that is past."""
    return _end_of_day(state, cause, now_ns) if order.time_in_force is TimeInForce.DAY else None


def _end_of_day(state: BookState, cause: requests.Input, now_ns: int) -> int | None:
    """The end of the day as the shell says it, else that of the day that began last, while it runs."""
    told = getattr(cause, "day_ends_ts_ns", None)
    ends_ts_ns: int | None = state.day_ends_ts_ns if told is None else told
    return ends_ts_ns if ends_ts_ns is not None and max(now_ns, cause.ts_ns) < ends_ts_ns else None


def _touched(state: BookState, cause: requests.Input, happened: Iterable[events.AnyEvent]) -> dict[str, None]:
    """The groups that have something new to look at, in the order of their being touched."""
    found: dict[str, None] = {}
    if isinstance(cause, group_requests.GroupRequest):
        found[cause.group_id] = None
    if isinstance(cause, requests.DefineInstrument):  # what did not fit may fit now
        symbol = cause.instrument.symbol
        found |= {group.group_id: None for group in state.groups if group.legs[0].symbol == symbol}
    for event in happened:
        if isinstance(event, events.OrderEvent):
            group = state.groups.of_order(event.client_order_id)
            if group is not None:
                found[group.group_id] = None
    return found


def _carry_out(
    state: BookState, group: Group, action: Action, ask: Ask
) -> tuple[tuple[events.AnyEvent, ...], tuple[effects.Effect, ...], bool]:
    """Do it; return what it made, and whether to go on. What the core itself refuses is noted instead."""
    if isinstance(action, group_events.GroupEvent):
        return _note(state, group, action), _alerts(state, group, action), True
    try:
        answer = ask(state, action)
        why = "nothing to do" if answer.refusal is None else answer.refusal.message
    except InvalidInput as error:
        answer, why = Answer(Outcome.REFUSED), str(error)
    if answer.events:
        return answer.events, answer.effects, True
    key = action.order.client_order_id if isinstance(action, requests.SubmitOrder) else action.client_order_id
    trouble = _TROUBLES[type(action)]
    impaired = group_events.GroupImpaired(group.group_id, trouble, key, why)
    goes_on = trouble is Trouble.RESIZE_FAILED  # which has another way
    return _note(state, group, impaired), _alerts(state, group, impaired), goes_on


def _note(
    state: BookState, group: Group, event: group_events.GroupImpaired | group_events.GroupBreached
) -> tuple[events.AnyEvent, ...]:
    state.groups.apply(event)
    return (event,)


def _alerts(
    state: BookState, group: Group, event: group_events.GroupImpaired | group_events.GroupBreached
) -> tuple[effects.Effect, ...]:
    if isinstance(event, group_events.GroupImpaired):
        return (_impairment_alert(group.group_id, event.trouble, event.client_order_id, event.reason),)
    return () if event.excess <= group.excess else (_breach_alert(state, group, event.excess),)


def _impairment_alert(group_id: str, trouble: Trouble, key: str, reason: str) -> effects.Alert:
    return effects.Alert(trouble.value, f"group {group_id}, order {key}: {reason}", key)


def _breach_alert(state: BookState, group: Group, excess: Decimal) -> effects.Alert:
    keys = {key for leg in group.leg_orders for key in leg}
    traded = [
        order for order in group.orders(state.orders.find) if order.filled and order.client_order_id in keys
    ]
    fills = ", ".join(f"{order.client_order_id} {text_of(order.filled)}" for order in traded)
    message = (
        f"the legs of group {group.group_id} traded {text_of(excess)} more than was wanted ({fills}); "
        "every fill is booked"
    )
    return effects.Alert("group_breached", message, traded[-1].client_order_id if traded else "")
