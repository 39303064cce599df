"""Storage that counts its syncs and fails on request, below SQLite: ``SqliteJournal(vfs=name)``."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

import apsw

Fault = Callable[[str, str], BaseException | None]
"""Asked with ``"write"`` or ``"sync"`` and a file (``db``, ``wal``, ``other``); what it returns is raised."""


class FaultyVfs(apsw.VFS):
    """An SQLite VFS over the real one. Use it as a context: it is registered until the block ends.

    Attributes:
        name: what to open a journal with.
        syncs: how many syncs each file (``db``, ``wal``, ``other``) was asked for.
        fault: decides which operation fails; None lets all of them through.
    """

    def __init__(self, name: str = "faulty") -> None:
        self.name = name
        self.syncs: Counter[str] = Counter()
        self.fault: Fault | None = None
        super().__init__(name, "")

    def xOpen(  # noqa: N802  (SQLite's name)
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> "FaultyFile":
        return FaultyFile(self, name, flags)

    def check(self, operation: str, file: str) -> None:
        """Raise what the fault has for this operation, if anything."""
        error = self.fault(operation, file) if self.fault is not None else None
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fault = None
        self.unregister()


class FaultyFile(apsw.VFSFile):
    """A file of a ``FaultyVfs``."""

    def __init__(self, vfs: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        self._file = _kind(flags[0])
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.check("write", self._file)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.syncs[self._file] += 1
        self._vfs.check("sync", self._file)
        super().xSync(flags)


def _kind(flags: int) -> str:
    if flags & apsw.SQLITE_OPEN_WAL:
        return "wal"
    return "db" if flags & apsw.SQLITE_OPEN_MAIN_DB else "other"
