"""Any history that can be imported can be stated, and adds up; and it can be seen as it was."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from books_support.naive_books import Line
from books_support.random_history import METHODS, MODES, random_history
from execore.cli.main import app

RATES = (("EUR", "2"), ("USDT", "3"), ("BTC", "4"), ("BNB", "5"))


def run(*words: object) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def with_prices(lines: list[Line]) -> list[Line]:
    """Lines with a rate for every currency first, and a mark for every instrument once it is defined."""
    start = next(line["time"] for line in lines if "time" in line)
    told: list[Line] = [
        {"type": "rate", "time": start, "base": base, "quote": "USD", "rate": rate} for base, rate in RATES
    ]
    for line in lines:
        told.append(line)
        start = line.get("time", start)
        if line["type"] == "instrument":
            told.append({"type": "mark", "time": start, "symbol": line["symbol"], "price": "11"})
    return told


@pytest.mark.parametrize("seed", range(8))
def test_a_random_history_in_three_periods(tmp_path: Path, seed: int) -> None:
    method, mode = METHODS[seed % len(METHODS)], MODES[seed % len(MODES)]
    lines = with_prices(random_history(seed, 60, method=method, mode=mode).lines)
    file, journal = tmp_path / "history.jsonl", tmp_path / "book.db"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    run("import", file, "--journal", journal, "--cost-method", method, "--position-mode", mode)
    first, second = "2026-01-01T00:20:00Z", "2026-01-01T00:40:00Z"
    periods = [
        run("statement", "-j", journal, *cut, "--by", by)[0]
        for cut, by in ((("--to", first), "day"), (("--from", first, "--to", second), "fill"))
    ]
    periods += run("statement", "-j", journal, "--from", second, "--by", "strategy")
    assert [one["adds_up"] for one in periods] == [True, True, True]
    assert periods[0]["equity"]["closing"] == periods[1]["equity"]["opening"]
    assert periods[1]["equity"]["closing"] == periods[2]["equity"]["opening"]
    assert not any(chain.from_iterable(one["closing"]["missing"] for one in periods))

    held = {
        (row["symbol"], row["position_side"]): row["quantity"]
        for row in run("positions", "-j", journal, "--as-of", second)
    }
    for row in periods[1]["positions"]:
        assert held[row["symbol"], row["position_side"]] == row["closing"]["quantity"]
    now = [row | {"sequence": 0} for row in run("positions", "-j", journal)]
    then = [row | {"sequence": 0} for row in run("positions", "-j", journal, "--as-of", "2030-01-01")]
    assert [row for row in now if row not in then] == []
