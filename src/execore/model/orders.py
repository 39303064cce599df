"""An order: what was asked for, the facts known about it, and what they amount to."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.model.ending import Ending
from execore.model.money import BASIS_QUANTUM, EXACT, ZERO, canonical, divide, text_of
from execore.model.order_request import OrderRequest as OrderRequest
from execore.model.order_request import disclosed as disclosed
from execore.model.order_request import positive as positive
from execore.model.vocabulary import (
    OPEN_STATES,
    OrderState,
    OrdStatus,
    Side,
    TimeInForce,
)

# Reading a member off its enum class costs 0.1 µs; the state is derived many times for every event.
(
    _CREATED,
    _SUBMITTED,
    _ACKNOWLEDGED,
    _PARTIALLY_FILLED,
    _FILLED,
    _CANCELLED,
    _REJECTED,
    _EXPIRED,
    _FAILED,
    _DENIED,
    _UNKNOWN,
    _CLOSED,
) = OrderState
_DAY: Final = TimeInForce.DAY
_GTD: Final = TimeInForce.GTD


class PendingReplace(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An amend that was asked for and not yet answered: the terms it would give the order."""

    request_id: str
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An order as its events have made it: the request, the terms now in force, and independent facts.

    Immutable: every event makes a new one. What is shown (``state``, ``flags``, ``ord_status``,
    ``leaves``, ``average_price``) is derived from the facts and never stored.

    Attributes:
        request: what the client order id stands for; amends do not change it.
        quantity, price, stop_price: the terms in force, after every accepted amend.
        filled: cumulative quantity executed, FIX CumQty(14).
        notional: sum of quantity × price over executions (no multiplier), exact; gives the average price.
        submitted, resends: a send was recorded, and how often it was sent again.
        outcome_unknown: sent, and nothing has told us what became of it.
        doubled: two sendings may have arrived, of which the venue takes one: a refusal may be the other's.
        copy_refused: one of the two was refused, and not as a duplicate.
        known_by_copy: that a copy was refused as a duplicate is all that says that the venue has it.
        acknowledged: the venue knows it (said so, or implied by a fill).
        external: nobody told us of this order before its executions.
        inferred: its terms are inferred from executions alone, so its quantity is what was filled.
        provisional: how much of ``filled`` the venue counts and has not reported as executions with ids.
        adjusted: how much ``filled`` changed without a trade, by corporate actions; signed.
        done_for_day: no more executions today. It ends a day order, and a good-till order rests tomorrow.
        stopped_at: quantity and price of an execution that the venue guarantees, and that has not happened.
        suspended, triggered: not in force until the venue says so; the condition of a stop order came true.
        ending: when its time in force is over, and what was done about that; None if it has no known end.
        amended_by: the request that gave the order its terms, if one did.
        restatements: its corporate actions: when they were at the venue, and what was filled after each.
        reductions: cancels of a part of it: when they were at the venue, and how much each took out.
        terms_ts_ns, ended_ts_ns, counted_ts_ns: when it last got terms, an end, another ``filled``, or 0.
        reopened_ts_ns: when the venue last said of it, after an end, that it rests; or 0.
        closed_from: the state in which the order was settled and closed, or None.
        pending_cancels, pending_replaces: requests not answered yet, by their own ids.
        unknown_requests, confirmed_requests: those of no known outcome; those that the venue says it has.
        refused_cancel: a cancel refused before the venue knew the order: asked for again when it does.
        reason: the last refusal or cancellation text, as the venue or our risk gate worded it.
        created_ts_ns, updated_ts_ns: event times, integer nanoseconds UTC.
    """

    request: OrderRequest
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    venue_order_id: str = ""
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    created_ts_ns: int = 0
    updated_ts_ns: int = 0
    reason: str = ""

    held: bool = False
    submitted: bool = False
    outcome_unknown: bool = False
    resends: int = 0
    doubled: bool = False
    copy_refused: bool = False
    known_by_copy: bool = False
    acknowledged: bool = False
    rejected: bool = False
    denied: bool = False
    failed: bool = False
    cancelled: bool = False
    expired: bool = False
    external: bool = False
    inferred: bool = False
    fill_after_terminal: bool = False
    conflict: bool = False
    done_for_day: bool = False
    suspended: bool = False
    stopped_at: tuple[Decimal | None, Decimal | None] | None = None
    triggered: bool = False
    provisional: Decimal = ZERO
    adjusted: Decimal = ZERO
    ending: Ending | None = None
    amended_by: str = ""
    restatements: tuple[tuple[int, Decimal], ...] = ()
    reductions: tuple[tuple[int, Decimal], ...] = ()
    terms_ts_ns: int = 0
    ended_ts_ns: int = 0
    counted_ts_ns: int = 0
    reopened_ts_ns: int = 0
    closed_from: OrderState | None = None
    pending_cancels: tuple[str, ...] = ()
    pending_replaces: tuple[PendingReplace, ...] = ()
    unknown_requests: tuple[str, ...] = ()
    confirmed_requests: tuple[str, ...] = ()
    refused_cancel: str = ""

    @property
    def client_order_id(self) -> str:
        """Ours, unique for ever."""
        return self.request.client_order_id

    @property
    def symbol(self) -> str:
        """The instrument traded."""
        return self.request.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.request.side

    @property
    def strategy(self) -> str:
        """Who trades."""
        return self.request.strategy

    @property
    def state(self) -> OrderState:
        """What the facts amount to: FIX precedence without the pending statuses (DESIGN §3)."""
        return self.outcome if self.closed_from is None else _CLOSED

    @property
    def outcome(self) -> OrderState:
        """The state were the order not closed. The order of these lines is the precedence."""
        if self.filled >= self.quantity:
            return _FILLED if self.filled else _CANCELLED  # amended to nothing, and nothing traded
        if self.cancelled:
            return _CANCELLED
        if self.expired or self.day_is_over:
            return _EXPIRED
        if self.filled:
            return _PARTIALLY_FILLED
        if self.rejected:
            return _REJECTED
        if self.acknowledged:
            return _ACKNOWLEDGED
        if self.failed:
            return _FAILED
        if self.denied:
            return _DENIED
        if self.outcome_unknown:
            return _UNKNOWN
        return _SUBMITTED if self.submitted else _CREATED

    @property
    def day_is_over(self) -> bool:
        """Whether it is a day order, and done for day."""
        return self.done_for_day and self.request.time_in_force is _DAY

    @property
    def stopped(self) -> bool:
        """Whether the venue guarantees an execution: FIX Stopped."""
        return self.stopped_at is not None

    @property
    def is_open(self) -> bool:
        """Whether it can still trade, or might."""
        return self.state in OPEN_STATES

    @property
    def leaves(self) -> Decimal:
        """Quantity still open for execution, FIX LeavesQty(151); zero once the order is done."""
        if not self.is_open:
            return ZERO
        return canonical(EXACT.subtract(self.quantity, self.filled)) if self.filled else self.quantity

    @property
    def average_price(self) -> Decimal | None:
        """``notional / filled`` rounded half-even at 1e-12, FIX AvgPx(6); None before the first fill."""
        return canonical(divide(self.notional, self.filled, BASIS_QUANTUM)) if self.filled else None

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person should see beside the state, in a fixed order (DESIGN §3)."""
        if not (  # most orders have none, and every row that is written asks
            self.held
            or self.external
            or self.conflict
            or self.fill_after_terminal
            or self.pending_cancels
            or self.pending_replaces
            or self.filled > self.quantity
            or self.done_for_day
            or self.suspended
            or self.stopped_at
            or self.triggered
            or self.ending is not None
        ):
            return ()
        return tuple(flag for flag, is_set in _FLAGS if is_set(self))

    @property
    def ord_status(self) -> OrdStatus:
        """FIX OrdStatus(39) by full precedence (FIX 4.4 Vol 4, "Order State Changes").

        It is the venue's view: a request counts as pending once the venue says that it has it. What we sent
        and is not answered shows in ``flags``.
        """
        if self.confirmed_requests:
            cancels = any(key in self.pending_cancels for key in self.confirmed_requests)
            return OrdStatus.PENDING_CANCEL if cancels else OrdStatus.PENDING_REPLACE
        if self.done_for_day:
            return OrdStatus.DONE_FOR_DAY
        outcome = self.outcome
        if outcome is not _FILLED:
            if self.stopped_at is not None:
                return OrdStatus.STOPPED
            if self.suspended:
                return OrdStatus.SUSPENDED
        return _ORD_STATUSES[outcome]

    @property
    def pending_request_ids(self) -> tuple[str, ...]:
        """The ids of every cancel and amend that was not answered yet."""
        return self.pending_cancels + tuple(replace.request_id for replace in self.pending_replaces)


