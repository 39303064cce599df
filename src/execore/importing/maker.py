"""What a reader makes lines with: ids that are the same every time, instruments before their first use."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

from execore.importing.csv_rows import Record, Row, column_names
from execore.importing.lines import AnyContent, InstrumentLine, Line, NotUnderstood
from execore.importing.refused import Refused, not_understood
from execore.model.errors import InvalidInput
from execore.model.money import text_of

Contents = Iterable[AnyContent]
Reader = Callable[[Record], Contents]
NOTHING: Final[tuple[AnyContent, ...]] = ()


class Maker:
    """The work of reading one file.

    Attributes:
        skipped: how many rows were passed over knowingly, by what they are: totals, what other rows say.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        """``known``: symbols that the book has already; of those no definition is made."""
        self.skipped: Counter[str] = Counter()
        self._known = set(known)
        self._times_seen: dict[int, int] = {}

    def skip(self, what: str) -> Contents:
        """Pass over a row of this kind: no lines."""
        self.skipped[what] += 1
        return NOTHING

    def knows(self, symbol: str) -> bool:
        """Whether the symbol is defined."""
        return symbol in self._known

    def define(self, instrument: InstrumentLine) -> Contents:
        """The definition, if there is none yet."""
        return NOTHING if self.knows(instrument.symbol) else (instrument,)

    def id_of(self, *values: object) -> str:
        """An id for what the broker gave none: a digest of what it says, and how often that came before."""
        text = "\x1f".join(text_of(value) if isinstance(value, Decimal) else str(value) for value in values)
        digest = hashlib.sha256(text.encode(errors="backslashreplace")).digest()
        key = int.from_bytes(digest[:8])
        before = self._times_seen.get(key, 0)
        self._times_seen[key] = before + 1
        return f"{digest[:12].hex()}-{before}"

    def lines_of(self, row: Row, contents: Callable[[], Contents]) -> Iterator[Line | NotUnderstood]:
        """What a row says as lines: all of it, or why not."""
        try:
            made = list(contents())
        except (Refused, InvalidInput) as why:
            yield not_understood(row.number, row.text, why)
            return
        for content in made:
            if isinstance(content, InstrumentLine):
                self._known.add(content.symbol)
            yield Line(row.number, content)

    def table(
        self, header: Row, rows: Iterable[Row | NotUnderstood], read: Reader
    ) -> Iterator[Line | NotUnderstood]:
        """The lines of a table that has one header."""
        names = column_names(header.cells)
        for row in rows:
            if isinstance(row, NotUnderstood):
                yield row
            else:
                yield from self.lines_of(row, lambda row=row: read(Record(row, names)))  # type: ignore[misc]
