"""The queries of the intake and the fold, each for a whole batch at once. Rows in, rows out; no rule of the bill."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CompoundSelect,
    Connection,
    RowMapping,
    Select,
    Table,
    Text,
    and_,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from sessions.database import UtcSeconds, is_postgresql
from sessions.events import Event, EventType
from sessions.statements import Among, Given, bulk_insert, bulk_overwrite, for_update, keys_of
from sessions.store.tables import conflicts, events, facts, sessions, sites, stations

FAULT_TYPES = (EventType.STATION_FAULT.value, EventType.STATION_RESTORED.value)


class SessionKey(NamedTuple):
    """A session's name in the database; sorted, the order in which sessions are written."""

    site_id: str
    id: str

    @property
    def station_id(self) -> str:
        return self.id.split("/", 1)[0]


EVENT_COLUMNS = (
    "site_id",
    "station_id",
    "id",
    "digest",
    "stall",
    "session_id",
    "type",
    "at",
    "seq",
    "cause",
    "token_id",
    "data",
    "offset_s",
    "received_at",
    "author",
)
SESSION_COLUMNS = tuple(column.name for column in sessions.columns)

_FOLD_COLUMNS = (
    events.c.at,
    events.c.seq,
    events.c.type,
    events.c.id,
    events.c.stall,
    events.c.session_id,
    events.c.cause,
    events.c.token_id,
    events.c.offset_s,
    events.c.digest,
)
_TYPES = {kind.value: kind for kind in EventType}
# Written out, not bound: only so may a prepared statement use the index of faults alone.
_IS_FAULT = events.c.type.in_([literal_column(f"'{kind}'") for kind in FAULT_TYPES])


def _event(row: Sequence[Any]) -> Event:
    """A stored row as the fold sees it; the station's own session name is what follows the slash."""
    at, seq, kind, id_, stall, session_id, cause, token_id, offset_s, digest, *_ = row
    session = None if session_id is None else session_id.split("/", 1)[1]
    return Event(at, seq, _TYPES[kind], id_, stall, session, cause, token_id, offset_s, bytes.fromhex(digest))


def lock_stations(connection: Connection, station_ids: Collection[str]) -> dict[str, str]:
    """Lock the stations in sorted order and, before them, sites whose sessions price each other. Answers station →
    site.

    Everything that folds or settles a session holds its station, so this one lock is all the intake needs.
    """
    postgresql = is_postgresql(connection)
    found = connection.execute(_stations(postgresql), _IDS.bind(postgresql, station_ids)).all()
    shared = {row.site_id for row in found if row.priced_by_occupancy}
    if shared:
        connection.execute(_in_order(postgresql, sites), _IDS.bind(postgresql, shared))
    known = _IDS.bind(postgresql, (row.id for row in found))
    connection.execute(_in_order(postgresql, stations), known)
    return {row.id: row.site_id for row in found}


_IDS = Among("ids")


@cache
def _stations(postgresql: bool) -> Select[Any]:
    told = select(stations.c.id, stations.c.site_id, sites.c.priced_by_occupancy).join(sites)
    return told.where(_IDS.clause(postgresql, stations.c.id))


@cache
def _in_order(postgresql: bool, table: Table) -> Select[Any]:
    """Locks their rows where the engine has such locks."""
    return for_update(select(table.c.id).where(_IDS.clause(postgresql, table.c.id)).order_by(table.c.id))


_EVENTS = Given("wanted", ("site_id", Text()), ("station_id", Text()), ("id", Text()))
SESSIONS = Given("wanted", ("site_id", Text()), ("id", Text()))
_STATIONS = Given("wanted", ("site_id", Text()), ("station_id", Text()))


def contents_of(connection: Connection, names: Sequence[tuple[str, str, str]]) -> Sequence[Any]:
    """What is stored under each (site, station, event id): a row a content."""
    postgresql = is_postgresql(connection)
    return connection.execute(_contents(postgresql), _EVENTS.bind(postgresql, names)).all()


@cache
def _contents(postgresql: bool) -> Select[Any]:
    wanted = _EVENTS.clause(postgresql)
    told = (events.c.digest, events.c.session_id, events.c.stall, events.c.type, events.c.at)
    return select(events.c.site_id, events.c.station_id, events.c.id, *told).join(
        wanted,
        and_(
            events.c.site_id == wanted.c.site_id,
            events.c.station_id == wanted.c.station_id,
            events.c.id == wanted.c.id,
        ),
    )


def insert_events(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append events whose keys were looked up under their stations' locks and are not there."""
    bulk_insert(connection, events, EVENT_COLUMNS, rows, conflict="")


def write_sessions(connection: Connection, rows: Sequence[tuple[Any, ...]], known: Collection[tuple[str, str]]) -> None:
    """Write snapshots; `known` are the keys of those that have one."""
    bulk_overwrite(connection, sessions, SESSION_COLUMNS, rows, known)


class Before(NamedTuple):
    """What the snapshot said of a session before a change; all none for a session nobody knew."""

    plugged_in_at: int | None = None
    completed_at: int | None = None
    full_since: int | None = None
    until: int | None = None
    closed: bool = False
    stall: str | None = None
    superseded_at: int | None = None
    offset_s: int = 0


UNHEARD_OF = Before()


def snapshots_before(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, Before]:
    """The snapshots of those sessions that have one."""
    postgresql = is_postgresql(connection)
    rows = connection.execute(_snapshots_before(postgresql), SESSIONS.bind(postgresql, keys))
    return {SessionKey(row[0], row[1]): Before(*tuple(row)[2:]) for row in rows}


@cache
def _snapshots_before(postgresql: bool) -> Select[Any]:
    wanted = SESSIONS.clause(postgresql)
    told = (sessions.c[name] for name in Before._fields)
    return select(sessions.c.site_id, sessions.c.id, *told).join(
        wanted, and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.id)
    )


