"""What stands for an order beside its own id: the venue's ids of it, its requests, the orders it took over.

Each id leads to one order, and each order knows the ids that lead to it, so that it can leave memory with all
of them, and come back.
"""

from collections.abc import Iterator

import msgspec

from execore.model import events
from execore.model.orders import Order


class IdsOfOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """All ids that stand for one order, as they can be taken out of memory and put back.

    Attributes:
        venue_order_ids: in the order in which it was given them; those that are another order's since are not
            among them.
        taken_over: the external orders whose executions are its own now.
        request_ids: of its cancels and amends.
        accepted, reduced: of what gave it terms, and of what took part of it out, as the venue named that.
        current_id: the last accepted.
    """

    venue_order_ids: tuple[str, ...] = ()
    taken_over: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    reduced: tuple[str, ...] = ()
    current_id: str = ""


NO_IDS = IdsOfOrder()


class OrderIds:
    """The ids of all orders in memory, each leading to the client order id of one of them."""

    def __init__(self) -> None:
        self._by_venue_id: dict[str, dict[str, str]] = {}  # symbol -> venue order id -> order
        self._former_venue_ids: dict[str, list[str]] = {}  # order -> its ids at the venue before the last
        self._owners: dict[str, str] = {}  # external order -> the order that its executions belong to
        self._taken_over: dict[str, list[str]] = {}  # order -> the external orders that it owns
        self._requests: dict[str, str] = {}  # request id -> order
        self._requests_of: dict[str, list[str]] = {}  # order -> the ids of its requests
        self._accepted: dict[str, list[str]] = {}  # order -> ids of amends that the venue confirmed
        self._current_ids: dict[str, str] = {}  # order -> the last of these
        self._reduced: dict[str, list[str]] = {}  # order -> ids of cancels that took part of it out

    # --- changing: the fold ---------------------------------------------------------------------------

    def give_venue_id(self, order: Order, before: str) -> None:
        """The venue's id of an order is another now than ``before``, which stands for it all the same."""
        key = order.client_order_id
        if before:
            self._former_venue_ids.setdefault(key, []).append(before)
        self._by_venue_id.setdefault(order.symbol, {})[order.venue_order_id] = key

    def ask(self, event: events.CancelRequested | events.AmendRequested) -> None:
        """A request was made."""
        self._requests[event.request_id] = event.client_order_id
        self._requests_of.setdefault(event.client_order_id, []).append(event.request_id)

    def note_former(self, order: Order, venue_order_id: str) -> None:
        """The venue had this id for an order before the one that it has now."""
        key, listing = order.client_order_id, self._by_venue_id.setdefault(order.symbol, {})
        if venue_order_id != order.venue_order_id and listing.setdefault(venue_order_id, key) == key:
            self._former_venue_ids.setdefault(key, []).append(venue_order_id)

    def answer(self, event: events.OrderAmended) -> None:
        """The venue gave an order other terms, and says on what request."""
        key = event.client_order_id
        answered = self._reduced if event.reduced else self._accepted
        answered.setdefault(key, []).append(event.request_id)
        if not (event.reduced or event.overtaken):
            self._current_ids[key] = event.request_id

    def take_over(self, external: Order, owner: Order) -> None:
        """What stood for an external order stands for ``owner`` from now on."""
        key, new = external.client_order_id, owner.client_order_id
        for venue_order_id in self.venue_order_ids(external):
            self._by_venue_id[external.symbol][venue_order_id] = new
            self._former_venue_ids.setdefault(new, []).append(venue_order_id)
        taken = self._taken_over.setdefault(new, [])
        taken += (*self._taken_over.pop(key, ()), key)
        self._owners |= dict.fromkeys(taken, new)
        for request_id in self._requests_of.get(key, ()):
            self._requests[request_id] = new
        for index in (self._requests_of, self._accepted, self._reduced):
            if key in index:
                index.setdefault(new, []).extend(index.pop(key))
        self._former_venue_ids.pop(key, None)
        self._current_ids.pop(key, None)

    # --- leaving memory, and coming back --------------------------------------------------------------

    def of_order(self, order: Order) -> IdsOfOrder:
        """All ids that stand for an order."""
        key = order.client_order_id
        return IdsOfOrder(
            tuple(self.venue_order_ids(order)),
            tuple(self._taken_over.get(key, ())),
            tuple(self._requests_of.get(key, ())),
            tuple(dict.fromkeys(self._accepted.get(key, ()))),
            tuple(dict.fromkeys(self._reduced.get(key, ()))),
            self._current_ids.get(key, ""),
        )

    def put_back(self, order: Order, ids: IdsOfOrder) -> None:
        """Keep what ``of_order`` returned once. An id of the venue's that is another order's now stays so."""
        key = order.client_order_id
        for venue_order_id in ids.venue_order_ids:
            self._by_venue_id.setdefault(order.symbol, {}).setdefault(venue_order_id, key)
        former = [one for one in ids.venue_order_ids if one != order.venue_order_id]
        kept = (
            (self._former_venue_ids, former),
            (self._taken_over, ids.taken_over),
            (self._requests_of, ids.request_ids),
            (self._accepted, ids.accepted),
            (self._reduced, ids.reduced),
        )
        for index, listed in kept:
            if listed:
                index[key] = list(listed)
        self._owners |= dict.fromkeys(ids.taken_over, key)
        self._requests |= dict.fromkeys(ids.request_ids, key)
        if ids.current_id:
            self._current_ids[key] = ids.current_id

    def let_go(self, order: Order) -> None:
        """Forget the ids of an order. Costs what the order has, not the book."""
        key = order.client_order_id
        for venue_order_id in self.venue_order_ids(order):
            del self._by_venue_id[order.symbol][venue_order_id]
        for taken in self._taken_over.pop(key, ()):
            del self._owners[taken]
        for request_id in self._requests_of.pop(key, ()):
            del self._requests[request_id]
        for index in (self._former_venue_ids, self._accepted, self._reduced, self._current_ids):
            index.pop(key, None)

    # --- looking up -----------------------------------------------------------------------------------

    def owner(self, client_order_id: str) -> str | None:
        """The order that an id of ours stands for which is not its own: a request's, or one taken over."""
        return self._owners.get(client_order_id) or self._requests.get(client_order_id)

    def is_taken_over(self, client_order_id: str) -> bool:
        """Whether this is an external order whose executions are another's."""
        return client_order_id in self._owners

    def by_venue_order_id(self, venue_order_id: str, symbol: str) -> str | None:
        """The order of a venue's id. Without a symbol, of the first in alphabetical order that has one."""
        if symbol:
            listing = self._by_venue_id.get(symbol)
            return None if listing is None else listing.get(venue_order_id)
        listings = self._by_venue_id.items()
        found = min((name for name, listing in listings if venue_order_id in listing), default=None)
        return None if found is None else self._by_venue_id[found][venue_order_id]

    def venue_order_ids(self, order: Order) -> list[str]:
        """Every id of the venue's that stands for an order: the former ones, then the last."""
        key, listing = order.client_order_id, self._by_venue_id.get(order.symbol, {})
        last = order.venue_order_id
        given: tuple[str, ...] = (last,)
        if key in self._former_venue_ids:
            given = (*dict.fromkeys(one for one in self._former_venue_ids[key] if one != last), last)
        return [one for one in given if listing.get(one) == key]

    def former_venue_ids(self, order: Order) -> list[str]:
        """The same without the last."""
        if order.client_order_id not in self._former_venue_ids:
            return []
        return [one for one in self.venue_order_ids(order) if one != order.venue_order_id]

    def is_request(self, request_id: str) -> bool:
        """Whether a cancel or an amend has this id."""
        return request_id in self._requests

    def was_accepted(self, client_order_id: str, request_id: str) -> bool:
        """Whether an amend of this id gave the order terms before."""
        return request_id in self._accepted.get(client_order_id, ())

    def asked_before(self, client_order_id: str, first: str, second: str) -> bool:
        """Whether both are requests of the order, and ``first`` was made before ``second``."""
        asked = self._requests_of.get(client_order_id, ())
        return first in asked and second in asked and asked.index(first) < asked.index(second)

    def current_id(self, client_order_id: str) -> str:
        """The id by which the venue knows the order: its own, or that of the last amend it accepted."""
        return self._current_ids.get(client_order_id, client_order_id)

    def was_reduced(self, client_order_id: str, request_id: str) -> bool:
        """Whether a cancel of this id took part of the order out before."""
        return request_id in self._reduced.get(client_order_id, ())

    def ids_of(self, client_order_id: str) -> Iterator[str]:
        """Every id of ours that stands for an order: its own, of its requests, of those it took over."""
        yield client_order_id
        yield from self._requests_of.get(client_order_id, ())
        yield from self._taken_over.get(client_order_id, ())
