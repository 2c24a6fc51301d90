"""Disputes that were lost, and fees that fell afterwards: the owner is favoured once.

What a bank gave back stands as bad debt, and nobody asks for it. Where the invoice that was disputed is credited later
(its fee was waived, or corrected), the owner has had that money already: so much of the credit as the bank gave back is
counted against it, and there was no bad debt. It never uses up more than the credit that is there, so that nobody owes
anything by it. `counted_minor` of a dispute's row says how much; its books are of a subject of its own.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from billing.invoices.sides import Side, invoice_job
from billing.invoices.standing import CREDIT_NOTE
from billing.jobs import overdue
from billing.ledger import Account, Balances, Line, Subject, converge, owner_balances
from billing.store.invoices import invoices
from billing.store.payments import disputes, payments


def subject_of(owner_id: str, dispute_id: str) -> Subject:
    """What a transfer about a lost dispute that counts is about."""
    return Subject(owner_id, f"dispute {dispute_id}")


def books_of(row: Mapping[Any, Any]) -> Balances:
    """Where a dispute stands beside its payment's books, by its row."""
    counted = row["counted_minor"]
    lines = {
        Line(Account.RECEIVABLE, row["owner_id"], row["seller_id"], row["currency"], None): counted,
        Line(Account.BAD_DEBT, None, row["seller_id"], row["currency"], None): -counted,
    }
    return {line: amount for line, amount in lines.items() if amount}


def count_lost(connection: Connection, side: Side, now: int) -> None:
    """Count what banks gave back for good against what was credited on the same invoices. The owner is locked."""
    rows = _disputes(connection, side)
    if not rows:
        return
    credited = _credited(connection, side)
    left = max(0, -owner_balances(connection, side.owner_id).get((side.seller_id, side.currency), 0))
    counted: dict[str, int] = {}
    for row in rows:
        before, invoice_id = row["counted_minor"], row["invoice_id"]
        most = min(row["amount_minor"], credited.get(invoice_id, 0) - counted.get(invoice_id, 0))
        more = max(0, min(most - before, left))
        after = before + more if row["state"] == "lost" else 0
        left -= more if row["state"] == "lost" else 0
        counted[invoice_id] = counted.get(invoice_id, 0) + after
        if after != before:
            here = (disputes.c.owner_id == side.owner_id, disputes.c.id == row["id"])
            connection.execute(update(disputes).where(*here).values(counted_minor=after))
            reason = "the bank had given it back before the fee fell" if after else "the dispute is not lost any more"
            books = books_of({**row, "counted_minor": after})
            converge(connection, subject_of(side.owner_id, row["id"]), books, reason, now)


def correction_pending(connection: Connection, side: Side, now: int) -> bool:
    """Whether a credit note may be about to be written for a side of which a dispute was lost: what is credit is known
    once it was.
    """
    lost = any(row["state"] == "lost" for row in _disputes(connection, side))
    return lost and bool(overdue(connection, {invoice_job(side, now).key}, now))


def _disputes(connection: Connection, side: Side) -> list[dict[str, Any]]:
    """Those that are lost, or that counted once; the oldest first."""
    paid = and_(payments.c.owner_id == disputes.c.owner_id, payments.c.id == disputes.c.payment_id)
    mine = [disputes.c[name] == value for name, value in side._asdict().items()]
    matters = (disputes.c.state == "lost") | (disputes.c.counted_minor > 0)
    statement = select(disputes, payments.c.invoice_id).join(payments, paid).where(*mine, matters)
    order = (disputes.c.opened_at, disputes.c.id)
    return [dict(row) for row in connection.execute(statement.order_by(*order)).mappings()]


def _credited(connection: Connection, side: Side) -> dict[str, int]:
    """What credit notes take off each invoice; minor units."""
    mine = [invoices.c[name] == value for name, value in side._asdict().items()]
    statement = select(invoices.c.corrects, func.sum(-invoices.c.total_minor)).where(
        *mine, invoices.c.kind == CREDIT_NOTE, invoices.c.corrects.is_not(None)
    )
    return {name: int(minor) for name, minor in connection.execute(statement.group_by(invoices.c.corrects))}
