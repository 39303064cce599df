"""What makes a report that was parked the same one when it is told again, as a venue's history tells it."""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from execore.model.reports import EntryReport, FillReport, VenueReport

MARKS_KEPT: Final = 10_000
"""How many marks a book remembers: what was parked long before is parked again if it is told again."""

_encode = msgspec.json.Encoder(decimal_format="string").encode


def mark_of(report: VenueReport) -> str:
    """Return a short hex text that stands for a report's content and time, however it came to us.

    Empty for an execution that nothing can tell from another: no two of these are the same.
    """
    if isinstance(report, FillReport) and not report.execution_id and report.cumulative_quantity is None:
        return ""
    if isinstance(report, EntryReport):  # its own id is enough
        report = replace(report, ts_ns=0)
    return sha256(_encode(replace(report, actor="venue", input_id=""))).hexdigest()[:32]


def keep_mark(marks: dict[str, None], mark: str) -> None:
    """Add a mark to ``marks``, the oldest of which goes where there are too many."""
    if mark:
        marks[mark] = None
    if len(marks) > MARKS_KEPT:
        del marks[next(iter(marks))]
