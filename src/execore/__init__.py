"""execore: an order execution core.

An intent goes through a risk gate and an order state machine into a durable, hash-chained journal, to a venue
exactly once, and every report into an order ledger and a position ledger that balance to the last digit.

    book = execore.open_book("sqlite:///trading.db", instruments=[...], venue=...)
    answer = book.submit(
        execore.OrderRequest(
            symbol="BTC-USD", side=execore.Side.BUY, quantity=Decimal("0.5"), price=Decimal(60_000)
        )
    )
"""

from execore.core.order_ledger import OrderLedger
from execore.core.order_state_machine import OrderStateMachine
from execore.core.position_ledger import PositionLedger
from execore.core.retry_policy import RetryPolicy
from execore.core.risk_hook import OrderLimits, RiskContext, RiskHook
from execore.journal.audit_log import AuditLog
from execore.journal.memory import MemoryJournal
from execore.journal.sqlite import SqliteJournal
from execore.model import entries, events, failures, reports
from execore.model.answers import Answer, Outcome, Refusal
from execore.model.effects import Alert
from execore.model.errors import ExecoreError, InvalidInput
from execore.model.groups import Group, GroupKind, GroupState
from execore.model.instruments import Instrument
from execore.model.lots import Lot, LotChoice
from execore.model.orders import Order, OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import (
    ClosingReason,
    CostMethod,
    Expiry,
    Flow,
    InstrumentKind,
    OptionRight,
    OrderState,
    OrderType,
    OrdStatus,
    PositionMode,
    PositionSide,
    RestatementReason,
    RiskDecision,
    Side,
    TimeInForce,
)
from execore.runtime.book import Book, open_book
from execore.runtime.opening import BookSettings
from execore.runtime.runtime import Runtime, open_runtime
from execore.runtime.runtime_book import RuntimeBook
from execore.venues.calendars import ROUND_THE_CLOCK, Session, TradingCalendar, WeeklyCalendar
from execore.venues.protocol import Capabilities, Venue

__version__ = "0.1.0"

__all__ = [
    "ROUND_THE_CLOCK",
    "Alert",
    "Answer",
    "AuditLog",
    "Book",
    "BookSettings",
    "Capabilities",
    "ClosingReason",
    "CostMethod",
    "ExecoreError",
    "Expiry",
    "Flow",
    "Group",
    "GroupKind",
    "GroupState",
    "Instrument",
    "InstrumentKind",
    "InvalidInput",
    "Lot",
    "LotChoice",
    "MemoryJournal",
    "OptionRight",
    "OrdStatus",
    "Order",
    "OrderLedger",
    "OrderLimits",
    "OrderRequest",
    "OrderState",
    "OrderStateMachine",
    "OrderType",
    "Outcome",
    "PositionLedger",
    "PositionMode",
    "PositionSide",
    "Refusal",
    "RestatementReason",
    "RetryPolicy",
    "RiskContext",
    "RiskDecision",
    "RiskHook",
    "RiskResult",
    "Runtime",
    "RuntimeBook",
    "Session",
    "Side",
    "SqliteJournal",
    "TimeInForce",
    "TradingCalendar",
    "Venue",
    "WeeklyCalendar",
    "entries",
    "events",
    "failures",
    "open_book",
    "open_runtime",
    "reports",
]
