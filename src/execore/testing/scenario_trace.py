"""What a scenario's trace says: the answer to an input, and the books as they stand, as lines of text."""

from collections.abc import Iterator

import msgspec

from execore.core.book_state import BookState
from execore.core.position import Position
from execore.model import effects, events
from execore.model.answers import Answer
from execore.model.errors import InvalidInput
from execore.model.group_events import GroupEvent
from execore.model.groups import Group, group_to_dict
from execore.model.money import text_of
from execore.model.orders import Order
from execore.testing.scenario_words import snake_case, struct_words, value_text


def answer_lines(state: BookState, answer: Answer, start_ns: int) -> list[str]:
    """The answer, its events and effects, and every order and group that it touched, as they are now."""
    code = "" if answer.refusal is None else f" {answer.refusal.code}"
    lines = [f"{answer.outcome}{code}"]
    lines += [f"event {' '.join(struct_words(event, start_ns))}" for event in answer.events]
    lines += [f"effect {effect_text(effect)}" for effect in answer.effects]
    touched = list(_touched(state, answer))
    groups = [state.groups.of_order(order.client_order_id) for order in touched]
    groups += [state.groups.find(event.group_id) for event in answer.events if isinstance(event, GroupEvent)]
    lines += [order_line(order) for order in touched]
    return lines + list(dict.fromkeys(group_line(state, group) for group in groups if group is not None))


def error_line(error: InvalidInput) -> str:
    """What a request that is wrong in itself gets: the error's class, its field and its code."""
    return f"raises {type(error).__name__} field={value_text(error.field)} code={error.code}"


def effect_text(effect: effects.Effect) -> str:
    """What the shell must do. An alert is told by its code, a new order by its id: its event has the rest."""
    if isinstance(effect, effects.Alert):
        return f"alert {effect.code} {value_text(effect.client_order_id or '-')}".removesuffix(' "-"')
    if isinstance(effect, effects.SendOrder):
        return f"send_order {value_text(effect.order.client_order_id)}"
    given = [
        f"{info.name}={value_text(value)}"
        for info in msgspec.structs.fields(effect)
        if (value := getattr(effect, info.name)) not in (None, "")
    ]
    return " ".join([snake_case(type(effect)), *given])


def _touched(state: BookState, answer: Answer) -> Iterator[Order]:
    """The orders that the events speak of, each once, as they are now; else the one that was asked about."""
    keys = [event.client_order_id for event in answer.events if isinstance(event, events.OrderEvent)]
    if answer.order is not None:
        keys.append(answer.order.client_order_id)
    found = {id(order): order for key in keys if (order := state.orders.find(key)) is not None}
    return iter(found.values())


def order_line(order: Order, with_terms: bool = False) -> str:
    """An order as it is: its state, FIX OrdStatus, filled of quantity, and what else is not as usual."""
    request = order.request
    terms = (order.side, order.symbol, request.order_type, request.time_in_force) if with_terms else ()
    facts = {
        "leaves": order.leaves,
        "average": order.average_price,
        "price": order.price,
        "stop_price": order.stop_price,
        "venue": order.venue_order_id or None,
        "provisional": order.provisional or None,
        "adjusted": order.adjusted or None,
        "pending": order.pending_request_ids or None,
        "confirmed": order.confirmed_requests or None,
        "closed_from": order.closed_from,
        "flags": order.flags or None,
    }
    words = [f"{name}={value_text(value)}" for name, value in facts.items() if value is not None]
    filled = f"filled={text_of(order.filled)}/{text_of(order.quantity)}"
    key = value_text(order.client_order_id)
    shown = [value_text(term) for term in terms]
    return " ".join(["order", key, *shown, order.state, f"ord_status={order.ord_status}", filled, *words])


def group_line(state: BookState, group: Group) -> str:
    """A group as it is: its kind, its state, its size, and what is not as it should be."""
    shown = group_to_dict(group, state.orders.find)
    words = [f"excess={shown['excess']}"] if group.excess else []
    words += [f"{trouble.trouble}={value_text(trouble.client_order_id)}" for trouble in group.impairments]
    size = f"quantity={shown['quantity']}"
    return " ".join(["group", value_text(group.group_id), group.kind, shown["state"], size, *words])


def ledger_lines(state: BookState) -> list[str]:
    """The books as they stand: every order, group and position, cash, and the trial balance."""
    lines = [order_line(order, with_terms=True) for order in state.orders]
    lines += [group_line(state, group) for group in state.groups]
    for position in state.positions.positions():
        lines.append(_position_line(position))
    lines += [f"cash {unit} {text_of(amount)}" for unit, amount in sorted(state.positions.cash().items())]
    off = {unit: total for unit, total in state.positions.trial_balance().items() if total}
    lines.append(f"trial_balance {' '.join(f'{unit}={text_of(total)}' for unit, total in off.items()) or 0}")
    return [*lines, f"parked {state.parked}"]


def _position_line(position: Position) -> str:
    facts = {
        "quantity": position.quantity,
        "average_cost": position.average_cost,
        "cost_basis": position.cost_basis,
        "realised_pnl": position.realised_pnl,
        "fees_in_kind": position.fees_in_kind or None,
        "undisclosed": position.undisclosed or None,
    } | {f"fees.{currency}": amount for currency, amount in position.fees.items()}
    words = [f"{name}={value_text(value)}" for name, value in facts.items() if value is not None]
    return " ".join(["position", value_text(position.symbol), *words])
