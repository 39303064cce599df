"""What memory lets go of changes nothing: two books, one of which forgets, answer the same to everything.

The lean book lets go of every order that may leave after every step, gets back what an input names from a
journal, and now and then is only what a snapshot of it says. Each step compares answers (outcome, order,
events, effects, refusal), errors, positions, and the snapshots of both books, byte by byte.
"""

from collections import Counter
from random import Random

import pytest

from core_support.desk import BITCOIN, FUTURE
from core_support.random_book import Traffic
from core_support.random_order import INSTRUMENTS, Walk
from core_support.twins import NaiveJournal, RealJournal, Twins
from execore.core.book_state import BookState
from execore.core.engine import open_book
from execore.core.recall import needs, needs_past
from execore.model import events
from execore.model.errors import InvalidInput
from execore.model.instruments import Instrument
from execore.model.requests import Input
from execore.model.vocabulary import CostMethod

RESTARTS = 0.1


def opened(instruments: tuple[Instrument, ...]) -> tuple[BookState, list[events.AnyEvent]]:
    state, first = open_book("b", CostMethod.AVERAGE, 0)
    told: list[events.AnyEvent] = [first, *map(events.InstrumentDefined, instruments)]
    for event in told[1:]:
        state.apply(event, 0)
    return state, told


def take(twins: Twins, cause: Input, random: Random, seen: Counter[str]) -> None:
    seen["recalled"] += bool(needs(twins.lean, cause)) and twins.recalls(cause)
    try:
        answer = twins.take(cause)
    except InvalidInput:
        return
    seen[f"{type(cause).__name__} {answer.outcome}"] += 1
    seen["past"] += bool(twins.wanted_past)
    if random.random() < RESTARTS:
        twins.restart()


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("journal", [NaiveJournal, RealJournal])
def test_a_book_that_forgets_what_is_over_answers_as_one_that_keeps_everything(
    seed: int, journal: type[NaiveJournal | RealJournal]
) -> None:
    state, told = opened((BITCOIN, FUTURE))
    twins, random, seen = Twins(state, told, journal()), Random(seed), Counter[str]()
    traffic = Traffic(seed, state)
    for cause in traffic.inputs(150):
        take(twins, cause, random, seen)
    assert twins.released > 10
    assert len(twins.lean.orders) < len(twins.full.orders)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_the_same_on_random_walks_of_one_or_two_orders(first: int) -> None:
    released = 0
    for seed in range(first, first + 100):
        walk, random = Walk(seed), Random(seed)
        state, told = opened(INSTRUMENTS)
        twins, seen = Twins(state, told), Counter[str]()
        for cause in walk.inputs():
            walk.book.take(cause)
            take(twins, cause, random, seen)  # asserts that both answer alike
        released += twins.released
    assert released > 10


def test_the_traffic_reaches_what_it_is_for() -> None:
    """Else the proof proves little."""
    seen: Counter[str] = Counter()
    for seed in range(12):
        state, told = opened((BITCOIN, FUTURE))
        twins, random = Twins(state, told), Random(seed)
        for cause in Traffic(seed, state).inputs(150):
            take(twins, cause, random, seen)
        seen["groups"] += len(state.groups)
        seen["taken over"] += sum(
            isinstance(event, events.OrderReowned)
            for order in state.orders
            for event in state.orders.history(order.client_order_id)
        )
    for what in (
        "recalled",
        "past",
        "groups",
        "taken over",
        "SubmitOrder already_done",
        "FillReport already_done",
        "FillReport parked",
        "TradeCancelReport applied",
        "TradeCancelReport parked",
        "TradeCorrectReport applied",
        "CancelReport applied",
        "AmendReport applied",
        "RestateReport applied",
        "StartDay applied",
        "CancelOrder refused",
    ):
        assert seen[what] >= 5, (what, seen)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_wanted_of_the_past_by_what_is_not_about_the_past(seed: int) -> None:
    """An ordinary fill reads no executions of others."""
    state, told = opened((BITCOIN, FUTURE))
    twins = Twins(state, told)
    for cause in Traffic(seed, state).inputs(150):
        is_complete = twins.lean.is_whole
        kind = type(cause).__name__
        if kind not in ("FillReport", "TradeCancelReport", "TradeCorrectReport") or is_complete:
            assert needs_past(twins.lean, cause) == ()
        try:
            twins.take(cause)
        except InvalidInput:
            continue
