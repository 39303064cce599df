"""The independent checker: the venue's own books against ours, and our journal against itself.

What we booked is read from the journal's text, with nothing but the standard library; what we show is asked
of the open book. Both must be what the venue has.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from execore.model.orders import Order
from execore.model.reports import AmendReport, CancelReport, ExpireReport, RejectReport, RestateReport
from execore.model.vocabulary import OrderState, Side
from execore.testing.simulation.connection import Gateway
from execore.testing.simulation.life import BOOK, Life
from execore.testing.simulation.profile import BITCOIN, FUTURE, Profile
from execore.testing.simulation.storage import Storage
from execore.testing.simulation.venue_order import Deal, VenueOrder

Problem = tuple[str, str]
ZERO: Final = Decimal(0)
_NEVER_THERE: Final = frozenset(
    {
        OrderState.CREATED,
        OrderState.DENIED,
        OrderState.FAILED,
        OrderState.REJECTED,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
    }
)
"""What an order may be that the venue never had."""
_ENDED_UNSEEN: Final = frozenset(
    {
        OrderState.UNKNOWN,
        OrderState.ACKNOWLEDGED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
        OrderState.EXPIRED,
    }
)
"""What an order may be that the venue ended without our hearing of it, or without our hearing of new terms:
open, over by our own clock, or filled by the terms that we know."""
_ENDS: Final = (CancelReport, RejectReport, ExpireReport)
_BIRTHS: Final = frozenset({"order_created", "order_adopted"})
_DECIDES: Final = (*_ENDS, AmendReport, RestateReport)


def check(profile: Profile, gateway: Gateway, storage: Storage, life: Life) -> Iterator[Problem]:
    """Yield everything that does not hold, as a code and a sentence."""
    events = list(_events(storage))
    yield from _chain(storage)
    yield from _parked_once(events)
    yield from _made_once(gateway.exchange.orders)
    ours = orders_of(storage, life)
    owners = _owners(gateway.exchange.orders, ours)
    for order in gateway.exchange.orders:
        mine = ours.get(owners[order.venue_order_id + order.symbol])
        yield from _order(order, mine, is_knowable=_can_be_known(gateway, order, mine))
    yield from _never_there(profile, gateway, ours)
    yield from _executions(profile, gateway.exchange.orders, owners, events)
    yield from _money(gateway.exchange.orders, life)
    now, replayed = life.state_hashes()
    if now != replayed:
        yield "replay_differs", f"the state hashes to {now}, and replayed to {replayed}"


# --- the journal ---------------------------------------------------------------------------------------


def _chain(storage: Storage) -> Iterator[Problem]:
    """Each record hashes to what is stored, and continues the one before."""
    previous = bytes(32)
    for number, record in enumerate(storage.medium.read(BOOK), 1):
        previous = sha256(previous + record.data).digest()
        if previous.hex() != record.hash or json.loads(record.data)["sequence"] != number:
            yield "chain_broken", f"record {number} does not continue the one before"
            return


def _events(storage: Storage) -> Iterator[dict[str, Any]]:
    for record in storage.medium.read(BOOK):
        yield json.loads(record.data)["event"]


def _parked_once(events: list[dict[str, Any]]) -> Iterator[Problem]:
    """What the venue tells again and again is one open break."""
    seen: set[str] = set()
    for event in events:
        if event["type"] == "report_parked" and not event.get("waits_for"):
            text = json.dumps(event["report"], sort_keys=True)
            if text in seen:
                yield "parked_twice", f"a report was parked again: {event['reason']}"
            seen.add(text)


# --- orders ----------------------------------------------------------------------------------------------


def _made_once(orders: list[VenueOrder]) -> Iterator[Problem]:
    """No client id stands for two orders at the venue."""
    made: dict[str, int] = {}
    for order in orders:
        if order.client_order_id:
            made[order.client_order_id] = made.get(order.client_order_id, 0) + 1
    for key, count in made.items():
        if count > 1:
            yield "sent_twice", f"the venue has {count} orders of {key}"


def orders_of(storage: Storage, life: Life) -> dict[str, Order]:
    """Every order that the journal speaks of, as the open book shows it."""
    names = (event["client_order_id"] for event in _events(storage) if event["type"] in _BIRTHS)
    found = {name: life.order(name) for name in names}
    return {name: order for name, order in found.items() if order and order.client_order_id == name}


def _owners(orders: list[VenueOrder], ours: dict[str, Order]) -> dict[str, str]:
    """The order of ours that stands for each of the venue's."""
    by_venue_id = {order.venue_order_id + order.symbol: key for key, order in ours.items()}
    return {
        name: order.client_order_id or by_venue_id.get(name, "")
        for order in orders
        for name in [order.venue_order_id + order.symbol]
    }


