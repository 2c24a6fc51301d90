"""A table in parts by where its rows lie on the disk: several processes read each row once, and each the disk in order.

No key would do: sessions lie in the order in which they came, so that a range of keys is spread over the whole table.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal_column, select, text

from sessions.database import is_postgresql


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks (PostgreSQL) or row numbers (SQLite) of a table in [start, end); `end` none: to its end."""

    table: str
    start: int
    end: int | None

    def rows(self, connection: Connection) -> ColumnElement[bool]:
        """The condition that a row lies in this part."""
        place: ColumnElement[Any]
        if is_postgresql(connection):
            place, at = literal_column(f"{self.table}.ctid"), "'({},0)'::tid"
        else:
            place, at = literal_column(f"{self.table}.rowid"), "{}"
        begins = place >= literal_column(at.format(self.start))
        return begins if self.end is None else and_(begins, place < literal_column(at.format(self.end)))


def parts(connection: Connection, table: Table, rows_each: int) -> list[Part]:
    """The table in consecutive parts of about `rows_each` rows; what is written after this may be in the last."""
    start, end, step = _extent(connection, table, rows_each)
    edges = [*range(start, max(end, start + 1), step), None]
    return [Part(table.name, first or 0, then) for first, then in pairwise(edges)]


def _extent(connection: Connection, table: Table, rows_each: int) -> tuple[int, int, int]:
    """First and last place, and how many places hold about `rows_each` rows."""
    if not is_postgresql(connection):
        row: ColumnElement[int] = literal_column("rowid")
        first, last = connection.execute(select(func.min(row), func.max(row)).select_from(table)).one()
        return first or 0, (last or 0) + 1, rows_each
    size = "pg_relation_size(:name) / current_setting('block_size')::int"
    rows = "(SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = CAST(:name AS regclass))"
    blocks, counted = connection.execute(text(f"SELECT {size}, {rows}"), {"name": table.name}).one()
    # Never counted (no ANALYZE yet): some thirty sessions fit in a block of 8 KiB.
    rows_a_block = max(1, counted // blocks) if blocks and counted else 30
    return 0, blocks, max(1, rows_each // rows_a_block)
