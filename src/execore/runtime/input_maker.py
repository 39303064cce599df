"""Makes inputs of what callers ask: ids, times, and the verdicts of the user's own risk hooks.

It runs on the writer, when the request's turn has come, so that a hook sees all that was asked before: of
fifty callers who meet a cap at once, exactly one gets in.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from execore.core.book_state import BookState
from execore.core.order_state_machine import resubmission
from execore.core.risk_hook import ALLOWED, RiskContext, RiskHook, evaluate_hooks
from execore.core.validation import ValidationHook, validate_order
from execore.model.errors import DuplicateClientOrderId, UnknownInstrument
from execore.model.ids import derived_id, time_ordered_id
from execore.model.orders import Order, OrderRequest, disclosed
from execore.model.requests import CancelOrder, ReleaseOrder, SubmitOrder
from execore.runtime.clock import Clock, RandomBits
from execore.runtime.trading_time import TradingTime


class InputMaker:
    """What a book's requests are made with.

    Args:
        risk_hooks: asked in order before every submission; the first that does not allow decides.
        validators: run before an order is created; each raises ``InvalidInput`` to refuse.
        clock, random_bits: time and chance.
        trading_time: when orders end.
    """

    def __init__(
        self,
        *,
        risk_hooks: Sequence[RiskHook],
        validators: Sequence[ValidationHook],
        clock: Clock,
        random_bits: RandomBits,
        trading_time: TradingTime,
    ) -> None:
        self.risk_hooks = tuple(risk_hooks)
        self._validators = tuple(validators)
        self.now_ns = clock
        self._random_bits = random_bits
        self.trading_time = trading_time

    def new_id(self) -> str:
        """A new time-ordered id: 32 hex digits of a UUIDv7."""
        return time_ordered_id(self.now_ns(), self._random_bits(74))

    def named(self, order: OrderRequest) -> OrderRequest:
        """The order, with an id if it has none."""
        return order if order.client_order_id else replace(order, client_order_id=self.new_id())

    def submission(self, state: BookState, order: OrderRequest, actor: str) -> SubmitOrder:
        """The order as an input, under risk's verdict.

        Raises:
            InvalidInput: the order is not acceptable, or is another one than its id stands for.
        """
        ts_ns = self.now_ns()
        known, ends_ts_ns = state.orders.find(order.client_order_id), None
        if known is None:
            ends_ts_ns = self.trading_time.end_of(order, ts_ns)
            verdict = evaluate_hooks(self.risk_hooks, order, self.context(state, order, ts_ns))
        else:
            resubmission(known, order)  # raises if it is another order
            verdict = ALLOWED  # nothing will be sent, so there is nothing to judge
        return SubmitOrder(
            ts_ns=ts_ns,
            actor=actor or f"strategy:{order.strategy}",
            order=order,
            verdict=verdict,
            ends_ts_ns=ends_ts_ns,
        )

    def submissions(self, state: BookState, orders: Sequence[OrderRequest], actor: str) -> list[SubmitOrder]:
        """The orders as inputs, once all of them are known to be acceptable.

        Raises:
            InvalidInput: one is not acceptable. DuplicateClientOrderId: two different ones have one id.
        """
        made = [self.submission(state, order, actor) for order in orders]
        stands_for: dict[str, OrderRequest] = {}
        for order in orders:
            if stands_for.setdefault(order.client_order_id, order) != order:
                raise DuplicateClientOrderId(
                    "client_order_id",
                    f"{order.client_order_id!r} is given to two different orders in one call",
                )
        return made

    def release(self, state: BookState, client_order_id: str, actor: str) -> ReleaseOrder:
        """A new verdict on an order that is held.

        Raises:
            UnknownOrder: there is no such order.
        """
        ts_ns = self.now_ns()
        order = state.orders.get(client_order_id)
        verdict = evaluate_hooks(self.risk_hooks, order.request, self.context(state, order.request, ts_ns))
        return ReleaseOrder(ts_ns=ts_ns, actor=actor, client_order_id=client_order_id, verdict=verdict)

    def cancels(self, state: BookState, symbol: str, strategy: str, actor: str) -> list[CancelOrder]:
        """A cancel of each open order of an instrument and a strategy; an empty name means any."""
        ts_ns, wave = self.now_ns(), self.new_id()
        return [
            CancelOrder(
                ts_ns=ts_ns,
                actor=actor,
                client_order_id=order.client_order_id,
                request_id=derived_id("cancel all", wave, order.client_order_id),
            )
            for order in state.orders.open_orders()
            if _is_of(order, symbol, strategy)
        ]

    def context(self, state: BookState, order: OrderRequest, ts_ns: int) -> RiskContext:
        """What the hooks may look at; the user's own validators run first, as nothing may be created else.

        Raises:
            InvalidInput: the order is not acceptable.
        """
        instrument = state.positions.instrument(order.symbol)
        if instrument is None:
            raise UnknownInstrument(
                "symbol", f"{order.symbol!r} is not defined in this book", "Define it first"
            )
        disclosed(order.side)
        validate_order(order, instrument)
        for validate in self._validators:
            validate(order, instrument)
        position = state.positions.position(order.symbol).quantity
        return RiskContext(ts_ns, instrument, position, state.orders.open_count)


def _is_of(order: Order, symbol: str, strategy: str) -> bool:
    return symbol in ("", order.symbol) and strategy in ("", order.strategy)
