"""Facts, past tense. State is a fold of these and of nothing else; the journal holds them for ever.

Their field names and meanings are the journal's schema (``SCHEMA_VERSION``): a change of either needs a new
version and an upcaster. Events are made by the core alone, from inputs that were checked.
"""

from decimal import Decimal
from typing import Final

from execore.model.entry_events import EntryBooked as EntryBooked
from execore.model.entry_events import MarkSet as MarkSet
from execore.model.entry_events import RateSet as RateSet
from execore.model.event_base import Event as Event
from execore.model.event_base import OrderEvent as OrderEvent
from execore.model.group_events import AnyGroupEvent
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice, LotsRestated
from execore.model.money import ZERO
from execore.model.orders import OrderRequest
from execore.model.reports import VenueReport
from execore.model.trade_events import TradeCancelled as TradeCancelled
from execore.model.trade_events import TradeChange as TradeChange
from execore.model.trade_events import TradeCorrected as TradeCorrected
from execore.model.trade_events import TradeRestated as TradeRestated
from execore.model.trades import Posting as Posting
from execore.model.trades import Trade as Trade
from execore.model.unknown_events import CancelResent as CancelResent
from execore.model.unknown_events import CopyRefused as CopyRefused
from execore.model.unknown_events import OrderOutcomeUnknown as OrderOutcomeUnknown
from execore.model.unknown_events import OrderResent as OrderResent
from execore.model.unknown_events import OrderResolved as OrderResolved
from execore.model.unknown_events import RequestUnanswered as RequestUnanswered
from execore.model.vocabulary import CostMethod, PositionMode, PositionSide, RestatementReason, Side

SCHEMA_VERSION: Final = 2
"""Version 2 brought entries, marks, rates, lots and position sides; version 1 is read as it is."""


class BookOpened(Event, frozen=True, gc=False, omit_defaults=True, tag="book_opened"):
    """A book began: whose it is, and how it counts. Always the first event of its stream."""

    book: str
    cost_method: CostMethod = CostMethod.AVERAGE
    position_mode: PositionMode = PositionMode.NETTING


class InstrumentDefined(Event, frozen=True, gc=False, omit_defaults=True, tag="instrument_defined"):
    """From here on, this is what the symbol means."""

    instrument: Instrument


class CashTransferred(Event, frozen=True, gc=False, omit_defaults=True, tag="cash_transferred"):
    """Cash entered (positive) or left (negative) the book; ``counterparty`` is another book, if it is one."""

    transfer_id: str
    currency: str
    amount: Decimal
    counterparty: str = ""


class DayStarted(Event, frozen=True, gc=False, omit_defaults=True, tag="day_started"):
    """The trading day ``trade_date`` (``YYYY-MM-DD``) began; it ends at ``ends_ts_ns``."""

    trade_date: str
    ends_ts_ns: int


