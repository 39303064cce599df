"""The order state machine as a building block: verbs of an order's life over the one transition function.

It owns an ``OrderLedger`` (or shares the one given), so that duplicates are known and every transition's
events are applied. It neither sends nor stores: the answers carry the events and effects.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from execore.core.order_ledger import OrderLedger
from execore.core.risk_hook import RiskContext, RiskHook, evaluate_hooks
from execore.model import events, reports, requests
from execore.model.answers import Answer, Outcome
from execore.model.errors import DuplicateClientOrderId
from execore.model.ids import check_id
from execore.model.money import Number, text_of, to_decimal
from execore.model.orders import Order, OrderRequest, disclosed, positive
from execore.model.vocabulary import RestatementReason, to_word


def resubmission(existing: Order, request: OrderRequest) -> Answer:
    """The answer to a client order id that is known: the existing order, whatever became of it.

    Raises:
        DuplicateClientOrderId: the content is another; the error names the first field that differs.
    """
    for field in OrderRequest.__struct_fields__:
        ours, theirs = getattr(existing.request, field), getattr(request, field)
        if ours != theirs:
            raise DuplicateClientOrderId(
                field,
                f"client order id {request.client_order_id} is taken: it stands for {_shown(ours)}, "
                f"not {_shown(theirs)}",
                "Use a new client order id for a new intent",
            )
    return Answer(Outcome.ALREADY_DONE, existing)


def _shown(value: object) -> str:
    return text_of(value) if isinstance(value, Decimal) else repr(value)


class OrderStateMachine:
    """Creates orders and moves them through their life; deterministic and idempotent.

    Every verb returns an ``Answer``: APPLIED with its events, ALREADY_DONE without any, or REFUSED, IGNORED
    or PARKED with the reason. ``ts_ns`` is the event's time, integer nanoseconds UTC.

    Args:
        orders: the ledger to work on; its own if not given.
        risk_hooks: asked in order before every submission; the first that does not allow decides, and one
            that raises blocks. They see the order alone: no instrument, no position.
        validators: checks that run before an order is created; each raises ``InvalidInput`` to refuse.
    """

    def __init__(
        self,
        orders: OrderLedger | None = None,
        *,
        risk_hooks: Sequence[RiskHook] = (),
        validators: Sequence[Callable[[OrderRequest], None]] = (),
    ) -> None:
        self.orders = OrderLedger() if orders is None else orders
        self._risk_hooks = tuple(risk_hooks)
        self._validators = tuple(validators)

    # --- our side -----------------------------------------------------------------------------------

    def create_order(self, request: OrderRequest, *, ts_ns: int = 0) -> Answer:
        """Create an order: CREATED, not sent. The same request again is ALREADY_DONE.

        Raises:
            InvalidInput: no client order id, no side, or a validator refused; nothing is created.
            DuplicateClientOrderId: the id is taken by an order of other content.
        """
        check_id(request.client_order_id, "client_order_id")
        disclosed(request.side)
        existing = self.orders.find(request.client_order_id)
        if existing is not None:
            return resubmission(existing, request)
        for validate in self._validators:
            validate(request)
        event = events.OrderCreated(request.client_order_id, request)
        return self.orders.apply_answer(Answer(Outcome.APPLIED, events=(event,)), ts_ns)

    def submit_order(self, client_order_id: str, *, ts_ns: int = 0) -> Answer:
        """Ask risk, and send, deny or hold: SUBMITTED with a ``SendOrder`` effect, DENIED, or held.

        Raises:
            UnknownOrder: there is no such order.
        """
        order = self.orders.get(client_order_id)
        context = RiskContext(ts_ns, open_orders=self.orders.open_count)
        # An order that was sent is past its gate; asking again could only deny what is already out there.
        hooks = () if order.submitted else self._risk_hooks
        verdict = evaluate_hooks(hooks, order.request, context)
        return self._take(
            requests.ReleaseOrder(ts_ns=ts_ns, client_order_id=client_order_id, verdict=verdict)
        )

    def request_cancel(self, client_order_id: str, request_id: str, *, ts_ns: int = 0) -> Answer:
        """Ask for a cancel: pending until the venue answers; an unsent order is cancelled at once."""
        check_id(request_id, "request_id")
        return self._take(
            requests.CancelOrder(ts_ns=ts_ns, client_order_id=client_order_id, request_id=request_id)
        )

    def request_amend(
        self,
        client_order_id: str,
        request_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
        ts_ns: int = 0,
    ) -> Answer:
        """Ask for new terms; ``quantity`` is the new total. Pending until the venue answers."""
        check_id(request_id, "request_id")
        return self._take(
            requests.AmendOrder(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                request_id=request_id,
                quantity=_number(quantity, "quantity"),
                price=_number(price, "price"),
                stop_price=_number(stop_price, "stop_price"),
            )
        )

    def fail_order(self, client_order_id: str, reason: str, *, ts_ns: int = 0) -> Answer:
        """The order was certainly never sent, or is proven absent at the venue: FAILED."""
        return self._take(requests.SubmitNotSent(ts_ns=ts_ns, client_order_id=client_order_id, reason=reason))

    def mark_unknown(self, client_order_id: str, reason: str, *, ts_ns: int = 0) -> Answer:
        """The order was sent and its outcome is not known: UNKNOWN, with a ``QueryOrder`` effect."""
        return self._take(
            requests.SubmitOutcomeUnknown(ts_ns=ts_ns, client_order_id=client_order_id, reason=reason)
        )

    def close_order(self, client_order_id: str, *, ts_ns: int = 0) -> Answer:
        """The order is over and the window for late reports with it: CLOSED, keeping ``closed_from``."""
        return self._take(requests.CloseOrder(ts_ns=ts_ns, client_order_id=client_order_id))

    # --- the venue's side -----------------------------------------------------------------------------

    def acknowledge_order(self, client_order_id: str, venue_order_id: str = "", *, ts_ns: int = 0) -> Answer:
        """The venue knows the order: ACKNOWLEDGED."""
        return self._take(
            reports.AcknowledgeReport(
                ts_ns=ts_ns, client_order_id=client_order_id, venue_order_id=venue_order_id
            )
        )

    def apply_fill(
        self,
        client_order_id: str,
        execution_id: str,
        quantity: Number,
        price: Number,
        *,
        fee: Number = 0,
        fee_currency: str = "",
        ts_ns: int = 0,
    ) -> Answer:
        """Book an execution, in whatever state the order is. The same execution again is ALREADY_DONE.

        Raises:
            UnknownOrder: there is no such order. InvalidNumber, InvalidQuantity: by field.
        """
        self.orders.get(client_order_id)
        return self.orders.apply_fill(
            reports.FillReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                execution_id=check_id(execution_id, "execution_id"),
                quantity=positive(to_decimal(quantity, "quantity"), "quantity"),
                price=to_decimal(price, "price"),
                fee=to_decimal(fee, "fee"),
                fee_currency=fee_currency,
            )
        )

    def cancel_order(self, client_order_id: str, reason: str = "", *, ts_ns: int = 0) -> Answer:
        """Nothing of the order rests at the venue any more: CANCELLED, or FILLED if nothing was left."""
        return self._take(reports.CancelReport(ts_ns=ts_ns, client_order_id=client_order_id, reason=reason))

    def reject_order(self, client_order_id: str, reason: str = "", *, ts_ns: int = 0) -> Answer:
        """The venue refused the order: REJECTED."""
        return self._take(reports.RejectReport(ts_ns=ts_ns, client_order_id=client_order_id, reason=reason))

    def expire_order(self, client_order_id: str, *, ts_ns: int = 0) -> Answer:
        """The order's time in force is over: EXPIRED."""
        return self._take(reports.ExpireReport(ts_ns=ts_ns, client_order_id=client_order_id))

    def amend_order(
        self,
        client_order_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
        request_id: str = "",
        ts_ns: int = 0,
    ) -> Answer:
        """The venue says these are the terms now; ``quantity`` is the total. It may answer a request."""
        return self._take(
            reports.AmendReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                request_id=request_id,
                quantity=_number(quantity, "quantity"),
                price=_number(price, "price"),
                stop_price=_number(stop_price, "stop_price"),
            )
        )

    def reject_cancel(
        self, client_order_id: str, request_id: str, reason: str = "", *, ts_ns: int = 0
    ) -> Answer:
        """The venue refused a cancel request. The order lives on as it was."""
        return self._take(
            reports.CancelRejectReport(
                ts_ns=ts_ns, client_order_id=client_order_id, request_id=request_id, reason=reason
            )
        )

    def reject_amend(
        self, client_order_id: str, request_id: str, reason: str = "", *, ts_ns: int = 0
    ) -> Answer:
        """The venue refused an amend request. The order lives on with its old terms."""
        return self._take(
            reports.AmendRejectReport(
                ts_ns=ts_ns, client_order_id=client_order_id, request_id=request_id, reason=reason
            )
        )

    def confirm_request(self, client_order_id: str, request_id: str, *, ts_ns: int = 0) -> Answer:
        """The venue has a cancel or amend of ours and has not decided (FIX Pending Cancel or Replace)."""
        return self._take(
            reports.PendingReport(ts_ns=ts_ns, client_order_id=client_order_id, request_id=request_id)
        )

    def end_day(self, client_order_id: str, *, ts_ns: int = 0) -> Answer:
        """No more executions today: EXPIRED for a day order, flag ``done_for_day`` for the others."""
        return self._take(reports.DoneForDayReport(ts_ns=ts_ns, client_order_id=client_order_id))

    def suspend_order(self, client_order_id: str, reason: str = "", *, ts_ns: int = 0) -> Answer:
        """The order does not trade for now: ``suspended``, until it is restated, amended or triggered."""
        return self._take(reports.SuspendReport(ts_ns=ts_ns, client_order_id=client_order_id, reason=reason))

    def stop_order(
        self,
        client_order_id: str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        ts_ns: int = 0,
    ) -> Answer:
        """The venue guarantees an execution (FIX Stopped): flag ``stopped``, and nothing is booked."""
        return self._take(
            reports.StopReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                quantity=_number(quantity, "quantity"),
                price=_number(price, "price"),
            )
        )

    def trigger_order(self, client_order_id: str, *, ts_ns: int = 0) -> Answer:
        """A stop order's condition came true, or the venue activated the order: flag ``triggered``."""
        return self._take(reports.TriggerReport(ts_ns=ts_ns, client_order_id=client_order_id))

    def restate_order(
        self,
        client_order_id: str,
        restatement: RestatementReason | str = RestatementReason.OTHER,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        ts_ns: int = 0,
    ) -> Answer:
        """The venue changed the order by itself; ``quantity`` is the total. It is in force from then on.

        Raises:
            UnknownEnumValue: no such reason. InvalidNumber, InvalidQuantity: by field.
        """
        return self._take(
            reports.RestateReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                restatement=to_word(restatement, RestatementReason, "restatement"),
                quantity=_number(quantity, "quantity"),
                price=_number(price, "price"),
            )
        )

    def cancel_trade(
        self, client_order_id: str, execution_ref_id: str, execution_id: str = "", *, ts_ns: int = 0
    ) -> Answer:
        """An execution is undone (a bust). The order is as if it had never happened.

        One of an execution that was not seen is PARKED, and applied when the execution comes.
        """
        return self._take(
            reports.TradeCancelReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                execution_ref_id=execution_ref_id,
                execution_id=execution_id,
            )
        )

    def correct_trade(
        self,
        client_order_id: str,
        execution_ref_id: str,
        quantity: Number,
        price: Number,
        execution_id: str = "",
        *,
        ts_ns: int = 0,
    ) -> Answer:
        """An execution was another than reported. The order is as if it had been this from the start.

        Raises:
            InvalidNumber, InvalidQuantity: by field.
        """
        return self._take(
            reports.TradeCorrectReport(
                ts_ns=ts_ns,
                client_order_id=client_order_id,
                execution_ref_id=execution_ref_id,
                execution_id=execution_id,
                quantity=to_decimal(quantity, "quantity"),
                price=to_decimal(price, "price"),
            )
        )

    # --- how ------------------------------------------------------------------------------------------

    def _take(self, cause: reports.VenueReport | requests.OrderInput) -> Answer:
        return self.orders.take(self.orders.get(cause.client_order_id), cause)


def _number(value: Number | None, field: str) -> Decimal | None:
    return None if value is None else to_decimal(value, field)
