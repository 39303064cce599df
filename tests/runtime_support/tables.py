"""Whether the projection tables of a journal say what the ledgers of its book say."""

from typing import Any

from execore import Book, SqliteJournal
from execore.core.position import position_to_dict
from execore.model.money import text_of
from execore.runtime.projecting import catch_up_projections
from execore.views import queries


def assert_projected(journal: SqliteJournal, book: Book) -> None:
    """The tables say what the ledgers say."""
    orders = {view["client_order_id"]: view for view in queries.orders(journal)}
    assert {key: {**view, "book": None} for key, view in orders.items()} == {
        key: {**view, "book": None} for key, view in book.orders.to_dict().items()
    }
    names = ("client_order_id", "symbol", "quantity", "price", "fee", "fee_currency")
    counted = (view for view in queries.fills(journal) if view["status"] != "cancelled")
    assert sorted([view[name] for name in names] for view in counted) == sorted(
        [
            execution.client_order_id,
            execution.symbol,
            text_of(execution.quantity),
            text_of(execution.price),
            text_of(execution.fee),
            execution.fee_currency,
        ]
        for execution in book.orders.standing_executions()
    )
    traded = {view["symbol"]: view for view in queries.positions(journal)}
    for position in book.positions.positions():
        shown = position_to_dict(position)
        if position.symbol in traded:
            assert traded[position.symbol] | {"book": None} == shown | {"book": None}
        else:
            assert not any((position.quantity, position.undisclosed, position.realised_pnl))
    assert journal.projection_head("main") == book.head.sequence


def dump(journal: SqliteJournal) -> list[list[tuple[Any, ...]]]:
    """Every row of the projection tables."""
    tables = ("orders", "fills", "positions", "projection_heads")
    return [list(journal.select(f"SELECT * FROM {table} ORDER BY 1, 2")) for table in tables]


def assert_rebuilt_the_same(journal: SqliteJournal, book: Book) -> None:
    """The tables, made anew from all records, are those that were written commit by commit."""
    written = dump(journal)
    journal.clear_projections("main")
    catch_up_projections(journal, "main")
    for rebuilt, before in zip(dump(journal), written, strict=True):
        assert rebuilt == before
