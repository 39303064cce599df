"""What must hold after every step. Tests ask after each; ``check`` costs a pass over everything."""

from decimal import Decimal

from execore.core.engine import BookState
from execore.model.errors import InvariantViolation
from execore.model.money import ZERO, exactly
from execore.model.orders import Order
from execore.model.vocabulary import OPEN_STATES, OrderState, Side


@exactly
def check(state: BookState) -> None:
    """Raise if the books do not balance, the ledgers disagree about a fill, or an index is out of step.

    Raises:
        InvariantViolation: what does not hold, and where.
    """
    _trial_balance(state)
    _fills_agree(state)
    _flat_means_no_basis(state)
    for order in state.orders:
        _order_is_consistent(state, order)
    for word in OrderState:
        for order in state.orders.by_state(word):
            if order.state is not word:
                raise InvariantViolation(f"order {order.client_order_id} is {order.state}, indexed as {word}")


def _trial_balance(state: BookState) -> None:
    off = {unit: total for unit, total in state.positions.trial_balance().items() if total}
    if off:
        raise InvariantViolation(f"the trial balance is off: {off}")


def _fills_agree(state: BookState) -> None:
    """Both ledgers booked the same executions: by instrument, and by order."""
    by_symbol: dict[str, Decimal] = {}
    by_order: dict[str, Decimal] = {}
    for execution in state.orders.executions():
        key = execution.client_order_id
        by_order[key] = by_order.get(key, ZERO) + execution.quantity
        side = state.orders.get(key).side if execution.side is Side.UNDISCLOSED else execution.side
        if side is not Side.UNDISCLOSED:
            signed = execution.quantity if side is Side.BUY else -execution.quantity
            by_symbol[execution.symbol] = by_symbol.get(execution.symbol, ZERO) + signed
    for position in state.positions.positions():
        booked, executed = state.positions.traded(position.symbol), by_symbol.get(position.symbol, ZERO)
        if booked != executed:
            raise InvariantViolation(
                f"{position.symbol}: positions booked {booked}, orders executed {executed}"
            )
    for order in state.orders:
        executed = by_order.get(order.client_order_id, ZERO)
        if order.filled != executed:
            raise InvariantViolation(
                f"order {order.client_order_id}: filled {order.filled}, executions {executed}"
            )


def _flat_means_no_basis(state: BookState) -> None:
    for position in state.positions.positions():
        if not position.quantity and position.cost_basis:
            raise InvariantViolation(f"{position.symbol} is flat with a basis of {position.cost_basis}")


def _order_is_consistent(state: BookState, order: Order) -> None:
    key = order.client_order_id
    if (order.state in OPEN_STATES) is not (order.leaves > 0):
        raise InvariantViolation(f"order {key} is {order.state} with leaves {order.leaves}")
    if (
        order.venue_order_id
        and state.orders.by_venue_order_id(order.venue_order_id, order.symbol) is not order
    ):
        raise InvariantViolation(f"order {key} is not found by venue order id {order.venue_order_id}")
