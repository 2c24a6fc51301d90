"""The HTTP application: every door in one place, each behind its key. `create_app` is what a server serves."""

from typing import Any

from fastapi import FastAPI

from api import health, problems, stations, uploads
from api.wiring import Idlefee

DESCRIPTION = """Station events in, an explained idle fee on the owner's account out.

Send the events late, twice or shuffled: the bill is the same. Times are RFC 3339 with an offset, amounts integer
minor units. Errors are RFC 9457 problem documents with a stable `code`."""


def create_app(idlefee: Idlefee) -> uploads.Uploads:
    """The ASGI application of a running engine."""
    app = FastAPI(
        title="idlefee",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        max_body_size=idlefee.settings.largest_upload_bytes,
    )
    app.state.idlefee = idlefee
    problems.install(app)
    app.include_router(health.router)
    app.include_router(stations.router)
    _describe_uploads(app)
    return uploads.Uploads(app, idlefee)


def _describe_uploads(app: FastAPI) -> None:
    """The upload door stands before FastAPI, so its description is added by hand."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        document["paths"].setdefault(uploads.PATH, uploads.openapi())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
