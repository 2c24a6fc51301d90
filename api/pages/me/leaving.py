"""`/me/data.json`, everything we hold of the owner, and `/me/delete`, the way out in two steps: books stay, the person
goes.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from api.access.leaving import StillPluggedIn, erase_owner
from api.access.limits import DATA_FILES
from api.guard import Engine, allow
from api.pages import words
from api.pages.cookies import BROWSER, forget
from api.pages.errors import PageRoute
from api.pages.loading import Sight
from api.pages.me.now import running
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import HEADERS, page
from api.pages.visitors import SentForm
from api.personal import personal_data
from billing.ledger import owner_balances
from billing.owners import owner

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SURE = "yes"


@router.get("/me/data.json")
def my_data(idlefee: Engine, owner_id: OwnerId) -> Response:
    allow(idlefee, DATA_FILES, owner_id)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="my-data.json"'}
    return StreamingResponse(personal_data(idlefee, owner_id), media_type="application/json", headers=headers)


@router.get("/me/delete")
def ask_first(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    """What goes, what stays, and one button."""
    return _asked(request, idlefee, owner_id)


@router.post("/me/delete")
def delete_account(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """Erase the person and sign them out everywhere."""
    if form["sure"] != SURE:
        return _asked(request, idlefee, owner_id, 422)
    try:
        with idlefee.writing() as connection:
            erase_owner(connection, owner_id, idlefee.clock.now())
    except StillPluggedIn:
        return _asked(request, idlefee, owner_id, 409)
    request.state.page["visitor"] = None
    forget(request, BROWSER)
    return page(request, "me/gone.html")


def _asked(request: Request, idlefee: Engine, owner_id: str, status: int = 200) -> Response:
    with idlefee.reading() as connection:
        sellers = queries.seller_names(connection)
        owed = sorted(owner_balances(connection, owner_id).items())
        return page(
            request,
            "me/delete.html",
            status,
            owner=owner(connection, owner_id),
            running=running(Sight(connection, request.state.page["now"]), [owner_id])[owner_id],
            balances=[
                (sellers.get(seller, seller), words.money(amount_minor, currency))
                for (seller, currency), amount_minor in owed
                if amount_minor > 0
            ],
            unsure=status == 422,
        )
