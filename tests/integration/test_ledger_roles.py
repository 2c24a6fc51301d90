"""PostgreSQL: the role that the product runs as does its work and lacks the right to change what is posted."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ProgrammingError

from api.settings import Settings
from api.wiring import bring_up_to_date
from billing.ledger import Account, trial_balance
from billing.verify import verify
from sessions.database import migrate, normalise_url
from sessions.migrations.grants import RoleUnusable
from tests.integration.small_world import LATER, a_session, post, small_world, told

FORBIDDEN = [
    f"{verb} {table}{rest}"
    for table in ("events", "conflicts", "facts", "tariffs", "tariff_assignments", "transfers", "entries")
    for verb, rest in (("UPDATE", " SET site_id = site_id"), ("DELETE FROM", ""), ("TRUNCATE", " CASCADE"))
    if (table, verb) != ("tariffs", "UPDATE")
] + [
    "UPDATE tariffs SET body = '{}'",
    "TRUNCATE charges",
    "ALTER TABLE entries DISABLE TRIGGER ALL",
    "DROP TRIGGER entries_no_update ON entries",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP TABLE entries",
    "SET session_replication_role = replica",
    "UPDATE deployment SET value = ''",
    "DELETE FROM alembic_version",
]


@contextmanager
def a_role(url: str, rights: str = "LOGIN") -> Iterator[str]:
    """A role of this test alone; roles are the server's, not one database's."""
    name = f"app_{secrets.token_hex(4)}"
    engine = create_engine(normalise_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE ROLE {name} {rights}"))
            yield name
            connection.execute(text(f"DROP OWNED BY {name}"))
            connection.execute(text(f"DROP ROLE {name}"))
    finally:
        engine.dispose()


def as_role(url: str, role: str) -> str:
    parsed: URL = normalise_url(url).set(username=role)
    return parsed.render_as_string(hide_password=False)


def test_the_product_works_as_a_role_that_may_change_nothing_posted(postgres_url: str) -> None:
    with a_role(postgres_url) as role:
        migrate(postgres_url, grant_to=role)
        with small_world(as_role(postgres_url, role)) as app:
            post(app, a_session("h1", "a"))
            with app.reading() as connection:
                balances = {row.account: row.balance_minor for row in trial_balance(connection)}
            assert balances == {Account.RECEIVABLE: 2_00, Account.REVENUE: -2_00}
            assert verify(app.engine, LATER, print).clean
            for statement in FORBIDDEN:
                with (
                    pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
                    app.writing() as connection,
                ):
                    connection.execute(text(statement))
            assert told(app, "SELECT count(*), sum(amount_minor) FROM entries") == [(2, 0)]


def test_the_role_in_the_database_url_is_granted_when_another_migrates(postgres_url: str) -> None:
    with a_role(postgres_url) as role:
        settings = Settings(database_url=as_role(postgres_url, role), migration_url=postgres_url)

        bring_up_to_date(settings)

        engine = create_engine(normalise_url(settings.database_url))
        with engine.connect() as connection:
            rights = "has_table_privilege('entries', 'INSERT'), has_table_privilege('entries', 'UPDATE')"
            assert tuple(connection.execute(text(f"SELECT {rights}")).one()) == (True, False)
        engine.dispose()


@pytest.mark.parametrize(
    ("rights", "why"), [("SUPERUSER LOGIN", "superuser"), ("LOGIN IN ROLE idlefee", "owns the tables")]
)
def test_a_role_that_nothing_can_be_kept_from_is_refused(postgres_url: str, rights: str, why: str) -> None:
    with a_role(postgres_url, rights) as role, pytest.raises(RoleUnusable, match=why):
        migrate(postgres_url, grant_to=role)


def test_a_role_that_does_not_exist_is_named_with_its_cure(postgres_url: str) -> None:
    with pytest.raises(RoleUnusable, match="CREATE ROLE nobody_here"):
        migrate(postgres_url, grant_to="nobody_here")


def test_sqlite_has_no_roles_and_says_so(sqlite_url: str) -> None:
    with pytest.raises(RoleUnusable, match="no roles"):
        migrate(sqlite_url, grant_to="app")
