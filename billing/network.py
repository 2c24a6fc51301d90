"""The network as people build it: sellers, sites, stations and stalls, each with its author in the trail.

What they are is `sessions.sites`' business, what a seller prints `sessions.registry`'s; who may add them the doors'.
Every function runs in the caller's write transaction and raises what theirs do.
"""

from typing import Any

from sqlalchemy import Connection

from billing.decisions import stall_added
from billing.periods import trail
from billing.settle import Settlement
from sessions import registry, sites


def add_seller(connection: Connection, id_: str, name: str, zone: str, *, author: str, now: int) -> None:
    sites.add_seller(connection, id_, name, zone, now)
    _record(connection, "seller_added", f"seller {id_}", author, now, name=name, zone=zone)


def register_seller(
    connection: Connection, seller_id: str, *, author: str, now: int, **told: str | None
) -> registry.Seller:
    """`told`: see `registry.set_registration`. Told nothing, nothing is recorded."""
    registered = registry.set_registration(connection, seller_id, **told)
    if told:
        _record(connection, "seller_registered", f"seller {seller_id}", author, now, **told)
    return registered


def add_site(connection: Connection, id_: str, seller_id: str, name: str, zone: str, *, author: str, now: int) -> None:
    sites.add_site(connection, id_, seller_id, name, zone, now)
    _record(connection, "site_added", f"site {id_}", author, now, seller=seller_id, name=name, zone=zone)


def add_station(connection: Connection, id_: str, site_id: str, *, author: str, now: int) -> None:
    sites.add_station(connection, id_, site_id, now)
    _record(connection, "station_added", f"station {id_}", author, now, site=site_id)


def add_stall(
    connection: Connection, station_id: str, stall: str, in_service_from: int | None, *, author: str, now: int
) -> list[Settlement]:
    """Fees that depend on how full its site was since then are settled again."""
    sites.add_stall(connection, station_id, stall, now, in_service_from)
    _record(connection, "stall_added", f"stall {station_id}/{stall}", author, now, in_service_from=in_service_from)
    return stall_added(connection, station_id, in_service_from, now)


def _record(connection: Connection, what: str, subject: str, author: str, now: int, **details: Any) -> None:
    trail.record(connection, author=author, what=what, subject=subject, details=details, now=now)
