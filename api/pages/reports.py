"""`/sessions/…`: the fee report. The outcome, the bar, the arithmetic, what changed it and why, under which terms;
folded away, every event and our verdict.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.sse import EventSourceResponse
from sqlalchemy import Connection

from api.guard import Engine
from api.pages import evidence
from api.pages.errors import PageRoute, nothing_here
from api.pages.live import Shown, Stamp, Stream, Subject, Watching
from api.pages.loading import Loaded, Sight, stamps_of_sessions
from api.pages.queries import stalls as queries
from api.pages.rendering import fragment, page
from api.pages.views import SessionView
from api.pages.visitors import SignedIn, Visitor
from billing.assignments import VersionRef
from billing.books import Wanted, transfers_after
from billing.notices import store
from billing.rating import explain
from billing.receipts import MOST_POSTINGS, Posting, postings_of, terms_of_session
from sessions.facts import Fact, Kind, facts_of, site_facts
from sessions.sites import site

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SessionId = Annotated[str, Path(max_length=200)]


def find_session(connection: Connection, session_id: str, visitor: Visitor, now: int) -> Loaded:
    """The session, if there is one and the visitor may see it; both failures look alike."""
    keys = queries.session_keys(connection, [session_id])
    if not keys:
        raise nothing_here()
    key = keys[0]
    found = Sight(connection, now).load([key])[key]
    if not visitor.may_see(found.view.owner_id if found.view else None):
        raise nothing_here()
    return found


@router.get("/sessions/{session_id:path}")
def report(request: Request, idlefee: Engine, visitor: SignedIn, session_id: SessionId) -> Response:
    with idlefee.reading() as connection:
        found = find_session(connection, session_id, visitor, request.state.page["now"])
        key = found.folded.key
        excuses = site_facts(connection, [key.site_id], [Kind.EXCUSE]).get(key.site_id, [])
        named = facts_of(connection, [key]).get(key, [])
        context: dict[str, Any] = {
            "site": site(connection, key.site_id),
            "notices": (notices := store.notices_of_session(connection, key)),
            "deliveries": store.deliveries_of(connection, notices),
            "decisions": [fact for fact in named if fact.kind is not Kind.NOTICE_ACCEPTED],
            "excuses": _overlapping(found, excuses),
            "postings": _postings(connection, found),
            "terms": _terms(connection, found),
        }
    bill = found.view.bar.report if found.view else None
    return page(
        request,
        "report.html",
        found=found,
        view=found.view,
        events=evidence.evidence(found.folded),
        sums=evidence.arithmetic(bill, found.charge) if bill else [],
        sentences=explain(bill, context["site"].tz) if bill else [],
        **context,
    )


def _postings(connection: Connection, found: Loaded) -> list[Posting]:
    """How the fee came to stand where it stands, where that took more than one step."""
    if found.charge is None:
        return []
    wanted = Wanted(site_id=found.folded.key.site_id, session_id=found.folded.key.id)
    steps = postings_of(found.charge.owner_id, transfers_after(connection, wanted, None, MOST_POSTINGS))
    return steps if len(steps) > 1 else []


def _terms(connection: Connection, found: Loaded) -> VersionRef | None:
    """The tariff version that held when the car was plugged in, whatever was assigned or ordered since."""
    if found.view is None:
        return None
    return terms_of_session(connection, found.folded.key.site_id, found.view.begins_at)


def _overlapping(found: Loaded, excuses: list[Fact]) -> list[Fact]:
    """The operator's excuses that bear on the session, of its site or its stall."""
    timeline = found.folded.timeline
    if timeline.plugged_in_at is None or timeline.until is None:
        return []
    start, end = timeline.plugged_in_at + timeline.offset_s, timeline.until + timeline.offset_s
    here = (found.folded.station_id, timeline.stall)
    return [
        fact
        for fact in excuses
        if fact.station_id is None or (fact.station_id, fact.stall) == here
        if (fact.starts_at or 0) < end and (fact.ends_at is None or fact.ends_at > start)
    ]


# -- while it runs ------------------------------------------------------------------------------------------


def stamps_of(connection: Connection, subjects: Sequence[Subject], _now: int) -> dict[Subject, Stamp]:
    """What stands behind the pages of sessions."""
    keys = queries.session_keys(connection, {subject.name for subject in subjects})
    found = {key.id: stamp for key, stamp in stamps_of_sessions(connection, keys).items()}
    return {subject: found.get(subject.name, ()) for subject in subjects}


def shown_of(sight: Sight, subjects: Sequence[Subject]) -> dict[Subject, Shown]:
    """What moves on the pages of sessions."""
    keys = queries.session_keys(sight.connection, {subject.name for subject in subjects})
    views = {view.key.id: view for view in sight.views(keys)}
    return {subject: _shown(views.get(subject.name), subject, sight.now) for subject in subjects}


def _shown(view: SessionView | None, subject: Subject, now: int) -> Shown:
    """Once the session is over, or no longer the visitor's, the page asks for itself again."""
    if view is None or not view.running or not (subject.is_staff or view.owner_id == subject.owner_id):
        return Shown({"stage": "over"})
    head, bar = fragment("_head.html", view=view, now=now), fragment("_bar.html", view=view)
    return Shown({"stage": "running", f"head:{view.key.id}": head, f"bar:{view.key.id}": bar}, view.changes_at(now))


def _subject(request: Request, idlefee: Engine, visitor: SignedIn, session_id: SessionId) -> Subject:
    """Asked before the stream begins, so that a refusal is a page and not a silence."""
    with idlefee.reading() as connection:
        find_session(connection, session_id, visitor, request.state.page["now"])
    return Subject("session", session_id, visitor.owner_id, visitor.is_staff)


@router.get("/live/sessions/{session_id:path}", response_class=EventSourceResponse)
async def report_live(watching: Watching, visitor: SignedIn, subject: Annotated[Subject, Depends(_subject)]) -> Stream:
    async for news in watching.watch(subject, visitor.key_id):
        yield news
