"""What waits for finance, oldest first, and what owners see of it: refunds and credits. Reads only."""

from typing import Any

from sqlalchemy import Connection, Table, select, tuple_

from billing.payments.credits import Given
from billing.payments.elsewhere import MADE_ELSEWHERE
from billing.payments.refunds import Refund
from billing.store.payments import TO_DECIDE, credits_given, refunds

Place = tuple[int, str, str]
"""(asked, owner, id): where a row stands in these lists."""


def refunds_after(
    connection: Connection, after: Place | None, most: int, *, state: str = "asked", owner_id: str | None = None
) -> list[Refund]:
    """Up to `most` refunds of one state, behind `after`; of everybody or of one owner. `elsewhere` are those that were
    made at the processor and that nobody has decided about.
    """
    return [Refund(**row) for row in _rows(connection, refunds, after, most, state, owner_id)]


def credits_after(
    connection: Connection, after: Place | None, most: int, *, state: str = "asked", owner_id: str | None = None
) -> list[Given]:
    """The same of credits and write-offs."""
    return [Given(**row) for row in _rows(connection, credits_given, after, most, state, owner_id)]


def promised_refunds(connection: Connection, owner_id: str) -> list[Refund]:
    """What an owner gets or got back, newest first; a refund that nobody has approved yet is no promise."""
    theirs = (refunds.c.owner_id == owner_id, refunds.c.state.not_in(("asked", "refused")))
    statement = select(refunds).where(*theirs).order_by(refunds.c.asked_at.desc(), refunds.c.id)
    return [Refund(**row) for row in connection.execute(statement).mappings()]


def posted_credits(connection: Connection, owner_id: str) -> list[Given]:
    """What an owner was let off, newest first. Write-offs are the seller's own business."""
    theirs = (credits_given.c.owner_id == owner_id, credits_given.c.kind == "credit", credits_given.c.state == "posted")
    statement = select(credits_given).where(*theirs).order_by(credits_given.c.asked_at.desc(), credits_given.c.id)
    return [Given(**row) for row in connection.execute(statement).mappings()]


def _rows(
    connection: Connection, table: Table, after: Place | None, most: int, state: str, owner_id: str | None
) -> Any:
    columns = (table.c.asked_at, table.c.owner_id, table.c.id)
    stands = TO_DECIDE if state == MADE_ELSEWHERE else table.c.state == state
    statement = select(table).where(stands)
    if owner_id is not None:
        statement = statement.where(table.c.owner_id == owner_id)
    if after is not None:
        statement = statement.where(tuple_(*columns) > tuple_(*after))
    return connection.execute(statement.order_by(*columns).limit(most)).mappings()
