"""Finance: the books, and orders to re-rate the past. The ledger is read here, never written."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.answers import READS, WRITES
from api.guard import Engine, Finance
from api.inputs import Body, From, Id, Moment, Reason, RequestKey, SessionId, TariffName, To
from api.ledger_files import MEDIA, ledger_file
from api.paging import Cursor, Limit, Page, page_of, place_of
from billing.books import Entry, Owed, Step, Wanted, owed_after, transfers_after
from billing.decisions import order_rerate
from billing.exports import Format
from billing.ledger import Account
from billing.orders import Outcome, carry_out, entrust
from billing.sums.entries import trial_balance
from sessions.database import one_moment
from sessions.events.wire import Stamp
from sessions.facts import AlreadyRecorded
from sessions.sites import Unknown, all_sites

router = APIRouter(prefix="/v1", tags=["books"])

Seller = Annotated[Id | None, Query()]
Site = Annotated[Id | None, Query()]


class AccountRow(BaseModel):
    """One account of one seller in one currency, over every entry there is."""

    seller: str
    currency: str
    account: Account
    debit_minor: int
    credit_minor: int
    balance_minor: int


class CurrencySum(BaseModel):
    currency: str
    balance_minor: Annotated[int, Field(description="zero, or the books are broken", examples=[0])]


class TrialBalance(BaseModel):
    accounts: list[AccountRow]
    sums: list[CurrencySum]


@router.get("/ledger/trial-balance", responses=READS)
def show_trial_balance(idlefee: Engine, _principal: Finance) -> TrialBalance:
    """Every account's debits, credits and balance; each currency sums to zero."""
    with one_moment(idlefee.engine) as connection:
        found = trial_balance(connection)
    sums: dict[str, int] = {}
    for row in found:
        sums[row.currency] = sums.get(row.currency, 0) + row.balance_minor
    return TrialBalance(
        accounts=[
            AccountRow(
                seller=row.seller_id,
                currency=row.currency,
                account=row.account,
                debit_minor=row.debit_minor,
                credit_minor=row.credit_minor,
                balance_minor=row.balance_minor,
            )
            for row in found
        ],
        sums=[CurrencySum(currency=currency, balance_minor=balance) for currency, balance in sorted(sums.items())],
    )


class EntryRow(BaseModel):
    """Debit above zero, credit below."""

    line: int
    account: str
    owner: str | None
    tax_code: str | None
    amount_minor: int


class TransferRow(BaseModel):
    """One balanced step of a session's or another subject's books; a correction names the transfer before it."""

    id: str
    site: Annotated[str | None, Field(description="null: it is about no session, but moves money")]
    session: str | None
    party: Annotated[str | None, Field(description="whose payment, credit or payout: an owner, or the seller")]
    subject: Annotated[str, Field(description="the session, or `payment …`, `refund …`, `credit …`, `payout …`")]
    n: Annotated[int, Field(description="numbers the subject's transfers from 1")]
    corrects: str | None
    seller: str
    currency: str
    reason: str
    recorded_at: Moment
    entries: list[EntryRow]


