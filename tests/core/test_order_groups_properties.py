"""Groups against a venue that delays, refuses and undoes: exits never stay larger than what is open."""

from decimal import Decimal
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core_support.desk import assert_replays
from core_support.group_desk import GroupDesk, entry, profit, stop
from core_support.naive_venue import NaiveVenue
from execore.model import group_requests, requests
from execore.model.effects import SendAmend, SendOrder
from execore.model.groups import GroupKind, Trouble
from execore.model.orders import Order

PARENT: Final = "entry"
SIZES: Final = st.integers(1, 6).map(Decimal)
QUANTITY: Final = Decimal(10)


def at_worst(order: Order) -> Decimal:
    """The most that an order might still trade."""
    if not order.is_open:
        return Decimal(0)
    return max(order.quantity, *(p.quantity for p in order.pending_replaces), order.filled) - order.filled


def as_asked(order: Order) -> Decimal:
    """What an order may still trade if its last amend comes true; a cancel may come too late."""
    if not order.is_open or order.pending_cancels or not order.pending_replaces:
        return at_worst(order)
    return max(Decimal(0), order.pending_replaces[-1].quantity - order.filled)


class GroupDay(RuleBasedStateMachine):
    """One group, a venue with delays in both directions, and a person who interferes."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = GroupDesk()
        self.venue = NaiveVenue()
        self.asked = 0

    @initialize(kind=st.sampled_from([GroupKind.BRACKET, *GroupKind]), entered=st.integers(0, 10))
    def group_up(self, kind: GroupKind, entered: int) -> None:
        """A new group, or one whose parent has filled ``entered`` and whose legs are at the venue."""
        self.kind = kind
        parent = None if kind is GroupKind.ONE_CANCELS_OTHER else entry()
        self.desk.group_up(kind, (profit(), stop()), parent=parent)
        self.post()
        if entered:
            self.settle()
            if parent is not None:
                self.venue.trade(PARENT, Decimal(entered))
                self.settle()

    def post(self) -> None:
        """Hand over what the desk wants sent, if it may be sent."""
        messages = self.desk.sent_since()
        for message in messages:
            if isinstance(message, SendOrder):
                self.check_order(message.order.client_order_id)
            elif isinstance(message, SendAmend) and not message.request_id.startswith("mine"):
                self.check_amend(message)
        self.venue.inbox.extend(messages)

    def check_order(self, key: str) -> None:
        """With a new order, a leg cannot trade more than is open, whatever becomes of its requests."""
        for leg, keys in enumerate(self.desk.group.leg_orders):
            if key in keys:
                assert sum(map(at_worst, self.desk.leg(leg)), Decimal(0)) <= self.limits()[leg]

    def check_amend(self, message: SendAmend) -> None:
        """With a larger order, a leg cannot trade more than is open, if its requests come true."""
        order = self.desk.state.orders.get(message.client_order_id)
        before = order.pending_replaces[-2] if len(order.pending_replaces) > 1 else order
        for leg, keys in enumerate(self.desk.group.leg_orders):
            if order.client_order_id in keys and message.quantity > before.quantity:
                assert sum(map(as_asked, self.desk.leg(leg)), Decimal(0)) <= self.limits()[leg]

    def take(self, cause: requests.Input) -> None:
        self.desk.take(cause)
        self.post()

    # --- the venue ---

    @precondition(lambda self: self.venue.inbox)
    @rule(willing=st.sampled_from([True, True, True, False]))
    def deliver(self, willing: bool) -> None:
        self.venue.deliver(willing=willing)

    @precondition(lambda self: self.venue.outbox)
    @rule(count=st.integers(1, 4))
    def report(self, count: int) -> None:
        for _ in range(min(count, len(self.venue.outbox))):
            self.take(self.venue.outbox.popleft())

    @precondition(lambda self: self.venue.working())
    @rule(data=st.data(), most=SIZES)
    def trade(self, data: st.DataObject, most: Decimal) -> None:
        self.venue.trade(data.draw(st.sampled_from(self.venue.working())), most)

    @precondition(lambda self: PARENT in self.venue.working())
    @rule(most=SIZES)
    def trade_parent(self, most: Decimal) -> None:
        self.venue.trade(PARENT, most)

    @precondition(lambda self: self.venue.executions)
    @rule(data=st.data())
    def bust(self, data: st.DataObject) -> None:
        self.venue.bust(data.draw(st.sampled_from(sorted(self.venue.executions))))

    @precondition(lambda self: self.venue.working())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.venue.end(data.draw(st.sampled_from(self.venue.working())))

    # --- the way there ---

    @precondition(lambda self: self.venue.inbox)
    @rule(arrives=st.booleans())
    def lose_the_answer(self, arrives: bool) -> None:
        """Nobody knows what became of the oldest message, which arrives or does not."""
        message = self.venue.inbox[0]
        if isinstance(message, SendOrder):
            key = message.order.client_order_id
            unknown: requests.Input = requests.SubmitOutcomeUnknown(ts_ns=0, client_order_id=key, reason="?")
        else:
            unknown = requests.RequestOutcomeUnknown(
                ts_ns=0, client_order_id=message.client_order_id, request_id=message.request_id, reason="?"
            )
        if arrives:
            self.venue.deliver()
        else:
            self.venue.inbox.popleft()
        self.take(unknown)

    @precondition(lambda self: self.venue.inbox)
    @rule()
    def fail_to_send(self) -> None:
        message = self.venue.inbox.popleft()
        if isinstance(message, SendOrder):
            self.absent(message.order.client_order_id)
        else:
            self.unsent(message.client_order_id, message.request_id)

    def absent(self, key: str) -> None:
        self.take(requests.SubmitNotSent(ts_ns=0, client_order_id=key, reason="not there"))

    def unsent(self, key: str, request_id: str) -> None:
        self.take(
            requests.RequestNotSent(ts_ns=0, client_order_id=key, request_id=request_id, reason="not there")
        )

    # --- people ---

    @rule(replace_lost=st.booleans())
    def review(self, replace_lost: bool) -> None:
        self.take(group_requests.ReviewGroup(ts_ns=0, group_id="g", replace_lost=replace_lost))

    @precondition(lambda self: self.desk.open_keys())
    @rule(data=st.data())
    def reprice(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.desk.open_keys()))
        field = "stop_price" if self.desk.state.orders.get(key).stop_price is not None else "price"
        self.interfere(requests.AmendOrder, key, **{field: Decimal(data.draw(st.integers(80, 120)))})

    @precondition(lambda self: self.desk.open_keys())
    @rule(data=st.data())
    def cancel_order(self, data: st.DataObject) -> None:
        self.interfere(requests.CancelOrder, data.draw(st.sampled_from(self.desk.open_keys())))

    @precondition(lambda self: self.asked > 3)
    @rule()
    def cancel_group(self) -> None:
        self.take(group_requests.CancelGroup(ts_ns=0, group_id="g"))

    def interfere(self, kind: Any, key: str, **terms: Any) -> None:
        self.asked += 1
        self.take(kind(ts_ns=0, client_order_id=key, request_id=f"mine-{self.asked}", **terms))

    # --- what must hold ---

    def limits(self) -> list[Decimal]:
        """What each leg may have working, counted the simple way from the orders."""
        entered = QUANTITY if self.kind is GroupKind.ONE_CANCELS_OTHER else self.filled([PARENT])
        traded = [self.filled(keys) for keys in self.desk.group.leg_orders]
        if self.kind is not GroupKind.ONE_TRIGGERS_OTHER:
            traded = [sum(traded, Decimal(0))] * 2
        return [entered - done for done in traded]

    def filled(self, keys: Any) -> Decimal:
        orders = self.desk.state.orders
        return sum((orders.get(key).filled for key in keys if key in orders), Decimal(0))

    @invariant()
    def breached_exactly_when_the_legs_traded_more_than_there_was(self) -> None:
        if hasattr(self, "kind"):
            assert self.desk.group.excess == max(Decimal(0), *(-limit for limit in self.limits()))

    def teardown(self) -> None:
        if not hasattr(self, "kind"):
            return
        self.settle()
        self.take(group_requests.ReviewGroup(ts_ns=0, group_id="g"))
        self.settle()
        assert self.desk.held == self.venue.position()
        for key, order in self.venue.orders.items():
            assert self.desk.state.orders.get(key).leaves == order.leaves
        for leg, limit in enumerate(self.limits()):
            self.check_leg(leg, max(Decimal(0), limit))
        assert_replays(self.desk)

    def check_leg(self, leg: int, limit: Decimal) -> None:
        working = sum((order.leaves for order in self.desk.leg(leg)), Decimal(0))
        troubles = {
            impairment.trouble
            for impairment in self.desk.group.impairments
            if impairment.client_order_id in self.desk.group.leg_orders[leg]
        }
        assert working <= limit
        if self.desk.group.is_ending:
            assert not working
        elif Trouble.LEG_LOST not in troubles:
            assert working == limit

    def settle(self) -> None:
        """Everything arrives, is done and is known."""
        while self.venue.inbox or self.venue.outbox or self.resolve():
            while self.venue.inbox:
                self.venue.deliver()
            while self.venue.outbox:
                self.take(self.venue.outbox.popleft())

    def resolve(self) -> bool:
        """Prove one thing absent that the venue never heard of; False when there is nothing left."""
        for order in self.desk.state.orders:
            if order.is_open and order.client_order_id not in self.venue.orders:
                self.absent(order.client_order_id)
                return True
            if order.unknown_requests:
                self.unsent(order.client_order_id, order.unknown_requests[0])
                return True
        return False


GroupDay.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestGroupDay = GroupDay.TestCase
