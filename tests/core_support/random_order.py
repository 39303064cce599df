"""Random walks: inputs of every kind over one or two orders, given to the core and to a naive model alike.

A walk is its seed: ``Walk(seed)`` draws the same inputs again. The naive model's view of the orders makes
them plausible most of the time, and wrong some of the time.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec

from core_support.desk import ALLOW, BITCOIN, BLOCK, FUTURE, PAUSE
from core_support.naive_order import DONE, Execution, NaiveBook, NaiveOrder
from execore.core.book_state import BookState
from execore.core.engine import open_book, step
from execore.core.invariants import check
from execore.model import events, reports, requests
from execore.model.errors import InvalidInput
from execore.model.orders import Order, OrderRequest
from execore.model.requests import Input
from execore.model.vocabulary import (
    CostMethod,
    OrderType,
    OrdStatus,
    Resolution,
    RestatementReason,
    Side,
    TimeInForce,
)

INSTRUMENTS: Final = (BITCOIN, FUTURE)
VERDICTS: Final = (ALLOW, BLOCK, PAUSE)
REASONS: Final = tuple(RestatementReason)
STRANGER: Final = "X1"
"""The venue's id of an order that nobody told us of."""


class Walk:
    """One random walk: ``inputs`` draws them one by one, each after the model took the one before."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.book = NaiveBook("walk", INSTRUMENTS)
        self.count = 0
        self.answers: dict[str, Input] = {}

    def inputs(self) -> Iterator[Input]:
        """The inputs; the caller gives each to ``self.book`` before asking for the next."""
        for key in ["o1", "o2"][: self.random.choice((1, 1, 2))]:
            yield self.submit(key)
        # Most orders reach the venue before anything strange happens to them.
        if self.chance(0.7):
            yield self.report(reports.AcknowledgeReport, self.order())
        elif self.chance(0.4):
            yield from self.sending_in_doubt(self.order())
        for _ in range(self.random.randint(4, 22)):
            yield self.random.choices(KINDS, WEIGHTS)[0](self)

    # --- drawing ---

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def number(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def size(self) -> Decimal:
        return Decimal(self.random.choice((1, 1, 1, 2, 2, 3, 5)))

    def price(self) -> Decimal:
        return Decimal(self.random.randint(390, 410)) / 4

    def order(self) -> NaiveOrder:
        return self.random.choice(list(self.book.orders.values()))

    def waiting_order(self) -> NaiveOrder:
        """One with requests that are pending, if there is any."""
        return self.one_that(lambda order: bool(order.pending()))

    def one_that(self, fits: Callable[[NaiveOrder], bool]) -> NaiveOrder:
        fitting = [order for order in self.book.orders.values() if fits(order)]
        return self.random.choice(fitting) if fitting and self.chance(0.9) else self.order()

    def time(self) -> int:
        self.count += 1
        return self.count

    def ask(self, request: type[Any], order: NaiveOrder, **fields: Any) -> Input:
        made: Input = request(ts_ns=self.time(), client_order_id=order.key, **fields)
        return made

    def report(self, report: type[Any], order: NaiveOrder, **fields: Any) -> Input:
        """A report that names ``order`` in one of the ways that it can be named."""
        named: dict[str, Any] = {"ts_ns": self.time(), "symbol": order.request.symbol}
        venue_id = order.venue_ids[-1] if order.venue_ids else f"V-{order.key}"
        by_request = [key for key, owner in self.book.requests.items() if owner == order.key]
        way = self.random.random()
        if way < 0.2 and order.venue_ids:
            named["venue_order_id"] = self.random.choice(order.venue_ids)
        elif way < 0.3 and by_request:
            named["client_order_id"] = self.random.choice(by_request)
        else:
            named["client_order_id"] = order.key
            if way > 0.5:
                named["venue_order_id"] = venue_id
        made: Input = report(**(named | fields))
        return made

    def totals(self, order: NaiveOrder, likely: float = 0.2) -> dict[str, Any]:
        """The venue's cumulative quantity, and perhaps an average price that can be split exactly."""
        if not self.chance(likely):
            return {}
        filled = order.filled
        total = filled + self.random.choice((-1, 0, 0, 0, 1, 2, 3))
        if total < 0 or not self.chance(0.5) or total <= filled:
            return {"cumulative_quantity": max(total, Decimal(0))}
        average = (order.notional + (total - filled) * self.price()) / total
        exact = average == average.quantize(Decimal("1E-10"))
        return {"cumulative_quantity": total} | ({"average_price": average} if exact else {})

    def pending(self, order: NaiveOrder, kind: str) -> str:
        """The id of a request that is pending; now and then of one that is not, or never was."""
        waiting = list(order.pending(kind))
        if waiting and not self.chance(0.1):
            return self.random.choice(waiting)
        known = [entry.about for entry in order.said if entry.word == f"asked {kind}"]
        return self.random.choice(known) if known and self.chance(0.7) else self.number("nobody-asked-")

    # --- our side ---

    def submit(self, key: str) -> Input:
        draw = self.random
        order_type = draw.choice((OrderType.LIMIT, OrderType.LIMIT, *OrderType))
        time_in_force = draw.choice(tuple(TimeInForce))
        order = OrderRequest(
            client_order_id=key,
            symbol=draw.choice((BITCOIN.symbol, BITCOIN.symbol, FUTURE.symbol)),
            side=draw.choice((Side.BUY, Side.BUY, Side.SELL)),
            quantity=Decimal(draw.randint(1, 12)),
            order_type=order_type,
            price=self.price() if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
            stop_price=self.price() if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) else None,
            time_in_force=time_in_force,
            expire_ts_ns=10**9 if time_in_force is TimeInForce.GTD else None,
        )
        verdict = ALLOW if self.chance(0.85) else draw.choice((PAUSE, PAUSE, BLOCK))
        return requests.SubmitOrder(ts_ns=self.time(), order=order, verdict=verdict)

    def submit_again(self) -> Input:
        order = self.random.choice([o for o in self.book.orders.values() if not o.ever("external")]).request
        if self.chance(0.3):
            order = OrderRequest(
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity + 1,
                order_type=OrderType.MARKET,
            )
        return requests.SubmitOrder(ts_ns=self.time(), order=order, verdict=ALLOW)

    def release(self) -> Input:
        order = self.one_that(lambda order: order.state == "CREATED")
        return self.ask(requests.ReleaseOrder, order, verdict=self.random.choice(VERDICTS))

    def ask_cancel(self) -> Input:
        order = self.order()
        return self.ask(requests.CancelOrder, order, request_id=self.request_id(order, "cancel"))

    def ask_amend(self) -> Input:
        order = self.order()
        terms: dict[str, Decimal] = {}
        if self.chance(0.7):
            terms["quantity"] = max(order.filled, Decimal(0)) + self.random.randint(0, 8) or Decimal(1)
        if order.request.price is not None and self.chance(0.5):
            terms["price"] = self.price()
        if order.request.stop_price is not None and self.chance(0.3):
            terms["stop_price"] = self.price()
        return self.ask(requests.AmendOrder, order, request_id=self.request_id(order, "amend"), **terms)

    def request_id(self, order: NaiveOrder, kind: str) -> str:
        """A new id, most of the time; else one that is taken."""
        if self.chance(0.1):
            return self.random.choice((order.key, *self.book.requests))
        return self.number(kind[0])

    def close(self) -> Input:
        return self.ask(requests.CloseOrder, self.one_that(lambda order: order.state in DONE))

    def submit_outcome(self) -> Input:
        finding = self.random.choice((requests.SubmitNotSent, *[requests.SubmitOutcomeUnknown] * 2))
        order = self.one_that(lambda order: order.state in ("SUBMITTED", "UNKNOWN"))
        return self.ask(finding, order, reason="timeout")

    def request_outcome(self) -> Input:
        order = self.waiting_order()
        finding = self.random.choice((requests.RequestNotSent, *[requests.RequestOutcomeUnknown] * 3))
        request_id = self.pending(order, self.random.choice(("cancel", "amend")))
        return self.ask(finding, order, request_id=request_id, reason="timeout")

    def sending_in_doubt(self, order: NaiveOrder) -> Iterator[Input]:
        """It is sent, nobody knows whether it arrived, and it is sent again; often one is refused."""
        yield self.ask(requests.SubmitOutcomeUnknown, order, reason="timeout")
        yield self.ask(
            requests.OrderNotFound,
            order,
            complete=False,
            waited_ns=0,
            visibility_lag_ns=1,
            duplicates_refused=True,
            resend=True,
        )
        yield self.random.choice((self.reject, self.reject, self.submit_outcome, self.acknowledge))()

    def not_found(self) -> Input:
        order = self.one_that(lambda order: order.state == "UNKNOWN")
        return self.ask(
            requests.OrderNotFound,
            order,
            complete=self.chance(0.7),
            waited_ns=self.random.choice((0, 1, 2)),
            visibility_lag_ns=1,
            duplicates_refused=self.chance(0.5),
            resend=self.chance(0.7),
            refused=self.chance(0.1),
        )

    def repeat_cancel(self) -> Input:
        order = self.one_that(lambda order: any(map(order.lost, order.pending("cancel"))))
        return self.ask(requests.RetryCancel, order, request_id=self.pending(order, "cancel"))

    def resolve(self) -> Input:
        order = self.one_that(lambda order: order.state == "UNKNOWN" or any(map(order.lost, order.pending())))
        told: dict[str, Any] = {"resolution": self.random.choice(tuple(Resolution))}
        if self.chance(0.4):
            kind = self.random.choice(("cancel", "amend"))
            told = {"resolution": Resolution.ABSENT, "request_id": self.pending(order, kind)}
        elif self.chance(0.5):
            known = [venue_id for other in self.book.orders.values() for venue_id in other.venue_ids]
            told["venue_order_id"] = self.random.choice((f"V-{order.key}", *known))
        return self.ask(requests.ResolveOrder, order, actor="operator:ann", reason="seen", **told)

    # --- executions ---

    def fill(self) -> Input:
        return self.make_fill(self.order(), self.number("E"))

    def make_fill(self, order: NaiveOrder, execution_id: str) -> Input:
        fields: dict[str, Any] = {"quantity": self.size(), "price": self.price()}
        if order.leaves and self.chance(0.3):
            fields["quantity"] = order.leaves
        side = order.request.side
        if self.chance(0.4):
            fields["side"] = side
        elif self.chance(0.05):
            fields["side"] = Side.SELL if side is Side.BUY else Side.BUY
        return self.report(
            reports.FillReport,
            order,
            execution_id=execution_id,
            remainder_cancelled=self.chance(0.07),
            **fields,
            **self.fee(order),
            **self.totals(order, 0.1),
        )

    def fee(self, order: NaiveOrder) -> dict[str, Any]:
        if self.chance(0.5):
            return {}
        currency = self.random.choice(
            ("USD", "EUR", BITCOIN.unit if order.request.symbol == "BTC-USD" else "USD")
        )
        return {
            "fee": self.random.choice((Decimal("0.25"), Decimal("0.01"), Decimal(-1), Decimal(2))),
            "fee_currency": currency,
        }

    def fill_that_was_awaited(self) -> Input:
        """The execution that an early bust or correction speaks of."""
        early = [report.execution_ref_id for report in self.book.waiting]
        early = [key for key in early if key.startswith("E")]
        return self.make_fill(self.order(), self.random.choice(early)) if early else self.fill()

    def fill_by_total(self) -> Input:
        order = self.order()
        missing = self.random.choice((0, 1, 1, 2, 3))
        totals = {"cumulative_quantity": max(order.filled, Decimal(0)) + missing} if self.chance(0.95) else {}
        quantity = Decimal(missing) if missing and self.chance(0.7) else self.size()
        return self.report(reports.FillReport, order, quantity=quantity, price=self.price(), **totals)

    def trade(self) -> Execution | None:
        named = [trade for trade in self.book.executions if trade.names]
        return self.random.choice(named) if named else None

    def fill_again(self) -> Input:
        """The same execution a second time, or another of its id."""
        trade = self.trade()
        if trade is None:
            return self.fill()
        order_key, side, quantity, price = trade.first
        order = self.book.find(str(order_key))
        assert order is not None
        assert isinstance(quantity, Decimal)
        if self.chance(0.3):
            quantity += 1
        return self.report(
            reports.FillReport,
            order,
            execution_id=trade.names[0],
            quantity=quantity,
            price=price,
            side=side,
            fee=trade.fee,
            fee_currency=trade.fee_currency,
        )

    def fill_of_a_stranger(self) -> Input:
        return reports.FillReport(
            ts_ns=self.time(),
            venue_order_id=STRANGER,
            symbol=BITCOIN.symbol,
            side=Side.SELL if self.chance(0.2) else Side.BUY,
            execution_id=self.number("E"),
            quantity=self.size(),
            price=self.price(),
        )

    def order_by_telephone(self) -> Input:
        return reports.AcknowledgeReport(
            ts_ns=self.time(),
            venue_order_id="X2",
            symbol=FUTURE.symbol,
            side=Side.BUY,
            price=self.price() if self.chance(0.7) else None,
            **{self.random.choice(("quantity", "leaves")): self.size()},  # type: ignore[arg-type]
        )

    def revision(self) -> dict[str, Any]:
        """What a bust or a correction refers to: an execution, a correction, one to come, or none."""
        trade = self.trade()
        awaited = {report.execution_ref_id for report in self.book.waiting}
        early = [key for key in (f"E{self.count + 3}", f"C{self.count + 4}") if key not in awaited]
        early += [] if early and "E-none" in awaited else ["E-none"]
        if trade is None or self.chance(0.15):
            return {
                "ts_ns": self.time(),
                "symbol": self.order().request.symbol,
                "execution_ref_id": self.random.choice(early),
            }
        order = self.book.orders[trade.order]
        return {
            "ts_ns": self.time(),
            "symbol": order.request.symbol,
            "client_order_id": order.key if self.chance(0.7) else "",
            "execution_ref_id": trade.names[-1] if self.chance(0.8) else self.random.choice(trade.names),
        }

    def bust(self) -> Input:
        fields = self.revision()
        if self.chance(0.7):
            fields["execution_id"] = self.number("B")
        return reports.TradeCancelReport(**fields)

    def correction(self) -> Input:
        fields = self.revision() | {"quantity": self.size(), "price": self.price()}
        if self.chance(0.8):
            fields["execution_id"] = self.number("C")
        if self.chance(0.3):
            fields |= {"fee": Decimal("0.5"), "fee_currency": "USD"}
        return reports.TradeCorrectReport(**fields)

    # --- the order's life at the venue ---

    def acknowledge(self) -> Input:
        order = self.order()
        return self.report(reports.AcknowledgeReport, order, **self.totals(order, 0.1))

    def acknowledge_a_stranger(self) -> Input:
        """An order of ours turns out to be the one that nobody told us of."""
        order = self.order()
        other = self.book.find("", STRANGER)
        if order.venue_ids or other is None or other.pending() or not other.ever("external"):
            return self.acknowledge()
        return self.report(
            reports.AcknowledgeReport, order, client_order_id=order.key, venue_order_id=STRANGER
        )

    def cancel(self) -> Input:
        order = self.order()
        fields: dict[str, Any] = self.totals(order)
        if self.chance(0.6):
            fields["request_id"] = self.pending(order, "cancel")
        if self.chance(0.2):
            fields["cancelled_quantity"] = Decimal(self.random.randint(0, 6))
        return self.report(reports.CancelReport, order, **fields)

    def reject(self) -> Input:
        return self.report(
            reports.RejectReport, self.order(), duplicate_client_order_id=self.chance(0.4), reason="no"
        )

    def expire(self) -> Input:
        order = self.order()
        return self.report(reports.ExpireReport, order, **self.totals(order))

    def amend(self) -> Input:
        """The answer to an amend, perhaps for a second time, or terms that nobody asked for."""
        order = self.order()
        request_id = self.pending(order, "amend") if self.chance(0.7) else ""
        if request_id in self.answers and request_id not in order.pending():
            return msgspec.structs.replace(self.answers[request_id], ts_ns=self.time())
        fields: dict[str, Any] = self.terms(order) | self.totals(order, 0.1)
        if not request_id:
            fields["client_order_id"] = order.key
        if self.chance(0.1):
            fields |= {"client_order_id": order.key, "venue_order_id": self.number(f"V-{order.key}-")}
        answer = self.report(reports.AmendReport, order, request_id=request_id, **fields)
        self.answers[request_id] = answer
        return answer

    def terms(self, order: NaiveOrder) -> dict[str, Any]:
        """New terms as a venue states them: the total, or what is left, or prices only."""
        terms: dict[str, Any] = {}
        way = self.random.random()
        if way < 0.4:
            terms["quantity"] = max(order.filled + self.random.randint(-2, 6), Decimal(0))
        elif way < 0.7:
            terms["leaves"] = Decimal(self.random.randint(0, 6))
        if order.request.price is not None and self.chance(0.4):
            terms["price"] = self.price()
        return terms

    def pending_report(self) -> Input:
        order = self.waiting_order()
        request_id = self.pending(order, self.random.choice(("cancel", "amend")))
        return self.report(reports.PendingReport, order, request_id=request_id, **self.totals(order))

    def refusal(self) -> Input:
        order = self.waiting_order()
        kind = "cancel" if order.pending("cancel") else self.random.choice(("cancel", "amend"))
        report: type[Any] = reports.CancelRejectReport if kind == "cancel" else reports.AmendRejectReport
        request_id = self.pending(order, kind)
        return self.report(report, order, request_id=request_id, **self.totals(order))

    def phase(self) -> Input:
        """Done for day, suspended, stopped or triggered."""
        order = self.order()
        report: type[reports.Report] = self.random.choice(
            (
                reports.DoneForDayReport,
                reports.DoneForDayReport,
                reports.SuspendReport,
                reports.StopReport,
                reports.TriggerReport,
            )
        )
        terms: dict[str, Any] = self.totals(order)
        if report is reports.StopReport and self.chance(0.5):
            terms |= {"quantity": self.size(), "price": self.price()}
        return self.report(report, order, **terms)

    def restate(self) -> Input:
        order = self.order()
        reason = self.random.choice(REASONS)
        fields = self.terms(order)
        if reason is RestatementReason.CORPORATE_ACTION:
            fields = {
                "cumulative_quantity": max(order.filled, Decimal(0)) * 2,
                "quantity": order.terms.quantity * 2,
            }
        return self.report(reports.RestateReport, order, restatement=reason, **fields)

    def split(self) -> Input:
        order = self.one_that(lambda order: order.filled > 0)
        if order.filled < 0:  # what was restated can be corrected to less than nothing
            return self.acknowledge()
        halves = order.request.symbol == BITCOIN.symbol
        by = self.random.choice((Decimal(2), Decimal(3), Decimal("0.5") if halves else Decimal(2)))
        return self.report(
            reports.RestateReport,
            order,
            restatement=RestatementReason.CORPORATE_ACTION,
            cumulative_quantity=order.filled * by,
            quantity=order.terms.quantity * by,
        )

    def status(self) -> Input:
        order = self.order()
        word = self.random.choice(tuple(OrdStatus))
        return self.report(reports.StatusReport, order, ord_status=word, **self.totals(order, 0.5))

    def unreadable(self) -> Input:
        return self.report(reports.UnreadableReport, self.order(), raw="?")

    def unmatched(self) -> Input:
        report: type[Any] = self.random.choice(
            (reports.CancelReport, reports.RejectReport, reports.ExpireReport, reports.StatusReport)
        )
        made: Input = report(ts_ns=self.time(), client_order_id="nobody", symbol=BITCOIN.symbol)
        return made


