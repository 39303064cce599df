"""A risk gate of one's own: the first hook that does not allow decides, and the answer is in the journal."""

from decimal import Decimal

import execore


class OnlyBuys:
    def evaluate_order(self, order: execore.OrderRequest, context: execore.RiskContext) -> execore.RiskResult:
        if order.side is execore.Side.BUY:
            return execore.RiskResult(execore.RiskDecision.ALLOW)
        return execore.RiskResult(execore.RiskDecision.BLOCK, "we only buy", "only_buys")


equity = execore.Instrument(symbol="ACME", currency="USD", kind=execore.InstrumentKind.EQUITY)
order = execore.OrderRequest(
    symbol="ACME", side=execore.Side.SELL, quantity=Decimal(10), price=Decimal("12.50")
)

# Without a venue the effects of an answer (here there are none) are the caller's to carry out.
with execore.open_book("memory:", instruments=[equity], risk_hooks=[OnlyBuys()]) as book:
    answer = book.submit(order)
    print(answer.outcome, answer.effects)
    for denied in book.orders.by_state(execore.OrderState.DENIED):
        print(denied.state, denied.reason)
