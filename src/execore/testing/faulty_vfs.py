"""Storage that counts its syncs and fails on request, below SQLite: ``SqliteJournal(vfs=name)``."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

import apsw

Fault = Callable[[str, str], BaseException | None]
"""Asked with an operation (``read``, ``write``, ``sync``, ``truncate``, ``delete``) and a file (``db``,
``wal``, ``other``) before it is done; what it returns is raised."""


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

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.check("delete", "wal" if filename.endswith("-wal") else "other")
        super().xDelete(filename, syncdir)

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
    """A file of a ``FaultyVfs``. ``kind`` is ``db``, ``wal`` or ``other``."""

    def __init__(self, vfs: FaultyVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._vfs = vfs
        self.kind = _kind(flags[0])
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._vfs.check("read", self.kind)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.check("write", self.kind)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._vfs.check("truncate", self.kind)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.syncs[self.kind] += 1
        self._vfs.check("sync", self.kind)
        super().xSync(flags)


def _kind(flags: int) -> str:
    if flags & apsw.SQLITE_OPEN_WAL:
        return "wal"
    return "db" if flags & apsw.SQLITE_OPEN_MAIN_DB else "other"
