"""Texts and times at the boundary: whatever exists can be written, read back, and is the same then."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from execore.journal.codec import decode_record, encode_record
from execore.model.errors import InvalidInput
from execore.model.events import ReportParked
from execore.model.instruments import Instrument
from execore.model.orders import OrderRequest
from execore.model.records import Record, StoredRecord
from execore.model.reports import CancelReport, FillReport, UnreadableReport
from execore.model.requests import CloseOrder, RiskResult
from execore.model.vocabulary import RiskDecision, Side


def fill(**fields: Any) -> FillReport:
    terms: dict[str, Any] = {"ts_ns": 1, "quantity": Decimal(1), "price": Decimal(1)}
    return FillReport(**(terms | fields))


def order(**fields: Any) -> OrderRequest:
    terms: dict[str, Any] = {"symbol": "S", "side": Side.BUY, "quantity": Decimal(1), "price": Decimal(1)}
    return OrderRequest(**(terms | fields))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: fill(venue_order_id=12345), "venue_order_id"),
        (lambda: fill(execution_id=777), "execution_id"),
        (lambda: fill(fee_currency=None), "fee_currency"),
        (lambda: fill(ts_ns=1.7e18), "ts_ns"),
        (lambda: fill(ts_ns="5"), "ts_ns"),
        (lambda: fill(ts_ns=None), "ts_ns"),
        (lambda: fill(ts_ns=2**63), "ts_ns"),
        (lambda: CancelReport(ts_ns=1, client_order_id=None), "client_order_id"),  # type: ignore[arg-type]
        (lambda: CancelReport(ts_ns=1, reason=["no"]), "reason"),  # type: ignore[arg-type]
        (lambda: UnreadableReport(ts_ns=1, raw={}), "raw"),  # type: ignore[arg-type]
        (lambda: CloseOrder(ts_ns=1, actor=5, client_order_id="a"), "actor"),  # type: ignore[arg-type]
        (lambda: RiskResult(RiskDecision.BLOCK, 5), "reason"),  # type: ignore[arg-type]
        (lambda: Instrument(symbol=5, currency="USD"), "symbol"),  # type: ignore[arg-type]
        (lambda: Instrument(symbol="S", currency=5), "currency"),  # type: ignore[arg-type]
        (lambda: Instrument(symbol="S", currency="U", base_currency=5), "base_currency"),  # type: ignore[arg-type]
        (lambda: order(strategy="\ud800"), "strategy"),
        (lambda: order(symbol="\ud800"), "symbol"),
        (lambda: order(metadata={"k": "\ud800"}), "metadata"),
        (lambda: order(metadata=(("k", "1"), ("k", "2"))), "metadata"),
        (lambda: order(time_in_force="gtd", expire_ts_ns=2**63), "expire_ts_ns"),
    ],
)
def test_what_is_no_text_or_no_time_is_refused_by_field(make: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make()
    assert caught.value.field == field


def test_what_cannot_be_written_in_a_report_is_escaped_on_the_way_in() -> None:
    report = CancelReport(ts_ns=1, client_order_id="a", reason="no \ud83d, caf\xe9", actor="venue:\udcff")
    assert (report.reason, report.actor) == ("no \\ud83d, caf\xe9", "venue:\\udcff")
    record = Record(1, "b", 1, 1, report.actor, "", ReportParked("a", "code", report.reason, report))
    assert decode_record(StoredRecord(1, "", encode_record(record))) == record


def test_a_side_that_a_venue_calls_undisclosed_is_no_side() -> None:
    assert fill(side="undisclosed").side is None
