"""Which tariff version holds for a session: the catalogue of versions, their assignments to sites, and re-rate orders.

Versions and assignments are append-only. A session's tariff is pinned at its plug-in (corrected to our clock); only
a recorded re-rate order changes the past.
"""

from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, insert, select, tuple_, union, update

from billing.store.tables import tariff_assignments, tariffs
from billing.tariffs import Tariff, preset, preset_names, tariff_from_json, tariff_to_json
from sessions.database import is_postgresql, may_write
from sessions.facts import Fact, Kind, site_facts
from sessions.statements import Among, bulk_insert
from sessions.store.tables import facts, sessions, sites

DEFAULT_TARIFF = "standard"


class TariffUnknown(Exception):
    """No tariff of this name (and version) is in the catalogue."""


class AlreadyAssigned(Exception):
    """The site has another tariff for that time; the past changes only by a re-rate."""

    def __init__(self, site_id: str, tariff: str) -> None:
        super().__init__(f"{site_id} has {tariff}")
        self.site_id, self.tariff = site_id, tariff


class BackDated(Exception):
    """A later assignment may not begin before now."""


class VersionRef(NamedTuple):
    """One version of a tariff."""

    name: str
    version: int


class Assignment(NamedTuple):
    """The version that holds at a site from a moment on our clock; 0 means since ever."""

    valid_from: int
    tariff: VersionRef


# Read by content, not by name: a version that was rolled back, or another database's, may bear the same name.
_read = lru_cache(maxsize=256)(tariff_from_json)


def install_presets(connection: Connection, now: int) -> None:
    """Put the presets into the catalogue where they are missing; safe at every start."""
    shipped = [preset(name) for name in preset_names()]
    rows = [(tariff.name, tariff.version, tariff_to_json(tariff), now, "preset") for tariff in shipped]
    bulk_insert(connection, tariffs, ("name", "version", "body", "recorded_at", "author"), rows)


def add_version(connection: Connection, tariff: Tariff, author: str, now: int) -> Tariff:
    """Append `tariff` as the next version of its name; the same content as the last version adds nothing."""
    last = connection.execute(select(func.max(tariffs.c.version)).where(tariffs.c.name == tariff.name)).scalar()
    if last is not None:
        known = tariff_version(connection, VersionRef(tariff.name, last))
        if known == tariff.model_copy(update={"version": last}):
            return known
    added = tariff.model_copy(update={"version": (last or 0) + 1})
    connection.execute(
        insert(tariffs).values(
            name=added.name, version=added.version, body=tariff_to_json(added), recorded_at=now, author=author
        )
    )
    return added


_VERSION = select(tariffs.c.body).where(tariffs.c.name == bindparam("name"), tariffs.c.version == bindparam("version"))


def tariff_version(connection: Connection, ref: VersionRef) -> Tariff:
    """Raises `TariffUnknown`."""
    body = connection.execute(_VERSION, ref._asdict()).scalar()
    if body is None:
        raise TariffUnknown(f"{ref.name} version {ref.version}")
    return _read(body)


def latest(connection: Connection, name: str) -> Tariff:
    """The newest version of a name. Raises `TariffUnknown`."""
    version = connection.execute(select(func.max(tariffs.c.version)).where(tariffs.c.name == name)).scalar()
    if version is None:
        raise TariffUnknown(name)
    return tariff_version(connection, VersionRef(name, version))


class VersionRow(NamedTuple):
    """When a version was recorded, and by whom."""

    name: str
    version: int
    recorded_at: int
    author: str


_VERSION_ROW = (tariffs.c.name, tariffs.c.version, tariffs.c.recorded_at, tariffs.c.author)


def tariffs_after(connection: Connection, after: str, most: int) -> list[VersionRow]:
    """The newest version of each name behind `after`, in the order of the names."""
    newest = select(tariffs.c.name, func.max(tariffs.c.version)).where(tariffs.c.name > after).group_by(tariffs.c.name)
    versions = tuple_(tariffs.c.name, tariffs.c.version).in_(newest.order_by(tariffs.c.name).limit(most))
    statement = select(*_VERSION_ROW).where(versions).order_by(tariffs.c.name)
    return [VersionRow(*row) for row in connection.execute(statement)]


def versions_of(connection: Connection, name: str) -> list[VersionRow]:
    """The history of a name, newest first. Raises `TariffUnknown`."""
    statement = select(*_VERSION_ROW).where(tariffs.c.name == name).order_by(tariffs.c.version.desc())
    found = [VersionRow(*row) for row in connection.execute(statement)]
    if not found:
        raise TariffUnknown(name)
    return found


