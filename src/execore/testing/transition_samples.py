"""Sample orders for every state and sample inputs for every row of the transition table.

The generated pages are drawn from them, and the row-by-row tests use the same. An order is its life: the
events that brought it where it is.
"""

from decimal import Decimal
from typing import Final

from execore.core.order_ledger import OrderLedger
from execore.core.transition_table import OrderInput
from execore.model import events, reports, requests
from execore.model.orders import OrderRequest
from execore.model.vocabulary import Expiry, OrderState, Resolution, RestatementReason, RiskDecision, Side

KEY: Final = "o1"
CANCEL_ID: Final = "c1"
AMEND_ID: Final = "a1"
_ONE, _HALF, _TWO, _PRICE = Decimal(1), Decimal("0.5"), Decimal(2), Decimal(100)

_CREATED: Final = events.OrderCreated(
    KEY, OrderRequest(client_order_id=KEY, symbol="S", side=Side.BUY, quantity=_ONE, price=_PRICE)
)
_SUBMITTED: Final = events.OrderSubmitted(KEY)
_ACKNOWLEDGED: Final = events.OrderAcknowledged(KEY, "V1")
_HALF_FILL: Final = events.FillBooked(KEY, "S", Side.BUY, _HALF, _PRICE, "E1")
_OTHER_HALF: Final = events.FillBooked(KEY, "S", Side.BUY, _HALF, _PRICE, "E2")
_LATE_FILL: Final = events.FillBooked(KEY, "S", Side.BUY, _ONE, _PRICE, "E3", late=True)
_UNKNOWN: Final = events.OrderOutcomeUnknown(KEY)
_CANCELLED: Final = events.OrderCancelled(KEY)
_EXPIRED: Final = events.OrderExpired(KEY)
_FAILED: Final = events.OrderFailed(KEY)
_CLOSED: Final = events.OrderClosed(KEY)
_CANCEL_ASKED: Final = events.CancelRequested(KEY, CANCEL_ID)
_AMEND_ASKED: Final = events.AmendRequested(KEY, AMEND_ID, _TWO, _PRICE)

_RESENT: Final = events.OrderResent(KEY, in_doubt=True)
_CANCEL_LOST: Final = (_CANCEL_ASKED, events.RequestUnanswered(KEY, CANCEL_ID))
_AMEND_LOST: Final = (_AMEND_ASKED, events.RequestUnanswered(KEY, AMEND_ID))

_DATED: Final = events.OrderCreated(KEY, _CREATED.order, ends_ts_ns=0)
_DONE_FOR_DAY: Final = events.OrderDoneForDay(KEY)

_SENT: Final = (_CREATED, _SUBMITTED)
_LIVE: Final = (*_SENT, _ACKNOWLEDGED)
_TWICE: Final = (*_SENT, _UNKNOWN, _RESENT)
_DATED_LIVE: Final = (_DATED, _SUBMITTED, _ACKNOWLEDGED)

