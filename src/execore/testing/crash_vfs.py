"""Storage that dies like a machine without power, below SQLite: ``SqliteJournal(vfs=name)``.

What was written and not synced is in doubt at a crash: any part of it may be there, torn at sectors. The
files are real ones in a directory of the caller's, but nothing is really synced, so lives are short and many.
"""

import os
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self
from unittest.mock import patch

import apsw
import msgspec

from execore.journal import files
from execore.testing.faulty_vfs import FaultyFile, FaultyVfs

SECTOR = 512
"""What a disk writes whole or not at all."""


class Crash(BaseException):
    """The machine is dead: every operation from now on fails with this."""


class _Change(msgspec.Struct, frozen=True):
    """A write or (``data`` is None) a truncation that was not synced, and how to take it back.

    ``was`` is what the file held from ``offset`` on, as far as the change reaches; ``size`` its length.
    """

    offset: int
    data: bytes | None
    was: bytes
    size: int


class _Doubt(msgspec.Struct):
    """What a crash may undo in one file. ``is_new``: its name is not durable either."""

    is_new: bool
    changes: list[_Change]


class CrashVfs(FaultyVfs):
    """An SQLite VFS that keeps apart what is durable. Use it as a context, one at a time in a process.

    The anchor, snapshots and renames die with it too, while the context lasts.

    A life ends by an error of the caller's choice or by ``crash_at``. Then close the journal and call
    ``crash``: it leaves in the directory what a restart would find.

    Attributes:
        operations: how many that change storage were begun (writes, syncs, truncations, deletions, renames).
        crash_at: the operation during which the machine dies; None for never.
        ignores_syncs: a mutation: nothing is ever durable but by luck.
        is_dead: the machine died, and ``crash`` was not called yet.
    """

    def __init__(self, name: str = "crashing") -> None:
        super().__init__(name)
        self.operations = 0
        self.crash_at: int | None = None
        self.ignores_syncs = False
        self.is_dead = False
        self._doubts: dict[str, _Doubt] = {}
        self._deleted: dict[str, bytes] = {}
        self._renamed: list[tuple[str, str, bytes | None]] = []
        self._patches = ExitStack()

    def xOpen(  # noqa: N802  (SQLite's name)
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> "CrashFile":
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        if not os.path.exists(path):
            self._doubts[path] = _Doubt(True, [])
            self._deleted.pop(path, None)
        return CrashFile(self, path, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        with suppress(FileNotFoundError):
            was = Path(filename).read_bytes()
            self.begin("delete", filename)
            doubt = self._doubts.pop(filename, None)
            if not syncdir and (doubt is None or not doubt.is_new):
                self._deleted[filename] = was
        super().xDelete(filename, False)

    def begin(self, operation: str, path: str) -> None:
        """Count an operation that is about to change storage.

        Raises:
            Crash: the machine is dead, or dies of this one.
        """
        if self.is_dead:
            raise Crash(f"{operation} of {path} after the end")
        self.operations += 1
        if self.operations == self.crash_at:
            self.is_dead = True
            raise Crash(f"during operation {self.operations}: {operation} of {os.path.basename(path)}")

    def note(self, path: str, change: _Change) -> None:
        """A change was made and is not durable."""
        self._doubts.setdefault(path, _Doubt(False, [])).changes.append(change)

    def synced(self, path: str) -> None:
        """All changes of a file are durable, and so is its name."""
        if not self.ignores_syncs:
            self._doubts.pop(path, None)

    def crash(self, dice: Random) -> None:
        """Leave what a restart would find: what is durable, and by chance parts of what is in doubt.

        No file may be open any more. The machine lives again, and ``crash_at`` is unset.
        """
        for path, doubt in self._doubts.items():
            _settle(path, doubt, dice)
        for path, content in self._deleted.items():
            if dice.random() < 0.5 and not os.path.exists(path):
                Path(path).write_bytes(content)
        undone = dice.randint(0, len(self._renamed))
        for source, target, was in reversed(self._renamed[len(self._renamed) - undone :]):
            _rename_back(source, target, was)
        self.settle()
        self.is_dead, self.crash_at = False, None

    def settle(self) -> None:
        """All that was written until now is durable."""
        self._doubts, self._deleted, self._renamed = {}, {}, []

    def __enter__(self) -> Self:
        for function in ("rename", "sync"):
            self._patches.enter_context(patch.object(files, function, getattr(self, f"_{function}")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()
        super().__exit__(kind, error, trace)

    def _rename(self, source: str, target: str) -> None:
        self.begin("rename", target)
        was = Path(target).read_bytes() if os.path.exists(target) else None
        self._renamed.append((source, target, was))
        _replace(source, target)

    def _sync(self, descriptor: int, path: str) -> None:
        self.begin("sync", path)
        if not self.ignores_syncs:  # of a file: it is whole under any name, or has none yet
            self._renamed = [one for one in self._renamed if os.path.dirname(one[1]) != path]
            self._deleted = {
                one: content for one, content in self._deleted.items() if os.path.dirname(one) != path
            }


class CrashFile(FaultyFile):
    """A file of a ``CrashVfs``."""

    def __init__(
        self, vfs: CrashVfs, path: str, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._storage = vfs
        self._path = path
        super().__init__(vfs, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        size = self.xFileSize()
        was = super().xRead(min(len(data), max(size - offset, 0)), offset) if offset < size else b""
        try:
            self._storage.begin("write", self._path)
        finally:  # a write that the machine dies of may have got through in part
            if self._storage.operations == self._storage.crash_at or not self._storage.is_dead:
                super().xWrite(data, offset)
                self._storage.note(self._path, _Change(offset, bytes(data), was, size))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        size = self.xFileSize()
        was = super().xRead(max(size - newsize, 0), newsize) if newsize < size else b""
        self._storage.begin("truncate", self._path)
        super().xTruncate(newsize)
        self._storage.note(self._path, _Change(newsize, None, was, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._storage.begin("sync", self._path)
        self._storage.syncs[self.kind] += 1
        self._storage.check("sync", self.kind)
        self._storage.synced(self._path)


def _settle(path: str, doubt: _Doubt, dice: Random) -> None:
    """Decide what of a file's changes is there after the crash."""
    if not os.path.exists(path):
        return
    if doubt.is_new and dice.random() < 0.5:
        os.unlink(path)
        return
    content = bytearray(Path(path).read_bytes())
    for change in reversed(doubt.changes):
        _undo(content, change)
    for change in _survivors(doubt.changes, dice):
        _redo(content, change)
    os.unlink(path)
    Path(path).write_bytes(content)


def _survivors(changes: list[_Change], dice: Random) -> list[_Change]:
    """What got through: nothing, all, all up to one that was torn, or any sectors in any order."""
    kind = dice.choice(("nothing", "all", "torn", "torn", "sectors", "sectors"))
    if kind in ("nothing", "all"):
        return changes if kind == "all" else []
    whole = dice.randint(0, len(changes)) if kind == "torn" else 0
    chance = dice.random()
    pieces = [piece for change in changes[whole:] for piece in _sectors(change)]
    if kind == "torn":
        torn = _sectors(changes[whole]) if whole < len(changes) else []
        return changes[:whole] + torn[: dice.randint(0, len(torn))]
    return [piece for piece in pieces if dice.random() < chance]


def _sectors(change: _Change) -> list[_Change]:
    """The parts of a write that a disk writes one by one; a truncation is one part."""
    if change.data is None:
        return [change]
    start, end = change.offset, change.offset + len(change.data)
    edges = [start, *range(start - start % SECTOR + SECTOR, end, SECTOR), end]
    return [
        _Change(left, change.data[left - start : right - start], b"", 0) for left, right in pairwise(edges)
    ]


def _undo(content: bytearray, change: _Change) -> None:
    if change.data is None:
        content[change.offset :] = change.was
    else:
        content[change.offset : change.offset + len(change.was)] = change.was
        del content[change.size :]


def _redo(content: bytearray, change: _Change) -> None:
    if change.data is None:
        del content[change.offset :]
        return
    content.extend(bytes(max(change.offset - len(content), 0)))
    content[change.offset : change.offset + len(change.data)] = change.data


def _replace(source: str, target: str) -> None:
    """As ``os.replace``, but in two steps: a real disk is made to write when one file replaces another."""
    with suppress(FileNotFoundError):
        os.unlink(target)
    os.rename(source, target)


def _rename_back(source: str, target: str, was: bytes | None) -> None:
    with suppress(FileNotFoundError):  # it was removed since
        _replace(target, source)
    if was is not None:
        Path(target).write_bytes(was)
