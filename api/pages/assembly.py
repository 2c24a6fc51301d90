"""The pages put together: their routes, the ticker behind what moves, and pages for a browser's errors."""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from api.access import browsers
from api.guard import engine_of
from api.pages import (
    address,
    books,
    decide,
    finance,
    front,
    history,
    installed,
    me,
    operations,
    public,
    receipts,
    rendering,
    reports,
    sign_in,
    support,
)
from api.pages.cookies import answer_with
from api.pages.errors import error_page
from api.pages.invoices import routes as invoices
from api.pages.live import News, Stamp, Subject, Ticker
from api.pages.loading import Sight
from api.pages.visitors import recognise
from api.wiring import Idlefee

EVERYBODYS = (front, *public.ROOMS, rendering, installed, sign_in, address, reports, receipts, invoices, history)
STAFFS = (books, operations, support, decide, *finance.ROOMS)
ROOMS = (*EVERYBODYS, *me.ROOMS, *STAFFS)
_LIVE = {"front": front, "me": me.now, "session": reports}


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages of one engine share."""

    ticker: Ticker
    books_sum: front.BooksSum = field(default_factory=front.BooksSum)


def pages_of(idlefee: Idlefee) -> Pages:
    """What the pages of `idlefee` share, as `request.state.pages`."""

    def compute(known: Mapping[Subject, Stamp | None]) -> Mapping[Subject, News]:
        with idlefee.reading() as connection:
            now = idlefee.clock.now()
            found: dict[Subject, News] = {}
            for kind, live in _LIVE.items():
                its = [subject for subject in known if subject.kind == kind]
                stamps = live.stamps_of(connection, its, now) if its else {}
                if changed := [subject for subject in its if stamps[subject] != known[subject]]:
                    sight = Sight(connection, idlefee.clock.now())  # no earlier than what the stamps are of
                    shown = live.shown_of(sight, changed)
                    found |= {subject: News(stamps[subject], shown[subject], sight.now) for subject in changed}
            return found

    def still_open(key_ids: Collection[str]) -> Collection[str]:
        with idlefee.reading() as connection:
            return browsers.still_open(connection, key_ids, idlefee.clock.now())

    return Pages(Ticker(compute, idlefee.clock, still_open))


def _at_an_unknown_address(request: Request, error: Exception) -> Response:
    """No route was found that would have asked who looks: their navigation is theirs here, too."""
    with contextlib.suppress(SQLAlchemyError):  # without its database it is a page for anybody
        recognise(request, engine_of(request))
    return answer_with(request, error_page(request, error))


def errors_as_pages(app: FastAPI) -> None:
    """Addresses that do not exist: a page for whoever asks for pages. Call it after `problems.install`, which goes on
    answering programs.
    """
    as_problem = cast(Callable[[Request, Exception], Awaitable[Response]], app.exception_handlers[HTTPException])

    async def answer(request: Request, error: Exception) -> Response:
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/"):
            return await run_in_threadpool(_at_an_unknown_address, request, error)
        return await as_problem(request, error)

    app.add_exception_handler(HTTPException, answer)
