"""What owners pay with: whom the processor knows them as, the cards they let a seller charge, and the proof of it.

How a card comes here is `setups`' business, what is collected with it `collecting`'s. Cards' numbers never come here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, delete, select, update

from billing.jobs import Job, Lease, schedule
from billing.payments import rows
from billing.payments.locks import lock_owner
from billing.payments.patience import patient
from billing.payments.processor import Processor
from billing.payments.rows import Payment
from billing.payments.seen import look_at_arrears
from billing.store.payments import customers, payment_methods
from sessions.sites import Unknown

DETACH = "detach_card"
FORGET = "forget_customer"
NO_METHOD = "no_payment_method"  # why an invoice waits that no card is there for


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A card that a seller may charge, and what proves it. `id` is the processor's name for it."""

    owner_id: str
    seller_id: str
    id: str
    kind: str
    brand: str | None
    last4: str | None
    expires: str | None
    consent: str
    consent_at: int
    consent_ref: str
    default_since: int | None
    added_at: int


_METHOD = [payment_methods.c[field.name] for field in fields(Method)]


def methods_of(connection: Connection, owner_id: str, seller_id: str | None = None) -> list[Method]:
    """The cards that may be charged, by seller, each seller's default first."""
    statement = select(*_METHOD).where(payment_methods.c.owner_id == owner_id, payment_methods.c.ended_at.is_(None))
    if seller_id is not None:
        statement = statement.where(payment_methods.c.seller_id == seller_id)
    found = [Method(**row) for row in connection.execute(statement).mappings()]
    return sorted(found, key=lambda one: (one.seller_id, -(one.default_since or 0), -one.added_at, one.id))


def default_method(connection: Connection, owner_id: str, seller_id: str) -> Method | None:
    """The card that is charged: the one that was made the default last."""
    return next(iter(methods_of(connection, owner_id, seller_id)), None)


def customer_of(connection: Connection, owner_id: str, seller_id: str) -> str | None:
    """Whom the processor knows the owner as."""
    theirs = (customers.c.owner_id == owner_id, customers.c.seller_id == seller_id)
    return connection.execute(select(customers.c.processor_ref).where(*theirs)).scalar_one_or_none()


# -- removing ---------------------------------------------------------------------------------


def remove(connection: Connection, owner_id: str, method_id: str, now: int, because: str = "removed") -> None:
    """The card is charged no more from now on; the processor is told by a step. Raises `Unknown`."""
    lock_owner(connection, owner_id)
    known_method(connection, owner_id, method_id)
    end(connection, owner_id, method_id, now, because)
    detach_later(connection, method_id, now)


def detach_later(connection: Connection, method_id: str, now: int) -> None:
    """Have the processor told that a card is charged no more."""
    schedule(connection, [Job(f"{DETACH}:{method_id}", DETACH, now, {"method_id": method_id})], now)


def end(connection: Connection, owner_id: str, method_id: str, now: int, because: str) -> None:
    """Write down that the card cannot be charged any more."""
    open_ = (*named(owner_id, method_id), payment_methods.c.ended_at.is_(None))
    connection.execute(update(payment_methods).where(*open_).values(ended_at=now, ended_because=because))


def forget_owner(connection: Connection, owner_id: str, now: int) -> None:
    """A person leaves: no card is charged any more, nothing here tells cards apart, and a step takes them out of the
    processor's records. What was agreed to and when stays: payments rest on it.
    """
    theirs = payment_methods.c.owner_id == owner_id
    open_ = (theirs, payment_methods.c.ended_at.is_(None))
    connection.execute(update(payment_methods).where(*open_).values(ended_at=now, ended_because="left"))
    connection.execute(update(payment_methods).where(theirs).values(brand=None, last4=None, expires=None))
    refs = connection.execute(select(customers.c.processor_ref).where(customers.c.owner_id == owner_id)).scalars()
    schedule(connection, [Job(f"{FORGET}:{ref}", FORGET, now, {"customer_ref": ref}) for ref in refs], now)


def forget_customer(connection: Connection, customer_ref: str, now: int) -> None:
    """The processor knows no such person any more: their cards cannot be charged, the next card makes a new one, and
    what is open waits for it. The owner is locked by the caller.
    """
    here = customers.c.processor_ref == customer_ref
    row = connection.execute(select(customers.c.owner_id, customers.c.seller_id).where(here)).first()
    if row is None:
        return
    theirs = (payment_methods.c.owner_id == row.owner_id, payment_methods.c.seller_id == row.seller_id)
    over = {"ended_at": now, "ended_because": "removed at the processor"}
    connection.execute(update(payment_methods).where(*theirs, payment_methods.c.ended_at.is_(None)).values(**over))
    connection.execute(delete(customers).where(here))
    for payment in rows.payments_of(connection, row.owner_id):
        if payment.seller_id == row.seller_id and payment.means == rows.CARD and payment.state in rows.MAY_BE_TRIED:
            wait_for_card(connection, payment, now)


def wait_for_card(connection: Connection, payment: Payment, now: int) -> None:
    """No card is there to be charged: the invoice waits, and the owner is told by who looks at arrears."""
    if payment.failure_code != NO_METHOD or payment.state != rows.NEEDS_OWNER:
        text = "no card is there to be charged"
        rows.change(connection, payment, now, state=rows.NEEDS_OWNER, failure_code=NO_METHOD, failure_text=text)
        look_at_arrears(connection, payment, now)


def owner_called(connection: Connection, customer_ref: str) -> str | None:
    """Whom the processor's name stands for."""
    here = customers.c.processor_ref == customer_ref
    return connection.execute(select(customers.c.owner_id).where(here)).scalar_one_or_none()


def named(owner_id: str, method_id: str) -> Sequence[Any]:
    return payment_methods.c.owner_id == owner_id, payment_methods.c.id == method_id


def known_method(connection: Connection, owner_id: str, method_id: str) -> Method:
    found = next((one for one in methods_of(connection, owner_id) if one.id == method_id), None)
    if found is None:
        raise Unknown("payment method", method_id)
    return found


class Cards:
    """The steps that tell the processor of a card or a person that is gone. Done twice they are done once."""

    def __init__(self, processor: Processor | None) -> None:
        self._processor = processor

    def detach(self, lease: Lease) -> None:
        (job,) = lease.jobs
        with patient(lease):
            if self._processor is not None:
                self._processor.detach(job.body["method_id"])
            with lease.transaction():
                pass

    def forget(self, lease: Lease) -> None:
        (job,) = lease.jobs
        with patient(lease):
            if self._processor is not None:
                self._processor.delete_customer(job.body["customer_ref"])
            with lease.transaction():
                pass
