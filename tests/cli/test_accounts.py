"""`lots`, `accounts` and `postings`, as a user meets them after an import."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execore.cli.main import app

HISTORY = """
{"type":"instrument","symbol":"ACME","kind":"equity","currency":"USD"}
{"type":"instrument","symbol":"BTC-USD","kind":"spot","currency":"USD","base_currency":"BTC"}
{"type":"transfer","id":"d1","time":"2023-01-01T00:00:00Z","currency":"USD","amount":"10000"}
{"type":"fill","id":"a1","time":"2023-01-10T15:00:00Z","symbol":"ACME","side":"buy","quantity":"10","price":"100","fee":"1"}
{"type":"fill","id":"a2","time":"2024-01-05T15:00:00Z","symbol":"ACME","side":"buy","quantity":"5","price":"120","fee":"1"}
{"type":"fill","id":"b1","time":"2024-01-06T15:00:00Z","symbol":"BTC-USD","side":"buy","quantity":"0.1","price":"40000","fee":"0.0001","fee_currency":"BTC"}
{"type":"fill","id":"a3","time":"2024-01-11T15:00:00Z","symbol":"ACME","side":"sell","quantity":"12","price":"130","fee":"1"}
{"type":"fill","id":"b2","time":"2024-01-16T15:00:00Z","symbol":"BTC-USD","side":"sell","quantity":"0.05","price":"44000","fee":"0.0001","fee_currency":"BTC"}
{"type":"split","id":"s1","time":"2024-02-16T15:00:00Z","symbol":"ACME","new":"1","old":"2","whole":"1","cash":"70"}
"""


def run(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def imported(folder: Path, method: str = "fifo", more: str = "") -> Path:
    history, path = folder / "history.jsonl", folder / "book.db"
    history.write_text(HISTORY.lstrip() + more)
    run("import", history, "--journal", path, "--cost-method", method)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return imported(tmp_path)


def rows(path: Path, *words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--journal", path, "--json").stdout.splitlines()]


def test_lots_have_date_cost_and_holding_period(path: Path) -> None:
    acme, bitcoin = rows(path, "lots", "--as-of", "2024-02-01")
    assert (acme["lot"], acme["lot_id"], acme["opened"]) == ("a2", "0:a2", "2024-01-05T15:00:00.000000000Z")
    assert (acme["quantity"], acme["unit_cost"], acme["cost_basis"]) == ("3", "120", "360")
    assert (acme["holding_days"], acme["long_term"], acme["currency"]) == (27, False, "USD")
    assert (bitcoin["lot"], bitcoin["quantity"], bitcoin["cost_basis"]) == ("b1", "0.0498", "1992")
    (after,) = rows(path, "lots", "--symbol", "ACME")
    assert (after["quantity"], after["unit_cost"], after["long_term"]) == ("1", "240", True)


def test_lots_as_of_a_record(path: Path) -> None:
    first = next(row["sequence"] for row in rows(path, "fills") if row["execution_id"] == "a1")
    (acme,) = rows(path, "lots", "--as-of", first)
    assert (acme["lot"], acme["quantity"], acme["holding_days"]) == ("a1", "10", 0)


def closed(path: Path, *words: str) -> list[tuple[str, ...]]:
    names = ("lot", "quantity", "cost_basis", "realised_pnl", "closed_by")
    return [tuple(row[name] for name in names) for row in rows(path, "lots", "--closed", *words)]


def test_what_was_closed_says_of_which_lot_and_what_it_earned(path: Path) -> None:
    assert closed(path, "--symbol", "ACME") == [
        ("a1", "10", "1000", "300", "a3"),
        ("a2", "2", "240", "20", "a3"),
        ("a2", "0.5", "120", "-50", "s1"),  # one unit for two: a half that 70 was paid for
    ]
    first, second, _ = rows(path, "lots", "--closed", "--symbol", "ACME")
    assert (first["holding_days"], first["long_term"]) == (366, True)
    assert (second["holding_days"], second["long_term"]) == (6, False)
    assert closed(path, "--from", "2024-01-16", "--to", "2024-02-16") == [
        ("b1", "0.05", "2000", "200", "b2")  # without the units that went as its fee
    ]


def test_under_average_cost_the_pool_is_closed(tmp_path: Path) -> None:
    path = imported(tmp_path, "average")
    assert closed(path, "--symbol", "ACME") == [
        ("", "12", "1280", "280", "a3"),
        ("", "0.5", "106.666666666667", "-36.666666666667", "s1"),
    ]


def test_a_bust_of_long_ago_changes_what_was_closed(tmp_path: Path) -> None:
    path = imported(tmp_path, more='{"type":"bust","time":"2024-03-01T00:00:00Z","execution":"a1"}\n')
    acme = rows(path, "lots", "--closed", "--symbol", "ACME")
    assert [(one["lot"], one["quantity"], one["realised_pnl"]) for one in acme] == [
        ("a2", "5", "50"),
        (
            "a3",
            "-0.5",
            "200",
        ),  # sold short at 130, so at 260 after the split; and 70 came for it, as was told
    ]
    (held,) = [one for one in rows(path, "positions") if one["symbol"] == "ACME"]
    assert sum(Decimal(one["realised_pnl"]) for one in acme) == Decimal(held["realised_pnl"])


def test_what_cannot_be_asked_for_is_refused(path: Path) -> None:
    assert "--from and --to" in run("lots", "--closed", "--as-of", "3", "--journal", path, code=3).output
    assert "--closed" in run("lots", "--from", "2024-01-01", "--journal", path, code=3).output


def test_accounts_sum_to_zero_and_postings_to_accounts(path: Path) -> None:
    balances: dict[tuple[str, str], Decimal] = {}
    for row in rows(path, "postings"):
        for account, sign in ((row["source"], -1), (row["target"], 1)):
            key = account, row["unit"]
            balances[key] = balances.get(key, Decimal()) + sign * Decimal(row["amount"])
    listed = rows(path, "accounts")
    sums = [row for row in listed if row["account"] == "(sum)"]
    assert {row["unit"]: row["balance"] for row in sums} == {"ACME": "0", "BTC": "0", "USD": "0"}
    held = {(row["account"], row["unit"]): Decimal(row["balance"]) for row in listed if row not in sums}
    assert held == {key: balance for key, balance in balances.items() if balance}
    assert held["cash", "USD"] == Decimal("8227")
    assert all(row["nature"] and row["holds"] for row in listed if row not in sums)


def test_accounts_as_of(path: Path) -> None:
    before = {row["account"]: row["balance"] for row in rows(path, "accounts", "--as-of", "2023-01-10")}
    assert before == {"cash": "10000", "capital": "-10000", "(sum)": "0"}


def test_the_chart_of_accounts(path: Path) -> None:
    kinds = {row["account"] for row in rows(path, "accounts", "--chart")}
    assert {"cash", "position", "basis", "realised", "fees", "funding", "dividends"} <= kinds


def test_postings_of_one_fill_one_symbol_one_order(path: Path) -> None:
    one = rows(path, "postings", "--id", "a3")
    assert [(row["source"], row["target"], row["amount"], row["unit"]) for row in one] == [
        ("market:ACME", "position:ACME", "-12", "ACME"),
        ("cash", "basis:ACME", "-1240", "USD"),
        ("cash", "realised:ACME", "-320", "USD"),
        ("cash", "fees:ACME", "1", "USD"),
    ]
    assert rows(path, "postings", "--order", one[0]["client_order_id"]) == one
    assert {row["symbol"] for row in rows(path, "postings", "--symbol", "BTC-USD")} == {"BTC-USD"}
    assert {row["id"] for row in rows(path, "postings", "--id", "s1")} == {"s1"}
