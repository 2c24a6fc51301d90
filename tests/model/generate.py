"""Worlds and streams of facts for comparing programs: realistic ones with everything nasty that stations do.

Only `random.Random` decides, so a seed is a case. Stamps are drawn from lengths around the limits of the
rules, so that equal seconds and exact limits come often. Only faults leave out their stall or session, as
the rules have it; a bare `meter` may name a stall alone.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tests.model.events import FAULT_TYPES, Fact, SessionKey, World

LENGTHS_S = (
    0,
    1,
    2,
    29,
    30,
    59,
    60,
    61,
    119,
    120,
    121,
    180,
    240,
    299,
    300,
    301,
    359,
    360,
    361,
    480,
    599,
    600,
)
LONG_LENGTHS_S = (601, 720, 900, 901, 1200, 1800, 2400, 3600)
CLOCK_CHANGES = (1710064800, 1730624400, 1711846800, 1729990800, 1712415600, 1717200000)
ZONES = ("America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe")
HOURS = ("00:00", "01:00", "01:30", "02:00", "02:30", "03:00", "06:15", "12:00", "18:00", "22:00", "23:59")
OWNERS = ("ada", "ben", "cleo")
TOKENS = ("t1", "t2", "t3", "unknown")
CAUSES = ("a", "b", "reboot")
DAY_S = 86_400


def likely(rng: Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def length(rng: Random) -> int:
    if likely(rng, 25):
        return rng.randrange(1, 1500)
    return rng.choice(LENGTHS_S if likely(rng, 70) else LONG_LENGTHS_S)


# The world


def random_world(rng: Random) -> World:
    """One or two sites with a few stations, some tariffs, and who holds which token."""
    sites: dict[str, Any] = {}
    stations: dict[str, str] = {}
    for site in ("north", "south")[: rng.choice((1, 1, 2))]:
        names = [f"{site}-{number}" for number in range(1, rng.randint(1, 3) + 1)]
        stalls = [(name, str(number)) for name in names for number in range(1, rng.randint(1, 2) + 1)]
        sites[site] = {"zone": rng.choice(ZONES), "stalls": stalls}
        stations |= dict.fromkeys(names, site)
    names = ["standard", "tiered", "odd"]
    return {
        "sites": sites,
        "stations": stations,
        "tariffs": {name: random_tariff(rng, name) for name in names},
        "tokens": [random_holding(rng, token) for token in TOKENS[:3] if likely(rng, 80)],
        "session_timeout_s": rng.choice((3600, DAY_S, DAY_S)),
    }


def random_tariff(rng: Random, name: str) -> dict[str, Any]:
    plain = name == "standard"
    min_resume_s = rng.choice((60, 120))
    return {
        "currency": rng.choice(("USD", "EUR")),
        "grace_mode": "deduct" if plain else rng.choice(("deduct", "waive")),
        "grace_s": 300 if plain else rng.choice((0, 60, 300, 301, 600)),
        "grace_again_after_s": 600 if plain else min_resume_s + rng.choice((0, 1, 480)),
        "min_resume_s": min_resume_s,
        "rate_minor_per_minute": 40 if plain else rng.choice((0, 1, 40, 50)),
        "fragment": "completed" if plain else rng.choice(("completed", "started")),
        "cap_minor": rng.choice((0, 100, 3_00, 20_00)) if not plain and likely(rng, 30) else None,
        "tiers": random_tiers(rng) if name == "tiered" or (not plain and likely(rng, 30)) else [],
        "no_fee_hours": [random_window(rng) for _ in range(0 if plain else rng.choice((0, 0, 1, 2)))],
        "requires_notice": not plain and likely(rng, 25),
        "review_above_minor": rng.choice((0, 2_40, 5_00)) if not plain and likely(rng, 30) else None,
        "tax": random_tax(rng) if likely(rng, 40) else None,
    }


def random_tiers(rng: Random) -> list[tuple[int, int]]:
    percents = rng.sample((1, 25, 33, 34, 50, 51, 66, 67, 75, 100), rng.randint(1, 3))
    return [(percent, rng.choice((0, 20, 50, 100, 101))) for percent in sorted(percents)]


def random_window(rng: Random) -> dict[str, Any]:
    start, end = rng.sample(HOURS, 2)
    days = list(range(7)) if likely(rng, 50) else sorted(rng.sample(range(7), rng.randint(1, 6)))
    return {"days": days, "start": start, "end": end}


def random_tax(rng: Random) -> dict[str, Any]:
    share_ppm = rng.choice((100, 70_000, 82_500, 88_750, 190_000, 200_000))
    return {"code": "sales", "rate_ppm": share_ppm, "included": likely(rng, 70)}


def random_holding(rng: Random, token: str) -> dict[str, Any]:
    since = rng.choice((None, None, min(CLOCK_CHANGES) - DAY_S, rng.choice(CLOCK_CHANGES)))
    until = None if since is not None or likely(rng, 60) else rng.choice(CLOCK_CHANGES)
    return {"token": token, "owner": rng.choice(OWNERS), "from": since, "to": until}


# One session


def random_session(
    rng: Random, world: World, *, stall: SessionKey | None = None, start: int | None = None
) -> list[Fact]:
    """The events of one session, and of faults and samples beside it, in no order worth trusting."""
    stalls = [tuple(stall) for site in world["sites"].values() for stall in site["stalls"]]
    station, number = stall or rng.choice(stalls)
    plugged_in_at = start if start is not None else random_start(rng)
    name = f"{rng.getrandbits(32):08x}"
    story = car_story(rng, plugged_in_at)
    first, last = min(at for _, at in story), max(at for _, at in story)
    events = [new_event(rng, station, number, name, kind, at) for kind, at in story]
    events += fault_story(rng, station, number, name, [at for _, at in story])
    for _ in range(rng.choice((0, 0, 1, 3))):
        sample = new_event(rng, station, number, name, "meter", rng.randint(first - 60, last + length(rng)))
        events.append({**sample, "session": None} if likely(rng, 30) else sample)
    give_tokens(rng, events)
    misplace(rng, events, [other for other_station, other in stalls if other_station == station])
    number_them(rng, events)
    send(rng, events, station)
    events += copies(rng, events)
    rng.shuffle(events)
    return events


def random_start(rng: Random) -> int:
    return rng.choice(CLOCK_CHANGES) - rng.randrange(0, 14_400, 30)


def car_story(rng: Random, plugged_in_at: int) -> list[tuple[str, int]]:
    """What the car did, most often in the order of the machine, and what the station made of it."""
    story: list[tuple[str, int]] = []
    if likely(rng, 10):
        story.append((rng.choice(("charging_started", "charging_resumed")), plugged_in_at - length(rng)))
        story += [("charge_complete", plugged_in_at - rng.choice((0, 1, 9)))] * likely(rng, 60)
    story += [("plugged_in", plugged_in_at)] * (not likely(rng, 2))
    story += [("plugged_in", plugged_in_at + length(rng))] * likely(rng, 3)
    story += [("unplugged", plugged_in_at - rng.choice((0, 1, 60)))] * likely(rng, 2)
    story += [("charge_complete", plugged_in_at + rng.choice((0, 1, 5)))] * likely(rng, 8)
    at = plugged_in_at + rng.choice((0, 1, 10, 60))
    story += [("charging_started", at)] * (not likely(rng, 4))
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 6))):
        at += length(rng)
        story.append(("charge_complete", at))
        story += [("charge_complete", at + length(rng))] * likely(rng, 8)
        at += length(rng)
        story.append((rng.choice(("charging_resumed", "charging_resumed", "charging_started")), at))
    at += length(rng)
    story += [("charge_complete", at)] * likely(rng, 75)
    return story + ending(rng, at + length(rng))


def ending(rng: Random, at: int) -> list[tuple[str, int]]:
    if likely(rng, 2):
        at += rng.choice((3600, 30_000))
    if likely(rng, 20):
        return [("meter", at)] * likely(rng, 70)
    story = [("unplugged", at)]
    story += [("unplugged", at + length(rng))] * likely(rng, 3)
    after = rng.choice(("charge_complete", "charging_resumed", "meter"))
    story += [(after, at + rng.choice((0, 1, 30)))] * likely(rng, 10)
    return story


def fault_story(rng: Random, station: str, stall: str, name: str, stamps: list[int]) -> list[Fact]:
    """Causes that overlap, open again, never close, or begin before the plug-in."""
    events: list[Fact] = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        opened_at = rng.choice(stamps) if likely(rng, 40) else rng.randint(min(stamps) - 600, max(stamps))
        closed_at = rng.choice(stamps) if likely(rng, 20) else opened_at + length(rng)
        names_stall, names_session = rng.choice(((1, 0), (1, 0), (1, 1), (0, 0), (0, 1)))
        scope = {
            "stall": stall if names_stall else None,
            "session": name if names_session else None,
            "cause": rng.choice(CAUSES),
        }
        kinds = [("station_fault", opened_at)]
        kinds += [("station_fault", opened_at + length(rng))] * likely(rng, 10)
        kinds += [("station_restored", closed_at)] * likely(rng, 90)
        events += [{**new_event(rng, station, stall, name, kind, at), **scope} for kind, at in kinds]
    return events


def new_event(rng: Random, station: str, stall: str, session: str, kind: str, at: int) -> Fact:
    """An event that has not been sent yet. Its id says nothing of its place."""
    return {
        "kind": "event",
        "id": f"{rng.getrandbits(48):012x}",
        "station": station,
        "stall": stall,
        "session": session,
        "type": kind,
        "at": at,
        "seq": None,
        "cause": None,
        "token": None,
        "sent_at": None,
        "replayed": False,
        "imported": False,
        "received_at": at,
    }


def give_tokens(rng: Random, events: list[Fact]) -> None:
    token = rng.choice(TOKENS)
    for event in events:
        if event["type"] in ("plugged_in", "charging_started", "charging_resumed") and likely(rng, 40):
            event["token"] = token if likely(rng, 85) else rng.choice(TOKENS)


def misplace(rng: Random, events: list[Fact], stalls: list[str]) -> None:
    """Some events name another stall than the plug-in did."""
    for event in events:
        if event["type"] != "plugged_in" and event["stall"] is not None and likely(rng, 2):
            event["stall"] = rng.choice(stalls)


def number_them(rng: Random, events: list[Fact]) -> None:
    """`seq` on all events, on some or on none, in an order that need not be that of the story."""
    percent = rng.choice((0, 0, 100, 100, 70))
    order = list(range(1, len(events) + 1))
    if likely(rng, 40):
        rng.shuffle(order)
    for event, seq in zip(events, order, strict=True):
        if likely(rng, percent):
            event["seq"] = 1 if likely(rng, 5) else seq


def send(rng: Random, events: list[Fact], station: str) -> None:
    """A station's clock is wrong by the same everywhere; delay comes on top of it."""
    skew_s = Random(station).choice((0, 0, 7, -45, 90, 3600))
    odd_delay_s = rng.choice((0, 0, 0, 0, 119, 120, 121, 122))
    for event in events:
        way = rng.choice(("live", "live", "live", "live", "replayed", "imported", "unstamped"))
        delay_s = rng.choice((0, 0, 1, 2, 5, odd_delay_s))
        sent_at = event["at"] + (rng.choice((0, 0, 1, 3)) if way == "live" else length(rng))
        event["sent_at"] = None if way == "unstamped" else sent_at
        event["replayed"], event["imported"] = way == "replayed", way == "imported"
        event["received_at"] = sent_at + skew_s + delay_s + (DAY_S if way == "imported" else 0)


