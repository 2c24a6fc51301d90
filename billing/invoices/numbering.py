"""Gapless numbers: 1, 2, 3 … within a seller and a series, each given in the transaction that issues what it numbers.

A series is a prefix and a year of the seller's books; credit notes have their own. Whoever issues holds the seller's
counters until the commit, so a number that was given and not used cannot be.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select, update

from billing.invoices.policy import CREDIT_NOTES, Policy
from billing.store.invoices import invoice_numbers
from sessions.statements import bulk_insert, for_update


def series_at(policy: Policy, seller_id: str, zone: ZoneInfo, now: int) -> tuple[str, str]:
    """The series of invoices and of credit notes: `ACME-2026`, `ACME-C-2026`."""
    year = datetime.fromtimestamp(now, UTC).astimezone(zone).year
    prefix = policy.prefix_of(seller_id)
    return f"{prefix}-{year}", f"{prefix}{CREDIT_NOTES}-{year}"


def lock_numbers(connection: Connection, seller_id: str, series: Sequence[str]) -> None:
    """Hold these counters of a seller, in their own order, until the transaction ends."""
    bulk_insert(connection, invoice_numbers, ("seller_id", "series", "last"), [(seller_id, one, 0) for one in series])
    held = select(invoice_numbers.c.last).where(
        invoice_numbers.c.seller_id == seller_id, invoice_numbers.c.series.in_(series)
    )
    connection.execute(for_update(held.order_by(invoice_numbers.c.series))).all()


def next_number(connection: Connection, seller_id: str, series: str) -> int:
    """The next number of a series whose counter is held."""
    taken = (
        update(invoice_numbers)
        .where(invoice_numbers.c.seller_id == seller_id, invoice_numbers.c.series == series)
        .values(last=invoice_numbers.c.last + 1)
        .returning(invoice_numbers.c.last)
    )
    return int(connection.execute(taken).scalar_one())


def name_of(series: str, number: int) -> str:
    """What people call it: `ACME-2026-000123`."""
    return f"{series}-{number:06}"
