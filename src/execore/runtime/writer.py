"""One book's place in the writer: its working state, what was stepped on it, and where its stream ends.

Order of duties: step, append (durable), and only then are effects and answers let go. When an append fails,
the working state is given up and the book closes: what the journal holds is the truth, and opening the book
again replays it.
"""

from collections.abc import Sequence

from execore.core.book_state import BookState
from execore.core.engine import step
from execore.core.recall import needs_past
from execore.journal.protocol import NO_CHANGES, Append, Head, Journal
from execore.model.answers import Answer
from execore.model.errors import BookClosed, InvalidInput
from execore.model.events import AnyEvent
from execore.model.keys import Key
from execore.model.orders import Order
from execore.model.records import Record
from execore.model.reports import Report
from execore.model.requests import Input
from execore.runtime.archive import KEPT_ENDED, Archive
from execore.runtime.clock import Clock
from execore.runtime.projecting import changes_of


class Writer:
    """Owns the working state of one book and its place in the journal.

    Attributes:
        book: its name.
        head: where its stream ends, as far as is durable.
        tends_groups: whether order groups do what an input makes necessary; not while a book is settling.
    """

    def __init__(self, journal: Journal, book: str, state: BookState, head: Head, clock: Clock) -> None:
        self.book = book
        self.head = head
        self.tends_groups = True
        self._archive = Archive(journal, book)
        self._given_up: BookState | None = None
        self._state: BookState | None = state
        self._clock = clock
        self._failure: BaseException | None = None
        self._taken: list[tuple[Input, Answer]] = []

    # --- the working state ----------------------------------------------------------------------------

    @property
    def state(self) -> BookState:
        """The working state; between commits it is what the journal holds.

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

    @property
    def failure(self) -> BaseException | None:
        """What it closed itself on, if it did."""
        return self._failure

    @property
    def given_up(self) -> BookState | None:
        """After a failure, the working state as it was: it may be ahead of the journal. For cancels only."""
        return self._given_up

    # --- stepping -------------------------------------------------------------------------------------

    def recall(self, keys: Sequence[Key], causes: Sequence[Input]) -> None:
        """Bring back what memory has let go of, and these ids or inputs name.

        Raises:
            JournalError: the journal cannot be read.
        """
        state = self.state
        if state.is_whole:
            return
        named = [key for key in keys if state.orders.find(key.text) is None]
        if named:
            self._archive.recall(state, named)
        if causes:
            self._archive.load(state, causes)

    def find_order(self, client_order_id: str) -> Order | None:
        """The order of this id, in memory or not; None if there never was one.

        Raises:
            InvalidInput: the id is no text. BookClosed: the book is closed. And as ``recall``.
        """
        return self._archive.find(self.state, client_order_id)

    def needs_past(self, cause: Input) -> Sequence[str]:
        """The instruments of which a step of the input wants the whole past, all of it recorded."""
        return needs_past(self.state, cause)

    def step(self, cause: Input, now_ns: int | None, past: Sequence[str] = ()) -> Answer:
        """Step one input on the working state. Its events are durable after the next commit, not before.

        Args:
            past: what ``needs_past`` said.

        Raises:
            InvalidInput: the input is not acceptable, and nothing changed; never for a report.
        """
        state = self.state
        try:
            if past:
                state.past = self._archive.past(past)
            answer = step(state, cause, now_ns=now_ns, tends_groups=self.tends_groups)
        except InvalidInput as error:
            if isinstance(cause, Report):  # a fact: what cannot take it is broken, and must not go on
                self.close(error)
            raise
        except BaseException as error:
            self.close(error)  # the step may be half folded: what the journal holds is the truth
            raise
        if past:
            state.past = ()
        if answer.events:
            self._taken.append((cause, answer))
        return answer

    # --- committing -----------------------------------------------------------------------------------

    @property
    def has_uncommitted(self) -> bool:
        """Whether something was stepped that is not durable."""
        return bool(self._taken)

    def to_append(self) -> Append:
        """What was stepped since the last commit, as records."""
        records = self._records()
        return Append(self.book, self.head.sequence, records, changes_of(self.state, records))

    def committed(self, head: Head) -> None:
        """It is durable now."""
        self.head = head
        self._taken.clear()

    def release(self) -> None:
        """Let orders that have ended leave memory: after a batch, which needs what was recalled for it."""
        if self._state is not None and not self._taken:
            self._state.release(KEPT_ENDED)

    def first_append(self, event: AnyEvent, actor: str, ts_ns: int) -> Append:
        """One event that is folded into the state already: the opening of a book."""
        record = Record(self.head.sequence + 1, self.book, ts_ns, self._clock(), actor, "", event)
        return Append(self.book, self.head.sequence, [record], NO_CHANGES)

    def close(self, failure: BaseException | None = None) -> None:
        """Let go of the working state, because of ``failure`` if any. Closing twice is allowed."""
        if failure is not None and self._state is not None:
            self._given_up = self._state
        self._state = None
        self._taken.clear()
        self._failure = self._failure or failure

    def _records(self) -> list[Record]:
        records: list[Record] = []
        book, sequence = self.book, self.head.sequence
        now_ns = self._clock()
        for cause, answer in self._taken:
            described = cause_of(cause)
            for event in answer.events:
                sequence += 1
                records.append(Record(sequence, book, cause.ts_ns, now_ns, cause.actor, described, event))
        return records


def cause_of(cause: Input) -> str:
    """How a record names the input it came from: its type and its id."""
    return f"{type(cause).__name__}:{cause.input_id}" if cause.input_id else type(cause).__name__
