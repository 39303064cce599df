"""Tampering is found and placed: by ``verify``, by ``verify_export``, and by the stand-alone tool."""

import io
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from execore.journal.anchor import anchor_path, read_anchor
from execore.journal.audit_log import AuditLog, Verification, verify_export
from execore.journal.codec import GENESIS, encode_record, next_hash
from execore.journal.memory import MemoryJournal
from execore.journal.protocol import Head
from execore.journal.sqlite import SqliteJournal
from execore.model.errors import ChainBroken, InvalidConfiguration, NotAJournal
from execore.model.events import SCHEMA_VERSION
from execore.runtime.recovery import replayed
from execore.testing.journal_contract import BOOK, TIME_NS, created, opened, order_id, record

TOOL = Path(__file__).parents[2] / "tools" / "verify_chain.py"
RECORDS = 10
Lines = list[dict[str, str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of ten records, closed; tests tamper with copies."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    with SqliteJournal(path) as journal:
        opened(journal, orders=3)
    return path


@pytest.fixture
def database(whole: Path, tmp_path: Path) -> Path:
    shutil.copy(whole, tmp_path / "journal.db")
    return tmp_path / "journal.db"


@pytest.fixture
def anchor(whole: Path) -> Head:
    return read_anchor(anchor_path(str(whole)))[BOOK]


@pytest.fixture
def lines(whole: Path) -> Lines:
    with SqliteJournal(whole, read_only=True) as journal:
        file = io.BytesIO()
        assert AuditLog(journal, BOOK).export(file) == RECORDS
    return [json.loads(line) for line in file.getvalue().splitlines()]


def tampered(database: Path, *statements: str) -> None:
    """Change the database as somebody would who has its file: triggers do not stop them."""
    with closing(sqlite3.connect(database)) as shell, shell:
        for statement in ("DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete", *statements):
            shell.execute(statement)


def verified(database: Path, anchor: Head | None = None) -> Verification:
    with SqliteJournal(database, read_only=True) as journal:
        return AuditLog(journal, BOOK).verify(anchor)


def tool(path: Path, anchor: Head | None = None) -> tuple[int, str]:
    """The exit code and output of the stand-alone verifier."""
    command = [sys.executable, "-I", str(TOOL), str(path)]
    if anchor is not None:
        beside = path.with_suffix(".noted")
        beside.write_text(json.dumps({BOOK: {"sequence": anchor.sequence, "hash": anchor.hash}}))
        command += ["--anchor", str(beside)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def both_ways(database: Path, export: Path, anchor: Head) -> list[tuple[Verification, Verification]]:
    """What the database and the export show, each without the anchor and with it."""
    lines = export.read_text().splitlines()
    return [
        (verified(database), verified(database, anchor)),
        (verify_export(lines), verify_export(lines, anchor)),
    ]


def written(lines: Lines, path: Path) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def rechained(texts: list[str]) -> Lines:
    """A whole new chain over ``texts``, as consistent as the true one."""
    lines, previous = [], GENESIS
    for text in texts:
        previous = next_hash(previous, text.encode())
        lines.append({"hash": previous.hex(), "data": text})
    return lines


def test_a_whole_journal_holds(database: Path, lines: Lines, anchor: Head, tmp_path: Path) -> None:
    for verification in (
        verified(database, anchor),
        verify_export([json.dumps(line) for line in lines], anchor),
    ):
        assert verification == Verification(
            True, RECORDS, anchor, message="10 records hold, anchored at record 10", anchored=True
        )
    for path in (database, written(lines, tmp_path / "export.jsonl")):
        code, text = tool(path, anchor)
        assert (code, "book main: 10 records hold" in text, "anchored at 10" in text) == (0, True, True)


def test_without_an_anchor_it_says_so(database: Path, lines: Lines) -> None:
    for verification in (verified(database), verify_export([json.dumps(line) for line in lines])):
        assert (verification.ok, verification.anchored) == (True, False)
        assert "no anchor" in verification.message
    assert tool(database) == (0, tool(database)[1])
    assert "NO ANCHOR" in tool(database)[1]


def test_the_tool_finds_the_anchor_beside_the_file(whole: Path, database: Path) -> None:
    shutil.copy(f"{whole}.anchor", f"{database}.anchor")
    assert "anchored at 10" in tool(database)[1]
    tampered(database, "DELETE FROM events WHERE sequence=10")
    code, text = tool(database)
    assert (code, "the tail was cut" in text) == (1, True)


def test_a_memory_journal_is_verified_too() -> None:
    journal = MemoryJournal()
    head = opened(journal, orders=3)
    seen: list[int] = []
    assert AuditLog(journal, BOOK).verify(head, seen.append).anchored
    stream = journal._streams[BOOK]
    del stream[4]
    assert AuditLog(journal, BOOK).verify().first_bad_sequence == 5


TAMPERING: dict[str, tuple[int, str, str]] = {
    "book": (4, "sequence", "UPDATE events SET book='mair' WHERE sequence=4"),
    "sequence": (4, "sequence", "UPDATE events SET sequence=44 WHERE sequence=4"),
    "type": (4, "columns", "UPDATE events SET type='fill_booker' WHERE sequence=4"),
    "client_order_id": (4, "columns", "UPDATE events SET client_order_id='x' WHERE sequence=4"),
    "execution_id": (4, "columns", "UPDATE events SET execution_id='E2' WHERE sequence=4"),
    "actor": (4, "columns", "UPDATE events SET actor=CAST(x'ff' AS TEXT) WHERE sequence=4"),
    "ts_event_ns": (4, "columns", "UPDATE events SET ts_event_ns=ts_event_ns+1 WHERE sequence=4"),
    "ts_recorded_ns": (4, "columns", "UPDATE events SET ts_recorded_ns=ts_recorded_ns+1 WHERE sequence=4"),
    "hash": (4, "hash", "UPDATE events SET hash='f'||substr(hash, 2)||'0' WHERE sequence=4"),
    "data": (4, "hash", "UPDATE events SET data=replace(data, '100.25', '100.26') WHERE sequence=4"),
    "data, not text": (4, "hash", "UPDATE events SET data=CAST(x'ff00fe' AS TEXT) WHERE sequence=4"),
    "first deleted": (1, "sequence", "DELETE FROM events WHERE sequence=1"),
    "deleted": (5, "sequence", "DELETE FROM events WHERE sequence=5"),
    "deleted and renumbered": (
        5,
        "hash",
        "DELETE FROM events WHERE sequence=5; "
        "UPDATE events SET sequence=-(sequence-1) WHERE sequence>5; "
        "UPDATE events SET sequence=-sequence WHERE sequence<0",
    ),
    "inserted": (
        11,
        "hash",
        "INSERT INTO events SELECT book, 11, type, client_order_id, execution_id, actor, ts_event_ns, "
        "ts_recorded_ns, hash, data FROM events WHERE sequence=10",
    ),
    "inserted before the first": (
        1,
        "sequence",
        "INSERT INTO events SELECT book, 0, type, client_order_id, execution_id, actor, ts_event_ns, "
        "ts_recorded_ns, hash, data FROM events WHERE sequence=10",
    ),
    "swapped": (
        6,
        "hash",
        "UPDATE events SET sequence=-7 WHERE sequence=6; UPDATE events SET sequence=6 WHERE sequence=7; "
        "UPDATE events SET sequence=7 WHERE sequence=-7",
    ),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_with_the_database_is_found(database: Path, anchor: Head, name: str) -> None:
    sequence, problem, statements = TAMPERING[name]
    tampered(database, *statements.split("; "))
    verification = verified(database, anchor)
    found = (verification.ok, verification.first_bad_sequence, verification.problem)
    assert found == (False, sequence, problem)
    assert (verification.records, verification.head.sequence) == (sequence - 1, sequence - 1)
    assert verification.message.startswith(f"record {sequence}: ")
    code, text = tool(database, anchor)
    assert (code, "BROKEN row" in text) == (1, True), text


def flipped(text: str, position: int) -> str:
    return text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]


def changed(lines: Lines, key: str, position: int) -> Lines:
    return [*lines[:3], {**lines[3], key: flipped(lines[3][key], position)}, *lines[4:]]


EXPORT_TAMPERING: dict[str, tuple[int, str, Callable[[Lines], Lines]]] = {
    "hash flipped": (4, "hash", lambda lines: changed(lines, "hash", 0)),
    "text flipped early": (4, "hash", lambda lines: changed(lines, "data", 0)),
    "text flipped late": (4, "hash", lambda lines: changed(lines, "data", 60)),
    "deleted": (5, "hash", lambda lines: lines[:4] + lines[5:]),
    "first deleted": (1, "hash", lambda lines: lines[1:]),
    "inserted": (5, "hash", lambda lines: lines[:4] + lines[3:]),
    "swapped": (6, "hash", lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]]),
    "renumbered": (5, "sequence", lambda lines: rechained([line["data"] for line in lines[:4] + lines[5:]])),
    "from another book": (
        2,
        "book",
        lambda lines: rechained([lines[0]["data"], lines[1]["data"].replace('"main"', '"mair"')]),
    ),
    "not a record": (2, "unreadable", lambda lines: rechained([lines[0]["data"], "[1]"])),
    "not a line": (2, "unreadable", lambda lines: [lines[0], {"data": "x"}]),
}


@pytest.mark.parametrize("name", EXPORT_TAMPERING)
def test_tampering_with_an_export_is_found(lines: Lines, anchor: Head, name: str, tmp_path: Path) -> None:
    sequence, problem, tamper = EXPORT_TAMPERING[name]
    path = written(tamper(lines), tmp_path / "export.jsonl")
    verification = verify_export(path.read_text().splitlines(), anchor)
    found = (verification.ok, verification.first_bad_sequence, verification.problem)
    assert found == (False, sequence, problem)
    code, text = tool(path, anchor)
    assert (code, f"BROKEN line {sequence}" in text) == (1, True), text


def test_every_flipped_character_of_a_record_is_found(lines: Lines) -> None:
    texts = [json.dumps(line) for line in lines]
    for position in range(len(texts[3])):
        changed_text = flipped(texts[3], position)
        if json.loads(texts[3]) == _loaded(changed_text):
            continue  # a space between the values for another one: the same line
        verification = verify_export([*texts[:3], changed_text, *texts[4:]])
        assert (verification.ok, verification.first_bad_sequence) == (False, 4), position


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_a_cut_tail_is_found_by_the_anchor_only(
    database: Path, lines: Lines, anchor: Head, tmp_path: Path
) -> None:
    tampered(database, "DELETE FROM events WHERE sequence>8")
    export = written(lines[:8], tmp_path / "export.jsonl")
    for unanchored, found in both_ways(database, export, anchor):
        assert (unanchored.ok, unanchored.records, unanchored.anchored) == (True, 8, False)
        assert (found.ok, found.first_bad_sequence, found.problem) == (False, 9, "truncated")
        assert "the tail was cut" in found.message
    for path in (database, export):
        assert tool(path)[0] == 0
        code, text = tool(path, anchor)
        assert (code, "the tail was cut" in text) == (1, True)


def test_a_chain_written_anew_is_found_by_the_anchor_only(
    database: Path, lines: Lines, anchor: Head, tmp_path: Path
) -> None:
    forged = rechained([line["data"].replace("100.25", "100.26") for line in lines])
    export = written(forged, tmp_path / "export.jsonl")
    tampered(database)
    with closing(sqlite3.connect(database)) as shell, shell:
        rows = [(line["hash"], line["data"], sequence) for sequence, line in enumerate(forged, 1)]
        shell.executemany("UPDATE events SET hash=?, data=? WHERE sequence=?", rows)
    for unanchored, found in both_ways(database, export, anchor):
        assert unanchored.ok
        assert (found.ok, found.first_bad_sequence, found.problem) == (False, 10, "rewritten")
    for path in (database, export):
        assert tool(path)[0] == 0
        code, text = tool(path, anchor)
        assert (code, "was rewritten" in text) == (1, True)


def test_an_earlier_anchor_holds_for_a_longer_journal(database: Path, lines: Lines) -> None:
    early = Head(6, lines[5]["hash"])
    verification = verified(database, early)
    assert (verification.ok, verification.records, verification.anchored) == (True, 10, True)
    assert verified(database, Head(6, lines[6]["hash"])).problem == "rewritten"


def test_damage_below_the_tables_is_reported_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        opened(journal, orders=300)
    with path.open("r+b") as file:
        for page in range(20, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
    assert verified(path).problem == "unreadable"
    assert tool(path)[0] == 2


def test_the_tool_says_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "foreign.db").touch()
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE mine(x)")
    assert tool(tmp_path / "missing.db")[0] == 2
    assert tool(tmp_path / "foreign.db")[0] == 2
    (tmp_path / "foreign.db.anchor").write_text("[]")
    assert tool(tmp_path / "foreign.db")[0] == 2


def test_the_tool_checks_every_book(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with SqliteJournal(path) as journal:
        opened(journal, 1, "a")
        opened(journal, 2, "b")
    code, text = tool(path)
    assert (code, text.count("records hold"), text.count("anchored at")) == (0, 2, 2)
    tampered(path, "UPDATE events SET actor='me' WHERE book='b' AND sequence=7")
    assert tool(path)[0] == 1
    assert "row b 7" in tool(path)[1]


def test_records_are_filtered(database: Path) -> None:
    with SqliteJournal(database, read_only=True) as journal:
        log = AuditLog(journal, BOOK)

        def found(**filters: object) -> list[int]:
            return [entry.sequence for entry in log.records(**filters)]  # type: ignore[arg-type]

        assert found() == list(range(1, 11))
        assert found(client_order_id=order_id(2)) == [5, 6, 7]
        assert found(event_type="fill_booked") == [4, 7, 10]
        assert found(client_order_id=order_id(2), event_type="fill_booked") == [7]
        assert found(actor="strategy:alpha", since_ns=TIME_NS + 9_000) == [9, 10]
        assert found(until_ns=TIME_NS + 2_000) == [1]
        assert found(actor="nobody") == found(event_type="none such") == []
        assert log.head().sequence == RECORDS


def test_a_damaged_record_is_not_exported_as_if_it_were_whole(database: Path) -> None:
    tampered(database, "UPDATE events SET data=CAST(x'ff' AS TEXT) WHERE sequence=4")
    with SqliteJournal(database, read_only=True) as journal:
        with pytest.raises(ChainBroken, match="record 4 of book 'main' is not text"):
            AuditLog(journal, BOOK).export(io.BytesIO())
        with pytest.raises(ChainBroken):
            list(AuditLog(journal, BOOK).records())


def test_progress_is_reported(tmp_path: Path) -> None:
    journal = MemoryJournal()
    journal.append(BOOK, 0, [record(sequence, created(sequence)) for sequence in range(1, 20_002)])
    seen: list[int] = []
    assert AuditLog(journal, BOOK).verify(progress=seen.append).records == 20_001
    assert seen == [10_000, 20_000]


# --- damage that used to be missed, or to end in a traceback ---------------------------------------------

COPY = (
    "INSERT INTO events SELECT book, {}, type, client_order_id, execution_id, actor, ts_event_ns, "
    "ts_recorded_ns, hash, data FROM events WHERE sequence=10"
)


@pytest.mark.parametrize("place", [-(1 << 63), -1, 0])
def test_a_record_inserted_before_the_first_is_found_wherever_it_is(
    database: Path, anchor: Head, place: int
) -> None:
    tampered(database, COPY.format(place))
    verification = verified(database, anchor)
    assert (verification.ok, verification.first_bad_sequence, verification.problem) == (False, 1, "sequence")
    with SqliteJournal(database, read_only=True) as journal:
        assert next(journal.read(BOOK)).sequence == place
        assert next(journal.read(BOOK, 3)).sequence == 3
        with pytest.raises(ChainBroken):
            list(replayed(journal, BOOK))
    assert tool(database, anchor)[0] == 1


def test_a_record_at_the_greatest_sequence_there_can_be_is_found(database: Path) -> None:
    greatest = (1 << 63) - 1
    tampered(database, COPY.format(greatest))
    assert verified(database).problem == "sequence"
    with SqliteJournal(database, read_only=True) as journal:
        assert [stored.sequence for stored in journal.read(BOOK)][-1] == greatest
        assert list(journal.read(BOOK, 1 << 80)) == []


NOT_TEXT = "CAST(x'ff' AS TEXT)"


def test_a_last_hash_that_is_no_text_is_damage_and_no_crash(database: Path, anchor: Head) -> None:
    tampered(database, f"UPDATE events SET hash={NOT_TEXT} WHERE sequence=10")
    verification = verified(database, anchor)
    assert (verification.first_bad_sequence, verification.problem) == (10, "hash")
    with SqliteJournal(database, read_only=True) as journal:
        assert journal.head(BOOK).sequence == 10
    code, text = tool(database, anchor)
    assert (code, "BROKEN row main 10" in text) == (1, True), text
    with SqliteJournal(database) as journal, pytest.raises(ChainBroken, match="the hash of record 10"):
        journal.append(BOOK, 10, [record(11, created(11))])


@pytest.mark.parametrize(("where", "problem"), [("sequence=4", "sequence"), ("sequence>0", "book")])
def test_a_book_whose_name_is_no_text_is_damage_and_no_crash(
    database: Path, where: str, problem: str
) -> None:
    tampered(database, f"UPDATE events SET book={NOT_TEXT} WHERE {where}")
    with SqliteJournal(database, read_only=True) as journal:
        damaged = journal.books()[-1]
        assert damaged.encode(errors="surrogateescape") == b"\xff"
        assert AuditLog(journal, damaged).verify().problem == problem
        assert len(list(journal.read(damaged))) == (1 if problem == "sequence" else 10)
        assert journal.head("\ud800").sequence == 0
    code, text = tool(database)
    assert (code, "Traceback" in text, "BROKEN row" in text) == (1, False, True), text


def test_a_table_with_text_that_is_none_is_named(database: Path) -> None:
    tampered(database, f"UPDATE orders SET symbol={NOT_TEXT}")
    with SqliteJournal(database, read_only=True) as journal, pytest.raises(NotAJournal, match="not UTF-8"):
        list(journal.select("SELECT symbol FROM orders"))


def test_a_path_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for read_only in (True, False):
        with pytest.raises(InvalidConfiguration, match="is not UTF-8"):
            SqliteJournal(tmp_path / "\udcff.db", read_only=read_only)


def appended(database: Path, text: str) -> None:
    """Go on with the chain as somebody would who knows how, but with a text of their own."""
    with closing(sqlite3.connect(database)) as shell, shell:
        (last,) = shell.execute("SELECT hash FROM events WHERE sequence=10").fetchone()
        digest = next_hash(bytes.fromhex(last), text.encode()).hex()
        told = json.loads(text)
        event = told["event"]
        columns = (told["book"], 11, event["type"], event.get("client_order_id", ""), "", told["actor"])
        row = (*columns, told["ts_event_ns"], told["ts_recorded_ns"], digest, text)
        shell.execute(f"INSERT INTO events VALUES({', '.join('?' * len(row))})", row)


UNREADABLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown event": lambda told: told["event"].update(type="made_up"),
    "incomplete event": lambda told: told["event"].pop("order"),
    "wrong kind": lambda told: told["event"].update(order=5),
    "no cause": lambda told: told.pop("cause"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_chained_text_that_no_book_could_open_is_found(database: Path, anchor: Head, name: str) -> None:
    told = json.loads(encode_record(record(11, created(11))))
    appended_whole = json.dumps(told)
    UNREADABLE[name](told)
    appended(database, json.dumps(told))
    with SqliteJournal(database, read_only=True) as journal:
        file = io.BytesIO()
        AuditLog(journal, BOOK).export(file)
        found = AuditLog(journal, BOOK).verify(anchor), verify_export(file.getvalue().splitlines(), anchor)
    for verification in found:
        assert (verification.ok, verification.problem, verification.records) == (False, "unreadable", 10)
        assert verification.first_bad_sequence == 11
    tampered(database, "DELETE FROM events WHERE sequence=11")
    appended(database, appended_whole)
    assert verified(database, anchor).records == 11


def test_a_record_of_a_newer_schema_is_verified_as_far_as_the_chain(database: Path) -> None:
    told = json.loads(encode_record(record(11, created(11))))
    told["event"]["type"] = "from_the_future"
    appended(database, json.dumps(told | {"schema": SCHEMA_VERSION + 1}))
    assert verified(database).records == 11


@pytest.mark.parametrize("text", ["[" * 100_000, '{"sequence":' + "1" * 5_000, '{"book":"\\ud800"}'])
def test_a_chained_text_that_no_parser_likes_is_found(lines: Lines, tmp_path: Path, text: str) -> None:
    forged = rechained([lines[0]["data"], text])
    path = written(forged, tmp_path / "export.jsonl")
    verification = verify_export(path.read_text().splitlines())
    assert (verification.first_bad_sequence, verification.problem) == (2, "unreadable")
    code, said = tool(path)
    assert (code, "BROKEN line 2" in said) == (1, True), said


def test_an_export_is_judged_by_the_books_that_are_in_it(tmp_path: Path) -> None:
    path, export = tmp_path / "journal.db", tmp_path / "a.jsonl"
    with SqliteJournal(path) as journal:
        opened(journal, 1, "a")
        opened(journal, 2, "b")
        with export.open("wb") as file:
            AuditLog(journal, "a").export(file)

    def judged() -> tuple[int, str]:
        command = [sys.executable, "-I", str(TOOL), str(export), "--anchor", f"{path}.anchor"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    code, text = judged()
    assert (code, "book a: 4 records hold" in text, "BROKEN" in text) == (0, True, False), text
    kept = export.read_bytes().splitlines(keepends=True)
    for left in (kept[:-1], []):
        export.write_bytes(b"".join(left))
        assert "the tail was cut" in judged()[1]
    tampered(path, "DELETE FROM events WHERE book='a'")
    assert "book a ends" in tool(path)[1]


def test_the_tool_stays_short_enough_to_be_read() -> None:
    assert len(TOOL.read_text().splitlines()) < 80
