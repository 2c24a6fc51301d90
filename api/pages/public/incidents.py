"""`/incidents`: what was excused, why, and how many it corrected. Small numbers are not told: they are people."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.guard import PUBLIC_LIMIT, Engine
from api.pages import words
from api.pages.errors import PageRoute
from api.pages.public.caching import public_page
from api.pages.visitors import recognise
from api.paging import Cursor, cursor_at, place_of
from billing.incidents import Place, incidents_after

DAYS = 90
DAY_S = 86_400
INCIDENTS_A_PAGE = 25
LEAST_TOLD = 5  # who stood at the stall that day should not read off what a neighbour was charged

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[PUBLIC_LIMIT, Depends(recognise)])


@router.get("/incidents")
def incidents(
    request: Request, idlefee: Engine, all_: Annotated[bool, Query(alias="all")] = False, before: Cursor = None
) -> Response:
    """The last days' excuses, or with `all` every one there is, newest first."""
    place = place_of(before, (int, str, int))
    since = 0 if all_ else idlefee.clock.now() - DAYS * DAY_S
    with idlefee.reading() as connection:
        after = None if place is None else Place._make(place)
        found = incidents_after(connection, since, after, INCIDENTS_A_PAGE + 1)
    shown = found[:INCIDENTS_A_PAGE]
    return public_page(
        request,
        "public/incidents.html",
        rows=shown,
        every=all_,
        days=DAYS,
        least=LEAST_TOLD,
        told=told,
        before=before,
        following=cursor_at(shown[-1].place) if len(found) > INCIDENTS_A_PAGE else None,
        here="/incidents?all=1" if all_ else "/incidents",
    )


def told(number: int, one: str) -> str:
    """`no session`, `fewer than 5 sessions`, `1,204 sessions`."""
    if not number:
        return f"no {one}"
    return f"fewer than {LEAST_TOLD} {one}s" if number < LEAST_TOLD else words.count(number, one)
