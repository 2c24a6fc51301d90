"""`idlefee jobs`: steps that wait or were parked, and letting a parked one run again."""

from typing import Annotated

import typer

from api.cli.console import say, show_json, show_table
from api.cli.errors import Refused
from api.cli.frame import AsJson, Database, group
from api.cli.opening import opened

jobs = group("jobs", "Steps to be done later: what is overdue, and what failed so often that it waits for you.")


@jobs.command("list")
def list_(database: Database = None, as_json: AsJson = False) -> None:
    """Overdue steps by kind, and every parked step with its last error."""
    with opened(database) as idlefee:
        from billing.jobs import dead_letters, waiting

        with idlefee.reading() as connection:
            overdue = waiting(connection, idlefee.clock.now())
            parked = dead_letters(connection)
    if as_json:
        named = ("key", "site_id", "kind", "attempts", "last_error")
        show_json({"overdue": overdue, "parked": [{name: job[name] for name in named} for job in parked]})
        return
    for kind, number in sorted(overdue.items()):
        say(f"Overdue: {number:,} × {kind}. A worker takes them: `idlefee worker`.")
    if not overdue:
        say("Nothing is overdue.")
    if not parked:
        say("Nothing is parked.")
        return
    show_table(
        ("parked", "kind", "attempts", "last error"),
        [(job["key"], job["kind"], job["attempts"], job["last_error"]) for job in parked],
        right=("attempts",),
    )


@jobs.command()
def revive(
    key: Annotated[str, typer.Argument(help="As `jobs list` shows it.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a parked step run again, now."""
    with opened(database) as idlefee:
        from billing.jobs import revive as revive_

        with idlefee.writing() as connection:
            revived = revive_(connection, key)
    if not revived:
        raise Refused(f"no step {key} is parked: see `idlefee jobs list`")
    if as_json:
        show_json({"key": key, "revived": True})
    else:
        say(f"{key} runs again with the next worker.")
