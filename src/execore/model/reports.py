"""What a venue tells us, normalised by its adapter. Reports are facts: none is refused for its content.

An order is named by our id, the venue's id, or both; the adapter fills in what the venue sent.
"""

from decimal import Decimal
from typing import Final, get_args

import msgspec

from execore.model.entries import ENTRIES, AnyEntry
from execore.model.errors import InvalidInput
from execore.model.lots import LotChoice, to_lots
from execore.model.money import ZERO, to_decimal
from execore.model.orders import positive
from execore.model.report_base import Report as Report
from execore.model.report_base import fix_numbers, fix_side
from execore.model.text import check_iso_date
from execore.model.trade_reports import FeeReport as FeeReport
from execore.model.trade_reports import TradeCancelReport as TradeCancelReport
from execore.model.trade_reports import TradeCorrectReport as TradeCorrectReport
from execore.model.vocabulary import (
    OrderType,
    OrdStatus,
    PositionSide,
    RestatementReason,
    Side,
    TimeInForce,
    to_word,
)


class AcknowledgeReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="acknowledge"):
    """The venue accepted an order. In a drop copy it carries the terms, as nobody else told us.

    Attributes:
        leaves: quantity resting now, on top of whatever was filled before. Zero says nothing: some venues
            print it on orders that rest (FIX 4.4 Vol 4, E.1.a).
        quantity: the order's total, where it is not known yet: an order given by telephone.
        owned: the order is this account's own although it was not sent by us: set in a drop copy.
    """

    owned: bool = False
    side: Side | None = None
    leaves: Decimal | None = None
    price: Decimal | None = None
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_side(self, self.side)
        if self.leaves is None and self.quantity is None and self.price is None:
            return
        fix_numbers(self, quantities=("leaves", "quantity"), prices=("price",))
        for field in ("leaves", "quantity"):
            if getattr(self, field) == ZERO:
                msgspec.structs.force_setattr(self, field, None)


class FillReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="fill"):
    """An execution.

    Attributes:
        execution_id: the venue's id; empty where the venue has none, then ``cumulative_quantity`` decides.
        execution_scope: what ``execution_id`` is unique within, as the venue declares: empty for the whole
            book, else the symbol, the trade date or the order it belongs to.
        fee: what the execution cost, positive; negative is a rebate. In ``fee_currency``.
        position_side: which of a hedging book's positions it belongs to; None: as its order says.
        settlement_date: when cash and units change hands, ``YYYY-MM-DD``; empty: as the instrument says.
        lots: those it closes, where the broker says; else those that its order names.
        strategy: whose it is, where nobody here knows its order: for histories.
        remainder_cancelled: the same message says that the rest was cancelled (exchanges bundle the two for
            immediate-or-cancel orders: FIX Latest, I.1.b).
    """

    execution_id: str = ""
    execution_scope: str = ""
    quantity: Decimal
    price: Decimal
    side: Side | None = None
    fee: Decimal = ZERO
    fee_currency: str = ""
    remainder_cancelled: bool = False
    position_side: PositionSide | None = None
    settlement_date: str = ""
    lots: tuple[LotChoice, ...] = ()
    strategy: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_side(self, self.side)
        fix = msgspec.structs.force_setattr
        fix(self, "quantity", positive(self.quantity, "quantity"))
        fix(self, "price", to_decimal(self.price, "price"))
        if self.fee is not ZERO:
            fix(self, "fee", to_decimal(self.fee, "fee"))
        if self.position_side is not None and type(self.position_side) is not PositionSide:
            fix(self, "position_side", to_word(self.position_side, PositionSide, "position_side"))
        if self.settlement_date:
            check_iso_date(self.settlement_date, "settlement_date")
        if self.lots:
            fix(self, "lots", to_lots(self.lots))


class CancelReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="cancel"):
    """Quantity left the venue's book: all that was left, or only ``cancelled_quantity`` of it.

    ``request_id`` is that of the cancel it answers; empty when nobody asked. A ``cancelled_quantity`` of
    zero is what is left of an order that was filled meanwhile: nothing rests, as when it is not given.
    """

    request_id: str = ""
    cancelled_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_numbers(self, quantities=("cancelled_quantity",))
        if self.cancelled_quantity == ZERO:
            msgspec.structs.force_setattr(self, "cancelled_quantity", None)


class RejectReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="reject"):
    """The venue refused the order.

    Attributes:
        duplicate_client_order_id: it refused because it has an order of this id: that one exists.
    """

    duplicate_client_order_id: bool = False


class ExpireReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="expire"):
    """The order ended by its time in force."""


class AmendReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="amend"):
    """The order's terms are now these: the answer to an amend, or a change nobody asked for.

    Venues differ in what quantity they say: give the one the venue sends, the core works out the other.

    Attributes:
        request_id: the amend it answers; empty when nobody asked.
        quantity: the new total, what is filled included.
        leaves: the quantity resting now.
        price, stop_price: None leaves them as they are, or as the request that it answers asked for.
    """

    request_id: str = ""
    quantity: Decimal | None = None
    leaves: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_numbers(self, quantities=("quantity", "leaves"), prices=("price", "stop_price"))


class CancelRejectReport(
    Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="cancel_reject"
):
    """The venue refused a cancel request. It says nothing about the order itself.

    Attributes:
        order_not_open: because it has no such open order: too late, or unknown (FIX CxlRejReason 0 and 1).
            That is no evidence about a live order, and a reason to ask.
        duplicate_request_id: it refused a copy, as it has a request of this id: that one is not answered.
    """

    request_id: str
    order_not_open: bool = False
    duplicate_request_id: bool = False


class AmendRejectReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="amend_reject"):
    """The venue refused an amend request. It says nothing about the order itself.

    Attributes:
        order_not_open, duplicate_request_id: as in a ``CancelRejectReport``.
    """

    request_id: str
    order_not_open: bool = False
    duplicate_request_id: bool = False


class PendingReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="pending"):
    """The venue has a request of ours and has not decided: FIX Pending Cancel and Pending Replace."""

    request_id: str


class DoneForDayReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="done_for_day"):
    """No more executions today. It ends a day order; a good-till order rests again on the next day."""


class SuspendReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="suspend"):
    """The order keeps its place in our books and does not trade for now, by a halt or as somebody asked.

    A restatement, an amend or a trigger puts it in force again; a halt with reinstatement says nothing at
    all (FIX 4.4 Vol 4, K.1.a), and the order simply was never suspended.
    """


class StopReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="stop"):
    """A guarantee to trade ``quantity`` at ``price`` or better. It is no trade (FIX 4.4 Vol 4, L.1.a)."""

    quantity: Decimal | None = None
    price: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fix_numbers(self, quantities=("quantity",), prices=("price",))


class TriggerReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trigger"):
    """The condition of a stop order came true, or the venue activated the order: it can trade now."""


class RestateReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="restate"):
    """The venue changed the order by itself, or says on a new day what still holds (FIX Restated).

    Attributes:
        quantity: the total now, what is filled included.
        leaves: the quantity resting now; give the one the venue sends.
        price, stop_price: None leaves them as they are.
        restatement: why. A ``corporate_action`` restates what is filled by ``cumulative_quantity``.
    """

    quantity: Decimal | None = None
    leaves: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    restatement: RestatementReason = RestatementReason.OTHER

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.restatement) is not RestatementReason:
            word = to_word(self.restatement, RestatementReason, "restatement")
            msgspec.structs.force_setattr(self, "restatement", word)
        fix_numbers(self, quantities=("quantity", "leaves"), prices=("price", "stop_price"))


class StatusReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="status"):
    """The answer to "how is this order?": no news, and never an event (FIX ExecType Order Status).

    Attributes:
        ord_status: the venue's FIX OrdStatus, if it says.
        quantity, leaves: as the venue counts them.
    """

    ord_status: OrdStatus | None = None
    quantity: Decimal | None = None
    leaves: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ord_status is not None and type(self.ord_status) is not OrdStatus:
            word = to_word(self.ord_status, OrdStatus, "ord_status")
            msgspec.structs.force_setattr(self, "ord_status", word)
        fix_numbers(self, quantities=("quantity", "leaves"))


class EntryReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="entry"):
    """The venue or broker changed the account beside executions: funding, a split, an assignment."""

    entry: AnyEntry

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.entry) not in ENTRIES:
            raise InvalidInput("entry", f"{self.entry!r:.60} is no entry", "See execore.entries")


class UnreadableReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="unreadable"):
    """A message that the adapter could not make sense of, kept whole: it is parked and shouted about."""

    raw: str


VenueReport = (
    AcknowledgeReport
    | FillReport
    | CancelReport
    | RejectReport
    | ExpireReport
    | AmendReport
    | CancelRejectReport
    | AmendRejectReport
    | PendingReport
    | DoneForDayReport
    | SuspendReport
    | StopReport
    | TriggerReport
    | RestateReport
    | StatusReport
    | TradeCancelReport
    | TradeCorrectReport
    | FeeReport
    | EntryReport
    | UnreadableReport
)
KINDS: Final[frozenset[type[Report]]] = frozenset(get_args(VenueReport))
"""The types of report that there are; of another, even a child of these, nobody would know what it means."""
