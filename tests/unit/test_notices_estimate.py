"""When a car will be full, as far as samples tell: a table, and that it rather says nothing, or too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.notices.estimate import FULL, STALE_S, Sample, seconds_left


def samples(*told: tuple[int, int] | tuple[int, int, int]) -> list[Sample]:
    return [Sample(*one) for one in told]


@pytest.mark.parametrize(
    ("told", "now", "left_s"),
    [
        (samples(), 0, None),
        (samples((0, 500)), 0, None),  # one sample has no pace
        (samples((0, 800), (600, 900)), 600, 600),  # 10 % in ten minutes, 10 % to go
        (samples((0, 800), (600, 900)), 700, 500),  # a hundred seconds of them are over
        (samples((0, 800), (600, 900)), 600 + STALE_S, 0),
        (samples((0, 800), (600, 900)), 601 + STALE_S, None),  # too long ago
        (samples((0, 800), (600, 900)), 599, None),  # of the future
        (samples((0, 890), (119, 900)), 119, None),  # too short to measure
        (samples((0, 890), (120, 900)), 120, 1200),
        (samples((0, 891), (120, 900)), 120, None),  # less than a percent gained
        (samples((0, 900), (600, 900)), 600, None),  # nothing gained
        (samples((0, 700), (600, 900)), 600, 300),
        (samples((0, 700), (300, 850), (600, 900)), 600, 600),  # slower of late: the slower pace
        (samples((0, 800), (300, 810), (600, 900)), 600, 600),  # faster of late: the slower pace all the same
        (samples((0, 900), (600, 800), (1200, 900)), 1200, None),  # it fell: another car, or a broken meter
        (samples((0, 200), (4000, 850), (4600, 900)), 4600, 1200),  # what is long ago sets no pace
        (samples((0, 800, 50_000), (600, 900, 50_000)), 600, 600),
        (samples((0, 800, 60_000), (600, 900, 20_000)), 600, 1200),  # half the mean power: twice the time
        (samples((0, 800, 20_000), (600, 900, 60_000)), 600, 600),  # more power hurries nothing
        (samples((0, 800, 50_000), (600, 900, 0)), 600, None),  # no power flows
        (samples((0, 800, 50_000), (600, 900)), 600, 600),  # no power reported
        (samples((0, 999), (600, 1000)), 600, 0),
        (samples((0, 1000)), 0, 0),
    ],
)
def test_the_table_of_guesses(told: list[Sample], now: int, left_s: int | None) -> None:
    assert seconds_left(told, now) == left_s


@given(
    st.lists(st.tuples(st.integers(1, 900), st.integers(0, 60), st.integers(0, 250_000)), min_size=1, max_size=12),
    st.integers(0, STALE_S),
)
def test_it_never_promises_a_car_sooner_than_its_slowest_pace_to_the_end(
    told: list[tuple[int, int, int]], after_s: int
) -> None:
    at, charge, found = 0, 300, []
    for waited_s, gained, power_w in told:
        at, charge = at + waited_s, min(FULL, charge + gained)
        found.append(Sample(at, charge, power_w))
    left = seconds_left(found, at + after_s)
    if left is None or charge == FULL:
        return
    window = [one for one in found if one.at >= at - 1800]
    pace = (window[-1].charge - window[0].charge) / (at - window[0].at)
    assert left + after_s >= (FULL - charge) / pace
    without_power = seconds_left([Sample(one.at, one.charge) for one in found], at + after_s)
    assert without_power is not None
    assert left >= without_power
