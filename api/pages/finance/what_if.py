"""`/finance/what-if`: what the sessions of some days would have cost under another tariff, by site or by owner; nothing
changes by asking. Of longer times the command line answers, on all cores (`idlefee rerate`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from api.exports import csv_text, decimal_text, harmless
from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.finance.filters import check_day, choices
from api.pages.rendering import HEADERS, page
from api.pages.visitors import finance
from api.problems import Problem
from api.wiring import Idlefee
from billing.assignments import latest
from billing.rerate import Comparison, Question, SiteCost, compare_within
from billing.sums.charges import totals
from billing.sums.days import calendars, day_of, days_before, stretch_of
from billing.sums.filters import Wanted
from billing.tariffs import preset_names
from sessions.database import one_moment
from sessions.sites import site

MOST_SESSIONS = 300_000  # a few seconds' work
DAYS = 30  # looked at where no day is asked for
ROWS_SHOWN = 200
COLUMNS = ("sessions", "changed", "cost", "would_cost", "difference", "currency")

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])
Day = Annotated[str, Query(max_length=10)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks; no tariff: nothing yet."""

    tariff: str
    site: str
    by: str
    first_day: str
    last_day: str

    @property
    def query(self) -> str:
        given = {"tariff": self.tariff, "site": self.site, "by": self.by, "from": self.first_day, "to": self.last_day}
        return f"?{urlencode({name: value for name, value in given.items() if value})}"


def _asked(
    idlefee: Engine,
    tariff: Annotated[str, Query(max_length=64)] = "",
    site: Annotated[str, Query(max_length=64)] = "",
    by: Annotated[Literal["site", "owner"], Query()] = "site",
    first_day: Annotated[str, Query(alias="from", max_length=10)] = "",
    last_day: Annotated[str, Query(alias="to", max_length=10)] = "",
) -> Asked:
    for day in (first_day, last_day):
        check_day(day)
    with idlefee.reading() as connection:
        zones = calendars(connection).by_zone
    today = max((day_of(idlefee.clock.now(), zone) for zone in zones), default="2000-01-01")
    last = last_day or today
    return Asked(tariff.strip(), site.strip(), by, first_day or days_before(last, DAYS - 1), last)


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("/finance/what-if")
def what_if(request: Request, idlefee: Engine, asked: AskedFor) -> Response:
    answer = _answer(idlefee, asked) if asked.tariff else None
    with idlefee.reading() as connection:
        offered = choices(connection)
    names = _ordered(answer) if answer else []
    return page(
        request,
        "finance/what_if.html",
        asked=asked,
        answer=answer,
        shown=names[:ROWS_SHOWN],
        hidden=max(0, len(names) - ROWS_SHOWN),
        offered=offered,
        tariffs=sorted({*offered.tariffs, *preset_names()}),
        named=dict(offered.sites),
        most=MOST_SESSIONS,
    )


@router.get("/finance/what-if.csv")
def what_if_csv(idlefee: Engine, asked: AskedFor) -> Response:
    """Every line of the answer."""
    if not asked.tariff:
        raise Problem(422, "no_tariff", "No tariff was chosen", "Choose the tariff to compare with.")
    answer = _answer(idlefee, asked)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="what-if.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(_csv(answer, asked), media_type="text/csv; charset=utf-8", headers=headers)


def _answer(idlefee: Idlefee, asked: Asked) -> Comparison:
    with one_moment(idlefee.engine) as connection:
        question = _question(connection, asked)
        wanted = Wanted(site_id=asked.site or None, first_day=asked.first_day, last_day=asked.last_day)
        counted = totals(connection, wanted)
    if sum(total.charges for total in counted.values()) > MOST_SESSIONS:
        detail = (
            f"These are more than {MOST_SESSIONS:,} sessions. Choose fewer days or a site, or ask the command line, "
            f"which uses every core: idlefee rerate --tariff {asked.tariff}."
        )
        raise Problem(422, "too_many", "This is too much to price at once", detail)
    return compare_within(idlefee.engine, question)


def _question(connection: Connection, asked: Asked) -> Question:
    """Days of the site's own seller; of every site, from the first midnight to the last."""
    known = calendars(connection)
    zones = [known.of_site(site(connection, asked.site).id)] if asked.site else list(known.by_zone)
    starts_at = min((stretch_of(asked.first_day, zone).starts_at for zone in zones), default=0)
    ends_at = max((stretch_of(asked.last_day, zone).ends_at for zone in zones), default=0)
    site_ids = (asked.site,) if asked.site else None
    return Question(latest(connection, asked.tariff), starts_at, ends_at, site_ids, by_owner=asked.by == "owner")


def _ordered(answer: Comparison) -> list[str]:
    """Those first of whom most would change."""

    def moved(name: str) -> int:
        cost = answer.sites[name]
        return -abs(cost.difference_minor(answer.currency) or cost.new_minor)

    return sorted(answer.site_ids, key=lambda name: (moved(name), name))


def _csv(answer: Comparison, asked: Asked) -> Iterator[str]:
    yield csv_text([(asked.by, *COLUMNS)])
    for name in _ordered(answer):
        yield csv_text([(harmless(name), *_cells(answer.sites[name], answer.currency))])


def _cells(cost: SiteCost, currency: str) -> tuple[object, ...]:
    by = cost.difference_minor(currency)
    old = " + ".join(f"{decimal_text(minor, code)} {code}" for code, minor in sorted(cost.old_minor.items()))
    difference = "" if by is None else decimal_text(by, currency)
    return (cost.sessions, cost.changed, old or "0", decimal_text(cost.new_minor, currency), difference, currency)
