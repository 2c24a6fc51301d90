"""The only place that reads the wall clock. Everything else is given a Clock, or a moment.

`now()` is whole UTC seconds since the epoch, the one form of time inside the product.
"""

import time
from fractions import Fraction
from typing import Protocol

_NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> int:
        """UTC seconds since the epoch."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // _NS_PER_S


class FixedClock:
    """Stands still until it is moved: for tests, and for questions about one moment."""

    def __init__(self, now_s: int) -> None:
        self._now_s = now_s

    def now(self) -> int:
        return self._now_s

    def advance(self, seconds: int) -> None:
        """Move the clock; a negative number moves it back, as a corrected system clock does."""
        self._now_s += seconds


class ScaledClock:
    """Starts at `start_s` and runs `speed` times as fast as real time: for the demo.

    It is driven by the monotonic clock, so that a correction of the system clock cannot make it jump.
    """

    def __init__(self, start_s: int, speed: float | Fraction = 1) -> None:
        if speed <= 0:
            raise ValueError(f"a clock runs forward: speed must be above 0, not {speed}")
        self.speed = Fraction(speed)
        self._start_s = start_s
        self._started_ns = time.monotonic_ns()

    def now(self) -> int:
        elapsed_ns = time.monotonic_ns() - self._started_ns
        return self._start_s + elapsed_ns * self.speed.numerator // (self.speed.denominator * _NS_PER_S)
