"""The bank's lines as people read them: which wait, what each may be, how much is not explained. Reads only."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, tuple_

from billing.reconcile.bank.lines import OPEN, PAYMENT
from billing.reconcile.bank.matching import Proposal
from billing.store.invoices import invoices
from billing.store.reconciliation import LINE_OPEN, bank_lines
from sessions.sites import Unknown


def lines_after(
    connection: Connection,
    *,
    seller_id: str | None = None,
    state: str | None = OPEN,
    after: tuple[int, str, str] | None = None,
    most: int = 50,
) -> list[dict[str, Any]]:
    """Up to `most` lines behind (booked_at, seller, id), oldest first: what waits longest stands first."""
    place = (bank_lines.c.booked_at, bank_lines.c.seller_id, bank_lines.c.id)
    statement = select(bank_lines).order_by(*place).limit(most)
    if seller_id is not None:
        statement = statement.where(bank_lines.c.seller_id == seller_id)
    if state is not None:
        statement = statement.where(LINE_OPEN if state == OPEN else bank_lines.c.state == state)
    if after is not None:
        statement = statement.where(tuple_(*place) > after)
    return [dict(row) for row in connection.execute(statement).mappings()]


def proposals_of(row: Mapping[str, Any]) -> list[Proposal]:
    """What a line may be, likeliest first."""
    return [Proposal(**said) for said in json.loads(row["proposal"])] if row["proposal"] else []


def suspended(connection: Connection) -> Counter[tuple[str, str]]:
    """How much waits to be explained, by (seller, currency), in minor units."""
    found: Counter[tuple[str, str]] = Counter()
    columns = (bank_lines.c.seller_id, bank_lines.c.currency, bank_lines.c.amount_minor)
    for seller_id, currency, amount in connection.execute(select(*columns).where(LINE_OPEN)):
        found[seller_id, currency] += amount
    return found


def invoice_called(connection: Connection, seller_id: str, name: str) -> tuple[str, str]:
    """The owner and id of the invoice that people call `name`. Raises `Unknown`."""
    statement = select(invoices.c.owner_id, invoices.c.id).where(
        invoices.c.seller_id == seller_id, invoices.c.name == name
    )
    found = connection.execute(statement).first()
    if found is None:
        raise Unknown("invoice", name)
    return str(found[0]), str(found[1])


def to_record(owner_id: str, invoice_id: str | None = None) -> Proposal:
    """A person's own word for a line: a payment of this owner."""
    return replace(Proposal(PAYMENT, "", owner_id=owner_id), invoice_id=invoice_id)
