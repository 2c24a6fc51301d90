"""Finance's first page: cars that run up a fee, payments that do not come, differences that nobody explained yet."""

from typing import NamedTuple

from sqlalchemy import Connection, func, literal_column, select

from billing.payments.rows import FAILED, NEEDS_OWNER
from billing.store.payments import payments
from billing.store.reconciliation import differences
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions

NOT_COMING = (FAILED, NEEDS_OWNER)
OPEN = payments.c.state.not_in([literal_column("'succeeded'"), literal_column("'cancelled'")])  # as the index has it


def standing_full(connection: Connection, most: int) -> list[SessionKey]:
    """Sessions of cars that are full and have not left: only these can run up a fee."""
    statement = (
        select(sessions.c.site_id, sessions.c.id)
        .where(sessions.c.unplugged_at.is_(None), sessions.c.full_since.is_not(None), sessions.c.closed.is_(False))
        .order_by(sessions.c.site_id, sessions.c.id)
        .limit(most)
    )
    return [SessionKey(row[0], row[1]) for row in connection.execute(statement)]


class Waiting(NamedTuple):
    """What waits of one seller in one currency; `oldest_at` in UTC seconds."""

    seller_id: str
    currency: str
    payments: int
    amount_minor: int
    oldest_at: int


def failing(connection: Connection) -> list[Waiting]:
    """Payments that were tried and did not come."""
    columns = payments.c
    place = (columns.seller_id, columns.currency)
    statement = (
        select(*place, func.count(), func.sum(columns.amount_minor), func.min(columns.created_at))
        .where(columns.state.in_(NOT_COMING), OPEN)
        .group_by(*place)
        .order_by(*place)
    )
    return [Waiting(row[0], row[1], row[2], int(row[3]), row[4]) for row in connection.execute(statement)]


class Open(NamedTuple):
    """A seller's differences that are open: how many, and since when the oldest is known."""

    seller_id: str
    differences: int
    oldest_at: int


def unreconciled(connection: Connection) -> list[Open]:
    """Where our word and another's differ, and nobody has explained it yet."""
    columns = differences.c
    statement = (
        select(columns.seller_id, func.count(), func.min(columns.first_seen_at))
        .where(columns.ended_at.is_(None))
        .group_by(columns.seller_id)
        .order_by(columns.seller_id)
    )
    return [Open(*row) for row in connection.execute(statement)]
