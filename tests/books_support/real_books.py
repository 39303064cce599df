"""The real ledger behind the interface of the naive one: every line goes through the reader and the step."""

import io
import json
from decimal import Decimal
from typing import Any

from books_support.compare import LotSeen, PositionSeen, Seen
from execore.core.book_state import BookState
from execore.core.chart_of_accounts import FLOW_ACCOUNTS
from execore.core.engine import check_input, open_book, step
from execore.core.invariants import check
from execore.core.position import Position
from execore.core.snapshot import restore, snapshot_of
from execore.importing.json_lines import read_json_lines
from execore.importing.lines import Line, NotUnderstood
from execore.model import events
from execore.model.keys import split_key
from execore.model.money import EXACT
from execore.model.vocabulary import CostMethod, PositionMode, PositionSide
from execore.runtime.history import input_of

FLOW_OF = {account: flow.value for flow, account in FLOW_ACCOUNTS.items()}


def read(line: dict[str, Any]) -> Line:
    """A line as the reader of our own JSON Lines understands it."""
    (found,) = read_json_lines(io.BytesIO(json.dumps(line).encode()))
    assert not isinstance(found, NotUnderstood), found
    return found


class RealBooks:
    """A book that takes lines; what must hold of any book is checked after each."""

    def __init__(self, method: str = "average", mode: str = "netting") -> None:
        how = CostMethod(method), PositionMode(mode)
        self.state, opened = open_book("books", how[0], 0, position_mode=how[1])
        self.told: list[tuple[events.AnyEvent, int]] = [(opened, 0)]

    def take(self, line: dict[str, Any]) -> list[events.AnyEvent]:
        """Book one line, or raise what refuses it."""
        cause = input_of(read(line), "operator:test")
        check_input(self.state, cause)
        answer = step(self.state, cause)
        self.told += [(event, cause.ts_ns) for event in answer.events]
        check(self.state)
        return list(answer.events)

    def replayed(self) -> BookState:
        """The same book, made of its events."""
        state = BookState()
        for event, ts_ns in self.told:
            state.apply(event, ts_ns)
        return state

    def assert_replays(self) -> None:
        """A replay of the events, and a snapshot read again, are the very same book."""
        data = snapshot_of(self.state)
        assert snapshot_of(self.replayed()) == data
        assert snapshot_of(restore(data)) == data

    def seen(self) -> Seen:
        return seen_of(self.state)


def seen_of(state: BookState) -> Seen:
    """What can be seen of a book."""
    ledger = state.positions
    own: dict[str, PositionSeen] = {}
    strategies: dict[str, dict[str, PositionSeen]] = {}
    for instrument in ledger.instruments():
        for position in ledger.sections(instrument.symbol):
            key = position.symbol
            if position.position_side is not PositionSide.NET:
                key += f"/{position.position_side}"
            seen = _seen(state, position)
            if position.strategy is None:
                own[key] = seen
            else:
                strategies.setdefault(position.strategy, {})[key] = seen
        if not ledger.is_divided(instrument.symbol):
            of_nobody = {key: one for key, one in own.items() if key.split("/")[0] == instrument.symbol}
            strategies.setdefault("", {}).update(of_nobody)
    return Seen(own, ledger.cash(), strategies, _flows(state))


def _seen(state: BookState, position: Position) -> PositionSeen:
    lots = None
    if state.positions.cost_method is not CostMethod.AVERAGE:
        held = state.positions.lots(position.symbol, position.position_side, position.strategy)
        lots = tuple(
            LotSeen(_named(lot.lot_id), lot.quantity, lot.cost_basis, lot.opened_ts_ns) for lot in held
        )
    mark = state.marks.prices.get(position.symbol)
    return PositionSeen(
        position.quantity,
        position.cost_basis,
        position.realised_pnl,
        position.fees_in_kind,
        position.fees,
        lots,
        None if mark is None else position.unrealised_pnl(mark.price),
    )


def _named(lot_id: str) -> str:
    return lot_id.removeprefix("entry:") if lot_id.startswith("entry:") else split_key(lot_id)[1]


def _flows(state: BookState) -> dict[tuple[str, str, str], Decimal]:
    found: dict[tuple[str, str, str], Decimal] = {}
    for account in state.positions.accounts():
        kind, _, rest = account.name.partition(":")
        if kind in FLOW_OF and " @" not in account.name:
            symbol = rest.removesuffix(" (long)").removesuffix(" (short)")
            key = (symbol, FLOW_OF[kind], account.unit)
            found[key] = EXACT.subtract(found.get(key, Decimal(0)), account.balance)
    return found
