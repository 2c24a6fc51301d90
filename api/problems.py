"""Errors as people and programs read them: RFC 9457 problem documents with stable codes.

The one table from the domain's errors to what a door answers. The domain knows no HTTP; this knows no rule.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException

from api.access.leaving import StillPluggedIn
from billing.assignments import AlreadyAssigned, BackDated, TariffUnknown
from billing.decisions import AmountTooSmall, EmptyInterval, InService, NothingToDecide, ReasonMissing
from billing.exports.table import ParquetMissing
from billing.invoices.policy import PolicyFaults
from billing.notices.contacts import BadContact, TooManyContacts
from billing.notices.preferences import BadPreferences
from billing.owners import OwnerUnknown, TokenTaken
from billing.payments.by_hand import BadRecord
from billing.payments.credits import AlreadyDecided, NothingOwed
from billing.payments.paying import NothingToPay
from billing.payments.people import NotAllowed
from billing.payments.processor import KeyRefused, ProcessorError, Refused
from billing.payments.refunds import NotRefundable
from billing.payments.rooms import TooMuch
from billing.periods.closing import InTheWay
from billing.periods.months import NotYet
from billing.reconcile.bank.lines import NotOpen
from billing.reconcile.bank.reading import UnreadableStatement
from billing.tariffs import TariffFaults, UnknownPreset
from sessions.database import is_outage
from sessions.events import UnusableUpload
from sessions.facts import KeyReused
from sessions.sites import BadName, NameTaken, Unknown
from sessions.writer import Unavailable

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2


class Problem(Exception):
    """What went wrong and what to do about it. `code` is stable; `detail` is for people."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.detail = status, code, title, detail
        self.headers, self.more = dict(headers or {}), more

    def document(self) -> dict[str, Any]:
        body = {"type": f"urn:idlefee:problem:{self.code}", "title": self.title, "status": self.status}
        return body | ({"detail": self.detail} if self.detail else {}) | {"code": self.code} | self.more

    def body(self) -> bytes:
        return json.dumps(self.document(), separators=(",", ":")).encode()

    def response(self) -> Response:
        return Response(self.body(), self.status, self.headers, media_type=MEDIA_TYPE)


def unauthorised() -> Problem:
    return Problem(
        401,
        "unauthorised",
        "No valid key",
        "Send `Authorization: Bearer KEY` with a key that `idlefee access add` or `idlefee station add` printed.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def forbidden(detail: str) -> Problem:
    return Problem(403, "forbidden", "This key may not do that", detail)


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"No {what}", "It does not exist, or this key may not see it.")


def too_many(wait_s: int) -> Problem:
    return Problem(
        429,
        "too_many",
        "Too many tries",
        f"Try again in {wait_s} seconds.",
        headers={"Retry-After": str(wait_s)},
    )


