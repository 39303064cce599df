"""A venue for many threads, a journal that can be held, and what else the runtime's tests wait with."""

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from execore import Answer, MemoryJournal, OrderState
from execore.journal.protocol import NO_CHANGES, Append, Changes, Head
from execore.model import effects, reports
from execore.model.records import Record
from execore.runtime.opening import BookSettings
from execore.runtime.runtime import Runtime, open_runtime
from execore.venues.protocol import Capabilities, QueryAnswer
from runtime_support.trading import BITCOIN, START_NS, paper_venue

PATIENCE: Final = 10.0
"""Seconds after which a test that waits has failed."""


class ThreadedVenue:
    """Acknowledges every order and ends what is cancelled; every order of an even number is filled at once.

    Attributes:
        sent: every message handed over, in order.
        failing: what a call of that name raises, once for each in the list.
        held: while it is not set, every message waits before it is taken.
        entered: set when a message has come that far.
        confirmed: how many reports were confirmed, at each confirmation.
    """

    name = "threaded"

    def __init__(self, *, answers: bool = True) -> None:
        self.sent: list[Any] = []
        self.failing: dict[str, list[Exception]] = {}
        self.held = threading.Event()
        self.held.set()
        self.entered = threading.Event()
        self.confirmed: list[int] = []
        self._answers = answers
        self._lock = threading.Lock()
        self._reports: list[Any] = []
        self._told = 0

    @property
    def capabilities(self) -> Capabilities:
        """Those of the paper venue."""
        return paper_venue().capabilities

    def submit(self, message: effects.SendOrder) -> None:
        """Acknowledge it, and fill it if its number is even."""
        self._take("submit", message)
        key = message.order.client_order_id
        told: list[Any] = [said(reports.AcknowledgeReport, key, venue_order_id=f"V-{key}")]
        if int(key.rpartition("-")[2], 36) % 2 == 0:
            terms = {"quantity": message.order.quantity, "price": message.order.price or Decimal(100)}
            told.append(said(reports.FillReport, key, execution_id=f"E-{key}", **terms))
        self._tell(told)

    def cancel(self, message: effects.SendCancel) -> None:
        """Cancel it."""
        self._take("cancel", message)
        self._tell([said(reports.CancelReport, message.client_order_id, request_id=message.request_id)])

    def amend(self, message: effects.SendAmend) -> None:
        """Amend it."""
        self._take("amend", message)
        terms = {"quantity": message.quantity, "price": message.price, "request_id": message.request_id}
        self._tell([said(reports.AmendReport, message.client_order_id, **terms)])

    def query(self, message: effects.QueryOrder) -> QueryAnswer:
        """Not found."""
        return QueryAnswer.NOT_FOUND

    def mass_status(self, since_ts_ns: int) -> None:
        """Nothing happened."""

    def take_reports(self) -> list[Any]:
        """All that is not confirmed."""
        with self._lock:
            self._told = len(self._reports)
            return self._reports[:]

    def confirm_reports(self) -> None:
        """Forget what was told."""
        with self._lock:
            self.confirmed.append(self._told)
            del self._reports[: self._told]
            self._told = 0

    def report(self, *told: Any) -> None:
        """Have it reported."""
        with self._lock:
            self._reports += told

    def orders(self) -> list[str]:
        """The client order ids of all orders sent, in order."""
        return [each.order.client_order_id for each in self.sent if isinstance(each, effects.SendOrder)]

    def _take(self, call: str, message: Any) -> None:
        self.entered.set()
        self.held.wait()
        with self._lock:
            self.sent.append(message)
            if self.failing.get(call):
                raise self.failing[call].pop(0)

    def _tell(self, told: Sequence[Any]) -> None:
        if self._answers:
            self.report(*told)


def said(kind: type[Any], client_order_id: str, **fields: Any) -> Any:
    """A report on an order."""
    return kind(ts_ns=START_NS, client_order_id=client_order_id, symbol="BTC-USD", **fields)


class HeldJournal(MemoryJournal):
    """A journal whose commits a test can hold, count and fail.

    Attributes:
        commits: how many records each had.
        held: while it is not set, a commit waits before anything is stored.
        entered: set when a commit has come that far.
        script: what the next commits raise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[int] = []
        self.held = threading.Event()
        self.held.set()
        self.entered = threading.Event()
        self.script: list[BaseException] = []

    def append(
        self, book: str, expected_sequence: int, records: Sequence[Record], changes: Changes = NO_CHANGES
    ) -> Head:
        """As ``MemoryJournal.append``."""
        return self.append_all([Append(book, expected_sequence, records, changes)])[0]

    def append_all(self, appends: Sequence[Append]) -> list[Head]:
        """Wait, then store or fail."""
        self.entered.set()
        self.held.wait()
        if self.script:
            raise self.script.pop(0)
        self.commits.append(sum(len(each.records) for each in appends))
        return super().append_all(appends)


def state_of(answer: Answer) -> OrderState:
    """The state of the order that an answer is about."""
    assert answer.order is not None
    return answer.order.state


def opened(journal: Any = None, venue: Any = None, **settings: Any) -> Runtime:
    """A runtime with a thread of its own, and one book."""
    options = {
        key: settings.pop(key) for key in ("queue_size", "own_thread", "surroundings") if key in settings
    }
    one = BookSettings(instruments=(BITCOIN,), venue=venue, **settings)
    return open_runtime(journal or MemoryJournal(), [one], poll_seconds=0.001, **options)


def together(count: int, call: Callable[[int], Any]) -> list[Any]:
    """Call it from so many threads at the same moment; return what each returned or raised."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait(PATIENCE)
        try:
            results[number] = call(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return results


class Alerts:
    """A listener that can be waited on."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, alert: effects.Alert) -> None:
        """Note it."""
        with self._changed:
            self.codes.append(alert.code)
            self._changed.notify_all()

    def wait_for(self, code: str) -> None:
        """Wait until it was told."""
        with self._changed:
            assert self._changed.wait_for(lambda: code in self.codes, PATIENCE), self.codes
