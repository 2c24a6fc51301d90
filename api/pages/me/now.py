"""`/me`: the running session, what it costs and what happens next; the last one's outcome; what is unread."""

import hashlib
from collections.abc import Collection, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse
from sqlalchemy import Connection

from api.channels.push import public_key, vapid_key
from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.live import Shown, Stamp, Stream, Subject, Watching
from api.pages.loading import Sight, stamps_of_sessions
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import fragment, page
from api.pages.views import SessionView
from api.pages.visitors import AnOwner
from billing.listing import Wanted, Where, sessions_after
from billing.notices.contacts import PUSH, contacts_of

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
def me(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        sight = Sight(connection, request.state.page["now"])
        latest = sessions_after(connection, Wanted(owner_id=owner_id, where=Where.ENDED), None, 1)
        return page(
            request,
            "me/now.html",
            running=(views := running(sight, [owner_id])[owner_id]),
            stage=_stage(views),
            latest=sight.views([row.key for row in latest]),
            unread=queries.unread_of(connection, [owner_id])[owner_id],
            push_key=public_key(vapid_key(connection)),
            push_known=[_digest(contact.address) for contact in contacts_of(connection, owner_id, PUSH)],
        )


def _digest(endpoint: str) -> str:
    """By which a browser finds its own subscription among them, and learns of no other."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:16]


def _stage(views: Sequence[SessionView]) -> str:
    """Which sessions the page shows as running: when that changes, it is another page."""
    return " ".join(view.key.id for view in views) or "none"


def stamps_of(connection: Connection, subjects: Sequence[Subject], _now: int) -> dict[Subject, Stamp]:
    """What stands behind owners' pages."""
    owner_ids = {subject.owner_id for subject in subjects if subject.owner_id}
    running_of, unread = queries.running_of(connection, owner_ids), queries.unread_of(connection, owner_ids)
    stamps = stamps_of_sessions(connection, set().union(*running_of.values()))
    return {
        subject: hash((unread[subject.owner_id], frozenset(stamps[key] for key in running_of[subject.owner_id])))
        for subject in subjects
        if subject.owner_id is not None
    }


def shown_of(sight: Sight, subjects: Sequence[Subject]) -> dict[Subject, Shown]:
    """What moves on owners' pages."""
    owner_ids = {subject.owner_id for subject in subjects if subject.owner_id}
    found, unread = running(sight, owner_ids), queries.unread_of(sight.connection, owner_ids)
    return {
        subject: _shown(found.get(subject.owner_id or "", []), unread.get(subject.owner_id or "", 0), sight.now)
        for subject in subjects
    }


def _shown(views: Sequence[SessionView], unread: int, now: int) -> Shown:
    found: dict[str, str] = {"stage": _stage(views), "unread": fragment("me/_unread.html", unread=unread)}
    for view in views:
        found[f"head:{view.key.id}"] = fragment("_head.html", view=view, now=now)
        found[f"bar:{view.key.id}"] = fragment("_bar.html", view=view)
    return Shown(found, min((at for view in views if (at := view.changes_at(now)) is not None), default=None))


@router.get("/live/me", response_class=EventSourceResponse)
async def me_live(watching: Watching, visitor: AnOwner, owner_id: OwnerId) -> Stream:
    async for news in watching.watch(Subject("me", "", owner_id), visitor.key_id):
        yield news
