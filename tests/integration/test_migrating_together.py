"""Processes that start at once on one empty PostgreSQL bring it up to date one after the other."""

import subprocess
import sys
import time

from sqlalchemy import Connection, inspect, text

from sessions.database import connect, writing
from sessions.migrations import one_at_a_time
from tests.databases import PostgresDatabases

MIGRATE = "import sys; from sessions.database import migrate; migrate(sys.argv[1])"
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = :here")
HERE = text("SELECT oid FROM pg_database WHERE datname = current_database()")
WITHIN_S = 30


def test_processes_that_start_at_once_migrate_one_after_the_other(postgres_databases: PostgresDatabases) -> None:
    with postgres_databases.empty() as url:
        engine = connect(url)
        with writing(engine) as connection:
            one_at_a_time(connection)
            started = [
                subprocess.Popen([sys.executable, "-c", MIGRATE, url], stderr=subprocess.PIPE, text=True)
                for _ in range(2)
            ]
            _wait_until_waiting(connection, len(started))

        ended = [(process.communicate(timeout=WITHIN_S)[1], process.returncode) for process in started]
        assert ended == [("", 0)] * 2
        assert {"events", "entries"} <= set(inspect(engine).get_table_names())
        engine.dispose()


def _wait_until_waiting(connection: Connection, many: int) -> None:
    here = connection.execute(HERE).scalar_one()
    deadline = time.monotonic() + WITHIN_S
    while connection.execute(WAITING, {"here": here}).scalar_one() < many:
        assert time.monotonic() < deadline, "they do not wait for each other"
        time.sleep(0.05)
