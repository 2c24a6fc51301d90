"""What a seller provides for debts that will not be paid: an expense now, for a loss that comes later. Write-offs
(`credits`) use it up first.
"""

from sqlalchemy import Connection, func, insert, select

from billing.decisions import AmountTooSmall, ReasonMissing
from billing.ledger import Account, Line, Subject, converge
from billing.store.arrears import provisions
from billing.store.payments import credits_given
from sessions.sites import Unknown
from sessions.statements import for_update
from sessions.store.tables import sellers

WRITE_OFF, POSTED = "write_off", "posted"  # as `credits` writes them


def lock_seller(connection: Connection, seller_id: str) -> None:
    """Two write-offs must not use up the same allowance. Taken after an owner's lock, never before one.

    Raises `Unknown`.
    """
    row = select(sellers.c.id).where(sellers.c.id == seller_id)
    if connection.execute(for_update(row)).first() is None:
        raise Unknown("seller", seller_id)


def provide(
    connection: Connection, seller_id: str, currency: str, amount_minor: int, *, reason: str, author: str, now: int
) -> int:
    """Set an amount aside for debts that will not be paid, or with one below zero no longer; answers what is there now.

    Raises `Unknown` seller, `ReasonMissing`, `AmountTooSmall` for zero or for more taken back than is there.
    """
    if not reason.strip():
        raise ReasonMissing("say why")
    lock_seller(connection, seller_id)
    there = provided_minor(connection, seller_id, currency)
    if amount_minor == 0 or there + amount_minor < 0:
        raise AmountTooSmall(f"{there} minor units are provided for: {amount_minor} cannot be added")
    count = connection.execute(select(func.count()).where(provisions.c.seller_id == seller_id)).scalar_one()
    values = {
        "seller_id": seller_id,
        "id": f"prv_{count + 1}",
        "currency": currency,
        "amount_minor": amount_minor,
        "reason": reason.strip(),
        "author": author,
        "recorded_at": now,
    }
    connection.execute(insert(provisions).values(**values))
    target = provision_books(seller_id, currency, amount_minor)
    converge(connection, Subject(seller_id, f"provision {values['id']}"), target, f"provided: {reason}", now)
    return there + amount_minor


def provision_books(seller_id: str, currency: str, amount_minor: int) -> dict[Line, int]:
    """Where a provision stands: an expense now, for a loss that comes later."""
    return {
        Line(Account.BAD_DEBT, None, seller_id, currency, None): amount_minor,
        Line(Account.ALLOWANCE, None, seller_id, currency, None): -amount_minor,
    }


def provided_minor(connection: Connection, seller_id: str, currency: str) -> int:
    """What of a seller's provisions no write-off has used up; minor units."""
    set_aside = select(func.coalesce(func.sum(provisions.c.amount_minor), 0)).where(
        provisions.c.seller_id == seller_id, provisions.c.currency == currency
    )
    used = select(func.coalesce(func.sum(credits_given.c.allowance_minor), 0)).where(
        credits_given.c.seller_id == seller_id,
        credits_given.c.currency == currency,
        credits_given.c.kind == WRITE_OFF,
        credits_given.c.state == POSTED,
    )
    return int(connection.execute(set_aside).scalar_one()) - int(connection.execute(used).scalar_one())
