"""A statement's month: the seller's own, whatever its clocks did in it."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.statements import Month

BERLIN, AUCKLAND, UTC = (ZoneInfo(name) for name in ("Europe/Berlin", "Pacific/Auckland", "UTC"))
HOUR_S, DAY_S = 3600, 86_400


@pytest.mark.parametrize(
    ("month", "zone", "hours"),
    [
        ("2026-11", UTC, 30 * 24),
        ("2026-03", BERLIN, 31 * 24 - 1),  # the clocks go forward
        ("2026-10", BERLIN, 31 * 24 + 1),  # and back
        ("2028-02", BERLIN, 29 * 24),
        ("2026-12", AUCKLAND, 31 * 24),
    ],
)
def test_a_month_lasts_as_long_as_on_the_sellers_wall(month: str, zone: ZoneInfo, hours: int) -> None:
    read = Month.read(month)
    assert read.next.starts_at(zone) - read.starts_at(zone) == hours * HOUR_S
    assert str(read) == month


def test_a_month_begins_at_another_moment_for_each_seller() -> None:
    assert Month.read("2026-11").starts_at(UTC) - Month.read("2026-11").starts_at(BERLIN) == HOUR_S
    assert str(Month.read("2026-12").next) == "2027-01"


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-01", "2026-1", "2026-1a", "0001-01", "9999-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no month"):
        Month.read(text)


@given(st.integers(0, 4_000_000_000), st.sampled_from([BERLIN, AUCKLAND, UTC]))
def test_every_moment_lies_in_exactly_one_month(moment: int, zone: ZoneInfo) -> None:
    month = Month.of(moment, zone)
    assert month.starts_at(zone) <= moment < month.next.starts_at(zone)
    assert Month.read(str(month)) == month
