"""What a station, or its vendor's engineer, asks beside posting events (`api/uploads.py`): heartbeat, schema, what
we made of it.
"""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access.keys import Principal, Role
from api.answers import READS, WRITES, Report, Stretch, report_of, stretches
from api.guard import Anyone, Engine, StationOrOperator
from api.inputs import Body, Moment, PathId, PathSession
from api.pages.evidence import bearing
from api.problems import forbidden, not_found
from billing.rating import FeeReport
from billing.settle import Charge, assess, charges_of
from sessions.events import json_schema
from sessions.events.wire import Stamp
from sessions.folding import Folded, fold_sessions
from sessions.machine import Judged
from sessions.sites import note_heartbeat, site_of_station
from sessions.store.queries import SessionKey

router = APIRouter(prefix="/v1", tags=["stations"])


class Heartbeat(Body):
    """A sign of life. With `sent_at` the answer tells how far the station's clock is off."""

    interval_s: Annotated[int, Field(ge=1, le=86_400, description="how often the station means to send one")] | None = (
        None
    )
    sent_at: Stamp | None = None


class HeartbeatAnswer(BaseModel):
    """Our clock, for the station to set its own by."""

    now: Moment
    clock_ahead_s: Annotated[int | None, Field(description="the station's clock minus ours, where it told its own")]


@router.post("/stations/{station_id}/heartbeat", responses=WRITES)
def heartbeat(idlefee: Engine, principal: StationOrOperator, station_id: PathId, sign: Heartbeat) -> HeartbeatAnswer:
    """A sign of life and the time. Heartbeats are no facts: they move no bill."""
    _own_station(principal, station_id)
    now = idlefee.clock.now()
    ahead = None if sign.sent_at is None else sign.sent_at - now
    with idlefee.writing() as connection:
        site_of_station(connection, station_id)
        note_heartbeat(connection, station_id, now, sign.interval_s, ahead)
    return HeartbeatAnswer(now=now, clock_ahead_s=ahead)


@router.get("/events/schema")
def event_schema() -> dict[str, Any]:
    """The JSON Schema of one event, public."""
    return json_schema()


class EventSeen(BaseModel):
    """One of the station's events, and what we made of it."""

    id: str
    type: str
    at: Moment
    used: bool
    ignored: Annotated[str | None, Field(description="why it changed nothing", examples=["before_energy"])]


class PostedFee(BaseModel):
    fee_minor: int
    currency: str
    in_review: list[str]


class Stream(BaseModel):
    """What we made of a station's stream. Every time is on the station's own clock, the report's too."""

    session: str
    state: Annotated[str, Field(description="waiting_for_plug_in, running or ended")]
    stall: str | None
    plugged_in_at: Moment | None
    unplugged_at: Moment | None
    until: Annotated[Moment | None, Field(description="where the timeline stops")]
    clock_offset_s: Annotated[int, Field(description="our clock minus the station's")]
    not_billable: Annotated[str | None, Field(examples=["no_completion"])]
    review: list[str]
    timeline: list[Stretch]
    excused: list[Stretch]
    events: list[EventSeen]
    report: Annotated[Report | None, Field(description="while the session runs: if the car left now")]
    posted: PostedFee | None


@router.get("/stations/{station_id}/sessions/{session:path}", responses=READS)
def session_as_we_see_it(idlefee: Engine, principal: Anyone, station_id: PathId, session: PathSession) -> Stream:
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
    return _stream(folded, assessed[0].report if assessed else None, charge)


def _stream(folded: Folded, report: FeeReport | None, charge: Charge | None) -> Stream:
    timeline = folded.timeline
    return Stream(
        session=folded.key.id,
        state="ended" if folded.closed else "running" if timeline.plugged_in_at is not None else "waiting_for_plug_in",
        stall=timeline.stall,
        plugged_in_at=timeline.plugged_in_at,
        unplugged_at=timeline.ended_at,
        until=timeline.until,
        clock_offset_s=timeline.offset_s,
        not_billable=timeline.not_billable,
        review=list(timeline.review),
        timeline=stretches(timeline.car, 0),
        excused=stretches(timeline.excused, 0),
        events=[_seen(judged) for judged in bearing(folded)],
        report=None if report is None else report_of(report, offset_s=0),
        posted=None if charge is None else _posted(charge),
    )


def _posted(charge: Charge) -> PostedFee:
    return PostedFee(fee_minor=charge.fee_minor, currency=charge.currency, in_review=list(charge.held))


def _seen(judged: Judged) -> EventSeen:
    event, ignored = judged
    return EventSeen(id=event.id, type=event.type.value, at=event.at, used=ignored is None, ignored=ignored)


def _own_station(principal: Principal, station_id: str) -> None:
    if principal.station_id is not None and principal.station_id != station_id:
        raise not_found(f"station {station_id}")
