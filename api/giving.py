"""Giving money back: refunds, credits and write-offs. Support and finance ask, within the limits of the
seller's policy; above them a second person of finance approves.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from api.access.persons import person_of
from api.answers import READS, WRITES
from api.guard import Engine, SupportOrFinance
from api.inputs import Amount, Body, Id, Moment, PathId, Reason, RequestKey, Text128
from api.paging import Cursor, Limit, Page, page_of, place_of
from billing.payments import credits as credits_
from billing.payments import refunds as refunds_
from billing.payments import waiting
from billing.payments.credits import Given, Wanted
from billing.payments.people import Deed, Person
from billing.payments.refunds import Refund
from billing.payments.rooms import State as RefundState

router = APIRouter(prefix="/v1", tags=["giving back"])


def _giver(idlefee: Engine, principal: SupportOrFinance) -> Person:
    with idlefee.reading() as connection:
        return person_of(connection, principal)


Giver = Annotated[Person, Depends(_giver)]
"""Who may ask for money to be given back: support and finance, within their limits."""

OfOwner = Annotated[Id | None, Query()]


class RefundRow(BaseModel):
    """A refund and where it stands."""

    id: str
    owner: str
    payment: str
    seller: str
    currency: str
    amount_minor: int
    code: str
    reason: str
    state: RefundState
    asked_by: str
    asked_at: Moment
    decided_by: str | None
    decided_at: Moment | None
    decided_because: str | None
    failure_code: Annotated[str | None, Field(description="why it failed: the amount is the owner's credit again")]


class CreditRow(BaseModel):
    """A credit or a write-off and where it stands."""

    id: str
    owner: str
    seller: str
    currency: str
    kind: Deed
    amount_minor: int
    allowance_minor: Annotated[int, Field(description="of a write-off: what was provided for")]
    code: str
    reason: str
    about: str | None
    state: credits_.State
    asked_by: str
    asked_at: Moment
    decided_by: str | None
    decided_at: Moment | None
    decided_because: str | None


class AskedRefund(RefundRow):
    replayed: Annotated[bool, Field(description="the same was asked before under this key; nothing was done now")]


class AskedCredit(CreditRow):
    replayed: Annotated[bool, Field(description="the same was asked before under this key; nothing was done now")]


class NewRefund(Body):
    """What an owner gets back of a payment. The code `goodwill` gives the credit for it as well."""

    owner: Id
    payment: Id
    amount_minor: Amount
    code: Annotated[Literal["fee_fell", "paid_twice", "owner_asked", "goodwill"], Field(examples=["owner_asked"])]
    reason: Reason


class NewCredit(Body):
    """What an owner is let off without a fee being wrong; a write-off gives up what they owe."""

    owner: Id
    seller: Id
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
    kind: Literal["credit", "write_off"] = "credit"
    amount_minor: Amount
    code: Annotated[
        Literal["goodwill", "our_mistake", "station_trouble", "uncollectible", "insolvent", "too_small"],
        Field(examples=["goodwill"], description="the last three are a write-off's"),
    ]
    about: Annotated[Text128 | None, Field(description="what it is for", examples=["payment pay_1"])] = None
    reason: Reason


class Verdict(Body):
    """Why it is approved, refused or taken back."""

    reason: Reason


@router.get("/refunds", responses=READS)
def list_refunds(
    idlefee: Engine,
    _principal: SupportOrFinance,
    state: Annotated[
        RefundState | Literal["elsewhere"],
        Query(description="where they stand; elsewhere: made at the processor, and nobody decided about them"),
    ] = "asked",
    owner: OfOwner = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RefundRow]:
    """Refunds of one state, those that wait longest first."""
    with idlefee.reading() as connection:
        found = waiting.refunds_after(
            connection, place_of(cursor, (int, str, str)), limit + 1, state=state, owner_id=owner
        )
    return page_of(found, limit, lambda one: (one.asked_at, one.owner_id, one.id), refund_row)


@router.post("/refunds", responses=WRITES)
def ask_for_refund(idlefee: Engine, by: Giver, new: NewRefund, key: RequestKey) -> AskedRefund:
    """Ask for a refund. Within the limit it is on its way at once, above it a second person of finance approves it."""
    with idlefee.writing() as connection:
        refund, replayed = refunds_.ask(
            connection,
            new.owner,
            new.payment,
            new.amount_minor,
            code=refunds_.Code(new.code),
            reason=new.reason,
            by=by,
            now=idlefee.clock.now(),
            key=key,
        )
    return AskedRefund(**dict(refund_row(refund)), replayed=replayed)


@router.post("/refunds/{owner_id}/{refund_id}/approve", responses=WRITES)
def approve_refund(idlefee: Engine, by: Giver, owner_id: PathId, refund_id: PathId, verdict: Verdict) -> RefundRow:
    """Let it go: as another person of finance than who asked. One made at the processor was meant: it is credited."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        return refund_row(refunds_.approve(connection, owner_id, refund_id, by, verdict.reason, now))


