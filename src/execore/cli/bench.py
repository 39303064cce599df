"""`bench core`: measure it on your own machine."""

import os
import platform
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from execore.cli.output import JsonOption, out, print_json, progress_bar
from execore.testing.core_benchmark import FEW_FILLS, MANY_FILLS, SMALL_BOOK, measure

app = typer.Typer(no_args_is_help=True, help="Measure execore on this machine.")


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
        measured = measure(orders, bar.to)
    result: dict[str, Any] = {
        "benchmark": "core",
        **msgspec.to_builtins(measured),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
    }
    if as_json:
        print_json(result)
        return
    out.print(
        f"{measured.lifecycles_per_cpu_second:,.0f} lifecycles per CPU second "
        f"({measured.microseconds_per_lifecycle:.1f} µs each), over {orders:,} orders"
    )
    out.print(f"{measured.bytes_per_open_order:,.0f} bytes of memory for each open order")
    if measured.time_against_small_book is not None:
        out.print(
            f"against books of {SMALL_BOOK:,} orders: {measured.time_against_small_book:.2f} of their time "
            f"and {measured.memory_against_small_book:.2f} of their memory for each order"
        )
    out.print(
        f"{measured.microseconds_per_fill:.1f} µs for a fill of an order filled in {FEW_FILLS} parts; "
        f"{measured.fill_time_against_few_fills:.2f} of that for one filled in {MANY_FILLS:,}"
    )
    out.print(f"Python {result['python']}, {result['machine']}, {result['date']}", style="dim")
