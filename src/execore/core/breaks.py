"""What makes a report that was parked the same one when it is told again, as a venue's history tells it."""

from hashlib import sha256

import msgspec
from msgspec.structs import replace

from execore.model.reports import FillReport, VenueReport

_encode = msgspec.json.Encoder(decimal_format="string").encode


def mark_of(report: VenueReport) -> str:
    """Return a short hex text that stands for a report's content and time, however it came to us.

    Empty for an execution that nothing can tell from another: no two of these are the same.
    """
    if isinstance(report, FillReport) and not report.execution_id and report.cumulative_quantity is None:
        return ""
    return sha256(_encode(replace(report, actor="venue", input_id=""))).hexdigest()[:32]
