"""An owner leaves: what identifies them is erased, every key and sign-in of theirs is closed, their devices and the
mail that waits for them are forgotten.
"""

import json

from sqlalchemy import Connection, delete, func, select, update

from api.access.letters import ACCOUNT_LETTER, CONFIRM_ADDRESS, SIGN_IN_LINK
from api.access.tables import access_keys, devices
from billing.erasure import ERASED, erase_person
from billing.listing import Wanted, Where, sessions_after
from billing.owners import Owner, owner
from billing.store.tables import jobs


class StillPluggedIn(Exception):
    """A car of theirs stands at a stall: nobody could tell them any more that it costs."""


def erase_owner(connection: Connection, owner_id: str, now: int) -> None:
    """What is owed is no obstacle: leaving is a right, and the books keep the debt. Said twice it is done once.

    Raises `OwnerUnknown`, `StillPluggedIn`.
    """
    if standing := sessions_after(connection, Wanted(owner_id=owner_id, where=Where.RUNNING), None, 1):
        raise StillPluggedIn(f"session {standing[0].key.id} runs: unplug first")
    _forget_mail(connection, owner(connection, owner_id))
    erase_person(connection, owner_id, now)
    closed = {"label": ERASED, "device_id": None, "revoked_at": func.coalesce(access_keys.c.revoked_at, now)}
    connection.execute(update(access_keys).where(access_keys.c.owner_id == owner_id).values(**closed))
    connection.execute(delete(devices).where(devices.c.owner_id == owner_id))


def _forget_mail(connection: Connection, leaver: Owner) -> None:
    """Letters that were not sent, or could not be, name the address they would go to."""
    kinds = (SIGN_IN_LINK, CONFIRM_ADDRESS, ACCOUNT_LETTER)
    address = (leaver.email or "").lower()
    waiting = connection.execute(select(jobs.c.key, jobs.c.body).where(jobs.c.kind.in_(kinds))).all()
    theirs = [
        key
        for key, body in ((key, json.loads(text)) for key, text in waiting)
        if body.get("owner_id") == leaver.id or (address and body.get("email", "").lower() == address)
    ]
    connection.execute(delete(jobs).where(jobs.c.key.in_(theirs)))
