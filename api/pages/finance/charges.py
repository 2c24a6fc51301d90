"""`/finance/charges`: charges by a filter, its sums in the foot, the same as CSV."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from api.exports import csv_text, decimal_text, harmless
from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.finance.filters import ORDERS, STATES, Asked, Choice, Filters, choices
from api.pages.rendering import HEADERS, page
from api.pages.visitors import finance
from api.paging import Cursor, cursor_at, place_of
from api.spool import spooled
from api.wiring import Idlefee
from billing.sums.charges import Row, every_row, rows_after, totals
from billing.sums.days import calendars, day_of, days_before
from billing.sums.filters import Place
from sessions.database import one_moment
from sessions.events import rfc3339

ROWS_A_PAGE = 50
ROWS_A_CHUNK = 500
COLUMNS = (
    *("session", "site", "seller", "owner", "settled_at", "state", "held", "tariff", "tariff_version", "currency"),
    *("computed_minor", "fee_minor", "fee", "tax_minor", "tax", "final_at"),
)

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get("/finance/charges")
def charges(request: Request, idlefee: Engine, asked: Asked, before: Cursor = None) -> Response:
    """A page of the list, and what the whole filter comes to."""
    place = place_of(before, (int, str, str))
    with one_moment(idlefee.engine) as connection:
        offered, known = choices(connection), calendars(connection)
        today = max((day_of(request.state.page["now"], zone) for zone in known.by_zone), default="2000-01-01")
        asked = asked.within(today)
        wanted = asked.wanted(offered.currencies)
        after = None if place is None else Place._make(place)
        rows = rows_after(connection, wanted, after, ROWS_A_PAGE + 1, oldest_first=asked.order == "oldest")
        sums = totals(connection, wanted)
    shown = rows[:ROWS_A_PAGE]
    return page(
        request,
        "finance/charges.html",
        rows=shown,
        sums=sums,
        asked=asked,
        offered=offered,
        states=[Choice(state.value, label) for state, label in STATES.items()],
        orders=[Choice(*one) for one in ORDERS.items()],
        zones=known.zones,
        named=dict(offered.sites),
        state_words=STATES,
        before=before,
        following=cursor_at(shown[-1].place) if len(rows) > ROWS_A_PAGE else None,
        presets=_presets(asked, today),
    )


def _presets(asked: Filters, today: str) -> list[Choice]:
    """Spans of days that are asked for again and again."""
    month = today[:8] + "01"
    last = days_before(month, 1)
    return [
        Choice(asked.but(first_day=today, last_day=today), "Today"),
        Choice(asked.but(first_day=days_before(today, 29), last_day=today), "30 days"),
        Choice(asked.but(first_day=month, last_day=today), "This month"),
        Choice(asked.but(first_day=last[:8] + "01", last_day=last), "Last month"),
        Choice(asked.but(first_day="", last_day=""), "Since ever"),
    ]


@router.get("/finance/charges.csv")
def charges_csv(request: Request, idlefee: Engine, asked: Asked) -> Response:
    """All of the filter, newest first."""
    rows = spooled(_csv(idlefee, asked, request.state.page["now"]))
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="charges.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


def _csv(idlefee: Idlefee, asked: Filters, now: int) -> Iterator[str]:
    with one_moment(idlefee.engine) as connection:
        zones = calendars(connection).by_zone
        asked = asked.within(max((day_of(now, zone) for zone in zones), default="2000-01-01"))
        rows = every_row(connection, asked.wanted(choices(connection).currencies))
        yield csv_text([COLUMNS, *map(_cells, islice(rows, ROWS_A_CHUNK))])
        while chunk := list(islice(rows, ROWS_A_CHUNK)):
            yield csv_text(map(_cells, chunk))


def _cells(row: Row) -> tuple[Any, ...]:
    return (
        harmless(row.session_id),
        harmless(row.site_id),
        harmless(row.seller_id),
        harmless(row.owner_id),
        rfc3339(row.settled_at),
        row.state.value,
        row.held,
        harmless(row.tariff),
        row.tariff_version,
        row.currency,
        row.computed_minor,
        row.fee_minor,
        decimal_text(row.fee_minor, row.currency),
        row.tax_minor,
        decimal_text(row.tax_minor, row.currency),
        "" if row.finalised_at is None else rfc3339(row.finalised_at),
    )
