"""The books alone: positions, cash, marks and settlements, as a fold of a book's events without its orders.

Statements read years of records, and need no order of them but whose strategy it is and, where a venue did
not say so at first, which way it went. So this fold keeps no orders, and comes to the same books.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from execore.core.book_state import BookState
from execore.core.marks import Marks
from execore.core.position_ledger import PositionLedger
from execore.core.settlement import Settlements
from execore.model import events, group_events
from execore.model.errors import ChainBroken, InvalidInput
from execore.model.keys import execution_key
from execore.model.orders import OrderRequest
from execore.model.vocabulary import Side

KEPT_STRATEGIES: Final = 100_000
"""Orders of a named strategy that are remembered; older ones are looked up."""

RELEVANT: Final = (
    *(events.BookOpened, events.InstrumentDefined, events.CashTransferred, events.EntryBooked),
    *(events.MarkSet, events.RateSet, events.DayStarted, events.FillBooked),
    *(events.OrderCreated, events.OrderAdopted, events.OrderAcknowledged, events.OrderReowned),
    *(events.TradeCancelled, events.TradeCorrected, events.TradeRestated),
)
"""The events that ``Books`` folds; all others change nothing in it."""


DATED: Final = frozenset(
    {
        *(events.FillBooked, events.TradeCancelled, events.TradeCorrected, events.TradeRestated),
        *(events.CashTransferred, events.EntryBooked),
        *(events.MarkSet, events.RateSet, events.DayStarted),
    }
)
"""The events that say when something happened in the market or in the account: the book's time is theirs."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One record on the way through a book.

    Attributes:
        ts_event_ns: when it happened, by its own word, integer nanoseconds UTC; 0 where there is no event.
        book_ns: the book's time at this record: over all ``DATED`` records up to it, the latest of what is
            the earlier of each one's two times. It never goes back (docs/decisions/0020-book-time.md).
        event: what to fold; None where that changes nothing in the books.
    """

    sequence: int
    ts_event_ns: int
    book_ns: int
    event: events.AnyEvent | None


OrderLookup = Callable[[str], OrderRequest | None]


def _unknown(client_order_id: str) -> OrderRequest | None:
    return None


class Books:
    """What a book holds and owes, as a fold of its events.

    Args:
        find_order: reads what was asked for in an order that is not remembered, by its client order id.

    Attributes:
        positions, marks, settlements: as in a ``BookState``.
        trade_date: the trading day that began last, ``YYYY-MM-DD``; empty before the first.
    """

    def __init__(self, find_order: OrderLookup = _unknown) -> None:
        self.positions = PositionLedger()
        self.marks = Marks()
        self.settlements = Settlements()
        self.trade_date = ""
        self._find_order = find_order
        self._strategies: OrderedDict[str, str] = OrderedDict()
        self._knows_all = True

    @classmethod
    def of(cls, state: BookState, find_order: OrderLookup = _unknown) -> "Books":
        """Those of a state, which is this fold's from now on."""
        books = cls(find_order)
        books.positions, books.marks, books.settlements = state.positions, state.marks, state.settlements
        books.trade_date, books._knows_all = state.trade_date, False
        return books

    def apply(self, event: events.AnyEvent, ts_ns: int) -> None:
        """Fold one event that happened at ``ts_ns`` (integer nanoseconds UTC).

        Raises:
            InvalidInput: it does not follow from those before it.
        """
        if type(event) is events.FillBooked:
            self._apply_fill(event, ts_ns)
        elif isinstance(event, events.OrderEvent):
            self._apply_of_order(event)
        elif isinstance(event, events.MarkSet | events.RateSet):
            self.marks.apply(event, ts_ns)
        elif isinstance(event, events.BookOpened):
            self.positions = PositionLedger(event.cost_method, event.position_mode)
        elif isinstance(event, events.DayStarted):
            self.trade_date = event.trade_date
            self.settlements.settle(event.trade_date)
        elif not isinstance(event, group_events.GroupEvent):
            self.positions.apply(event, ts_ns)

    def _apply_fill(self, event: events.FillBooked, ts_ns: int) -> None:
        if event.side is Side.UNDISCLOSED:
            self.positions.suspend(event, ts_ns)
            return
        key = execution_key(event.execution_scope, event.execution_id)
        effect = self.positions.plan_fill(event, ts_ns, key)
        self.positions.post(effect, event, ts_ns, self._strategy_of(event.client_order_id))
        if event.settlement_date:
            self.settlements.book(event, effect.change.holding.instrument, ts_ns)

    def _apply_of_order(self, event: events.OrderEvent) -> None:
        if isinstance(event, events.OrderCreated | events.OrderAdopted):
            if event.order.strategy:
                self._remember(event.client_order_id, event.order.strategy)
        elif isinstance(event, events.TradeChange):
            self.positions.change_trade(event, self._strategy_of(event.client_order_id))
            self._change_settlement(event)
        elif isinstance(event, events.OrderAcknowledged):
            if event.side is not None:
                self._disclose(event.client_order_id, event.side)
        elif isinstance(event, events.OrderReowned):
            self.positions.change_trade(event, self._strategy_of(event.client_order_id))
            if self.positions.has_suspended(event.external_order_id):
                self.positions.reown_suspended(event.external_order_id, event.client_order_id)
                asked = self._find_order(event.client_order_id)
                self._disclose(event.client_order_id, event.side or (asked.side if asked else None))

    def _disclose(self, client_order_id: str, side: Side | None) -> None:
        if side in (Side.BUY, Side.SELL) and self.positions.has_suspended(client_order_id):
            self.positions.disclose(client_order_id, side, self._strategy_of(client_order_id))

    def _change_settlement(self, event: events.TradeChange) -> None:
        instrument = self.positions.instrument(event.was.symbol)
        if event.was.settlement_date and instrument is not None:
            now = None if isinstance(event, events.TradeCancelled) else event.now
            self.settlements.change(event.was, now, instrument)

    def _remember(self, client_order_id: str, strategy: str) -> None:
        self._strategies[client_order_id] = strategy
        if len(self._strategies) > KEPT_STRATEGIES:
            self._strategies.popitem(last=False)
            self._knows_all = False

    def _strategy_of(self, client_order_id: str) -> str:
        if self._knows_all and not self._strategies:
            return ""
        known = self._strategies.get(client_order_id)
        if known is None and not self._knows_all:
            found = self._find_order(client_order_id)
            known = "" if found is None else found.strategy
            self._remember(client_order_id, known)
        return known or ""


def fold(books: Books, book: str, step: Step) -> None:
    """Fold one step into the books. To be called where arithmetic is exact (``exactly``).

    Raises:
        ChainBroken: it does not follow from those before it.
    """
    try:
        if step.event is not None:
            books.apply(step.event, step.ts_event_ns)
    except (InvalidInput, KeyError, ArithmeticError) as error:
        raise ChainBroken(
            f"book {book}: record {step.sequence} does not follow from those before it ({error})",
            "The chain may hold, but execore did not write this; restore a copy that opens",
            sequence=step.sequence,
        ) from error
