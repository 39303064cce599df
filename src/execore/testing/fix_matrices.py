"""Run a file of FIX order state matrices through the core, and show every cell that is another than printed.

``python -m execore.testing.fix_matrices FILE.json`` takes any file of the form that ``fix_rows`` reads. The
exit code is 0 if nothing differs, 1 if something does, 2 if the file cannot be read: docs/fix_matrices.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from execore.model.errors import InputFileError
from execore.testing.fix_compare import Verdict
from execore.testing.fix_rows import Scenario, read_scenarios
from execore.testing.fix_runner import RowResult, run_scenario, summary_of
from execore.testing.scenario_output import run_command, shown

_HEAD: Final = ("scenario", "time", "branch", "message", "column", "expected", "got")

_PATIENCE_S: Final = 1
"""How long a person at a terminal waits before being told how far it is."""


def _lines(results: Sequence[RowResult], verdict: Verdict) -> list[tuple[str, ...]]:
    return [
        (row.scenario, row.time, row.branch, row.message, cell.column, cell.expected, cell.got)
        for row in results
        for cell in row.with_verdict(verdict)
    ]


def _table(texts: Sequence[tuple[str, ...]]) -> str:
    lines = [tuple(shown(text).replace("\n", " ") for text in line) for line in texts]
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
    plain = msgspec.to_builtins(document)  # the texts may hold what is no Unicode, which json escapes
    return json.dumps(plain, indent=2) + "\n"


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
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    try:
        scenarios = _chosen(options.file, options.scenario)
    except InputFileError as error:
        sys.stderr.write(f"{error.code}: {shown(str(error))}\n")
        return 2
    results = list(_results(scenarios))
    if options.json:
        sys.stdout.write(_as_json(options.file, results, options.verbose))
    else:
        sys.stdout.write(_as_text(results, options.verbose))
    return 1 if summary_of(results).differences else 0


def _results(scenarios: Sequence[Scenario]) -> Iterator[RowResult]:
    """The results of every row; how far it is, on a terminal, if it takes long."""
    is_watched = sys.stderr.isatty()
    started = time.monotonic()
    is_shown = False
    for place, scenario in enumerate(scenarios):
        if is_watched and time.monotonic() - started > _PATIENCE_S:
            is_shown = True
            sys.stderr.write(f"\r{place} of {len(scenarios)} scenarios\x1b[K")
            sys.stderr.flush()
        yield from run_scenario(scenario)
    if is_shown:
        sys.stderr.write("\r\x1b[K")


if __name__ == "__main__":
    sys.exit(main())
