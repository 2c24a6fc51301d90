"""What must hold of any bill, tried on generated histories; and that these are as nasty as they should be."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.model.events import FAULT_TYPES, Fact, Session, SessionKey, World, read_log, read_session
from tests.model.generate import random_history, random_now, random_world, sessions_named
from tests.model.rules import bill

SEEDS = range(30)
Case = tuple[World, list[Fact], int, list[SessionKey]]


def case(seed: int) -> Case:
    rng = Random(seed)
    world = random_world(rng)
    facts = random_history(rng, world)
    return world, facts, random_now(rng, facts), sessions_named(facts)


def bills(seed: int) -> list[dict[str, Any]]:
    world, facts, now, sessions = case(seed)
    return [bill(facts, world, session, now) for session in sessions]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_facts_and_second_copies_of_them_change_nothing(seed: int) -> None:
    world, facts, now, sessions = case(seed)
    later = [
        {**fact, "received_at": fact["received_at"] + 10 * 86_400, "replayed": True}
        for fact in facts
        if fact["kind"] == "event"
    ]
    shuffled = [*facts, *later]
    Random(seed).shuffle(shuffled)
    for session in sessions[:3]:
        once = bill(facts, world, session, now, with_labels=True)
        assert bill(shuffled, world, session, now, with_labels=True) == once


def one_more_fault(session: Session) -> list[Fact]:
    """Ten minutes of a cause of its own, on the stall of the session."""
    opened = {
        **session.events[0],
        "id": "one more",
        "type": "station_fault",
        "session": None,
        "stall": session.stall,
        "at": session.plugged_in_at + 600,
        "seq": 10**6,
        "cause": "one more",
        "token": None,
        "sent_at": None,
    }
    return [opened, {**opened, "id": "and its end", "type": "station_restored", "at": opened["at"] + 600}]


def test_no_fault_raises_a_flat_fee() -> None:
    compared = 0
    for seed in SEEDS:
        world, facts, now, sessions = case(seed)
        flat = {**world, "tariffs": {name: {**t, "tiers": []} for name, t in world["tariffs"].items()}}
        for key in sessions[:3]:
            session = read_session(read_log(facts), *key)
            if session is not None and session.unplugged_at is not None:
                before_minor = bill(facts, flat, key, now)["fee_minor"]
                after_minor = bill([*facts, *one_more_fault(session)], flat, key, now)["fee_minor"]
                assert after_minor <= before_minor
                compared += before_minor > 0
    assert compared > 15


def test_the_generator_is_its_seed() -> None:
    assert case(7) == case(7)
    assert case(7) != case(8)


def test_the_generator_reaches_every_outcome() -> None:
    results = [result for seed in range(70) for result in bills(seed)]
    assert {result["state"] for result in results} == {"none", "running", "ended"}
    assert {result["not_billable"] for result in results} == {
        None,
        "no_plug_in",
        "no_completion",
        "complete_after_unplug",
    }
    reasons = {reason for result in results for reason in result["review"]}
    assert reasons == {"id_conflict", "unplug_before_plug_in", "clock_offsets", "above_limit"}
    assert sum(result["fee_minor"] > 0 for result in results) > len(results) // 3
    assert sum(result["tax_minor"] > 0 for result in results) > 20
    assert {None, "ada"} <= {result["owner"] for result in results}


def test_the_generator_makes_equal_seconds_and_every_kind_of_event() -> None:
    events = [fact for seed in SEEDS for fact in case(seed)[1] if fact["kind"] == "event"]
    own = [(e["station"], e["session"], e["at"]) for e in events if e["type"] not in FAULT_TYPES]
    assert len(set(own)) < len(own) * 9 // 10
    assert len({event["type"] for event in events}) == 8
