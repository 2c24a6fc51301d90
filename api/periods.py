"""Finance: closed months and what they came to, closing the next one, the trail of what people did, its digests, and
the ledger for other programs.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.answers import READS, WRITES
from api.guard import Engine, Finance, FinanceOrOperator
from api.inputs import Body, From, Id, Moment, PathId, Reason, To
from api.ledger_files import MEDIA, ledger_file
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.problems import not_found
from billing.books import Wanted
from billing.exports import Format
from billing.periods.closing import close, look
from billing.periods.reading import (
    Period,
    StatementRow,
    balances_of,
    period_of,
    periods_after,
    revenue_of,
    statements_after,
)
from billing.periods.seals import seals
from billing.periods.trail import Asked, Deed, Place, deeds
from billing.statements import Month

router = APIRouter(prefix="/v1", tags=["periods"])

MonthName = Annotated[str, Field(pattern=r"^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$", examples=["2026-11"])]
PathMonth = Annotated[str, Path(pattern=r"^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$", examples=["2026-11"])]
Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class CheckRow(BaseModel):
    name: str
    found: int
    stops: Annotated[bool, Field(description="a close waits until none is found")]
    sentence: str


class PeriodRow(BaseModel):
    """A closed month: it takes no entries any more."""

    seller: str
    month: str
    starts_at: Moment
    ends_at: Moment
    closed_at: Moment
    author: str
    reason: str
    checks: list[CheckRow]


class BalanceRow(BaseModel):
    currency: str
    account: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


class RevenueRow(BaseModel):
    site: str
    tariff: str
    tariff_version: int
    tax_code: Annotated[str, Field(description="empty: no tax")]
    currency: str
    sessions: int
    revenue_minor: Annotated[int, Field(description="without tax, with corrections")]
    corrections_minor: int
    tax_minor: int


class ClosedMonth(PeriodRow):
    balances: list[BalanceRow]
    revenue: list[RevenueRow]


class OwnersMonth(BaseModel):
    """An owner's month; it closes at opening, fees, corrections, payments, refunds, credits and write-offs together."""

    owner: str
    currency: str
    opening_minor: int
    fees_minor: int
    corrections_minor: int
    tax_minor: Annotated[int, Field(description="within fees and corrections")]
    payments_minor: int
    refunds_minor: int
    credits_minor: int
    write_offs_minor: int
    closing_minor: int


class Look(BaseModel):
    seller: str
    month: str
    checks: list[CheckRow]


class CloseMonth(Body):
    """The seller's next month, if it is this one. Nobody can open it again."""

    seller: Id
    month: MonthName
    reason: Reason


