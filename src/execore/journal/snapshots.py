"""Snapshots as files beside a journal: whole or not seen, and lost without harm; the records are the truth.

Nothing here touches the journal itself, so any thread or process may save one while the owner writes.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Final

import msgspec

from execore.journal.files import make_directories, write_whole
from execore.journal.protocol import Head, Snapshot
from execore.model.errors import JournalError

KEPT: Final = 2
"""Of each book, so that there is one before the newest, should that be damaged."""

_SUFFIX: Final = ".snapshot"


class _Header(msgspec.Struct, frozen=True):
    """The second line of a file, below the checksum of all that follows; then comes the state."""

    book: str
    head: Head
    schema: int
    state_hash: str


_decode_header = msgspec.json.Decoder(_Header).decode


def snapshot_directory(journal_path: str) -> str:
    """Where the snapshots of the journal at ``journal_path`` lie."""
    return f"{os.path.realpath(journal_path)}.snapshots"


def save_snapshot(journal_path: str, book: str, snapshot: Snapshot) -> None:
    """Keep a snapshot of ``book`` beside the journal, durable and whole; of the others the one before stays.

    Raises:
        JournalError: it cannot be written. Those before it are as they were.
    """
    directory = snapshot_directory(journal_path)
    path = os.path.join(directory, f"{_prefix(book)}{snapshot.head.sequence:020}{_SUFFIX}")
    header = _Header(book, snapshot.head, snapshot.schema, snapshot.state_hash)
    content = msgspec.json.encode(header) + b"\n" + snapshot.state
    checksum = sha256(content).hexdigest().encode()
    try:
        make_directories(directory)
        write_whole(path, checksum + b"\n" + content, sync_name=True)
    except OSError as error:
        raise JournalError(
            f"the snapshot {path} cannot be written ({error.strerror or error})",
            "Free space or fix permissions; the journal is whole, and opening it takes longer until then",
        ) from error
    _remove_others(directory, book, os.path.basename(path))


def whole_snapshots(journal_path: str, book: str) -> Iterator[Snapshot]:
    """Yield the snapshots of ``book`` that are whole, newest first; damaged ones are passed over."""
    directory = snapshot_directory(journal_path)
    for name in _names(directory, book):
        snapshot = _read(os.path.join(directory, name), book)
        if snapshot is not None:
            yield snapshot


def _read(path: str, book: str) -> Snapshot | None:
    try:
        with open(path, "rb") as file:
            checksum, _, content = file.read().partition(b"\n")
        line, _, state = content.partition(b"\n")
        header = _decode_header(line)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    is_whole = sha256(content).hexdigest().encode() == checksum and header.book == book
    if not is_whole or sha256(state).hexdigest() != header.state_hash:
        return None
    return Snapshot(header.head, header.schema, header.state_hash, state)


def _remove_others(directory: str, book: str, saved: str) -> None:
    """Remove all but ``saved`` and those just before it, and what a crash left of one in the making.

    One of a later place is of a stream that is no more: the journal was restored from an older copy.
    """
    names = _names(directory, book)
    kept = names[names.index(saved) :][:KEPT] if saved in names else names
    with suppress(OSError):
        for name in os.listdir(directory):
            if name.startswith(_prefix(book)) and name not in kept:
                os.unlink(os.path.join(directory, name))


def _names(directory: str, book: str) -> list[str]:
    """The files of ``book``'s snapshots, newest first; their names are in the order of sequences."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    own = [name for name in names if name.startswith(_prefix(book)) and name.endswith(_SUFFIX)]
    return sorted(own, reverse=True)


def _prefix(book: str) -> str:
    # A book's name is any text, a file's is not.
    return f"{sha256(book.encode(errors='surrogatepass')).hexdigest()[:16]}-"
