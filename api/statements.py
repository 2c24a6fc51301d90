"""Statements as programs read them: an owner's own under `/v1/me`, any owner's for support and finance."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from api.answers import READS
from api.guard import Engine, Owner, SupportOrFinance
from api.inputs import Moment, PathId
from api.owners import me
from api.problems import not_found
from api.wiring import Idlefee
from billing.owners import owner
from billing.statements import Kind, Line, Month, Statement, statements, statements_of

router = APIRouter(prefix="/v1", tags=["statements"])

PathMonth = Annotated[str, Path(pattern=r"^\d{4}-\d{2}$", examples=["2026-11"])]


class StatementRow(BaseModel):
    """A month with a seller in one currency; amounts above zero where the owner owes."""

    month: Annotated[str, Field(examples=["2026-11"])]
    seller: str
    zone: Annotated[str, Field(description="the month is that of the seller's books")]
    currency: str
    opening_minor: int
    sessions: Annotated[int, Field(description="that the month added")]
    fees_minor: int
    corrections_minor: int
    tax_minor: Annotated[int, Field(description="within fees and corrections")]
    payments_minor: int
    refunds_minor: int
    credits_minor: int
    write_offs_minor: int
    closing_minor: int


class StatementLine(BaseModel):
    """One step of the books: of a session, or of what `subject` names."""

    recorded_at: Moment
    kind: Kind
    site: str | None
    session: str | None
    subject: Annotated[str | None, Field(examples=["payment pay_1"])]
    reason: str
    amount_minor: int
    tax_minor: int


class StatementDocument(StatementRow):
    """The same with every line."""

    lines: list[StatementLine]


@router.get("/me/statements", responses=READS)
def list_my_statements(idlefee: Engine, principal: Owner) -> list[StatementRow]:
    """Every month since your first fee, newest first."""
    return _every(idlefee, me(principal))


@router.get("/me/statements/{month}", responses=READS)
def show_my_statement(idlefee: Engine, principal: Owner, month: PathMonth) -> list[StatementDocument]:
    """One month with every line, one document a seller and currency."""
    return _one(idlefee, me(principal), month)


@router.get("/owners/{owner_id}/statements", responses=READS)
def list_statements(idlefee: Engine, _principal: SupportOrFinance, owner_id: PathId) -> list[StatementRow]:
    """An owner's months, newest first."""
    return _every(idlefee, owner_id)


@router.get("/owners/{owner_id}/statements/{month}", responses=READS)
def show_statement(
    idlefee: Engine, _principal: SupportOrFinance, owner_id: PathId, month: PathMonth
) -> list[StatementDocument]:
    """One month of an owner with every line."""
    return _one(idlefee, owner_id, month)


def _every(idlefee: Idlefee, owner_id: str) -> list[StatementRow]:
    with idlefee.reading() as connection:
        owner(connection, owner_id)
        return [_row(one) for one in statements(connection, owner_id, idlefee.clock.now())]


def _one(idlefee: Idlefee, owner_id: str, month: str) -> list[StatementDocument]:
    try:
        wanted = Month.read(month)
    except ValueError:
        raise not_found("such month") from None
    with idlefee.reading() as connection:
        owner(connection, owner_id)
        found = statements_of(connection, owner_id, wanted, idlefee.clock.now())
    if not found:
        raise not_found("statement of that month")
    return [StatementDocument(**dict(_row(one)), lines=[_line(line) for line in one.lines]) for one in found]


def _row(one: Statement) -> StatementRow:
    return StatementRow(
        month=str(one.month),
        seller=one.seller_id,
        zone=str(one.zone),
        currency=one.currency,
        opening_minor=one.opening_minor,
        sessions=one.sessions,
        fees_minor=one.fees_minor,
        corrections_minor=one.corrections_minor,
        tax_minor=one.tax_minor,
        payments_minor=one.minor_of(Kind.PAYMENT),
        refunds_minor=one.minor_of(Kind.REFUND),
        credits_minor=one.minor_of(Kind.CREDIT),
        write_offs_minor=one.minor_of(Kind.WRITE_OFF),
        closing_minor=one.closing_minor,
    )


def _line(line: Line) -> StatementLine:
    return StatementLine(
        recorded_at=line.at,
        kind=line.kind,
        site=line.key.site_id if line.key else None,
        session=line.key.id if line.key else None,
        subject=line.subject,
        reason=line.reason,
        amount_minor=line.amount_minor,
        tax_minor=line.tax_minor,
    )
