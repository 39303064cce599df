"""`lots`: what is open, lot by lot, and what was closed."""

import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from execore.cli.output import BookOption, JournalOption, JsonOption, print_rows, reading
from execore.cli.read import AsOfOption, SymbolOption, books_at, is_sequence
from execore.core.closed_lots import closed_lots
from execore.core.position_ledger import PositionLedger
from execore.journal.codec import decode_record
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidInput
from execore.runtime.as_of import books_as_of
from execore.views.lots import closed_lot_to_dict, lot_to_dict
from execore.views.trail import parse_utc

_OPEN_COLUMNS: Final = ("symbol", "lot", "opened", "quantity", "unit_cost", "cost_basis", "holding_days")
_CLOSED_COLUMNS: Final = (
    *("symbol", "lot", "opened", "closed", "quantity", "cost_basis", "realised_pnl", "currency"),
    "holding_days",
)


def lots(
    journal: JournalOption = "sqlite:///execore-demo.db",
    book: BookOption = "main",
    symbol: SymbolOption = None,
    as_of: AsOfOption = None,
    closed: Annotated[bool, typer.Option("--closed", help="What was closed of each lot, instead")] = False,
    since: Annotated[str | None, typer.Option("--from", help="Closed from then on, as 2024-01-01")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Closed before then, as 2025-01-01 (UTC)")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the open lots of a book, or what was closed of them: when opened, at what cost, held how long."""
    if closed and as_of is not None:
        raise InvalidInput("as-of", "closed lots are told as they are known now", "Use --from and --to")
    if not closed and (since is not None or until is not None):
        raise InvalidInput("from" if since else "to", "it is for closed lots", "Add --closed, or use --as-of")
    with reading(journal, book) as opened:
        if not closed:
            print_rows(_open(opened, book, symbol, as_of), _OPEN_COLUMNS, f"lots of {book}", as_json=as_json)
            return
        begin_ns = 0 if since is None else parse_utc(since, "from")
        end_ns = None if until is None else parse_utc(until, "to")
        rows = _closed(opened, book, symbol, begin_ns, end_ns)
        print_rows(rows, _CLOSED_COLUMNS, f"closed lots of {book}", as_json=as_json)


def _open(
    journal: SqliteJournal, book: str, symbol: str | None, as_of: str | None
) -> Iterator[dict[str, Any]]:
    ledger = books_at(journal, book, as_of).books.positions
    now_ns = _moment_ns(journal, book, as_of)
    for instrument in ledger.instruments():
        if symbol not in (None, instrument.symbol):
            continue
        for side in dict.fromkeys(one.position_side for one in ledger.sections(instrument.symbol)):
            for lot in ledger.lots(instrument.symbol, side):
                yield lot_to_dict(instrument, side, lot, now_ns)


def _moment_ns(journal: SqliteJournal, book: str, as_of: str | None) -> int:
    """Up to when a lot that was open then had been held."""
    if as_of is None:
        return time.time_ns()
    if not is_sequence(as_of):
        return parse_utc(as_of, "as-of")
    stored = next(journal.read(book, int(as_of)), None)
    return time.time_ns() if stored is None else decode_record(stored).ts_event_ns


def _closed(
    journal: SqliteJournal, book: str, symbol: str | None, begin_ns: int, end_ns: int | None
) -> Iterator[dict[str, Any]]:
    ledger = books_as_of(journal, book).books.positions
    for symbols in _together(ledger, symbol):
        past = (item for _, item in journal.past(book, symbols))
        for one in closed_lots(ledger.holdings, symbols[0], past):
            is_meant = one.strategy is None and symbol in (None, one.instrument.symbol)
            if is_meant and begin_ns <= one.closed_ts_ns and (end_ns is None or one.closed_ts_ns < end_ns):
                yield closed_lot_to_dict(one)


def _together(ledger: PositionLedger, symbol: str | None) -> list[tuple[str, ...]]:
    """Instruments by those that hang together."""
    symbols = [one.symbol for one in ledger.instruments()]
    return list(dict.fromkeys(ledger.linked(one) for one in symbols if symbol in (None, one)))
