"""Disputes, as finance works on them: the queue, what can be shown to the bank, what was decided."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from api.answers import READS, WRITES
from api.guard import Engine, Finance, SupportOrFinance
from api.inputs import Body, Moment, PathId, Reason
from api.paging import Cursor, Limit, Page, page_of, place_of
from billing.payments import disputes as disputes_
from billing.payments.disputes import Decided, Decision, Dispute
from billing.payments.evidence import evidence_text

router = APIRouter(prefix="/v1", tags=["disputes"])


class DisputeRow(BaseModel):
    """A dispute, by the processor's word."""

    id: str
    owner: str
    payment: str
    seller: str
    currency: str
    amount_minor: int
    fee_minor: Annotated[int, Field(description="what the processor took for it")]
    reason: Annotated[str, Field(description="the bank's", examples=["fraudulent"])]
    state: disputes_.State
    opened_at: Moment
    evidence_due_at: Annotated[Moment | None, Field(description="later the bank reads nothing")]
    closed_at: Moment | None


class DecisionRow(BaseModel):
    n: int
    decision: Decision
    reason: str
    author: str
    at: Moment


class DisputeDetail(DisputeRow):
    decisions: list[DecisionRow]


class NewDecision(Body):
    """What finance does about it. `submitted`: the evidence went to the bank on the processor's pages."""

    decision: Literal["contest", "accept", "submitted", "note"]
    reason: Reason


@router.get("/disputes", responses=READS)
def list_disputes(
    idlefee: Engine,
    _principal: SupportOrFinance,
    state: Annotated[disputes_.State, Query()] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DisputeRow]:
    """Disputes of one state, the oldest first."""
    after = place_of(cursor, (int, str, str))
    with idlefee.reading() as connection:
        found = disputes_.disputes_after(connection, after, limit + 1, state)
    return page_of(found, limit, lambda one: (one.opened_at, one.owner_id, one.id), dispute_row)


@router.get("/disputes/{owner_id}/{dispute_id}", responses=READS)
def show_dispute(idlefee: Engine, _principal: SupportOrFinance, owner_id: PathId, dispute_id: PathId) -> DisputeDetail:
    """One dispute with what was decided about it."""
    with idlefee.reading() as connection:
        one = disputes_.dispute_of(connection, owner_id, dispute_id)
        decided = disputes_.decisions_of(connection, owner_id, dispute_id)
    return DisputeDetail(**dict(dispute_row(one)), decisions=[_decision_row(each) for each in decided])


@router.get("/disputes/{owner_id}/{dispute_id}/evidence.txt", response_class=PlainTextResponse, responses=READS)
def show_evidence(
    idlefee: Engine, _principal: SupportOrFinance, owner_id: PathId, dispute_id: PathId
) -> PlainTextResponse:
    """What we can show the bank: consent, invoice, how each fee was counted, what the owner was told, the payment."""
    with idlefee.reading() as connection:
        text = evidence_text(connection, owner_id, dispute_id)
    name = {"Content-Disposition": f'attachment; filename="evidence-{dispute_id}.txt"'}
    return PlainTextResponse(text, headers=name)


@router.post("/disputes/{owner_id}/{dispute_id}/decisions", responses=WRITES)
def decide_dispute(
    idlefee: Engine, principal: Finance, owner_id: PathId, dispute_id: PathId, new: NewDecision
) -> DecisionRow:
    """Write down what is done about it, and why."""
    with idlefee.writing() as connection:
        made = disputes_.decide(
            connection,
            owner_id,
            dispute_id,
            Decision(new.decision),
            reason=new.reason,
            author=principal.author,
            now=idlefee.clock.now(),
        )
    return _decision_row(made)


def dispute_row(one: Dispute) -> DisputeRow:
    return DisputeRow(
        id=one.id,
        owner=one.owner_id,
        payment=one.payment_id,
        seller=one.seller_id,
        currency=one.currency,
        amount_minor=one.amount_minor,
        fee_minor=one.fee_minor,
        reason=one.reason,
        state=one.state,
        opened_at=one.opened_at,
        evidence_due_at=one.evidence_due_at,
        closed_at=one.closed_at,
    )


def _decision_row(one: Decided) -> DecisionRow:
    return DecisionRow(
        n=one.n, decision=Decision(one.decision), reason=one.reason, author=one.author, at=one.recorded_at
    )
