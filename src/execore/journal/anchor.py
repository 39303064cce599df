"""The anchor: how far each book had come, and the hash it had there, kept outside the journal.

A chain proves its own order and content, but not that its tail is still there, nor that all of it was not
written anew. A copy of the head, kept elsewhere, does. It may lag behind the journal and never leads it.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from execore.journal.files import write_whole
from execore.journal.protocol import Head
from execore.model.errors import NotAJournal

INTERVAL_SECONDS: Final = 0.1
"""The least time between two writes, so that small commits do not each pay for an anchor."""

_decode = msgspec.json.Decoder(dict[str, Head]).decode


def anchor_path(journal_path: str) -> str:
    """Where the anchor of the journal at ``journal_path`` lies."""
    return f"{os.path.realpath(journal_path)}.anchor"


def read_anchor(path: str) -> dict[str, Head]:
    """Return the anchored head of each book; empty where there is no anchor file.

    Raises:
        NotAJournal: the file is there and is not an anchor.
    """
    try:
        with open(path, "rb") as file:
            return _decode(file.read())
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotAJournal(
            f"the anchor {path} cannot be read ({error})",
            "Restore it; or move it away, and a cut tail can no longer be noticed",
        ) from error


class AnchorFile:
    """Keeps an anchor file up with the journal it lies beside.

    Args:
        path: of the anchor file.
        monotonic: seconds that only go forward; spaces the writes.
    """

    def __init__(self, path: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.heads = read_anchor(path)
        self._monotonic = monotonic
        self._next_write = float("-inf")
        self._is_behind = False

    def advance(self, heads: Mapping[str, Head]) -> None:
        """Note the durable heads of books; write the file unless that was done a moment ago."""
        self.heads.update(heads)
        self._is_behind = True
        now = self._monotonic()
        if now >= self._next_write:
            self._next_write = now + INTERVAL_SECONDS
            self.write()

    def write(self) -> None:
        """Write what was noted. A failure leaves the old file: the anchor lags, the journal is unharmed."""
        if not self._is_behind:
            return
        try:
            write_whole(self.path, msgspec.json.encode(self.heads), sync_name=False)
        except OSError:
            return
        self._is_behind = False
