"""What the tables say of a take-over does not hang on how its records were committed, or read again."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from execore.journal.sqlite import SqliteJournal
from execore.model.keys import Key, KeyKind
from execore.model.reports import AcknowledgeReport, FillReport, TradeCancelReport, VenueReport
from execore.model.trades import PastTrade
from execore.model.vocabulary import Side
from execore.runtime.book import open_book
from execore.runtime.table_check import check_tables, rebuild_tables
from runtime_support.trading import BITCOIN, START_NS, order


def fill(execution_id: str, side: Side, quantity: int) -> FillReport:
    """An execution of an order that we do not know, at 100."""
    terms: dict[str, Any] = {"quantity": Decimal(quantity), "price": Decimal(100), "side": side}
    return FillReport(
        ts_ns=START_NS, venue_order_id="X1", symbol="BTC-USD", execution_id=execution_id, **terms
    )


UNDISCLOSED, DISCLOSED = fill("E1", Side.UNDISCLOSED, 3), fill("E2", Side.SELL, 1)
BUST = TradeCancelReport(
    ts_ns=START_NS, venue_order_id="X1", symbol="BTC-USD", execution_id="C1", execution_ref_id="E2"
)
TAKEN_OVER = AcknowledgeReport(ts_ns=START_NS, client_order_id="order-1", venue_order_id="X1")


@pytest.mark.parametrize(
    "commits",
    [[[UNDISCLOSED], [DISCLOSED], [TAKEN_OVER]], [[UNDISCLOSED], [DISCLOSED, TAKEN_OVER]]],
    ids=["one by one", "in one commit"],
)
def test_a_side_is_the_one_told_then_and_not_that_of_who_took_over(
    tmp_path: Path, commits: Sequence[Sequence[VenueReport]]
) -> None:
    """Our buy takes over an order that had sold: what it sold stays sold, in the ledger and in the tables."""
    with SqliteJournal(tmp_path / "book.db") as journal:
        book = open_book(journal, instruments=[BITCOIN])
        book.submit(order(1))
        for reports in commits:
            book.apply(reports)
        assert book.positions.position("BTC-USD").quantity == -4
        trades = list(journal.past("main", ["BTC-USD"]))
        assert [
            (item.trade.side, item.trade.quantity) for _, item in trades if isinstance(item, PastTrade)
        ] == [
            (Side.SELL, Decimal(3)),
            (Side.SELL, Decimal(1)),
        ]
        assert check_tables(journal, "main").differences == ()
        rebuild_tables(journal, "main")
        assert list(journal.past("main", ["BTC-USD"])) == trades


@pytest.mark.parametrize(
    "commits",
    [[[fill("E2", Side.BUY, 1)], [BUST], [TAKEN_OVER]], [[fill("E2", Side.BUY, 1)], [BUST, TAKEN_OVER]]],
    ids=["one by one", "in one commit"],
)
def test_a_key_stands_for_the_order_of_then(tmp_path: Path, commits: Sequence[Sequence[VenueReport]]) -> None:
    """And is answered by who has taken that over since."""
    bust = Key(KeyKind.EXECUTION, "0:C1")
    with SqliteJournal(tmp_path / "book.db") as journal:
        book = open_book(journal, instruments=[BITCOIN])
        book.submit(order(1))
        for reports in commits:
            book.apply(reports)
        assert check_tables(journal, "main").differences == ()
        assert journal.find_orders("main", [bust]) == {bust: "order-1"}
        rebuild_tables(journal, "main")
        assert journal.find_orders("main", [bust]) == {bust: "order-1"}
