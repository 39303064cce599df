"""Lots for display and JSON: numbers as canonical text, with what a unit cost and how long it was held."""

from typing import Any

from execore.core.closed_lots import ClosedLot
from execore.core.lot_terms import holding_days, is_long_term, unit_cost
from execore.model.instruments import Instrument
from execore.model.keys import id_of_key
from execore.model.lots import Lot
from execore.model.money import text_of
from execore.model.vocabulary import PositionSide
from execore.views.trail import utc_text


def lot_to_dict(instrument: Instrument, side: PositionSide, lot: Lot, until_ns: int) -> dict[str, Any]:
    """A lot, held until ``until_ns`` (integer nanoseconds UTC)."""
    cost = unit_cost(instrument, lot)
    return {
        "symbol": instrument.symbol,
        "position_side": side.value,
        "lot": id_of_key(lot.lot_id),
        "lot_id": lot.lot_id,
        "opened": utc_text(lot.opened_ts_ns),
        "opened_ts_ns": lot.opened_ts_ns,
        "quantity": text_of(lot.quantity),
        "unit_cost": None if cost is None else text_of(cost),
        "cost_basis": text_of(lot.cost_basis),
        "currency": instrument.settles_in,
        "holding_days": holding_days(lot.opened_ts_ns, until_ns),
        "long_term": is_long_term(lot.opened_ts_ns, until_ns),
    }


def closed_lot_to_dict(one: ClosedLot) -> dict[str, Any]:
    """What was closed of a lot; ``closed_by`` is the execution or entry that did it."""
    return lot_to_dict(one.instrument, one.position_side, one.lot, one.closed_ts_ns) | {
        "closed": utc_text(one.closed_ts_ns),
        "closed_ts_ns": one.closed_ts_ns,
        "closed_by": id_of_key(one.closed_by),
        "realised_pnl": text_of(one.realised_pnl),
    }