def snapshots_of(connection: Connection, keys: Collection[SessionKey]) -> Sequence[RowMapping]:
    """The snapshots of those sessions that have one, whole."""
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("id", Text())), keys)
    statement = select(sessions).join(
        wanted, and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.id)
    )
    return connection.execute(statement).mappings().all()


def open_sessions_touched(
    connection: Connection, stalls: Mapping[tuple[str, str, str | None], tuple[int, int]]
) -> set[SessionKey]:
    """Sessions without an unplug whose last word may move: (site, station, stall or none) → first and last new
    stamp.
    """
    postgresql = is_postgresql(connection)
    reach = _REACH.bind(postgresql, [(*where, *stamps) for where, stamps in stalls.items()])
    return {SessionKey(*row) for row in connection.execute(_open_sessions_touched(postgresql), reach)}


_REACH = Given(
    "reach",
    ("site_id", Text()),
    ("station_id", Text()),
    ("stall", Text()),
    ("first", UtcSeconds()),
    ("last", UtcSeconds()),
)


@cache
def _open_sessions_touched(postgresql: bool) -> Select[Any]:
    reach = _REACH.clause(postgresql)
    return select(sessions.c.site_id, sessions.c.id).join(
        reach,
        and_(
            sessions.c.site_id == reach.c.site_id,
            sessions.c.station_id == reach.c.station_id,
            or_(reach.c.stall.is_(None), sessions.c.stall == reach.c.stall),
            sessions.c.unplugged_at.is_(None),
            sessions.c.plugged_in_at <= reach.c.last,
            or_(sessions.c.superseded_at.is_(None), sessions.c.superseded_at >= reach.c.first),
        ),
    )


def sessions_after(connection: Connection, faults: Mapping[tuple[str, str, str | None], int]) -> set[SessionKey]:
    """Sessions a fault or restoration may concern: those not over when it happened. (site, station, stall) →
    earliest.
    """
    found: set[SessionKey] = set()
    for (site_id, station_id, stall), at in faults.items():
        statement = select(sessions.c.site_id, sessions.c.id).where(
            sessions.c.site_id == site_id,
            sessions.c.station_id == station_id,
            # One in the very second of the unplug lasts no time there, but decides whether `seq` orders that second.
            or_(sessions.c.unplugged_at.is_(None), sessions.c.unplugged_at >= at),
        )
        if stall is not None:
            statement = statement.where(sessions.c.stall == stall)
        found.update(SessionKey(*row) for row in connection.execute(statement))
    return found


def events_of(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, list[Event]]:
    """Each session's own events."""
    postgresql = is_postgresql(connection)
    found: dict[SessionKey, list[Event]] = defaultdict(list)
    for row in connection.execute(_events_of(postgresql), SESSIONS.bind(postgresql, keys)):
        found[SessionKey(row[10], row[5])].append(_event(tuple(row)))
    return found


@cache
def _events_of(postgresql: bool) -> Select[Any]:
    wanted = SESSIONS.clause(postgresql)
    return select(*_FOLD_COLUMNS, events.c.site_id).join(
        wanted, and_(events.c.site_id == wanted.c.site_id, events.c.session_id == wanted.c.id)
    )


def faults_of(connection: Connection, station_ids: Collection[tuple[str, str]]) -> dict[str, list[Event]]:
    """Every fault and restoration of the given (site, station) pairs, by station."""
    postgresql = is_postgresql(connection)
    found: dict[str, list[Event]] = defaultdict(list)
    for row in connection.execute(_faults_of(postgresql), _STATIONS.bind(postgresql, station_ids)):
        found[row[10]].append(_event(tuple(row)))
    return found


@cache
def _faults_of(postgresql: bool) -> Select[Any]:
    wanted = _STATIONS.clause(postgresql)
    here = and_(events.c.site_id == wanted.c.site_id, events.c.station_id == wanted.c.station_id)
    return select(*_FOLD_COLUMNS, events.c.station_id).join(wanted, here).where(_IS_FAULT)


class Unusable(NamedTuple):
    """Event ids that count for nothing, by reason."""

    conflicted: frozenset[str]
    voided: frozenset[str]


NOTHING_UNUSABLE = Unusable(frozenset(), frozenset())


def unusable_of(connection: Connection, site_ids: Collection[str]) -> dict[str, Unusable]:
    """By station of the given sites: the ids that came with two contents, and those an operator voided."""
    postgresql = is_postgresql(connection)
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for why, station_id, event_id in connection.execute(_unusable(postgresql), _IDS.bind(postgresql, site_ids)):
        found[station_id][why].add(event_id)
    return {station: Unusable(frozenset(twice), frozenset(voided)) for station, (twice, voided) in found.items()}


@cache
def _unusable(postgresql: bool) -> CompoundSelect[Any]:
    twice_told = select(literal(0), conflicts.c.station_id, conflicts.c.event_id)
    voided_by_people = select(literal(1), facts.c.station_id, facts.c.event_id)
    return union_all(
        twice_told.where(_IDS.clause(postgresql, conflicts.c.site_id)),
        voided_by_people.where(
            _IDS.clause(postgresql, facts.c.site_id), facts.c.kind == "void", facts.c.session_id.is_(None)
        ),
    )
