"""`/books`: finance's page. The trial balance, the entries behind it, and the piles of what waits for somebody."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.guard import Engine
from api.ledger_files import MEDIA, ledger_file
from api.pages import paging, words
from api.pages.errors import PageRoute
from api.pages.loading import Sight
from api.pages.queries import ROWS_A_PAGE, books, owners
from api.pages.rendering import page
from api.pages.views import SessionView
from api.pages.visitors import SignedIn, finance
from api.paging import Cursor, cursor_at, place_of
from billing.books import AccountRef, Place, Wanted, latest_entries
from billing.exports import Format
from billing.ledger import Account
from billing.listing import Wanted as WantedSessions
from billing.listing import Where
from billing.sums.entries import trial_balance
from sessions.database import one_moment

NOT_BILLABLE_DAYS = 30
DAY_S = 86_400

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get("/books")
def trial(request: Request, idlefee: Engine) -> Response:
    """The trial balance by seller and currency, each summing to zero; and the piles."""
    now = request.state.page["now"]
    with one_moment(idlefee.engine) as connection:
        rows = trial_balance(connection)
        found = books.piles(connection, now - NOT_BILLABLE_DAYS * DAY_S)
        sellers = owners.seller_names(connection)
    by_book: dict[tuple[str, str], list[object]] = {}
    for row in rows:
        by_book.setdefault((row.seller_id, row.currency), []).append(row)
    return page(
        request, "books.html", books=by_book, sellers=sellers, piles=found, days=NOT_BILLABLE_DAYS, oldest=_oldest
    )


def _oldest(pile: books.Pile, now: int) -> str:
    return words.age(max(0, now - pile.oldest_at))


@router.get("/books/waiting/{where}")
def pile(
    request: Request,
    idlefee: Engine,
    where: Annotated[Where, Path()],
    before: Cursor = None,
) -> Response:
    """The sessions of a pile."""
    with idlefee.reading() as connection:
        listed = paging.sessions_page(connection, WantedSessions(where=where), before)
        views = Sight(connection, request.state.page["now"]).load(listed.keys)
    rows = list(views.values())
    return page(
        request,
        "pile.html",
        where=where,
        rows=rows,
        sums=_sums([row.view for row in rows if row.view]),
        following=listed.following,
        before=before,
    )


def _sums(views: Sequence[SessionView]) -> list[tuple[str, int, int]]:
    """(currency, by the facts, posted) of the sessions shown."""
    currencies = sorted({view.currency for view in views})
    return [
        (
            currency,
            sum(view.bar.report.fee_minor for view in views if view.currency == currency),
            sum(view.fee_minor for view in views if view.currency == currency),
        )
        for currency in currencies
    ]


@router.get("/books/entries")
def account(
    request: Request,
    idlefee: Engine,
    seller: Annotated[str, Query(max_length=64)],
    currency: Annotated[str, Query(max_length=3)],
    account: Account,
    before: Cursor = None,
) -> Response:
    """The entries behind one line of the trial balance, newest first."""
    ref = AccountRef(seller, currency, account.value)
    place = place_of(before, (int, int, str, str))
    with idlefee.reading() as connection:
        rows = latest_entries(connection, ref, None if place is None else Place._make(place), 4 * ROWS_A_PAGE)
        sellers = owners.seller_names(connection)
    last = rows[-1] if len(rows) == 4 * ROWS_A_PAGE else None
    following = cursor_at(last.place) if last else None
    return page(
        request,
        "entries.html",
        rows=rows,
        seller=sellers.get(seller, seller),
        ref=ref,
        before=before,
        following=following,
        shown_minor=sum(row.amount_minor for row in rows),
    )


@router.get("/books/entries.csv")
def entries_csv(
    idlefee: Engine, visitor: SignedIn, seller: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """Every entry, or a seller's, oldest first; the trail keeps who took them."""
    headers = {
        "Content-Disposition": 'attachment; filename="entries.csv"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    file = ledger_file(idlefee, visitor.author, Format.CSV, Wanted(seller_id=seller))
    return StreamingResponse(file, media_type=MEDIA[Format.CSV], headers=headers)
