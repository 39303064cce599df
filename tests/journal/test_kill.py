"""A process is killed at random moments, again and again over one journal: nothing acknowledged is lost."""

import os
import random
import signal
import time
from pathlib import Path
from typing import NoReturn

from execore.journal.audit_log import AuditLog
from execore.journal.codec import decode_record
from execore.journal.sqlite import SqliteJournal
from execore.model.events import FillBooked, OrderCreated
from execore.testing.journal_contract import BOOK, lifecycle
from execore.views import queries

KILLS = 100
LONGEST_LIFE_SECONDS = 0.25


def append_until_killed(path: Path, acknowledge: int) -> NoReturn:
    """The child: whole lifecycles, one append each; every sequence is told once it is acknowledged."""
    try:
        journal = SqliteJournal(path)
        sequence = journal.head(BOOK).sequence
        while True:
            records, changes = lifecycle(sequence // 3 + 1, sequence + 1)
            sequence = journal.append(BOOK, sequence, records, changes).sequence
            os.write(acknowledge, f"{sequence}\n".encode())
    finally:
        os._exit(1)


def killed(path: Path, life_seconds: float) -> int:
    """Let a child append for a while, kill it, and return the last sequence that it acknowledged."""
    told, acknowledge = os.pipe()
    child = os.fork()
    if child == 0:
        append_until_killed(path, acknowledge)
    os.close(acknowledge)
    time.sleep(life_seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "the child ended by itself"
    with os.fdopen(told) as lines:
        whole = [line for line in lines.read().splitlines(keepends=True) if line.endswith("\n")]
    return int(whole[-1]) if whole else 0


def check_projections(journal: SqliteJournal) -> None:
    events = [decode_record(stored).event for stored in journal.read(BOOK)]
    created = [event.client_order_id for event in events if isinstance(event, OrderCreated)]
    fills = [event.execution_id for event in events if isinstance(event, FillBooked)]
    assert [view["client_order_id"] for view in queries.orders(journal)] == created
    assert [view["execution_id"] for view in queries.fills(journal)] == fills
    assert journal.projection_head(BOOK) == journal.head(BOOK).sequence == len(events)


def test_nothing_acknowledged_is_lost_in_a_hundred_kills(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    dice = random.Random(20_240_607)
    acknowledged = unacknowledged = 0
    for kill in range(KILLS):
        acknowledged = max(acknowledged, killed(path, dice.uniform(0, LONGEST_LIFE_SECONDS)))
        if not path.exists():
            assert acknowledged == 0
            continue  # killed before it was made
        with SqliteJournal(path, read_only=kill % 2 == 0) as journal:  # a reader needs no owner to clear up
            head = journal.head(BOOK)
            assert head.sequence >= acknowledged
            assert head.sequence % 3 == 0, "part of an append is there"
            assert AuditLog(journal, BOOK).verify(head).anchored
            if kill % 10 == 9:
                check_projections(journal)
            unacknowledged += head.sequence > acknowledged
            acknowledged = head.sequence
    assert acknowledged > KILLS
    print(f"{acknowledged} records, {unacknowledged} times more was there than acknowledged")
