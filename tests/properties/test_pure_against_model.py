"""Two programs, one set of rules: the pure core and the slow model of `tests/model` bill the same histories.

What the database does for the core (which facts bear on a session, how far an open one reaches, how full the
site was) is taken from the model here; whether the database does it right is tested where there is one.
"""

from hashlib import blake2b
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.rating import Context, Occupancy, rate
from billing.tariffs import DAYS, NoFeeHours, Tariff, Tax, Tier
from sessions.events import FAULTS, Event, EventType
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import Span, fold
from tests.model.events import (
    Fact,
    SessionKey,
    World,
    content,
    find_end,
    read_log,
    read_session,
    read_sessions,
)
from tests.model.generate import random_history, random_now, random_world, sessions_named
from tests.model.occupancy import closures, occupations
from tests.model.rules import bill, pinned_tariff, stations_beside

SEEDS = range(60)


def first_arrivals(facts: list[Fact], station: str) -> list[Event]:
    """What a store would hold of the station: each content once, with the offset of its first arrival."""
    arrived = sorted(
        (fact for fact in facts if fact["kind"] == "event" and fact["station"] == station),
        key=lambda fact: (fact["received_at"], bool(fact["replayed"]), bool(fact["imported"])),
    )
    events = [as_event(fact) for fact in arrived]
    return list({(event.id, event.digest): event for event in reversed(events)}.values())


def as_event(fact: Fact) -> Event:
    live = fact["sent_at"] is not None and not fact["replayed"] and not fact["imported"]
    return Event(
        at=fact["at"],
        seq=fact["seq"],
        type=EventType(fact["type"]),
        id=fact["id"],
        stall=fact["stall"],
        session=fact["session"],
        cause=fact["cause"],
        token=fact["token"],
        offset_s=fact["received_at"] - fact["sent_at"] if live else None,
        digest=blake2b(repr(sorted(content(fact).items())).encode(), digest_size=16).digest(),
    )


def tariff_of(world_tariff: dict[str, Any]) -> Tariff:
    plain = ("currency", "rate_minor_per_minute", "fragment", "cap_minor", "requires_notice", "review_above_minor")
    tax = world_tariff["tax"]
    return Tariff(
        name="generated",
        grace=GracePolicy(
            mode=GraceMode(world_tariff["grace_mode"]),
            grace_s=world_tariff["grace_s"],
            grace_again_after_s=world_tariff["grace_again_after_s"],
            min_resume_s=world_tariff["min_resume_s"],
        ),
        tiers=tuple(
            Tier(from_percent=percent, rate_minor_per_minute=rate_minor)
            for percent, rate_minor in world_tariff["tiers"]
        ),
        no_fee_hours=tuple(
            NoFeeHours(days=tuple(DAYS[day] for day in window["days"]), start=window["start"], end=window["end"])
            for window in world_tariff["no_fee_hours"]
        ),
        tax=Tax(**tax) if tax else None,
        **{key: world_tariff[key] for key in plain},
    )


def context_of(facts: list[Fact], world: World, session: SessionKey, stall: str, now: int) -> Context:
    site = world["stations"][session[0]]
    stalls = [tuple(one) for one in world["sites"][site]["stalls"]]
    here = (session[0], stall)
    about = [
        fact
        for fact in facts
        if fact["kind"] == "excuse"
        and (fact["site"] == site if fact["stall"] is None else tuple(fact["stall"]) == here)
    ]
    accepted = [fact["at"] for fact in facts if fact["kind"] == "notice_accepted" and tuple(fact["session"]) == session]
    return Context(
        zone=ZoneInfo(world["sites"][site]["zone"]),
        excuses=tuple(Span(fact["start"], fact["end"], "excuse") for fact in about),
        notice_accepted_at=min(accepted, default=None),
        occupancy=tuple(occupancy(facts, world, session, here, stalls, now)),
    )


def occupancy(
    facts: list[Fact],
    world: World,
    session: SessionKey,
    here: tuple[str, str],
    stalls: list[tuple[str, str]],
    now: int,
) -> list[Occupancy]:
    log = read_log(facts)
    sessions = read_sessions(log, stations_beside(world, session[0]))
    taken = occupations(log, sessions, world["session_timeout_s"], now)
    closed = closures(facts)
    moments = {at for _, start, end in taken for at in (start, end)}
    moments |= {at for fact in closed for at in (fact["start"], fact["end"]) if at is not None}
    return [
        Occupancy(
            at,
            len({stall for stall, start, end in taken if start <= at < end and stall in stalls} | {here}),
            sum(not any(is_closed(fact, stall, at) for fact in closed) for stall in stalls),
        )
        for at in (0, *sorted(moments))
    ]


def is_closed(fact: Fact, stall: tuple[str, str], at: int) -> bool:
    ended = fact["end"] is not None and at >= fact["end"]
    return tuple(fact["stall"]) == stall and fact["start"] <= at and not ended


def billed_by_the_core(facts: list[Fact], world: World, key: SessionKey, now: int) -> dict[str, Any]:
    log = read_log(facts)
    found = read_session(log, *key)
    until = None
    tariff = world["tariffs"]["standard"]
    if found is not None:
        sessions = read_sessions(log, stations_beside(world, key[0]))
        until = find_end(log, found, sessions, world["session_timeout_s"], now).at
        tariff = pinned_tariff(facts, world, found)
    voided = {fact["id"] for fact in facts if fact["kind"] == "void" and fact["station"] == key[0]}
    held = first_arrivals(facts, key[0])
    events = [event for event in held if event.session == key[1] or event.type in FAULTS]
    contents: dict[str, set[bytes]] = {}
    for event in held:
        contents.setdefault(event.id, set()).add(event.digest)
    conflicted = {identity for identity, digests in contents.items() if len(digests) > 1}
    timeline = fold(events, session=key[1], until=until, conflicted=conflicted, voided=voided)
    report = rate(timeline, tariff_of(tariff), context_of(facts, world, key, timeline.stall or "", now))
    return {
        "not_billable": report.not_billable,
        "plugged_in_at": report.plugged_in_at,
        "billed_s": report.billed_s,
        "fee_minor": report.fee_minor if report.tax_included else report.fee_minor - report.tax_minor,
        "tax_minor": report.tax_minor,
        "review": sorted(timeline.review),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_core_bills_what_the_model_bills(seed: int) -> None:
    rng = Random(seed)
    world = random_world(rng)
    facts = random_history(rng, world)
    now = random_now(rng, facts)
    for key in sessions_named(facts):
        expected = bill(facts, world, key, now)
        expected["review"] = [reason for reason in expected["review"] if reason != "above_limit"]
        billed = billed_by_the_core(facts, world, key, now)
        assert billed == {name: expected[name] for name in billed}, f"seed {seed}, session {key}"
