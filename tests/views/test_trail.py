"""A record of the trail in one line, for every kind of event that has something to say."""

from decimal import Decimal

import pytest

from execore.model import events
from execore.model.records import Record
from execore.model.vocabulary import RestatementReason, Side
from execore.views.trail import record_to_dict

WAS = events.Trade("BTC-USD", Side.BUY, Decimal("2"), Decimal("1E+2"), Decimal("0.1"), "USD")
NOW = events.Trade("BTC-USD", Side.BUY, Decimal("1"), Decimal("99"))
MOVED = (
    events.Posting("position:BTC-USD", "market:BTC-USD", "BTC", Decimal("1")),
    events.Posting("cash", "fees:BTC-USD", "USD", Decimal("-0.1")),
)
TERMS = "symbol=BTC-USD side=buy quantity=2 price=100 fee=0.1 fee_currency=USD"
POSTINGS = (
    "postings=(source=position:BTC-USD target=market:BTC-USD unit=BTC amount=1),"
    "(source=cash target=fees:BTC-USD unit=USD amount=-0.1)"
)


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (events.RequestPending("order-1", "c-1"), "request_id=c-1"),
        (events.OrderDoneForDay("order-1", "closing", "V1"), "reason=closing venue_order_id=V1"),
        (events.OrderSuspended("order-1", "halt"), "reason=halt"),
        (events.OrderStopped("order-1", Decimal("2.50"), Decimal("1E+2")), "quantity=2.5 price=100"),
        (events.OrderTriggered("order-1"), ""),
        (
            events.OrderRestated("order-1", Decimal("4"), restatement=RestatementReason.RENEWAL),
            "quantity=4 restatement=renewal",
        ),
        (
            events.TradeCancelled("order-1", "B1", "", "E1", WAS, MOVED),
            f"execution_id=B1 execution_ref_id=E1 was=({TERMS}) {POSTINGS}",
        ),
        (
            events.TradeCorrected("order-1", "", "2024-01-02", "E1", WAS, NOW, replaced=True),
            f"execution_scope=2024-01-02 execution_ref_id=E1 was=({TERMS}) "
            "now=(symbol=BTC-USD side=buy quantity=1 price=99) replaced=True",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, events.Event) else "",
)
def test_a_record_says_in_one_line_what_happened(event: events.AnyEvent, detail: str) -> None:
    shown = record_to_dict(Record(1, "main", 0, 0, "venue", "", event))
    assert shown["detail"] == detail
