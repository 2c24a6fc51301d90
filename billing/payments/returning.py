"""Credit that nothing used up goes back: after the policy's days, to what the owner paid with, newest payments first,
each within what is left of it. What no payment has room for stays credit, and is shown.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, select

from billing.books import owed_after
from billing.invoices.policy import policy_of
from billing.invoices.sides import Side
from billing.jobs import Job, Lease, schedule
from billing.ledger import ACCOUNTS, SESSIONS, Account
from billing.payments import people, refunds
from billing.payments.amounts import step_minor
from billing.payments.course import DAY_S
from billing.payments.locks import lock_owner
from billing.payments.rooms import FAILED, credit_of, room_of
from billing.store.payments import payments
from billing.store.payments import refunds as refunds_table

SCAN, STEP = "find_credit", "return_credit"
AT_ONCE = 500


def scan_later(connection: Connection, now: int) -> None:
    """A worker asks for it when it starts; asked for twice it is done once."""
    schedule(connection, [Job(SCAN, SCAN, now, {})], now)


def scan(lease: Lease) -> None:
    """Once a day, some owners at a time: a step for whoever has credit."""
    with lease.transaction() as turn:
        for job in turn.jobs:
            found = owed_after(turn.connection, job.body.get("after"), AT_ONCE)
            sides = [Side(owed.owner_id, owed.seller_id, owed.currency) for owed in found if owed.amount_minor < 0]
            steps = [Job(f"{STEP}:{'/'.join(side)}", STEP, turn.now, side._asdict()) for side in sides]
            schedule(turn.connection, steps, turn.now)
            if len(found) < AT_ONCE:
                turn.go_on(job, turn.now + DAY_S, {})
            else:
                turn.go_on(job, turn.now, {"after": list(found[-1][:3])})


def return_due(lease: Lease) -> None:
    """The step for one owner, seller and currency."""
    sides = {job.key: Side(**job.body) for job in lease.jobs}

    def lock(connection: Connection) -> None:
        for owner_id in sorted({side.owner_id for side in sides.values()}):
            lock_owner(connection, owner_id)

    with lease.transaction(lock) as turn:
        for job in turn.jobs:
            return_credit(turn.connection, sides[job.key], turn.now)


def return_credit(connection: Connection, side: Side, now: int) -> list[refunds.Refund]:
    """Send the side's credit back, if it is old enough; answers the refunds that were begun. The owner is locked."""
    days = policy_of(connection, side.seller_id).return_credit_days
    since = below_zero_since(_moves(connection, side))
    if days is None or since is None or now - since < days * DAY_S:
        return []
    rooms = [(row["id"], room_of(connection, row).left_minor) for row in _payments(connection, side)]
    begun = []
    for payment_id, amount_minor in spread(credit_of(connection, *side), rooms, step_minor(side.currency)):
        refund, _ = refunds.ask(
            connection,
            side.owner_id,
            payment_id,
            amount_minor,
            code=refunds.Code.CREDIT_LEFT,
            reason=f"nothing used it up for {days} days",
            by=people.ENGINE,
            now=now,
        )
        begun.append(refund)
    return begun


def below_zero_since(moves: Iterable[tuple[int, int]]) -> int | None:
    """Since when (moment, amount) in their order sum to less than zero without a break; none: they do not.

    >>> below_zero_since([(1, 500), (2, -900), (3, 100)]), below_zero_since([(1, -5), (2, 5)])
    (2, None)
    """
    balance, since = 0, None
    for at, amount in moves:
        balance += amount
        since = None if balance >= 0 else since if since is not None else at
    return since


def spread(amount_minor: int, rooms: Sequence[tuple[str, int]], step: int = 1) -> list[tuple[str, int]]:
    """The amount over (payment, room), in whole steps, the first payments first; what does not fit is left out.

    >>> spread(700, [("new", 500), ("older", 500)])
    [('new', 500), ('older', 200)]
    """
    found, left = [], amount_minor
    for name, room in rooms:
        part = min(left, room)
        part -= part % step
        if part > 0:
            found.append((name, part))
            left -= part
    return found


def _moves(connection: Connection, side: Side) -> list[tuple[int, int]]:
    """What moved the owner's balance with the seller, by moment, from both books."""
    found: list[tuple[int, int]] = []
    for book in (SESSIONS, ACCOUNTS):
        heads, parts = book.transfers.c, book.entries.c
        statement: Any = (
            select(heads.recorded_at, func.sum(parts.amount_minor))
            .join(book.entries, and_(parts[book.lead] == heads[book.lead], parts.transfer_id == heads.id))
            .where(
                parts.owner_id == side.owner_id,
                parts.seller_id == side.seller_id,
                parts.currency == side.currency,
                parts.account == Account.RECEIVABLE.value,
            )
            .group_by(heads.recorded_at)
        )
        found += [(at, int(amount)) for at, amount in connection.execute(statement)]
    sums: dict[int, int] = {}
    for at, amount in found:
        sums[at] = sums.get(at, 0) + amount
    return sorted(sums.items())


def _payments(connection: Connection, side: Side) -> list[dict[str, Any]]:
    """Card payments that may be refunded, newest first; those to which a refund failed are left to a person."""
    failed = select(refunds_table.c.payment_id).where(
        refunds_table.c.owner_id == side.owner_id, refunds_table.c.state == FAILED
    )
    statement = select(payments).where(
        payments.c.owner_id == side.owner_id,
        payments.c.seller_id == side.seller_id,
        payments.c.currency == side.currency,
        payments.c.means == "card",
        payments.c.state == "succeeded",
        payments.c.id.not_in(failed),
    )
    newest = statement.order_by(payments.c.succeeded_at.desc(), payments.c.id.desc())
    return [dict(row) for row in connection.execute(newest).mappings()]
