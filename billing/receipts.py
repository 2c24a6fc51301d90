"""A session's receipt: who sold what, where and when, at which price, and what it came to in the books.

`receipt_of` is pure, and the only place where a receipt is put together: page, PDF and JSON show what it says.
Amounts are the charge's and the ledger's own; nothing is priced here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from billing.assignments import VersionRef, accepted, tariff_version, timetable
from billing.books import Entry, Wanted, transfers_after
from billing.ledger import Account
from billing.rating import FeeReport, PriceLine
from billing.settle import Charge
from billing.tariffs import Tariff
from sessions.grace import GracePolicy
from sessions.registry import Seller, seller
from sessions.sites import Site, site

MOST_POSTINGS = 500  # of one session, the first


@dataclass(frozen=True, slots=True)
class Posting:
    """One step of the fee in the books, as far as it stood on the account of who pays now."""

    n: int
    recorded_at: int
    reason: str
    currency: str
    change_minor: int
    total_minor: int  # in that currency, after it


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything a receipt says. Times are on our clock, amounts minor units of `currency`."""

    session_id: str
    owner_id: str | None
    seller: Seller
    site: Site
    station_id: str
    stall: str | None
    plugged_in_at: int
    full_at: int | None
    ended_at: int  # the unplug, or where none was reported, the last message about the stall
    unplugged: bool
    grace: GracePolicy
    free_s: int
    billed_s: int
    lines: Sequence[PriceLine]
    fragment_s: int
    currency: str
    subtotal_minor: int
    cap_minor: int | None
    capped_minor: int
    tax_code: str | None
    tax_rate_ppm: int
    tax_included: bool
    tax_added_minor: int  # by the facts, where listed prices are without it
    held_back_minor: int
    held: Sequence[str]  # why a part waits in review
    waived_minor: int
    total_minor: int
    tax_minor: int  # within the total
    tariff: VersionRef
    terms: VersionRef  # as accepted at the plug-in; another than `tariff` after a re-rate
    postings: Sequence[Posting]
    settled_at: int
    final_at: int | None
    made_at: int

    @property
    def net_minor(self) -> int:
        return self.total_minor - self.tax_minor

    @property
    def corrects(self) -> Posting | None:
        """What this receipt replaces: the fee as it stood before the last step, where it is not the first."""
        return self.postings[-2] if len(self.postings) > 1 else None


def receipt_of(
    charge: Charge,
    report: FeeReport,
    tariff: Tariff,
    terms: VersionRef,
    *,
    where: Site,
    stall: str | None,
    by: Seller,
    entries: Sequence[Sequence[Entry]],
    now: int,
) -> Receipt:
    """The receipt of a charge whose `report` was rated by `tariff`; `entries` are its transfers, oldest first."""
    ours_s = report.offset_s
    return Receipt(
        session_id=charge.key.id,
        owner_id=charge.owner_id,
        seller=by,
        site=where,
        station_id=charge.key.station_id,
        stall=stall,
        plugged_in_at=(report.plugged_in_at or 0) + ours_s,
        full_at=report.stays[0].start + ours_s if report.stays else None,
        ended_at=(report.until or 0) + ours_s,
        unplugged=report.ended_at is not None,
        grace=report.grace,
        free_s=report.chargeable_s - report.billed_s,
        billed_s=report.billed_s,
        lines=report.lines,
        fragment_s=report.fragment_s,
        currency=charge.currency,
        subtotal_minor=report.subtotal_minor,
        cap_minor=report.cap_minor,
        capped_minor=report.capped_minor,
        tax_code=report.tax_code,
        tax_rate_ppm=tariff.tax.rate_ppm if tariff.tax else 0,
        tax_included=report.tax_included,
        tax_added_minor=0 if report.tax_included else report.tax_minor,
        held_back_minor=charge.computed_minor - charge.allowed_minor,
        held=charge.held,
        waived_minor=charge.allowed_minor - charge.fee_minor,
        total_minor=charge.fee_minor,
        tax_minor=charge.tax_minor,
        tariff=VersionRef(charge.tariff, charge.tariff_version),
        terms=terms,
        postings=postings_of(charge.owner_id, entries),
        settled_at=charge.settled_at,
        final_at=charge.finalised_at,
        made_at=now,
    )


def postings_of(owner_id: str | None, transfers: Sequence[Sequence[Entry]]) -> list[Posting]:
    """The steps on this owner's account (none: the unclaimed one); those that moved nothing there are not theirs."""
    account = Account.UNCLAIMED if owner_id is None else Account.RECEIVABLE
    totals: dict[str, int] = defaultdict(int)
    found = []
    for entries in transfers:
        theirs = [entry for entry in entries if entry.account == account.value and entry.owner_id == owner_id]
        change_minor = sum(entry.amount_minor for entry in theirs)
        if not change_minor:
            continue
        first = theirs[0]
        totals[first.currency] += change_minor
        total_minor = totals[first.currency]
        found.append(Posting(first.n, first.recorded_at, first.reason, first.currency, change_minor, total_minor))
    return found


def receipt_for(connection: Connection, charge: Charge, report: FeeReport, stall: str | None, now: int) -> Receipt:
    """The receipt of a settled session, with what it needs read from the books."""
    key = charge.key
    wanted = Wanted(site_id=key.site_id, session_id=key.id)
    return receipt_of(
        charge,
        report,
        tariff_version(connection, VersionRef(charge.tariff, charge.tariff_version)),
        terms_of_session(connection, key.site_id, (report.plugged_in_at or 0) + report.offset_s),
        where=site(connection, key.site_id),
        stall=stall,
        by=seller(connection, charge.seller_id),
        entries=transfers_after(connection, wanted, None, MOST_POSTINGS),
        now=now,
    )


def terms_of_session(connection: Connection, site_id: str, plugged_in_at: int) -> VersionRef:
    """The version that was in force at the site when the car was plugged in, on our clock."""
    return accepted(timetable(connection, site_id), plugged_in_at)
