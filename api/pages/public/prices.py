"""`/prices`, `/prices/SITE`, `/tariffs/NAME/VERSION`: what it costs, with examples the money rule computed."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.guard import PUBLIC_LIMIT, Engine
from api.inputs import PathId, PathTariff
from api.pages import words
from api.pages.errors import PageRoute, nothing_here
from api.pages.public.caching import FOR_EVER_S, public_page
from api.pages.timeline import Bar, Moment
from api.pages.visitors import recognise
from billing.assignments import VersionRef, tariff_version
from billing.prices import Example, SitePrices, examples, levels, prices_of, published, worked
from billing.rating import explain
from billing.tariffs import Tariff
from billing.tariffs.words import terms_of
from sessions.registry import sites_after

SITES_A_PAGE = 25

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[PUBLIC_LIMIT, Depends(recognise)])


@router.get("/prices")
def every_site(request: Request, idlefee: Engine, after: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Each site with what it charges today, in its first words."""
    with idlefee.reading() as connection:
        found = sites_after(connection, after, SITES_A_PAGE + 1)
        rows = [prices_of(connection, one.id, idlefee.clock.now()) for one in found[:SITES_A_PAGE]]
    following = found[SITES_A_PAGE - 1].id if len(found) > SITES_A_PAGE else None
    return public_page(
        request, "public/prices.html", rows=rows, after=after, following=following, terms_of=terms_of, path_of=path_of
    )


@router.get("/prices/{site_id}")
def one_site(request: Request, idlefee: Engine, site_id: PathId) -> Response:
    """Today's tariff in plain words, examples, what comes and what was."""
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        found = prices_of(connection, site_id, now)
    address = idlefee.settings.base_url or str(request.base_url).rstrip("/")
    short_address = f"{address}/p/{quote(found.site.id)}"
    return public_page(request, "public/price.html", prices=found, short=short_address, **_today(found, now))


def _today(found: SitePrices, now: int) -> dict[str, Any]:
    """What the page shows of the tariff in force."""
    tariff, site = found.present.tariff, found.site
    rows = examples(tariff, site.tz, now)
    example = worked(rows)
    return {
        "tariff": tariff,
        "terms": terms_of(tariff),
        "rows": rows,
        "levels": [level_of(percent) for percent in levels(tariff)],
        "example": example,
        "bar": Bar(f"{site.name}, an example", example.report, site.tz, _moments(example)),
        "sentences": explain(example.report, site.tz),
        "path_of": path_of,
        "length": words.length,
    }


def level_of(percent: int) -> str:
    """How full the site is, as the head of a column."""
    if percent == 100:
        return "Every stall taken"
    return f"{percent}\N{NO-BREAK SPACE}% taken" if percent else "Below that"


def _moments(example: Example) -> tuple[Moment, ...]:
    report = example.report
    marks = (
        (report.plugged_in_at, "Plugged in"),
        (report.stays[0].start, "Charge complete"),
        (report.ended_at, "Unplugged"),
    )
    return tuple(Moment(at, what) for at, what in marks if at is not None)


@router.get("/p/{site_id}")
def short(site_id: PathId) -> Response:
    """A short address to print as a code at the stall."""
    return RedirectResponse(f"/prices/{quote(site_id)}", 308)


@router.get("/tariffs/{name}/{version}")
def one_version(
    request: Request, idlefee: Engine, name: PathTariff, version: Annotated[int, Path(ge=1, le=10**6)]
) -> Response:
    """One version's terms. They never change, so this address says the same for ever."""
    ref = VersionRef(name, version)
    with idlefee.reading() as connection:
        if not published(connection, ref):
            raise nothing_here()
        tariff = tariff_version(connection, ref)
    return public_page(request, "public/tariff.html", for_s=FOR_EVER_S, tariff=tariff, terms=terms_of(tariff))


def path_of(tariff: Tariff | VersionRef) -> str:
    """Where a version's terms can be read for ever."""
    return f"/tariffs/{tariff.name}/{tariff.version}"
