"""What a caller wants of an order; import it from ``model.orders``."""

from decimal import Decimal
from typing import Final

import msgspec

from execore.model.errors import InvalidInput, InvalidPrice, InvalidQuantity
from execore.model.ids import check_id
from execore.model.lots import LotChoice, to_lots
from execore.model.metadata import NO_METADATA, Metadata, to_metadata
from execore.model.money import ZERO, to_decimal
from execore.model.text import check_text, check_time
from execore.model.vocabulary import (
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    to_word,
)

_GTD: Final = TimeInForce.GTD
_NEEDS_PRICE = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_NEEDS_STOP_PRICE = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What the caller wants: the content that the client order id stands for, for ever.

    Strings and ints are accepted for numbers and words, and a dict for ``metadata``; all are checked and
    converted here, so an ``OrderRequest`` that exists is well-formed. Whether it fits its instrument
    (tick, step, limits) is checked by ``core.validation`` where the instrument is known.

    Attributes:
        client_order_id: ours, unique for ever; empty in a request that asks for one to be made.
        quantity: in units of the instrument, positive.
        price: limit price; required for limit and stop-limit orders, refused for others.
        stop_price: trigger price; required for stop and stop-limit orders, refused for others.
        expire_ts_ns: for GTD, when the order ends, integer nanoseconds UTC.
        strategy: who trades; positions and limits can be kept by it.
        metadata: tags and governance context; carried along unchanged.
        position_side: which position of a hedging book it is for.
        lots: those it is to close, in a book whose cost method is ``specific_lot``.

    Raises:
        InvalidNumber, InvalidQuantity, InvalidPrice, UnknownEnumValue, InvalidInput: by field.
    """

    symbol: str
    side: Side
    quantity: Decimal
    client_order_id: str = ""
    order_type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ts_ns: int | None = None
    strategy: str = ""
    metadata: Metadata = NO_METADATA
    position_side: PositionSide = PositionSide.NET
    lots: tuple[LotChoice, ...] = ()

    def __post_init__(self) -> None:
        fix = msgspec.structs.force_setattr
        if self.client_order_id:
            check_id(self.client_order_id, "client_order_id")
        if type(self.symbol) is not str or not self.symbol:
            raise InvalidInput("symbol", f"{self.symbol!r:.60} is not a symbol")
        if type(self.side) is not Side:
            fix(self, "side", to_word(self.side, Side, "side"))
        if type(self.order_type) is not OrderType:
            fix(self, "order_type", to_word(self.order_type, OrderType, "order_type"))
        if type(self.time_in_force) is not TimeInForce:
            fix(self, "time_in_force", to_word(self.time_in_force, TimeInForce, "time_in_force"))
        if type(self.position_side) is not PositionSide:
            fix(self, "position_side", to_word(self.position_side, PositionSide, "position_side"))
        if self.lots:
            fix(self, "lots", to_lots(self.lots))
        check_text(self.symbol, "symbol")
        check_text(self.strategy, "strategy")
        if self.metadata:
            fix(self, "metadata", to_metadata(self.metadata))
        elif self.metadata != NO_METADATA:
            fix(self, "metadata", NO_METADATA)
        self._check_numbers()

    def _check_numbers(self) -> None:
        fix = msgspec.structs.force_setattr
        fix(self, "quantity", positive(self.quantity, "quantity"))
        _check_presence("price", self.price, self.order_type, _NEEDS_PRICE)
        _check_presence("stop_price", self.stop_price, self.order_type, _NEEDS_STOP_PRICE)
        if self.price is not None:
            fix(self, "price", to_decimal(self.price, "price"))
        if self.stop_price is not None:
            fix(self, "stop_price", to_decimal(self.stop_price, "stop_price"))
        if (self.expire_ts_ns is not None) is not (self.time_in_force is _GTD):
            raise InvalidInput("expire_ts_ns", "is for GTD orders, and they need it")
        if self.expire_ts_ns is not None:
            check_time(self.expire_ts_ns, "expire_ts_ns")


def _check_presence(
    field: str, value: Decimal | None, order_type: OrderType, needed_by: frozenset[OrderType]
) -> None:
    needed = order_type in needed_by
    if (value is not None) is not needed:
        raise InvalidPrice(
            field,
            f"a {order_type} order {'needs one' if needed else 'takes none'}",
            "Give it" if needed else "Leave it out, or choose another order_type",
        )


def positive(value: Decimal, field: str) -> Decimal:
    """Return a quantity as a canonical Decimal above zero.

    Raises:
        InvalidNumber: it is not exact. InvalidQuantity: it is zero or negative.
    """
    number = to_decimal(value, field)
    if number <= ZERO:
        raise InvalidQuantity(field, f"{number} is not positive", "The side says which way; give the size")
    return number


def disclosed(side: Side) -> Side:
    """Return ``side`` if it says which way; only a venue may keep silent about that.

    Raises:
        InvalidInput: it does not.
    """
    if side is Side.UNDISCLOSED:
        raise InvalidInput("side", "an order is a buy or a sell", "Say which")
    return side
