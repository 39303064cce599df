"""The venue behind the wire: it keeps books of its own, and the checker takes them for the truth.

It shares no code with the paper exchange, and none with our ledgers. What it does when nobody asked it to
(trades, busts, late rejects) is in ``market``.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.orders import OrderRequest
from execore.model.reports import (
    AcknowledgeReport,
    AmendRejectReport,
    AmendReport,
    CancelRejectReport,
    CancelReport,
    ExpireReport,
    FillReport,
    PendingReport,
    RejectReport,
    RestateReport,
    TradeCancelReport,
    TradeCorrectReport,
    VenueReport,
)
from execore.model.vocabulary import Expiry, OrderState, OrderType, Side, TimeInForce
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.profile import Profile
from execore.testing.simulation.venue_order import ZERO, Deal, ShownReport, VenueOrder
from execore.testing.simulation.world import Log, VirtualTime
from execore.venues.protocol import AmendedQuantity, DuplicateScope, IdScope, QueryAnswer

Message = SendOrder | SendCancel | SendAmend
EXECUTION_REPORTS = (FillReport, TradeCancelReport, TradeCorrectReport)
MARKET_PRICE = Decimal(100)


class Exchange:
    """Takes messages when they arrive, and makes reports.

    Args:
        emit: takes each report as it is made.
    """

    def __init__(
        self, profile: Profile, dice: Dice, time: VirtualTime, log: Log, emit: Callable[[VenueReport], None]
    ) -> None:
        self.profile = profile
        self.orders: list[VenueOrder] = []
        self._session: list[VenueOrder] = []
        self._dice = dice
        self._time = time
        self._log = log
        self._emit = emit
        self._numbers: dict[tuple[str, str], int] = {}
        self._told_ns = 0

    # --- what arrives ---------------------------------------------------------------------------------

    def receive(self, message: Message, visible_ns: int) -> None:
        """A message has arrived. An order in it can be found from ``visible_ns`` on."""
        if isinstance(message, SendOrder):
            self._receive_order(message.order, visible_ns)
        elif isinstance(message, SendCancel):
            self._receive_cancel(message)
        else:
            self._receive_amend(message)

    def refuses_copy(self, client_order_id: str) -> bool:
        """Whether an order of this id would be refused now, as there is or was one."""
        scope = self.profile.capabilities.duplicate_client_id_scope
        known = self.orders if scope is DuplicateScope.FOREVER else self._session
        same = [order for order in known if order.client_order_id == client_order_id]
        if scope is DuplicateScope.OPEN:
            same = [order for order in same if order.leaves]
        return bool(same) and scope is not DuplicateScope.NEVER

    def _receive_order(self, request: OrderRequest, visible_ns: int) -> None:
        if self.refuses_copy(request.client_order_id):
            self._log.say("venue", "refuses a copy of {}", request.client_order_id)
            self._emit(
                RejectReport(
                    ts_ns=self._time.now_ns,
                    actor="venue:sim",
                    client_order_id=request.client_order_id,
                    symbol=request.symbol,
                    reason="duplicate",
                    duplicate_client_order_id=True,
                )
            )
            return
        order = self.open(
            request.client_order_id, request.symbol, request.side, request.quantity, request.price
        )
        order.order_type, order.visible_ns = request.order_type, visible_ns
        dice = self._dice.stream("arrives", request.client_order_id, len(self.orders))
        expire_ns = request.expire_ts_ns
        if dice.percent(6) or (expire_ns is not None and expire_ns <= self._time.now_ns):
            self.end(order, OrderState.REJECTED, RejectReport, reason="not today")
            return
        order.was_in_force = True
        by_fill_alone = self.profile.names_client_ids and dice.percent(5)
        if not by_fill_alone:
            self.tell(order, AcknowledgeReport)
        ends_here = self.profile.capabilities.good_till_date_expiry is not Expiry.OURS
        if expire_ns is not None and ends_here:
            self._time.at(expire_ns, lambda: self._time_is_up(order))
        self._match_on_arrival(order, request, dice)

    def _match_on_arrival(self, order: VenueOrder, request: OrderRequest, dice: Dice) -> None:
        in_force = request.time_in_force
        if request.order_type is OrderType.MARKET or in_force is TimeInForce.FOK:
            if in_force is not TimeInForce.FOK or dice.percent(60):
                self.fill(order, order.leaves, dice)
        elif dice.percent(50 if in_force is TimeInForce.IOC else 15):
            self.fill(order, self.part_of(order, dice), dice)
        if not order.told and in_force not in (TimeInForce.IOC, TimeInForce.FOK):
            self.tell(order, AcknowledgeReport)
        if in_force in (TimeInForce.IOC, TimeInForce.FOK) and order.leaves:
            self.end(order, OrderState.CANCELLED, CancelReport, reason="the rest of it")

    def _receive_cancel(self, message: SendCancel) -> None:
        order = self._find(message)
        if order is None or message.request_id in order.answers:
            self._answer_oddly(message, order, CancelRejectReport)
            return
        dice = self._dice.stream("cancel", message.request_id)
        if not order.leaves:
            self._answer(order, CancelRejectReport, message.request_id, reason="late", order_not_open=True)
        elif dice.percent(6):
            self._answer(order, CancelRejectReport, message.request_id, reason="not now")
        else:
            if dice.percent(20):
                self.tell(order, PendingReport, request_id=message.request_id)
            order.ended = OrderState.CANCELLED
            self._answer(order, CancelReport, message.request_id, **self.counted(order))

    def _receive_amend(self, message: SendAmend) -> None:
        order = self._find(message)
        if order is None or message.request_id in order.answers:
            self._answer_oddly(message, order, AmendRejectReport)
            return
        dice = self._dice.stream("amend", message.request_id)
        stops_here = dice.percent(50)
        if not order.leaves:
            self._answer(order, AmendRejectReport, message.request_id, reason="late", order_not_open=True)
        elif dice.percent(10) or (message.quantity <= order.filled and not stops_here):
            self._answer(order, AmendRejectReport, message.request_id, reason="no")
        else:
            order.quantity, order.price = max(message.quantity, order.filled), message.price
            self._answer(order, AmendReport, message.request_id, **self._terms(order), price=order.price)

    def _terms(self, order: VenueOrder) -> dict[str, Any]:
        """The quantity of an order in the words of this venue: the total, or what rests."""
        if self.profile.capabilities.amended_quantity is AmendedQuantity.TOTAL:
            return {"quantity": order.quantity}
        count: dict[str, Any] = {"cumulative_quantity": order.filled}
        if order.filled:
            count["average_price"] = order.average_price
        return {"leaves": order.leaves, **count}

    def _answer_oddly(
        self,
        message: SendCancel | SendAmend,
        order: VenueOrder | None,
        kind: type[CancelRejectReport | AmendRejectReport],
    ) -> None:
        """The answer about an order that is not there, or to a request that came before."""
        if order is not None and self.profile.repeats_answers:
            self._emit(order.answers[message.request_id])
            return
        self._emit(
            kind(
                ts_ns=self._time.now_ns,
                actor="venue:sim",
                client_order_id=message.client_order_id,
                symbol=message.symbol,
                request_id=message.request_id,
                reason="unknown order" if order is None else "duplicate request",
                order_not_open=order is None,
                duplicate_request_id=order is not None,
            )
        )

    def _answer(self, order: VenueOrder, kind: Any, request_id: str, **fields: Any) -> None:
        order.answers[request_id] = self.tell(order, kind, request_id=request_id, **fields)

    def _time_is_up(self, order: VenueOrder) -> None:
        order.time_is_up = True
        self.expire_if_due(order)

    def expire_if_due(self, order: VenueOrder) -> None:
        """End an order whose time is up; one that was filled then is ended when a bust opens it again."""
        if not (order.time_is_up and order.leaves):
            return
        if self.profile.capabilities.good_till_date_expiry is Expiry.SILENT:
            order.ended = OrderState.EXPIRED
            self._log.say("venue", "{} expires, and nothing is said", order.client_order_id)
        else:
            self.end(order, OrderState.EXPIRED, ExpireReport)

    # --- what it is asked -----------------------------------------------------------------------------

    def look_up(self, message: QueryOrder) -> tuple[QueryAnswer, list[VenueReport]]:
        """What it says of one order."""
        able = self.profile.capabilities
        if not able.lookup_by_client_order_id:
            return QueryAnswer.NOT_FOUND, []
        order = self._find(message)
        if order is not None and (order.leaves or able.lookup_closed):
            answer = QueryAnswer.FOUND if order.was_in_force else QueryAnswer.REFUSED
            return answer, self._retold(order)
        return (QueryAnswer.ABSENT if able.lookup_closed else QueryAnswer.NOT_FOUND), []

    def everything(self, since_ns: int) -> list[VenueReport]:
        """What it says of all orders: everything of those it can look up, the executions of the others."""
        closed_too = self.profile.capabilities.lookup_closed
        told: list[VenueReport] = []
        for order in self.orders:
            if order.visible_ns > self._time.now_ns:
                continue
            if order.leaves or (closed_too and order.told and order.told[-1].ts_ns >= since_ns):
                told += self._retold(order)
            else:
                executed = (report for report in order.told if isinstance(report, EXECUTION_REPORTS))
                told += [report for report in executed if report.ts_ns >= since_ns]
        return told

    def _retold(self, order: VenueOrder) -> list[VenueReport]:
        """All that was told of an order, in order; some venues say its terms as they are now instead."""
        changed = any(isinstance(report, AmendReport | RestateReport) for report in order.told)
        if not (self.profile.retells_terms and changed and order.ended is None):
            return list(order.told)
        told = [report for report in order.told if not isinstance(report, RestateReport)]
        return [*told, RestateReport(**self._about(order), quantity=order.quantity, price=order.price)]

    def _find(self, message: SendCancel | SendAmend | QueryOrder) -> VenueOrder | None:
        """The newest order of this client id that can be seen now, or that of the venue's id."""
        for order in reversed(self.orders):
            if order.visible_ns <= self._time.now_ns and order.symbol == message.symbol:
                by_venue_id = message.venue_order_id and order.venue_order_id == message.venue_order_id
                if order.client_order_id == message.client_order_id or by_venue_id:
                    return order
        return None

    # --- its books ------------------------------------------------------------------------------------

    def open(
        self, client_order_id: str, symbol: str, side: Side, quantity: Decimal, price: Decimal | None
    ) -> VenueOrder:
        """Put a new order into the books."""
        by_symbol = self.profile.capabilities.order_id_scope is IdScope.SYMBOL
        venue_order_id = self.number("V", symbol if by_symbol else "")
        order = VenueOrder(client_order_id, venue_order_id, symbol, side, quantity, price)
        self.orders.append(order)
        self._session.append(order)
        self._log.say(
            "venue", "has {} as {}: {} {} {}", client_order_id, venue_order_id, side, quantity, symbol
        )
        return order

    def fill(self, order: VenueOrder, quantity: Decimal, dice: Dice) -> None:
        """Execute ``quantity`` of an order, in one part or in several, and report each."""
        parts = dice.pick((1, 1, 1, 2, 3))
        step = self.step_of(order.symbol)
        for number in range(parts, 0, -1):
            part = quantity if number == 1 else (quantity / number / step).to_integral_value() * step
            quantity -= part
            if part > 0:
                self._execute(order, part, dice)

    def _execute(self, order: VenueOrder, quantity: Decimal, dice: Dice) -> None:
        scope = order.symbol if self.profile.capabilities.execution_id_scope is IdScope.SYMBOL else ""
        price = MARKET_PRICE if order.price is None else order.price
        if order.deals and not self.profile.gives_execution_ids:
            price = order.deals[0].price  # else no average would tell it exactly
        fee, fee_currency = ZERO, ""
        if self.profile.gives_execution_ids:
            price += dice.between(-2, 2) * Decimal("0.5")
            fee, fee_currency = _fee(order, dice)
        deal = Deal(self.number("E", scope), scope, quantity, price, fee, fee_currency, "")
        deal.known_as = deal.execution_id
        order.deals.append(deal)
        named: dict[str, Any] = {}
        if self.profile.gives_execution_ids:
            named = {"execution_id": deal.execution_id, "execution_scope": scope}
        if not self.profile.names_client_ids:
            named["client_order_id"] = ""
        terms = {"quantity": quantity, "price": price, "side": order.side}
        cost = {"fee": fee, "fee_currency": fee_currency}
        self.tell(order, FillReport, **terms, **cost, **named, **self.counted(order))

    def end(self, order: VenueOrder, how: OrderState, kind: Any, **fields: Any) -> None:
        """End an order and report it."""
        order.ended = how
        self.tell(order, kind, **(self.counted(order) | fields))

    def restart(self, *, new_session: bool) -> None:
        """Come up again with the same books; in a new session, client ids of before may be free again."""
        if new_session:
            self._session = []
        if self.profile.cancels_on_restart:
            self.cancel_all("restart")

    def cancel_all(self, reason: str) -> None:
        """Cancel everything that is open, unasked."""
        for order in self.orders:
            if order.leaves and order.client_order_id:
                self.end(order, OrderState.CANCELLED, CancelReport, reason=reason)

    def tell(self, order: VenueOrder, kind: Any, **fields: Any) -> VenueReport:
        """Make a report about an order, keep it with the order, and let it go."""
        report: VenueReport = kind(**(self._about(order) | fields))
        order.told.append(report)
        self._log.say("venue", "reports {}", ShownReport(report))
        self._emit(report)
        return report

    def _about(self, order: VenueOrder) -> dict[str, Any]:
        self._told_ns = max(self._time.now_ns, self._told_ns + 1)  # what came first has the earlier time
        return {
            "ts_ns": self._told_ns,
            "actor": "venue:sim",
            "client_order_id": order.client_order_id,
            "venue_order_id": order.venue_order_id,
            "symbol": order.symbol,
        }

    def counted(self, order: VenueOrder) -> dict[str, Any]:
        """The cumulative quantity, where this venue says it."""
        if not self.profile.counts or not order.filled:
            return {}
        return {"cumulative_quantity": order.filled, "average_price": order.average_price}

    def number(self, prefix: str, scope: str) -> str:
        """The next id of this kind within a scope."""
        count = self._numbers[prefix, scope] = self._numbers.get((prefix, scope), 0) + 1
        return f"{prefix}{count}"

    def step_of(self, symbol: str) -> Decimal:
        """The smallest quantity of an instrument."""
        return Decimal("0.001") if symbol == "BTC-USD" else Decimal(1)

    def part_of(self, order: VenueOrder, dice: Dice) -> Decimal:
        """Some of what is open, or all of it."""
        step = self.step_of(order.symbol)
        units = int(order.leaves / step)
        return step * dice.pick((units, max(units // 2, 1), dice.between(1, max(units, 1))))


def _fee(order: VenueOrder, dice: Dice) -> tuple[Decimal, str]:
    if order.symbol == "BTC-USD" and dice.percent(12):
        return Decimal(dice.between(1, 900)) / 1_000_000, "BTC"
    if dice.percent(5):
        return Decimal(dice.between(1, 900)) / 1_000, "BNB"
    return Decimal(dice.between(-20, 200)) / 100, "USD"
