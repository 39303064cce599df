"""Fills of which nobody has said yet which way they went: money, kept apart until somebody does."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce

import msgspec
from msgspec.structs import replace

from execore.model import events
from execore.model.money import EXACT, ZERO
from execore.model.vocabulary import Side

_TERMS = ("quantity", "price", "fee", "fee_currency")


class SuspendedFill(msgspec.Struct, frozen=True, gc=False):
    """A fill, and when it happened, integer nanoseconds UTC."""

    fill: events.FillBooked
    ts_ns: int


class Suspense:
    """The fills that are kept apart, by their orders."""

    def __init__(self) -> None:
        self._fills: dict[str, list[SuspendedFill]] = {}

    def keep(self, fill: events.FillBooked, ts_ns: int) -> None:
        """Keep a fill apart."""
        self._fills.setdefault(fill.client_order_id, []).append(SuspendedFill(fill, ts_ns))

    def take(self, client_order_id: str) -> list[SuspendedFill]:
        """Give up what was kept for this order, as its side is known now."""
        return self._fills.pop(client_order_id, [])

    def reown(self, external_order_id: str, client_order_id: str) -> None:
        """What was kept for an external order waits with the order that its executions belong to."""
        fills = self._fills.pop(external_order_id, None)
        if fills:
            self._fills.setdefault(client_order_id, []).extend(fills)

    def change(self, event: events.TradeChange) -> None:
        """What is kept apart is undone or changed there."""
        key = (event.execution_scope, event.execution_ref_id)
        now = None if isinstance(event, events.TradeCancelled) else event.now
        kept = []
        for suspended in self._fills.pop(event.client_order_id, []):
            fill = suspended.fill
            if (fill.execution_scope, fill.execution_id) != key:
                kept.append(suspended)
            elif now is not None and now.side is Side.UNDISCLOSED:
                terms = {name: getattr(now, name) for name in _TERMS}
                kept.append(SuspendedFill(replace(fill, **terms), suspended.ts_ns))
        if kept:
            self._fills[event.client_order_id] = kept

    def quantity(self, symbol: str) -> Decimal:
        """How much of an instrument is kept apart."""
        of_symbol = (
            kept.fill.quantity
            for fills in self._fills.values()
            for kept in fills
            if kept.fill.symbol == symbol
        )
        return reduce(EXACT.add, of_symbol, ZERO)

    def to_kept(self) -> dict[str, tuple[SuspendedFill, ...]]:
        """All of it, to be written."""
        return {key: tuple(fills) for key, fills in self._fills.items()}

    def restore(self, kept: Mapping[str, Iterable[SuspendedFill]]) -> None:
        """Be what ``to_kept`` returned once."""
        self._fills = {key: list(fills) for key, fills in kept.items()}

    def __contains__(self, client_order_id: str) -> bool:
        return client_order_id in self._fills

    def __bool__(self) -> bool:
        return bool(self._fills)
