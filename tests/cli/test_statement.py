"""`statement` and `positions --as-of`, as a user meets them."""

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core_support.random_money import instrument, order
from execore.cli.main import app
from execore.cli.statement import age_text, parse_age
from execore.journal.sqlite import SqliteJournal
from execore.model import events
from execore.model.errors import InvalidInput
from execore.model.records import Record
from execore.model.vocabulary import Side
from execore.views.trail import parse_utc


def at(text: str) -> int:
    return parse_utc(text, "time")


def fill(number: int, side: Side, quantity: int, price: int, symbol: str = "ACME") -> events.FillBooked:
    terms = (Decimal(quantity), Decimal(price), f"x{number}")
    return events.FillBooked(f"o{number}", symbol, side, *terms, fee=Decimal(1))


TOLD: list[tuple[str, events.AnyEvent]] = [
    ("2026-01-01", events.BookOpened("main")),
    ("2026-01-01", events.InstrumentDefined(instrument("ACME", "USD"))),
    ("2024-01-02", events.CashTransferred("d1", "USD", Decimal(1000))),
    ("2024-01-03", order("o1", "alpha")),
    ("2024-01-03", fill(1, Side.BUY, 10, 50)),
    ("2024-01-03", events.MarkSet("ACME", Decimal(52))),
    ("2024-02-05", fill(2, Side.SELL, 4, 55)),
    ("2024-02-05", events.MarkSet("ACME", Decimal(54))),
    ("2024-02-05", events.RateSet("EUR", "USD", Decimal("1.25"))),
    ("2024-03-01", fill(3, Side.BUY, 1, 60)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    records = [
        Record(number, "main", at(text), at("2026-01-02"), "import", "", event)
        for number, (text, event) in enumerate(TOLD, 1)
    ]
    with SqliteJournal(tmp_path / "book.db") as journal:
        journal.append("main", 0, records)
    return tmp_path / "book.db"


def run(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def stated(path: Path, *words: object) -> dict[str, Any]:
    (line,) = run("statement", "-j", path, "--json", *words).stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_statement_as_json(path: Path) -> None:
    found = stated(path, "--from", "2024-02-01", "--to", "2024-03-01")
    assert found["equity"] == {"opening": "1019", "closing": "1042", "change": "23"}
    assert found["adds_up"] is True
    assert found["positions"][0]["closing"]["quantity"] == "6"
    assert found["by"]["instrument"][-1]["instrument"] == "ACME"
    assert {row["strategy"] for row in found["by"]["strategy"]} == {"", "alpha"}


def test_a_statement_for_people(path: Path) -> None:
    told = run("statement", "-j", path, "--from", "2024-02-01", "--to", "2024-03-01").stdout
    assert "adds up: nothing is left over" in told
    assert "equity after  1042 USD" in told
    assert "ACME" in told


def test_neighbouring_periods_and_the_whole(path: Path) -> None:
    halves = [stated(path, "--to", "2024-02-01"), stated(path, "--from", "2024-02-01")]
    assert halves[0]["equity"]["closing"] == halves[1]["equity"]["opening"]
    changes = [Decimal(one["equity"]["change"]) for one in halves]
    assert sum(changes) == Decimal(stated(path)["equity"]["change"])


def test_another_currency_and_what_is_missing_and_stale(path: Path) -> None:
    found = stated(path, "--currency", "EUR", "--from", "2024-03-01", "--max-age", "3d")
    assert found["equity"]["opening"] == "833.6"
    stale = {(one["what"], one["name"]): one["age_seconds"] for one in found["closing"]["stale"]}
    assert stale == {("mark", "ACME"): 25 * 86_400, ("rate", "USD/EUR"): 25 * 86_400}
    told = run("statement", "-j", path, "--currency", "JPY").stdout
    assert "missing at the closing: rate USD/JPY" in told
    assert "cannot be added up" in told
    assert "no rate for USD: " in told


@pytest.mark.parametrize("by", ["instrument", "strategy", "day", "order", "fill"])
def test_a_table_as_a_file(path: Path, tmp_path: Path, by: str) -> None:
    file = tmp_path / "table.csv"
    found = stated(path, "--by", by, "--csv", file)
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert rows == found["by"][by]
    assert sum(Decimal(row["total"]) for row in rows) == Decimal(found["equity"]["change"])


def test_a_picture(path: Path, tmp_path: Path) -> None:
    run("statement", "-j", path, "--plot", tmp_path / "equity.svg")
    assert (tmp_path / "equity.svg").read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--from", "yesterday"), "from: 'yesterday' is not a time"),
        (("--from", "2024-02-01", "--to", "2024-02-01"), "to: 2024-02-01 is not after 2024-02-01"),
        (("--max-age", "3 days"), "max-age: '3 days' is no length of time"),
        (("--book", "other"), "has no book 'other'"),
    ],
)
def test_what_cannot_be_is_refused(path: Path, words: tuple[str, ...], what: str) -> None:
    assert what in " ".join(run("statement", "-j", path, *words, code=3).stderr.split())


def test_positions_as_they_were(path: Path) -> None:
    def quantities(*words: object) -> list[str]:
        told = run("positions", "-j", path, "--json", *words).stdout.splitlines()
        return [json.loads(line)["quantity"] for line in told]

    assert quantities("--as-of", "2024-01-03") == ["0"]
    assert quantities("--as-of", "2024-01-04") == ["10"]
    assert quantities("--as-of", "2024-01-03T01:00:00+02:00") == ["0"]
    assert quantities("--as-of", "5") == ["10"]
    assert quantities("--as-of", "7") == ["6"]
    assert quantities("--as-of", "2025-01-01", "--symbol", "OTHER") == []
    assert quantities("--as-of", "2025-01-01", "--by-strategy") == ["-3", "10"]
    assert "positions of main as of 5" in run("positions", "-j", path, "--as-of", "5").stdout


def test_lengths_of_time() -> None:
    assert [parse_age(text) for text in ("45s", "30m", "12h", "3d")] == [45, 1800, 43_200, 259_200]
    assert [age_text(seconds) for seconds in (0, 45, 1800, 43_200, 259_201)] == [
        "0s",
        "45s",
        "30m",
        "12h",
        "3d",
    ]
    for text in ("", "3", "d", "-3d", "3.5d", "3w"):
        with pytest.raises(InvalidInput):
            parse_age(text)