def copies(rng: Random, events: list[Fact]) -> list[Fact]:
    """The same again, later; now and then with another content, which is a conflict."""
    again: list[Fact] = []
    for event in events:
        late = {**event, "received_at": event["received_at"] + 1 + length(rng)}
        if likely(rng, 8):
            again.append({**late, "replayed": likely(rng, 70)})
        if likely(rng, 1):
            change = {"at": event["at"] + 1} if event["type"] not in FAULT_TYPES else {"cause": "c"}
            again.append({**late, **change})
    return again


# A history: several sessions on each stall, and what people did


def random_history(rng: Random, world: World) -> list[Fact]:
    """All facts of a world, shuffled."""
    begin = random_start(rng)
    facts: list[Fact] = []
    for site in world["sites"].values():
        for stall in site["stalls"]:
            start = begin + rng.randrange(0, 3600)
            for _ in range(rng.choice((0, 1, 1, 2, 3))):
                events = random_session(rng, world, stall=stall, start=start)
                facts += events
                last = max(event["at"] for event in events)
                start = last + 1 + length(rng) if likely(rng, 90) else max(start + 1, last - length(rng))
    facts += decisions(rng, world, facts, begin)
    rng.shuffle(facts)
    return facts


def random_now(rng: Random, facts: list[Fact]) -> int:
    last = max((fact["at"] for fact in facts if fact["kind"] == "event"), default=0)
    return int(last + 7200 + rng.choice((0, 600, 3600, DAY_S, 2 * DAY_S)))


