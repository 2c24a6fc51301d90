"""Whoever answers owners: find a session, see its evidence, waive, claim. All staff may read here.

A session's name may hold any printable character, slashes too: it stands at the end of a path, or in a body.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import Connection

from api.access.keys import Principal, Role
from api.answers import READS, WRITES, Report, SessionRow
from api.commands import DecidedOne, decide_one
from api.guard import Engine, Staff, SupportOrFinance, SupportOrOperator
from api.inputs import Amount, Body, From, Id, PathId, PathSession, Reason, RequestKey, SessionId, To
from api.pages.support import find
from api.paging import Cursor, Limit, Page, cursor_at, place_of
from api.problems import Problem
from api.seen import StaffDetail, known_session, report_for, rows, staff_detail
from billing import decisions
from billing.listing import Place, Wanted, Where, sessions_after, sessions_listed
from billing.settle import Settlement
from sessions.facts import Kind, facts_of
from sessions.store.queries import SessionKey

router = APIRouter(prefix="/v1", tags=["sessions"])


@router.get("/sessions", responses=READS)
def list_sessions(
    idlefee: Engine,
    _principal: Staff,
    site: Annotated[Id | None, Query()] = None,
    station: Annotated[Id | None, Query()] = None,
    owner: Annotated[Id | None, Query()] = None,
    state: Annotated[Where | None, Query(description="where the session stands")] = None,
    since: From = None,
    until: To = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[SessionRow]:
    """Sessions, newest plug-in first."""
    wanted = Wanted(site_id=site, station_id=station, owner_id=owner, where=state, since=since, until=until)
    with idlefee.reading() as connection:
        return session_page(connection, wanted, cursor, limit, idlefee.clock.now())


def session_page(connection: Connection, wanted: Wanted, cursor: str | None, limit: int, now: int) -> Page[SessionRow]:
    """A page of the sessions that are wanted."""
    place = place_of(cursor, (int, str, str))
    listed = sessions_after(connection, wanted, None if place is None else Place._make(place), limit + 1)
    following = cursor_at(listed[limit - 1].place) if len(listed) > limit else None
    return Page[SessionRow](items=rows(connection, listed[:limit], now), next=following)


@router.get("/find", responses=READS)
def find_sessions(
    idlefee: Engine,
    _principal: Staff,
    wanted: Annotated[str, Query(alias="q", min_length=1, max_length=200, description="what an owner can name")],
) -> list[SessionRow]:
    """The newest sessions of a token, of a plate, of an owner, or of this name."""
    with idlefee.reading() as connection:
        found = find(connection, idlefee.names, wanted.strip())
        return rows(connection, sessions_listed(connection, found), idlefee.clock.now())


@router.get("/sessions/{station}/{session:path}", responses=READS)
def show_session(idlefee: Engine, _principal: Staff, station: PathId, session: PathSession) -> StaffDetail:
    """One session with its whole evidence: events, timeline, fee report, decisions, what stands in the books."""
    with idlefee.reading() as connection:
        return staff_detail(connection, known_session(connection, station, session), idlefee.clock.now())


@router.get("/reports/{station}/{session:path}", responses=READS)
def show_report(idlefee: Engine, _principal: Staff, station: PathId, session: PathSession) -> Report:
    """The fee report: as stored with the charge, or while the session runs, as it would be now."""
    with idlefee.reading() as connection:
        return report_for(connection, known_session(connection, station, session), idlefee.clock.now())


class Claim(Body):
    """Whose a session is."""

    session: SessionId
    owner: Annotated[Id | None, Field(description="null: nobody's after all", examples=["ann"])]
    reason: Reason


@router.post("/claims", responses=WRITES)
def claim_session(idlefee: Engine, principal: SupportOrOperator, claim: Claim, key: RequestKey) -> DecidedOne:
    """Give a session to an owner, or take it from who has it: its fee moves by transfer."""

    def decision(connection: Connection, session: SessionKey, now: int) -> list[Settlement]:
        return decisions.claim(
            connection,
            session,
            claim.owner,
            author=principal.author,
            reason=claim.reason,
            now=now,
            request_key=key,
        )

    return decide_one(idlefee, claim.session, decision)


class Waiver(Body):
    """What an owner is let off. Waivers of a session add up."""

    session: SessionId
    amount_minor: Annotated[Amount | None, Field(description="null: all of it, whatever it comes to")] = None
    reason: Reason


@router.post("/waivers", responses=WRITES)
def waive_fee(idlefee: Engine, principal: SupportOrFinance, waiver: Waiver, key: RequestKey) -> DecidedOne:
    """Let the owner off some of a fee, or all of it. Support does so within a limit a session."""

    def decision(connection: Connection, session: SessionKey, now: int) -> list[Settlement]:
        settlements = decisions.waive(
            connection,
            session,
            waiver.amount_minor,
            author=principal.author,
            reason=waiver.reason,
            now=now,
            request_key=key,
        )
        within_limit(connection, session, principal, idlefee.settings.support_waives_up_to_minor)
        return settlements

    return decide_one(idlefee, waiver.session, decision)


def within_limit(connection: Connection, session: SessionKey, principal: Principal, most_minor: int) -> None:
    """Called once a waiver is recorded: raises a `Problem`, and so takes it back, where support went too far."""
    if principal.role is not Role.SUPPORT:
        return
    waivers = [
        fact.amount_minor
        for fact in facts_of(connection, [session]).get(session, [])
        if fact.kind is Kind.WAIVER and fact.author.startswith(f"{Role.SUPPORT}:")
    ]
    if None in waivers or sum(amount or 0 for amount in waivers) > most_minor:
        detail = (
            f"Support waives up to {most_minor} minor units of a session, in all and by amount: "
            "name a smaller `amount_minor`, or ask finance."
        )
        raise Problem(403, "over_limit", "More than support may waive by itself", detail)
