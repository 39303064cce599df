"""What moved between accounts, record by record: the general journal of a book."""

from collections.abc import Iterator, Sequence
from typing import Any

from execore.core.accounts import Movement
from execore.core.books import Books, Step, fold
from execore.model import events
from execore.model.entries import symbols_of
from execore.model.money import exactly, text_of

View = dict[str, Any]


def postings(books: Books, book: str, steps: Iterator[Step]) -> Iterator[View]:
    """Fold ``steps`` into ``books``, and yield what each moves from one account to another.

    Raises:
        ChainBroken: a record does not follow from those before it.
    """
    moved: list[Movement] = []

    def note(movements: Sequence[Movement]) -> None:
        moved.extend(movements)

    books.positions.watch(note)
    for step in steps:
        exactly(fold)(books, book, step)
        if isinstance(step.event, events.BookOpened):  # which begins another ledger
            books.positions.watch(note)
        for source, target, amount in moved:
            if amount:
                yield _view(step, source.name, target.name, target.unit, text_of(amount))
        moved.clear()


def _view(step: Step, source: str, target: str, unit: str, amount: str) -> View:
    event: Any = step.event
    entry = event.entry if isinstance(event, events.EntryBooked) else None
    changed = event.was.symbol if isinstance(event, events.TradeChange) else ""
    symbols = symbols_of(entry) if entry is not None else (getattr(event, "symbol", changed),)
    return {
        "sequence": step.sequence,
        "ts_event_ns": step.ts_event_ns,
        "type": str(type(event).__struct_config__.tag),
        "client_order_id": getattr(event, "client_order_id", ""),
        "id": _id_of(event, entry),
        "symbol": symbols[0] if symbols else "",
        "source": source,
        "target": target,
        "unit": unit,
        "amount": amount,
    }


def _id_of(event: Any, entry: Any) -> str:
    """What the record is about: an execution, an entry, a transfer."""
    if entry is not None:
        return str(entry.entry_id)
    if isinstance(event, events.TradeChange):
        return event.execution_ref_id
    return str(getattr(event, "execution_id", "") or getattr(event, "transfer_id", ""))
