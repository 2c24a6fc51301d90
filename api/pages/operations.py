"""`/operations`: the operator's page. What waits for a decision, how the stations are, and what was decided."""

from typing import NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import Connection

from api.guard import Engine
from api.pages import paging
from api.pages.errors import PageRoute
from api.pages.loading import SILENT_AFTER_INTERVALS, Sight
from api.pages.queries import desk as queries
from api.pages.rendering import page
from api.pages.visitors import operator
from billing.jobs import dead_letters
from billing.listing import Wanted, Where
from sessions.facts import FOREVER, Kind
from sessions.registry import Station, stations_after
from sessions.sites import Site, Stretch, out_of_service, sites_by_id

MOST_STATIONS = 300
DECISIONS = (
    *(Kind.EXCUSE, Kind.OUT_OF_SERVICE, Kind.BACK_IN_SERVICE),
    *(Kind.VOID, Kind.WAIVER, Kind.RELEASE, Kind.REJECT, Kind.CLAIM),
)

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(operator)])


class StationView(NamedTuple):
    """A station, its site, and whether it missed three of the intervals it declared."""

    station: Station
    site: Site
    silent: bool


@router.get("/operations")
def operations(request: Request, idlefee: Engine) -> Response:
    now = request.state.page["now"]
    with idlefee.reading() as connection:
        stations = _stations(connection, now)
        held = paging.sessions_page(connection, Wanted(where=Where.IN_REVIEW), None)
        reviews = Sight(connection, now).load(held.keys)
        return page(
            request,
            "operations.html",
            sites=list({view.site.id: view.site for view in stations}.values()),
            stations=stations,
            out=_until_further_notice(connection, stations),
            most=MOST_STATIONS,
            reviews=[reviews[key] for key in held.keys],
            conflicts=queries.conflicts_waiting(connection),
            parked=dead_letters(connection),
            recorded=queries.recorded(connection, DECISIONS),
        )


def _stations(connection: Connection, now: int) -> list[StationView]:
    found = stations_after(connection, "", MOST_STATIONS)
    sites = sites_by_id(connection, sorted({station.site_id for station in found}))
    return [StationView(station, sites[station.site_id], _silent(station, now)) for station in found]


def _until_further_notice(connection: Connection, shown: list[StationView]) -> list[Stretch]:
    """Which of the shown stations' stalls are out of service until further notice, and since when."""
    there = {view.station.id for view in shown}
    found = out_of_service(connection, sorted({view.site.id for view in shown}))
    return sorted(out for out in found if out.end == FOREVER and out.station_id in there)


def _silent(station: Station, now: int) -> bool:
    if station.heard_at is None or not station.interval_s:
        return False
    return now - station.heard_at > SILENT_AFTER_INTERVALS * station.interval_s