Life = tuple[events.AnyOrderEvent, ...]
LIVES: Final[dict[OrderState, tuple[Life, ...]]] = {
    OrderState.CREATED: ((_CREATED,), (_CREATED, events.OrderHeld(KEY)), (_DATED,)),
    OrderState.SUBMITTED: (
        _SENT,
        (*_SENT, _CANCEL_ASKED),
        (_DATED, _SUBMITTED),
        _TWICE,
        (*_SENT, *_CANCEL_LOST),
    ),
    OrderState.UNKNOWN: (
        (*_SENT, _UNKNOWN),
        (*_SENT, _UNKNOWN, _CANCEL_ASKED),
        (_DATED, _SUBMITTED, _UNKNOWN),
        (*_TWICE, _UNKNOWN),
        (*_SENT, _UNKNOWN, *_CANCEL_LOST),
    ),
    OrderState.ACKNOWLEDGED: (
        _LIVE,
        (*_SENT, events.OrderAcknowledged(KEY)),
        (*_LIVE, _CANCEL_ASKED),
        (*_LIVE, _AMEND_ASKED),
        (*_LIVE, _DONE_FOR_DAY),
        _DATED_LIVE,
        (*_DATED_LIVE, events.ExpiryOverdue(KEY)),
        (*_TWICE, _ACKNOWLEDGED),
        (*_LIVE, *_CANCEL_LOST),
        (*_LIVE, *_AMEND_LOST),
    ),
    OrderState.PARTIALLY_FILLED: (
        (*_LIVE, _HALF_FILL),
        (*_LIVE, _CANCEL_ASKED, _HALF_FILL),
        (*_LIVE, _AMEND_ASKED, _HALF_FILL),
        (*_LIVE, _HALF_FILL, _DONE_FOR_DAY),
        (*_DATED_LIVE, _HALF_FILL),
        (*_TWICE, _HALF_FILL),
        (*_LIVE, _HALF_FILL, *_CANCEL_LOST),
    ),
    OrderState.FILLED: (
        (*_LIVE, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _CANCEL_ASKED, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _AMEND_ASKED, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, _CANCELLED, _LATE_FILL),
        (*_LIVE, _DONE_FOR_DAY, _HALF_FILL, _OTHER_HALF),
        (*_TWICE, _HALF_FILL, _OTHER_HALF),
        (*_LIVE, *_CANCEL_LOST, _HALF_FILL, _OTHER_HALF),
    ),
    OrderState.CANCELLED: (
        (*_LIVE, _CANCELLED),
        (_CREATED, events.OrderCancelled(KEY, unsent=True)),
        (*_LIVE, _HALF_FILL, _CANCELLED),
        (*_LIVE, _AMEND_ASKED, _CANCELLED),
        (*_LIVE, _CANCEL_ASKED, events.OrderAmended(KEY, Decimal(0), _PRICE)),
        (*_LIVE, *_AMEND_LOST, _CANCELLED),
    ),
    OrderState.EXPIRED: (
        (*_LIVE, _EXPIRED),
        (*_SENT, _EXPIRED),
        (*_LIVE, _HALF_FILL, _EXPIRED),
        (*_LIVE, _CANCEL_ASKED, _AMEND_ASKED, _EXPIRED),
        (*_LIVE, *_CANCEL_LOST, _EXPIRED),
    ),
    OrderState.REJECTED: (
        (*_SENT, events.OrderRejected(KEY)),
        (*_LIVE, _CANCEL_ASKED, _AMEND_ASKED, events.OrderRejected(KEY)),
        (*_LIVE, *_CANCEL_LOST, events.OrderRejected(KEY)),
    ),
    OrderState.FAILED: (
        (*_SENT, _FAILED),
        (*_SENT, _CANCEL_ASKED, _FAILED),
        (*_SENT, *_CANCEL_LOST, _FAILED),
    ),
    OrderState.DENIED: ((_CREATED, events.OrderDenied(KEY)),),
    OrderState.CLOSED: (
        (*_LIVE, _CANCELLED, _CLOSED),
        (*_LIVE, _HALF_FILL, _OTHER_HALF, _CLOSED),
        (*_SENT, events.OrderRejected(KEY), _CLOSED),
        (*_SENT, _FAILED, _CLOSED),
    ),
}
"""Ways into each state. The first is the plain one; the others have a request pending, or another past."""


def ledger_after(life: Life) -> OrderLedger:
    """A ledger that has folded ``life``."""
    ledger = OrderLedger()
    for event in life:
        ledger.apply(event, 0)
    return ledger


# --- sample inputs: for each row, every content that the guards tell apart ----------------------------------


def _verdict(decision: RiskDecision) -> tuple[requests.Input, ...]:
    verdict = requests.RiskResult(decision, "sample")
    return (requests.ReleaseOrder(ts_ns=0, client_order_id=KEY, verdict=verdict),)


def _resolution(resolution: Resolution, request_id: str = "") -> requests.Input:
    return requests.ResolveOrder(
        ts_ns=0,
        client_order_id=KEY,
        actor="operator:sample",
        resolution=resolution,
        reason="sample",
        request_id=request_id,
    )


