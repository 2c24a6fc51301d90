"""What the database itself refuses: changing or deleting facts, transfers and entries, and transfers that do not
balance.

SQLite rebuilds a table in a batch migration and forgets its triggers: such a migration calls `install` again at its
end.
"""

from collections.abc import Sequence

from alembic import op

# table → its primary key, for the guard that stops `INSERT OR REPLACE` from deleting the row it replaces
APPEND_ONLY = {
    "events": ("site_id", "station_id", "id", "digest"),
    "conflicts": ("site_id", "station_id", "event_id"),
    "facts": ("site_id", "n"),
    "tariffs": ("name", "version"),
    "tariff_assignments": ("site_id", "valid_from"),
    "transfers": ("site_id", "id"),
    "entries": ("site_id", "transfer_id", "line"),
}

# table → what else is unique in it: SQLite's REPLACE deletes a row for the sake of those too
ALSO_UNIQUE = {
    "facts": ("site_id", "key"),
    "transfers": ("site_id", "session_id", "n"),
}

_BALANCED = (
    "count(*) >= 2 AND sum(amount_minor) = 0 AND min(currency) = NEW.currency AND max(currency) = NEW.currency "
    "AND min(seller_id) = NEW.seller_id AND max(seller_id) = NEW.seller_id"
)


def install() -> None:
    """Create every guard, replacing those that are there."""
    if op.get_bind().dialect.name == "postgresql":
        _install_postgresql()
    else:
        _install_sqlite()


def remove() -> None:
    """Drop every guard, for a downgrade."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in APPEND_ONLY:
        for name in (
            f"{table}_no_update",
            f"{table}_no_delete",
            f"{table}_no_truncate",
            f"{table}_no_replace",
            f"{table}_unique",
        ):
            op.execute(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if postgresql else ""))
    for table, name in (("entries", "entries_before_transfer"), ("transfers", "transfers_balance")):
        op.execute(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if postgresql else ""))
    if postgresql:
        for function in ("refuse_change", "refuse_late_entry", "refuse_unbalanced"):
            op.execute(f"DROP FUNCTION IF EXISTS {function}()")


def _install_sqlite() -> None:
    for table, key in APPEND_ONLY.items():
        for verb in ("UPDATE", "DELETE"):
            name = f"{table}_no_{verb.lower()}"
            op.execute(f"DROP TRIGGER IF EXISTS {name}")
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        op.execute(f"DROP TRIGGER IF EXISTS {table}_no_replace")
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_same(key)}) "
            f"OR EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid) BEGIN SELECT RAISE(IGNORE); END"
        )
    for table, key in ALSO_UNIQUE.items():
        other = " OR ".join(f"{column} <> NEW.{column}" for column in APPEND_ONLY[table])
        op.execute(f"DROP TRIGGER IF EXISTS {table}_unique")
        op.execute(
            f"CREATE TRIGGER {table}_unique BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_same(key)} AND ({other})) "
            f"BEGIN SELECT RAISE(ABORT, '{table}: there is another of this {key[-1]}'); END"
        )
    op.execute("DROP TRIGGER IF EXISTS entries_before_transfer")
    op.execute(
        "CREATE TRIGGER entries_before_transfer BEFORE INSERT ON entries WHEN EXISTS "
        "(SELECT 1 FROM transfers WHERE site_id = NEW.site_id AND id = NEW.transfer_id) "
        "BEGIN SELECT RAISE(ABORT, 'no entry for a transfer that exists'); END"
    )
    op.execute("DROP TRIGGER IF EXISTS transfers_balance")
    op.execute(
        "CREATE TRIGGER transfers_balance BEFORE INSERT ON transfers WHEN "
        f"(SELECT {_BALANCED} FROM entries WHERE site_id = NEW.site_id AND transfer_id = NEW.id) IS NOT 1 "
        "AND NOT EXISTS (SELECT 1 FROM transfers WHERE site_id = NEW.site_id AND id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'a transfer needs entries of one currency and seller that sum to zero'); END"
    )


def _same(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} = NEW.{column}" for column in columns)


_POSTGRESQL_FUNCTIONS = (
    """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
    """,
    """
    CREATE OR REPLACE FUNCTION refuse_late_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT 1 FROM transfers WHERE site_id = NEW.site_id AND id = NEW.transfer_id) THEN
            RAISE EXCEPTION 'no entry for a transfer that exists' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    f"""
    CREATE OR REPLACE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT {_BALANCED} FROM entries WHERE site_id = NEW.site_id AND transfer_id = NEW.id) IS NOT TRUE THEN
            RAISE EXCEPTION 'a transfer needs entries of one currency and seller that sum to zero'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
)


def _install_postgresql() -> None:
    for function in _POSTGRESQL_FUNCTIONS:
        op.execute(function)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE OR REPLACE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE OR REPLACE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE OR REPLACE TRIGGER entries_before_transfer BEFORE INSERT ON entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_late_entry()"
    )
    op.execute(
        "CREATE OR REPLACE TRIGGER transfers_balance BEFORE INSERT ON transfers "
        "FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced()"
    )
