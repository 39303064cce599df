"""What a run does: a profile, and steps that each know what they are without the others."""

from typing import Final

import msgspec

from execore.testing.simulation.connection import READ_FAULTS, WRITE_FAULTS
from execore.testing.simulation.dice import Dice
from execore.testing.simulation.profile import Profile, draw_profile
from execore.testing.simulation.storage import FAULTS as STORAGE_FAULTS
from execore.testing.simulation.storage import SEAM as STORAGE
from execore.testing.simulation.world import ANYWHERE


class Step(msgspec.Struct, frozen=True):
    """One thing that happens; ``number`` is its place in the whole plan, and names its own dice."""

    number: int
    verb: str


class Plan(msgspec.Struct, frozen=True):
    """Everything about a run before it begins: the same seed makes the same plan."""

    seed: int
    profile: Profile
    steps: tuple[Step, ...]


VERBS: Final = (
    ("submit", 20),
    ("submit again", 4),
    ("burst", 2),
    ("cancel", 9),
    ("amend", 7),
    ("cancel all", 1),
    ("group", 2),
    ("close order", 2),
    ("pump", 16),
    ("wait", 9),
    ("pass time", 3),
    ("ask everything", 1),
    ("snapshot", 3),
    ("trade", 18),
    ("surprise", 5),
    ("fault", 15),
    ("crash", 3),
    ("disconnect", 2),
    ("connect", 5),
    ("restart venue", 1),
    ("stall", 1),
    ("wake", 2),
    ("clock jumps", 1),
)
"""What may happen, and how often against the rest."""

_WRITES: Final = tuple(WRITE_FAULTS)
_READS: Final = ("crash", *READ_FAULTS)
SEAMS: Final[tuple[tuple[tuple[str, tuple[str, ...], int], int], ...]] = (
    ((STORAGE, STORAGE_FAULTS, 4), 30),
    (("submit", _WRITES, 2), 25),
    (("cancel", _WRITES, 2), 12),
    (("amend", _WRITES, 1), 8),
    (("query", _READS, 3), 10),
    (("take_reports", ("crash",), 4), 4),
    (("mass_status", _READS, 1), 2),
    (("open", ("crash",), 1), 3),
    ((ANYWHERE, ("crash",), 14), 25),
)
"""Where faults happen: the seam, what can go wrong there, the most crossings until then; and how often."""


def make_plan(seed: int) -> Plan:
    """The plan that this seed stands for."""
    dice = Dice(seed)
    profile = draw_profile(dice.stream("profile"))
    steps = dice.stream("steps")
    verbs = ["submit", *(steps.weighted(VERBS) for _ in range(profile.steps - 1))]
    return Plan(seed, profile, tuple(Step(number, verb) for number, verb in enumerate(verbs)))


def only(plan: Plan, numbers: tuple[int, ...]) -> Plan:
    """The plan with these of its steps and no others."""
    return Plan(plan.seed, plan.profile, tuple(step for step in plan.steps if step.number in numbers))
