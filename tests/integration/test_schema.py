"""The migrated schema is the one that the tables in the code declare, and a downgrade leaves nothing."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import api.access.tables  # noqa: F401 - importing declares the tables
import billing.store.accounts
import billing.store.arrears
import billing.store.invoices
import billing.store.payments
import billing.store.periods
import billing.store.reconciliation
import billing.store.sums
import billing.store.tables  # noqa: F401
import sessions.store.tables  # noqa: F401
from sessions.database import MIGRATIONS, connect, metadata, migrate

OPTIONS = {"compare_type": True, "compare_server_default": True}


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # SQLite has no other
def test_the_migrated_schema_is_the_declared_one(database_url: str) -> None:
    engine = connect(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=OPTIONS), metadata)
    engine.dispose()

    assert differences == []


def test_the_newest_revision_is_the_one_that_its_file_names() -> None:
    """A start compares the database with the names alone."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    history = ScriptDirectory.from_config(config)
    named = [Path(revision.path).name.partition("_")[0] for revision in history.walk_revisions()]
    assert named == [revision.revision for revision in history.walk_revisions()] == sorted(named, reverse=True)


def test_a_second_migration_changes_nothing(database_url: str) -> None:
    migrate(database_url)

    engine = connect(database_url)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_a_downgrade_takes_everything_away_and_an_upgrade_brings_it_back(empty_database_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = empty_database_url
    engine = connect(empty_database_url)

    migrate(empty_database_url)
    command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]

    migrate(empty_database_url)
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()
