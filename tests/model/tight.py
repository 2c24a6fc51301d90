"""Small worlds and short histories in which everything collides: two stalls, a handful of sessions, stamps within
minutes of each other, tariffs that charge for single seconds.

`generate` makes what stations do; this makes what they could do at worst. As short as they are, these histories are
billed by the slow model in no time, so that many can be tried. Only `random.Random` decides: a seed is a case.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.model.events import FAULT_TYPES, TYPE_ORDER, Fact, SessionKey, World
from tests.model.generate import CLOCK_CHANGES, OWNERS, TOKENS, likely, new_event

STEPS_S = (0, 0, 1, 2, 30, 59, 60, 61, 120)
HORIZON_S = 600
BEGIN = CLOCK_CHANGES[1] - HORIZON_S // 2
DAY_S = 86_400


def tight_world(rng: Random) -> World:
    """One site, or two, with one station of two stalls each."""
    sites: dict[str, Any] = {}
    for site in ("north", "south")[: rng.choice((1, 1, 1, 2))]:
        sites[site] = {"zone": "Europe/Berlin", "stalls": [(f"{site}-1", "1"), (f"{site}-1", "2")]}
    tokens = [
        {"token": token, "owner": rng.choice(OWNERS), "from": rng.choice((None, BEGIN + 60)), "to": None}
        for token in TOKENS[:2]
    ]
    return {
        "sites": sites,
        "stations": {f"{site}-1": site for site in sites},
        "tariffs": {name: tight_tariff(rng, tiers=name == "tiered") for name in ("standard", "tiered", "odd")},
        "tokens": tokens,
        "session_timeout_s": DAY_S,
    }


def tight_tariff(rng: Random, *, tiers: bool) -> dict[str, Any]:
    min_resume_s = rng.choice((1, 2, 30))
    return {
        "currency": rng.choice(("USD", "EUR")),
        "grace_mode": rng.choice(("deduct", "waive")),
        "grace_s": rng.choice((0, 0, 1, 30)),
        "grace_again_after_s": min_resume_s + rng.choice((0, 1, 30)),
        "min_resume_s": min_resume_s,
        "rate_minor_per_minute": rng.choice((7, 40)),
        "fragment": rng.choice(("started", "started", "completed")),
        "cap_minor": 300 if likely(rng, 10) else None,
        "tiers": [(50, rng.choice((0, 50))), (100, rng.choice((60, 100)))] if tiers else [],
        "no_fee_hours": [],
        "requires_notice": likely(rng, 10),
        "review_above_minor": rng.choice((0, 100)) if likely(rng, 15) else None,
        "tax": {"code": "vat", "rate_ppm": 190_000, "included": likely(rng, 50)} if likely(rng, 40) else None,
    }


def stalls_of(world: World) -> list[SessionKey]:
    return [tuple(stall) for site in world["sites"].values() for stall in site["stalls"]]


def tight_story(rng: Random, station: str, stall: str, name: str) -> list[Fact]:
    """One session as it should be, but for the lengths."""
    at = BEGIN + rng.randrange(0, HORIZON_S)
    story: list[tuple[str, int]] = []
    for kind in ("plugged_in", "charging_started", "charge_complete", "charging_resumed", "charge_complete"):
        story.append((kind, at))
        at += rng.choice(STEPS_S)
    if likely(rng, 75):
        story.append(("unplugged", at + rng.choice(STEPS_S)))
    return [new_event(rng, station, stall, name, kind, at) for kind, at in story if not likely(rng, 10)]


def tight_noise(rng: Random, world: World, sessions: list[SessionKey]) -> Fact:
    """Any event at all, of a session there is, at a moment when something may be happening."""
    station, name = rng.choice(sessions)
    stall = rng.choice([number for where, number in stalls_of(world) if where == station])
    stall = "unheard of" if likely(rng, 4) else stall
    kind = rng.choice((*TYPE_ORDER, *FAULT_TYPES, *FAULT_TYPES, "plugged_in", "unplugged", "meter"))
    event = new_event(rng, station, stall, name, kind, BEGIN + rng.randrange(-60, HORIZON_S + 300))
    if kind in FAULT_TYPES:
        names_stall, names_session = rng.choice(((1, 0), (1, 0), (1, 1), (0, 0), (0, 1)))
        event["stall"] = stall if names_stall else None
        event["session"] = name if names_session else None
        event["cause"] = rng.choice(("a", "b"))
    elif kind == "meter" and likely(rng, 50):
        event["session"] = None
    return event


def tight_history(rng: Random, world: World) -> list[Fact]:
    """All station events of a world, in the order in which they come."""
    sessions: list[SessionKey] = []
    events: list[Fact] = []
    for station, stall in stalls_of(world):
        for _ in range(rng.choice((1, 1, 2, 3))):
            sessions.append((station, f"s{len(sessions)}"))
            events += tight_story(rng, station, stall, sessions[-1][1])
    events += [tight_noise(rng, world, sessions) for _ in range(rng.choice((0, 2, 5, 10)))]
    collide(rng, events)
    for event in events:
        if likely(rng, 20):
            event["token"] = rng.choice(TOKENS)
        if likely(rng, 50):
            event["seq"] = rng.randrange(1, 9)
        send(rng, event)
    events += [contradiction(rng, event) for event in events if likely(rng, 1)]
    rng.shuffle(events)
    return one_place_at_a_time(events)


def collide(rng: Random, events: list[Fact]) -> None:
    """Some happen in the very second of another."""
    stamps = [event["at"] for event in events]
    for event in events:
        if likely(rng, 20):
            event["at"] = rng.choice(stamps) + rng.choice((-1, 0, 0, 0, 1))


def one_place_at_a_time(events: list[Fact]) -> list[Fact]:
    """No session is plugged in at two stalls in one second: whose end that would be is nothing the rules could say."""
    seen: dict[tuple[str, str, int], str] = {}
    return [
        event
        for event in events
        if event["type"] != "plugged_in"
        or seen.setdefault((event["station"], event["session"], event["at"]), event["stall"]) == event["stall"]
    ]


def send(rng: Random, event: Fact) -> None:
    """Late, most often; then it is no live message. The few that are keep one clock."""
    way = rng.choice(("live", "replayed", "imported", "unstamped"))
    event["replayed"], event["imported"] = way == "replayed", way == "imported"
    event["sent_at"] = None if way == "unstamped" else event["at"]
    event["received_at"] = event["at"] + rng.choice((0, 0, 30, 130))


def contradiction(rng: Random, event: Fact) -> Fact:
    """Another content under the same id."""
    return {**event, "at": event["at"] + rng.choice((0, 1, 60)), "seq": rng.randrange(10, 19)}
