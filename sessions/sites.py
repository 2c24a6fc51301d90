"""Sellers, sites, stations and stalls: the registry, and how many of a site's stalls were occupied at any moment.

All moments here are on our clock: what stations say is corrected by each session's offset.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Connection, Select, Table, bindparam, func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert_postgresql
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite

from sessions.database import is_postgresql
from sessions.facts import FOREVER, Fact, Kind, site_facts
from sessions.statements import Among
from sessions.store.tables import sellers, sessions, sites, stalls, station_contacts, stations

NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class NameTaken(Exception):
    """Something of this kind has this id already."""


class Unknown(Exception):
    """Nothing of this kind has this id."""

    def __init__(self, kind: str, id_: str) -> None:
        super().__init__(f"no {kind} {id_}")
        self.kind, self.id = kind, id_


class BadName(ValueError):
    """An id must be of letters, digits and `. _ : -`, 1 to 64 of them; a zone one of IANA's."""


class Site(NamedTuple):
    """A place with stations, of one seller, in one time zone."""

    id: str
    seller_id: str
    name: str
    zone: str

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Occupied(NamedTuple):
    """`occupied` of `in_service` stalls, from `at` until the next; UTC seconds on our clock."""

    at: int
    occupied: int
    in_service: int


def _checked(id_: str) -> str:
    if not NAME.fullmatch(id_):
        raise BadName(f"{id_!r}: use letters, digits and . _ : - (1 to 64 of them)")
    return id_


@cache
def zone_names() -> frozenset[str]:
    """Every zone of IANA's."""
    return frozenset(available_timezones())  # it walks the whole zone database


def _zone(name: str) -> str:
    if name not in zone_names():
        raise BadName(f"{name!r} is no IANA time zone; one is for example Europe/Berlin")
    return name


def _insert_new(connection: Connection, table: Any, kind: str, values: dict[str, Any]) -> None:
    if connection.execute(_named(table), {"id": values["id"]}).first():
        raise NameTaken(f"{kind} {values['id']} exists")
    connection.execute(insert(table), values)


@cache
def _named(table: Table) -> Select[Any]:
    return select(table.c.id).where(table.c.id == bindparam("id"))


def add_seller(connection: Connection, id_: str, name: str, zone: str, now: int) -> None:
    """Raises `NameTaken`, `BadName`."""
    values = {"id": _checked(id_), "name": name, "zone": _zone(zone), "created_at": now}
    _insert_new(connection, sellers, "seller", values)


def add_site(connection: Connection, id_: str, seller_id: str, name: str, zone: str, now: int) -> None:
    """Raises `NameTaken`, `BadName`, `Unknown` seller."""
    if not connection.execute(select(sellers.c.id).where(sellers.c.id == seller_id)).first():
        raise Unknown("seller", seller_id)
    values = {"id": _checked(id_), "seller_id": seller_id, "name": name, "zone": _zone(zone), "created_at": now}
    _insert_new(connection, sites, "site", values)


def add_station(connection: Connection, id_: str, site_id: str, now: int) -> None:
    """Raises `NameTaken`, `BadName`, `Unknown` site."""
    site(connection, site_id)
    _insert_new(connection, stations, "station", {"id": _checked(id_), "site_id": site_id, "created_at": now})


def add_stall(connection: Connection, station_id: str, stall: str, now: int, in_service_from: int | None) -> None:
    """Raises `NameTaken`, `BadName`, `Unknown` station. A stall without `in_service_from` has stood there since
    ever.
    """
    site_id = site_of_station(connection, station_id)
    there = select(stalls.c.stall).where(stalls.c.station_id == station_id, stalls.c.stall == _checked(stall))
    if connection.execute(there).first():
        raise NameTaken(f"stall {station_id}/{stall} exists")
    connection.execute(
        insert(stalls).values(
            site_id=site_id, station_id=station_id, stall=stall, in_service_from=in_service_from, created_at=now
        )
    )


_SITES = select(sites.c.id, sites.c.seller_id, sites.c.name, sites.c.zone)
_ONE_SITE = _SITES.where(sites.c.id == bindparam("id"))


def site(connection: Connection, site_id: str) -> Site:
    """Raises `Unknown`."""
    row = connection.execute(_ONE_SITE, {"id": site_id}).first()
    if row is None:
        raise Unknown("site", site_id)
    return Site(*row)


def all_sites(connection: Connection) -> list[Site]:
    return [Site(*row) for row in connection.execute(_SITES.order_by(sites.c.id))]


def sites_by_id(connection: Connection, site_ids: Sequence[str]) -> dict[str, Site]:
    postgresql = is_postgresql(connection)
    rows = connection.execute(_sites_by_id(postgresql), _IDS.bind(postgresql, site_ids))
    return {row[0]: Site(*row) for row in rows}


_IDS = Among("ids")


@cache
def _sites_by_id(postgresql: bool) -> Select[Any]:
    return _SITES.where(_IDS.clause(postgresql, sites.c.id))


def site_of_station(connection: Connection, station_id: str) -> str:
    """Raises `Unknown`."""
    site_id = connection.execute(select(stations.c.site_id).where(stations.c.id == station_id)).scalar()
    if site_id is None:
        raise Unknown("station", station_id)
    return str(site_id)


