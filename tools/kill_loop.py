"""Kill a trading process with SIGKILL at random moments, hundreds of times, and say what came of it.

The trader's venue is a process of its own that keeps its own books; both sides are compared after the kills.
``--faults`` also loses requests and replies between the two. ``--report FILE`` writes the figures as JSON.
Exit code: 0 nothing is lost and nothing sent twice, 1 something is.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec

FAULTS = ("lose=5", "keep_reply=10", "hang_up=10", "delay=10")


def main() -> int:
    """Kill as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--kills-per-book", type=int, default=25, help="then a new journal and a new venue")
    parser.add_argument("--threads", type=int, default=0, help="callers of a Runtime; 0: a Book")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", nargs="*", metavar="FAULT=OF_1000", help=f"default: {' '.join(FAULTS)}")
    parser.add_argument("--report", type=Path, help="where to write the figures, as JSON")
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from execore.testing.venue_process import Fault
    from runtime_support import kill_loop

    words = FAULTS if given.faults == [] else given.faults or ()
    faults = {Fault(name): int(often) for name, often in (word.split("=") for word in words)}

    def tell(report: kill_loop.Report) -> None:
        start, end = ("\r", "") if sys.stderr.isatty() else ("", "\n")
        if not end or report.kills % 25 == 0:
            say(report, start, end)

    def say(report: kill_loop.Report, start: str, end: str) -> None:
        print(
            f"{start}{report.kills:,} of {given.kills:,} kills, "
            f"{report.kills_with_something_in_flight:,} with something in flight, {report.seconds:,.0f} s",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    with tempfile.TemporaryDirectory() as directory:
        report = kill_loop.run(
            Path(directory),
            kills=given.kills,
            seed=given.seed,
            kills_per_book=given.kills_per_book,
            threads=given.threads,
            faults=faults,
            progress=tell,
        )
    print(file=sys.stderr)
    text = msgspec.json.format(msgspec.json.encode(report)).decode()
    print(text)
    if given.report is not None:
        given.report.write_text(text + "\n", encoding="utf-8")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
