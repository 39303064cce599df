"""What must hold after every step. Tests ask after each; ``check`` costs a pass over everything."""

from decimal import Decimal

from execore.core.book_state import BookState
from execore.core.order_groups import next_action
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
    _groups_are_tended(state)
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
    for execution in state.orders.standing_executions():
        key = execution.client_order_id
        by_order[key] = by_order.get(key, ZERO) + execution.quantity
        if execution.side is not Side.UNDISCLOSED:
            signed = execution.quantity if execution.side is Side.BUY else -execution.quantity
            by_symbol[execution.symbol] = by_symbol.get(execution.symbol, ZERO) + signed
    has_all = state.is_whole
    for position in state.positions.positions() if has_all else ():  # else only the journal can tell
        booked, executed = state.positions.traded(position.symbol), by_symbol.get(position.symbol, ZERO)
        if booked != executed:
            raise InvariantViolation(
                f"{position.symbol}: positions booked {booked}, orders executed {executed}"
            )
    for order in state.orders:
        executed = by_order.get(order.client_order_id, ZERO) + order.adjusted
        if order.filled != executed:
            raise InvariantViolation(
                f"order {order.client_order_id}: filled {order.filled}, executions {executed}"
            )


def _flat_means_no_basis(state: BookState) -> None:
    for instrument in state.positions.instruments():
        for position in state.positions.sections(instrument.symbol):
            if not position.quantity and position.cost_basis:
                raise InvariantViolation(f"{position.symbol} is flat with a basis of {position.cost_basis}")


def _order_is_consistent(state: BookState, order: Order) -> None:
    key = order.client_order_id
    pending = set(order.pending_request_ids)
    if not pending.issuperset(order.unknown_requests + order.confirmed_requests):
        raise InvariantViolation(f"order {key} keeps words on requests that are answered")
    if not 0 <= order.provisional <= order.filled - order.adjusted:
        raise InvariantViolation(f"order {key} has {order.provisional} of {order.filled} by totals alone")
    if (order.state in OPEN_STATES) is not (order.leaves > 0):
        raise InvariantViolation(f"order {key} is {order.state} with leaves {order.leaves}")
    named = order.venue_order_id
    found = state.orders.by_venue_order_id(named, order.symbol)
    if found is None:  # it may lead to an order that has it since, and that was let go of
        is_kept = not named or not state.is_whole
    else:
        is_kept = named in (found.venue_order_id, *state.orders.ids.former_venue_ids(found))
    if not is_kept:
        raise InvariantViolation(f"order {key} is not found by venue order id {order.venue_order_id}")


def _groups_are_tended(state: BookState) -> None:
    """Nothing is left to do for a group that could be done now."""
    for group in state.groups:
        instrument = state.positions.instrument(group.legs[0].symbol)
        action = None if instrument is None else next_action(group, state.orders.find, instrument, 0)
        if action is not None:
            raise InvariantViolation(f"group {group.group_id} still needs {action}")