WEIGHED: Final[dict[Callable[[Walk], Input], int]] = {
    Walk.fill: 14,
    Walk.bust: 7,
    Walk.correction: 7,
    Walk.ask_cancel: 7,
    Walk.ask_amend: 9,
    Walk.cancel: 6,
    Walk.amend: 9,
    Walk.pending_report: 6,
    Walk.refusal: 5,
    Walk.acknowledge: 6,
    Walk.phase: 6,
    Walk.restate: 4,
    Walk.split: 1,
    Walk.fill_again: 4,
    Walk.fill_by_total: 4,
    Walk.fill_that_was_awaited: 3,
    Walk.fill_of_a_stranger: 1,
    Walk.order_by_telephone: 1,
    Walk.acknowledge_a_stranger: 1,
    Walk.request_outcome: 5,
    Walk.submit_outcome: 4,
    Walk.not_found: 4,
    Walk.repeat_cancel: 1,
    Walk.resolve: 2,
    Walk.submit_again: 1,
    Walk.release: 3,
    Walk.reject: 2,
    Walk.expire: 2,
    Walk.close: 4,
    Walk.status: 2,
    Walk.unreadable: 1,
    Walk.unmatched: 1,
}
KINDS: Final = tuple(WEIGHED)
WEIGHTS: Final = tuple(WEIGHED.values())


