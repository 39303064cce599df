"""Check an execore journal (the database, or a JSON Lines export) with nothing but the standard library.

FILE.anchor is used when it lies beside FILE. Exit code: 0 all holds, 1 broken (says where), 2 cannot read.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

COLUMNS = "book, sequence, type, client_order_id, execution_id, actor, ts_event_ns, ts_recorded_ns"


def stored(path: Path) -> Iterator[tuple[str, Any, Any, tuple[Any, ...]]]:
    """Yield each record's place and either hash, text and columns, or nothing and the line of an export."""
    with path.open("rb") as file:
        if file.peek(16)[:16] != b"SQLite format 3\0":
            yield from ((f"line {number}", None, line, ()) for number, line in enumerate(file, 1))
            return
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    for row in connection.execute(f"SELECT hash, data, {COLUMNS} FROM events ORDER BY book, sequence"):
        yield f"row {row[2]} {row[3]}", row[0], row[1], row[2:]


def check(path: Path, anchors: dict[str, Any], heads: dict[str, tuple[int, str]]) -> str:
    """Return what does not hold, and where; empty if all does. ``heads`` gets each book's last record."""
    columns: tuple[Any, ...] = ()
    for place, digest, text, columns in stored(path):
        try:
            item = json.loads(text) if digest is None else {"hash": digest, "data": text}
            digest, text, record = item["hash"], item["data"], json.loads(item["data"])
            names = dict.fromkeys(COLUMNS.split(", "), "") | record["event"] | record
            book, sequence = record["book"], record["sequence"]
            last, previous = heads.get(book, (0, "00" * 32))
            link = sha256(bytes.fromhex(previous) + text.encode(errors="surrogateescape")).hexdigest()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return f"{place}: the text is not a record"
        if sequence != last + 1 or link != digest:
            return f"{place}: record {sequence} of book {book} does not continue record {last}"
        if columns and columns != tuple(names[column] for column in COLUMNS.split(", ")):
            return f"{place}: the columns {columns} differ from the text"
        heads[book] = (sequence, digest)
        if anchors.get(book, {}).get("sequence") == sequence and anchors[book]["hash"] != digest:
            return f"{place}: not the record that the anchor names: the chain was rewritten"
    for book, anchor in anchors.items():  # an export is of one book, its anchor may be of more
        if (columns or not heads or book in heads) and heads.get(book, (0, ""))[0] < anchor["sequence"]:
            return f"book {book} ends before record {anchor['sequence']} of the anchor: the tail was cut"
    return ""


def main() -> int:
    """Check the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=lambda name: Path(name).resolve())
    parser.add_argument("--anchor", type=Path)
    given = parser.parse_args()
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # damaged names too
    anchor = given.anchor or Path(f"{given.file}.anchor")
    heads: dict[str, tuple[int, str]] = {}
    try:
        anchors = json.loads(anchor.read_bytes()) if given.anchor or anchor.exists() else {}
        problem = check(given.file, anchors, heads)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, sqlite3.Error) as error:
        print(f"cannot read {given.file}: {error}", file=sys.stderr)
        return 2
    for book, (sequence, digest) in heads.items():
        how = f"anchored at {anchors[book]['sequence']}" if book in anchors else "NO ANCHOR: cannot see a cut"
        print(f"book {book}: {sequence} records hold, head {digest}; {how}")
    print(f"BROKEN {problem}" if problem else "OK")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
