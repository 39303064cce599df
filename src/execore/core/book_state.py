"""All that one book knows: a fold of its events, and the only thing that a step changes.

Theory: memory holds what later inputs need without being asked: what is open, pending or waiting, and the
balances. An order that is over can leave it and come back; no decision is another for that, as the shell
brings back what an input names before it is stepped (``core.recall``).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from execore.core.breaks import keep_mark, mark_of
from execore.core.group_ledger import GroupLedger
from execore.core.marks import Marks
from execore.core.order_ledger import History, OrderLedger
from execore.core.position_changes import plan_fee, plan_reduction
from execore.core.position_ledger import PositionLedger
from execore.core.settlement import Settlements
from execore.model import effects, events, group_events
from execore.model.answers import Answer, Outcome
from execore.model.entries import CashFlow
from execore.model.keys import entry_key, execution_key
from execore.model.orders import Order
from execore.model.trades import PastEntry, PastItem
from execore.model.vocabulary import Side

_UNDISCLOSED: Final = Side.UNDISCLOSED
_PARKED: Final = Outcome.PARKED
_TRADE_CHANGED: Final = frozenset({events.TradeCancelled, events.TradeCorrected, events.TradeRestated})
_BEYOND_ORDERS: Final = _TRADE_CHANGED | {events.OrderReowned, events.ReportParked}
"""Order events that change more of the book than their order."""


_Alerts = tuple[effects.Effect, ...]


class BookState:
    """All that one book knows, as a fold of its events.

    Attributes:
        book: its name, empty until it was opened.
        orders, positions: the two ledgers; a fill enters both or neither.
        groups: the orders that depend on each other.
        entries: entries and cash transfers booked, by their ids: those that memory has not let go of.
        settlements: cash of trades that settle later. marks: the newest marks and rates.
        trade_date, day_ends_ts_ns: the trading day that began last, and when it ends; empty before the first.
        contradictions: how many reports were parked that say other than the books.
        breaks: a mark of each of the newest, the oldest first: one that is told again is no second break.
        parked: how many reports are open breaks, those that wait for their execution included.
        is_whole: whether no order has left memory, so that what is not here never was.
        past: all that ever moved the units of some instruments, by keys: for the one step that needs it, as
            ``core.recall.needs_past`` says, and empty else.
    """

    def __init__(self, history: History | None = None) -> None:
        self.book = ""
        self.orders = OrderLedger(history)
        self.positions = PositionLedger()
        self.groups = GroupLedger()
        self.entries: dict[str, events.CashTransferred | events.EntryBooked] = {}
        self.settlements = Settlements()
        self.marks = Marks()
        self.trade_date = ""
        self.day_ends_ts_ns: int | None = None
        self.contradictions = 0
        self.breaks: dict[str, None] = {}

    @property
    def is_whole(self) -> bool:
        """Whether no order has left memory, so that what is not here never was."""
        return self.orders.executions.is_complete

    @property
    def parked(self) -> int:
        """How many reports are open breaks."""
        return self.contradictions + self.orders.executions.waiting_count

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
            self._apply_to_book(event, ts_ns)
            return None
        if self.groups.places:
            self.groups.note(event)
        return order

    def _apply_to_book(
        self,
        event: events.BookOpened
        | events.InstrumentDefined
        | events.CashTransferred
        | events.EntryBooked
        | events.MarkSet
        | events.RateSet
        | events.DayStarted
        | group_events.AnyGroupEvent,
        ts_ns: int,
    ) -> None:
        if isinstance(event, group_events.GroupEvent):
            self.groups.apply(event)
        elif isinstance(event, events.BookOpened):
            self.book = event.book
            self.positions = PositionLedger(event.cost_method, event.position_mode)
        elif isinstance(event, events.DayStarted):
            self.trade_date, self.day_ends_ts_ns = event.trade_date, event.ends_ts_ns
            self.settlements.settle(event.trade_date)
        elif isinstance(event, events.MarkSet | events.RateSet):
            self.marks.apply(event, ts_ns)
        else:
            self.positions.apply(event, ts_ns)
            self._note(event, ts_ns)

    def _note(
        self, event: events.InstrumentDefined | events.CashTransferred | events.EntryBooked, ts_ns: int
    ) -> None:
        """Keep what makes an entry known when it comes again, and what belongs to an instrument's past."""
        executions = self.orders.executions
        if isinstance(event, events.InstrumentDefined):
            executions.note(f"instrument:{event.instrument.symbol}:{ts_ns}", event.instrument)
        else:
            self.keep_entry(event)
            if isinstance(event, events.EntryBooked) and type(event.entry) is not CashFlow:
                executions.note(entry_key(event.entry.entry_id), PastEntry(ts_ns, event.entry))

    def keep_entry(self, event: events.CashTransferred | events.EntryBooked) -> None:
        """Know an entry, or a transfer of cash, when it comes again."""
        is_entry = isinstance(event, events.EntryBooked)
        self.entries[event.entry.entry_id if is_entry else event.transfer_id] = event  # type: ignore[union-attr]

    def _apply_fill(self, event: events.FillBooked, ts_ns: int) -> Order | None:
        if event.side is _UNDISCLOSED:
            self.positions.suspend(event, ts_ns)
            return self.orders.apply(event, ts_ns)
        key = execution_key(event.execution_scope, event.execution_id)
        effect = self.positions.plan_fill(event, ts_ns, key)  # may raise, and then neither ledger has changed
        order = self.orders.apply(event, ts_ns)
        strategy = "" if order is None else order.request.strategy
        self.positions.post(effect, event, ts_ns, strategy)
        if event.settlement_date:
            self.settlements.book(event, effect.change.holding.instrument, ts_ns)
        return order

    def _apply_beyond_orders(self, event: events.AnyOrderEvent, order: Order | None) -> None:
        if isinstance(event, events.TradeChange):
            self.positions.change_trade(event, self.orders.strategy_of(event.client_order_id))
            self._change_settlement(event)
        elif isinstance(event, events.ReportParked):
            self._keep_break(event)
        elif order is not None and isinstance(event, events.OrderReowned):
            self.positions.change_trade(event, order.request.strategy)
            self._disclose(event, order)

    def _change_settlement(self, event: events.TradeChange) -> None:
        instrument = self.positions.instrument(event.was.symbol)
        if event.was.settlement_date and instrument is not None:
            now = None if isinstance(event, events.TradeCancelled) else event.now
            self.settlements.change(event.was, now, instrument)

    def _keep_break(self, event: events.ReportParked) -> None:
        if not event.waits_for:
            self.contradictions += 1
            keep_mark(self.breaks, mark_of(event.report))

    # --- leaving memory, and coming back --------------------------------------------------------------

    def may_leave(self, order: Order) -> bool:
        """Whether nothing but an input that names the order needs it.

        The orders of a group stay, and so does the group: what is done about one of them depends on them
        all, and their ids are reserved. So does an order whose fills are kept apart, and one that the next
        day is about, which does not name it.
        """
        if order.is_open or order.pending_cancels or order.pending_replaces:
            return False
        key = order.client_order_id
        if self.positions.has_suspended(key) or self.orders.resumes(order):
            return False
        places = self.groups.places
        return not (places and any(one in places for one in self.orders.ids.ids_of(key)))

    def release(self, keep: int) -> int:
        """Let orders leave memory that are over, the longest over first, until ``keep`` of these are left.

        Nothing that a step does depends on it, given that what its input names is recalled before.

        Returns:
            How many have left.
        """
        for entry_id in list(self.entries)[: max(len(self.entries) - keep, 0)]:
            del self.entries[entry_id]
            self.orders.executions.is_complete = False
        return self.let_go(self.longest_over(keep))

    def longest_over(self, keep: int) -> list[str]:
        """Take all but ``keep`` from the list of orders that are over, the longest over first.

        One that may not leave, or is not let go of, comes up again with its next event.
        """
        ended = self.orders.ended
        return [ended.popleft() for _ in range(len(ended) - keep)]

    def let_go(self, client_order_ids: Iterable[str]) -> int:
        """Let those of these orders leave memory that may; return how many have left."""
        orders, left = self.orders, 0
        for key in client_order_ids:
            order = orders.in_memory(key)
            if order is not None and self.may_leave(order):
                orders.let_go(order)
                left += 1
        return left

    def recall(self, past: Iterable[tuple[events.AnyOrderEvent, int]]) -> None:
        """Take orders into memory again; those that are there already stay as they are.

        Args:
            past: every event of each order, and of the external orders that it took over, with its time in
                integer nanoseconds UTC; the oldest first.

        Raises:
            UnknownOrder: some of an order's past is not there.
        """
        self.orders.recall(past)

    @property
    def past(self) -> Mapping[str, PastItem]:
        """The past of instruments, handed in for one step; see ``core.recall.needs_past``."""
        return self.orders.executions.past

    @past.setter
    def past(self, items: Iterable[tuple[str, PastItem]]) -> None:
        self.orders.executions.past = dict(items)

    # --- folding what was decided ---------------------------------------------------------------------

    def fold(self, answer: Answer, ts_ns: int) -> Answer:
        """Fold what was decided; the answer then carries the order as it is afterwards."""
        told = answer.events
        if not told:
            return answer
        if answer.outcome is _PARKED and self._is_known_break(told[-1]):
            return replace(answer, outcome=Outcome.ALREADY_DONE, events=(), effects=())
        order = None
        for place, event in enumerate(told):
            if type(event) in _TRADE_CHANGED:  # what it does is worked out on the books as they are then
                event, alerts = self.with_books(event)  # type: ignore[arg-type]
                told = (*told[:place], event, *told[place + 1 :])
                if alerts:
                    answer = replace(answer, effects=answer.effects + alerts)
            order = self.apply(event, ts_ns)
        return replace(answer, order=order, events=told)

    def _is_known_break(self, event: events.AnyEvent) -> bool:
        return isinstance(event, events.ReportParked) and mark_of(event.report) in self.breaks

    def with_books(
        self, event: events.TradeChange, *, checks_lots: bool = False
    ) -> tuple[events.TradeChange, _Alerts]:
        """A change of executions with what it does to the books: as if it had always been so.

        Args:
            checks_lots: the lots that the execution closes must have been there when it did.

        Returns:
            The event, and what to tell of it.

        Raises:
            UnknownLot: they were not. InvalidInput: the book keeps no lots.
        """
        key = execution_key(event.execution_scope, event.execution_ref_id)
        strategy_of = self.orders.strategy_of
        if isinstance(event, events.TradeRestated):
            postings = plan_fee(self.positions.holdings, event, strategy_of(event.client_order_id))
        else:
            postings = plan_reduction(self.positions.holdings, key, event)
        if postings is not None:
            return replace(event, postings=postings), ()
        now = None if isinstance(event, events.TradeCancelled) else event.now
        symbol = event.was.symbol
        past = self.orders.executions.of_symbols(self.positions.linked(symbol), strategy_of, key, now)
        restated = self.positions.plan_change(symbol, past, key if checks_lots else "")
        changed = replace(event, postings=restated.postings, lots=restated.lots)
        return changed, tuple(_lost_alert(entry_id, event) for entry_id in restated.lost)

    def with_strategies(self, event: events.OrderReowned) -> events.OrderReowned:
        """Executions are another order's: they are its strategy's from the start, if that is another."""
        orders = self.orders
        owner = orders.strategy_of(event.client_order_id)
        if owner == orders.strategy_of(event.external_order_id):
            return event
        booked = orders.executions.booked_of(event.external_order_id)
        reowned = dict.fromkeys(booked, owner)
        for symbol in dict.fromkeys(booked.values()):
            linked = self.positions.linked(symbol)
            past = orders.executions.of_symbols(linked, orders.strategy_of, reowned=reowned)
            restated = self.positions.plan_reowning(symbol, owner, past)
            postings, lots = event.postings + restated.postings, event.lots + restated.lots
            event = replace(event, postings=postings, lots=lots)
        return event

    def _disclose(self, event: events.AnyOrderEvent, order: Order) -> None:
        """Fills whose side nobody knew can be booked once their order, or its owner, has one."""
        owner = order.client_order_id
        if isinstance(event, events.OrderReowned):
            self.positions.reown_suspended(event.external_order_id, owner)
        if order.side is not _UNDISCLOSED:
            self.positions.disclose(owner, order.side, order.request.strategy)


def _lost_alert(entry_id: str, event: events.TradeChange) -> effects.Alert:
    message = (
        f"entry {entry_id} finds nothing to act on any more, as execution {event.execution_ref_id} changed: "
        "it is left out of the books until somebody says what it was"
    )
    return effects.Alert("entry_overtaken", message, event.client_order_id)
