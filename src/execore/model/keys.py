"""What history is looked up by, once memory has let go of it: the ids by which a message names an order."""

from enum import StrEnum

import msgspec


class KeyKind(StrEnum):
    """What an id is one of."""

    ORDER = "order"
    """Ours: a client order id, that of a request on the order, or of the external order it took over."""
    VENUE_ORDER = "venue_order"
    """The venue's id of an order, within its symbol; with an empty symbol, in any."""
    EXECUTION = "execution"
    """An execution, or a change of one, by ``core.executions.execution_key``."""


class Key(msgspec.Struct, frozen=True, gc=False, order=True):
    """An id that stands for one order of a book, for ever."""

    kind: KeyKind
    text: str
    symbol: str = ""
