"""Journal addresses, as users write them: ``sqlite:///trading.db``, a plain path, or ``memory:``."""

from pathlib import Path
from typing import Final

from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Journal
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import InvalidConfiguration

_SQLITE: Final = "sqlite:///"


def journal_path(address: str) -> Path:
    """The file that a journal address names. Three slashes then a relative path; four make it absolute.

    Raises:
        InvalidConfiguration: the address is of a kind that does not exist.
    """
    if address.startswith(_SQLITE):
        address = address[len(_SQLITE) :]
    elif "://" in address or not address:
        raise InvalidConfiguration(
            "journal", f"{address!r} is not a journal address", "Write sqlite:///path/to/file.db"
        )
    if not address:
        raise InvalidConfiguration("journal", "names no file", "Write sqlite:///path/to/file.db")
    return Path(address)


def open_journal(address: str, *, read_only: bool = False) -> Journal:
    """Open the journal at ``address``; the file is created unless ``read_only``.

    Raises:
        InvalidConfiguration: no such kind of address.
        JournalNotFound, NotAJournal, NewerSchema, JournalOwned, JournalReadOnly: see ``SqliteJournal``.
    """
    if address == "memory:":
        return MemoryJournal()
    return SqliteJournal(journal_path(address), read_only=read_only)
