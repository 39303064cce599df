"""What the shell must do now that the events are durable: send, ask, tell."""

from decimal import Decimal

import msgspec

from execore.model.orders import OrderRequest


class SendOrder(msgspec.Struct, frozen=True, gc=False):
    """Send a new order to the venue."""

    order: OrderRequest


class SendCancel(msgspec.Struct, frozen=True, gc=False):
    """Send a cancel request to the venue."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    request_id: str


class SendAmend(msgspec.Struct, frozen=True, gc=False):
    """Send an amend request to the venue: the order's complete new terms, ``quantity`` being the total."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    request_id: str
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None


class QueryOrder(msgspec.Struct, frozen=True, gc=False):
    """Ask the venue what it knows of an order whose outcome we do not."""

    client_order_id: str
    venue_order_id: str
    symbol: str


class Alert(msgspec.Struct, frozen=True, gc=False):
    """Tell a person. ``code`` is stable; ``message`` says what and where."""

    code: str
    message: str
    client_order_id: str = ""


Effect = SendOrder | SendCancel | SendAmend | QueryOrder | Alert
