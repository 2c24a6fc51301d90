"""The wire form of a station event. It refuses only what is wrong by itself.

Nothing here reads a clock: how far ahead of now a stamp may lie is `absurd`, asked by the intake.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sessions.events.vocabulary import EventType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?", re.ASCII)

EARLIEST_S = 1_262_304_000  # 2010-01-01T00:00:00Z: a station that says so has lost its clock
MAX_AHEAD_S = 86_400
_LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z: beyond it a stamp cannot be written back


def absurd(at_s: int, now_s: int) -> bool:
    """A stamp that no sound clock gives: before 2010, or more than a day ahead of `now_s`."""
    return at_s < EARLIEST_S or at_s > now_s + MAX_AHEAD_S


def rfc3339(at_s: int) -> str:
    """UTC seconds as they are written on the wire: `2024-05-01T12:00:00Z`."""
    return f"{_EPOCH + at_s * _SECOND:%Y-%m-%dT%H:%M:%SZ}"


def utc_seconds(stamp: object) -> int:
    """Whole UTC seconds of an RFC 3339 string with an offset, or of an aware datetime. Fractions are cut."""
    moment = _read_stamp(stamp) if isinstance(stamp, str) else stamp
    if not isinstance(moment, datetime):
        raise PydanticCustomError("bad_time", "must be an RFC 3339 string such as 2024-05-01T12:00:00+02:00")
    if moment.utcoffset() is None:
        raise PydanticCustomError("naive_time", "must name its UTC offset, for example Z or +02:00")
    at_s = (moment - _EPOCH) // _SECOND
    if not EARLIEST_S <= at_s <= _LATEST_S:
        raise PydanticCustomError("absurd_time", "lies before 2010 or after 9999: set the station's clock")
    return at_s


def _read_stamp(stamp: str) -> datetime:
    if not _RFC_3339.fullmatch(stamp):
        if _NAIVE.fullmatch(stamp):
            raise PydanticCustomError("naive_time", "must name its UTC offset, for example Z or +02:00")
        raise PydanticCustomError("bad_time", "must be an RFC 3339 string such as 2024-05-01T12:00:00+02:00")
    try:
        return datetime.fromisoformat(stamp.upper())
    except ValueError:
        raise PydanticCustomError("bad_time", "names a day, an hour or an offset that does not exist") from None


Stamp = Annotated[
    int,
    PlainValidator(utc_seconds),
    PlainSerializer(rfc3339, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2024-05-01T12:00:00+02:00"]}),
]

# -- the wire form ------------------------------------------------------------------------------------------

# Control characters are refused everywhere: a NUL cannot be stored, the others break logs and tables.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_Text64 = Annotated[str, StringConstraints(max_length=64, pattern=_PRINTABLE)]
_Text128 = Annotated[str, StringConstraints(max_length=128, pattern=_PRINTABLE)]
_Station = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
_Seq = Annotated[int, Field(ge=0, le=2**53)]


class MeterData(BaseModel):
    """A sample. These are measurements, neither money nor time, so they may be fractions."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    soc_percent: float | None = Field(default=None, ge=0, le=100)
    energy_wh: float | None = Field(default=None, ge=-1e12, le=1e12)
    power_w: float | None = Field(default=None, ge=-1e9, le=1e9)


_NEEDS: dict[EventType, tuple[str, ...]] = {
    EventType.PLUGGED_IN: ("stall", "session"),
    EventType.CHARGING_STARTED: ("stall", "session"),
    EventType.CHARGE_COMPLETE: ("stall", "session"),
    EventType.CHARGING_RESUMED: ("stall", "session"),
    EventType.UNPLUGGED: ("stall", "session"),
    EventType.METER: ("stall",),
    EventType.STATION_FAULT: ("cause",),
    EventType.STATION_RESTORED: ("cause",),
}


class SessionEvent(BaseModel):
    """A station event as it is posted. `at` and `sent_at` are UTC seconds once they have been read."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        json_schema_extra={
            "allOf": [
                {"if": {"properties": {"type": {"const": kind.value}}}, "then": {"required": list(fields)}}
                for kind, fields in _NEEDS.items()
            ],
            "examples": [
                {
                    "id": "e-1",
                    "station": "st-1",
                    "stall": "1",
                    "session": "s-1",
                    "type": "plugged_in",
                    "at": "2024-05-01T12:00:00+02:00",
                    "sent_at": "2024-05-01T12:00:01+02:00",
                }
            ],
        },
    )

    id: _Text128
    station: _Station
    stall: _Text64 | None = None
    session: _Text128 | None = None
    type: Annotated[EventType, Field(strict=False)]
    at: Stamp
    sent_at: Stamp | None = None
    seq: _Seq | None = None
    replayed: bool = False
    cause: _Text64 | None = None
    token: _Text128 | None = None
    data: Annotated[MeterData | None, Field(strict=False)] = None

    @model_validator(mode="after")
    def _names_what_its_type_needs(self) -> Self:
        for field in _NEEDS[self.type]:
            if getattr(self, field) is None:
                raise PydanticCustomError(
                    "missing_field", "{type} needs `{field}`", {"type": self.type.value, "field": field}
                )
        return self

    def live_offset_s(self, arrived_at_s: int) -> int | None:
        """How far the station's clock is behind ours, plus the way, if this is the *first* arrival.

        None for what was not sent live. What was imported is not live either; only the importer knows that.
        """
        return None if self.sent_at is None or self.replayed else arrived_at_s - self.sent_at


def content_digest(event: SessionEvent, token: str | None) -> bytes:
    """16 bytes of what the event says, with the token's surrogate for the token.

    `sent_at` and `replayed` are left out: a resend has new ones, and is the same event all the same.
    """
    data = event.data and (event.data.soc_percent, event.data.energy_wh, event.data.power_w)
    return digest_of(
        (
            event.id,
            event.station,
            event.stall,
            event.session,
            event.type.value,
            event.at,
            event.seq,
            event.cause,
            token,
            data,
        )
    )


def digest_of(content: tuple[object, ...]) -> bytes:
    """The digest of (id, station, stall, session, type, at, seq, cause, token's surrogate, measurements or none)."""
    return blake2b(repr(content).encode(), digest_size=16).digest()


@cache
def json_schema() -> dict[str, Any]:
    """The published JSON Schema of one event."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | SessionEvent.model_json_schema()