def _order(theirs: VenueOrder, ours: Order | None, *, is_knowable: bool) -> Iterator[Problem]:
    name = theirs.client_order_id or theirs.venue_order_id
    if ours is None:
        yield "order_missing", f"the venue has {name}, and we do not"
        return
    if ours.filled != theirs.filled:
        yield "filled_differs", f"{name}: the venue filled {theirs.filled}, we say {ours.filled}"
    if not theirs.client_order_id:
        return
    state = ours.state if ours.closed_from is None else ours.closed_from
    expected = _state_of(theirs)
    by_our_clock = state is OrderState.EXPIRED and ours.ending is not None and ours.ending.by_clock
    if by_our_clock and not theirs.leaves:
        return  # it was over when the venue's silence said so; by what else does not matter any more
    if state is OrderState.FAILED and expected is OrderState.REJECTED and not theirs.was_in_force:
        return  # refused on arrival, and proven never to have been in force: the same by another name
    if state is not expected and (is_knowable or state not in _ENDED_UNSEEN):
        yield "state_differs", f"{name}: the venue has it {expected}, we say {ours.state} {ours.flags}"
    terms, told = (theirs.quantity, theirs.price), (ours.quantity, ours.price)
    if theirs.leaves and terms != told and not ours.pending_replaces:
        yield "terms_differ", f"{name}: the venue has quantity and price {terms}, we {told}"


def _state_of(order: VenueOrder) -> OrderState:
    filled = order.filled
    if filled and filled >= order.quantity:
        return OrderState.FILLED
    if order.ended is OrderState.REJECTED and filled:
        return OrderState.PARTIALLY_FILLED
    if order.ended is not None:
        return order.ended
    return OrderState.PARTIALLY_FILLED if filled else OrderState.ACKNOWLEDGED


def _can_be_known(gateway: Gateway, order: VenueOrder, ours: Order | None) -> bool:
    """Whether all that decided how the order ended was recorded here, or would be told if we asked.

    A reject of an order that was sent twice may be of either sending, and says nothing of the other: where
    nobody can ask, we take such an order for live.
    """
    if order.leaves or gateway.profile.capabilities.lookup_closed:
        return True
    if order.ended is OrderState.REJECTED and ours is not None and ours.resends:
        return False
    decided = [report for report in order.told if isinstance(report, _DECIDES)]
    if order.ended is not None and not any(isinstance(report, _ENDS) for report in decided):
        return False
    told = [id(report) for report in decided]
    arrived = [key for key in gateway.recorded if key in told]
    return len(arrived) == len(told) and arrived[-1:] == told[-1:]  # new terms that come last open it again


def _never_there(profile: Profile, gateway: Gateway, ours: dict[str, Order]) -> Iterator[Problem]:
    """Orders of ours that the venue does not have are not shown as if it had."""
    theirs = {order.client_order_id for order in gateway.exchange.orders}
    for key, order in ours.items():
        if order.external or key in theirs:
            continue
        state = order.state if order.closed_from is None else order.closed_from
        provable = profile.capabilities.lookup_closed
        if state not in _NEVER_THERE and not (state is OrderState.UNKNOWN and not provable):
            yield "absent_order_lives", f"{key} is {order.state}, and the venue never had it"


# --- executions ------------------------------------------------------------------------------------------


