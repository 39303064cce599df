"""What an execution comes to: its terms, and what it moves in the books."""

from decimal import Decimal

import msgspec

from execore.model.money import ZERO
from execore.model.vocabulary import Side


class Trade(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The terms of an execution, ``fee`` in ``fee_currency``."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal = ZERO
    fee_currency: str = ""


class Posting(msgspec.Struct, frozen=True, gc=False):
    """What moved from one account of the books to another, both kept in ``unit``."""

    source: str
    target: str
    unit: str
    amount: Decimal
