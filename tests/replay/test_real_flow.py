"""The core against a naive reduction of the same file that shares no code with it, order by order."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from execore import Answer, InstrumentKind, Outcome
from execore.cli.main import app
from execore.core import decisions, engine, invariants
from execore.core.book_state import BookState
from execore.core.engine import step
from execore.model.instruments import Instrument
from execore.model.orders import Order
from execore.model.reports import FillReport
from execore.model.requests import DefineInstrument
from execore.model.vocabulary import CostMethod
from execore.venues.databento_mbo import read_mbo
from venues_support.naive_mbo import NaiveOrder, reduce_file
from venues_support.random_mbo import random_records, record, write_file

REAL_FILE = Path(__file__).parents[2] / "../shared/data/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
NAMES = {1: "S1", 2: "S2", 3: "S3"}
Key = tuple[str, str]


class Facts(NamedTuple):
    """What both sides say of one order."""

    side: str | None
    quantity: Decimal
    filled: Decimal
    leaves: Decimal
    state: str
    external: bool
    overfilled: bool


def naive(path: Path, names: dict[int, str]) -> dict[Key, Facts]:
    return {
        (names[order.instrument_id], str(order.order_id)): naive_facts(order)
        for order in reduce_file(path).values()
    }


def naive_facts(order: NaiveOrder) -> Facts:
    return Facts(
        None if order.side == "undisclosed" else order.side,
        Decimal(order.quantity),
        Decimal(order.filled),
        Decimal(order.leaves),
        order.state,
        order.external,
        order.overfilled,
    )


def core(state: BookState) -> dict[Key, Facts]:
    return {(order.symbol, order.venue_order_id): core_facts(order) for order in state.orders}


def core_facts(order: Order) -> Facts:
    side = None if order.side == "undisclosed" else order.side.value
    terms = (side, order.quantity, order.filled, order.leaves)
    return Facts(*terms, order.state.value, "external" in order.flags, "overfilled" in order.flags)


def stepped(path: Path) -> BookState:
    """The state that the file's reports make, one step each and nothing else in between."""
    file = read_mbo(path)
    state, _ = engine.open_book("main", CostMethod.AVERAGE, 0)
    for symbol in file.symbols:
        definition = Instrument(symbol=symbol, currency="USD", kind=InstrumentKind.LINEAR)
        step(state, DefineInstrument(ts_ns=0, instrument=definition))
    for report in file.reports():
        step(state, report)
    return state


def random_file(directory: Path, seed: int) -> Path:
    records = random_records(seed, steps=120, instruments=len(NAMES))
    names = {name: [number] for number, name in NAMES.items()}
    return write_file(directory / f"{seed}.dbn.zst", records, names)


@pytest.mark.parametrize("seed", range(80))
def test_a_random_file_makes_the_naive_orders(tmp_path: Path, seed: int) -> None:
    path = random_file(tmp_path, seed)
    state = stepped(path)
    assert core(state) == naive(path, NAMES)
    invariants.check(state)


def test_the_random_files_have_every_kind_of_order(tmp_path: Path) -> None:
    """Else the comparison above would be about nothing."""
    met: set[tuple[str, bool, bool, bool]] = set()
    for seed in range(80):
        path = random_file(tmp_path, seed)
        met |= {
            (facts.state, facts.external, facts.overfilled, facts.side is None)
            for facts in naive(path, NAMES).values()
        }
    for state in ("ACKNOWLEDGED", "PARTIALLY_FILLED", "FILLED", "CANCELLED"):
        assert state in {kind[0] for kind in met}
    for what in (1, 2, 3):
        assert {kind[what] for kind in met} == {False, True}


# --- the real day, as a user would check it ---------------------------------------------------------------


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, object]]:
    """The real day in a journal, through ``execore replay``: its address, and what the command said."""
    if not REAL_FILE.exists():
        pytest.skip("the sample day is not part of the project; it lies in shared/data beside it")
    address = f"sqlite:///{tmp_path_factory.mktemp('real') / 'day.db'}"
    result = CliRunner().invoke(app, ["replay", str(REAL_FILE), "--journal", address, "--json"])
    assert result.exit_code == 0, result.stderr
    return address, json.loads(result.stdout)


def test_the_real_day_is_what_plain_arithmetic_says(replayed: tuple[str, dict[str, object]]) -> None:
    _, said = replayed
    assert (said["records"], said["orders"], said["duplicate_executions"]) == (68_792, 31_974, 108)
    assert said["orders_by_state"] == {
        "ACKNOWLEDGED": 11_210,
        "CANCELLED": 12_670,
        "FILLED": 8_087,
        "PARTIALLY_FILLED": 7,
    }
    assert (said["open_orders"], said["differences"]) == (11_217, 0)


def test_the_real_day_makes_the_naive_orders(replayed: tuple[str, dict[str, object]]) -> None:
    address, _ = replayed
    listed = CliRunner().invoke(app, ["orders", "--journal", address, "--json"])
    views = [json.loads(line) for line in listed.stdout.splitlines()]
    found = {
        (view["symbol"], view["venue_order_id"]): Facts(
            view["side"],
            Decimal(view["quantity"]),
            Decimal(view["filled"]),
            Decimal(view["leaves"]),
            view["state"],
            "external" in view["flags"],
            "overfilled" in view["flags"],
        )
        for view in views
    }
    assert len(found) == len(views)
    assert found == naive(REAL_FILE, {17077: "ESH4"})


def test_the_real_days_journal_verifies(replayed: tuple[str, dict[str, object]]) -> None:
    address, said = replayed
    result = CliRunner().invoke(app, ["audit", "verify", "--journal", address, "--json"])
    verified = json.loads(result.stdout)
    assert (result.exit_code, verified["ok"], verified["anchored"]) == (0, True, True)
    assert (verified["sequence"], verified["hash"]) == (said["sequence"], said["hash"])


# --- the check can fail ------------------------------------------------------------------------------------


def test_one_fill_that_the_core_drops_fails_the_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added, filled = record("A", 7, 5), record("F", 7, 2, sequence=1)
    update = record("M", 7, 3, sequence=1)
    path = write_file(tmp_path / "x.dbn", [record("A", 6, 1), added, filled, update])
    command = ["replay", str(path), "--json", "--journal"]
    whole = CliRunner().invoke(app, [*command, str(tmp_path / "whole.db")])
    assert (whole.exit_code, json.loads(whole.stdout)["differences"]) == (0, 0)

    deaf: dict[type, Any] = {FillReport: lambda known, order, report: Answer(Outcome.IGNORED, order)}
    monkeypatch.setattr(decisions, "_DECIDERS", decisions._DECIDERS | deaf)
    result = CliRunner().invoke(app, [*command, str(tmp_path / "broken.db")])
    assert (result.exit_code, json.loads(result.stdout)["differences"]) == (1, 1)
    assert "[replay_differs] 1 orders differ from plain size arithmetic" in result.stderr
