"""Files and directories that outlive a power cut: all that a journal writes beside SQLite goes by here."""

import os
import sys
from contextlib import suppress


def write_whole(path: str, content: bytes, *, sync_name: bool) -> None:
    """Put a file of this content in the place of ``path``: after a crash it is the old one or the new, whole.

    Args:
        sync_name: make sure that it is the new one, too.

    Raises:
        OSError: it cannot be written. The old one is as it was.
    """
    building = f"{path}.new"
    try:
        with open(building, "wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno(), building)
        rename(building, path)
    except OSError:
        with suppress(OSError):
            os.unlink(building)
        raise
    if sync_name:
        sync_directory(os.path.dirname(path))


def make_directories(directory: str) -> None:
    """Create ``directory`` and its missing parents such that they outlive a power cut."""
    if not os.path.isdir(directory):
        make_directories(os.path.dirname(directory))
        os.makedirs(directory, exist_ok=True)
        sync_directory(os.path.dirname(directory))


def sync_directory(directory: str) -> None:
    """Make the names in ``directory`` durable. Windows has no such operation, and needs none."""
    if sys.platform != "win32":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            sync(descriptor, directory)
        finally:
            os.close(descriptor)


def rename(source: str, target: str) -> None:
    """Give a file another name, in the place of one that has it."""
    os.replace(source, target)


def sync(descriptor: int, path: str) -> None:
    """Make the content of an open file or directory durable; ``path`` says which it is."""
    os.fsync(descriptor)
