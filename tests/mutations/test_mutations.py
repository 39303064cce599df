"""Our own code, broken on purpose: each mutation breaks one promise, and the suite must notice.

A row names a file, the text to replace, what to put there, and the narrow selection of tests that must fail.
It is applied to a copy of the sources. The selections pass on an unchanged copy, so that they fail because of
the mutation; and the old text is there exactly once, so that a row cannot rot unseen.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
WORKERS = 2
PASSED, FAILED = 0, 1

Run = subprocess.CompletedProcess[str]


class Mutation(NamedTuple):
    """One way to break a promise, and the tests (below ``tests/``) that notice."""

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BOOK = "runtime/test_book.py"
MUTATIONS = [
    Mutation(
        "commits are not synced at all",
        "journal/sqlite_schema.py",
        '"synchronous": 2',
        '"synchronous": 0',
        ("journal/test_sqlite_faults.py::test_every_commit_is_synced",),
    ),
    Mutation(
        "commits are synced at checkpoints only",
        "journal/sqlite_schema.py",
        '"synchronous": 2',
        '"synchronous": 1',
        ("journal/test_sqlite_faults.py::test_every_commit_is_synced",),
    ),
    Mutation(
        "no fence against a second writer",
        "journal/rows.py",
        "if head.sequence != expected_sequence:",
        "if False:",
        (f"{BOOK}::test_another_writer_is_met_at_the_fence",),
    ),
    Mutation(
        "a second owner is let in",
        "journal/sqlite_schema.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        (f"{BOOK}::test_a_second_owner_is_refused",),
    ),
    Mutation(
        "records are not chained",
        "journal/codec.py",
        "return sha256(previous + data).digest()",
        "return sha256(data).digest()",
        ("cli/test_commands.py::test_an_export_is_accepted_by_the_script_that_knows_nothing_of_us",),
    ),
    Mutation(
        "the chain is not checked on replay",
        "runtime/recovery.py",
        "if stored.sequence != expected or previous.hex() != stored.hash:",
        "if False:",
        (f"{BOOK}::test_a_changed_record_stops_the_replay_and_is_named",),
    ),
    Mutation(
        "effects come before the commit",
        "runtime/writer.py",
        "        self._commit(taken)\n        return answers",
        "        self._late, late = taken, getattr(self, '_late', [])\n"
        "        self._commit(late)\n        return answers",
        (f"{BOOK}::test_nothing_is_sent_before_its_record_is_on_disk",),
    ),
    Mutation(
        "alerts come before the commit",
        "runtime/writer.py",
        "        self._commit(taken)\n        return answers",
        "        self._late, late = taken, getattr(self, '_late', [])\n"
        "        self._commit(late)\n        return answers",
        (f"{BOOK}::test_nobody_is_told_before_its_record_is_on_disk",),
    ),
    Mutation(
        "a book goes on after an append that failed",
        "runtime/writer.py",
        "            self.close(error)  # the working state is ahead of the journal now\n",
        "",
        (f"{BOOK}::test_a_failed_append_closes_the_book_and_sends_nothing",),
    ),
    Mutation(
        "what is in flight is not settled on opening",
        "runtime/book.py",
        "        book.settle()\n",
        "",
        (f"{BOOK}::test_an_order_sent_without_an_outcome_is_unknown_and_asked_for",),
    ),
    Mutation(
        "a recorded and sent order is answered with the error of what follows",
        "runtime/book.py",
        "            self._alert(self._interruption(error))",
        "            raise",
        (f"{BOOK}::test_a_recorded_and_sent_order_is_answered_though_what_follows_cannot_be_recorded",),
    ),
    Mutation(
        "nobody asks for an order of unknown outcome",
        "core/transitions.py",
        "Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), (_query(order),))",
        "Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), ())",
        (f"{BOOK}::test_an_order_sent_without_an_outcome_is_unknown_and_asked_for",),
    ),
    Mutation(
        "a submit of unknown outcome is taken for not sent",
        "runtime/sender.py",
        "_UNKNOWN: requests.SubmitOutcomeUnknown,",
        "_UNKNOWN: requests.SubmitNotSent,",
        (f"{BOOK}::test_a_submit_that_fails_ends_in_what_the_error_proves",),
    ),
    Mutation(
        "executions are not deduplicated",
        "core/engine.py",
        "return judge_execution(order, report, booked) or transition(order, report)",
        "return transition(order, report)",
        (f"{BOOK}::test_an_execution_told_twice_is_booked_once",),
    ),
    Mutation(
        "a fill is booked in the order ledger only",
        "core/engine.py",
        "        self.positions.post(effect)\n        return order",
        "        return order",
        (f"{BOOK}::test_a_fill_enters_both_ledgers",),
    ),
    Mutation(
        "the same order again is sent again",
        "core/engine.py",
        "        return resubmission(existing, request)",
        "        return Answer(Outcome.ALREADY_DONE, existing, effects=(effects.SendOrder(request),))",
        (f"{BOOK}::test_the_same_order_again_is_the_same_order_whatever_became_of_it",),
    ),
    Mutation(
        "a live order may be closed: an illegal cell in the table",
        "core/transition_table.py",
        "close                 -        -        -         -  ",
        "close                 -        -        -         +  ",
        (f"{BOOK}::test_a_live_order_cannot_be_settled_and_closed",),
    ),
    Mutation(
        "a float is let in",
        "model/money.py",
        "if kind is Decimal or kind is int:",
        "if kind is Decimal or kind is int or kind is float:",
        (f"{BOOK}::test_what_is_not_acceptable_raises_and_changes_nothing",),
    ),
    Mutation(
        "a risk hook that raises allows",
        "core/risk_hook.py",
        'return _block(f"{name} raised {type(error).__name__}: {error}", name)',
        "continue",
        (f"{BOOK}::test_a_hook_that_does_not_clearly_allow_blocks",),
    ),
    Mutation(
        "a rejected cancel ends the order",
        "core/order_facts.py",
        "order, reason=event.reason, updated_ts_ns=ts_ns, **_without_request(order, event.request_id)",
        "order, cancelled=True, **_without_request(order, event.request_id)",
        (f"{BOOK}::test_a_cancel_reject_leaves_the_order_alive",),
    ),
    Mutation(
        "projections that lag are left as they are",
        "runtime/book.py",
        "    catch_up_projections(journal, name, state, head)\n",
        "",
        (f"{BOOK}::test_tables_that_lag_are_rebuilt_when_the_book_opens",),
    ),
]


def run_tests(sources: Path, tests: set[str]) -> Run:
    """Run a selection of tests against a copy of the sources."""
    environment = os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"}
    selection = [str(ROOT / "tests" / test) for test in sorted(tests)]
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *selection],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def copied(sources: Path) -> Path:
    shutil.copytree(ROOT / "src", sources, ignore=shutil.ignore_patterns("__pycache__"))
    return sources


def run_mutated(mutation: Mutation, sources: Path) -> Run:
    file = copied(sources) / "execore" / mutation.file
    file.write_text(file.read_text().replace(mutation.old, mutation.new))
    return run_tests(sources, set(mutation.tests))


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(WORKERS)
    yield pool
    pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def unchanged(pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> Future[Run]:
    """All the selections, on a copy that nobody changed."""
    sources = copied(tmp_path_factory.mktemp("unchanged") / "src")
    return pool.submit(run_tests, sources, {test for mutation in MUTATIONS for test in mutation.tests})


@pytest.fixture(scope="module")
def mutated(pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Run]]:
    """What became of the tests of each mutation; they run side by side."""
    directory = tmp_path_factory.mktemp("mutated")
    return {
        mutation.breaks: pool.submit(run_mutated, mutation, directory / str(number))
        for number, mutation in enumerate(MUTATIONS)
    }


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_the_text_to_replace_is_there_exactly_once(mutation: Mutation) -> None:
    assert (ROOT / "src" / "execore" / mutation.file).read_text().count(mutation.old) == 1


@pytest.mark.slow
def test_the_selections_pass_on_an_unchanged_copy(unchanged: Future[Run]) -> None:
    result = unchanged.result()
    assert result.returncode == PASSED, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_the_suite_notices_that(mutation: Mutation, mutated: dict[str, Future[Run]]) -> None:
    result = mutated[mutation.breaks].result()
    assert result.returncode == FAILED, result.stdout + result.stderr
