"""What the venue does when nobody asks: it trades, ends orders, undoes trades, and trades for others."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from execore.model.reports import (
    CancelReport,
    RejectReport,
    RestateReport,
    SuspendReport,
    TradeCancelReport,
    TradeCorrectReport,
    TriggerReport,
)
from execore.model.vocabulary import OrderState, Side
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.exchange import Exchange
from execore.testing.simulation.profile import INSTRUMENTS
from execore.testing.simulation.venue_order import Deal, VenueOrder
from execore.testing.simulation.world import Log


class Market:
    """Everybody else at the exchange."""

    def __init__(self, exchange: Exchange, log: Log) -> None:
        self._exchange = exchange
        self._log = log

    def trade(self, dice: Dice) -> None:
        """An open order trades, if there is one."""
        order = self._any(dice, lambda order: bool(order.leaves))
        if order is not None:
            self._exchange.fill(order, self._exchange.part_of(order, dice), dice)

    def surprise(self, dice: Dice) -> None:
        """Something happens that nobody asked for, if there is an order that it can happen to."""
        surprise = dice.pick(_SURPRISES)
        if surprise(self, dice):
            self._log.count(surprise.__name__.strip("_").replace("_", " "))

    def _any(self, dice: Dice, fits: Callable[[VenueOrder], bool]) -> VenueOrder | None:
        found = [order for order in self._exchange.orders if fits(order)]
        return dice.pick(found) if found else None

    def _deal(self, dice: Dice) -> tuple[VenueOrder, Deal] | None:
        if not self._exchange.profile.gives_execution_ids:
            return None
        found = [(order, deal) for order in self._exchange.orders for deal in order.deals if deal.stands]
        return dice.pick(found) if found else None

    def _unasked_cancel(self, dice: Dice) -> bool:
        order = self._any(dice, lambda order: bool(order.leaves and order.client_order_id))
        if order is not None:
            self._exchange.end(order, OrderState.CANCELLED, CancelReport, reason="the venue's own doing")
        return order is not None

    def _late_reject(self, dice: Dice) -> bool:
        order = self._any(
            dice, lambda order: bool(order.leaves and order.client_order_id and not order.deals)
        )
        if order is not None:
            self._exchange.end(order, OrderState.REJECTED, RejectReport, reason="on second thoughts")
        return order is not None

    def _bust(self, dice: Dice) -> bool:
        found = self._deal(dice)
        if found is None:
            return False
        order, deal = found
        deal.stands = False
        self._tell_change(order, deal, TradeCancelReport)
        return True

    def _correction(self, dice: Dice) -> bool:
        found = self._deal(dice)
        if found is None:
            return False
        order, deal = found
        deal.price += dice.between(1, 8) * Decimal("0.5")
        if dice.percent(40):
            step = self._exchange.step_of(order.symbol)
            deal.quantity = step * dice.between(1, int(deal.quantity / step))
        self._tell_change(order, deal, TradeCorrectReport, quantity=deal.quantity, price=deal.price)
        return True

    def _tell_change(self, order: VenueOrder, deal: Deal, kind: Any, **terms: Any) -> None:
        referred, deal.known_as = deal.known_as, self._exchange.number("C", deal.scope)
        self._exchange.tell(
            order,
            kind,
            execution_ref_id=referred,
            execution_id=deal.known_as,
            execution_scope=deal.scope,
            **terms,
        )
        self._exchange.expire_if_due(order)

    def _overfill(self, dice: Dice) -> bool:
        order = self._any(dice, lambda order: bool(order.deals and not order.leaves))
        if order is not None:
            self._exchange.fill(order, self._exchange.step_of(order.symbol), dice)
        return order is not None

    def _restatement(self, dice: Dice) -> bool:
        order = self._any(dice, lambda order: bool(order.leaves and order.client_order_id and order.price))
        if order is not None and order.price is not None:
            order.price += dice.between(1, 4)
            self._exchange.tell(order, RestateReport, price=order.price)
        return order is not None

    def _halt(self, dice: Dice) -> bool:
        order = self._any(dice, lambda order: bool(order.leaves and order.client_order_id))
        if order is not None:
            self._exchange.tell(order, dice.pick((SuspendReport, TriggerReport)))
        return order is not None

    def _somebody_elses_order(self, dice: Dice) -> bool:
        symbol = dice.pick(INSTRUMENTS).symbol
        quantity = self._exchange.step_of(symbol) * dice.between(1, 4)
        order = self._exchange.open("", symbol, dice.pick((Side.BUY, Side.SELL)), quantity, Decimal(90))
        self._exchange.fill(order, quantity, dice)
        return True


_SURPRISES: Final = (
    Market._unasked_cancel,
    Market._late_reject,
    Market._bust,
    Market._correction,
    Market._overfill,
    Market._restatement,
    Market._halt,
    Market._somebody_elses_order,
)
