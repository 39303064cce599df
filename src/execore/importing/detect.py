"""Reads a history, whosesoever it is: which format a file has is told by its columns."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Final

from execore.importing import alpaca, binance, ibkr_activity, ibkr_flex, kraken
from execore.importing.csv_rows import Row, column_names, read_rows
from execore.importing.formats import Format, Lines, Table
from execore.importing.json_lines import read_json_lines
from execore.importing.lines import Line, NotUnderstood
from execore.importing.maker import Maker
from execore.model.errors import InputFileError, InvalidInput

JSON_LINES: Final = "execore"
FORMATS: Final[tuple[Format, ...]] = (
    *binance.FORMATS,
    *kraken.FORMATS,
    *ibkr_activity.FORMATS,
    *ibkr_flex.FORMATS,
    *alpaca.FORMATS,
)
BROKERS: Final = (JSON_LINES, *dict.fromkeys(format_.broker for format_ in FORMATS))
_MOST_ROWS_BEFORE_A_HEADER: Final = 20
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class History(Iterator[Line | NotUnderstood]):
    """A history while it is being read: its lines as the file has them, which need not be as they happened.

    Attributes:
        format_name: what kind of export it is.
        skipped: how many rows were passed over knowingly, by why; grows while it is read.
    """

    def __init__(self, format_name: str, lines: Lines, skipped: Counter[str]) -> None:
        self.format_name, self.skipped = format_name, skipped
        self._lines = lines

    def __next__(self) -> Line | NotUnderstood:
        return next(self._lines)


def read_history(path: Path | str, *, broker: str = "", known: Iterable[str] = ()) -> History:
    """The lines of a history, one after the other, with bounded memory.

    Args:
        broker: one of ``BROKERS``; empty: told by the file.
        known: symbols that are defined already. The reader defines the others before it uses them.

    Raises:
        InputFileError: the file cannot be read, is of no known format, or does not hold a history.
        InvalidInput: ``broker`` is not known.
        InvalidConfiguration: its times are in New York, and this system has no time zone database.
    """
    path = Path(path)
    if broker and broker not in BROKERS:
        raise InvalidInput("broker", f"{broker!r:.40} is not known", f"Use one of: {', '.join(BROKERS)}")
    maker, start = Maker(known), _start_of(path)
    if start.startswith(b"[") and broker in ("", "alpaca"):
        lines = alpaca.read_activities_json(path, maker)
        return History("Alpaca account activities", lines, maker.skipped)
    if broker == JSON_LINES or (start.startswith(b"{") and not broker):
        return History("JSON Lines", _json_lines(path), maker.skipped)
    table, format_ = _detect(path, broker)
    assert format_.read is not None
    return History(format_.name, format_.read(table, maker), maker.skipped)


def _start_of(path: Path) -> bytes:
    """The file's first bytes, behind a byte order mark and blanks."""
    try:
        with path.open("rb") as file:
            start = file.read(1 << 12)
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise InputFileError(what, "Give a file that you may read") from error
    if start.startswith(_UTF_16):
        start = start[2:].replace(b"\0", b"")
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()


def _json_lines(path: Path) -> Lines:
    with path.open("rb") as file:
        if file.read(2) in _UTF_16:
            raise InputFileError(f"{path} is UTF-16", "Save it as UTF-8")
        file.seek(0)
        yield from read_json_lines(file)


def _detect(path: Path, broker: str) -> tuple[Table, Format]:
    """The table of the file, and what format it has.

    Raises:
        InputFileError: none, or one that is no history.
    """
    rows = read_rows(path)
    first = list(islice(rows, _MOST_ROWS_BEFORE_A_HEADER))
    candidates = [format_ for format_ in FORMATS if broker in ("", format_.broker)]
    for at, row in enumerate(first):
        names = frozenset(column_names(row.cells)) if isinstance(row, Row) else frozenset()
        for format_ in candidates:
            if isinstance(row, Row) and format_.fits(names):
                if format_.read is None:
                    raise InputFileError(
                        f"{path} is a {format_.name}, which holds no history", format_.instead
                    )
                return Table(path, row, chain(first[at + 1 :], rows)), format_
    raise InputFileError(f"{path} is of no known format: {_seen(first)}", _known(candidates, first))


def _seen(first: list[Row | NotUnderstood]) -> str:
    if not first:
        return "it is empty"
    cells = first[0].cells if isinstance(first[0], Row) else (first[0].text,)
    return f"its first row is {', '.join(cells)!r:.120}"


def _known(candidates: list[Format], first: list[Row | NotUnderstood]) -> str:
    """The formats that could have been meant, the nearest first."""
    cells = set(column_names(first[0].cells)) if first and isinstance(first[0], Row) else set()
    nearest = max(candidates, key=lambda format_: len(format_.columns & cells))
    missing = sorted(nearest.columns - cells)
    names = dict.fromkeys(format_.name for format_ in candidates if format_.read is not None)
    known = f"Known are: {', '.join(names)}, and execore's own JSON Lines"
    if nearest.columns & cells and missing:
        return f"For a {nearest.name} it lacks {', '.join(_hinted(name, cells) for name in missing)}. {known}"
    return known


def _hinted(name: str, cells: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(cells), 1)
    return f"{name} (there is {near[0]})" if near else name


def in_time_order(lines: Iterable[Line]) -> list[Line]:
    """Lines as they happened: definitions first, and what has one time as the file has it.

    A file that mostly goes back in time from one line to the next, as Binance's do, is read from its end. All
    lines are held in memory.
    """
    kept = list(lines)
    times = [line.content.time_ns for line in kept if line.content.time_ns is not None]
    steps = [after - before for before, after in pairwise(times)]
    if sum(step < 0 for step in steps) > sum(step > 0 for step in steps):
        kept.reverse()
    return sorted(kept, key=lambda line: (line.content.time_ns is not None, line.content.time_ns or 0))
