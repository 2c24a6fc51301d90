"""An owner leaves: what identifies them is erased, every key and sign-in of theirs is closed, their devices are
forgotten.
"""

from sqlalchemy import Connection, delete, func, update

from api.access.tables import access_keys, devices
from billing.erasure import ERASED, erase_person


def erase_owner(connection: Connection, owner_id: str, now: int) -> None:
    """Raises `OwnerUnknown`."""
    erase_person(connection, owner_id, now)
    closed = {"label": ERASED, "device_id": None, "revoked_at": func.coalesce(access_keys.c.revoked_at, now)}
    connection.execute(update(access_keys).where(access_keys.c.owner_id == owner_id).values(**closed))
    connection.execute(delete(devices).where(devices.c.owner_id == owner_id))
