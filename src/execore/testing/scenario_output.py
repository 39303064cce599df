"""How the commands that run scenarios and matrices speak: to any terminal, pipe, or full disk."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

CANNOT_SPEAK: Final = 2
"""The exit code where the output cannot be written."""


def run_command(command: Callable[[], int]) -> int:
    """Run a command that writes to standard output; return its exit code.

    What a terminal cannot show is escaped. A reader who has seen enough is no failure; a full disk is.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command()
        sys.stdout.flush()  # at exit it would be too late to say what cannot be written
    except BrokenPipeError:
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        sys.stderr.write(f"system_error: {error}. Check the path, its permissions and the free space\n")
        return CANNOT_SPEAK
    return code


def shown(text: str) -> str:
    """Text of a file as a terminal shows it and does not obey it: control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _discard_output() -> None:
    """Send what is still buffered nowhere: Python would try once more at exit, and complain."""
    with suppress(OSError):  # in tests, standard output is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
