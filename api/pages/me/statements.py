"""`/me/statements`: every month, and one month with all its lines; the same as PDF and CSV. What they say,
`billing.statements` computes.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.exports import csv_text, decimal_text, harmless
from api.guard import Engine
from api.pages import words
from api.pages.errors import PageRoute, nothing_here
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import HEADERS, page
from api.pages.typesetting import can_typeset, typeset
from billing.statements import Kind, Line, Month, Statement, statements, statements_of
from sessions.events import rfc3339

router = APIRouter(include_in_schema=False, route_class=PageRoute)

COLUMNS = (
    *("month", "seller", "currency", "recorded_at", "what", "site", "session", "reason"),
    *("amount_minor", "amount", "tax_minor", "tax"),
)
SUMS = (
    ("Fees", Kind.FEE),
    ("Corrections", Kind.CORRECTION),
    ("Payments", Kind.PAYMENT),
    ("Paid back", Kind.REFUND),
    ("Credits", Kind.CREDIT),
    ("Written off", Kind.WRITE_OFF),
)
MOVED = {
    Kind.FEE: "Fee",
    Kind.CORRECTION: "Correction",
    Kind.PAYMENT: "Payment",
    Kind.REFUND: "Paid back",
    Kind.CREDIT: "Credit",
    Kind.WRITE_OFF: "Written off",
}
SAYS_IT_ALL = (Kind.PAYMENT, Kind.REFUND)  # the reason of such an entry is bookkeeping; the file has it
ALWAYS = (Kind.FEE, Kind.CORRECTION)  # shown where they are nothing, too


def _month(month: Annotated[str, Path(max_length=7)]) -> Month:
    try:
        return Month.read(month)
    except ValueError:
        raise nothing_here() from None


OfMonth = Annotated[Month, Depends(_month)]
Form = Annotated[Literal["page", "pdf"], Query(alias="as")]


@router.get("/me/statements")
def every_month(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        found = statements(connection, owner_id, request.state.page["now"])
    return page(request, "me/statements.html", statements=found)


@router.get("/me/statements/{month}.csv")
def month_as_csv(request: Request, idlefee: Engine, owner_id: OwnerId, month: OfMonth) -> Response:
    """Opening, every line and closing, in minor units and as decimals."""
    with idlefee.reading() as connection:
        found = statements_of(connection, owner_id, month, request.state.page["now"])
    rows = [row for statement in found for row in _rows(statement)]
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statement-{month}.csv"'}
    return Response(csv_text([COLUMNS, *rows]), headers=headers, media_type="text/csv; charset=utf-8")


@router.get("/me/statements/{month}")
def one_month(request: Request, idlefee: Engine, owner_id: OwnerId, month: OfMonth, form: Form = "page") -> Response:
    now = request.state.page["now"]
    with idlefee.reading() as connection:
        found = statements_of(connection, owner_id, month, now)
        if not found:
            raise nothing_here()
        sites = queries.site_names(connection, {line.key.site_id for one in found for line in one.lines if line.key})
    if form == "page":
        context = {"sums": SUMS, "always": ALWAYS, "moved": MOVED, "why": _why, "pdf": can_typeset()}
        return page(request, "me/statement.html", month=month, statements=found, sites=sites, **context)
    printed = {
        "month": words.month(month),
        "owner": owner_id,
        "made": words.utc_day(now),
        "books": [_printed(one, sites) for one in found],
    }
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="statement-{month}.pdf"'}
    return Response(typeset("statement", printed, now), headers=headers, media_type="application/pdf")


def _printed(one: Statement, sites: dict[str, str]) -> dict[str, object]:
    """A statement's words for paper."""

    def money(amount_minor: int) -> str:
        return words.money(amount_minor, one.currency)

    sums = [(label, one.minor_of(kind)) for label, kind in SUMS if one.minor_of(kind) or kind in ALWAYS]
    return {
        "seller": one.seller,
        "currency": one.currency,
        "zone": str(one.zone),
        "opening": money(one.opening_minor),
        "lines": [(words.day(line.at, one.zone), _what(line, sites), money(line.amount_minor)) for line in one.lines],
        "sums": [
            *((label, money(amount_minor)) for label, amount_minor in sums),
            *([("Tax in fees and corrections", money(one.tax_minor))] if one.tax_minor else []),
        ],
        "closing": money(one.closing_minor),
    }


def _what(line: Line, sites: dict[str, str]) -> str:
    place = f", {sites.get(line.key.site_id, line.key.site_id)}, {line.key.id}" if line.key else ""
    return f"{MOVED[line.kind]}{place}{_why(line)}"


def _why(line: Line) -> str:
    """What is said of a line beside its kind and place."""
    says_it_all = line.kind in SAYS_IT_ALL or (line.key is not None and not line.is_correction)
    return "" if says_it_all else f": {line.reason}"


def _rows(one: Statement) -> list[tuple[object, ...]]:
    return [
        _row(one, "opening", one.opening_minor),
        *(_row(one, line.kind.value, line.amount_minor, line) for line in one.lines),
        _row(one, "closing", one.closing_minor),
    ]


def _row(one: Statement, what: str, amount_minor: int, line: Line | None = None) -> tuple[object, ...]:
    about: tuple[object, ...] = ("", what, "", "", "")
    tax_minor: int | str = ""
    if line is not None:
        site, session = (line.key.site_id, line.key.id) if line.key else (None, None)
        about = (rfc3339(line.at), what, harmless(site), harmless(session), harmless(line.reason))
        tax_minor = line.tax_minor
    tax = (tax_minor, "" if line is None else decimal_text(line.tax_minor, one.currency))
    amounts = (amount_minor, decimal_text(amount_minor, one.currency), *tax)
    return (str(one.month), harmless(one.seller), one.currency, *about, *amounts)
