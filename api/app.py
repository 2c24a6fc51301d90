"""The HTTP application: every door in one place, each behind its key. `create_app` is what a server serves.

The doors are the same whatever stands behind them, and are built once a process; which engine is asked comes with each
request, as `request.state.idlefee`.
"""

from functools import cache
from typing import Any

from fastapi import FastAPI

from api import (
    accounts,
    arrears,
    contacts,
    disputes,
    finance,
    giving,
    health,
    invoices,
    me_address,
    me_money,
    me_payment,
    operators,
    owners,
    periods,
    policies,
    preferences,
    problems,
    receipts,
    reconciling,
    sites,
    statements,
    stations,
    support,
    tariffs,
    uploads,
    webhooks,
)
from api.answers import ProblemDocument
from api.gate import App, Gate, Receive, Scope, Send
from api.pages import assembly
from api.wiring import Idlefee

DESCRIPTION = """Station events in, an explained idle fee on the owner's account out.

Send the events late, twice or shuffled: the bill is the same. Times are RFC 3339 with an offset, amounts integer
minor units. Errors are RFC 9457 problem documents with a stable `code`."""


DOORS = (
    health,
    stations,
    support,
    accounts,
    owners,
    me_address,
    me_payment,
    me_money,
    preferences,
    contacts,
    operators,
    sites,
    policies,
    tariffs,
    receipts,
    invoices,
    statements,
    finance,
    giving,
    disputes,
    arrears,
    periods,
    reconciling,
    webhooks,
)


def create_app(idlefee: Idlefee) -> Gate:
    """The ASGI application of a running engine: the gate, the upload door, and behind it all others."""
    settings = idlefee.settings
    doors = _Asking(behind_the_gate(settings.largest_upload_bytes), idlefee=idlefee, pages=assembly.pages_of(idlefee))
    return Gate(
        uploads.Uploads(doors, idlefee), settings.largest_upload_bytes, https=settings.home.startswith("https:")
    )


class _Asking:
    """Hands what belongs to one engine to the doors, with each request."""

    def __init__(self, doors: App, **state: object) -> None:
        self._doors, self._state = doors, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._doors({**scope, "state": dict(self._state)}, receive, send)


@cache
def behind_the_gate(largest_bytes: int) -> FastAPI:
    """Every door but that for uploads, which is described here and stands before this."""
    app = FastAPI(
        title="idlefee",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        max_body_size=largest_bytes,
    )
    problems.install(app)
    assembly.errors_as_pages(app)
    for room in (*DOORS, *assembly.ROOMS):
        app.router.routes.extend(room.router.routes)  # as they are: a router that is included is built a second time
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
