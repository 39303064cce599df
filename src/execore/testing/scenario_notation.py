"""The scenario notation: a file's text as inputs of the core. The notation's page is docs/scenarios.md.

``parse`` keeps every line as it was written, so that a runner can write new traces below the lines of a
person, byte for byte. ``scenario_words.render`` goes the other way, for one input.
"""

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from execore.model import reports, requests
from execore.model.entries import AnyEntry
from execore.model.errors import InputFileError
from execore.model.group_requests import ReleaseGroup, SubmitGroup
from execore.model.ids import check_id
from execore.model.instruments import Instrument
from execore.model.lots import LotChoice
from execore.model.orders import OrderRequest
from execore.model.requests import Input, ReleaseOrder, RiskResult, SubmitOrder
from execore.model.text import check_time
from execore.model.vocabulary import CostMethod, OrderType, to_word
from execore.testing.scenario_words import (
    DEFAULTS,
    KINDS,
    SHORT,
    UNITS,
    Fields,
    Word,
    example,
    fields_of,
    plain_type,
    positions_of,
    usage,
    words_of,
)

_PRICED_BY: Final = {OrderType.LIMIT: "price", OrderType.STOP: "stop_price"}
_HEADER: Final = ("book", "cost_method", "start", "instrument")
_BEGINNINGS: Final = (
    "> request, < report, ! finding, restart, ledger, expect, a line of the header, # comment"
)
_TIME: Final = re.compile(r"([@+])(\d+(?:\.\d+)?)(d|h|ms|m|s|us|ns)")
_NOTHING: Final = Word("-")
_PARTS: Final = ("parent", "leg", "verdict")
"""What a group consists of: each is written in quotes, as a line of its own would be."""


class Recipe(msgspec.Struct, frozen=True):
    """A struct to be made when the scenario runs, so that what is wrong with it is part of the trace.

    Attributes:
        values: its fields by path: ``order.price`` is a field of its field ``order``.
    """

    kind: type[msgspec.Struct]
    values: dict[str, Any]

    def build(self) -> Any:
        """The struct itself.

        Raises:
            InvalidInput and its children: a value in it is not acceptable.
        """
        fields: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for path, value in self.values.items():
            outer, _, inner = path.rpartition(".")
            (nested.setdefault(outer, {}) if outer else fields)[inner] = _built(value)
        types = {info.name: plain_type(info.type) for info in msgspec.structs.fields(self.kind)}
        return self.kind(**fields, **{name: types[name](**inner) for name, inner in nested.items()})


def _built(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_built, value))
    return value.build() if isinstance(value, Recipe) else value


class Step(msgspec.Struct, frozen=True):
    """A line that does something when the scenario runs.

    Attributes:
        line: its number in the file, from 1.
        does: ``input``, ``restart``, ``ledger`` or ``expect``.
        words: of an expectation, without the first.
        cause: of an input, how it is made.
    """

    line: int
    does: str
    words: tuple[Word, ...] = ()
    cause: Recipe | None = None


class Block(msgspec.Struct, frozen=True):
    """A line that a person wrote, what it does, and the indented lines below it, which are generated."""

    source: str
    step: Step | None = None
    trace: tuple[str, ...] = ()


class Scenario(msgspec.Struct, frozen=True):
    """A scenario as it was read. ``start_ns`` is what times are counted from, integer nanoseconds UTC."""

    name: str
    blocks: tuple[Block, ...]
    instruments: tuple[Instrument, ...] = ()
    book: str = "desk"
    cost_method: CostMethod = CostMethod.AVERAGE
    start_ns: int = 0


def parse(text: str, name: str) -> Scenario:
    """Read a scenario. ``name`` is the file's, for errors.

    Raises:
        InputFileError: a line cannot be read; the error says file and line, and what is expected there.
    """
    return _Reader(name).read(text)


