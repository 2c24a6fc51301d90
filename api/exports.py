"""The ledger's entries as CSV: a book of millions takes no more memory than a small one."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

from api.spool import spooled
from api.wiring import Idlefee
from billing.books import Entry, Wanted, every_entry
from billing.money import decimal_text
from sessions.events import rfc3339

__all__ = ["csv_text", "decimal_text", "entries_csv", "harmless"]

ROWS_A_CHUNK = 500
COLUMNS = (
    *("recorded_at", "seller", "site", "session", "party", "subject", "transfer", "n", "corrects", "reason"),
    *("line", "account", "owner", "tax_code", "currency", "amount_minor", "amount"),
)


def entries_csv(idlefee: Idlefee, wanted: Wanted) -> Iterator[bytes]:
    """The file, in pieces."""
    return spooled(_lines(idlefee, wanted))


def _lines(idlefee: Idlefee, wanted: Wanted) -> Iterator[str]:
    with idlefee.reading() as connection:
        rows = every_entry(connection, wanted)
        yield csv_text([COLUMNS, *map(_cells, islice(rows, ROWS_A_CHUNK))])
        while chunk := list(islice(rows, ROWS_A_CHUNK)):
            yield csv_text(map(_cells, chunk))


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


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


def harmless(text: str | None) -> str | None:
    """A station may call a session `=1+1`: a spreadsheet must read it as a text."""
    return f"'{text}" if text is not None and text.startswith(("=", "+", "-", "@", "\t")) else text
