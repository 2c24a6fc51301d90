"""Statements in the words of both engines: rows and values handed in at once, row locks, JSON as it is kept.

Knows SQL dialects and nothing of charging; whoever asks brings a connection (`sessions.database`).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from sessions.database import is_postgresql


def for_update(statement: Select[Any]) -> Select[Any]:
    """Row locks where the engine has them; on SQLite, which is asked without, the write transaction itself is the lock.

    Of the kind that lets others go on inserting rows which refer to the locked ones: an upload that names a new stall
    must not wait for a decision about its site that waits for the upload.
    """
    return statement.with_for_update(key_share=True)


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
