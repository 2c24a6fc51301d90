"""Pure: how long until a car is full, guessed from what its charger reported. A guess, and told as one.

In doubt it says nothing, and of several guesses it takes the longest: that a car is full is told in any case, and a
warning that comes too early is believed once. Whole numbers all along: states of charge are tenths of a percent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

FULL = 1000
WINDOW_S = 1800  # how far back a rate is looked for: a battery slows down as it fills
SHORTEST_S = 120  # …and how much of it there must be
LEAST_GAIN = 10  # many cars report whole percents
STALE_S = 1200  # a sample older than this tells nothing of now


@dataclass(frozen=True, slots=True)
class Sample:
    """What a charger reported while energy flowed; `at` in UTC seconds on its own clock."""

    at: int
    charge: int
    power_w: int | None = None


def seconds_left(samples: Sequence[Sample], now: int) -> int | None:
    """In how many seconds the car will be full, or none where nobody can tell. `samples` of one stretch of charging,
    in order; `now` on the same clock.
    """
    if not samples or not 0 <= now - samples[-1].at <= STALE_S:
        return None
    last = samples[-1]
    if last.charge >= FULL:
        return 0
    window = [one for one in samples if one.at >= last.at - WINDOW_S]
    guesses = [left for first in (window[0], _latest_before(window)) if (left := _at_the_pace_since(first, last))]
    if not guesses or any(later.charge < earlier.charge for earlier, later in pairwise(window)):
        return None
    longest = _slowed_down(max(guesses), window)
    return None if longest is None else max(0, longest - (now - last.at))


def _latest_before(window: Sequence[Sample]) -> Sample:
    """The newest sample that is old enough to measure a pace by."""
    return next((one for one in reversed(window) if window[-1].at - one.at >= SHORTEST_S), window[0])


def _at_the_pace_since(first: Sample, last: Sample) -> int | None:
    gained, took_s = last.charge - first.charge, last.at - first.at
    if took_s < SHORTEST_S or gained < LEAST_GAIN:
        return None
    return -(-(FULL - last.charge) * took_s // gained)


def _slowed_down(left_s: int, window: Sequence[Sample]) -> int | None:
    """Where less power flows now than on average of the window, it takes as much longer. None: none flows."""
    powers = [one.power_w for one in window if one.power_w is not None]
    now_w = window[-1].power_w
    if now_w is None:
        return left_s
    if now_w <= 0:
        return None
    return max(left_s, -(-left_s * sum(powers) // (now_w * len(powers))))
