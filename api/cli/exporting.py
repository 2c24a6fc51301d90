"""`idlefee export`: the books for other programs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli import asking
from api.cli.errors import Exit, Refused
from api.cli.frame import Database, From, To, group
from api.cli.opening import AUTHOR, opened
from billing.exports import Format

export = group("export", "Give the books to other programs.")


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
        from api.ledger_files import write_ledger
        from billing.books import Wanted
        from billing.exports.table import ParquetMissing

        wanted = Wanted(seller_id=seller, since=since, until=until)
        try:
            if output is None:
                write_ledger(idlefee, AUTHOR, format_, wanted, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                with output.open("wb") as file:
                    write_ledger(idlefee, AUTHOR, format_, wanted, file)
        except ParquetMissing as error:
            raise Refused(str(error), Exit.USAGE) from None
