"""A venue that may lose, delay and double whatever it is sent and says, and a book that trades with it.

Time is virtual, everything is drawn from one seed, and the venue's own list of what it accepted is the truth.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import count
from random import Random
from typing import Any

from msgspec.structs import replace

from execore.core.engine import open_book, step
from execore.core.invariants import check
from execore.model import effects, reports, requests
from execore.model.orders import Order
from execore.model.vocabulary import CostMethod, RiskDecision
from execore.runtime.resolving import Resolver
from execore.venues.protocol import Capabilities, DuplicateScope, QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, order, paper_venue

SECOND = 1_000_000_000
KEY = "order-1"


@dataclass
class Copy:
    """One sending that arrived and was accepted."""

    visible_ns: int
    filled: Decimal = Decimal(0)
    over: bool = False
    fills: list[Any] = field(default_factory=list)


class DoubtfulVenue:
    """It keeps its promises: a copy is refused within its scope, and is visible before its lag is over."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.scope = chance.choice(list(DuplicateScope))
        self.lag_seconds = chance.choice((0, 0, 1, 5))
        self.shows_closed = chance.random() < 0.8
        self.unreliable = True
        self.accepted: list[Copy] = []
        self.refused_visible_ns: list[int] = []
        self.cancels: set[str] = set()

    @property
    def capabilities(self) -> Capabilities:
        return replace(
            paper_venue().capabilities,
            duplicate_client_id_scope=self.scope,
            visibility_lag_seconds=self.lag_seconds,
            lookup_closed=self.shows_closed,
        )

    @property
    def live(self) -> list[Copy]:
        return [copy for copy in self.accepted if not copy.over]

    def arrive(self, visible_ns: int) -> list[Any]:
        """A sending of the order arrives; what the venue says of it."""
        known = self.accepted if self.scope in (DuplicateScope.FOREVER, DuplicateScope.SESSION) else self.live
        if known and self.scope is not DuplicateScope.NEVER and self.chance.random() < 0.7:
            return [said(reports.RejectReport, duplicate_client_order_id=True)]
        if (known and self.scope is not DuplicateScope.NEVER) or self.chance.random() < 0.2:
            self.refused_visible_ns.append(visible_ns)
            return [said(reports.RejectReport, reason="not now")]
        self.accepted.append(Copy(visible_ns))
        return [said(reports.AcknowledgeReport, venue_order_id=f"V{len(self.accepted)}")]

    def happen(self) -> list[Any]:
        """Something becomes of a live order."""
        if not self.live:
            return []
        copy = self.live[0]
        kind = self.chance.random()
        if kind < 0.6:
            copy.filled += Decimal("0.5")
            copy.over = copy.filled == 1
            copy.fills.append(
                said(
                    reports.FillReport,
                    execution_id=f"E{self.accepted.index(copy)}-{len(copy.fills)}",
                    quantity=Decimal("0.5"),
                    price=Decimal(100),
                )
            )
            return [copy.fills[-1]]
        if kind < 0.8:
            copy.over = True
            return [said(reports.CancelReport, reason="by the exchange")]
        return []

    def cancel(self, request_id: str) -> list[Any]:
        if not self.live:
            return [said(reports.CancelRejectReport, request_id=request_id, order_not_open=True)]
        self.live[0].over = True
        return [said(reports.CancelReport, request_id=request_id)]

    def query(self, now_ns: int) -> tuple[QueryAnswer, list[Any]]:
        seen = [copy for copy in self.accepted if copy.visible_ns <= now_ns]
        if not self.shows_closed:
            seen = [copy for copy in seen if not copy.over]
        if seen:
            copy = seen[0]
            told = [said(reports.AcknowledgeReport, venue_order_id=f"V{self.accepted.index(copy) + 1}")]
            told += copy.fills
            if copy.over and copy.filled < 1:
                told.append(said(reports.CancelReport))
            return QueryAnswer.FOUND, told
        if not self.shows_closed:
            return QueryAnswer.NOT_FOUND, []
        if any(visible_ns <= now_ns for visible_ns in self.refused_visible_ns):
            return QueryAnswer.REFUSED, [said(reports.RejectReport, reason="not now")]
        return QueryAnswer.ABSENT, []


def said(kind: type[Any], **fields: Any) -> Any:
    return kind(ts_ns=START_NS, client_order_id=KEY, symbol="BTC-USD", **fields)