def sessions_named(facts: list[Fact]) -> list[SessionKey]:
    """Every session that an event names, with or without a plug-in."""
    events = [fact for fact in facts if fact["kind"] == "event" and fact["session"] is not None]
    return sorted({(event["station"], event["session"]) for event in events})


def decisions(rng: Random, world: World, events: list[Fact], begin: int) -> list[Fact]:
    facts: list[Fact] = []
    for site, about in world["sites"].items():
        facts += site_facts(rng, world, site, about["stalls"], begin)
    for session in sessions_named(events):
        facts += session_facts(rng, events, session)
    facts += [
        {"kind": "void", "station": event["station"], "id": event["id"]}
        for event in events
        if likely(rng, 1) and likely(rng, 50)
    ]
    return facts


def site_facts(rng: Random, world: World, site: str, stalls: list[SessionKey], begin: int) -> list[Fact]:
    tariffs = sorted(world["tariffs"])
    facts: list[Fact] = [{"kind": "assign", "site": site, "tariff": rng.choice(tariffs), "from": None}]
    facts += [
        {"kind": "assign", "site": site, "tariff": rng.choice(tariffs), "from": start}
        for start in rng.sample(range(begin, begin + 14_400), rng.choice((0, 0, 1, 2)))
    ]
    for _ in range(rng.choice((0, 0, 1, 2))):
        start = begin + rng.randrange(0, 10_800)
        stall = rng.choice((None, *stalls))
        facts.append({"kind": "excuse", "site": site, "stall": stall, "start": start, "end": start + 1 + length(rng)})
    for _ in range(rng.choice((0, 0, 1, 2))):
        start = begin + rng.randrange(0, 10_800)
        end = None if likely(rng, 30) else start + 1 + length(rng)
        stall = rng.choice(stalls)
        facts.append({"kind": "out_of_service", "stall": stall, "start": start, "end": end})
        if end is None and likely(rng, 50):
            facts.append({"kind": "back_in_service", "stall": stall, "at": start + 1 + length(rng)})
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        start = begin + rng.randrange(0, 7200)
        order = {"from": start, "to": start + 3600, "tariff": rng.choice(tariffs), "n": rng.getrandbits(40)}
        facts.append({"kind": "rerate", "site": None if likely(rng, 30) else site, **order})
    return facts


def session_facts(rng: Random, events: list[Fact], session: SessionKey) -> list[Fact]:
    stamps = [event["at"] for event in events if (event["station"], event["session"]) == session]
    facts: list[Fact] = []
    for _ in range(rng.choice((0, 1, 1, 2))):
        noticed_at = rng.choice(stamps) + rng.choice((0, 60, 120))
        facts.append({"kind": "notice_accepted", "session": session, "at": noticed_at})
    facts += [
        {"kind": "claim", "session": session, "owner": rng.choice((*OWNERS, None)), "n": n}
        for n in range(rng.choice((0, 0, 0, 0, 1, 2)))
    ]
    if likely(rng, 5):
        facts.append({"kind": "waiver", "session": session, "amount_minor": rng.choice((None, 40, 1_00))})
    return facts
