"""What a format of exported history is: by which columns it is known, and who reads it."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from execore.importing.cells import time_in
from execore.importing.csv_rows import Record, Row, column_names
from execore.importing.lines import Line, NotUnderstood
from execore.importing.maker import Maker
from execore.model.errors import InputFileError

Lines = Iterator[Line | NotUnderstood]
Rows = Iterable[Row | NotUnderstood]
_TIME_COLUMN: Final = re.compile(r"utc time|(date|time)(\(utc[^)]*\))?")
_ZONE: Final = re.compile(r"\(UTC(?:(?P<sign>[+-]{1,2})(?P<hours>0?\d|1[0-4])(?::?(?P<minutes>\d\d))?)?\)")


class Table(NamedTuple):
    """A file that was opened: its path, the row that names the columns, the rows behind it."""

    path: Path
    header: Row
    rows: Rows


class Format(NamedTuple):
    """One kind of export.

    Attributes:
        name: what people call it.
        columns: those by which it is known, as ``csv_rows.column_name`` has them.
        read: makes lines of it. None: it is known, and no history; ``instead`` says what is.
        not_columns: any of these, and it is something else.
    """

    broker: str
    name: str
    columns: frozenset[str]
    read: Callable[[Table, Maker], Lines] | None = None
    instead: str = ""
    not_columns: frozenset[str] = frozenset()

    def fits(self, names: frozenset[str]) -> bool:
        """Whether a table with columns of these names is one."""
        return self.columns <= names and not self.not_columns & names


def columns(text: str) -> frozenset[str]:
    """Names of columns, written with commas between them."""
    return frozenset(text.split(","))


def clock_of(table: Table) -> Callable[[Record], int]:
    """What reads the time of a table's rows: in the zone that the column says, or else the file's name.

    Raises:
        InputFileError: there is no column of times, or neither says a zone.
    """
    names = [name for name in column_names(table.header.cells) if _TIME_COLUMN.fullmatch(name)]
    if not names:
        raise InputFileError(f"{table.path} has no column Date or Time", "Export the history again")
    name = max(names, key=lambda name: "utc" in name)
    zone = _zone(name.upper() if "utc" in name else table.path.name)
    if zone is None and name == "utc time":
        zone = UTC
    if zone is None:
        what = f"{table.path} does not say which zone its times are in"
        raise InputFileError(what, "Keep the name that the broker gave the file, with its (UTC+0)")
    return lambda record: time_in(record.need(name), zone, name)


def _zone(text: str) -> tzinfo | None:
    """The zone that ``(UTC+2)`` in a text says; Binance also writes ``(UTC--6)``."""
    found = _ZONE.search(text)
    if found is None:
        return None
    minutes = int(found["hours"] or 0) * 60 + int(found["minutes"] or 0)
    return timezone(timedelta(minutes=-minutes if (found["sign"] or "").endswith("-") else minutes))
