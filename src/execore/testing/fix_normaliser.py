"""Rows of a FIX order state matrix as inputs of the core: what an adapter for a FIX venue would make of them.

Which order a row is about is worked out here from the rows alone (``FixSession.order_of``), so that it can be
held against what the core finds. Everything the core is told names orders as the wire does, by ClOrdID(11).
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from execore.model import reports, requests
from execore.model.errors import InvalidInput
from execore.model.money import EXACT, ZERO, divide
from execore.model.orders import Order, OrderRequest
from execore.model.vocabulary import OrdStatus, RestatementReason, RiskDecision, Side, TimeInForce
from execore.testing.fix_compare import Known
from execore.testing.fix_rows import (
    CANCEL_REJECT,
    CANCEL_REQUEST,
    NEW_ORDER,
    REPLACE_REQUEST,
    Row,
    Scenario,
    exec_type_of,
    is_duplicate,
    message_of,
    ord_status_of,
    restatement_of,
    time_in_force_of,
    total_of,
)

SYMBOL: Final = "FIX"
PRICE: Final = Decimal(100)
"""The limit of every order, and the price of every trade of which a matrix says nothing."""

PRICE_QUANTUM: Final = Decimal("1E-9")
_VOICE: Final = "VOICE"
END_OF_GTD: Final = 10**18
"""Later than every row: integer ns UTC."""
_ABOUT_NO_ORDER: Final = ("8", "I")
"""A refusal and a status of an order that nobody knows: no order comes to be by them."""


class _Trade(NamedTuple):
    order: str
    quantity: Decimal
    price: Decimal


class FixSession:
    """One run of one matrix: ids, requests and executions so far, as the rows told them.

    Attributes:
        asked: the message type of every cancel and replace request, by its ClOrdID.
        sent, unsent: the ids of messages that our core sent on, and of those that it did not: refused, or
            done already. Those never reached the venue.
        adopted: what the book calls an order that it did not create, by the order's first id.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._orders: dict[str, str] = {}  # any ClOrdID or OrderID -> the first id of its order
        self._trades: dict[str, _Trade] = {}
        self._open_replaces: set[str] = set()
        self._asked_quantities: dict[str, Decimal] = {}  # of replaces, by their ClOrdID
        self._immediate: set[str] = set()  # orders that do not rest
        self._unpriced: set[str] = set()  # orders with an execution of which no row says the price
        self._derived: set[int] = set()  # rows whose price was made from their average
        self._calculated: set[str] = set()
        self._pending_unsent: set[str] = set()  # requests that are pending for the venue alone
        self._last_order = ""
        self.asked: dict[str, str] = {}
        self.sent: set[str] = set()
        self.unsent: set[str] = set()
        self.adopted: dict[str, str] = {}

    def order_of(self, row: Row) -> str | None:
        """The first id of the order that a report is about, None if it is about no order there is."""
        names = (row.cl_ord_id, row.orig_cl_ord_id, _venue_order_id(row))
        known = next((self._orders[name] for name in names if name in self._orders), None)
        if known is None and message_of(row) != CANCEL_REJECT and exec_type_of(row) not in _ABOUT_NO_ORDER:
            return row.cl_ord_id or _venue_order_id(row)
        return known

    def to_request(self, row: Row) -> requests.Input | None:
        """What the row asks of our core; None where we model no asking: a status request.

        Raises:
            InvalidInput: the row does not say enough.
        """
        make = _BY_MESSAGE.get(message_of(row))
        return None if make is None else make(self, row)

    def to_reports(self, row: Row, order: Order | None) -> tuple[reports.Report, ...]:
        """What the row reports: one report, or more where a venue puts two things into one message.

        Args:
            row: a message of the venue's.
            order: the order it is about, as our core has it now.

        Raises:
            InvalidInput: the row does not say enough. UnknownEnumValue: a word is not FIX's.
        """
        if message_of(row) == CANCEL_REJECT:
            return (self._cancel_reject(row),)
        made = _BY_EXEC_TYPE[exec_type_of(row)](self, row, order)
        name = self.order_of(row)
        if name is not None:
            self._learn(row, name)
        return made if isinstance(made, tuple) else (made,)

    def known(self, row: Row, order: str | None) -> Known:
        """What the rows so far say, which the cells of this one about ``order`` are read by."""
        others = [key for key in self._open_replaces if key != row.cl_ord_id and self._orders[key] == order]
        return Known(
            is_priced=order not in self._unpriced and row.number not in self._derived,
            is_calculated=order in self._calculated,
            is_unsent=row.cl_ord_id in self.unsent,
            is_pending_unsent=any(self._orders[key] == order for key in self._pending_unsent),
            asked=tuple(self._asked_quantities[key] for key in others if key in self._asked_quantities),
        )

    def _learn(self, row: Row, order: str) -> None:
        self._last_order = order
        for name in (row.cl_ord_id, _venue_order_id(row)):
            if name:
                self._orders.setdefault(name, order)

    # --- our requests -------------------------------------------------------------------------------

    def _new_order(self, row: Row) -> requests.SubmitOrder:
        if not row.cl_ord_id:
            raise InvalidInput("cl_ord_id", "a new order needs an id")
        self._learn(row, row.cl_ord_id)
        time_in_force = time_in_force_of(row, self._scenario.title)
        if time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._immediate.add(row.cl_ord_id)
        order = OrderRequest(
            client_order_id=row.cl_ord_id,
            symbol=SYMBOL,
            side=Side.BUY,
            quantity=self._order_quantity(row),
            price=PRICE if row.price is None else row.price,
            time_in_force=time_in_force,
            expire_ts_ns=END_OF_GTD if time_in_force is TimeInForce.GTD else None,
        )
        verdict = requests.RiskResult(RiskDecision.ALLOW, rule="matrix")
        return requests.SubmitOrder(ts_ns=row.number, order=order, verdict=verdict)

    def _order_quantity(self, row: Row) -> Decimal:
        """The order's quantity; of an order by cash amount (FIX 4.4 Vol 4, L.1.b) as first reported."""
        later = self._scenario.rows[row.number :]
        reported = [total_of(after) for after in later if after.cl_ord_id == row.cl_ord_id]
        quantity = row.order_qty or next(filter(None, reported), None)
        if quantity is None:
            raise InvalidInput("order_qty", "no row says how large the order is")
        return quantity

    def _cancel(self, row: Row) -> requests.CancelOrder:
        order = self._ask(row, CANCEL_REQUEST)
        return requests.CancelOrder(ts_ns=row.number, client_order_id=order, request_id=row.cl_ord_id)

    def _replace(self, row: Row) -> requests.AmendOrder:
        order = self._ask(row, REPLACE_REQUEST)
        self._open_replaces.add(row.cl_ord_id)
        if row.order_qty is not None:
            self._asked_quantities.setdefault(row.cl_ord_id, row.order_qty)
        # A request that keeps the quantity is about another term, and each asks for something else.
        price = row.price or EXACT.add(PRICE, EXACT.multiply(PRICE_QUANTUM, Decimal(row.number)))
        return requests.AmendOrder(
            ts_ns=row.number,
            client_order_id=order,
            request_id=row.cl_ord_id,
            quantity=row.order_qty,
            price=price,
        )

    def _ask(self, row: Row, message: str) -> str:
        """Note a request; return the order it names, as the book calls it if there is one."""
        original = row.orig_cl_ord_id or _venue_order_id(row) or self._last_order
        order = self._orders.get(original)
        if order is not None:
            self._orders.setdefault(row.cl_ord_id, order)
        self.asked.setdefault(row.cl_ord_id, message)
        return original if order is None else self.adopted.get(order, order)

    # --- the venue's reports --------------------------------------------------------------------------

    def _named(self, row: Row) -> dict[str, Any]:
        """What every report carries. An id that our book never saw is named by the order it stands for."""
        name = row.cl_ord_id
        order = self._orders.get(name)
        is_ours = name not in self.unsent and (name in self.asked or name == order)
        if not is_ours and order is not None:
            name = self.adopted.get(order, order)
        elif not is_ours:
            name = row.orig_cl_ord_id or name
        return {
            "ts_ns": row.number,
            "client_order_id": name,
            "venue_order_id": _venue_order_id(row),
            "symbol": SYMBOL,
            "venue_status": row.ord_status or row.ord_status_code,
            "reason": row.text or row.ord_rej_reason or row.cxl_rej_reason or row.exec_restatement_reason,
        }

    def _executed(self, row: Row) -> dict[str, Any]:
        """``_named``, with the totals, for reports of executions.

        Others go without: a total is booked where it is above ours, and would then agree with itself.
        """
        return self._named(row) | {"cumulative_quantity": row.cum_qty, "average_price": row.avg_px}

    def _answered(self, row: Row, message: str) -> str:
        """The request of this type that the row answers, empty if nobody asked."""
        return row.cl_ord_id if self.asked.get(row.cl_ord_id) == message else ""

    def _answered_at_last(self, row: Row) -> None:
        self._open_replaces.discard(row.cl_ord_id)
        self._pending_unsent.discard(row.cl_ord_id)

    def _execution_id(self, row: Row) -> str:
        return row.exec_id or f"{self._scenario.ref}-{row.number}"

    def _cancel_reject(self, row: Row) -> reports.Report:
        request = self.asked.get(row.cl_ord_id)
        is_replace = request == REPLACE_REQUEST or (request is None and row.cxl_rej_response_to == "2")
        kind = reports.AmendRejectReport if is_replace else reports.CancelRejectReport
        self._answered_at_last(row)
        return kind(**self._named(row), request_id=row.cl_ord_id)

    def _new(self, row: Row, order: Order | None) -> reports.Report:
        terms: dict[str, Any] = {}
        if order is None:  # nobody but the venue tells what it is
            terms = {
                "side": Side.BUY,
                **_size(row),
                "price": PRICE,
                "time_in_force": time_in_force_of(row, self._scenario.title),
            }
        return reports.AcknowledgeReport(**self._named(row), **terms)

    def _trade(self, row: Row, order: Order | None) -> tuple[reports.Report, ...]:
        quantity = row.last_qty or _growth(row, order)
        trade = self._trades[self._execution_id(row)] = self._traded(row, order, quantity)
        end = ord_status_of(row) if self._may_end(row) else None
        fill = reports.FillReport(
            **self._executed(row),
            execution_id=self._execution_id(row),
            quantity=trade.quantity,
            price=trade.price,
            side=Side.BUY,
            remainder_cancelled=end is OrdStatus.CANCELED,
        )
        if row.orig_cl_ord_id and row.cl_ord_id in self._open_replaces - self.unsent:
            # Fills name a replacement only once it is in force: the message accepts it and trades.
            return (self._amended(row, order), fill)
        if end is OrdStatus.EXPIRED:
            return (fill, reports.ExpireReport(**self._named(row)))
        return (fill,)

    def _may_end(self, row: Row) -> bool:
        """Whether the trade may also say that the rest is gone: exchanges bundle the two."""
        return not row.leaves_qty or bool(row.spec_anomaly) or self.order_of(row) in self._immediate

    def _amended(self, row: Row, order: Order | None) -> reports.Report:
        self._answered_at_last(row)
        size = _size(row)
        asked = self._asked_quantities.get(row.cl_ord_id)
        if asked is not None:  # never below what is filled: FIX 4.4 Vol 4, C.3.c
            size = {"quantity": asked if order is None else max(asked, order.filled)}
        request_id = self._answered(row, REPLACE_REQUEST)
        return reports.AmendReport(**self._named(row), request_id=request_id, **size, price=row.price)

    def _pending(self, row: Row, order: Order | None) -> reports.Report:
        if row.cl_ord_id in self.unsent and row.cl_ord_id in self._orders:
            self._pending_unsent.add(row.cl_ord_id)
        return reports.PendingReport(**self._named(row), request_id=row.cl_ord_id)

    def _canceled(self, row: Row, order: Order | None) -> reports.Report:
        self._answered_at_last(row)
        return reports.CancelReport(**self._named(row), request_id=self._answered(row, CANCEL_REQUEST))

    def _rejected(self, row: Row, order: Order | None) -> reports.Report:
        return reports.RejectReport(**self._named(row), duplicate_client_order_id=is_duplicate(row))

    def _stopped(self, row: Row, order: Order | None) -> reports.Report:
        return reports.StopReport(**self._named(row), quantity=row.last_qty, price=row.last_px)

    def _restated(self, row: Row, order: Order | None) -> reports.Report:
        restatement = restatement_of(row)
        is_recounted = restatement is RestatementReason.CORPORATE_ACTION
        named = self._executed(row) if is_recounted else self._named(row)
        return reports.RestateReport(**named, **_size(row), price=row.price, restatement=restatement)

    def _back_office(self, row: Row, order: Order | None) -> reports.Report:
        """Calculated: over for the day, if the order is not over anyway."""
        self._calculated.add(self.order_of(row) or "")
        is_filled = order is not None and order.filled >= order.quantity
        kind = reports.StatusReport if is_filled else reports.DoneForDayReport
        return kind(**self._named(row))

    def _status(self, row: Row, order: Order | None) -> reports.Report:
        return reports.StatusReport(
            **self._named(row),
            ord_status=ord_status_of(row),
            quantity=row.order_qty,
            leaves=row.leaves_qty,
        )

    def _trade_cancel(self, row: Row, order: Order | None) -> reports.Report:
        reference = row.exec_ref_id or self._meant(row, EXACT.minus(_growth(row, order)))
        self._trades.pop(reference, None)
        return reports.TradeCancelReport(
            **self._executed(row), execution_ref_id=reference, execution_id=self._execution_id(row)
        )

    def _trade_correct(self, row: Row, order: Order | None) -> reports.Report:
        size = EXACT.subtract(row.last_qty or ZERO, _growth(row, order))
        reference = row.exec_ref_id or self._meant(row, size)
        was = self._trades.pop(reference, _Trade("", ZERO, PRICE))
        quantity = row.last_qty or EXACT.add(was.quantity, _growth(row, order))
        trade = self._trades[self._execution_id(row)] = self._traded(row, order, quantity, was)
        return reports.TradeCorrectReport(
            **self._executed(row),
            execution_ref_id=reference,
            execution_id=self._execution_id(row),
            quantity=trade.quantity,
            price=trade.price,
        )

    def _meant(self, row: Row, size: Decimal) -> str:
        """The order's execution meant where no reference is given: the last of this size, else the last."""
        order = self.order_of(row)
        known = [(key, trade) for key, trade in reversed(self._trades.items()) if trade.order == order]
        if not known:
            raise InvalidInput("exec_ref_id", "no execution that it could be about was reported")
        return next((key for key, trade in known if trade.quantity == size), known[0][0])

    def _traded(self, row: Row, order: Order | None, quantity: Decimal, was: _Trade | None = None) -> _Trade:
        """The terms of an execution, or of one that takes the place of ``was``.

        The price is the one given, else what the average price of all makes of it, else always the same.
        """
        name = self.order_of(row) or ""
        if quantity <= ZERO:
            raise InvalidInput("last_qty", "an execution needs its quantity")
        if row.last_px:
            return _Trade(name, quantity, row.last_px)
        if not row.avg_px or row.cum_qty is None:
            if was is None:
                self._unpriced.add(name)
            return _Trade(name, quantity, PRICE if was is None else was.price)
        booked = ZERO if order is None else order.notional
        if was is not None:
            booked = EXACT.subtract(booked, EXACT.multiply(was.quantity, was.price))
        whole = EXACT.subtract(EXACT.multiply(row.avg_px, row.cum_qty), booked)
        if whole <= ZERO and name not in self._unpriced:
            raise InvalidInput("avg_px", "no price of this execution gives this average")
        self._derived.add(row.number)
        return _Trade(name, quantity, divide(whole, quantity, PRICE_QUANTUM))


