"""20,000 random walks on which core and naive model agree; ``tools/random_walks.py`` walks further."""

import pytest

from core_support.random_order import run_walk

WALKS = 20_000
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_the_core_and_the_naive_model_agree_on_random_walks(part: int) -> None:
    seeds = range(part * WALKS // PARTS, (part + 1) * WALKS // PARTS)
    inputs = [run_walk(seed) for seed in seeds]  # raises where the two disagree
    assert min(inputs) > 0
    assert sum(inputs) > 10 * len(seeds), "walks that go nowhere agree on everything"
