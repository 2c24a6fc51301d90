"""Every row of the examples of the rules: plugged in at 0, energy from 10, complete at 1800 unless said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.events import Fact
from tests.model.rules import bill
from tests.model.stories import (
    NOW,
    SESSION,
    charging,
    complete,
    event,
    fault,
    idle_until,
    neighbour,
    resumed,
    unplugged,
    world,
)

FREE_BELOW_HALF = {"rate_minor_per_minute": 0, "tiers": [(50, 50), (100, 100)]}


def billed(facts: list[Fact], **tariff: Any) -> tuple[int, int]:
    result = bill(facts, world(**tariff), SESSION, NOW)
    return result["billed_s"], result["fee_minor"]


@pytest.mark.parametrize(
    ("unplugged_after_s", "billed_s", "fee_minor"),
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
def test_unplugging_after_completion(unplugged_after_s: int, billed_s: int, fee_minor: int) -> None:
    assert billed(idle_until(1800 + unplugged_after_s)) == (billed_s, fee_minor)


def test_waive_charges_a_stay_past_its_grace_from_the_first_second() -> None:
    assert billed(idle_until(2100), grace_mode="waive") == (0, 0)
    assert billed(idle_until(2101), grace_mode="waive") == (301, 2_00)


def test_a_started_fragment_is_a_piece() -> None:
    assert billed(idle_until(2101), fragment="started") == (1, 40)


BLIPS = [at for start in range(1900, 2700, 160) for at in (start, start + 30)]
ROWS = {
    "complete 3 min, charging 5, complete 4": (
        charging() + complete(1800, 2280) + resumed(1980) + unplugged(2520),
        (120, 80),
    ),
    "complete 8 min, charging 12, complete 8: two stays": (
        charging() + complete(1800, 3000) + resumed(2280) + unplugged(3480),
        (360, 2_40),
    ),
    "complete 8 min, charging 9, complete 8: one stay": (
        charging() + complete(1800, 2820) + resumed(2280) + unplugged(3300),
        (660, 4_40),
    ),
    "15 min with five blips of 30 s": (
        charging() + complete(1800, *BLIPS[1::2]) + resumed(*BLIPS[::2]) + unplugged(2700),
        (450, 2_80),
    ),
    "complete 2 min, fault 10, complete 6": (idle_until(2880) + fault(1920, 2520), (180, 1_20)),
    "fault over the completion": (idle_until(2520) + fault(1700, 2100), (120, 80)),
    "overlapping faults a and b": (
        idle_until(2800) + fault(2200, 2400, "a") + fault(2300, 2500, "b"),
        (400, 2_40),
    ),
    "completion before energy is none": (
        charging() + complete(5, 1800) + unplugged(2500),
        (400, 2_40),
    ),
    "energy and completion 9 s before the plug-in": (
        [event("charging_started", -9), *complete(-9), event("plugged_in", 0), *unplugged(14_517)],
        (14_217, 94_40),
    ),
    "a cause opened again before the plug-in": (
        idle_until(2500) + fault(-90, -50) + fault(-10, 2000),
        (200, 1_20),
    ),
    "a fault of 1 s does not break charging": (
        charging() + complete(1800, 3000) + resumed(2280) + fault(2700, 2701) + unplugged(3480),
        (360, 2_40),
    ),
    "a completion that lasts no second does not break charging": (
        charging() + complete(1800, 2700, 3000) + resumed(2280, 2700) + unplugged(3480),
        (360, 2_40),
    ),
    "completion after the unplug": (charging() + unplugged(1000) + complete(1800), (0, 0)),
    "complete again": (charging() + complete(1800, 2000) + unplugged(2520), (420, 2_80)),
    "80 h 40 min without a message": (idle_until(1800 + 290_400), (290_100, 1934_00)),
    "no unplug": (charging() + complete(1800) + [event("meter", 2600, session=None)], (500, 3_20)),
}


@pytest.mark.parametrize("row", ROWS)
def test_example(row: str) -> None:
    facts, expected = ROWS[row]
    assert billed(facts) == expected


def test_blips_are_five_of_thirty_seconds() -> None:
    assert [end - start for start, end in zip(BLIPS[::2], BLIPS[1::2], strict=True)] == [30] * 5


def test_a_completion_after_the_unplug_is_the_reason_given() -> None:
    facts, _ = ROWS["completion after the unplug"]
    assert bill(facts, world(), SESSION, NOW)["not_billable"] == "complete_after_unplug"


def tiered(facts: list[Fact], *, stalls: int, **tariff: Any) -> tuple[int, int]:
    """Billed while the neighbours still stand there: an open session occupies its stall until now."""
    result = bill(facts, world(stalls, **tariff), SESSION, 5000)
    return result["billed_s"], result["fee_minor"]


def test_half_occupied_from_the_middle_on() -> None:
    facts = idle_until(2700) + neighbour("2", 100) + neighbour("3", 100) + neighbour("4", 100)
    facts += neighbour("5", 2280)
    assert tiered(facts, stalls=10, **FREE_BELOW_HALF) == (600, 3_50)


def test_the_lowest_rate_in_force_holds_for_a_whole_piece() -> None:
    facts = idle_until(2700) + neighbour("2", 2310)
    assert tiered(facts, stalls=2, rate_minor_per_minute=50, tiers=[(100, 100)]) == (600, 8_00)


def test_a_fault_cannot_make_the_bill_dearer() -> None:
    facts = idle_until(2190) + fault(2100, 2130) + neighbour("2", 2130)
    assert tiered(facts, stalls=4, **FREE_BELOW_HALF) == (90, 0)


def test_the_cap_holds() -> None:
    assert billed(idle_until(3600), cap_minor=3_00) == (1500, 3_00)


def test_waive_looks_at_each_stay() -> None:
    facts = charging() + complete(1800, 2640) + resumed(2040) + unplugged(3120)
    assert billed(facts, grace_mode="waive") == (480, 3_20)


def test_no_fee_hours_use_up_nothing() -> None:
    window = {"days": [3], "start": "00:40", "end": "00:45"}
    assert billed(idle_until(3000), no_fee_hours=[window]) == (600, 4_00)


def test_notice_accepted() -> None:
    notice = {"kind": "notice_accepted", "session": SESSION, "at": 1920}
    assert billed([*idle_until(2700), notice], requires_notice=True) == (480, 3_20)


def test_notice_never_accepted() -> None:
    assert billed(idle_until(2700), requires_notice=True) == (0, 0)
