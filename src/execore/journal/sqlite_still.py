"""Reading a journal where nothing can be written: from read-only media, or in somebody else's directory.

SQLite's readers and writers share a file beside a database in WAL mode. Where that is not there, nobody has
the journal open; where it cannot be made, either, a reader must say that it does without.
"""

import os
from pathlib import Path
from typing import Final

import apsw

from execore.model.errors import JournalError

_UNLOCKED: Final = "unix-none"
"""SQLite's VFS that takes no locks: to read a WAL whose index it then makes in memory."""

Stamp = tuple[tuple[int, int] | None, ...]


def is_still(path: str) -> bool:
    """Whether nobody has the journal open, and we could not make the file that its users share."""
    can_tell = os.access in os.supports_effective_ids
    writable = os.access(os.path.dirname(path), os.W_OK, effective_ids=can_tell)
    return not writable and not os.path.exists(f"{path}-shm")


def open_still(path: str) -> apsw.Connection:
    """Open the file as it lies there, with what is in its WAL. It may change under us: compare ``stamp``.

    Raises:
        JournalError: SQLite cannot do that here.
    """
    if not _size(f"{path}-wal"):
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return apsw.Connection(f"{Path(path).as_uri()}?immutable=1", flags=flags)
    if _UNLOCKED not in apsw.vfs_names():
        raise JournalError(
            f"{path} was not closed, and its directory cannot be written: SQLite cannot read its WAL there",
            f"Copy it with {path}-wal to a directory that can be written, and read it there",
        )
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY, vfs=_UNLOCKED)
    connection.pragma("locking_mode", "exclusive")
    return connection


def stamp(path: str) -> Stamp:
    """What changes when somebody opens or writes the journal after all."""
    return tuple(_stamp(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _size(path: str) -> int:
    found = _stamp(path)
    return 0 if found is None else found[0]
