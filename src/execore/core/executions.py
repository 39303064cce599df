"""Every execution of a book: what was reported, what it is now, and what later reports say of it.

An execution is booked under the venue's id, within the scope in which that is unique. A correction changes it
in place and is known by its own id from then on, so that the next correction may refer to either. One that
was undone stays known, so that a copy of it is never booked again.
"""

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from execore.model import events, reports
from execore.model.events import Trade
from execore.model.vocabulary import Side

_UNDISCLOSED = Side.UNDISCLOSED
TradeChange = reports.TradeCancelReport | reports.TradeCorrectReport


def execution_key(execution_scope: str, execution_id: str) -> str:
    """The identity of an execution in a book: the venue's id within the scope in which it is unique."""
    # The length in front keeps every pair apart, whatever characters a venue puts into its ids.
    return f"{len(execution_scope)}:{execution_scope}{execution_id}"


def split_key(key: str) -> tuple[str, str]:
    """The scope and the id that a key was made of."""
    length, text = key.split(":", 1)
    return text[: int(length)], text[int(length) :]


class Execution(Trade, frozen=True, gc=False):
    """What is booked under an execution key, and the order it was booked to."""

    client_order_id: str = ""


class Executions:
    """Executions by key, in the order in which the books have taken them."""

    def __init__(self) -> None:
        self._standing: dict[str, Execution] = {}  # as they are now
        self._reported: dict[str, Execution] = {}  # as first reported, where that was changed since
        self._changes: dict[str, tuple[str, Trade | None]] = {}  # a change -> of what, to what
        self._changed_orders: set[str] = set()
        self._provisional: dict[str, list[str]] = {}  # order -> executions known by totals alone
        self._undisclosed: dict[str, list[str]] = {}  # order -> executions of which nobody said the side
        self._restated: set[str] = set()  # booked before a corporate action restated their order
        self.early: dict[str, list[TradeChange]] = {}  # execution not seen yet -> what it waits for

    # --- changing: the fold ---------------------------------------------------------------------------

    def book(self, event: events.FillBooked) -> None:
        """Take a booked fill in."""
        key = execution_key(event.execution_scope, event.execution_id)
        self._standing[key] = Execution(
            event.symbol,
            event.side,
            event.quantity,
            event.price,
            event.fee,
            event.fee_currency,
            event.client_order_id,
        )
        if event.cumulative:
            self._provisional.setdefault(event.client_order_id, []).append(key)
        if event.side is _UNDISCLOSED:
            self._undisclosed.setdefault(event.client_order_id, []).append(key)
        if self.early:
            self.early.pop(key, None)

    def change(self, event: events.TradeCancelled | events.TradeCorrected) -> None:
        """Undo an execution, or make it what it really was."""
        key = execution_key(event.execution_scope, event.execution_ref_id)
        was = self._standing[key]
        now = event.now if isinstance(event, events.TradeCorrected) else None
        if event.execution_id:
            change_key = execution_key(event.execution_scope, event.execution_id)
            self._changes[change_key] = (key, now)
            self.early.pop(change_key, None)
        if not event.replaced:
            self._reported.setdefault(key, was)
            self._changed_orders.add(event.client_order_id)
        if now is not None:
            self._standing[key] = _execution(now, was.client_order_id)
            return
        del self._standing[key]
        self._reported.setdefault(key, was)
        keys = self._provisional.get(event.client_order_id, [])
        if key in keys:
            keys.remove(key)

    def disclose(self, client_order_id: str, side: Side) -> None:
        """The side of an order is known now: its executions enter the books at this point."""
        for key in self._undisclosed.pop(client_order_id, ()):
            execution = self._standing.get(key)
            if execution is not None and execution.side is _UNDISCLOSED:  # a correction may have said it
                del self._standing[key]
                self._standing[key] = replace(execution, side=side)

    def reown(self, external_order_id: str, client_order_id: str) -> None:
        """What was booked to an external order is another order's from now on."""
        for index in (self._provisional, self._undisclosed):
            keys = index.pop(external_order_id, None)
            if keys:
                index.setdefault(client_order_id, []).extend(keys)
        if external_order_id in self._changed_orders:
            self._changed_orders.add(client_order_id)

    def restate(self, client_order_ids: Collection[str]) -> None:
        """A corporate action changed what the executions of these orders so far amount to."""
        self._restated |= {
            key for key, execution in self._standing.items() if execution.client_order_id in client_order_ids
        }

    def wait(self, event: events.ReportParked) -> None:
        """Keep a bust or correction that came before its execution."""
        if isinstance(event.report, TradeChange):
            self.early.setdefault(event.waits_for, []).append(event.report)

    # --- looking up -----------------------------------------------------------------------------------

    def reported(self, key: str) -> Execution | None:
        """The execution as it was reported under this key, whatever became of it; None if it never was."""
        first = self._reported.get(key) or self._standing.get(key)
        if first is not None or key not in self._changes:
            return first
        root, now = self._changes[key]
        # A correction that comes again as an execution of its own is no second one.
        return _execution(now, self._reported[root].client_order_id) if now else self._reported[root]

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

    @property
    def waiting_count(self) -> int:
        """How many busts and corrections are still without their execution."""
        return sum(map(len, self.early.values()))

    def of_symbol(self, symbol: str, changed: str, now: Trade | None) -> Iterable[Trade]:
        """The executions of an instrument in booking order, with ``changed`` being ``now`` (None: undone)."""
        for key, execution in self._standing.items():
            trade: Trade | None = now if key == changed else execution
            if trade is not None and trade.symbol == symbol and trade.side is not _UNDISCLOSED:
                yield trade

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._standing.values())


def _execution(trade: Trade, client_order_id: str) -> Execution:
    return Execution(
        trade.symbol,
        trade.side,
        trade.quantity,
        trade.price,
        trade.fee,
        trade.fee_currency,
        client_order_id,
    )
