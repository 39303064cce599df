"""The words of the scenario notation: which input each stands for, its fields, and how values are written.

Words and fields are those of ``model.requests`` and ``model.reports`` themselves, so what is added there can
be written in a scenario at once.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

import msgspec
from msgspec.structs import FieldInfo

from execore.model import group_requests, reports, requests
from execore.model.entries import AnyEntry, Entry
from execore.model.group_requests import ReleaseGroup, SubmitGroup
from execore.model.money import text_of
from execore.model.requests import Input
from execore.model.vocabulary import RiskDecision

UNITS: Final = {
    "d": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
"""Units of time, in nanoseconds, largest first."""

SHORT: Final = {
    "venue": "venue_order_id",
    "request": "request_id",
    "id": "execution_id",
    "ref": "execution_ref_id",
    "scope": "execution_scope",
    "cumulative": "cumulative_quantity",
    "average": "average_price",
    "expires": "expire_ts_ns",
    "verdict": "decision",
}
"""Names of fields as a person writes them."""

DEFAULTS: Final[dict[str, object]] = {"decision": RiskDecision.ALLOW}
"""What a field is where the notation lets it be left out, and the input itself does not."""

_FINDINGS: Final = frozenset(
    {
        requests.SubmitNotSent,
        requests.SubmitOutcomeUnknown,
        requests.RequestNotSent,
        requests.RequestOutcomeUnknown,
        requests.OrderNotFound,
        requests.RetryCancel,
        requests.ExpiryDue,
        requests.StartDay,
    }
)
_POSITIONS: Final[dict[type[Input], tuple[str, ...]]] = {
    requests.SubmitOrder: ("client_order_id", "side", "quantity", "symbol"),
    requests.ReleaseOrder: ("client_order_id", "decision"),
    reports.FillReport: ("client_order_id", "execution_id", "quantity", "price"),
    SubmitGroup: ("group_id", "kind"),
    ReleaseGroup: ("group_id",),
}
_PARTS: Final = ("parent", "legs", "verdicts")
"""Fields of a group that are written as quoted lines of their own."""

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_LONG: Final = {long: short for short, long in SHORT.items()}
_WORD: Final = re.compile(
    r"""(?:(?P<name>[A-Za-z_][\w.\-]*)=)?(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^\s"]+))(?=\s|$)"""
)
_PLAIN: Final = re.compile(r"[^\s\"=#@\[\]{},+-][^\s\"=#\[\]{},]*")


class Word(msgspec.Struct, frozen=True):
    """One word of a line: ``text``, or ``name=text``; ``quoted`` says that it was written in quotes."""

    text: str
    name: str = ""
    quoted: bool = False


class Field(NamedTuple):
    """A field of an input: where it is (``order.price``), what the struct says of it, and its plain type."""

    path: str
    info: FieldInfo
    kind: type[Any]


Fields = dict[str, Field]


def words_of(line: str) -> list[Word]:
    """The words of a line, its comment left out.

    Raises:
        ValueError: a quotation mark stands alone, or in the middle of a word.
    """
    words: list[Word] = []
    rest = line.strip()
    while rest and not rest.startswith("#"):
        match = _WORD.match(rest)
        if match is None:
            raise ValueError(f"{rest!r:.40} begins with no word; write texts with spaces in double quotes")
        quoted = match["quoted"]
        text = match["bare"] if quoted is None else json.loads(quoted)
        words.append(Word(text, match["name"] or "", quoted is not None))
        rest = rest[match.end() :].lstrip()
    return words


# --- which word is which input, and its fields -------------------------------------------------------------


def _word_of(kind: type[Input]) -> str:
    """A report's word is its tag; a request's is its name without the order, as in ``submit_not_sent``."""
    tag = kind.__struct_config__.tag
    return str(tag) if tag else snake_case(kind).removesuffix("_order")


