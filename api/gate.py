"""What no request may carry, and what every answer does, whatever its route: refused here before anything is looked up,
and said here of what no route says more exactly.

A NUL cannot be stored, other control characters break logs, and a body that is packed would have to be unpacked
before its size is known.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from api.problems import MEDIA_TYPE, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where an answer says nothing else: nobody keeps it, frames it, guesses its type or learns where it was.
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)
HTTPS_ALONE = (b"strict-transport-security", b"max-age=31536000")

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Gate:
    """Lets sound requests of at most `largest_bytes` through to `app`. `https`: people reach it by nothing else."""

    def __init__(self, app: App, largest_bytes: int, *, https: bool = False) -> None:
        self._app, self._largest_bytes, self._https = app, largest_bytes, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            https = self._https or scope.get("scheme") == "https"
            send = _with_headers(send, (*HEADERS, HTTPS_ALONE) if https else HEADERS)
        problem = _fault(scope, self._largest_bytes) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await answer(send, problem.status, problem.headers, problem.body(), MEDIA_TYPE)


def _with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = {name.lower() for name, _ in message["headers"]}
            more = [header for header in headers if header[0] not in said]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending


def too_large(most: int) -> Problem:
    return Problem(413, "too_large", "The body is too large", f"Send at most {most} bytes at once.")


def _fault(scope: Scope, largest_bytes: int) -> Problem | None:
    for part, text in (("path", scope["path"].encode()), ("query", scope["query_string"])):
        decoded = unquote_to_bytes(text.replace(b"+", b" ")) if part == "query" else text
        if _CONTROL.search(decoded):
            return _bad(part, "holds a control character, for example NUL or a line break: leave it out")
        if part == "query" and not _is_utf8(decoded):
            return _bad(part, "is not UTF-8")
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > 18 or int(declared) > largest_bytes:
        return too_large(largest_bytes)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"", b"identity"):
        detail = "Send the body as it is, without a Content-Encoding."
        return Problem(415, "unsupported_encoding", "The body is packed", detail)
    return None


def _bad(part: str, what: str) -> Problem:
    return Problem(400, "bad_characters", f"The {part} cannot be used", f"The {part} {what}.")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


async def answer(send: Send, status: int, headers: dict[str, str], body: bytes, media_type: str) -> None:
    """Send a whole response."""
    lines = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    lines += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
