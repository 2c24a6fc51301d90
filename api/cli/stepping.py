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
    """Overdue steps by kind, every provider of notices that fails, every parked step with its last error."""
    with opened(database) as idlefee:
        from billing.jobs import dead_letters, waiting
        from billing.notices.health import ailing
        from sessions.events import rfc3339

        with idlefee.reading() as connection:
            overdue = waiting(connection, idlefee.clock.now())
            failing = ailing(connection)
            parked = dead_letters(connection)
    if as_json:
        named = ("key", "site_id", "kind", "attempts", "last_error")
        ill = [
            {
                "provider": provider,
                "since": rfc3339(one.failing_since),
                "failures": one.failures,
                "left_alone_until": rfc3339(one.left_alone_until),
                "last_error": one.last_error,
            }
            for provider, one in failing.items()
        ]
        letters = [{name: job[name] for name in named} for job in parked]
        show_json({"overdue": overdue, "failing": ill, "parked": letters})
        return
    for kind, number in sorted(overdue.items()):
        say(f"Overdue: {number:,} × {kind}. A worker takes them: `idlefee worker`.")
    if not overdue:
        say("Nothing is overdue.")
    for provider, one in failing.items():
        say(f"Failing: {provider}, since {rfc3339(one.failing_since)}, {one.failures} times. {one.last_error}")
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
