"""Every row of the examples in docs/rules.md, to the second and the cent.

Plugged in at 0, energy flows from 10, complete at 1800, `standard`: unless a row says otherwise.
"""

from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.rating import Context, FeeReport, Occupancy, rate
from billing.tariffs import NoFeeHours, Tariff, Tier, preset
from sessions.events import Event, EventType
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import fold

STANDARD = preset("standard")
STARTED = preset("deduct_started")
WAIVE = preset("waive_completed")
NUMBERS = count()

BLIPS = [(1900 + 160 * number, 1930 + 160 * number) for number in range(5)]
HALF_AND_FULL = (
    Tier(from_percent=50, rate_minor_per_minute=50),
    Tier(from_percent=100, rate_minor_per_minute=100),
)


def event(kind: EventType, at: int, cause: str | None = None) -> Event:
    session = None if cause else "s"
    return Event(at, None, kind, f"e-{next(NUMBERS)}", "1", session, cause, None, None, b"")


def story(
    *,
    plugged_in: int = 0,
    energy: int = 10,
    complete: tuple[int, ...] = (1800,),
    resumed: tuple[int, ...] = (),
    unplugged: int | None = None,
    faults: tuple[tuple[str, int, int], ...] = (),
) -> list[Event]:
    """A session as a row tells it."""
    events = [event(EventType.PLUGGED_IN, plugged_in), event(EventType.CHARGING_STARTED, energy)]
    events += [event(EventType.CHARGE_COMPLETE, at) for at in complete]
    events += [event(EventType.CHARGING_RESUMED, at) for at in resumed]
    for cause, opened, closed in faults:
        events += [
            event(EventType.STATION_FAULT, opened, cause),
            event(EventType.STATION_RESTORED, closed, cause),
        ]
    return events if unplugged is None else [*events, event(EventType.UNPLUGGED, unplugged)]


def bill(events: list[Event], tariff: Tariff = STANDARD, *, until: int | None = None, **context: Any) -> FeeReport:
    return rate(fold(events, session="s", until=until), tariff, Context(zone=ZoneInfo("UTC"), **context))


def standard(**changes: Any) -> Tariff:
    return STANDARD.model_copy(update=changes)


def full_site(base_minor: int, *tiers: Tier) -> Tariff:
    return standard(rate_minor_per_minute=base_minor, tiers=tiers)


@pytest.mark.parametrize(
    ("after_s", "billed_s", "fee_minor"),
    [
        (299, 0, 0),
        (300, 0, 0),
        (301, 1, 0),
        (359, 59, 0),
        (360, 60, 40),
        (361, 61, 40),
        (600, 300, 2_00),
        (900, 600, 4_00),
    ],
)
def test_unplugging_after_the_completion(after_s: int, billed_s: int, fee_minor: int) -> None:
    report = bill(story(unplugged=1800 + after_s))
    assert (report.billed_s, report.fee_minor) == (billed_s, fee_minor)


@pytest.mark.parametrize(
    ("after_s", "deduct_minor", "started_minor", "waive_minor"),
    [
        (299, 0, 0, 0),
        (300, 0, 0, 0),
        (301, 0, 40, 2_00),
        (359, 0, 40, 2_00),
        (360, 40, 40, 2_40),
        (361, 40, 80, 2_40),
    ],
)
def test_the_three_readings_of_five_minutes(
    after_s: int, deduct_minor: int, started_minor: int, waive_minor: int
) -> None:
    fees = [bill(story(unplugged=1800 + after_s), tariff).fee_minor for tariff in (STANDARD, STARTED, WAIVE)]
    assert fees == [deduct_minor, started_minor, waive_minor]


