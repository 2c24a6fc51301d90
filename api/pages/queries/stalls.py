"""Sites, their stations and stalls, and who stands there."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from sessions.store.queries import SessionKey
from sessions.store.tables import sessions, stalls, station_contacts, stations


class Contact(NamedTuple):
    """A station's last heartbeat."""

    interval_s: int | None
    clock_ahead_s: int | None
    heard_at: int


def contacts(connection: Connection, station_ids: Collection[str]) -> dict[str, Contact]:
    statement = select(
        station_contacts.c.station_id,
        station_contacts.c.interval_s,
        station_contacts.c.clock_ahead_s,
        station_contacts.c.heard_at,
    ).where(station_contacts.c.station_id.in_(sorted(station_ids)))
    return {row[0]: Contact(*row[1:]) for row in connection.execute(statement)}


class StallRow(NamedTuple):
    site_id: str
    station_id: str
    stall: str


def stalls_of(connection: Connection, site_ids: Collection[str], most: int) -> list[StallRow]:
    statement = (
        select(stalls.c.site_id, stalls.c.station_id, stalls.c.stall)
        .where(stalls.c.site_id.in_(sorted(site_ids)))
        .order_by(stalls.c.site_id, stalls.c.station_id, stalls.c.stall)
        .limit(most)
    )
    return [StallRow(*row) for row in connection.execute(statement)]


def stall_counts(connection: Connection, site_ids: Collection[str]) -> dict[str, int]:
    """How many stalls each site has."""
    statement = (
        select(stalls.c.site_id, func.count()).where(stalls.c.site_id.in_(sorted(site_ids))).group_by(stalls.c.site_id)
    )
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def open_at(connection: Connection, at: Collection[StallRow]) -> list[SessionKey]:
    """Sessions that may stand at these stalls now: no unplug, not over, not followed by another car."""
    statement = select(sessions.c.site_id, sessions.c.id).where(
        sessions.c.site_id.in_(sorted({stall.site_id for stall in at})),
        sessions.c.station_id.in_(sorted({stall.station_id for stall in at})),
        sessions.c.unplugged_at.is_(None),
        sessions.c.plugged_in_at.is_not(None),
        sessions.c.superseded_at.is_(None),
        sessions.c.closed.is_(False),
    )
    return [SessionKey(row[0], row[1]) for row in connection.execute(statement)]


def session_keys(connection: Connection, session_ids: Collection[str]) -> list[SessionKey]:
    """The keys of those that exist."""
    # By their stations' sites: their key leads with the site, and without it every session there is would be read.
    named = {session_id.partition("/")[0] for session_id in session_ids}
    its_sites = select(stations.c.site_id).where(stations.c.id.in_(sorted(named)))
    statement = select(sessions.c.site_id, sessions.c.id).where(
        sessions.c.site_id.in_(its_sites), sessions.c.id.in_(sorted(session_ids))
    )
    return [SessionKey(row[0], row[1]) for row in connection.execute(statement)]
