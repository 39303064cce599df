"""`accounts`, `postings`: the double entry beneath the positions, as it is or was."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from execore.cli.output import BookOption, JournalOption, JsonOption, print_rows, reading
from execore.cli.read import AsOfOption, SymbolOption, books_at
from execore.core.books import Books
from execore.core.chart_of_accounts import CHART, kind_of
from execore.core.position_ledger import PositionLedger
from execore.model.money import text_of
from execore.runtime.as_of import order_lookup, walk
from execore.views.postings import postings as postings_of

_ACCOUNT_COLUMNS: Final = ("account", "unit", "balance", "nature", "holds")
_POSTING_COLUMNS: Final = ("sequence", "type", "id", "source", "target", "amount", "unit")


def accounts(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    as_of: AsOfOption = None,
    chart: Annotated[bool, typer.Option("--chart", help="Every kind of account there is, instead")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the accounts of a book that hold anything, and that they sum to zero."""
    if chart:
        kinds = ({"account": name} | kind._asdict() for name, kind in CHART.items())
        print_rows(kinds, ("account", "unit", "nature", "holds"), "chart of accounts", as_json=as_json)
        return
    with reading(journal, book) as opened:
        ledger = books_at(opened, book, as_of).books.positions
    print_rows(_accounts(ledger), _ACCOUNT_COLUMNS, f"accounts of {book}", as_json=as_json)


def _accounts(ledger: PositionLedger) -> Iterator[dict[str, Any]]:
    order = {kind: place for place, kind in enumerate(CHART.values())}
    held = (account for account in ledger.accounts() if account.balance)
    for account in sorted(held, key=lambda one: (order[kind_of(one.name)], one.name, one.unit)):
        kind = kind_of(account.name)
        yield {
            "account": account.name,
            "unit": account.unit,
            "balance": text_of(account.balance),
            "nature": kind.nature,
            "holds": kind.holds,
        }
    for unit, total in sorted(ledger.trial_balance().items()):
        yield {"account": "(sum)", "unit": unit, "balance": text_of(total), "nature": "", "holds": ""}


def postings(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    symbol: SymbolOption = None,
    order: Annotated[str | None, typer.Option("--order", help="Only those of this client order id")] = None,
    named: Annotated[str | None, typer.Option("--id", help="Only of this fill, entry or transfer")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what moved from one account to another, record by record."""
    with reading(journal, book) as opened:
        moved = postings_of(Books(order_lookup(opened, book)), book, walk(opened, book))
        rows = (
            row
            for row in moved
            if symbol in (None, row["symbol"])
            and order in (None, row["client_order_id"])
            and named in (None, row["id"])
        )
        print_rows(rows, _POSTING_COLUMNS, f"postings of {book}", as_json=as_json)
