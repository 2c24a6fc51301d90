"""What an owner sees of money given back: refunds, credits, and whether they may start sessions."""

from fastapi import APIRouter
from pydantic import BaseModel

from api.answers import READS
from api.arrears import BlockRow, block_row
from api.guard import Engine, Owner
from api.inputs import Moment
from api.owners import me
from billing.payments import waiting
from billing.payments.blocks import standing

router = APIRouter(prefix="/v1/me", tags=["me"])


class MyRefund(BaseModel):
    """Money on its way back, or back."""

    id: str
    payment: str
    seller: str
    currency: str
    amount_minor: int
    reason: str
    state: str
    asked_at: Moment


class MyCredit(BaseModel):
    """What an owner was let off."""

    id: str
    seller: str
    currency: str
    amount_minor: int
    reason: str
    posted_at: Moment | None


@router.get("/refunds", responses=READS)
def list_my_refunds(idlefee: Engine, principal: Owner) -> list[MyRefund]:
    """Refunds, the newest first; those that nobody has approved yet are no promise and are left out."""
    with idlefee.reading() as connection:
        found = waiting.promised_refunds(connection, me(principal))
    return [
        MyRefund(
            id=one.id,
            payment=one.payment_id,
            seller=one.seller_id,
            currency=one.currency,
            amount_minor=one.amount_minor,
            reason=one.reason,
            state=one.state,
            asked_at=one.asked_at,
        )
        for one in found
    ]


@router.get("/credits", responses=READS)
def list_my_credits(idlefee: Engine, principal: Owner) -> list[MyCredit]:
    """Credits, the newest first."""
    with idlefee.reading() as connection:
        found = waiting.posted_credits(connection, me(principal))
    return [
        MyCredit(
            id=one.id,
            seller=one.seller_id,
            currency=one.currency,
            amount_minor=one.amount_minor,
            reason=one.reason,
            posted_at=one.decided_at,
        )
        for one in found
    ]


@router.get("/blocks", responses=READS)
def list_my_blocks(idlefee: Engine, principal: Owner) -> list[BlockRow]:
    """At which sellers no new session may be started, since when and for which payment."""
    with idlefee.reading() as connection:
        return [block_row(one) for one in standing(connection, me(principal))]
