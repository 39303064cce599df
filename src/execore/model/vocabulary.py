"""The words of the domain: closed sets that requests, reports and events are written in.

Values are lower snake case on the wire. Order states are our own and stay in capitals everywhere, so that
nobody takes ``FILLED`` (ours, derived from facts) for the FIX OrdStatus ``filled``.
"""

from enum import StrEnum
from typing import TypeVar

from execore.model.errors import UnknownEnumValue


class Side(StrEnum):
    """FIX Side(54). ``UNDISCLOSED`` (7) is a venue's silence about an order of its own; never a request's."""

    BUY = "buy"
    SELL = "sell"
    UNDISCLOSED = "undisclosed"


class OrderType(StrEnum):
    """FIX OrdType(40)."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """FIX TimeInForce(59). ``GTD`` needs an expiry time."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class OrderState(StrEnum):
    """What an order's facts amount to. Derived, never stored as the only truth."""

    CREATED = "CREATED"
    SUBMITTED = "SUBMITTED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    DENIED = "DENIED"
    UNKNOWN = "UNKNOWN"
    CLOSED = "CLOSED"


OPEN_STATES = frozenset(
    {
        OrderState.CREATED,
        OrderState.SUBMITTED,
        OrderState.ACKNOWLEDGED,
        OrderState.PARTIALLY_FILLED,
        OrderState.UNKNOWN,
    }
)
"""States in which the order can still trade, or might."""


class OrdStatus(StrEnum):
    """FIX OrdStatus(39), spelt as FIX spells it. ``code`` is the character on the wire."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    PENDING_CANCEL = "pending_cancel"
    STOPPED = "stopped"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    PENDING_NEW = "pending_new"
    CALCULATED = "calculated"
    EXPIRED = "expired"
    PENDING_REPLACE = "pending_replace"

    @property
    def code(self) -> str:
        """The FIX character of tag 39."""
        return _ORD_STATUS_CODES[self]


_ORD_STATUS_CODES = dict(zip(OrdStatus, "012346789ABCE", strict=True))


class RestatementReason(StrEnum):
    """Why a venue changed an order by itself: FIX ExecRestatementReason(378), and self-trade prevention."""

    CORPORATE_ACTION = "corporate_action"
    """A split or the like: quantities and what is filled are restated together, and no trade happened."""
    RENEWAL = "renewal"
    """A good-till order is in force again on a new day."""
    VERBAL_CHANGE = "verbal_change"
    REPRICING = "repricing"
    BROKER_OPTION = "broker_option"
    PARTIAL_DECLINE = "partial_decline"
    TRADING_HALT = "trading_halt"
    SYSTEM_FAILURE = "system_failure"
    MARKET_OPTION = "market_option"
    NOT_BEST = "not_best"
    SELF_TRADE_PREVENTION = "self_trade_prevention"
    OTHER = "other"


class Expiry(StrEnum):
    """Who ends an order when its time in force is over, and who says so. A venue declares it."""

    REPORTED = "reported"
    """The venue ends it, and says so."""
    SILENT = "silent"
    """The venue ends it, and may say nothing: FIX leaves the report to it (4.4 Vol 4)."""
    OURS = "ours"
    """The venue does not know the time in force: we ask for a cancel when the time is up."""


class Resolution(StrEnum):
    """What an operator says of an order, or of a request, of unknown outcome."""

    LIVE = "live"
    """The venue has the order."""
    ABSENT = "absent"
    """The venue does not have it, and never had."""


class RiskDecision(StrEnum):
    """A risk gate's answer: send, refuse for good, or hold until somebody decides."""

    ALLOW = "allow"
    BLOCK = "block"
    PAUSE = "pause"


class InstrumentKind(StrEnum):
    """How an instrument's trades settle."""

    SPOT = "spot"
    EQUITY = "equity"
    LINEAR = "linear"
    """A future or perpetual: opening moves no cash, closing pays the difference."""
    INVERSE = "inverse"
    """The same, quoted in one currency and settled in the other: a contract is worth so much of the first."""
    OPTION = "option"
    """The premium is paid when it is bought, and what it comes to when it ends."""


class OptionRight(StrEnum):
    """FIX PutOrCall(201)."""

    PUT = "put"
    CALL = "call"


class CostMethod(StrEnum):
    """Which cost a closing trade releases."""

    AVERAGE = "average"
    """A share of all of it."""
    FIFO = "fifo"
    """That of the lot that came first."""
    LIFO = "lifo"
    """That of the lot that came last."""
    HIGHEST_COST = "highest_cost"
    """That of the lot which makes the smallest gain: of what was bought dearest, or sold short cheapest."""
    SPECIFIC_LOT = "specific_lot"
    """That of the lots which the order names; for what they do not cover, of the lot that came first."""


class PositionMode(StrEnum):
    """What a book holds in one instrument."""

    NETTING = "netting"
    """One position, long or short."""
    HEDGING = "hedging"
    """A long and a short position beside each other, each traded for itself."""


class PositionSide(StrEnum):
    """Which of the positions of a hedging book a trade belongs to. In a netting book there is one only."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class Flow(StrEnum):
    """What cash came or went for, beside trades and transfers."""

    FUNDING = "funding"
    """What holders of a perpetual pay each other."""
    INTEREST = "interest"
    """On cash, held or owed."""
    BORROW = "borrow"
    """For units lent to us, to sell short."""
    DIVIDEND = "dividend"
    """On units held; negative where it is owed on units sold short."""
    WITHHOLDING_TAX = "withholding_tax"
    FEE = "fee"
    """One that is no execution's: market data, custody."""
    REBATE = "rebate"
    OTHER = "other"


class ClosingReason(StrEnum):
    """Why a position ended without an order."""

    EXPIRY = "expiry"
    SETTLEMENT = "settlement"
    LIQUIDATION = "liquidation"


Word = TypeVar("Word", bound=StrEnum)


def to_word(value: str, words: type[Word], field: str) -> Word:
    """Return the member of ``words`` that ``value`` names.

    Raises:
        UnknownEnumValue: it names none; the error lists those that exist.
    """
    try:
        return words(value)
    except ValueError:
        known = ", ".join(words)
        raise UnknownEnumValue(field, f"{value!r} is not known", f"Use one of: {known}") from None
