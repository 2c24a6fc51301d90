"""`POST /v1/events`, the hottest door: plain ASGI around the rest of the app, with the same validation as everywhere.

An upload that can be read and is authorised is answered 200 with one result an event, after the commit. 4xx only
when the upload itself is unusable; 503 with Retry-After when the database cannot commit.
"""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

import structlog

from api.access.keys import Principal, Remembered, Role, authenticate
from api.access.limits import client_of
from api.gate import App, Receive, Scope, Send, answer, too_large
from api.guard import refused_key
from api.problems import MEDIA_TYPE, Problem, forbidden, problem_of, unauthorised, unsupported
from api.wiring import Idlefee
from sessions.events import EventFault, SessionEvent, json_schema, parse_batch
from sessions.intake import EventResult, Status, Upload

PATH = "/v1/events"
SPEAKERS = (Role.STATION, Role.OPERATOR)  # an operator may post for any station: a gateway, a repair
READ_AS_JSON = ("", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded")
log = structlog.get_logger()


class Uploads:
    """Answers uploads itself and hands every other request to `app`."""

    def __init__(self, app: App, idlefee: Idlefee) -> None:
        self._app, self._idlefee = app, idlefee
        self._keys = Remembered(self._authenticate, idlefee.clock.now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            status, headers, body = 200, {}, await self._answer(scope, receive)
            media_type = "application/json"
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("upload failed")
                problem = Problem(500, "internal_error", "Something went wrong here", "Nothing was acknowledged.")
            status, headers, body, media_type = problem.status, problem.headers, problem.body(), MEDIA_TYPE
        await answer(send, status, headers, body, media_type)

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        headers = dict(scope["headers"])
        principal = await self._principal(headers, client_of((scope.get("client") or (None,))[0]))
        _refuse_other_types(headers.get(b"content-type", b""))
        raw = await _body(receive, self._idlefee.settings.largest_upload_bytes)
        items = parse_batch(raw)
        upload = Upload(
            [item for item in items if isinstance(item, SessionEvent)], principal.author, principal.station_id
        )
        if not upload.events:
            results: list[EventResult] = []
        elif _dry_run(scope):
            results = await asyncio.to_thread(self._idlefee.intake.check, upload)
        else:
            results = await asyncio.wrap_future(self._idlefee.intake.submit(upload))
        return _results(items, results)

    async def _principal(self, headers: dict[bytes, bytes], client: str) -> Principal:
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise unauthorised()
        principal = self._keys.recall(key) or await asyncio.to_thread(self._keys.look_up, key)
        if principal is None:
            raise await asyncio.to_thread(refused_key, self._idlefee, client)
        if principal.role not in SPEAKERS:
            raise forbidden("Station events are posted with a station's key, or an operator's.")
        return principal

    def _authenticate(self, key: str) -> Principal | None:
        with self._idlefee.reading() as connection:
            return authenticate(connection, key, self._idlefee.clock.now())


def _refuse_other_types(content_type: bytes) -> None:
    """JSON and NDJSON pass, and what tools say by themselves when nobody told them a type."""
    media_type = content_type.decode("latin-1").partition(";")[0].strip().lower()
    if media_type not in READ_AS_JSON and not media_type.endswith(("json", "jsonl")):
        raise unsupported("Send events as application/json, or one a line as application/x-ndjson.")


async def _body(receive: Receive, most: int) -> bytes:
    """The request's body, up to `most` bytes; it stops reading when there is more."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "incomplete", "The upload broke off", "Nothing of it was stored; send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large(most)
        more = message.get("more_body", False)
    return b"".join(parts)


def _dry_run(scope: Scope) -> bool:
    asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("dry_run", ["false"])[-1]
    if asked.lower() not in ("true", "1", "", "false", "0"):
        raise Problem(400, "invalid_request", "dry_run is true or false", f"not {asked[:40]!r}")
    return asked.lower() in ("true", "1", "")


def _results(items: list[SessionEvent | EventFault], results: list[EventResult]) -> bytes:
    """One result an event, in the upload's order."""
    taken = iter(results)
    rows = [
        EventResult(item.id, Status.REJECTED, item.code, item.message, False)
        if isinstance(item, EventFault)
        else next(taken)
        for item in items
    ]
    return json.dumps({"results": [row._asdict() for row in rows]}, separators=(",", ":")).encode()


def openapi() -> dict[str, Any]:
    """What the OpenAPI document says of this door."""
    event = {**json_schema(), "title": "SessionEvent"}
    result = {
        "type": "object",
        "required": ["id", "status", "code", "message", "retry"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "status": {"enum": [status.value for status in Status]},
            "code": {"type": "string", "description": "stable: programs may decide by it"},
            "message": {"type": "string", "description": "for people: what to change"},
            "retry": {"type": "boolean", "description": "whether sending it again can help"},
        },
    }
    answer = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": result}}}
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}
    codes = {
        "400": "cannot be read",
        "401": "no valid key",
        "403": "not a station's key",
        "413": "too large, or too many events",
        "415": "another type than JSON",
        "429": "too many wrong keys: try again after Retry-After seconds",
        "503": "the database cannot commit: send it again after Retry-After seconds",
    }
    return {
        "post": {
            "tags": ["stations"],
            "operationId": "post_events",
            "summary": "Post station events: one, an array, or one a line; up to 1,000",
            "security": [{"bearer": []}],
            "parameters": [
                {
                    "name": "dry_run",
                    "in": "query",
                    "schema": {"type": "boolean", "default": False},
                    "description": "answer as if, store nothing",
                }
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"anyOf": [event, {"type": "array", "items": event}]}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {
                "200": {
                    "description": "one result an event; what is accepted is committed",
                    "content": {"application/json": {"schema": answer}},
                },
                **{code: {"description": text, **problem} for code, text in codes.items()},
            },
        }
    }
