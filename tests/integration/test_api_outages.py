"""A database that is locked, full or gone: 503 with Retry-After, nothing acknowledged, and all well once it is back."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event as listen_for
from sqlalchemy.engine import make_url

from sessions import database
from tests.databases import migrate, postgres_server
from tests.integration.doors import Doors, open_doors
from tests.integration.small_world import NOON, a_session, told

WAIVER = ("support", "POST", "/v1/waivers", {"session": "m1/bobs", "amount_minor": 1, "reason": "x"})
UPLOAD = ("h1", "POST", "/v1/events", a_session("h1", "during", at=NOON - 9_000))
DRY_RUN = ("h1", "POST", "/v1/events?dry_run=true", a_session("h1", "during", at=NOON - 9_000))
HEARTBEAT = ("h1", "POST", "/v1/stations/h1/heartbeat", {"interval_s": 60})
TOKEN = ("support", "POST", "/v1/owners/bob/tokens", {"token": "NEW"})
RERATE = ("finance", "POST", "/v1/rerates", {"tariff": "waive_completed", "reason": "x"})
READY = ("h1", "GET", "/readyz", None)
UNLOCKED = (TOKEN, READY)  # on PostgreSQL they wait for none of the rows that are locked below
WRITES = (WAIVER, UPLOAD, DRY_RUN, HEARTBEAT, TOKEN, RERATE)
ROWS = " UNION ALL ".join(
    f"SELECT '{table}', count(*) FROM {table}"
    for table in (
        "events",
        "sessions",
        "facts",
        "charges",
        "transfers",
        "tokens",
        "token_holders",
        "station_contacts",
        "jobs",
    )
)


def ask(doors: Doors, who: str, method: str, path: str, body: Any) -> Any:
    return doors.ask(who, method, path, **({} if body is None else {"json": body}))


def assert_unavailable(doors: Doors, *asked: tuple[str, str, str, Any]) -> None:
    for one in asked:
        response = ask(doors, *one)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable"), (one[2], response.text)
        assert int(response.headers["retry-after"]) >= 1
        assert response.headers["content-type"] == "application/problem+json"
        for inside in ("Traceback", "sqlite", "psycopg", "host", "idlefee-pg"):
            assert inside not in response.text


def assert_well_again(doors: Doors) -> None:
    """What was not acknowledged was not done: sent again, it is done for the first time."""
    results = doors.send("h1", "/v1/events", UPLOAD[3])["results"]
    assert {result["status"] for result in results} == {"accepted"}
    assert doors.send("support", "/v1/waivers", WAIVER[3])["posted"]["fee_minor"] == 3_99
    assert doors.client.get("/readyz").status_code == 200


# -- locked -------------------------------------------------------------------------------------------------


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as connection:
            for table in ("stations", "sites", "station_contacts"):
                connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
            connection.rollback()


def test_a_locked_database_is_unavailable_to_writers_and_open_to_readers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SQLITE_BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(database, "POSTGRESQL_LOCK_TIMEOUT_S", 0.2)
    sqlite = database_url.startswith("sqlite")
    with open_doors(database_url) as doors:
        before = told(doors.app, ROWS)
        with locked(database_url):
            assert_unavailable(doors, *(one for one in (*WRITES, READY) if sqlite or one not in UNLOCKED))
            assert doors.get("ann", "/v1/me/balance")[0]["amount_minor"] == 2_00
            assert doors.client.get("/healthz").status_code == 200
        assert told(doors.app, ROWS) == before
        assert_well_again(doors)


# -- full ---------------------------------------------------------------------------------------------------


def test_a_full_database_is_unavailable_and_loses_nothing(sqlite_url: str) -> None:
    """SQLite's own limit stands for the disk's: the file may not grow by another page."""
    most_pages = [1_000_000]

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most_pages[0]}")

    big = [
        event | {"id": f"{event['id']}-{'x' * 100}", "token": f"{'t' * 100}-{n}"}
        for n, event in enumerate(UPLOAD[3] * 250)
    ]
    crowd = [event | {"id": f"{n}-{'x' * 100}"} for n, event in enumerate(big)]
    with open_doors(sqlite_url) as doors:
        listen_for.listen(doors.app.engine, "checkout", limit)
        before = told(doors.app, ROWS)
        most_pages[0] = int(told(doors.app, "PRAGMA page_count")[0][0])
        assert_unavailable(doors, ("h1", "POST", "/v1/events", crowd))
        assert told(doors.app, ROWS) == before
        most_pages[0] = 1_000_000
        assert_well_again(doors)
        results = doors.send("h1", "/v1/events", crowd)["results"]
        assert {result["status"] for result in results} == {"accepted"}


FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$
"""


@contextmanager
def full(url: str) -> Iterator[None]:
    """PostgreSQL's own error for a full disk, from every table that is written to."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        connection.execute(FULL)
        for (table,) in tables:
            trigger = sql.SQL("CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {} EXECUTE FUNCTION full_disk()")
            connection.execute(trigger.format(sql.Identifier(table)))
        yield
        connection.execute("DROP FUNCTION full_disk CASCADE")


def test_a_full_postgresql_is_unavailable_and_loses_nothing(postgres_url: str) -> None:
    with open_doors(postgres_url) as doors:
        before = told(doors.app, ROWS)
        with full(postgres_url):
            assert_unavailable(doors, *WRITES)
            assert doors.get("ann", "/v1/me/balance")[0]["amount_minor"] == 2_00
        assert told(doors.app, ROWS) == before
        assert_well_again(doors)


# -- gone ---------------------------------------------------------------------------------------------------


def test_a_database_that_is_gone_is_unavailable_to_everybody() -> None:
    with ExitStack() as until_it_is_gone:
        url = until_it_is_gone.enter_context(postgres_server())
        migrate(url)
        with open_doors(url) as doors:
            assert doors.client.get("/readyz").status_code == 200
            until_it_is_gone.pop_all().close()
            reads = [("ann", "GET", path, None) for path in ("/v1/me", "/v1/me/sessions", "/metrics")]
            assert_unavailable(doors, *WRITES, READY, *reads, ("finance", "GET", "/v1/ledger/entries.csv", None))
            assert doors.client.get("/healthz").json() == {"status": "ok"}


def test_a_database_that_comes_back_is_used_again(postgres_url: str) -> None:
    """Every connection is cut, as by a restart or a fail-over; the next request finds the server again."""
    with open_doors(postgres_url) as doors:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        assert_well_again(doors)
