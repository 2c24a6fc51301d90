"""The lock under which an owner's invoices, payments and credits change: the owner's own row."""

from sqlalchemy import Connection, select

from billing.store.tables import owners
from sessions.database import for_update


def lock_owner(connection: Connection, owner_id: str) -> None:
    """Hold the owner's row until the transaction ends; on SQLite the write transaction itself is the lock.

    It comes before the locks of sellers' numbers and of steps, and is never held during a call to somebody else's
    server.
    """
    connection.execute(for_update(connection, select(owners.c.id).where(owners.c.id == owner_id)))
