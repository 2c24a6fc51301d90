"""What the database itself refuses: changing or deleting facts, transfers and entries, and transfers that do not
balance.

A migration that makes such a table names it here. However many migrations run, the guards are made anew at their end
(`env`): SQLite forgets the triggers of a table that is rebuilt in a batch.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import inspect

# table → its primary key, for the guard that stops `INSERT OR REPLACE` from deleting the row it replaces
APPEND_ONLY = {
    "events": ("site_id", "station_id", "id", "digest"),
    "conflicts": ("site_id", "station_id", "event_id"),
    "facts": ("site_id", "n"),
    "tariffs": ("name", "version"),
    "tariff_assignments": ("site_id", "valid_from"),
    "transfers": ("site_id", "id"),
    "entries": ("site_id", "transfer_id", "line"),
    "account_transfers": ("party_id", "id"),
    "account_entries": ("party_id", "transfer_id", "line"),
    "payment_attempts": ("owner_id", "payment_id", "n"),
    "seller_policies": ("seller_id", "n"),
    "invoices": ("owner_id", "id"),
    "invoice_lines": ("owner_id", "invoice_id", "line"),
    "periods": ("seller_id", "month"),
    "period_statements": ("seller_id", "month", "owner_id", "currency"),
    "period_revenue": ("seller_id", "month", "site_id", "tariff", "tariff_version", "tax_code", "currency"),
    "period_balances": ("seller_id", "month", "currency", "account"),
    "audit": ("id",),
    "audit_seals": ("day",),
    "provisions": ("seller_id", "id"),
    "dispute_decisions": ("owner_id", "dispute_id", "n"),
}

# table → what else is unique in it: SQLite's REPLACE deletes a row for the sake of those too
ALSO_UNIQUE = {
    "facts": ("site_id", "key"),
    "transfers": ("site_id", "session_id", "n"),
    "account_transfers": ("party_id", "subject", "n"),
    "invoices": ("seller_id", "series", "number"),
}

# transfers, their entries, and the column that both lead with
LEDGERS = (("transfers", "entries", "site_id"), ("account_transfers", "account_entries", "party_id"))

_BALANCED = (
    "count(*) >= 2 AND sum(amount_minor) = 0 AND min(currency) = NEW.currency AND max(currency) = NEW.currency "
    "AND min(seller_id) = NEW.seller_id AND max(seller_id) = NEW.seller_id"
)


_CLOSED = "EXISTS (SELECT 1 FROM periods WHERE seller_id = NEW.seller_id AND ends_at > NEW.recorded_at)"
_MONTH_IS_CLOSED = "the month is closed: what corrects it is recorded today"


def install() -> None:
    """Create the guards of every table that is there by now, replacing those that are there."""
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
    for transfers, entries, _ in LEDGERS:
        for table, name in ((entries, f"{entries}_before_transfer"), (transfers, f"{transfers}_balance")):
            op.execute(f"DROP TRIGGER IF EXISTS {name}" + (f" ON {table}" if postgresql else ""))
    if postgresql:
        late = [f"refuse_late_{entries}" for _, entries, _ in LEDGERS]
        unbalanced = [f"refuse_unbalanced_{transfers}" for transfers, _, _ in LEDGERS]
        for function in ("refuse_change", *late, *unbalanced):
            op.execute(f"DROP FUNCTION IF EXISTS {function}()")


def remove_closed_months() -> None:
    """Drop what keeps closed months closed, for a downgrade to before there were any."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for transfers, _, _ in LEDGERS:
        op.execute(f"DROP TRIGGER IF EXISTS {transfers}_open_month" + (f" ON {transfers}" if postgresql else ""))
    if postgresql:
        op.execute("DROP FUNCTION IF EXISTS refuse_closed_month()")


def _there() -> set[str]:
    return set(inspect(op.get_bind()).get_table_names())


