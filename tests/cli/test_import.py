"""`import`, as a user meets it: files in, positions out, and every refused line told."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from execore.cli.main import app

TIME = "2026-01-05T14:30:00Z"
FILL = {"type": "fill", "time": TIME, "symbol": "ACME", "quantity": "3"}
LINES = [
    {"type": "instrument", "symbol": "ACME", "kind": "equity", "currency": "USD"},
    {"type": "transfer", "id": "d", "time": TIME, "currency": "USD", "amount": "1000"},
    FILL | {"id": "1", "side": "buy", "price": "10"},
    FILL | {"id": "2", "side": "buy", "price": "20"},
    FILL | {"id": "3", "side": "sell", "price": "30", "quantity": "4"},
]
BINANCE = """Date(UTC),Pair,Side,Price,Executed,Amount,Fee
2026-01-05 10:00:01,BTCUSDT,SELL,60000,0.0001BTC,6.00000000USDT,0.006USDT
2026-01-05 10:00:00,BTCUSDT,BUY,50000,0.0002BTC,10.00000000USDT,0.0000002BTC
"""


def run(*words: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, (result.output, result.stderr)
    return result


def history(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def positions(journal: str) -> list[dict[str, Any]]:
    told = run("positions", "--journal", journal, "--json").stdout.splitlines()
    return [json.loads(line) for line in told]


def test_a_history_becomes_positions_by_the_method_asked_for(tmp_path: Path) -> None:
    journal = f"sqlite:///{tmp_path / 'book.db'}"
    told = run("import", history(tmp_path, *LINES), "--journal", journal, "--cost-method", "fifo", "--json")
    summary = json.loads(told.stdout)
    assert summary["booked"] == {"fill": 3, "instrument": 1, "transfer": 1}
    (position,) = positions(journal)
    assert (position["quantity"], position["cost_basis"], position["realised_pnl"]) == ("2", "40", "70")
    again = json.loads(run("import", history(tmp_path, *LINES), "--journal", journal, "--json").stdout)
    assert (again["known"], again["booked"], again["hash"]) == (5, {}, summary["hash"])


def test_refused_lines_are_told_written_and_the_others_booked(tmp_path: Path) -> None:
    journal = f"sqlite:///{tmp_path / 'book.db'}"
    bad = ["{", LINES[2] | {"id": "9", "symbol": "NONE"}, LINES[2] | {"id": "8", "price": 1.5}]
    path, refused = history(tmp_path, *LINES, *bad), tmp_path / "refused.jsonl"
    result = run("import", path, "--journal", journal, "--refused", refused, code=1)
    assert "line 6" in result.stderr
    assert "unknown_instrument" in result.stderr
    assert "Traceback" not in result.output
    written = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [(one["number"], one["code"]) for one in written] == [
        (6, "not_json"),
        (7, "unknown_instrument"),
        (8, "invalid_number"),
    ]
    assert positions(journal)[0]["quantity"] == "2"


def test_a_brokers_export_is_told_by_its_columns_and_read_in_the_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_text(BINANCE)
    journal = f"sqlite:///{tmp_path / 'book.db'}"
    result = run("import", path, "--journal", journal)
    assert "Binance" in result.stdout
    (position,) = positions(journal)
    assert position["quantity"] == "0.0000998"
    assert position["realised_pnl"] == "1"


def test_a_book_keeps_the_method_it_began_with(tmp_path: Path) -> None:
    journal = f"sqlite:///{tmp_path / 'book.db'}"
    run("import", history(tmp_path, *LINES), "--journal", journal, "--cost-method", "lifo")
    result = run("import", history(tmp_path, *LINES), "--journal", journal, "--cost-method", "fifo", code=3)
    assert "began with lifo" in result.stderr
