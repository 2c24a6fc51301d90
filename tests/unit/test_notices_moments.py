"""From when on a full car costs: every exclusion, both modes of grace, and blips that are no news."""

from zoneinfo import ZoneInfo

import pytest

from billing.notices.moments import Outlook, outlook_at, restarts_notices
from billing.rating import Context, rate
from billing.tariffs import NoFeeHours, Tariff, Tax, Tier
from sessions.events import Event, EventType
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import Span, Timeline, fold

STANDARD = Tariff(name="standard", currency="USD", rate_minor_per_minute=40)
ZONE = ZoneInfo("Europe/Berlin")
HORIZON = 86_400


def timeline(*story: tuple[str, int], until: int, offset_s: int = 0) -> Timeline:
    events = [
        Event(at, None, EventType(kind), str(n), "1", "s", "outage" if "station" in kind else None, None, offset_s, b"")
        for n, (kind, at) in enumerate([("plugged_in", 0), ("charging_started", 10), *story])
    ]
    return fold(events, session="s", until=until)


def outlook(
    now: int,
    *story: tuple[str, int],
    tariff: Tariff = STANDARD,
    excuses: tuple[Span, ...] = (),
    accepted_at: int | None = None,
    offset_s: int = 0,
) -> Outlook:
    """At `now` on our clock, of a car that was full at 1800 on the station's unless its story says otherwise."""
    story = story or (("charge_complete", 1800),)
    context = Context(ZONE, excuses=excuses, notice_accepted_at=accepted_at)
    so_far, ahead = (
        rate(timeline(*story, until=until, offset_s=offset_s), tariff, context) for until in (now - offset_s, HORIZON)
    )
    return outlook_at(so_far, ahead, tariff, now)


def tariff(**terms: object) -> Tariff:
    return STANDARD.model_copy(update=terms)


WAIVE = tariff(grace=GracePolicy(mode=GraceMode.WAIVE))
FULL = ("charge_complete", 1800)
FAULT, RESTORED = ("station_fault", 1900), ("station_restored", 2000)


@pytest.mark.parametrize("terms", [STANDARD, WAIVE])
def test_it_costs_from_the_end_of_grace_in_either_mode(terms: Tariff) -> None:
    ahead = outlook(1800, tariff=terms)
    assert (ahead.charged_from, ahead.running_since, ahead.so_far_minor) == (2100, None, 0)


def test_the_moment_is_on_our_clock() -> None:
    assert outlook(1840, offset_s=40).charged_from == 2140


def test_a_fault_puts_the_moment_off() -> None:
    assert outlook(2010, FULL, FAULT, RESTORED).charged_from == 2200


def test_an_open_fault_leaves_no_moment_in_sight() -> None:
    assert outlook(1950, FULL, FAULT).charged_from is None


def test_an_excuse_that_begins_when_grace_ends_puts_the_moment_off_to_its_end() -> None:
    assert outlook(1800, excuses=(Span(2100, 4000, "works"),)).charged_from == 4000


def test_no_fee_hours_put_the_moment_off() -> None:
    free = tariff(no_fee_hours=(NoFeeHours(start="01:00", end="03:00"),))  # 1970-01-01 01:00 to 03:00 in Berlin
    assert outlook(1800, tariff=free).charged_from == 7200 + 300


def test_before_a_required_notice_is_accepted_no_moment_is_in_sight() -> None:
    required = tariff(requires_notice=True)
    assert outlook(1800, tariff=required).charged_from is None
    assert outlook(1900, tariff=required, accepted_at=1900).charged_from == 2200


def test_after_the_grace_the_fee_runs() -> None:
    late = outlook(1800 + 600)
    assert (late.charged_from, late.running_since, late.so_far_minor) == (2400, 2100, 2_00)


def test_under_waive_it_has_run_from_the_start() -> None:
    late = outlook(1800 + 600, tariff=WAIVE)
    assert (late.running_since, late.so_far_minor) == (1800, 4_00)


def test_after_a_fault_it_runs_anew() -> None:
    assert outlook(2600, FULL, ("station_fault", 2400), ("station_restored", 2500)).running_since == 2500


def test_during_a_fault_it_does_not_run() -> None:
    paused = outlook(2450, FULL, ("station_fault", 2400))
    assert (paused.charged_from, paused.running_since, paused.so_far_minor) == (None, None, 2_00)


def test_resumed_too_briefly_for_a_new_grace_it_runs_from_the_second_completion() -> None:
    again = outlook(3000, FULL, ("charging_resumed", 2400), ("charge_complete", 2700))
    assert (again.running_since, again.so_far_minor) == (2700, 4_00)


@pytest.mark.parametrize(
    "terms", [tariff(rate_minor_per_minute=0), tariff(cap_minor=2_00)], ids=["no rate", "cap reached"]
)
def test_where_nothing_more_can_cost_there_is_no_moment(terms: Tariff) -> None:
    assert outlook(2400, tariff=terms).charged_from is None


def test_a_zero_rate_with_tiers_above_it_may_cost() -> None:
    tiers = tariff(rate_minor_per_minute=0, tiers=(Tier(from_percent=50, rate_minor_per_minute=50),))
    ahead = outlook(1800, tariff=tiers)
    assert (ahead.charged_from, ahead.lowest_minor, ahead.highest_minor) == (2100, 0, 50)


def test_whether_tax_comes_on_top() -> None:
    assert outlook(1800, tariff=tariff(tax=Tax(code="VAT", rate_ppm=190_000, included=False))).tax_on_top
    assert not outlook(1800).tax_on_top


RESUMED = ("charging_resumed", 2000)


@pytest.mark.parametrize(
    ("story", "news"),
    [
        ((FULL,), True),
        ((FULL, RESUMED), False),
        ((FULL, RESUMED, ("charge_complete", 2119)), False),
        ((FULL, RESUMED, ("charge_complete", 2120)), True),
        ((FULL, RESUMED, ("charge_complete", 2060), ("charging_resumed", 2061), ("charge_complete", 2130)), False),
        ((FULL, RESUMED, FAULT, ("charge_complete", 2120)), True),  # faults do not break charging
    ],
)
def test_a_completion_after_a_blip_is_no_news(story: tuple[tuple[str, int], ...], news: bool) -> None:
    assert restarts_notices(timeline(*story, until=HORIZON).car, 120) is news
