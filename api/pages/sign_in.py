"""Signing in by a printed link, and out. The link's key opens a browser key, which only the cookie holds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access.keys import BROWSER_LASTS_S, Role, open_browser, revoke
from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.rendering import page
from api.pages.visitors import COOKIE, Anybody, OwnForm
from api.problems import Problem

router = APIRouter(include_in_schema=False, route_class=PageRoute)

HOME = {Role.OWNER: "/me", Role.FINANCE: "/books", Role.OPERATOR: "/operations", Role.SUPPORT: "/support"}


@router.get("/sign-in")
def sign_in(request: Request, idlefee: Engine, key: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Open a browser key. The answer is a page that moves on by itself: a Strict cookie is not sent along a redirect
    that began in a mail program's window.
    """
    with idlefee.writing() as connection:
        opened = open_browser(connection, key, idlefee.clock.now())
    if opened is None:
        detail = "The link was used before, it has expired, or a part of it is missing."
        raise Problem(401, "link_invalid", "This link does not sign you in", detail)
    principal, cookie = opened
    response = page(request, "signed_in.html", principal=principal, home=HOME.get(principal.role, "/"))
    response.set_cookie(
        COOKIE,
        cookie.text,
        max_age=BROWSER_LASTS_S,
        secure=request.url.scheme == "https" or (idlefee.settings.base_url or "").startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/sign-out", dependencies=[OwnForm])
def sign_out(idlefee: Engine, visitor: Anybody) -> Response:
    """Close the browser key for good, not only the cookie."""
    if visitor.principal is not None:
        with idlefee.writing() as connection:
            revoke(connection, visitor.principal.key_id, idlefee.clock.now())
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