_FLAGS: Final[tuple[tuple[str, Callable[[Order], bool]], ...]] = (
    ("held", lambda order: order.held),
    ("overfilled", lambda order: order.filled > order.quantity),
    ("external", lambda order: order.external),
    ("pending_cancel", lambda order: bool(order.pending_cancels)),
    ("pending_replace", lambda order: bool(order.pending_replaces)),
    ("cancel_unknown", lambda order: any(key in order.pending_cancels for key in order.unknown_requests)),
    ("amend_unknown", lambda one: any(p.request_id in one.unknown_requests for p in one.pending_replaces)),
    ("suspended", lambda order: order.suspended),
    ("stopped", lambda order: order.stopped),
    ("done_for_day", lambda order: order.done_for_day),
    ("triggered", lambda order: order.triggered),
    ("expiry_overdue", lambda order: order.ending is not None and order.ending.overdue and order.is_open),
    ("fill_after_terminal", lambda order: order.fill_after_terminal),
    ("conflict", lambda order: order.conflict),
)

_ORD_STATUSES: Final = {
    OrderState.CREATED: OrdStatus.PENDING_NEW,
    OrderState.SUBMITTED: OrdStatus.PENDING_NEW,
    OrderState.UNKNOWN: OrdStatus.PENDING_NEW,
    OrderState.ACKNOWLEDGED: OrdStatus.NEW,
    OrderState.PARTIALLY_FILLED: OrdStatus.PARTIALLY_FILLED,
    OrderState.FILLED: OrdStatus.FILLED,
    OrderState.CANCELLED: OrdStatus.CANCELED,
    OrderState.EXPIRED: OrdStatus.EXPIRED,
    OrderState.REJECTED: OrdStatus.REJECTED,
    OrderState.FAILED: OrdStatus.REJECTED,
    OrderState.DENIED: OrdStatus.REJECTED,
}
"""FIX has no word for an order that is not sent (yet, or ever): it reads as pending, or refused."""


def order_to_dict(order: Order) -> dict[str, Any]:
    """The order as every JSON output shows it: numbers as canonical strings, times in integer ns UTC."""
    request = order.request

    def text(number: Decimal | None) -> str | None:
        return None if number is None else text_of(number)

    return {
        "client_order_id": request.client_order_id,
        "venue_order_id": order.venue_order_id or None,
        "symbol": request.symbol,
        "side": None if request.side is Side.UNDISCLOSED else request.side.value,
        "quantity": text_of(order.quantity),
        "filled": text_of(order.filled),
        "leaves": text_of(order.leaves),
        "average_price": text(order.average_price),
        "state": order.state.value,
        "ord_status": order.ord_status.value,
        "flags": list(order.flags),
        "order_type": request.order_type.value,
        "price": text(order.price),
        "stop_price": text(order.stop_price),
        "time_in_force": request.time_in_force.value,
        "expire_ts_ns": request.expire_ts_ns,
        "strategy": request.strategy,
        "metadata": dict(request.metadata),
        "reason": order.reason,
        "closed_from": None if order.closed_from is None else order.closed_from.value,
        "created_ts_ns": order.created_ts_ns,
        "updated_ts_ns": order.updated_ts_ns,
    }
