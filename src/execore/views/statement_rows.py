"""A statement as JSON-shaped dicts and flat rows. Amounts are decimal texts; None is what is not known."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from execore.core.attribution import COMPONENTS, Explained, Part
from execore.core.position import position_to_dict, texts_of
from execore.core.valuation import Amounts, Doubt, PositionValue, Valuation
from execore.model.money import ZERO, exactly, text_of
from execore.model.vocabulary import PositionSide
from execore.views.statement import CashMoved, Late, Statement
from execore.views.trail import utc_text

View = dict[str, Any]
_SECOND_NS: Final = 1_000_000_000
_VALUED: Final = ("market_value", "unrealised", "realised", "equity", "fees", "fees_in_kind", "flows")


def statement_to_dict(statement: Statement) -> View:
    """The whole statement as one JSON object."""
    explained = statement.explained
    return {
        "book": statement.book,
        "currency": statement.currency,
        "from": utc_text(statement.begin_ns),
        "to": utc_text(statement.end_ns),
        "records": statement.records,
        "sequence": statement.sequence,
        "equity": {
            "opening": _text(statement.opening.equity),
            "closing": _text(statement.closing.equity),
            "change": _text(explained.change),
        },
        "opening": _valuation(statement.opening),
        "closing": _valuation(statement.closing),
        "positions": list(position_rows(statement)),
        "cash": {currency: _cash(moved) for currency, moved in statement.cash.items()},
        "attribution": {name: _text(amount) for name, amount in explained.components.items()},
        "attribution_known": _part(explained.known),
        "attribution_remainder": _text(explained.remainder),
        "adds_up": adds_up(statement),
        "unconverted": {currency: _part(part) for currency, part in explained.unconverted.items()},
        "by": {name: list(table_rows(explained, name)) for name in explained.tables},
        "equity_over_time": [{"day": day, "equity": _text(equity)} for day, equity in statement.equity],
        "changes": statement.changes,
        "late_count": statement.late_count,
        "late": [_late(one) for one in statement.late],
    }


def adds_up(statement: Statement) -> bool | None:
    """Whether the parts are the whole difference between the book valued at both ends; None: not known."""
    explained, opening, closing = statement.explained, statement.opening.equity, statement.closing.equity
    if explained.remainder is None or opening is None or closing is None:
        return None
    return not explained.remainder and (explained.start, explained.end) == (opening, closing)


@exactly
def position_rows(statement: Statement) -> Iterator[View]:
    """A row for each position that was open at either end, or about which anything was booked."""
    opening = {_key(one): one for one in statement.opening.positions}
    for closing in statement.closing.positions:
        before = opening.get(_key(closing))
        position, turnover = closing.position, statement.turnover.get(_key(closing))
        was = None if before is None else before.position
        if not (position.quantity or (was is not None and was.quantity) or turnover or _differ(was, closing)):
            continue
        yield {
            "symbol": position.symbol,
            "position_side": position.position_side.value,
            "currency": position.currency,
            "opening": None if before is None else _end(before, statement.lots[0].get(_key(closing), 0)),
            "closing": _end(closing, statement.lots[1].get(_key(closing), 0)),
            "fills": 0 if turnover is None else turnover.fills,
            "bought": text_of(ZERO if turnover is None else turnover.bought),
            "sold": text_of(ZERO if turnover is None else turnover.sold),
            "volume": text_of(ZERO if turnover is None else turnover.volume),
            "realised_pnl": text_of(position.realised_pnl - (ZERO if was is None else was.realised_pnl)),
            "fees": texts_of(_less(position.fees, {} if was is None else was.fees)),
            "fees_in_kind": text_of(position.fees_in_kind - (ZERO if was is None else was.fees_in_kind)),
            "flows": {
                kind: texts_of(_less(amounts, {} if was is None else was.flows.get(kind, {})))
                for kind, amounts in position.flows.items()
            },
        }


def _key(one: PositionValue) -> tuple[str, PositionSide]:
    return one.position.symbol, one.position.position_side


def _differ(was: Any, closing: PositionValue) -> bool:
    now = closing.position
    if was is None:
        return bool(now.realised_pnl or now.fees or now.flows or now.fees_in_kind)
    names = ("realised_pnl", "fees", "flows", "fees_in_kind")
    return any(getattr(was, name) != getattr(now, name) for name in names)


def _less(now: dict[str, Decimal], was: dict[str, Decimal]) -> dict[str, Decimal]:
    """What came to each currency since."""
    currencies = dict.fromkeys((*now, *was))
    changes = {one: now.get(one, ZERO) - was.get(one, ZERO) for one in currencies}
    return {currency: amount for currency, amount in changes.items() if amount}


def _end(one: PositionValue, lots: int) -> View:
    """A position at one end of the period, and what it is worth in each of its currencies."""
    shown = position_to_dict(one.position)
    kept = ("quantity", "unit", "average_cost", "cost_basis", "opened_ts_ns", "undisclosed")
    return {
        **{name: shown[name] for name in kept},
        "lots": lots,
        "mark": _text(one.mark),
        "mark_age_seconds": _seconds(one.mark_age_ns),
        **{name: _amounts(getattr(one, name)) for name in _VALUED},
    }


def _valuation(valuation: Valuation) -> View:
    names = ("equity", "known_equity", "realised", "unrealised", "fees", "fees_in_kind", "flows")
    return {
        "time": utc_text(valuation.ts_ns),
        **{name: _text(getattr(valuation, name)) for name in names},
        "equity_by_currency": {name: _text(one) for name, one in valuation.equity_by_currency.items()},
        "rates": {
            currency: {"rate": _text(cash.rate), "age_seconds": _seconds(cash.rate_age_ns)}
            for currency, cash in valuation.cash.items()
        },
        "strategies": [
            {
                "strategy": one.position.strategy,
                "symbol": one.position.symbol,
                "position_side": one.position.position_side.value,
                "quantity": text_of(one.position.quantity),
                "cost_basis": text_of(one.position.cost_basis),
                **{name: _amounts(getattr(one, name)) for name in _VALUED},
            }
            for one in valuation.strategies
        ],
        "missing": [doubt_to_dict(one) for one in valuation.missing],
        "stale": [doubt_to_dict(one) for one in valuation.stale],
    }


def doubt_to_dict(doubt: Doubt) -> View:
    """What is missing or stale: a mark or a rate, by name."""
    return {"what": doubt.what, "name": doubt.name, "age_seconds": _seconds(doubt.age_ns)}


def _cash(moved: CashMoved) -> View:
    return {
        "opening": text_of(moved.opening),
        **texts_of(moved.moved),
        "closing": text_of(moved.closing),
        "unsettled": text_of(moved.unsettled),
    }


def table_rows(explained: Explained, dimension: str) -> Iterator[View]:
    """One table of the attribution: a row for each key, and every component that any row has.

    ``total`` is the row's sum. The sums of all rows are the known parts of the whole.
    """
    rows = explained.tables[dimension]
    shown = [name for name in COMPONENTS if any(part.get(name) for part in rows.values())]
    for key in sorted(rows):
        part = rows[key]
        if any(part.values()) or not key:
            amounts = {name: text_of(part.get(name, ZERO)) for name in shown}
            yield {dimension: key, **amounts, "total": text_of(_sum(part))}


@exactly
def _sum(part: Part) -> Decimal:
    return sum(part.values(), ZERO)


def _late(late: Late) -> View:
    event = msgspec.to_builtins(late.event, str_keys=True)
    return {
        "sequence": late.sequence,
        "time": utc_text(late.ts_event_ns),
        "type": event["type"],
        "client_order_id": event.get("client_order_id"),
    }


def _part(part: Part) -> dict[str, str]:
    return {name: text_of(amount) for name, amount in part.items()}


def _amounts(amounts: Amounts) -> View:
    return {name: _text(amount) for name, amount in amounts._asdict().items()}


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else text_of(amount)


def _seconds(age_ns: int | None) -> int | None:
    return None if age_ns is None else age_ns // _SECOND_NS
