"""A trader is killed with SIGKILL at random moments, and started again, against a venue process.

The venue process keeps its own books and outlives every kill, so what it did is the truth to compare with.
The trader is forked from a clean server process and talks to the venue over a real socket: a kill may come
before, between or after a message, its answer and the record of either, and also while a book is opening.

Every intent is announced before it is submitted, and submitted once more by the next life if the last one
did not hear of it: in the end it is one order, in the journal and at the venue.
"""

import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import msgspec

from execore import AuditLog, Book, OrderRequest, SqliteJournal
from execore.core import invariants
from execore.journal.anchor import anchor_path, read_anchor
from execore.model.errors import JournalReadOnly, NotAJournal
from execore.model.reports import FillReport
from execore.runtime.recovery import rebuild
from execore.testing.settlement import Flight, in_flight
from execore.testing.venue_client import RemoteVenue
from execore.testing.venue_comparison import compare, sent_twice, unrecorded
from execore.testing.venue_process import Fault, VenueProcess, VenueSetup
from execore.testing.venue_wire import Books
from execore.views import queries
from runtime_support.doomed_trader import BOOK, opened, settle, trade_until_killed
from runtime_support.trading import BITCOIN, START_NS

LONGEST_LIFE_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 30.0
SHARE_KILLED_WHILE_OPENING: Final = 0.3

ORDER_NOT_SENT: Final = "order recorded, not at the venue"
ORDER_SENT: Final = "order at the venue, no answer recorded"
REQUEST_NOT_SENT: Final = "cancel or amend recorded, not at the venue"
REQUEST_SENT: Final = "cancel or amend at the venue, no answer recorded"
IN_FLIGHT_AS: Final = {
    (True, False): ORDER_NOT_SENT,
    (True, True): ORDER_SENT,
    (False, False): REQUEST_NOT_SENT,
    (False, True): REQUEST_SENT,
}
FILL_TAKEN: Final = "fill taken from the venue, not recorded"
FILL_WAITING: Final = "fill at the venue, not taken yet"
KINDS: Final = {*IN_FLIGHT_AS.values(), FILL_TAKEN, FILL_WAITING}


class Report(msgspec.Struct, kw_only=True):
    """What happened in a loop of kills.

    Attributes:
        killed_while: how many kills came while the book was opening, and how many while it traded.
        in_flight: what a kill found under way, by kind; each thing at each kill counts.
        kills_with_something_in_flight: kills that found anything of it.
        ended_as: the final states of the orders that a kill found in flight.
        left_in_doubt: orders with a cancel or an amend of which nobody can say in the end whether it arrived.
        problems: what should not be, in words, with the kill after which it was found.
    """

    seed: int
    kills: int = 0
    books: int = 0
    orders: int = 0
    executions: int = 0
    intents: int = 0
    records: int = 0
    killed_while: Counter[str] = msgspec.field(default_factory=Counter)
    in_flight: Counter[str] = msgspec.field(default_factory=Counter)
    kills_with_something_in_flight: int = 0
    ended_as: Counter[str] = msgspec.field(default_factory=Counter)
    left_in_doubt: Counter[str] = msgspec.field(default_factory=Counter)
    problems: list[str] = msgspec.field(default_factory=list)
    seconds: float = 0.0


