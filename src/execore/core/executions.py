"""Every execution of a book: what was reported, what it is now, and what later reports say of it.

An execution is booked under the venue's id, within the scope in which that is unique. A correction changes it
in place and is known by its own id from then on, so that the next correction may refer to either. One that
was undone stays known, so that a copy of it is never booked again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from execore.model import events, reports
from execore.model.entries import symbols_of
from execore.model.errors import InvariantViolation
from execore.model.instruments import Instrument
from execore.model.keys import execution_key
from execore.model.trades import PastEntry, PastItem, PastTrade, Trade
from execore.model.vocabulary import Side

_UNDISCLOSED = Side.UNDISCLOSED
TradeChange = reports.TradeCancelReport | reports.TradeCorrectReport | reports.FeeReport
StrategyOf = Callable[[str], str]
"""The strategy that the order of this id belongs to."""


class Execution(Trade, frozen=True, gc=False):
    """What is booked under an execution key, and the order it was booked to.

    ``previous``: the key of the execution before it of the order that has it, as a chain through them all.
    ``ts_ns``: when it happened, integer nanoseconds UTC.
    """

    client_order_id: str = ""
    previous: str = ""
    ts_ns: int = 0


class ExecutionsOfOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """All that is known of one order's executions, as it can be taken out of memory and put back.

    Attributes:
        last: the key of the newest; the others follow from it.
        standing: executions as they are now. reported: as first reported, where that was changed since.
        changes: a bust or correction by its own key: of what, to what.
        provisional, undisclosed: of them, those known by totals alone, and those of which nobody said the
            side, oldest first.
        restated: those booked before a corporate action. has_changes: any was undone or corrected.
    """

    last: str = ""
    standing: dict[str, Execution] = {}
    reported: dict[str, Execution] = {}
    changes: dict[str, tuple[str, Trade | None]] = {}
    provisional: tuple[str, ...] = ()
    undisclosed: tuple[str, ...] = ()
    restated: tuple[str, ...] = ()
    has_changes: bool = False


NO_EXECUTIONS = ExecutionsOfOrder()


class Executions:
    """Executions by key, in the order in which the books have taken them.

    Attributes:
        early: busts and corrections by the execution that they wait for, which was not seen yet.
        is_complete: whether memory holds every order of the book; else some were let go of.
        past: while a step needs it, all that ever moved the units of some instruments, by keys and in order.
    """

    def __init__(self) -> None:
        # As they are now; while memory is complete, entries and definitions lie between them in their places.
        self._standing: dict[str, Execution] = {}
        self._reported: dict[str, Execution] = {}  # as first reported, where that was changed since
        self._changes: dict[str, tuple[str, Trade | None]] = {}  # a change -> of what, to what
        # Of every order: so no lists, which the garbage collector would walk.
        self._last: dict[str, str] = {}  # order -> its newest execution, and so all of them
        self._changes_of: dict[str, list[str]] = {}  # order -> the keys of changes of its executions
        self._changed_orders: set[str] = set()
        self._provisional: dict[str, list[str]] = {}  # order -> executions known by totals alone
        self._undisclosed: dict[str, list[str]] = {}  # order -> executions of which nobody said the side
        self._restated: set[str] = set()  # booked before a corporate action restated their order
        self.early: dict[str, list[TradeChange]] = {}
        self.is_complete = True
        self.past: dict[str, PastItem] = {}

    # --- changing: the fold ---------------------------------------------------------------------------

    def book(self, event: events.FillBooked, ts_ns: int, strategy: str) -> None:
        """Take a booked fill in: when it happened, and the strategy of its order."""
        key = execution_key(event.execution_scope, event.execution_id)
        order = event.client_order_id
        execution = self._standing[key] = Execution(
            event.symbol,
            event.side,
            event.quantity,
            event.price,
            event.fee,
            event.fee_currency,
            event.position_side,
            event.settlement_date,
            event.lots,
            order,
            self._last.get(order, ""),
            ts_ns,
        )
        self._last[order] = key
        if event.cumulative:
            self._provisional.setdefault(order, []).append(key)
        if event.side is _UNDISCLOSED:
            self._undisclosed.setdefault(order, []).append(key)
        if self.early:
            self.early.pop(key, None)
        if self.past:
            self.past[key] = PastTrade(key, ts_ns, strategy, execution)

    def note(self, key: str, item: PastEntry | Instrument) -> None:
        """Take in what moves units beside executions, or what a symbol means from now on."""
        if self.is_complete:
            self._standing[key] = cast(Any, item)
        if self.past:
            self.past[key] = item

    def change(self, event: events.TradeChange) -> None:
        """Undo an execution, or make it what it really was."""
        key = execution_key(event.execution_scope, event.execution_ref_id)
        order = event.client_order_id
        was = self._standing[key]
        now = None if isinstance(event, events.TradeCancelled) else event.now
        if isinstance(event, events.TradeRestated):
            self._standing[key] = _execution(event.now, was)
            self._fold_past(key, event.now)
            return
        if event.execution_id:
            change_key = execution_key(event.execution_scope, event.execution_id)
            self._changes[change_key] = (key, now)
            self._changes_of.setdefault(order, []).append(change_key)
            self.early.pop(change_key, None)
        if not event.replaced:
            self._reported.setdefault(key, was)
            self._changed_orders.add(order)
        self._fold_past(key, now)
        if now is not None:
            self._standing[key] = _execution(now, was)
            return
        del self._standing[key]
        self._reported.setdefault(key, was)
        keys = self._provisional.get(order, [])
        if key in keys:
            keys.remove(key)

    def disclose(self, client_order_id: str, side: Side, strategy: str) -> None:
        """The side of an order is known now: its executions enter the books at this point."""
        for key in self._undisclosed.pop(client_order_id, ()):
            execution = self._standing.get(key)
            if execution is not None and execution.side is _UNDISCLOSED:  # a correction may have said it
                del self._standing[key]
                known = self._standing[key] = replace(execution, side=side)
                if self.past:
                    self.past.pop(key, None)
                    self.past[key] = PastTrade(key, known.ts_ns, strategy, known)

    def reown(self, external_order_id: str, client_order_id: str, strategy: str) -> None:
        """What was booked to an external order is another order's from now on, and its strategy's."""
        last = self._last.pop(external_order_id, "")
        if last:
            *_, first = keys = list(self._keys(last))
            for key in keys if self.past else ():
                item = self.past.get(key)
                if isinstance(item, PastTrade):
                    self.past[key] = replace(item, strategy=strategy)
            before = self._last.get(client_order_id, "")
            for index in (self._standing, self._reported):
                if first in index:
                    index[first] = replace(index[first], previous=before)
            self._last[client_order_id] = last
        for listed in (self._changes_of, self._provisional, self._undisclosed):
            moved = listed.pop(external_order_id, None)
            if moved:
                listed.setdefault(client_order_id, []).extend(moved)
        if external_order_id in self._changed_orders:
            self._changed_orders.discard(external_order_id)
            self._changed_orders.add(client_order_id)

    def restate(self, client_order_id: str) -> None:
        """A corporate action changed what the executions of this order so far amount to."""
        keys = self._keys(self._last.get(client_order_id, ""))
        self._restated.update(key for key in keys if key in self._standing)

    def wait(self, event: events.ReportParked) -> None:
        """Keep a bust or correction that came before its execution."""
        if isinstance(event.report, TradeChange):
            self.early.setdefault(event.waits_for, []).append(event.report)

    def _fold_past(self, key: str, now: Trade | None) -> None:
        """The past that was handed in goes on with what this step makes of it."""
        item = self.past.get(key)
        if isinstance(item, PastTrade):
            if now is None:
                del self.past[key]
            else:
                self.past[key] = replace(item, trade=now)

    # --- leaving memory, and coming back --------------------------------------------------------------

    def of_order(self, client_order_id: str) -> ExecutionsOfOrder:
        """All that is known of an order's executions."""
        last = self._last.get(client_order_id, "")
        if not last:
            return NO_EXECUTIONS
        keys = list(self._keys(last))
        return ExecutionsOfOrder(
            last,
            {key: self._standing[key] for key in keys if key in self._standing},
            {key: self._reported[key] for key in keys if key in self._reported},
            {key: self._changes[key] for key in self._changes_of.get(client_order_id, ())},
            tuple(self._provisional.get(client_order_id, ())),
            tuple(self._undisclosed.get(client_order_id, ())),
            tuple(key for key in keys if key in self._restated),
            client_order_id in self._changed_orders,
        )

    def put_back(self, client_order_id: str, known: ExecutionsOfOrder) -> None:
        """Keep what ``of_order`` returned once."""
        if not known.last:
            return
        self._last[client_order_id] = known.last
        self._standing |= known.standing
        self._reported |= known.reported
        self._changes |= known.changes
        for index, keys in (
            (self._changes_of, known.changes),
            (self._provisional, known.provisional),
            (self._undisclosed, known.undisclosed),
        ):
            if keys:
                index[client_order_id] = list(keys)
        self._restated.update(known.restated)
        if known.has_changes:
            self._changed_orders.add(client_order_id)

    def let_go(self, client_order_id: str) -> None:
        """Forget an order's executions. Costs what the order has."""
        self.is_complete = False
        for key in list(self._keys(self._last.pop(client_order_id, ""))):
            self._standing.pop(key, None)
            self._reported.pop(key, None)
            self._restated.discard(key)
        for key in self._changes_of.pop(client_order_id, ()):
            del self._changes[key]
        self._provisional.pop(client_order_id, None)
        self._undisclosed.pop(client_order_id, None)
        self._changed_orders.discard(client_order_id)

    def _keys(self, last: str) -> Iterator[str]:
        """The keys of an order's executions, those undone included: the newest first."""
        while last:
            yield last
            last = (self._standing.get(last) or self._reported[last]).previous

    # --- looking up -----------------------------------------------------------------------------------

    def reported(self, key: str) -> Execution | None:
        """The execution as it was reported under this key, whatever became of it; None if it never was."""
        first = self._reported.get(key) or self._standing.get(key)
        if first is not None or key not in self._changes:
            return first
        root, now = self._changes[key]
        # A correction that comes again as an execution of its own is no second one.
        return _execution(now, self._reported[root]) if now else self._reported[root]

    def __contains__(self, key: str) -> bool:
        return key in self._standing or key in self._reported or key in self._changes

    def root(self, key: str) -> str | None:
        """The execution that a key stands for: its own, or that of a correction; None if never seen."""
        if key in self._changes:
            return self._changes[key][0]
        return key if key in self._standing or key in self._reported else None

    def standing(self, key: str) -> Execution | None:
        """An execution as it is now; None if it was undone, or never seen."""
        return self._standing.get(key)

    def changed_to(self, change_key: str) -> tuple[str, Trade | None] | None:
        """What the bust or correction of this key did: to which execution, and what it became."""
        return self._changes.get(change_key)

    def is_restated(self, key: str) -> bool:
        """Whether the execution is counted in units from before a corporate action."""
        return key in self._restated

    def has_changes(self, client_order_id: str) -> bool:
        """Whether an execution of this order was ever undone or corrected."""
        return client_order_id in self._changed_orders

    def provisional(self, client_order_id: str) -> Iterator[tuple[str, Execution]]:
        """The order's executions that are known by totals alone, oldest first."""
        for key in self._provisional.get(client_order_id, ()):
            yield key, self._standing[key]

    def waiting(self, key: str) -> tuple[TradeChange, ...]:
        """The busts and corrections that came before this execution."""
        return tuple(self.early.get(key, ()))

    def released_by(self, report: reports.FillReport | reports.TradeCorrectReport) -> list[TradeChange]:
        """What waited for this execution or correction, and what waited for that in turn, each once."""
        found: list[TradeChange] = []
        keys = [execution_key(report.execution_scope, report.execution_id)]
        for key in keys:  # it grows while it is walked
            for change in self.early.get(key, ()):
                found.append(change)
                own_key = execution_key(change.execution_scope, change.execution_id)
                if change.execution_id and own_key not in keys:
                    keys.append(own_key)
        return found

    @property
    def are_settled(self) -> bool:
        """Whether none is known by a total alone, and nothing waits for one: a new one stands by itself."""
        return not (self._provisional or self.early)

    @property
    def waiting_count(self) -> int:
        """How many busts and corrections are still without their execution."""
        return sum(map(len, self.early.values()))

    def of_symbols(
        self,
        symbols: Collection[str],
        strategy_of: StrategyOf,
        changed: str = "",
        now: Trade | None = None,
        reowned: Mapping[str, str] = MappingProxyType({}),
    ) -> Iterator[PastItem]:
        """All that ever moved the units of these instruments, in the order in which it was booked.

        Args:
            changed: the key of an execution that is ``now`` this (None: undone).
            reowned: the strategies of executions, by their keys, where they are others than they were.

        Raises:
            InvariantViolation: memory let go of some, and they were not handed in as ``past``.
        """
        if not self.past and not self.is_complete:
            raise InvariantViolation(
                f"the past of {', '.join(symbols)} is wanted, and memory does not hold all of it",
                "Give step what needs_past asks for; if you did, report this as a bug in execore",
            )
        for key, item in self.past.items() if self.past else self.items(strategy_of):
            if isinstance(item, PastTrade):
                if key == changed:
                    if now is None:
                        continue
                    item = replace(item, trade=now)
                if key in reowned:
                    item = replace(item, strategy=reowned[key])
                if item.trade.symbol in symbols and item.trade.side is not _UNDISCLOSED:
                    yield item
            elif any(symbol in symbols for symbol in symbols_in(item)):
                yield item

    def items(self, strategy_of: StrategyOf) -> Iterator[tuple[str, PastItem]]:
        """All that memory holds and that ever moved units, by keys, in the order in which it was booked."""
        for key, known in self._standing.items():
            if isinstance(known, Execution):
                yield key, PastTrade(key, known.ts_ns, strategy_of(known.client_order_id), known)
            else:
                yield key, known

    def booked_of(self, client_order_id: str) -> dict[str, str]:
        """The keys and instruments of an order's executions that stand and have a side."""
        booked: dict[str, str] = {}
        for key in self._keys(self._last.get(client_order_id, "")):
            known = self._standing.get(key)
            if known is not None and known.side is not _UNDISCLOSED:
                booked[key] = known.symbol
        return booked

    def standing_items(self) -> Iterator[tuple[str, Execution]]:
        """Every execution as it is now, with its key."""
        items: Iterable[tuple[str, object]] = self._standing.items()  # entries are among them
        return ((key, known) for key, known in items if isinstance(known, Execution))

    def __iter__(self) -> Iterator[Execution]:
        return (known for _, known in self.standing_items())


def symbols_in(item: PastItem) -> tuple[str, ...]:
    """The instruments that something of the past is about."""
    if isinstance(item, PastTrade):
        return (item.trade.symbol,)
    return symbols_of(item.entry) if isinstance(item, PastEntry) else (item.symbol,)


def _execution(now: Trade, was: Execution) -> Execution:
    """What an execution became, at the place where it was."""
    return Execution(
        now.symbol,
        now.side,
        now.quantity,
        now.price,
        now.fee,
        now.fee_currency,
        now.position_side,
        now.settlement_date,
        now.lots,
        was.client_order_id,
        was.previous,
        was.ts_ns,
    )
