"""Our side in one process: the one place where the simulator touches the runtime."""

from collections.abc import Callable, Sequence
from typing import Any

from execore.core.retry_policy import RetryPolicy
from execore.core.snapshot import snapshot_of, state_hash
from execore.journal.protocol import Head
from execore.model.answers import Answer
from execore.model.effects import Alert
from execore.model.orders import Order, OrderRequest
from execore.runtime.book import Book
from execore.runtime.callbacks import InlineCallbacks
from execore.runtime.drivers import InlineDriver
from execore.runtime.loop import Loop
from execore.runtime.opening import BookSettings, Surroundings, open_channel, settle
from execore.runtime.recovery import rebuild
from execore.runtime.snapshots import take_snapshot
from execore.runtime.timers import Timers
from execore.testing.simulation.connection import Connection
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.profile import INSTRUMENTS, Profile
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.world import Log, Process, VirtualTime

BOOK = "main"


class Life:
    """A book, open in one process: the writer loop of every runtime, turned by the simulator itself.

    Raises:
        Crash: the process died while it was opening. JournalError: the journal could not be opened.
    """

    def __init__(
        self,
        process: Process,
        storage: Storage,
        connection: Connection,
        *,
        profile: Profile,
        time: VirtualTime,
        skew_ns: Callable[[], int],
        dice: Dice,
        log: Log,
    ) -> None:
        self.process = process
        self._storage = storage
        self._log = log
        self._keep = profile.keeps_ended
        self._connection = connection

        def monotonic_ns() -> int:
            process.check()
            return time.now_ns

        surroundings = Surroundings(
            clock=lambda: monotonic_ns() + skew_ns(),
            monotonic_ns=monotonic_ns,
            random_bits=dice.stream("ids", process.number).bits,
            random=dice.stream("waits", process.number).fraction,
        )
        settings = BookSettings(
            name=BOOK,
            instruments=INSTRUMENTS,
            venue=connection,
            retry_policy=RetryPolicy() if profile.retries else None,
            resends=profile.resends,
            on_alert=self._hear,
        )
        self._journal = storage.open(process)
        callbacks, timers, loop = InlineCallbacks(), Timers(), Loop(self._journal)
        driver = InlineDriver(loop, callbacks)
        self._channel = open_channel(loop, self._journal, settings, surroundings, timers, callbacks)
        settle(self._channel, driver, settings.instruments)
        self._book = Book(self._channel, driver, timers, None)
        self.let_go()
        process.phase = "running"

    # --- what a strategy does -------------------------------------------------------------------------

    def submit(self, *orders: OrderRequest) -> None:
        """Submit orders, all in one commit."""
        self._told(self._book.submit_all(orders))

    def cancel(self, client_order_id: str, request_id: str) -> None:
        """Ask for a cancel."""
        self._told([self._book.cancel(client_order_id, request_id=request_id)])

    def cancel_all(self) -> None:
        """Ask for a cancel of everything that is open."""
        self._told(self._book.cancel_all())

    def amend(self, client_order_id: str, request_id: str, **terms: Any) -> None:
        """Ask for new terms."""
        self._told([self._book.amend(client_order_id, request_id=request_id, **terms)])

    def submit_group(self, kind: str, legs: Sequence[OrderRequest], **terms: Any) -> None:
        """Submit an order group."""
        self._told([self._book.groups.submit(kind, legs, **terms)])

    def close_order(self, client_order_id: str) -> None:
        """Settle a finished order."""
        self._told([self._book.close_order(client_order_id)])

    # --- what a process does by itself ----------------------------------------------------------------

    def pump(self) -> None:
        """Take what the venue has reported."""
        self._book.pump()

    def pass_time(self) -> None:
        """Do what is due."""
        self._told(self._book.pass_time())

    def run_timers(self) -> None:
        """Do what is due, if anything is: what the threads of a real process see to."""
        due_ns = self._book.next_due_ns()
        if due_ns is not None and due_ns <= self._channel.now_ns():
            self.pass_time()

    def ask_everything(self) -> None:
        """Ask the venue for all it knows, and take it."""
        self._connection.mass_status(0)
        self._book.pump()

    def take_snapshot(self) -> None:
        """Have a snapshot taken, as a reader beside the process would."""
        take_snapshot(self._journal, BOOK)

    def let_go(self) -> None:
        """Let ended orders leave memory sooner than a runtime would: nobody may notice."""
        self._channel.writer.state.release(self._keep)

    def close(self) -> None:
        """End in an orderly way."""
        self._book.close()
        self._journal.close()
        self.process.end()

    # --- what can be seen -----------------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last durable sequence and hash, as the book says."""
        return self._book.head

    def order(self, client_order_id: str) -> Order | None:
        """One order, in memory or not."""
        return self._book.find_order(client_order_id)

    @property
    def positions(self) -> Any:
        """The position ledger."""
        return self._book.positions

    def state_hashes(self) -> tuple[str, str]:
        """The hash of the state as it is, and as a replay of the journal from its first record makes it."""
        replayed, _ = rebuild(self._storage.medium, BOOK)
        return state_hash(snapshot_of(self._channel.writer.state)), state_hash(snapshot_of(replayed))

    # --- how ------------------------------------------------------------------------------------------

    def _told(self, answers: Sequence[Answer]) -> None:
        """What a caller is told must be durable."""
        for event in (event for answer in answers for event in answer.events):
            if not self._storage.has(event):
                self._log.object(
                    "told_before_durable", f"{type(event).__name__} was told, and is not durable"
                )

    def _hear(self, alert: Alert) -> None:
        if self.process.is_alive:
            self._log.say("alert", "{}: {}", alert.code, alert.message)
