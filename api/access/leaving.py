"""An owner leaves: what identifies them is erased, every key and sign-in of theirs is closed, their devices and the
mail that waits for them are forgotten.
"""

from sqlalchemy import Connection, delete, func, update

from api.access.letters import forget_letters
from api.access.tables import access_keys, devices
from billing.erasure import ERASED, erase_person
from billing.listing import Wanted, Where, sessions_after
from billing.owners import owner
from billing.periods.trail import record


class StillPluggedIn(Exception):
    """A car of theirs stands at a stall: nobody could tell them any more that it costs."""


def erase_owner(connection: Connection, owner_id: str, now: int, author: str | None = None) -> None:
    """What is owed is no obstacle: leaving is a right, and the books keep the debt. Said twice it is done once.

    Without an `author` it is the owner's own deed.
    Raises `OwnerUnknown`, `StillPluggedIn`.
    """
    if standing := sessions_after(connection, Wanted(owner_id=owner_id, where=Where.RUNNING), None, 1):
        raise StillPluggedIn(f"session {standing[0].key.id} runs: unplug first")
    forget_letters(connection, owner_id, owner(connection, owner_id).email)
    erase_person(connection, owner_id, now)
    record(connection, author=author or f"owner:{owner_id}", what="owner_erased", subject=f"owner {owner_id}", now=now)
    closed = {"label": ERASED, "device_id": None, "revoked_at": func.coalesce(access_keys.c.revoked_at, now)}
    connection.execute(update(access_keys).where(access_keys.c.owner_id == owner_id).values(**closed))
    connection.execute(delete(devices).where(devices.c.owner_id == owner_id))