SAMPLES: Final[dict[OrderInput, tuple[requests.Input, ...]]] = {
    OrderInput.SUBMIT: _verdict(RiskDecision.ALLOW),
    OrderInput.HOLD: _verdict(RiskDecision.PAUSE),
    OrderInput.DENY: _verdict(RiskDecision.BLOCK),
    OrderInput.CANCEL_REQUEST: (requests.CancelOrder(ts_ns=0, client_order_id=KEY, request_id="c2"),),
    OrderInput.AMEND_REQUEST: (
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_TWO),
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_ONE),
        requests.AmendOrder(ts_ns=0, client_order_id=KEY, request_id="a2", quantity=_HALF),
    ),
    OrderInput.CLOSE: (requests.CloseOrder(ts_ns=0, client_order_id=KEY),),
    OrderInput.NOT_SENT: (requests.SubmitNotSent(ts_ns=0, client_order_id=KEY, reason="refused"),),
    OrderInput.OUTCOME_UNKNOWN: (
        requests.SubmitOutcomeUnknown(ts_ns=0, client_order_id=KEY, reason="timeout"),
    ),
    OrderInput.REQUEST_NOT_SENT: tuple(
        requests.RequestNotSent(ts_ns=0, client_order_id=KEY, request_id=key, reason="refused")
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.REQUEST_UNKNOWN: tuple(
        requests.RequestOutcomeUnknown(ts_ns=0, client_order_id=KEY, request_id=key, reason="timeout")
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.NOT_FOUND: tuple(
        requests.OrderNotFound(
            ts_ns=0,
            client_order_id=KEY,
            complete=complete,
            waited_ns=1,
            visibility_lag_ns=1,
            duplicates_refused=False,
            resend=resend,
        )
        for complete, resend in ((True, False), (False, False), (True, True))
    ),
    OrderInput.RETRY_CANCEL: (requests.RetryCancel(ts_ns=0, client_order_id=KEY, request_id=CANCEL_ID),),
    OrderInput.RESOLVE: (
        _resolution(Resolution.ABSENT),
        _resolution(Resolution.LIVE),
        _resolution(Resolution.ABSENT, CANCEL_ID),
        _resolution(Resolution.ABSENT, AMEND_ID),
    ),
    OrderInput.ACKNOWLEDGE: (
        reports.AcknowledgeReport(ts_ns=0, client_order_id=KEY, venue_order_id="V1"),
        reports.AcknowledgeReport(ts_ns=0, client_order_id=KEY, venue_order_id="V1", leaves=_ONE, owned=True),
    ),
    OrderInput.FILL: tuple(
        reports.FillReport(ts_ns=0, client_order_id=KEY, execution_id="E9", quantity=size, price=_PRICE)
        for size in (_HALF, _ONE)
    ),
    OrderInput.CANCELLED: (
        reports.CancelReport(ts_ns=0, client_order_id=KEY),
        reports.CancelReport(ts_ns=0, client_order_id=KEY, cancelled_quantity=Decimal("0.1")),
    ),
    OrderInput.REJECTED: (reports.RejectReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.DUPLICATE_REJECTED: (
        reports.RejectReport(ts_ns=0, client_order_id=KEY, duplicate_client_order_id=True),
    ),
    OrderInput.EXPIRED: (reports.ExpireReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.AMENDED: (
        reports.AmendReport(ts_ns=0, client_order_id=KEY, quantity=_TWO),
        reports.AmendReport(ts_ns=0, client_order_id=KEY, quantity=_HALF),
        reports.AmendReport(ts_ns=0, client_order_id=KEY, leaves=_ONE),
    ),
    OrderInput.CANCEL_REJECTED: tuple(
        reports.CancelRejectReport(ts_ns=0, client_order_id=KEY, request_id=key)
        for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.AMEND_REJECTED: tuple(
        reports.AmendRejectReport(ts_ns=0, client_order_id=KEY, request_id=key)
        for key in (AMEND_ID, CANCEL_ID)
    ),
    OrderInput.PENDING: tuple(
        reports.PendingReport(ts_ns=0, client_order_id=KEY, request_id=key) for key in (CANCEL_ID, AMEND_ID)
    ),
    OrderInput.DONE_FOR_DAY: (reports.DoneForDayReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.SUSPENDED: (reports.SuspendReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.STOPPED: (reports.StopReport(ts_ns=0, client_order_id=KEY, quantity=_HALF, price=_PRICE),),
    OrderInput.TRIGGERED: (reports.TriggerReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.RESTATED: (
        reports.RestateReport(ts_ns=0, client_order_id=KEY, quantity=_TWO),
        reports.RestateReport(ts_ns=0, client_order_id=KEY, leaves=_ONE),
        reports.RestateReport(ts_ns=0, client_order_id=KEY, restatement=RestatementReason.RENEWAL),
    ),
    OrderInput.STATUS: (reports.StatusReport(ts_ns=0, client_order_id=KEY),),
    OrderInput.TRADE_CANCELLED: (
        reports.TradeCancelReport(ts_ns=0, client_order_id=KEY, execution_ref_id="E1"),
    ),
    OrderInput.TRADE_CORRECTED: (
        reports.TradeCorrectReport(
            ts_ns=0, client_order_id=KEY, execution_ref_id="E1", quantity=_HALF, price=Decimal(101)
        ),
    ),
    OrderInput.EXPIRY_DUE: tuple(
        requests.ExpiryDue(ts_ns=0, client_order_id=KEY, expiry=expiry, lateness_ns=0) for expiry in Expiry
    ),
    OrderInput.DAY_STARTED: (requests.StartDay(ts_ns=0, trade_date="2026-01-02", ends_ts_ns=1),),
}
