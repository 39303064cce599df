"""Random inputs for a whole book: many orders, strangers, groups, and ids of all kinds that come again.

``Traffic`` looks at the book it is for, so that most inputs mean something; what it draws is decided by its
seed.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, Final

from core_support.desk import ALLOW, BITCOIN, BLOCK, FUTURE, PAUSE
from execore.core.book_state import BookState
from execore.model import group_requests, reports, requests
from execore.model.groups import GroupKind
from execore.model.instruments import Instrument
from execore.model.orders import Order, OrderRequest
from execore.model.requests import Input
from execore.model.vocabulary import (
    Expiry,
    OrderType,
    OrdStatus,
    Resolution,
    RestatementReason,
    Side,
    TimeInForce,
)

SYMBOLS: Final = (BITCOIN.symbol, BITCOIN.symbol, FUTURE.symbol)
UNDEFINED: Final = "NOTHING"


class Traffic:
    """Draws inputs for ``state``, one after the other, each to be stepped before the next is drawn.

    The venue often names one order by the id that it gave to another.
    """

    def __init__(self, seed: int, state: BookState) -> None:
        self.random = Random(seed)
        self.state = state
        self.count = 0
        self.order_ids: list[str] = []
        self.request_ids: list[str] = []
        self.venue_ids: list[str] = []
        self.executions: list[tuple[str, str, reports.Report]] = []
        self.group_ids: list[str] = []
        self.submitted: list[OrderRequest] = []

    def inputs(self, number: int) -> Iterator[Input]:
        for _ in range(number):
            drawn = self.random.choices(KINDS, WEIGHTS)[0](self)
            self.note(drawn)
            yield drawn

    def note(self, drawn: Input) -> None:
        """Remember the ids of the input, to use them again."""
        if isinstance(drawn, requests.SubmitOrder):
            self.order_ids.append(drawn.order.client_order_id)
            self.submitted.append(drawn.order)
        if isinstance(drawn, group_requests.SubmitGroup):
            self.group_ids.append(drawn.group_id)
            self.order_ids += [leg.client_order_id for leg in drawn.legs]
        request_id = getattr(drawn, "request_id", "")
        if request_id:
            self.request_ids.append(request_id)
        venue_order_id = getattr(drawn, "venue_order_id", "")
        if venue_order_id:
            self.venue_ids.append(venue_order_id)
        execution_id = getattr(drawn, "execution_id", "")
        if execution_id:
            self.executions.append((drawn.execution_scope, execution_id, drawn))  # type: ignore[attr-defined, arg-type]

    # --- drawing ---

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def time(self) -> int:
        self.count += 1
        return self.count

    def new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def one_of(self, known: list[str], prefix: str) -> str:
        """An id that was used, most of the time one of the last; or a new one."""
        if not known or self.chance(0.1):
            return self.new(prefix)
        return self.random.choice(known[-6:] if self.chance(0.5) else known)

    def size(self) -> Decimal:
        return Decimal(self.random.choice(("1", "1", "2", "3", "0.5")))

    def price(self) -> Decimal:
        return Decimal(self.random.randint(390, 410)) / 4

    def order(self) -> Order | None:
        """An open order, or any that ever was."""
        if self.chance(0.5):
            live = self.state.orders.open_orders()
            if live:
                return self.random.choice(live)
        known = list(self.state.orders)
        return self.random.choice(known) if known else None

    def named(self) -> dict[str, Any]:
        """How a report names its order: rightly, in one of the ways there are, or now and then wrongly."""
        order, fields = self.order(), {"ts_ns": self.time()}
        if order is None or self.chance(0.04):
            return fields | {
                "client_order_id": self.one_of(self.order_ids + self.request_ids, "?"),
                "venue_order_id": self.one_of(self.venue_ids, "?"),
                "symbol": self.random.choice((*SYMBOLS, "", UNDEFINED)),
            }
        told: dict[str, Any] = dict(fields)
        told["symbol"] = order.symbol if self.chance(0.85) else self.random.choice((*SYMBOLS, "", ""))
        way = self.random.random()
        former = self.state.orders.ids.former_venue_ids(order)
        venue_id = self.random.choice((*former, order.venue_order_id))
        asked = list(self.state.orders.ids.ids_of(order.client_order_id))
        if way < 0.35 and venue_id:
            told["venue_order_id"] = venue_id
        elif way < 0.5:
            told["client_order_id"] = self.random.choice(asked)
        else:
            told["client_order_id"] = order.client_order_id
            if way > 0.75:
                told["venue_order_id"] = venue_id
        return told

    def totals(self, likely: float = 0.15) -> dict[str, Any]:
        if not self.chance(likely):
            return {}
        return {"cumulative_quantity": Decimal(self.random.randint(0, 5))}

    # --- requests ---

    def submit(self) -> Input:
        draw = self.random
        order_type = draw.choice((OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET))
        symbol = draw.choice(SYMBOLS)
        order = OrderRequest(
            client_order_id=self.new("o") if self.chance(0.9) else self.any_id(),
            symbol=symbol,
            side=draw.choice((Side.BUY, Side.SELL)),
            quantity=Decimal(draw.randint(1, 4)),
            order_type=order_type,
            price=self.price() if order_type is OrderType.LIMIT else None,
            time_in_force=draw.choice((TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTC)),
            strategy=draw.choice(("", "a", "b")),
        )
        ends = self.count + draw.randint(1, 60) if order.time_in_force is TimeInForce.DAY else None
        verdict = draw.choice((ALLOW, ALLOW, ALLOW, ALLOW, PAUSE, BLOCK))
        return requests.SubmitOrder(ts_ns=self.time(), order=order, verdict=verdict, ends_ts_ns=ends)

    def any_id(self) -> str:
        return self.one_of(self.order_ids + self.request_ids, "o")

    def submit_again(self) -> Input:
        if not self.submitted:
            return self.submit()
        order = self.random.choice(self.submitted)
        return requests.SubmitOrder(ts_ns=self.time(), order=order, verdict=ALLOW)

    def release(self) -> Input:
        return requests.ReleaseOrder(
            ts_ns=self.time(), client_order_id=self.key(), verdict=self.random.choice((ALLOW, BLOCK))
        )

    def key(self) -> str:
        order = self.order()
        return self.any_id() if order is None or self.chance(0.1) else order.client_order_id

    def cancel_order(self) -> Input:
        request_id = self.new("c") if self.chance(0.8) else self.any_id()
        return requests.CancelOrder(ts_ns=self.time(), client_order_id=self.key(), request_id=request_id)

    def amend_order(self) -> Input:
        request_id = self.new("a") if self.chance(0.8) else self.any_id()
        return requests.AmendOrder(
            ts_ns=self.time(),
            client_order_id=self.key(),
            request_id=request_id,
            quantity=Decimal(self.random.randint(1, 6)),
        )

    def outcome(self) -> Input:
        key, request_id = self.key(), self.pending()
        return self.random.choice(
            (
                requests.CloseOrder(ts_ns=self.time(), client_order_id=key),
                requests.SubmitNotSent(ts_ns=self.time(), client_order_id=key, reason="refused"),
                requests.SubmitOutcomeUnknown(ts_ns=self.time(), client_order_id=key, reason="timeout"),
                requests.RequestNotSent(
                    ts_ns=self.time(), client_order_id=key, request_id=request_id, reason="refused"
                ),
                requests.RequestOutcomeUnknown(
                    ts_ns=self.time(), client_order_id=key, request_id=request_id, reason="timeout"
                ),
                requests.RetryCancel(ts_ns=self.time(), client_order_id=key, request_id=request_id),
                requests.ExpiryDue(
                    ts_ns=self.time(),
                    client_order_id=key,
                    expiry=self.random.choice(list(Expiry)),
                    lateness_ns=2,
                ),
                requests.OrderNotFound(
                    ts_ns=self.time(),
                    client_order_id=key,
                    complete=self.chance(0.7),
                    waited_ns=self.random.randint(0, 2),
                    visibility_lag_ns=1,
                    duplicates_refused=self.chance(0.3),
                    resend=self.chance(0.5),
                ),
                requests.ResolveOrder(
                    ts_ns=self.time(),
                    actor="operator:me",
                    client_order_id=key,
                    resolution=Resolution.LIVE,
                    reason="seen",
                    venue_order_id=self.one_of(self.venue_ids, "V"),
                ),
            )
        )

    def start_day(self) -> Input:
        day = self.time()
        return requests.StartDay(
            ts_ns=day, trade_date=f"2026-{1 + day // 28 % 12:02}-{1 + day % 28:02}", ends_ts_ns=day + 50
        )

    def housekeeping(self) -> Input:
        instrument = self.random.choice((BITCOIN, FUTURE, Instrument(symbol="XYZ", currency="EUR")))
        return self.random.choice(
            (
                requests.DefineInstrument(ts_ns=self.time(), instrument=instrument),
                requests.TransferCash(
                    ts_ns=self.time(),
                    transfer_id=f"t{self.random.randint(1, 9)}",
                    currency="USD",
                    amount=self.size(),
                ),
            )
        )

    # --- executions ---

    def fill(self) -> Input:
        return self.fill_of(self.named(), self.new("E"))

    def fill_of(self, named: dict[str, Any], execution_id: str) -> Input:
        order = self.state.orders.find(named.get("client_order_id", ""), "", named.get("venue_order_id", ""))
        side = self.random.choice((None, None, Side.BUY, Side.SELL))
        if order is not None and self.chance(0.8):
            side = self.random.choice((None, order.side))
        quantity = self.size() if order is None or not order.leaves or self.chance(0.4) else order.leaves
        fee: dict[str, Any] = (
            {}
            if self.chance(0.6)
            else {"fee": Decimal("0.25"), "fee_currency": self.random.choice(("", "EUR", "BTC"))}
        )
        return reports.FillReport(
            **named,
            **fee,
            execution_id=execution_id,
            execution_scope=self.random.choice(("", "", "s")),
            quantity=quantity,
            price=self.price(),
            side=side,
            remainder_cancelled=self.chance(0.1),
            **self.totals(0.1),
        )

    def fill_again(self) -> Input:
        """An execution that was told before, as it was or otherwise."""
        fills = [told for _, _, told in self.executions if isinstance(told, reports.FillReport)]
        if not fills:
            return self.fill()
        told = self.random.choice(fills)
        fields = {name: getattr(told, name) for name in reports.FillReport.__struct_fields__}
        fields["ts_ns"] = self.time()
        if self.chance(0.3):
            fields["quantity"] += 1
        if self.chance(0.2):
            fields |= self.named()
        return reports.FillReport(**fields)

    def fill_awaited(self) -> Input:
        waiting = [report for listed in self.state.orders.executions.early.values() for report in listed]
        if not waiting:
            return self.fill()
        awaited = self.random.choice(waiting)
        drawn: Any = self.fill_of(self.named(), awaited.execution_ref_id)
        fields = {name: getattr(drawn, name) for name in reports.FillReport.__struct_fields__}
        return reports.FillReport(**(fields | {"execution_scope": awaited.execution_scope}))

    def fill_by_total(self) -> Input:
        order = self.order()
        total = Decimal(self.random.randint(0, 4)) + (order.filled if order is not None else 0)
        return reports.FillReport(
            **self.named(),
            quantity=self.size(),
            price=self.price(),
            cumulative_quantity=max(total, Decimal(0)),
            side=self.random.choice((None, None, Side.BUY)),
        )

    def stranger(self) -> Input:
        """An execution or an order that nobody told us of."""
        named: dict[str, Any] = {
            "ts_ns": self.time(),
            "venue_order_id": self.random.choice((f"X{self.random.randint(1, 9)}", self.new("X"))),
            "symbol": self.random.choice(SYMBOLS),
        }
        if self.chance(0.2):  # known by a name alone that could be no id of ours
            named |= {"venue_order_id": "", "client_order_id": f"by telephone {self.random.randint(1, 3)}"}
        if self.chance(0.3):
            return reports.AcknowledgeReport(
                **named, quantity=self.size(), side=self.random.choice((None, Side.BUY))
            )
        return self.fill_of(named, self.new("E"))

    def change(self) -> dict[str, Any]:
        """What a bust or a correction names."""
        named: dict[str, Any] = self.named() if self.chance(0.4) else {"ts_ns": self.time()}
        if self.executions and self.chance(0.85):
            known = self.executions[-8:] if self.chance(0.5) else self.executions
            scope, ref, told = self.random.choice(known)
            named.setdefault("symbol", told.symbol)
        else:
            scope, ref = "", f"E{self.count + self.random.randint(1, 6)}"
        named |= {"execution_scope": scope, "execution_ref_id": ref}
        if self.chance(0.7):
            taken = [one for _, one, _ in self.executions]
            named["execution_id"] = (
                self.new("B") if self.chance(0.85) or not taken else self.random.choice(taken)
            )
        return named

    def bust(self) -> Input:
        return reports.TradeCancelReport(**self.change())

    def correction(self) -> Input:
        side = self.random.choice((None, None, None, Side.BUY, Side.SELL))
        return reports.TradeCorrectReport(
            **self.change(), quantity=self.size(), price=self.price(), side=side
        )

    # --- the venue ---

    def acknowledge(self) -> Input:
        named = self.named()
        if self.chance(0.6):
            named["venue_order_id"] = self.new("V") if self.chance(0.6) else self.one_of(self.venue_ids, "V")
        side = self.random.choice((None, None, None, Side.BUY))
        return reports.AcknowledgeReport(**named, side=side, **self.totals(0.05))

    def acknowledge_open(self) -> Input:
        """The usual one: of an order that the venue does not know yet."""
        unknown = [order for order in self.state.orders.open_orders() if not order.acknowledged]
        if not unknown:
            return self.submit()
        order = self.random.choice(unknown)
        stranger = [one.venue_order_id for one in self.state.orders if one.external]
        taken = bool(stranger) and self.chance(0.2)
        return reports.AcknowledgeReport(
            ts_ns=self.time(),
            client_order_id=order.client_order_id,
            venue_order_id=self.random.choice(stranger) if taken else self.new("V"),
            symbol=order.symbol,
        )

    def pending(self) -> str:
        waiting = [one for order in self.state.orders for one in order.pending_request_ids]
        if waiting and self.chance(0.8):
            return self.random.choice(waiting)
        return self.one_of(self.request_ids, "nobody")

    def reply(self) -> Input:
        named, request_id = self.named(), self.pending()
        if self.chance(0.5):
            named = {"ts_ns": self.time(), "symbol": self.random.choice(SYMBOLS)}
        kind: Any = self.random.choice(
            (
                reports.CancelReport,
                reports.CancelReport,
                reports.AmendReport,
                reports.AmendReport,
                reports.CancelRejectReport,
                reports.AmendRejectReport,
                reports.PendingReport,
            )
        )
        told: dict[str, Any] = {}
        if kind is reports.AmendReport:
            told = {"quantity": Decimal(self.random.randint(0, 6))}
            if self.chance(0.3):
                told["venue_order_id"] = self.new("V")
        if kind is reports.CancelReport and self.chance(0.2):
            told = {"cancelled_quantity": self.size()}
        made: Input = kind(**(named | told), request_id=request_id, **self.totals())
        return made

    def end(self) -> Input:
        kind: Any = self.random.choice(
            (reports.CancelReport, reports.ExpireReport, reports.RejectReport, reports.DoneForDayReport)
        )
        made: Input = kind(**self.named(), **self.totals())
        return made

    def word(self) -> Input:
        kind: Any = self.random.choice(
            (
                reports.DoneForDayReport,
                reports.SuspendReport,
                reports.StopReport,
                reports.TriggerReport,
                reports.StatusReport,
            )
        )
        told = {"ord_status": OrdStatus.NEW} if kind is reports.StatusReport else {}
        made: Input = kind(**self.named(), **told, **self.totals())
        return made

    def restate(self) -> Input:
        reason = self.random.choice((RestatementReason.OTHER, RestatementReason.CORPORATE_ACTION))
        total = Decimal(self.random.randint(1, 6))
        told: dict[str, Any] = {"quantity": total + 2, "restatement": reason}
        if reason is RestatementReason.CORPORATE_ACTION:
            told["cumulative_quantity"] = total
        if self.chance(0.2):
            told["venue_order_id"] = self.new("V")
        return reports.RestateReport(**(self.named() | told))

    def unreadable(self) -> Input:
        return reports.UnreadableReport(**self.named(), raw="?")

    # --- groups ---

    def submit_group(self) -> Input:
        kind = self.random.choice(tuple(GroupKind))
        first = self.random.choice((Side.BUY, Side.SELL))
        other = Side.SELL if first is Side.BUY else Side.BUY
        parent = None if kind is GroupKind.ONE_CANCELS_OTHER else self.leg(first)
        legs = (self.leg(other), self.leg(other))
        count = len(legs) + (parent is not None)
        verdict = self.random.choice((ALLOW, ALLOW, ALLOW, PAUSE, BLOCK))
        group_id = self.one_of(self.group_ids, "g") if self.chance(0.1) else self.new("g")
        return group_requests.SubmitGroup(
            ts_ns=self.time(),
            group_id=group_id,
            kind=kind,
            legs=legs,
            parent=parent,
            verdicts=(verdict,) * count,
        )

    def leg(self, side: Side) -> OrderRequest:
        key = self.new("leg") if self.chance(0.95) else self.any_id()
        return OrderRequest(
            client_order_id=key, symbol=BITCOIN.symbol, side=side, quantity=Decimal(3), price=self.price()
        )

    def group_request(self) -> Input:
        group_id = self.one_of(self.group_ids, "g")
        if self.chance(0.5):
            return group_requests.CancelGroup(ts_ns=self.time(), group_id=group_id)
        return group_requests.ReviewGroup(ts_ns=self.time(), group_id=group_id, replace_lost=self.chance(0.5))


WEIGHED: Final[dict[Callable[[Traffic], Input], int]] = {
    Traffic.submit: 16,
    Traffic.submit_again: 3,
    Traffic.release: 2,
    Traffic.cancel_order: 6,
    Traffic.amend_order: 6,
    Traffic.outcome: 6,
    Traffic.start_day: 2,
    Traffic.housekeeping: 1,
    Traffic.fill: 18,
    Traffic.fill_again: 5,
    Traffic.fill_awaited: 3,
    Traffic.fill_by_total: 5,
    Traffic.stranger: 4,
    Traffic.bust: 5,
    Traffic.correction: 5,
    Traffic.acknowledge: 5,
    Traffic.acknowledge_open: 14,
    Traffic.reply: 12,
    Traffic.end: 6,
    Traffic.word: 4,
    Traffic.restate: 3,
    Traffic.unreadable: 1,
    Traffic.submit_group: 1,
    Traffic.group_request: 1,
}
KINDS: Final = tuple(WEIGHED)
WEIGHTS: Final = tuple(WEIGHED.values())
