"""Invoices and credit notes as programs read them: the owner's own under `/v1/me`, everybody's for staff under `/v1`.

With them what waits to be invoiced. Nothing is issued here.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.answers import READS
from api.guard import Engine, Owner, SupportOrFinance
from api.inputs import From, Id, Moment, PathId, To
from api.owners import me
from api.pages.invoices.csv import document_csv
from api.paging import Cursor, Limit, page_of, place_of
from api.paging import Page as Pages
from api.problems import not_found
from api.wiring import Idlefee
from billing.invoices.papers import Line, Listed, Paper, Place, Wanted, documents_after, paper
from billing.invoices.standing import Carried, carried_after, carried_of

router = APIRouter(prefix="/v1", tags=["invoices"])

Kind = Annotated[Literal["invoice", "credit_note"] | None, Query()]
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class InvoiceRow(BaseModel):
    """A document as it was issued, and what is open of it now. A credit note's amounts are below zero."""

    id: str
    owner: str
    seller: str
    kind: Annotated[str, Field(examples=["invoice", "credit_note"])]
    name: Annotated[str, Field(examples=["ACME-2026-000123"])]
    issued_at: Moment
    currency: str
    total_minor: int
    tax_minor: Annotated[int, Field(description="within the total")]
    due_minor: Annotated[int, Field(description="what was asked for: with what was brought to it, in whole coins")]
    open_minor: Annotated[int, Field(description="what is owed of it now")]
    corrects: Annotated[str | None, Field(description="a credit note's: the invoice it corrects")]


class RateItem(BaseModel):
    """So many minutes at one rate."""

    minutes: int
    rate_minor: int
    amount_minor: int


class LineRow(BaseModel):
    """A session. What is said of it is what was known when the document was issued."""

    line: int
    site: str
    session: str
    site_name: str
    stall: str | None
    plugged_in_at: Moment | None
    complete_at: Moment | None
    ended_at: Moment | None
    grace_s: int
    grace_used_s: int
    billed_s: int
    items: list[RateItem]
    amount_minor: int
    tax_minor: int
    tax_code: str | None
    tax_rate_ppm: int
    billed_before_minor: Annotated[int, Field(description="of this session, on documents before")]
    reason: Annotated[str, Field(description="the last step of it in the books")]


class PaidBy(BaseModel):
    """What paid an invoice, or a part of it."""

    by: Annotated[str, Field(examples=["payment pay_1", "ACME-C-2026-000001"])]
    amount_minor: int


class TaxRow(BaseModel):
    code: str | None
    rate_ppm: Annotated[int, Field(description="parts per million: 190000 is 19 %")]
    net_minor: int
    tax_minor: int


class InvoiceDocument(InvoiceRow):
    """A document with its lines, what corrects it and who paid it."""

    brought_minor: Annotated[int, Field(description="asked for beside its lines; below zero: credit it used up")]
    to_ask_minor: Annotated[int, Field(description="what is still to be asked for it")]
    corrected_by: list[str]
    paid_by: list[PaidBy]
    taxes: list[TaxRow]
    lines: list[LineRow]


class CarriedRow(BaseModel):
    """Fees on no invoice yet: until a moment, or until there are enough of them."""

    owner: str
    seller: str
    currency: str
    amount_minor: int
    sessions: int
    since: Annotated[Moment, Field(description="the oldest of them was posted then")]
    until: Annotated[Moment | None, Field(description="when an invoice is due; null: it waits for more")]
    least_minor: Annotated[int | None, Field(description="less is not asked for; null: it waits for its time")]


def invoice_row(one: Listed) -> InvoiceRow:
    document = one.document
    return InvoiceRow(
        id=document.id,
        owner=document.owner_id,
        seller=document.seller_id,
        kind=document.kind,
        name=document.name,
        issued_at=document.issued_at,
        currency=document.currency,
        total_minor=document.total_minor,
        tax_minor=document.tax_minor,
        due_minor=document.due_minor,
        open_minor=one.open_minor,
        corrects=document.corrects,
    )


def _document(one: Paper) -> InvoiceDocument:
    return InvoiceDocument(
        **dict(invoice_row(Listed(one.document, one.open_minor))),
        brought_minor=one.brought_minor,
        to_ask_minor=one.to_ask_minor,
        corrected_by=[note.name for note in one.corrected_by],
        paid_by=[PaidBy(by=by, amount_minor=amount) for by, amount in one.paid_by],
        taxes=[TaxRow(**tax._asdict()) for tax in one.taxes()],
        lines=[_line(line) for line in one.lines],
    )


