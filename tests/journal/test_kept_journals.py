"""Journals that earlier versions wrote: kept for ever, and each must go on meaning what it meant."""

import json
from pathlib import Path
from typing import Any

import pytest

from execore.core.book_state import BookState
from execore.core.invariants import check
from execore.journal.codec import GENESIS, decode_record, next_hash
from execore.model.money import text_of
from execore.model.records import StoredRecord

KEPT = Path(__file__).parent / "kept"


def records(version: int) -> list[StoredRecord]:
    lines = (KEPT / f"version_{version}.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    return [
        StoredRecord(place, line["hash"], line["data"].encode()) for place, line in enumerate(told, start=1)
    ]


@pytest.mark.parametrize("version", [1])
def test_a_kept_journal_means_what_it_meant(version: int) -> None:
    """The chain holds, and the fold comes to the books that the version which wrote it showed."""
    state, previous = BookState(), GENESIS
    for stored in records(version):
        previous = next_hash(previous, stored.data)
        assert previous.hex() == stored.hash
        record = decode_record(stored)
        assert record.schema == version
        state.apply(record.event, record.ts_event_ns)
    check(state)
    expected = json.loads((KEPT / f"version_{version}.json").read_text(encoding="utf-8"))
    shown: dict[str, Any] = state.positions.to_dict()
    for symbol, position in expected["positions"]["positions"].items():
        assert {name: shown["positions"][symbol][name] for name in position} == position
    assert shown["cash"] == expected["positions"]["cash"]
    orders = {
        order.client_order_id: [order.state.value, str(order.filled), str(order.leaves)]
        for order in state.orders
    }
    assert orders == expected["orders"]
    own = [account for account in state.positions.accounts() if account.balance and " @" not in account.name]
    assert sorted([one.name, one.unit, text_of(one.balance)] for one in own) == expected["accounts"]
    for instrument in state.positions.instruments():  # what it did not say of strategies still adds up
        sections = state.positions.sections(instrument.symbol)
        theirs = [one.quantity for one in sections if one.strategy is not None]
        assert not theirs or sum(theirs) == sections[0].quantity
