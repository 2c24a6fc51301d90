"""`/me`: an owner's own page. The running session, what it costs, what came before, and what they were told."""

import secrets
from collections.abc import Collection, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse

from api.guard import Engine
from api.pages import paging, words
from api.pages.errors import PageRoute
from api.pages.live import Parts, Stream, Subject, Watching
from api.pages.loading import Sight
from api.pages.queries import owners as queries
from api.pages.rendering import fragment, page
from api.pages.views import SessionView
from api.pages.visitors import AnOwner, OwnForm, SentForm
from api.paging import Cursor
from api.problems import Problem
from billing.ledger import owner_balances
from billing.listing import Wanted, Where
from billing.notices import store
from billing.owners import Vehicle, add_vehicle, owner, vehicles_of

NOTICES = 20

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def running(sight: Sight, owner_ids: Collection[str]) -> dict[str, list[SessionView]]:
    """The sessions of these owners that are not settled, latest first."""
    found: dict[str, list[SessionView]] = {owner_id: [] for owner_id in owner_ids}
    for view in sight.views(queries.perhaps_running(sight.connection, owner_ids)):
        if view.owner_id in found and view.state != "ended":
            found[view.owner_id].append(view)
    for views in found.values():
        views.sort(key=lambda view: (view.begins_at, view.key), reverse=True)
    return found


@router.get("/me")
def me(request: Request, idlefee: Engine, visitor: AnOwner, before: Cursor = None) -> Response:
    now, owner_id = request.state.page["now"], visitor.owner_id or ""
    with idlefee.reading() as connection:
        sight = Sight(connection, now)
        past = paging.sessions_page(connection, Wanted(owner_id=owner_id, where=Where.ENDED), before)
        sellers = queries.seller_names(connection)
        balances = owner_balances(connection, owner_id)
        return page(
            request,
            "me.html",
            owner=owner(connection, owner_id),
            running=(views := running(sight, [owner_id])[owner_id]),
            stage=_stage(views),
            past_views=sight.views(past.keys),
            following=past.following,
            before=before,
            balances=[
                (sellers.get(seller, seller), words.money(amount_minor, currency))
                for (seller, currency), amount_minor in sorted(balances.items())
                if amount_minor
            ],
            vehicles=vehicles_of(connection, owner_id),
            notices=store.inbox(connection, owner_id, NOTICES),
            unread=store.unread(connection, owner_id),
        )


def _stage(views: Sequence[SessionView]) -> str:
    """Which sessions the page shows as running: when that changes, it is another page."""
    return " ".join(view.key.id for view in views) or "none"


def parts_of(sight: Sight, subjects: Sequence[Subject], bars: bool) -> dict[Subject, Parts]:
    """What moves on owners' pages."""
    found = running(sight, {subject.owner_id for subject in subjects if subject.owner_id})
    return {subject: _parts(found.get(subject.owner_id or "", []), sight.now, bars) for subject in subjects}


def _parts(views: Sequence[SessionView], now: int, bars: bool) -> Parts:
    found: dict[str, str] = {"stage": _stage(views)}
    for view in views:
        found[f"head:{view.key.id}"] = fragment("_head.html", view=view, now=now)
        if bars:
            found[f"bar:{view.key.id}"] = fragment("_bar.html", view=view)
    return found


@router.get("/live/me", response_class=EventSourceResponse)
async def me_live(watching: Watching, visitor: AnOwner) -> Stream:
    async for news in watching.watch(Subject("me", "", visitor.owner_id)):
        yield news


@router.post("/me/notices/read", dependencies=[OwnForm])
def read_notices(idlefee: Engine, visitor: AnOwner) -> Response:
    """What the inbox shows is read."""
    owner_id = visitor.owner_id or ""
    with idlefee.writing() as connection:
        for notice in store.inbox(connection, owner_id, NOTICES):
            store.mark_read(connection, owner_id, notice.id, idlefee.clock.now())
    return RedirectResponse("/me#inbox", 303)


@router.post("/me/vehicles")
def new_vehicle(idlefee: Engine, visitor: AnOwner, form: SentForm) -> Response:
    """A car of the owner's, so that support finds its sessions by its plate."""
    name, plate = form["name"], words.plate(form["plate"])
    if not name or len(name) > 80 or len(plate) > 16:
        raise Problem(
            422,
            "bad_vehicle",
            "The vehicle was not added",
            "Give it a name of up to 80 letters, and a plate of up to 16.",
        )
    vehicle = Vehicle(id=secrets.token_hex(6), name=name, plate=plate or None)
    with idlefee.writing() as connection:
        add_vehicle(connection, visitor.owner_id or "", vehicle, idlefee.clock.now())
    return RedirectResponse("/me#vehicles", 303)
