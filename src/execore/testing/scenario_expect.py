"""The ``expect`` lines of a scenario: what a person says must be so. They are checked and never rewritten."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from execore.core.book_state import BookState
from execore.core.position import position_to_dict
from execore.model.answers import Answer
from execore.model.effects import Alert, Effect, QueryOrder, SendAmend, SendCancel, SendOrder
from execore.model.errors import InvalidInput, InvalidNumber, UnknownGroup, UnknownInstrument
from execore.model.groups import group_to_dict
from execore.model.money import text_of, to_decimal
from execore.model.orders import order_to_dict
from execore.testing.scenario_words import SHORT, Word

Facts = Mapping[str, Any]

_COUNTED: Final[Mapping[str, type[Effect]]] = {
    "sends": SendOrder,
    "cancels": SendCancel,
    "amends": SendAmend,
    "queries": QueryOrder,
}


class NotThere(Exception):
    """What an expectation is about does not exist: that does not hold, as a wrong number would not."""


class Seen(msgspec.Struct):
    """What a scenario has come to.

    Attributes:
        last: the answer to the last input, or the error that it raised.
        effects: every effect so far, oldest first.
    """

    state: BookState
    last: Answer | InvalidInput | None = None
    effects: list[Effect] = []


def disagreements(words: Sequence[Word], seen: Seen) -> list[str]:
    """What an expectation says and is not so, as ``name is ACTUAL``; empty where all of it holds.

    Raises:
        ValueError: it asks for what cannot be asked about.
    """
    if not words:
        raise ValueError("it says of nothing what is expected")
    subject, *rest = words
    try:
        bare, facts = _facts(subject, seen, rest)
    except (NotThere, UnknownInstrument, UnknownGroup) as error:
        return [str(error)]
    said = dict(zip(bare, (word for word in rest if not word.name), strict=False))
    if sum(not word.name for word in rest) > len(bare):
        raise ValueError(f"{subject.text} takes no more than {len(bare)} words without names")
    said |= {SHORT.get(word.name, word.name): word for word in rest if word.name}
    found = {name: _text(_fact(facts, name)) for name in said}
    return [f"{name} is {found[name]}" for name, word in said.items() if not _same(found[name], word.text)]


def _facts(subject: Word, seen: Seen, rest: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    return _SUBJECTS[subject.text](seen, rest) if subject.text in _SUBJECTS else _order(seen, subject)


# --- what can be asked about, as the names of words that need none, and facts by name ----------------------


def _order(seen: Seen, subject: Word) -> tuple[Sequence[str], Facts]:
    state, key = seen.state, subject.text
    order = state.orders.find(key) or state.orders.by_venue_order_id(key)
    if order is None:
        raise NotThere(f"{key} is no order; expect an order, or {', '.join(_SUBJECTS)}")
    key = order.client_order_id
    counts = {
        name: sum(type(effect) is kind and _about(effect) == key for effect in seen.effects)
        for name, kind in _COUNTED.items()
    }
    extra = {
        "alerts": _alerts(effect for effect in seen.effects if _about(effect) == key),
        "provisional": text_of(order.provisional),
        "pending": list(order.pending_request_ids),
    }
    return ("state",), {**order_to_dict(order), **counts, **extra}


def _about(effect: Effect) -> str:
    """The order that an effect concerns; empty if none."""
    return effect.order.client_order_id if isinstance(effect, SendOrder) else effect.client_order_id


def _position(seen: Seen, rest: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    symbol = rest[0].text if rest else ""
    return ("symbol", "quantity"), position_to_dict(seen.state.positions.position(symbol))


def _cash(seen: Seen, rest: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    currency = rest[0].text if rest else ""
    amount = seen.state.positions.cash().get(currency)
    return ("currency", "amount"), {
        "currency": currency,
        "amount": None if amount is None else text_of(amount),
    }


def _group(seen: Seen, rest: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    state = seen.state
    facts = group_to_dict(state.groups.get(rest[0].text if rest else ""), state.orders.find)
    impairments = [impairment["code"] for impairment in facts["impairments"]]
    return ("group_id", "state"), {**facts, "impairments": impairments}


def _book(seen: Seen, _: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    state = seen.state
    sends = sum(type(effect) is SendOrder for effect in seen.effects)
    return (), {
        "orders": len(state.orders),
        "open": state.orders.open_count,
        "parked": state.parked,
        "sends": sends,
        "alerts": _alerts(seen.effects),
    }


def _answer(seen: Seen, _: Sequence[Word]) -> tuple[Sequence[str], Facts]:
    last = seen.last
    if last is None:
        raise ValueError("nothing was answered yet")
    if isinstance(last, InvalidInput):
        return ("outcome",), {
            "outcome": "raises",
            "error": type(last).__name__,
            "field": last.field,
            "code": last.code,
        }
    return ("outcome",), {
        "outcome": last.outcome,
        "code": None if last.refusal is None else last.refusal.code,
        "allowed": None if last.refusal is None else last.refusal.allowed,
        "events": [str(event.__struct_config__.tag) for event in last.events],
        "alerts": _alerts(last.effects),
    }


_SUBJECTS: Final[Mapping[str, Callable[[Seen, Sequence[Word]], tuple[Sequence[str], Facts]]]] = {
    "answer": _answer,
    "position": _position,
    "cash": _cash,
    "group": _group,
    "book": _book,
}


def _alerts(some: Any) -> list[str]:
    return [effect.code for effect in some if isinstance(effect, Alert)]


# --- comparing ---------------------------------------------------------------------------------------------


def _fact(facts: Facts, name: str) -> Any:
    base, _, key = name.partition(".")
    if base not in facts:
        raise ValueError(f"{name} cannot be asked about; these can: {', '.join(facts)}")
    return facts[base].get(key) if key and isinstance(facts[base], dict) else facts[base]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(value) or "none"
    return "none" if value in (None, "") else str(value)


def _same(found: str, expected: str) -> bool:
    """Whether they are the same text, or the same number."""
    if found == expected:
        return True
    try:
        return to_decimal(found, "found") == to_decimal(expected, "expected")
    except InvalidNumber:
        return False
