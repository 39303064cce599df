"""The first book: an order at the paper exchange, its position, its history, and a chain that verifies.

The README shows this code. It leaves nothing behind; use ``execore.SqliteJournal("first.db")`` to keep it.
"""

from decimal import Decimal

import execore
from execore.venues.paper import PaperVenue

bitcoin = execore.Instrument(
    symbol="BTC-USD", currency="USD", base_currency="BTC", quantity_step=Decimal("0.001")
)
venue = PaperVenue("paper", [bitcoin], start_ts_ns=0, taker_fee_bps=5)
limits = execore.OrderLimits(maximum_quantity=1)
journal = execore.MemoryJournal()
order = execore.OrderRequest(
    client_order_id="first-1",
    symbol="BTC-USD",
    side=execore.Side.BUY,
    quantity=Decimal("0.05"),
    price=Decimal(60_000),
)

with execore.open_book(journal, instruments=[bitcoin], venue=venue, risk_hooks=[limits]) as book:
    book.transfer_cash("opening", "USD", 10_000)
    venue.on_quote("BTC-USD", bid=59_999, bid_size=1, ask=60_000, ask_size=1, ts_ns=1)
    print(book.submit(order).outcome)
    print(book.submit(order).outcome)  # the same id and content: answered, and not sent again
    print(book.orders.get("first-1").state, book.positions.cash())
    print([type(event).__name__ for event in book.orders.history("first-1")])
    print(execore.AuditLog(journal, book.name).verify(book.head).message)
