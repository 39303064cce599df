"""One book of a runtime: what may be asked of it, from any thread or coroutine, and looked at."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from execore.core.book_state import BookState
from execore.core.position import Position
from execore.journal.protocol import Head
from execore.model.answers import Answer
from execore.model.orders import Order
from execore.model.vocabulary import OrderState
from execore.runtime.asking import Ask, Asking
from execore.runtime.channel import Channel
from execore.runtime.emergency import send_cancels
from execore.runtime.fallback import EmergencyCancel
from execore.runtime.grouping import Grouping
from execore.runtime.handle import Handle
from execore.runtime.subscriptions import OnRecord, Subscription

if TYPE_CHECKING:
    from execore.runtime.runtime import Runtime


class RuntimeBook(Asking[Handle[Answer], Handle[list[Answer]]]):
    """One book of a runtime. Every request returns a handle at once: wait, await, or be called back.

    Safe to use from any thread. What is looked at is what is committed.
    """

    def __init__(self, runtime: "Runtime", channel: Channel) -> None:
        super().__init__(channel.maker)
        self._runtime = runtime
        self._channel = channel
        self._waiting = runtime.waiting(channel)
        self.groups: Grouping[Handle[Answer]] = Grouping(
            state=lambda: channel.writer.state, ask=self._ask, maker=channel.maker
        )

    def _ask(self, ask: Ask) -> Any:
        handle: Handle[Any] = Handle(self._waiting)
        self._runtime.ask(self._channel, ask, handle)
        return handle

    @property
    def name(self) -> str:
        """The book's name."""
        return self._channel.name

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, or closed itself as a record failed."""
        return self._channel.writer.is_closed

    # --- looking ------------------------------------------------------------------------------------

    @contextmanager
    def view(self) -> Iterator[BookState]:
        """The book as it is committed, for as long as the block lasts; the writer waits meanwhile.

        Raises:
            BookClosed: the book is closed.
        """
        with self._runtime.lock:
            yield self._channel.writer.state

    def find_order(self, client_order_id: str) -> Order | None:
        """The order of this id, however long ago it ended; None if there never was one.

        Raises:
            InvalidInput: the id is no text. BookClosed: the book is closed.
            JournalError: the journal cannot be read. ChainBroken, NewerSchema: a record of the order cannot.
        """
        with self._runtime.lock:
            return self._channel.writer.find_order(client_order_id)

    def open_orders(self) -> list[Order]:
        """Every order that can still trade, or might.

        Raises:
            BookClosed: the book is closed.
        """
        with self.view() as state:
            return state.orders.open_orders()

    def position(self, symbol: str) -> Position:
        """The position in an instrument; flat if it never traded.

        Raises:
            UnknownInstrument: the symbol was never defined. BookClosed: the book is closed.
        """
        with self.view() as state:
            return state.positions.position(symbol)

    @property
    def head(self) -> Head:
        """The last durable sequence and hash."""
        return self._channel.writer.head

    def until(
        self, client_order_id: str, *states: OrderState, such: Callable[[Order], bool] | None = None
    ) -> Handle[Order]:
        """A handle on the order being in one of ``states``, or ``such``: settled at once if it is so now.

        It sees every commit, and not every state in between: ask for all that will do. ``such`` is called on
        the writer, as a risk hook is, and must be quick. Drop the handle, and it is not followed any more.

        Raises:
            BookClosed: the book is closed.
        """
        wanted = such if such is not None else lambda order: order.state in states
        handle: Handle[Order] = Handle(self._waiting, self._channel.watches.awaited)
        self._runtime.until(self._channel, client_order_id, wanted, handle)
        return handle

    def subscribe(self, on_record: OnRecord, from_sequence: int | None = None) -> Subscription:
        """Have ``on_record`` called with every record from a place on, in order, once it is durable.

        It is told at least once: note ``record.sequence``, and go on from the next one after a restart. It
        runs apart from the writer; what it raises is an alert, and the next record comes all the same.

        Args:
            from_sequence: of the first record to tell; None is the next one that is made.

        Raises:
            BookClosed: the book is closed. JournalError: the journal cannot be read.
        """
        return self._runtime.subscribe(self._channel, on_record, from_sequence)

    def emergency_cancel_all(
        self, *, actor: str, reason: str, symbol: str = "", strategy: str = ""
    ) -> list[EmergencyCancel]:
        """Send cancels past a storage that has failed; see ``Book.emergency_cancel_all``.

        Raises:
            EmergencyOnly: the book has not failed, or has no venue.
            InvalidInput: ``actor`` or ``reason`` is no string; nothing was sent.
        """
        return send_cancels(self._channel, symbol=symbol, strategy=strategy, actor=actor, reason=reason)
