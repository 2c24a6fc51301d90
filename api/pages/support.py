"""`/support`: find a session by its token, by a plate or by its name, read what its owner reads, and waive."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from api.guard import Engine
from api.pages import words
from api.pages.errors import PageRoute
from api.pages.loading import Sight
from api.pages.queries import ROWS_A_PAGE
from api.pages.queries import desk as queries
from api.pages.rendering import page
from api.pages.visitors import support_or_finance
from billing.listing import Wanted, sessions_after
from sessions.intake import TokenNames
from sessions.store.queries import SessionKey

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(support_or_finance)])


def find(connection: Connection, names: TokenNames, text: str) -> list[SessionKey]:
    """The newest sessions of a token, a plate's owner, an owner or of this name: what was meant is what is found."""
    found = queries.sessions_named(connection, text) + queries.sessions_of_token(connection, names.surrogate(text))
    if plate := words.plate(text):
        for owner_id in queries.owners_of_plate(connection, plate):
            rows = sessions_after(connection, Wanted(owner_id=owner_id), None, ROWS_A_PAGE)
            found += [row.key for row in rows]
    if text in queries.owners_by_id(connection, [text]):
        found += [row.key for row in sessions_after(connection, Wanted(owner_id=text), None, ROWS_A_PAGE)]
    return list(dict.fromkeys(found))[:ROWS_A_PAGE]


@router.get("/support")
def support(request: Request, idlefee: Engine, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    text = q.strip()
    with idlefee.reading() as connection:
        keys = find(connection, idlefee.names, text) if text else []
        views = Sight(connection, request.state.page["now"]).views(keys)
        owners = queries.owners_by_id(connection, {view.owner_id for view in views if view.owner_id})
    return page(request, "support.html", q=text, views=views, owners=owners)
