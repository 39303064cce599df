"""`bench`: measure it on your own machine."""

import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from execore.cli.output import JsonOption, out, print_json, print_rows, progress_bar
from execore.testing import core_benchmark, memory_benchmark, recovery_benchmark, runtime_benchmark
from execore.testing.core_benchmark import FEW_FILLS, MANY_FILLS, SMALL_BOOK

app = typer.Typer(no_args_is_help=True, help="Measure execore on this machine.")

DirectoryOption = Annotated[
    Path,
    typer.Option(
        "--directory",
        exists=True,
        file_okay=False,
        help="Where the journal is written, and removed again: its file system is what is measured",
    ),
]


@app.callback()
def bench() -> None:
    """Measure execore on this machine."""


@app.command()
def core(
    orders: Annotated[int, typer.Option("--orders", min=1, help="Lifecycles to run")] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Lifecycles per CPU second of one thread (nothing durable), and memory of an open order."""
    with progress_bar("lifecycles", orders) as bar:
        measured = core_benchmark.measure(orders, bar.to)
    lines = [
        f"{measured.lifecycles_per_cpu_second:,.0f} lifecycles per CPU second "
        f"({measured.microseconds_per_lifecycle:.1f} µs each), over {orders:,} orders",
        f"{measured.bytes_per_open_order:,.0f} bytes of memory for each open order",
        f"{measured.microseconds_per_fill:.1f} µs for a fill of an order filled in {FEW_FILLS} parts; "
        f"{measured.fill_time_against_few_fills:.2f} of that for one filled in {MANY_FILLS:,}",
    ]
    if measured.time_against_small_book is not None:
        lines.insert(
            2,
            f"against books of {SMALL_BOOK:,} orders: {measured.time_against_small_book:.2f} of their time "
            f"and {measured.memory_against_small_book:.2f} of their memory for each order",
        )
    _show("core", measured, lines, as_json=as_json)


@app.command()
def runtime(
    lifecycles: Annotated[
        int, typer.Option("--lifecycles", min=1, help="Of a run, at most 100 for each caller")
    ] = 10_000,
    directory: DirectoryOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Lifecycles a second that are durable at every step, beside the core alone and the journal alone."""
    planned = runtime_benchmark.what_is_run()
    with (
        tempfile.TemporaryDirectory(prefix="execore-bench-", dir=directory) as place,
        progress_bar("runs", len(planned)) as bar,
    ):
        measured = runtime_benchmark.measure(Path(place), lifecycles, bar.to)
    if not as_json:
        rows = [_shown(run) for run in measured.runs]
        print_rows(rows, list(rows[0]), "durable lifecycles", as_json=False)
    core_rate = (
        f"{measured.core_lifecycles_per_second:,.0f} lifecycles a second by the core in memory "
        f"({measured.core_lifecycles_per_cpu_second:,.0f} per CPU second)"
    )
    _show("runtime", measured, [core_rate], as_json=as_json, directory=directory)


def _shown(run: runtime_benchmark.Run) -> dict[str, str]:
    """A run as a line of the table."""
    return {
        "callers": f"{run.callers} {run.kind}",
        "a_second": f"{run.lifecycles_per_second:,.0f}",
        "per_CPU_second": f"{run.lifecycles_per_cpu_second:,.0f}",
        "of_the_core": f"{run.against_core:.2f}",
        "of_the_journal": f"{run.against_journal:.2f}",
        "submit_ms": f"{run.submit_ms:.2f}",
        "in_plain_commits": f"{run.submit_against_commit:.2f}",
    }


@app.command()
def recovery(
    events: Annotated[int, typer.Option("--events", min=100, help="Events to replay")] = 100_000,
    directory: DirectoryOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Seconds from a closed journal to its state, with the chain verified, and where they go."""
    with tempfile.TemporaryDirectory(prefix="execore-bench-", dir=directory) as place:
        path = Path(place) / "recovery.db"
        with progress_bar("writing", events) as bar:
            written = recovery_benchmark.write_journal(path, events, bar.to)
        with progress_bar("replaying", written.sequence) as bar:
            measured = recovery_benchmark.measure(path, bar.to)
    lines = [
        f"{measured.seconds:.2f} s for {measured.events:,} events from zero, verified "
        f"({measured.events_per_second:,.0f} a second), {measured.open_orders:,} orders open at the end",
        f"of these, reading {measured.read_seconds:.2f} s, hashes {measured.verify_seconds:.2f} s, "
        f"decoding {measured.decode_seconds:.2f} s, folding {measured.fold_seconds:.2f} s",
        f"{measured.seconds_from_snapshot:.2f} s from a snapshot of {measured.snapshot_bytes / 1e6:.1f} MB "
        f"and {measured.tail_events:,} events",
    ]
    _show("recovery", measured, lines, as_json=as_json, directory=directory)


@app.command()
def memory(
    orders: Annotated[int, typer.Option("--orders", min=1, help="Orders to hold open")] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """The longest pause of the garbage collector while so many orders are open (nothing durable)."""
    lifecycles = max(orders // 10, 1)
    with progress_bar("orders", orders + lifecycles) as bar:
        measured = memory_benchmark.measure(orders, lifecycles, bar.to)
    lines = [
        f"{measured.longest_pause_ms:.1f} ms was the longest pause of the garbage collector, "
        f"with {orders:,} orders open and {lifecycles:,} lifecycles beside them",
        f"{measured.full_collection_ms:.1f} ms for a full collection; "
        f"{measured.tracked_objects:,} more objects for it to walk than without the orders",
    ]
    if measured.megabytes is not None:
        lines.append(f"{measured.megabytes:,.0f} MB of memory at most, Python and all its modules included")
    _show("memory", measured, lines, as_json=as_json)


def _show(
    benchmark: str,
    measured: msgspec.Struct,
    lines: list[str],
    *,
    as_json: bool,
    directory: Path | None = None,
) -> None:
    """What was measured, and where and when, for a person or for a program."""
    where: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
    }
    if directory is not None:
        where["file_system"] = _file_system(directory)
    if as_json:
        print_json({"benchmark": benchmark, **msgspec.to_builtins(measured), **where})
        return
    for line in lines:
        out.print(line)
    out.print(f"Python {', '.join(where.values())}", style="dim")


def _file_system(directory: Path) -> str:
    """What kind of file system holds ``directory``, as ``ext4``, where the operating system tells."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown file system"
    place = directory.resolve()
    kinds = {Path(point): kind for _, point, kind, *_ in map(str.split, mounts.read_text().splitlines())}
    return next(kinds[point] for point in (place, *place.parents) if point in kinds)
