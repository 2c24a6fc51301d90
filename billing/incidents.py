"""What was excused, for everybody to read: where, when, why, and how much it corrected. Reads only.

The reason is the operator's own text, published as it was recorded: the doors say so where it is written. Sessions
and owners are only ever counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, tuple_

from billing.decisions import excuse_cause
from billing.store.tables import notices, transfers
from sessions.facts import Fact, Kind
from sessions.sites import Site, sites_by_id
from sessions.store.tables import facts, sessions, sites


class Place(NamedTuple):
    """An incident's place in the list."""

    recorded_at: int
    site_id: str
    n: int


@dataclass(frozen=True, slots=True)
class Incident:
    """An operator's excuse of a stall or a whole site, and what it corrected so far."""

    excuse: Fact
    site: Site
    sessions: int  # whose posted fee it changed
    owners: int  # who were told that theirs changed

    @property
    def place(self) -> Place:
        return Place(self.excuse.recorded_at, self.excuse.site_id, self.excuse.n)


def incidents_after(
    connection: Connection, since: int, before: Place | None, most: int, site_id: str | None = None
) -> list[Incident]:
    """Up to `most` excuses recorded since a moment, newest first, behind the place `before`."""
    here = facts.c.site_id.in_(select(sites.c.id)) if site_id is None else facts.c.site_id == site_id
    place = (facts.c.recorded_at, facts.c.site_id, facts.c.n)
    statement = select(facts).where(
        here, facts.c.kind == Kind.EXCUSE.value, facts.c.session_id.is_(None), facts.c.recorded_at >= since
    )
    if before is not None:
        statement = statement.where(tuple_(*place) < tuple(before))
    rows = connection.execute(statement.order_by(*(column.desc() for column in place)).limit(most)).mappings()
    excuses = [Fact(**{**row, "kind": Kind.EXCUSE}) for row in rows]
    return _counted(connection, excuses)


def _counted(connection: Connection, excuses: Sequence[Fact]) -> list[Incident]:
    where = sites_by_id(connection, sorted({one.site_id for one in excuses}))
    return [
        Incident(one, where[one.site_id], _sessions_corrected(connection, one), _owners_told(connection, one))
        for one in excuses
    ]


def _sessions_corrected(connection: Connection, excuse: Fact) -> int:
    """By the transfers that were posted with the excuse, in its transaction and in its name, for sessions it covers."""
    theirs = and_(sessions.c.site_id == transfers.c.site_id, sessions.c.id == transfers.c.session_id)
    statement = (
        select(func.count(transfers.c.session_id.distinct()))
        .join(sessions, theirs)
        .where(
            transfers.c.site_id == excuse.site_id,
            transfers.c.recorded_at == excuse.recorded_at,
            transfers.c.corrects.is_not(None),
            transfers.c.reason == excuse_cause(excuse).reason,
            sessions.c.plugged_in_at + sessions.c.offset_s < excuse.ends_at,
            sessions.c.until + sessions.c.offset_s > excuse.starts_at,
        )
    )
    if excuse.station_id is not None:
        statement = statement.where(sessions.c.station_id == excuse.station_id, sessions.c.stall == excuse.stall)
    return connection.execute(statement).scalar_one()


def _owners_told(connection: Connection, excuse: Fact) -> int:
    statement = select(func.count(notices.c.owner_id.distinct())).where(
        notices.c.site_id == excuse.site_id, notices.c.cause == excuse_cause(excuse).name
    )
    return connection.execute(statement).scalar_one()