def run(
    directory: Path,
    *,
    kills: int,
    seed: int,
    kills_per_book: int = 25,
    threads: int = 0,
    faults: dict[Fault, int] | None = None,
    progress: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Kill a trader so often, each ``kills_per_book`` times on a new journal and venue; say what happened.

    Args:
        threads: 0 trades on a ``Book``; else so many callers trade on a ``Runtime``.
        faults: of the wire, how many of 1,000 requests meet each.
    """
    report = Report(seed=seed)
    chance = random.Random(seed)
    start = time.perf_counter()
    while report.kills < kills and not report.problems:
        report.books += 1
        path = directory / f"book-{report.books}.db"
        setup = _setup(chance.getrandbits(32), faults or {})
        with VenueProcess(setup) as venue, closing(venue.client()) as client:
            era = _Era(path, client, threads, chance, report)
            for _ in range(min(kills_per_book, kills - report.kills)):
                era.kill_once()
                report.seconds = time.perf_counter() - start
                progress(report)
            era.end()
    report.seconds = time.perf_counter() - start
    return report


def _setup(seed: int, faults: dict[Fault, int]) -> VenueSetup:
    return VenueSetup(
        instrument=msgspec.structs.replace(BITCOIN, maximum_quantity=Decimal("0.85")),
        seed=seed,
        start_price=Decimal(100),
        start_ts_ns=START_NS,
        quotes=1_000_000,
        step_bps=100,
        largest_size=400,
        maker_fee_bps=Decimal(-1),
        taker_fee_bps=Decimal(5),
        faults=faults,
    )


# --- one journal and one venue --------------------------------------------------------------------------


class _Era:
    """Many kills on one journal with one venue, and the reckoning at their end."""

    def __init__(
        self, path: Path, venue: RemoteVenue, threads: int, chance: random.Random, report: Report
    ) -> None:
        self._path = path
        self._venue = venue
        self._threads = threads
        self._chance = chance
        self._report = report
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([trade_until_killed.__module__])
        self._opening_seconds = 0.05
        self._unsure: dict[str, OrderRequest] = {}
        self._intents: set[str] = set()
        self._told: set[str] = set()
        self._was_in_flight: set[str] = set()

    def kill_once(self) -> None:
        """Let a child trade for a while and kill it; then look at what it left."""
        hear, tell = self._context.Pipe(duplex=False)
        seed, unsure = self._chance.getrandbits(32), list(self._unsure.values())
        args = (str(self._path), self._venue.port, seed, self._threads, unsure, tell)
        child = self._context.Process(target=trade_until_killed, args=args)
        child.start()
        tell.close()
        with hear:
            self._report.killed_while[self._live(hear)] += 1
            child.kill()
            child.join(LONGEST_WAIT_SECONDS)
            self._hear(hear, 0)
        ended, code = child.is_alive(), child.exitcode
        child.close()
        if ended or code != -signal.SIGKILL:
            self._problem(f"the trader ended by itself, with {code}")
        self._report.kills += 1
        self._look()

    def end(self) -> None:
        """Open the book once more, unharmed, and compare everything."""
        book = opened(str(self._path), self._venue)
        with book:
            book.submit_all(self._unsure.values())
            settle(book)
            books = self._venue.books()
            with SqliteJournal(self._path, read_only=True) as journal:
                self._compare(journal, book, books)

    # --- a life ---

    def _live(self, hear: Connection) -> str:
        """Wait for the moment to kill; return what the child was doing then."""
        while_opening = self._chance.random() < SHARE_KILLED_WHILE_OPENING
        moment = self._chance.random()
        if not self._hear(hear, LONGEST_WAIT_SECONDS, until="opening"):
            self._problem("the trader did not start")
        begun = time.perf_counter()
        if while_opening and not self._hear(hear, moment * 1.2 * self._opening_seconds, until="open"):
            return "opening"
        if not while_opening and not self._hear(hear, LONGEST_WAIT_SECONDS, until="open"):
            self._problem("the book did not open")
        self._opening_seconds = time.perf_counter() - begun
        self._hear(hear, moment * LONGEST_LIFE_SECONDS)
        return "trading"

    def _hear(self, hear: Connection, seconds: float, until: str = "") -> bool:
        """Listen for so long, or until the child has said that word; return whether it did."""
        end = time.perf_counter() + seconds
        with suppress(EOFError):
            while hear.poll(max(0.0, end - time.perf_counter())):
                said = hear.recv()
                if said == until:
                    return True
                if isinstance(said, tuple):
                    self._note(*said)
        return False

    def _note(self, word: str, what: Any) -> None:
        if word == "about":
            self._unsure |= {order.client_order_id: order for order in what}
            self._intents.update(order.client_order_id for order in what)
        elif word == "told":
            self._told.update(what)
            for key in what:
                self._unsure.pop(key, None)
        else:
            self._problem(what)

    # --- what it left ---

    def _look(self) -> None:
        """Count what was in flight, and check what must hold at any moment."""
        books = self._venue.books()
        self._venue.close()  # the next life's session begins when this one is over
        if not self._told and not self._was_open():
            return
        with SqliteJournal(self._path, read_only=True) as journal:
            found = self._in_flight(journal, books)
            self._report.in_flight.update(found)
            self._report.kills_with_something_in_flight += bool(found)
            known = {view["client_order_id"] for view in queries.orders(journal, book=BOOK)}
            for key in self._told - known:
                self._problem(f"order {key} was told to its caller, and is not recorded")
            for problem in (*unrecorded(books, journal, BOOK), *sent_twice(books, journal, BOOK)):
                self._problem(problem)

    def _was_open(self) -> bool:
        """Whether there is a book to look at: a kill may come while its journal is being made."""
        if not self._path.exists():
            return False
        try:
            with SqliteJournal(self._path, read_only=True) as journal:
                return BOOK in journal.books()
        except (JournalReadOnly, NotAJournal):  # its making must be rolled back first, by one who may write
            return False

    def _in_flight(self, journal: SqliteJournal, books: Books) -> Counter[str]:
        found: Counter[str] = Counter()
        there = {order.client_order_id for order in books.orders} | books.cancels.keys() | books.amends.keys()
        for one in in_flight(journal, BOOK):
            sent = (one.request_id or one.client_order_id) in there
            found[IN_FLIGHT_AS[one.flight is Flight.NEW_ORDER, sent]] += 1
            self._was_in_flight.add(one.client_order_id)
        booked = {view["execution_id"] for view in queries.fills(journal, book=BOOK)}
        executed = {fill.execution_id for order in books.orders for fill in order.executions}
        taken = {report.execution_id for report in books.in_doubt if isinstance(report, FillReport)}
        found[FILL_TAKEN] += len(taken - booked)
        found[FILL_WAITING] += len(executed - booked - taken)
        return +found

    def _compare(self, journal: SqliteJournal, book: Book, books: Books) -> None:
        report = self._report
        verification = AuditLog(journal, BOOK).verify(read_anchor(anchor_path(str(self._path))).get(BOOK))
        if not verification.ok:
            self._problem(verification.message)
        state, head = rebuild(journal, BOOK)
        invariants.check(state)
        if (head, state.positions.to_dict()) != (book.head, book.positions.to_dict()):
            self._problem("what the journal makes is not what the book holds")
        compared = compare(books, journal, BOOK)
        for problem in compared.differences:
            self._problem(problem)
        views = {view["client_order_id"]: view for view in queries.orders(journal, book=BOOK)}
        for key in self._intents - views.keys():
            self._problem(f"intent {key} is no order")
        flags = Counter(flag for view in views.values() for flag in view["flags"])
        report.left_in_doubt.update({flag: flags[flag] for flag in ("cancel_unknown", "amend_unknown")})
        report.ended_as.update(views[key]["state"] for key in self._was_in_flight)
        report.orders += compared.orders
        report.executions += compared.executions
        report.intents += len(self._intents)
        report.records += verification.records

    def _problem(self, what: str) -> None:
        self._report.problems.append(f"kill {self._report.kills}, {self._path.name}: {what}")
