"""The registry as lists, a page at a time in the order of the ids: sellers, sites, stations with their stalls."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select, update

from sessions.sites import Site, Unknown
from sessions.store.tables import sellers, sites, stalls, station_contacts, stations


class Seller(NamedTuple):
    """The legal entity that bills; `zone` is its books'. The last three are printed on receipts as they stand."""

    id: str
    name: str
    zone: str
    legal_name: str | None = None
    address: str | None = None
    tax_id: str | None = None


_SELLER = (
    sellers.c.id,
    sellers.c.name,
    sellers.c.zone,
    sellers.c.legal_name,
    sellers.c.address,
    sellers.c.tax_id,
)


class Station(NamedTuple):
    """A station, its last sign of life, and its stalls, each with the moment it entered service (none: since ever)."""

    id: str
    site_id: str
    heard_at: int | None
    interval_s: int | None
    clock_ahead_s: int | None
    stalls: Sequence[tuple[str, int | None]]


def sellers_after(connection: Connection, after: str, most: int) -> list[Seller]:
    statement = select(*_SELLER).where(sellers.c.id > after)
    return [Seller(*row) for row in connection.execute(statement.order_by(sellers.c.id).limit(most))]


def seller(connection: Connection, seller_id: str) -> Seller:
    """Raises `Unknown`."""
    row = connection.execute(select(*_SELLER).where(sellers.c.id == seller_id)).first()
    if row is None:
        raise Unknown("seller", seller_id)
    return Seller(*row)


def set_registration(connection: Connection, seller_id: str, **told: str | None) -> Seller:
    """Write down what receipts say of a seller: of `legal_name`, `address`, `tax_id` those given; none takes one back.

    Raises `Unknown`.
    """
    given = {name: told[name] for name in ("legal_name", "address", "tax_id") if name in told}
    if given:
        connection.execute(update(sellers).where(sellers.c.id == seller_id).values(**given))
    return seller(connection, seller_id)


def sites_after(connection: Connection, after: str, most: int) -> list[Site]:
    statement = select(sites.c.id, sites.c.seller_id, sites.c.name, sites.c.zone).where(sites.c.id > after)
    return [Site(*row) for row in connection.execute(statement.order_by(sites.c.id).limit(most))]


def stations_after(connection: Connection, after: str, most: int, site_id: str | None = None) -> list[Station]:
    """Stations, of one site if it is named."""
    statement = _stations().where(stations.c.id > after)
    if site_id is not None:
        statement = statement.where(stations.c.site_id == site_id)
    return _with_stalls(connection, connection.execute(statement.order_by(stations.c.id).limit(most)).all())


def station(connection: Connection, station_id: str) -> Station | None:
    found = connection.execute(_stations().where(stations.c.id == station_id)).all()
    return next(iter(_with_stalls(connection, found)), None)


def _stations() -> Select[Any]:
    return select(
        stations.c.id,
        stations.c.site_id,
        station_contacts.c.heard_at,
        station_contacts.c.interval_s,
        station_contacts.c.clock_ahead_s,
    ).outerjoin(station_contacts, station_contacts.c.station_id == stations.c.id)


def _with_stalls(connection: Connection, found: Sequence[Row[Any]]) -> list[Station]:
    theirs = select(stalls.c.station_id, stalls.c.stall, stalls.c.in_service_from).where(
        stalls.c.station_id.in_([row.id for row in found])
    )
    by_station: dict[str, list[tuple[str, int | None]]] = defaultdict(list)
    for station_id, stall, since in connection.execute(theirs.order_by(stalls.c.stall)):
        by_station[station_id].append((stall, since))
    return [
        Station(row.id, row.site_id, row.heard_at, row.interval_s, row.clock_ahead_s, by_station[row.id])
        for row in found
    ]
