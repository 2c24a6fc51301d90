"""The search for the last word about an open session: the queries whose answers hang on what else its stall heard.

They name the station and not its site: as long as nobody has counted a young database's rows, PostgreSQL would take any
index that begins with the site, and read all of the site's events.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, exists, literal, or_, select

from sessions.database import UtcSeconds, is_postgresql
from sessions.events import EventType
from sessions.statements import Given
from sessions.store.queries import SessionKey
from sessions.store.tables import conflicts, events, facts


class Window(NamedTuple):
    """Where an open session's last word is looked for: from its plug-in on, at its stall and its whole station."""

    key: SessionKey
    stall: str
    plugged_in_at: int


def others_heard(connection: Connection, windows: Sequence[Window]) -> set[SessionKey]:
    """Sessions at whose stall, or whole station, anything was heard since their plug-in that is not their own.

    Of all others the last word is the last of their own: nearly always, and found without a search.
    """
    postgresql = is_postgresql(connection)
    return {SessionKey(*row) for row in connection.execute(_others_heard(postgresql), _bound(postgresql, windows))}


@cache
def _others_heard(postgresql: bool) -> Select[Any]:
    wanted = _WINDOWS.clause(postgresql)

    def another(stall: ColumnElement[bool]) -> ColumnElement[bool]:
        of_others = or_(events.c.session_id.is_(None), events.c.session_id != wanted.c.id)
        here = (events.c.station_id == wanted.c.station_id, stall, events.c.at >= wanted.c.since)
        found = select(literal(1)).where(*here, of_others).limit(1)
        return found.scalar_subquery().is_not(None)

    return select(wanted.c.site_id, wanted.c.id).where(
        or_(another(events.c.stall == wanted.c.stall), another(events.c.stall.is_(None)))
    )


def _usable(told: Any) -> ColumnElement[bool]:
    """Of `events` or an alias of it: neither conflicting nor voided."""
    return and_(
        ~exists().where(
            conflicts.c.site_id == told.c.site_id,
            conflicts.c.station_id == told.c.station_id,
            conflicts.c.event_id == told.c.id,
        ),
        ~exists().where(
            facts.c.site_id == told.c.site_id,
            facts.c.kind == "void",
            facts.c.session_id.is_(None),
            facts.c.station_id == told.c.station_id,
            facts.c.event_id == told.c.id,
        ),
    )


def _plugged_in_before(plug_in: Any) -> ColumnElement[bool]:
    """Whether the session of `plug_in` has an earlier one: a second plug-in changes nothing, for nobody.

    Between two in one second the id decides here, whatever their `seq`; it matters only if they name two stalls.
    """
    first = events.alias("first")
    return exists().where(
        first.c.site_id == plug_in.c.site_id,
        first.c.session_id == plug_in.c.session_id,
        first.c.type == EventType.PLUGGED_IN.value,
        or_(first.c.at < plug_in.c.at, and_(first.c.at == plug_in.c.at, first.c.id < plug_in.c.id)),
        _usable(first),
    )


def last_heard(connection: Connection, windows: Sequence[Window]) -> dict[SessionKey, tuple[int, int | None]]:
    """For sessions without an unplug: the last event before the stall's next plug-in, and that plug-in.

    Conflicting and voided events are no word of the station.
    """
    postgresql = is_postgresql(connection)
    return {
        SessionKey(row[0], row[1]): (max(at for at in (row[2], row[4], row[5]) if at is not None), row[3])
        for row in connection.execute(_last_heard(postgresql), _bound(postgresql, windows))
    }


def _bound(postgresql: bool, windows: Sequence[Window]) -> dict[str, str]:
    given = [(w.key.site_id, w.key.id, w.key.station_id, w.stall, w.plugged_in_at) for w in windows]
    return _WINDOWS.bind(postgresql, given)


_WINDOWS = Given(
    "wanted",
    ("site_id", Text()),
    ("id", Text()),
    ("station_id", Text()),
    ("stall", Text()),
    ("since", UtcSeconds()),
)


@cache
def _last_heard(postgresql: bool) -> Select[Any]:
    wanted = _WINDOWS.clause(postgresql)
    usable = _usable(events)
    at_stall = and_(events.c.station_id == wanted.c.station_id, events.c.stall == wanted.c.stall, usable)
    next_plug_in = (
        select(events.c.at)
        .where(
            at_stall,
            events.c.at > wanted.c.since,
            events.c.type == EventType.PLUGGED_IN.value,
            events.c.session_id != wanted.c.id,
            ~_plugged_in_before(events),
        )
        .order_by(events.c.at)
        .limit(1)
        .scalar_subquery()
    )
    bounded = select(wanted, next_plug_in.label("next_at")).cte("bounded")
    before = and_(
        events.c.station_id == bounded.c.station_id,
        usable,
        events.c.at >= bounded.c.since,
        or_(bounded.c.next_at.is_(None), events.c.at < bounded.c.next_at),
    )

    def latest(where: Any) -> Any:
        return (
            select(events.c.at)
            .where(before, where)
            .order_by(events.c.at.desc())
            .limit(1)
            .correlate(bounded)
            .scalar_subquery()
        )

    return select(
        bounded.c.site_id,
        bounded.c.id,
        bounded.c.since,
        bounded.c.next_at,
        latest(events.c.stall == bounded.c.stall),
        latest(events.c.stall.is_(None)),
    )
