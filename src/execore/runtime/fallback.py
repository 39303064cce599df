"""The file that holds what was sent while the journal could hold nothing, until the journal has it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from execore.journal import files
from execore.model.errors import NotAJournal
from execore.model.requests import CancelOrder

_encoder: Final = msgspec.json.Encoder()


class EmergencyCancel(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel that was sent while storage had failed.

    Attributes:
        ts_ns: when, integer nanoseconds UTC.
        actor, reason: who wanted it, and why.
        written: whether the fall-back file has it.
        error: what the venue's client raised; empty when it was handed over.
    """

    book: str
    client_order_id: str
    request_id: str
    ts_ns: int
    actor: str
    reason: str
    written: bool = True
    error: str = ""

    def to_request(self) -> CancelOrder:
        """The request as the journal gets it when the book is open again."""
        return CancelOrder(
            ts_ns=self.ts_ns,
            actor=self.actor,
            input_id=f"emergency: {self.reason}",
            client_order_id=self.client_order_id,
            request_id=self.request_id,
        )


_decoder: Final = msgspec.json.Decoder(EmergencyCancel)


class FallbackFile:
    """Where emergency cancels are kept until the journal has them. One JSON object a line."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def append(self, cancels: Sequence[EmergencyCancel]) -> bool:
        """Add cancels, durably; whether that worked. No storage makes it raise: they go out either way."""
        try:
            is_new = not self.path.exists()
            with self.path.open("a+b") as file:
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)  # a line that was cut off would spoil the next
                file.write(b"".join(_encoder.encode(cancel) + b"\n" for cancel in cancels))
                file.flush()
                files.sync(file.fileno(), str(self.path))
            if is_new:
                files.sync_directory(str(self.path.parent))
        except OSError:
            return False
        return True

    def read(self, book: str) -> list[EmergencyCancel]:
        """The cancels of a book. A last line that was cut off is left out: ``append`` said so.

        Raises:
            NotAJournal: the file cannot be read, or a whole line of it is no cancel.
        """
        return [cancel for cancel in self._all() if cancel.book == book]

    def forget(self, book: str) -> None:
        """Take out the cancels of a book, as its journal has them.

        Raises:
            NotAJournal: as ``read``. OSError: the file cannot be written.
        """
        if not self.path.exists():
            return
        left = [cancel for cancel in self._all() if cancel.book != book]
        if not left:
            self.path.unlink()
            return
        building = self.path.with_name(f"{self.path.name}.new")
        building.unlink(missing_ok=True)
        if FallbackFile(building).append(left):
            building.replace(self.path)

    def _all(self) -> list[EmergencyCancel]:
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
            return [_decoder.decode(line) for line in lines if line]
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            raise NotAJournal(
                f"the fall-back file {self.path} cannot be read ({error})",
                "It names cancels that were sent while storage had failed: read it, then move it away",
            ) from error
