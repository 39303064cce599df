"""The facts of executions that changed after they were booked; import them from ``model.events``."""

from execore.model.event_base import OrderEvent
from execore.model.lots import LotsRestated
from execore.model.trades import Posting, Trade


class TradeCancelled(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="trade_cancelled"):
    """An execution was undone: orders and books are as if it had never happened.

    Attributes:
        execution_id: of the report that undid it; it may be empty.
        execution_ref_id: the execution, by the id it was booked under, in ``execution_scope``.
        was: what it was until now, and what is taken out of the order.
        postings, lots: how the balances of its instrument differ from what they were, and its open lots.
        replaced: it was known by a total alone, and the executions themselves have come.
    """

    execution_id: str
    execution_scope: str
    execution_ref_id: str
    was: Trade
    postings: tuple[Posting, ...] = ()
    replaced: bool = False
    lots: tuple[LotsRestated, ...] = ()


class TradeCorrected(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="trade_corrected"):
    """An execution was another than booked: orders and books are as if it had been ``now`` from the start.

    Attributes:
        execution_id: of the report that corrected it; it may be empty.
        execution_ref_id: the execution, by the id it was first booked under, in ``execution_scope``.
        postings, lots: how the balances of its instrument differ from what they were, and its open lots.
        replaced: it was known by a total alone, and part of the executions themselves has come.
    """

    execution_id: str
    execution_scope: str
    execution_ref_id: str
    was: Trade
    now: Trade
    postings: tuple[Posting, ...] = ()
    replaced: bool = False
    lots: tuple[LotsRestated, ...] = ()


class TradeRestated(OrderEvent, frozen=True, gc=False, omit_defaults=True, tag="trade_restated"):
    """What is known beside the terms of an execution became known, or changed: its fee, the lots it closes.

    The books are as if it had been ``now`` from the start; its order is as it was.

    Attributes:
        execution_ref_id: the execution, by the id it was first booked under, in ``execution_scope``.
        postings, lots: how the balances of its instrument differ from what they were, and its open lots.
    """

    execution_scope: str
    execution_ref_id: str
    was: Trade
    now: Trade
    postings: tuple[Posting, ...] = ()
    lots: tuple[LotsRestated, ...] = ()


TradeChange = TradeCancelled | TradeCorrected | TradeRestated
"""What changes an execution that is booked."""
