"""What waits for finance: all of it in a few lines, refunds and credits that a second person has to see, refunds that
did not arrive.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, select

from billing.payments.credits import ASKED
from billing.payments.rooms import FAILED
from billing.store.payments import TO_DECIDE, credits_given, disputes, refunds
from billing.store.reconciliation import LINE_OPEN, bank_lines
from billing.store.tables import charges, jobs

MOST = 50
FAILED_DAYS = (
    30  # what a refund that failed was for stays the owner's credit, so it is told for a while and not for good
)
Rows = list[dict[str, Any]]


class Waiting(NamedTuple):
    """One kind of what waits: how much of it, since when the oldest, and by when something is due."""

    what: str
    path: str
    how_many: int
    oldest_at: int
    due_at: int | None


def everything(connection: Connection, now: int) -> list[Waiting]:
    """Each kind of which something waits; a look-up in an index each."""
    asked = (refunds.c.state == ASKED, credits_given.c.state == ASKED)
    page = "/finance/queues"
    kinds: list[tuple[str, str, Any, Any, Any]] = [
        ("In review", f"{page}#review", charges.c.settled_at, None, charges.c.held.is_not(None)),
        ("Refunds to approve", f"{page}#approve", refunds.c.asked_at, None, asked[0]),
        ("Refunds made elsewhere", f"{page}#elsewhere", refunds.c.asked_at, None, TO_DECIDE),
        ("Credits to approve", f"{page}#approve", credits_given.c.asked_at, None, asked[1]),
        ("Disputes", f"{page}#disputes", disputes.c.opened_at, disputes.c.evidence_due_at, disputes.c.state == "open"),
        ("Refunds that failed", f"{page}#failed", refunds.c.changed_at, None, _failed(now)),
        ("Parked steps", f"{page}#parked", jobs.c.created_at, None, jobs.c.dead.is_(True)),
        ("Lines of the bank", "/finance/bank", bank_lines.c.imported_at, None, LINE_OPEN),
    ]
    found = []
    for what, path, since, due, waits in kinds:
        due_at = func.min(since if due is None else due)
        how_many, oldest_at, first_due = connection.execute(
            select(func.count(), func.min(since), due_at).where(waits)
        ).one()
        if how_many:
            found.append(Waiting(what, path, how_many, oldest_at, None if due is None else first_due))
    return found


def _failed(now: int) -> Any:
    return (refunds.c.state == FAILED) & (refunds.c.changed_at >= now - FAILED_DAYS * 86_400)


def refunds_that_failed(connection: Connection, now: int) -> Rows:
    """Of the last days, the oldest first."""
    order = (refunds.c.changed_at, refunds.c.owner_id, refunds.c.id)
    statement = select(refunds).where(_failed(now)).order_by(*order)
    return [dict(row) for row in connection.execute(statement.limit(MOST)).mappings()]


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