ROWS: dict[str, tuple[list[Event], Tariff, int, int]] = {
    "waive: 300 s": (story(unplugged=2100), WAIVE, 0, 0),
    "waive: 301 s": (story(unplugged=2101), WAIVE, 301, 2_00),
    "started: 301 s": (story(unplugged=2101), STARTED, 1, 40),
    "complete 3 min, charging 5, complete 4": (
        story(complete=(1800, 2280), resumed=(1980,), unplugged=2520),
        STANDARD,
        120,
        80,
    ),
    "complete 8 min, charging 12, complete 8: two stays": (
        story(complete=(1800, 3000), resumed=(2280,), unplugged=3480),
        STANDARD,
        360,
        2_40,
    ),
    "complete 8 min, charging 9, complete 8: one stay": (
        story(complete=(1800, 2820), resumed=(2280,), unplugged=3300),
        STANDARD,
        660,
        4_40,
    ),
    "15 min with five blips of 30 s": (
        story(
            complete=(1800, *(end for _, end in BLIPS)),
            resumed=tuple(start for start, _ in BLIPS),
            unplugged=2700,
        ),
        STANDARD,
        450,
        2_80,
    ),
    "complete 2 min, fault 10, complete 6": (
        story(faults=(("a", 1920, 2520),), unplugged=2880),
        STANDARD,
        180,
        1_20,
    ),
    "fault 1700-2100 over the completion": (
        story(faults=(("a", 1700, 2100),), unplugged=2520),
        STANDARD,
        120,
        80,
    ),
    "faults a 2200-2400 and b 2300-2500": (
        story(faults=(("a", 2200, 2400), ("b", 2300, 2500)), unplugged=2800),
        STANDARD,
        400,
        2_40,
    ),
    "completion reported before energy, and again": (
        story(complete=(5, 1800), unplugged=2500),
        STANDARD,
        400,
        2_40,
    ),
    "energy and completion 9 s before the plug-in": (
        story(energy=-9, complete=(-9,), unplugged=14_517),
        STANDARD,
        14_217,
        94_40,
    ),
    "fault opened, closed and opened again before the plug-in": (
        story(faults=(("a", -90, -50), ("a", -10, 2000)), unplugged=2500),
        STANDARD,
        200,
        1_20,
    ),
    "charging 12 min with a fault of 1 s in it": (
        story(complete=(1800, 3000), resumed=(2280,), faults=(("a", 2700, 2701),), unplugged=3480),
        STANDARD,
        360,
        2_40,
    ),
    "charging 12 min with complete and resumed in one second in it": (
        story(complete=(1800, 2700, 3000), resumed=(2280, 2700), unplugged=3480),
        STANDARD,
        360,
        2_40,
    ),
    "completion after the unplug": (story(unplugged=1000), STANDARD, 0, 0),
    "complete again at 2000": (story(complete=(1800, 2000), unplugged=2520), STANDARD, 420, 2_80),
    "cap $3.00, 30 min": (story(unplugged=3600), standard(cap_minor=3_00), 1500, 3_00),
    "80 h 40 min without a message": (story(unplugged=1800 + 290_400), STANDARD, 290_100, 1_934_00),
    "waive, complete 4 min, charging 10, complete 8": (
        story(complete=(1800, 2640), resumed=(2040,), unplugged=3120),
        WAIVE,
        480,
        3_20,
    ),
    "no fee 2400-2700": (
        story(unplugged=3000),
        standard(no_fee_hours=(NoFeeHours(start="00:40", end="00:45"),)),
        600,
        4_00,
    ),
    "requires_notice, never accepted": (story(unplugged=2700), standard(requires_notice=True), 0, 0),
}


@pytest.mark.parametrize("row", ROWS)
def test_row(row: str) -> None:
    events, tariff, billed_s, fee_minor = ROWS[row]
    report = bill(events, tariff)
    assert (report.billed_s, report.fee_minor) == (billed_s, fee_minor)


def test_half_occupied_from_the_middle_on() -> None:
    occupancy = (Occupancy(0, 4, 10), Occupancy(2280, 5, 10))
    report = bill(story(unplugged=2700), full_site(0, *HALF_AND_FULL), occupancy=occupancy)
    assert (report.billed_s, report.fee_minor) == (600, 3_50)


def test_full_from_the_middle_of_a_piece_on() -> None:
    occupancy = (Occupancy(0, 1, 2), Occupancy(2310, 2, 2))
    report = bill(story(unplugged=2700), full_site(50, HALF_AND_FULL[1]), occupancy=occupancy)
    assert (report.billed_s, report.fee_minor) == (600, 8_00)


def test_the_bill_without_the_fault_is_lower() -> None:
    occupancy = (Occupancy(0, 1, 4), Occupancy(2130, 2, 4))
    events = story(faults=(("a", 2100, 2130),), unplugged=2190)
    report = bill(events, full_site(0, *HALF_AND_FULL), occupancy=occupancy)
    assert (report.billed_s, report.fee_minor, report.without_exclusions) == (90, 0, True)


def test_notice_accepted_at_1920() -> None:
    report = bill(story(unplugged=2700), standard(requires_notice=True), notice_accepted_at=1920)
    assert (report.billed_s, report.fee_minor) == (480, 3_20)


def test_without_an_unplug_the_last_message_about_the_stall_ends_the_count() -> None:
    report = bill(story(), until=2600)
    assert (report.billed_s, report.fee_minor) == (500, 3_20)


def test_standard_is_what_the_rules_say() -> None:
    plain = Tariff(
        name="standard",
        currency="USD",
        rate_minor_per_minute=40,
        grace=GracePolicy(GraceMode.DEDUCT, grace_s=300, grace_again_after_s=600, min_resume_s=120),
        fragment="completed",
        sources=STANDARD.sources,
    )
    assert plain == STANDARD
    assert (plain.cap_minor, plain.tiers, plain.tax, plain.review_above_minor) == (None, (), None, None)
    assert plain.requires_notice is False
