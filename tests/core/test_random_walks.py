"""20,000 random walks on which core and naive model agree; ``tools/random_walks.py`` walks further."""

import pytest

from core_support.random_order import run_walk

WALKS = 20_000
PARTS = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_the_core_and_the_naive_model_agree_on_random_walks(part: int) -> None:
    for seed in range(part * WALKS // PARTS, (part + 1) * WALKS // PARTS):
        run_walk(seed)
