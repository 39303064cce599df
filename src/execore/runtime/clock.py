"""Time and chance, the two things the core takes from outside."""

import secrets
import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns the time now, integer nanoseconds UTC."""

RandomBits = Callable[[int], int]
"""Returns a random integer of so many bits; ids are made of it."""


def system_clock() -> int:
    """The computer's clock, integer nanoseconds UTC."""
    return time.time_ns()


def system_random_bits(count: int) -> int:
    """``count`` bits from the operating system's random source."""
    return secrets.randbits(count)
