"""`orders`, `order`, `fills`, `positions`: what a journal holds, also while an engine writes it."""

from typing import Annotated, Any

import typer

from execore.cli.output import (
    BookOption,
    JournalOption,
    JsonOption,
    literal,
    out,
    print_json,
    print_rows,
    reading,
)
from execore.journal.audit_log import AuditLog
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import UnknownOrder
from execore.model.vocabulary import OrderState, to_word
from execore.views import queries
from execore.views.trail import record_to_dict

_ORDER_COLUMNS = (
    "client_order_id",
    "venue_order_id",
    "symbol",
    "side",
    "quantity",
    "filled",
    "leaves",
    "average_price",
    "state",
    "flags",
)
_FILL_COLUMNS = (
    "sequence",
    "execution_id",
    "client_order_id",
    "symbol",
    "side",
    "quantity",
    "price",
    "fee",
    "status",
)
_POSITION_COLUMNS = ("symbol", "quantity", "average_cost", "cost_basis", "realised_pnl", "currency")

SymbolOption = Annotated[str | None, typer.Option("--symbol", help="Only this instrument")]


def orders(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    state: Annotated[str | None, typer.Option("--state", help="Only orders in this state")] = None,
    symbol: SymbolOption = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="Only this strategy's")] = None,
    flag: Annotated[str | None, typer.Option("--flag", help="Only orders with it, as cancel_unknown")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the orders of a book."""
    state = None if state is None else to_word(state.upper(), OrderState, "state")
    with reading(journal, book) as opened:
        found = queries.orders(opened, book=book, state=state, symbol=symbol, strategy=strategy)
        rows = (row for row in found if flag is None or flag in row["flags"])
        print_rows(rows, _ORDER_COLUMNS, f"orders of {book}", as_json=as_json)


def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="Client or venue order id")],
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    as_json: JsonOption = False,
) -> None:
    """Show one order and its whole history."""
    with reading(journal, book) as opened:
        found = _find(opened, book, order_id)
        events = [
            record_to_dict(record) for record in AuditLog(opened, book).records(found["client_order_id"])
        ]
    if as_json:
        print_json(found | {"history": events})
        return
    for key, value in found.items():
        if value not in (None, "", [], {}):
            out.print(literal(f"{key.replace('_', ' '):>16}  {value}"))
    out.print()
    print_rows(events, ("sequence", "time", "actor", "type", "detail"), "history", as_json=False)


def _find(journal: SqliteJournal, book: str, order_id: str) -> dict[str, Any]:
    found = queries.order(journal, book=book, client_order_id=order_id) or queries.order(
        journal, book=book, venue_order_id=order_id
    )
    if found is None:
        raise UnknownOrder(
            "ID", f"{order_id!r} is no client or venue order id in book {book}", "List them: execore orders"
        )
    return found


def fills(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    symbol: SymbolOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the fills of a book, in the order in which they were booked."""
    with reading(journal, book) as opened:
        rows = queries.fills(opened, book=book, symbol=symbol)
        print_rows(rows, _FILL_COLUMNS, f"fills of {book}", as_json=as_json)


def positions(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    symbol: SymbolOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the positions of a book, flat ones included."""
    with reading(journal, book) as opened:
        rows = queries.positions(opened, book=book, symbol=symbol)
        print_rows(rows, _POSITION_COLUMNS, f"positions of {book}", as_json=as_json)