class DoubtfulTrading:
    """One order, from its submission until nothing happens any more.

    Attributes:
        now_ns: monotonic; the wall clock jumps about.
        alerts: codes of the alerts, in order.
        asked: questions that are on their way.
    """

    def __init__(self, seed: int, *, resend: bool) -> None:
        self.chance = Random(seed)
        self.venue = DoubtfulVenue(self.chance)
        self.now_ns = 0
        self.alerts: list[str] = []
        self.asked = 0
        self.sendings = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = count()
        self.state, _ = open_book("main", CostMethod.AVERAGE, START_NS)
        step(self.state, requests.DefineInstrument(ts_ns=START_NS, instrument=BITCOIN))
        self.resolver = Resolver(
            self.venue.capabilities,
            clock=self.wall,
            random=self.chance.random,
            resend=resend,
            same_session=lambda order: True,
            answer_timeout_seconds=10,
        )

    def wall(self) -> int:
        """A wall clock that is wrong by up to a minute, each time it is asked."""
        return START_NS + self.now_ns + self.chance.randint(0, 20) * SECOND

    @property
    def ours(self) -> Order:
        return self.state.orders.get(KEY)

    def run(self) -> None:
        """Trade, with everything unreliable for half a minute; then run on until nothing changes any more."""
        terms: dict[str, Any] = {"expire_ts_ns": START_NS + 40 * SECOND, "time_in_force": "gtd"}
        submission = order(**(terms if self.chance.random() < 0.2 else {}))
        allow = requests.RiskResult(RiskDecision.ALLOW)
        self.take(requests.SubmitOrder(ts_ns=self.wall(), order=submission, verdict=allow))
        for _ in range(self.chance.randint(0, 4)):
            self.later(self.chance.randint(0, 20 * SECOND), lambda: self.tell(self.venue.happen()))
        if self.chance.random() < 0.4:
            self.later(self.chance.randint(0, 20 * SECOND), self.ask_cancel)
        self.until(30 * SECOND)
        self.venue.unreliable = False
        self.until(600 * SECOND)

    def until(self, end_ns: int) -> None:
        while True:
            due_ns = self.resolver.next_due_ns()
            next_ns = end_ns if due_ns is None else due_ns
            if self._events and self._events[0][0] <= next_ns:
                next_ns, _, happen = self._events[0]
                if next_ns >= end_ns:
                    break
                heapq.heappop(self._events)
                self.now_ns = next_ns
                happen()
            elif next_ns >= end_ns:
                break
            else:
                self.now_ns = max(self.now_ns, next_ns)
                for todo in self.resolver.due(self.now_ns):
                    self.perform(todo)
            self.hold()
        self.now_ns = end_ns

    def hold(self) -> None:
        """What must be so at every moment."""
        check(self.state)
        assert len(self.venue.accepted) <= 1, "two orders of one id"
        if self.venue.live and KEY in self.state.orders:
            assert self.ours.is_open, f"it is live, and we think {self.ours.state}"
        assert self.asked <= 1, "two questions on their way"

    def later(self, after_ns: int, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_ns + after_ns, next(self._number), happen))

    def take(self, cause: requests.Input) -> None:
        answer = step(self.state, cause, now_ns=self.wall())
        if answer.events:
            self.resolver.note(self.ours, self.now_ns)
        for effect in answer.effects:
            if isinstance(effect, effects.QueryOrder):
                self.resolver.ask(effect, self.now_ns)
            else:
                self.perform(effect)

    def perform(self, todo: Any) -> None:
        if isinstance(todo, requests.Input):
            self.take(todo)
        elif isinstance(todo, effects.Alert):
            self.alerts.append(todo.code)
        elif isinstance(todo, effects.QueryOrder):
            self.question()
        else:
            self.send(todo)

    def send(self, message: effects.SendOrder | effects.SendCancel) -> None:
        """Hand a message over: it may fail for certain, fail in doubt, or be lost though nothing failed."""
        is_order = isinstance(message, effects.SendOrder)
        fate = self.chance.random() if self.venue.unreliable else 1
        self.sendings += is_order
        unwanted = self.ours.pending_cancels or self.ours.refused_cancel
        assert not (is_order and unwanted), "sent again, though somebody asked for a cancel"
        if fate >= 0.1 and (fate >= 0.5 or self.chance.random() < 0.5):
            self.later(self.chance.randint(0, self.lag_ns), lambda: self.arrive(message))
        if fate >= 0.4:
            self.resolver.sent(message, self.now_ns)
            return
        named: dict[str, Any] = {"ts_ns": self.wall(), "client_order_id": KEY, "reason": "no answer"}
        if isinstance(message, effects.SendCancel):
            named["request_id"] = message.request_id
        certain, in_doubt = OUTCOMES[is_order]
        self.take((certain if fate < 0.1 else in_doubt)(**named))

    def arrive(self, message: effects.SendOrder | effects.SendCancel) -> None:
        if isinstance(message, effects.SendCancel):
            self.tell(self.venue.cancel(message.request_id))
            return
        visible_ns = self.now_ns  # a sending takes any part of the lag, and being seen the rest of it
        self.tell(self.venue.arrive(visible_ns))

    def tell(self, told: list[Any]) -> None:
        """Reports that nobody asked for: they get lost, come late, and come twice."""
        for report in told:
            copies = self.chance.choice((0, 1, 1, 2)) if self.venue.unreliable else 1
            for _ in range(copies):
                self.later(self.chance.randint(0, 3 * SECOND), partial(self.take, report))

    def question(self) -> None:
        """Ask the venue; its answer may take long, or never come."""
        asked_ns = self.now_ns
        answer: QueryAnswer | None
        answer, told = self.venue.query(asked_ns)
        if self.venue.unreliable and self.chance.random() < 0.3:
            answer, told = None, []
        self.asked += 1
        self.later(self.chance.randint(0, 2 * SECOND), lambda: self.answered(answer, told, asked_ns))

    def answered(self, answer: QueryAnswer | None, told: list[Any], asked_ns: int) -> None:
        self.asked -= 1
        late = self.chance.random() < 0.3  # reports come on another line than answers
        for report in () if late else told:
            self.take(report)
        for cause in self.resolver.answered(KEY, answer, asked_ns, self.now_ns):
            self.take(cause)
        for report in told if late else ():
            self.take(report)

    def ask_cancel(self) -> None:
        self.take(requests.CancelOrder(ts_ns=self.wall(), client_order_id=KEY, request_id="c1"))

    @property
    def lag_ns(self) -> int:
        return self.venue.lag_seconds * SECOND


OUTCOMES: Any = {
    True: (requests.SubmitNotSent, requests.SubmitOutcomeUnknown),
    False: (requests.RequestNotSent, requests.RequestOutcomeUnknown),
}
"""What is learnt of a failed sending, of an order or not: that it certainly was not sent, or nothing."""
