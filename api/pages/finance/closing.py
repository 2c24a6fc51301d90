"""`/finance/close`: the month that comes next with the checks it waits for, closing it, and what closed months came to;
`/finance/exports`: the ledger as files.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from api.guard import Engine
from api.ledger_files import MEDIA, ledger_file
from api.pages.decide import LONGEST_REASON
from api.pages.errors import PageRoute, nothing_here
from api.pages.queries import owners
from api.pages.rendering import page
from api.pages.visitors import SentForm, SignedIn, finance
from api.problems import Problem
from api.wiring import Idlefee
from billing.books import Wanted
from billing.exports import Format
from billing.periods.checks import Check
from billing.periods.closing import close, look
from billing.periods.months import NotYet, Span
from billing.periods.reading import balances_of, period_of, periods_after, revenue_of
from billing.statements import Month

MOST_PERIODS = 120

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get("/finance/close")
def months(request: Request, idlefee: Engine) -> Response:
    """Each seller's next month, and the closed ones."""
    with idlefee.reading() as connection:
        names = owners.seller_names(connection)
        closed = periods_after(connection, None, None, MOST_PERIODS)
    following = [(seller_id, *_next(idlefee, seller_id)) for seller_id in sorted(names)]
    return page(request, "finance/close.html", following=following, closed=closed, names=names)


def _next(idlefee: Idlefee, seller_id: str) -> tuple[Span | None, list[Check], str]:
    """The month to close, the checks, and why none is due where none is."""
    try:
        span, checks = look(idlefee.engine, seller_id, idlefee.clock.now())
    except NotYet as error:
        return None, [], str(error)
    return span, checks, ""


@router.post("/finance/close")
def close_month(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Close a seller's month for good; its checks decide whether it can be."""
    if len(form["reason"]) > LONGEST_REASON:
        raise Problem(422, "long_reason", "The reason is too long", f"Say it in {LONGEST_REASON} letters.")
    try:
        month = Month.read(form["month"])
    except ValueError as error:
        raise Problem(422, "bad_month", "The month cannot be read", f"{error}.") from None
    now = idlefee.clock.now()
    close(idlefee.engine, form["seller"], author=visitor.author, reason=form["reason"], now=now, month=month)
    return RedirectResponse("/finance/close#closed", 303)


@router.get("/finance/close/{seller_id}/{month}")
def month(
    request: Request,
    idlefee: Engine,
    seller_id: Annotated[str, Path(max_length=64)],
    month: Annotated[str, Path(max_length=7)],
) -> Response:
    """What a closed month came to: its balances, and its revenue by site, tariff and tax."""
    with idlefee.reading() as connection:
        found = period_of(connection, seller_id, month)
        if found is None:
            raise nothing_here()
        return page(
            request,
            "finance/month.html",
            found=found,
            balances=balances_of(connection, seller_id, month),
            revenue=revenue_of(connection, seller_id, month),
            names=owners.seller_names(connection),
        )


# -- exports --------------------------------------------------------------------------------------------------------


@router.get("/finance/exports")
def exports(request: Request, idlefee: Engine) -> Response:
    with idlefee.reading() as connection:
        return page(request, "finance/exports.html", names=owners.seller_names(connection))


@router.get("/finance/exports/ledger")
def ledger(
    idlefee: Engine,
    visitor: SignedIn,
    form: Annotated[Format, Query(alias="format")],
    seller: Annotated[str, Query(max_length=64)] = "",
) -> StreamingResponse:
    """Both books in one file; the trail keeps who took it."""
    headers = {"Content-Disposition": f'attachment; filename="ledger.{form}"', "Cache-Control": "no-store"}
    file = ledger_file(idlefee, visitor.author, form, Wanted(seller_id=seller or None))
    return StreamingResponse(file, media_type=MEDIA[form], headers=headers)
