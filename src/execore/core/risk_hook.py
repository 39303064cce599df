"""The seam for risk: nothing is sent without a decision, and a gate that fails is a gate that blocks."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from execore.model.instruments import Instrument
from execore.model.money import EXACT, ONE, ZERO, Number, text_of, to_decimal
from execore.model.orders import OrderRequest
from execore.model.requests import RiskResult
from execore.model.vocabulary import RiskDecision

_ALLOW = RiskDecision.ALLOW
ALLOWED = RiskResult(RiskDecision.ALLOW, rule="every_hook_allowed")


class RiskContext(msgspec.Struct, frozen=True, gc=False):
    """What a hook may look at: committed facts as of the decision.

    Attributes:
        ts_ns: the time of the request, integer nanoseconds UTC.
        instrument: the definition in force; None where the order's instrument is not known.
        position: signed quantity held.
        open_orders: how many orders can still trade, or might, in the whole book.
    """

    ts_ns: int
    instrument: Instrument | None = None
    position: Decimal = ZERO
    open_orders: int = 0


class RiskHook(Protocol):
    """A user's risk gate."""

    def evaluate_order(self, order: OrderRequest, context: RiskContext) -> RiskResult:
        """Decide on one order before it is sent. Raising is the same as blocking."""
        ...


class OrderLimits:
    """The smallest useful gate: caps on the size of one order.

    Args:
        maximum_quantity: largest quantity of one order.
        maximum_notional: largest quantity × price × multiplier, in the instrument's currency. With it, an
            order without a limit price is blocked, as nobody can say what it may cost.

    Raises:
        InvalidNumber: a limit is not exact.
    """

    def __init__(
        self, *, maximum_quantity: Number | None = None, maximum_notional: Number | None = None
    ) -> None:
        self.maximum_quantity = (
            None if maximum_quantity is None else to_decimal(maximum_quantity, "maximum_quantity")
        )
        self.maximum_notional = (
            None if maximum_notional is None else to_decimal(maximum_notional, "maximum_notional")
        )

    def evaluate_order(self, order: OrderRequest, context: RiskContext) -> RiskResult:
        """Allow what is within both limits, block the rest."""
        if self.maximum_quantity is not None and order.quantity > self.maximum_quantity:
            return _block(
                f"quantity {text_of(order.quantity)} is above {text_of(self.maximum_quantity)}",
                "maximum_quantity",
            )
        if self.maximum_notional is None:
            return ALLOWED
        if order.price is None:
            return _block("no limit price, so its notional has no bound", "maximum_notional")
        multiplier = ONE if context.instrument is None else context.instrument.multiplier
        notional = EXACT.multiply(EXACT.multiply(order.quantity, order.price.copy_abs()), multiplier)
        if notional > self.maximum_notional:
            return _block(
                f"notional {text_of(notional)} is above {text_of(self.maximum_notional)}", "maximum_notional"
            )
        return ALLOWED


def _block(reason: str, rule: str) -> RiskResult:
    return RiskResult(RiskDecision.BLOCK, reason, rule)


def evaluate_hooks(hooks: Sequence[RiskHook], order: OrderRequest, context: RiskContext) -> RiskResult:
    """Ask the hooks in order; the first that does not allow decides. One that raises blocks: fail closed."""
    for hook in hooks:
        name = type(hook).__name__
        try:
            result: object = hook.evaluate_order(order, context)  # foreign code: its types are a hope
        except Exception as error:  # a foreign hook may raise anything, and must not stop the engine
            return _block(f"{name} raised {type(error).__name__}: {error}", name)
        if not isinstance(result, RiskResult) or type(result.decision) is not RiskDecision:
            return _block(f"{name} answered {result!r:.60}, not a RiskResult with a RiskDecision", name)
        if result.decision is not _ALLOW:
            return result if result.rule else RiskResult(result.decision, result.reason, name)
    return ALLOWED
