"""When an order's time in force is over, and what was done about that."""

from typing import Final

import msgspec

SECOND_NS: Final = 1_000_000_000
"""A second in nanoseconds, the unit of every time here."""


class Ending(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The end of an order that has one which is known.

    Attributes:
        ends_ts_ns: when its time in force is over, integer nanoseconds UTC.
        overdue: it was over by our clock, without the venue's word of its end; that was alerted.
        by_clock: we once took the venue's declared silence for its end.
        cancels: how often we asked for a cancel because its time was up.
        asked_ts_ns: when a cancel was last asked for, for whatever reason, by our clock; 0 if none was.
    """

    ends_ts_ns: int
    overdue: bool = False
    by_clock: bool = False
    cancels: int = 0
    asked_ts_ns: int = 0
