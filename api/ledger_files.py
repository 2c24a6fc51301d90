"""The ledger as a file to take along, the same through every door; the trail keeps who took it.

Beancount and Parquet are `billing.exports`' business, here is CSV.
"""

from collections.abc import Iterator
from itertools import islice
from typing import IO

from sqlalchemy import Connection

from api.exports import csv_text, decimal_text, harmless
from api.spool import spooled_file
from api.wiring import Idlefee
from billing.books import Entry, Wanted, every_entry
from billing.decisions.recording import check_interval
from billing.exports import Format
from billing.exports.journal import journal
from billing.exports.table import write_parquet
from billing.periods.trail import record
from sessions.database import one_moment
from sessions.events import rfc3339

ROWS_A_CHUNK = 500
COLUMNS = (
    *("recorded_at", "seller", "site", "session", "party", "subject", "transfer", "n", "corrects", "reason"),
    *("line", "account", "owner", "tax_code", "currency", "amount_minor", "amount"),
)
MEDIA = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.BEANCOUNT: "text/plain; charset=utf-8",
}


def ledger_file(idlefee: Idlefee, author: str, format_: Format, wanted: Wanted) -> Iterator[bytes]:
    """The file in pieces, made whole before this returns. Raises as `write_ledger` does."""
    return spooled_file(lambda file: write_ledger(idlefee, author, format_, wanted, file))


def write_ledger(idlefee: Idlefee, author: str, format_: Format, wanted: Wanted, file: IO[bytes]) -> None:
    """Every entry wanted of both books, as of one moment: a book of millions takes no more memory than a small one.

    Raises `EmptyInterval`, and `ParquetMissing` where that extra is not installed.
    """
    if wanted.since is not None and wanted.until is not None:
        check_interval(wanted.since, wanted.until)
    _note(idlefee, author, format_, wanted)
    with one_moment(idlefee.engine) as connection:
        if format_ is Format.PARQUET:
            write_parquet(every_entry(connection, wanted), file)
            return
        for piece in journal(connection, wanted) if format_ is Format.BEANCOUNT else _lines(connection, wanted):
            file.write(piece.encode())


def _note(idlefee: Idlefee, author: str, format_: Format, wanted: Wanted) -> None:
    asked = {
        "format": format_.value,
        "seller": wanted.seller_id,
        "site": wanted.site_id,
        "session": wanted.session_id,
        "from": wanted.since,
        "to": wanted.until,
    }
    with idlefee.writing() as connection:
        record(
            connection,
            author=author,
            what="ledger_exported",
            subject="ledger" if wanted.seller_id is None else f"seller {wanted.seller_id}",
            details={name: value for name, value in asked.items() if value is not None},
            now=idlefee.clock.now(),
        )


def _lines(connection: Connection, wanted: Wanted) -> Iterator[str]:
    rows = every_entry(connection, wanted)
    yield csv_text([COLUMNS])
    while chunk := list(islice(rows, ROWS_A_CHUNK)):
        yield csv_text(map(_cells, chunk))


def _cells(entry: Entry) -> tuple[object, ...]:
    return (
        rfc3339(entry.recorded_at),
        harmless(entry.seller_id),
        harmless(entry.site_id),
        harmless(entry.session_id),
        harmless(entry.lead if entry.session_id is None else None),
        harmless(entry.subject if entry.session_id is None else None),
        entry.transfer_id,
        entry.n,
        entry.corrects,
        harmless(entry.reason),
        entry.line,
        entry.account,
        harmless(entry.owner_id),
        harmless(entry.tax_code),
        entry.currency,
        entry.amount_minor,
        decimal_text(entry.amount_minor, entry.currency),
    )
