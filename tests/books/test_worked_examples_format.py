"""The worked examples are well formed, name their sources, and leave out no kind of trade.

This looks at the text only. That the books come to what is expected is another test's business.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import product
from typing import Any, Final

import pytest

from books_support.worked_examples import FOLDER, WITHOUT_ID, Example, completed, examples

EXAMPLES: Final = tuple(examples())
Line = dict[str, Any]

# Every type of line, with the fields it must have; then those it may have.
MUST: Final = {
    "instrument": "symbol kind currency",
    "fill": "symbol side quantity price",
    "fee": "execution fee fee_currency",
    "bust": "execution",
    "correction": "execution quantity price",
    "transfer": "",
    "cash_flow": "flow currency amount",
    "split": "symbol new old",
    "symbol_change": "symbol new_symbol",
    "closing": "symbol reason price",
    "exercise": "symbol",
    "adjustment": "reason actor",
    "mark": "symbol price",
    "rate": "base quote rate",
}
MAY: Final = {
    "instrument": "base_currency settlement_currency multiplier tick_size quantity_step minimum_quantity"
    " maximum_quantity minimum_notional settlement_days underlying strike right expires",
    "fill": "order_id fee fee_currency strategy position_side settlement_date lots",
    "correction": "side fee fee_currency",
    "transfer": "currency amount counterparty symbol quantity cost opened strategy position_side lots",
    "cash_flow": "symbol strategy position_side",
    "split": "cash whole",
    "closing": "quantity fee fee_currency position_side strategy",
    "exercise": "quantity underlying price fee fee_currency strategy",
    "adjustment": "currency amount symbol quantity cost",
}
NUMBERS: Final = (
    {"quantity", "price", "fee", "amount", "cost", "new", "old", "cash", "whole", "rate", "multiplier"}
    | {"tick_size", "quantity_step", "minimum_quantity", "maximum_quantity", "minimum_notional"}
    | {"settlement_days", "strike"}
)
WORDS: Final = {
    "kind": "spot equity linear inverse option",
    "side": "buy sell",
    "position_side": "net long short",
    "right": "call put",
    "flow": "funding interest borrow dividend withholding_tax fee rebate other",
}
METHODS: Final = ("average", "fifo", "lifo", "highest_cost", "specific_lot")
MODES: Final = ("netting", "hedging")
NEED_MARK: Final = ("unrealised_pnl", "market_value")
OF_POSITION: Final = frozenset(
    ("quantity", "cost_basis", "average_cost", "realised_pnl", "fees", "fees_in_kind", "flows", *NEED_MARK)
)

# What must be shown: a fill of every shape, in every kind of instrument, with every fee currency it can have.
SHAPES: Final = ("long", "short", "flip", "partial")
FEE_CURRENCIES: Final = ("quote", "base", "third")
WITH_BASE: Final = ("spot", "linear", "linear with multiplier", "perpetual", "inverse")
WITHOUT_BASE: Final = ("equity", "option")
CELLS: Final = frozenset(
    (*product(WITH_BASE, SHAPES, FEE_CURRENCIES), *product(WITHOUT_BASE, SHAPES, ("quote", "third")))
)
SHOWN: Final = {
    "type": "instrument fill fee bust correction transfer cash_flow split symbol_change closing exercise"
    " adjustment mark",
    "kind": WORDS["kind"],
    "flow": WORDS["flow"],
    "reason": "expiry settlement liquidation",
    "right": WORDS["right"],
}


# --- every example by itself ---


def line_complaints(line: Line) -> Iterator[str]:
    """What is wrong with one line, whatever the others say."""
    form = line["type"]
    if form not in MUST:
        yield f"unknown type {form}"
        return
    must = set(MUST[form].split())
    known = must | set(MAY.get(form, "").split()) | {"type", "time", "id"}
    yield from (f"{form} without {name}" for name in sorted(must - line.keys()))
    yield from (f"{form} has unknown {name}" for name in sorted(line.keys() - known))
    if "id" in line and form in WITHOUT_ID:
        yield f"{form} needs no id"
    for name in line.keys() & NUMBERS:
        yield from number_complaints(name, line[name])
    for name in line.keys() & WORDS.keys():
        if line[name] not in WORDS[name].split():
            yield f"{name} {line[name]}"


def number_complaints(name: str, number: object) -> Iterator[str]:
    try:
        if not isinstance(number, str) or not Decimal(number).is_finite():
            yield f"{name} is not a number in text: {number!r}"
    except InvalidOperation:
        yield f"{name} is not a number: {number!r}"


def reference_complaints(lines: list[Line]) -> Iterator[str]:
    """Symbols are defined before use; ids are unique; what is named was there before."""
    symbols: set[str] = set()
    fills: set[str] = set()
    ids: set[str] = set()
    for line in lines:
        if line["type"] == "instrument":
            symbols.add(line["symbol"])
        named = {line[name] for name in ("symbol", "new_symbol") if name in line}
        yield from (f"{symbol} is not defined" for symbol in sorted(named - symbols))
        if line.get("execution", "") not in {"", *fills}:
            yield f"no fill {line['execution']} before"
        yield from (f"no lot {lot['lot']} before" for lot in line.get("lots", ()) if lot["lot"] not in ids)
        if line.get("id", "") in ids:
            yield f"id {line['id']} twice"
        ids |= {line["id"]} if "id" in line else set()
        fills |= {line["id"]} if line["type"] == "fill" else set()


def head_complaints(example: Example) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", example.name):
        yield "its name is not in snake_case"
    if len(example.source) < 20:
        yield "its source is not named"
    if example.address and not re.match(r"https?://\S+$", example.address):
        yield f"not an address: {example.address}"
    if example.kind not in ("figures", "rule") or not isinstance(example.seen, bool):
        yield "kind is figures or rule, seen is true or false"
    if example.method not in METHODS or example.mode not in MODES:
        yield f"no such books: {example.method}, {example.mode}"
    if any("fee" in line and "fee_currency" not in line for line in completed(example)):
        yield "a fee without a currency"


def expected_positions(example: Example) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from example.expect.get("positions", {}).items()
    for positions in example.expect.get("strategies", {}).values():
        yield from positions.items()


def expectation_complaints(example: Example) -> Iterator[str]:
    """Something is expected, of what is defined, in numbers."""
    if not any(example.expect.values()):
        yield "expects nothing"
    if unknown := example.expect.keys() - {"cash", "positions", "strategies", "lots"}:
        yield f"expects unknown {sorted(unknown)}"
    symbols = {line["symbol"] for line in completed(example) if line["type"] == "instrument"}
    for key, position in expected_positions(example):
        symbol, _, side = key.partition("/")
        if symbol not in symbols or bool(side) is not (example.mode == "hedging"):
            yield f"no position {key}"
        if unknown := position.keys() - OF_POSITION:
            yield f"{key} expects unknown {sorted(unknown)}"
        if position.keys() & set(NEED_MARK) and symbol not in example.marks:
            yield f"{key} is valued without a mark"
    for number in numbers_in(example.expect):
        yield from number_complaints("an expectation", number)


def numbers_in(expected: object, key: str = "") -> Iterator[object]:
    """The leaves, but for the names of lots."""
    if isinstance(expected, dict):
        for name, part in expected.items():
            yield from numbers_in(part, name)
    elif isinstance(expected, list):
        for part in expected:
            yield from numbers_in(part)
    elif key != "lot":
        yield expected


def complaints(example: Example) -> list[str]:
    lines = completed(example)
    found = [complaint for line in lines for complaint in line_complaints(line)]
    found += [*reference_complaints(lines), *head_complaints(example), *expectation_complaints(example)]
    return found


@pytest.mark.parametrize("file", sorted({example.file for example in EXAMPLES}))
def test_every_example_is_well_formed(file: str) -> None:
    found = {example.name: complaints(example) for example in EXAMPLES if example.file == file}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


# --- all of them together ---


def test_there_are_enough_and_no_name_is_twice() -> None:
    names = Counter(example.name for example in EXAMPLES)
    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) >= 80


def test_files_are_short_enough_to_read() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FOLDER.glob("*.toml")
    }
    assert {name: length for name, length in lengths.items() if not 100 <= length <= 400} == {}


def cells_of(example: Example) -> Iterator[tuple[str, str, str]]:
    """Kind of instrument, shape and fee currency of each fill that has a fee."""
    lines = completed(example)
    if not {line["type"] for line in lines} <= {"instrument", "fill", "transfer", "cash_flow", "mark"}:
        return  # what else changes positions is not followed here
    instruments = {line["symbol"]: line for line in lines if line["type"] == "instrument"}
    funded = {line.get("symbol") for line in lines if line.get("flow") == "funding"}
    held: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for line in lines:
        if line["type"] not in ("fill", "transfer") or "symbol" not in line:
            continue
        key = line["symbol"], line.get("position_side", "") if example.mode == "hedging" else ""
        signed = Fraction(line["quantity"]) * (-1 if line.get("side") == "sell" else 1)
        instrument = instruments[line["symbol"]]
        if "fee" in line:
            yield (
                kind_of(instrument, line["symbol"] in funded),
                shape_of(held[key], signed),
                fee_currency_of(instrument, line["fee_currency"]),
            )
        held[key] += signed


def kind_of(instrument: Line, is_funded: bool) -> str:
    if instrument["kind"] != "linear":
        return str(instrument["kind"])
    if is_funded:
        return "perpetual"
    return "linear with multiplier" if instrument.get("multiplier", "1") != "1" else "linear"


def shape_of(held: Fraction, signed: Fraction) -> str:
    if held * signed >= 0:
        return "long" if signed > 0 else "short"
    if abs(signed) == abs(held):
        return "whole"
    return "flip" if abs(signed) > abs(held) else "partial"


def fee_currency_of(instrument: Line, currency: str) -> str:
    coin = instrument["settlement_currency"] if instrument["kind"] == "inverse" else ""
    if currency in (instrument.get("base_currency"), coin):
        return "base"
    return "quote" if currency == instrument["currency"] else "third"


def test_every_kind_of_trade_is_shown_with_every_fee_currency() -> None:
    missing = CELLS - {cell for example in EXAMPLES for cell in cells_of(example)}
    named = [f"{kind}, {shape}, fee in the {currency} currency" for kind, shape, currency in sorted(missing)]
    assert not missing, "no example of:\n" + "\n".join(named)


def test_every_word_of_the_dialect_is_shown() -> None:
    lines = [line for example in EXAMPLES for line in completed(example)]
    missing = {
        name: set(words.split()) - {line[name] for line in lines if name in line}
        for name, words in SHOWN.items()
    }
    assert {name: words for name, words in missing.items() if words} == {}
    assert {example.method for example in EXAMPLES} == set(METHODS)
    assert {example.mode for example in EXAMPLES} == set(MODES)


def test_most_examples_have_figures_that_were_read() -> None:
    read = [example for example in EXAMPLES if example.seen]
    assert len(read) >= len(EXAMPLES) * 9 // 10
    assert sum(example.kind == "figures" for example in read) >= 60
