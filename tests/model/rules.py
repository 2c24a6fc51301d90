"""The bill of one session, second by second: the car, the station, the stays, the exclusions, the price.

What the account shows of it (reviews, waivers, finality) lives in `posting`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.model.events import (
    End,
    Fact,
    Log,
    Session,
    SessionKey,
    World,
    find_end,
    is_in_conflict,
    read_log,
    read_session,
    read_sessions,
)
from tests.model.occupancy import closures, is_closed, occupations

PIECE_S = 60
RateBySecond = Callable[[int], int]


def bill(
    facts: list[Fact], world: World, session: SessionKey, now: int, *, with_labels: bool = False
) -> dict[str, Any]:
    """What the facts say of one session at the moment `now`."""
    log = read_log(facts)
    found = read_session(log, *session)
    if found is None:
        return no_session(log, facts, session, with_labels=with_labels)
    sessions = read_sessions(log, stations_beside(world, found.station))
    end = find_end(log, found, sessions, world["session_timeout_s"], now)
    tariff = pinned_tariff(facts, world, found)

    cars, faults = walk(found, end)
    exclusion = exclusion_by_second(facts, world, tariff, found, faults)
    stays = split_into_stays(cars, found.plugged_in_at, tariff["grace_again_after_s"])
    reasons = {at: exclusion(at) for stay in stays for at in stay}
    excluded = {at for at, reason in reasons.items() if reason is not None}

    rate_at = rate_by_second(facts, world, tariff, log, found, sessions, now)
    billed = billed_seconds(stays, excluded, tariff)
    fee_minor = price(billed, tariff, rate_at)
    billed_without_exclusions = billed_seconds(stays, set(), tariff)
    fee_without_exclusions_minor = price(billed_without_exclusions, tariff, rate_at)
    if fee_without_exclusions_minor < fee_minor:
        billed, fee_minor = billed_without_exclusions, fee_without_exclusions_minor

    tax_minor = tax(fee_minor, tariff["tax"])
    on_top = tariff["tax"] is not None and not tariff["tax"]["included"]
    to_pay_minor = fee_minor + (tax_minor if on_top else 0)
    result = {
        "state": "ended" if end.over else "running",
        "not_billable": None if stays else why_not_billable(found),
        "plugged_in_at": found.plugged_in_at,
        "ended_at": end.at if end.over else None,
        "billed_s": len(billed),
        "fee_minor": fee_minor,
        "tax_minor": tax_minor,
        "to_pay_minor": to_pay_minor,
        "review": review_reasons(log, found, end, to_pay_minor, tariff),
        "owner": owner(facts, world, found),
    }
    if with_labels:
        result["labels"] = labels(cars, reasons, stays, found.plugged_in_at, tariff["grace_s"])
    return result


def no_session(log: Log, facts: list[Fact], session: SessionKey, *, with_labels: bool) -> dict[str, Any]:
    conflict = any((event["station"], event.get("session")) == session for event in log.conflicts)
    result = {
        "state": "none",
        "not_billable": "no_plug_in",
        "plugged_in_at": None,
        "ended_at": None,
        "billed_s": 0,
        "fee_minor": 0,
        "tax_minor": 0,
        "to_pay_minor": 0,
        "review": ["id_conflict"] if conflict else [],
        "owner": (latest_claim(facts, session) or {}).get("owner"),
    }
    return {**result, "labels": []} if with_labels else result


# The two regions


def seconds(session: Session, end: End) -> range:
    return range(session.plugged_in_at, end.at)


def walk(session: Session, end: End) -> tuple[list[str], set[int]]:
    """The car in each second from plug-in to end, and the seconds in which any cause is open.

    All events of a second are folded before the second is looked at: a state that lasts none never shows.
    """
    car, open_causes = "connected", set[tuple[str, Any]]()
    cars: list[str] = []
    faults: set[int] = set()
    waiting = list(session.events)
    for at in seconds(session, end):
        while waiting and waiting[0]["at"] <= at:
            event = waiting.pop(0)
            car = next_car(car, event["type"])
            if event["type"] == "station_fault":
                open_causes.add(cause(event))
            elif event["type"] == "station_restored":
                open_causes.discard(cause(event))
        cars.append(car)
        if open_causes:
            faults.add(at)
    return cars, faults


def next_car(car: str, event_type: str) -> str:
    if event_type in ("charging_started", "charging_resumed"):
        return "charging"
    if event_type == "charge_complete" and car == "charging":
        return "complete"
    return car


def cause(event: Fact) -> tuple[str, Any]:
    whole_station = event.get("stall") is None and event.get("session") is None
    return ("station" if whole_station else "stall", event.get("cause"))


def why_not_billable(session: Session) -> str:
    late = any(event["type"] == "charge_complete" for event in session.events_after_unplug)
    return "complete_after_unplug" if late else "no_completion"


# Grace


def split_into_stays(cars: list[str], plugged_in_at: int, grace_again_after_s: int) -> list[list[int]]:
    """The complete seconds, in a new list wherever grace is granted."""
    stays: list[list[int]] = []
    charging_s = 0
    previous = None
    for at, car in enumerate(cars, plugged_in_at):
        if car == "complete":
            if previous != "complete" and (not stays or charging_s >= grace_again_after_s):
                stays.append([])
            stays[-1].append(at)
        charging_s = charging_s + 1 if car == "charging" else 0
        previous = car
    return stays


def billed_seconds(stays: list[list[int]], excluded: set[int], tariff: dict[str, Any]) -> list[int]:
    billed: list[int] = []
    for stay in stays:
        chargeable = [at for at in stay if at not in excluded]
        if tariff["grace_mode"] == "deduct":
            billed += chargeable[tariff["grace_s"] :]
        elif len(chargeable) > tariff["grace_s"]:
            billed += chargeable
    return billed


def exclusion_by_second(
    facts: list[Fact], world: World, tariff: dict[str, Any], session: Session, faults: set[int]
) -> Callable[[int], str | None]:
    """Why a second of the session's station time is nobody's to pay, or None."""
    site = world["stations"][session.station]
    zone = world["sites"][site]["zone"]
    excuses = [fact for fact in facts if fact["kind"] == "excuse" and is_about(fact, site, session)]
    noticed_at = first_notice_at(facts, session)

    def exclusion(at: int) -> str | None:
        ours = at + session.offset_s
        if at in faults:
            return "fault"
        if any(excuse["start"] <= ours < excuse["end"] for excuse in excuses):
            return "operator"
        if any(is_within(window, ours, zone) for window in tariff["no_fee_hours"]):
            return "no_fee_hours"
        if tariff["requires_notice"] and (noticed_at is None or ours < noticed_at):
            return "no_notice"
        return None

    return exclusion


def is_about(excuse: Fact, site: str, session: Session) -> bool:
    if excuse["stall"] is None:
        return bool(excuse["site"] == site)
    return tuple(excuse["stall"]) == (session.station, session.stall)


def first_notice_at(facts: list[Fact], session: Session) -> int | None:
    notices = [
        fact["at"]
        for fact in facts
        if fact["kind"] == "notice_accepted" and tuple(fact["session"]) == (session.station, session.name)
    ]
    return min(notices, default=None)


def is_within(window: dict[str, Any], ours: int, zone: str) -> bool:
    """Whether the clock on the wall of the site shows a time of the window, which may pass midnight."""
    wall = datetime.fromtimestamp(ours, UTC).astimezone(ZoneInfo(zone))
    shown = wall.hour * 3600 + wall.minute * 60 + wall.second
    start, end = seconds_of_day(window["start"]), seconds_of_day(window["end"])
    today = wall.weekday() in window["days"]
    yesterday = (wall.weekday() - 1) % 7 in window["days"]
    if start < end:
        return today and start <= shown < end
    return (today and shown >= start) or (yesterday and shown < end)


@cache
def seconds_of_day(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


# Price


def price(billed: list[int], tariff: dict[str, Any], rate_at: RateBySecond) -> int:
    fee_minor = 0
    for start in range(0, len(billed), PIECE_S):
        piece = billed[start : start + PIECE_S]
        if len(piece) == PIECE_S or tariff["fragment"] == "started":
            fee_minor += min(rate_at(at) for at in piece)
    return fee_minor if tariff["cap_minor"] is None else min(fee_minor, tariff["cap_minor"])


def rate_by_second(
    facts: list[Fact],
    world: World,
    tariff: dict[str, Any],
    log: Log,
    session: Session,
    sessions: list[Session],
    now: int,
) -> RateBySecond:
    """The rate at a second of the session's station time: the highest occupancy tier reached, or the base."""
    stalls = [tuple(stall) for stall in world["sites"][world["stations"][session.station]]["stalls"]]
    taken = occupations(log, sessions, world["session_timeout_s"], now) if tariff["tiers"] else []
    closed = closures(facts)
    mine = (session.station, session.stall)
    tiers = sorted(tuple(tier) for tier in tariff["tiers"])

    @cache
    def rate_at(at: int) -> int:
        if not tariff["tiers"]:
            return int(tariff["rate_minor_per_minute"])
        ours = at + session.offset_s
        occupied = {stall for stall, start, end in taken if start <= ours < end and stall in stalls} | {mine}
        in_service = [stall for stall in stalls if not any(is_closed(fact, stall, ours) for fact in closed)]
        rate = tariff["rate_minor_per_minute"]
        for percent, tier_rate in tiers:
            if in_service and len(occupied) * 100 >= percent * len(in_service):
                rate = tier_rate
        return int(rate)

    return rate_at


