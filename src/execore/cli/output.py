"""How commands speak: tables for people, JSON Lines for programs, progress on a terminal only."""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

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


# Without markup: ids, names and paths may look like it, and are data. What has a style is a Text or a style=.
# Into a pipe or a file, a line is as long as it needs to be.
out = _Output(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False)

_REPLACEMENTS: Final = {"–": "-", "…": "...", "µ": "u"}


def _replace_unshowable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start]
    return _REPLACEMENTS.get(bad, bad.encode("ascii", "backslashreplace").decode()), error.start + 1


def show_everything() -> None:
    """From here on, what the terminal cannot show is replaced by what it can: nothing is a reason to fail."""
    codecs.register_error("execore.unshowable", _replace_unshowable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="execore.unshowable")


def literal(value: object) -> str:
    """Data as one line that a terminal shows and does not obey: control characters are escaped."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def styled(*parts: str | tuple[str, str]) -> Text:
    """Text, of which the parts that come with a style have it."""
    return Text.assemble(*(part if isinstance(part, tuple) else literal(part) for part in parts))


def complain(code: str, message: str) -> None:
    """Say on stderr what went wrong, with the stable code first."""
    errors.print(styled(("error", "bold red"), f" [{code}] "), end="")
    errors.print(literal(message), soft_wrap=True)


def print_json(row: Any) -> None:
    """One JSON object on one line, in UTF-8 wherever it goes."""
    try:
        line = msgspec.json.encode(row)
    except UnicodeEncodeError:  # a path or a damaged name that is no text
        line = msgspec.json.encode(_writable(row))
    sys.stdout.buffer.write(line + b"\n")


def _writable(value: Any) -> Any:
    """The same tree with every string as text that can be written."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return [_writable(item) for item in value] if isinstance(value, list | tuple) else value


def print_rows(rows: Iterable[dict[str, Any]], columns: Sequence[str], title: str, *, as_json: bool) -> None:
    """All rows as JSON Lines, or the first of them as a table with these columns."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    title = literal(title)
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
        return literal(", ".join(value))
    return literal(shortened(str(value)) if column in _NUMBERS else value)


def shortened(number: str) -> str:
    """A number for a person: eight decimals are enough to look at; JSON has all of them."""
    _, _, decimals = number.partition(".")
    if len(decimals) <= _SHOWN_DECIMALS:
        return number
    try:
        return text_of(round(Decimal(number), _SHOWN_DECIMALS))
    except InvalidOperation:  # no number: somebody changed the table
        return number


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
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    )
    with bar:
        yield Advance(bar, bar.add_task(literal(what), total=total))


class Advance:
    """Moves one progress bar."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar = bar
        self._task = task

    def to(self, done: int) -> None:
        """Say how much is done."""
        self._bar.update(self._task, completed=done)
