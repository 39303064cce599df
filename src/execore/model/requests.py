"""What we ask of the core: requests, and what the shell learnt about its own sending.

Every input carries its own time and identity, so that the core needs neither clock nor random source.
"""

from decimal import Decimal

import msgspec

from execore.model.entries import ENTRIES, Adjustment, AnyEntry
from execore.model.errors import InvalidInput, InvalidNumber
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice, to_lots
from execore.model.money import to_decimal
from execore.model.orders import OrderRequest, positive
from execore.model.text import check_iso_date, check_time, clean_texts
from execore.model.vocabulary import Expiry, Resolution, RiskDecision, to_word


class Input(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every input of the core carries.

    Attributes:
        ts_ns: when it happened, integer nanoseconds UTC.
        actor: who caused it: ``strategy:x``, ``operator:x``, ``venue:x`` or ``system``.
        input_id: the cause that its events name; empty where the input's own ids say enough.

    Raises:
        InvalidInput: a text is not a string, or the time is no integer of 64 bits; by field. What cannot be
            written in a text (lone surrogates) is escaped.
    """

    ts_ns: int
    actor: str = "system"
    input_id: str = ""

    def __post_init__(self) -> None:
        check_time(self.ts_ns, "ts_ns")
        clean_texts(self)


class RiskResult(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A risk gate's verdict on one order.

    Attributes:
        decision: ALLOW sends it, BLOCK denies it for good, PAUSE holds it unsent.
        reason: why, for the record and for the person who asks.
        rule: which rule or hook decided.

    Raises:
        InvalidInput: a text is not a string.
    """

    decision: RiskDecision
    reason: str = ""
    rule: str = ""

    def __post_init__(self) -> None:
        clean_texts(self)


class SubmitOrder(Input, frozen=True, kw_only=True, gc=False):
    """Create an order and, if risk allows, send it. The verdict is the shell's risk hooks'.

    Attributes:
        ends_ts_ns: for a day order, when its day ends, integer nanoseconds UTC; None where nobody knows.
    """

    order: OrderRequest
    verdict: RiskResult
    ends_ts_ns: int | None = None


class ReleaseOrder(Input, frozen=True, kw_only=True, gc=False):
    """Decide a held order again: the new verdict sends it, denies it, or leaves it held."""

    client_order_id: str
    verdict: RiskResult


class CancelOrder(Input, frozen=True, kw_only=True, gc=False):
    """Ask the venue to cancel what is left of an order. ``request_id`` is this request's own."""

    client_order_id: str
    request_id: str


class AmendOrder(Input, frozen=True, kw_only=True, gc=False):
    """Ask the venue to change an order. ``quantity`` is the new total, what is filled included.

    None leaves a term as it is.

    Raises:
        InvalidNumber, InvalidQuantity: by field.
    """

    client_order_id: str
    request_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fix = msgspec.structs.force_setattr
        if self.quantity is not None:
            fix(self, "quantity", positive(self.quantity, "quantity"))
        for field in ("price", "stop_price"):
            value = getattr(self, field)
            if value is not None:
                fix(self, field, to_decimal(value, field))


class CloseOrder(Input, frozen=True, kw_only=True, gc=False):
    """The venue's window for late reports on a finished order is over: settle it."""

    client_order_id: str


class SubmitNotSent(Input, frozen=True, kw_only=True, gc=False):
    """A submit certainly never reached the venue, or the order was proven absent there."""

    client_order_id: str
    reason: str


class SubmitOutcomeUnknown(Input, frozen=True, kw_only=True, gc=False):
    """A submit was sent, or was about to be, and nobody knows what became of it."""

    client_order_id: str
    reason: str


class RequestNotSent(Input, frozen=True, kw_only=True, gc=False):
    """A cancel or an amend certainly never reached the venue."""

    client_order_id: str
    request_id: str
    reason: str


class RequestOutcomeUnknown(Input, frozen=True, kw_only=True, gc=False):
    """A cancel or an amend was sent, or was about to be, and nobody knows what became of it."""

    client_order_id: str
    request_id: str
    reason: str


class OrderNotFound(Input, frozen=True, kw_only=True, gc=False):
    """The venue was asked after an order, and does not have it.

    Attributes:
        complete: open orders, closed ones and executions were all searched.
        waited_ns: from the end of the order's last sending, or from when this process began, to the question:
            nanoseconds on a monotonic clock, as a wall clock jumps.
        visibility_lag_ns: how long the venue declares that a new order may stay invisible.
        duplicates_refused: it certainly refuses a copy, whatever became of the first: filled and closed too.
        resend: the policy is to send it again where that cannot make a second order.
        refused: it has the order among those it refused: none of this id was ever in force.
    """

    client_order_id: str
    complete: bool
    waited_ns: int
    visibility_lag_ns: int
    duplicates_refused: bool
    resend: bool
    refused: bool = False


class RetryCancel(Input, frozen=True, kw_only=True, gc=False):
    """A cancel of unknown outcome is to be sent again, with the same id: that does no harm."""

    client_order_id: str
    request_id: str


class ResolveOrder(Input, frozen=True, kw_only=True, gc=False):
    """An operator says what became of what is unknown: an order, or one request on it.

    Attributes:
        actor: who says so, for the record; it has no default here.
        resolution: ABSENT: the venue never had it; of a request: it came to nothing. LIVE: it has the order.
        reason: how the operator knows.
        venue_order_id: of an order that is live, where it is known.
        request_id: the cancel or amend; empty where the order itself is meant.

    Raises:
        InvalidInput: no actor or no reason; a request that is said to be live: what it did comes as reports.
        UnknownEnumValue: ``resolution`` is no such word.
    """

    client_order_id: str
    actor: str
    resolution: Resolution
    reason: str
    venue_order_id: str = ""
    request_id: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("actor", "reason"):
            if not getattr(self, field).strip():
                raise InvalidInput(field, "it is empty", "Say who decides, and how they know")
        resolution = to_word(self.resolution, Resolution, "resolution")
        msgspec.structs.force_setattr(self, "resolution", resolution)
        if self.request_id and resolution is Resolution.LIVE:
            what = f"request {self.request_id} cannot be said to be live"
            raise InvalidInput("resolution", what, "Report what the venue did, or say that it is absent")


class ExpiryDue(Input, frozen=True, kw_only=True, gc=False):
    """Our clock says that something is to be done about an order's end: ``core.expiry`` says what.

    Attributes:
        expiry: who ends orders of its time in force, as the venue declares.
        lateness_ns: how long after the end the venue's word of it may take.
    """

    client_order_id: str
    expiry: Expiry
    lateness_ns: int


class StartDay(Input, frozen=True, kw_only=True, gc=False):
    """A trading day began. Orders that were done for the day before rest again, if their time is not up.

    Attributes:
        trade_date: its date, ``YYYY-MM-DD``; a day starts once, and no earlier one after it.
        ends_ts_ns: when it ends, integer nanoseconds UTC.
        opens_ts_ns: when it began, the same; None if only now. What was done for the day later is so today.
        corrects: a later day that was recorded by mistake, and that this one takes the place of.

    Raises:
        InvalidInput: ``trade_date`` or ``corrects`` is no such date.
    """

    trade_date: str
    ends_ts_ns: int
    opens_ts_ns: int | None = None
    corrects: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_iso_date(self.trade_date, "trade_date")
        check_time(self.ends_ts_ns, "ends_ts_ns")
        if self.opens_ts_ns is not None:
            check_time(self.opens_ts_ns, "opens_ts_ns")
        if self.corrects:
            check_iso_date(self.corrects, "corrects")


class DefineInstrument(Input, frozen=True, kw_only=True, gc=False):
    """Make an instrument known to the book, or change its definition from now on."""

    instrument: Instrument


class BookEntry(Input, frozen=True, kw_only=True, gc=False):
    """Change the books by what is no execution; refused as a whole where it cannot be.

    Raises:
        InvalidInput: it is no entry; or an adjustment, and nobody in particular makes it.
    """

    entry: AnyEntry

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.entry) not in ENTRIES:
            raise InvalidInput("entry", f"{self.entry!r:.60} is no entry", "See execore.entries")
        if isinstance(self.entry, Adjustment) and self.actor in ("", "system"):
            raise InvalidInput("actor", "an adjustment is somebody's doing", "Say whose")


