"""The single source of truth for orders: every order, found by what people look for, changed by events only.

Theory: the ledger is a fold. ``apply`` takes the next event, makes the order's next version, and moves it
between the indexes. Orders are immutable, so what a query returned stays as it was.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from execore.core.decisions import decide, take
from execore.core.executions import NO_EXECUTIONS, Execution, Executions, ExecutionsOfOrder
from execore.core.order_facts import create, evolve
from execore.core.order_ids import NO_IDS, IdsOfOrder, OrderIds
from execore.model import events
from execore.model.answers import Answer
from execore.model.errors import UnknownOrder
from execore.model.keys import execution_key
from execore.model.orders import Order, order_to_dict
from execore.model.reports import FillReport, Report
from execore.model.requests import Input
from execore.model.vocabulary import OPEN_STATES, OrderState, Side

History = Callable[[str], Iterable[events.AnyOrderEvent]]
_UNDISCLOSED = Side.UNDISCLOSED
_FILLED = OrderState.FILLED
_BIRTHS = frozenset({events.OrderCreated, events.OrderAdopted})
_INDEXED = frozenset(
    {
        events.CancelRequested,
        events.AmendRequested,
        events.OrderAmended,
        events.TradeCancelled,
        events.TradeCorrected,
        events.TradeRestated,
        events.OrderReowned,
        events.OrderRestated,
        events.OrderDoneForDay,
        events.OrderResumed,
        events.ReportParked,
    }
)
"""Events that say something to be looked up by something else than their order."""


class Dossier(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """All that the ledger knows of one order, as it can be taken out of memory and put back.

    Attributes:
        done_for_day_ts_ns: when the venue last said so of a good-till order, integer nanoseconds UTC.
    """

    order: Order
    ids: IdsOfOrder = NO_IDS
    executions: ExecutionsOfOrder = NO_EXECUTIONS
    done_for_day_ts_ns: int | None = None


class OrderLedger:
    """Orders by client id, venue id, execution id, symbol, strategy and state.

    Args:
        history: where an order's past events are read, usually the journal. Without it the ledger keeps
            them itself, which is handy alone and costs memory.

    Attributes:
        ids: what stands for an order beside its own id. executions: of all orders in memory.
        ended: ids of orders that were over with nothing pending, the longest over first. Some may be open
            again, and some may be in it twice.
    """

    def __init__(self, history: History | None = None) -> None:
        self._orders: dict[str, Order] = {}
        self.ended: deque[str] = deque()
        self.executions = Executions()
        self.ids = OrderIds()
        # Only what is open is indexed by state: it moves often and is asked for often, and history would
        # cost memory and cache for nothing.
        self._by_symbol: dict[str, dict[str, None]] = {}
        self._open: dict[OrderState, dict[str, None]] = {
            state: {} for state in OrderState if state in OPEN_STATES
        }
        self._ending: dict[str, None] = {}  # open, and with an end that is known
        self._done_for_day: dict[str, int] = {}  # good-till order -> when the venue last said so
        self._events: dict[str, list[events.AnyOrderEvent]] = {}
        self._history = history

    # --- changing -----------------------------------------------------------------------------------

    def apply(self, event: events.AnyOrderEvent, ts_ns: int) -> Order | None:
        """Fold one event that happened at ``ts_ns`` (integer nanoseconds UTC); return the order after it.

        None if it concerns no order we know (a parked report).

        Raises:
            UnknownOrder: it concerns an order that was never created here.
        """
        kind = type(event)
        order: Order | None
        if kind in _BIRTHS:
            order = create(event, ts_ns)  # type: ignore[arg-type]  # narrowed by type(), for speed
            self._insert(order)
        elif kind is events.ReportParked and not event.client_order_id:
            self._index(event, ts_ns)
            return None
        else:
            before = self._orders.get(event.client_order_id) or self.get(event.client_order_id)
            order = evolve(before, event, ts_ns)
            self._replace(before, order)
            if kind is events.FillBooked:
                self.executions.book(event, ts_ns, order.request.strategy)  # type: ignore[arg-type]
            elif kind is events.OrderAcknowledged:
                if event.side is not None:  # type: ignore[union-attr]
                    self._disclose(order)
            elif kind in _INDEXED:
                self._index(event, ts_ns)
                if kind is events.OrderReowned and order.side is not _UNDISCLOSED:
                    self._disclose(order)
        if self._history is None:
            self._events.setdefault(event.client_order_id, []).append(event)
        return order

    def apply_fill(self, report: FillReport) -> Answer:
        """Book one execution on an order of this ledger: the short way to make a fill event and apply it.

        The report names the order by client or venue id. Same execution id and content again is
        ``ALREADY_DONE``; other content is ``PARKED`` and marks the order with ``conflict``.

        Raises:
            UnknownOrder: the report names no order of this ledger.
        """
        order = self.find(report.client_order_id, report.symbol, report.venue_order_id)
        if order is None:
            raise UnknownOrder("client_order_id", f"the fill {report.execution_id} names no known order")
        return self.take(order, report)

    def take(self, order: Order, cause: Input) -> Answer:
        """Decide what an input does to an order of this ledger, and apply it.

        Raises:
            KeyError: ``cause`` is not an input of an existing order.
        """
        if isinstance(cause, Report):
            return take(self, order, cause, self.apply_answer)
        return self.apply_answer(decide(self, order, cause), cause.ts_ns)

    def apply_answer(self, answer: Answer, ts_ns: int) -> Answer:
        """Fold the events of a transition's answer; return it with the order as it is after them."""
        order = answer.order
        for event in answer.events:
            order = self.apply(event, ts_ns)  # type: ignore[arg-type]  # a transition makes order events only
        return replace(answer, order=order) if answer.events else answer

    def _disclose(self, order: Order) -> None:
        self.executions.disclose(order.client_order_id, order.side, order.request.strategy)

    def _insert(self, order: Order) -> None:
        self._add(order)
        if order.venue_order_id:
            self.ids.give_venue_id(order, "")

    def _add(self, order: Order) -> None:
        key = order.client_order_id
        self._orders[key] = order
        self._by_symbol.setdefault(order.symbol, {})[key] = None
        if order.state in self._open:
            self._open[order.state][key] = None
            if order.ending is not None:
                self._ending[key] = None
        elif not (order.pending_cancels or order.pending_replaces):
            self.ended.append(key)

    def _replace(self, before: Order, after: Order) -> None:
        key = after.client_order_id
        self._orders[key] = after
        old_state, new_state = before.state, after.state
        is_in = self._open.get(new_state)
        if old_state is not new_state:
            was_in = self._open.get(old_state)
            if was_in is not None:
                del was_in[key]
            if is_in is not None:
                is_in[key] = None
            if after.ending is not None:
                if is_in is not None:
                    self._ending[key] = None
                else:
                    self._ending.pop(key, None)
        if is_in is None and not (after.pending_cancels or after.pending_replaces):
            self.ended.append(key)
        if after.venue_order_id != before.venue_order_id:
            self.ids.give_venue_id(after, before.venue_order_id)

    def _index(self, event: events.AnyOrderEvent, ts_ns: int) -> None:
        """Keep what is looked up by something else than the order."""
        match event:
            case events.CancelRequested() | events.AmendRequested():
                self.ids.ask(event)
            case events.TradeCancelled() | events.TradeCorrected() | events.TradeRestated():
                self.executions.change(event)
            case events.OrderAmended():
                self._keep_ids(event)
            case events.OrderReowned():
                self._reown(event)
            case events.OrderRestated() if event.adjusted:
                self.executions.restate(event.client_order_id)
            case events.OrderDoneForDay() if not self._orders[event.client_order_id].day_is_over:
                self._done_for_day[event.client_order_id] = ts_ns
            case events.OrderResumed():
                del self._done_for_day[event.client_order_id]
            case events.ReportParked() if event.waits_for:
                self.executions.wait(event)

    def _keep_ids(self, event: events.OrderAmended) -> None:
        if event.request_id:
            self.ids.answer(event)
        if event.overtaken and event.venue_order_id:
            self.ids.note_former(self._orders[event.client_order_id], event.venue_order_id)

    def _reown(self, event: events.OrderReowned) -> None:
        external = self._orders[event.external_order_id]
        self.ids.take_over(external, self._orders[event.client_order_id])
        owner = self._orders[event.client_order_id]
        self.executions.reown(external.client_order_id, event.client_order_id, owner.request.strategy)
        self._remove(external)

    def _remove(self, order: Order) -> None:
        key = order.client_order_id
        del self._orders[key]
        self._by_symbol[order.symbol].pop(key, None)
        if order.state in self._open:
            del self._open[order.state][key]
            self._ending.pop(key, None)
        self._done_for_day.pop(key, None)

    # --- leaving memory, and coming back --------------------------------------------------------------

    def dossier(self, order: Order) -> Dossier:
        """All that is known of an order of this ledger, but for its history."""
        key = order.client_order_id
        ids, executions = self.ids.of_order(order), self.executions.of_order(key)
        return Dossier(order, ids, executions, self._done_for_day.get(key))

    def put_back(self, dossier: Dossier) -> None:
        """Keep what ``dossier`` returned once."""
        order = dossier.order
        self._add(order)
        self.ids.put_back(order, dossier.ids)
        self.executions.put_back(order.client_order_id, dossier.executions)
        if dossier.done_for_day_ts_ns is not None:
            self._done_for_day[order.client_order_id] = dossier.done_for_day_ts_ns

    def let_go(self, order: Order) -> None:
        """Forget an order and all that is looked up by it. Costs what the order has, not the book."""
        key = order.client_order_id
        if self._history is None:
            for each in self.ids.ids_of(key):
                self._events.pop(each, None)
        self.ids.let_go(order)
        self.executions.let_go(key)
        self._remove(order)

    def recall(self, past: Iterable[tuple[events.AnyOrderEvent, int]]) -> None:
        """Take orders in again by their events; see ``BookState.recall``."""
        apart = OrderLedger()
        for event, ts_ns in past:
            if event.client_order_id not in self:
                apart.apply(event, ts_ns)
        for order in apart:
            self.put_back(apart.dossier(order))
        if self._history is None:
            self._events |= apart._events

    # --- looking up ---------------------------------------------------------------------------------

    def get(self, client_order_id: str) -> Order:
        """The order of this client id.

        Raises:
            UnknownOrder: there is none.
        """
        order = self.find(client_order_id)
        if order is None:
            raise UnknownOrder(
                "client_order_id",
                f"{client_order_id!r} is no order of this book",
                "Check the id and the book",
            )
        return order

    def in_memory(self, client_order_id: str) -> Order | None:
        """The order of exactly this id, if memory holds it."""
        return self._orders.get(client_order_id)

    def find(self, client_order_id: str, symbol: str = "", venue_order_id: str = "") -> Order | None:
        """The order that a report names: by our id, by that of a request of ours, or else by the venue's.

        None if it is not known.
        """
        order = self._orders.get(client_order_id)
        if order is None:
            owner = self.ids.owner(client_order_id)
            order = None if owner is None else self._orders[owner]
        if order is not None or not venue_order_id:
            return order
        return self.by_venue_order_id(venue_order_id, symbol)

    def by_venue_order_id(self, venue_order_id: str, symbol: str = "") -> Order | None:
        """The order of this venue id; give the symbol where the venue's ids are unique within one only."""
        key = self.ids.by_venue_order_id(venue_order_id, symbol)
        return None if key is None else self._orders[key]

    def strategy_of(self, client_order_id: str) -> str:
        """The strategy of the order that has what this one had; empty for one that nobody knows."""
        order = self.find(client_order_id)
        return "" if order is None else order.request.strategy

    def by_execution_id(self, execution_id: str, execution_scope: str = "") -> Order | None:
        """The order that this execution filled."""
        execution = self.execution(execution_id, execution_scope)
        return None if execution is None else self.get(execution.client_order_id)

    def execution(self, execution_id: str, execution_scope: str = "") -> Execution | None:
        """What was reported under this execution id, or None; its order is the one that owns it now.

        As it was reported: it may have been corrected or undone since (``executions.standing``).
        """
        execution = self.executions.reported(execution_key(execution_scope, execution_id))
        if execution is None or not self.ids.is_taken_over(execution.client_order_id):
            return execution
        return replace(execution, client_order_id=self._owner_of(execution))

    def standing_executions(self) -> Iterator[Execution]:
        """Every execution as it is now, with the order that owns it now; those undone are not among them."""
        for execution in self.executions:
            yield replace(execution, client_order_id=self._owner_of(execution))

    def _owner_of(self, execution: Execution) -> str:
        booked_to = execution.client_order_id
        return booked_to if booked_to in self._orders else self.ids.owner(booked_to) or booked_to

    def owner_of_id(self, request_id: str) -> str | None:
        """The order that this id stands for, or for a request of which; None if it is free."""
        if request_id in self._orders:
            return request_id
        return self.ids.owner(request_id)

    def by_symbol(self, symbol: str) -> list[Order]:
        """Every order in this instrument in memory, oldest first."""
        return [self._orders[key] for key in self._by_symbol.get(symbol, ())]

    def by_strategy(self, strategy: str) -> list[Order]:
        """Every order of this strategy in memory, oldest first. Goes through all of them."""
        return [order for order in self if order.strategy == strategy]

    def by_state(self, *states: OrderState) -> list[Order]:
        """Every order in one of these states: open ones from an index, finished ones by going through all."""
        if OPEN_STATES.issuperset(states):
            return [self._orders[key] for state in states for key in self._open[state]]
        return [order for order in self if order.state in states]

    def open_orders(self) -> list[Order]:
        """Every order that can still trade, or might. Costs what is open, not what ever was."""
        return [self._orders[key] for keys in self._open.values() for key in keys]

    def ending_orders(self) -> list[Order]:
        """Every open order with an end that is known. Costs what has one, not what is open."""
        return [self._orders[key] for key in self._ending]

    def done_for_day(self, until_ns: int) -> list[Order]:
        """Every good-till order that is done for the day, and was by ``until_ns`` of the venue's clock.

        The first that was told comes first.
        """
        told = sorted((ts_ns, key) for key, ts_ns in self._done_for_day.items() if ts_ns <= until_ns)
        found = (self._orders[key] for _, key in told)
        return [order for order in found if order.done_for_day]

    def resumes(self, order: Order) -> bool:
        """Whether the next day concerns an order that is over: filled, good till later, done for today."""
        return order.done_for_day and order.state is _FILLED and order.client_order_id in self._done_for_day

    @property
    def open_count(self) -> int:
        """How many orders can still trade, or might."""
        return sum(map(len, self._open.values()))

    def history(self, client_order_id: str) -> list[events.AnyOrderEvent]:
        """Every event of the order, oldest first.

        Raises:
            UnknownOrder: there is no such order.
        """
        key = self.get(client_order_id).client_order_id
        return list(self._events[key] if self._history is None else self._history(key))

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._orders or self.ids.is_taken_over(client_order_id)

    def to_dict(self) -> dict[str, Any]:
        """Every order by client id, in the shape of ``order_to_dict``: ready for JSON, numbers as strings."""
        return {order.client_order_id: order_to_dict(order) for order in self}
