"""Payments that no card processor knows: handed over, or come by bank transfer, and written down by somebody.

What is recorded here has arrived already. A record has its name from what it says: written down twice it is there
once, reversed and written down again it stands again. Matching bank lines is `billing.reconcile.bank`'s.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from billing.decisions import ReasonMissing
from billing.invoices.sides import Side
from billing.ledger import Account, Line, converge
from billing.money import is_currency
from billing.owners import owner
from billing.payments.books import subject_of
from billing.payments.cases import look_at_all_of
from billing.payments.collecting import collect_what_stands_again
from billing.payments.credits import reverse_what_is_paid
from billing.payments.locks import lock_owner
from billing.periods import trail
from billing.store.invoices import invoices
from billing.store.payments import BY_HAND, payments
from sessions.sites import Unknown
from sessions.store.tables import sellers

HAND, BANK = "hand", "bank"


class BadRecord(ValueError):
    """What was written down cannot be a payment; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Money of an owner that a seller has. `reference` is what tells it from others: a receipt's number, the bank's
    words. `received_at` in UTC seconds. `means` is `hand`, or `bank` for what a bank line stands behind.
    """

    owner_id: str
    seller_id: str
    currency: str
    amount_minor: int
    reference: str
    received_at: int
    invoice_id: str | None = None
    means: str = HAND

    @property
    def id(self) -> str:
        said = (self.owner_id, self.seller_id, self.currency, self.amount_minor, self.reference, self.means)
        return "pay_" + hashlib.blake2b("\0".join(map(str, said)).encode(), digest_size=12).hexdigest()


def books_of(row: Mapping[str, Any]) -> dict[Line, int]:
    """Where a payment by hand or bank should stand, by its row in `payments`; nowhere once it was reversed.

    One by hand is in the bank at once. One that a bank line stands behind takes what the line put in suspense.
    """
    if row["state"] != "succeeded":
        return {}
    came_to = Account.BANK if row["means"] == HAND else Account.SUSPENSE
    seller_id, currency, amount = row["seller_id"], row["currency"], row["captured_minor"]
    return {
        Line(came_to, None, seller_id, currency, None): amount,
        Line(Account.RECEIVABLE, row["owner_id"], seller_id, currency, None): -amount,
    }


def record(connection: Connection, received: Received, *, author: str, now: int) -> bool:
    """Write a payment down and post it; False if it stood already. Raises `BadRecord`, `OwnerUnknown`, `Unknown`."""
    check(connection, received, now)
    lock_owner(connection, received.owner_id)
    before = payment_row(connection, received.owner_id, received.id)
    if before is not None and before["state"] == "succeeded":
        return False
    values = {
        "owner_id": received.owner_id,
        "id": received.id,
        "seller_id": received.seller_id,
        "currency": received.currency,
        "invoice_id": received.invoice_id,
        "means": received.means,
        "amount_minor": received.amount_minor,
        "captured_minor": received.amount_minor,
        "state": "succeeded",
        "failure_text": None,
        "reference": received.reference,
        "changed_at": now,
        "succeeded_at": received.received_at,
    }
    if before is None:
        connection.execute(insert(payments).values(**values, author=author, created_at=now))
    else:
        connection.execute(update(payments).where(_named(received.owner_id, received.id)).values(**values))
        trail.record(
            connection, author=author, what="payment_recorded_again", subject=f"payment {received.id}", now=now
        )
    _post(connection, received.owner_id, received.id, f"received: {received.reference}", now)
    theirs = Side(received.owner_id, received.seller_id, received.currency)
    reverse_what_is_paid(connection, *theirs, received.amount_minor, now)
    look_at_all_of(connection, received.owner_id, received.seller_id, now)
    return True


def reverse(connection: Connection, owner_id: str, payment_id: str, *, reason: str, author: str, now: int) -> bool:
    """Take a mistaken record back by a new transfer; False if that was done already.

    Raises `ReasonMissing`; `Unknown` for a payment that is not there; `BadRecord` for one that was not written down by
    hand, or that was refunded meanwhile.
    """
    if not reason.strip():
        raise ReasonMissing("a decision states its reason")
    lock_owner(connection, owner_id)
    before = payment_row(connection, owner_id, payment_id)
    if before is None:
        raise Unknown("payment", payment_id)
    if before["means"] not in (HAND, BANK):
        raise BadRecord("a card's payment is refunded, not reversed")
    if before["state"] != "succeeded":
        return False
    if before["refunded_minor"] or before["refunding_minor"]:
        raise BadRecord("part of it was paid back: it cannot have been a mistake as a whole")
    trail.record(
        connection, author=author, what="payment_reversed", subject=f"payment {payment_id}", now=now, reason=reason
    )
    said = {"state": "cancelled", "failure_text": f"{reason} ({author})", "changed_at": now}
    connection.execute(update(payments).where(_named(owner_id, payment_id)).values(**said))
    _post(connection, owner_id, payment_id, f"reversed: {reason}", now)
    collect_what_stands_again(connection, Side(owner_id, before["seller_id"], before["currency"]), now)
    return True


def payment_row(connection: Connection, owner_id: str, payment_id: str) -> Mapping[str, Any] | None:
    found = connection.execute(select(payments).where(_named(owner_id, payment_id))).mappings().first()
    return None if found is None else dict(found)


def recorded(connection: Connection, most: int) -> list[Mapping[str, Any]]:
    """The latest payments that somebody wrote down or that a bank line stands behind, newest first."""
    order = (payments.c.created_at.desc(), payments.c.owner_id.desc(), payments.c.id.desc())
    statement = select(payments).where(BY_HAND).order_by(*order).limit(most)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _post(connection: Connection, owner_id: str, payment_id: str, reason: str, now: int) -> None:
    row = payment_row(connection, owner_id, payment_id)
    if row is not None:
        converge(connection, subject_of(owner_id, payment_id), books_of(row), reason, now)


def _named(owner_id: str, payment_id: str) -> Any:
    return (payments.c.owner_id == owner_id) & (payments.c.id == payment_id)


def check(connection: Connection, received: Received, now: int) -> None:
    """Raises `BadRecord`, `OwnerUnknown` or `Unknown` for what cannot have been received by `now`."""
    owner(connection, received.owner_id)
    if connection.execute(select(sellers.c.id).where(sellers.c.id == received.seller_id)).first() is None:
        raise Unknown("seller", received.seller_id)
    if not is_currency(received.currency):
        raise BadRecord(f"{received.currency!r} is no currency")
    if received.amount_minor <= 0:
        raise BadRecord("a payment is above zero")
    if not received.reference.strip():
        raise BadRecord("a payment needs a reference that tells it from others: a receipt's number, the bank's words")
    if received.received_at > now:
        raise BadRecord("it cannot have come before it came: the moment lies ahead")
    if received.invoice_id is None:
        return
    statement = select(invoices.c.seller_id, invoices.c.currency).where(
        invoices.c.owner_id == received.owner_id, invoices.c.id == received.invoice_id
    )
    found = connection.execute(statement).first()
    if found is None:
        raise Unknown("invoice", received.invoice_id)
    if tuple(found) != (received.seller_id, received.currency):
        raise BadRecord("that invoice is another seller's, or in another currency")
