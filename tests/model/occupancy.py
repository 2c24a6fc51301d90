"""Which stalls were taken and which were closed, from when to when in our time: what occupancy tiers count."""

from __future__ import annotations

from tests.model.events import Fact, Log, Session, find_end

UNTIL_FURTHER_NOTICE = 2**40


def occupations(
    log: Log, sessions: list[Session], timeout_s: int, now: int
) -> list[tuple[tuple[str, str | None], int, int]]:
    """Who stood where, from and to in our time. An open session stands there until the next plug-in, or with none
    until further notice.
    """
    taken = []
    for session in sessions:
        end = find_end(log, session, sessions, timeout_s, now)
        until = end.at + session.offset_s if end.over else UNTIL_FURTHER_NOTICE
        if session.unplugged_at is None and end.next_plug_in_at is not None:
            until = min(until, end.next_plug_in_at + session.offset_s)
        taken.append(((session.station, session.stall), session.plugged_in_at + session.offset_s, until))
    return taken


def closures(facts: list[Fact]) -> list[Fact]:
    """When stalls are out of service: without an end of its own, until somebody says that the stall is back."""
    found = []
    for fact in facts:
        if fact["kind"] == "out_of_service":
            told = [one["at"] for one in facts if one["kind"] == "back_in_service" and one["stall"] == fact["stall"]]
            behind = [at for at in told if at > fact["start"]]
            found.append({**fact, "end": min(behind)} if fact["end"] is None and behind else fact)
    return found


def is_closed(fact: Fact, stall: tuple[str, str], ours: int) -> bool:
    if tuple(fact["stall"]) != stall or ours < fact["start"]:
        return False
    return fact["end"] is None or ours < fact["end"]
