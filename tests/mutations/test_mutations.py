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
TRADE_CHANGES = "runtime/test_trade_changes.py"
OLDER_FILE = "journal/test_older_file.py"
GROUPS = "core/test_order_groups.py"
THREADS = "runtime/test_runtime_threads.py"
ONE_ORDER = "runtime/test_resolving.py::test_whatever_gets_lost_there_is_one_order_and_its_outcome_is_found"
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
        "journal/ownership.py",
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
        "runtime/loop.py",
        "            queued.answers.append(writer.step(cause, now_ns, past))",
        "            queued.answers.append(writer.step(cause, now_ns, past))\n"
        "            queued.channel.carry_out(queued.answers[-1:])",
        (f"{BOOK}::test_nothing_is_sent_before_its_record_is_on_disk",),
    ),
    Mutation(
        "alerts come before the commit",
        "runtime/loop.py",
        "            queued.answers.append(writer.step(cause, now_ns, past))",
        "            queued.answers.append(writer.step(cause, now_ns, past))\n"
        "            queued.channel.carry_out(queued.answers[-1:])",
        (f"{BOOK}::test_nobody_is_told_before_its_record_is_on_disk",),
    ),
    Mutation(
        "callers are told before the commit",
        "runtime/loop.py",
        "        interrupt = self._append([channel",
        "        wake(_settled(unrecorded))\n        interrupt = self._append([channel",
        (f"{THREADS}::test_nobody_is_told_and_nothing_is_sent_before_the_commit_is_over",),
    ),
    Mutation(
        "reports are confirmed before the commit",
        "runtime/intake.py",
        "self._put(reports, partial(self._recorded, after))",
        "self._confirm()\n                self._put(reports, partial(self._confirmed, after))",
        (f"{THREADS}::test_reports_are_confirmed_after_the_commit_only",),
    ),
    Mutation(
        "the queue has no bound",
        "runtime/loop.py",
        "if len(self._requests) >= self._queue_size and not ask.urgent:",
        "if False:",
        (f"{THREADS}::test_a_full_queue_is_busy_at_once_and_takes_nothing",),
    ),
    Mutation(
        "a report finds no room in a full queue",
        "runtime/loop.py",
        "if len(self._requests) >= self._queue_size and not ask.urgent:",
        "if len(self._requests) >= self._queue_size:",
        (f"{THREADS}::test_a_full_queue_is_busy_at_once_and_takes_nothing",),
    ),
    Mutation(
        "every request is a commit of its own",
        "runtime/loop.py",
        "BATCH: Final = 1_024",
        "BATCH: Final = 1",
        (f"{THREADS}::test_what_is_queued_while_the_writer_waits_is_one_commit",),
    ),
    Mutation(
        "what a book stepped before it broke is told as done",
        "runtime/loop.py",
        "                    _fail_with(each, unrecorded)\n        self._commit(unrecorded)",
        "                    unrecorded.clear()\n        self._commit(unrecorded)",
        (f"{THREADS}::test_what_a_book_stepped_before_it_broke_is_not_told_as_done",),
    ),
    Mutation(
        "who begins to wait while a handle is settled waits for ever",
        "runtime/handle.py",
        "            if self.is_settled:\n                return False\n",
        "",
        ("runtime/test_handles.py::test_the_moment_between_the_look_and_the_wait",),
    ),
    Mutation(
        "a bug on the writer's side is told to nobody",
        "runtime/loop.py",
        "            except Exception as error:  # a bug: what it was to bring about is lost\n"
        "                self.give_up(error)",
        "            except Exception:\n                pass",
        (f"{THREADS}::test_a_call_that_raises_on_the_writer_closes_the_books_and_says_so",),
    ),
    Mutation(
        "a message is tried again though its order is not wanted any more",
        "runtime/channel.py",
        "return bool(order.pending_cancels or order.refused_cancel)",
        "return False",
        ("runtime/test_sender.py::test_an_order_that_somebody_wants_cancelled_is_not_tried_again",),
    ),
    Mutation(
        "an interrupt between the record and the sending leaves the book open",
        "runtime/loop.py",
        "                self.give_up(error)\n                raise",
        "                raise",
        (
            "runtime/test_loop.py"
            "::test_an_interrupt_while_sending_closes_the_book_and_the_next_opening_settles_it",
        ),
    ),
    Mutation(
        "a book goes on after an append that failed",
        "runtime/loop.py",
        "        for channel in touched:\n            channel.writer.close(error)\n",
        "",
        (f"{BOOK}::test_a_failed_append_closes_the_book_and_sends_nothing",),
    ),
    Mutation(
        "what is in flight is not settled on opening",
        "runtime/opening.py",
        "_record(channel, driver, [*defined, *causes, *absorbed])",
        "_record(channel, driver, [*defined, *absorbed])",
        (f"{BOOK}::test_an_order_sent_without_an_outcome_is_unknown_and_asked_for",),
    ),
    Mutation(
        "what the venue does not have is absent, though a call of a closed runtime may still send it",
        "runtime/opening.py",
        "may_still_send=partial(hangs, settings.name)",
        "may_still_send=partial(hangs, '')",
        (f"{THREADS}::test_an_order_whose_sending_hangs_is_not_absent_for_a_book_that_is_opened_again",),
    ),
    Mutation(
        "a recorded and sent order is answered with the error of what follows",
        "runtime/book.py",
        "        if answer.order is None or self._writer.is_closed:\n",
        "        if answer.order is None:\n",
        (f"{BOOK}::test_a_recorded_and_sent_order_is_answered_though_what_follows_cannot_be_recorded",),
    ),
    Mutation(
        "nobody asks for an order of unknown outcome",
        "core/request_proposals.py",
        "Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), (query(order),))",
        "Proposal((events.OrderOutcomeUnknown(order.client_order_id, cause.reason),), ())",
        ("scenarios/test_scenarios.py::test_the_scenario_runs_as_its_file_says[unknown_proven_absent]",),
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
        "core/decisions.py",
        "        return judge_execution(order, report, booked)\n",
        "        return transition(order, report)\n",
        (f"{BOOK}::test_an_execution_told_twice_is_booked_once",),
    ),
    Mutation(
        "a fill is booked in the order ledger only",
        "core/book_state.py",
        "        self.positions.post(effect, event, ts_ns, strategy)\n",
        "",
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
        "return replace(order, reason=event.reason, updated_ts_ns=ts_ns, **answered)",
        "return replace(order, cancelled=True, updated_ts_ns=ts_ns, **answered)",
        (f"{BOOK}::test_a_cancel_reject_leaves_the_order_alive",),
    ),
    Mutation(
        "a bust leaves the books as they were",
        "core/book_state.py",
        "changed = replace(event, postings=restated.postings, lots=restated.lots)",
        "changed = event",
        (
            "core/test_whole_life.py::test_a_bust_takes_the_quantity_from_our_own_ledger_and_opens_the_order_again",
        ),
    ),
    Mutation(
        "a bust that comes before its execution is forgotten",
        "core/decisions.py",
        "        early = known.executions.released_by(report)\n        return [report, *early, *(",
        "        return [report, *(",
        ("core/test_whole_life.py::test_what_comes_before_its_execution_waits_for_it_and_is_applied",),
    ),
    Mutation(
        "an execution that was undone is booked again when it is told again",
        "core/executions.py",
        "        first = self._reported.get(key) or self._standing.get(key)\n",
        "        first = self._standing.get(key)\n",
        ("core/test_whole_life.py::test_a_busted_execution_that_comes_again_stays_busted",),
    ),
    Mutation(
        "executions are booked on top of the total that counted them",
        "core/totals.py",
        "    covered = min(report.quantity, order.provisional, max(beyond, ZERO))",
        "    covered = ZERO",
        ("core/test_whole_life.py::test_a_total_that_grew_on_any_report_is_booked_once",),
    ),
    Mutation(
        "a request id may be used twice",
        "core/decisions.py",
        "    if owner is None:\n        return transition(order, cause)",
        "    if owner is None or owner:\n        return transition(order, cause)",
        ("core/test_whole_life.py::test_request_ids_are_unique_in_the_book",),
    ),
    Mutation(
        "a reject of a request ends its order",
        "core/decisions.py",
        "    if type(report) is reports.RejectReport:  # it refuses the request, and never the order",
        "    if False:",
        (
            "core/test_whole_life.py::test_a_reject_that_names_a_request_answers_the_request_and_leaves_the_order",
        ),
    ),
    Mutation(
        "an end that comes after the last fill is forgotten",
        "core/report_proposals.py",
        "    if order.expired:\n        return NOTHING_NEW",
        "    if order.expired or not order.is_open:\n        return NOTHING_NEW",
        (
            "core/test_whole_life.py::test_an_end_told_after_everything_was_filled_holds_when_a_fill_is_undone",
        ),
    ),
    Mutation(
        "projections that lag are left as they are",
        "runtime/opening.py",
        "    catch_up_projections(journal, name)  # first, as the replay looks things up in them\n",
        "",
        (f"{BOOK}::test_tables_that_lag_are_rebuilt_when_the_book_opens",),
    ),
    Mutation(
        "the table of fills is not told of busts and corrections",
        "runtime/projecting.py",
        "            changes.append(event)\n",
        "",
        (f"{TRADE_CHANGES}::test_a_bust_leaves_the_books_as_if_it_had_never_been_filled",),
    ),
    Mutation(
        "an append to an older file takes its empty tables for complete",
        "journal/sqlite_schema.py",
        "REPLACE INTO projection_heads SELECT DISTINCT book, 0 FROM events",
        "DELETE FROM projection_heads",
        (f"{OLDER_FILE}::test_an_append_before_that_does_not_hide_that_the_tables_lag",),
    ),
    Mutation(
        "an id that the venue gave twice stands for the order made last",
        "journal/venue_ids.py",
        "return ledger.ids.by_venue_order_id(venue_order_id, symbol) or claimants[-1]",
        "return claimants[-1]",
        ("journal/test_lookups_agree.py::test_every_key_and_every_trade_of_a_random_book_is_found[0]",),
    ),
    Mutation(
        "a slow process removes the newer snapshot of a fast one",
        "journal/snapshots.py",
        "        if is_ours is None or (later is not None and is_ours(later.head)):",
        "        if False:",
        ("journal/test_snapshots.py::test_a_slower_process_does_not_remove_what_a_faster_one_saved",),
    ),
    Mutation(
        "the balances of a snapshot are taken for true",
        "runtime/recovery.py",
        "if _balances(journal, book, state, head) else",
        "if True else",
        (
            "runtime/test_snapshots.py"
            "::test_a_snapshot_whose_positions_are_not_those_of_the_tables_is_passed_over[False]",
        ),
    ),
    Mutation(
        "tables are compared with the records of another moment",
        "journal/sqlite_reader.py",
        'connection.execute("BEGIN")',
        'connection.execute("BEGIN; COMMIT; BEGIN; COMMIT; SAVEPOINT none; RELEASE none")',
        ("runtime/test_table_check.py::test_a_journal_is_compared_as_it_is_at_one_moment",),
    ),
    Mutation(
        "what is read only is opened as if it could be written",
        "journal/sqlite.py",
        "as_it_lies = read_only and self._vfs is None and is_still(self.path)",
        "as_it_lies = False",
        ("journal/test_sqlite_open.py::test_a_closed_journal_is_read_where_nothing_can_be_written",),
    ),
    Mutation(
        "what was in flight is recorded in one commit, however much it is",
        "runtime/opening.py",
        "    for first in range(0, len(causes), BATCH):",
        "    for first, BATCH in ((0, len(causes)),):",
        (
            "runtime/test_large_opening.py"
            "::test_twenty_five_thousand_orders_in_flight_are_settled_in_bounded_commits",
        ),
    ),
    Mutation(
        "what a group needs is never asked",
        "core/engine.py",
        "    if not (tends_groups and state.groups.places):\n",
        "    if True:\n",
        (f"{GROUPS}::test_both_legs_are_sent_at_once",),
    ),
    Mutation(
        "an exit keeps working for what the other leg traded",
        "core/order_groups.py",
        "        keep = min(left, possible)",
        "        keep = possible",
        (f"{GROUPS}::test_what_one_leg_trades_is_taken_from_the_other",),
    ),
    Mutation(
        "a second exit is sent while the first may still trade",
        "core/order_groups.py",
        "    worst = sum(map(_worst_leaves, live + leg.ending), ZERO)",
        "    worst = ZERO",
        (f"{GROUPS}::test_an_unknown_leg_counts_as_live_and_is_not_sent_again",),
    ),
    Mutation(
        "nobody hears that both legs filled",
        "core/order_groups.py",
        "if excess != group.excess:",
        "if False:",
        (f"{GROUPS}::test_ws095_both_legs_fill_and_everybody_is_told",),
    ),
    Mutation(
        "a request that failed is made for ever",
        "core/order_groups.py",
        "    if not misfit and (key, total) not in group.asked:",
        "    if not misfit:",
        (f"{GROUPS}::test_an_unknown_amend_upwards_protects_nobody_and_may_have_come_true",),
    ),
    Mutation(
        "a restart forgets what a group could not do",
        "runtime/opening.py",
        "_record(channel, driver, channel.grouping.reviews())",
        "_record(channel, driver, ())",
        ("runtime/test_groups.py::test_a_cancel_that_came_to_nothing_is_asked_again_at_the_next_opening",),
    ),
    Mutation(
        "absence is proven before the venue's visibility lag is over",
        "core/unknown_outcomes.py",
        "proven = cause.complete and cause.waited_ns >= cause.visibility_lag_ns",
        "proven = cause.complete",
        (ONE_ORDER,),
    ),
    Mutation(
        "absence is proven by open orders alone",
        "core/unknown_outcomes.py",
        "proven = cause.complete and cause.waited_ns >= cause.visibility_lag_ns",
        "proven = cause.waited_ns >= cause.visibility_lag_ns",
        (ONE_ORDER,),
    ),
    Mutation(
        "an order is sent again on suspicion to a venue that takes an id twice",
        "core/unknown_outcomes.py",
        "if (proven or cause.duplicates_refused) and ",
        "if ",
        (ONE_ORDER,),
    ),
    Mutation(
        "an order is sent again that somebody wants cancelled",
        "core/unknown_outcomes.py",
        "if order.pending_cancels or order.refused_cancel:",
        "if False:",
        (ONE_ORDER,),
    ),
    Mutation(
        "a reject of a copy ends the order",
        "core/report_proposals.py",
        "if order.doubled and not names_order and not both_answered:",
        "if False:",
        (ONE_ORDER,),
    ),
    Mutation(
        "old terms take the place of newer ones",
        "core/decisions.py",
        "return report.ts_ns < order.terms_ts_ns",
        "return False",
        ("core/test_old_terms.py",),
    ),
    Mutation(
        "an order that ended is opened by terms from before its end",
        "core/report_proposals.py",
        "or revived) and report.ts_ns >= order.ended_ts_ns",
        "or revived)",
        ("core/test_old_terms.py",),
    ),
    Mutation(
        "an end that is told again ends an order that was reopened since",
        "core/proposals.py",
        "return ts_ns < order.reopened_ts_ns",
        "return False",
        ("core/test_told_late.py",),
    ),
    Mutation(
        "terms that are told again take back the cancel of a part",
        "core/proposals.py",
        "if at_ns > ts_ns:",
        "if False:",
        ("core/test_told_late.py",),
    ),
    Mutation(
        "a cancel of a part counts each time it is told",
        "core/decisions.py",
        "if is_told_again or (",
        "if (",
        ("core/test_told_late.py",),
    ),
    Mutation(
        "an id of the venue's that comes with old terms is forgotten",
        "core/order_ledger.py",
        "if event.overtaken and event.venue_order_id:",
        "if False:",
        ("core/test_told_late.py",),
    ),
    Mutation(
        "what is parked is parked again each time it is told",
        "core/book_state.py",
        "and mark_of(event.report) in self.breaks",
        "and False",
        ("core/test_order_life.py",),
    ),
    Mutation(
        "an order ends when it could not be sent again",
        "core/request_proposals.py",
        "if not order.doubled:",
        "if True:",
        (ONE_ORDER,),
    ),
    Mutation(
        "the wait for a proof is counted from the first sending",
        "runtime/resolving.py",
        "            watch.since_ns = now_ns\n            self._schedule(",
        "            self._schedule(",
        (ONE_ORDER,),
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
