"""`simulate`: play made-up disasters from seeds, and check that nothing was sent twice or lost."""

import platform
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from execore import __version__
from execore.cli.output import JsonOption, literal, out, print_json, progress_bar, styled
from execore.model.errors import InvalidInput
from execore.testing.simulation.campaign import (
    Totals,
    available_cores,
    campaign,
    summary_of,
    write_report,
)
from execore.testing.simulation.plan import Plan, make_plan, only
from execore.testing.simulation.run import Outcome
from execore.testing.simulation.shrink import play, shortest

_MOST_ROWS = 12


def simulate(
    seeds: Annotated[int, typer.Option("--seeds", "-n", min=1, help="Runs to play, a seed each")] = 200,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="Seed of the first run")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Processes; one a core if none")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write all that happened as JSON")] = None,
    steps: Annotated[str, typer.Option("--steps", help="Of one run, play only these: 0,7,8")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="Tell the first run line by line")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play runs with a faulty venue, faulty storage and crashes, and check the books of both sides."""
    if trace or steps:
        _tell(_chosen(make_plan(first_seed), steps))
        return
    started = perf_counter()
    with progress_bar("runs", seeds) as bar:
        totals = campaign(first_seed, seeds, jobs or available_cores(), bar.to)
    summary = _summary(totals, first_seed, perf_counter() - started)
    if report is not None:
        write_report(report, summary, totals)
    if as_json:
        print_json(summary)
    else:
        _show(summary)
        if report is not None:
            out.print(f"written to {literal(report)}")
    if totals.failures:
        if not as_json:
            _show_failure(min(totals.failures), totals)
        raise typer.Exit(1)


def _chosen(plan: Plan, steps: str) -> Plan:
    try:
        return only(plan, tuple(int(number) for number in steps.split(",") if number)) if steps else plan
    except ValueError:
        raise InvalidInput("steps", f"{steps!r} is no list of numbers", "Give them as 0,7,8") from None


def _summary(totals: Totals, first_seed: int, seconds: float) -> dict[str, Any]:
    return {
        "first_seed": first_seed,
        **summary_of(totals),
        "seconds": round(seconds, 1),
        "execore": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {available_cores()} cores",
        "date": datetime.now(UTC).date().isoformat(),
    }


def _show(summary: dict[str, Any]) -> None:
    rate = summary["runs"] / max(summary["seconds"], 0.1)
    out.print(
        f"{summary['runs']:,} runs from seed {summary['first_seed']:,} on in {summary['seconds']:,} s, "
        f"{rate:,.0f} a second: {summary['orders']:,} orders, {summary['records']:,} records, "
        f"{summary['crashes']:,} crashes"
    )
    _show_counts("faults and surprises", summary["injected"])
    _show_counts("orders ended as", summary["endings"])
    out.print("in flight at a crash, and what became of it:")
    for was, ended in summary["in_flight"].items():
        told = ", ".join(f"{state} {count:,}" for state, count in ended.items())
        out.print(f"  {sum(ended.values()):>9,}  {was}: {told}", soft_wrap=True)
    if not summary["failed"]:
        out.print(
            styled(
                ("clean", "bold green"),
                ": in every run no order was made twice, every execution is booked once, the books of both "
                "sides are equal, and the chain holds",
            ),
            soft_wrap=True,
        )


def _show_counts(title: str, counts: dict[str, int]) -> None:
    out.print(f"{title}:")
    for name, count in list(counts.items())[:_MOST_ROWS]:
        out.print(f"  {count:>9,}  {literal(name)}")
    if len(counts) > _MOST_ROWS:
        left = len(counts) - _MOST_ROWS
        out.print(f"  … and {left} kinds more; --json lists all", style="dim")


def _show_failure(seed: int, totals: Totals) -> None:
    """The seed, why it failed, and the shortest story that still fails."""
    problems = totals.failures[seed]
    out.print(styled(("FAILED", "bold red"), f" seed {seed}: {problems[0]}"), soft_wrap=True)
    plan = make_plan(seed)
    out.print("looking for the shortest run that fails like this …", style="dim")
    short = shortest(plan, problems[0])
    out.print(f"{len(short.steps)} of its {len(plan.steps)} steps are enough:")
    numbers = ",".join(str(step.number) for step in short.steps)
    _show_story(play(short, tracing=True))
    out.print(f"Play it again: execore simulate --first-seed {seed} --steps {numbers}", soft_wrap=True)


def _tell(plan: Plan) -> None:
    """Play one run and tell its story."""
    outcome = play(plan, tracing=True)
    _show_story(outcome)
    if outcome.problems:
        raise typer.Exit(1)


def _show_story(outcome: Outcome) -> None:
    for line in outcome.lines:
        out.print(literal(line), soft_wrap=True)
    for order, state in outcome.endings.items():
        out.print(f"{literal(order)} ended {state}")
    for problem in outcome.problems:
        out.print(styled(("problem", "bold red"), f" {problem}"), soft_wrap=True)
