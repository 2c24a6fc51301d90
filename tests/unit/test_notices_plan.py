"""When the owner of a full car is told of what: a table of stays, and what a late or repeated look comes to."""

from zoneinfo import ZoneInfo

import pytest

from billing.notices.kinds import CHARGE_COMPLETE, FEE_BEGUN, FEE_STEP, ONE_MINUTE_LEFT
from billing.notices.plan import Due, Moment, Told, due, moments
from billing.rating import Context, rate
from billing.tariffs import FeeSteps, NoFeeHours, Tariff
from sessions.events import Event, EventType
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import Span, fold

STANDARD = Tariff(name="standard", currency="USD", rate_minor_per_minute=40)
FULL = ("charge_complete", 1800)
HORIZON = 1800 + 45 * 60


def planned(
    *story: tuple[str, int], terms: Tariff = STANDARD, offset_s: int = 0, excuses: tuple[Span, ...] = ()
) -> list[tuple[str, int]]:
    told = [("plugged_in", 0), ("charging_started", 10), *(story or (FULL,))]
    events = [
        Event(at, None, EventType(kind), str(n), "1", "s", "outage" if "station" in kind else None, None, offset_s, b"")
        for n, (kind, at) in enumerate(told)
    ]
    report = rate(fold(events, session="s", until=HORIZON), terms, Context(ZoneInfo("UTC"), excuses=excuses))
    return [(one.kind, one.at) for one in moments(report, terms)]


def terms(**other: object) -> Tariff:
    return STANDARD.model_copy(update=other)


def grace(seconds: int, mode: GraceMode = GraceMode.DEDUCT) -> Tariff:
    return terms(grace=GracePolicy(grace_s=seconds, mode=mode))


def steps(*at: int) -> list[tuple[str, int]]:
    return [(FEE_STEP, one) for one in at]


MINUTE, BEGUN = (ONE_MINUTE_LEFT, 2040), (FEE_BEGUN, 2100)
TENS = steps(2700, 3300, 3900, 4500)


@pytest.mark.parametrize(
    ("story", "tariff", "moments_told"),
    [
        ((), STANDARD, [MINUTE, BEGUN, *TENS]),
        ((), grace(300, GraceMode.WAIVE), [MINUTE, BEGUN, *TENS]),
        ((), grace(60), [(ONE_MINUTE_LEFT, 1800), (FEE_BEGUN, 1860), *steps(2460, 3060, 3660, 4260)]),
        ((), grace(59), [(FEE_BEGUN, 1859), *steps(2459, 3059, 3659, 4259)]),
        ((), grace(0), [(FEE_BEGUN, 1800), *steps(2400, 3000, 3600, 4200)]),
        ((), grace(7200), []),
        ((), terms(rate_minor_per_minute=100), [MINUTE, BEGUN, *steps(2400, 2700, 3000, 3300, 3600, 3900, 4200, 4500)]),
        ((), terms(rate_minor_per_minute=300), [MINUTE, BEGUN, *steps(*range(2220, 4501, 120))]),
        ((), terms(fee_steps=FeeSteps(every_minutes=30)), [MINUTE, BEGUN, *steps(2880, 3660, 4440)]),
        ((), terms(fee_steps=FeeSteps(every_minutes=20, every_minor=10_00)), [MINUTE, BEGUN, *steps(3300, 4500)]),
        (
            (FULL, ("station_fault", 1900), ("station_restored", 2000)),
            STANDARD,
            [(ONE_MINUTE_LEFT, 2140), (FEE_BEGUN, 2200), *steps(2800, 3400, 4000)],
        ),
        ((FULL, ("station_fault", 1900)), STANDARD, []),
        (
            (FULL, ("station_fault", 2400), ("station_restored", 2500)),
            STANDARD,
            [MINUTE, BEGUN, *steps(2800, 3400, 4000)],
        ),
        # a blip inside a stay: what is left of its grace
        (
            (FULL, ("charging_resumed", 1900), ("charge_complete", 1930)),
            STANDARD,
            [(ONE_MINUTE_LEFT, 2070), (FEE_BEGUN, 2130), *steps(2730, 3330, 3930)],
        ),
        # a new grace, and the steps of the fee counted anew
        (
            (FULL, ("charging_resumed", 2700), ("charge_complete", 3300)),
            STANDARD,
            [(ONE_MINUTE_LEFT, 3540), (FEE_BEGUN, 3600), *steps(4200)],
        ),
    ],
)
def test_the_table_of_moments(
    story: tuple[tuple[str, int], ...], tariff: Tariff, moments_told: list[tuple[str, int]]
) -> None:
    assert planned(*story, terms=tariff) == moments_told


