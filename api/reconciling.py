"""Finance, and operators where it is theirs to look, about what differs: payments written down by hand, the bank's
lines and what they are, differences and who looks into them. Rules are `billing.reconcile`'s and `by_hand`'s.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.answers import READS, WRITES
from api.guard import Engine, Finance, FinanceOrOperator
from api.inputs import Amount, Body, Id, Moment, PathId, Reason, Text128
from api.paging import Cursor, Limit, Page, page_of, place_of
from billing.payments import by_hand
from billing.payments.by_hand import Received
from billing.reconcile import differences
from billing.reconcile.bank import lines as bank
from billing.reconcile.bank import listing
from billing.reconcile.bank.matching import Proposal
from billing.reconcile.bank.reading import format_of, read_statement
from billing.reconcile.cases import Code
from billing.reconcile.differences import Difference, Place
from billing.reconcile.nightly import reconcile_now
from sessions.events.wire import Stamp
from sessions.registry import seller as known_seller

router = APIRouter(prefix="/v1", tags=["books"])

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD"])]
Seller = Annotated[Id | None, Query()]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_]{1,64}$")]
MOST_CONTENT = 4 << 20


# -- payments by hand ---------------------------------------------------------------------------------------


class Payment(Body):
    """Money that was handed over or transferred, and that no bank line or card payment tells of."""

    seller: Id
    currency: Currency
    amount_minor: Amount
    reference: Annotated[Text128, Field(description="tells it from others: a receipt's number")]
    received_at: Annotated[Stamp | None, Field(description="null: now")] = None
    invoice: Annotated[Id | None, Field(description="its id; null: paid on account")] = None


class Recorded(BaseModel):
    payment: str
    recorded: Annotated[bool, Field(description="false: it stood like this already")]


@router.post("/owners/{owner_id}/payments", responses=WRITES)
def record_payment(idlefee: Engine, principal: Finance, owner_id: PathId, payment: Payment) -> Recorded:
    """Write down a payment by hand. The same one twice is there once: it has its name from what it says."""
    now = idlefee.clock.now()
    received = Received(
        owner_id=owner_id,
        seller_id=payment.seller,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        reference=payment.reference,
        received_at=now if payment.received_at is None else payment.received_at,
        invoice_id=payment.invoice,
    )
    with idlefee.writing() as connection:
        new = by_hand.record(connection, received, author=principal.author, now=now)
    return Recorded(payment=received.id, recorded=new)


class Why(Body):
    reason: Reason


@router.post("/owners/{owner_id}/payments/{payment_id}/reversal", responses=WRITES)
def reverse_payment(idlefee: Engine, principal: Finance, owner_id: PathId, payment_id: Name, why: Why) -> Recorded:
    """Take a mistaken record back, by a new transfer."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        done = by_hand.reverse(connection, owner_id, payment_id, reason=why.reason, author=principal.author, now=now)
    return Recorded(payment=payment_id, recorded=done)


# -- the bank's lines ---------------------------------------------------------------------------------------


class Statement(Body):
    """A bank's CSV file as text, and which of its columns is what."""

    content: Annotated[str, Field(max_length=MOST_CONTENT, examples=["date,amount,currency,text\n"])]
    form: Annotated[dict[str, Any] | None, Field(alias="format", description="see docs/reconciliation.md")] = None


class Imported(BaseModel):
    """How many lines were new and known, and of all that were open, how many were matched and how many wait."""

    new: int
    known: int
    matched: int
    waiting: int


@router.post("/sellers/{seller_id}/bank-lines", responses=WRITES)
def import_bank_lines(idlefee: Engine, principal: Finance, seller_id: PathId, statement: Statement) -> Imported:
    """Import what a bank booked. A line that is there already is not imported again."""
    form = format_of(statement.form or {}).model_copy(update={"encoding": "utf-8"})
    found = read_statement(statement.content.encode(), form)
    done = bank.import_lines(idlefee.engine, idlefee.clock, seller_id, found, author=principal.author)
    return Imported(new=done.new, known=done.known, matched=done.matched, waiting=done.waiting)


class ProposalRow(BaseModel):
    """What a line may be; `kind` and the names go into the decision as they are."""

    kind: str
    because: str
    id: str | None = None
    owner: str | None = None
    invoice: str | None = None


class BankLineRow(BaseModel):
    """One line as the bank booked it, what it may be, or what it is."""

    seller: str
    id: str
    booked_at: Moment
    currency: str
    amount_minor: int
    text: str
    state: str
    matched_kind: str | None
    matched_id: str | None
    owner: str | None
    reason: str | None
    proposals: list[ProposalRow]


