"""What a station, or its vendor's engineer, asks beside posting events (`api/uploads.py`): heartbeat, schema, what
we made of it.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from api.access.keys import Principal, Role
from api.guard import Anyone, Engine, StationOrOperator
from api.problems import forbidden, not_found
from billing.rating import report_to_json
from billing.settle import assess, charges_of
from sessions.events import json_schema, rfc3339
from sessions.events.wire import Stamp
from sessions.folding import Folded, fold_sessions
from sessions.sites import note_heartbeat, site_of_station
from sessions.store.queries import SessionKey

router = APIRouter(prefix="/v1", tags=["stations"])

StationId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
SessionName = Annotated[str, Path(min_length=1, max_length=128)]


class Heartbeat(BaseModel):
    """A sign of life. With `sent_at` the answer tells how far the station's clock is off."""

    model_config = ConfigDict(extra="forbid", strict=True)

    interval_s: Annotated[int, Field(ge=1, le=86_400, description="how often the station means to send one")] | None = (
        None
    )
    sent_at: Stamp | None = None


class HeartbeatAnswer(BaseModel):
    """Our clock, for the station to set its own by."""

    now: str
    clock_ahead_s: int | None


@router.post("/stations/{station_id}/heartbeat")
def heartbeat(idlefee: Engine, principal: StationOrOperator, station_id: StationId, sign: Heartbeat) -> HeartbeatAnswer:
    """A sign of life and the time. Heartbeats are no facts: they move no bill."""
    _own_station(principal, station_id)
    now = idlefee.clock.now()
    ahead = None if sign.sent_at is None else sign.sent_at - now
    with idlefee.writing() as connection:
        site_of_station(connection, station_id)
        note_heartbeat(connection, station_id, now, sign.interval_s, ahead)
    return HeartbeatAnswer(now=rfc3339(now), clock_ahead_s=ahead)


@router.get("/events/schema")
def event_schema() -> dict[str, Any]:
    """The JSON Schema of one event, public."""
    return json_schema()


@router.get("/stations/{station_id}/sessions/{session:path}")
def session_as_we_see_it(
    idlefee: Engine, principal: Anyone, station_id: StationId, session: SessionName
) -> dict[str, Any]:
    """What we made of a station's stream: the timeline, and each event with the reason if it was ignored."""
    if principal.role is Role.OWNER:
        raise forbidden("Owners see their sessions at /v1/me/sessions.")
    _own_station(principal, station_id)
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        key = SessionKey(site_of_station(connection, station_id), f"{station_id}/{session}")
        folded = fold_sessions(connection, [key], now, project=True)[0]
        if not folded.timeline.judged:
            raise not_found("such session")
        assessed = assess(connection, [folded], now)
        charge = charges_of(connection, [key]).get(key)
    return _view(folded) | {
        "report": report_to_json(assessed[0].report) if assessed else None,
        "posted": None
        if charge is None
        else {"fee_minor": charge.fee_minor, "currency": charge.currency, "in_review": list(charge.held)},
    }


def _view(folded: Folded) -> dict[str, Any]:
    timeline = folded.timeline
    state = "ended" if folded.closed else "running" if timeline.plugged_in_at is not None else "waiting_for_plug_in"
    return {
        "session": folded.key.id,
        "state": state,
        "stall": timeline.stall,
        "plugged_in_at": _stamp(timeline.plugged_in_at),
        "unplugged_at": _stamp(timeline.ended_at),
        "until": _stamp(timeline.until),
        "clock_offset_s": timeline.offset_s,
        "not_billable": timeline.not_billable,
        "review": list(timeline.review),
        "timeline": [_span(*span) for span in timeline.car],
        "excused": [_span(*span) for span in timeline.excused],
        "events": [
            {
                "id": judged.event.id,
                "type": judged.event.type.value,
                "at": rfc3339(judged.event.at),
                "used": judged.ignored is None,
                "ignored": judged.ignored,
            }
            for judged in timeline.judged
        ],
    }


def _span(start: int, end: int, label: str) -> dict[str, str]:
    return {"start": rfc3339(start), "end": rfc3339(end), "label": str(label)}


def _stamp(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _own_station(principal: Principal, station_id: str) -> None:
    if principal.station_id is not None and principal.station_id != station_id:
        raise not_found(f"station {station_id}")
