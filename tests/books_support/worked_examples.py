"""The worked examples of ``tests/books/worked_examples`` as Python values, their lines made complete."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

FOLDER: Final = Path(__file__).parent.parent / "books" / "worked_examples"
WITHOUT_ID: Final = ("instrument", "fee", "mark", "rate")
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Example:
    """One example as it stands in its file.

    Attributes:
        file: name of the file it is in.
        seen: whether the source was read, not only known.
        kind: ``figures`` where the numbers are the source's, ``rule`` where they are ours.
        places: round results half-even to so many places before comparing; None: compare exactly.
        lines: JSON text, without what :func:`completed` adds.
        expect: ``cash``, ``positions``, ``strategies``, ``lots``.
    """

    file: str
    name: str
    source: str
    seen: bool
    kind: str
    lines: tuple[str, ...]
    expect: dict[str, Any]
    address: str = ""
    method: str = "average"
    mode: str = "netting"
    places: int | None = None
    marks: dict[str, str] = field(default_factory=dict)


def examples() -> Iterator[Example]:
    """Every example, file by file.

    Raises:
        TypeError: an example has a key that is not known, or lacks one.
    """
    for path in sorted(FOLDER.glob("*.toml")):
        for told in tomllib.loads(path.read_text(encoding="utf-8"))["example"]:
            yield Example(file=path.name, **told | {"lines": tuple(told["lines"])})


def completed(example: Example) -> list[dict[str, Any]]:
    """Its lines, each with a time one second after the one before, and an id: its place, counted from 1.

    Raises:
        ValueError: a line is not a JSON object, or has a float or the same key twice.
    """
    lines = []
    for place, text in enumerate(example.lines, start=1):
        line: dict[str, Any] = json.loads(text, parse_float=_no_float, object_pairs_hook=_each_key_once)
        line.setdefault("time", (_START + timedelta(seconds=place)).isoformat())
        if line["type"] not in WITHOUT_ID:
            line.setdefault("id", str(place))
        lines.append(line)
    return lines


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is a float; write a string")


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError(f"the same key twice: {[name for name, _ in pairs]}")
    return dict(pairs)