@router.get("/ledger/transfers", responses=READS)
def list_transfers(
    idlefee: Engine,
    _principal: Finance,
    seller: Seller = None,
    site: Site = None,
    session: Annotated[SessionId | None, Query()] = None,
    subject: Annotated[str | None, Query(max_length=200, description="`payment …` and the like")] = None,
    since: From = None,
    until: To = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[TransferRow]:
    """Transfers with their entries, in the order they were recorded."""
    place = place_of(cursor, (int, int, str, str, int))
    wanted = Wanted(seller_id=seller, site_id=site, session_id=session, subject=subject, since=since, until=until)
    with idlefee.reading() as connection:
        found = transfers_after(connection, wanted, None if place is None else Step._make(place), limit + 1)
    return page_of(found, limit, lambda entries: entries[0].step, _transfer_row)


def _transfer_row(entries: list[Entry]) -> TransferRow:
    first = entries[0]
    return TransferRow(
        id=first.transfer_id,
        site=first.site_id,
        session=first.session_id,
        party=first.lead if first.session_id is None else None,
        subject=first.subject,
        n=first.n,
        corrects=first.corrects,
        seller=first.seller_id,
        currency=first.currency,
        reason=first.reason,
        recorded_at=first.recorded_at,
        entries=[
            EntryRow(
                line=entry.line,
                account=entry.account,
                owner=entry.owner_id,
                tax_code=entry.tax_code,
                amount_minor=entry.amount_minor,
            )
            for entry in entries
        ],
    )


@router.get(
    "/ledger/entries.csv",
    response_class=StreamingResponse,
    responses=READS | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def export_entries(
    idlefee: Engine,
    principal: Finance,
    seller: Seller = None,
    site: Site = None,
    session: Annotated[SessionId | None, Query()] = None,
    since: From = None,
    until: To = None,
) -> StreamingResponse:
    """Every entry with its transfer, oldest first: one line an entry. Ask up to a moment that is over. The trail keeps
    who took it.
    """
    wanted = Wanted(seller_id=seller, site_id=site, session_id=session, since=since, until=until)
    file = ledger_file(idlefee, principal.author, Format.CSV, wanted)
    return StreamingResponse(file, media_type=MEDIA[Format.CSV])


class OwedRow(BaseModel):
    """What an owner owes a seller; below zero where the seller owes."""

    owner: str
    seller: str
    currency: str
    amount_minor: int


@router.get("/ledger/balances", responses=READS)
def list_balances(idlefee: Engine, _principal: Finance, cursor: Cursor = None, limit: Limit = 50) -> Page[OwedRow]:
    """What every owner owes, where it is not zero."""
    after = place_of(cursor, (str, str, str))
    with idlefee.reading() as connection:
        found = owed_after(connection, after, limit + 1)
    return page_of(found, limit, lambda owed: owed[:3], _owed_row)


def _owed_row(owed: Owed) -> OwedRow:
    return OwedRow(owner=owed.owner_id, seller=owed.seller_id, currency=owed.currency, amount_minor=owed.amount_minor)


class Rerate(Body):
    """Sessions plugged in during [starts_at, ends_at) are priced by the newest version of `tariff`."""

    tariff: TariffName
    sites: Annotated[list[Id] | None, Field(min_length=1, max_length=1_000, description="null: every site")] = None
    starts_at: Annotated[Stamp | None, Field(description="null: since ever")] = None
    ends_at: Annotated[Stamp | None, Field(description="null: now, for the past alone is priced again")] = None
    reason: Reason


class Rerated(BaseModel):
    """What the order did: sessions looked at, those whose fee changed, and what was posted for those, by currency."""

    replayed: bool
    sites: int
    sessions: int
    changed: int
    before_minor: dict[str, int]
    after_minor: dict[str, int]


@router.post("/rerates", responses=WRITES)
def rerate(idlefee: Engine, principal: Finance, order: Rerate, key: RequestKey) -> Rerated:
    """Price the past by another tariff. The order is recorded at once; a worker ends it if this request cannot."""
    try:
        with idlefee.writing() as connection:
            known = {site.id for site in all_sites(connection)}
            for site_id in sorted(set(order.sites or ()) - known):
                raise Unknown("site", site_id)
            now = idlefee.clock.now()
            orders = order_rerate(
                connection,
                set(order.sites or known),
                order.tariff,
                order.starts_at or 0,
                now if order.ends_at is None else order.ends_at,
                author=principal.author,
                reason=order.reason,
                now=now,
                request_key=key,
            )
            entrust(connection, orders, now)
    except AlreadyRecorded:
        return _rerated(0, Outcome(), replayed=True)
    return _rerated(len(orders), carry_out(idlefee.engine, idlefee.clock, orders))


def _rerated(sites: int, outcome: Outcome, *, replayed: bool = False) -> Rerated:
    return Rerated(
        replayed=replayed,
        sites=sites,
        sessions=outcome.sessions,
        changed=outcome.changed,
        before_minor=outcome.before_minor,
        after_minor=outcome.after_minor,
    )
