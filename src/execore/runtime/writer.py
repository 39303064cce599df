"""The one writer of a book: steps inputs on the working state, and makes their events durable in one commit.

Order of duties: step, append (durable), and only then are effects and answers let go. When an append fails,
the working state is thrown away and the book closes: what the journal holds is the truth, and opening the
book again replays it.
"""

from collections.abc import Iterable

from execore.core.book_state import BookState
from execore.core.engine import step
from execore.journal.protocol import Changes, FillChange, FillRow, Head, Journal
from execore.model.answers import Answer
from execore.model.errors import BookClosed, InvalidInput
from execore.model.events import AnyEvent, FillBooked, OrderAcknowledged, OrderEvent, OrderReowned
from execore.model.money import exactly
from execore.model.orders import Order
from execore.model.records import Record
from execore.model.reports import Report
from execore.model.requests import Input
from execore.runtime.clock import Clock


class Writer:
    """Owns the working state of one book and its place in the journal.

    Attributes:
        tends_groups: whether order groups do what an input makes necessary; not while a book is settling.
    """

    def __init__(self, journal: Journal, book: str, state: BookState, head: Head, clock: Clock) -> None:
        self.book = book
        self.head = head
        self.tends_groups = True
        self._journal = journal
        self._state: BookState | None = state
        self._clock = clock
        self._failure: BaseException | None = None

    @property
    def state(self) -> BookState:
        """The working state; between calls it is what the journal holds.

        Raises:
            BookClosed: the book was closed, or an append failed.
        """
        if self._state is None:
            failure = self._failure
            why = "" if failure is None else f", it closed itself on {type(failure).__name__}: {failure}"
            raise BookClosed(
                f"book {self.book} is closed{why}",
                "Open it again: what the journal holds is replayed, and nothing recorded is lost",
            ) from failure
        return self._state

    @property
    def is_closed(self) -> bool:
        """Whether the book was closed, or closed itself when an append failed."""
        return self._state is None

    @exactly
    def process(self, causes: Iterable[Input]) -> tuple[list[Answer], InvalidInput | None]:
        """Step every input, one after the other, and commit all their events at once.

        Returns:
            The answers, and the error of an input that is not acceptable. Everything before that input is
            committed, and its effects are the caller's to carry out; it and those after it changed nothing.

        Raises:
            NotRecorded, OutcomeUnknown: the append failed; the book is closed.
        """
        state = self.state
        answers: list[Answer] = []
        taken: list[tuple[Input, Answer]] = []
        refused: InvalidInput | None = None
        now_ns = self._clock() if state.groups.places else None
        try:
            for cause in causes:
                answer = step(state, cause, now_ns=now_ns, tends_groups=self.tends_groups)
                answers.append(answer)
                if answer.events:
                    taken.append((cause, answer))
        except InvalidInput as error:
            if isinstance(
                cause, Report
            ):  # a report is a fact: what cannot take it is broken, and must not go on
                self.close(error)
                raise
            refused = error
        except BaseException as error:
            self.close(error)  # the step may be half folded: what the journal holds is the truth
            raise
        self._commit(taken)
        return answers, refused

    def record(self, event: AnyEvent, actor: str, ts_ns: int) -> None:
        """Commit one event that is folded into the state already: the opening of a book."""
        sequence = self.head.sequence + 1
        self._append([Record(sequence, self.book, ts_ns, self._clock(), actor, "", event)], Changes())

    def close(self, failure: BaseException | None = None) -> None:
        """Let go of the working state, because of ``failure`` if any. Closing twice is allowed."""
        self._state = None
        self._failure = self._failure or failure

    def _commit(self, taken: list[tuple[Input, Answer]]) -> None:
        try:
            records = self._records(taken)
            if records:
                self._append(records, self._changes(records))
        except BaseException as error:
            self.close(error)  # the working state is ahead of the journal now
            raise

    def _records(self, taken: list[tuple[Input, Answer]]) -> list[Record]:
        records: list[Record] = []
        sequence = self.head.sequence
        now_ns = self._clock()
        for cause, answer in taken:
            described = cause_of(cause)
            for event in answer.events:
                sequence += 1
                records.append(
                    Record(sequence, self.book, cause.ts_ns, now_ns, cause.actor, described, event)
                )
        return records

    def _append(self, records: list[Record], changes: Changes) -> None:
        self.head = self._journal.append(self.book, self.head.sequence, records, changes)

    def _changes(self, records: list[Record]) -> Changes:
        """What these records change in the projections, each row once however often it changed."""
        state = self.state
        orders: dict[str, Order] = {}
        symbols: dict[str, None] = {}
        fills: list[FillRow] = []
        changes: list[FillChange] = []
        for record in records:
            event = record.event
            if isinstance(event, OrderEvent) and event.client_order_id:
                order = state.orders.get(event.client_order_id)
                orders[order.client_order_id] = order
            if type(event) is FillBooked:
                fills.append(FillRow(record.sequence, record.ts_event_ns, event))
                symbols[event.symbol] = None
            elif isinstance(event, FillChange):
                changes.append(event)
                if not isinstance(event, OrderReowned):
                    symbols[event.was.symbol] = None
            if type(event) is OrderReowned or (type(event) is OrderAcknowledged and event.side is not None):
                # Fills, kept apart so far, are in the positions now, whatever symbol each of them named.
                symbols |= dict.fromkeys(execution.symbol for execution in state.orders.executions)
        positions = [state.positions.position(symbol) for symbol in symbols]
        return Changes(list(orders.values()), fills, positions, changes)


def cause_of(cause: Input) -> str:
    """How a record names the input it came from: its type and its id."""
    return f"{type(cause).__name__}:{cause.input_id}" if cause.input_id else type(cause).__name__
