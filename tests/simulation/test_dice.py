"""Chance that is the same everywhere."""

from execore.testing.simulation.dice import Dice


def test_the_stream_is_the_published_one() -> None:
    # The first outputs of SplitMix64 from state 0, as in the reference implementation.
    assert Dice(0).bits(64) == 0xE220A8397B1DCDAF
    second = Dice(0)
    second.bits(64)
    assert second.bits(64) == 0x6E789E6AA1B965F4


def test_a_named_stream_does_not_depend_on_what_was_drawn_before() -> None:
    fresh, used = Dice(7), Dice(7)
    for _ in range(5):
        used.below(10)
    assert fresh.stream("step", 3).bits(80) == used.stream("step", 3).bits(80)
    assert fresh.stream("step", 3).bits(80) != fresh.stream("step", 4).bits(80)


def test_draws_stay_in_their_range() -> None:
    dice = Dice(1)
    assert {dice.between(-1, 1) for _ in range(100)} == {-1, 0, 1}
    assert {dice.below(3) for _ in range(100)} == {0, 1, 2}
    assert {dice.pick("ab") for _ in range(100)} == {"a", "b"}
    assert not any(dice.percent(0) for _ in range(100))
    assert all(dice.percent(100) for _ in range(100))
    drawn = [dice.weighted((("often", 9), ("never", 0), ("seldom", 1))) for _ in range(500)]
    assert set(drawn) == {"often", "seldom"}
    assert drawn.count("often") > 350
    assert Dice(2).bits(74) < 1 << 74