def _line(line: Line) -> LineRow:
    said = line.words
    return LineRow(
        line=line.n,
        site=line.key.site_id,
        session=line.key.id,
        site_name=said["site"],
        stall=said["stall"],
        plugged_in_at=said["plugged_in_at"],
        complete_at=said["full_at"],
        ended_at=said["ended_at"],
        grace_s=said["grace_s"],
        grace_used_s=said["free_s"],
        billed_s=said["billed_s"],
        items=[RateItem(**item) for item in said["items"]],
        amount_minor=line.amount_minor,
        tax_minor=line.tax_minor,
        tax_code=line.tax_code,
        tax_rate_ppm=said["tax_rate_ppm"],
        billed_before_minor=said["billed_before_minor"],
        reason=said["reason"],
    )


def _page(idlefee: Idlefee, wanted: Wanted, cursor: str | None, limit: int) -> Pages[InvoiceRow]:
    place = place_of(cursor, (int, str, str))
    with idlefee.reading() as connection:
        found = documents_after(connection, wanted, None if place is None else Place._make(place), limit + 1)
    return page_of(found, limit, lambda one: one.place, invoice_row)


def _paper(idlefee: Idlefee, owner_id: str, invoice_id: str) -> Paper:
    with idlefee.reading() as connection:
        found = paper(connection, owner_id, invoice_id)
    if found is None:
        raise not_found("such invoice")
    return found


def _carried(one: Carried) -> CarriedRow:
    return CarriedRow(
        owner=one.owner_id,
        seller=one.seller_id,
        **{name: value for name, value in one._asdict().items() if name not in ("owner_id", "seller_id")},
    )


# -- the owner's own ----------------------------------------------------------------------------------------


@router.get("/me/invoices", responses=READS)
def list_my_invoices(
    idlefee: Engine, principal: Owner, kind: Kind = None, cursor: Cursor = None, limit: Limit = 50
) -> Pages[InvoiceRow]:
    """Your invoices and credit notes, newest first."""
    return _page(idlefee, Wanted(owner_id=me(principal), kind=kind), cursor, limit)


@router.get("/me/invoices/{invoice_id}", responses=READS)
def show_my_invoice(idlefee: Engine, principal: Owner, invoice_id: PathId) -> InvoiceDocument:
    """One of them with its lines."""
    return _document(_paper(idlefee, me(principal), invoice_id))


@router.get("/me/invoices/{invoice_id}/lines.csv", response_class=Response, responses=READS | CSV)
def export_my_invoice(idlefee: Engine, principal: Owner, invoice_id: PathId) -> Response:
    """Its lines as CSV."""
    return Response(document_csv(_paper(idlefee, me(principal), invoice_id)), media_type="text/csv; charset=utf-8")


@router.get("/me/carried", responses=READS)
def list_my_carried(idlefee: Engine, principal: Owner) -> list[CarriedRow]:
    """What of your fees is on no invoice yet, and why."""
    with idlefee.reading() as connection:
        return [_carried(one) for one in carried_of(connection, me(principal))]


# -- everybody's --------------------------------------------------------------------------------------------


@router.get("/invoices", responses=READS)
def list_invoices(
    idlefee: Engine,
    _principal: SupportOrFinance,
    seller: Annotated[Id | None, Query()] = None,
    owner: Annotated[Id | None, Query()] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
    kind: Kind = None,
    since: From = None,
    until: To = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Pages[InvoiceRow]:
    """Invoices and credit notes, newest first."""
    return _page(idlefee, Wanted(owner, seller, currency, kind, since, until), cursor, limit)


@router.get("/invoices/{owner_id}/{invoice_id}", responses=READS)
def show_invoice(
    idlefee: Engine, _principal: SupportOrFinance, owner_id: PathId, invoice_id: PathId
) -> InvoiceDocument:
    """One of them with its lines."""
    return _document(_paper(idlefee, owner_id, invoice_id))


@router.get("/carried", responses=READS)
def list_carried(
    idlefee: Engine,
    _principal: SupportOrFinance,
    seller: Annotated[Id | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Pages[CarriedRow]:
    """Fees on no invoice yet, oldest first."""
    place = place_of(cursor, (int, str, str, str))
    with idlefee.reading() as connection:
        found = carried_after(connection, seller, place, limit + 1)
    return page_of(found, limit, lambda one: (one.since, one.owner_id, one.seller_id, one.currency), _carried)
