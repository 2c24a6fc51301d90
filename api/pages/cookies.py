"""Our two cookies: one lets a browser in, one tells that it is the same browser again. No page can read either.

`Lax`, so that a link in a mail opens its page; forms carry a token of their own, and no address that is only looked at
changes anything (docs/adr/0015).
"""

from typing import Final, Literal

from fastapi import Request, Response

from api.guard import engine_of

BROWSER: Final = "browser"
DEVICE: Final = "device"
Cookie = Literal["browser", "device"]


def is_secure(request: Request) -> bool:
    """Whether people reach us by https, here or at a proxy that ends it."""
    return request.url.scheme == "https" or engine_of(request).settings.home.startswith("https:")


def cookie_of(request: Request, which: Cookie) -> str:
    """What the cookie holds, empty where there is none."""
    return request.cookies.get(_name(request, which), "")


def keep(request: Request, which: Cookie, text: str, lasts_s: int) -> None:
    """The browser is to hold this from now on; the answer will say so (`answer_with`)."""
    request.state.cookies = {**getattr(request.state, "cookies", {}), which: (text, lasts_s)}


def forget(request: Request, which: Cookie) -> None:
    """The browser is to hold it no longer."""
    keep(request, which, "", 0)


def answer_with(request: Request, response: Response) -> Response:
    """The answer with the cookies that are to be kept."""
    cookies: dict[Cookie, tuple[str, int]] = getattr(request.state, "cookies", {})
    for which, (text, lasts_s) in cookies.items():
        response.set_cookie(
            _name(request, which),
            text,
            max_age=lasts_s,
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )
    return response


def _name(request: Request, which: Cookie) -> str:
    """`__Host-` where the browser then refuses one that another host, or plain http, set."""
    return f"__Host-idlefee_{which}" if is_secure(request) else f"idlefee_{which}"
