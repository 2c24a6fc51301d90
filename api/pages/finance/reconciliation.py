"""`/finance/reconciliation`: where our word differs from the processor's or the bank's, what each difference means, and
who looks into it.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.queries import ROWS_A_PAGE, owners
from api.pages.rendering import page
from api.pages.visitors import OwnForm, SentForm, SignedIn, finance
from api.paging import Cursor, cursor_at, place_of
from api.problems import Problem
from billing.reconcile.cases import Code
from billing.reconcile.differences import Place, differences_after, open_by_case, runs_of, see_to
from billing.reconcile.nightly import reconcile_now
from sessions.sites import all_sites

RUNS = 10
LONGEST_NOTE = 500
LONGEST_NAME = 64
PAGE = "/finance/reconciliation"

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get(PAGE)
def reconciliation(
    request: Request,
    idlefee: Engine,
    case: Annotated[Code | Literal[""], Query()] = "",
    ended: bool = False,
    before: Cursor = None,
) -> Response:
    """Differences, the oldest first, and the latest comparisons."""
    place = place_of(before, (int, str, str))
    with idlefee.reading() as connection:
        found = differences_after(
            connection,
            code=Code(case) if case else None,
            ended=ended,
            after=None if place is None else Place._make(place),
            most=ROWS_A_PAGE + 1,
        )
        by_case, runs = open_by_case(connection), runs_of(connection, most=RUNS)
        names = owners.seller_names(connection)
    shown = found[:ROWS_A_PAGE]
    last = shown[-1] if len(found) > ROWS_A_PAGE else None
    here = f"{PAGE}?case={case}" + ("&ended=true" if ended else "")
    return page(
        request,
        "finance/reconciliation.html",
        found=shown,
        by_case=by_case,
        runs=runs,
        names=names,
        case=case,
        ended=ended,
        before=before,
        following=cursor_at((last.first_seen_at, last.seller_id, last.id)) if last else None,
        here=here,
    )


@router.post("/finance/reconciliation/see-to")
def assign(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Say who looks into a difference, and what is known of it."""
    if len(form["note"]) > LONGEST_NOTE or len(form["who"]) > LONGEST_NAME:
        detail = f"Say it in {LONGEST_NOTE} letters, and name who looks into it in {LONGEST_NAME}."
        raise Problem(422, "long_note", "The note is too long", detail)
    if not (form["note"] or form["who"]):
        raise Problem(422, "nothing_said", "Nothing was said", "Name who looks into it, or write a note.")
    with idlefee.writing() as connection:
        see_to(
            connection,
            form["seller"],
            form["difference"],
            author=visitor.author,
            now=idlefee.clock.now(),
            assigned_to=form["who"] or None,
            note=form["note"] or None,
        )
    return RedirectResponse(PAGE, 303)


@router.post("/finance/reconciliation/run", dependencies=[OwnForm])
def run(idlefee: Engine) -> Response:
    """Have every seller's accounts compared now rather than tonight; a worker does it."""
    with idlefee.writing() as connection:
        sellers = {site.seller_id for site in all_sites(connection)}
        reconcile_now(connection, sorted(sellers), idlefee.clock.now())
    return RedirectResponse(f"{PAGE}#runs", 303)
