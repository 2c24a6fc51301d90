"""What followed from a charge: the invoice lines that name its session, and the payments asked for with those invoices.

Of an owner's documents only those are read that the session stands on, by their keys.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select, tuple_

from billing.store.invoices import invoice_lines, invoices
from billing.store.payments import disputes, payment_attempts, payments, refunds
from sessions.store.queries import SessionKey

Rows = list[dict[str, Any]]


def lines_of_session(connection: Connection, owner_ids: Collection[str], key: SessionKey) -> Rows:
    """The session's lines on its owners' invoices and credit notes, each with its document, oldest first."""
    lines, papers = invoice_lines.c, invoices.c
    same = and_(papers.owner_id == lines.owner_id, papers.id == lines.invoice_id)
    document = (papers.kind, papers.name, papers.issued_at, papers.total_minor, papers.currency, papers.corrects)
    statement = (
        select(lines.owner_id, lines.invoice_id, lines.line, lines.amount_minor, lines.tax_minor, *document)
        .join(invoices, same)
        .where(lines.owner_id.in_(sorted(owner_ids)), lines.site_id == key.site_id, lines.session_id == key.id)
        .order_by(papers.issued_at, papers.name, lines.line)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def payments_of_invoices(connection: Connection, named: Collection[tuple[str, str]]) -> Rows:
    """What was asked for with these (owner, invoice), oldest first."""
    there = tuple_(payments.c.owner_id, payments.c.invoice_id).in_(sorted(named))
    return _rows(connection, payments, there, payments.c.created_at, payments.c.id) if named else []


def attempts_at(connection: Connection, named: Collection[tuple[str, str]]) -> Rows:
    """Each time the bank was asked for one of these (owner, payment)."""
    return _of_payments(connection, payment_attempts, named, payment_attempts.c.at)


def refunds_of(connection: Connection, named: Collection[tuple[str, str]]) -> Rows:
    return _of_payments(connection, refunds, named, refunds.c.asked_at)


def disputes_about(connection: Connection, named: Collection[tuple[str, str]]) -> Rows:
    return _of_payments(connection, disputes, named, disputes.c.opened_at)


def _of_payments(
    connection: Connection, table: Table, named: Collection[tuple[str, str]], order: ColumnElement[int]
) -> Rows:
    there = tuple_(table.c.owner_id, table.c.payment_id).in_(sorted(named))
    return _rows(connection, table, there, order) if named else []


def _rows(connection: Connection, table: Table, there: ColumnElement[bool], *order: ColumnElement[Any]) -> Rows:
    return [dict(row) for row in connection.execute(select(table).where(there).order_by(*order)).mappings()]
