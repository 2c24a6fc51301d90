"""How many stalls are occupied and in service: the walk over all changes against counting stalls moment by moment."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sessions.facts import FOREVER
from sessions.sites import Occupied, Stretch, occupied_through, through

START, END = 5, 25


@st.composite
def stretches(draw: st.DrawFn) -> list[Stretch]:
    starts = draw(st.lists(st.integers(0, 30), max_size=6))
    return [
        Stretch("st", draw(st.sampled_from("abc")), start, draw(st.sampled_from([FOREVER, start + 1, start + 9])))
        for start in starts
    ]


def counted(busy: Sequence[Stretch], out: Sequence[Stretch], standing: Sequence[Stretch], at: int) -> tuple[int, int]:
    """The counts at one moment, by looking at every stretch."""
    now = [{one.stall for one in some if one.start <= at < one.end} for some in (busy, out, standing)]
    return len(now[0]), len(now[2] - now[1])


@given(stretches(), stretches(), stretches())
def test_every_moment_is_told_by_the_last_step_before_it(
    busy: list[Stretch], out: list[Stretch], standing: list[Stretch]
) -> None:
    steps = occupied_through(START, END, busy=busy, out=out, standing=standing)

    assert steps[0].at == START
    assert all(one[1:] != other[1:] for one, other in pairwise(steps))
    for at in range(START, END):
        told = max(step for step in steps if step.at <= at)
        assert told[1:] == counted(busy, out, standing, at)


@given(stretches(), st.integers(START, END - 1), st.integers(1, 10))
def test_a_part_of_the_steps_tells_the_same(busy: list[Stretch], start: int, lasting: int) -> None:
    steps = occupied_through(START, END, busy=busy, out=[], standing=[])
    end = min(start + lasting, END)

    part = through(steps, start, end)

    for at in range(start, end):
        assert max(step for step in part if step.at <= at)[1:] == counted(busy, [], [], at)
    assert part[0].at <= start
    assert all(start < step.at < end for step in part[1:])
    assert isinstance(part[0], Occupied)
