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


FOUND = (
    1000011728,
    1000028598,
    1000041978,
    1000043690,
    1000057866,
    1000085835,
    1000094297,
    1000149161,
    1000186505,
    1000237805,
    7000017025,
    8000003601,
    8000007879,
)
"""Walks on which the two once differed."""


@pytest.mark.parametrize("seed", FOUND)
def test_they_agree_where_they_once_did_not(seed: int) -> None:
    assert run_walk(seed) > 0