def _booked(events: list[dict[str, Any]]) -> tuple[dict[tuple[str, str], dict[str, Any]], list[Problem]]:
    """What the journal says was executed and stands, by scope and id; and what it booked twice."""
    booked: dict[tuple[str, str], dict[str, Any]] = {}
    problems: list[Problem] = []
    for event in events:
        kind = event["type"]
        if kind == "fill_booked":
            key = (event.get("execution_scope", ""), event["execution_id"])
            if key in booked:
                problems.append(("booked_twice", f"execution {key} was booked twice"))
            booked[key] = dict(event)
        elif kind in ("trade_cancelled", "trade_corrected"):
            key = (event["execution_scope"], event["execution_ref_id"])
            owner = booked.pop(key)
            if kind == "trade_corrected":
                booked[key] = owner | event["now"]
        elif kind == "order_reowned":
            for fill in booked.values():
                if fill["client_order_id"] == event["external_order_id"]:
                    fill["client_order_id"] = event["client_order_id"]
    return booked, problems


def _executions(
    profile: Profile, orders: list[VenueOrder], owners: dict[str, str], events: list[dict[str, Any]]
) -> Iterator[Problem]:
    """Every execution of the venue is booked once, as it stands, and none that it does not have."""
    booked, problems = _booked(events)
    yield from problems
    if not profile.gives_execution_ids:
        return  # then totals are all there is: orders and money are compared
    for order in orders:
        owner = owners[order.venue_order_id + order.symbol]
        for deal in order.deals:
            fill = booked.pop((deal.scope, deal.execution_id), None)
            if deal.stands:
                yield from _same(deal, order, owner, fill)
            elif fill is not None:
                yield "bust_not_booked", f"execution {deal.execution_id} was undone, and is booked"
    for key in booked:
        yield "fill_invented", f"execution {key} is booked, and the venue has none"


def _same(deal: Deal, order: VenueOrder, owner: str, fill: dict[str, Any] | None) -> Iterator[Problem]:
    if fill is None:
        yield "fill_lost", f"execution {deal.execution_id} of {owner} is not booked"
        return
    told = (fill["client_order_id"], fill["side"], fill["symbol"])
    terms = (Decimal(fill["quantity"]), Decimal(fill["price"]), Decimal(fill.get("fee", 0)))
    theirs = (deal.quantity, deal.price, deal.fee)
    if told != (owner, order.side, order.symbol) or terms != theirs:
        yield "fill_differs", f"execution {deal.execution_id} of {owner} is {theirs}, booked {told} {terms}"


# --- money -----------------------------------------------------------------------------------------------


def _money(orders: list[VenueOrder], life: Life) -> Iterator[Problem]:
    """Positions and cash follow from the venue's executions alone, and everything balances."""
    cash: dict[str, Decimal] = {}
    units = {BITCOIN.symbol: ZERO, FUTURE.symbol: ZERO}
    paid = {BITCOIN.symbol: ZERO, FUTURE.symbol: ZERO}
    for order in orders:
        for deal in (deal for deal in order.deals if deal.stands):
            signed = deal.quantity if order.side is Side.BUY else -deal.quantity
            units[order.symbol] += signed
            paid[order.symbol] += signed * deal.price * (FUTURE.multiplier if order.symbol == "ESZ6" else 1)
            if deal.fee_currency == "BTC" and order.symbol == BITCOIN.symbol:
                units[order.symbol] -= deal.fee
            elif deal.fee:
                cash[deal.fee_currency] = cash.get(deal.fee_currency, ZERO) - deal.fee
    realised = ZERO
    for symbol, quantity in units.items():
        position = life.positions.position(symbol)
        if position.quantity != quantity:
            yield "position_differs", f"{symbol}: the venue makes it {quantity}, we have {position.quantity}"
        cost = position.cost_basis - position.realised_pnl + position.fees_in_kind
        if cost != paid[symbol]:
            yield "cost_differs", f"{symbol}: the venue's executions cost {paid[symbol]}, ours {cost}"
        if symbol == FUTURE.symbol:
            realised = position.realised_pnl
    cash["USD"] = cash.get("USD", ZERO) - paid[BITCOIN.symbol] + realised
    held = life.positions.cash()
    for currency in sorted(cash.keys() | held.keys()):
        ours, theirs = held.get(currency, ZERO), cash.get(currency, ZERO)
        if ours != theirs:
            yield "cash_differs", f"{currency}: the venue makes it {theirs}, we have {ours}"
    for unit, total in life.positions.trial_balance().items():
        if total:
            yield "trial_balance_off", f"{unit} is off by {total}"
