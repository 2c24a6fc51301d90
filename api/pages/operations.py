"""`/operations`: the operator's page. What waits for a decision, how the stations are, and what was decided."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from api.guard import Engine
from api.pages import paging
from api.pages.errors import PageRoute
from api.pages.loading import SILENT_AFTER_INTERVALS, Sight
from api.pages.queries import desk as queries
from api.pages.queries import stalls as stall_queries
from api.pages.queries.stalls import Contact, StallRow
from api.pages.rendering import page
from api.pages.visitors import operator
from billing.jobs import dead_letters
from billing.listing import Wanted, Where
from sessions.facts import Kind
from sessions.sites import Site, all_sites

MOST_STATIONS = 300
DECISIONS = (Kind.EXCUSE, Kind.OUT_OF_SERVICE, Kind.VOID, Kind.WAIVER, Kind.RELEASE, Kind.REJECT, Kind.CLAIM)

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(operator)])


@dataclass(frozen=True, slots=True)
class StationView:
    """A station and how it is: `silent` where it missed three of the intervals it declared."""

    id: str
    site: Site
    contact: Contact | None
    stalls: tuple[str, ...]
    now: int

    @property
    def silent(self) -> bool:
        if self.contact is None or not self.contact.interval_s:
            return False
        return self.now - self.contact.heard_at > SILENT_AFTER_INTERVALS * self.contact.interval_s


@router.get("/operations")
def operations(request: Request, idlefee: Engine) -> Response:
    now = request.state.page["now"]
    with idlefee.reading() as connection:
        sites = all_sites(connection)
        stalls = stall_queries.stalls_of(connection, [site.id for site in sites], MOST_STATIONS)
        held = paging.sessions_page(connection, Wanted(where=Where.IN_REVIEW), None)
        reviews = Sight(connection, now).load(held.keys)
        return page(
            request,
            "operations.html",
            sites=sites,
            stalls=stalls,
            stations=_stations(connection, sites, stalls, now),
            reviews=[reviews[key] for key in held.keys],
            conflicts=queries.conflicts_waiting(connection),
            parked=dead_letters(connection),
            recorded=queries.recorded(connection, DECISIONS),
        )


def _stations(connection: Connection, sites: list[Site], stalls: list[StallRow], now: int) -> list[StationView]:
    by_id = {site.id: site for site in sites}
    rows = stall_queries.stations_of(connection, by_id, MOST_STATIONS)
    contacts = stall_queries.contacts(connection, [station_id for _, station_id in rows])
    its: dict[str, list[str]] = {}
    for stall in stalls:
        its.setdefault(stall.station_id, []).append(stall.stall)
    return [
        StationView(station_id, by_id[site_id], contacts.get(station_id), tuple(its.get(station_id, ())), now)
        for site_id, station_id in rows
    ]
