"""`/me/history`: an owner's past sessions, filtered by the address alone, each with its bar, arithmetic and evidence;
the same list as CSV. Works without script.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from api.exports import csv_text, decimal_text, harmless
from api.guard import Engine
from api.pages import evidence, words
from api.pages.errors import PageRoute
from api.pages.loading import Loaded, Sight
from api.pages.me.whose import OwnerId
from api.pages.paging import sessions_page
from api.pages.rendering import HEADERS, page
from api.pages.views import SessionView
from api.paging import Cursor
from api.problems import Problem
from api.spool import spooled
from api.wiring import Idlefee
from billing.listing import Listed, Place, Wanted, Where, sessions_after, sites_of_owner
from billing.owners import tokens_of, vehicles_of
from billing.settle import Charge, charges_of
from billing.statements import Month
from sessions.events import rfc3339
from sessions.sites import Site, site, sites_by_id

SESSIONS_A_PAGE = 10  # each is drawn and counted in full
ROWS_A_CHUNK = 500
MONTHS = 24
COLUMNS = (
    *("session", "site", "stall", "plugged_in_at", "completed_at", "unplugged_at", "outcome", "tariff"),
    *("tariff_version", "currency", "fee_minor", "fee", "tax_minor", "tax"),
)

router = APIRouter(include_in_schema=False, route_class=PageRoute)


class Outcome(StrEnum):
    """How a past session came out, as the filter has it."""

    WITH_FEE = "with_fee"
    FREE = "free"
    IN_REVIEW = "in_review"


OUTCOMES = {Outcome.WITH_FEE: "With a fee", Outcome.FREE: "Free", Outcome.IN_REVIEW: "In review"}


class Choice(NamedTuple):
    """What a filter offers."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty field asks for everything."""

    month: str
    site: str
    token: str
    outcome: str

    @property
    def address(self) -> str:
        given = {"month": self.month, "site": self.site, "token": self.token, "outcome": self.outcome}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"?{query}" if query else ""

    def wanted(self, owner_id: str, zone: ZoneInfo) -> Wanted:
        """The same as a list is asked for it; months are of that zone's calendar."""
        month = Month.read(self.month) if self.month else None
        return Wanted(
            owner_id=owner_id,
            site_id=self.site or None,
            token_id=self.token or None,
            where=Where(self.outcome) if self.outcome else Where.ENDED,
            since=month.starts_at(zone) if month else None,
            until=month.next.starts_at(zone) if month else None,
        )


def _filters(
    month: Annotated[str, Query(max_length=7)] = "",
    site: Annotated[str, Query(max_length=64)] = "",
    token: Annotated[str, Query(max_length=64)] = "",
    outcome: Annotated[Outcome | Literal[""], Query()] = "",
) -> Filters:
    if month:
        try:
            Month.read(month)
        except ValueError as error:
            raise Problem(422, "bad_month", "The month cannot be read", f"{error}.") from None
    return Filters(month, site, token, outcome)


Asked = Annotated[Filters, Depends(_filters)]


@router.get("/me/history")
def history(request: Request, idlefee: Engine, owner_id: OwnerId, asked: Asked, before: Cursor = None) -> Response:
    now = request.state.page["now"]
    with idlefee.reading() as connection:
        sites = _sites(connection, owner_id)
        zone = _zone(connection, owner_id, sites.get(asked.site))
        listed = sessions_page(connection, asked.wanted(owner_id, zone), before, SESSIONS_A_PAGE)
        loaded = Sight(connection, now).load(listed.keys)
        tokens = _tokens(connection, owner_id)
    return page(
        request,
        "history.html",
        shown=[_shown(loaded[key]) for key in listed.keys],
        asked=asked,
        months=_months(now, zone, asked.month),
        zone=zone,
        sites=[Choice(one.id, one.name) for one in sites.values()],
        tokens=tokens,
        outcomes=[Choice(code.value, label) for code, label in OUTCOMES.items()],
        before=before,
        following=listed.following,
        here=f"/me/history{asked.address}",
    )


