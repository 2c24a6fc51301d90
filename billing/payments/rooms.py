"""How much may go back: of a payment, what was captured, less what was refunded, less what is on its way, less what is
disputed (Stripe, "Refund and cancel payments"); to an owner, what is their credit. Called under the owner's lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, func, or_, select, update

from billing.ledger import owner_balances
from billing.store.payments import payments, refunds

State = Literal["asked", "approved", "sent", "pending", "succeeded", "failed", "refused"]  # of a refund
ASKED, APPROVED, SENT, PENDING = "asked", "approved", "sent", "pending"
SUCCEEDED, FAILED, REFUSED = "succeeded", "failed", "refused"
ON_ITS_WAY = (ASKED, APPROVED, SENT, PENDING)
GOODWILL = "goodwill"  # its credit is given once it is approved


class TooMuch(Exception):
    """More than is left of the payment, or than is the owner's; the message says how much is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What can still be sent back of a payment; minor units."""

    captured_minor: int
    refunded_minor: int
    on_its_way_minor: int
    disputed_minor: int

    @property
    def left_minor(self) -> int:
        """Captured − refunded − on its way − disputed; never below zero."""
        return max(0, self.captured_minor - self.refunded_minor - self.on_its_way_minor - self.disputed_minor)


def room_of(connection: Connection, payment: Mapping[str, Any], besides: str | None = None) -> Room:
    """What is left of a payment, by its row; `besides` names a refund that is not counted. Caller holds the lock."""
    going = select(func.coalesce(func.sum(refunds.c.amount_minor), 0)).where(
        refunds.c.owner_id == payment["owner_id"],
        refunds.c.payment_id == payment["id"],
        refunds.c.state.in_(ON_ITS_WAY),
    )
    if besides is not None:
        going = going.where(refunds.c.id != besides)
    return Room(
        captured_minor=payment["captured_minor"],
        refunded_minor=payment["refunded_minor"],
        on_its_way_minor=int(connection.execute(going).scalar_one()),
        disputed_minor=payment["disputed_minor"],
    )


def credit_of(connection: Connection, owner_id: str, seller_id: str, currency: str, besides: str | None = None) -> int:
    """What is the owner's and not promised to them yet; minor units, zero where they owe.

    Promised is what a refund on its way will still take of the books, however far it got at the processor.
    """
    promised = select(func.coalesce(func.sum(refunds.c.amount_minor - refunds.c.withdrawn_minor), 0)).where(
        refunds.c.owner_id == owner_id,
        refunds.c.seller_id == seller_id,
        refunds.c.currency == currency,
        refunds.c.state.in_(ON_ITS_WAY),
        or_(refunds.c.reason_code != GOODWILL, refunds.c.state != ASKED),
    )
    if besides is not None:
        promised = promised.where(refunds.c.id != besides)
    owed = owner_balances(connection, owner_id).get((seller_id, currency), 0)
    return max(0, -owed - int(connection.execute(promised).scalar_one()))


def recount(connection: Connection, owner_id: str, payment_id: str) -> None:
    """Let the payment's row say what went back and what is on its way, as the refunds' rows do. The owner is locked."""
    amount = refunds.c.amount_minor
    sums = select(
        func.coalesce(func.sum(amount).filter(refunds.c.state == SUCCEEDED), 0),
        func.coalesce(func.sum(amount).filter(refunds.c.state.in_(ON_ITS_WAY)), 0),
    ).where(refunds.c.owner_id == owner_id, refunds.c.payment_id == payment_id)
    went, goes = connection.execute(sums).one()
    here = (payments.c.owner_id == owner_id, payments.c.id == payment_id)
    connection.execute(update(payments).where(*here).values(refunded_minor=int(went), refunding_minor=int(goes)))
