"""The database underneath: engine, metadata, the UTC column type, transactions and migrations.

What lives here knows SQL dialects and nothing of charging. Tables live beside the code that owns them
(`sessions/store/`, `billing/…/tables.py`), all on one `metadata`, so that SQLite and PostgreSQL share one schema
and one Alembic history.

Time is stored as whole UTC seconds since the epoch (`UtcSeconds`): SQLite forgets time zones, an integer cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

MIGRATIONS = Path(__file__).parent / "migrations"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SQLITE_BUSY_TIMEOUT_S = 5
POSTGRESQL_LOCK_TIMEOUT_S = 10  # longer than any transaction of ours holds one
POSTGRESQL_CONNECT_TIMEOUT_S = 5


class UtcSeconds(TypeDecorator[int]):
    """A moment as whole UTC seconds since the epoch; anything but an integer is refused before it reaches a row."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        if value is not None and type(value) is not int:  # True is no moment
            raise TypeError(f"a moment is stored as UTC seconds (int), not {value!r}")
        return value


def normalise_url(url: str) -> URL:
    """`postgres://`, `postgresql://` and `sqlite:///` as SQLAlchemy wants them, psycopg 3 for PostgreSQL.

    Raises `ValueError` for any other engine.
    """
    parsed = make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        return parsed
    raise ValueError(f"{parsed.get_backend_name()} is not supported: use sqlite:///FILE or postgresql://…")


def connect(url: str, *, pool_size: int = 10) -> Engine:
    """An engine for `url`. SQLite: WAL, `synchronous=FULL`, foreign keys on. PostgreSQL: READ COMMITTED."""
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        options = {"timeout": SQLITE_BUSY_TIMEOUT_S, "check_same_thread": False}
        engine = create_engine(parsed, connect_args=options, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    waits = {} if "connect_timeout" in parsed.query else {"connect_timeout": POSTGRESQL_CONNECT_TIMEOUT_S}
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args=waits,
        use_native_hstore=False,  # it would be asked for by each engine's first connection, and no column is one
        hide_parameters=True,  # an error's text goes to the log, and a parameter may be somebody's card
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _record: ConnectionPoolEntry) -> None:
    """Whoever holds a lock too long must not hold up every request behind it: they are answered, and come again."""
    connection.autocommit = True
    connection.execute(f"SET lock_timeout = '{POSTGRESQL_LOCK_TIMEOUT_S}s'")
    connection.autocommit = False


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: `_begin_sqlite` says how
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if may_write(connection) else "BEGIN")


def may_write(connection: Connection) -> bool:
    """Whether this is a write transaction (`writing`)."""
    return bool(connection.get_execution_options().get("writes", False))


def is_outage(error: Exception) -> bool:
    """Whether the database cannot commit now (locked, full, gone) rather than having been asked something wrong."""
    return isinstance(error, OperationalError | InterfaceError | InternalError | PoolTimeout) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction; on SQLite the write lock is taken at its beginning, so that it cannot fail half-way."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction, rolled back at its end: a reader never changes anything."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def one_moment(engine: Engine, shared: str | None = None) -> Iterator[Connection]:
    """One read transaction in which every statement sees the same moment, however long it takes.

    SQLite's always do; PostgreSQL's usual ones see what was committed meanwhile. `shared` is the moment that another
    transaction gave away with `share_moment`.
    """
    options: dict[str, Any] = (
        {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if engine.name == "postgresql" else {}
    )
    with engine.connect().execution_options(**options) as connection:
        if shared is not None:
            connection.execute(text(f"SET TRANSACTION SNAPSHOT '{shared}'"))
        yield connection


def share_moment(connection: Connection) -> str | None:
    """A name by which other transactions see the same moment while this one lasts; none on SQLite, which cannot."""
    if not is_postgresql(connection):
        return None
    return str(connection.execute(text("SELECT pg_export_snapshot()")).scalar_one())


def is_postgresql(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def migrate(url: str, revision: str = "head", *, grant_to: str | None = None) -> None:
    """Bring the database at `url` to `revision`; safe to call at every start.

    On PostgreSQL the role `grant_to` may then do what the product does, and not change what is append-only. Raises
    `RoleUnusable` (`sessions.migrations.grants`) for a role that nothing can be kept from.
    """
    engine = connect(url)
    try:
        if revision != "head" or not is_newest(engine):
            _upgrade(url, revision)
        if grant_to is not None:
            from sessions.migrations.grants import grant

            with writing(engine) as connection:
                grant(connection, grant_to)
    finally:
        engine.dispose()


def is_newest(engine: Engine) -> bool:
    """Whether nothing is left to migrate. Mostly so, and Alembic would take a fifth of a second to say it."""
    newest = max(file.name.partition("_")[0] for file in MIGRATIONS.glob("versions/[0-9]*.py"))
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [newest]


def _upgrade(url: str, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, revision)
