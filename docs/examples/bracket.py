"""A bracket: an order, and the two exits from what it fills, at a venue that has no such thing."""

from decimal import Decimal

import execore
from execore.venues.paper import PaperVenue

bitcoin = execore.Instrument(
    symbol="BTC-USD", currency="USD", base_currency="BTC", quantity_step=Decimal("0.001")
)
venue = PaperVenue("paper", [bitcoin], start_ts_ns=0)
entry = execore.OrderRequest(
    client_order_id="entry",
    symbol="BTC-USD",
    side=execore.Side.BUY,
    quantity=Decimal(2),
    price=Decimal(60_000),
)
take_profit = execore.OrderRequest(
    client_order_id="profit",
    symbol="BTC-USD",
    side=execore.Side.SELL,
    quantity=Decimal(2),
    price=Decimal(66_000),
)
stop_loss = execore.OrderRequest(
    client_order_id="stop",
    symbol="BTC-USD",
    side=execore.Side.SELL,
    quantity=Decimal(2),
    order_type=execore.OrderType.STOP,
    stop_price=Decimal(57_000),
)

with execore.open_book("memory:", instruments=[bitcoin], venue=venue) as book:

    def show() -> None:
        working = sorted(f"{order.client_order_id} {order.leaves}" for order in book.orders.open_orders())
        print(book.groups.state("dip"), working)

    book.groups.submit_bracket(entry, take_profit=take_profit, stop_loss=stop_loss, group_id="dip")
    show()
    for ts_ns, price, size in [(1, 60_000, "0.5"), (2, 60_000, 5), (3, 66_000, 1), (4, 66_000, 5)]:
        venue.on_trade("BTC-USD", price, size, ts_ns)
        book.pump()
        show()
