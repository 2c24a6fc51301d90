"""An owner's rows: what runs, and whom it is owed to. What they were told, `billing.notices.store` has."""

from collections.abc import Collection
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select, union

from billing.store.tables import notices, token_holders
from sessions.facts import Kind
from sessions.statements import one_of
from sessions.store.queries import SessionKey
from sessions.store.tables import facts, sellers, sessions, sites


def perhaps_running(connection: Connection, owner_ids: Collection[str]) -> list[SessionKey]:
    """Sessions not settled of any token these owners ever held, or claimed for them: one query for all their pages.

    Whose a session is in the end, `billing.settle` says.
    """
    return sorted(set().union(*running_of(connection, owner_ids).values()))


def running_of(connection: Connection, owner_ids: Collection[str]) -> dict[str, set[SessionKey]]:
    """The same by owner; a session that changed hands is everybody's who had it."""
    unsettled = (sessions.c.closed.is_(False), sessions.c.plugged_in_at.is_not(None))
    held = (
        select(token_holders.c.owner_id, sessions.c.site_id, sessions.c.id)
        .join(sessions, sessions.c.token_id == token_holders.c.token_id)
        .where(*unsettled, one_of(connection, token_holders.c.owner_id, owner_ids))
    )
    claimed = (
        select(facts.c.owner_id, sessions.c.site_id, sessions.c.id)
        .join(sessions, and_(facts.c.site_id == sessions.c.site_id, facts.c.session_id == sessions.c.id))
        .where(*unsettled, facts.c.kind == Kind.CLAIM.value, one_of(connection, facts.c.owner_id, owner_ids))
    )
    found: dict[str, set[SessionKey]] = {owner_id: set() for owner_id in owner_ids}
    for owner_id, *key in connection.execute(union(held, claimed)):
        found[owner_id].add(SessionKey(*key))
    return found


def seller_names(connection: Connection) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(select(sellers.c.id, sellers.c.name))}


def unread_of(connection: Connection, owner_ids: Collection[str]) -> dict[str, int]:
    """How many notices each of these owners has not read."""
    statement = (
        select(notices.c.owner_id, func.count())
        .where(one_of(connection, notices.c.owner_id, owner_ids), notices.c.read_at.is_(None))
        .group_by(notices.c.owner_id)
    )
    counted = {row[0]: int(row[1]) for row in connection.execute(statement)}
    return {owner_id: counted.get(owner_id, 0) for owner_id in owner_ids}


def zones_of(connection: Connection, site_ids: Collection[str]) -> dict[str, ZoneInfo]:
    """In whose local time what happened at these sites is told."""
    statement = select(sites.c.id, sites.c.zone).where(sites.c.id.in_(sorted(site_ids)))
    return {row[0]: ZoneInfo(row[1]) for row in connection.execute(statement)}


def site_names(connection: Connection, site_ids: Collection[str]) -> dict[str, str]:
    statement = select(sites.c.id, sites.c.name).where(sites.c.id.in_(sorted(site_ids)))
    return {row[0]: row[1] for row in connection.execute(statement)}


def every_zone(connection: Connection) -> list[str]:
    """The time zones there are sites in: an owner's own is most often one of them."""
    return list(connection.execute(select(sites.c.zone).distinct().order_by(sites.c.zone)).scalars())
