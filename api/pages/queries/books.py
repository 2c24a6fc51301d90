"""Finance: what waits, and the entries behind a balance."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, or_, select, tuple_

from billing.books import Entry, Place
from billing.listing import Where
from billing.store.tables import charges, entries, transfers
from sessions.store.tables import sessions


class Pile(NamedTuple):
    """Sessions that wait: how many, what they come to in one currency, and since when the oldest waits."""

    where: Where
    reason: str
    sessions: int
    amount_minor: int | None
    currency: str | None
    oldest_at: int


def piles(connection: Connection, since: int) -> list[Pile]:
    """Unclaimed and in review: all there are; not billable: plugged in since then, by reason."""
    unclaimed = (charges.c.owner_id.is_(None), charges.c.fee_minor > 0)
    return [
        *_charged(connection, Where.UNCLAIMED, charges.c.fee_minor, *unclaimed),
        *_charged(connection, Where.IN_REVIEW, charges.c.computed_minor, charges.c.held.is_not(None)),
        *_not_billable(connection, since),
    ]


def _charged(connection: Connection, where: Where, amount: Any, *waits: Any) -> list[Pile]:
    statement = (
        select(func.count(), func.sum(amount), charges.c.currency, func.min(charges.c.settled_at))
        .where(*waits)
        .group_by(charges.c.currency)
        .order_by(charges.c.currency)
    )
    return [
        Pile(where, "", count, int(amount_minor), currency, oldest_at)
        for count, amount_minor, currency, oldest_at in connection.execute(statement)
    ]


def _not_billable(connection: Connection, since: int) -> list[Pile]:
    ends = sessions.c.until + sessions.c.offset_s
    recent = or_(sessions.c.plugged_in_at.is_(None), sessions.c.plugged_in_at + sessions.c.offset_s >= since)
    statement = (
        select(sessions.c.not_billable, func.count(), func.min(ends))
        .where(sessions.c.not_billable.is_not(None), sessions.c.closed.is_(True), recent)
        .group_by(sessions.c.not_billable)
        .order_by(sessions.c.not_billable)
    )
    return [
        Pile(Where.NOT_BILLABLE, reason, count, None, None, since if oldest_at is None else oldest_at)
        for reason, count, oldest_at in connection.execute(statement)
    ]


class AccountRef(NamedTuple):
    """One line of the trial balance."""

    seller_id: str
    currency: str
    account: str


def entries_of(connection: Connection, account: AccountRef, before: Place | None, most: int) -> list[Entry]:
    """Up to `most` entries of an account, newest first, behind the place `before`."""
    same = and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id)
    place = (transfers.c.recorded_at, transfers.c.site_id, transfers.c.id)
    statement = (
        select(
            transfers.c.recorded_at,
            transfers.c.site_id,
            transfers.c.id,
            entries.c.line,
            transfers.c.session_id,
            transfers.c.n,
            transfers.c.corrects,
            transfers.c.reason,
            entries.c.account,
            entries.c.owner_id,
            entries.c.seller_id,
            entries.c.currency,
            entries.c.tax_code,
            entries.c.amount_minor,
        )
        .join(entries, same)
        .where(
            entries.c.seller_id == account.seller_id,
            entries.c.currency == account.currency,
            entries.c.account == account.account,
        )
    )
    if before is not None:
        statement = statement.where(tuple_(*place) < tuple(before))
    ordered = statement.order_by(*(column.desc() for column in place), entries.c.line).limit(most)
    return [Entry._make(row) for row in connection.execute(ordered)]
