"""Reads an upload: one event, an array of them, or NDJSON. One bad event does not spoil its neighbours.

A whole batch is validated in one go; only when that fails is it read item by item, to find which.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json

from sessions.events.vocabulary import EventType
from sessions.events.wire import SessionEvent

MAX_EVENTS = 1000
MAX_DEPTH = 16

_BATCH = TypeAdapter(list[SessionEvent])


@dataclass(frozen=True, slots=True)
class EventFault:
    """Why one event of an upload was refused: where it stood, a stable code, and what to change."""

    index: int
    id: str | None
    code: str
    message: str


class UnusableUpload(Exception):
    """The upload as a whole cannot be read. `code` is stable, `message` says what to change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_batch(raw: bytes) -> list[SessionEvent | EventFault]:
    """The events of an upload in their order, each as read or with its fault. Raises UnusableUpload."""
    body = raw.strip()
    if not body:
        raise UnusableUpload("empty_body", "send one event, an array of events, or one event a line")
    try:
        events = _BATCH.validate_json(_as_array(body))
    except ValidationError:
        return _one_by_one(body)
    _refuse_too_many(len(events))
    return list(events)


def _as_array(body: bytes) -> bytes:
    if body.startswith(b"["):
        return body
    # A raw line break inside a string is no JSON, so an event can never reach over the seam.
    lines = [line for line in body.split(b"\n") if not line.isspace() and line]
    seam = b",\n" if all(line.strip().endswith(b"}") for line in lines) else b"\n"
    return b"[" + seam.join(lines) + b"]"


def _one_by_one(body: bytes) -> list[SessionEvent | EventFault]:
    items = _items(body)
    _refuse_too_many(len(items))
    return [item if isinstance(item, EventFault) else _read(index, item) for index, item in enumerate(items)]


def _items(body: bytes) -> list[Any]:
    try:
        document = _load(body)
    except ValueError as fault:
        return _lines(body, fault)
    return document if isinstance(document, list) else [document]


def _lines(body: bytes, whole_fault: ValueError) -> list[Any]:
    """NDJSON, if at least one line of the body is an object by itself."""
    lines = [line for line in body.split(b"\n") if line and not line.isspace()]
    _refuse_too_many(len(lines))
    items = [_line(index, line) for index, line in enumerate(lines)]
    if body.startswith(b"[") or not any(isinstance(item, dict) for item in items):
        raise UnusableUpload("not_json", f"the body is not JSON: {whole_fault}")
    return items


def _line(index: int, line: bytes) -> Any:
    try:
        return _load(line)
    except ValueError as fault:
        return EventFault(index, None, "not_json", f"this line is not JSON: {fault}")


def _load(text: bytes) -> Any:
    try:
        document = from_json(text)
    except ValueError as fault:
        if "recursion limit" in str(fault):
            raise _too_deep() from None
        document = _load_leniently(text, fault)
    if _deeper_than(document, MAX_DEPTH):
        raise _too_deep()
    return document


def _load_leniently(text: bytes, fault: ValueError) -> Any:
    """Half a surrogate pair or a number of thousands of digits is JSON all the same: it spoils its own event only."""
    try:
        return json.loads(text.decode(), parse_int=lambda digits: int(digits) if len(digits) < 1_000 else float(digits))
    except (ValueError, RecursionError):
        raise fault from None


def _too_deep() -> UnusableUpload:
    return UnusableUpload("too_deep", f"the body is nested more than {MAX_DEPTH} levels deep")


def _deeper_than(document: Any, levels: int) -> bool:
    layer: list[Any] = [document]
    for _ in range(levels):
        inner = [item for item in layer if isinstance(item, list | dict)]
        if not inner:
            return False
        layer = [value for item in inner for value in (item.values() if isinstance(item, dict) else item)]
    return any(isinstance(item, list | dict) for item in layer)


def _refuse_too_many(count: int) -> None:
    if count > MAX_EVENTS:
        raise UnusableUpload("too_many_events", f"{count} events: send at most {MAX_EVENTS} at once")


def _read(index: int, item: Any) -> SessionEvent | EventFault:
    try:
        return SessionEvent.model_validate(item)
    except ValidationError as fault:
        errors = fault.errors(include_url=False, include_input=False)
        return EventFault(index, _id_of(item), _code(errors[0]), "; ".join(_sentence(e) for e in errors))


def _id_of(item: Any) -> str | None:
    """The id as far as it can be repeated to the sender; the answer must not carry what was refused."""
    named = item.get("id") if isinstance(item, dict) else None
    return named if isinstance(named, str) and len(named) <= 128 and named.isprintable() else None


_CODES = {
    "missing": "missing_field",
    "missing_field": "missing_field",
    "extra_forbidden": "unknown_field",
    "enum": "unknown_type",
    "bad_time": "bad_time",
    "naive_time": "naive_time",
    "absurd_time": "absurd_time",
    "model_type": "not_an_object",
}


def _code(error: ErrorDetails) -> str:
    return _CODES.get(error["type"], "invalid_value")


_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of an event: leave it out",
    "enum": "must be one of " + ", ".join(EventType),
    "model_type": "must be a JSON object",
    "string_unicode": "must be Unicode text, without half of a surrogate pair",
}


def _sentence(error: ErrorDetails) -> str:
    where = ".".join(str(part)[:64] for part in error["loc"]).encode("utf-8", "replace").decode()
    what = _SENTENCES.get(error["type"]) or _what_is_allowed(error)
    return f"{where} {what}" if where else what


def _what_is_allowed(error: ErrorDetails) -> str:
    if error["type"] != "string_pattern_mismatch":
        return error["msg"].replace("Input should", "must").replace("String should", "must")
    letters = "letters, digits and . _ : - only" if error["loc"] == ("station",) else "printable characters only"
    return f"must be {letters}, and not empty"
