"""Templates, static files and the headers every page carries. No page talks to a third party."""

import hashlib
import secrets
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from api.pages import words
from api.pages.timeline import draw, draw_row, parts
from api.pages.views import charge_path, receipt_path, session_path

# What pages say beyond what every answer does (`api.gate`).
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
}
STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}

router = APIRouter(include_in_schema=False)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Every static file with a tag of its content: they are few, small, and change only with a release."""
    found = {}
    for path in STATIC.iterdir():
        if path.suffix in MEDIA_TYPES:
            content = path.read_bytes()
            found[path.name] = content, hashlib.blake2b(content, digest_size=6).hexdigest()
    return found


def asset(name: str) -> str:
    """The address of a static file, which changes with its content."""
    return f"/static/{name}?{_files()[name][1]}"


def static_file(name: str) -> tuple[bytes, str]:
    """A static file's content and media type."""
    return _files()[name][0], MEDIA_TYPES[Path(name).suffix]


@router.get("/static/{name}")
def static(name: str) -> Response:
    """One of our own style sheets, scripts or pictures."""
    if name not in _files():
        return Response("No such file.", 404, media_type="text/plain")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    content, media_type = static_file(name)
    return Response(content, headers=headers, media_type=media_type)


@cache
def environment() -> Environment:
    """Escapes everything that is not `Markup`; a name that a page forgot to give is an error, not an empty string."""
    made = Environment(
        loader=PackageLoader("api.pages"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        asset=asset,
        charge_path=charge_path,
        draw=draw,
        draw_row=draw_row,
        parts=parts,
        receipt_path=receipt_path,
        request_key=lambda: secrets.token_hex(8),
        session_path=session_path,
        words=words,
    )
    return made


def fragment(template: str, **context: Any) -> Markup:
    """A part of a page, rendered by the same template for the page and for what moves on it."""
    return Markup(environment().get_template(template).render(context))  # noqa: S704 - the template escapes


def page(request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    """A whole page. `visitor`, `now`, `speed` and `sandbox` are of the request; the rest is the page's own."""
    state = {"visitor": None, "now": None, "speed": "1", "sandbox": False} | getattr(request.state, "page", {})
    body = environment().get_template(template).render({**state, "path": request.url.path, **context})
    return HTMLResponse(body, status, headers=HEADERS)