@router.get("/bank-lines", responses=READS)
def list_bank_lines(
    idlefee: Engine,
    _principal: Finance,
    seller: Seller = None,
    state: Annotated[Literal["open", "matched", "not_ours"], Query()] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[BankLineRow]:
    """The bank's lines, those that wait longest first."""
    place = place_of(cursor, (int, str, str))
    with idlefee.reading() as connection:
        found = listing.lines_after(connection, seller_id=seller, state=state, after=place, most=limit + 1)
    return page_of(found, limit, lambda row: (row["booked_at"], row["seller_id"], row["id"]), _line_row)


def _line_row(row: dict[str, Any]) -> BankLineRow:
    return BankLineRow(
        seller=row["seller_id"],
        id=row["id"],
        booked_at=row["booked_at"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        text=row["text"],
        state=row["state"],
        matched_kind=row["matched_kind"],
        matched_id=row["matched_id"],
        owner=row["owner_id"],
        reason=row["reason"],
        proposals=[
            ProposalRow(kind=one.kind, because=one.because, id=one.id, owner=one.owner_id, invoice=one.invoice_id)
            for one in listing.proposals_of(row)
        ],
    )


class Decision(Body):
    """What a line is. `payment` needs `owner` and records it; `recorded` needs `owner` and `id`, `payout` needs `id`;
    `not_ours` takes it out of the books; `open` takes a decision back.
    """

    what: Literal["payment", "recorded", "payout", "not_ours", "open"]
    id: Text128 | None = None
    owner: Id | None = None
    invoice: Id | None = None
    reason: Reason


@router.post("/sellers/{seller_id}/bank-lines/{line_id}/decision", responses=WRITES)
def decide_bank_line(
    idlefee: Engine, principal: Finance, seller_id: PathId, line_id: Name, decision: Decision
) -> BankLineRow:
    """Say what a line is, or take that back."""
    by = {"author": principal.author, "reason": decision.reason}
    if decision.what == "open":
        bank.release(idlefee.engine, idlefee.clock, seller_id, line_id, **by)
    elif decision.what == "not_ours":
        with idlefee.writing() as connection:
            bank.set_aside(connection, seller_id, line_id, now=idlefee.clock.now(), **by)
    else:
        what = Proposal(decision.what, "", decision.id, decision.owner, decision.invoice)
        bank.accept(idlefee.engine, idlefee.clock, seller_id, line_id, what, **by)
    with idlefee.reading() as connection:
        return _line_row(dict(bank.line_row(connection, seller_id, line_id)))


# -- differences --------------------------------------------------------------------------------------------


class DifferenceRow(BaseModel):
    """One thing that differs: since when, in which case of the table, and who looks into it."""

    seller: str
    id: str
    code: Code
    meaning: str
    subject: str
    owner: str | None
    currency: str | None
    ours_minor: int | None
    theirs_minor: int | None
    detail: str
    at: Moment
    first_seen_at: Moment
    ended_at: Moment | None
    age_s: int
    assigned_to: str | None
    note: str | None


@router.get("/differences", responses=READS)
def list_differences(
    idlefee: Engine,
    _principal: FinanceOrOperator,
    seller: Seller = None,
    code: Annotated[Code | None, Query()] = None,
    assigned_to: Annotated[Text128 | None, Query()] = None,
    ended: Annotated[bool, Query(description="those that are over instead")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DifferenceRow]:
    """What differs between our word, the processor's and the bank's, the oldest first."""
    place = place_of(cursor, (int, str, str))
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        found = differences.differences_after(
            connection,
            seller_id=seller,
            code=code,
            assigned_to=assigned_to,
            ended=ended,
            after=None if place is None else Place(*place),
            most=limit + 1,
        )
    return page_of(
        found, limit, lambda one: (one.first_seen_at, one.seller_id, one.id), lambda one: _difference_row(one, now)
    )


def _difference_row(one: Difference, now: int) -> DifferenceRow:
    return DifferenceRow(
        seller=one.seller_id,
        id=one.id,
        code=one.code,
        meaning=one.case.meaning,
        subject=one.subject,
        owner=one.party_id,
        currency=one.currency,
        ours_minor=one.ours_minor,
        theirs_minor=one.theirs_minor,
        detail=one.detail,
        at=one.at,
        first_seen_at=one.first_seen_at,
        ended_at=one.ended_at,
        age_s=one.age_s(now),
        assigned_to=one.assigned_to,
        note=one.note,
    )


class SeenTo(Body):
    """Who looks into it (a role, or a key's name), and what is known of it; what is left out stays."""

    assigned_to: Text128 | None = None
    note: Reason | None = None


@router.post("/sellers/{seller_id}/differences/{difference_id}", responses=WRITES)
def see_to_difference(
    idlefee: Engine, principal: FinanceOrOperator, seller_id: PathId, difference_id: Name, said: SeenTo
) -> DifferenceRow:
    """Assign a difference, or write down what is known of it. It ends by itself once it is gone."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        changed = differences.see_to(
            connection,
            seller_id,
            difference_id,
            author=principal.author,
            now=now,
            assigned_to=said.assigned_to,
            note=said.note,
        )
    return _difference_row(changed, now)


# -- comparing ----------------------------------------------------------------------------------------------


class RunRow(BaseModel):
    """One comparison: what was looked at, what the engine put right, what was left."""

    seller: str
    n: int
    since: Moment
    until: Moment
    ran_at: Moment
    seen: dict[str, int]
    acted: int
    found: int


@router.get("/reconciliations", responses=READS)
def list_reconciliations(
    idlefee: Engine, _principal: FinanceOrOperator, seller: Seller = None, limit: Limit = 50
) -> list[RunRow]:
    """The latest comparisons, newest first."""
    with idlefee.reading() as connection:
        return [
            RunRow(**one._asdict() | {"seller": one.seller_id})
            for one in differences.runs_of(connection, seller, limit)
        ]


class Asked(BaseModel):
    seller: str
    asked_at: Moment


@router.post("/sellers/{seller_id}/reconciliations", responses=WRITES)
def ask_for_reconciliation(idlefee: Engine, _principal: Finance, seller_id: PathId) -> Asked:
    """Have a seller's accounts compared now instead of at night: a worker does it."""
    with idlefee.writing() as connection:
        known_seller(connection, seller_id)
        now = idlefee.clock.now()
        reconcile_now(connection, [seller_id], now)
    return Asked(seller=seller_id, asked_at=now)
