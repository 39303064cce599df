"""Whether a request fits its instrument. Nothing that does not fit becomes an order."""

from collections.abc import Callable
from decimal import Decimal

from execore.model.errors import InvalidPrice, InvalidQuantity
from execore.model.instruments import Instrument
from execore.model.money import EXACT, is_multiple, text_of
from execore.model.orders import OrderRequest

ValidationHook = Callable[[OrderRequest, Instrument], None]
"""A user's own check before an order is created: raise ``InvalidInput`` (or a child of it) to refuse."""


def validate_order(request: OrderRequest, instrument: Instrument) -> None:
    """Check a request against its instrument's tick, step and limits.

    Raises:
        InvalidQuantity: off the step, or outside minimum and maximum.
        InvalidPrice: off the tick, or below the minimum notional.
    """
    validate_terms(request.quantity, request.price, request.stop_price, instrument)


def validate_terms(
    quantity: Decimal, price: Decimal | None, stop_price: Decimal | None, instrument: Instrument
) -> None:
    """Check the terms that an order or an amend asks for. Raises as ``validate_order`` does."""
    symbol = instrument.symbol
    if not is_multiple(quantity, instrument.quantity_step):
        raise InvalidQuantity(
            "quantity", f"{text_of(quantity)} is off {symbol}'s step of {text_of(instrument.quantity_step)}"
        )
    if instrument.minimum_quantity is not None and quantity < instrument.minimum_quantity:
        raise InvalidQuantity(
            "quantity",
            f"{text_of(quantity)} is below {symbol}'s minimum of {text_of(instrument.minimum_quantity)}",
        )
    if instrument.maximum_quantity is not None and quantity > instrument.maximum_quantity:
        raise InvalidQuantity(
            "quantity",
            f"{text_of(quantity)} is above {symbol}'s maximum of {text_of(instrument.maximum_quantity)}",
        )
    for field, value in (("price", price), ("stop_price", stop_price)):
        if value is not None and not is_multiple(value, instrument.tick_size):
            raise InvalidPrice(
                field, f"{text_of(value)} is off {symbol}'s tick size of {text_of(instrument.tick_size)}"
            )
    if price is not None and instrument.minimum_notional is not None:
        notional = EXACT.multiply(EXACT.multiply(quantity, price.copy_abs()), instrument.multiplier)
        if notional < instrument.minimum_notional:
            raise InvalidQuantity(
                "quantity",
                f"a notional of {text_of(notional)} is below the minimum of "
                f"{text_of(instrument.minimum_notional)} for {symbol}",
            )
