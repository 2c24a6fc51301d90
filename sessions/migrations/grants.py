"""What the role that the product runs as may do on PostgreSQL: read everything, write what is meant to change, and of
facts, transfers and entries only append.

The triggers (`guards.py`) stop mistakes of whoever is connected; a role that lacks the right cannot even switch them
off. So the schema belongs to one role, which migrates, and the servers and workers run as another.
"""

from sqlalchemy import Connection, text

from sessions.migrations import one_at_a_time
from sessions.migrations.guards import APPEND_ONLY

READ_ONLY = ("alembic_version", "deployment")


class RoleUnusable(ValueError):
    """The role cannot be what the product runs as; the message says what to do."""


def grant(connection: Connection, role: str) -> None:
    """Give `role` exactly what the product needs in the schema of this connection, and take away the rest.

    Safe to repeat, and to be repeated after each migration: new tables are granted then. Raises `RoleUnusable`.
    """
    if connection.dialect.name != "postgresql":
        raise RoleUnusable("SQLite has no roles: leave the role out, and guard the file by the system's own rights")
    one_at_a_time(connection)
    _check(connection, role)
    quoted = connection.dialect.identifier_preparer.quote_identifier
    schema = quoted(str(connection.execute(text("SELECT current_schema()")).scalar_one()))
    tables = connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).scalars()
    connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {quoted(role)}"))
    for table in sorted(tables):
        rights = "SELECT" if table in READ_ONLY else "SELECT, INSERT"
        if table not in (*READ_ONLY, *APPEND_ONLY):
            rights += ", UPDATE, DELETE"
        for holder in (quoted(role), "PUBLIC"):
            connection.execute(text(f"REVOKE ALL ON {schema}.{quoted(table)} FROM {holder}"))
        connection.execute(text(f"GRANT {rights} ON {schema}.{quoted(table)} TO {quoted(role)}"))


def _check(connection: Connection, role: str) -> None:
    """A role that owns the tables, or belongs to one that does, may do anything to them whatever is granted."""
    known = connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role}).first()
    if known is None:
        raise RoleUnusable(f"there is no role {role}: CREATE ROLE {role} LOGIN, then migrate again")
    if known.rolsuper:
        raise RoleUnusable(f"{role} is a superuser, whom nothing is forbidden: let the product run as another role")
    owned = text(
        "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' "
        "AND pg_has_role(:role, relowner, 'MEMBER')"
    )
    if connection.execute(owned, {"role": role}).scalar_one():
        raise RoleUnusable(
            f"{role} owns the tables, so it may change what is posted: migrate as another role (IDLEFEE_MIGRATION_URL)"
        )
