"""Decisions about a stall, a station or a site, and about what a station said there: they settle every session they
touch.
"""

from dataclasses import replace

from sqlalchemy import Connection, select

from billing.decisions.recording import check_interval, record, stated, wait_for_uploads
from billing.engine import Cause, resettle
from billing.settle import Settlement
from sessions.facts import (
    FOREVER,
    Fact,
    Kind,
    lock_site,
    record_facts,
    recorded_under,
    refuse_replay,
    sessions_overlapping,
    site_facts,
)
from sessions.intake import touched_by_event
from sessions.sites import Stretch, Unknown, site, site_of_station, stretches_out
from sessions.store.tables import events, sites, stalls, stations


class InService(Exception):
    """At that moment the stall is not out of service until further notice."""

    def __init__(self, stall: tuple[str, str]) -> None:
        super().__init__(f"{'/'.join(stall)} is not out of service until further notice at that time")


def excuse(
    connection: Connection,
    site_id: str,
    starts_at: int,
    ends_at: int,
    *,
    author: str,
    reason: str,
    now: int,
    stall: tuple[str, str] | None = None,
    request_key: str | None = None,
) -> list[Settlement]:
    """Nobody at the site (or at one (station, stall)) pays for [starts_at, ends_at), on our clock."""
    check_interval(starts_at, ends_at)
    site(connection, site_id)
    if stall is not None:
        _check_stall(connection, site_id, stall)
    fact = Fact(
        site_id=site_id,
        kind=Kind.EXCUSE,
        author=author,
        reason=stated(reason),
        key=request_key,
        station_id=stall[0] if stall else None,
        stall=stall[1] if stall else None,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    recorded = record(connection, fact, now)
    wait_for_uploads(connection, stations.c.id == stall[0] if stall else stations.c.site_id == site_id)
    keys = sessions_overlapping(connection, site_id, starts_at, ends_at, stall)
    return resettle(connection, keys, now, excuse_cause(recorded))


def excuse_cause(excuse: Fact) -> Cause:
    return Cause(f"excused: {excuse.reason}", f"excuse:{excuse.n}")


def out_of_service(
    connection: Connection,
    stall: tuple[str, str],
    starts_at: int,
    ends_at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """The (station, stall) is not in service during [starts_at, ends_at): occupancy counts without it.

    With no end it lasts until it is `back_in_service`.
    """
    check_interval(starts_at, FOREVER if ends_at is None else ends_at)
    site_id = site_of_station(connection, stall[0])
    _check_stall(connection, site_id, stall)
    fact = replace(
        _of_stall(site_id, stall, Kind.OUT_OF_SERVICE, author, reason, request_key),
        starts_at=starts_at,
        ends_at=ends_at,
    )
    recorded = record(connection, fact, now)
    keys = sessions_overlapping(connection, site_id, starts_at, FOREVER if ends_at is None else ends_at)
    return resettle(connection, keys, now, Cause(f"out of service: {reason}", f"out_of_service:{recorded.n}"))


def back_in_service(
    connection: Connection,
    stall: tuple[str, str],
    at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """The (station, stall) is back since `at` (none: now), which ends what was recorded without an end.

    Raises `InService` where nothing without an end holds at `at`. An end that was recorded before can be moved to an
    earlier moment; to a later one by a second interval.
    """
    site_id = site_of_station(connection, stall[0])
    _check_stall(connection, site_id, stall)
    ends_at = now if at is None else at
    fact = replace(
        _of_stall(site_id, stall, Kind.BACK_IN_SERVICE, author, reason, request_key), ends_at=ends_at, recorded_at=now
    )
    refuse_replay(connection, [fact])
    counted_out = _until_further_notice(connection, site_id, stall, ends_at)
    if not counted_out:
        raise InService(stall)
    recorded = record_facts(connection, [fact], now)[0]
    keys = sessions_overlapping(connection, site_id, ends_at, max(one.end for one in counted_out))
    return resettle(connection, keys, now, Cause(f"back in service: {reason}", f"back_in_service:{recorded.n}"))


def _of_stall(
    site_id: str, stall: tuple[str, str], kind: Kind, author: str, reason: str, request_key: str | None
) -> Fact:
    return Fact(
        site_id=site_id,
        kind=kind,
        author=author,
        reason=stated(reason),
        key=request_key,
        station_id=stall[0],
        stall=stall[1],
    )


def _until_further_notice(connection: Connection, site_id: str, stall: tuple[str, str], at: int) -> list[Stretch]:
    """What was recorded without an end for the stall and holds at `at`, as far as it reached until now."""
    facts = site_facts(connection, [site_id], [Kind.OUT_OF_SERVICE, Kind.BACK_IN_SERVICE]).get(site_id, [])
    endless = [fact for fact in facts if fact.kind is Kind.BACK_IN_SERVICE or fact.ends_at is None]
    return [one for one in stretches_out(endless) if one[:2] == stall and one.start < at < one.end]


def stall_added(connection: Connection, station_id: str, in_service_from: int | None, now: int) -> list[Settlement]:
    """A stall more in service: fees that depend on how full its site was since then are settled again."""
    site_id = site_of_station(connection, station_id)
    lock_site(connection, site_id)
    shared = select(sites.c.priced_by_occupancy).where(sites.c.id == site_id)
    if not connection.execute(shared).scalar():
        return []
    keys = sessions_overlapping(connection, site_id, in_service_from or 0, FOREVER)
    return resettle(connection, keys, now, Cause("a stall was added", f"stall:{station_id}:{now}"))


def void_event(
    connection: Connection, station_id: str, event_id: str, *, author: str, reason: str, now: int
) -> list[Settlement]:
    """The event counts for nothing from now on, whatever its content. Raises `Unknown`."""
    site_id = site_of_station(connection, station_id)
    known = select(events.c.id).where(
        events.c.site_id == site_id, events.c.station_id == station_id, events.c.id == event_id
    )
    if connection.execute(known).first() is None:
        raise Unknown("event", f"{station_id}/{event_id}")
    fact = Fact(
        site_id=site_id,
        kind=Kind.VOID,
        author=author,
        reason=stated(reason),
        key=_void_key(station_id, event_id),
        station_id=station_id,
        event_id=event_id,
    )
    if not record_facts(connection, [fact], now):
        return []
    wait_for_uploads(connection, stations.c.id == station_id)
    keys = touched_by_event(connection, site_id, station_id, event_id)
    return resettle(connection, keys, now, Cause(f"event voided: {reason}", f"void:{station_id}:{event_id}"))


def voided(connection: Connection, station_id: str, event_id: str) -> Fact | None:
    """The decision by which the event counts for nothing, if there is one. Raises `Unknown` station."""
    return recorded_under(connection, site_of_station(connection, station_id), _void_key(station_id, event_id))


def _void_key(station_id: str, event_id: str) -> str:
    return f"void:{station_id}:{event_id}"


def _check_stall(connection: Connection, site_id: str, stall: tuple[str, str]) -> None:
    known = select(stalls.c.stall).where(
        stalls.c.site_id == site_id, stalls.c.station_id == stall[0], stalls.c.stall == stall[1]
    )
    if connection.execute(known).first() is None:
        raise Unknown("stall", "/".join(stall))