def snake_case(kind: type) -> str:
    """A class's name in lower case: ``send_order`` of ``SendOrder``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _kinds() -> dict[str, dict[str, type[Input]]]:
    asked = (*get_args(requests.Request), *get_args(group_requests.GroupRequest))
    return {
        ">": {_word_of(kind): kind for kind in asked if kind not in _FINDINGS},
        "<": {_word_of(kind): kind for kind in get_args(reports.VenueReport)},
        "!": {_word_of(kind): kind for kind in asked if kind in _FINDINGS},
    }


KINDS: Final[Mapping[str, Mapping[str, type[Input]]]] = MappingProxyType(_kinds())
"""Every input by its mark and word: ``>`` we ask, ``<`` the venue says, ``!`` we find out."""


@cache
def fields_of(kind: type[msgspec.Struct]) -> Fields:
    """The fields that can be written of an input, by name; those of what it contains stand beside its own."""
    found: Fields = {}
    for info in msgspec.structs.fields(kind):
        plain = plain_type(info.type)
        if info.required and issubclass(plain, msgspec.Struct) and plain is not Entry:
            inner = fields_of(plain).items()
            found |= {name: field._replace(path=f"{info.name}.{field.path}") for name, field in inner}
        elif info.name != "ts_ns":
            found[info.name] = Field(info.name, info, plain)
    return found


def plain_type(kind: Any) -> type[Any]:
    """``Decimal`` of ``Decimal | None``; a container without what it contains; ``Entry`` for any entry."""
    if kind is AnyEntry:
        return Entry
    options = [option for option in get_args(kind) if option is not type(None)]
    plain = options[0] if type(None) in get_args(kind) else kind
    return plain if isinstance(plain, type) else plain.__origin__


def positions_of(kind: type[Input]) -> tuple[str, ...]:
    """The fields written without their names, in order: the order, and what the input cannot do without."""
    if kind in _POSITIONS:
        return _POSITIONS[kind]
    fields = fields_of(kind)
    needed = [name for name, field in fields.items() if field.info.required and name not in DEFAULTS]
    return ("client_order_id", *needed) if issubclass(kind, reports.Report) else tuple(needed)


def usage(kind: type[Input]) -> str:
    """How a line of this input is written."""
    mark = next(mark for mark, kinds in KINDS.items() if kind in kinds.values())
    return f"{mark} {_word_of(kind)} {' '.join(positions_of(kind))} field=value"


# --- writing -----------------------------------------------------------------------------------------------


def duration_text(ns: int) -> str:
    """A span of time in the largest unit that it is a whole number of: ``90s``, ``2h``, ``1500ms``."""
    unit = next(unit for unit, size in UNITS.items() if ns % size == 0) if ns else "s"
    return f"{ns // UNITS[unit]}{unit}"


def value_text(value: Any, name: str = "", start_ns: int = 0) -> str:
    """A value as traces write it. Times (a ``name`` ending in ``ts_ns``) count from ``start_ns``."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return text_of(value)
    if isinstance(value, int):
        if name.endswith("ts_ns"):
            return f"@{duration_text(value - start_ns)}" if value >= start_ns else str(value)
        return duration_text(value) if name.endswith("_ns") else str(value)
    if isinstance(value, str):
        return str(value) if _PLAIN.fullmatch(value) and value != "none" else _quoted(str(value))
    if isinstance(value, msgspec.Struct):
        return "{" + " ".join(struct_words(value, start_ns)) + "}"
    return "[" + ", ".join(value_text(item, "", start_ns) for item in value) + "]"


def struct_words(struct: msgspec.Struct, start_ns: int = 0) -> list[str]:
    """A struct as traces write it: its tag, its order, then each field that is not at its default."""
    tag = struct.__struct_config__.tag
    words = [str(tag)] if tag else []
    for place, info in enumerate(msgspec.structs.fields(struct)):
        value = getattr(struct, info.name)
        if not place and info.name in ("client_order_id", "group_id"):
            words.append(value_text(value) if value else "-")
        elif info.required or value != info.default:
            words.append(f"{info.name}={value_text(value, info.name, start_ns)}")
    return words


