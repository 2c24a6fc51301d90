"""The database underneath: engine, metadata, the UTC column type, bulk statements and migrations.

What lives here knows SQL dialects and nothing of charging. Tables live beside the code that owns them
(`sessions/store/`, `billing/…/tables.py`), all on one `metadata`, so that SQLite and PostgreSQL share one schema
and one Alembic history.

Time is stored as whole UTC seconds since the epoch (`UtcSeconds`): SQLite forgets time zones, an integer cannot.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    FromClause,
    MetaData,
    Table,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    inspect,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator, TypeEngine

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


def for_update(connection: Connection, statement: Any) -> Any:
    """Row locks where the engine has them; on SQLite the write transaction itself is the lock.

    Of the kind that lets others go on inserting rows which refer to the locked ones: an upload that names a new stall
    must not wait for a decision about its site that waits for the upload.
    """
    return statement.with_for_update(key_share=True) if is_postgresql(connection) else statement


def bulk_insert(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    conflict: str = "ON CONFLICT DO NOTHING",
) -> int:
    """Insert `rows` (values in the order of `columns`) in one go, and say how many were written; an empty `conflict`
    promises that none is there yet.

    PostgreSQL takes new rows by COPY and others as one JSON document, one round trip however many there are (psycopg
    adapts arrays in Python, value by value: three times slower); SQLite's driver loops in C. Values must already be
    what the columns store: this path skips SQLAlchemy's per-value processing on purpose.
    """
    if not rows:
        return 0
    names = ", ".join(f'"{name}"' for name in columns)
    if not is_postgresql(connection):
        marks = ", ".join("?" * len(columns))
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) {conflict}'
        return connection.exec_driver_sql(statement, cast(Any, list(rows))).rowcount
    if conflict:
        typed = ", ".join(f'"{name}" {table.c[name].type.compile(connection.dialect)}' for name in columns)
        given = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
        source = f"SELECT {names} FROM json_to_recordset(%s::json) AS given({typed})"
        return connection.exec_driver_sql(
            f'INSERT INTO "{table.name}" ({names}) {source} {conflict}', (given,)
        ).rowcount
    _copy(connection, f'COPY "{table.name}" ({names}) FROM STDIN', rows)
    return len(rows)


def _copy(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY through the driver below SQLAlchemy, its errors as SQLAlchemy's own."""
    import psycopg  # SQLAlchemy has loaded it by now; a process on SQLite does without

    driver = cast("psycopg.Connection", connection.connection.dbapi_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, connection_invalidated=driver.closed, dialect=connection.dialect
        ) from error


def bulk_overwrite(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    known: Collection[tuple[str, str]],
) -> None:
    """Insert the rows whose first two columns, the key, are not in `known`; overwrite the others."""
    keys = columns[:2]
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in columns[2:])
    there = [row for row in rows if row[:2] in known]
    bulk_insert(connection, table, columns, [row for row in rows if row[:2] not in known], conflict="")
    bulk_insert(connection, table, columns, there, conflict=f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}")


class Given:
    """Rows handed to a statement as one bound parameter, to join with: the same SQL however many the rows.

    A statement built with `clause` once is run again and again with `bind`: composing it costs more than running it.
    """

    def __init__(self, name: str, *columns: tuple[str, TypeEngine[Any]]) -> None:
        self._name, self._columns = name, columns

    def clause(self, postgresql: bool, given: str | None = None) -> FromClause:
        """What a statement joins with: rows still to be given with `bind`, or given here."""
        document = bindparam(self._name if given is None else None, given, type_=Text, required=given is None)
        if postgresql:
            typed = (Column(column, kind) for column, kind in self._columns)
            rows = func.json_to_recordset(document.cast(JSON)).table_valued(*typed, name=self._name)
            return rows.render_derived(with_types=True)
        each = func.json_each(document).table_valued("value")
        return select(
            *(
                func.json_extract(each.c.value, literal_column(f"'$[{at}]'")).label(column)
                for at, (column, _) in enumerate(self._columns)
            )
        ).subquery(self._name)

    def bind(self, postgresql: bool, rows: Iterable[tuple[Any, ...]]) -> dict[str, str]:
        """The parameter for these rows, their values in the order of the columns."""
        if not postgresql:
            return {self._name: json.dumps(list(rows))}
        names = [column for column, _ in self._columns]
        return {self._name: json.dumps([dict(zip(names, row, strict=True)) for row in rows])}


def keys_of(
    connection: Connection,
    name: str,
    columns: Sequence[tuple[str, TypeEngine[Any]]],
    rows: Iterable[tuple[Any, ...]],
) -> FromClause:
    """`rows` as something to join with, already bound: for statements that are not run often."""
    postgresql, given = is_postgresql(connection), Given(name, *columns)
    return given.clause(postgresql, given.bind(postgresql, rows)[name])


_KEPT = json.JSONEncoder(separators=(",", ":"))  # made once: `json.dumps` makes one each time it is not told the usual


def kept_json(value: Any) -> str:
    """JSON as columns keep it: without spaces."""
    return _KEPT.encode(value)


Value = TypeVar("Value", str, int)


class Among:
    """Values handed to a statement for `column IN (values)`: the same SQL however many, so PostgreSQL plans it once.

    A statement built with `clause` once is run again and again with `bind`, as with `Given`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # As text: as an expression it took longer to build than to answer.
        self._each = text(f"SELECT value FROM json_each(:{name})")

    def clause(self, postgresql: bool, column: ColumnElement[Value], given: Any = None) -> ColumnElement[bool]:
        """Values still to be given with `bind`, or given here."""
        here = given is not None
        kind = ARRAY(column.type) if postgresql else Text()
        values = bindparam(self._name, given, type_=kind, required=not here, unique=here)
        return column == any_(values) if postgresql else column.in_(self._each.bindparams(values))

    def bind(self, postgresql: bool, values: Iterable[Value]) -> dict[str, Any]:
        """The parameter for these values."""
        given = sorted(values)
        return {self._name: given if postgresql else json.dumps(given)}


_GIVEN = Among("given")


def one_of(connection: Connection, column: ColumnElement[Value], values: Iterable[Value]) -> ColumnElement[bool]:
    """`column IN (values)`, already bound: for statements that are not run often."""
    postgresql = is_postgresql(connection)
    return _GIVEN.clause(postgresql, column, _GIVEN.bind(postgresql, values)["given"])


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
