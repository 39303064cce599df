"""`audit show`, `verify`, `rebuild` and `export`: the journal as an audit trail, and proof that it holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from execore.cli.output import (
    BookOption,
    JournalOption,
    JsonOption,
    errors,
    literal,
    out,
    print_json,
    print_rows,
    progress_bar,
    reading,
    styled,
)
from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog, Verification
from execore.journal.rows import EVENT_TYPES
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InputFileError, UnknownEnumValue
from execore.runtime.addresses import journal_path
from execore.runtime.table_check import TableCheck, check_tables, rebuild_tables
from execore.views.trail import parse_utc, record_to_dict

app = typer.Typer(no_args_is_help=True, help="Read, verify and export the audit trail.")


@app.command()
def show(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    order: Annotated[str | None, typer.Option("--order", help="Only this client order id")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only this type, as fill_booked")] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this actor caused")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From this time on (UTC)")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time (UTC)")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was recorded: who did what, when."""
    if event_type is not None and event_type not in EVENT_TYPES.values():
        known = ", ".join(EVENT_TYPES.values())
        raise UnknownEnumValue("type", f"{event_type!r} is not known", f"Use one of: {known}")
    with reading(journal, book) as opened:
        records = AuditLog(opened, book).records(
            order,
            event_type,
            actor,
            None if since is None else parse_utc(since, "since"),
            None if until is None else parse_utc(until, "until"),
        )
        columns = ("sequence", "time", "actor", "type", "detail")
        print_rows(map(record_to_dict, records), columns, f"audit trail of {book}", as_json=as_json)


@app.command()
def verify(
    journal: JournalOption = "sqlite:///execore-demo.db",
    anchor: Annotated[
        Path | None,
        typer.Option("--anchor", help="Anchor file kept elsewhere; else the one beside the journal"),
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables/--no-tables", help="Compare the tables with all records, folded")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Check the chain of every book, against its anchor if it has one, and its tables; 1 if one is wrong."""
    if anchor is not None and not anchor.exists():
        raise InputFileError(f"there is no anchor at {anchor}", "Check the path, or leave --anchor out")
    anchors = read_anchor(str(anchor) if anchor else anchor_path(str(journal_path(journal))))
    with reading(journal) as opened:
        sound = not tables or _is_whole(opened, as_json=as_json)
        for book in sorted({*opened.books(), *anchors}):
            last = opened.head(book).sequence
            with progress_bar(f"verifying {book}", last) as bar:
                found = AuditLog(opened, book).verify(anchors.get(book), bar.to)
            compared = None
            if tables and found.ok:
                with progress_bar(f"folding {book}", last) as bar:
                    compared = check_tables(opened, book, bar.to)
            sound = sound and found.ok and (compared is None or compared.ok)
            (_print_verdict if as_json else _show_verdict)(book, found, compared)
    if not sound:
        raise typer.Exit(1)


def _is_whole(journal: SqliteJournal, *, as_json: bool) -> bool:
    """Whether SQLite finds its file sound; tells if not."""
    damage = journal.damage()
    if damage and as_json:
        print_json({"file": journal.path, "ok": False, "damage": damage})
    elif damage:
        out.print(styled("the file is ", ("DAMAGED", "bold red"), f": {journal.path}"))
        for line in damage:
            out.print(literal(f"  {line}"))
        out.print("  If the chain holds: `execore audit rebuild`. If that fails: restore a copy")
    return not damage


def _print_verdict(book: str, found: Verification, compared: TableCheck | None) -> None:
    print_json(
        {
            "book": book,
            "ok": found.ok and (compared is None or compared.ok),
            "records": found.records,
            "sequence": found.head.sequence,
            "hash": found.head.hash,
            "problem": found.problem or None,
            "first_bad_sequence": found.first_bad_sequence or None,
            "message": found.message or None,
            "anchored": found.anchored,
            "tables": None if compared is None else compared.state,
            "tables_message": None if compared is None else compared.message,
            "differences": [] if compared is None else compared.differences,
        }
    )


def _show_verdict(book: str, found: Verification, compared: TableCheck | None) -> None:
    if found.ok:
        out.print(styled(f"book {book}: ", ("the chain holds", "green"), f"; {found.message}"))
    else:
        broken, before = ("the chain is BROKEN", "bold red"), f"; {found.records:,} records hold before it"
        out.print(styled(f"book {book}: ", broken, before))
        out.print(literal(f"  {found.problem} at record {found.first_bad_sequence}: {found.message}"))
    out.print(f"  head {found.head.sequence} {found.head.hash}")
    if compared is not None:
        for one in compared.differences:
            out.print(literal(f"  {one.table} {one.key}: {one.holds}; the records say: {one.records_say}"))
        out.print(styled("  ", (literal(compared.message), "" if compared.ok else "bold red")))


@app.command()
def rebuild(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    as_json: JsonOption = False,
) -> None:
    """Build a book's tables and all indexes anew from its records, and remove its snapshots."""
    with reading(journal, book):
        pass  # to own a journal makes a file that is not there
    with SqliteJournal(journal_path(journal)) as opened:
        head = opened.head(book)
        with progress_bar(f"rebuilding {book}", head.sequence, quiet=as_json) as bar:
            rebuild_tables(opened, book, bar.to)
    if as_json:
        print_json({"book": book, "sequence": head.sequence, "hash": head.hash})
    else:
        out.print(literal(f"book {book}: the tables are what {head.sequence:,} records make"))


@app.command()
def export(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; standard output if none")
    ] = None,
) -> None:
    """Write a book's records as JSON Lines that `tools/verify_chain.py` checks without execore."""
    with reading(journal, book) as opened:
        log = AuditLog(opened, book)
        if output is None:
            log.export(sys.stdout.buffer)
            return
        with output.open("wb") as file:
            count = log.export(file)
    errors.print(literal(f"{count:,} records written to {output}"), soft_wrap=True)
