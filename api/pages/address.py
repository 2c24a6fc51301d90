"""An owner's e-mail address: asked for on their page, and theirs once a link that went there was opened."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.access.letters import tell_of_address
from api.access.limits import LINKS_OPENED
from api.access.links import confirm, new_address
from api.guard import Client, Engine, allow
from api.me_address import ask_for_address
from api.pages.errors import PageRoute
from api.pages.rendering import page
from api.pages.visitors import AnOwner, Anybody, AnybodysForm, SentForm
from api.problems import Problem

router = APIRouter(include_in_schema=False, route_class=PageRoute)
LinkText = Annotated[str, Query(max_length=800)]


@router.post("/me/email")
def change(request: Request, idlefee: Engine, visitor: AnOwner, form: SentForm) -> Response:
    """Have a link mailed to the new address; nothing changes before it is opened."""
    ask_for_address(idlefee, visitor.owner_id or "", form["email"])
    return page(request, "confirm_sent.html", email=form["email"])


@router.get("/confirm-address")
def look(request: Request, idlefee: Engine, _visitor: Anybody, client: Client, key: LinkText = "") -> Response:
    """See which address a link confirms. Looking uses nothing up."""
    allow(idlefee, LINKS_OPENED, client)
    given = new_address(idlefee.secret, key, idlefee.clock.now())
    if given is None:
        raise _invalid()
    return page(request, "confirm_address.html", email=given.email, key=key)


@router.post("/confirm-address")
def confirm_it(request: Request, idlefee: Engine, _visitor: Anybody, client: Client, form: AnybodysForm) -> Response:
    """Make it the owner's address; the one before is told."""
    allow(idlefee, LINKS_OPENED, client)
    now = idlefee.clock.now()
    given = new_address(idlefee.secret, form["key"], now)
    with idlefee.writing() as connection:
        changed = None if given is None else confirm(connection, given, now)
        if changed is None:
            raise _invalid()
        tell_of_address(connection, changed, now)
    return page(request, "address_confirmed.html", email=changed.owner.email)


def _invalid() -> Problem:
    detail = "It was used before, it has expired, or a part of it is missing. Ask for another on your account page."
    return Problem(401, "link_invalid", "This link confirms nothing", detail)
