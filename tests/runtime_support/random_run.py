"""A random book that keeps everything, recorded in a journal as the runtime would."""

from core_support.desk import BITCOIN, FUTURE
from core_support.random_book import Traffic
from execore.core.engine import open_book, step
from execore.core.snapshot import SNAPSHOT_SCHEMA, snapshot_of, state_hash
from execore.journal.protocol import EMPTY_HEAD, Snapshot
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidInput
from execore.model.events import AnyEvent, InstrumentDefined
from execore.model.keys import Key, KeyKind
from execore.model.money import exactly
from execore.model.records import Record
from execore.model.vocabulary import CostMethod
from execore.runtime.projecting import changes_of

BOOK = "main"
INPUTS = 400
SNAPSHOTS = 8


class Run:
    """A book that keeps everything, and the journal of what it did."""

    def __init__(self, journal: SqliteJournal, seed: int) -> None:
        self.journal = journal
        self.head = EMPTY_HEAD
        self.snapshots: list[Snapshot] = []
        self.state, opened = open_book(BOOK, CostMethod.AVERAGE, 0)
        self.traffic = Traffic(seed, self.state)
        defined = [InstrumentDefined(BITCOIN), InstrumentDefined(FUTURE)]
        for event in defined:
            self.state.apply(event, 0)
        self.record([opened, *defined], 0)
        self.trade()

    def trade(self) -> None:
        for number, cause in enumerate(self.traffic.inputs(INPUTS)):
            try:
                told = step(self.state, cause).events
            except InvalidInput:
                continue
            self.record(told, cause.ts_ns)
            if number % (INPUTS // SNAPSHOTS) == 0:
                data = snapshot_of(self.state)
                self.snapshots.append(Snapshot(self.head, SNAPSHOT_SCHEMA, state_hash(data), data))

    @exactly
    def record(self, told: list[AnyEvent] | tuple[AnyEvent, ...], ts_ns: int) -> None:
        if told:
            first = self.head.sequence + 1
            records = [Record(first + n, BOOK, ts_ns, 0, "", "", event) for n, event in enumerate(told)]
            changes = changes_of(self.state, records)
            self.head = self.journal.append(BOOK, self.head.sequence, records, changes)

    def ids(self) -> list[Key]:
        traffic = self.traffic
        ours = [Key(KeyKind.ORDER, text) for text in (*traffic.order_ids, *traffic.request_ids)]
        return ours + [
            Key(KeyKind.VENUE_ORDER, text, symbol)
            for text in traffic.venue_ids
            for symbol in (BITCOIN.symbol, FUTURE.symbol)
        ]