# --- the walk itself -------------------------------------------------------------------------------------


class Disagreement(AssertionError):
    """The core and the naive model differ, or the core's own books do not hold."""


OUTCOMES: Final = {
    "applied": "applied",
    "already_done": "nothing",
    "ignored": "nothing",
    "parked": "parked",
    "refused": "refused",
}


def core_takes(state: BookState, cause: Input) -> tuple[str, tuple[events.AnyEvent, ...]]:
    """Step the core; an input that is not acceptable in itself counts as refused."""
    try:
        answer = step(state, cause)
    except InvalidInput:
        return "refused", ()
    return OUTCOMES[answer.outcome], answer.events


def core_shows(order: Order) -> dict[str, object]:
    return {
        "state": str(order.state),
        "ord_status": str(order.ord_status),
        "quantity": order.quantity,
        "price": order.price,
        "stop_price": order.stop_price,
        "filled": order.filled,
        "leaves": order.leaves,
        "average_price": order.average_price,
        "flags": set(order.flags),
        "pending": sorted(order.pending_request_ids),
    }


def demand(what: str, core: object, model: object) -> None:
    if core != model:
        raise Disagreement(f"{what}: the core says {core}, the model {model}")


def compare_orders(state: BookState, book: NaiveBook) -> None:
    for key, order in book.orders.items():
        core, model = core_shows(state.orders.get(key)), order.shown()
        if core != model:
            for name, value in core.items():
                demand(f"{name} of {key}", value, model[name])


