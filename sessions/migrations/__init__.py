"""The one Alembic history of the one schema, SQLite and PostgreSQL alike, and the guards it installs."""

from sqlalchemy import Connection, text

LOCK = 3_141_720_021  # any number that nobody else on this database takes an advisory lock of


def one_at_a_time(connection: Connection) -> None:
    """Processes that start together migrate one after the other, until the end of this transaction.

    SQLite's write transaction is such a lock already. PostgreSQL would let two create the same first table.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
