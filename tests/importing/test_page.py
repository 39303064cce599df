"""The page for users names every code, every type of line with its fields, and every format."""

import re
from pathlib import Path

import msgspec
import pytest

from execore.importing.detect import FORMATS
from execore.importing.lines import TYPES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
SOURCE = sorted((ROOT / "src" / "execore" / "importing").glob("*.py"))


def codes() -> set[str]:
    """Every code that the source gives a line, and those of the model's errors that lines are refused by."""
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE)
    said = set(re.findall(r'Refused\(\s*"(\w+)"', text)) | set(re.findall(r': \("(\w+)", "', text))
    return (said | set(re.findall(r'code, why = "(\w+)"', text)) | {"invalid_input", "invalid_number"}) - {
        "not_plain"
    }


def test_every_code_is_on_the_page_and_no_other() -> None:
    section = PAGE.partition("## Why a line is not understood")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes()


@pytest.mark.parametrize("word", TYPES)
def test_every_field_of_every_type_is_on_the_page(word: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{word}` |"))
    for field in msgspec.structs.fields(TYPES[word]):
        optional = "" if field.required else "?"
        name = re.escape(field.encode_name)
        assert re.search(f"`{name}`" + re.escape(optional), row) or (
            word in ("transfer", "adjustment") and f"`{field.encode_name}`" in row
        ), field.encode_name


def test_every_broker_has_a_section() -> None:
    titles = {"binance": "Binance", "kraken": "Kraken", "ibkr": "Interactive Brokers", "alpaca": "Alpaca"}
    for format_ in FORMATS:
        assert f"\n## {titles[format_.broker]}\n" in PAGE
