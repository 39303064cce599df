"""A book's state as text, and back: a shorter way to what the records say.

It holds what later steps depend on and memory must have: what is open, pending or waiting, groups, balances.
Orders that may leave memory are left out, in memory or not: so equal books give equal bytes, whatever was let
go of or recalled, and whether they were replayed from the first record or from any snapshot.
"""

from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

import msgspec

from execore.core.balances import Balances
from execore.core.book_state import BookState
from execore.core.executions import TradeChange
from execore.core.group_ledger import GroupsKept
from execore.core.marks import Mark
from execore.core.order_ledger import Dossier, History
from execore.core.settlement import Pending, Settlements
from execore.model.money import text_of

SNAPSHOT_SCHEMA: Final = 4
"""Version of the text; a snapshot of another one is not read, and the book is replayed from its records."""


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a snapshot says."""

    book: str
    balances: Balances
    orders: tuple[Dossier, ...] = ()
    groups: GroupsKept = GroupsKept()
    pending_settlements: Pending = ()
    marks: dict[str, Mark] = {}
    rates: tuple[tuple[str, str, Mark], ...] = ()
    trade_date: str = ""
    day_ends_ts_ns: int | None = None
    contradictions: int = 0
    breaks: tuple[str, ...] = ()
    early: tuple[tuple[str, tuple[TradeChange, ...]], ...] = ()


_encode = msgspec.json.Encoder(decimal_format="string", order="sorted").encode
_decode = msgspec.json.Decoder(_Kept).decode


def snapshot_of(state: BookState) -> bytes:
    """The state as canonical JSON text: equal states give equal bytes."""
    orders = sorted(
        (order for order in state.orders if not state.may_leave(order)),
        key=lambda order: (order.created_ts_ns, order.client_order_id),
    )
    kept = _Kept(
        state.book,
        state.positions.to_balances(),
        tuple(map(state.orders.dossier, orders)),
        state.groups.to_kept(),
        state.settlements.pending(),
        dict(sorted(state.marks.prices.items())),
        tuple((*pair, mark) for pair, mark in sorted(state.marks.rates.items())),
        state.trade_date,
        state.day_ends_ts_ns,
        state.contradictions,
        tuple(state.breaks),
        tuple(sorted((key, tuple(waiting)) for key, waiting in state.orders.executions.early.items())),
    )
    return _encode(_canonical(msgspec.to_builtins(kept, builtin_types=(Decimal,))))


def restore(data: bytes, history: History | None = None) -> BookState:
    """Return the state that ``snapshot_of`` wrote.

    Args:
        history: as for an ``OrderLedger``.

    Raises:
        msgspec.MsgspecError: it is no snapshot of this schema.
    """
    kept = _decode(data)
    state = BookState(history)
    state.book = kept.book
    state.positions.restore(kept.balances)
    for dossier in kept.orders:
        state.orders.put_back(dossier)
    state.groups.restore(kept.groups)
    state.settlements = Settlements(kept.pending_settlements)
    state.marks.prices |= kept.marks
    state.marks.rates |= {(base, quote): mark for base, quote, mark in kept.rates}
    state.trade_date, state.day_ends_ts_ns = kept.trade_date, kept.day_ends_ts_ns
    state.contradictions, state.breaks = kept.contradictions, dict.fromkeys(kept.breaks)
    executions = state.orders.executions
    executions.early = {key: list(waiting) for key, waiting in kept.early}
    executions.is_complete = False
    return state


def state_hash(data: bytes) -> str:
    """Hex sha256 of a snapshot."""
    return sha256(data).hexdigest()


def _canonical(value: Any) -> Any:
    """The same tree with every Decimal as its canonical text."""
    if type(value) is Decimal:
        return text_of(value)
    if type(value) is dict:
        return {key: _canonical(item) for key, item in value.items()}
    return [_canonical(item) for item in value] if type(value) in (list, tuple) else value
