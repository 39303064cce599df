"""`statement`: what a book had, did and has, over any period, with the sum shown that it adds up."""

import csv
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
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
    progress_bar,
    reading,
    shortened,
    styled,
)
from execore.core.books import Books
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidInput
from execore.runtime.as_of import order_lookup, walk
from execore.views.equity_picture import sparkline, svg
from execore.views.statement import Statement, make_statement
from execore.views.statement_rows import statement_to_dict
from execore.views.trail import parse_utc

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGE: Final = re.compile(r"([0-9]{1,9})([smhd])")
_SHOWN_DOUBTS: Final = 10


class By(StrEnum):
    """What the attribution can be told by, beside the whole."""

    INSTRUMENT = "instrument"
    STRATEGY = "strategy"
    DAY = "day"
    ORDER = "order"
    FILL = "fill"


def statement(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    since: Annotated[str | None, typer.Option("--from", help="From then on, as 2024-01-01 (UTC)")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before then, as 2025-01-01 (UTC)")] = None,
    currency: Annotated[str, typer.Option("--currency", "-c", help="Reporting currency")] = "USD",
    max_age: Annotated[
        str | None, typer.Option("--max-age", help="Marks and rates older than this are named, as 3d or 12h")
    ] = None,
    by: Annotated[By, typer.Option("--by", help="What else the attribution is told by")] = By.INSTRUMENT,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the attribution's table to this file")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw equity over time into this SVG file")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """State positions, results, cash and equity of a book over a period; 1 if it does not add up."""
    begin_ns = None if since is None else parse_utc(since, "from")
    end_ns = None if until is None else parse_utc(until, "to")
    if begin_ns is not None and end_ns is not None and end_ns <= begin_ns:
        raise InvalidInput("to", f"{until} is not after {since}", "Give a later time")
    age = None if max_age is None else parse_age(max_age)
    with reading(journal, book) as opened:
        made = _make(opened, book, currency, begin_ns, end_ns, age, by, quiet=as_json)
    shown = statement_to_dict(made)
    if csv_file is not None:
        _write_csv(csv_file, shown["by"][by])
    if plot is not None:
        plot.write_text(svg(made.equity, f"equity of {book} in {currency}"), encoding="utf-8")
    if as_json:
        print_json(shown)
    else:
        _show(made, shown, by)
    if shown["adds_up"] is False:
        raise typer.Exit(1)


def parse_age(text: str) -> int:
    """A length of time as the user writes it (``3d``, ``12h``, ``30m``, ``45s``), in seconds.

    Raises:
        InvalidInput: it is none.
    """
    found = _AGE.fullmatch(text)
    if found is None:
        raise InvalidInput("max-age", f"{text!r:.60} is no length of time", "Write 3d, 12h, 30m or 45s")
    return int(found[1]) * _UNITS[found[2]]


def _make(
    journal: SqliteJournal,
    book: str,
    currency: str,
    begin_ns: int | None,
    end_ns: int | None,
    age: int | None,
    by: By,
    *,
    quiet: bool,
) -> Statement:
    last = journal.head(book).sequence
    with progress_bar(f"reading {book}", last, quiet=quiet) as bar:
        books = Books(order_lookup(journal, book))
        return make_statement(
            walk(journal, book, until=last, progress=bar.to),
            books,
            book,
            currency,
            begin_ns=begin_ns,
            end_ns=end_ns,
            max_age_seconds=age,
            by={By.INSTRUMENT, By.STRATEGY, by} if by in (By.INSTRUMENT, By.STRATEGY) else {by},
        )


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["total"])
        writer.writeheader()
        writer.writerows(rows)


# --- for people -------------------------------------------------------------------------------------------

_POSITION_COLUMNS: Final = (
    *("symbol", "side", "was", "quantity", "lots", "average_cost", "mark", "age", "unrealised_pnl"),
    *("realised_pnl", "fees", "flows", "fills", "volume", "currency"),
)


def _show(made: Statement, shown: dict[str, Any], by: By) -> None:
    out.print(literal(f"statement of {made.book}, {shown['from']} to {shown['to']}, in {made.currency}"))
    out.print(literal(f"{made.records:,} records, the last {made.sequence:,}"), style="dim")
    out.print()
    print_rows(map(_position_row, shown["positions"]), _POSITION_COLUMNS, "positions", as_json=False)
    out.print()
    cash = [{"currency": name} | moved for name, moved in shown["cash"].items()]
    moved_by = dict.fromkeys(name for row in cash for name in row if name not in _CASH_ENDS)
    print_rows(cash, ("currency", "opening", *moved_by, "closing", "unsettled"), "cash", as_json=False)
    out.print()
    _show_attribution(shown)
    rows = shown["by"][by]
    if rows:
        out.print()
        print_rows(map(_short_row, rows), tuple(rows[0]), f"by {by}", as_json=False)
    _show_equity(made)
    _show_doubts(shown)


_CASH_ENDS: Final = ("currency", "opening", "closing", "unsettled")


def _position_row(row: Mapping[str, Any]) -> dict[str, Any]:
    closing, opening = row["closing"], row["opening"]
    age = closing["mark_age_seconds"]
    return {
        "symbol": row["symbol"],
        "side": row["position_side"],
        "was": "0" if opening is None else opening["quantity"],
        "quantity": closing["quantity"],
        "lots": closing["lots"],
        "average_cost": closing["average_cost"],
        "mark": closing["mark"],
        "age": None if age is None else age_text(age),
        "unrealised_pnl": closing["unrealised"]["settlement"],
        "realised_pnl": row["realised_pnl"],
        "fees": _amounts(row["fees"]),
        "flows": " ".join(f"{kind} {_amounts(amounts)}" for kind, amounts in row["flows"].items() if amounts),
        "fills": row["fills"],
        "volume": shortened(row["volume"]),
        "currency": row["currency"],
    }


def _short_row(row: Mapping[str, Any]) -> dict[str, Any]:
    key, *_ = row
    return {name: value if name == key else shortened(value) for name, value in row.items()}


def _amounts(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in amounts.items()) or "–"


def age_text(seconds: int) -> str:
    """A length of time in its largest whole unit, as ``3d``."""
    for unit, size in sorted(_UNITS.items(), key=lambda item: -item[1]):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _show_attribution(shown: dict[str, Any]) -> None:
    """From equity to equity, as a sum that anybody can check; JSON has all digits."""
    equity, parts = shown["equity"], shown["attribution"]
    lines = [("equity before", equity["opening"])]
    lines += [(name.replace("_", " "), amount) for name, amount in parts.items() if amount != "0"]
    lines.append(("equity after", equity["closing"]))
    amounts = ["not known" if amount is None else shortened(amount) for _, amount in lines]
    width = max(map(len, amounts))
    for (name, _), amount in zip(lines, amounts, strict=True):
        out.print(literal(f"{name:>16}  {amount:>{width}} {shown['currency']}"))
    verdict = {
        True: ("adds up: nothing is left over", "green"),
        False: (f"DOES NOT ADD UP: {shown['attribution_remainder']} is left over", "bold red"),
        None: ("cannot be added up: something is not known, below", "yellow"),
    }[shown["adds_up"]]
    out.print(styled(" " * 18, verdict))


def _show_equity(made: Statement) -> None:
    line = sparkline(made.equity)
    if len(made.equity) > 1 and line:
        out.print()
        out.print(literal(f"equity {made.equity[0][0]} {line} {made.equity[-1][0]}"))


def _show_doubts(shown: dict[str, Any]) -> None:
    """What is missing, stale or late."""
    for end in ("opening", "closing"):
        _show_some("missing", [f"at the {end}: {one['what']} {one['name']}" for one in shown[end]["missing"]])
        stale = [(f"{one['what']} {one['name']}", one["age_seconds"]) for one in shown[end]["stale"]]
        _show_some("stale", [f"at the {end}: {name}, {age_text(age)} old" for name, age in stale])
    for currency, parts in shown["unconverted"].items():
        what = ", ".join(f"{name} {amount}" for name, amount in parts.items())
        _show_some("no rate", [f"for {currency}: {what}"])
    late = [f"{one['type']} of {one['time']}, recorded as {one['sequence']:,}" for one in shown["late"]]
    _show_some("late", late, shown["late_count"])


def _show_some(what: str, lines: list[str], count: int | None = None) -> None:
    for line in lines[:_SHOWN_DOUBTS]:
        out.print(styled((what, "yellow"), f" {line}"))
    more = (len(lines) if count is None else count) - _SHOWN_DOUBTS
    if more > 0:
        out.print(styled((what, "yellow"), f" … and {more:,} more; --json has more of them"))
