"""Rows of the tables that brokers export: any of their delimiters and encodings, columns found by name.

A row ends where its quotation marks are even, so that a stray one spoils its own line and not the rest.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from execore.importing.lines import NotUnderstood
from execore.importing.refused import Refused, not_understood
from execore.model.errors import InputFileError

LONGEST_LINE: Final = 1 << 16
MOST_LINES_OF_A_ROW: Final = 50
_DELIMITERS: Final = (",", ";", "\t", "|")
_UNREADABLE: Final = "\ufffd"


class Row(NamedTuple):
    """One row: ``number`` of its first line in the file, from 1; what it says; its cells.

    ``has_commas_free``: the delimiter is no comma, so that one in a number may be a decimal comma.
    """

    number: int
    text: str
    cells: Sequence[str]
    has_commas_free: bool = False


class Record:
    """A row by the names of its columns."""

    def __init__(self, row: Row, names: Sequence[str]) -> None:
        self.row = row
        self._cells = dict(
            zip(reversed(names[: len(row.cells)]), reversed(row.cells[: len(names)]), strict=True)
        )
        if any(cell.strip() for cell in row.cells[len(names) :]):
            raise Refused("too_many_cells", f"there are {len(row.cells)} cells below {len(names)} columns")

    def get(self, *names: str) -> str:
        """What the first of these columns holds that is there and not empty; nothing if there is none."""
        for name in names:
            if cell := self._cells.get(name, "").strip():
                return cell
        return ""

    def need(self, *names: str) -> str:
        """The same.

        Raises:
            Refused: they are all empty or missing.
        """
        if cell := self.get(*names):
            return cell
        raise Refused("missing_cell", f"{' or '.join(names)} is empty", "Export the history again")

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self._cells


def column_name(cell: str) -> str:
    """How a column is called: without its case, underscores, and blanks around it."""
    return " ".join(cell.replace("_", " ").lower().split())


def column_names(cells: Iterable[str]) -> list[str]:
    """All of a header's."""
    return [column_name(cell) for cell in cells]


def read_rows(path: Path) -> Iterator[Row | NotUnderstood]:
    """Every row of the file that is not blank.

    Raises:
        InputFileError: the file cannot be read.
    """
    try:
        with open_text(path) as file:
            yield from _rows(_lines(file))
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise InputFileError(what, "Give a file that you may read") from error


def open_text(path: Path) -> TextIO:
    """The file as text, by its byte order mark or the zero bytes of UTF-16; UTF-8 otherwise."""
    with path.open("rb") as file:
        start = file.read(4)
    encoding = "utf-8-sig"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif len(start) == 4 and 0 in (start[0], start[1]):
        encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
    return path.open(encoding=encoding, errors="replace", newline="")


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; what is too long for one comes as its beginning."""
    for number, line in enumerate(iter(partial(file.readline, LONGEST_LINE), ""), start=1):
        yield number, line
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                pass


def _rows(lines: Iterator[tuple[int, str]]) -> Iterator[Row | NotUnderstood]:
    delimiter = ""
    for number, text in _whole(lines):
        if not text.strip(" \r\n\t,;|"):
            continue
        delimiter = delimiter or max(_DELIMITERS, key=text.count)
        try:
            yield Row(number, text.rstrip("\r\n"), _cells(text, delimiter), delimiter != ",")
        except Refused as why:
            yield not_understood(number, text.rstrip("\r\n"), why)


def _whole(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines put together where a quoted cell has line breaks; a mark that is never closed joins nothing."""
    waiting: deque[tuple[int, str]] = deque()
    while first := waiting.popleft() if waiting else next(lines, None):
        number, text = first
        joined = [text]
        marks = text.count('"')
        while marks % 2 and len(joined) < MOST_LINES_OF_A_ROW:
            if len(waiting) < len(joined):
                following = next(lines, None)
                if following is None:
                    break
                waiting.append(following)
            joined.append(waiting[len(joined) - 1][1])
            marks += joined[-1].count('"')
        if marks % 2 == 0:
            for _ in joined[1:]:
                waiting.popleft()
            text = "".join(joined)
        yield number, text


def _cells(text: str, delimiter: str) -> list[str]:
    if len(text) >= LONGEST_LINE:
        raise Refused("line_too_long", f"the line has {len(text)} characters or more", "Check the file")
    if _UNREADABLE in text:
        raise Refused("not_text", "the line has bytes that are no text", "Save the file as UTF-8")
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise Refused("not_a_row", f"the line is no row of a table: {error}", "Export it again") from None