@router.post("/refunds/{owner_id}/{refund_id}/refuse", responses=WRITES)
def refuse_refund(idlefee: Engine, by: Giver, owner_id: PathId, refund_id: PathId, verdict: Verdict) -> RefundRow:
    """It does not go. Who asked may take it back so. One made at the processor is asked for again."""
    with idlefee.writing() as connection:
        return refund_row(refunds_.refuse(connection, owner_id, refund_id, by, verdict.reason, idlefee.clock.now()))


@router.get("/credits", responses=READS)
def list_credits(
    idlefee: Engine,
    _principal: SupportOrFinance,
    state: Annotated[credits_.State, Query(description="where they stand")] = "asked",
    owner: OfOwner = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[CreditRow]:
    """Credits and write-offs of one state, those that wait longest first."""
    with idlefee.reading() as connection:
        found = waiting.credits_after(
            connection, place_of(cursor, (int, str, str)), limit + 1, state=state, owner_id=owner
        )
    return page_of(found, limit, lambda one: (one.asked_at, one.owner_id, one.id), credit_row)


@router.post("/credits", responses=WRITES)
def ask_for_credit(idlefee: Engine, by: Giver, new: NewCredit, key: RequestKey) -> AskedCredit:
    """Ask for a credit or a write-off. Within the limit it is posted at once."""
    wanted = Wanted(
        owner_id=new.owner,
        seller_id=new.seller,
        currency=new.currency,
        deed=Deed(new.kind),
        amount_minor=new.amount_minor,
        code=credits_.Code(new.code),
        reason=new.reason,
        about=new.about,
    )
    with idlefee.writing() as connection:
        given, replayed = credits_.ask(connection, wanted, by, idlefee.clock.now(), key=key)
    return AskedCredit(**dict(credit_row(given)), replayed=replayed)


@router.post("/credits/{owner_id}/{credit_id}/approve", responses=WRITES)
def approve_credit(idlefee: Engine, by: Giver, owner_id: PathId, credit_id: PathId, verdict: Verdict) -> CreditRow:
    """Post it: as another person of finance than who asked."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        return credit_row(credits_.approve(connection, owner_id, credit_id, by, verdict.reason, now))


@router.post("/credits/{owner_id}/{credit_id}/refuse", responses=WRITES)
def refuse_credit(idlefee: Engine, by: Giver, owner_id: PathId, credit_id: PathId, verdict: Verdict) -> CreditRow:
    """It is not given. Who asked may take it back so."""
    with idlefee.writing() as connection:
        return credit_row(credits_.refuse(connection, owner_id, credit_id, by, verdict.reason, idlefee.clock.now()))


@router.post("/credits/{owner_id}/{credit_id}/take-back", responses=WRITES)
def take_credit_back(idlefee: Engine, by: Giver, owner_id: PathId, credit_id: PathId, verdict: Verdict) -> CreditRow:
    """It was a mistake, or a debt written off is paid after all: finance has it stand again, by a new transfer."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        return credit_row(credits_.take_back(connection, owner_id, credit_id, by, verdict.reason, now))


def refund_row(one: Refund) -> RefundRow:
    return RefundRow(
        id=one.id,
        owner=one.owner_id,
        payment=one.payment_id,
        seller=one.seller_id,
        currency=one.currency,
        amount_minor=one.amount_minor,
        code=one.reason_code,
        reason=one.reason,
        state=one.state,
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        decided_because=one.decided_because,
        failure_code=one.failure_code,
    )


def credit_row(one: Given) -> CreditRow:
    return CreditRow(
        id=one.id,
        owner=one.owner_id,
        seller=one.seller_id,
        currency=one.currency,
        kind=Deed(one.kind),
        amount_minor=one.amount_minor,
        allowance_minor=one.allowance_minor,
        code=one.reason_code,
        reason=one.reason,
        about=one.about,
        state=one.state,
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        decided_because=one.decided_because,
    )
