"""Walk orders at random through the core and through a naive model, and stop where the two differ.

Walk N of ``--seed S`` has the seed S × 1,000,000,000 + N; the test suite takes the first walks of seed 0. A
failing walk prints its seed and its inputs, and ``--replay SEED`` takes it again and prints what became of
each. Exit code: 0 they agree, 1 they differ.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

SPREAD = 1_000_000_000
SECONDS_BETWEEN_LINES = 5.0


def walk_all(run_walk: Callable[[int], int], first: int, walks: int) -> None:
    """Take ``walks`` walks from seed ``first`` on, and say how far it is and how fast it goes."""
    start = told = perf_counter()
    inputs = 0
    for number in range(1, walks + 1):
        inputs += run_walk(first + number - 1)
        now = perf_counter()
        if number == walks or now - told >= SECONDS_BETWEEN_LINES:
            told = now
            rate = number / (now - start)
            print(f"{number:,} of {walks:,} walks, {inputs:,} inputs, {rate:,.0f} walks/s", flush=True)


def main() -> int:
    """Walk as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=int, metavar="SEED", help="one walk, with all that happens")
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from core_support.random_order import Disagreement, run_walk

    try:
        if given.replay is None:
            walk_all(run_walk, given.seed * SPREAD, given.walks)
        else:
            run_walk(given.replay, print)
    except Disagreement as difference:
        print(f"\n{difference}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
