"""`orders`, `order`, `fills`, `positions`: what a journal holds, also while an engine writes it."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

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
from execore.core.position import position_to_dict
from execore.journal.audit_log import AuditLog
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import UnknownOrder
from execore.model.vocabulary import OrderState, to_word
from execore.runtime.as_of import AsOf, books_as_of
from execore.views import queries
from execore.views.trail import parse_utc, record_to_dict

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

_MAXIMUM_DIGITS: Final = 15

SymbolOption = Annotated[str | None, typer.Option("--symbol", help="Only this instrument")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="As they were before this time (UTC), or after this record")
]


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
    by_strategy: Annotated[bool, typer.Option("--by-strategy", help="What each strategy holds")] = False,
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the positions of a book, flat ones included: as they are, or as they were."""
    columns = ("symbol", "strategy", *_POSITION_COLUMNS[1:]) if by_strategy else _POSITION_COLUMNS
    with reading(journal, book) as opened:
        if as_of is None:
            rows = queries.positions(opened, book=book, symbol=symbol, by_strategy=by_strategy)
        else:
            rows = _positions_as_of(opened, book, symbol, as_of, by_strategy=by_strategy)
        when = "" if as_of is None else f" as of {as_of}"
        print_rows(rows, columns, f"positions of {book}{when}", as_json=as_json)


def _positions_as_of(
    journal: SqliteJournal, book: str, symbol: str | None, as_of: str, *, by_strategy: bool
) -> Iterator[queries.View]:
    """The same rows from the records, each with the ``sequence`` of the last one that counts."""
    found = books_at(journal, book, as_of)
    ledger = found.books.positions
    for one in ledger.instruments():
        divided = by_strategy and ledger.is_divided(one.symbol)
        for section in ledger.sections(one.symbol) if symbol in (None, one.symbol) else ():
            if (section.strategy is not None) is divided:
                strategy = section.strategy if divided or not by_strategy else ""
                row = position_to_dict(section) | {"strategy": strategy}
                yield row | {"book": book, "sequence": found.sequence}


def books_at(journal: SqliteJournal, book: str, as_of: str | None) -> AsOf:
    """The books as they are, or as they were before a time or after a record.

    Raises:
        InvalidInput: ``as_of`` is neither a time nor a sequence.
    """
    if as_of is None:
        return books_as_of(journal, book)
    if is_sequence(as_of):
        return books_as_of(journal, book, sequence=int(as_of))
    return books_as_of(journal, book, before_ns=parse_utc(as_of, "as-of"))


def is_sequence(as_of: str) -> bool:
    """Whether it names a record: with more digits it is a time in nanoseconds."""
    return as_of.isdecimal() and len(as_of) <= _MAXIMUM_DIGITS
