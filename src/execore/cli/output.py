"""How commands speak: tables for people, JSON Lines for programs, progress on a terminal only."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidConfiguration
from execore.model.money import text_of
from execore.runtime.addresses import open_journal

TABLE_ROWS: Final = 50
"""Rows that a table shows; JSON always has all of them."""

_SHOWN_DECIMALS: Final = 8
_PIPED_WIDTH: Final = 240

JournalOption = Annotated[
    str, typer.Option("--journal", "-j", envvar="EXECORE_JOURNAL", help="Journal, as sqlite:///file.db")
]
BookOption = Annotated[str, typer.Option("--book", "-b", help="Book in that journal")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON Lines instead of a table")]


class _Output(Console):
    """Standard output; a reader who went away is an error like any other, handled where those are."""

    def on_broken_pipe(self) -> None:
        """Pass on the error that rich is handling."""
        raise  # rich calls this while it handles the BrokenPipeError


# Into a pipe or a file, a line is as long as it needs to be.
out = _Output(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
errors = Console(stderr=True, highlight=False)


def complain(code: str, message: str) -> None:
    """Say on stderr what went wrong, with the stable code first."""
    errors.print(f"[bold red]error[/] [{code}] ".replace(f"[{code}]", rf"\[{code}]"), end="")
    errors.print(message, markup=False, soft_wrap=True)


def print_json(row: Any) -> None:
    """One JSON object on one line."""
    sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


def print_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str], title: str, *, as_json: bool) -> None:
    """All rows as JSON Lines, or the first of them as a table with these columns."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in _NUMBERS else "left"
        table.add_column(column.replace("_", " "), justify=justify, overflow="fold")
    count = 0
    for row in rows:
        count += 1
        if count <= TABLE_ROWS:
            table.add_row(*(_cell(column, row.get(column)) for column in columns))
    if not count:
        out.print(f"{title}: none")
        return
    out.print(table)
    if count > TABLE_ROWS:
        out.print(f"… and {count - TABLE_ROWS:,} more; --json lists all", style="dim")


_NUMBERS: Final = frozenset(
    {
        "sequence",
        "quantity",
        "filled",
        "leaves",
        "price",
        "average_price",
        "fee",
        "average_cost",
        "cost_basis",
        "realised_pnl",
        "unrealised_pnl",
    }
)


def _cell(column: str, value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(value)
    return _shortened(str(value)) if column in _NUMBERS else str(value)


def _shortened(number: str) -> str:
    """A number for a person: eight decimals are enough to look at; JSON has all of them."""
    _, _, decimals = number.partition(".")
    return text_of(round(Decimal(number), _SHOWN_DECIMALS)) if len(decimals) > _SHOWN_DECIMALS else number


@contextmanager
def reading(address: str, book: str | None = None) -> Iterator[SqliteJournal]:
    """The journal at ``address``, opened for reading beside whoever writes it.

    Raises:
        InvalidConfiguration: it is not a file, or has no such book. JournalError: it cannot be read.
    """
    journal = open_journal(address, read_only=True)
    if not isinstance(journal, SqliteJournal):
        raise InvalidConfiguration("journal", f"{address!r} is not a file that can be read", "Name a file")
    try:
        if book is not None and book not in (books := journal.books()):
            known = ", ".join(books) or "no book at all"
            raise InvalidConfiguration("book", f"{address} has no book {book!r}", f"It has: {known}")
        yield journal
    finally:
        journal.close()


@contextmanager
def progress_bar(what: str, total: int | None, *, quiet: bool = False) -> Iterator["Advance"]:
    """A progress bar on stderr; silent when that is not a terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    )
    with bar:
        yield Advance(bar, bar.add_task(what, total=total))


class Advance:
    """Moves one progress bar."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar = bar
        self._task = task

    def to(self, done: int) -> None:
        """Say how much is done."""
        self._bar.update(self._task, completed=done)
