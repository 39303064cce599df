"""A history brought into a book: each line as the input that it stands for, a batch to a commit.

A line that cannot be is refused as a whole and reported, and the next is taken. The same history again books
nothing twice, as every line has an id. Fills that name no order are gathered: one order stands for those of
an instrument, a side, a strategy and a day.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from execore.core.settlement import date_of
from execore.importing import lines as told
from execore.importing.lines import Line, NotUnderstood
from execore.model import entries, reports, requests
from execore.model.answers import Outcome
from execore.model.errors import InvalidInput
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice
from execore.model.money import ZERO
from execore.model.requests import Input
from execore.model.vocabulary import PositionSide
from execore.runtime.book import Book

COMMIT_SIZE: Final = 2_000
"""Lines to a commit: a sync costs the same for one record as for thousands."""

_NET: Final = PositionSide.NET


class Refused(msgspec.Struct, frozen=True):
    """A line of which nothing was booked: its place in the file from 1, what it says, and why not."""

    number: int
    text: str
    code: str
    reason: str
    next_step: str


class Imported(msgspec.Struct):
    """What became of a history.

    Attributes:
        lines: how many were read. booked: by type, those that changed the books.
        known: how many were booked before. skipped: rows that say nothing of their own, by why.
        parked: how many were kept as open breaks.
    """

    lines: int = 0
    booked: Counter[str] = msgspec.field(default_factory=Counter)
    known: int = 0
    parked: int = 0
    refused: list[Refused] = []


def import_history(
    book: Book,
    history: Iterable[Line | NotUnderstood],
    *,
    actor: str = "operator:import",
    progress: Callable[[int], None] | None = None,
    on_refused: Callable[[Refused], None] | None = None,
) -> Imported:
    """Book every line of a history, in order and durably.

    Args:
        actor: who brings it in, for the record; an adjustment is by whom its line says.
        progress: called with the number of lines taken, after each commit.
        on_refused: called with each line that is refused; else they are kept in the result.

    Raises:
        NotRecorded, OutcomeUnknown: a commit failed; the book is closed, what was committed stays.
        InputFileError: the rest of the history cannot be read; what was read is booked.
    """
    imported = Imported()
    tell = on_refused or imported.refused.append
    for batch in _batches(history):
        imported.lines += len(batch)
        _take(book, batch, actor, imported, tell)
        if progress is not None:
            progress(imported.lines)
    return imported


def _batches(history: Iterable[Line | NotUnderstood]) -> Iterator[list[Line | NotUnderstood]]:
    batch: list[Line | NotUnderstood] = []
    for line in history:
        batch.append(line)
        if len(batch) >= COMMIT_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch


def _take(
    book: Book,
    batch: list[Line | NotUnderstood],
    actor: str,
    imported: Imported,
    tell: Callable[[Refused], None],
) -> None:
    taken: list[Line] = []
    causes: list[Input] = []
    for line in batch:
        if isinstance(line, NotUnderstood):
            tell(not_booked(line))
            continue
        try:
            causes.append(input_of(line, actor))
        except InvalidInput as error:
            tell(_refused(line, error))
        else:
            taken.append(line)
    gone: set[int] = set()

    def on_refusal(place: int, error: InvalidInput) -> None:
        gone.add(place)
        tell(_refused(taken[place], error))

    answers = iter(book.take_history(causes, on_refusal))
    for place, line in enumerate(taken):
        if place not in gone:
            _count(imported, line, next(answers).outcome)


def _count(imported: Imported, line: Line, outcome: Outcome) -> None:
    if outcome is Outcome.PARKED:
        imported.parked += 1
    elif outcome is Outcome.APPLIED:
        imported.booked[str(type(line.content).__struct_config__.tag)] += 1
    else:
        imported.known += 1


def not_booked(line: NotUnderstood) -> Refused:
    """A line that the reader did not understand, as one of which nothing was booked."""
    return Refused(line.number, line.text, line.code, line.reason, line.next_step)


def _refused(line: Line, error: InvalidInput) -> Refused:
    text = msgspec.json.encode(line.content).decode()
    return Refused(line.number, f"{text:.200}", error.code, error.what, error.next_step)


# --- a line as an input ----------------------------------------------------------------------------------


def input_of(line: Line, actor: str) -> Input:
    """The input that a line stands for.

    Raises:
        InvalidInput and its children: its fields do not go together.
    """
    return _MAKERS[type(line.content)](line.content, actor)


def _fill(line: told.FillLine, actor: str) -> Input:
    return reports.FillReport(
        ts_ns=line.time_ns,
        actor=actor,
        venue_order_id=line.order_id or _gathering_order(line),
        symbol=line.symbol,
        execution_id=line.id,
        quantity=line.quantity,
        price=line.price,
        side=line.side,
        fee=line.fee or ZERO,
        fee_currency=line.fee_currency or "",
        position_side=line.position_side,
        settlement_date=line.settlement_date or "",
        lots=_lots(line.lots),
        strategy=line.strategy or "",
    )


def _gathering_order(line: told.FillLine) -> str:
    """The order that stands for all executions of a day which name none."""
    parts = (date_of(line.time_ns), line.side, line.position_side or "", line.strategy or "")
    return "history:" + ":".join(parts).rstrip(":")


def _lots(chosen: tuple[told.Lot, ...] | None) -> tuple[LotChoice, ...]:
    return tuple(LotChoice(one.lot, one.quantity) for one in chosen or ())


def _instrument(line: told.InstrumentLine, actor: str) -> Input:
    given = {field: getattr(line, field) for field in Instrument.__struct_fields__ if hasattr(line, field)}
    given["expires_ts_ns"] = line.expires_ns
    known = {field: value for field, value in given.items() if value is not None}
    return requests.DefineInstrument(ts_ns=line.time_ns or 0, actor=actor, instrument=Instrument(**known))


def _fee(line: told.FeeLine, actor: str) -> Input:
    return reports.FeeReport(
        ts_ns=line.time_ns,
        actor=actor,
        execution_ref_id=line.execution,
        fee=line.fee,
        fee_currency=line.fee_currency,
    )


def _bust(line: told.BustLine, actor: str) -> Input:
    return reports.TradeCancelReport(ts_ns=line.time_ns, actor=actor, execution_ref_id=line.execution)


def _correction(line: told.CorrectionLine, actor: str) -> Input:
    return reports.TradeCorrectReport(
        ts_ns=line.time_ns,
        actor=actor,
        execution_ref_id=line.execution,
        execution_id=f"correction:{line.id}" if line.id else "",
        quantity=line.quantity,
        price=line.price,
        side=line.side,
        fee=line.fee,
        fee_currency=line.fee_currency or "",
    )


def _transfer(line: told.TransferLine, actor: str) -> Input:
    if line.currency is not None and line.amount is not None:
        return requests.TransferCash(
            ts_ns=line.time_ns,
            actor=actor,
            transfer_id=line.id,
            currency=line.currency,
            amount=line.amount,
            counterparty=line.counterparty or "",
        )
    return _entry(entries.PositionTransfer, line, actor, opened_ts_ns=line.opened_ns, lots=_lots(line.lots))


def _adjustment(line: told.AdjustmentLine, actor: str) -> Input:
    return _entry(entries.Adjustment, line, line.actor)


def _of_kind(kind: type[entries.Entry]) -> Callable[[Any, str], Input]:
    return lambda line, actor: _entry(kind, line, actor)


def _entry(kind: type[entries.Entry], line: Any, actor: str, **given: Any) -> Input:
    """The entry whose fields the line has by the same names; those it leaves out are at their default."""
    named = {field: getattr(line, field, None) for field in kind.__struct_fields__ if field not in given}
    known = {field: value for field, value in named.items() if value is not None}
    entry: Any = kind(entry_id=line.id, **known, **given)
    return requests.BookEntry(ts_ns=line.time_ns, actor=actor, entry=entry)


def _mark(line: told.MarkLine, actor: str) -> Input:
    return requests.SetMark(ts_ns=line.time_ns, actor=actor, symbol=line.symbol, price=line.price)


def _rate(line: told.RateLine, actor: str) -> Input:
    return requests.SetRate(ts_ns=line.time_ns, actor=actor, base=line.base, quote=line.quote, rate=line.rate)


_MAKERS: Final[dict[type, Callable[[Any, str], Input]]] = {
    told.FillLine: _fill,
    told.InstrumentLine: _instrument,
    told.FeeLine: _fee,
    told.BustLine: _bust,
    told.CorrectionLine: _correction,
    told.TransferLine: _transfer,
    told.CashFlowLine: _of_kind(entries.CashFlow),
    told.SplitLine: _of_kind(entries.Split),
    told.SymbolChangeLine: _of_kind(entries.SymbolChange),
    told.ClosingLine: _of_kind(entries.PositionClosing),
    told.ExerciseLine: _of_kind(entries.Exercise),
    told.AdjustmentLine: _adjustment,
    told.MarkLine: _mark,
    told.RateLine: _rate,
}
