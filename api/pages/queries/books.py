"""Finance: what waits."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal_column, or_, select

from billing.listing import NOT_BILLABLE, Where, begins_at
from billing.store.tables import charges
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
    recent = or_(begins_at >= since, begins_at == literal_column("0"))  # the second: those without a plug-in
    statement = (
        select(sessions.c.not_billable, func.count(), func.min(ends))
        .where(NOT_BILLABLE, recent)
        .group_by(sessions.c.not_billable)
        .order_by(sessions.c.not_billable)
    )
    return [
        Pile(Where.NOT_BILLABLE, reason, count, None, None, since if oldest_at is None else oldest_at)
        for reason, count, oldest_at in connection.execute(statement)
    ]
