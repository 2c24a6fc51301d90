"""Operators about their network: sellers, sites, stations, stalls, and which tariff holds at a site."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from api.access.keys import Role, issue
from api.answers import READS, WRITES
from api.guard import Engine, FinanceOrOperator, Operator, Staff
from api.inputs import Body, Id, Lines, Moment, PathId, Reason, TariffName, Text64, Text128
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.problems import not_found
from billing import network
from billing.assignments import Assignment, VersionRef, assign, assignments_of, latest, tariff_version
from sessions import registry, sites
from sessions.events.wire import Stamp

router = APIRouter(prefix="/v1", tags=["sites"])

Zone = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"),
    Field(description="IANA time zone", examples=["Europe/Berlin"]),
]


class Seller(Body):
    """The legal entity that bills."""

    id: Annotated[Id, Field(examples=["acme"])]
    name: Annotated[Text128, Field(examples=["Acme Charging Ltd"])]
    zone: Annotated[Zone, Field(description="time zone of its books")]


class Registration(Body):
    """What receipts print of a seller, as it stands when they are made. What is left out stays, null takes it back."""

    legal_name: Annotated[Text128 | None, Field(examples=["Acme Charging Limited"])] = None
    address: Annotated[Lines | None, Field(examples=["1 Quay Street\nLondon"])] = None
    tax_id: Annotated[Text64 | None, Field(examples=["GB123456789"])] = None


class RegisteredSeller(Seller, Registration):
    """A seller with its registration."""


class Site(Body):
    """A place with stations, of one seller, in one time zone."""

    id: Annotated[Id, Field(examples=["harbour"])]
    seller: Annotated[Id, Field(examples=["acme"])]
    name: Annotated[Text128, Field(examples=["Harbour"])]
    zone: Zone


class NewStation(Body):
    id: Annotated[Id, Field(examples=["st-1"])]
    site: Annotated[Id, Field(examples=["harbour"])]


class StationAdded(NewStation):
    """A station and its key, which is shown this once."""

    key: Annotated[str, Field(description="for the station's `Authorization: Bearer`; kept as a hash only")]


class StationKey(BaseModel):
    key: Annotated[str, Field(description="shown this once; the station's other keys still work")]


class StallRow(BaseModel):
    stall: str
    in_service_from: Annotated[Moment | None, Field(description="null: as long as the site has stood")]


class StationRow(BaseModel):
    """A station, its stalls, and its last sign of life."""

    id: str
    site: str
    heard_at: Moment | None
    interval_s: Annotated[int | None, Field(description="how often it means to send a heartbeat; null: never silent")]
    clock_ahead_s: int | None
    stalls: list[StallRow]


class NewStall(Body):
    stall: Text64
    in_service_from: Annotated[Stamp | None, Field(description="null: as long as the site has stood")] = None


class AssignmentRow(BaseModel):
    """A tariff version and from when it holds."""

    tariff: str
    version: int
    valid_from: Annotated[Moment | None, Field(description="null: a site's first has no beginning")]


class NewAssignment(Body):
    tariff: TariffName
    version: Annotated[int | None, Field(ge=1, le=10**6, description="null: the newest")] = None
    valid_from: Annotated[Stamp | None, Field(description="null: now; a site's first assignment holds since ever")] = (
        None
    )
    reason: Reason


@router.get("/sellers", responses=READS)
def list_sellers(idlefee: Engine, _principal: Staff, cursor: Cursor = None, limit: Limit = 50) -> Page[Seller]:
    """Who bills, in the order of their ids."""
    place = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = registry.sellers_after(connection, place[0], limit + 1)
    return page_of(found, limit, lambda one: (one.id,), lambda one: Seller(id=one.id, name=one.name, zone=one.zone))


@router.post("/sellers", status_code=201, responses=WRITES)
def create_seller(idlefee: Engine, principal: Operator, seller: Seller) -> Seller:
    """Add a legal entity that bills."""
    with idlefee.writing() as connection:
        network.add_seller(
            connection, seller.id, seller.name, seller.zone, author=principal.author, now=idlefee.clock.now()
        )
    return seller


@router.get("/sellers/{seller_id}", responses=READS)
def show_seller(idlefee: Engine, _principal: Staff, seller_id: PathId) -> RegisteredSeller:
    """One seller, with what receipts print of it."""
    with idlefee.reading() as connection:
        return _seller(registry.seller(connection, seller_id))


@router.patch("/sellers/{seller_id}", responses=WRITES)
def register_seller(
    idlefee: Engine, principal: FinanceOrOperator, seller_id: PathId, told: Registration
) -> RegisteredSeller:
    """Write down what receipts print of a seller: legal name, address, tax registration."""
    with idlefee.writing() as connection:
        now, given = idlefee.clock.now(), told.model_dump(exclude_unset=True)
        return _seller(network.register_seller(connection, seller_id, author=principal.author, now=now, **given))


def _seller(one: registry.Seller) -> RegisteredSeller:
    return RegisteredSeller(**one._asdict())


@router.get("/sites", responses=READS)
def list_sites(idlefee: Engine, _principal: Staff, cursor: Cursor = None, limit: Limit = 50) -> Page[Site]:
    """Sites in the order of their ids."""
    place = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = registry.sites_after(connection, place[0], limit + 1)
    return page_of(found, limit, lambda one: (one.id,), _site)


@router.post("/sites", status_code=201, responses=WRITES)
def create_site(idlefee: Engine, principal: Operator, site: Site) -> Site:
    """Add a place with stations. Nobody assigned it a tariff: it bills by `standard` from its first session on."""
    with idlefee.writing() as connection:
        network.add_site(
            connection, site.id, site.seller, site.name, site.zone, author=principal.author, now=idlefee.clock.now()
        )
    return site


@router.get("/sites/{site_id}", responses=READS)
def show_site(idlefee: Engine, _principal: Staff, site_id: PathId) -> Site:
    """One site."""
    with idlefee.reading() as connection:
        return _site(sites.site(connection, site_id))


def _site(one: sites.Site) -> Site:
    return Site(id=one.id, seller=one.seller_id, name=one.name, zone=one.zone)


@router.get("/sites/{site_id}/tariffs", responses=READS)
def list_assignments(idlefee: Engine, _principal: Staff, site_id: PathId) -> list[AssignmentRow]:
    """Which tariff version holds at a site, oldest first."""
    with idlefee.reading() as connection:
        sites.site(connection, site_id)
        return [_assignment(one) for one in assignments_of(connection, [site_id]).get(site_id, [])]


@router.post("/sites/{site_id}/tariffs", status_code=201, responses=WRITES)
def assign_tariff(idlefee: Engine, principal: Operator, site_id: PathId, new: NewAssignment) -> AssignmentRow:
    """Let a tariff hold from a moment on: for cars plugged in from then. The past changes only by a re-rate."""
    with idlefee.writing() as connection:
        sites.site(connection, site_id)
        tariff = (
            latest(connection, new.tariff)
            if new.version is None
            else tariff_version(connection, VersionRef(new.tariff, new.version))
        )
        assigned = assign(
            connection,
            site_id,
            tariff,
            author=principal.author,
            reason=new.reason,
            now=idlefee.clock.now(),
            valid_from=new.valid_from,
        )
    return _assignment(assigned)


def _assignment(one: Assignment) -> AssignmentRow:
    return AssignmentRow(tariff=one.tariff.name, version=one.tariff.version, valid_from=one.valid_from or None)


@router.get("/stations", responses=READS)
def list_stations(
    idlefee: Engine,
    _principal: Staff,
    site_id: Annotated[Id | None, Query(alias="site")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[StationRow]:
    """Stations in the order of their ids."""
    place = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = registry.stations_after(connection, place[0], limit + 1, site_id)
    return page_of(found, limit, lambda one: (one.id,), _station)


@router.post("/stations", status_code=201, responses=WRITES)
def create_station(idlefee: Engine, principal: Operator, station: NewStation) -> StationAdded:
    """Add a station. Its key is shown this once."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        network.add_station(connection, station.id, station.site, author=principal.author, now=now)
        issued = issue(
            connection, Role.STATION, label=station.id, now=now, station_id=station.id, author=principal.author
        )
    return StationAdded(id=station.id, site=station.site, key=issued.text)


