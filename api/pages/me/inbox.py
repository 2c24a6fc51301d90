"""`/me/notices`: everything an owner was told, newest first, whatever channel took it besides."""

from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.me.whose import OwnerId
from api.pages.queries import ROWS_A_PAGE
from api.pages.queries import owners as queries
from api.pages.rendering import page
from api.pages.visitors import SentForm
from api.paging import Cursor, cursor_at, place_of
from api.problems import Problem
from billing.notices import store

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/me/notices")
def inbox(request: Request, idlefee: Engine, owner_id: OwnerId, before: Cursor = None) -> Response:
    older_than = place_of(before, (int, str))
    with idlefee.reading() as connection:
        found = store.inbox(connection, owner_id, ROWS_A_PAGE + 1, older_than)
        unread = queries.unread_of(connection, [owner_id])[owner_id]
        shown = found[:ROWS_A_PAGE]
        zones = queries.zones_of(connection, {notice.site_id for notice in shown}) | {store.NO_SITE: ZoneInfo("UTC")}
        deliveries = store.deliveries_of(connection, shown)
    following = cursor_at((shown[-1].created_at, shown[-1].id)) if len(found) > ROWS_A_PAGE else None
    return page(
        request,
        "me/notices.html",
        notices=shown,
        zones=zones,
        deliveries=deliveries,
        unread=unread,
        before=before,
        following=following,
    )


@router.post("/me/notices/read")
def read_notices(idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """Everything is read that was there when the page was: what came later nobody has seen."""
    if not form["until"].isdecimal() or len(form["until"]) > 12:
        raise Problem(422, "bad_form", "The notices were not marked", "Reload the page and send it again.")
    with idlefee.writing() as connection:
        store.mark_all_read(connection, owner_id, int(form["until"]), idlefee.clock.now())
    return RedirectResponse("/me/notices", 303)
