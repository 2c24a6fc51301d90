"""Operators' decisions, each a fact with its author and reason: excuses, stalls out of service, voided events, reviews;
and the steps that failed until a person looks.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection

from api.answers import READS, WRITES
from api.commands import Decided, DecidedOne, decide, decide_one
from api.guard import Engine, Operator, Staff
from api.inputs import PRINTABLE, Body, Id, Moment, Reason, RequestKey, SessionId, Text64, Text128
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.problems import Problem, not_found
from billing import decisions
from billing.jobs import dead_letters, revive
from billing.listing import Listed, Place, Wanted, Where, decisions_after, sessions_after
from billing.settle import Settlement
from sessions.events.wire import Stamp
from sessions.facts import AlreadyRecorded, Fact, Kind
from sessions.sites import site
from sessions.store.queries import SessionKey

router = APIRouter(prefix="/v1", tags=["decisions"])


class Interval(Body):
    """[starts_at, ends_at) on our clock."""

    starts_at: Stamp
    ends_at: Stamp


class Excuse(Interval):
    """Time that nobody pays for: at one stall, or at a whole site."""

    site: Id
    station: Annotated[Id | None, Field(description="with `stall`; both left out: the whole site")] = None
    stall: Text64 | None = None
    reason: Annotated[
        Reason,
        Field(
            description="why: shown to owners and published at `/incidents`, so it names no person",
            examples=["a delivery lorry blocked the exit"],
        ),
    ]


class OutOfService(Body):
    """A stall that is not in service: occupancy counts without it."""

    station: Id
    stall: Text64
    starts_at: Stamp
    ends_at: Annotated[Stamp | None, Field(description="null: until further notice")] = None
    reason: Reason


class BackInService(Body):
    """A stall that is back, after it was out of service until further notice."""

    station: Id
    stall: Text64
    ends_at: Annotated[Stamp | None, Field(description="since when it is back; null: now")] = None
    reason: Reason


class Void(Body):
    """An event that counts for nothing, whatever its content."""

    station: Id
    event: Annotated[Text128, Field(description="the station's own id of it")]
    reason: Reason


class Review(Body):
    session: SessionId
    reason: Reason


class FactRow(BaseModel):
    """A recorded decision; what a kind does not use is null."""

    n: Annotated[int, Field(description="its number within the site")]
    site: str
    kind: Kind
    recorded_at: Moment
    author: str
    reason: str
    station: str | None
    stall: str | None
    session: str | None
    event: str | None
    starts_at: Moment | None
    ends_at: Moment | None
    owner: str | None
    amount_minor: int | None
    tariff: str | None
    tariff_version: int | None


@router.get("/decisions", responses=READS)
def list_decisions(
    idlefee: Engine,
    _principal: Staff,
    site_id: Annotated[Id, Query(alias="site")],
    kind: Annotated[Kind | None, Query()] = None,
    session: Annotated[SessionId | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[FactRow]:
    """What was decided at a site, newest first: who, when, why."""
    place = place_of(cursor, (int,))
    kinds = list(Kind) if kind is None else [kind]
    with idlefee.reading() as connection:
        site(connection, site_id)
        before_n = None if place is None else place[0]
        found = decisions_after(connection, site_id, kinds, session, before_n, limit + 1)
    return page_of(found, limit, lambda fact: (fact.n,), _fact_row)


def _fact_row(fact: Fact) -> FactRow:
    return FactRow(
        n=fact.n,
        site=fact.site_id,
        kind=fact.kind,
        recorded_at=fact.recorded_at,
        author=fact.author,
        reason=fact.reason,
        station=fact.station_id,
        stall=fact.stall,
        session=fact.session_id,
        event=fact.event_id,
        starts_at=fact.starts_at,
        ends_at=fact.ends_at,
        owner=fact.owner_id,
        amount_minor=fact.amount_minor,
        tariff=fact.tariff,
        tariff_version=fact.tariff_version,
    )


@router.post("/excuses", responses=WRITES)
def excuse_time(idlefee: Engine, principal: Operator, excuse: Excuse, key: RequestKey) -> Decided:
    """Nobody pays for this time: every session it touches settles again, and each owner hears once."""
    if (excuse.station is None) != (excuse.stall is None):
        detail = "Name both `station` and `stall` for one stall, or neither for the whole site."
        raise Problem(422, "half_a_stall", "A stall is a station and a stall", detail)
    stall = None if excuse.station is None or excuse.stall is None else (excuse.station, excuse.stall)

    def decision(connection: Connection, now: int) -> list[Settlement]:
        return decisions.excuse(
            connection,
            excuse.site,
            excuse.starts_at,
            excuse.ends_at,
            author=principal.author,
            reason=excuse.reason,
            now=now,
            stall=stall,
            request_key=key,
        )

    return decide(idlefee, decision)


@router.post("/out-of-service", responses=WRITES)
def take_out_of_service(idlefee: Engine, principal: Operator, stall: OutOfService, key: RequestKey) -> Decided:
    """A stall is not in service: fees that depend on how full the site is settle again."""

    def decision(connection: Connection, now: int) -> list[Settlement]:
        return decisions.out_of_service(
            connection,
            (stall.station, stall.stall),
            stall.starts_at,
            stall.ends_at,
            author=principal.author,
            reason=stall.reason,
            now=now,
            request_key=key,
        )

    return decide(idlefee, decision)


@router.post("/back-in-service", responses=WRITES)
def bring_back_in_service(idlefee: Engine, principal: Operator, stall: BackInService, key: RequestKey) -> Decided:
    """End what was recorded without an end: fees that depend on how full the site is settle again."""

    def decision(connection: Connection, now: int) -> list[Settlement]:
        return decisions.back_in_service(
            connection,
            (stall.station, stall.stall),
            stall.ends_at,
            author=principal.author,
            reason=stall.reason,
            now=now,
            request_key=key,
        )

    return decide(idlefee, decision)


@router.post("/voids", responses=WRITES)
def void_event(idlefee: Engine, principal: Operator, void: Void) -> Decided:
    """An event counts for nothing from now on. Voiding it again changes nothing: it needs no Idempotency-Key."""

    def decision(connection: Connection, now: int) -> list[Settlement]:
        if (before := decisions.voided(connection, void.station, void.event)) is not None:
            raise AlreadyRecorded(before)
        return decisions.void_event(
            connection, void.station, void.event, author=principal.author, reason=void.reason, now=now
        )

    return decide(idlefee, decision)


class Waiting(BaseModel):
    """A session whose fee waits for a person."""

    session: str
    site: str
    owner: str | None
    why: Annotated[list[str], Field(examples=[["clock_offsets"]])]
    plugged_in_at: Moment | None
    computed_minor: Annotated[int | None, Field(description="what the facts cost")]
    fee_minor: Annotated[int | None, Field(description="what is posted meanwhile")]
    currency: str | None


@router.get("/reviews", responses=READS)
def list_reviews(
    idlefee: Engine,
    _principal: Staff,
    site_id: Annotated[Id | None, Query(alias="site")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Waiting]:
    """Sessions whose fee waits for a person, newest plug-in first."""
    place = place_of(cursor, (int, str, str))
    wanted = Wanted(site_id=site_id, where=Where.IN_REVIEW)
    with idlefee.reading() as connection:
        found = sessions_after(connection, wanted, None if place is None else Place._make(place), limit + 1)
    return page_of(found, limit, lambda listed: listed.place, _waiting)


def _waiting(listed: Listed) -> Waiting:
    return Waiting(
        session=listed.key.id,
        site=listed.key.site_id,
        owner=listed.owner_id,
        why=list(listed.doubts),
        plugged_in_at=listed.plugged_in_at,
        computed_minor=listed.computed_minor,
        fee_minor=listed.fee_minor,
        currency=listed.currency,
    )


@router.post("/reviews/release", responses=WRITES)
def release_session(idlefee: Engine, principal: Operator, review: Review, key: RequestKey) -> DecidedOne:
    """Let the fee that waits post, up to what it is now."""

    def decision(connection: Connection, session: SessionKey, now: int) -> list[Settlement]:
        return decisions.release(
            connection, session, author=principal.author, reason=review.reason, now=now, request_key=key
        )

    return decide_one(idlefee, review.session, decision)


@router.post("/reviews/reject", responses=WRITES)
def reject_session(idlefee: Engine, principal: Operator, review: Review, key: RequestKey) -> DecidedOne:
    """The session whose fee waits costs nothing."""

    def decision(connection: Connection, session: SessionKey, now: int) -> list[Settlement]:
        return decisions.reject(
            connection, session, author=principal.author, reason=review.reason, now=now, request_key=key
        )

    return decide_one(idlefee, review.session, decision)


class DeadLetter(BaseModel):
    """A step that failed until it was parked."""

    key: str
    kind: str
    site: str | None
    body: dict[str, Any]
    due_at: Moment
    attempts: int
    last_error: str | None
    created_at: Moment


class Revival(Body):
    key: Annotated[str, StringConstraints(max_length=1_000, pattern=PRINTABLE), Field(description="the step's `key`")]


@router.get("/jobs/dead", responses=READS)
def list_dead_letters(
    idlefee: Engine, _principal: Operator, cursor: Cursor = None, limit: Limit = 50
) -> Page[DeadLetter]:
    """Steps that failed until they were parked, oldest first."""
    place = place_of(cursor, (int, str))
    with idlefee.reading() as connection:
        parked = [_dead_letter(row) for row in dead_letters(connection)]
    behind = [letter for letter in parked if place is None or (letter.created_at, letter.key) > place]
    return page_of(behind, limit, lambda letter: (letter.created_at, letter.key), lambda letter: letter)


@router.post("/jobs/revive", status_code=204, responses=WRITES)
def revive_dead_letter(idlefee: Engine, _principal: Operator, revival: Revival) -> None:
    """Let a parked step run again, now."""
    with idlefee.writing() as connection:
        if not revive(connection, revival.key):
            raise not_found("parked step of that name")


def _dead_letter(row: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        key=row["key"],
        kind=row["kind"],
        site=row["site_id"],
        body=json.loads(row["body"]),
        due_at=row["due_at"],
        attempts=row["attempts"],
        last_error=row["last_error"],
        created_at=row["created_at"],
    )