@router.get("/stations/{station_id}", responses=READS)
def show_station(idlefee: Engine, _principal: Staff, station_id: PathId) -> StationRow:
    """One station, its stalls, and its last sign of life."""
    with idlefee.reading() as connection:
        found = registry.station(connection, station_id)
    if found is None:
        raise not_found("such station")
    return _station(found)


def _station(one: registry.Station) -> StationRow:
    return StationRow(
        id=one.id,
        site=one.site_id,
        heard_at=one.heard_at,
        interval_s=one.interval_s,
        clock_ahead_s=one.clock_ahead_s,
        stalls=[StallRow(stall=stall, in_service_from=since) for stall, since in one.stalls],
    )


@router.post("/stations/{station_id}/keys", status_code=201, responses=WRITES)
def create_station_key(idlefee: Engine, principal: Operator, station_id: PathId) -> StationKey:
    """Another key of a station, where the first was lost. Shown this once."""
    with idlefee.writing() as connection:
        sites.site_of_station(connection, station_id)
        now = idlefee.clock.now()
        issued = issue(
            connection, Role.STATION, label=station_id, now=now, station_id=station_id, author=principal.author
        )
    return StationKey(key=issued.text)


@router.post("/stations/{station_id}/stalls", status_code=201, responses=WRITES)
def create_stall(idlefee: Engine, principal: Operator, station_id: PathId, new: NewStall) -> StallRow:
    """Add a stall before its first message does, with the moment from which it counts as in service."""
    with idlefee.writing() as connection:
        network.add_stall(
            connection,
            station_id,
            new.stall,
            new.in_service_from,
            author=principal.author,
            now=idlefee.clock.now(),
        )
    return StallRow(stall=new.stall, in_service_from=new.in_service_from)
