"""Short ways to write down the facts of one session: station `st`, stall `1`, session `s`, times from 0."""

from __future__ import annotations

from typing import Any

from tests.model.events import Fact

NOW = 10_000_000
SESSION = ("st", "s")
STANDARD = {
    "currency": "USD",
    "grace_mode": "deduct",
    "grace_s": 300,
    "grace_again_after_s": 600,
    "min_resume_s": 120,
    "rate_minor_per_minute": 40,
    "fragment": "completed",
    "cap_minor": None,
    "tiers": [],
    "no_fee_hours": [],
    "requires_notice": False,
    "review_above_minor": None,
    "tax": None,
}


def event(kind: str, at: int, *, session: str | None = "s", stall: str | None = "1", **more: Any) -> Fact:
    fact = {
        "kind": "event",
        "id": f"{session}-{stall}-{kind}-{at}-{more.get('cause')}",
        "station": "st",
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
    return {**fact, **more}


def charging(*, from_at: int = 10, plugged_in_at: int = 0) -> list[Fact]:
    return [event("plugged_in", plugged_in_at), event("charging_started", from_at)]


def complete(*ats: int) -> list[Fact]:
    return [event("charge_complete", at) for at in ats]


def resumed(*ats: int) -> list[Fact]:
    return [event("charging_resumed", at) for at in ats]


def unplugged(at: int) -> list[Fact]:
    return [event("unplugged", at)]


def fault(start: int, end: int, cause: str = "a") -> list[Fact]:
    opened = event("station_fault", start, session=None, cause=cause)
    return [opened, event("station_restored", end, session=None, cause=cause)]


def idle_until(at: int) -> list[Fact]:
    return charging() + complete(1800) + unplugged(at)


def neighbour(stall: str, plugged_in_at: int) -> list[Fact]:
    return [event("plugged_in", plugged_in_at, session=f"at {stall}", stall=stall)]


def world(stalls: int = 1, **tariff: Any) -> dict[str, Any]:
    here = [("st", str(number)) for number in range(1, stalls + 1)]
    return {
        "sites": {"site": {"zone": "UTC", "stalls": here}},
        "stations": {"st": "site"},
        "tariffs": {"standard": {**STANDARD, **tariff}},
        "tokens": [],
        "session_timeout_s": 86_400,
    }