def tax(fee_minor: int, rule: dict[str, Any] | None) -> int:
    """The tax in the fee, or on top of it where listed prices do not include it."""
    if rule is None:
        return 0
    share_ppm = rule["rate_ppm"]
    return half_up(fee_minor * share_ppm, 1_000_000 + share_ppm if rule["included"] else 1_000_000)


def half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


# What holds around the session


def stations_beside(world: World, station: str) -> set[str]:
    return {other for other, site in world["stations"].items() if site == world["stations"][station]}


def pinned_tariff(facts: list[Fact], world: World, session: Session) -> dict[str, Any]:
    """The tariff of the last order to re-rate that covers the plug-in, or the one assigned then."""
    site = world["stations"][session.station]
    ours = session.plugged_in_at + session.offset_s
    orders = [
        fact
        for fact in facts
        if fact["kind"] == "rerate" and fact["site"] in (None, site) and fact["from"] <= ours < fact["to"]
    ]
    assigned = [
        fact
        for fact in facts
        if fact["kind"] == "assign" and fact["site"] == site and (fact["from"] is None or fact["from"] <= ours)
    ]
    name = "standard"
    if orders:
        name = max(orders, key=lambda fact: fact["n"])["tariff"]
    elif assigned:
        name = max(assigned, key=lambda fact: (fact["from"] is not None, fact["from"]))["tariff"]
    tariff: dict[str, Any] = world["tariffs"][name]
    return tariff


