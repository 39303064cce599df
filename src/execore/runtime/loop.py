"""One writer for all the books of a process: takes what is queued, steps it, commits it at once, lets it go.

A turn is the whole of it: step every request in the queue, one after the other, each on the state that the
one before left; append the events of all books in one commit; and only then carry out effects, settle
handles and wake whoever waits. Nothing here knows threads or event loops: a driver calls ``turn``.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from execore.journal.protocol import Journal
from execore.model.answers import Answer
from execore.model.errors import BookClosed, Busy, NotRecorded, OutcomeUnknown
from execore.runtime.asking import Ask
from execore.runtime.channel import Channel
from execore.runtime.handle import Handle, wake

QUEUE_SIZE: Final = 10_000
"""Requests that may wait. More would only wait longer: a caller who is told so at once can do something."""

BATCH: Final = 1_024
"""Requests to a commit: a sync costs the same for one as for a thousand, and the first waits for the last."""


class _Queued(msgspec.Struct, eq=False):
    """A request in the queue: whose, what, who waits, and how far it got.

    Attributes:
        recorded: how many of its answers are durable, while the batch is not.
    """

    channel: Channel
    ask: Ask
    handle: Handle[Any] | None
    answers: list[Answer] = []
    recorded: int = 0
    error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """What is not recorded did not happen, as far as anybody may be told."""
        self.error = self.error or error
        del self.answers[self.recorded :]


class Loop:
    """The queue and the turn.

    Attributes:
        lock: whoever holds it sees every book as committed, and keeps the writer waiting.
        is_held_here: says whether this thread holds it.
        is_stepping: it is in the middle of a batch; who asks then is a hook of a book.

    Args:
        journal: the one journal of all the books.
        queue_size: requests that may wait; one more is ``Busy``.
    """

    def __init__(self, journal: Journal, *, queue_size: int = QUEUE_SIZE) -> None:
        self.lock = threading.RLock()
        self.is_held_here: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]  # as Condition
        self.channels: list[Channel] = []
        self.is_stepping = False
        self._journal = journal
        self._gate = threading.Lock()
        self._is_taking = True
        self._is_turning = False
        self._is_abandoned = False
        self._facts: deque[_Queued] = deque()
        self._requests: deque[_Queued] = deque()
        self._batch: list[_Queued] = []
        self._posted: deque[Callable[[], None]] = deque()
        self._queue_size = queue_size

    # --- the queue ------------------------------------------------------------------------------------

    def put(self, channel: Channel, ask: Ask, handle: Handle[Any] | None = None) -> None:
        """Queue a request, from any thread. Facts, which nobody waits for, are stepped before requests.

        What is urgent (reports, mass cancels) always finds room.

        Args:
            handle: who waits; without one, it is a fact: a report, or what became of a send. Of that, what
                goes wrong is an alert.

        Raises:
            Busy: the queue is full; nothing was taken.
            BookClosed: no requests are taken any more.
        """
        queued = _Queued(channel, ask, handle)
        if handle is None:
            self._facts.append(queued)
            return
        with self._gate:
            if not self._is_taking:
                raise BookClosed(f"book {channel.name} is closing", "Open it again")
            if len(self._requests) >= self._queue_size and not ask.urgent:
                raise Busy(
                    f"{len(self._requests)} requests are waiting for the writer of book {channel.name}",
                    "Nothing was taken: ask again later, with the same id",
                )
            self._requests.append(queued)

    def post(self, call: Callable[[], None]) -> None:
        """Have a call made by whoever turns the loop, before the next turn. From any thread."""
        self._posted.append(call)

    def stop_taking(self) -> None:
        """Take no more requests; facts still are."""
        with self._gate:
            self._is_taking = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued and nothing under way."""
        return not (self._requests or self._facts or self._posted or self._is_turning)

    @property
    def has_requests(self) -> bool:
        """Whether somebody's request is not answered."""
        return bool(self._requests) or self._is_turning

    # --- the turn -------------------------------------------------------------------------------------

    def turn(self) -> int:
        """Take what is queued, up to a batch of it; return how many requests that were.

        A bug of ours closes every book, and whoever waits is told; only interrupts are raised.
        """
        outermost, self._is_turning = not self._is_turning, True
        try:
            self._make_posted()
            settled: list[Handle[Any]] = []
            try:
                queued = self._record(settled)
                if queued and not self._is_abandoned:
                    self._carry_out(queued)
            except Exception as error:
                self.give_up(error)
                return 1
            except BaseException as error:  # a key was pressed: what is in the air has no outcome
                self.give_up(error)
                raise
            finally:
                wake(settled)
            return len(queued)
        finally:
            if outermost:
                self._is_turning = False

    def give_up(self, error: BaseException) -> None:
        """Nobody knows what was done of all that was to be done: every book closes, and says so."""
        with self.lock:
            for channel in self.channels:
                channel.writer.close(error)
            failed = self._failed_watches()
        wake(failed)
        for channel in self.channels:
            channel.tell_closed()

    def abandon(self, why: str) -> None:
        """Nobody will turn the loop any more, or he who does is stuck: settle whoever waits."""
        self._is_abandoned = True
        waiting = [*self._batch, *self._facts, *self._requests]
        self._facts.clear()
        self._requests.clear()
        for each in waiting:
            kind = OutcomeUnknown if each in self._batch else BookClosed
            if each.handle is not None:
                each.handle.settle(error=kind(f"book {each.channel.name} did not answer: {why}", _AGAIN))
        wake([each.handle for each in waiting if each.handle is not None])

    def _make_posted(self) -> None:
        for _ in range(len(self._posted)):
            try:
                self._posted.popleft()()
            except Exception as error:  # a bug: what it was to bring about is lost
                self.give_up(error)

    def _take(self) -> list[_Queued]:
        if self._is_abandoned:
            return []  # who asked was told that nothing was taken
        facts, requests = self._facts, self._requests
        batch = [facts.popleft() for _ in range(min(len(facts), BATCH))]
        batch += [requests.popleft() for _ in range(min(len(requests), BATCH))]
        return batch

    def _record(self, settled: list[Handle[Any]]) -> Sequence[_Queued]:
        """Step a batch and commit it; ``settled`` gets the handles of those who are answered."""
        with self.lock:
            self._batch = queued = self._take()
            if not queued:
                return queued
            self.is_stepping = True
            try:
                self._recall(queued)
                self._step_all(queued)
            except BaseException as error:
                for each in queued:
                    each.fail(error)
                raise
            finally:
                self.is_stepping = False
                settled += _settled(queued)
                self._batch = []
            for each in queued:
                settled += each.channel.watches.fulfil(each.answers)
            settled += self._failed_watches()
            for channel in self.channels:
                channel.writer.release()
        return queued

    def _failed_watches(self) -> list[Handle[Any]]:
        """Nobody waits for an order of a book that is closed."""
        failed: list[Handle[Any]] = []
        for channel in self.channels:
            if channel.writer.is_closed:
                failed += channel.watches.fail(_closed(channel))
        return failed

    def _carry_out(self, queued: Sequence[_Queued]) -> None:
        """Let go of what is durable now."""
        for each in queued:
            each.channel.carry_out(each.answers)
            if each.error is None:
                if each.ask.then is not None:
                    each.ask.then()
            elif each.handle is None:
                each.channel.interrupted(each.error)
        for channel in self.channels:
            channel.go_on()

    def _recall(self, queued: Sequence[_Queued]) -> None:
        """Bring back what the batch names and memory has let go of, in one lookup for each book."""
        for channel in {each.channel: None for each in queued}:
            writer = channel.writer
            if writer.is_closed or writer.state.is_whole:
                continue
            asks = [each.ask for each in queued if each.channel is channel]
            try:
                writer.recall(
                    [key for ask in asks for key in ask.keys], [cause for ask in asks for cause in ask.causes]
                )
            except Exception as error:
                writer.close(error)  # without its past, the book might do a thing twice

    def _step_all(self, queued: Sequence[_Queued]) -> None:
        """Step the batch and commit it: at once, unless an input needs what is before it to be recorded."""
        unrecorded: list[_Queued] = []
        for each in queued:
            unrecorded.append(each)
            try:
                self._step(each, unrecorded)
            except Exception as error:  # of the request or of a user's hook; a broken book has closed itself
                each.error = each.error or error
                if each.channel.writer.failure is error:
                    _fail_with(each, unrecorded)
        self._commit(unrecorded)

    def _step(self, queued: _Queued, unrecorded: list[_Queued]) -> None:
        writer, ask = queued.channel.writer, queued.ask
        state = writer.state
        causes = ask.causes if ask.make is None else ask.make(state)
        now_ns = queued.channel.now_ns() if state.groups.places else None
        for cause in causes:
            past = writer.needs_past(cause)
            if past and writer.has_uncommitted:  # it is read from the journal, so all of it must be there
                self._commit(unrecorded)
                unrecorded[:] = [queued]
                queued.recorded = len(queued.answers)
            queued.answers.append(writer.step(cause, now_ns, past))

    def _commit(self, unrecorded: Sequence[_Queued]) -> None:
        """Append what was stepped. Whose book has closed itself by then is told what is certain."""
        interrupt = self._append([channel for channel in self.channels if channel.writer.has_uncommitted])
        closed = {channel for channel in self.channels if channel.writer.is_closed}
        for each in unrecorded if closed else ():
            if each.channel in closed:
                each.fail(
                    each.channel.writer.failure or BookClosed(f"book {each.channel.name} is closed", _AGAIN)
                )
        if interrupt is not None:
            raise interrupt

    def _append(self, touched: Sequence[Channel]) -> BaseException | None:
        """Append what was stepped, and close the books of which it cannot be; return an interrupt if any."""
        appends = []
        for channel in touched:
            try:
                appends.append(channel.writer.to_append())
            except Exception as error:
                channel.writer.close(error)  # nothing of this book is appended
        touched = [channel for channel in touched if not channel.writer.is_closed]
        if not touched:
            return None
        try:
            heads = self._journal.append_all(appends)
            for channel, head in zip(touched, heads, strict=True):
                channel.writer.committed(head)
        except BaseException as error:
            self._not_appended(error, touched)
            return None if isinstance(error, Exception) else error
        return None

    def _not_appended(self, error: BaseException, touched: Sequence[Channel]) -> None:
        """The working states are ahead of the journal now."""
        if not isinstance(error, NotRecorded):
            touched = self.channels  # nobody knows what the journal holds, of any book
        elif len(touched) > 1:
            for channel in touched:
                self._append([channel])  # it is certain, and may be one book's own affair
            return
        for channel in touched:
            channel.writer.close(error)


_AGAIN: Final = "Open it again: what the journal holds is replayed, and nothing recorded is lost"


def _closed(channel: Channel) -> BookClosed:
    return BookClosed(f"book {channel.name} is closed", _AGAIN)


def _fail_with(broken: _Queued, unrecorded: Sequence[_Queued]) -> None:
    """A book closed itself in a step: what it stepped before, for others, is not recorded either."""
    why = f"book {broken.channel.name} closed itself on {type(broken.error).__name__}: {broken.error}"
    for each in unrecorded:
        if each.channel is broken.channel:
            each.fail(NotRecorded(why, _AGAIN))


def _settled(queued: Sequence[_Queued]) -> list[Handle[Any]]:
    """Settle the handles of a batch; return them."""
    handles = []
    for each in queued:
        if each.handle is not None:
            if each.error is not None:
                each.handle.settle(error=each.error)
            else:
                each.handle.settle(_answer(each))
            handles.append(each.handle)
    return handles


def _answer(queued: _Queued) -> Answer | list[Answer]:
    ask, answers = queued.ask, queued.answers
    if ask.group_id:
        answers = [queued.channel.with_group(answer, ask.group_id) for answer in answers]
    return answers[0] if ask.one else answers
