"""Closed months, read: what `closing` wrote down of them. Reads only."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_

from billing.store.periods import period_balances, period_revenue, period_statements, periods


class Period(NamedTuple):
    """A closed month; `checks` as JSON."""

    seller_id: str
    month: str
    starts_at: int
    ends_at: int
    closed_at: int
    author: str
    reason: str
    checks: str


class StatementRow(NamedTuple):
    """An owner's month in one currency, in minor units."""

    owner: str
    currency: str
    opening_minor: int
    fees_minor: int
    corrections_minor: int
    tax_minor: int
    payments_minor: int
    refunds_minor: int
    credits_minor: int
    write_offs_minor: int
    closing_minor: int


def periods_after(
    connection: Connection, seller_id: str | None, after: Sequence[str] | None, most: int
) -> list[Period]:
    """Up to `most` closed months behind (seller, month): by seller, the newest first."""
    c = periods.c
    statement = select(periods).order_by(c.seller_id, c.month.desc()).limit(most)
    if seller_id is not None:
        statement = statement.where(c.seller_id == seller_id)
    if after is not None:
        seller, month = after
        statement = statement.where((c.seller_id > seller) | ((c.seller_id == seller) & (c.month < month)))
    return [Period(*row) for row in connection.execute(statement)]


def period_of(connection: Connection, seller_id: str, month: str) -> Period | None:
    statement = select(periods).where(periods.c.seller_id == seller_id, periods.c.month == month)
    row = connection.execute(statement).first()
    return None if row is None else Period(*row)


def balances_of(connection: Connection, seller_id: str, month: str) -> list[dict[str, Any]]:
    """Every account's month, by currency and account."""
    c = period_balances.c
    columns = (c.currency, c.account, c.opening_minor, c.debit_minor, c.credit_minor, c.closing_minor)
    statement = select(*columns).where(c.seller_id == seller_id, c.month == month).order_by(c.currency, c.account)
    return [dict(row) for row in connection.execute(statement).mappings()]


def revenue_of(connection: Connection, seller_id: str, month: str) -> list[dict[str, Any]]:
    """The month's revenue by site, tariff and its version, tax and currency."""
    c = period_revenue.c
    by = (c.site_id.label("site"), c.tariff, c.tariff_version, c.tax_code, c.currency)
    statement = select(*by, c.sessions, c.revenue_minor, c.corrections_minor, c.tax_minor)
    mine = statement.where(c.seller_id == seller_id, c.month == month)
    ordered = mine.order_by(c.currency, c.site_id, c.tariff, c.tariff_version, c.tax_code)
    return [dict(row) for row in connection.execute(ordered).mappings()]


def statements_after(
    connection: Connection, seller_id: str, month: str, after: Sequence[str] | None, most: int
) -> list[StatementRow]:
    """Up to `most` owners' months behind (owner, currency)."""
    c = period_statements.c
    columns = (c.owner_id, *(c[name] for name in StatementRow._fields[1:]))
    statement = select(*columns).where(c.seller_id == seller_id, c.month == month)
    if after is not None:
        statement = statement.where(tuple_(c.owner_id, c.currency) > tuple(after))
    return [StatementRow(*row) for row in connection.execute(statement.order_by(c.owner_id, c.currency).limit(most))]
