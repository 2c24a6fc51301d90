"""The sandbox over HTTP: the API under `/v1`, the pages Stripe would host, and a tester's orders under `/_sandbox`.

Everything but the hosted pages takes the bearer key. What goes wrong on order goes wrong here, on the wire.
"""

import asyncio
import json

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from . import hosted
from .desk import BUSY, INTERNAL, TOO_MANY, UNAVAILABLE, Answered, Asked, Desk
from .errors import Refusal
from .faults import Fault, Order
from .orders import Orders, carry_out

TURNED_AWAY = {Fault.CONFLICT: BUSY, Fault.RATE_LIMIT: TOO_MANY, Fault.UNAVAILABLE: UNAVAILABLE}


class Dropped(Response):
    """The connection breaks in the middle of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def create_sandbox(desk: Desk, orders: Orders) -> Starlette:
    async def api(request: Request) -> Response:
        asked = await _asked(request)
        try:
            desk.admit(asked)
        except Refusal as refused:
            return _response(desk.turn_away(asked, refused))
        trouble = desk.state.faults.meet(f"{asked.method} {asked.path}")
        return await (_troubled(desk, request, asked, trouble) if trouble else _answered(desk, asked))

    async def order(request: Request) -> Response:
        if _bearer(request) != desk.state.key:
            return JSONResponse({"error": {"message": "Orders take the sandbox's key as a bearer."}}, 401)
        try:
            said = json.loads(await request.body() or b"{}")
            if request.url.path.endswith("/faults"):
                said = {"order": "fault", **said}
            return JSONResponse(await asyncio.to_thread(carry_out, orders, said))
        except ValueError:
            return JSONResponse({"error": {"message": "The body is no JSON object."}}, 400)
        except Refusal as refused:
            return JSONResponse(refused.body(), refused.status)

    methods = ["GET", "POST", "DELETE"]
    return Starlette(
        routes=[
            Route("/v1/{path:path}", api, methods=methods),
            Route("/_sandbox/orders", order, methods=["POST"]),
            Route("/_sandbox/faults", order, methods=["POST"]),
            *hosted.routes(desk.state),
        ],
        exception_handlers={HTTPException: _unknown},
    )


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse({"error": {"message": words, "type": "invalid_request_error"}}, status)


async def _asked(request: Request) -> Asked:
    body = (await request.body()).decode()
    return Asked(
        method=request.method,
        path=request.url.path,
        form="&".join(part for part in (request.url.query, body) if part),
        bearer=_bearer(request),
        key=request.headers.get("idempotency-key"),
    )


def _bearer(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key if scheme.lower() == "bearer" else ""


async def _answered(desk: Desk, asked: Asked, held_s: float = 0) -> Response:
    try:
        replayed = desk.begin(asked)
    except Refusal as refused:
        return _response(desk.turn_away(asked, refused))
    if replayed is not None:
        return _response(replayed)
    if held_s:
        await asyncio.sleep(held_s)
    return _response(desk.execute(asked))


async def _troubled(desk: Desk, request: Request, asked: Asked, trouble: Order) -> Response:
    fault = trouble.fault
    if fault in TURNED_AWAY:
        return _response(desk.turn_away(asked, TURNED_AWAY[fault]))
    if fault is Fault.SLOW:
        return await _answered(desk, asked, trouble.seconds)
    if fault in {Fault.ERROR_BEFORE, Fault.ERROR_AFTER}:
        return await _broken(desk, asked, after=fault.after)
    if fault.after:
        await _answered(desk, asked)
    if fault in {Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER}:
        await _until_the_caller_gives_up(request, trouble.seconds)
    return Dropped()


async def _broken(desk: Desk, asked: Asked, *, after: bool) -> Response:
    """A 500, and the key remembers it, whichever side of the effect it was on."""
    try:
        if (replayed := desk.begin(asked)) is not None:
            return _response(replayed)
    except Refusal as refused:
        return _response(desk.turn_away(asked, refused))
    if after:
        desk.execute(asked)
    return _response(desk.refuse(asked, INTERNAL))


async def _until_the_caller_gives_up(request: Request, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


def _response(answered: Answered) -> Response:
    return Response(answered.body, answered.status, answered.headers, "application/json")
