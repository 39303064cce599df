"""Run scenarios: a story of an order in a text file, with everything that the core made of it.

    python -m execore.testing.scenario FILE_OR_DIRECTORY... [--rewrite] [--json]

Every input goes through the real ``step``, every invariant is checked after it, and the indented trace below
each line is compared with what happened. ``--rewrite`` writes it anew instead, and a person reads the
difference. Exit status: 0 all the same, 1 something differs or an expectation does not hold, 2 a file cannot
be read. The notation is described in docs/scenarios.md, and parsed by ``scenario_notation``.
"""

import argparse
import difflib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from execore.core.book_state import BookState
from execore.core.engine import open_book, step
from execore.core.invariants import check
from execore.journal.memory import MemoryJournal
from execore.model import events
from execore.model.errors import InputFileError, InvalidInput, InvariantViolation
from execore.model.records import Record
from execore.model.requests import DefineInstrument
from execore.runtime.recovery import replayed
from execore.testing.scenario_expect import Seen, disagreements
from execore.testing.scenario_notation import Block, Scenario, Step, parse
from execore.testing.scenario_output import run_command, shown
from execore.testing.scenario_trace import answer_lines, error_line, ledger_lines
from execore.testing.scenario_words import value_text

SUFFIX: Final = ".scenario"
_INDENT: Final = "    "


class Played(msgspec.Struct, frozen=True):
    """A scenario that was run.

    Attributes:
        text: the file as it should be: the lines of a person as they were, each trace as it came out.
        problems: what must not be, each with file and line: expectations that do not hold, invariants that
            broke, errors that are no refusals. A rewrite does not make them go away.
    """

    text: str
    problems: tuple[str, ...]


class Result(msgspec.Struct, frozen=True):
    """What became of one file.

    Attributes:
        status: ``same``, ``rewritten``, ``differs`` or ``unreadable``.
        difference: a unified diff from what the file says to what happened; empty if it says that.
    """

    file: str
    status: str
    problems: tuple[str, ...] = ()
    difference: str = ""


def play(scenario: Scenario) -> Played:
    """Run a scenario from its first line to its last.

    Raises:
        InputFileError: an expectation asks about something that is not there.
    """
    return _Player(scenario).play()


def run_file(path: Path, rewrite: bool = False) -> Result:
    """Run the scenario in a file and compare; with ``rewrite``, write what happened into it.

    Raises:
        InputFileError: the file cannot be read, as a file or as a scenario, or cannot be written.
    """
    name = path.as_posix()
    try:
        raw = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(
            f"{name}:1: cannot be read ({error})", "Expected: a text file in UTF-8"
        ) from error
    newline = "\r\n" if "\r\n" in raw else "\n"
    text = raw.replace("\r\n", "\n")
    played = play(parse(text, name))
    difference = "" if played.text == text else _difference(name, text, played.text)
    if rewrite and difference:
        _write(path, played.text.replace("\n", newline))
    unsettled = played.problems or (difference and not rewrite)
    status = "differs" if unsettled else "rewritten" if difference else "same"
    return Result(name, status, played.problems, difference)


class _Player:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.problems: list[str] = []
        self.broken = False
        self.state, opened = open_book(scenario.book, scenario.cost_method, scenario.start_ns)
        self.journal = MemoryJournal()
        self._record((opened,), scenario.start_ns)
        self.seen = Seen(self.state)

    def play(self) -> Played:
        start_ns = self.scenario.start_ns
        for instrument in self.scenario.instruments:
            answer = step(self.state, DefineInstrument(ts_ns=start_ns, instrument=instrument))
            self._record(answer.events, start_ns)
        lines: list[str] = []
        for block in _with_ledger(self.scenario.blocks):
            lines.append(block.source)
            if self.broken:
                lines += block.trace  # what comes after a broken book says nothing
            elif block.step is not None:
                lines += [_INDENT + line for line in self._take(block.step)]
        return Played("\n".join(lines) + "\n", tuple(self.problems))

    def _take(self, taken: Step) -> list[str]:
        """Do what a line says; return its trace."""
        if taken.does == "expect":
            self._expect(taken)
            return []
        try:
            lines = self._DOES[taken.does](self, taken)
            check(self.state)
        except Exception as error:  # whatever it is, it is what the scenario is there to show
            self._problem(taken, f"{type(error).__name__}: {error}")
            self.broken = True
            return [f"breaks {type(error).__name__}"]
        return lines

    def _problem(self, taken: Step, what: str) -> None:
        self.problems.append(f"{self.scenario.name}:{taken.line}: {what}")

    def _input(self, taken: Step) -> list[str]:
        try:
            cause = taken.cause.build()  # type: ignore[union-attr]  # an input has one
            answer = step(self.state, cause)
        except InvalidInput as error:
            self.seen.last = error
            return [error_line(error)]
        self.seen.last = answer
        self.seen.effects += answer.effects
        self._record(answer.events, cause.ts_ns)
        return answer_lines(self.state, answer, self.scenario.start_ns)

    def _record(self, told: Sequence[events.AnyEvent], ts_ns: int) -> None:
        """Write events as the journal does: what is replayed has been through its text and its chain."""
        book = self.scenario.book
        last = self.journal.head(book).sequence
        records = [
            Record(last + place, book, ts_ns, ts_ns, "scenario", "", event)
            for place, event in enumerate(told, start=1)
        ]
        self.journal.append(book, last, records)

    def _restart(self, _: Step) -> list[str]:
        """Go on with a book made of the journal alone."""
        self.state = self.seen.state = self._rebuilt()
        return [f"same book from {self.journal.head(self.scenario.book).sequence} events"]

    def _ledger(self, _: Step) -> list[str]:
        self._rebuilt()
        return ledger_lines(self.state)

    def _rebuilt(self) -> BookState:
        """The book as the journal alone makes it, which must be the same in all that can be seen."""
        rebuilt = BookState()
        for record in replayed(self.journal, self.scenario.book):
            rebuilt.apply(record.event, record.ts_event_ns)
        before, after = _views(self.state), _views(rebuilt)
        off = [name for name in before if before[name] != after[name]]
        if off:
            raise InvariantViolation(f"replayed from its events, the book differs in {', '.join(off)}")
        return rebuilt

    _DOES: Final = {"input": _input, "restart": _restart, "ledger": _ledger}

    def _expect(self, taken: Step) -> None:
        said = " ".join(_written(word.name, word.text) for word in taken.words)
        try:
            off = disagreements(taken.words, self.seen)
        except ValueError as error:
            where = f"{self.scenario.name}:{taken.line}"
            raise InputFileError(
                f"{where}: expect {said}: {error}", "Expected: see docs/scenarios.md"
            ) from error
        if off:
            self._problem(taken, f"expect {said}: {', '.join(off)}")


