"""The lock under which an owner's invoices, payments and credits change: the owner's own row."""

from sqlalchemy import Connection, bindparam, select

from billing.store.tables import owners
from sessions.statements import for_update


def lock_owner(connection: Connection, owner_id: str) -> None:
    """Hold the owner's row until the transaction ends; on SQLite the write transaction itself is the lock.

    It comes before the locks of sellers' numbers and of steps, and is never held during a call to somebody else's
    server.
    """
    connection.execute(_OWNER, {"id": owner_id})


_OWNER = for_update(select(owners.c.id).where(owners.c.id == bindparam("id")))
