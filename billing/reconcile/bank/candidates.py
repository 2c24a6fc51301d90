"""What a seller's open bank lines may be, read from the tables: payouts awaited, invoices still open, payments recorded
by hand. Reads only.
"""

from collections.abc import Collection, Sequence
from itertools import chain

from sqlalchemy import Column, ColumnElement, Connection, exists, select

from billing.invoices.standing import standings
from billing.payments.by_hand import HAND
from billing.reconcile.bank.matching import Awaited, Bill, Held, numbers_in
from billing.reconcile.bank.reading import BankLine
from billing.store.invoices import invoices
from billing.store.payments import payments
from billing.store.reconciliation import bank_lines, payouts
from sessions.statements import one_of

MOST_OF_AN_AMOUNT = 2_000  # the latest; more of one amount explain nothing


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
    """Invoices that the lines may name, or that ask for an amount of theirs, as far as they are still open.

    An amount is shared by thousands, a number is not: those of an amount are bounded and never crowd out one that is
    named.
    """
    came_in = [line for line in lines if line.amount_minor > 0]
    numbers = set(chain.from_iterable(numbers_in(line.text) for line in came_in))
    amounts = {line.amount_minor for line in came_in}
    here = (invoices.c.seller_id == seller_id, invoices.c.kind == "invoice")
    named = select(invoices.c.owner_id).where(*here, one_of(connection, invoices.c.number, numbers)).distinct()
    latest = select(invoices.c.owner_id).where(*here, one_of(connection, invoices.c.due_minor, amounts))
    by_amount = latest.order_by(invoices.c.issued_at.desc()).limit(MOST_OF_AN_AMOUNT)
    owner_ids = {owner_id for statement in (named, by_amount) for owner_id in connection.execute(statement).scalars()}
    return _open(connection, seller_id, owner_ids)


def _open(connection: Connection, seller_id: str, owner_ids: Collection[str]) -> list[Bill]:
    """Every open invoice of these owners with the seller."""
    return [
        Bill(side.owner_id, invoice.id, invoice.name, side.currency, open_minor)
        for side, standing in standings(connection, owner_ids).items()
        if side.seller_id == seller_id
        for invoice in standing.documents
        if (open_minor := standing.open_minor(invoice.id))
    ]
