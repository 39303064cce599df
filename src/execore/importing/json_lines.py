"""Our own JSON Lines: one object a line, read strictly. What is not understood is said, and never guessed.

Fills come by the million, so a fill of strings only is decoded at once. It is fine if it has four quotation
marks for each of its fields: a key that comes twice, which the decoder does not see, makes more. Every other
line, and every fault, is looked at closely.
"""

import difflib
import json
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, BinaryIO, Final, NoReturn

import msgspec

from execore.importing.lines import TYPES, AnyContent, Content, FillLine, Line, NotUnderstood
from execore.importing.refused import Refused, not_understood
from execore.model.errors import InvalidInput
from execore.model.vocabulary import Side

LONGEST_LINE_BYTES: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"
_MARKS: Final = tuple(4 * (11 - left_out) for left_out in range(5))
"""How many quotation marks a plain fill of eleven fields has that leaves so many out."""
_Pairs = list[tuple[str, Any]]


class _PlainFill(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="fill"):
    """A fill as most are written: nothing but strings, and perhaps a time in ns."""

    id: str
    time: str | int
    symbol: str
    side: Side
    quantity: str
    price: str
    order_id: str | None = None
    fee: str | None = None
    fee_currency: str | None = None
    strategy: str | None = None


_decode_plain: Final = msgspec.json.Decoder(_PlainFill).decode
_decode: Final = msgspec.json.Decoder(AnyContent).decode
_FAULTS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidInput, Refused)


def read_json_lines(file: BinaryIO) -> Iterator[Line | NotUnderstood]:
    """Every line of ``file`` that is not blank, one after the other; memory holds one line at a time."""
    for number, raw in enumerate(iter(partial(file.readline, LONGEST_LINE_BYTES + 1), b""), start=1):
        try:
            yield Line(number, _plain_fill(raw))
        except _FAULTS:
            if number == 1:
                raw = raw.removeprefix(_BOM)
            if len(raw) > LONGEST_LINE_BYTES:
                yield _too_long(number, raw, _skip_rest(file, raw))
            elif raw.strip():
                yield _read_closely(number, raw)


def _plain_fill(raw: bytes) -> FillLine:
    """``raw`` as a fill.

    Raises:
        one of _FAULTS: it is something else, or has a fault.
    """
    plain = _decode_plain(raw)
    optional = (plain.order_id, plain.fee, plain.fee_currency, plain.strategy)
    marks = _MARKS[optional.count(None)]
    if raw.count(b'"') != (marks if type(plain.time) is str else marks - 2):
        raise Refused("not_plain", "the line is not plain")
    return FillLine(
        id=plain.id,
        time_ns=plain.time,  # type: ignore[arg-type]  # a FillLine converts what it is made of
        symbol=plain.symbol,
        side=plain.side,
        quantity=plain.quantity,  # type: ignore[arg-type]
        price=plain.price,  # type: ignore[arg-type]
        order_id=plain.order_id,
        fee=plain.fee,  # type: ignore[arg-type]
        fee_currency=plain.fee_currency,
        strategy=plain.strategy,
    )


def _read_closely(number: int, raw: bytes) -> Line | NotUnderstood:
    """A line that is not plain: what it says, or why it is not understood, as exactly as can be said."""
    try:
        _look_closely(raw)
        return Line(number, _decode(raw))
    except (Refused, msgspec.MsgspecError) as error:
        text = raw.decode(errors="backslashreplace").strip()
        return not_understood(number, text, error if isinstance(error, Refused) else _misfit(error))


def _misfit(error: msgspec.MsgspecError) -> Exception:
    """Why a line that has all its fields is none: one of them holds what it cannot hold."""
    if isinstance(error.__cause__, InvalidInput):
        return error.__cause__
    return Refused("invalid_input", str(error), "Correct the field; docs/importing.md says what it holds")


def _skip_rest(file: BinaryIO, raw: bytes) -> int:
    """Move behind a long line of which ``raw`` was read; how many bytes it has."""
    length = len(raw)
    while not raw.endswith(b"\n") and (raw := file.readline(LONGEST_LINE_BYTES)):
        length += len(raw)
    return length


def _too_long(number: int, raw: bytes, length: int) -> NotUnderstood:
    what = f"the line has {length} bytes, and none of ours has more than {LONGEST_LINE_BYTES}"
    start = raw[:200].decode(errors="replace")
    return not_understood(number, start, Refused("line_too_long", what, "Check that this is a history"))


# --- looking closely ----------------------------------------------------------------------------------------


def _look_closely(raw: bytes) -> None:
    """Raise Refused if ``raw`` is no JSON, no object, of no known type, or its fields are not that type's."""
    try:
        text = raw.decode()
        found = json.loads(
            text, object_pairs_hook=_once_each, parse_float=_no_float, parse_constant=_no_float
        )
    except UnicodeDecodeError as error:
        raise Refused("not_text", f"byte {error.start} is not UTF-8", "Save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise Refused("not_json", f"the line is no JSON: {error}", "Write one JSON object a line") from None
    if not isinstance(found, dict):
        raise Refused("not_an_object", "the line is JSON, but no object", "Write one JSON object a line")
    _check_fields(found)


def _once_each(pairs: _Pairs) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Refused("duplicate_key", f"{twice:.60} is given twice", "Leave one of them out")
    return found


def _no_float(text: str) -> NoReturn:
    raise Refused(
        "invalid_number",
        f"{text:.60} is a JSON float, which is not exact",
        f'Write it as a string: "{text:.60}"',
    )


def _check_fields(found: dict[str, Any]) -> None:
    word = found.get("type")
    kind = TYPES.get(word) if isinstance(word, str) else None
    if kind is None:
        what = f"type {word!r:.60} is not known" if "type" in found else "the line has no type"
        raise Refused("unknown_type", what, _suggestion(str(word), TYPES))
    fields = _fields_of(kind)
    for name in found:
        if name not in fields and name != "type":
            what = f"{name!r:.60} is no field of {word}"
            raise Refused("unknown_field", what, _suggestion(name, fields))
    missing = [name for name, is_required in fields.items() if is_required and name not in found]
    if missing:
        raise Refused("missing_field", f"{word} needs {', '.join(missing)}", "Add what is missing")


@cache
def _fields_of(kind: type[Content]) -> dict[str, bool]:
    """The fields of this type of line, as they are written; whether each is required."""
    return {field.encode_name: field.required for field in msgspec.structs.fields(kind)}


def _suggestion(word: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(known)}"
