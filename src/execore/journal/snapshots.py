"""Snapshots as files beside a journal: whole or not seen, and lost without harm; the records are the truth.

Nothing here touches the journal itself, so any thread or process may save one while the owner writes.
"""

import os
from collections.abc import Callable, Iterator
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
_MAKING: Final = f"{_SUFFIX}.new"


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


def save_snapshot(
    journal_path: str, book: str, snapshot: Snapshot, is_ours: Callable[[Head], bool] | None = None
) -> None:
    """Keep a snapshot of ``book`` beside the journal, durable and whole; of the others the one before stays.

    Args:
        is_ours: whether the journal has this record: one of a later place goes if it has not, as the journal
            was restored from an older copy. If not given, later ones stay.

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
    _remove_others(directory, book, os.path.basename(path), is_ours)


def whole_snapshots(journal_path: str, book: str) -> Iterator[Snapshot]:
    """Yield the snapshots of ``book`` that are whole, newest first; damaged ones are passed over."""
    directory = snapshot_directory(journal_path)
    for name in _names(directory, book):
        snapshot = _read(os.path.join(directory, name), book)
        if snapshot is not None:
            yield snapshot


def remove_snapshots(journal_path: str, book: str) -> None:
    """Remove the snapshots of ``book``.

    Raises:
        JournalError: one of them cannot be removed.
    """
    directory = snapshot_directory(journal_path)
    for name in _names(directory, book):
        path = os.path.join(directory, name)
        try:
            os.unlink(path)
        except OSError as error:
            raise JournalError(
                f"the snapshot {path} cannot be removed ({error.strerror or error})", "Fix its permissions"
            ) from error


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


def _remove_others(directory: str, book: str, saved: str, is_ours: Callable[[Head], bool] | None) -> None:
    """Remove what is older than ``saved`` and the one before it, and what is later but of another stream.

    Of those in the making, too, the older ones: a crash left them, or they come too late.
    """
    names = _names(directory, book)
    place = names.index(saved) if saved in names else 0
    kept = names[place:][:KEPT]
    for name in names[:place]:
        later = _read(os.path.join(directory, name), book)
        if is_ours is None or (later is not None and is_ours(later.head)):
            kept.append(name)
    with suppress(OSError):
        for name in os.listdir(directory):
            is_made_now = name.endswith(_MAKING) and name > saved
            if name.startswith(_prefix(book)) and name not in kept and not is_made_now:
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
