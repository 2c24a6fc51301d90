"""What did not come: arrears and blocks as finance sees them, what is set aside for them, and whether a token may
start a session, as a station asks.
"""

import csv
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.access.keys import Role
from api.answers import READS, WRITES
from api.guard import Engine, Finance, Staff, StationOrOperator, SupportOrFinance
from api.inputs import Body, Id, Moment, PathId, Reason
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.problems import Problem
from billing.payments import blocks, cases, provisions
from billing.payments.cases import Case
from billing.payments.course import Stage
from sessions.events import rfc3339
from sessions.sites import site, site_of_station

router = APIRouter(prefix="/v1", tags=["arrears"])


class ArrearsRow(BaseModel):
    """A payment that did not come, and what follows."""

    owner: str
    payment: str
    seller: str
    currency: str
    amount_minor: int
    stage: Annotated[str, Field(examples=["trying"])]
    opened_at: Moment
    next_at: Annotated[Moment | None, Field(description="when something follows by itself")]
    frozen_at: Moment | None
    frozen_because: Annotated[str | None, Field(examples=["a dispute is open"])]


def arrears_row(one: Case) -> ArrearsRow:
    return ArrearsRow(
        owner=one.owner_id,
        payment=one.payment_id,
        seller=one.seller_id,
        currency=one.currency,
        amount_minor=one.amount_minor,
        stage=one.stage,
        opened_at=one.opened_at,
        next_at=one.next_at,
        frozen_at=one.frozen_at,
        frozen_because=one.frozen_because,
    )


StageName = Annotated[
    Literal["trying", "warned", "blocked", "handed_over"] | None, Query(description="how far it came; left out: all")
]


@router.get("/arrears", responses=READS)
def list_arrears(
    idlefee: Engine, _principal: SupportOrFinance, stage: StageName = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[ArrearsRow]:
    """Payments that did not come, the oldest first."""
    wanted = None if stage is None else Stage(stage)
    with idlefee.reading() as connection:
        found = cases.arrears_after(connection, place_of(cursor, (int, str, str)), limit + 1, wanted)
    return page_of(found, limit, lambda one: (one.opened_at, one.owner_id, one.payment_id), arrears_row)


MOST_HANDED_OVER = 10_000


@router.get(
    "/arrears/handed-over.csv",
    response_class=Response,
    responses=READS | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_handed_over(idlefee: Engine, _principal: Finance) -> Response:
    """What was handed over for collection and is not settled, as a list for who collects: the oldest ten thousand."""
    with idlefee.reading() as connection:
        found = cases.arrears_after(connection, None, MOST_HANDED_OVER, Stage.HANDED_OVER)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("owner", "seller", "payment", "currency", "amount_minor", "since"))
    for one in found:
        lines.writerow(
            (one.owner_id, one.seller_id, one.payment_id, one.currency, one.amount_minor, rfc3339(one.opened_at))
        )
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


class BlockRow(BaseModel):
    """Who may start no new session with a seller."""

    owner: str
    payment: Annotated[str, Field(description="what is missing")]
    seller: str
    since: Moment
    why: Annotated[str, Field(examples=["arrears"])]


def block_row(one: blocks.Block) -> BlockRow:
    return BlockRow(owner=one.owner_id, payment=one.id, seller=one.seller_id, since=one.since, why=one.why)


@router.get("/blocks", responses=READS)
def list_blocks(idlefee: Engine, _principal: Staff, cursor: Cursor = None, limit: Limit = 50) -> Page[BlockRow]:
    """Blocks that stand, the oldest first."""
    with idlefee.reading() as connection:
        found = blocks.blocks_after(connection, place_of(cursor, (int, str, str)), limit + 1)
    return page_of(found, limit, lambda one: (one.since, one.owner_id, one.id), block_row)


class Lifting(Body):
    """Why somebody may start sessions again although they have not paid."""

    reason: Reason


@router.post("/blocks/{owner_id}/{payment_id}/lift", status_code=204, responses=WRITES)
def lift_block(idlefee: Engine, principal: Finance, owner_id: PathId, payment_id: PathId, lifting: Lifting) -> None:
    """Let an owner start sessions again. What they owe stays."""
    with idlefee.writing() as connection:
        blocks.lift_by_hand(
            connection,
            owner_id,
            payment_id,
            by=principal.author,
            because=lifting.reason,
            now=idlefee.clock.now(),
        )


class Admitted(BaseModel):
    """Whether a token may start a session. Only a block says no: an unknown token's session waits to be claimed."""

    may_charge: bool
    because: Annotated[str | None, Field(description="why not", examples=["arrears"])]
    since: Moment | None
    owner: Annotated[str | None, Field(description="whose token it is; told to operators alone")]


@router.get("/tokens/{token:path}/admission", responses=READS)
def ask_admission(
    idlefee: Engine,
    principal: StationOrOperator,
    token: Annotated[str, Path(min_length=1, max_length=128, description="what the station reads")],
    station: Annotated[Id | None, Query(description="an operator names the station; a station asks for itself")] = None,
) -> Admitted:
    """Whether the owner of a token may start a session here now. Ask before energy flows; no bill depends on it."""
    asked = principal.station_id or station
    if asked is None:
        raise Problem(422, "station_missing", "Which station?", "Name the station: `?station=…`.")
    with idlefee.reading() as connection:
        seller_id = site(connection, site_of_station(connection, asked)).seller_id
        found = blocks.admission(connection, idlefee.names.surrogate(token), seller_id, idlefee.clock.now())
    return Admitted(
        may_charge=found.may_charge,
        because=None if found.may_charge else "arrears",
        since=found.since,
        owner=found.owner_id if principal.role is Role.OPERATOR else None,
    )


class Provision(Body):
    """An amount set aside for debts that will not be paid; below zero: no longer."""

    seller: Id
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
    amount_minor: Annotated[int, Field(ge=-(10**15), le=10**15, examples=[500_00])]
    reason: Reason


class Provided(BaseModel):
    """What of a seller's provisions no write-off has used up."""

    seller: str
    currency: str
    amount_minor: int


@router.get("/provisions/{seller_id}/{currency}", responses=READS)
def show_provisions(
    idlefee: Engine,
    _principal: Finance,
    seller_id: PathId,
    currency: Annotated[str, Path(pattern=r"^[A-Z]{3}$")],
) -> Provided:
    """What is set aside and not used up."""
    with idlefee.reading() as connection:
        left = provisions.provided_minor(connection, seller_id, currency)
    return Provided(seller=seller_id, currency=currency, amount_minor=left)


@router.post("/provisions", responses=WRITES)
def provide(idlefee: Engine, principal: Finance, new: Provision) -> Provided:
    """Set an amount aside; write-offs use it up before they become bad debt."""
    with idlefee.writing() as connection:
        left = provisions.provide(
            connection,
            new.seller,
            new.currency,
            new.amount_minor,
            reason=new.reason,
            author=principal.author,
            now=idlefee.clock.now(),
        )
    return Provided(seller=new.seller, currency=new.currency, amount_minor=left)
