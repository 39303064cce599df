"""What a venue tells us, normalised by its adapter. Reports are facts: none is refused for its content.

An order is named by our id, the venue's id, or both; the adapter fills in what the venue sent.
"""

from decimal import Decimal

import msgspec

from execore.model.money import ZERO, to_decimal
from execore.model.orders import positive
from execore.model.requests import Input
from execore.model.vocabulary import OrderType, Side, TimeInForce, to_word


class Report(Input, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="type"):
    """What every report carries.

    Attributes:
        client_order_id: our id, if the venue echoed it.
        venue_order_id: the venue's id of the order, if given.
        symbol: the instrument, in the book's own naming.
        venue_status: the venue's own word for the status, kept beside ours.
        reason: the venue's text, for rejects and cancels.
    """

    actor: str = "venue"
    client_order_id: str = ""
    venue_order_id: str = ""
    symbol: str = ""
    venue_status: str = ""
    reason: str = ""


class AcknowledgeReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="acknowledge"):
    """The venue accepted an order. In a drop copy it carries the terms, as nobody else told us.

    Attributes:
        leaves: quantity resting now, on top of whatever was filled before.
        owned: the order is this account's own although it was not sent by us: set in a drop copy.
    """

    owned: bool = False
    side: Side | None = None
    leaves: Decimal | None = None
    price: Decimal | None = None
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC

    def __post_init__(self) -> None:
        super().__post_init__()
        _fix_side(self, self.side)
        _fix_numbers(self, quantities=("leaves",), prices=("price",))


class FillReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="fill"):
    """An execution.

    Attributes:
        execution_id: the venue's id; empty where the venue has none, then ``cumulative_quantity`` decides.
        execution_scope: what ``execution_id`` is unique within, as the venue declares: empty for the whole
            book, else the symbol, the trade date or the order it belongs to.
        fee: what the execution cost, positive; negative is a rebate. In ``fee_currency``.
        cumulative_quantity: the order's total filled after this execution, if the venue says.
    """

    execution_id: str = ""
    execution_scope: str = ""
    quantity: Decimal
    price: Decimal
    side: Side | None = None
    fee: Decimal = ZERO
    fee_currency: str = ""
    cumulative_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _fix_side(self, self.side)
        fix = msgspec.structs.force_setattr
        fix(self, "quantity", positive(self.quantity, "quantity"))
        fix(self, "price", to_decimal(self.price, "price"))
        if self.fee is not ZERO:
            fix(self, "fee", to_decimal(self.fee, "fee"))
        if self.cumulative_quantity is not None:
            fix(self, "cumulative_quantity", positive(self.cumulative_quantity, "cumulative_quantity"))


class CancelReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="cancel"):
    """Quantity left the venue's book: all that was left, or only ``cancelled_quantity`` of it.

    ``request_id`` is that of the cancel it answers; empty when nobody asked.
    """

    request_id: str = ""
    cancelled_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _fix_numbers(self, quantities=("cancelled_quantity",))


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
        _fix_numbers(self, quantities=("quantity", "leaves"), prices=("price", "stop_price"))


class CancelRejectReport(
    Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="cancel_reject"
):
    """The venue refused a cancel request. It says nothing about the order itself."""

    request_id: str


class AmendRejectReport(Report, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="amend_reject"):
    """The venue refused an amend request. It says nothing about the order itself."""

    request_id: str


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
    | UnreadableReport
)


def _fix_side(report: Report, side: Side | None) -> None:
    if side is not None:
        word = side if type(side) is Side else to_word(side, Side, "side")
        # A venue that says "undisclosed" says nothing, which is what None is for.
        msgspec.structs.force_setattr(report, "side", None if word is Side.UNDISCLOSED else word)


def _fix_numbers(report: Report, quantities: tuple[str, ...], prices: tuple[str, ...] = ()) -> None:
    for field in quantities:
        value = getattr(report, field)
        if value is not None:
            msgspec.structs.force_setattr(report, field, positive(value, field))
    for field in prices:
        value = getattr(report, field)
        if value is not None:
            msgspec.structs.force_setattr(report, field, to_decimal(value, field))
