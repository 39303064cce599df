"""A book's order groups: submitting them under risk's verdicts, ending them, looking at them."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.order_groups import next_action
from execore.core.risk_hook import ALLOWED, evaluate_hooks
from execore.model import group_requests, requests
from execore.model.groups import LIVE_STATES, Group, GroupKind, GroupState, group_to_dict
from execore.model.ids import derived_id
from execore.model.keys import Key, KeyKind
from execore.model.money import EXACT, ZERO
from execore.model.orders import OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import Side, TimeInForce
from execore.runtime.asking import Ask
from execore.runtime.input_maker import InputMaker

One = TypeVar("One")


class Grouping(Generic[One]):
    """The groups of one book: its ``groups``.

    Args:
        state: the book's state as it is committed.
        ask: queues a request and answers as the book does.
        maker: makes inputs of requests.
    """

    def __init__(
        self, *, state: Callable[[], BookState], ask: Callable[[Ask], One], maker: InputMaker
    ) -> None:
        self._state = state
        self._ask = ask
        self._maker = maker

    # --- requests -----------------------------------------------------------------------------------

    def submit(
        self,
        kind: GroupKind | str,
        legs: Sequence[OrderRequest],
        *,
        parent: OrderRequest | None = None,
        group_id: str = "",
        actor: str = "",
    ) -> One:
        """Create a group, ask risk about every order of it, and send what can be sent now.

        The same group id with the same content answers with the group as it is and sends nothing. Ids that
        are left empty are made: the group's is new, those of its orders follow from the group's.

        Args:
            legs: each for the group's whole quantity; what is sent is what is needed.
            parent: the order that the legs follow; None for one-cancels-other.
            actor: who asks; the strategy of the first order if not given.

        Returns:
            APPLIED, with the group; it is DENIED if risk blocked any order, HELD if it paused any.

        Raises:
            InvalidInput: the orders make no group of this kind, or do not fit their instrument; by field.
            DuplicateClientOrderId: an id is taken by something else.
            NotRecorded, OutcomeUnknown, Busy: as ``Book.submit``.
        """
        group_id = group_id or self._maker.new_id()
        wanted = [
            order if order.client_order_id else replace(order, client_order_id=_order_id(group_id, number))
            for number, order in enumerate(legs if parent is None else (parent, *legs))
        ]
        return self._about(
            group_id,
            lambda state: self._submission(state, group_id, kind, wanted, parent is not None, actor),
            [order.client_order_id for order in wanted],
        )

    def submit_bracket(
        self,
        parent: OrderRequest,
        *,
        take_profit: OrderRequest,
        stop_loss: OrderRequest,
        group_id: str = "",
        actor: str = "",
    ) -> One:
        """An order, and the two exits from what it fills; see ``submit``."""
        legs = (take_profit, stop_loss)
        return self.submit(GroupKind.BRACKET, legs, parent=parent, group_id=group_id, actor=actor)

    def release(self, group_id: str, *, actor: str = "operator") -> One:
        """Ask risk again about a group that is held: it is sent, denied, or stays held.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown, Busy: as ``Book.submit``.
        """
        return self._about(group_id, lambda state: self._release(state, group_id, actor))

    def cancel(self, group_id: str, *, actor: str = "operator") -> One:
        """Cancel all of the group that works, exits too, and send nothing more of it.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown, Busy: as ``Book.submit``.
        """
        cause = group_requests.CancelGroup(ts_ns=self._maker.now_ns(), actor=actor, group_id=group_id)
        return self._about(group_id, lambda _: cause)

    def review(self, group_id: str, *, replace_lost: bool = False, actor: str = "operator") -> One:
        """Ask once more for what came to nothing; with ``replace_lost``, also for what was lost.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown, Busy: as ``Book.submit``.
        """
        return self._about(group_id, lambda state: self._review(state, group_id, replace_lost, actor))

    # --- looking ------------------------------------------------------------------------------------

    def get(self, group_id: str) -> Group:
        """The group of this id.

        Raises:
            UnknownGroup: there is none.
        """
        return self._state().groups.get(group_id)

    def state(self, group_id: str) -> GroupState:
        """What the group amounts to now.

        Raises:
            UnknownGroup: there is none.
        """
        return self.get(group_id).state(self._state().orders.find)

    def of_order(self, client_order_id: str) -> Group | None:
        """The group that an order belongs to, or None."""
        return self._state().groups.of_order(client_order_id)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Every group by its id: ready for JSON, numbers as strings."""
        find = self._state().orders.find
        return {group.group_id: group_to_dict(group, find) for group in self}

    def __len__(self) -> int:
        return len(self._state().groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._state().groups)

    def __contains__(self, group_id: str) -> bool:
        return group_id in self._state().groups

    # --- how ----------------------------------------------------------------------------------------

    def reviews(self) -> list[requests.Input]:
        """What to ask when the book was opened again: every group that is not over, or has to act."""
        ts_ns, state = self._maker.now_ns(), self._state()
        return [
            group_requests.ReviewGroup(
                ts_ns=ts_ns,
                group_id=group.group_id,
                tell_again=True,
                day_ends_ts_ns=self._day_end(group.requests, ts_ns),
            )
            for group in state.groups
            if group.state(state.orders.find) in LIVE_STATES or _has_to_act(state, group, ts_ns)
        ]

    def _submission(
        self,
        state: BookState,
        group_id: str,
        kind: GroupKind | str,
        wanted: Sequence[OrderRequest],
        has_parent: bool,
        actor: str,
    ) -> group_requests.SubmitGroup:
        ts_ns = self._maker.now_ns()
        parent = wanted[0] if has_parent else None
        known = group_id in state.groups  # then nothing will be sent, and there is nothing to judge
        return group_requests.SubmitGroup(
            ts_ns=ts_ns,
            actor=actor or f"strategy:{wanted[0].strategy}" if wanted else actor,
            group_id=group_id,
            kind=kind,  # type: ignore[arg-type]  # a word will do
            parent=parent,
            legs=tuple(wanted[1:] if has_parent else wanted),
            verdicts=(ALLOWED,) * len(wanted) if known else self._verdicts(state, parent, wanted, ts_ns),
            day_ends_ts_ns=self._day_end(wanted, ts_ns),
        )

    def _release(self, state: BookState, group_id: str, actor: str) -> group_requests.ReleaseGroup:
        ts_ns, group = self._maker.now_ns(), state.groups.get(group_id)
        return group_requests.ReleaseGroup(
            ts_ns=ts_ns,
            actor=actor,
            group_id=group_id,
            verdicts=self._verdicts(state, group.parent, group.requests, ts_ns),
            day_ends_ts_ns=self._day_end(group.requests, ts_ns),
        )

    def _review(
        self, state: BookState, group_id: str, replace_lost: bool, actor: str
    ) -> group_requests.ReviewGroup:
        ts_ns, group = self._maker.now_ns(), state.groups.get(group_id)
        return group_requests.ReviewGroup(
            ts_ns=ts_ns,
            actor=actor,
            group_id=group_id,
            replace_lost=replace_lost,
            day_ends_ts_ns=self._day_end(group.requests, ts_ns),
        )

    def _day_end(self, orders: Sequence[OrderRequest], ts_ns: int) -> int | None:
        """When day orders sent now would end; None if there are none, or nobody knows."""
        of_today = (order for order in orders if order.time_in_force is TimeInForce.DAY)
        return next((self._maker.trading_time.end_of(order, ts_ns) for order in of_today), None)

    def _verdicts(
        self, state: BookState, parent: OrderRequest | None, wanted: Sequence[OrderRequest], ts_ns: int
    ) -> tuple[RiskResult, ...]:
        """Risk's word on each order. Legs are judged on the position they will meet: the parent filled."""
        return tuple(
            self._verdict(state, order, ts_ns, ZERO if parent is None or not number else _signed(parent))
            for number, order in enumerate(wanted)
        )

    def _verdict(self, state: BookState, order: OrderRequest, ts_ns: int, coming: Decimal) -> RiskResult:
        context = self._maker.context(state, order, ts_ns)
        expected = replace(context, position=EXACT.add(context.position, coming))
        return evaluate_hooks(self._maker.risk_hooks, order, expected)

    def _about(
        self,
        group_id: str,
        make: Callable[[BookState], group_requests.GroupRequest],
        order_ids: Sequence[str] = (),
    ) -> One:
        keys = [Key(KeyKind.ORDER, key) for key in order_ids]
        return self._ask(Ask(lambda state: (make(state),), keys, group_id=group_id))


def _has_to_act(state: BookState, group: Group, ts_ns: int) -> bool:
    """Whether what was booked since the group was looked at makes something necessary."""
    instrument = state.positions.instrument(group.legs[0].symbol)
    return instrument is not None and bool(next_action(group, state.orders.find, instrument, ts_ns))


def _order_id(group_id: str, number: int) -> str:
    """The id of an order that was given none: the same when the same group is submitted again."""
    return derived_id("group order", group_id, str(number))


def _signed(order: OrderRequest) -> Decimal:
    return order.quantity if order.side is Side.BUY else EXACT.minus(order.quantity)
