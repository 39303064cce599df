"""Our own code, broken on purpose, in memory: the simulator must find each break within a few hundred seeds.

A mutation takes one promise away: the sync, the dedupe, the fence, the question before a resend, and so on.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from msgspec.structs import replace

from execore.core import decisions, transitions, unknown_outcomes
from execore.core.transition_table import OrderInput
from execore.journal import memory
from execore.journal.protocol import Append, Head
from execore.model import requests
from execore.model.effects import QueryOrder
from execore.model.errors import JournalError
from execore.runtime import opening
from execore.runtime.intake import Intake
from execore.runtime.loop import Loop
from execore.runtime.resolving import Resolver
from execore.testing.simulation.connection import Gateway
from execore.testing.simulation.plan import make_plan
from execore.testing.simulation.run import Outcome, simulate
from execore.testing.simulation.shrink import code_of, play, shortest
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.world import Process
from execore.venues.protocol import QueryAnswer

SEEDS: Final = 400
Patch = pytest.MonkeyPatch


def no_sync(patch: Patch) -> None:
    """The disk says that it is done, and is not."""
    begin = Storage.__init__

    def init(self: Storage, *rest: Any) -> None:
        begin(self, *rest)
        self.drops_syncs = True

    patch.setattr(Storage, "__init__", init)


def no_sync_and_nobody_looks(patch: Patch) -> None:
    """The same, where only its consequences can be seen, and not the record that is missing at a send."""
    no_sync(patch)

    def count(self: Gateway, message: Any) -> None:
        key = message.order.client_order_id if hasattr(message, "order") else message.request_id
        self.handed_over[key] = self.handed_over.get(key, 0) + 1

    patch.setattr(Gateway, "note", count)
    patch.setattr(Storage, "has", lambda self, event: True)


def no_dedupe(patch: Patch) -> None:
    """An execution that is told again is booked again, as if it were another."""

    def book_again(order: Any, report: Any, booked: Any) -> Any:
        another = f"{report.execution_id}, {order.filled} later"
        return transitions.transition(order, replace(report, execution_id=another))

    patch.setattr(decisions, "judge_execution", book_again)


def no_fence(patch: Patch) -> None:
    """Whoever appends, appends."""
    patch.setattr(memory, "check_append", lambda *rest: None)


def _believing(changes: dict[str, Any]) -> Callable[[Patch], None]:
    """An order that was not found is taken for absent on less evidence than there must be."""

    def mutate(patch: Patch) -> None:
        def not_found(order: Any, cause: requests.OrderNotFound) -> Any:
            return unknown_outcomes._not_found(order, replace(cause, resend=True, **changes))

        inputs: dict[Any, Any] = transitions._INPUTS
        patch.setitem(inputs, requests.OrderNotFound, (OrderInput.NOT_FOUND, not_found))

    return mutate


def no_query_before_resend(patch: Patch) -> None:
    """What is unknown is sent again, and nobody is asked."""
    _believing({"complete": True, "waited_ns": 10**18})(patch)
    due = Resolver.due

    def due_without_asking(self: Resolver, now_ns: int) -> list[Any]:
        found: list[Any] = []
        for item in due(self, now_ns):
            if isinstance(item, QueryOrder):
                found += self.answered(item.client_order_id, QueryAnswer.ABSENT, now_ns, now_ns)
            else:
                found.append(item)
        return found

    patch.setattr(Resolver, "due", due_without_asking)


def in_flight_forgotten(patch: Patch) -> None:
    """What was in flight at a crash is taken for sent."""
    patch.setattr(opening, "in_flight", lambda state, now_ns: ([], []))


def confirmed_before_recorded(patch: Patch) -> None:
    """Reports are confirmed as soon as they are taken."""
    take = Intake._call

    def call(self: Intake) -> Any:
        reports = take(self)
        self._confirm()
        return reports

    patch.setattr(Intake, "_call", call)


def sent_before_recorded(patch: Patch) -> None:
    """Messages leave before the commit that they belong to."""
    commit = Loop._commit

    def commit_late(self: Loop, unrecorded: Any) -> None:
        for each in unrecorded:
            each.channel.carry_out(each.answers)
        commit(self, unrecorded)

    patch.setattr(Loop, "_commit", commit_late)


def failed_append_ignored(patch: Patch) -> None:
    """An append that failed is taken for one that did not."""
    write = Storage.write

    def write_whatever(self: Storage, process: Process, appends: Sequence[Append]) -> list[Head]:
        try:
            return write(self, process, appends)
        except JournalError:
            return [Head(each.expected_sequence + len(each.records), "00" * 32) for each in appends]

    patch.setattr(Storage, "write", write_whatever)


MUTATIONS: Final[dict[str, Callable[[Patch], None]]] = {
    "no sync": no_sync,
    "no sync, and nobody looks at what is durable": no_sync_and_nobody_looks,
    "no dedupe": no_dedupe,
    "no fence": no_fence,
    "no query before a resend": no_query_before_resend,
    "what was not found is absent": _believing({"complete": True, "waited_ns": 10**18}),
    "what is absent within the lag is absent": _believing({"waited_ns": 10**18}),
    "every venue refuses copies": _believing({"duplicates_refused": True}),
    "what was in flight is forgotten": in_flight_forgotten,
    "reports are confirmed before they are recorded": confirmed_before_recorded,
    "messages leave before they are recorded": sent_before_recorded,
    "a failed append is ignored": failed_append_ignored,
}


def first_failure() -> Outcome | None:
    """The first run of the first seeds that fails; None if all are clean."""
    return next((outcome for outcome in map(simulate, range(SEEDS)) if outcome.problems), None)


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_simulator_finds_it(name: str, monkeypatch: Patch) -> None:
    MUTATIONS[name](monkeypatch)
    assert first_failure() is not None


def test_what_it_finds_is_what_was_broken(monkeypatch: Patch) -> None:
    found = {}
    for name, mutate in MUTATIONS.items():
        with monkeypatch.context() as patch:
            mutate(patch)
            outcome = first_failure()
            found[name] = "" if outcome is None else code_of(outcome.problems[0])
    assert found["no sync"] == "sent_before_durable"
    assert found["messages leave before they are recorded"] == "sent_before_durable"
    assert found["what is absent within the lag is absent"] == "sent_twice"
    assert found["every venue refuses copies"] == "sent_twice"


def test_a_run_that_fails_is_made_shorter_and_fails_in_the_same_way(monkeypatch: Patch) -> None:
    _believing({"duplicates_refused": True})(monkeypatch)
    long = (seed for seed in range(SEEDS) if len(make_plan(seed).steps) > 20)
    outcome = next(run for run in map(simulate, long) if run.problems)
    plan, problem = make_plan(outcome.seed), outcome.problems[0]
    short = shortest(plan, problem)
    assert len(short.steps) < len(plan.steps) / 2
    again = play(short, tracing=True)
    assert code_of(problem) in {code_of(found) for found in again.problems}
    assert any("PROBLEM" in line for line in again.lines)
    assert set(short.steps) < set(plan.steps)


def test_a_time_limit_ends_the_search(monkeypatch: Patch) -> None:
    no_sync(monkeypatch)
    outcome = first_failure()
    assert outcome is not None
    plan = make_plan(outcome.seed)
    assert shortest(plan, outcome.problems[0], time_limit_seconds=0) == plan