class OrderCreated(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_created"):
    """We decided to trade: the order exists here, unsent. ``ends_ts_ns``: a day order's end, if known."""

    order: OrderRequest
    ends_ts_ns: int | None = None


class OrderAdopted(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_adopted"):
    """An order we did not create, known from the venue's reports.

    Attributes:
        external: nobody told this book of it before (in a drop copy, telling is what reports are for).
        inferred: only executions speak of it, so its quantity is what they filled.
    """

    order: OrderRequest
    venue_order_id: str
    external: bool = True
    inferred: bool = False


class OrderHeld(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_held"):
    """Risk paused the order: it stays unsent until somebody decides."""

    reason: str = ""
    rule: str = ""


class OrderDenied(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_denied"):
    """Our own risk refused the order. It was never sent."""

    reason: str = ""
    rule: str = ""


class OrderSubmitted(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_submitted"):
    """Risk allowed the order (``rule`` says which gate) and it is about to be sent."""

    rule: str = ""


class OrderFailed(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_failed"):
    """Certainly never sent, or proven absent at the venue."""

    reason: str = ""


class OrderAcknowledged(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_acknowledged"):
    """The venue knows the order. ``owned`` ends its being external; ``side`` ends its being undisclosed.

    ``by_copy``: it said so by refusing a copy of it.
    """

    venue_order_id: str = ""
    owned: bool = False
    side: Side | None = None
    by_copy: bool = False


class FillBooked(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="fill_booked"):
    """An execution, booked into the order ledger and the position ledger in one step.

    Attributes:
        execution_id, execution_scope: the venue's identity of the execution; unique for ever together.
        fee: in ``fee_currency``; positive was paid, negative received.
        late: it came after the order was over, which was said and alerted.
        disputed: its side or symbol is not the order's; booked as the venue said, and alerted.
        cumulative: provisional: the venue counts it and gave no id. Executions that come replace it.
        position_side, settlement_date, lots: as in ``Trade``.
    """

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    execution_id: str
    execution_scope: str = ""
    venue_order_id: str = ""
    fee: Decimal = ZERO
    fee_currency: str = ""
    late: bool = False
    disputed: bool = False
    cumulative: bool = False
    position_side: PositionSide = PositionSide.NET
    settlement_date: str = ""
    lots: tuple[LotChoice, ...] = ()


class OrderReowned(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_reowned"):
    """What was booked to an external order turns out to be this order's: executions move, money does not.

    Attributes:
        external_order_id: the external order, which ends here; its executions are this order's from now on.
        filled, notional: what it had executed.
        provisional: how much of that is known by totals alone.
        adjusted: how much of it came by corporate actions.
        cancelled, expired: what the venue said of the external order, and so of this one.
        restatements: its corporate actions, as an ``Order`` keeps them.
        late: the order was over when it took these executions over.
        disputed: the external order was of the other side, or disputed already.
        side: of the order that takes over; None in records from before it was noted.
        postings, lots: how the positions of strategies change, as the executions are another's now.
    """

    external_order_id: str
    venue_order_id: str
    filled: Decimal
    notional: Decimal
    late: bool = False
    disputed: bool = False
    provisional: Decimal = ZERO
    adjusted: Decimal = ZERO
    cancelled: bool = False
    expired: bool = False
    restatements: tuple[tuple[int, Decimal], ...] = ()
    side: Side | None = None
    postings: tuple[Posting, ...] = ()
    lots: tuple[LotsRestated, ...] = ()


class CancelRequested(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="cancel_requested"):
    """We asked for a cancel and are about to send it; ``for_expiry`` as the venue does not end the order."""

    request_id: str
    for_expiry: bool = False


class CancelRejected(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="cancel_rejected"):
    """The cancel request came to nothing; the order is as it was. ``not_sent``: it never went out."""

    request_id: str
    reason: str = ""
    not_sent: bool = False


class OrderCancelled(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_cancelled"):
    """Nothing of the order rests any more; what was filled stays. It answers every cancel asked for.

    ``unsent``: it was cancelled here, and never went out.
    """

    reason: str = ""
    venue_order_id: str = ""
    unsent: bool = False


class AmendRequested(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="amend_requested"):
    """We asked for new terms and are about to send the request."""

    request_id: str
    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None


class AmendRejected(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="amend_rejected"):
    """The amend request came to nothing; the order is as it was."""

    request_id: str
    reason: str = ""


class OrderAmended(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_amended"):
    """The terms now in force.

    Attributes:
        request_id: the amend that it answers; empty when nobody asked.
        reopened: the venue says that a finished order rests after all.
        reduced: part of the quantity left the book, and nothing else was said of the order.
        overtaken: it gives no terms, as newer ones are in force: the request is answered, and
            ``venue_order_id`` stands for the order, which has a newer one.
        partial: nobody asked, and no quantity was told: it is as it was, and may be of any time.
    """

    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    request_id: str = ""
    venue_order_id: str = ""
    reason: str = ""
    reopened: bool = False
    reduced: bool = False
    overtaken: bool = False
    partial: bool = False


class RequestPending(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="request_pending"):
    """The venue has this cancel or amend, and has not decided."""

    request_id: str


class OrderDoneForDay(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_done_for_day"):
    """No more executions today."""

    reason: str = ""
    venue_order_id: str = ""


class OrderSuspended(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_suspended"):
    """The order does not trade until it is put in force again."""

    reason: str = ""
    venue_order_id: str = ""


class OrderStopped(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_stopped"):
    """The venue guarantees ``quantity`` at ``price`` or better. Nothing traded."""

    quantity: Decimal | None = None
    price: Decimal | None = None
    reason: str = ""
    venue_order_id: str = ""


class OrderTriggered(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_triggered"):
    """The condition of a stop order came true, or the venue activated the order."""

    reason: str = ""
    venue_order_id: str = ""


class OrderRestated(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_restated"):
    """The terms now in force, as the venue restated them by itself; it is in force again, if it was not.

    Attributes:
        adjusted: how much the cumulative quantity grew without a trade: a corporate action.
        reopened: the order was over, and rests after all.
        partial: not all terms were told; what was left out is as it was, and may be of any time.
    """

    quantity: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    restatement: RestatementReason = RestatementReason.OTHER
    venue_order_id: str = ""
    reason: str = ""
    adjusted: Decimal = ZERO
    reopened: bool = False
    partial: bool = False


class OrderRejected(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_rejected"):
    """The venue refused the order."""

    reason: str = ""
    venue_order_id: str = ""


class OrderExpired(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_expired"):
    """The order ended by its time in force; ``by_our_clock`` where the venue says nothing of that."""

    reason: str = ""
    venue_order_id: str = ""
    by_our_clock: bool = False


class ExpiryOverdue(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="expiry_overdue"):
    """The order's time is up by our clock, and the venue has not said that it ended. It was alerted."""


class OrderResumed(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_resumed"):
    """A new day began: an order that was done for the day before rests again."""


class OrderClosed(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="order_closed"):
    """Finished and settled: no request pending, and the venue's window for late reports is over."""


class ReportParked(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="report_parked"):
    """A report that could not be applied, kept whole as an open break. It was alerted.

    Attributes:
        code: why, as a stable word.
        client_order_id: the order it contradicts; empty if it names none we know.
        waits_for: it is not contradicted but early: the execution it speaks of has not been reported.
    """

    code: str
    reason: str
    report: VenueReport
    waits_for: str = ""


AnyOrderEvent = (
    OrderCreated
    | OrderAdopted
    | OrderHeld
    | OrderDenied
    | OrderSubmitted
    | OrderOutcomeUnknown
    | OrderResent
    | CopyRefused
    | OrderResolved
    | OrderFailed
    | OrderAcknowledged
    | FillBooked
    | OrderReowned
    | CancelRequested
    | CancelRejected
    | OrderCancelled
    | AmendRequested
    | AmendRejected
    | OrderAmended
    | RequestUnanswered
    | CancelResent
    | RequestPending
    | OrderDoneForDay
    | OrderSuspended
    | OrderStopped
    | OrderTriggered
    | OrderRestated
    | TradeCancelled
    | TradeCorrected
    | TradeRestated
    | OrderRejected
    | OrderExpired
    | ExpiryOverdue
    | OrderResumed
    | OrderClosed
    | ReportParked
)

AnyEvent = (
    BookOpened
    | InstrumentDefined
    | CashTransferred
    | EntryBooked
    | MarkSet
    | RateSet
    | DayStarted
    | AnyOrderEvent
    | AnyGroupEvent
)
