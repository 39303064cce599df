"""A book's order groups: submitting them under risk's verdicts, ending them, looking at them."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.order_groups import next_action
from execore.core.risk_hook import ALLOWED, RiskContext, RiskHook, evaluate_hooks
from execore.model import group_requests, requests
from execore.model.answers import Answer
from execore.model.errors import BookClosed
from execore.model.groups import LIVE_STATES, Group, GroupKind, GroupState, group_to_dict
from execore.model.ids import derived_id
from execore.model.money import EXACT, ZERO
from execore.model.orders import OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import Side, TimeInForce
from execore.runtime.clock import Clock


class Grouping:
    """The groups of one book: its ``groups``.

    Args:
        state: the book's state as it is now.
        take: makes a request of the core durable, carries it out and answers.
        context: what risk hooks may look at for an order at a time.
        risk_hooks: asked about every order of a group before the group is created.
        end_of: when an order sent at a time ends by its time in force; None if nobody knows.
        new_id: makes the id of a group that was given none.
    """

    def __init__(
        self,
        *,
        state: Callable[[], BookState],
        take: Callable[[requests.Input], Answer],
        context: Callable[[OrderRequest, int], RiskContext],
        risk_hooks: Sequence[RiskHook],
        clock: Clock,
        end_of: Callable[[OrderRequest, int], int | None],
        new_id: Callable[[], str],
    ) -> None:
        self._state = state
        self._take = take
        self._context = context
        self._risk_hooks = tuple(risk_hooks)
        self._clock = clock
        self._end_of = end_of
        self._new_id = new_id

    # --- requests -----------------------------------------------------------------------------------

    def submit(
        self,
        kind: GroupKind | str,
        legs: Sequence[OrderRequest],
        *,
        parent: OrderRequest | None = None,
        group_id: str = "",
        actor: str = "",
    ) -> Answer:
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
            NotRecorded, OutcomeUnknown: as ``Book.submit``.
        """
        ts_ns, group_id = self._clock(), group_id or self._new_id()
        wanted = [
            order if order.client_order_id else replace(order, client_order_id=_order_id(group_id, number))
            for number, order in enumerate(legs if parent is None else (parent, *legs))
        ]
        known = group_id in self._state().groups  # then nothing will be sent, and there is nothing to judge
        return self._asked(
            group_requests.SubmitGroup(
                ts_ns=ts_ns,
                actor=actor or f"strategy:{wanted[0].strategy}" if wanted else actor,
                group_id=group_id,
                kind=kind,  # type: ignore[arg-type]  # a word will do
                parent=None if parent is None else wanted[0],
                legs=tuple(wanted if parent is None else wanted[1:]),
                verdicts=(ALLOWED,) * len(wanted) if known else self._verdicts(parent, wanted, ts_ns),
                day_ends_ts_ns=self._day_end(wanted, ts_ns),
            )
        )

    def submit_bracket(
        self,
        parent: OrderRequest,
        *,
        take_profit: OrderRequest,
        stop_loss: OrderRequest,
        group_id: str = "",
        actor: str = "",
    ) -> Answer:
        """An order, and the two exits from what it fills; see ``submit``."""
        legs = (take_profit, stop_loss)
        return self.submit(GroupKind.BRACKET, legs, parent=parent, group_id=group_id, actor=actor)

    def release(self, group_id: str, *, actor: str = "operator") -> Answer:
        """Ask risk again about a group that is held: it is sent, denied, or stays held.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown: as ``Book.submit``.
        """
        ts_ns, group = self._clock(), self.get(group_id)
        verdicts = self._verdicts(group.parent, group.requests, ts_ns)
        return self._asked(
            group_requests.ReleaseGroup(
                ts_ns=ts_ns,
                actor=actor,
                group_id=group_id,
                verdicts=verdicts,
                day_ends_ts_ns=self._day_end(group.requests, ts_ns),
            )
        )

    def cancel(self, group_id: str, *, actor: str = "operator") -> Answer:
        """Cancel all of the group that works, exits too, and send nothing more of it.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown: as ``Book.submit``.
        """
        return self._asked(group_requests.CancelGroup(ts_ns=self._clock(), actor=actor, group_id=group_id))

    def review(self, group_id: str, *, replace_lost: bool = False, actor: str = "operator") -> Answer:
        """Ask once more for what came to nothing; with ``replace_lost``, also for what was lost.

        Raises:
            UnknownGroup: there is no such group. NotRecorded, OutcomeUnknown: as ``Book.submit``.
        """
        ts_ns, group = self._clock(), self.get(group_id)
        return self._asked(
            group_requests.ReviewGroup(
                ts_ns=ts_ns,
                actor=actor,
                group_id=group_id,
                replace_lost=replace_lost,
                day_ends_ts_ns=self._day_end(group.requests, ts_ns),
            )
        )

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
        ts_ns, state = self._clock(), self._state()
        return [
            group_requests.ReviewGroup(
                ts_ns=ts_ns,
                group_id=group.group_id,
                tell_again=True,
                day_ends_ts_ns=self._day_end(group.requests, ts_ns),
            )
            for group in state.groups
            if group.state(state.orders.find) in LIVE_STATES or self._has_to_act(group, ts_ns)
        ]

    def _has_to_act(self, group: Group, ts_ns: int) -> bool:
        """Whether what was booked since the group was looked at makes something necessary."""
        state = self._state()
        instrument = state.positions.instrument(group.legs[0].symbol)
        return instrument is not None and bool(next_action(group, state.orders.find, instrument, ts_ns))

    def _day_end(self, orders: Sequence[OrderRequest], ts_ns: int) -> int | None:
        """When day orders sent now would end; None if there are none, or nobody knows."""
        of_today = (order for order in orders if order.time_in_force is TimeInForce.DAY)
        return next((self._end_of(order, ts_ns) for order in of_today), None)

    def _verdicts(
        self, parent: OrderRequest | None, wanted: Sequence[OrderRequest], ts_ns: int
    ) -> tuple[RiskResult, ...]:
        """Risk's word on each order. Legs are judged on the position they will meet: the parent filled."""
        return tuple(
            self._verdict(order, ts_ns, ZERO if parent is None or not number else _signed(parent))
            for number, order in enumerate(wanted)
        )

    def _verdict(self, order: OrderRequest, ts_ns: int, coming: Decimal) -> RiskResult:
        context = self._context(order, ts_ns)
        expected = replace(context, position=EXACT.add(context.position, coming))
        return evaluate_hooks(self._risk_hooks, order, expected)

    def _asked(self, cause: group_requests.GroupRequest) -> Answer:
        """The answer with the group as it is now, when the reports that were waiting are booked."""
        answer = self._take(cause)
        try:
            return replace(answer, group=self.get(cause.group_id))
        except BookClosed:  # on what came after the request, which is recorded and answered
            return answer


def _order_id(group_id: str, number: int) -> str:
    """The id of an order that was given none: the same when the same group is submitted again."""
    return derived_id("group order", group_id, str(number))


def _signed(order: OrderRequest) -> Decimal:
    return order.quantity if order.side is Side.BUY else EXACT.minus(order.quantity)
