"""`idlefee import`: recorded sessions from a file, through the same intake as a station's events."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, progress, say, show_json
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, app
from api.cli.opening import opened

if TYPE_CHECKING:
    from api.imports import Imported

MOST_PROBLEMS = 20  # shown on a terminal; --json names them all
FORMATS = ("acn", "csv", "jsonl")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The file of recorded sessions.", show_default=False)],
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="|".join(FORMATS), help="Else it is told from the file.")
    ] = None,
    tariff: Annotated[str | None, typer.Option("--tariff", help="The first tariff of the sites in the file.")] = None,
    site: Annotated[
        str | None, typer.Option("--site", help="Where stations stand that the file does not place.")
    ] = None,
    seller: Annotated[str | None, typer.Option("--seller", help="Whose new sites are, if there are several.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Bill recorded sessions. Sites, stations, owners and tokens are created as they are met; nobody is notified.

    A second import of the same file changes nothing. Bad rows are named with their line; good rows are not lost.
    """
    if file_format not in {None, *FORMATS}:
        raise Refused(f"--format {file_format}: choose {', '.join(FORMATS)}, or leave it out", Exit.USAGE)
    imported = _import(database, file, file_format, tariff=tariff, site=site, seller=seller)
    if as_json:
        show_json(imported.to_json())
    else:
        _tell(file, imported)
    _name_problems(file, imported)
    if imported.problems:
        raise typer.Exit(Exit.DIFFERENCES)


def _import(database: str | None, file: Path, file_format: str | None, **named: str | None) -> "Imported":
    from api.imports import Advance, Format, UnreadableFile, guess_format, import_file

    try:
        chosen = guess_format(file) if file_format is None else Format(file_format)
        with opened(database, create=True) as idlefee, progress(f"importing {file.name}") as advance:

            def on_advance(advanced: Advance) -> None:
                advance(advanced.done, advanced.total)

            return import_file(idlefee, file, chosen, on_advance=on_advance, **named)
    except UnreadableFile as fault:
        raise Refused(f"{file}: {fault}", Exit.USAGE) from None


def _tell(file: Path, imported: "Imported") -> None:
    from api.pages.words import NOT_BILLABLE, count, money, word

    summary = imported.summary
    if not imported.changed:
        say(f"Nothing changed: all of {file.name} was here already.")
    reasons = [
        f"{number:,} because {word(NOT_BILLABLE, code)}" for code, number in sorted(summary.not_billable.items())
    ]
    say(f"{count(summary.sessions, 'session')}, {summary.billable:,} of them billable, {summary.charged:,} charged.")
    if reasons:
        say(f"Not billable: {sum(summary.not_billable.values()):,} ({'; '.join(reasons)}).")
    if summary.running:
        say(f"{count(summary.running, 'session')} not over yet.")
    if summary.in_review:
        say(f"{count(summary.in_review, 'session')} in review: `idlefee review list` names them.")
    for currency, total_minor in sorted(summary.total_minor.items()):
        unclaimed = money(summary.unclaimed_minor[currency], currency)
        say(f"Fees: {money(total_minor, currency)}, of which {unclaimed} wait to be claimed.")
    if summary.unclaimed:
        say(f"{count(summary.unclaimed, 'session')} claimed by nobody.")


def _name_problems(file: Path, imported: "Imported") -> None:
    for problem in imported.problems[:MOST_PROBLEMS]:
        note(f"{file.name} line {problem.line}: {problem.message}{' (not stored)' if problem.lost else ''}")
    if len(imported.problems) > MOST_PROBLEMS:
        note(f"… and {len(imported.problems) - MOST_PROBLEMS:,} more: --json names them all")
