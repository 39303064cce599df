"""Lines that are not understood: how a reader says so, and how it is reported."""

from typing import Final

from execore.importing.lines import NotUnderstood
from execore.model.text import printable

_LONGEST_SHOWN: Final = 200


class Refused(Exception):
    """A line that is not understood. It never leaves the package: the line ends as NotUnderstood."""

    def __init__(self, code: str, what: str, next_step: str = "") -> None:
        self.code, self.what, self.next_step = code, what, next_step
        super().__init__(code, what, next_step)


def not_understood(number: int, text: str, why: Exception) -> NotUnderstood:
    """The report of a line that ``why`` speaks against: a Refused, or an error of the model's."""
    code, reason = getattr(why, "code", "unreadable"), getattr(why, "what", str(why))
    return NotUnderstood(
        number, shortened(text), code, shortened(reason), getattr(why, "next_step", "") or "Correct the line"
    )


def shortened(text: str) -> str:
    """``text`` as it can be shown: of printable length, in characters that can be written."""
    return printable(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text)})")
