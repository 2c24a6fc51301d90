"""Owners about themselves: `/v1/me` and below. Every query is bound to the key's own owner."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.access.keys import Principal
from api.access.leaving import erase_owner
from api.access.limits import DATA_FILES
from api.accounts import (
    Account,
    Balance,
    NewVehicle,
    TokenRow,
    VehicleRow,
    account_of,
    balances,
    changed_vehicle,
    drop_vehicle,
    new_vehicle,
    token_row,
    vehicle_row,
)
from api.answers import READS, WRITES, SessionRow
from api.guard import Engine, Owner, allow
from api.inputs import From, Moment, PathId, PathSession, To
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.personal import personal_data
from api.problems import not_found
from api.seen import Detail, known_session, owners_detail
from api.support import session_page
from billing import owners
from billing.listing import Wanted, Where
from billing.notices.store import Notice, inbox, mark_read

router = APIRouter(prefix="/v1/me", tags=["me"])


def me(principal: Principal) -> str:
    """The owner whose key it is."""
    if principal.owner_id is None:
        raise TypeError("an owner's key names its owner")
    return principal.owner_id


@router.get("", responses=READS)
def show_me(idlefee: Engine, principal: Owner) -> Account:
    """Your account: tokens, vehicles, what you owe."""
    with idlefee.reading() as connection:
        return account_of(connection, me(principal))


@router.delete("", status_code=204, responses=WRITES)
def leave(idlefee: Engine, principal: Owner) -> None:
    """Delete your account, unless your car is plugged in: the person goes, the books stay, every key ends."""
    with idlefee.writing() as connection:
        erase_owner(connection, me(principal), idlefee.clock.now())


@router.get("/data", responses=READS, response_class=StreamingResponse)
def show_my_data(idlefee: Engine, principal: Owner) -> StreamingResponse:
    """Everything that is held of you, table by table: ten times an hour."""
    allow(idlefee, DATA_FILES, me(principal))
    return StreamingResponse(personal_data(idlefee, me(principal)), media_type="application/json")


@router.get("/sessions", responses=READS)
def list_my_sessions(
    idlefee: Engine,
    principal: Owner,
    state: Annotated[Where | None, Query(description="where the session stands")] = None,
    since: From = None,
    until: To = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[SessionRow]:
    """Your sessions, newest first; those that run with what they would cost if you left now."""
    wanted = Wanted(owner_id=me(principal), where=state, since=since, until=until)
    with idlefee.reading() as connection:
        return session_page(connection, wanted, cursor, limit, idlefee.clock.now())


@router.get("/sessions/{station}/{session:path}", responses=READS)
def show_my_session(idlefee: Engine, principal: Owner, station: PathId, session: PathSession) -> Detail:
    """One of your sessions: what happened, what was not counted, the arithmetic."""
    with idlefee.reading() as connection:
        seen = owners_detail(connection, known_session(connection, station, session), idlefee.clock.now())
    if seen.owner != me(principal):
        raise not_found("such session")
    return seen


@router.get("/balance", responses=READS)
def show_my_balance(idlefee: Engine, principal: Owner) -> list[Balance]:
    """What you owe, by seller and currency."""
    with idlefee.reading() as connection:
        return balances(connection, me(principal))


@router.get("/vehicles", responses=READS)
def list_my_vehicles(idlefee: Engine, principal: Owner) -> list[VehicleRow]:
    """Your cars."""
    with idlefee.reading() as connection:
        return [vehicle_row(vehicle) for vehicle in owners.vehicles_of(connection, me(principal))]


@router.post("/vehicles", status_code=201, responses=WRITES)
def add_my_vehicle(idlefee: Engine, principal: Owner, new: NewVehicle) -> VehicleRow:
    """Add a car of yours."""
    return new_vehicle(idlefee, me(principal), new)


@router.delete("/vehicles/{vehicle_id}", status_code=204, responses=WRITES)
def remove_my_vehicle(idlefee: Engine, principal: Owner, vehicle_id: PathId) -> None:
    """You have this car no longer."""
    drop_vehicle(idlefee, me(principal), vehicle_id)


@router.put("/vehicles/{vehicle_id}", responses=WRITES)
def change_my_vehicle(idlefee: Engine, principal: Owner, vehicle_id: PathId, new: NewVehicle) -> VehicleRow:
    """Name a car of yours anew, with its plate and its token: what is left out is taken from it."""
    return changed_vehicle(idlefee, me(principal), vehicle_id, new)


@router.get("/tokens", responses=READS)
def list_my_tokens(idlefee: Engine, principal: Owner) -> list[TokenRow]:
    """The tokens that stand, or stood, for you."""
    with idlefee.reading() as connection:
        return [token_row(held) for held in owners.tokens_of(connection, me(principal))]


@router.delete("/tokens/{token_id}", status_code=204, responses=WRITES)
def end_my_token(idlefee: Engine, principal: Owner, token_id: PathId) -> None:
    """The token is lost or sold: from now on it does not stand for you."""
    with idlefee.writing() as connection:
        if not owners.end_token(connection, me(principal), token_id, idlefee.clock.now()):
            raise not_found("token that stands for you now")


class NoticeRow(BaseModel):
    """What you were told."""

    id: str
    kind: Annotated[str, Field(examples=["charge_complete"])]
    subject: str
    body: str
    language: Annotated[str, Field(description="in which it was written", examples=["en"])]
    sessions: list[str]
    created_at: Moment
    read_at: Moment | None


@router.get("/notices", responses=READS)
def list_my_notices(idlefee: Engine, principal: Owner, cursor: Cursor = None, limit: Limit = 50) -> Page[NoticeRow]:
    """What you were told, newest first."""
    before = place_of(cursor, (int, str))
    with idlefee.reading() as connection:
        found = inbox(connection, me(principal), limit + 1, before)
    return page_of(found, limit, lambda notice: (notice.created_at, notice.id), _notice_row)


@router.post("/notices/{notice_id}/read", status_code=204, responses=WRITES)
def read_notice(idlefee: Engine, principal: Owner, notice_id: PathId) -> None:
    """You have seen it; the first time counts."""
    with idlefee.writing() as connection:
        if not mark_read(connection, me(principal), notice_id, idlefee.clock.now()):
            raise not_found("such notice")


def _notice_row(notice: Notice) -> NoticeRow:
    return NoticeRow(
        id=notice.id,
        kind=notice.kind,
        subject=notice.subject,
        body=notice.body,
        language=notice.language,
        sessions=sorted(notice.fees_minor),
        created_at=notice.created_at,
        read_at=notice.read_at,
    )
