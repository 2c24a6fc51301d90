"""What a seller's open bank lines may be, read from the tables: payouts awaited, invoices still open, payments recorded
by hand. Reads only.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import chain

from sqlalchemy import Column, ColumnElement, Connection, and_, exists, or_, select

from billing.invoices.allocation import Claim, Relief, allocate
from billing.payments.by_hand import HAND
from billing.reconcile.bank.matching import Awaited, Bill, Held, numbers_in
from billing.reconcile.bank.reading import BankLine
from billing.store.invoices import invoices
from billing.store.payments import credits_given, payments
from billing.store.reconciliation import bank_lines, payouts
from sessions.database import one_of

MOST_BILLS = 2_000  # more of one amount or number explain nothing


def awaited_payouts(connection: Connection, seller_id: str) -> list[Awaited]:
    """Payouts that no bank line stands for."""
    seen = _matched(seller_id, "payout", payouts.c.id)
    statement = select(payouts.c.id, payouts.c.currency, payouts.c.amount_minor, payouts.c.arrives_at).where(
        payouts.c.seller_id == seller_id, payouts.c.status.not_in(("failed", "canceled")), ~seen
    )
    return [Awaited(*row) for row in connection.execute(statement.order_by(payouts.c.arrives_at, payouts.c.id))]


def recorded_by_hand(connection: Connection, seller_id: str) -> list[Held]:
    """Payments somebody wrote down and that no bank line stands for."""
    statement = select(
        payments.c.owner_id,
        payments.c.id,
        payments.c.currency,
        payments.c.captured_minor,
        payments.c.succeeded_at,
        payments.c.reference,
    ).where(
        payments.c.seller_id == seller_id,
        payments.c.means == HAND,
        payments.c.state == "succeeded",
        ~_matched(seller_id, "recorded", payments.c.id),
    )
    return [Held(*row) for row in connection.execute(statement.order_by(payments.c.owner_id, payments.c.id))]


def _matched(seller_id: str, kind: str, id_: Column[str]) -> ColumnElement[bool]:
    return exists().where(
        bank_lines.c.seller_id == seller_id, bank_lines.c.matched_kind == kind, bank_lines.c.matched_id == id_
    )


def open_bills(connection: Connection, seller_id: str, lines: Sequence[BankLine]) -> list[Bill]:
    """Invoices that the lines may name, or that ask for an amount of theirs, as far as they are still open."""
    came_in = [line for line in lines if line.amount_minor > 0]
    numbers = sorted(set(chain.from_iterable(numbers_in(line.text) for line in came_in)))
    amounts = sorted({line.amount_minor for line in came_in})
    likely = or_(invoices.c.number.in_(numbers), invoices.c.due_minor.in_(amounts))
    statement = (
        select(invoices.c.owner_id)
        .where(invoices.c.seller_id == seller_id, invoices.c.kind == "invoice", likely)
        .distinct()
        .limit(MOST_BILLS)
    )
    return _open(connection, seller_id, connection.execute(statement).scalars().all())


def _open(connection: Connection, seller_id: str, owner_ids: Collection[str]) -> list[Bill]:
    """Every open invoice of these owners with the seller."""
    claims: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    reliefs: dict[tuple[str, str], list[Relief]] = defaultdict(list)
    names: dict[str, str] = {}
    issued = select(invoices).where(
        one_of(connection, invoices.c.owner_id, owner_ids), invoices.c.seller_id == seller_id
    )
    for row in connection.execute(issued):
        names[row.id] = row.name
        if row.kind == "invoice":
            claims[row.owner_id, row.currency].append(Claim(row.id, row.issued_at, row.total_minor))
        else:
            reliefs[row.owner_id, row.currency].append(Relief(row.id, row.issued_at, -row.total_minor, row.corrects))
    paid = select(payments).where(
        and_(one_of(connection, payments.c.owner_id, owner_ids), payments.c.seller_id == seller_id),
        payments.c.state == "succeeded",
    )
    for row in connection.execute(paid):
        kept_minor = row.captured_minor - row.refunded_minor
        reliefs[row.owner_id, row.currency].append(Relief(row.id, row.succeeded_at or 0, kept_minor, row.invoice_id))
    given = select(credits_given).where(
        and_(one_of(connection, credits_given.c.owner_id, owner_ids), credits_given.c.seller_id == seller_id),
        credits_given.c.state == "posted",
    )
    for row in connection.execute(given):
        reliefs[row.owner_id, row.currency].append(Relief(row.id, row.asked_at, row.amount_minor))
    return [
        Bill(owner_id, invoice_id, names[invoice_id], currency, open_minor)
        for (owner_id, currency), asked in sorted(claims.items())
        for invoice_id, open_minor in allocate(asked, reliefs[owner_id, currency]).open_minor.items()
    ]
