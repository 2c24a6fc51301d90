"""The forms of what people and programs send: ids, moments, amounts, reasons. Strict, bounded, and told in OpenAPI.

What is refused here is wrong by itself; what the rules make of the rest is decided below.
"""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

from api.guard import Anyone
from sessions.events import rfc3339
from sessions.events.wire import Stamp

_ID = r"^[A-Za-z0-9._:-]{1,64}$"
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"

Id = Annotated[str, StringConstraints(pattern=_ID)]
"""Of a seller, a site, a station, an owner: as `sessions.sites` names them."""

Text64 = Annotated[str, StringConstraints(max_length=64, pattern=PRINTABLE)]
Text128 = Annotated[str, StringConstraints(max_length=128, pattern=PRINTABLE)]
Lines = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]+$")]
"""Text of several lines."""

Reason = Annotated[
    str,
    StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"),
    Field(description="why: shown to the owner", examples=["blocked by a delivery van"]),
]
SessionId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,64}/[^\x00-\x1f\x7f]{1,128}$"),
    Field(description="station/session", examples=["st-1/s-1"]),
]
TariffName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$"), Field(examples=["standard"])]
Amount = Annotated[int, Field(ge=1, le=10**15, description="in minor units", examples=[2_00])]

PathId = Annotated[str, Path(pattern=_ID)]
PathSession = Annotated[str, Path(min_length=1, max_length=128, description="the station's own name of the session")]
PathTariff = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$", examples=["standard"])]

_SPACE_FOR_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$")


def _with_its_plus(text: object) -> object:
    """A query string turns the `+` of an offset into a space where nobody wrote it as %2B."""
    if not isinstance(text, str) or len(text) > 40:
        return text
    return _SPACE_FOR_PLUS.sub(r"\1+\2", text)


def _moment_in_query(name: str, meaning: str) -> object:
    return Query(alias=name, description=meaning, examples=["2024-05-01T12:00:00+02:00"])


QueryStamp = Annotated[Stamp, BeforeValidator(_with_its_plus)]
From = Annotated[QueryStamp | None, _moment_in_query("from", "not before this moment")]
To = Annotated[QueryStamp | None, _moment_in_query("to", "before this moment")]

Moment = Annotated[
    int,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2024-05-01T10:00:00Z"]}),
]
"""UTC seconds inside, RFC 3339 in an answer."""


class Body(BaseModel):
    """What is sent: strict, and nothing beyond what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _request_key(
    principal: Anyone,
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=r"^[\x21-\x7e]{1,128}$",
            description="the same request under the same key is done once, however often it is sent",
        ),
    ] = None,
) -> str | None:
    """Under which key the decision is recorded: a caller's keys are its own."""
    return None if key is None else f"request:{principal.key_id}:{key}"


RequestKey = Annotated[str | None, Depends(_request_key)]


async def _raw_body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_raw_body)]
