"""`/me/statements`: every month, and one month with all its lines; the same as CSV. What they say, `billing.statements`
computes.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from api.exports import csv_text, decimal_text, harmless
from api.guard import Engine
from api.pages.errors import PageRoute, nothing_here
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import HEADERS, page
from billing.statements import Line, Month, Statement, statements, statements_of
from sessions.events import rfc3339

router = APIRouter(include_in_schema=False, route_class=PageRoute)

COLUMNS = (
    *("month", "seller", "currency", "recorded_at", "what", "site", "session", "reason"),
    *("amount_minor", "amount", "tax_minor", "tax"),
)


def _month(month: Annotated[str, Path(max_length=7)]) -> Month:
    try:
        return Month.read(month)
    except ValueError:
        raise nothing_here() from None


OfMonth = Annotated[Month, Depends(_month)]


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
def one_month(request: Request, idlefee: Engine, owner_id: OwnerId, month: OfMonth) -> Response:
    with idlefee.reading() as connection:
        found = statements_of(connection, owner_id, month, request.state.page["now"])
        if not found:
            raise nothing_here()
        sites = queries.site_names(connection, {line.key.site_id for one in found for line in one.lines})
    return page(request, "me/statement.html", month=month, statements=found, sites=sites)


def _rows(one: Statement) -> list[tuple[object, ...]]:
    return [
        _row(one, "opening", one.opening_minor),
        *(_row(one, "correction" if line.is_correction else "fee", line.amount_minor, line) for line in one.lines),
        _row(one, "closing", one.closing_minor),
    ]


def _row(one: Statement, what: str, amount_minor: int, line: Line | None = None) -> tuple[object, ...]:
    session: tuple[object, ...] = ("", what, "", "", "")
    tax_minor: int | str = ""
    if line is not None:
        key, tax_minor = line.key, line.tax_minor
        session = (rfc3339(line.at), what, harmless(key.site_id), harmless(key.id), harmless(line.reason))
    tax = (tax_minor, "" if line is None else decimal_text(line.tax_minor, one.currency))
    amounts = (amount_minor, decimal_text(amount_minor, one.currency), *tax)
    return (str(one.month), harmless(one.seller), one.currency, *session, *amounts)
