"""`/me/invoices`: an owner's list, and one document as a page that prints well, as PDF and as CSV; the same for
staff, of any owner, under `/invoices/OWNER/ID`.
"""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.guard import Engine
from api.pages.errors import PageRoute, nothing_here
from api.pages.invoices.csv import document_csv
from api.pages.invoices.printed import fate, printed
from api.pages.me.whose import OwnerId
from api.pages.queries.owners import seller_names
from api.pages.rendering import HEADERS, page
from api.pages.typesetting import can_typeset, typeset
from api.pages.visitors import SupportOrFinance
from api.paging import Cursor, cursor_at, place_of
from api.wiring import Idlefee
from billing.invoices.papers import Paper, Place, Wanted, documents_after, paper
from billing.invoices.standing import carried_of

router = APIRouter(include_in_schema=False, route_class=PageRoute)

A_PAGE = 50

InvoiceId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Whose = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Form = Annotated[Literal["page", "pdf"], Query(alias="as")]


@router.get("/me/invoices")
def my_invoices(request: Request, idlefee: Engine, owner_id: OwnerId, cursor: Cursor = None) -> Response:
    place = place_of(cursor, (int, str, str))
    before = None if place is None else Place._make(place)
    with idlefee.reading() as connection:
        found = documents_after(connection, Wanted(owner_id=owner_id), before, A_PAGE + 1)
        return page(
            request,
            "me/invoices.html",
            invoices=found[:A_PAGE],
            following=cursor_at(found[A_PAGE - 1].place) if len(found) > A_PAGE else None,
            carried=carried_of(connection, owner_id),
            sellers=seller_names(connection),
        )


@router.get("/me/invoices/{invoice_id}.csv")
def my_invoice_as_csv(idlefee: Engine, owner_id: OwnerId, invoice_id: InvoiceId) -> Response:
    return _csv(_found(idlefee, owner_id, invoice_id))


@router.get("/me/invoices/{invoice_id}")
def my_invoice(
    request: Request, idlefee: Engine, owner_id: OwnerId, invoice_id: InvoiceId, form: Form = "page"
) -> Response:
    return _shown(request, idlefee, _found(idlefee, owner_id, invoice_id), form, "/me/invoices")


@router.get("/invoices/{owner_id}/{invoice_id}.csv")
def invoice_as_csv(idlefee: Engine, _visitor: SupportOrFinance, owner_id: Whose, invoice_id: InvoiceId) -> Response:
    return _csv(_found(idlefee, owner_id, invoice_id))


@router.get("/invoices/{owner_id}/{invoice_id}")
def invoice(
    request: Request,
    idlefee: Engine,
    _visitor: SupportOrFinance,
    owner_id: Whose,
    invoice_id: InvoiceId,
    form: Form = "page",
) -> Response:
    return _shown(request, idlefee, _found(idlefee, owner_id, invoice_id), form, f"/invoices/{owner_id}")


def _found(idlefee: Idlefee, owner_id: str, invoice_id: str) -> Paper:
    with idlefee.reading() as connection:
        found = paper(connection, owner_id, invoice_id)
    if found is None:
        raise nothing_here()
    return found


def _shown(request: Request, idlefee: Idlefee, found: Paper, form: str, base: str) -> Response:
    shown = printed(found)
    if form == "page":
        context = {
            "invoice": shown,
            "fate": fate(found),
            "corrects": found.corrects,
            "base": base,
            "pdf": can_typeset(),
        }
        return page(request, "invoice.html", path_of=f"{base}/{found.document.id}", **context)
    address = idlefee.settings.base_url or str(request.base_url).rstrip("/")
    made = typeset("invoice", asdict(shown) | {"address": address}, found.document.issued_at)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{found.document.name}.pdf"'}
    return Response(made, headers=headers, media_type="application/pdf")


def _csv(found: Paper) -> Response:
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{found.document.name}.csv"'}
    return Response(document_csv(found), headers=headers, media_type="text/csv; charset=utf-8")
