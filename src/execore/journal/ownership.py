"""Who owns a journal's file: one process, as long as it lives."""

import errno
import os
import sys

from execore.model.errors import JournalOwned


def own(path: str) -> int:
    """Become the one owner of the journal at ``path``; return the descriptor that holds the lock.

    The lock is the operating system's, on ``<path>.lock``: it ends with the process, however that dies.

    Raises:
        JournalOwned: another process, or another journal object of this one, owns it.
        OSError: the lock file cannot be made, locked or written.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise  # not somebody else's lock: this file system has none
            os.lseek(descriptor, 0, os.SEEK_SET)
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            raise JournalOwned(
                f"{path} is owned by process {owner or 'unknown'}",
                "Stop that process, or open the journal with read_only=True",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except BaseException:
        os.close(descriptor)  # and the lock with it
        raise
    return descriptor


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the pid: a locked byte cannot be read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