def note_heartbeat(
    connection: Connection, station_id: str, now: int, interval_s: int | None, clock_ahead_s: int | None
) -> None:
    """Overwrite the station's last contact; what a heartbeat leaves out keeps its last value."""
    upsert = (upsert_postgresql if is_postgresql(connection) else upsert_sqlite)(station_contacts)
    told = {"interval_s": interval_s, "clock_ahead_s": clock_ahead_s}
    given = {name: value for name, value in told.items() if value is not None}
    connection.execute(
        upsert.values(station_id=station_id, heard_at=now, **told).on_conflict_do_update(
            index_elements=["station_id"], set_={"heard_at": now, **given}
        )
    )


def occupancy(connection: Connection, site_id: str, starts_at: int, ends_at: int) -> tuple[Occupied, ...]:
    """How many stalls were occupied, and how many in service, through [starts_at, ends_at).

    A running session occupies its stall until further notice; one that timed out or was superseded, until then.
    """
    standing = select(stalls.c.station_id, stalls.c.stall, func.coalesce(stalls.c.in_service_from, 0)).where(
        stalls.c.site_id == site_id
    )
    return occupied_through(
        starts_at,
        ends_at,
        busy=_busy_stretches(connection, site_id, starts_at, ends_at),
        out=out_of_service(connection, [site_id]),
        standing=[Stretch(*row, FOREVER) for row in connection.execute(standing)],
    )


class Stretch(NamedTuple):
    """A stall, and [start, end) in which something is so of it."""

    station_id: str
    stall: str
    start: int
    end: int


def occupied_through(
    starts_at: int, ends_at: int, *, busy: Sequence[Stretch], out: Sequence[Stretch], standing: Sequence[Stretch]
) -> tuple[Occupied, ...]:
    """One walk over every change, in order of time; a step where a count changes, the first at `starts_at`."""
    marks = sorted(
        (at, kind, stretch[:2], more)
        for kind, stretches in enumerate((busy, out, standing))
        for stretch in stretches
        for at, more in ((stretch.start, 1), (stretch.end, -1))
        if at < ends_at
    )
    times: Counter[tuple[int, tuple[str, str]]] = Counter()
    so: tuple[set[tuple[str, str]], ...] = (set(), set(), set())
    steps: list[Occupied] = []
    for at, changes in groupby([(starts_at, 0, ("", ""), 0), *marks], key=lambda mark: max(mark[0], starts_at)):
        for _, kind, stall, more in changes:
            times[kind, stall] += more
            (so[kind].add if times[kind, stall] else so[kind].discard)(stall)
        busy_now, out_now, standing_now = so
        step = Occupied(at, len(busy_now), len(standing_now - out_now))
        if not steps or step[1:] != steps[-1][1:]:
            steps.append(step)
    return tuple(steps)


def through(steps: Sequence[Occupied], starts_at: int, ends_at: int) -> tuple[Occupied, ...]:
    """The part of `steps` that tells of [starts_at, ends_at), which they must cover."""
    first = bisect_right(steps, starts_at, key=attrgetter("at")) - 1
    return tuple(steps[first : bisect_left(steps, ends_at, key=attrgetter("at"))])


def _busy_stretches(connection: Connection, site_id: str, starts_at: int, ends_at: int) -> list[Stretch]:
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    statement = select(
        sessions.c.station_id,
        sessions.c.stall,
        begins,
        sessions.c.offset_s,
        sessions.c.until,
        sessions.c.closed,
        sessions.c.superseded_at,
    ).where(
        sessions.c.site_id == site_id,
        begins < ends_at,
        or_(sessions.c.closed.is_(False), sessions.c.until + sessions.c.offset_s > starts_at),
    )
    found: list[Stretch] = []
    for station_id, stall, start, offset_s, until, closed, superseded_at in connection.execute(statement):
        stretch = occupied_stretch(station_id, stall, start - offset_s, until, closed, superseded_at, offset_s)
        found += [] if stretch is None else [stretch]
    return found


def occupied_stretch(
    station_id: str,
    stall: str | None,
    plugged_in_at: int | None,
    until: int | None,
    closed: bool,
    superseded_at: int | None,
    offset_s: int,
) -> Stretch | None:
    """Where a session stands: to its end, else to the stall's next plug-in, else until further notice; on our clock."""
    if stall is None or plugged_in_at is None:
        return None
    end = until if closed else superseded_at
    return Stretch(station_id, stall, plugged_in_at + offset_s, FOREVER if end is None else end + offset_s)


def out_of_service(connection: Connection, site_ids: Collection[str]) -> list[Stretch]:
    """Where the sites' stalls are out of service, from when to when."""
    recorded = site_facts(connection, site_ids, [Kind.OUT_OF_SERVICE, Kind.BACK_IN_SERVICE])
    return stretches_out(fact for facts in recorded.values() for fact in facts)


def stretches_out(recorded: Iterable[Fact]) -> list[Stretch]:
    """An interval without an end runs to the first moment after its beginning at which its stall is back, in whatever
    order they were recorded.
    """
    back: dict[tuple[str, str], list[int]] = defaultdict(list)
    taken: list[Stretch] = []
    for fact in recorded:
        station_id, stall, ends_at = fact.station_id or "", fact.stall or "", fact.ends_at
        if fact.kind is Kind.BACK_IN_SERVICE:
            back[station_id, stall].append(ends_at or 0)
        else:
            taken.append(Stretch(station_id, stall, fact.starts_at or 0, FOREVER if ends_at is None else ends_at))
    return [
        one._replace(end=min((at for at in back[one[:2]] if at > one.start), default=FOREVER))
        if one.end == FOREVER
        else one
        for one in taken
    ]
