"""What to do about what is unknown, and when: ask the venue, repeat a cancel, tell a person.

No I/O and no threads: whoever runs the loop says what happened, at which monotonic time, and is told what is
due. Wall clocks jump, so they measure nothing here; inputs carry their time because every input does.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from execore.core.retry_policy import Random, RetryPolicy
from execore.model.effects import Alert, QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.ending import SECOND_NS
from execore.model.orders import Order
from execore.model.requests import (
    Input,
    OrderNotFound,
    RequestOutcomeUnknown,
    ResolveOrder,
    RetryCancel,
    SubmitOutcomeUnknown,
)
from execore.model.vocabulary import OrderState, Resolution
from execore.runtime.clock import Clock
from execore.venues.protocol import Capabilities, DuplicateScope, QueryAnswer

Due = QueryOrder | Input | Alert
ASKING: Final = RetryPolicy(base_seconds=1.0, cap_seconds=30.0)
"""How long to wait between questions; how often and until when an order may be sent again."""

_UNKNOWN: Final = OrderState.UNKNOWN
_KNOWN: Final = frozenset({QueryAnswer.FOUND, QueryAnswer.REFUSED})
"""Answers of a venue that knows what became of the order."""
_NOT_THERE: Final = frozenset({QueryAnswer.NOT_FOUND, QueryAnswer.ABSENT, QueryAnswer.REFUSED})


class _Watch(msgspec.Struct, gc=False):
    """One order that is asked after.

    Attributes:
        question: how it is asked after.
        since_ns: when its last sending was over, as far as we know: what is proven counts from there.
        began_ns: when it began to be watched.
        order: as it was noted last; None if it never was.
        asked: how often the venue was asked.
        due_ns: when it is asked next; None while a question is on its way, and while nothing is unknown.
        asking: a question is on its way.
        wanted: the core wants an answer, whatever the order is; ``again``: and to a question yet to be asked.
        told: a person was told that it takes long; ``missed``: that the venue does not know a live order;
            ``vain``: that it was asked after in vain, since there was an answer last.
        doubted: when it was asked after last, somebody else might still have sent it.
    """

    question: QueryOrder
    since_ns: int
    began_ns: int
    order: Order | None = None
    asked: int = 0
    due_ns: int | None = None
    asking: bool = False
    wanted: bool = False
    again: bool = False
    told: bool = False
    missed: bool = False
    vain: bool = False
    doubted: bool = False

    @property
    def is_unsettled(self) -> bool:
        return self.order is not None and is_unsettled(self.order)


def is_unsettled(order: Order) -> bool:
    """Whether something about the order, or about a request on it, is unknown."""
    return bool(order.unknown_requests) or (order.outcome_unknown and order.state is _UNKNOWN)


class Resolver:
    """Follows the orders of one book until nothing about them is unknown.

    An order is asked after at once, again when the venue's visibility lag is over, then after growing waits,
    for ever; one question at a time. A message that was handed over and not answered becomes unknown, too.

    Args:
        capabilities: what the venue declares.
        clock: the time that inputs carry, integer nanoseconds UTC.
        random: jitter, uniform in [0, 1).
        resend: orders may be sent again where that cannot make a second order.
        retry: the waits between questions. Its attempts and time bound how often and how long after its
            creation an order may be sent again, and nothing else.
        may_still_send: whether somebody else may still send what this book has recorded; until that is over,
            that the venue does not have an order proves nothing.
        same_session: whether an order was first sent in the venue's session that still runs; asked where the
            venue refuses copies within a session only.
        answer_timeout_seconds: how long a message that was handed over may stay without any answer.
        alert_after_seconds: how long an order may be unsettled before a person is told, once.
    """

    def __init__(
        self,
        capabilities: Capabilities,
        *,
        clock: Clock,
        random: Random,
        resend: bool = False,
        retry: RetryPolicy = ASKING,
        may_still_send: Callable[[], bool] = lambda: False,
        same_session: Callable[[Order], bool] = lambda order: False,
        answer_timeout_seconds: int = 30,
        alert_after_seconds: int = 60,
    ) -> None:
        self._scope = capabilities.duplicate_client_id_scope
        self._lag_ns = capabilities.visibility_lag_seconds * SECOND_NS
        self._clock = clock
        self._random = random
        self._resend = resend
        self._retry = retry
        self._may_still_send = may_still_send
        self._same_session = same_session
        self._answer_timeout_ns = answer_timeout_seconds * SECOND_NS
        self._alert_after_seconds = alert_after_seconds
        self._watches: dict[str, _Watch] = {}
        self._queue: list[tuple[int, str]] = []  # when to ask after whom; entries may be out of date
        self._silent: dict[str, dict[str, int]] = {}  # order -> request or "" -> when its answer is overdue
        self._patience: deque[tuple[int, str, str]] = deque()  # the same in order of time, as above

    # --- what happened ------------------------------------------------------------------------------

    def watch_all(self, orders: Iterable[Order], now_ns: int) -> None:
        """Note the orders of a book opened at monotonic ``now_ns``: this process has sent nothing yet."""
        for order in orders:
            self.note(order, now_ns)

    def note(self, order: Order, now_ns: int) -> None:
        """An order has become what it is here, and that is durable; ``now_ns`` is monotonic.

        To be called after every commit, before the effects of that commit are carried out.
        """
        key = order.request.client_order_id
        if key in self._silent:
            self._hear(key, order)
        watch = self._watches.get(key)
        if watch is None:
            if not is_unsettled(order):
                return
            watch = self._watches[key] = _Watch(_question(order), now_ns, now_ns)
        before, watch.order, watch.question = watch.order, order, _question(order)
        if not is_unsettled(order):
            self._rest(key, watch)
        elif before is None or _is_in_new_doubt(order, before):
            watch.since_ns = now_ns
            self._schedule(key, watch, now_ns + self._wait_ns(watch) if watch.asked else now_ns)

    def forget(self, client_order_id: str) -> None:
        """The order is no more: what it was is another's now, who is noted himself."""
        self._silent.pop(client_order_id, None)
        watch = self._watches.get(client_order_id)
        if watch is not None:
            watch.order, watch.wanted = None, False
            self._rest(client_order_id, watch)

    def sent(self, message: SendOrder | SendCancel | SendAmend, now_ns: int) -> None:
        """A message was handed over at monotonic ``now_ns``, without an error: an answer is to come."""
        if isinstance(message, SendOrder):
            key, request_id = message.order.client_order_id, ""
        else:
            key, request_id = message.client_order_id, message.request_id
        due_ns = now_ns + self._answer_timeout_ns
        self._silent.setdefault(key, {})[request_id] = due_ns
        self._patience.append((due_ns, key, request_id))

    def ask(self, question: QueryOrder, now_ns: int) -> None:
        """The core wants to know of an order, at monotonic ``now_ns``: ask until there is an answer."""
        key = question.client_order_id
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(question, now_ns, now_ns)
        watch.wanted, watch.again = True, watch.asking
        if watch.due_ns is None:
            self._schedule(key, watch, now_ns)

    def is_first_in_vain(self, client_order_id: str, answer: QueryAnswer | None) -> bool:
        """Whether an answer that is about to be given to ``answered`` is none, and the first such."""
        watch = self._watches[client_order_id]
        before, watch.vain = watch.vain, answer not in _KNOWN
        return watch.vain and not before

    def answered(
        self, client_order_id: str, answer: QueryAnswer | None, asked_ns: int, now_ns: int
    ) -> list[Input]:
        """The question after an order was answered, or failed (None); both times are monotonic.

        Returns what to step, best after the reports that the answer brought.
        """
        watch = self._watches[client_order_id]
        watch.asking, again = False, watch.again
        watch.wanted = watch.wanted and (again or answer is None)
        watch.again = False
        if watch.is_unsettled or watch.wanted:
            due_ns = now_ns if again else self._next_ns(watch, asked_ns, now_ns)
            self._schedule(client_order_id, watch, due_ns)
        else:
            self._rest(client_order_id, watch)
        if watch.doubted and answer in _NOT_THERE:
            answer = QueryAnswer.NOT_FOUND
        if answer is not None and watch.order is not None and not watch.order.is_open:
            return self._came_to_nothing(watch, watch.order, answer, asked_ns)
        return self._not_found(watch, answer, asked_ns) if answer in _NOT_THERE else []

    # --- what is to be done -------------------------------------------------------------------------

    def next_due_ns(self) -> int | None:
        """When ``due`` will have something, monotonic; None if nothing is waited for."""
        while self._queue and not self._is_due(*self._queue[0]):
            heapq.heappop(self._queue)
        while self._patience and not self._is_overdue(*self._patience[0]):
            self._patience.popleft()
        firsts = [queue[0][0] for queue in (self._queue, self._patience) if queue]
        return min(firsts, default=None)

    def due(self, now_ns: int) -> list[Due]:
        """What is to be done at monotonic ``now_ns``: questions to ask, inputs to step, alerts to tell.

        Every question must be followed by one call of ``answered``.
        """
        found: list[Due] = []
        while self._patience and self._patience[0][0] <= now_ns:
            late = self._patience.popleft()
            if self._is_overdue(*late):
                found.append(self._no_word(*late[1:]))
        while self._queue and self._queue[0][0] <= now_ns:
            due_ns, key = heapq.heappop(self._queue)
            if self._is_due(due_ns, key):
                found += self._turn(key, self._watches[key], now_ns)
        return found

    # --- how ----------------------------------------------------------------------------------------

    def _is_due(self, due_ns: int, key: str) -> bool:
        watch = self._watches.get(key)
        return watch is not None and watch.due_ns == due_ns

    def _is_overdue(self, due_ns: int, key: str, request_id: str) -> bool:
        return key in self._silent and self._silent[key].get(request_id) == due_ns

    def _schedule(self, key: str, watch: _Watch, due_ns: int) -> None:
        """Ask at ``due_ns``; while a question is on its way, its answer will say when."""
        if not watch.asking:
            watch.due_ns = due_ns
            heapq.heappush(self._queue, (due_ns, key))

    def _rest(self, key: str, watch: _Watch) -> None:
        """Nothing is unknown. What is on its way may still become so, and is then not begun anew."""
        if watch.wanted or watch.asking:
            return
        watch.due_ns = None
        order = watch.order
        if order is None or not (order.state is OrderState.SUBMITTED or order.pending_request_ids):
            del self._watches[key]

    def _wait_ns(self, watch: _Watch) -> int:
        return int(self._retry.backoff_seconds(max(1, watch.asked), self._random) * SECOND_NS)

    def _next_ns(self, watch: _Watch, asked_ns: int, now_ns: int) -> int:
        """When to ask again: as soon as that can prove something, and then after growing waits."""
        proof_ns = watch.since_ns + self._lag_ns
        if asked_ns >= proof_ns:
            return now_ns + self._wait_ns(watch)
        return min(max(proof_ns, now_ns), now_ns + int(self._retry.cap_seconds * SECOND_NS))

    def _turn(self, key: str, watch: _Watch, now_ns: int) -> list[Due]:
        """An order's turn to be asked after."""
        found: list[Due] = []
        order = watch.order
        if order is not None and is_unsettled(order):
            seconds = (now_ns - watch.began_ns) // SECOND_NS
            if seconds >= self._alert_after_seconds and not watch.told:
                watch.told = True
                found.append(_unresolved(order, seconds))
            last = order.pending_cancels[-1] if order.pending_cancels else ""
            if watch.asked and order.is_open and last in order.unknown_requests:
                found.append(RetryCancel(ts_ns=self._clock(), client_order_id=key, request_id=last))
        before, watch.doubted = watch.doubted, self._may_still_send()
        if before or watch.doubted:
            watch.since_ns = now_ns
        watch.asked += 1
        watch.asking, watch.due_ns = True, None
        found.append(watch.question)
        return found

    def _not_found(self, watch: _Watch, answer: QueryAnswer | None, asked_ns: int) -> list[Input]:
        """What the core is to know of an order that the venue does not have."""
        order = watch.order
        waited_ns = asked_ns - watch.since_ns
        if order is None or waited_ns < 0:  # asked before it was sent for the last time
            return []
        is_complete = answer is not QueryAnswer.NOT_FOUND
        if order.state is not _UNKNOWN:  # one that it did have: no news until it is certain, and then once
            if watch.missed or not is_complete or waited_ns < self._lag_ns:
                return []
            watch.missed = True
        return [
            OrderNotFound(
                ts_ns=self._clock(),
                client_order_id=order.client_order_id,
                complete=is_complete,
                waited_ns=waited_ns,
                visibility_lag_ns=self._lag_ns,
                duplicates_refused=self._refuses_copies(order),
                resend=self._may_resend(order),
                refused=answer is QueryAnswer.REFUSED,
            )
        ]

    def _came_to_nothing(
        self, watch: _Watch, order: Order, answer: QueryAnswer, asked_ns: int
    ) -> list[Input]:
        """Requests in doubt on an order that is over: the venue was asked, and nothing of them is to be seen.

        An amend could have opened a filled order again, so of that a venue must have found something to say.
        """
        if asked_ns < watch.since_ns + self._lag_ns:
            return []
        amends_matter = order.state is OrderState.FILLED and answer is QueryAnswer.NOT_FOUND
        return [
            ResolveOrder(
                ts_ns=self._clock(),
                client_order_id=order.client_order_id,
                actor="system",
                resolution=Resolution.ABSENT,
                reason="the order is over, and what the venue tells of it when asked does not answer this",
                request_id=request_id,
            )
            for request_id in order.unknown_requests
            if request_id in order.pending_cancels or not amends_matter
        ]

    def _refuses_copies(self, order: Order) -> bool:
        if self._scope is DuplicateScope.SESSION:
            return self._same_session(order)
        return self._scope is DuplicateScope.FOREVER

    def _may_resend(self, order: Order) -> bool:
        age_seconds = (self._clock() - order.created_ts_ns) / SECOND_NS
        attempts = order.resends + 1
        return self._resend and attempts < self._retry.max_attempts and self._retry.in_time(age_seconds)

    def _hear(self, key: str, order: Order) -> None:
        """Forget the answers that are not waited for any more."""
        waits = {request: due for request, due in self._silent[key].items() if _is_on_its_way(order, request)}
        if waits:
            self._silent[key] = waits
        else:
            del self._silent[key]

    def _no_word(self, key: str, request_id: str) -> Input:
        del self._silent[key][request_id]
        seconds = self._answer_timeout_ns // SECOND_NS
        ts_ns, reason = self._clock(), f"handed over, and no answer for {seconds} s"
        if not request_id:
            return SubmitOutcomeUnknown(ts_ns=ts_ns, client_order_id=key, reason=reason)
        return RequestOutcomeUnknown(ts_ns=ts_ns, client_order_id=key, request_id=request_id, reason=reason)


def _is_in_new_doubt(order: Order, before: Order) -> bool:
    """Whether something was sent since ``before`` of which nobody knows what became."""
    newly = order.state is _UNKNOWN and (before.state is not _UNKNOWN or before.resends != order.resends)
    return newly or not set(order.unknown_requests) <= set(before.unknown_requests)


def _is_on_its_way(order: Order, request_id: str) -> bool:
    """Whether nothing is known yet of what became of a message: the request, or with "" the order itself."""
    if not request_id:
        return order.state is OrderState.SUBMITTED
    heard = (*order.unknown_requests, *order.confirmed_requests)
    return request_id in order.pending_request_ids and request_id not in heard


def _question(order: Order) -> QueryOrder:
    return QueryOrder(order.client_order_id, order.venue_order_id, order.symbol)


def _unresolved(order: Order, seconds: int) -> Alert:
    key = order.client_order_id
    what = "the order itself" if order.state is _UNKNOWN else f"request {order.unknown_requests[0]}"
    message = f"order {key}: the outcome of {what} is unknown for {seconds} s; ask, and use `execore resolve`"
    return Alert("order_unresolved", message, key)
