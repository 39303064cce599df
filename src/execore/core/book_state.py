"""All that one book knows: a fold of its events, and the only thing that a step changes."""

from typing import Final

from msgspec.structs import replace

from execore.core.executions import execution_key
from execore.core.group_ledger import GroupLedger
from execore.core.order_ledger import History, OrderLedger
from execore.core.position_ledger import PositionLedger
from execore.model import events, group_events
from execore.model.answers import Answer
from execore.model.orders import Order
from execore.model.vocabulary import Side

TradeChanged = events.TradeCancelled | events.TradeCorrected
_UNDISCLOSED: Final = Side.UNDISCLOSED
_TRADE_CHANGED: Final = frozenset({events.TradeCancelled, events.TradeCorrected})
_BEYOND_ORDERS: Final = _TRADE_CHANGED | {events.OrderReowned, events.ReportParked}
"""Order events that change more of the book than their order."""


class BookState:
    """All that one book knows, as a fold of its events.

    Attributes:
        book: its name, empty until it was opened.
        orders, positions: the two ledgers; a fill enters both or neither.
        groups: the orders that depend on each other.
        transfers: cash transfers booked, by their ids.
        trade_date, day_ends_ts_ns: the trading day that began last, and when it ends; empty before the first.
        parked: how many reports are open breaks, those that wait for their execution included.
    """

    def __init__(self, history: History | None = None) -> None:
        self.book = ""
        self.orders = OrderLedger(history)
        self.positions = PositionLedger()
        self.groups = GroupLedger()
        self.transfers: dict[str, events.CashTransferred] = {}
        self.trade_date = ""
        self.day_ends_ts_ns: int | None = None
        self._contradictions = 0

    @property
    def parked(self) -> int:
        """How many reports are open breaks."""
        return self._contradictions + self.orders.executions.waiting_count

    def apply(self, event: events.AnyEvent, ts_ns: int) -> Order | None:
        """Fold one event that happened at ``ts_ns`` (integer nanoseconds UTC); return its order after it.

        Raises:
            UnknownOrder, UnknownInstrument: the event does not follow from those before it.
        """
        if type(event) is events.FillBooked:
            order = self._apply_fill(event, ts_ns)
        elif isinstance(event, events.OrderEvent):
            order = self.orders.apply(event, ts_ns)
            if type(event) is events.OrderAcknowledged:
                if event.side is not None and order is not None:
                    self._disclose(event, order)
            elif type(event) in _BEYOND_ORDERS:
                self._apply_beyond_orders(event, order)
        else:
            self._apply_to_book(event)
            return None
        if self.groups.places:
            self.groups.note(event)
        return order

    def _apply_to_book(
        self,
        event: events.BookOpened
        | events.InstrumentDefined
        | events.CashTransferred
        | events.DayStarted
        | group_events.AnyGroupEvent,
    ) -> None:
        if isinstance(event, group_events.GroupEvent):
            self.groups.apply(event)
        elif isinstance(event, events.BookOpened):
            self.book = event.book
            self.positions = PositionLedger(event.cost_method)
        elif isinstance(event, events.DayStarted):
            self.trade_date, self.day_ends_ts_ns = event.trade_date, event.ends_ts_ns
        else:
            self.positions.apply(event)
            if isinstance(event, events.CashTransferred):
                self.transfers[event.transfer_id] = event

    def _apply_fill(self, event: events.FillBooked, ts_ns: int) -> Order | None:
        if event.side is _UNDISCLOSED:
            self.positions.suspend(event)
            return self.orders.apply(event, ts_ns)
        effect = self.positions.plan_fill(event)  # may raise, and then neither ledger has changed
        order = self.orders.apply(event, ts_ns)
        self.positions.post(effect)
        if event.cumulative:
            self.positions.mark(execution_key(event.execution_scope, event.execution_id), event.symbol)
        return order

    def _apply_beyond_orders(self, event: events.AnyOrderEvent, order: Order | None) -> None:
        if isinstance(event, TradeChanged):
            self.positions.change_trade(event)
        elif isinstance(event, events.ReportParked):
            self._contradictions += not event.waits_for
        elif order is not None:
            self._disclose(event, order)

    def fold(self, answer: Answer, ts_ns: int) -> Answer:
        """Fold what was decided; the answer then carries the order as it is afterwards."""
        told = answer.events
        if not told:
            return answer
        order = None
        for place, event in enumerate(told):
            if type(event) in _TRADE_CHANGED:  # its postings are worked out on the books as they are then
                event = self._with_postings(event)  # type: ignore[arg-type]
                told = (*told[:place], event, *told[place + 1 :])
            order = self.apply(event, ts_ns)
        return replace(answer, order=order, events=told)

    def _with_postings(self, event: TradeChanged) -> TradeChanged:
        """A bust or correction with what it does to the books: as if it had always been so."""
        key = execution_key(event.execution_scope, event.execution_ref_id)
        reduced = self.positions.plan_reduction(key, event)
        if reduced is not None:
            return replace(event, postings=reduced)
        now = event.now if isinstance(event, events.TradeCorrected) else None
        trades = self.orders.executions.of_symbol(event.was.symbol, key, now)
        return replace(event, postings=self.positions.plan_change(event.was.symbol, trades))

    def _disclose(self, event: events.AnyOrderEvent, order: Order) -> None:
        """Fills whose side nobody knew can be booked once their order, or its owner, has one."""
        owner = order.client_order_id
        if isinstance(event, events.OrderReowned):
            self.positions.reown_suspended(event.external_order_id, owner)
        if order.side is not _UNDISCLOSED:
            self.positions.disclose(owner, order.side)
