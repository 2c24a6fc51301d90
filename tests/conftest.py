"""Fixtures and settings that every test shares: databases on both engines, and how hard hypothesis tries.

A test that touches a database asks for `database_url` and so runs twice, on SQLite and on a real PostgreSQL.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine

from api import logs
from api.cli import ALLOCATIONS_BETWEEN_COLLECTIONS
from tests.databases import PostgresDatabases, SharedStatements, SqliteDatabases, folder_in_memory, postgres_server

# `make soak` sets IDLEFEE_TESTS=soak. CI repeats the same examples every time, so that a red run means a
# change in the code; a developer's runs keep looking for new ones.
settings.register_profile("everyday", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("everyday"), derandomize=True, database=None, print_blob=True)
settings.register_profile("soak", settings.get_profile("everyday"), max_examples=5_000)
settings.load_profile(os.environ.get("IDLEFEE_TESTS") or ("ci" if os.environ.get("CI") else "everyday"))

ENGINES = ["sqlite", "postgresql"]

# What tests write is forgotten anyway: where there is memory for it, no test and no program it starts waits for a disk.
if memory := folder_in_memory():
    tempfile.tempdir = os.environ["TMPDIR"] = str(memory)

# Nobody is met beyond loopback: an HTTP client that first read every certificate authority took 50 ms to make.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.devnull

# Programs that tests start compile the product once, not each time anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("PYTHONUNBUFFERED", None)  # …and print as they do for everybody
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """What stays until the end is not looked through again and again: a tenth of the time went into that."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*ALLOCATIONS_BETWEEN_COLLECTIONS)


@pytest.fixture(scope="session", autouse=True)
def _shared_statements() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sessions.database.create_engine", SharedStatements(create_engine))
        yield


@pytest.fixture(autouse=True)
def _logs_of_one_test() -> Iterator[None]:
    """As the product logs, and afresh: what a program logs to in one test is closed in the next."""
    logs.configure()
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[PostgresDatabases]:
    """One PostgreSQL server a test process, started when the first test asks for it."""
    with postgres_server() as url, closing(PostgresDatabases(url)) as databases:
        yield databases


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """A migrated PostgreSQL database of this test alone."""
    with postgres_databases.migrated() as url:
        yield url


@pytest.fixture
def sqlite_url(sqlite_databases: SqliteDatabases) -> Iterator[str]:
    """A migrated SQLite database of this test alone."""
    with sqlite_databases.migrated() as url:
        yield url


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test alone, on each engine in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(params=ENGINES)
def empty_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without a table, on each engine in turn: for tests of the migrations themselves."""
    databases = request.getfixturevalue("sqlite_databases" if request.param == "sqlite" else "postgres_databases")
    with databases.empty() as url:
        yield url
