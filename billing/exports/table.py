"""The ledger as a Parquet table, a row an entry: for whoever analyses it. Needs the extra `parquet`."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO

from billing.books import Entry

ROWS_A_GROUP = 50_000


class ParquetMissing(Exception):
    """The extra `parquet` is not installed."""


def write_parquet(entries: Iterable[Entry], file: IO[bytes]) -> None:
    """Write the entries, some ten thousand in memory at a time. Raises `ParquetMissing`."""
    try:
        from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
        from arro3.io import write_parquet as write
    except ImportError:
        raise ParquetMissing("Parquet needs an extra: pip install 'idlefee[parquet]'") from None
    text, whole = DataType.utf8(), DataType.int64()
    moment = DataType.timestamp("s", tz="UTC")
    columns = (
        ("recorded_at", moment, False),
        ("seller", text, False),
        ("site", text, True),
        ("session", text, True),
        ("party", text, True),
        ("subject", text, False),
        ("transfer", text, False),
        ("n", whole, False),
        ("corrects", text, True),
        ("reason", text, False),
        ("line", whole, False),
        ("account", text, False),
        ("owner", text, True),
        ("tax_code", text, True),
        ("currency", text, False),
        ("amount_minor", whole, False),
    )
    schema = Schema([Field(name, kind, nullable=nullable) for name, kind, nullable in columns])

    def batches() -> Iterator[RecordBatch]:
        rows = iter(entries)
        while chunk := list(islice(rows, ROWS_A_GROUP)):
            values = zip(*map(_cells, chunk), strict=True)
            arrays = [
                Array(list(column), type=whole).cast(kind) if kind == moment else Array(list(column), type=kind)
                for column, (_, kind, _) in zip(values, columns, strict=True)
            ]
            yield RecordBatch.from_arrays(arrays, schema=schema)

    reader = RecordBatchReader.from_batches(schema, batches())
    write(reader, file, compression="zstd(3)", max_row_group_size=ROWS_A_GROUP)


def _cells(entry: Entry) -> tuple[object, ...]:
    return (
        entry.recorded_at,
        entry.seller_id,
        entry.site_id,
        entry.session_id,
        entry.lead if entry.site_id is None else None,
        entry.subject,
        entry.transfer_id,
        entry.n,
        entry.corrects,
        entry.reason,
        entry.line,
        entry.account,
        entry.owner_id,
        entry.tax_code,
        entry.currency,
        entry.amount_minor,
    )
