"""A paper exchange: deterministic, driven by a tape of quotes and trades, with books of its own.

It knows no clock and no chance: the same messages between the same ticks give the same reports. What it
leaves out is queue position: at its price, a resting order trades with all of the size that comes along.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.ending import SECOND_NS
from execore.model.errors import InvalidInput, UnknownInstrument
from execore.model.instruments import Instrument
from execore.model.money import ZERO, Number, to_decimal
from execore.model.orders import OrderRequest
from execore.model.reports import (
    AmendRejectReport,
    AmendReport,
    CancelRejectReport,
    CancelReport,
    RejectReport,
    VenueReport,
)
from execore.model.vocabulary import Expiry, OrderState, Side
from execore.venues.paper_book import PaperMarket, PaperOrder, misfit
from execore.venues.paper_matching import PaperFees, PaperMatching
from execore.venues.protocol import AmendedQuantity, Capabilities, DuplicateScope, IdScope, QueryAnswer

Message = SendOrder | SendCancel | SendAmend
Answer = CancelReport | CancelRejectReport | AmendReport | AmendRejectReport


class PaperVenue:
    """A ``Venue`` that trades against a tape. Use it from one thread.

    Orders meet the displayed quote on arrival and take up to its size; a limit order's rest waits at its
    price and trades, up to their size, with later quotes and trades at or through it; a market order's rest
    takes from later quotes. Taken size is gone until the next quote. A stop is triggered by a trade, an ask
    (buy) or a bid (sell) at or beyond its price. DAY orders end at midnight UTC.

    Args:
        name: of the venue; reports come from actor ``venue:<name>``.
        instruments: what is traded here.
        start_ts_ns: the exchange's time until the tape tells another, integer nanoseconds UTC.
        latency_ns: from handing a message over to its arrival in the exchange, in the tape's time.
        maker_fee_bps, taker_fee_bps: of the notional, in basis points, charged in the quote currency to
            limit orders that were resting, and to all others; negative is a rebate.
        fee_quantum: fees are rounded half-even to a multiple of it.

    Raises:
        InvalidNumber: a fee setting is not exact.
    """

    def __init__(
        self,
        name: str,
        instruments: Iterable[Instrument],
        *,
        start_ts_ns: int,
        latency_ns: int = 0,
        maker_fee_bps: Number = ZERO,
        taker_fee_bps: Number = ZERO,
        fee_quantum: Number = Decimal("0.01"),
    ) -> None:
        self._name = name
        self._actor = f"venue:{name}"
        self._markets = {instrument.symbol: PaperMarket(instrument) for instrument in instruments}
        fees = PaperFees(
            maker_bps=to_decimal(maker_fee_bps, "maker_fee_bps"),
            taker_bps=to_decimal(taker_fee_bps, "taker_fee_bps"),
            quantum=to_decimal(fee_quantum, "fee_quantum"),
        )
        self._matching = PaperMatching(self._actor, fees, start_ts_ns, self._tell)
        self._latency_ns = latency_ns
        self._orders: dict[str, PaperOrder] = {}
        self._answers: dict[str, VenueReport] = {}
        self._inbox: deque[tuple[int, Message]] = deque()
        self._outbox: list[VenueReport] = []
        self._told = 0

    # --- the Venue protocol ---

    @property
    def name(self) -> str:
        """The venue's name."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """It forgets nothing and refuses a client order id it has seen for ever."""
        return Capabilities(
            duplicate_client_id_scope=DuplicateScope.FOREVER,
            lookup_by_client_order_id=True,
            lookup_closed=True,
            visibility_lag_seconds=-(-self._latency_ns // SECOND_NS),
            replays_executions_on_reconnect=False,
            supports_amend=True,
            amended_quantity=AmendedQuantity.TOTAL,
            order_id_scope=IdScope.BOOK,
            execution_id_scope=IdScope.BOOK,
            cancels_on_disconnect=False,
            day_expiry=Expiry.REPORTED,
            good_till_date_expiry=Expiry.REPORTED,
            expiry_lateness_seconds=1,
            late_report_window_seconds=0,
        )

    def submit(self, message: SendOrder) -> None:
        """Hand over a new order. An id with the same content again is never a second order: it is answered
        with the first one's reports. With other content it is rejected.
        """
        self._hand_over(message)

    def cancel(self, message: SendCancel) -> None:
        """Hand over a cancel request; a ``request_id`` that came before gets its first answer again."""
        self._hand_over(message)

    def amend(self, message: SendAmend) -> None:
        """Hand over an amend request; a ``request_id`` that came before gets its first answer again."""
        self._hand_over(message)

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Tell everything about an order once more, by our id or the venue's; at once, without latency.

        One that is still on its way is NOT_FOUND: the tape may stand still for longer than any declared lag.
        """
        order = self._find(message)
        if order is None:
            return QueryAnswer.NOT_FOUND if self._is_on_its_way(message) else QueryAnswer.ABSENT
        self._outbox.extend(order.history)
        return QueryAnswer.REFUSED if order.ended is OrderState.REJECTED else QueryAnswer.FOUND

    def mass_status(self, since_ts_ns: int) -> None:
        """Tell everything about every order once more that is open, or of which something was told since."""
        for order in self._orders.values():
            if order.leaves or any(report.ts_ns >= since_ts_ns for report in order.history):
                self._outbox.extend(order.history)

    def take_reports(self) -> list[VenueReport]:
        """The reports that are not confirmed, oldest first."""
        self._told = len(self._outbox)
        return self._outbox[:]

    def confirm_reports(self) -> None:
        """Let go of the reports that were taken last."""
        del self._outbox[: self._told]
        self._told = 0

    # --- the tape ---

    def on_quote(
        self, symbol: str, bid: Number, bid_size: Number, ask: Number, ask_size: Number, ts_ns: int
    ) -> None:
        """The best quote is now this one; a size of zero means that nobody quotes on that side.

        Raises:
            InvalidInput: ``ts_ns`` is before what the exchange has seen.
            UnknownInstrument: ``symbol`` is not traded here.
            InvalidNumber: a price or size is not exact.
        """
        market = self._market(symbol)
        self.advance_time(ts_ns)
        market.show(Side.BUY, bid, bid_size)
        market.show(Side.SELL, ask, ask_size)
        self._matching.quote(market)

    def on_trade(self, symbol: str, price: Number, size: Number, ts_ns: int) -> None:
        """Others traded ``size`` at ``price``: resting orders at or through it get as much, not more.

        Raises:
            InvalidInput: ``ts_ns`` is before what the exchange has seen.
            UnknownInstrument: ``symbol`` is not traded here.
            InvalidNumber: the price or size is not exact.
        """
        market = self._market(symbol)
        self.advance_time(ts_ns)
        self._matching.trade(market, to_decimal(price, "price"), to_decimal(size, "size"))

    def advance_time(self, ts_ns: int) -> None:
        """It is now ``ts_ns``: messages arrive and orders expire that were due until then, each at its time.

        Raises:
            InvalidInput: ``ts_ns`` is before what the exchange has seen.
        """
        if ts_ns < self._matching.now_ns:
            what = f"{ts_ns} is before {self._matching.now_ns}"
            raise InvalidInput("ts_ns", what, "Give the tape in order of time")
        while self._inbox and self._inbox[0][0] <= ts_ns:
            due_ns, message = self._inbox.popleft()
            self._matching.expire_until(due_ns)
            self._receive(message)
        self._matching.expire_until(ts_ns)

    # --- its own books, for comparison ---

    def orders(self) -> tuple[PaperOrder, ...]:
        """Every order it was ever sent, in order of arrival."""
        return tuple(self._orders.values())

    def book_of(self, client_order_id: str) -> PaperOrder | None:
        """What it has on an order, or None if the order never arrived."""
        return self._orders.get(client_order_id)

    # --- messages ---

    def _hand_over(self, message: Message) -> None:
        self._inbox.append((self._matching.now_ns + self._latency_ns, message))
        self.advance_time(self._matching.now_ns)

    def _receive(self, message: Message) -> None:
        if isinstance(message, SendOrder):
            self._receive_order(message.order)
        elif message.request_id in self._answers:
            self._outbox.append(self._answers[message.request_id])
        elif isinstance(message, SendCancel):
            self._receive_cancel(message)
        else:
            self._receive_amend(message)

    def _receive_order(self, request: OrderRequest) -> None:
        known = self._orders.get(request.client_order_id)
        if known is not None and known.request == request:
            self._outbox.extend(known.history)
            return
        order = PaperOrder(
            request=request,
            quantity=request.quantity,
            price=request.price,
            stop_price=request.stop_price,
            waiting=request.stop_price is not None,
        )
        if known is not None:
            reason = "duplicate client order id with other content"
            about = self._matching.about(order)
            self._outbox.append(RejectReport(**about, reason=reason, duplicate_client_order_id=True))
            return
        self._orders[request.client_order_id] = order
        reason = self._refusal(request)
        if reason:
            order.ended = OrderState.REJECTED
            self._tell(order, RejectReport(**self._matching.about(order), reason=reason))
        else:
            self._matching.accept(self._markets[request.symbol], order)

    def _refusal(self, request: OrderRequest) -> str:
        """Why the exchange does not take the order; empty if it does."""
        market = self._markets.get(request.symbol)
        if market is None:
            return f"unknown symbol {request.symbol}"
        if request.side is Side.UNDISCLOSED:
            return "an order is a buy or a sell"
        if request.expire_ts_ns is not None and request.expire_ts_ns <= self._matching.now_ns:
            return "it expired before it arrived"
        return misfit(request.quantity, request.price, request.stop_price, market.instrument)

    def _receive_cancel(self, message: SendCancel) -> None:
        order = self._find(message)
        reply = self._reply_to(message, order)
        if order is None or not order.leaves:
            self._answer(order, CancelRejectReport(**reply, reason=_why_not_open(order)))
            return
        self._matching.end(order, OrderState.CANCELLED)
        self._answer(order, CancelReport(**reply))

    def _receive_amend(self, message: SendAmend) -> None:
        order = self._find(message)
        reply = self._reply_to(message, order)
        if order is None or not order.leaves:
            self._answer(order, AmendRejectReport(**reply, reason=_why_not_open(order)))
            return
        market = self._markets[order.request.symbol]
        refusal = _amend_refusal(order, message, market.instrument)
        if refusal:
            self._answer(order, AmendRejectReport(**reply, reason=refusal))
            return
        moved = (message.price, message.stop_price) != (order.price, order.stop_price)
        if moved or message.quantity > order.quantity:
            self._matching.requeue(order)
        order.quantity, order.price, order.stop_price = message.quantity, message.price, message.stop_price
        order.history[:] = [report for report in order.history if type(report) is not AmendReport]
        self._answer(
            order,
            AmendReport(**reply, quantity=order.quantity, price=order.price, stop_price=order.stop_price),
        )
        if moved:
            self._matching.arrive(market, order)

    # --- reports ---

    def _reply_to(self, message: SendCancel | SendAmend, order: PaperOrder | None) -> dict[str, Any]:
        if order is not None:
            return {**self._matching.about(order), "request_id": message.request_id}
        return {
            "ts_ns": self._matching.now_ns,
            "actor": self._actor,
            "client_order_id": message.client_order_id,
            "venue_order_id": message.venue_order_id,
            "symbol": message.symbol,
            "request_id": message.request_id,
        }

    def _answer(self, order: PaperOrder | None, report: Answer) -> None:
        """Answer a request; the same request again will get the same answer."""
        self._answers[report.request_id] = report
        if order is None:
            self._outbox.append(report)
        else:
            self._tell(order, report)

    def _tell(self, order: PaperOrder, report: VenueReport) -> None:
        order.history.append(report)
        self._outbox.append(report)

    # --- looking up ---

    def _find(self, message: SendCancel | SendAmend | QueryOrder) -> PaperOrder | None:
        by_client_id = self._orders.get(message.client_order_id)
        if by_client_id is not None or not message.venue_order_id:
            return by_client_id
        found = (order for order in self._orders.values() if order.venue_order_id == message.venue_order_id)
        return next(found, None)

    def _is_on_its_way(self, query: QueryOrder) -> bool:
        orders = (message.order for _, message in self._inbox if isinstance(message, SendOrder))
        return any(order.client_order_id == query.client_order_id for order in orders)

    def _market(self, symbol: str) -> PaperMarket:
        if symbol not in self._markets:
            raise UnknownInstrument("symbol", f"{symbol!r} is not traded at {self._name}")
        return self._markets[symbol]


def _why_not_open(order: PaperOrder | None) -> str:
    return "unknown order" if order is None else f"too late: the order is {order.state}"


def _amend_refusal(order: PaperOrder, message: SendAmend, instrument: Instrument) -> str:
    """Why the exchange does not give the order these terms; empty if it does."""
    if (message.price is None) is not (order.price is None):
        return f"a {order.request.order_type} order {'takes no' if order.price is None else 'needs a'} price"
    if (message.stop_price is None) is not (order.stop_price is None):
        has_none = order.stop_price is None
        return f"a {order.request.order_type} order {'takes no' if has_none else 'needs a'} stop price"
    if message.quantity <= order.filled:
        return f"the quantity is not above the {order.filled} filled; cancel instead"
    return misfit(message.quantity, message.price, message.stop_price, instrument)
