"""The checker sees every kind of difference: each test makes one by hand, in a run that was clean."""

import json
from collections.abc import Callable
from copy import copy
from decimal import Decimal

import pytest
from msgspec.structs import replace

from execore.journal.memory import MemoryJournal
from execore.model.records import StoredRecord
from execore.model.vocabulary import OrderState
from execore.testing.simulation.checker import check
from execore.testing.simulation.life import BOOK, Life
from execore.testing.simulation.plan import make_plan
from execore.testing.simulation.run import Run
from execore.testing.simulation.venue_order import VenueOrder

Settled = tuple[Run, Life]


class Kept(Run):
    """A run that keeps its last process."""

    last: Life

    def _settle(self) -> Life:
        self.last = super()._settle()
        return self.last


@pytest.fixture
def settled() -> Settled:
    """A clean run that has executions with ids, one of them undone, and orders of every kind."""
    for seed in range(1_000):
        run = Kept(make_plan(seed))
        profile = run.plan.profile
        if profile.on_sqlite or not profile.gives_execution_ids or run.play().problems:
            continue
        orders = run.gateway.exchange.orders
        deals = [deal for order in orders for deal in order.deals]
        if sum(deal.stands for deal in deals) > 2 and any(order.leaves for order in orders):
            return run, run.last
    raise AssertionError("no such run")


def codes(settled: Settled) -> set[str]:
    """The codes of what the checker finds."""
    run, life = settled
    return {code for code, _ in check(run.plan.profile, run.gateway, run.storage, life)}


def executed(settled: Settled) -> VenueOrder:
    """An order of ours at the venue that traded."""
    orders = settled[0].gateway.exchange.orders
    return next(
        order for order in orders if order.client_order_id and any(deal.stands for deal in order.deals)
    )


def stream_of(run: Run) -> list[StoredRecord]:
    """The records of a run, to be tampered with."""
    medium = run.storage.medium
    assert isinstance(medium, MemoryJournal)
    return medium._streams[BOOK]


def test_a_clean_run_is_clean(settled: Settled) -> None:
    assert codes(settled) == set()


def test_a_second_order_of_one_id(settled: Settled) -> None:
    orders = settled[0].gateway.exchange.orders
    second = copy(next(order for order in orders if order.client_order_id))
    second.venue_order_id, second.deals = "V999", []
    orders.append(second)
    assert "sent_twice" in codes(settled)


def test_an_order_that_we_do_not_have(settled: Settled) -> None:
    settled[0].gateway.exchange.orders.append(copy(executed(settled)))
    settled[0].gateway.exchange.orders[-1].client_order_id = "nobody"
    assert "order_missing" in codes(settled)


def test_an_order_that_the_venue_does_not_have(settled: Settled) -> None:
    settled[0].gateway.exchange.orders.remove(executed(settled))
    assert {"absent_order_lives", "fill_invented"} <= codes(settled)


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda deal: setattr(deal, "quantity", deal.quantity + 1), {"fill_differs", "filled_differs"}),
        (lambda deal: setattr(deal, "price", deal.price + Decimal("0.5")), {"fill_differs", "cost_differs"}),
        (lambda deal: setattr(deal, "fee", deal.fee + Decimal("0.01")), {"fill_differs"}),
        (lambda deal: setattr(deal, "execution_id", "E999"), {"fill_lost", "fill_invented"}),
        (lambda deal: setattr(deal, "stands", False), {"bust_not_booked", "filled_differs"}),
    ],
)
def test_an_execution_that_is_another(
    settled: Settled, tamper: Callable[[object], None], expected: set[str]
) -> None:
    tamper(next(deal for deal in executed(settled).deals if deal.stands))
    assert expected <= codes(settled)


def test_an_end_that_is_another(settled: Settled) -> None:
    order = next(order for order in settled[0].gateway.exchange.orders if order.leaves)
    order.ended = OrderState.CANCELLED
    profile = settled[0].gateway.profile
    settled[0].gateway.profile = replace(
        profile, capabilities=replace(profile.capabilities, lookup_closed=True)
    )
    assert "state_differs" in codes(settled)


def test_terms_that_are_others(settled: Settled) -> None:
    order = next(
        order for order in settled[0].gateway.exchange.orders if order.leaves and order.client_order_id
    )
    order.price = Decimal(1)
    assert "terms_differ" in codes(settled)


def test_a_record_that_was_changed(settled: Settled) -> None:
    run, _ = settled
    stream = stream_of(run)
    stream[3] = replace(stream[3], data=stream[3].data.replace(b'"actor"', b'"actoR"'))
    assert "chain_broken" in codes_of_records(settled)


def test_a_record_that_is_missing(settled: Settled) -> None:
    run, life = settled
    cut = MemoryJournal()
    cut._streams[BOOK] = stream_of(run)[:-1]
    run.storage._medium = cut
    assert "replay_differs" in {code for code, _ in check(run.plan.profile, run.gateway, run.storage, life)}


def test_an_execution_that_is_booked_twice(settled: Settled) -> None:
    run, _ = settled
    stream = stream_of(run)
    fill = next(record for record in stream if b'"fill_booked"' in record.data)
    stream.append(fill)
    assert {"booked_twice", "chain_broken"} <= codes_of_records(settled)


def test_a_report_that_is_parked_twice(settled: Settled) -> None:
    run, _ = settled
    stream = stream_of(run)
    event = {"type": "report_parked", "reason": "none", "report": {"type": "fill", "ts_ns": 1}}
    data = json.dumps({"sequence": len(stream) + 1, "event": event}).encode()
    stream += [replace(stream[-1], data=data)] * 2
    assert "parked_twice" in codes_of_records(settled)


def codes_of_records(settled: Settled) -> set[str]:
    """As ``codes``, where the journal cannot be replayed any more: what is found before that."""
    run, life = settled
    life.state_hashes = lambda: ("", "")  # type: ignore[method-assign]  # it cannot be replayed
    return {code for code, _ in check(run.plan.profile, run.gateway, run.storage, life)}
