"""A payment as `payments` keeps it: reading it, and the number that a look at the processor takes. No rule, no book."""

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from billing.store.payments import payments

CARD = "card"

# What a payment's state is called. The processor's own words are `processor.Status`.
PLANNED, SENT, PROCESSING, NEEDS_OWNER = "planned", "sent", "processing", "needs_owner"
FAILED, SUCCEEDED, CANCELLED = "failed", "succeeded", "cancelled"
OPEN = (PLANNED, SENT, PROCESSING, NEEDS_OWNER, FAILED)
OVER = (SUCCEEDED, CANCELLED)
MAY_BE_TRIED = (PLANNED, NEEDS_OWNER, FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What was asked of an owner, and how far it got. Amounts in minor units of `currency`, moments in UTC seconds."""

    owner_id: str
    id: str
    seller_id: str
    currency: str
    invoice_id: str | None
    means: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    refunding_minor: int
    disputed_minor: int
    fee_minor: int
    state: str
    processor_ref: str | None
    method_id: str | None
    customer_ref: str | None
    failure_code: str | None
    failure_text: str | None
    action_url: str | None
    attempts: int
    looks: int
    seen_look: int
    next_attempt_at: int | None
    frozen_because: str | None
    reference: str | None
    author: str
    created_at: int
    changed_at: int
    succeeded_at: int | None


_COLUMNS = [payments.c[field.name] for field in fields(Payment)]


def _one(connection: Connection, *where: ColumnElement[bool]) -> Payment | None:
    row = connection.execute(select(*_COLUMNS).where(*where)).mappings().first()
    return None if row is None else Payment(**row)


def payment_of(connection: Connection, owner_id: str, payment_id: str) -> Payment | None:
    return _one(connection, payments.c.owner_id == owner_id, payments.c.id == payment_id)


def payment_called(connection: Connection, processor_ref: str) -> Payment | None:
    """The payment that the processor knows by this name."""
    return _one(connection, payments.c.processor_ref == processor_ref)


def payments_for(connection: Connection, owner_id: str, invoice_id: str) -> list[Payment]:
    """Every payment that was asked for an invoice, the oldest first."""
    theirs = (payments.c.owner_id == owner_id, payments.c.invoice_id == invoice_id)
    rows = connection.execute(select(*_COLUMNS).where(*theirs).order_by(payments.c.created_at, payments.c.id))
    return [Payment(**row) for row in rows.mappings()]


def change(connection: Connection, payment: Payment, now: int, **values: Any) -> None:
    """Write what became of a payment."""
    theirs = (payments.c.owner_id == payment.owner_id, payments.c.id == payment.id)
    connection.execute(update(payments).where(*theirs).values(changed_at=now, **values))


def take_look(connection: Connection, payment: Payment) -> int:
    """The number of a look at the processor that begins now, counted in a transaction before it.

    Looks may overlap, and the one that began first may be told the older state: a row and its books follow no look that
    began before the one they tell of (`seen`). Whatever changes later is told by a later event, and looked up again.
    """
    theirs = (payments.c.owner_id == payment.owner_id, payments.c.id == payment.id)
    connection.execute(update(payments).where(*theirs).values(looks=payments.c.looks + 1))
    return int(connection.execute(select(payments.c.looks).where(*theirs)).scalar_one())


def payments_of(connection: Connection, owner_id: str, most: int = 100) -> list[Payment]:
    """What was asked of an owner, the newest first."""
    theirs = select(*_COLUMNS).where(payments.c.owner_id == owner_id)
    newest = theirs.order_by(payments.c.created_at.desc(), payments.c.id).limit(most)
    return [Payment(**row) for row in connection.execute(newest).mappings()]
