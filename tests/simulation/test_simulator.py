"""The simulator as a whole: it is clean, it repeats itself to the byte, and it does all that it says."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from execore.testing.simulation.campaign import Totals, campaign, run_seeds
from execore.testing.simulation.connection import READ_FAULTS, WRITE_FAULTS
from execore.testing.simulation.plan import VERBS, make_plan, only
from execore.testing.simulation.run import Outcome, simulate
from execore.testing.simulation.storage import FAULTS as STORAGE_FAULTS

SEEDS = 300

HASHES = """
import hashlib, sys
from execore.testing.simulation.plan import make_plan
from execore.testing.simulation.run import Run
for seed in range(12):
    outcome = Run(make_plan(seed), tracing=True).play()
    print(seed, outcome.head.hash, hashlib.sha256("\\n".join(outcome.lines).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def totals() -> Totals:
    """What happens in the first seeds."""
    return run_seeds(0, SEEDS, detailed_until=SEEDS)


def test_the_first_seeds_are_clean(totals: Totals) -> None:
    assert totals.failures == {}
    assert totals.runs == SEEDS


def test_a_seed_plays_the_same_run_again_to_the_byte() -> None:
    for seed in range(20):
        first, second = simulate(seed), simulate(seed)
        assert first.head.hash == second.head.hash, "the hash is of every byte before it"
        assert first == second


def test_another_process_with_another_hash_seed_plays_the_same_run() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", HASHES],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1


def test_to_listen_changes_nothing() -> None:
    for seed in range(10):
        silent, told = simulate(seed), simulate(seed, tracing=True)
        assert told.lines
        assert not silent.lines
        assert (silent.head, silent.endings) == (told.head, told.endings)


def test_a_step_does_the_same_when_others_are_left_out() -> None:
    plan = make_plan(5)
    assert [step.number for step in only(plan, (0, 3, 7)).steps] == [0, 3, 7]
    assert only(plan, tuple(range(len(plan.steps)))) == plan


def test_everything_that_can_go_wrong_does(totals: Totals) -> None:
    happened = set(totals.injected)
    for name, fault in WRITE_FAULTS.items():
        if not name.startswith("crash"):
            for seam in ("submit", "cancel"):
                assert f"{seam} {name}" in happened, fault
    assert {f"query {name}" for name in READ_FAULTS} <= happened
    assert {name for name in STORAGE_FAULTS if not name.startswith("crash")} <= happened
    assert {
        "report lost",
        "report doubled",
        "report delayed",
        "reports lost with the connection",
        "disconnected",
        "venue restarted",
        "clock jumped",
        "process stalled, another one took over",
        "bust",
        "correction",
        "late reject",
        "unasked cancel",
        "overfill",
        "somebody elses order",
    } <= happened


def test_processes_die_everywhere_also_while_they_open(totals: Totals) -> None:
    died = Counter({at.partition(": ")[2]: count for at, count in totals.crashes_at.items()})
    for place in (
        "append",
        "after the sync",
        "before the sync, lost",
        "before submit",
        "after submit",
        "query",
    ):
        assert died[place], place
    opening = sum(count for at, count in totals.crashes_at.items() if at.startswith("opening"))
    assert opening > SEEDS / 10


def test_orders_are_in_flight_in_every_way_when_they_do(totals: Totals) -> None:
    assert set(totals.in_flight) == {
        "recorded, not sent",
        "sent, and lost on the way",
        "on its way to the venue",
        "at the venue, not acknowledged",
        "reports not recorded",
        "cancel unanswered",
        "amend unanswered",
    }
    assert sum(sum(ended.values()) for ended in totals.in_flight.values()) > SEEDS


def test_orders_end_in_every_state(totals: Totals) -> None:
    wanted = {
        "FILLED",
        "CANCELLED",
        "REJECTED",
        "EXPIRED",
        "FAILED",
        "ACKNOWLEDGED",
        "PARTIALLY_FILLED",
        "CLOSED",
    }
    assert wanted <= set(totals.endings)


def test_every_verb_is_played() -> None:
    played = {step.verb for seed in range(SEEDS) for step in make_plan(seed).steps}
    assert played == {verb for verb, _ in VERBS}


def test_processes_share_the_work_and_count_the_same() -> None:
    done: list[int] = []
    alone, shared = campaign(0, 60, 1, done.append), campaign(0, 60, 2, lambda count: None)
    assert done == [20, 40, 60]
    assert alone == shared


def test_an_outcome_can_be_written_down() -> None:
    outcome = simulate(3)
    assert isinstance(outcome, Outcome)
    assert json.loads(json.dumps(outcome.endings)) == outcome.endings
