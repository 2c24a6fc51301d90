"""How long a public page may be kept: a minute by anybody, and after that it is asked about by its tag.

Only a page that was asked for without a cookie is the same for everybody; a signed-in visitor's names the visitor.
"""

import hashlib
from typing import Any

from fastapi import Request, Response

from api.pages.rendering import page

FOR_S = 60
FOR_EVER_S = 31_536_000  # what never changes


def public_page(request: Request, template: str, *, for_s: int = FOR_S, **context: Any) -> Response:
    """A page whose body depends on nothing but its address, its visitor and what the database holds."""
    return kept(request, page(request, template, now=None, **context), for_s)


def kept(request: Request, response: Response, for_s: int = FOR_S) -> Response:
    """The response with its tag, or that nothing changed since the tag the request names."""
    tag = f'"{hashlib.blake2b(bytes(response.body), digest_size=12).hexdigest()}"'
    everybodys = not request.cookies and "authorization" not in request.headers
    response.headers["ETag"] = tag
    response.headers["Vary"] = "Cookie, Authorization"
    response.headers["Cache-Control"] = f"public, max-age={for_s}" if everybodys else "private, no-cache"
    if tag not in request.headers.get("if-none-match", ""):
        return response
    headers = {
        name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")
    }
    return Response(status_code=304, headers=headers)