def review_reasons(log: Log, session: Session, end: End, to_pay_minor: int, tariff: dict[str, Any]) -> list[str]:
    limit = tariff["review_above_minor"]
    found = {
        "id_conflict": is_in_conflict(log, session, end),
        "unplug_before_plug_in": session.unplugged_before_plug_in,
        "clock_offsets": session.offsets_apart,
        "above_limit": limit is not None and to_pay_minor > limit,
    }
    return sorted(reason for reason, holds in found.items() if holds)


def latest_claim(facts: list[Fact], session: SessionKey) -> Fact | None:
    claims = [fact for fact in facts if fact["kind"] == "claim" and tuple(fact["session"]) == session]
    return max(claims, key=lambda fact: int(fact["n"]), default=None)


def owner(facts: list[Fact], world: World, session: Session) -> Any:
    claim = latest_claim(facts, (session.station, session.name))
    if claim is not None:
        return claim["owner"]
    named = [event["token"] for event in events_that_count(session) if event.get("session") == session.name]
    token = next((token for token in named if token is not None), None)
    ours = session.plugged_in_at + session.offset_s
    for entry in world["tokens"]:
        began = entry["from"] is None or entry["from"] <= ours
        gone = entry["to"] is not None and entry["to"] <= ours
        if entry["token"] == token and began and not gone:
            return entry["owner"]
    return None


def events_that_count(session: Session) -> list[Fact]:
    """The events up to the unplug that mean something where they fall."""
    car, open_causes, plugged_in = "connected", set[tuple[str, Any]](), False
    counted: list[Fact] = []
    for event in session.events:
        kind, before = event["type"], (car, plugged_in, set(open_causes))
        car = next_car(car, kind)
        plugged_in = plugged_in or kind == "plugged_in"
        if kind == "station_fault":
            open_causes.add(cause(event))
        elif kind == "station_restored":
            open_causes.discard(cause(event))
        ends = kind == "unplugged" and plugged_in
        if kind == "meter" or ends or (car, plugged_in, open_causes) != before:
            counted.append(event)
    return counted


def labels(
    cars: list[str], reasons: dict[int, str | None], stays: list[list[int]], plugged_in_at: int, grace_s: int
) -> list[str]:
    """What people see in each second: `excused:` and its reason only where the car is complete."""
    shown = list(cars)
    for stay in stays:
        chargeable_s = 0
        for at in stay:
            reason = reasons[at]
            if reason is None:
                chargeable_s += 1
                shown[at - plugged_in_at] = "grace" if chargeable_s <= grace_s else "idle"
            else:
                shown[at - plugged_in_at] = f"excused:{reason}"
    return shown
