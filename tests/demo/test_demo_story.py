"""The demo's story: what is to be seen at the opening is exactly so, whenever it is; what follows goes on for ever."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

import pytest

from api.fleet.story import Booking, Message, Story
from api.fleet.town import SITES, STALLS
from billing.rating import Context, FeeReport, rate
from billing.tariffs import preset
from sessions.events import Event, SessionEvent, content_digest
from sessions.machine import fold

OPENINGS = [
    "2026-05-20T15:00:00-07:00",
    "2026-05-20T00:00:30-07:00",  # half a minute into the day, by the clock of the western site
    "2024-02-29T12:00:00-05:00",
    "2026-01-01T00:05:00-05:00",
    "2026-03-08T03:30:00-04:00",  # half an hour after an hour that never was
    "2026-11-01T01:30:00-05:00",  # in the hour that comes twice
]
FULL = {"charging": None, "grace": 280, "idle": 548, "excused now": 600}


@pytest.fixture(params=OPENINGS)
def opens_at(request: pytest.FixtureRequest) -> int:
    return int(datetime.fromisoformat(request.param).timestamp())


def report_of(story: Story, name: str, now: int) -> FeeReport:
    """What the engine makes of a written session's messages up to `now`."""
    booking = story.written[name]
    said = [message.event for message in booking.messages() if message.at <= now]
    events = [fact(SessionEvent.model_validate(event)) for event in said]
    timeline = fold(events, session=booking.session, until=now)
    return rate(timeline, preset("standard"), Context(zone=booking.stall.site.tz))


def fact(event: SessionEvent) -> Event:
    own = (event.at, event.seq, event.type, event.id, event.stall, event.session, event.cause, event.token)
    return Event(*own, offset_s=None, digest=content_digest(event, event.token))


def last(report: FeeReport) -> tuple[str, int]:
    span = report.spans[-1]
    return span.label, span.end - span.start


def test_at_the_opening_four_stalls_show_the_four_states(opens_at: int) -> None:
    story = Story(opens_at)
    charging, grace, idle, excused = (report_of(story, name, opens_at) for name in FULL)
    assert (last(charging)[0], charging.fee_minor) == ("charging", 0)
    assert (last(grace), grace.fee_minor) == (("grace", 280), 0)
    assert (last(idle)[0], idle.fee_minor) == ("idle", 1_60)
    assert (last(excused), excused.fee_minor) == (("excused:fault stuck cable", 180), 80)


def test_twenty_seconds_later_the_grace_is_over_and_the_next_second_idles(opens_at: int) -> None:
    story = Story(opens_at)
    assert last(report_of(story, "grace", opens_at + 20)) == ("grace", 300)
    assert last(report_of(story, "grace", opens_at + 21)) == ("idle", 1)


def test_a_dollar_sixty_stands_for_half_a_minute_after_the_opening(opens_at: int) -> None:
    story = Story(opens_at)
    assert report_of(story, "idle", opens_at + 30).fee_minor == 1_60


def test_whoever_stays_ten_minutes_sees_a_car_from_its_plug_in_to_its_fee(opens_at: int) -> None:
    story = Story(opens_at)
    arrived = story.written["just arrived"]
    assert 0 < opens_at - arrived.starts_at < 60
    assert arrived.ends_at < opens_at + 600
    assert report_of(story, "just arrived", arrived.ends_at).fee_minor == 40


def test_messages_come_in_the_order_of_time_and_go_on_for_ever(opens_at: int) -> None:
    story = Story(opens_at)
    past, tomorrow = list(story.until(opens_at)), list(story.until(opens_at + 86_400))
    assert all(a.at <= b.at for a, b in pairwise([*past, *tomorrow]))
    assert {message.station for message in tomorrow} == {stall.station for stall in STALLS.values()}
    assert all(message.at > opens_at for message in tomorrow)
    assert tomorrow[-1].at > opens_at + 86_000


def test_a_story_is_the_same_every_time(opens_at: int) -> None:
    assert list(Story(opens_at).until(opens_at + 3600)) == list(Story(opens_at).until(opens_at + 3600))


def test_only_the_contradiction_gives_one_id_to_two_messages(opens_at: int) -> None:
    story = Story(opens_at)
    ids = Counter((message.station, message.event["id"]) for message in story.until(opens_at + 86_400))
    contradiction = story.written["conflict"]
    assert [name for name, count in ids.items() if count > 1] == [
        (contradiction.stall.station, f"{contradiction.session}-m")
    ]


def test_no_stall_and_no_car_is_in_use_twice_at_once(opens_at: int) -> None:
    stays = bookings(Story(opens_at).until(opens_at + 86_400))
    for user in ("stall", "token"):
        for stretches in stays[user].values():
            assert all(ends <= begins for (_, ends), (begins, _) in pairwise(sorted(stretches)))


def test_at_both_sites_a_day_has_passed_before_the_opening(opens_at: int) -> None:
    past = list(Story(opens_at).until(opens_at))
    for site in SITES.values():
        there = [m for m in past if m.station.startswith(site.id) and m.event["type"] == "plugged_in"]
        assert len(there) >= 10
        assert opens_at - 43 * 3600 < there[0].at < opens_at - 15 * 3600


def bookings(messages: Iterable[Message]) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """When each stall and each token was in use, read from the messages themselves."""
    found: dict[str, dict[str, list[tuple[int, int]]]] = {"stall": {}, "token": {}}
    open_: dict[tuple[str, str], tuple[int, str | None]] = {}
    for at, station, event in messages:
        session = station, event.get("session", "")
        if event["type"] == "plugged_in":
            open_[session] = at, event.get("token")
        elif event["type"] == "unplugged":
            begins, token = open_.pop(session)
            found["stall"].setdefault(f"{station}/{event['stall']}", []).append((begins, at))
            if token is not None:
                found["token"].setdefault(token, []).append((begins, at))
    return found


def test_a_session_is_named_as_the_product_names_it() -> None:
    story = Story(int(datetime.fromisoformat("2026-05-20T15:00:00-07:00").timestamp()))
    booking: Booking = story.written["idle"]
    assert booking.session_id == f"harbor-2/{booking.session}"
