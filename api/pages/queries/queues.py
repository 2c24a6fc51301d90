"""What waits for finance: refunds and credits that a second person has to see."""

from typing import Any

from sqlalchemy import Connection, Table, select

from billing.payments.credits import ASKED
from billing.store.payments import credits_given, refunds

MOST = 50
Rows = list[dict[str, Any]]


def refunds_to_decide(connection: Connection) -> Rows:
    """Oldest first."""
    return _asked(connection, refunds)


def credits_to_decide(connection: Connection) -> Rows:
    """Credits and write-offs, oldest first."""
    return _asked(connection, credits_given)


def _asked(connection: Connection, table: Table) -> Rows:
    columns = table.c
    statement = select(table).where(columns.state == ASKED).order_by(columns.asked_at, columns.owner_id, columns.id)
    return [dict(row) for row in connection.execute(statement.limit(MOST)).mappings()]