class ChooseLots(Input, frozen=True, kw_only=True, gc=False):
    """Say which lots an execution that is booked closed; for what they do not cover, the oldest."""

    execution_id: str
    lots: tuple[LotChoice, ...]
    execution_scope: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        msgspec.structs.force_setattr(self, "lots", to_lots(self.lots))


class SetMark(Input, frozen=True, kw_only=True, gc=False):
    """Note what one unit of an instrument is worth, as of ``ts_ns``: what statements value positions at."""

    symbol: str
    price: Decimal

    def __post_init__(self) -> None:
        super().__post_init__()
        msgspec.structs.force_setattr(self, "price", to_decimal(self.price, "price"))


class SetRate(Input, frozen=True, kw_only=True, gc=False):
    """Note what one unit of ``base`` is worth in ``quote``, as of ``ts_ns``.

    Raises:
        InvalidInput: a currency is missing, or both are the same. InvalidNumber: the rate is not positive.
    """

    base: str
    quote: str
    rate: Decimal

    def __post_init__(self) -> None:
        super().__post_init__()
        rate = to_decimal(self.rate, "rate")
        if rate <= 0:
            raise InvalidNumber(
                "rate", f"{rate} is not positive", "Say what one unit of base is worth in quote"
            )
        if not (self.base and self.quote) or self.base == self.quote:
            raise InvalidInput("base", "a rate is between two currencies", "Give base and quote")
        msgspec.structs.force_setattr(self, "rate", rate)


class TransferCash(Input, frozen=True, kw_only=True, gc=False):
    """Cash paid into the book (positive) or taken out (negative). ``transfer_id`` is booked once.

    ``counterparty``: the other book, where it comes from one or goes to one: it books the same the other way.
    """

    transfer_id: str
    currency: str
    amount: Decimal
    counterparty: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        msgspec.structs.force_setattr(self, "amount", to_decimal(self.amount, "amount"))


OrderInput = (
    ReleaseOrder
    | CancelOrder
    | AmendOrder
    | CloseOrder
    | SubmitNotSent
    | SubmitOutcomeUnknown
    | RequestNotSent
    | RequestOutcomeUnknown
    | OrderNotFound
    | RetryCancel
    | ResolveOrder
    | ExpiryDue
)
"""Inputs that concern an order which exists."""

Request = (
    SubmitOrder
    | OrderInput
    | StartDay
    | DefineInstrument
    | TransferCash
    | BookEntry
    | ChooseLots
    | SetMark
    | SetRate
)