def compare_money(state: BookState, book: NaiveBook) -> None:
    """Positions, fees, results and cash."""
    for symbol, expected in book.positions().items():
        position = state.positions.position(symbol)
        core = (position.quantity, position.cost_basis, position.realised_pnl, position.fees_in_kind)
        demand(
            f"quantity, basis, result and fees in kind of {symbol}",
            core,
            (expected.quantity, expected.basis, expected.realised, expected.fees_in_kind),
        )
        fees = {currency: fee for currency, fee in position.fees.items() if fee}
        demand(f"fees of {symbol}", fees, {currency: fee for currency, fee in expected.fees.items() if fee})
    cash = {currency: amount for currency, amount in state.positions.cash().items() if amount}
    demand("cash", cash, book.cash())


def compare_replay(state: BookState, happened: list[tuple[events.AnyEvent, int]]) -> None:
    """The events alone give the same book."""
    replayed = BookState()
    for event, ts_ns in happened:
        replayed.apply(event, ts_ns)
    demand("orders replayed", replayed.orders.to_dict(), state.orders.to_dict())
    demand("positions replayed", replayed.positions.to_dict(), state.positions.to_dict())
    demand("parked replayed", replayed.parked, state.parked)


def run_walk(seed: int, tell: Callable[[str], None] = lambda text: None) -> int:
    """Walk once; return the number of inputs.

    Args:
        seed: which walk. Every eighth looks at the books after each input, the others at the end.
        tell: gets each input and what became of it, as text.

    Raises:
        Disagreement: with the seed, and every input so far.
    """
    walk = Walk(seed)
    taken: list[Input] = []
    try:
        _walk(walk, seed % 8 == 0, taken, tell)
    except Exception as error:
        lines = "\n".join(f"    {cause!r}," for cause in taken)
        raise Disagreement(f"{error!r}\nin walk {seed}, which took:\n{lines}") from error
    return len(taken)


def _walk(walk: Walk, thorough: bool, taken: list[Input], tell: Callable[[str], None]) -> None:
    state, opened = open_book("walk", CostMethod.AVERAGE, 0)
    happened: list[tuple[events.AnyEvent, int]] = [(opened, 0)]
    for instrument in INSTRUMENTS:
        defined = events.InstrumentDefined(instrument)
        state.apply(defined, 0)
        happened.append((defined, 0))
    for cause in walk.inputs():
        taken.append(cause)
        outcome, new = core_takes(state, cause)
        happened += [(event, cause.ts_ns) for event in new]
        expected = walk.book.take(cause)
        tell(f"{outcome:8} {cause!r}")
        demand("outcome", outcome, expected)
        compare_orders(state, walk.book)
        if thorough:
            compare_money(state, walk.book)
            check(state)
    compare_money(state, walk.book)
    demand("parked", state.parked, walk.book.parked)
    check(state)
    compare_replay(state, happened)
