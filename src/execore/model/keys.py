"""What history is looked up by, once memory has let go of it: the ids by which a message names an order."""

from enum import StrEnum
from typing import Final

import msgspec

_ENTRY: Final = "entry:"


class KeyKind(StrEnum):
    """What an id is one of."""

    ORDER = "order"
    """Ours: a client order id, that of a request on the order, or of the external order it took over."""
    VENUE_ORDER = "venue_order"
    """The venue's id of an order, within its symbol; with an empty symbol, in any."""
    EXECUTION = "execution"
    """An execution, or a change of one, by ``execution_key``."""
    ENTRY = "entry"
    """An entry, or a transfer of cash, by its own id: it stands for no order."""


class Key(msgspec.Struct, frozen=True, gc=False, order=True):
    """An id that stands for one order of a book, or one entry, for ever."""

    kind: KeyKind
    text: str
    symbol: str = ""


def execution_key(execution_scope: str, execution_id: str) -> str:
    """The identity of an execution in a book: the venue's id within the scope in which it is unique."""
    if not execution_scope:
        return "0:" + execution_id
    # The length in front keeps every pair apart, whatever characters a venue puts into its ids.
    return f"{len(execution_scope)}:{execution_scope}{execution_id}"


def entry_key(entry_id: str) -> str:
    """The identity of what an entry opened. An execution's key begins with digits, so none is the same."""
    return _ENTRY + entry_id


def split_key(key: str) -> tuple[str, str]:
    """The scope and the id that a key was made of."""
    length, text = key.split(":", 1)
    return text[: int(length)], text[int(length) :]


def id_of_key(key: str) -> str:
    """The id of the execution or entry that a key stands for; empty for the empty key."""
    if key.startswith(_ENTRY):
        return key[len(_ENTRY) :]
    return split_key(key)[1] if key else ""
