"""`import`: a broker's trade history, or our own JSON Lines, into a book, and what of it was refused."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from execore.cli.output import (
    BookOption,
    JournalOption,
    JsonOption,
    complain,
    literal,
    out,
    print_json,
    progress_bar,
)
from execore.importing.detect import BROKERS, History, in_time_order, read_history
from execore.importing.lines import Line, NotUnderstood
from execore.journal.codec import decode_record
from execore.journal.protocol import EMPTY_HEAD, Journal
from execore.model.effects import Alert
from execore.model.errors import InputFileError
from execore.model.events import BookOpened
from execore.model.vocabulary import CostMethod, PositionMode, to_word
from execore.runtime.addresses import open_journal
from execore.runtime.book import Book, open_book
from execore.runtime.history import Imported, Refused, import_history, not_booked

_SHOWN_REFUSALS: Final = 20
_QUIET: Final = frozenset({"external_order"})
"""Alerts that a history is full of: nobody here sent its orders."""


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Histories, read in this order")],
    journal: JournalOption = "sqlite:///execore.db",
    book: BookOption = "main",
    broker: Annotated[
        str, typer.Option("--broker", help=f"Whose: {', '.join(BROKERS)}; told by the file")
    ] = "",
    cost_method: Annotated[
        str | None, typer.Option("--cost-method", help="Of a new book: average, fifo, lifo, ...")
    ] = None,
    position_mode: Annotated[
        str | None, typer.Option("--position-mode", help="Of a new book: netting or hedging")
    ] = None,
    by_time: Annotated[
        bool, typer.Option("--by-time", help="Sort JSON Lines by their times; others always are")
    ] = False,
    actor: Annotated[
        str, typer.Option("--actor", help="Who brings it in, for the record")
    ] = "operator:import",
    refused: Annotated[
        Path | None, typer.Option("--refused", help="Write every refused line to this file, as JSON Lines")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Book a trade history: every line whole or not at all, and the same line once."""
    started = time.perf_counter()
    alerts: Counter[str] = Counter()
    refusals: list[tuple[Path, Refused]] = []
    opened_journal = open_journal(journal)
    try:
        with _opened(opened_journal, book, cost_method, position_mode, alerts) as opened:
            told = [_import(opened, file, broker, actor, by_time, refusals) for file in files]
            summary = _summary(opened, files, told, alerts, len(refusals))
    finally:
        opened_journal.close()
    summary |= {"journal": journal, "seconds": round(time.perf_counter() - started, 3)}
    if refused is not None:
        _write(refused, refusals)
    if as_json:
        print_json(summary | {"refusals": [_shown(file, one) for file, one in refusals]})
    else:
        _print(summary, refusals, refused)
    if refusals:
        raise typer.Exit(1)


def _opened(
    journal: Journal, book: str, cost_method: str | None, position_mode: str | None, alerts: Counter[str]
) -> Book:
    """The book, as it began, or with what was asked for if it begins now."""
    began = BookOpened(book)
    if journal.head(book) != EMPTY_HEAD:
        event = decode_record(next(journal.read(book))).event
        began = event if isinstance(event, BookOpened) else began
    method, mode = cost_method or began.cost_method, position_mode or began.position_mode

    def count(alert: Alert) -> None:
        alerts[alert.code] += 1

    return open_book(
        journal,
        book,
        cost_method=to_word(method, CostMethod, "cost_method"),
        position_mode=to_word(mode, PositionMode, "position_mode"),
        on_alert=count,
    )


def _import(
    book: Book,
    file: Path,
    broker: str,
    actor: str,
    by_time: bool,
    refusals: list[tuple[Path, Refused]],
) -> tuple[Imported, History]:
    known = [instrument.symbol for instrument in book.positions.instruments()]
    history = read_history(file, broker=broker, known=known)
    first = len(refusals)
    lines: Iterable[Line | NotUnderstood] = history
    if by_time or history.format_name != "JSON Lines":
        lines = _in_time_order(history, lambda one: refusals.append((file, not_booked(one))))
    with progress_bar(f"importing {file.name}", None) as bar:
        told = import_history(
            book,
            lines,
            actor=actor,
            progress=bar.to,
            on_refused=lambda one: refusals.append((file, one)),
        )
    refusals[first:] = sorted(refusals[first:], key=lambda each: each[1].number)
    return told, history


def _in_time_order(
    history: Iterable[Line | NotUnderstood], tell: Callable[[NotUnderstood], None]
) -> list[Line]:
    """The lines as they happened. What was not understood has no time, and is told at once."""
    understood: list[Line] = []
    for line in history:
        if isinstance(line, NotUnderstood):
            tell(line)
        else:
            understood.append(line)
    return in_time_order(understood)


def _summary(
    book: Book,
    files: list[Path],
    told: list[tuple[Imported, History]],
    alerts: Counter[str],
    refused: int,
) -> dict[str, Any]:
    booked: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for imported, history in told:
        booked += imported.booked
        skipped += history.skipped
    return {
        "book": book.name,
        "files": [
            {"file": str(file), "format": history.format_name, "lines": imported.lines}
            for file, (imported, history) in zip(files, told, strict=True)
        ],
        "lines": sum(imported.lines for imported, _ in told),
        "booked": dict(booked),
        "known": sum(imported.known for imported, _ in told),
        "parked": sum(imported.parked for imported, _ in told),
        "refused": refused,
        "skipped": dict(skipped),
        "alerts": {code: count for code, count in alerts.items() if code not in _QUIET},
        "sequence": book.head.sequence,
        "hash": book.head.hash,
    }


def _shown(file: Path, one: Refused) -> dict[str, Any]:
    return {"file": str(file)} | msgspec.structs.asdict(one)


def _write(path: Path, refusals: list[tuple[Path, Refused]]) -> None:
    try:
        with path.open("wb") as file:
            for source, one in refusals:
                file.write(msgspec.json.encode(_shown(source, one)) + b"\n")
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise InputFileError(what, "The history is booked; name another file and import again") from error


def _print(summary: dict[str, Any], refusals: list[tuple[Path, Refused]], path: Path | None) -> None:
    for file in summary["files"]:
        out.print(literal(f"{file['file']}: {file['format']}, {file['lines']:,} lines"))
    booked = ", ".join(f"{count:,} {kind}" for kind, count in sorted(summary["booked"].items())) or "nothing"
    out.print(f"booked {booked}, in {summary['seconds']} s; {summary['known']:,} were known already")
    for why, count in sorted(summary["skipped"].items()):
        out.print(literal(f"{count:,} rows were passed over: {why}"))
    for code, count in sorted(summary["alerts"].items()):
        out.print(f"{count:,} alerts {code}")
    if summary["parked"]:
        out.print(f"{summary['parked']:,} were kept as open breaks: execore audit show --type report_parked")
    for file, one in refusals[:_SHOWN_REFUSALS]:
        complain(one.code, f"{file.name} line {one.number}: {one.reason}. {one.next_step}".rstrip(". ") + ".")
    if len(refusals) > _SHOWN_REFUSALS:
        where = f"all are in {path}" if path is not None else "--refused FILE writes all of them"
        out.print(literal(f"and {len(refusals) - _SHOWN_REFUSALS:,} more lines were refused; {where}"))
    out.print(f"chain head {summary['sequence']} {summary['hash']}")
    next_step = f"next: execore positions --journal {summary['journal']} --book {summary['book']}"
    out.print(literal(next_step), style="dim", soft_wrap=True)
