"""A second model of orders and what they make of the books, written without looking at the core's table.

It keeps what happened as lists, in the order it arrived, and works out everything that is shown by looking
through them again each time: no state is stored, no event exists, and nothing is fast. It shares the words of
``execore.model`` with the core, and no code.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from execore.model import reports, requests
from execore.model.ids import derived_id, external_order_id
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.requests import Input
from execore.model.vocabulary import (
    InstrumentKind,
    OrderType,
    Resolution,
    RestatementReason,
    RiskDecision,
    Side,
    TimeInForce,
)

WIDE: Final = Context(prec=120)
STEP: Final = Decimal("1E-12")
"""Averages and released costs are rounded half-even to this (DESIGN.md §4)."""

APPLIED, NOTHING, PARKED, REFUSED = "applied", "nothing", "parked", "refused"
"""What an answer amounts to. ``NOTHING`` is a success that was had before, or news that came too late."""

OVER: Final = frozenset(["CANCELLED", "EXPIRED", "REJECTED", "FAILED", "DENIED", "CLOSED"])
DONE: Final = OVER | {"FILLED"}
FINISHED: Final = frozenset(["FILLED", "CANCELLED", "EXPIRED", "CLOSED"])


def rounded(number: Decimal) -> Decimal:
    return number.quantize(STEP, ROUND_HALF_EVEN, WIDE)


@dataclass
class Execution:
    """What traded, as it is known now; ``first`` is what the venue said of it first."""

    order: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    names: list[str]
    first: tuple[object, ...] = ()
    by_total: bool = False
    undone: bool = False
    restated: bool = False
    revised: bool = False


@dataclass(frozen=True)
class Terms:
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None


@dataclass(frozen=True)
class Said:
    """One thing that happened to an order: a word, and what it was about."""

    word: str
    about: str = ""
    terms: Terms | None = None
    amount: Decimal = Decimal(0)


@dataclass
class NaiveOrder:
    """An order: what was asked for, and everything that was said of it since."""

    key: str
    request: OrderRequest
    book: "NaiveBook"
    said: list[Said] = field(default_factory=list)
    words: set[str] = field(default_factory=set)

    ENDS = ("cancelled", "expired", "rejected")
    venue_ids: list[str] = field(default_factory=list)

    def say(self, word: str, about: str = "", terms: Terms | None = None, amount: Any = Decimal(0)) -> str:
        self.said.append(Said(word, about, terms, amount))
        self.words.add(word)
        return APPLIED

    def unsay(self, word: str) -> None:
        self.said = [entry for entry in self.said if entry.word != word]
        self.words.discard(word)

    def ever(self, word: str) -> bool:
        return word in self.words

    def holds(self, begins: str, *ends: str) -> bool:
        """Whether ``begins`` was said, and none of ``ends`` after it."""
        if begins not in self.words:
            return False
        for entry in reversed(self.said):
            if entry.word == begins:
                return True
            if entry.word in ends:
                return False
        return False

    # --- numbers ---

    @property
    def executions(self) -> list[Execution]:
        return [trade for trade in self.book.executions if trade.order == self.key and not trade.undone]

    @property
    def adjusted(self) -> Decimal:
        if not self.ever("adjusted"):
            return Decimal(0)
        return sum((entry.amount for entry in self.said if entry.word == "adjusted"), Decimal(0))

    @property
    def filled(self) -> Decimal:
        return sum((trade.quantity for trade in self.executions), self.adjusted)

    @property
    def notional(self) -> Decimal:
        return sum((trade.quantity * trade.price for trade in self.executions), Decimal(0))

    @property
    def inferred(self) -> bool:
        return self.ever("inferred") and not self.ever("terms")

    @property
    def terms(self) -> Terms:
        for entry in reversed(self.said if self.ever("terms") else ()):
            if entry.word == "terms" and entry.terms is not None:
                return entry.terms
        request = self.request
        quantity = self.filled if self.inferred else request.quantity
        return Terms(quantity, request.price, request.stop_price)

    @property
    def leaves(self) -> Decimal:
        return Decimal(0) if self.state in DONE else self.terms.quantity - self.filled

    # --- requests of ours that are not answered ---

    def pending(self, kind: str = "") -> dict[str, Said]:
        """What we asked for and nobody answered, by its id; ``kind`` is "cancel", "amend" or either."""
        waiting: dict[str, Said] = {}
        for entry in self.said:
            if entry.word.startswith("asked"):
                waiting[entry.about] = entry
            elif entry.word == "answered":
                waiting.pop(entry.about, None)
            elif entry.word == "closed":
                waiting = {}
            elif entry.word == "cancelled" and not entry.about:
                waiting = {key: asked for key, asked in waiting.items() if asked.word != "asked cancel"}
        return {key: asked for key, asked in waiting.items() if asked.word.endswith(kind)}

    def lost(self, request_id: str) -> bool:
        """Whether nobody knows what became of the request, as far as was said last."""
        return self.last_of(request_id, "lost", "confirmed", "repeated") == "lost"

    def last_of(self, request_id: str, *words: str) -> str:
        """Which of ``words`` was said last of the request."""
        said = [entry.word for entry in self.said if entry.about == request_id and entry.word in words]
        return said[-1] if said else ""

    def confirmed(self, kind: str) -> bool:
        return any(entry.word == "confirmed" and entry.about in self.pending(kind) for entry in self.said)

    # --- sendings ---

    @property
    def doubled(self) -> bool:
        """Whether it was sent again while nobody knew that the sending before had not arrived."""
        again = [entry.about for entry in self.said if entry.word == "sent again"]
        return again[-1:] == ["in doubt"]

    @property
    def sent_again(self) -> int:
        return sum(entry.word == "sent again" for entry in self.said)

    @property
    def known_by_copy(self) -> bool:
        """Whether nothing says that the venue has it, but that a copy of it was refused as one."""
        return self.holds("known by a copy", "acknowledged", "unknown")

    @property
    def unwanted(self) -> bool:
        """Whether a cancel was asked for, and neither had its effect nor certainly was not sent."""
        return bool(self.pending("cancel")) or self.holds("still wanted", "asked cancel")

    # --- what it amounts to ---

    @property
    def closed(self) -> bool:
        return self.holds("closed", "alive")

    @property
    def closed_from(self) -> str:
        """What it was when it was closed, if it is."""
        closings = [entry.about for entry in self.said if entry.word == "closed"]
        return closings[-1] if self.closed else ""

    @property
    def state(self) -> str:
        return "CLOSED" if self.closed else self.outcome

    @property
    def outcome(self) -> str:
        filled, quantity = self.filled, self.terms.quantity
        if filled >= quantity:
            return "FILLED" if filled else "CANCELLED"
        if self.cancelled:
            return "CANCELLED"
        if self.expired:
            return "EXPIRED"
        if filled:
            return "PARTIALLY_FILLED"
        return self._unfilled_state()

    def _unfilled_state(self) -> str:
        if self.holds("rejected", "reopened"):
            return "REJECTED"
        if self.ever("acknowledged"):
            return "ACKNOWLEDGED"
        for word, state in (("failed", "FAILED"), ("denied", "DENIED")):
            if self.ever(word):
                return state
        if self.holds("unknown", "sent again"):
            return "UNKNOWN"
        return "SUBMITTED" if self.ever("submitted") else "CREATED"

    @property
    def cancelled(self) -> bool:
        return self.holds("cancelled", "reopened") or self.unsent

    @property
    def unsent(self) -> bool:
        """Whether it was cancelled here, before it was sent, and nobody has seen it at the venue."""
        return self.holds("cancelled unsent", "seen", "reopened", "cancelled")

    @property
    def expired(self) -> bool:
        return self.holds("expired", "reopened") or (self.done_for_day and self.is_day_order)

    @property
    def is_day_order(self) -> bool:
        return self.request.time_in_force is TimeInForce.DAY

    @property
    def done_for_day(self) -> bool:
        """Until a restatement; of a day order, until the venue says that it rests after all."""
        return self.holds("done for day", "reopened" if self.is_day_order else "restated")

    @property
    def suspended(self) -> bool:
        return self.holds("suspended", "restated", "amended", "triggered", "reopened", *self.ENDS)

    @property
    def stopped(self) -> bool:
        return self.holds("stopped", *self.ENDS)

    def ord_status(self, outcome: str) -> str:
        """The first line that is true: FIX 4.4 Volume 4, "Order State Changes"."""
        if self.confirmed("cancel"):
            return "pending_cancel"
        if self.confirmed("amend"):
            return "pending_replace"
        if self.done_for_day:
            return "done_for_day"
        if outcome == "FILLED":
            return "filled"
        if self.stopped:
            return "stopped"
        return "suspended" if self.suspended else FIX_WORDS[outcome]

    def flags(self, overfilled: bool) -> set[str]:
        pending = self.pending()
        waiting = {asked.word for asked in pending.values()}
        lost = {asked.word for key, asked in pending.items() if self.lost(key)}
        unsent = self.holds(
            "held",
            "submitted",
            "denied",
            "failed",
            "cancelled",
            "cancelled unsent",
            "acknowledged",
            "rejected",
            "expired",
        )
        shown = {
            "held": unsent,
            "overfilled": overfilled,
            "external": self.ever("external"),
            "pending_cancel": "asked cancel" in waiting,
            "pending_replace": "asked amend" in waiting,
            "cancel_unknown": "asked cancel" in lost,
            "amend_unknown": "asked amend" in lost,
            "suspended": self.suspended,
            "stopped": self.stopped,
            "done_for_day": self.done_for_day,
            "triggered": self.ever("triggered"),
            "fill_after_terminal": self.ever("late"),
            "conflict": self.ever("conflict"),
        }
        return {flag for flag, is_set in shown.items() if is_set}

    def shown(self) -> dict[str, object]:
        """Everything that the core shows of an order, by the same names."""
        filled, terms, outcome = self.filled, self.terms, self.outcome
        state = "CLOSED" if self.closed else outcome
        return {
            "state": state,
            "ord_status": self.ord_status(outcome),
            "quantity": terms.quantity,
            "price": terms.price,
            "stop_price": terms.stop_price,
            "filled": filled,
            "leaves": Decimal(0) if state in DONE else terms.quantity - filled,
            "average_price": rounded(WIDE.divide(self.notional, filled)) if filled else None,
            "flags": self.flags(filled > terms.quantity),
            "pending": sorted(self.pending()),
        }


FIX_WORDS: Final = {
    "CREATED": "pending_new",
    "SUBMITTED": "pending_new",
    "UNKNOWN": "pending_new",
    "ACKNOWLEDGED": "new",
    "PARTIALLY_FILLED": "partially_filled",
    "CANCELLED": "canceled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
    "FAILED": "rejected",
    "DENIED": "rejected",
}


@dataclass
class Position:
    """What the executions in one instrument come to."""

    quantity: Decimal = Decimal(0)
    basis: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    fees_in_kind: Decimal = Decimal(0)
    fees: dict[str, Decimal] = field(default_factory=dict)


class NaiveBook:
    """One book: its orders, everything that traded, and reports that wait for an execution."""

    def __init__(self, name: str, instruments: tuple[Instrument, ...]) -> None:
        self.name = name
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        self.orders: dict[str, NaiveOrder] = {}
        self.executions: list[Execution] = []
        self.waiting: list[Any] = []
        self.requests: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.parked = 0

    # --- finding ---

    def find(self, client_order_id: str, venue_order_id: str = "", symbol: str = "") -> NaiveOrder | None:
        """The order that these name: by our id, a request's id, or else the venue's."""
        key = self.owners.get(client_order_id, client_order_id)
        if key in self.orders:
            return self.orders[key]
        if key in self.requests:
            return self.orders[self.requests[key]]
        for order in self.orders.values():
            if venue_order_id and venue_order_id in order.venue_ids and symbol in ("", order.request.symbol):
                return order
        return None

    def execution(self, name: str) -> Execution | None:
        return next((trade for trade in self.executions if name and name in trade.names), None)

    # --- taking ---

    def take(self, cause: Input) -> str:
        """Take one input and answer what it amounted to."""
        if not isinstance(cause, reports.Report):
            return str(REQUESTS[type(cause)](self, cause))
        if isinstance(cause, (reports.TradeCancelReport, reports.TradeCorrectReport)):
            return self.revise(cause)
        order = self.find(cause.client_order_id, cause.venue_order_id, cause.symbol)
        asked = self.requests.get(getattr(cause, "request_id", ""))
        if asked is not None:  # a reply is about the request that it answers, whatever order it names
            if order not in (None, self.orders[asked]):
                return self.park(order)
            order = self.orders[asked]
        if isinstance(cause, reports.UnreadableReport):
            return self.park(order)
        if order is None:
            return self.stranger(cause)
        if isinstance(cause, reports.StatusReport):
            return NOTHING
        taken_over = self.take_over(order, cause)
        if caught_up := self.catch_up(order, cause):
            if not order.venue_ids:
                self.learn(order, cause)
            self.ask_again(order)
        was_open = order.state not in OVER and not (order.cancelled or order.expired)
        of_copy = self.is_of_copy(order, cause)
        answer = str(REPORTS[type(cause)](self, order, cause))
        if isinstance(cause, ENDS) and was_open:
            self.check_total(order, cause)
        if answer is APPLIED and type(cause) not in REPLIES and not of_copy:
            self.learn(order, cause)
        if taken_over or (answer is APPLIED and not isinstance(cause, reports.FillReport)):
            self.ask_again(order)
        return APPLIED if caught_up or taken_over else answer

    def learn(self, order: NaiveOrder, report: reports.Report) -> None:
        """Know the order by the venue's id; a new id comes with an amend, and the old one still names it."""
        is_new = report.venue_order_id not in ("", *order.venue_ids)
        if is_new and (
            not order.venue_ids or isinstance(report, (reports.AmendReport, reports.RestateReport))
        ):
            order.venue_ids.append(report.venue_order_id)

    def park(self, order: NaiveOrder | None) -> str:
        self.parked += 1
        if order is not None:
            order.say("conflict")
        return PARKED

    def stranger(self, report: Any) -> str:
        """A report on an order that nobody told us of: its money counts, and its terms if it has any."""
        if isinstance(report, reports.StatusReport):
            return NOTHING
        traded = isinstance(report, reports.FillReport) and not self.execution(report.execution_id)
        told = isinstance(report, reports.AcknowledgeReport) and (report.leaves or report.quantity)
        if report.symbol not in self.instruments or not (traded or told):
            return self.park(None)
        key = report.client_order_id or external_order_id(self.name, report.symbol, report.venue_order_id)
        price = report.price if told else None
        request = OrderRequest(
            client_order_id=key,
            symbol=report.symbol,
            side=report.side,
            quantity=report.quantity or report.leaves,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            price=price,
            time_in_force=report.time_in_force if told else TimeInForce.GTC,
        )
        order = self.orders[key] = NaiveOrder(key, request, self)
        order.say("external")
        order.say("acknowledged")
        self.learn(order, report)
        if traded:
            order.say("inferred")
            return self.fill(order, report)
        self.catch_up(order, report)
        return APPLIED

    def take_over(self, order: NaiveOrder, report: reports.Report) -> bool:
        """What was booked to a stranger belongs to ``order``, if the report says that they are the same."""
        other = self.find("", report.venue_order_id, order.request.symbol)
        if other is None or other is order or not other.ever("external"):
            return False
        if order.state in OVER and other.filled:
            order.say("late")
        if other.request.side is not order.request.side or other.ever("conflict"):
            order.say("conflict")
        for trade in self.executions:
            if trade.order == other.key:
                trade.order, trade.first = order.key, (order.key, *trade.first[1:])
        for end in ("cancelled", "expired"):
            if other.holds(end, "reopened"):
                order.say(end, other.key)  # no request of ours was answered by that
        if other.adjusted:
            order.say("adjusted", amount=other.adjusted)
        order.say("acknowledged")
        order.say("alive")
        order.venue_ids += other.venue_ids
        self.owners[other.key] = order.key
        del self.orders[other.key]
        return True

    # --- executions ---

    def catch_up(self, order: NaiveOrder, report: Any) -> bool:
        """Book what the venue's total counts and we have not, until the executions come."""
        total = report.cumulative_quantity
        by_itself = isinstance(report, reports.FillReport)
        split = isinstance(report, reports.RestateReport) and is_split(report)
        if (
            total is None
            or total <= order.filled
            or by_itself
            or split
            or order.adjusted
            or self.revised(order)
        ):
            return False
        missing = total - order.filled
        if report.average_price is not None:
            price = rounded(WIDE.divide(report.average_price * total - order.notional, missing))
        elif order.terms.price is not None:
            price = order.terms.price
        else:
            return False
        self.book_trade(order, report, missing, price, by_total=True)
        return True

    def check_total(self, order: NaiveOrder, report: reports.Report) -> None:
        """An end that counts less than we do contradicts us: a person must look."""
        total = report.cumulative_quantity
        comparable = not (order.adjusted or self.revised(order))
        if total is not None and total < order.filled and comparable:
            self.park(order)

    def revised(self, order: NaiveOrder) -> bool:
        """Whether an execution of the order was undone or corrected: old totals count it still."""
        return any(trade.revised for trade in self.executions if trade.order == order.key)

    def fill(self, order: NaiveOrder, report: reports.FillReport) -> str:
        answer = self.fill_alone(order, report)
        if report.remainder_cancelled:  # whatever became of the execution, nothing rests
            left = self.cancelled(order, reports.CancelReport(ts_ns=report.ts_ns))
            return APPLIED if left is APPLIED else answer
        return answer

    def fill_alone(self, order: NaiveOrder, report: reports.FillReport) -> str:
        if not report.execution_id:
            return self.fill_by_total(order, report)
        known = self.execution(report.execution_id)
        if known is not None:
            return NOTHING if known.first == content(order, report) else self.park(order)
        counted = self.replace_totals(order, self.counted_already(order, report))
        late = order.state in OVER and not order.inferred and counted < report.quantity
        self.book_trade(order, report, report.quantity, report.price, late=late)
        self.settle_waiting()
        return APPLIED

    def fill_by_total(self, order: NaiveOrder, report: reports.FillReport) -> str:
        if report.cumulative_quantity is None:
            return self.park(order)
        missing = report.cumulative_quantity - order.filled
        if missing <= 0:
            return NOTHING
        if order.adjusted or self.revised(order):
            return self.park(order)  # what it counts is not what we count
        self.book_trade(order, report, missing, report.price, by_total=True)
        return APPLIED

    def replace_totals(self, order: NaiveOrder, quantity: Decimal) -> Decimal:
        """An execution came that the venue's totals had counted: it takes the place of what they said.

        Return how much of it they had counted.
        """
        counted = Decimal(0)
        for trade in [trade for trade in order.executions if trade.by_total]:
            taken = min(quantity, trade.quantity)
            trade.quantity, quantity = trade.quantity - taken, quantity - taken
            trade.undone = not trade.quantity
            counted += taken
        if counted:
            order.say("alive")
        return counted

    def counted_already(self, order: NaiveOrder, report: reports.FillReport) -> Decimal:
        """How much of an execution the venue's totals may have counted; its own total says how much."""
        if report.cumulative_quantity is None or order.adjusted or self.revised(order):
            return report.quantity
        missing = report.cumulative_quantity - order.filled
        return min(report.quantity, max(Decimal(0), report.quantity - missing))

    def book_trade(
        self,
        order: NaiveOrder,
        report: Any,
        quantity: Decimal,
        price: Decimal,
        by_total: bool = False,
        late: bool | None = None,
    ) -> None:
        is_fill = isinstance(report, reports.FillReport)
        side = (report.side if is_fill else None) or order.request.side
        if late or (late is None and order.state in OVER and not order.inferred):
            order.say("late")
        if side is not order.request.side:
            order.say("conflict")
        trade = Execution(
            order=order.key,
            symbol=order.request.symbol,
            side=side,
            quantity=quantity,
            price=price,
            fee=report.fee if is_fill else Decimal(0),
            fee_currency=report.fee_currency if is_fill else "",
            names=[report.execution_id] if is_fill and report.execution_id else [],
            first=content(order, report) if is_fill else (),
            by_total=by_total,
        )
        self.executions.append(trade)
        order.say("acknowledged")
        order.say("seen")
        order.say("alive")
        self.ask_again(order)

    def revise(self, report: Any) -> str:
        """A bust or a correction: of an execution we have, of one that comes later, or said before."""
        trade = self.execution(report.execution_ref_id)
        if trade is None:
            if any(is_again(report, early) for early in self.waiting):
                return NOTHING
            self.parked += 1
            self.waiting.append(report)
            return PARKED
        return self.revise_trade(trade, report)

    def revise_trade(self, trade: Execution, report: Any) -> str:
        order = self.orders[trade.order]
        named = self.find(report.client_order_id, report.venue_order_id, report.symbol)
        if named not in (None, order):
            return self.park(order)
        if self.is_known_revision(trade, report):
            return NOTHING
        if trade.undone or trade.restated or report.symbol not in ("", trade.symbol):
            return self.park(order)
        if isinstance(report, reports.TradeCancelReport):
            trade.undone = trade.revised = True
            return order.say("alive")
        self.replace_totals(order, max(Decimal(0), report.quantity - trade.quantity))
        now = correction(trade, report)
        now.names += [report.execution_id] if report.execution_id else []
        now.revised = True
        self.executions[self.executions.index(trade)] = now
        order.say("alive")
        self.settle_waiting()
        return APPLIED

    def is_known_revision(self, trade: Execution, report: Any) -> bool:
        """Whether a bust or a correction says what was said before, or nothing new."""
        if isinstance(report, reports.TradeCancelReport):
            return trade.undone
        if report.execution_id:
            return report.execution_id in trade.names
        return not trade.undone and correction(trade, report) == trade

    def settle_waiting(self) -> None:
        """Apply what waited for executions that are here now, until nothing more can be."""
        while ready := [report for report in self.waiting if self.execution(report.execution_ref_id)]:
            self.waiting.remove(ready[0])
            self.parked -= 1
            self.revise(ready[0])

    # --- what the venue says of an order ---

    def acknowledged(self, order: NaiveOrder, report: reports.AcknowledgeReport) -> str:
        known = order.ever("acknowledged") and not order.known_by_copy
        is_new_id = report.venue_order_id not in ("", *order.venue_ids)
        if is_new_id and order.venue_ids:
            return self.park(order)  # it has an id already
        if (order.closed_from or order.outcome) == "REJECTED":
            told = report.leaves is not None and order.ever("external")
            return NOTHING if known and not (is_new_id or told) else self.park(order)
        told = self.tell_terms(order, report)
        absent = any(order.holds(word, "acknowledged") for word in ("denied", "failed")) or order.unsent
        late = known or ((order.closed_from or order.outcome) in FINISHED and not absent)
        if not (is_new_id or told or not late):
            return NOTHING
        never_sent = not order.ever("submitted") and not known
        if never_sent or order.closed_from in ("DENIED", "FAILED"):
            order.say("alive")
        order.say("seen")
        return order.say("acknowledged")

    def tell_terms(self, order: NaiveOrder, report: reports.AcknowledgeReport) -> bool:
        """How much rests, and at what price, of an order that others sent."""
        if not (report.owned or order.ever("external") or order.inferred):
            return False
        terms = order.terms
        if report.leaves is not None:
            filled = order.filled if report.cumulative_quantity is None else report.cumulative_quantity
            quantity = filled + report.leaves
        elif report.quantity is not None and order.inferred:
            quantity = report.quantity
        else:
            return False
        told = Terms(quantity, terms.price if report.price is None else report.price, terms.stop_price)
        if told == terms and not (report.leaves and order.state in DONE):
            return False
        if report.leaves and order.state in DONE:
            order.say("reopened")
            order.say("alive")
        order.say("amended")
        order.say("terms", terms=told)
        return True

    def cancelled(self, order: NaiveOrder, report: reports.CancelReport) -> str:
        request_id = self.request_of(order, report)
        over = ("CANCELLED", "EXPIRED") if order.closed else ("EXPIRED",)
        ended = order.closed_from or order.outcome
        known = ended in over or order.cancelled
        if known and (order.closed or not order.unsent) and not order.pending("cancel"):
            return NOTHING
        gone = report.cancelled_quantity
        if gone is not None and gone < order.leaves:
            if request_id and order.last_of(request_id, "reduced"):
                return NOTHING  # it says again what it took away
            order.say("acknowledged")
            if request_id:
                order.say("answered", request_id)
            order.say("reduced", request_id)
            return order.say("terms", terms=replace(order.terms, quantity=order.terms.quantity - gone))
        if not order.ever("submitted"):
            order.say("acknowledged")
        return order.say("cancelled")

    def rejected(self, order: NaiveOrder, report: reports.RejectReport) -> str:
        named = report.client_order_id
        if named in order.pending() or (named in self.requests and named != self.current_of(order)):
            return self.refuse(order, named)
        state = order.state
        if self.is_of_copy(order, report):
            if order.ever("copy refused"):
                return NOTHING
            order.say("copy refused")
            if order.known_by_copy:
                order.unsay("acknowledged")
            return order.say("unknown")
        if report.duplicate_client_order_id:
            if state in ("CREATED", "SUBMITTED", "UNKNOWN", "FAILED", "DENIED"):
                if order.doubled and order.ever("copy refused"):
                    if order.sent_again == 1:
                        return order.say("rejected")  # the one sending, and the other is a copy of it
                    if state == "UNKNOWN":
                        return NOTHING
                order.say("acknowledged")
                return order.say("known by a copy")
            return NOTHING
        if state in ("PARTIALLY_FILLED", "FILLED"):
            return self.park(order)
        if state in ("CANCELLED", "EXPIRED", "REJECTED", "FAILED", "CLOSED"):
            return NOTHING
        return order.say("rejected")

    def is_of_copy(self, order: NaiveOrder, report: Any) -> bool:
        """Whether a refusal may be of one of two sendings, of which the other lives."""
        if not isinstance(report, reports.RejectReport) or report.duplicate_client_order_id:
            return False
        names_it = order.venue_ids[-1:] == [report.venue_order_id]
        if order.sent_again == 1 and order.known_by_copy:
            return False  # the other sending was refused as its copy
        alive = ("SUBMITTED", "UNKNOWN", "ACKNOWLEDGED", "PARTIALLY_FILLED", "FILLED")
        return order.doubled and order.state in alive and not names_it

    def expired(self, order: NaiveOrder, report: reports.ExpireReport) -> str:
        if order.state == "REJECTED":
            return self.park(order)
        over = order.closed_from or order.outcome
        known = order.holds("expired", "reopened") or over in ("CANCELLED", "EXPIRED")
        if known and (order.closed or not order.unsent):
            return NOTHING
        return order.say("expired")

    def amended(self, order: NaiveOrder, report: reports.AmendReport) -> str:
        request_id = self.request_of(order, report)
        asked = order.pending().get(request_id)
        if asked is None and self.is_old_news(order, request_id, report):
            return NOTHING
        if asked is not None:
            order.say("answered", request_id)
        terms = self.new_terms(order, report, None if asked is None else asked.terms)
        learns = report.venue_order_id not in ("", *order.venue_ids)
        answer = self.set_terms(order, "amended", report, terms, learns or asked is not None)
        if answer is APPLIED:
            order.say("changed", request_id)
        return answer

    def is_old_news(self, order: NaiveOrder, request_id: str, report: reports.AmendReport) -> bool:
        """Whether the request changed the order before, and this says nothing new about it."""
        changes = [
            entry.about if entry.word == "changed" else ""
            for entry in order.said
            if entry.word in ("changed", "reduced", "cancelled", "expired")
        ]
        if not request_id or request_id not in changes:
            return False
        now = order.terms
        named = ((report.quantity, now.quantity), (report.price, now.price))
        differs = any(told is not None and told != known for told, known in named)
        ended = order.state in OVER or order.cancelled or order.expired or order.holds("rejected", "reopened")
        return changes[-1] != request_id or ended or not differs

    def request_of(self, order: NaiveOrder, report: Any) -> str:
        """The request that a report answers: it says so, or it names the order by it."""
        named = report.client_order_id
        if report.request_id or named not in self.requests:
            return str(report.request_id)
        return "" if named == self.current_of(order) and named not in order.pending() else named

    def current_of(self, order: NaiveOrder) -> str:
        """The request whose id stands for the order, if one does."""
        changes = [entry.about for entry in order.said if entry.word == "changed" and entry.about]
        return changes[-1] if changes else ""

    def set_terms(self, order: NaiveOrder, word: str, report: Any, terms: Terms, is_news: bool) -> str:
        """Put the terms in force that a report states, if anything is new about that."""
        paused = order.suspended or (order.done_for_day and not order.is_day_order)
        ends_a_pause = word == "restated" and paused
        tells = terms != order.terms or order.inferred
        renews = word == "restated" and report.restatement is RestatementReason.RENEWAL
        rests = bool(report.leaves) or (renews and not order.cancelled and terms.quantity > order.filled)
        reopens = rests and order.state in DONE
        ended = order.closed or order.cancelled or order.expired or order.holds("rejected", "reopened")
        was_closed = order.closed
        revives = reopens and (ended or terms.quantity > order.filled)
        if not (is_news or tells or revives or ends_a_pause or not order.ever("acknowledged")):
            return NOTHING
        if order.unsent:
            order.say("cancelled")
        ends = order.cancelled or order.expired
        filled = order.closed_from == "FILLED" or (
            order.closed_from == "CANCELLED" and not order.terms.quantity
        )
        if filled and not ends and order.filled < terms.quantity:
            order.say("reopened")  # all of it was filled, or it was amended to nothing, and closed as that
        order.say(word)
        order.say("acknowledged")
        if tells:
            order.say("terms", terms=terms)
        if reopens and (was_closed or order.outcome in DONE):
            order.say("reopened")
        if reopens or order.outcome not in DONE:
            order.say("alive")
        return APPLIED

    def new_terms(self, order: NaiveOrder, report: Any, asked: Terms | None) -> Terms:
        """The terms that a report states; what it leaves out is as was asked, or as it was."""
        base = order.terms if asked is None else asked
        quantity = base.quantity
        if report.quantity is not None:
            quantity = report.quantity
        elif report.leaves is not None:
            quantity = order.filled + report.leaves
        if asked is not None or states_quantity(report):
            quantity = max(quantity, order.filled)
        if report.quantity is None and None not in (report.leaves, report.cumulative_quantity):
            quantity = report.leaves + report.cumulative_quantity
        return Terms(
            quantity,
            base.price if report.price is None else report.price,
            base.stop_price if report.stop_price is None else report.stop_price,
        )

    def refused(self, order: NaiveOrder, report: Any) -> str:
        """A cancel or an amend came to nothing; the order is as it was."""
        return self.refuse(order, report.request_id)

    def refuse(self, order: NaiveOrder, request_id: str) -> str:
        if request_id not in order.pending():
            return NOTHING
        if request_id in order.pending("cancel") and not order.ever("acknowledged"):
            order.say("still wanted", request_id)
        return order.say("answered", request_id)

    def ask_again(self, order: NaiveOrder) -> None:
        """A cancel that the venue refused before it knew the order is asked for again once it does."""
        wanted = [entry.about for entry in order.said if entry.word == "still wanted"]
        is_open = order.ever("acknowledged") and order.state not in DONE
        if wanted and is_open and order.holds("still wanted", "asked cancel"):
            again = derived_id("cancel again", order.key, wanted[-1])
            self.requests[again] = order.key
            order.say("asked cancel", again)

    def has_request(self, order: NaiveOrder, report: reports.PendingReport) -> str:
        if report.request_id not in order.pending():
            return NOTHING
        known = order.last_of(report.request_id, "confirmed") and not order.lost(report.request_id)
        return NOTHING if known else order.say("confirmed", report.request_id)

    def done(self, order: NaiveOrder, report: reports.DoneForDayReport) -> str:
        return self.note(order, "done for day", order.done_for_day, FINISHED - {"FILLED"})

    def suspended(self, order: NaiveOrder, report: reports.SuspendReport) -> str:
        return self.note(order, "suspended", order.suspended, FINISHED)

    def stopped(self, order: NaiveOrder, report: reports.StopReport) -> str:
        if order.state in FINISHED - {"FILLED"}:
            return self.park(order)  # a guarantee that cannot be kept
        guarantee = f"{report.quantity} at {report.price}"
        last = [entry.about for entry in order.said if entry.word == "stopped"][-1:]
        known = order.stopped and last == [guarantee]
        return self.note(order, "stopped", known, FINISHED, guarantee)

    def triggered(self, order: NaiveOrder, report: reports.TriggerReport) -> str:
        return self.note(order, "triggered", order.ever("triggered") and not order.suspended, FINISHED)

    def note(
        self, order: NaiveOrder, word: str, known: bool, too_late: frozenset[str], about: str = ""
    ) -> str:
        if order.state == "REJECTED":
            return self.park(order)
        if order.state in too_late or known:
            return NOTHING
        order.say("acknowledged")
        return order.say(word, about)

    def restated(self, order: NaiveOrder, report: reports.RestateReport) -> str:
        adjusted, total = Decimal(0), report.cumulative_quantity
        told = ""
        if is_split(report) and total is not None:
            told = f"{report.ts_ns} {total.normalize()}"
            if any((entry.word, entry.about) == ("counted", told) for entry in order.said):
                return NOTHING
            adjusted = total - order.filled
        if adjusted:
            order.say("adjusted", amount=adjusted)
            for trade in order.executions:
                trade.restated = True
        terms = self.new_terms(order, report, None)
        learns = report.venue_order_id not in ("", *order.venue_ids)
        answer = self.set_terms(order, "restated", report, terms, bool(told) or learns)
        if told:
            order.say("counted", told)
        return order.say("changed") if answer is APPLIED else answer

    # --- what we ask, and what we learn of our own sending ---

    def submit(self, cause: requests.SubmitOrder) -> str:
        known = self.find(cause.order.client_order_id)
        if known is not None:
            return NOTHING if known.request == cause.order else REFUSED
        key = cause.order.client_order_id
        self.orders[key] = NaiveOrder(key, cause.order, self)
        return self.decide(self.orders[key], cause.verdict.decision)

    def release(self, cause: requests.ReleaseOrder) -> str:
        return self.decide(self.orders[cause.client_order_id], cause.verdict.decision)

    def decide(self, order: NaiveOrder, decision: RiskDecision) -> str:
        word = {
            RiskDecision.ALLOW: "submitted",
            RiskDecision.BLOCK: "denied",
            RiskDecision.PAUSE: "held",
        }[decision]
        if order.state == "CREATED":
            return NOTHING if word == "held" and order.ever("held") else order.say(word)
        sent = order.state in ("SUBMITTED", "UNKNOWN", "ACKNOWLEDGED", "PARTIALLY_FILLED", "FILLED")
        done = (word == "submitted" and sent) or (word == "denied" and order.state == "DENIED")
        return NOTHING if done else REFUSED

    def is_taken(self, request_id: str) -> bool:
        return request_id in self.orders or request_id in self.requests

    def ask_cancel(self, cause: requests.CancelOrder) -> str:
        order = self.orders[cause.client_order_id]
        pending = order.pending("cancel")
        if cause.request_id in pending:
            return NOTHING
        if self.is_taken(cause.request_id):
            return REFUSED
        if order.state == "CREATED":
            return order.say("cancelled unsent")
        if order.state == "CANCELLED":
            return NOTHING
        if order.state in DONE:
            return REFUSED
        if any(not order.lost(key) for key in pending):
            return NOTHING
        self.requests[cause.request_id] = order.key
        return order.say("asked cancel", cause.request_id)

    def ask_amend(self, cause: requests.AmendOrder) -> str:
        order = self.orders[cause.client_order_id]
        pending = order.pending("amend")
        before = list(itertools.takewhile(lambda key: key != cause.request_id, pending))
        asked = [terms for key in before if (terms := pending[key].terms)]
        base = asked[-1] if asked else order.terms  # amends are chained as if those before will be accepted
        terms = Terms(
            base.quantity if cause.quantity is None else cause.quantity,
            base.price if cause.price is None else cause.price,
            base.stop_price if cause.stop_price is None else cause.stop_price,
        )
        if cause.request_id in pending:
            return NOTHING if pending[cause.request_id].terms == terms else REFUSED
        if self.is_taken(cause.request_id) or order.pending("cancel"):
            return REFUSED
        if order.state not in ("ACKNOWLEDGED", "PARTIALLY_FILLED", "FILLED"):
            return REFUSED
        if order.cancelled or order.expired:  # filled in the end, and nothing of it is alive
            return REFUSED
        if terms.quantity <= order.filled:
            return REFUSED
        if terms == base and not pending:
            return NOTHING
        self.requests[cause.request_id] = order.key
        return order.say("asked amend", cause.request_id, terms)

    def close(self, cause: requests.CloseOrder) -> str:
        order = self.orders[cause.client_order_id]
        if order.closed:
            return NOTHING
        if order.state not in DONE or any(not order.lost(key) for key in order.pending()):
            return REFUSED
        return order.say("closed", order.outcome)

    def not_sent(self, cause: requests.SubmitNotSent) -> str:
        order = self.orders[cause.client_order_id]
        if order.doubled and order.state in ("SUBMITTED", "UNKNOWN"):
            return order.say("unknown") if order.state == "SUBMITTED" else NOTHING
        if order.state in ("CREATED", "SUBMITTED", "UNKNOWN"):
            return order.say("failed")
        if order.state in ("ACKNOWLEDGED", "PARTIALLY_FILLED", "FILLED"):
            return PARKED
        return NOTHING

    def outcome_unknown(self, cause: requests.SubmitOutcomeUnknown) -> str:
        order = self.orders[cause.client_order_id]
        if order.state == "CREATED":
            return REFUSED
        return order.say("unknown") if order.state == "SUBMITTED" else NOTHING

    def request_not_sent(self, cause: requests.RequestNotSent) -> str:
        order = self.orders[cause.client_order_id]
        return order.say("answered", cause.request_id) if cause.request_id in order.pending() else NOTHING

    def request_unknown(self, cause: requests.RequestOutcomeUnknown) -> str:
        order = self.orders[cause.client_order_id]
        if cause.request_id not in order.pending() or order.lost(cause.request_id):
            return NOTHING
        return order.say("lost", cause.request_id)

    def not_found(self, cause: requests.OrderNotFound) -> str:
        order = self.orders[cause.client_order_id]
        if order.state in ("ACKNOWLEDGED", "PARTIALLY_FILLED"):
            return PARKED
        if order.state != "UNKNOWN":
            return NOTHING
        proven = cause.complete and cause.waited_ns >= cause.visibility_lag_ns
        refused = cause.refused or order.ever("copy refused")
        safe = proven or cause.duplicates_refused
        if cause.resend and safe and not (refused or order.unwanted):
            return order.say("sent again", "proven" if proven else "in doubt")
        return self.absent(order) if proven else NOTHING

    def absent(self, order: NaiveOrder) -> str:
        for request_id in list(order.pending("cancel")):
            self.refuse(order, request_id)
        return order.say("failed")

    def repeat_cancel(self, cause: requests.RetryCancel) -> str:
        order = self.orders[cause.client_order_id]
        alive = ("SUBMITTED", "UNKNOWN", "ACKNOWLEDGED", "PARTIALLY_FILLED")
        lost = cause.request_id in order.pending("cancel") and order.lost(cause.request_id)
        return order.say("repeated", cause.request_id) if lost and order.state in alive else NOTHING

    def resolve(self, cause: requests.ResolveOrder) -> str:
        order = self.orders[cause.client_order_id]
        owner = self.find("", cause.venue_order_id, order.request.symbol)
        if owner not in (None, order) or order.state in ("CREATED", "DENIED", "CLOSED"):
            return REFUSED
        if cause.request_id:
            known = cause.request_id in order.pending() and order.lost(cause.request_id)
            return self.refuse(order, cause.request_id) if known else REFUSED
        live = cause.resolution is Resolution.LIVE
        if order.state != "UNKNOWN":
            alive = order.ever("acknowledged") and order.state not in DONE
            return NOTHING if (alive if live else order.state == "FAILED") else REFUSED
        if not live:
            return self.absent(order)
        order.say("acknowledged")
        if cause.venue_order_id:
            order.venue_ids.append(cause.venue_order_id)
        self.ask_again(order)
        return APPLIED

    # --- money ---

    def positions(self) -> dict[str, Position]:
        """What every instrument's executions come to, one after the other, in the order they arrived."""
        result = {symbol: Position() for symbol in self.instruments}
        for trade in self.executions:
            if not trade.undone:
                self._trade(result[trade.symbol], self.instruments[trade.symbol], trade)
        return result

    def _trade(self, position: Position, instrument: Instrument, trade: Execution) -> None:
        signed = trade.quantity if trade.side is Side.BUY else -trade.quantity
        worth = trade.price * instrument.multiplier
        held = position.quantity
        closing = min(abs(signed), abs(held)) if held * signed < 0 else Decimal(0)
        if closing:
            released = part_of(position.basis, closing, abs(held))
            direction = 1 if held > 0 else -1
            position.basis -= released
            position.realised += direction * closing * worth - released
        opening = abs(signed) - closing
        position.basis += (1 if signed > 0 else -1) * opening * worth
        position.quantity += signed
        if trade.fee_currency == instrument.base_currency and instrument.kind is InstrumentKind.SPOT:
            self._fee_in_kind(position, trade.fee)
        elif trade.fee:
            paid = position.fees.get(trade.fee_currency, Decimal(0))
            position.fees[trade.fee_currency] = paid + trade.fee

    def _fee_in_kind(self, position: Position, fee: Decimal) -> None:
        """Units that went as a fee take their share of the cost with them; units that came cost nothing."""
        if position.quantity * fee > 0:
            cost = part_of(position.basis, min(abs(fee), abs(position.quantity)), abs(position.quantity))
            position.basis -= cost
            position.fees_in_kind += cost
        position.quantity -= fee

    def cash(self) -> dict[str, Decimal]:
        """Every currency's balance: spot pays for what is held, linear only what was won or lost."""
        cash: dict[str, Decimal] = {}
        for symbol, position in self.positions().items():
            instrument = self.instruments[symbol]
            linear = instrument.kind is InstrumentKind.LINEAR
            paid = Decimal(0) if linear else position.basis + position.fees_in_kind
            moved = {instrument.currency: position.realised - paid}
            for currency, fee in position.fees.items():
                moved[currency] = moved.get(currency, Decimal(0)) - fee
            for currency, amount in moved.items():
                cash[currency] = cash.get(currency, Decimal(0)) + amount
        return {currency: amount for currency, amount in cash.items() if amount}


