"""What a venue's adapter is given and what it gives: messages go out, normalised reports come in."""

from decimal import Decimal

import execore

bond = execore.Instrument(symbol="BOND", currency="USD", kind=execore.InstrumentKind.EQUITY)
book = execore.open_book(execore.MemoryJournal(), instruments=[bond])  # no venue: the effects are ours
order = execore.OrderRequest(
    client_order_id="o1", symbol="BOND", side=execore.Side.BUY, quantity=Decimal(10), price=Decimal(100)
)
for effect in book.submit(order).effects:
    print(type(effect).__name__)  # what a venue's submit(), cancel(), amend() or query() would be given

fill = execore.reports.FillReport(
    ts_ns=2, client_order_id="o1", execution_id="E1", quantity=Decimal(4), price=Decimal(99)
)
bust = execore.reports.TradeCancelReport(
    ts_ns=3, client_order_id="o1", execution_ref_id="E1", execution_id="B1"
)
book.apply([execore.reports.AcknowledgeReport(ts_ns=1, client_order_id="o1", venue_order_id="V1"), fill])
print(book.orders.get("o1").state, book.positions.position("BOND").quantity)
(answer,) = book.apply([bust])
print(answer.outcome, [effect.code for effect in answer.effects if isinstance(effect, execore.Alert)])
print(book.orders.get("o1").state, book.positions.position("BOND").quantity)
