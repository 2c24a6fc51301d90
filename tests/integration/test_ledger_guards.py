"""What the database itself refuses, asked directly and not through the product."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from api.wiring import Idlefee
from billing import decisions
from sessions.database import metadata, normalise_url, writing
from tests.integration.small_world import LATER, NOON, a_session, post, small_world

APPEND_ONLY = ["events", "conflicts", "facts", "tariffs", "tariff_assignments", "transfers", "entries"]

TRANSFER = (
    "INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at) "
    "VALUES ('harbour', 't', 'h1/x', 1, 'acme', 'USD', 'test', 0)"
)


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """Every append-only table has rows in it."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("h1", "b", at=NOON + 86_400))
        post(app, a_session("h1", "b", at=NOON + 86_401))  # other contents under known ids
        with app.writing() as connection:
            key = decisions.session_key(connection, "h1/a")
            decisions.waive(connection, key, 40, author="test", reason="kind", now=LATER)
        yield app


def rows_of(engine: Engine, table: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted((tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))), key=repr)


def key_of(table: str) -> list[str]:
    return [column.name for column in metadata.tables[table].primary_key]


def entry(line: int, amount_minor: int, currency: str = "USD", seller: str = "acme", transfer: str = "t") -> str:
    return (
        "INSERT INTO entries (site_id, transfer_id, line, account, seller_id, currency, amount_minor) "
        f"VALUES ('harbour', '{transfer}', {line}, 'revenue', '{seller}', '{currency}', {amount_minor})"
    )


def write(engine: Engine, *statements: str) -> None:
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize("change", ["UPDATE {table} SET {key} = {key}", "DELETE FROM {table}"])
def test_nothing_recorded_can_be_changed_or_deleted(world: Idlefee, change: str) -> None:
    for table in APPEND_ONLY:
        before = rows_of(world.engine, table)
        assert before, table

        with pytest.raises(IntegrityError, match=f"{table} is append-only"):
            write(world.engine, change.format(table=table, key=key_of(table)[0]))

        assert rows_of(world.engine, table) == before


def test_nothing_recorded_can_be_truncated(postgres_url: str) -> None:
    with small_world(postgres_url) as app:
        post(app, a_session("h1", "a"))
        for table in APPEND_ONLY:
            with pytest.raises(IntegrityError, match="is append-only"):
                write(app.engine, f"TRUNCATE {table} CASCADE")
        assert len(rows_of(app.engine, "entries")) == 2


def test_an_upsert_changes_nothing(world: Idlefee) -> None:
    """`ON CONFLICT DO UPDATE` is an UPDATE by another name: PostgreSQL refuses it, SQLite passes the row over."""
    for table in APPEND_ONLY:
        before = rows_of(world.engine, table)
        keys = key_of(table)
        upsert = f"INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT ({', '.join(keys)}) DO UPDATE"

        with suppress(IntegrityError):
            write(world.engine, f"{upsert} SET {keys[0]} = 'x'")

        assert rows_of(world.engine, table) == before


def test_writing_the_same_again_with_on_conflict_do_nothing_does_nothing(world: Idlefee) -> None:
    for table in sorted(set(APPEND_ONLY) - {"entries"}):
        before = rows_of(world.engine, table)

        write(world.engine, f"INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT DO NOTHING")

        assert rows_of(world.engine, table) == before


def test_on_conflict_do_nothing_still_inserts_what_is_new(world: Idlefee) -> None:
    insert = (
        "INSERT INTO conflicts (site_id, station_id, event_id, recorded_at) "
        "VALUES ('harbour', 'h1', 'b-1', 0), ('harbour', 'h1', 'new', 0) ON CONFLICT DO NOTHING"
    )
    before = rows_of(world.engine, "conflicts")

    write(world.engine, insert)

    assert set(rows_of(world.engine, "conflicts")) == {*before, ("harbour", "h1", "new", 0)}


# ---------------------------------------------------------------- SQLite's INSERT OR REPLACE
#
# REPLACE deletes the row in its way, and a connection that did not ask for recursive triggers runs no DELETE trigger.


def replacing(table: str, by: str) -> str:
    """Rows to put in the place of those that are there: under the same key, or under the same hidden row number."""
    keys = key_of(table)
    others = [column.name for column in metadata.tables[table].columns if column.name not in keys]
    numbers = {"n", "line", "version", "valid_from"}
    if by == "key":
        chosen = [*keys, *(f"CASE WHEN {name} IS NULL THEN NULL ELSE '99' END" for name in others)]
        return f"INTO {table} ({', '.join([*keys, *others])}) SELECT {', '.join(chosen)} FROM {table}"
    moved = [f"99 + {name}" if name in numbers else f"{name} || '!'" for name in keys]
    return (
        f"INTO {table} (rowid, {', '.join([*keys, *others])}) SELECT rowid, {', '.join([*moved, *others])} FROM {table}"
    )


