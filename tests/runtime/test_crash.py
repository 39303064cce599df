"""A trader is killed at random moments, again and again: restart is replay, nothing is sent twice."""

import multiprocessing
from pathlib import Path

import pytest

from execore.testing.venue_process import Fault
from runtime_support import kill_loop

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "forkserver" not in multiprocessing.get_all_start_methods(), reason="SIGKILL and forks are of Unix"
    ),
]


def check(report: kill_loop.Report, kills: int) -> None:
    assert report.problems == []
    assert report.kills == kills
    assert report.orders > 3 * kills
    assert report.executions > kills
    # A loop in which nothing was ever under way would prove nothing.
    assert report.kills_with_something_in_flight > kills / 5, report.in_flight
    assert report.killed_while["opening"] > kills / 20, report.killed_while


def test_kills_of_a_book_lose_nothing_and_send_nothing_twice(tmp_path: Path) -> None:
    report = kill_loop.run(tmp_path, kills=50, seed=20_241_122)
    check(report, 50)
    assert report.in_flight[kill_loop.ORDER_NOT_SENT] + report.in_flight[kill_loop.ORDER_SENT] > 0


def test_kills_of_a_runtime_with_many_callers_catch_everything_in_flight(tmp_path: Path) -> None:
    report = kill_loop.run(tmp_path, kills=50, seed=20_251_122, threads=4)
    check(report, 50)
    assert report.in_flight.keys() == kill_loop.KINDS, report.in_flight
    assert report.kills_with_something_in_flight > 25, report.in_flight


def test_kills_and_a_wire_that_loses_requests_and_replies(tmp_path: Path) -> None:
    faults = {Fault.LOSE: 5, Fault.KEEP_REPLY: 10, Fault.HANG_UP: 10, Fault.DELAY: 10}
    report = kill_loop.run(tmp_path, kills=25, seed=20_261_122, threads=2, faults=faults)
    check(report, 25)
