"""Operators and support: decisions recorded, messages that contradict each other, and who is who."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, literal, or_, select

from api.pages.queries import ROWS_A_PAGE
from billing.store.tables import owners, vehicles
from sessions.facts import Kind
from sessions.store.queries import SessionKey
from sessions.store.tables import conflicts, events, facts, sessions, stations


def recorded(connection: Connection, kinds: Collection[Kind], most: int = ROWS_A_PAGE) -> list[dict[str, Any]]:
    """The newest decisions of these kinds, at any site."""
    statement = (
        select(facts)
        .where(facts.c.kind.in_([kind.value for kind in kinds]))
        .order_by(facts.c.recorded_at.desc(), facts.c.site_id, facts.c.n.desc())
        .limit(most)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def conflicts_waiting(connection: Connection, most: int = ROWS_A_PAGE) -> list[dict[str, Any]]:
    """Event ids that came with two contents and that no operator has voided, newest first."""
    voided = and_(
        facts.c.site_id == conflicts.c.site_id,
        facts.c.kind == Kind.VOID.value,
        facts.c.station_id == conflicts.c.station_id,
        facts.c.event_id == conflicts.c.event_id,
    )
    same = and_(
        events.c.site_id == conflicts.c.site_id,
        events.c.station_id == conflicts.c.station_id,
        events.c.id == conflicts.c.event_id,
    )
    statement = (
        select(
            conflicts.c.site_id,
            conflicts.c.station_id,
            conflicts.c.event_id,
            conflicts.c.recorded_at,
            func.min(events.c.session_id).label("session_id"),
        )
        .join(events, same)
        .where(~select(facts.c.n).where(voided).exists())
        .group_by(conflicts.c.site_id, conflicts.c.station_id, conflicts.c.event_id, conflicts.c.recorded_at)
        .order_by(conflicts.c.recorded_at.desc(), conflicts.c.event_id)
        .limit(most)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


class FoundOwner(NamedTuple):
    """An owner as support sees one."""

    id: str
    name: str | None
    email: str | None
    erased_at: int | None


def owners_of_plate(connection: Connection, plate: str) -> list[str]:
    """Every owner who gave this plate: capitals and digits, as `words.plate` writes it."""
    bare = func.replace(func.replace(func.upper(vehicles.c.plate), " ", ""), "-", "")
    statement = select(vehicles.c.owner_id).where(or_(vehicles.c.plate == plate, bare == plate)).distinct()
    return list(connection.execute(statement.order_by(vehicles.c.owner_id)).scalars())


def owners_by_id(connection: Connection, owner_ids: Collection[str]) -> dict[str, FoundOwner]:
    statement = select(owners.c.id, owners.c.name, owners.c.email, owners.c.erased_at).where(
        owners.c.id.in_(sorted(owner_ids))
    )
    return {row[0]: FoundOwner(*row) for row in connection.execute(statement)}


def sessions_named(connection: Connection, name: str) -> list[SessionKey]:
    """Sessions whose id is this `station/session`, or whose station's own name for them is."""
    statement = select(sessions.c.site_id, sessions.c.id).where(sessions.c.id == name)
    if found := [SessionKey(row[0], row[1]) for row in connection.execute(statement)]:
        return found
    of_stations = select(stations.c.id + "/" + literal(name))
    by_name = select(sessions.c.site_id, sessions.c.id).where(sessions.c.id.in_(of_stations)).limit(ROWS_A_PAGE)
    return [SessionKey(row[0], row[1]) for row in connection.execute(by_name)]


def sessions_of_token(connection: Connection, token_id: str) -> list[SessionKey]:
    """The newest sessions that named a token."""
    statement = (
        select(sessions.c.site_id, sessions.c.id)
        .where(sessions.c.token_id == token_id, sessions.c.plugged_in_at.is_not(None))
        .order_by(sessions.c.plugged_in_at.desc(), sessions.c.id)
        .limit(ROWS_A_PAGE)
    )
    return [SessionKey(row[0], row[1]) for row in connection.execute(statement)]
