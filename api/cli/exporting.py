"""`idlefee export`: the books for other programs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.errors import Exit, Refused
from api.cli.frame import Database, From, To, group
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from api.wiring import Idlefee
    from billing.books import Wanted

export = group("export", "Give the books to other programs.")


class Format(StrEnum):
    """What the ledger is written as."""

    CSV = "csv"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"


@export.command("ledger")
def export_ledger(
    format_: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CSV,
    from_: From = None,
    to: To = None,
    seller: Annotated[str | None, typer.Option("--seller", help="Of this one only.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="A file; else it is printed.")] = None,
    database: Database = None,
) -> None:
    """Every entry of both books. A Beancount journal proves its own balances: `bean-check FILE`.

    Ask up to a moment that is over. Parquet needs the extra `parquet`.
    """
    since, until = asking.moment(from_, "--from"), asking.moment(to, "--to")
    if output is None and format_ is Format.PARQUET and sys.stdout.isatty():
        raise Refused("a Parquet table is nothing to read: name a file with --output", Exit.USAGE)
    with opened(database) as idlefee:
        from billing.books import Wanted
        from billing.periods.trail import record

        wanted = Wanted(seller_id=seller, since=since, until=until)
        details: dict[str, Any] = {"format": format_.value, "from": since, "to": until}
        with idlefee.writing() as connection:
            record(
                connection,
                author=AUTHOR,
                what="ledger_exported",
                subject="ledger" if seller is None else f"seller {seller}",
                details={name: value for name, value in details.items() if value is not None},
                now=idlefee.clock.now(),
            )
        if output is None:
            _write(idlefee, format_, wanted, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with output.open("wb") as file:
                _write(idlefee, format_, wanted, file)


def _write(idlefee: "Idlefee", format_: Format, wanted: "Wanted", file: IO[bytes]) -> None:
    from api.exports import entries_csv
    from billing.books import every_entry
    from billing.exports.journal import journal
    from billing.exports.table import ParquetMissing, write_parquet
    from sessions.database import one_moment

    if format_ is Format.CSV:
        for lines in entries_csv(idlefee, wanted):
            file.write(lines)
        return
    with one_moment(idlefee.engine) as connection:
        if format_ is Format.BEANCOUNT:
            for piece in journal(connection, wanted):
                file.write(piece.encode())
            return
        try:
            write_parquet(every_entry(connection, wanted), file)
        except ParquetMissing as error:
            raise Refused(str(error), Exit.USAGE) from None