_BY_MESSAGE: Final[dict[str, Callable[[FixSession, Row], requests.Input]]] = {
    NEW_ORDER: FixSession._new_order,
    CANCEL_REQUEST: FixSession._cancel,
    REPLACE_REQUEST: FixSession._replace,
}


_Maker = Callable[[FixSession, Row, Order | None], reports.Report | tuple[reports.Report, ...]]


def _only(kind: type[reports.Report]) -> _Maker:
    """A report that says no more than its name."""
    return lambda session, row, order: kind(**session._named(row))


_BY_EXEC_TYPE: Final[dict[str, _Maker]] = {
    "0": FixSession._new,
    "1": FixSession._trade,
    "2": FixSession._trade,
    "3": _only(reports.DoneForDayReport),
    "4": FixSession._canceled,
    "5": FixSession._amended,
    "6": FixSession._pending,
    "7": FixSession._stopped,
    "8": FixSession._rejected,
    "9": _only(reports.SuspendReport),
    "A": FixSession._status,  # received and not accepted: no news to who sent it
    "B": FixSession._back_office,
    "C": _only(reports.ExpireReport),
    "D": FixSession._restated,
    "E": FixSession._pending,
    "F": FixSession._trade,
    "G": FixSession._trade_correct,
    "H": FixSession._trade_cancel,
    "I": FixSession._status,
    "L": _only(reports.TriggerReport),
}


def _venue_order_id(row: Row) -> str:
    """The venue's id of the order. One given by telephone has nothing else to be known by."""
    if row.order_id and row.order_id != "NONE":
        return row.order_id
    return "" if row.cl_ord_id else _VOICE


def _size(row: Row) -> dict[str, Any]:
    return {"leaves": row.leaves_qty} if row.order_qty is None else {"quantity": row.order_qty}


def _growth(row: Row, order: Order | None) -> Decimal:
    """How much more the venue has executed than we know of."""
    if row.cum_qty is None:
        return ZERO
    return EXACT.subtract(row.cum_qty, ZERO if order is None else order.filled)
