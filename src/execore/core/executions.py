"""Every execution of a book: what was reported, what it is now, and what later reports say of it.

An execution is booked under the venue's id, within the scope in which that is unique. A correction changes it
in place and is known by its own id from then on, so that the next correction may refer to either. One that
was undone stays known, so that a copy of it is never booked again.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from execore.model import events, reports
from execore.model.errors import InvariantViolation
from execore.model.events import Trade
from execore.model.vocabulary import Side

_UNDISCLOSED = Side.UNDISCLOSED
TradeChange = reports.TradeCancelReport | reports.TradeCorrectReport


def execution_key(execution_scope: str, execution_id: str) -> str:
    """The identity of an execution in a book: the venue's id within the scope in which it is unique."""
    if not execution_scope:
        return "0:" + execution_id
    # The length in front keeps every pair apart, whatever characters a venue puts into its ids.
    return f"{len(execution_scope)}:{execution_scope}{execution_id}"


def split_key(key: str) -> tuple[str, str]:
    """The scope and the id that a key was made of."""
    length, text = key.split(":", 1)
    return text[: int(length)], text[int(length) :]


class Execution(Trade, frozen=True, gc=False):
    """What is booked under an execution key, and the order it was booked to.

    ``previous``: the key of the execution before it of the order that has it, as a chain through them all.
    """

    client_order_id: str = ""
    previous: str = ""


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
        past: while a step needs them, all executions of an instrument that stand, by their keys.
    """

    def __init__(self) -> None:
        self._standing: dict[str, Execution] = {}  # as they are now
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
        self.past: dict[str, dict[str, Trade]] = {}

    # --- changing: the fold ---------------------------------------------------------------------------

    def book(self, event: events.FillBooked) -> None:
        """Take a booked fill in."""
        key = execution_key(event.execution_scope, event.execution_id)
        order = event.client_order_id
        execution = self._standing[key] = Execution(
            event.symbol,
            event.side,
            event.quantity,
            event.price,
            event.fee,
            event.fee_currency,
            order,
            self._last.get(order, ""),
        )
        self._last[order] = key
        if event.cumulative:
            self._provisional.setdefault(order, []).append(key)
        if event.side is _UNDISCLOSED:
            self._undisclosed.setdefault(order, []).append(key)
        if self.early:
            self.early.pop(key, None)
        if self.past:
            self._fold_past(key, event.symbol, execution)

    def change(self, event: events.TradeCancelled | events.TradeCorrected) -> None:
        """Undo an execution, or make it what it really was."""
        key = execution_key(event.execution_scope, event.execution_ref_id)
        order = event.client_order_id
        was = self._standing[key]
        now = event.now if isinstance(event, events.TradeCorrected) else None
        if event.execution_id:
            change_key = execution_key(event.execution_scope, event.execution_id)
            self._changes[change_key] = (key, now)
            self._changes_of.setdefault(order, []).append(change_key)
            self.early.pop(change_key, None)
        if not event.replaced:
            self._reported.setdefault(key, was)
            self._changed_orders.add(order)
        if self.past:
            self._fold_past(key, was.symbol, now)
        if now is not None:
            self._standing[key] = _execution(now, was)
            return
        del self._standing[key]
        self._reported.setdefault(key, was)
        keys = self._provisional.get(order, [])
        if key in keys:
            keys.remove(key)

    def disclose(self, client_order_id: str, side: Side) -> None:
        """The side of an order is known now: its executions enter the books at this point."""
        for key in self._undisclosed.pop(client_order_id, ()):
            execution = self._standing.get(key)
            if execution is not None and execution.side is _UNDISCLOSED:  # a correction may have said it
                del self._standing[key]
                known = self._standing[key] = replace(execution, side=side)
                if self.past:
                    self._fold_past(key, known.symbol, None)
                    self._fold_past(key, known.symbol, known)

    def reown(self, external_order_id: str, client_order_id: str) -> None:
        """What was booked to an external order is another order's from now on."""
        last = self._last.pop(external_order_id, "")
        if last:
            *_, first = self._keys(last)
            before = self._last.get(client_order_id, "")
            for index in (self._standing, self._reported):
                if first in index:
                    index[first] = replace(index[first], previous=before)
            self._last[client_order_id] = last
        for listed in (self._changes_of, self._provisional, self._undisclosed):
            keys = listed.pop(external_order_id, None)
            if keys:
                listed.setdefault(client_order_id, []).extend(keys)
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

    def _fold_past(self, key: str, symbol: str, now: Trade | None) -> None:
        """The past that was handed in goes on with what this step makes of it."""
        trades = self.past.get(symbol, {})
        if now is None:
            trades.pop(key, None)
        else:
            trades[key] = now

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

    def of_symbol(self, symbol: str, changed: str, now: Trade | None) -> Iterable[Trade]:
        """The executions of an instrument in booking order, with ``changed`` being ``now`` (None: undone).

        Raises:
            InvariantViolation: memory let go of some, and they were not handed in as ``past``.
        """
        known = self.past.get(symbol)
        if known is None and not self.is_complete:
            raise InvariantViolation(
                f"the past of {symbol} is wanted, and memory does not hold all of it",
                "Give step what needs_past asks for; if you did, report this as a bug in execore",
            )
        for key, execution in (self._standing if known is None else known).items():
            trade: Trade | None = now if key == changed else execution
            if trade is not None and trade.symbol == symbol and trade.side is not _UNDISCLOSED:
                yield trade

    def standing_items(self) -> Iterator[tuple[str, Execution]]:
        """Every execution as it is now, with its key."""
        return iter(self._standing.items())

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._standing.values())


def _execution(now: Trade, was: Execution) -> Execution:
    """What an execution became, at the place where it was."""
    return Execution(
        now.symbol,
        now.side,
        now.quantity,
        now.price,
        now.fee,
        now.fee_currency,
        was.client_order_id,
        was.previous,
    )
