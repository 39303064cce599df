"""How doubt changes an order: sendings of unknown outcome, copies, what a person said. A part of the fold."""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from execore.model import events
from execore.model.orders import Order


def _outcome_unknown(order: Order, event: events.OrderOutcomeUnknown, ts_ns: int) -> Order:
    return replace(order, outcome_unknown=True, reason=event.reason, updated_ts_ns=ts_ns)


def _resent(order: Order, event: events.OrderResent, ts_ns: int) -> Order:
    told = {"resends": order.resends + 1, "doubled": event.in_doubt}  # proof ends the doubt of earlier ones
    return replace(order, outcome_unknown=False, updated_ts_ns=ts_ns, **told)


def _copy_refused(order: Order, event: events.CopyRefused, ts_ns: int) -> Order:
    # What was refused may be all that another sending was a copy of: then nobody knows whether it lives.
    return replace(
        order,
        outcome_unknown=True,
        copy_refused=True,
        acknowledged=order.acknowledged and not order.known_by_copy,
        known_by_copy=False,
        reason=event.reason,
        updated_ts_ns=ts_ns,
    )


def _resolved(order: Order, event: events.OrderResolved, ts_ns: int) -> Order:
    return replace(order, reason=event.reason, updated_ts_ns=ts_ns)


DOUBTS: Final[dict[type[events.Event], Callable[[Order, Any, int], Order]]] = {
    events.OrderOutcomeUnknown: _outcome_unknown,
    events.OrderResent: _resent,
    events.CopyRefused: _copy_refused,
    events.OrderResolved: _resolved,
}
"""What each of these events makes of an order."""
