"""The wire between us and the exchange: it loses, delays, doubles and reorders, and breaks.

``Gateway`` is the exchange's end and outlives our processes; ``Connection`` is what one process holds of it,
and is the ``Venue`` that the book is given.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from execore.model import failures
from execore.model.effects import QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.events import AmendRequested, AnyEvent, CancelRequested, OrderSubmitted
from execore.model.reports import VenueReport
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.exchange import EXECUTION_REPORTS, Exchange, Message
from execore.testing.simulation.profile import Profile
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.world import MILLISECOND_NS, SECOND_NS, Faults, Log, Process, VirtualTime
from execore.venues.protocol import Capabilities, QueryAnswer


class WriteFault(msgspec.Struct, frozen=True):
    """What goes wrong with a message that we send.

    Attributes:
        arrives: whether it gets to the exchange all the same.
        error: what our call raises; None if it returns as if all were well.
        seconds: how long the call takes.
        breaks: whether the connection is gone after it.
    """

    arrives: bool
    error: type[Exception] | None = None
    seconds: int = 0
    breaks: bool = False


WRITE_FAULTS: Final = {
    "not sent": WriteFault(False, failures.ConnectionFailed),
    "timed out, and lost": WriteFault(False, failures.RequestTimeout, seconds=2),
    "timed out, and accepted": WriteFault(True, failures.RequestTimeout, seconds=2),
    "broken off, and lost": WriteFault(False, failures.ConnectionLost, breaks=True),
    "broken off, and accepted": WriteFault(True, failures.ConnectionLost, breaks=True),
    "unavailable, and lost": WriteFault(False, failures.ServiceUnavailable),
    "unavailable, and accepted": WriteFault(True, failures.ServiceUnavailable),
    "answer unreadable": WriteFault(True, failures.UnreadableAnswer),
    "throttled": WriteFault(False, failures.RateLimited),
    "refused": WriteFault(False, failures.InvalidOrder),
    "foreign error, and accepted": WriteFault(True, RuntimeError),
    "swallowed": WriteFault(False, breaks=True),
    "crash after it was sent": WriteFault(True),
    "crash, and lost": WriteFault(False),
}
READ_FAULTS: Final = {
    "question not sent": failures.ConnectionFailed,
    "question timed out": failures.RequestTimeout,
    "question not served": failures.ServiceUnavailable,
}
_TIMEOUT_NS: Final = 2 * SECOND_NS


class Gateway:
    """The exchange's end of the wire.

    Attributes:
        is_up: whether messages get through.
        travelling: messages on their way to the exchange, oldest first.
        handed_over: how often our processes tried to send each message, by its id.
        recorded: the reports that we confirmed to have recorded, by ``id()``, as copies are equal.
    """

    def __init__(
        self, profile: Profile, dice: Dice, time: VirtualTime, log: Log, faults: Faults, storage: Storage
    ) -> None:
        self.profile = profile
        self.time = time
        self.log = log
        self.faults = faults
        self.storage = storage
        self.exchange = Exchange(profile, dice.stream("exchange"), time, log, self._emit)
        self.is_up = True
        self.is_calm = False
        self.travelling: list[Message] = []
        self.handed_over: dict[str, int] = {}
        self.recorded: dict[int, VenueReport] = {}
        self._dice = dice.stream("wire")
        self._coming: list[VenueReport] = []  # on their way to us
        self._arrived: list[VenueReport] = []  # and not confirmed
        self._last_due_ns = 0

    # --- to the exchange ------------------------------------------------------------------------------

    def carry(self, message: Message) -> None:
        """Take a message to the exchange, within the time that it declares."""
        key = _id_of(message)
        dice = self._dice.stream("to", key, self.handed_over[key])
        sent_ns = self.time.now_ns
        lag_ns = self.profile.capabilities.visibility_lag_seconds * SECOND_NS
        delay_ns = min(self._delay_ns(dice), lag_ns)
        visible_ns = sent_ns + delay_ns + (dice.below(lag_ns - delay_ns + 1) if dice.percent(40) else 0)
        self.travelling.append(message)

        def arrive() -> None:
            self.travelling.remove(message)
            self.exchange.receive(message, visible_ns)

        if delay_ns:
            self.time.at(sent_ns + delay_ns, arrive)
        else:
            arrive()

    def note(self, message: Message) -> None:
        """We are about to send this: the record of it must be durable by now."""
        key = _id_of(message)
        self.handed_over[key] = self.handed_over.get(key, 0) + 1
        order_id = (
            message.order.client_order_id if isinstance(message, SendOrder) else message.client_order_id
        )
        if not any(_asks_for(event, message) for event in self.storage.facts.get(order_id, ())):
            kind = type(message).__name__
            self.log.object("sent_before_durable", f"{kind} {key} was sent, and no durable record says so")

    # --- to us ----------------------------------------------------------------------------------------

    def _emit(self, report: VenueReport) -> None:
        dice = self._dice.stream("from", self.exchange.number("report", ""))
        if not self.is_calm and dice.percent(self.profile.lost):
            self.log.count("report lost")
            return
        copies = 1
        if not self.is_calm and dice.percent(self.profile.doubled):
            self.log.count("report doubled")
            copies = 2
        for _ in range(copies):
            due_ns = self.time.now_ns + self._delay_ns(dice)
            if not self.is_calm and dice.percent(self.profile.delayed):
                self.log.count("report delayed")
                due_ns += dice.below(self.profile.most_delay_ms * MILLISECOND_NS + 1)
            if self.profile.keeps_order:
                due_ns = self._last_due_ns = max(self._last_due_ns, due_ns)
            self._coming.append(report)
            self.time.at(due_ns, lambda: self._arrive(report))

    def _arrive(self, report: VenueReport) -> None:
        if any(coming is report for coming in self._coming):  # else it was dropped with the connection
            self._coming = _without(self._coming, report)
            self._arrived.append(report)

    def _delay_ns(self, dice: Dice) -> int:
        return 0 if self.is_calm else dice.below(self.profile.most_delay_ms * MILLISECOND_NS + 1)

    def answer(self, reports: list[VenueReport]) -> None:
        """What was asked for is there at once."""
        self._arrived += reports

    def take(self) -> list[VenueReport]:
        """What arrived and is not confirmed."""
        return list(self._arrived)

    def confirm(self, count: int) -> None:
        """The oldest ``count`` need not be told again."""
        self.recorded |= {id(report): report for report in self._arrived[:count]}
        del self._arrived[:count]

    @property
    def unconfirmed(self) -> list[VenueReport]:
        """What we have not confirmed: arrived, or on its way."""
        return self._arrived + self._coming

    # --- up and down ----------------------------------------------------------------------------------

    def drop(self) -> None:
        """The connection is gone, and with it what we have not confirmed, unless the venue tells it again."""
        kept = self.unconfirmed if self.profile.capabilities.replays_executions_on_reconnect else []
        if not self.profile.replays_everything:
            kept = [report for report in kept if isinstance(report, EXECUTION_REPORTS)]
        lost = len(self.unconfirmed) - len(kept)
        if lost:
            self.log.count("reports lost with the connection")
        self._coming, self._arrived = [], kept
        if self.is_up:
            self.is_up = False
            if self.profile.capabilities.cancels_on_disconnect:
                self.exchange.cancel_all("disconnected")

    def connect(self) -> None:
        """The connection stands again."""
        self.is_up = True

    def calm(self) -> None:
        """From now on nothing goes wrong on the wire."""
        self.is_calm = True
        self.connect()


class Connection:
    """What one process of ours holds of the gateway: implements ``Venue``."""

    def __init__(self, gateway: Gateway, process: Process, is_current: Callable[[Process], bool]) -> None:
        self._gateway = gateway
        self._process = process
        self._is_current = is_current
        self._taken = 0

    @property
    def name(self) -> str:
        """The venue's name."""
        return "sim"

    @property
    def capabilities(self) -> Capabilities:
        """What this run's venue declares."""
        return self._gateway.profile.capabilities

    def submit(self, message: SendOrder) -> None:
        """Hand over a new order, as far as the wire lets it."""
        self._write("submit", message)

    def cancel(self, message: SendCancel) -> None:
        """Hand over a cancel, as far as the wire lets it."""
        self._write("cancel", message)

    def amend(self, message: SendAmend) -> None:
        """Hand over an amend, as far as the wire lets it."""
        self._write("amend", message)

    def query(self, message: QueryOrder) -> QueryAnswer:
        """Ask after one order, as far as the wire lets it."""
        self._read("query")
        answer, reports = self._gateway.exchange.look_up(message)
        self._gateway.answer(reports)
        self._gateway.log.say("we", "ask after {}: {}", message.client_order_id, answer)
        return answer

    def mass_status(self, since_ts_ns: int) -> None:
        """Ask after everything, as far as the wire lets it."""
        self._read("mass_status")
        reports = self._gateway.exchange.everything(since_ts_ns)
        self._gateway.answer(reports)
        self._gateway.log.say("we", "ask after everything: {} reports", len(reports))

    def take_reports(self) -> list[VenueReport]:
        """What arrived and is not confirmed; nothing for a process that another one has replaced."""
        self._process.check()
        fault = self._gateway.faults.meet("take_reports")
        if fault.startswith("crash"):
            self._process.crash("take_reports")
        if not self._gateway.is_up or not self._is_current(self._process):
            return []
        reports = self._gateway.take()
        self._taken = len(reports)
        return reports

    def confirm_reports(self) -> None:
        """What was taken last need not be told again."""
        self._process.check()
        if self._gateway.is_up and self._is_current(self._process):
            self._gateway.confirm(self._taken)
        self._taken = 0

    def _write(self, seam: str, message: Message) -> None:
        self._process.check()
        gateway = self._gateway
        name = gateway.faults.meet(seam)
        if name == "crash":
            self._process.crash(f"before {seam}")
        gateway.note(message)
        gateway.log.say("we", "send {} {}", type(message).__name__, _id_of(message))
        if not gateway.is_up:
            raise failures.ConnectionFailed("simulated: there is no connection")
        if isinstance(message, SendAmend) and not self.capabilities.supports_amend:
            raise failures.ValidationFailed("simulated: this venue cannot amend")
        fault = WRITE_FAULTS.get(name, _ALL_WELL)
        if not name and gateway.profile.raises_duplicates and self._is_copy(message):
            raise failures.DuplicateOrderId("simulated: the venue has an order of this id")
        if fault.arrives:
            gateway.carry(message)
        if name.startswith("crash"):
            self._process.crash(f"after {seam}" if fault.arrives else f"in {seam}")
        if not name:
            return
        gateway.log.count(f"{seam} {name}")
        gateway.time.let_pass(fault.seconds * SECOND_NS)
        if fault.breaks:
            gateway.drop()
        if fault.error is not None:
            raise fault.error(f"simulated: {name}")

    def _is_copy(self, message: Message) -> bool:
        if not isinstance(message, SendOrder):
            return False
        return self._gateway.exchange.refuses_copy(message.order.client_order_id)

    def _read(self, seam: str) -> None:
        self._process.check()
        gateway = self._gateway
        name = gateway.faults.meet(seam)
        if name.startswith("crash"):
            self._process.crash(seam)
        if not gateway.is_up:
            raise failures.ConnectionFailed("simulated: there is no connection")
        if name:
            gateway.log.count(f"{seam} {name}")
            if READ_FAULTS[name] is failures.RequestTimeout:
                gateway.time.let_pass(_TIMEOUT_NS)
            raise READ_FAULTS[name](f"simulated: {name}")


_ALL_WELL: Final = WriteFault(True)


def _id_of(message: Message) -> str:
    """The id that a message is known by: the order's own, or the request's."""
    return message.order.client_order_id if isinstance(message, SendOrder) else message.request_id


def _asks_for(event: AnyEvent, message: Message) -> bool:
    """Whether this event is the record of our wish to send the message."""
    if isinstance(message, SendOrder):
        return isinstance(event, OrderSubmitted)
    kind = CancelRequested if isinstance(message, SendCancel) else AmendRequested
    return isinstance(event, kind) and event.request_id == message.request_id


def _without(reports: list[VenueReport], report: VenueReport) -> list[VenueReport]:
    """The list without the first that is this very report."""
    index = next(number for number, coming in enumerate(reports) if coming is report)
    return reports[:index] + reports[index + 1 :]