def part_of(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return amount if part == whole else rounded(WIDE.divide(amount * part, whole))


def states_quantity(report: Any) -> bool:
    return report.quantity is not None or report.leaves is not None


def is_again(report: Any, early: Any) -> bool:
    """Whether a bust or a correction of an execution that we wait for says what one before it said."""
    if type(report) is not type(early) or report.execution_ref_id != early.execution_ref_id:
        return False
    fields = ["execution_id"]
    if isinstance(report, reports.TradeCorrectReport):
        fields += ["quantity", "price", "side", "fee", "fee_currency"]
    return all(getattr(report, name) == getattr(early, name) for name in fields)


def is_split(report: reports.RestateReport) -> bool:
    return report.restatement is RestatementReason.CORPORATE_ACTION


def content(order: NaiveOrder, report: reports.FillReport) -> tuple[object, ...]:
    """What makes two reports of one execution the same."""
    return (order.key, report.side or order.request.side, report.quantity, report.price)


def correction(trade: Execution, report: reports.TradeCorrectReport) -> Execution:
    fee, currency = trade.fee, trade.fee_currency
    if report.fee is not None:
        fee, currency = report.fee, report.fee_currency
    return replace(
        trade,
        side=report.side or trade.side,
        quantity=report.quantity,
        price=report.price,
        fee=fee,
        fee_currency=currency,
        names=list(trade.names),
    )


REQUESTS: Final[dict[type[Input], Callable[[NaiveBook, Any], str]]] = {
    requests.SubmitOrder: NaiveBook.submit,
    requests.ReleaseOrder: NaiveBook.release,
    requests.CancelOrder: NaiveBook.ask_cancel,
    requests.AmendOrder: NaiveBook.ask_amend,
    requests.CloseOrder: NaiveBook.close,
    requests.SubmitNotSent: NaiveBook.not_sent,
    requests.SubmitOutcomeUnknown: NaiveBook.outcome_unknown,
    requests.RequestNotSent: NaiveBook.request_not_sent,
    requests.RequestOutcomeUnknown: NaiveBook.request_unknown,
    requests.OrderNotFound: NaiveBook.not_found,
    requests.RetryCancel: NaiveBook.repeat_cancel,
    requests.ResolveOrder: NaiveBook.resolve,
}

REPORTS: Final[dict[type[reports.Report], Callable[[NaiveBook, NaiveOrder, Any], str]]] = {
    reports.AcknowledgeReport: NaiveBook.acknowledged,
    reports.FillReport: NaiveBook.fill,
    reports.CancelReport: NaiveBook.cancelled,
    reports.RejectReport: NaiveBook.rejected,
    reports.ExpireReport: NaiveBook.expired,
    reports.AmendReport: NaiveBook.amended,
    reports.CancelRejectReport: NaiveBook.refused,
    reports.AmendRejectReport: NaiveBook.refused,
    reports.PendingReport: NaiveBook.has_request,
    reports.DoneForDayReport: NaiveBook.done,
    reports.SuspendReport: NaiveBook.suspended,
    reports.StopReport: NaiveBook.stopped,
    reports.TriggerReport: NaiveBook.triggered,
    reports.RestateReport: NaiveBook.restated,
}

ENDS: Final = (reports.CancelReport, reports.ExpireReport, reports.DoneForDayReport)
REPLIES: Final = (reports.PendingReport, reports.CancelRejectReport, reports.AmendRejectReport)
"""They are about a request: what they call the order besides is not taken from them."""
