"""Tags of an order: a map of strings, carried along unchanged."""

from typing import Final

from execore.model.errors import InvalidInput
from execore.model.text import check_text

Metadata = tuple[tuple[str, str], ...]
"""A string map as sorted pairs: hashable, shareable between orders, and always written the same way."""

NO_METADATA: Final[Metadata] = ()


def to_metadata(value: object) -> Metadata:
    """Return a mapping of strings, or its sorted pairs, as ``Metadata``.

    Raises:
        InvalidInput: a key or a value is not a string.
    """
    pairs = value.items() if isinstance(value, dict) else value
    try:
        result = tuple(sorted((key, text) for key, text in pairs))  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise InvalidInput("metadata", f"{value!r:.60} is not a map of strings") from None
    for key, text in result:
        check_text(key, "metadata")
        check_text(text, "metadata")
    if len(result) > 1 and len({key for key, _ in result}) < len(result):
        raise InvalidInput("metadata", "has a key twice", "A key stands for one value")
    return result
