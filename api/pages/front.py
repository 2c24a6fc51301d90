"""`/`: every stall with its state, its clock and the running fee; the sum of the books. For everybody."""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.sse import EventSourceResponse
from sqlalchemy import Connection

from api.guard import PUBLIC_LIMIT, Engine
from api.pages import words
from api.pages.errors import PageRoute
from api.pages.live import Shown, Stamp, Stream, Subject, Watching
from api.pages.loading import Sight
from api.pages.queries import stalls as queries
from api.pages.queries.stalls import StallRow
from api.pages.rendering import fragment, page
from api.pages.timeline import draw_row
from api.pages.views import SessionView, stall_name
from api.pages.visitors import Anybody, Visitor
from billing.sums.entries import trial_balance
from sessions.database import one_moment
from sessions.registry import sites_after
from sessions.sites import Site, out_of_service

SITES_A_PAGE = 8
STALLS_A_PAGE = 36
QUICK_S = 0.02

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[PUBLIC_LIMIT])


@dataclass(frozen=True, slots=True)
class StallView:
    """A stall and who stands there. `path` leads to the fee report, for those who may read it."""

    row: StallRow
    state: str
    view: SessionView | None
    path: str | None
    is_yours: bool

    @property
    def name(self) -> str:
        return stall_name(self.row.station_id, self.row.stall)

    @property
    def id(self) -> str:
        return f"stall:{self.row.station_id}/{self.row.stall}"


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site with the stalls there is room for; `hidden` more are not shown."""

    site: Site
    stalls: list[StallView]
    hidden: int


def sites_page(connection: Connection, after: str) -> tuple[list[Site], str | None]:
    """A page of sites, and after which one the next begins."""
    found = sites_after(connection, after, SITES_A_PAGE + 1)
    following = found[SITES_A_PAGE - 1].id if len(found) > SITES_A_PAGE else None
    return found[:SITES_A_PAGE], following


def stalls_of(sight: Sight, sites: Sequence[Site], subject: Subject) -> list[SiteView]:
    """The sites' stalls as the subject's visitor may see them."""
    connection = sight.connection
    site_ids = [site.id for site in sites]
    rows = queries.stalls_of(connection, site_ids, STALLS_A_PAGE)
    there = queries.stall_counts(connection, site_ids)
    closed = {out[:2] for out in out_of_service(connection, site_ids) if out.start <= sight.now < out.end}
    standing = {
        StallRow(view.key.site_id, view.key.station_id, view.stall): view
        for view in sight.views(queries.open_at(connection, rows))
        if view.running
    }
    found = []
    for site in sites:
        its = [
            _stall_view(row, standing.get(row), row[1:] in closed, subject) for row in rows if row.site_id == site.id
        ]
        found.append(SiteView(site, its, there.get(site.id, 0) - len(its)))
    return found


def _stall_view(row: StallRow, view: SessionView | None, closed: bool, subject: Subject) -> StallView:
    if view is None:
        return StallView(row, "out_of_service" if closed else "free", None, None, is_yours=False)
    is_yours = subject.owner_id is not None and view.owner_id == subject.owner_id
    return StallView(row, view.state, view, view.path if subject.is_staff or is_yours else None, is_yours)


def stamps_of(_connection: Connection, subjects: Sequence[Subject], now: int) -> dict[Subject, Stamp]:
    """Somewhere among so many stalls something has always happened: the front page is drawn anew each second."""
    return dict.fromkeys(subjects, now)


def shown_of(sight: Sight, subjects: Sequence[Subject]) -> dict[Subject, Shown]:
    """What moves on the front page."""
    return {subject: Shown(_parts(sight, subject)) for subject in subjects}


def _parts(sight: Sight, subject: Subject) -> dict[str, str]:
    sites, _ = sites_page(sight.connection, subject.name)
    shown = stalls_of(sight, sites, subject)
    found: dict[str, str] = {"stage": _stage(shown), "counts": fragment("_counts.html", counts=_counts(shown))}
    for stall in (stall for site in shown for stall in site.stalls):
        found[stall.id] = fragment("_stall.html", stall=stall, now=sight.now)
        found[f"bar-{stall.id}"] = draw_row(stall.view.bar) if stall.view else ""
    return found


def _stage(sites: Sequence[SiteView]) -> str:
    """Which sites and stalls the page has room for: with others it is another page, and is loaded again."""
    there = [[site.site.id, site.hidden, *(stall.id for stall in site.stalls)] for site in sites]
    return blake2b(json.dumps(there).encode(), digest_size=8).hexdigest()


def _counts(sites: Sequence[SiteView]) -> list[tuple[str, int]]:
    """How many stalls are in which state."""
    counted = Counter(stall.state for site in sites for stall in site.stalls)
    return [(state, counted[state]) for state in words.STATES if state in counted]


class BooksSum:
    """The sum of all entries by currency. Anybody may ask for it, so where no worker has summed the days yet, and the
    whole ledger is added up, it is asked for seldom and shared.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[str, int] = {}
        self._good_until_s = float("-inf")

    def of(self, connection: Connection) -> dict[str, int]:
        with self._lock:
            started_s = time.monotonic()
            if started_s >= self._good_until_s:
                sums: dict[str, int] = {}
                for row in trial_balance(connection):
                    sums[row.currency] = sums.get(row.currency, 0) + row.balance_minor
                self._sums = sums
                took_s = time.monotonic() - started_s
                # What is added up at once is always fresh; a long ledger never takes more than 2 % of anybody's time.
                self._good_until_s = started_s + (50 * took_s if took_s > QUICK_S else 0)
            return dict(self._sums)


def _subject(visitor: Visitor, after: str) -> Subject:
    return Subject("front", after, visitor.owner_id, visitor.is_staff)


After = Annotated[str, Query(max_length=64)]


@router.get("/")
def front(request: Request, idlefee: Engine, visitor: Anybody, after: After = "") -> Response:
    with one_moment(idlefee.engine) as connection:
        sites, following = sites_page(connection, after)
        shown = stalls_of(Sight(connection, request.state.page["now"]), sites, _subject(visitor, after))
        sums = request.state.pages.books_sum.of(connection)
    return page(
        request,
        "front.html",
        sites=shown,
        following=following,
        after=after,
        counts=_counts(shown),
        stage=_stage(shown),
        sums=sorted(sums.items()),
    )


@router.get("/live/stalls", response_class=EventSourceResponse)
async def front_live(watching: Watching, visitor: Anybody, after: After = "") -> Stream:
    async for news in watching.watch(_subject(visitor, after), visitor.key_id):
        yield news