def _install_sqlite() -> None:
    there = _there()
    for table, key in APPEND_ONLY.items():
        if table not in there:
            continue
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
        if table not in there:
            continue
        other = " OR ".join(f"{column} <> NEW.{column}" for column in APPEND_ONLY[table])
        op.execute(f"DROP TRIGGER IF EXISTS {table}_unique")
        op.execute(
            f"CREATE TRIGGER {table}_unique BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {_same(key)} AND ({other})) "
            f"BEGIN SELECT RAISE(ABORT, '{table}: there is another of this {key[-1]}'); END"
        )
    for transfers, entries, lead in LEDGERS:
        if transfers in there:
            _check_sums_on_sqlite(transfers, entries, lead)
            if "periods" in there:
                _keep_closed_months_on_sqlite(transfers)


def _keep_closed_months_on_sqlite(transfers: str) -> None:
    op.execute(f"DROP TRIGGER IF EXISTS {transfers}_open_month")
    op.execute(
        f"CREATE TRIGGER {transfers}_open_month BEFORE INSERT ON {transfers} WHEN {_CLOSED} "
        f"BEGIN SELECT RAISE(ABORT, '{_MONTH_IS_CLOSED}'); END"
    )


def _check_sums_on_sqlite(transfers: str, entries: str, lead: str) -> None:
    op.execute(f"DROP TRIGGER IF EXISTS {entries}_before_transfer")
    op.execute(
        f"CREATE TRIGGER {entries}_before_transfer BEFORE INSERT ON {entries} WHEN EXISTS "
        f"(SELECT 1 FROM {transfers} WHERE {lead} = NEW.{lead} AND id = NEW.transfer_id) "
        "BEGIN SELECT RAISE(ABORT, 'no entry for a transfer that exists'); END"
    )
    op.execute(f"DROP TRIGGER IF EXISTS {transfers}_balance")
    op.execute(
        f"CREATE TRIGGER {transfers}_balance BEFORE INSERT ON {transfers} WHEN "
        f"(SELECT {_BALANCED} FROM {entries} WHERE {lead} = NEW.{lead} AND transfer_id = NEW.id) IS NOT 1 "
        f"AND NOT EXISTS (SELECT 1 FROM {transfers} WHERE {lead} = NEW.{lead} AND id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'a transfer needs entries of one currency and seller that sum to zero'); END"
    )


def _same(columns: Sequence[str]) -> str:
    return " AND ".join(f"{column} = NEW.{column}" for column in columns)


_REFUSE_CHANGE = """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$
    """


def _install_postgresql() -> None:
    there = _there()
    op.execute(_REFUSE_CHANGE)
    for table in APPEND_ONLY:
        if table not in there:
            continue
        for verb, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
            op.execute(
                f"CREATE OR REPLACE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
    for transfers, entries, lead in LEDGERS:
        if transfers in there:
            _check_sums_on_postgresql(transfers, entries, lead)
            if "periods" in there:
                _keep_closed_months_on_postgresql(transfers)


def _keep_closed_months_on_postgresql(transfers: str) -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {_CLOSED} THEN
                RAISE EXCEPTION '{_MONTH_IS_CLOSED}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"CREATE OR REPLACE TRIGGER {transfers}_open_month BEFORE INSERT ON {transfers} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_closed_month()"
    )


def _check_sums_on_postgresql(transfers: str, entries: str, lead: str) -> None:
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION refuse_late_{entries}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT 1 FROM {transfers} WHERE {lead} = NEW.{lead} AND id = NEW.transfer_id) THEN
                RAISE EXCEPTION 'no entry for a transfer that exists' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION refuse_unbalanced_{transfers}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT {_BALANCED} FROM {entries} WHERE {lead} = NEW.{lead} AND transfer_id = NEW.id) IS NOT TRUE THEN
                RAISE EXCEPTION 'a transfer needs entries of one currency and seller that sum to zero'
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        f"CREATE OR REPLACE TRIGGER {entries}_before_transfer BEFORE INSERT ON {entries} "
        f"FOR EACH ROW EXECUTE FUNCTION refuse_late_{entries}()"
    )
    op.execute(
        f"CREATE OR REPLACE TRIGGER {transfers}_balance BEFORE INSERT ON {transfers} "
        f"FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced_{transfers}()"
    )
