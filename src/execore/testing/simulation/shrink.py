"""From a run that fails to a shorter one that fails in the same way: steps are left out while it does."""

from time import monotonic
from typing import Final

from execore.testing.simulation.plan import Plan, Step
from execore.testing.simulation.run import Outcome, Run

TIME_LIMIT_SECONDS: Final = 20.0


def shortest(plan: Plan, problem: str, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> Plan:
    """The shortest plan found that still has a problem of the same code, within the time limit.

    First whole blocks of steps are left out, then ever smaller ones, down to single steps (Zeller's ddmin,
    without its second half: what is left must fail when any one step is taken out).
    """
    code = code_of(problem)
    ends_at = monotonic() + time_limit_seconds
    steps = list(plan.steps)
    block = len(steps) // 2
    while block:
        start, shortened = 0, False
        while start < len(steps) and monotonic() < ends_at:
            left = steps[:start] + steps[start + block :]
            if _fails(plan, left, code):
                steps, shortened = left, True
            else:
                start += block
        if not (shortened and block == 1):
            block //= 2
        if monotonic() >= ends_at:
            break
    return _of(plan, steps)


def code_of(problem: str) -> str:
    """The stable word that a problem begins with; of an unexpected error, with its place."""
    code, _, rest = problem.partition(": ")
    return f"{code}: {rest.partition(': ')[0]}" if code == "unexpected_error" else code


def _fails(plan: Plan, steps: list[Step], code: str) -> bool:
    return any(code_of(problem) == code for problem in play(_of(plan, steps)).problems)


def _of(plan: Plan, steps: list[Step]) -> Plan:
    return Plan(plan.seed, plan.profile, tuple(steps))


def play(plan: Plan, *, tracing: bool = False) -> Outcome:
    """Play one plan."""
    return Run(plan, tracing=tracing).play()
