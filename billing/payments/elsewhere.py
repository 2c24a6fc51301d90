"""Refunds that somebody made at the processor itself: nobody here said whether the owner owes the amount again.

Until a person has decided it is owed and not asked for (`standing`), and stands in finance's queue. What only returned
an owner's credit needs nobody's decision. The decision itself is taken where refunds are decided (`refunds`).
"""

from sqlalchemy import Connection, select, update

from billing.invoices.sides import Side
from billing.invoices.standing import standing
from billing.payments.rows import Payment
from billing.store.payments import TO_DECIDE, refunds

MADE_ELSEWHERE = "elsewhere"  # the reason of a refund that nobody asked for here
ENGINE = "idlefee"
WAS_CREDIT = "it was the owner's credit"


def owed_again_minor(connection: Connection, payment: Payment, amount_minor: int) -> int:
    """What of an amount that went back of a payment the owner owes again; minor units. The owner is locked."""
    stands = standing(connection, Side(payment.owner_id, payment.seller_id, payment.currency))
    owed = stands.allocation.owed_minor if payment.invoice_id is None else stands.open_minor(payment.invoice_id)
    return max(0, min(amount_minor, owed))


def decide_what_was_credit(connection: Connection, payment: Payment, now: int) -> None:
    """Whoever was given back what was theirs anyway owes nothing again. Caller holds the owner's lock."""
    here = (refunds.c.owner_id == payment.owner_id, refunds.c.payment_id == payment.id, TO_DECIDE)
    for row in connection.execute(select(refunds).where(*here, refunds.c.withdrawn_minor > 0)).mappings().all():
        if not owed_again_minor(connection, payment, row["amount_minor"]):
            decided = {"decided_by": ENGINE, "decided_at": now, "decided_because": WAS_CREDIT}
            connection.execute(update(refunds).where(*here, refunds.c.id == row["id"]).values(**decided))


def to_decide_after(connection: Connection, most: int) -> list[dict[str, object]]:
    """Up to `most` that nobody decided about, the oldest first."""
    order = (refunds.c.asked_at, refunds.c.owner_id, refunds.c.id)
    statement = select(refunds).where(TO_DECIDE).order_by(*order).limit(most)
    return [dict(row) for row in connection.execute(statement).mappings()]
