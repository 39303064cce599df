"""Matching at the paper exchange: what is open, what it trades with, and when it ends."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.model.instruments import Instrument
from execore.model.money import EXACT, ZERO, canonical, divide, exactly
from execore.model.reports import AcknowledgeReport, CancelReport, ExpireReport, FillReport, VenueReport
from execore.model.vocabulary import OrderState, Side, TimeInForce
from execore.venues.paper_book import OPPOSITE, PaperMarket, PaperOrder, accepts, priority, triggers

_DAY_NS: Final = 86_400_000_000_000
_BASIS_POINTS: Final = Decimal(10_000)


class PaperFees(msgspec.Struct, frozen=True, kw_only=True):
    """What an execution costs, in the quote currency: a share of the notional, rounded half-even.

    Attributes:
        maker_bps: for limit orders that were resting, in basis points; negative is a rebate.
        taker_bps: for all others, in basis points.
        quantum: the fee is a whole multiple of it.
    """

    maker_bps: Decimal = ZERO
    taker_bps: Decimal = ZERO
    quantum: Decimal = Decimal("0.01")

    @exactly
    def of(self, instrument: Instrument, quantity: Decimal, price: Decimal, is_maker: bool) -> Decimal:
        """The fee for one execution."""
        notional = quantity * abs(price) * instrument.multiplier
        rate = self.maker_bps if is_maker else self.taker_bps
        return canonical(divide(notional * rate, _BASIS_POINTS, self.quantum))


class PaperMatching:
    """The open orders of the exchange against what is displayed; ``tell`` gets each report with its order."""

    def __init__(
        self, actor: str, fees: PaperFees, now_ns: int, tell: Callable[[PaperOrder, VenueReport], None]
    ) -> None:
        self.now_ns = now_ns
        self._actor = actor
        self._fees = fees
        self._tell = tell
        self._open: dict[str, PaperOrder] = {}
        self._accepted = 0
        self._rank = 0

    def about(self, order: PaperOrder) -> dict[str, Any]:
        """The fields that every report on the order has in common."""
        return {
            "ts_ns": self.now_ns,
            "actor": self._actor,
            "client_order_id": order.request.client_order_id,
            "venue_order_id": order.venue_order_id,
            "symbol": order.request.symbol,
        }

    def accept(self, market: PaperMarket, order: PaperOrder) -> None:
        """A new order enters the book."""
        self._accepted += 1
        order.venue_order_id = f"P{self._accepted}"
        order.ends_ns = self._end_of(order)
        self.requeue(order)
        self._open[order.request.client_order_id] = order
        self._tell(order, AcknowledgeReport(**self.about(order)))
        self.arrive(market, order)

    def requeue(self, order: PaperOrder) -> None:
        """Put the order behind all others of its price."""
        self._rank += 1
        order.rank = self._rank

    def arrive(self, market: PaperMarket, order: PaperOrder) -> None:
        """An order meets the market, unless it is a stop that what is displayed does not set off."""
        price = market.displayed(OPPOSITE[order.request.side])
        if not order.waiting or (price is not None and triggers(order, price)):
            self._meet(market, order)

    def quote(self, market: PaperMarket) -> None:
        """What is displayed has been replaced: it trades with what rests, then sets off stops."""
        seen = {side: market.displayed(other) for side, other in OPPOSITE.items()}
        for order in sorted(self._working(market, waiting=False), key=priority):
            self._take(market, order)
        self._trigger(market, seen)

    def trade(self, market: PaperMarket, price: Decimal, size: Decimal) -> None:
        """Others have traded: resting limit orders at or through the price get up to that size in all."""
        for order in sorted(self._working(market, waiting=False), key=priority):
            if size and order.price is not None and accepts(order, price):
                quantity = min(size, order.leaves)
                size = EXACT.subtract(size, quantity)
                self._execute(market, order, quantity, order.price)
        self._trigger(market, {Side.BUY: price, Side.SELL: price})

    def end(self, order: PaperOrder, state: OrderState) -> None:
        """Take the order out of the book."""
        order.ended = state
        del self._open[order.request.client_order_id]

    def expire_until(self, ts_ns: int) -> None:
        """It is now ``ts_ns``: end the orders whose time in force is over, each at its own time."""
        due = [
            (order.ends_ns, order.rank, order)
            for order in self._open.values()
            if order.ends_ns is not None and order.ends_ns <= ts_ns
        ]
        for ends_ns, _, order in sorted(due, key=lambda entry: entry[:2]):
            self.now_ns = ends_ns
            self.end(order, OrderState.EXPIRED)
            self._tell(order, ExpireReport(**self.about(order)))
        self.now_ns = ts_ns

    def _end_of(self, order: PaperOrder) -> int | None:
        if order.request.time_in_force is TimeInForce.DAY:
            return (self.now_ns // _DAY_NS + 1) * _DAY_NS
        return order.request.expire_ts_ns

    def _working(self, market: PaperMarket, waiting: bool) -> list[PaperOrder]:
        """The open orders of one instrument: the stops not triggered yet, or all others."""
        symbol = market.instrument.symbol
        return [
            order
            for order in self._open.values()
            if order.waiting is waiting and order.request.symbol == symbol
        ]

    def _meet(self, market: PaperMarket, order: PaperOrder) -> None:
        """Take what can be taken, then rest or end."""
        order.waiting = order.resting = False
        time_in_force = order.request.time_in_force
        if time_in_force is TimeInForce.FOK and market.takeable(order) < order.leaves:
            self._cancel(order, "fill or kill: not enough displayed")
            return
        self._take(market, order)
        if order.leaves and time_in_force is TimeInForce.IOC:
            self._cancel(order, "immediate or cancel: nothing more displayed")
        order.resting = True

    def _take(self, market: PaperMarket, order: PaperOrder) -> None:
        """Trade with what is displayed: at its price, or at the order's own if that was resting."""
        size = market.takeable(order)
        if not size:
            return
        other = OPPOSITE[order.request.side]
        market.size[other] = EXACT.subtract(market.size[other], size)
        price = order.price if order.resting and order.price is not None else market.price[other]
        self._execute(market, order, size, price)

    def _execute(self, market: PaperMarket, order: PaperOrder, quantity: Decimal, price: Decimal) -> None:
        order.filled = canonical(EXACT.add(order.filled, quantity))
        if not order.leaves:
            del self._open[order.request.client_order_id]
        is_maker = order.resting and order.price is not None
        report = FillReport(
            **self.about(order),
            execution_id=f"{order.venue_order_id}-{len(order.executions) + 1}",
            quantity=quantity,
            price=price,
            side=order.request.side,
            fee=self._fees.of(market.instrument, quantity, price, is_maker),
            fee_currency=market.instrument.currency,
            cumulative_quantity=order.filled,
        )
        self._tell(order, report)

    def _trigger(self, market: PaperMarket, prices: dict[Side, Decimal | None]) -> None:
        """Set off the stops that ``prices`` (by the side of the order) reach, in order of arrival."""
        for order in sorted(self._working(market, waiting=True), key=lambda order: order.rank):
            price = prices[order.request.side]
            if price is not None and triggers(order, price):
                self.requeue(order)
                self._meet(market, order)

    def _cancel(self, order: PaperOrder, reason: str) -> None:
        self.end(order, OrderState.CANCELLED)
        self._tell(order, CancelReport(**self.about(order), reason=reason))