def _with_ledger(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks, with the books shown at the end where they are shown nowhere."""
    if any(block.step is not None and block.step.does == "ledger" for block in blocks):
        return blocks
    gap = (Block(""),) if blocks[-1].source else ()
    return (*blocks, *gap, Block("ledger", Step(len(blocks) + 1, "ledger")))


def _written(name: str, text: str) -> str:
    return f"{name}={text}" if name else value_text(text)


def _views(state: BookState) -> dict[str, Any]:
    """Everything that a replay must bring back, by name."""
    accounts = state.positions.accounts()
    return {
        "orders": list(state.orders),
        "executions": list(state.orders.executions),
        "groups": list(state.groups),
        "positions": state.positions.to_dict(),
        "accounts": {
            (account.name, account.unit): account.balance for account in accounts if account.balance
        },
        "transfers": state.entries,
        "day": (state.trade_date, state.day_ends_ts_ns),
        "parked": state.parked,
    }


def _difference(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), name, f"{name} (as it runs)", lineterm=""
    )
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    """Write a file beside it and put that in its place: what is there is lost only to what is complete."""
    place = path.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        try:
            beside.write_bytes(text.encode())
            shutil.copymode(place, beside)
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise InputFileError(
            f"{path.as_posix()}:1: cannot be written ({error})", "Check its permissions and the free space"
        ) from error


# --- the command line --------------------------------------------------------------------------------------


def scenario_files(place: Path) -> list[Path]:
    """The file named, or every scenario in the directory named, sorted.

    Raises:
        InputFileError: the directory has none.
    """
    if not place.is_dir():
        return [place]
    found = sorted(place.rglob(f"*{SUFFIX}"))
    if not found:
        raise InputFileError(f"{place.as_posix()}: no scenario here", f"Expected: files named *{SUFFIX}")
    return found


def _results(places: Sequence[Path], rewrite: bool) -> Iterator[Result]:
    for place in places:
        try:
            paths = scenario_files(place)
        except InputFileError as error:
            yield Result(place.as_posix(), "unreadable", (str(error),))
            continue
        for path in paths:
            yield _result(path, rewrite)


def _result(path: Path, rewrite: bool) -> Result:
    try:
        return run_file(path, rewrite)
    except InputFileError as error:
        return Result(path.as_posix(), "unreadable", (str(error),))
    except Exception as error:  # whatever is wrong with one file, the others are run
        problem = f"{path.as_posix()}:1: {type(error).__name__}: {error}"
        return Result(path.as_posix(), "unreadable", (problem,))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m execore.testing.scenario", description=__doc__)
    parser.add_argument("places", nargs="+", type=Path, metavar="FILE_OR_DIRECTORY")
    parser.add_argument("--rewrite", action="store_true", help="write what happened into the files")
    parser.add_argument("--json", action="store_true", help="one JSON object a file, and a line each")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    counts: dict[str, int] = {}
    for result in _results(options.places, options.rewrite):
        counts[result.status] = counts.get(result.status, 0) + 1
        if options.json:
            _say(json.dumps(msgspec.structs.asdict(result)))  # in ASCII, with the rest escaped
        elif result.status != "same":
            _say(
                "\n".join(
                    filter(None, (f"{result.status} {result.file}", *result.problems, result.difference))
                )
            )
    if not options.json:
        _say(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 2 if "unreadable" in counts else 1 if "differs" in counts else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{shown(text)}\n")


if __name__ == "__main__":
    raise SystemExit(main())
