"""The walk over the books in bounded memory: all sessions that any table knows, in key order, some at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, literal, select, tuple_, union

from billing.store.tables import charges, transfers
from sessions.store.queries import SessionKey
from sessions.store.tables import events, sessions

SESSIONS_A_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive sessions: every key there is in (after, upto]."""

    after: SessionKey
    keys: Sequence[SessionKey]

    @property
    def upto(self) -> SessionKey:
        return self.keys[-1]

    def holds(self, site_id: Any, session_id: Any) -> ColumnElement[bool]:
        """The condition that a row's session lies in the chunk, by the database's own order of text."""
        return and_(_beyond(site_id, session_id, self.after), ~_beyond(site_id, session_id, self.upto))


# A session is known to whatever names it: a row that should not be there must be met as well as one that should.
_NAMED_BY = (
    (sessions.c.site_id, sessions.c.id),
    (charges.c.site_id, charges.c.session_id),
    (transfers.c.site_id, transfers.c.session_id),
    (events.c.site_id, events.c.session_id),
)


def chunks(connection: Connection) -> Iterator[Chunk]:
    after = SessionKey("", "")
    while keys := _next(connection, after, SESSIONS_A_CHUNK):
        yield Chunk(after, keys)
        after = keys[-1]


def _next(connection: Connection, after: SessionKey, size: int) -> list[SessionKey]:
    """The next `size` keys: they are among the next `size` of each table, and each table is read by its index."""
    firsts = [
        select(site_id.label("site_id"), session_id.label("session_id"))
        .where(_beyond(site_id, session_id, after), session_id.is_not(None))  # a fault may name no session
        .distinct()
        .order_by(site_id, session_id)
        .limit(size)
        .subquery()
        for site_id, session_id in _NAMED_BY
    ]
    together = union(*(select(first.c.site_id, first.c.session_id) for first in firsts)).subquery()
    statement = select(together).order_by(together.c.site_id, together.c.session_id).limit(size)
    return [SessionKey(*row) for row in connection.execute(statement)]


def _beyond(site_id: Any, session_id: Any, key: SessionKey) -> ColumnElement[bool]:
    return tuple_(site_id, session_id) > tuple_(literal(key.site_id), literal(key.id))
