"""Clocks: the system's, one that stands still, one that runs faster."""

import time
from fractions import Fraction

import pytest
from freezegun import freeze_time

from sessions.clock import FixedClock, ScaledClock, SystemClock


def test_the_system_clock_cuts_to_whole_utc_seconds() -> None:
    with freeze_time("2024-05-01T12:00:00.999999+00:00"):
        assert SystemClock().now() == 1_714_564_800


def test_a_fixed_clock_moves_only_when_it_is_moved() -> None:
    clock = FixedClock(100)
    assert [clock.now(), clock.now()] == [100, 100]
    clock.advance(60)
    clock.advance(-10)
    assert clock.now() == 150


@pytest.mark.parametrize(
    ("speed", "real_ms", "expected"),
    [(1, 999, 1000), (1, 1000, 1001), (60, 1000, 1060), (0.5, 3000, 1001), (Fraction(1, 3), 3000, 1001)],
)
def test_a_scaled_clock_runs_so_many_times_as_fast(
    monkeypatch: pytest.MonkeyPatch, speed: float | Fraction, real_ms: int, expected: int
) -> None:
    monotonic_ns = 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: monotonic_ns)
    clock = ScaledClock(1000, speed)
    monotonic_ns += real_ms * 1_000_000
    assert clock.now() == expected


@pytest.mark.parametrize("speed", [0, -1])
def test_a_clock_that_does_not_run_forward_is_refused(speed: int) -> None:
    with pytest.raises(ValueError, match="runs forward"):
        ScaledClock(0, speed)
