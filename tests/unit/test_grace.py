"""Grace: policies that make no sense are refused; stays, and what each second of them is."""

from typing import Any

import pytest

from sessions.grace import GraceMode, GracePolicy, Stay, stays
from sessions.machine import Car, Span, Timeline


def timeline(*car: tuple[str, int], excused: tuple[Span, ...] = ()) -> Timeline:
    """A timeline from lengths: ("charging", 1790), ("complete", 600)."""
    spans: list[Span] = []
    for label, length_s in car:
        start = spans[-1].end if spans else 0
        spans.append(Span(start, start + length_s, Car(label)))
    end = spans[-1].end if spans else 0
    return Timeline(0, end, end, "1", None, tuple(spans), excused, (), (), 0, None)


def lengths(stay: Stay) -> list[tuple[str, int]]:
    return [(label, end - start) for start, end, label in stay.spans]


def test_a_policy_is_five_minutes_for_everybody_by_default() -> None:
    assert GracePolicy() == GracePolicy(GraceMode.DEDUCT, 300, 600, 120)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grace_s": -1}, "grace_s must not be negative, but is -1"),
        ({"min_resume_s": 0}, "min_resume_s must be above 0, but is 0"),
        ({"grace_again_after_s": 119}, "grace_again_after_s must be at least min_resume_s, but is 119"),
        ({"grace_s": -1, "min_resume_s": -2}, "grace_s .*; min_resume_s "),
    ],
)
def test_a_policy_that_makes_no_sense_names_all_its_faults(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GracePolicy(**changes)


def test_a_policy_may_grant_no_grace_and_grant_it_again_after_every_blip() -> None:
    policy = GracePolicy(grace_s=0, grace_again_after_s=120, min_resume_s=120)
    (stay,) = stays(timeline(("complete", 60)), policy)
    assert lengths(stay) == [("idle", 60)]


@pytest.mark.parametrize(
    ("mode", "length_s", "expected"),
    [
        (GraceMode.DEDUCT, 299, [("grace", 299)]),
        (GraceMode.DEDUCT, 300, [("grace", 300)]),
        (GraceMode.DEDUCT, 301, [("grace", 300), ("idle", 1)]),
        (GraceMode.DEDUCT, 361, [("grace", 300), ("idle", 61)]),
        (GraceMode.WAIVE, 299, [("grace", 299)]),
        (GraceMode.WAIVE, 300, [("grace", 300)]),
        (GraceMode.WAIVE, 301, [("idle", 301)]),
        (GraceMode.WAIVE, 361, [("idle", 361)]),
    ],
)
def test_the_edge_of_grace(mode: GraceMode, length_s: int, expected: list[tuple[str, int]]) -> None:
    (stay,) = stays(timeline(("charging", 1800), ("complete", length_s)), GracePolicy(mode))
    assert lengths(stay) == expected
    assert (stay.start, stay.end) == (1800, 1800 + length_s)
    assert stay.free_s + stay.billed_s == stay.chargeable_s == length_s


@pytest.mark.parametrize(("charged_s", "number"), [(30, 1), (119, 1), (599, 1), (600, 2), (3600, 2)])
def test_how_much_charging_grants_grace_again(charged_s: int, number: int) -> None:
    car = timeline(("complete", 480), ("charging", charged_s), ("complete", 480))
    assert len(stays(car, GracePolicy())) == number


def test_charging_in_pieces_grants_nothing() -> None:
    creeping = [("complete", 60), ("charging", 599)] * 5
    assert len(stays(timeline(*creeping, ("complete", 60)), GracePolicy())) == 1


def test_without_a_completion_there_is_no_stay() -> None:
    assert stays(timeline(("connected", 10), ("charging", 5000)), GracePolicy()) == ()
    assert stays(timeline(), GracePolicy()) == ()


def test_grace_is_spent_on_chargeable_seconds_only() -> None:
    car = timeline(
        ("charging", 100), ("complete", 200), ("charging", 300), ("complete", 400), excused=(Span(150, 250, "a"),)
    )
    (stay,) = stays(car, GracePolicy(), [Span(650, 700, "operator blocked exit")])
    assert lengths(stay) == [
        ("grace", 50),
        ("excused:fault a", 100),
        ("grace", 50),
        ("grace", 50),
        ("excused:operator blocked exit", 50),
        ("grace", 150),
        ("idle", 150),
    ]


def test_what_is_excluded_twice_is_named_once_and_a_fault_comes_first() -> None:
    car = timeline(("complete", 1000), excused=(Span(400, 500, "a"),))
    exclusions = [Span(350, 600, "operator x"), Span(450, 700, "no-fee hours"), Span(-50, 50, "no notice")]
    (stay,) = stays(car, GracePolicy(), exclusions)
    assert lengths(stay) == [
        ("excused:no notice", 50),
        ("grace", 300),
        ("excused:operator x", 50),
        ("excused:fault a", 100),
        ("excused:operator x", 100),
        ("excused:no-fee hours", 100),
        ("idle", 300),
    ]


def test_a_stay_that_is_excluded_whole_is_a_stay_still() -> None:
    (stay,) = stays(timeline(("complete", 100)), GracePolicy(), [Span(0, 100, "no notice")])
    assert (stay.chargeable_s, stay.spans) == (0, (Span(0, 100, "excused:no notice"),))


@pytest.mark.parametrize(("excluded_s", "billed_s"), [(1, 0), (0, 301)])
def test_waive_compares_what_is_left_of_a_stay(excluded_s: int, billed_s: int) -> None:
    (stay,) = stays(timeline(("complete", 301)), GracePolicy(GraceMode.WAIVE), [Span(0, excluded_s, "x")])
    assert stay.billed_s == billed_s
