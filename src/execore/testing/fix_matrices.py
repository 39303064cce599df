"""Run a file of FIX order state matrices through the core, and show every cell that is another than printed.

``python -m execore.testing.fix_matrices FILE.json`` takes any file of the form that ``fix_rows`` reads. The
exit code is 0 if nothing differs, 1 if something does, 2 if the file cannot be read.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from execore.model.errors import InputFileError
from execore.testing.fix_rows import Scenario, read_scenarios
from execore.testing.fix_runner import RowResult, Verdict, run_scenario, summary_of

_HEAD: Final = ("scenario", "time", "branch", "message", "column", "expected", "got")


def _lines(results: Sequence[RowResult], verdict: Verdict) -> list[tuple[str, ...]]:
    return [
        (row.scenario, row.time, row.branch, row.message, cell.column, cell.expected, cell.got)
        for row in results
        for cell in row.with_verdict(verdict)
    ]


def _table(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _as_text(results: Sequence[RowResult], verbose: bool) -> str:
    parts: list[str] = []
    if verbose:
        head = ("scenario", "time", "branch", "message", "verdict", "note")
        parts.append("Every row\n" + _table([head, *map(_row_line, results)]))
    for title, verdict in (("Differences", Verdict.DIFFERS), ("Known anomalies", Verdict.KNOWN_ANOMALY)):
        lines = _lines(results, verdict)
        if lines:
            parts.append(f"{title}\n" + _table([_HEAD, *lines]))
    count = summary_of(results)
    parts.append(
        f"{count.scenarios} scenarios, {count.steps} steps: {count.cells_compared} cells compared, "
        f"{count.cells_null} cells null; {count.differences} differences, "
        f"{count.known_anomalies} known anomalies\n"
    )
    return "\n".join(parts)


def _row_line(row: RowResult) -> tuple[str, ...]:
    verdicts = {cell.verdict for cell in row.cells}
    worst = (Verdict.DIFFERS, Verdict.KNOWN_ANOMALY, Verdict.EQUAL)
    verdict = next((verdict.value for verdict in worst if verdict in verdicts), "-")
    return (row.scenario, row.time, row.branch, row.message, verdict, row.note)


def _as_json(path: Path, results: Sequence[RowResult], verbose: bool) -> str:
    document: dict[str, object] = {"file": str(path), "summary": summary_of(results)}
    for key, verdict in (("differences", Verdict.DIFFERS), ("known_anomalies", Verdict.KNOWN_ANOMALY)):
        document[key] = [dict(zip(_HEAD, line, strict=True)) for line in _lines(results, verdict)]
    if verbose:
        document["rows"] = results
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _chosen(path: Path, refs: Sequence[str]) -> list[Scenario]:
    scenarios = read_scenarios(path)
    known = {scenario.ref for scenario in scenarios}
    unknown = [ref for ref in refs if ref not in known]
    if unknown:
        raise InputFileError(
            f"{path} has no scenario {', '.join(unknown)}", f"Choose from: {', '.join(sorted(known))}"
        )
    return [scenario for scenario in scenarios if not refs or scenario.ref in refs]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a file and print what differs; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m execore.testing.fix_matrices",
        description="Run FIX order state matrices through the core and print each row that differs.",
    )
    parser.add_argument("file", type=Path, metavar="FILE.json", help="matrices, row by row")
    parser.add_argument(
        "--scenario", action="append", default=[], metavar="REF", help="only this (repeatable)"
    )
    parser.add_argument("--verbose", action="store_true", help="every row, not only those that differ")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    options = parser.parse_args(arguments)
    try:
        scenarios = _chosen(options.file, options.scenario)
    except InputFileError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 2
    results = [result for scenario in scenarios for result in run_scenario(scenario)]
    if options.json:
        sys.stdout.write(_as_json(options.file, results, options.verbose))
    else:
        sys.stdout.write(_as_text(results, options.verbose))
    return 1 if summary_of(results).differences else 0


if __name__ == "__main__":
    sys.exit(main())