def assign(
    connection: Connection,
    site_id: str,
    tariff: Tariff,
    *,
    author: str,
    reason: str,
    now: int,
    valid_from: int | None = None,
) -> Assignment:
    """Let `tariff` hold at a site from `valid_from` (default now); a site's first assignment has no beginning.

    Raises `BackDated` for a later one in the past, `AlreadyAssigned` if another begins at the same moment. Where a car
    was plugged in already, it stands there under the default tariff: that was the first.
    """
    present = assignments_of(connection, [site_id]).get(site_id, [])
    if not present and in_use(connection, site_id):
        present = [_assign_default(connection, site_id, now)]
    begins = 0 if not present else now if valid_from is None else valid_from
    if present and begins < now:
        raise BackDated(site_id)
    for other in present:
        if other.valid_from == begins:
            raise AlreadyAssigned(site_id, other.tariff.name)
    connection.execute(
        insert(tariff_assignments).values(
            site_id=site_id,
            valid_from=begins,
            tariff=tariff.name,
            tariff_version=tariff.version,
            recorded_at=now,
            author=author,
            reason=reason,
        )
    )
    if tariff.tiers:
        price_by_occupancy(connection, site_id)
    return Assignment(begins, VersionRef(tariff.name, tariff.version))


def in_use(connection: Connection, site_id: str) -> bool:
    """Whether any session of the site has begun."""
    began = select(sessions.c.id).where(sessions.c.site_id == site_id, sessions.c.plugged_in_at.is_not(None))
    return connection.execute(began.limit(1)).first() is not None


def price_by_occupancy(connection: Connection, site_id: str) -> None:
    """From now on one session's fee at this site may depend on its neighbours."""
    connection.execute(update(sites).where(sites.c.id == site_id).values(priced_by_occupancy=True))


def ever_used(connection: Connection) -> list[Tariff]:
    """Every version that any session can have been priced by so far: those assigned to sites, and those ordered."""
    assigned = select(tariff_assignments.c.tariff, tariff_assignments.c.tariff_version)
    ordered = select(facts.c.tariff, facts.c.tariff_version).where(
        facts.c.kind == Kind.RERATE.value, facts.c.session_id.is_(None)
    )
    return [tariff_version(connection, VersionRef(*row)) for row in connection.execute(union(assigned, ordered))]


def assignments_of(connection: Connection, site_ids: Collection[str]) -> dict[str, list[Assignment]]:
    """Each site's assignments, oldest first."""
    postgresql = is_postgresql(connection)
    rows = connection.execute(_assignments_of(postgresql), _SITES.bind(postgresql, site_ids))
    found: dict[str, list[Assignment]] = {}
    for site_id, valid_from, name, version in rows:
        found.setdefault(site_id, []).append(Assignment(valid_from, VersionRef(name, version)))
    return found


_SITES = Among("site_ids")


@cache
def _assignments_of(postgresql: bool) -> Select[Any]:
    c = tariff_assignments.c
    assigned = select(c.site_id, c.valid_from, c.tariff, c.tariff_version)
    return assigned.where(_SITES.clause(postgresql, c.site_id)).order_by(c.site_id, c.valid_from)


class Prices:
    """The tariffs of a set of sites, ready to ask which one a session is pinned to."""

    def __init__(self, connection: Connection, site_ids: Collection[str], now: int) -> None:
        self._connection = connection
        self._assigned = assignments_of(connection, site_ids)
        for site_id in sorted(set(site_ids) - set(self._assigned)):
            self._assigned[site_id] = [_assign_default(connection, site_id, now)]
        self._orders = site_facts(connection, site_ids, [Kind.RERATE])
        self._tariffs: dict[VersionRef, Tariff] = {}

    def pinned(self, site_id: str, plugged_in_at: int) -> Tariff:
        """The tariff of a session plugged in at `plugged_in_at` on our clock."""
        ref = pinned(self._assigned[site_id], self._orders.get(site_id, ()), plugged_in_at)
        if ref not in self._tariffs:
            self._tariffs[ref] = tariff_version(self._connection, ref)
        return self._tariffs[ref]


def pinned(assigned: Sequence[Assignment], orders: Sequence[Fact], plugged_in_at: int) -> VersionRef:
    """The latest re-rate order that covers the plug-in, else the assignment in force at it."""
    for order in reversed(orders):
        if (order.starts_at or 0) <= plugged_in_at and (order.ends_at is None or plugged_in_at < order.ends_at):
            return VersionRef(str(order.tariff), int(order.tariff_version or 1))
    return accepted(assigned, plugged_in_at)


def accepted(assigned: Sequence[Assignment], plugged_in_at: int) -> VersionRef:
    """The terms under which a car was plugged in: what was assigned then, whatever was ordered since."""
    return next(one.tariff for one in reversed(assigned) if one.valid_from <= plugged_in_at)


def timetable(connection: Connection, site_id: str) -> list[Assignment]:
    """A site's assignments, oldest first; one that nobody gave a tariff has the default's. Writes nothing."""
    return assignments_of(connection, [site_id]).get(site_id) or [_default(connection)]


def _default(connection: Connection) -> Assignment:
    default = latest(connection, DEFAULT_TARIFF)
    return Assignment(0, VersionRef(default.name, default.version))


def _assign_default(connection: Connection, site_id: str, now: int) -> Assignment:
    """A site nobody gave a tariff bills by `standard`: written down when it first matters, so that it cannot change
    later. Who only reads is answered the same, and leaves the writing to the first settlement.
    """
    default = _default(connection)
    if may_write(connection):
        bulk_insert(
            connection,
            tariff_assignments,
            ("site_id", "valid_from", "tariff", "tariff_version", "recorded_at", "author", "reason"),
            [(site_id, 0, *default.tariff, now, "default", "no tariff was assigned")],
        )
    return default
