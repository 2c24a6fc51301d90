"""The sentences of an explanation that the scenario folders do not show already."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from billing.rating import Context, duration, explain, rate
from billing.tariffs import preset
from sessions.machine import Car, Span, Timeline

ANGELES = ZoneInfo("America/Los_Angeles")
NOON_S = 1_714_590_000  # 2024-05-01 12:00 in Los Angeles
TIMELINE = Timeline(
    plugged_in_at=NOON_S,
    ended_at=None,
    until=NOON_S + 2400,
    stall="1",
    token=None,
    car=(Span(NOON_S, NOON_S + 1800, Car.CHARGING), Span(NOON_S + 1800, NOON_S + 2400, Car.COMPLETE)),
    excused=(),
    judged=(),
    review=(),
    offset_s=0,
    not_billable=None,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3661, "1 hour 1 minute 1 second"),
        (7325, "2 hours 2 minutes 5 seconds"),
        (3_600_000, "1,000 hours"),
    ],
)
def test_a_duration_in_words(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_a_running_session_says_so_far() -> None:
    report = rate(TIMELINE, preset("standard"), Context(ANGELES))
    assert explain(report, ANGELES)[-1] == "You pay $2.00 so far for 5 minutes after the grace period."
    charging = replace(TIMELINE, until=NOON_S + 1800, car=TIMELINE.car[:1], not_billable="no_completion")
    report = rate(charging, preset("standard"), Context(ANGELES))
    assert explain(report, ANGELES) == [
        "Plugged in on May 1, 2024 at 12:00.",
        "The station reported no completed charge.",
        "No unplug is known. We counted until 12:30.",
        "Nothing to pay so far.",
    ]


def test_times_and_money_are_those_of_the_reader() -> None:
    report = rate(TIMELINE, preset("standard"), Context(ANGELES))
    german = explain(report, ZoneInfo("Europe/Berlin"), "de")
    assert german[0] == "Eingesteckt am 01.05.2024 um 21:00 Uhr."
    assert german[-2] == "5 Minuten zu je 0,40\xa0$: 2,00\xa0$."


def test_a_reason_that_is_new_to_us_is_said_plainly() -> None:
    report = replace(rate(TIMELINE, preset("standard"), Context(ANGELES)), not_billable="lost_key")
    assert "This session cannot be billed." in explain(report, ANGELES)