def render(cause: Input, start_ns: int = 0) -> str:
    """The line that reads as this input: every field by its name, less those at their default.

    Times are counted from ``start_ns``, integer nanoseconds UTC, which must not be after them.
    """
    kind = type(cause)
    positions = positions_of(kind)
    mark = next(mark for mark, kinds in KINDS.items() if kind in kinds.values())
    words = [f"@{duration_text(cause.ts_ns - start_ns)}", mark, _word_of(kind)]
    named: list[str] = []
    named += _orders_text(cause, start_ns)
    for name in (*positions, *(name for name in fields_of(kind) if name not in (*positions, *_PARTS))):
        field = fields_of(kind)[name]
        value: Any = cause
        for part in field.path.split("."):
            value = getattr(value, part)
        if isinstance(value, Entry):
            words.append(_json_text(value))
        elif name in positions and type(value) is not tuple:
            words.append(value_text(value, name, start_ns) if value != "" else "-")
        elif name == "symbol" or value != DEFAULTS.get(name, field.info.default):
            named += _named(name, value, start_ns)
    return " ".join(words + named)


def _orders_text(cause: Input, start_ns: int) -> list[str]:
    """The orders of a group, each as after ``> submit``; of a release, the verdicts."""
    ts_ns = cause.ts_ns
    parts: list[tuple[str, Input]] = []
    if isinstance(cause, SubmitGroup):
        names = (
            ("leg",) * len(cause.legs) if cause.parent is None else ("parent", *("leg" for _ in cause.legs))
        )
        orders = cause.legs if cause.parent is None else (cause.parent, *cause.legs)
        for name, order, verdict in zip(names, orders, cause.verdicts, strict=True):
            parts.append((name, requests.SubmitOrder(ts_ns=ts_ns, order=order, verdict=verdict)))
    elif isinstance(cause, ReleaseGroup):
        for verdict in cause.verdicts:
            release = requests.ReleaseOrder(ts_ns=ts_ns, client_order_id="G", verdict=verdict)
            parts.append(("verdict", release))
    texts = [render(part, start_ns).split(" > ")[1].partition(" ")[2] for _, part in parts]
    if isinstance(cause, ReleaseGroup):
        texts = [text.removeprefix("G ") for text in texts]
    return [f"{name}={_quoted(text)}" for (name, _), text in zip(parts, texts, strict=True)]


def _json_text(value: Any) -> str:
    """What has no short form, as JSON in quotes."""
    return _quoted(_encode(value).decode())


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _named(name: str, value: Any, start_ns: int) -> list[str]:
    if name == "metadata":
        return [f"{name}.{key}={_quoted(text)}" for key, text in value]
    if isinstance(value, tuple):
        return [f"{name}={_json_text(value)}"]
    return [f"{_LONG.get(name, name)}={value_text(value, name, start_ns)}"]


def example(name: str, kind: type[Any]) -> str:
    """What may be written for a field of this name and plain type, for an error's text."""
    if kind is Entry:
        return """JSON in quotes, like "{\\"kind\\":\\"split\\",\\"entry_id\\":\\"S1\\",...}\""""
    if name == "lots":
        return """JSON in quotes, like "[{\\"lot_id\\":\\"E1\\",\\"quantity\\":\\"2\\"}]\""""
    if issubclass(kind, StrEnum):
        return f"one of: {', '.join(kind)}"
    if kind is Decimal:
        return "a number in digits, like 12.5"
    if kind is bool:
        return "true or false"
    if name.endswith("ts_ns"):
        return "a time like @90s or +1h, or integer nanoseconds"
    return "a span of time like 90s, or integer nanoseconds" if name.endswith("_ns") else f"a {kind.__name__}"