def tried(url: str, *statements: str) -> None:
    """What somebody does with a connection of their own, who is not stopped by a refusal."""
    with closing(sqlite3.connect(str(normalise_url(url).database))) as foreign:
        try:
            for statement in statements:
                foreign.execute(statement)
            foreign.commit()
        except sqlite3.IntegrityError:
            foreign.rollback()


@pytest.mark.parametrize("by", ["key", "row number"])
def test_a_foreign_connection_replaces_nothing(sqlite_url: str, by: str) -> None:
    with small_world(sqlite_url) as app:
        post(app, a_session("h1", "a"), a_session("h1", "b"), a_session("h1", "b", at=NOON + 1))
        with app.writing() as connection:
            key = decisions.session_key(connection, "h1/a")
            decisions.waive(connection, key, 40, author="test", reason="kind", now=LATER)
        for table in APPEND_ONLY:
            before = rows_of(app.engine, table)

            tried(sqlite_url, f"INSERT OR REPLACE {replacing(table, by)}")

            assert rows_of(app.engine, table) == before


ANOTHER_OF_THE_SAME_NUMBER = (
    """INSERT INTO entries SELECT site_id, 'another', line, account, owner_id, seller_id, currency, tax_code,
    amount_minor FROM entries LIMIT 2""",
    """INSERT OR REPLACE INTO transfers SELECT site_id, 'another', session_id, n, corrects, seller_id, currency, reason,
    recorded_at FROM transfers LIMIT 1""",
)
ANOTHER_OF_THE_SAME_KEY = (
    """INSERT OR REPLACE INTO facts (site_id, n, kind, key, recorded_at, author, reason)
    SELECT site_id, n + 1, kind, key, recorded_at, author, reason FROM facts""",
)


@pytest.mark.parametrize(
    ("table", "statements"), [("transfers", ANOTHER_OF_THE_SAME_NUMBER), ("facts", ANOTHER_OF_THE_SAME_KEY)]
)
def test_a_foreign_connection_replaces_nothing_by_another_unique_name(
    sqlite_url: str, table: str, statements: tuple[str, ...]
) -> None:
    with small_world(sqlite_url) as app:
        post(app, a_session("h1", "a"))
        with app.writing() as connection:
            decisions.void_event(connection, "h1", "a-2", author="test", reason="kind", now=LATER)
        before = rows_of(app.engine, table)

        tried(sqlite_url, *statements)

        assert rows_of(app.engine, table) == before


# ---------------------------------------------------------------- what a transfer must be


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry(1, 40), entry(2, -39)], id="it does not balance"),
        pytest.param([entry(1, 40, "USD"), entry(2, -40, "EUR")], id="two currencies"),
        pytest.param([entry(1, 40, "EUR"), entry(2, -40, "EUR")], id="another currency than its own"),
        pytest.param([entry(1, 40), entry(2, -40, seller="other")], id="two sellers"),
        pytest.param([entry(1, 0)], id="one entry"),
        pytest.param([], id="no entry"),
    ],
)
def test_a_transfer_that_is_not_whole_is_refused(world: Idlefee, entries: list[str]) -> None:
    before = rows_of(world.engine, "entries"), rows_of(world.engine, "transfers")

    with pytest.raises(IntegrityError, match="one currency and seller that sum to zero"):
        write(world.engine, *entries, TRANSFER)

    assert (rows_of(world.engine, "entries"), rows_of(world.engine, "transfers")) == before


def test_a_balanced_transfer_is_taken(world: Idlefee) -> None:
    write(world.engine, entry(1, 40), entry(2, -25), entry(3, -15), TRANSFER)

    assert len([row for row in rows_of(world.engine, "entries") if row[1] == "t"]) == 3


def test_no_entry_is_added_to_a_transfer_that_exists(world: Idlefee) -> None:
    write(world.engine, entry(1, 40), entry(2, -40), TRANSFER)

    with pytest.raises(IntegrityError, match="no entry for a transfer that exists"):
        write(world.engine, entry(3, 5), entry(4, -5))


def test_entries_without_a_transfer_are_refused_at_the_commit(world: Idlefee) -> None:
    before = rows_of(world.engine, "entries")

    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        write(world.engine, entry(1, 40), entry(2, -40))

    assert rows_of(world.engine, "entries") == before
