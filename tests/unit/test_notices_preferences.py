"""Quiet hours to the second, on both DST nights too, and what may be muted where."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from billing.notices.kinds import ALMOST_FULL, CHARGE_COMPLETE, FEE_BEGUN, FINAL, KINDS
from billing.notices.preferences import BadPreferences, Preferences, not_muted

BERLIN = "Europe/Berlin"
NIGHT = Preferences(22 * 60, 7 * 60, BERLIN)
NOON_REST = Preferences(12 * 60, 14 * 60 + 30, BERLIN)
SHORT_NIGHT = Preferences(22 * 60, 2 * 60 + 30, BERLIN)


def moment(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


@pytest.mark.parametrize(
    ("wanted", "at", "until"),
    [
        (Preferences(), "2027-01-15T03:00+01:00", None),
        (NIGHT, "2027-01-15T21:59:59+01:00", None),
        (NIGHT, "2027-01-15T22:00:00+01:00", "2027-01-16T07:00+01:00"),
        (NIGHT, "2027-01-16T06:59:59+01:00", "2027-01-16T07:00+01:00"),
        (NIGHT, "2027-01-16T07:00:00+01:00", None),
        (NOON_REST, "2027-01-15T11:59:59+01:00", None),
        (NOON_REST, "2027-01-15T12:00:00+01:00", "2027-01-15T14:30+01:00"),
        (NOON_REST, "2027-01-15T14:30:00+01:00", None),
        (Preferences(22 * 60, 0, BERLIN), "2027-01-15T23:59:59+01:00", "2027-01-16T00:00+01:00"),
        (Preferences(22 * 60, 0, BERLIN), "2027-01-16T00:00:00+01:00", None),
        (Preferences(22 * 60, 21 * 60, BERLIN), "2027-01-16T20:59:59+01:00", "2027-01-16T21:00+01:00"),
        # The clocks go forward at 02:00: 02:30 never comes, the night ends at 03:00, as the wall says.
        (NIGHT, "2027-03-27T23:00:00+01:00", "2027-03-28T07:00+02:00"),
        (SHORT_NIGHT, "2027-03-28T01:00:00+01:00", "2027-03-28T03:00+02:00"),
        # They go back at 03:00: 02:30 comes twice, and what the wall says holds each time.
        (NIGHT, "2027-10-30T23:00:00+02:00", "2027-10-31T07:00+01:00"),
        (SHORT_NIGHT, "2027-10-31T02:29:59+02:00", "2027-10-31T02:30+02:00"),
        (SHORT_NIGHT, "2027-10-31T02:30:00+02:00", None),
        (SHORT_NIGHT, "2027-10-31T02:00:00+01:00", "2027-10-31T02:30+01:00"),
    ],
)
def test_quiet_hours_are_half_open_and_as_the_wall_says(wanted: Preferences, at: str, until: str | None) -> None:
    assert wanted.quiet_until(moment(at)) == (None if until is None else moment(until))


def test_all_but_the_two_that_cost_wait_for_the_morning() -> None:
    at, morning = moment("2027-01-16T03:00+01:00"), moment("2027-01-16T07:00+01:00")
    assert {kind for kind in KINDS if NIGHT.held_until(kind, at) is None} == {CHARGE_COMPLETE, FEE_BEGUN}
    assert NIGHT.held_until(FINAL, at) == morning
    assert NIGHT.held_until(FINAL, morning) is None


def test_the_morning_is_that_of_the_owner_and_not_of_the_site() -> None:
    at = moment("2027-01-16T03:00+01:00")
    assert Preferences(22 * 60, 7 * 60, "America/Los_Angeles").held_until(FINAL, at) is None
    assert datetime.fromtimestamp(at, ZoneInfo("America/Los_Angeles")).hour == 18


@pytest.mark.parametrize(
    ("asked", "where", "what"),
    [
        ({"quiet_from": 60, "zone": BERLIN}, "quiet_to", "give both, or neither"),
        ({"quiet_from": 60, "quiet_to": 60, "zone": BERLIN}, "quiet_to", "must differ"),
        ({"quiet_from": 60, "quiet_to": 120}, "zone", "is missing"),
        ({"quiet_from": -1, "quiet_to": 120, "zone": BERLIN}, "quiet_from", "0 to 1439"),
        ({"quiet_from": 0, "quiet_to": 1440, "zone": BERLIN}, "quiet_to", "0 to 1439"),
        ({"zone": "Berlin"}, "zone", "such as Europe/Berlin"),
        ({"muted": frozenset({("news", "email")})}, "muted", "no kind of notice"),
        ({"muted": frozenset({(FINAL, "pigeon")})}, "muted", "no channel"),
        ({"muted": frozenset({(FINAL, "inbox")})}, "muted", "the inbox keeps everything"),
    ],
)
def test_what_cannot_be_asked_for_says_why(asked: dict[str, object], where: str, what: str) -> None:
    with pytest.raises(BadPreferences) as refused:
        Preferences(**asked)  # type: ignore[arg-type]
    ((place, sentence),) = refused.value.faults
    assert (place, what in sentence) == (where, True)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(BadPreferences, match=r"quiet_from: .*; zone: .*; muted: "):
        Preferences(quiet_from=9999, quiet_to=1, muted=frozenset({("news", "email")}))


ALL_MUTED = Preferences(muted=frozenset((kind, channel) for kind in KINDS for channel in ("email", "push")))


@pytest.mark.parametrize(
    ("wanted", "kind", "channels", "heard"),
    [
        (Preferences(), FINAL, ["email", "push:1"], ["email", "push:1"]),
        (Preferences(muted=frozenset({(FINAL, "email")})), FINAL, ["email", "push:1"], ["push:1"]),
        (Preferences(muted=frozenset({(FINAL, "email")})), FINAL, ["email"], []),
        (Preferences(muted=frozenset({(FINAL, "push")})), FINAL, ["push:1", "push:2"], []),
        (Preferences(muted=frozenset({(FINAL, "push")})), ALMOST_FULL, ["push:1"], ["push:1"]),
        (ALL_MUTED, FEE_BEGUN, ["email", "push:1"], []),
        (ALL_MUTED, CHARGE_COMPLETE, ["email", "push:1"], ["email", "push:1"]),
        (ALL_MUTED, CHARGE_COMPLETE, ["email", "webhook:1"], ["webhook:1"]),
        (ALL_MUTED, CHARGE_COMPLETE, [], []),
    ],
)
def test_a_mute_silences_one_kind_on_one_channel(
    wanted: Preferences, kind: str, channels: list[str], heard: list[str]
) -> None:
    assert not_muted(wanted, kind, channels) == heard
