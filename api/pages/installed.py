"""What makes the pages installable, at the root they speak for: manifest, icons, service worker. Open to everybody,
since a browser asks for them without a cookie.
"""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.pages.rendering import HEADERS, static_file

MANIFEST = {
    "name": "idlefee",
    "short_name": "idlefee",
    "description": "When your car is full, and what it costs to stay.",
    "id": "/me",
    "start_url": "/me",
    "scope": "/",
    "display": "standalone",
    "background_color": "#fafaf7",
    "theme_color": "#fafaf7",
    "icons": [
        {"src": "/icon-192.png", "sizes": "192x192", "type": "image/png", "purpose": "any"},
        {"src": "/icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": "any maskable"},
    ],
}
A_DAY = {"Cache-Control": "public, max-age=86400"}

router = APIRouter(include_in_schema=False)


@router.get("/app.webmanifest")
def manifest() -> Response:
    return JSONResponse(MANIFEST, headers={**HEADERS, **A_DAY}, media_type="application/manifest+json")


@router.get("/sw.js")
def service_worker() -> Response:
    """At the root, or it could not speak for the pages there; asked for anew each time, so that a release arrives."""
    content, media_type = static_file("sw.js")
    return Response(content, headers={**HEADERS, "Cache-Control": "no-cache"}, media_type=media_type)


@router.get("/icon-{size}.png")
def icon(size: int) -> Response:
    name = f"icon-{size}.png"
    if size not in {180, 192, 512}:
        return Response("No such file.", 404, media_type="text/plain")
    content, media_type = static_file(name)
    return Response(content, headers={**HEADERS, **A_DAY}, media_type=media_type)
