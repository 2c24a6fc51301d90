"""Signing in by a link, mailed or printed, and out again.

Looking at a link uses nothing up: mail programs open links before people do. A button does.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.access import devices
from api.access.browsers import close_all_browsers, close_browser, life_of, open_browser
from api.access.keys import KeyKind, Role, authenticate, revoke, spend
from api.access.letters import ask_for_link, tell_of_device
from api.access.limits import LINKS_FROM_CLIENT, LINKS_OPENED, LINKS_TO_ADDRESS
from api.access.links import key_of
from api.guard import Client, Engine, allow
from api.pages.cookies import BROWSER, DEVICE, cookie_of, forget, keep
from api.pages.errors import PageRoute, nothing_here
from api.pages.rendering import page
from api.pages.visitors import AnOwner, Anybody, AnybodysForm, OwnForm, SentForm
from api.problems import Problem
from api.wiring import Idlefee
from billing.owners import is_email

router = APIRouter(include_in_schema=False, route_class=PageRoute)

HOME = {Role.OWNER: "/me", Role.FINANCE: "/finance", Role.OPERATOR: "/operations", Role.SUPPORT: "/support"}
LinkText = Annotated[str, Query(max_length=400)]


@router.get("/sign-in")
def sign_in(request: Request, idlefee: Engine, visitor: Anybody, client: Client, key: LinkText = "") -> Response:
    """Ask for a link, or see whom a link signs in."""
    if not key:
        return page(request, "sign_in.html", home=HOME.get(visitor.role) if visitor.role else None)
    allow(idlefee, LINKS_OPENED, client)
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        principal = authenticate(connection, key_of(idlefee.secret, key, now), now, KeyKind.LINK)
    if principal is None:
        raise _invalid()
    return page(request, "sign_in_link.html", principal=principal, key=key)


@router.post("/sign-in")
def ask(request: Request, idlefee: Engine, _visitor: Anybody, client: Client, form: AnybodysForm) -> Response:
    """Have a link mailed. Whose address it is, if anybody's, is looked up later: the answer cannot tell."""
    email = form["email"]
    if not is_email(email):
        raise Problem(422, "bad_email", "This is no e-mail address", "An address looks like name@example.com.")
    allow(idlefee, LINKS_FROM_CLIENT, client)
    allow(idlefee, LINKS_TO_ADDRESS, email.lower())
    with idlefee.writing() as connection:
        ask_for_link(connection, idlefee.secret, email, idlefee.clock.now())
    return page(request, "link_sent.html", email=email)


@router.post("/sign-in/open")
def open_link(request: Request, idlefee: Engine, visitor: Anybody, client: Client, form: AnybodysForm) -> Response:
    """Use a link. Whoever was signed in on this browser before is signed out of it."""
    allow(idlefee, LINKS_OPENED, client)
    now = idlefee.clock.now()
    device, label = cookie_of(request, DEVICE), devices.label_of(request.headers.get("user-agent", ""))
    device = device or secrets.token_urlsafe(32)
    with idlefee.writing() as connection:
        principal = spend(connection, key_of(idlefee.secret, form["key"], now), now)
        if principal is None:
            raise _invalid()
        if (before := visitor.principal) is not None:
            revoke(connection, before.key_id, now)
        opened = open_browser(connection, principal, devices.device_id(device), now)
        if principal.owner_id is not None:
            _remember(idlefee, connection, principal.owner_id, device, label, now)
    keep(request, BROWSER, opened.text, life_of(principal.role).whole_s)
    keep(request, DEVICE, device, devices.COOKIE_LASTS_S)
    return RedirectResponse(HOME.get(principal.role, "/"), 303)


def _remember(idlefee: Idlefee, connection: Connection, owner_id: str, device: str, label: str, now: int) -> None:
    """Know the device again; one that is new to its owner is announced."""
    id_ = devices.device_id(device)
    if devices.seen(connection, owner_id, id_, label, now):
        tell_of_device(connection, owner_id, id_, label, idlefee.settings.home, now)


def _invalid() -> Problem:
    detail = "It was used before, it has expired, or a part of it is missing."
    return Problem(401, "link_invalid", "This link does not sign you in", detail)


@router.post("/sign-out", dependencies=[OwnForm])
def sign_out(request: Request, idlefee: Engine, visitor: Anybody) -> Response:
    """Close the browser key for good, not only the cookie. The device stays known."""
    if visitor.principal is not None:
        with idlefee.writing() as connection:
            revoke(connection, visitor.principal.key_id, idlefee.clock.now())
    forget(request, BROWSER)
    return RedirectResponse("/", 303)


@router.post("/sign-out/everywhere", dependencies=[OwnForm])
def sign_out_everywhere(request: Request, idlefee: Engine, visitor: AnOwner) -> Response:
    """Close every browser of this owner, this one too, and every link that waits in a mailbox."""
    with idlefee.writing() as connection:
        close_all_browsers(connection, visitor.owner_id or "", idlefee.clock.now())
    forget(request, BROWSER)
    return RedirectResponse("/sign-in", 303)


@router.post("/sign-out/one")
def sign_out_one(idlefee: Engine, visitor: AnOwner, form: SentForm) -> Response:
    """Close one other browser of this owner."""
    with idlefee.writing() as connection:
        if not close_browser(connection, visitor.owner_id or "", form["id"], idlefee.clock.now()):
            raise nothing_here()
    return RedirectResponse("/me/account#devices", 303)
