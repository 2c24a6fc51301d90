"""`/me/account`: what the owner owes, the last statements, who they are to us, the way to everything else."""

from fastapi import APIRouter, Request, Response

from api.access.browsers import open_browsers
from api.guard import Engine
from api.pages import words
from api.pages.errors import PageRoute
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import page
from billing.invoices.standing import carried_of
from billing.ledger import owner_balances
from billing.owners import owner
from billing.payments import waiting
from billing.payments.blocks import standing
from billing.statements import statements

LATEST_STATEMENTS = 6

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/me/account")
def account(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        sellers = queries.seller_names(connection)
        balances = sorted(owner_balances(connection, owner_id).items())
        return page(
            request,
            "me/account.html",
            owner=owner(connection, owner_id),
            balances=[
                (sellers.get(seller, seller), amount_minor, words.money(abs(amount_minor), currency))
                for (seller, currency), amount_minor in balances
                if amount_minor
            ],
            browsers=open_browsers(connection, owner_id, request.state.page["now"]),
            carried=carried_of(connection, owner_id),
            blocks=standing(connection, owner_id),
            refunds=waiting.promised_refunds(connection, owner_id),
            credits=waiting.posted_credits(connection, owner_id),
            sellers=sellers,
            statements=statements(connection, owner_id, request.state.page["now"])[:LATEST_STATEMENTS],
        )
