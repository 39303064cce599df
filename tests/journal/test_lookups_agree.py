"""What a journal finds is what a ledger that never forgets would: random books, each journal, every key."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from core_support.desk import BITCOIN, FUTURE
from core_support.random_book import Traffic
from core_support.twins import who_has
from execore.core.book_state import BookState
from execore.core.engine import open_book, step
from execore.core.trade_changes import trade_of
from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Append, Changes, Journal
from execore.journal.sqlite import SqliteJournal
from execore.model import events
from execore.model.errors import InvalidInput
from execore.model.keys import Key, KeyKind, execution_key
from execore.model.money import exactly
from execore.model.records import Record
from execore.model.trades import PastItem, PastTrade
from execore.model.vocabulary import CostMethod
from execore.runtime.projecting import changes_of

BOOK = "b"


class Recorded:
    """A book that keeps everything, recorded in several journals as the runtime would."""

    def __init__(self, journals: Sequence[Journal], seed: int) -> None:
        self.journals = journals
        self.sequence = 0
        self.state, first = open_book(BOOK, CostMethod.AVERAGE, 0)
        instruments = [events.InstrumentDefined(instrument) for instrument in (BITCOIN, FUTURE)]
        for event in instruments:
            self.state.apply(event, 0)
        self.commit([(0, first), *((0, event) for event in instruments)])
        self.traffic = Traffic(seed, self.state)

    def run(self, inputs: int) -> None:
        """Step random inputs; a few of them to a commit."""
        told: list[tuple[int, events.AnyEvent]] = []
        for cause in self.traffic.inputs(inputs):
            try:
                told += [(cause.ts_ns, event) for event in step(self.state, cause).events]
            except InvalidInput:
                continue
            if self.traffic.chance(0.4):
                self.commit(told)
                told = []
        self.commit(told)

    @exactly
    def commit(self, told: Sequence[tuple[int, events.AnyEvent]]) -> None:
        records = [
            Record(number, BOOK, ts_ns, 0, "", "", event)
            for number, (ts_ns, event) in enumerate(told, self.sequence + 1)
        ]
        changes = changes_of(self.state, records) if records else Changes()
        for journal in self.journals:
            journal.append_all([Append(BOOK, self.sequence, records, changes)])
        self.sequence += len(records)

    def keys(self) -> Iterator[Key]:
        """Every key that the inputs used, and some that nobody did."""
        traffic = self.traffic
        for text in [*traffic.order_ids, *traffic.request_ids, "nobody"]:
            yield Key(KeyKind.ORDER, text)
        for text in [*traffic.venue_ids, "nobody"]:
            symbols = (BITCOIN.symbol, FUTURE.symbol, "")
            yield from (Key(KeyKind.VENUE_ORDER, text, symbol) for symbol in symbols)
        for scope, execution_id, _ in traffic.executions:
            yield Key(KeyKind.EXECUTION, execution_key(scope, execution_id))
            yield Key(KeyKind.EXECUTION, execution_key(execution_id, scope))

    def meant(self, key: Key) -> str | None:
        """What the ledger says."""
        return who_has(self.state.orders, key)


@pytest.mark.parametrize("seed", range(24))
def test_every_key_and_every_trade_of_a_random_book_is_found(tmp_path: Path, seed: int) -> None:
    with SqliteJournal(tmp_path / "journal.db") as sqlite:
        memory = MemoryJournal()
        book = Recorded([memory, sqlite], seed)
        for _ in range(3):
            book.run(80)
            keys = list(dict.fromkeys(book.keys()))
            meant = {key: order for key in keys if (order := book.meant(key)) is not None}
            assert len(meant) > 20
            for journal in (memory, sqlite):
                assert journal.find_orders(BOOK, keys) == meant
                for symbol in (BITCOIN.symbol, FUTURE.symbol):
                    past = list(journal.past(BOOK, [symbol]))
                    assert past[0][1] == book.state.positions.instrument(symbol)
                    assert past[1:] == standing(book.state, symbol)


def standing(state: BookState, symbol: str) -> list[tuple[str, PastItem]]:
    """The ledger's executions in an instrument, in order, each as its terms alone."""
    return [
        (
            key,
            PastTrade(
                key,
                execution.ts_ns,
                state.orders.strategy_of(execution.client_order_id),
                trade_of(execution),
            ),
        )
        for key, execution in state.orders.executions.standing_items()
        if execution.symbol == symbol
    ]
