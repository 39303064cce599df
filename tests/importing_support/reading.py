"""Histories written to a file and read back."""

from datetime import UTC, datetime
from pathlib import Path

from execore.importing.detect import read_history
from execore.importing.lines import AnyContent, Line, NotUnderstood


def written(folder: Path, text: str | bytes, name: str = "history.csv") -> Path:
    """A file of this content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def all_of(path: Path, *, broker: str = "", known: tuple[str, ...] = ()) -> list[Line | NotUnderstood]:
    """Everything that reading it gives."""
    return list(read_history(path, broker=broker, known=known))


def contents(path: Path, *, broker: str = "", known: tuple[str, ...] = ()) -> list[AnyContent]:
    """What its lines say; all of them must be understood."""
    made = all_of(path, broker=broker, known=known)
    assert [line for line in made if isinstance(line, NotUnderstood)] == []
    return [line.content for line in made if isinstance(line, Line)]


def refused(path: Path, *, broker: str = "", known: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """Number and code of the lines that are not understood."""
    made = all_of(path, broker=broker, known=known)
    return [(line.number, line.code) for line in made if isinstance(line, NotUnderstood)]


def ns(text: str) -> int:
    """A time with its offset as ns UTC."""
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
