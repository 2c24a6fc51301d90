"""The application every command registers with, and the options that many of them share."""

from contextvars import ContextVar
from typing import Annotated

import typer

PROGRAM = "idlefee"

app = typer.Typer(
    name=PROGRAM,
    help="A full car blocks the next driver: from what a charger reports to a fee everyone can check.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

# `idlefee --database URL COMMAND` means the same as `idlefee COMMAND --database URL`.
database_before: ContextVar[str | None] = ContextVar("database_before", default=None)

_WHICH = "sqlite:///FILE or postgresql://USER@HOST/NAME; else IDLEFEE_DATABASE_URL, else sqlite:///./idlefee.db"
Database = Annotated[str | None, typer.Option("--database", metavar="URL", help=_WHICH)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; the owner reads it.")]
Owner = Annotated[str, typer.Option("--owner", help="Whose it is.")]
From = Annotated[str | None, typer.Option("--from", metavar="MOMENT", help="RFC 3339, as 2026-05-01T12:00:00+02:00.")]
To = Annotated[str | None, typer.Option("--to", metavar="MOMENT", help="Until before this moment.")]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, database: Database = None, version: bool = typer.Option(False, "--version")) -> None:
    database_before.set(database)
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"{PROGRAM} {installed(PROGRAM)}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def group(name: str, help_: str) -> typer.Typer:
    """A command with commands of its own: `idlefee NAME …`."""
    made = typer.Typer(help=help_, pretty_exceptions_enable=False)
    app.add_typer(made, name=name)
    return made
