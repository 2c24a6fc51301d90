"""Erasing a person: the books stay, the person goes. What identifies them is taken out of every table that knows them;
facts, events and entries name them by ids that say nothing, and keep doing so. The name on an invoice that was issued
stays: the law asks its seller to keep it.

Who may ask for it, and their keys and devices, are the doors' business (`api.access.leaving`).
"""

from sqlalchemy import Connection, and_, delete, exists, func, or_, select, update

from billing.notices.handing import stop_telling
from billing.owners import owner
from billing.payments.methods import forget_owner
from billing.store.reconciliation import bank_lines
from billing.store.tables import contacts, deliveries, mutes, notices, owners, preferences, token_holders, vehicles
from sessions.store.tables import tokens

ERASED = "erased"


def erase_person(connection: Connection, owner_id: str, now: int) -> None:
    """Raises `OwnerUnknown`. Said twice it is done once.

    The tokens end first: what they are used for from now on is nobody's. A token that stands, or stood, for somebody
    else too keeps its number, which is theirs. Of notices the words go, and what a channel called them; that one was
    told, when and on which channel stays, since a bill may rest on it.
    """
    owner(connection, owner_id)
    _end_tokens(connection, owner_id, now)
    stop_telling(connection, owner_id)
    theirs = select(token_holders.c.token_id).where(token_holders.c.owner_id == owner_id)
    others = exists().where(token_holders.c.token_id == tokens.c.id, token_holders.c.owner_id != owner_id)
    connection.execute(update(tokens).where(tokens.c.id.in_(theirs), ~others).values(uid=None))
    forget_owner(connection, owner_id, now)
    for table in (contacts, mutes, preferences):
        connection.execute(delete(table).where(table.c.owner_id == owner_id))
    connection.execute(
        update(vehicles)
        .where(vehicles.c.owner_id == owner_id)
        .values(name=ERASED, plate=None, token_id=None, removed_at=func.coalesce(vehicles.c.removed_at, now))
    )
    connection.execute(update(notices).where(notices.c.owner_id == owner_id).values(subject=ERASED, body=ERASED))
    told = exists().where(
        notices.c.site_id == deliveries.c.site_id,
        notices.c.id == deliveries.c.notice_id,
        notices.c.owner_id == owner_id,
    )
    connection.execute(update(deliveries).where(told).values(reference=None))
    connection.execute(update(bank_lines).where(bank_lines.c.owner_id == owner_id).values(text=ERASED))
    gone = {"name": None, "email": None, "language": "en", "erased_at": func.coalesce(owners.c.erased_at, now)}
    connection.execute(update(owners).where(owners.c.id == owner_id).values(**gone))


def _end_tokens(connection: Connection, owner_id: str, now: int) -> None:
    """None of their tokens stands for them from now on, not even one that would have begun to later."""
    stands = and_(
        token_holders.c.owner_id == owner_id, or_(token_holders.c.valid_to.is_(None), token_holders.c.valid_to > now)
    )
    begun = and_(stands, token_holders.c.valid_from < now)
    connection.execute(update(token_holders).where(begun).values(valid_to=now))
    connection.execute(update(token_holders).where(stands).values(valid_to=token_holders.c.valid_from))
