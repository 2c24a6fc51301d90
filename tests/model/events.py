"""From a heap of facts to the ordered events of one session. No prices and no grace live here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

Fact = dict[str, Any]
World = dict[str, Any]
SessionKey = tuple[str, str]

TYPE_ORDER = (
    "plugged_in",
    "charging_started",
    "charge_complete",
    "charging_resumed",
    "station_fault",
    "station_restored",
    "meter",
    "unplugged",
)
FAULT_TYPES = ("station_fault", "station_restored")
HOW_IT_TRAVELLED = ("sent_at", "replayed", "imported", "received_at")
OFFSETS_APART_S = 120


@dataclass(frozen=True)
class Log:
    """The events that may be used, and the copies that contradict each other."""

    events: list[Fact]
    conflicts: list[Fact]


@dataclass(frozen=True)
class Session:
    """One session as its fold sees it. `events` are in fold order and cut after the unplug."""

    station: str
    name: str
    stall: str | None
    plugged_in_at: int
    unplugged_at: int | None
    events: list[Fact]
    events_after_unplug: list[Fact]
    unplugged_before_plug_in: bool
    offset_s: int
    offsets_apart: bool


@dataclass(frozen=True)
class End:
    """How far the idle time reaches, and whether the session is over there. All in station time."""

    at: int
    over: bool
    next_plug_in_at: int | None


def content(event: Fact) -> Fact:
    return {key: value for key, value in event.items() if key not in HOW_IT_TRAVELLED and value is not None}


def arrival(event: Fact) -> tuple[int, bool, bool, int]:
    """Earliest first; the rest only makes the choice the same in whatever order the facts are listed."""
    sent_at = event.get("sent_at")
    return (event["received_at"], bool(event.get("replayed")), bool(event.get("imported")), sent_at or 0)


def read_log(facts: list[Fact]) -> Log:
    voided = {(fact["station"], fact["id"]) for fact in facts if fact["kind"] == "void"}
    copies: dict[tuple[str, str], list[Fact]] = {}
    for fact in facts:
        if fact["kind"] == "event" and (fact["station"], fact["id"]) not in voided:
            copies.setdefault((fact["station"], fact["id"]), []).append(fact)
    log = Log(events=[], conflicts=[])
    for group in copies.values():
        if all(content(event) == content(group[0]) for event in group):
            log.events.append(min(group, key=arrival))
        else:
            log.conflicts.extend(group)
    return log


def covers(fault: Fact, name: str, stall: str | None) -> bool:
    """Whether a fault of the station is a matter of this session at this stall."""
    if fault.get("stall") is not None:
        return bool(fault["stall"] == stall)
    return fault.get("session") in (None, name)


def is_seen(event: Fact, station: str, name: str, stall: str | None) -> bool:
    if event["station"] != station:
        return False
    if event["type"] in FAULT_TYPES:
        return covers(event, name, stall)
    if event.get("session") != name:
        return False
    return stall is None or event.get("stall") in (None, stall)


def in_order(events: list[Fact]) -> list[Fact]:
    """Sorted by second, then by `seq` where the whole second has it, then by type and id."""
    ordered: list[Fact] = []
    for _, group in groupby(sorted(events, key=lambda event: int(event["at"])), key=lambda event: event["at"]):
        together = list(group)
        all_have_seq = all(event.get("seq") is not None for event in together)
        ordered += sorted(
            together,
            key=lambda event: (
                event["seq"] if all_have_seq else 0,
                TYPE_ORDER.index(event["type"]),
                event["id"],
            ),
        )
    return ordered


def position(events: list[Fact], wanted: str, start: int = 0) -> int | None:
    for index in range(start, len(events)):
        if events[index]["type"] == wanted:
            return index
    return None


def live_offsets(events: list[Fact], name: str) -> list[int]:
    return [
        event["received_at"] - event["sent_at"]
        for event in events
        if event.get("session") == name
        and event.get("sent_at") is not None
        and not event.get("replayed")
        and not event.get("imported")
    ]


def read_session(log: Log, station: str, name: str) -> Session | None:
    """The session, or None without a plug-in. Its stall is the one that its first plug-in names."""
    own = [event for event in log.events if (event["station"], event.get("session")) == (station, name)]
    own = in_order(own)
    first = position(own, "plugged_in")
    if first is None:
        return None
    stall = own[first].get("stall")
    seen = in_order([event for event in log.events if is_seen(event, station, name, stall)])
    plug_in = position(seen, "plugged_in")
    if plug_in is None:
        raise AssertionError("the plug-in that named the stall is seen at it")
    early_unplug = position(seen, "unplugged")
    unplug = position(seen, "unplugged", plug_in)
    cut = len(seen) if unplug is None else unplug + 1
    offsets = live_offsets(seen, name)
    return Session(
        station=station,
        name=name,
        stall=stall,
        plugged_in_at=seen[plug_in]["at"],
        unplugged_at=None if unplug is None else seen[unplug]["at"],
        events=seen[:cut],
        events_after_unplug=seen[cut:],
        unplugged_before_plug_in=early_unplug is not None and early_unplug < plug_in,
        offset_s=min(offsets, default=0),
        offsets_apart=bool(offsets) and max(offsets) - min(offsets) > OFFSETS_APART_S,
    )


def read_sessions(log: Log, stations: set[str]) -> list[Session]:
    """Every session with a plug-in at these stations."""
    keys = {
        (event["station"], event["session"])
        for event in log.events
        if event["station"] in stations and event.get("session") is not None
    }
    found = [read_session(log, station, name) for station, name in sorted(keys)]
    return [session for session in found if session is not None]


def next_plug_in_at(session: Session, sessions: list[Session]) -> int | None:
    later = [
        other.plugged_in_at
        for other in sessions
        if (other.station, other.stall) == (session.station, session.stall)
        and other.name != session.name
        and other.plugged_in_at > session.plugged_in_at
    ]
    return min(later, default=None)


def find_end(log: Log, session: Session, sessions: list[Session], timeout_s: int, now: int) -> End:
    limit = next_plug_in_at(session, sessions)
    if session.unplugged_at is not None:
        return End(session.unplugged_at, over=True, next_plug_in_at=limit)
    last = max(
        event["at"]
        for event in log.events
        if event["station"] == session.station
        and event.get("stall") in (None, session.stall)
        and event["at"] >= session.plugged_in_at
        and (limit is None or event["at"] < limit)
    )
    return End(last, over=now - (last + session.offset_s) >= timeout_s, next_plug_in_at=limit)


def is_in_conflict(log: Log, session: Session, end: End) -> bool:
    here = [event for event in log.conflicts if event["station"] == session.station]
    return any(is_matter_of(event, session, end) for event in here)


def is_matter_of(event: Fact, session: Session, end: End) -> bool:
    """Whether a content that contradicts another speaks of this session, by name or as a fault over it."""
    if event.get("session") is not None:
        return bool(event["session"] == session.name)
    is_fault_over_it = event["type"] in FAULT_TYPES and covers(event, session.name, session.stall)
    return is_fault_over_it and session.plugged_in_at <= event["at"] <= end.at
