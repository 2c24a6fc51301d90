"""Backups that verify, restores that serve, and a person who can be forgotten: as the page tells operators to do it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from sessions.database import connect, migrate, reading
from tests.databases import find_programs, postgres_server
from tests.docs.reading import ROOT, blocks
from tests.docs.test_readme import PROGRAMS, environment, paste
from tests.integration.command_line import SAMPLE, Shell

OPERATING = ROOT / "docs" / "operating.md"


def test_a_backup_of_sqlite_is_whole_while_it_is_written_to(tmp_path: Path) -> None:
    (commands,) = [block for block in blocks(OPERATING, "## Backups", "bash") if "sqlite3" in block]
    vacuum, verify = commands.strip().split("\n")
    statement = vacuum.removeprefix('sqlite3 idlefee.db "').removesuffix('"')
    assert statement.startswith("VACUUM INTO")
    database = tmp_path / "idlefee.db"
    Shell(f"sqlite:///{database}").ok("import", SAMPLE)

    with sqlite3.connect(database) as connection:  # the program of that name is not on every machine
        connection.execute(statement.replace("idlefee-backup.db", str(tmp_path / "idlefee-backup.db")))
    connection.close()
    told = paste(verify.replace("sqlite:///", f"sqlite:///{tmp_path}/"), environment())
    assert "162 events, 40 sessions, 40 charges" in told
    assert "every one is what the facts say" in told


@pytest.fixture(scope="module")
def roles() -> Iterator[tuple[str, str]]:
    """A server of this module alone, and the URL of a database that a role without its rights is to use."""
    with postgres_server() as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in ("CREATE ROLE owner LOGIN", "CREATE ROLE app LOGIN"):
            connection.execute(statement.encode())
        for name in ("before", "after"):
            connection.execute(f"CREATE DATABASE {name} OWNER owner".encode())
        yield url.replace("//idlefee@/postgres", "//owner@/{}"), url.replace("//idlefee@/postgres", "//app@/{}")


def test_a_dump_of_postgresql_is_restored_and_serves_with_the_same_rights(
    roles: tuple[str, str], tmp_path: Path
) -> None:
    programs = find_programs()
    owner, app = roles
    dump, restore = [block for block in blocks(OPERATING, "## Backups", "bash") if "pg_" in block]
    names = [owner.format("before"), owner.format("after"), app.format("before"), app.format("after")]
    migrate(names[0], grant_to="app")
    Shell(names[2]).ok("import", SAMPLE)

    def run(commands: str, migration_url: str, database_url: str) -> str:
        terminal = environment(IDLEFEE_MIGRATION_URL=migration_url, IDLEFEE_DATABASE_URL=database_url)
        path = f"{PROGRAMS}:{programs}:{terminal['PATH']}"
        return paste(commands.replace("idlefee.dump", str(tmp_path / "idlefee.dump")), {**terminal, "PATH": path})

    run(dump, names[0], names[2])
    told = run(restore, names[1], names[3])
    assert "162 events, 40 sessions, 40 charges" in told
    with psycopg.connect(names[3]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM facts")


def test_who_is_erased_is_named_nowhere_and_every_bill_stays(database_url: str) -> None:
    shell = Shell(database_url)
    shell.ok("owner", "add", "o-june", "--name", "June Example", "--email", "june@example.org")
    shell.ok("import", SAMPLE)
    shell.ok("vehicle", "add", "JUNE 1", "--owner", "o-june")
    shell.ok("access", "add", "owner", "--owner", "o-june", "--label", "June's phone")
    bill = shell.json("import", SAMPLE)["total_minor"]
    (command,) = blocks(OPERATING, "## Erasing a person", "bash")
    shell.ok(*command.split()[1:])
    engine = connect(database_url)
    with reading(engine) as connection:
        named = connection.execute(text("SELECT count(*) FROM owners WHERE name IS NOT NULL")).scalar_one()
    engine.dispose()
    assert named == 0
    assert shell.json("verify")["clean"]
    assert shell.json("import", SAMPLE)["total_minor"] == bill == 179_20
    assert shell("find", "JUNE 1").code == 1