@router.get("/periods", responses=READS)
def list_periods(
    idlefee: Engine,
    _principal: Finance,
    seller: Annotated[Id | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[PeriodRow]:
    """Closed months, by seller and then the newest first."""
    after = place_of(cursor, (str, str))
    with idlefee.reading() as connection:
        found = periods_after(connection, seller, after, limit + 1)
    return page_of(found, limit, lambda one: (one.seller_id, one.month), lambda one: PeriodRow(**_period(one)))


@router.post("/periods", responses=WRITES)
def close_month(idlefee: Engine, principal: Finance, wanted: CloseMonth) -> PeriodRow:
    """Close a month. What corrects it from now on posts in the open month and names what it corrects."""
    month = Month.read(wanted.month)
    now = idlefee.clock.now()
    close(idlefee.engine, wanted.seller, author=principal.author, reason=wanted.reason, now=now, month=month)
    with idlefee.reading() as connection:
        closed = _known(connection, wanted.seller, wanted.month)
    return PeriodRow(**_period(closed))


@router.get("/periods/{seller_id}/next", responses=WRITES)
def look_before_closing(idlefee: Engine, _principal: Finance, seller_id: PathId) -> Look:
    """What a close of the seller's next month would look at."""
    span, checks = look(idlefee.engine, seller_id, idlefee.clock.now())
    return Look(seller=seller_id, month=str(span.month), checks=[CheckRow(**check.to_json()) for check in checks])  # type: ignore[arg-type]


@router.get("/periods/{seller_id}/{month}", responses=READS)
def show_period(idlefee: Engine, _principal: Finance, seller_id: PathId, month: PathMonth) -> ClosedMonth:
    """What a closed month came to."""
    with idlefee.reading() as connection:
        closed = _known(connection, seller_id, month)
        balances, revenue = balances_of(connection, seller_id, month), revenue_of(connection, seller_id, month)
    return ClosedMonth(
        **_period(closed),
        balances=[BalanceRow(**row) for row in balances],
        revenue=[RevenueRow(**row) for row in revenue],
    )


@router.get("/periods/{seller_id}/{month}/statements", responses=READS)
def list_owners_months(
    idlefee: Engine, _principal: Finance, seller_id: PathId, month: PathMonth, cursor: Cursor = None, limit: Limit = 50
) -> Page[OwnersMonth]:
    """What the month was to each owner with movement or a balance."""
    after = place_of(cursor, (str, str))
    with idlefee.reading() as connection:
        found = statements_after(connection, seller_id, month, after, limit + 1)
    return page_of(found, limit, lambda row: (row.owner, row.currency), _owners_month)


def _owners_month(row: StatementRow) -> OwnersMonth:
    return OwnersMonth(**row._asdict())


def _known(connection: Connection, seller_id: str, month: str) -> Period:
    closed = period_of(connection, seller_id, month)
    if closed is None:
        raise not_found("such closed month")
    return closed


def _period(one: Period) -> dict[str, Any]:
    return {
        "seller": one.seller_id,
        "month": one.month,
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
        "closed_at": one.closed_at,
        "author": one.author,
        "reason": one.reason,
        "checks": json.loads(one.checks),
    }


class DeedRow(BaseModel):
    """One thing that somebody did."""

    at: Moment
    author: Annotated[str, Field(examples=["finance:0a1b2c"])]
    what: Annotated[str, Field(examples=["waiver"])]
    subject: Annotated[str, Field(examples=["session st-1/s-1"])]
    reason: str | None
    details: dict[str, Any]


@router.get("/audit", responses=READS)
def list_deeds(
    idlefee: Engine,
    _principal: FinanceOrOperator,
    author: Text = None,
    what: Text = None,
    subject: Text = None,
    since: From = None,
    until: To = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeedRow]:
    """Who did what, when and why, newest first. `author` may be a role: `finance` means all of it."""
    place = place_of(cursor, (int, int, str))
    asked = Asked(since=since, until=until, author=author, what=what, subject=subject)
    with idlefee.reading() as connection:
        found = deeds(connection, asked, None if place is None else Place._make(place), limit + 1)
    return page_of(found, limit, lambda deed: deed.place, _deed)


def _deed(deed: Deed) -> DeedRow:
    return DeedRow(
        at=deed.at,
        author=deed.author,
        what=deed.what,
        subject=deed.subject,
        reason=deed.reason,
        details=dict(deed.details),
    )


class SealRow(BaseModel):
    """A day's trail and postings as one digest, which holds the digest of the day before."""

    day: Annotated[str, Field(examples=["2026-11-22"])]
    deeds: int
    transfers: int
    before: str
    digest: str
    line: Annotated[str, Field(description="what to keep elsewhere")]


@router.get("/digests", responses=READS)
def list_digests(
    idlefee: Engine, _principal: FinanceOrOperator, cursor: Cursor = None, limit: Limit = 50
) -> Page[SealRow]:
    """The daily digests, oldest first (UTC days)."""
    (after,) = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = [seal for seal in seals(connection, after, limit + 2) if seal.day > after][: limit + 1]
    return page_of(
        found,
        limit,
        lambda seal: (seal.day,),
        lambda seal: SealRow(
            day=seal.day,
            deeds=seal.deeds,
            transfers=seal.transfers,
            before=seal.before,
            digest=seal.digest,
            line=seal.line,
        ),
    )


@router.get(
    "/ledger/export",
    response_class=StreamingResponse,
    responses=READS | {200: {"content": {media.split(";")[0]: {} for media in MEDIA.values()}}},
)
def export_ledger(
    idlefee: Engine,
    principal: Finance,
    format: Annotated[Format, Query()],  # noqa: A002 - the word people look for
    seller: Annotated[Id | None, Query()] = None,
    since: From = None,
    until: To = None,
) -> StreamingResponse:
    """Both books as CSV, Parquet, or a Beancount journal whose balances are ours. The trail keeps who took it."""
    wanted = Wanted(seller_id=seller, since=since, until=until)
    headers = {"Content-Disposition": f'attachment; filename="ledger.{format}"'}
    file = ledger_file(idlefee, principal.author, format, wanted)
    return StreamingResponse(file, media_type=MEDIA[format], headers=headers)
