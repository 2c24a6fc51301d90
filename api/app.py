"""The HTTP application: every door in one place, each behind its key. `create_app` is what a server serves."""

from typing import Any

from fastapi import FastAPI

from api import (
    accounts,
    contacts,
    finance,
    health,
    me_address,
    operators,
    owners,
    preferences,
    problems,
    receipts,
    sites,
    stations,
    support,
    tariffs,
    uploads,
)
from api.answers import ProblemDocument
from api.gate import Gate
from api.pages import assembly
from api.wiring import Idlefee

DESCRIPTION = """Station events in, an explained idle fee on the owner's account out.

Send the events late, twice or shuffled: the bill is the same. Times are RFC 3339 with an offset, amounts integer
minor units. Errors are RFC 9457 problem documents with a stable `code`."""


ROUTERS = (
    health,
    stations,
    support,
    accounts,
    owners,
    me_address,
    preferences,
    contacts,
    operators,
    sites,
    tariffs,
    receipts,
    finance,
)


def create_app(idlefee: Idlefee) -> Gate:
    """The ASGI application of a running engine: the gate, the upload door, and behind it all others."""
    doors = uploads.Uploads(behind_the_gate(idlefee), idlefee)
    settings = idlefee.settings
    return Gate(doors, settings.largest_upload_bytes, https=settings.home.startswith("https:"))


def behind_the_gate(idlefee: Idlefee) -> FastAPI:
    """Every door but that for uploads, which is described here and stands before this."""
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
    for room in ROUTERS:
        app.include_router(room.router)
    assembly.install(app, idlefee)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """What FastAPI cannot know: the upload door, which stands before it, and the form of every problem."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        document = generated()
        document["paths"].setdefault(uploads.PATH, uploads.openapi())
        document["components"]["schemas"].setdefault("ProblemDocument", ProblemDocument.model_json_schema())
        return document

    app.openapi = openapi  # type: ignore[method-assign]