@dataclass(frozen=True, slots=True)
class Past:
    """A session of the list, as far as its card shows it."""

    view: SessionView | None
    sums: list[evidence.Sum]
    events: list[evidence.Evidence]


def _shown(found: Loaded) -> Past:
    bill = found.view.bar.report if found.view else None
    sums = evidence.arithmetic(bill, found.charge) if bill else []
    return Past(found.view, sums, evidence.evidence(found.folded))


def _sites(connection: Connection, owner_id: str) -> dict[str, Site]:
    return sites_by_id(connection, sites_of_owner(connection, owner_id))


def _zone(connection: Connection, owner_id: str, chosen: Site | None) -> ZoneInfo:
    """Whose calendar months are of: the chosen site's, else that of the site where the owner was last."""
    if chosen is not None:
        return chosen.tz
    last = sessions_after(connection, Wanted(owner_id=owner_id, where=Where.ENDED), None, 1)
    return site(connection, last[0].key.site_id).tz if last else ZoneInfo("UTC")


def _months(now: int, zone: ZoneInfo, asked: str) -> list[Choice]:
    """The last two years, newest first, and the one asked for."""
    present = Month.of(now, zone)
    counted = [present.year * 12 + present.month - 1 - ago for ago in range(MONTHS)]
    months = {Month(one // 12, one % 12 + 1) for one in counted} | ({Month.read(asked)} if asked else set())
    return [Choice(str(one), words.month(one)) for one in sorted(months, reverse=True)]


def _tokens(connection: Connection, owner_id: str) -> list[Choice]:
    """Every token that stood for the owner, by the car it belongs to where there is one."""
    cars = {car.token_id: car.name for car in vehicles_of(connection, owner_id) if car.token_id}
    held = {one.id: one.uid for one in tokens_of(connection, owner_id)}
    return [Choice(id_, cars.get(id_) or uid or f"Token {id_[:8]}") for id_, uid in held.items()]


# -- as a file ----------------------------------------------------------------------------------------------


@router.get("/me/history.csv")
def history_csv(idlefee: Engine, owner_id: OwnerId, asked: Asked) -> Response:
    """All of the filtered list, newest first."""
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="sessions.csv"'}
    rows = spooled(_csv(idlefee, owner_id, asked))
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


def _csv(idlefee: Idlefee, owner_id: str, asked: Filters) -> Iterator[str]:
    after: Place | None = None
    with idlefee.reading() as connection:
        sites = _sites(connection, owner_id)
        wanted = asked.wanted(owner_id, _zone(connection, owner_id, sites.get(asked.site)))
        header: list[tuple[object, ...]] = [COLUMNS]
        while True:
            listed = sessions_after(connection, wanted, after, ROWS_A_CHUNK)
            charges = charges_of(connection, [one.key for one in listed])
            yield csv_text([*header, *(_cells(one, charges.get(one.key)) for one in listed)])
            if len(listed) < ROWS_A_CHUNK:
                return
            after, header = listed[-1].place, []


def _cells(one: Listed, charge: Charge | None) -> tuple[object, ...]:
    moments = (one.plugged_in_at, one.completed_at, one.unplugged_at)
    paid: tuple[object, ...] = ("",) * 7
    if charge is not None:
        currency = charge.currency
        fee, tax = decimal_text(charge.fee_minor, currency), decimal_text(charge.tax_minor, currency)
        paid = (charge.tariff, charge.tariff_version, currency, charge.fee_minor, fee, charge.tax_minor, tax)
    return (
        harmless(one.key.id),
        harmless(one.key.site_id),
        harmless(one.stall),
        *("" if at is None else rfc3339(at) for at in moments),
        _outcome(charge),
        *paid,
    )


def _outcome(charge: Charge | None) -> str:
    if charge is None:
        return Outcome.FREE.value
    return (Outcome.IN_REVIEW if charge.held else Outcome.WITH_FEE if charge.fee_minor else Outcome.FREE).value
