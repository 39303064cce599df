"""Chance that is the same on every machine and in every Python: one seed, and streams named within it."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeVar

Item = TypeVar("Item")
_MASK: Final = (1 << 64) - 1


class Dice:
    """A stream of random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).

    Args:
        seed: any integer; the same seed gives the same stream.
    """

    __slots__ = ("_seed", "_state")

    def __init__(self, seed: int) -> None:
        self._seed = seed & _MASK
        self._state = self._seed

    def _next(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def bits(self, count: int) -> int:
        """A random integer of ``count`` bits."""
        drawn = 0
        for _ in range(-(-count // 64)):
            drawn = drawn << 64 | self._next()
        return drawn & ((1 << count) - 1)

    def below(self, limit: int) -> int:
        """A random integer from 0 to ``limit`` - 1."""
        return self._next() % limit

    def between(self, lowest: int, highest: int) -> int:
        """A random integer from ``lowest`` to ``highest``, both included."""
        return lowest + self._next() % (highest - lowest + 1)

    def fraction(self) -> float:
        """A random number from 0 up to, and not including, 1."""
        return self.bits(53) / (1 << 53)

    def percent(self, chance: int) -> bool:
        """True in ``chance`` of 100 cases."""
        return self._next() % 100 < chance

    def pick(self, items: Sequence[Item]) -> Item:
        """One of ``items``, each as likely as the others."""
        return items[self._next() % len(items)]

    def weighted(self, items: Sequence[tuple[Item, int]]) -> Item:
        """One of the items, each as likely as its weight says."""
        drawn = self.below(sum(weight for _, weight in items))
        for item, weight in items:
            if drawn < weight:
                return item
            drawn -= weight
        raise AssertionError("the weights add up to what was drawn from")

    def stream(self, *names: object) -> "Dice":
        """A stream of its own for these names, whatever was drawn from this one."""
        text = "\0".join(map(str, (self._seed, *names)))
        return Dice(int.from_bytes(blake2b(text.encode(), digest_size=8).digest()))
