"""`replay`: a real venue's order flow, from a Databento file, into a durable book."""

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

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
    styled,
)
from execore.journal.protocol import EMPTY_HEAD, Journal
from execore.journal.sqlite import SqliteJournal
from execore.model.effects import Alert
from execore.model.errors import InvalidConfiguration
from execore.model.instruments import Instrument
from execore.model.money import text_of
from execore.model.vocabulary import InstrumentKind
from execore.runtime.addresses import open_journal
from execore.runtime.book import Book, open_book
from execore.runtime.drop_copy import mirror
from execore.runtime.recovery import rebuild
from execore.venues.databento_mbo import MboFile, read_mbo
from execore.views.queries import orders_by_state


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Databento MBO file: .dbn or .dbn.zst")],
    journal: JournalOption = "sqlite:///execore-replay.db",
    book: BookOption = "main",
    currency: Annotated[str, typer.Option("--currency", help="Currency of the prices")] = "USD",
    multiplier: Annotated[str, typer.Option("--multiplier", help="Worth of one price unit")] = "1",
    as_json: JsonOption = False,
) -> None:
    """Book a market-by-order file as the drop copy of one account, and check what is open at the end."""
    started = time.perf_counter()
    mbo = read_mbo(file)
    alerts: Counter[str] = Counter()

    def count(alert: Alert) -> None:
        alerts[alert.code] += 1

    opened_journal = open_journal(journal)
    try:
        if opened_journal.head(book) != EMPTY_HEAD:
            raise InvalidConfiguration(
                "book", f"{book!r} has records in {journal} already", "Name a new journal, or a new --book"
            )
        instruments = _instruments(mbo, currency, multiplier)
        with open_book(opened_journal, book, instruments=instruments, on_alert=count) as opened:
            with progress_bar(f"replaying {file.name}", mbo.records) as bar:
                outcomes = mirror(opened, mbo.reports(), bar.to)
            seconds = time.perf_counter() - started
            states = _states(opened_journal, opened)
            summary = _summary(opened, mbo, outcomes, alerts, seconds, states)
            summary |= {"journal": journal, "book": book}
    finally:
        opened_journal.close()
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)
    if summary["differences"]:
        complain("replay_differs", f"{summary['differences']} orders differ from plain size arithmetic")
        raise typer.Exit(1)


def _instruments(mbo: MboFile, currency: str, multiplier: str) -> list[Instrument]:
    """The file names instruments and says nothing else of them; prices come in units of 1e-9."""
    return [
        Instrument(
            symbol=symbol,
            currency=currency,
            kind=InstrumentKind.LINEAR,
            multiplier=multiplier,  # type: ignore[arg-type]  # checked and converted by Instrument
            tick_size=Decimal("1E-9"),
        )
        for symbol in mbo.symbols
    ]


def _states(journal: Journal, book: Book) -> dict[str, int]:
    """How many orders are in each state, those that left memory included."""
    if isinstance(journal, SqliteJournal):
        return orders_by_state(journal, book.name)
    state, _ = rebuild(journal, book.name)  # of a journal in memory, which lets nothing go
    return dict(Counter(order.state.value for order in state.orders))


def _summary(
    book: Book,
    mbo: MboFile,
    outcomes: Counter[str],
    alerts: Counter[str],
    seconds: float,
    states: dict[str, int],
) -> dict[str, Any]:
    resting = mbo.resting()
    leaves = {(order.symbol, order.venue_order_id): order.leaves for order in book.orders if order.leaves}
    differences = sum(leaves.get(key, 0) != resting.get(key, 0) for key in leaves.keys() | resting.keys())
    return {
        "file": str(mbo.path),
        "records": mbo.records,
        "records_per_second": round(mbo.records / seconds),
        "seconds": round(seconds, 3),
        "outcomes": dict(outcomes),
        "duplicate_executions": mbo.duplicates,
        "records_without_order": mbo.untouched,
        "alerts": dict(alerts),
        "orders": sum(states.values()),
        "orders_by_state": states,
        "open_orders": len(leaves),
        "open_quantity": text_of(sum(leaves.values(), Decimal(0))),
        "differences": differences,
        "sequence": book.head.sequence,
        "hash": book.head.hash,
    }


def _print_summary(summary: dict[str, Any]) -> None:
    rate, seconds = summary["records_per_second"], summary["seconds"]
    out.print(f"{summary['records']:,} records in {seconds} s, durable: {rate:,} a second")
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(summary["orders_by_state"].items()))
    out.print(f"{summary['orders']:,} orders: {states}")
    told = summary["duplicate_executions"]
    out.print(f"{told:,} executions were told twice and booked once")
    for code, count in sorted(summary["alerts"].items()):
        out.print(f"{count:,} alerts {code}")
    out.print(
        styled(
            f"{summary['open_orders']:,} orders are open with {summary['open_quantity']} to trade: this ",
            "equals" if not summary["differences"] else ("DIFFERS FROM", "bold red"),
            " plain size arithmetic over the file, order by order",
        )
    )
    out.print(f"chain head {summary['sequence']} {summary['hash']}")
    next_step = f"next: execore orders --journal {summary['journal']} --book {summary['book']}"
    out.print(literal(next_step), style="dim", soft_wrap=True)