class _Reader:
    """Reads one file, line by line; keeps what later lines refer to."""

    def __init__(self, name: str) -> None:
        self.name, self.line = name, 0
        self.blocks: list[Block] = []
        self.header: dict[str, Any] = {}
        self.start_ns = 0
        self.now_ns = 0
        self.instruments: list[Instrument] = []
        self.symbols: dict[str, str] = {}  # by client order id, as they were submitted
        self.started = False

    def read(self, text: str) -> Scenario:
        for self.line, raw in enumerate(text.removesuffix("\n").split("\n"), start=1):
            if raw[:1].isspace() and raw.strip():
                self._read_trace(raw)
                continue
            try:
                step = self._read_line(words_of(raw))
            except ValueError as error:
                raise self._unreadable(str(error), "a line as docs/scenarios.md describes it") from None
            self.started = self.started or step is not None
            self.blocks.append(Block(raw, step))
        return Scenario(self.name, tuple(self.blocks), tuple(self.instruments), **self.header)

    def _unreadable(self, what: str, expected: str) -> InputFileError:
        return InputFileError(f"{self.name}:{self.line}: {what}", f"Expected: {expected}")

    def _read_trace(self, raw: str) -> None:
        if not self.started:
            raise self._unreadable("an indented line is a trace, and nothing has happened yet", _BEGINNINGS)
        block = self.blocks[-1]
        self.blocks[-1] = replace(block, trace=(*block.trace, raw))

    def _read_line(self, words: list[Word]) -> Step | None:
        if not words:
            return None
        first = words[0].text
        if first in _HEADER:
            if self.started:
                raise self._unreadable(f"{first} belongs to the header", "it above the first input")
            self._read_header(first, words[1:])
            return None
        if first == "expect":
            return Step(self.line, first, tuple(words[1:]))
        if first in ("restart", "ledger"):
            if len(words) > 1:
                raise self._unreadable(f"{first} takes no more words", f"{first} alone")
            return Step(self.line, first)
        return self._read_input(words)

    def _read_header(self, first: str, words: list[Word]) -> None:
        if first == "instrument":
            kind = requests.DefineInstrument
            values = self._read_values(kind, words).items()
            made = Instrument(**{path.rpartition(".")[2]: value for path, value in values})
            if any(made.symbol == known.symbol for known in self.instruments):
                raise self._unreadable(f"{made.symbol} is defined twice", "another symbol")
            self.instruments.append(made)
        elif len(words) != 1:
            raise self._unreadable(f"{first} takes one word", f"{first} WORD")
        elif first == "start":
            self.header["start_ns"] = self.start_ns = _nanoseconds(words[0].text)
        else:
            text = words[0].text
            is_book = first == "book"
            self.header[first] = check_id(text, first) if is_book else to_word(text, CostMethod, first)

    def _read_input(self, words: list[Word]) -> Step:
        first, *rest = words
        time = _TIME.fullmatch(first.text)
        if time is None:
            self.now_ns += UNITS["s"]
            rest = words
        else:
            self.now_ns = _duration(time) + (self.now_ns if time[1] == "+" else 0)
        mark = rest[0].text if rest else ""
        if mark not in KINDS:
            raise self._unreadable(f"{mark!r:.40} begins no line", _BEGINNINGS)
        word = rest[1].text if len(rest) > 1 else ""
        if word not in KINDS[mark]:
            raise self._unreadable(
                f"{mark} {word!r:.40} is no input", f"{mark} and one of: {', '.join(KINDS[mark])}"
            )
        kind = KINDS[mark][word]
        values = self._read_values(kind, rest[2:])
        if kind is SubmitOrder:
            self.symbols[values.get("order.client_order_id", "")] = values["order.symbol"]
        values["ts_ns"] = self.start_ns + self.now_ns
        return Step(self.line, "input", (), Recipe(kind, values))

    # --- the fields of an input ---

    def _read_values(self, kind: type[Input], words: list[Word]) -> dict[str, Any]:
        fields = fields_of(kind)
        parts: dict[str, Any] = {}
        if kind in (SubmitGroup, ReleaseGroup):
            parts = self._orders_of_group(kind, [word for word in words if word.name in _PARTS])
            words = [word for word in words if word.name not in _PARTS]
        values = self._given(words, kind, fields) | parts
        for name, field in fields.items():
            if name in DEFAULTS:
                values.setdefault(field.path, DEFAULTS[name])
            elif field.info.required and field.path not in values:
                raise self._unreadable(f"{name} is missing", usage(kind))
        if issubclass(kind, reports.Report) and "symbol" not in values:
            only = self.instruments[0].symbol if len(self.instruments) == 1 else ""
            values["symbol"] = self.symbols.get(values.get("client_order_id", ""), only)
        return values

    def _orders_of_group(self, kind: type[Input], words: list[Word]) -> dict[str, Any]:
        """The orders of a group, each written in quotes as after ``> submit``, or the verdicts on them."""
        made: dict[str, list[dict[str, Any]]] = {name: [] for name in _PARTS}
        for word in words:
            inner = words_of(word.text)
            if word.name == "verdict":
                made["verdict"].append(self._read_values(ReleaseOrder, [Word("x"), *inner]))
            else:
                made[word.name].append(self._read_values(SubmitOrder, inner))
        orders = made["parent"] + made["leg"]
        verdicts = tuple(Recipe(RiskResult, _below("verdict", given)) for given in orders + made["verdict"])
        if kind is ReleaseGroup:
            return {"verdicts": verdicts}
        legs = tuple(Recipe(OrderRequest, _below("order", given)) for given in made["leg"])
        parents = [Recipe(OrderRequest, _below("order", given)) for given in made["parent"]]
        return {"legs": legs, "verdicts": verdicts, **({"parent": parents[0]} if parents else {})}

    def _given(self, words: list[Word], kind: type[Input], fields: Fields) -> dict[str, Any]:
        """The values that the words give, by path: named ones, those by position, and what is left."""
        values: dict[str, Any] = {}
        for word in words:
            if word.name:
                self._give(values, fields, word.name, word)
        bare = [word for word in words if not word.name and word != Word("@")]
        for name in [name for name in positions_of(kind) if fields[name].path not in values]:
            if bare and (word := bare.pop(0)) != _NOTHING:
                self._give(values, fields, name, word)
        rest = iter(bare)
        for word in rest:
            for name, value in self._bare(word, rest, fields, values):
                self._give(values, fields, name, value)
        return values

    def _give(self, values: dict[str, Any], fields: Fields, name: str, word: Word) -> None:
        base, _, key = name.partition(".")
        base = base if base in fields else SHORT.get(base, base)
        if base not in fields:
            raise self._unreadable(f"{name} is no field of it", f"one of: {', '.join(fields)}")
        path, _, kind = fields[base]
        known = values.get(path, {} if key else None)
        if key and kind is tuple and isinstance(known, dict):
            values[path] = {**known, key: word.text}
        elif key:
            raise self._unreadable(f"{name} has no keys", f"{base}=value")
        elif path in values:
            raise self._unreadable(f"{name} is given twice", "it once")
        else:
            values[path] = self._value(base, kind, word, _WHOLE_TYPES.get(base, kind))

    def _bare(
        self, word: Word, rest: Iterator[Word], fields: Fields, values: dict[str, Any]
    ) -> list[tuple[str, Word]]:
        """What a word says that stands without a name: a fee, a flag, or a member of a closed set."""
        if word.text == "fee" and "fee_currency" in fields:
            return list(zip(("fee", "fee_currency"), rest, strict=False))
        for name, (path, _, kind) in fields.items():
            if word.quoted or path in values:
                continue
            if kind is bool and name == word.text:
                return [(name, Word("true"))]
            if issubclass(kind, StrEnum) and word.text in list(kind):
                price = _PRICED_BY.get(OrderType(word.text)) if kind is OrderType else None
                prices = (price,) if price and fields[price].path not in values else ()
                return [(name, word), *zip(prices, rest, strict=False)]
        raise self._unreadable(f"{word.text!r:.40} has no place here", f"field=value, of {', '.join(fields)}")

    def _value(self, name: str, kind: type[Any], word: Word, whole: Any) -> Any:
        text = word.text
        if text == "none" and not word.quoted:
            return None
        if kind is str:
            return text
        try:
            if kind is bool:
                return {"true": True, "false": False}[text]
            time = _TIME.fullmatch(text)
            if name.endswith("ts_ns") and time is not None:
                return self.start_ns + _duration(time) + (self.now_ns if time[1] == "+" else 0)
            span = _TIME.fullmatch(f"+{text}") if name.endswith("_ns") else None
            if span is not None:
                return _duration(span)
            if issubclass(kind, StrEnum | Decimal | int):
                return kind(text)
            return msgspec.json.decode(text, type=whole)
        except (ValueError, InvalidOperation, KeyError, msgspec.MsgspecError):
            raise self._unreadable(f"{name}: {text!r:.40} cannot be read", example(name, kind)) from None


_WHOLE_TYPES: Final[dict[str, Any]] = {"entry": AnyEntry, "lots": tuple[LotChoice, ...]}
"""What fields are that are written as JSON, with all that they contain."""


def _below(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of the field ``name``, by their paths from there."""
    return {path.partition(".")[2]: value for path, value in values.items() if path.startswith(f"{name}.")}


def _duration(match: re.Match[str]) -> int:
    exact = Decimal(match[2]) * UNITS[match[3]]
    if exact != int(exact):
        raise ValueError(f"{match[0]} is no whole number of nanoseconds")
    return int(exact)


def _nanoseconds(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"start {text} has no time zone; write it like 2026-01-05T14:30:00Z")
    since = moment - datetime.datetime.fromtimestamp(0, datetime.UTC)
    return check_time(since // datetime.timedelta(microseconds=1) * 1000, "start")
