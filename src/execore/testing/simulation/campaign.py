"""Many runs: counted together, spread over processes, and written down."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import msgspec

from execore.testing.simulation.run import Outcome, simulate

CHUNK: Final = 20
"""Runs that a process takes at a time: enough to be worth the trip, few enough to see progress."""

DETAILED_RUNS: Final = 2_000
"""So many runs, the first ones, are told one by one in a report; the totals are of all of them."""


class Totals(msgspec.Struct):
    """What happened in a number of runs.

    Attributes:
        injected: how often each fault happened, crashes included.
        in_flight: for each way of being in flight at a crash, how those orders ended.
        endings: how many orders ended in each state.
        failures: the seed and the problems of each run that failed.
        details: the runs one by one, where they were asked for.
    """

    runs: int = 0
    records: int = 0
    orders: int = 0
    crashes: int = 0
    crashes_at: dict[str, int] = msgspec.field(default_factory=dict)
    injected: dict[str, int] = msgspec.field(default_factory=dict)
    in_flight: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    endings: dict[str, int] = msgspec.field(default_factory=dict)
    failures: dict[int, list[str]] = msgspec.field(default_factory=dict)
    details: dict[int, dict[str, Any]] = msgspec.field(default_factory=dict)

    def take(self, outcome: Outcome, *, detailed: bool) -> None:
        """Count one run, and keep its story if it shall be ``detailed``."""
        self.runs += 1
        self.records += outcome.head.sequence
        self.orders += len(outcome.endings)
        self.crashes += len(outcome.deaths)
        for fault, count in outcome.injected.items():
            _add(self.injected, fault, count)
        for state in outcome.endings.values():
            _add(self.endings, state)
        for death in outcome.deaths:
            _add(self.crashes_at, death.at)
            for item in death.in_flight:
                ended = outcome.endings.get(item.order, "not ours")
                _add(self.in_flight.setdefault(item.was, {}), ended)
        if outcome.problems:
            self.failures[outcome.seed] = outcome.problems
        if detailed:
            self.details[outcome.seed] = _details(outcome)

    def merge(self, other: "Totals") -> None:
        """Add the runs of another process."""
        self.runs += other.runs
        self.records += other.records
        self.orders += other.orders
        self.crashes += other.crashes
        for ours, theirs in (
            (self.injected, other.injected),
            (self.endings, other.endings),
            (self.crashes_at, other.crashes_at),
        ):
            for key, count in theirs.items():
                _add(ours, key, count)
        for was, ended in other.in_flight.items():
            for state, count in ended.items():
                _add(self.in_flight.setdefault(was, {}), state, count)
        self.failures |= other.failures
        self.details |= other.details


def _add(counts: dict[str, int], key: str, count: int = 1) -> None:
    counts[key] = counts.get(key, 0) + count


def _details(outcome: Outcome) -> dict[str, Any]:
    """One run as the report tells it."""
    crashes = [
        {
            "at": death.at,
            "in_flight": [
                {"order": item.order, "was": item.was, "ended": outcome.endings.get(item.order, "not ours")}
                for item in death.in_flight
            ],
        }
        for death in outcome.deaths
    ]
    return {"injected": outcome.injected, "crashes": crashes, "orders": outcome.endings}


def run_seeds(first: int, count: int, detailed_until: int) -> Totals:
    """Play ``count`` runs from seed ``first`` on, and stop after one that fails.

    Args:
        detailed_until: runs of seeds below this one are told one by one.
    """
    totals = Totals()
    for seed in range(first, first + count):
        totals.take(simulate(seed), detailed=seed < detailed_until)
        if totals.failures:
            break
    return totals


def campaign(first: int, seeds: int, jobs: int, progress: Callable[[int], None]) -> Totals:
    """Play ``seeds`` runs from seed ``first`` on in ``jobs`` processes; stop soon after one that fails.

    Args:
        progress: called with the number of runs done.
    """
    totals = Totals()
    for part in _parts(first, seeds, jobs):
        totals.merge(part)
        progress(totals.runs)
        if totals.failures:
            break
    return totals


def _parts(first: int, seeds: int, jobs: int) -> Iterator[Totals]:
    end = first + seeds
    chunks = [(start, min(CHUNK, end - start), first + DETAILED_RUNS) for start in range(first, end, CHUNK)]
    if jobs <= 1 or len(chunks) == 1:
        yield from (run_seeds(*chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run_seeds, *chunk) for chunk in chunks]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """How many processes can run at once."""
    return os.cpu_count() or 1


def write_report(path: Path, summary: dict[str, Any], totals: Totals) -> None:
    """Write what was injected, what was in flight at each crash, and how each order ended, as JSON.

    Raises:
        OSError: the file cannot be written.
    """
    details = [{"seed": seed, **totals.details[seed]} for seed in sorted(totals.details)]
    report = {**summary, "runs_without_details": totals.runs - len(details), "details": details}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def summary_of(totals: Totals) -> dict[str, Any]:
    """The totals, ready for JSON, the most frequent first."""
    return {
        "runs": totals.runs,
        "failed": {str(seed): totals.failures[seed] for seed in sorted(totals.failures)},
        "records": totals.records,
        "orders": totals.orders,
        "crashes": totals.crashes,
        "crashes_at": _sorted(totals.crashes_at),
        "injected": _sorted(totals.injected),
        "in_flight": {was: _sorted(totals.in_flight[was]) for was in _sorted(_sums(totals.in_flight))},
        "endings": _sorted(totals.endings),
    }


def _sums(counts: dict[str, dict[str, int]]) -> dict[str, int]:
    return {key: sum(parts.values()) for key, parts in counts.items()}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