def unavailable(reason: str) -> Problem:
    """`reason` is for the log: it may name hosts and users, which are nobody's business outside."""
    log.warning("unavailable", reason=reason)
    return Problem(
        503,
        "unavailable",
        "The database cannot commit now",
        f"Nothing of this request was acknowledged: send it again in {RETRY_AFTER_S} seconds.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


# domain error → (status, code, title); the error's own text is the detail
_MEANING: dict[type[Exception], tuple[int, str, str]] = {
    AlreadyAssigned: (
        409,
        "already_assigned",
        "The site has another tariff for that time; the past changes by a re-rate",
    ),
    AlreadyDecided: (409, "already_decided", "Somebody decided that before"),
    AmountTooSmall: (422, "amount_too_small", "An amount is above zero"),
    BackDated: (422, "back_dated", "A later assignment may not begin before now; the past changes by a re-rate"),
    BadRecord: (422, "bad_record", "This cannot be a payment that was received"),
    BadContact: (422, "bad_contact", "Nobody can be told there"),
    BadName: (422, "bad_name", "This cannot be a name here"),
    EmptyInterval: (422, "empty_interval", "An interval ends after it begins"),
    InService: (409, "in_service", "There is nothing to end"),
    KeyReused: (409, "key_reused", "The Idempotency-Key was used before with another content"),
    NameTaken: (409, "name_taken", "That name is taken"),
    InTheWay: (409, "checks_in_the_way", "The month cannot be closed yet"),
    NotYet: (409, "not_yet", "That month is not the one to close now"),
    ParquetMissing: (501, "parquet_missing", "This server writes no Parquet"),
    NotOpen: (409, "not_open", "The bank's line was decided already"),
    NothingToPay: (409, "nothing_to_pay", "This payment does not wait for you"),
    NotAllowed: (403, "over_limit", "This takes somebody else"),
    NothingOwed: (409, "nothing_owed", "The owner does not owe that much"),
    NotRefundable: (409, "not_refundable", "Nothing of this payment can be sent back"),
    NothingToDecide: (409, "nothing_to_decide", "Nothing of this session waits in review"),
    OwnerUnknown: (404, "not_found", "No such owner"),
    StillPluggedIn: (409, "still_plugged_in", "Who leaves unplugs first"),
    ReasonMissing: (422, "reason_missing", "A decision states its reason"),
    TariffUnknown: (404, "not_found", "No such tariff"),
    TooMuch: (409, "too_much", "More than can be given back"),
    TokenTaken: (409, "token_taken", "The token stands for somebody in that time"),
    UnknownPreset: (404, "not_found", "No such preset"),
    TooManyContacts: (409, "too_many_contacts", "These are as many contacts as one may have"),
    Unknown: (404, "not_found", "It does not exist, or this key may not see it"),
    UnreadableStatement: (422, "unreadable_statement", "The bank's file cannot be read"),
    UnusableUpload: (400, "unusable_upload", "The upload cannot be read"),
}


def _of_the_processor(error: ProcessorError) -> Problem:
    if isinstance(error, Refused):
        return Problem(502, "processor_refused", "The card processor refuses this", f"{error} No money moved.")
    if isinstance(error, KeyRefused):
        detail = "No money moved. Set IDLEFEE_STRIPE_KEY to a key that is in force, and start again."
        return Problem(502, "processor_refuses_key", "The card processor takes our key no more", detail)
    detail = "Nothing was lost, and nothing is paid twice: try again in a minute."
    return Problem(503, "processor_unavailable", "The card processor does not answer now", detail)


def problem_of(error: Exception) -> Problem | None:
    """The problem an error of the domain stands for; none for an error nobody foresaw."""
    match error:
        case Problem():
            return error
        case ProcessorError():
            return _of_the_processor(error)
        case UnusableUpload(code=code, message=message):
            return Problem(413 if code == "too_many_events" else 400, code, "The upload cannot be read", message)
        case BadPreferences():
            faults = [{"where": where, "what": what} for where, what in error.faults]
            return Problem(422, "preferences_faults", "The preferences have faults", str(error), faults=faults)
        case PolicyFaults():
            faults = [{"where": where, "what": what} for where, what in error.faults]
            return Problem(422, "policy_faults", "The policy has faults", str(error), faults=faults)
        case TariffFaults():
            faults = [{"where": where, "what": what} for where, what in error.faults]
            return Problem(422, "tariff_faults", "The tariff has faults", str(error), faults=faults)
        case Unavailable():
            return unavailable(str(error))
        case DBAPIError() if is_outage(error):
            return unavailable(str(error.orig).splitlines()[0] if error.orig else "no answer")
        case SQLAlchemyError() if is_outage(error):
            return unavailable("no connection is free")
    meaning = _MEANING.get(type(error))
    return None if meaning is None else Problem(*meaning, str(error))


# What the framework refuses by itself: code, and what to change.
_HTTP = {
    400: ("unreadable_body", "Send JSON in UTF-8, nested no deeper and with no longer numbers than anybody needs."),
    404: ("not_found", "No door is here: /openapi.json lists them all."),
    405: ("method_not_allowed", "The door is here, but not for this method: see `Allow` and /openapi.json."),
    413: ("too_large", "Send less at once."),
}
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is no field here: leave it out",
    "string_unicode": "must be Unicode text, without half of a surrogate pair",
}
MOST_FAULTS_NAMED = 50


def _invalid(request: Request, error: RequestValidationError) -> Problem:
    """What is wrong with a request, all of it at once; a body that is no JSON at all is told apart."""
    found = error.errors()
    sent_as = request.headers.get("content-type", "")
    if any(one["loc"] == ("body",) for one in found) and not _is_json(sent_as):
        return unsupported("Send the body as JSON, with Content-Type: application/json.")
    if any(one["type"] == "json_invalid" for one in found):
        at = found[0]["loc"][-1]
        why = found[0].get("ctx", {}).get("error", "")
        return Problem(400, "not_json", "The body is not JSON", f"At character {at}: {why}")
    faults = [{"where": _where(one["loc"]), "what": _what(one)} for one in found[:MOST_FAULTS_NAMED]]
    detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults)
    return Problem(422, "invalid_request", "The request has faults", detail, faults=faults)


def unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", "The body is of another type than this door takes", detail)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _where(place: Sequence[Any]) -> str:
    """The field at fault; names that a client made up are cut, and stay one line."""
    return ".".join(str(part)[:64] for part in place).encode("unicode_escape").decode("ascii")


def _what(error: Mapping[str, Any]) -> str:
    sentence = _SENTENCES.get(error["type"])
    return sentence or error["msg"].replace("Input should", "must").replace("String should", "must")


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document, and never with a stack trace."""

    async def known(_request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem is None:
            raise error
        return problem.response()

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows the type FastAPI promises
        return _invalid(request, error).response()

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - narrows the type Starlette promises
        headers = dict(error.headers or {})
        code, detail = _HTTP.get(error.status_code, ("http_error", ""))
        return Problem(error.status_code, code, str(error.detail), detail, headers=headers).response()

    async def unforeseen(_request: Request, _error: Exception) -> Response:
        detail = "The cause is in the server's log. Nothing was changed by this request."
        return Problem(500, "internal_error", "Something went wrong here", detail).response()

    for kind in (Problem, Unavailable, BadPreferences, PolicyFaults, TariffFaults, SQLAlchemyError, *_MEANING):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unforeseen)
