"""Two books that take the same inputs: one that keeps everything, and one that remembers as little as it can.

The second lets go of all that it may after every step, and gets back what an input names from a journal: one
that is as simple as can be, or the real one. Whatever the two answer must be the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from execore.core.book_state import BookState
from execore.core.engine import step
from execore.core.executions import symbols_in
from execore.core.invariants import check
from execore.core.order_ledger import OrderLedger
from execore.core.recall import needs, needs_past
from execore.core.snapshot import restore, snapshot_of
from execore.journal.codec import decode_record, encode_record
from execore.journal.memory import MemoryJournal
from execore.model import events
from execore.model.answers import Answer
from execore.model.errors import InvalidInput
from execore.model.keys import Key, KeyKind
from execore.model.money import exactly
from execore.model.records import Record, StoredRecord
from execore.model.requests import Input
from execore.model.trades import PastItem
from execore.runtime.archive import Archive
from execore.runtime.projecting import changes_of


def who_has(orders: OrderLedger, key: Key) -> str | None:
    """The order that a key stands for, in a ledger that keeps everything."""
    if key.kind is KeyKind.ORDER:
        return orders.owner_of_id(key.text)
    if key.kind is KeyKind.VENUE_ORDER:
        order = orders.by_venue_order_id(key.text, key.symbol)
        return None if order is None else order.client_order_id
    execution = orders.executions.reported(key.text)
    return None if execution is None else orders.get(execution.client_order_id).client_order_id


class NaiveJournal:
    """The parts of a journal that an archive asks: every record as text, and a book replayed from them."""

    def __init__(self) -> None:
        self.replayed = BookState()
        self.lines: dict[str, list[StoredRecord]] = {}
        self.count = 0

    @exactly
    def record(self, told: Sequence[events.AnyEvent], ts_ns: int, state: BookState) -> None:
        for event in told:
            self._append(event, ts_ns)

    def _append(self, event: events.AnyEvent, ts_ns: int) -> None:
        self.count += 1
        line = StoredRecord(self.count, "", encode_record(Record(self.count, "b", ts_ns, 0, "", "", event)))
        told = decode_record(line)
        self.replayed.apply(told.event, told.ts_event_ns)
        self.lines.setdefault(getattr(event, "client_order_id", ""), []).append(line)

    def read_order(self, book: str, client_order_id: str) -> Iterator[StoredRecord]:
        return iter(self.lines.get(client_order_id, []))

    def find_orders(self, book: str, keys: Sequence[Key]) -> dict[Key, str]:
        found = {key: who_has(self.replayed.orders, key) for key in keys}
        return {key: order for key, order in found.items() if order is not None}

    def past(self, book: str, symbols: Sequence[str]) -> Iterator[tuple[str, PastItem]]:
        orders = self.replayed.orders
        for key, item in orders.executions.items(orders.strategy_of):
            if any(symbol in symbols for symbol in symbols_in(item)):
                yield key, item

    def find_entries(self, book: str, entry_ids: Sequence[str]) -> list[Any]:
        return [self.replayed.entries[one] for one in entry_ids if one in self.replayed.entries]


class RealJournal(MemoryJournal):
    """A journal as the runtime uses it, with what the state says of the changes."""

    def record(self, told: Sequence[events.AnyEvent], ts_ns: int, state: BookState) -> None:
        head = self.head("b").sequence
        records = [
            Record(head + number, "b", ts_ns, 0, "", "", event) for number, event in enumerate(told, start=1)
        ]
        self.append("b", head, records, changes_of(state, records))


class Twins:
    """A full book and its lean twin.

    Attributes:
        full: has never let go of anything.
        lean: lets go of all that it may after every step.
        released: how many times an order left.
        wanted_past: the instruments whose past the last step wanted.
    """

    def __init__(
        self,
        full: BookState,
        opened: Sequence[events.AnyEvent],
        journal: NaiveJournal | RealJournal | None = None,
    ) -> None:
        self.full = full
        self.lean = BookState()
        self.journal = journal or NaiveJournal()
        self.archive = Archive(self.journal, "b")  # type: ignore[arg-type]  # it asks no more of a journal
        self.released = 0
        self.wanted_past: tuple[str, ...] = ()
        for event in opened:
            self.lean.apply(event, 0)
        self.journal.record(opened, 0, self.lean)

    def take(self, cause: Input) -> Answer:
        """Step both; the answer, or the error, is that of both."""
        answer, error = _stepped(self.full, cause)
        self.archive.load(self.lean, [cause])
        self.wanted_past = needs_past(self.lean, cause)
        self.lean.past = self.archive.past(self.wanted_past) if self.wanted_past else ()
        answer_of_lean, error_of_lean = _stepped(self.lean, cause)
        self.lean.past = ()
        assert repr(error_of_lean) == repr(error), cause
        assert answer_of_lean == answer, (cause, answer_of_lean, answer)
        if answer is not None and answer.events:
            self.journal.record(answer.events, cause.ts_ns, self.lean)
        self.compare()
        self.released += self.lean.release(0)
        self.compare()
        if answer is None:
            raise error
        return answer

    def recalls(self, cause: Input) -> bool:
        """Whether the input names an order that was let go of."""
        found = self.journal.find_orders("b", needs(self.lean, cause))
        return any(order not in self.lean.orders for order in found.values())

    def compare(self) -> None:
        """Both are the same in what they must have, and each is consistent in itself."""
        assert self.lean.positions.to_dict() == self.full.positions.to_dict()
        assert self.lean.parked == self.full.parked
        check(self.lean)
        assert snapshot_of(self.lean) == snapshot_of(self.full)

    def restart(self) -> None:
        """The lean book is what a snapshot of it says."""
        data = snapshot_of(self.lean)
        self.lean = restore(data)
        assert snapshot_of(self.lean) == data


def _stepped(state: BookState, cause: Input) -> tuple[Answer | None, Any]:
    try:
        return step(state, cause), None
    except InvalidInput as error:
        return None, error