def test_moments_are_on_our_clock() -> None:
    assert planned(offset_s=40)[:2] == [(ONE_MINUTE_LEFT, 2080), (FEE_BEGUN, 2140)]


def test_an_excuse_moves_them() -> None:
    assert planned(excuses=(Span(2000, 2300, "works"),))[:2] == [(ONE_MINUTE_LEFT, 2340), (FEE_BEGUN, 2400)]


def test_free_hours_move_them() -> None:
    free = terms(no_fee_hours=(NoFeeHours(start="00:30", end="00:40"),))
    assert planned(terms=free)[:2] == [(ONE_MINUTE_LEFT, 2640), (FEE_BEGUN, 2700)]


PLAN = [Moment(2040, ONE_MINUTE_LEFT), Moment(2100, FEE_BEGUN), Moment(2700, FEE_STEP), Moment(3300, FEE_STEP)]
COMPLETE = Told(CHARGE_COMPLETE, 1800)


@pytest.mark.parametrize(
    ("now", "told", "charged_from", "tell", "next_at"),
    [
        (1800, [COMPLETE], 2100, None, 2040),
        (2039, [COMPLETE], 2100, None, 2040),
        (2040, [COMPLETE], 2100, ONE_MINUTE_LEFT, 2100),
        (2041, [COMPLETE, Told(ONE_MINUTE_LEFT, 2040)], 2100, None, 2100),
        (2040, [Told(CHARGE_COMPLETE, 1981)], 2100, None, 2100),  # within the minute before
        (2040, [Told(CHARGE_COMPLETE, 1980)], 2100, ONE_MINUTE_LEFT, 2100),
        (2099, [COMPLETE], 2100, ONE_MINUTE_LEFT, 2100),
        (2100, [COMPLETE], 2100, FEE_BEGUN, 2700),
        (2100, [COMPLETE, Told(ONE_MINUTE_LEFT, 2099)], 2100, FEE_BEGUN, 2700),
        (2100, [Told(CHARGE_COMPLETE, 2100)], 2100, None, 2700),  # that it runs was said already
        (2100, [Told(CHARGE_COMPLETE, 2099)], 2100, FEE_BEGUN, 2700),  # what was said was a deadline
        (2130, [COMPLETE, Told(FEE_BEGUN, 2105)], 2130, None, 2700),
        (2200, [COMPLETE, Told(FEE_BEGUN, 2041)], 2200, None, 2700),  # late facts moved it by less than a minute
        (2200, [COMPLETE, Told(FEE_BEGUN, 2040)], 2200, FEE_BEGUN, 2700),  # …by a minute: told again
        (3500, [COMPLETE], 3500, FEE_STEP, None),  # an hour late: the present, once
        (3500, [COMPLETE, Told(FEE_STEP, 3400)], 3500, None, None),
        (3500, [Told(CHARGE_COMPLETE, 3450)], 3500, None, None),
        (2700, [COMPLETE, Told(FEE_BEGUN, 2660)], 2700, None, 3300),  # it began to be told late
        (2150, [COMPLETE], 2400, None, 2400),  # it pauses: told when it runs again
        (2650, [COMPLETE], 2800, None, 2700),
        (2150, [COMPLETE], None, None, None),  # nothing costs any more
    ],
)
def test_the_latest_is_told_once_and_only_while_it_is_true(
    now: int, told: list[Told], charged_from: int | None, tell: str | None, next_at: int | None
) -> None:
    found = due(PLAN, told, now, charged_from)
    assert (None if found.tell is None else found.tell.kind, found.next_at) == (tell, next_at)


def test_where_nothing_is_planned_there_is_nothing_to_tell() -> None:
    assert due([], [], 0, None) == Due(None, None)
