"""Carries effects to the venue and turns what came of it into inputs: the one place foreign errors end."""

from collections.abc import Callable
from typing import Any, Final

from execore.core.retry_policy import classify
from execore.model import effects, reports, requests
from execore.model.failures import OrderNotFoundAtVenue, WriteOutcome
from execore.runtime.clock import Clock
from execore.venues.protocol import QueryAnswer, Venue

_NOT_SENT, _REFUSED, _UNKNOWN = WriteOutcome.NOT_SENT, WriteOutcome.REFUSED, WriteOutcome.UNKNOWN

_FOUND_OUT: Final[dict[type[effects.Effect], dict[WriteOutcome, type[requests.Input]]]] = {
    effects.SendOrder: {
        _NOT_SENT: requests.SubmitNotSent,
        _REFUSED: reports.RejectReport,
        _UNKNOWN: requests.SubmitOutcomeUnknown,
    },
    effects.SendCancel: {
        _NOT_SENT: requests.RequestNotSent,
        _REFUSED: reports.CancelRejectReport,
        _UNKNOWN: requests.RequestOutcomeUnknown,
    },
    effects.SendAmend: {
        _NOT_SENT: requests.RequestNotSent,
        _REFUSED: reports.AmendRejectReport,
        _UNKNOWN: requests.RequestOutcomeUnknown,
    },
}
"""What a failed send tells the core, by what was sent and what is known of it."""


class Sender:
    """Hands messages to one venue. A send is tried once: what is not certain becomes UNKNOWN and is asked."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._clock = clock
        self._calls: dict[type[effects.Effect], Callable[[Any], QueryAnswer | None]] = {
            effects.SendOrder: venue.submit,
            effects.SendCancel: venue.cancel,
            effects.SendAmend: venue.amend,
            effects.QueryOrder: venue.query,
        }

    def perform(self, effect: effects.Effect) -> tuple[list[requests.Input], list[effects.Alert]]:
        """Carry out one effect; return what is known of it now, and what a person should hear.

        Both are empty when it was handed over well: what the venue makes of it comes as reports.
        """
        try:
            answer = self._calls[type(effect)](effect)
        except Exception as error:  # a foreign client may raise anything; classify() judges it by type
            if isinstance(effect, effects.QueryOrder):
                return [], [_unanswered(effect, f"{type(error).__name__}: {error}")]
            return [self._found_out(effect, error)], []
        if isinstance(effect, effects.QueryOrder) and answer is QueryAnswer.NOT_FOUND:
            return [], [_unanswered(effect, "the venue does not know it now, which is no proof of absence")]
        return [], []

    def _found_out(self, effect: Any, error: Exception) -> requests.Input:
        kind: Any = _FOUND_OUT[type(effect)][classify(error).outcome]
        named: dict[str, Any] = {}
        if isinstance(effect, effects.SendOrder):
            named["client_order_id"] = effect.order.client_order_id
        else:
            named |= {"client_order_id": effect.client_order_id, "request_id": effect.request_id}
            if isinstance(error, OrderNotFoundAtVenue) and issubclass(kind, reports.Report):
                named["order_not_open"] = True
        found_out: requests.Input = kind(
            ts_ns=self._clock(), reason=f"{type(error).__name__}: {error}", **named
        )
        return found_out


def _unanswered(effect: effects.QueryOrder, why: str) -> effects.Alert:
    message = f"asking after order {effect.client_order_id} gave no answer: {why}"
    return effects.Alert("query_unanswered", message, effect.client_order_id)
