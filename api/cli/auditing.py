"""`idlefee audit` and `idlefee digest`: who did what, and the line a day that proves it."""

from typing import Annotated

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, To, app
from api.cli.opening import opened


@app.command()
def audit(
    author: Annotated[str | None, typer.Option("--author", help="As `finance:0a1b2c`, or a role.")] = None,
    what: Annotated[str | None, typer.Option("--what", help="A kind of deed, as `waiver`.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="As `session st-1/s-1`, `owner ann`.")] = None,
    from_: From = None,
    to: To = None,
    most: Annotated[int, typer.Option("--most", help="How many at the most.", min=1, max=100_000)] = 100,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Who did what, when and why, the newest first."""
    since, until = asking.moment(from_, "--from"), asking.moment(to, "--to")
    with opened(database) as idlefee:
        from billing.periods.trail import Asked, deeds
        from sessions.events import rfc3339

        asked = Asked(since=since, until=until, author=author, what=what, subject=subject)
        with idlefee.reading() as connection:
            found = deeds(connection, asked, None, most)
    if as_json:
        show_json(
            [
                {
                    "at": rfc3339(deed.at),
                    "author": deed.author,
                    "what": deed.what,
                    "subject": deed.subject,
                    "reason": deed.reason,
                    "details": dict(deed.details),
                }
                for deed in found
            ]
        )
    elif not found:
        say("Nobody did such a thing.")
    else:
        cells = [(rfc3339(deed.at), deed.author, deed.what, deed.subject, deed.reason) for deed in found]
        show_table(("when", "who", "what", "to what", "why"), cells)


@app.command()
def digest(
    day: Annotated[str | None, typer.Option("--day", help="As 2026-11-22, UTC; else the newest.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Seal the days that are over and print a day's line: keep it elsewhere, and nobody can change that day unnoticed.

    `idlefee verify` computes every digest again.
    """
    with opened(database) as idlefee:
        from billing.periods.seals import seal_until, seals

        with idlefee.writing() as connection:
            seal_until(connection, idlefee.clock.now())
            found = seals(connection, day or "", None if day is None else 1)
    if not found or (day is not None and found[0].day != day):
        which = "no day" if day is None else day
        raise Refused(f"{which} is sealed: a day is, an hour after its end (UTC)", Exit.DIFFERENCES)
    seal = found[-1]
    if as_json:
        show_json(
            {
                "day": seal.day,
                "deeds": seal.deeds,
                "transfers": seal.transfers,
                "before": seal.before,
                "digest": seal.digest,
            }
        )
    else:
        say(seal.line)
